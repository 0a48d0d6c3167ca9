#!/usr/bin/env bash
# Runs every fuzz target of the module for the given time each (default 10s).
set -euo pipefail
cd "$(dirname "$0")/.."
fuzztime=${1:-10s}
go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.Dir}}{{end}}' ./... | while read -r dir; do
	{ grep -rhoE --include='*_test.go' --exclude-dir=testdata '^func Fuzz[A-Za-z0-9_]+' "$dir"/*_test.go || true; } |
		sed 's/^func //' | while read -r target; do
		echo "fuzz ${dir#"$PWD"/} $target"
		go test -run '^$' -fuzz "^${target}\$" -fuzztime "$fuzztime" "$dir"
	done
done
