#!/usr/bin/env bash
# Runs every test of every module here. Some tests make network namespaces or
# small file systems of their own; what they need is installed first where that
# is possible (root on Debian), and elsewhere it is said what is left out.
set -euo pipefail
cd "$(dirname "$0")/.."

need=()
command -v ip >/dev/null 2>&1 || need+=(iproute2)
if [ "${#need[@]}" -gt 0 ]; then
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
		apt-get update -qq && apt-get install -y -qq "${need[@]}" >/dev/null ||
			echo "left out: tests that need ${need[*]}, which cannot be installed here" >&2
	else
		echo "left out: tests that need ${need[*]} (run as root on Debian to have them installed)" >&2
	fi
fi
[ "$(id -u)" = 0 ] || echo "left out: tests that mount a file system or make network namespaces (they need root)" >&2

# What hangs is to be named early: no package takes minutes by itself.
go test -timeout 10m ./...
# Modules of their own, for counterparts with heavy dependencies.
for dir in integration/*/; do
	if [ -f "${dir}go.mod" ]; then
		(cd "$dir" && go test -timeout 10m ./...)
	fi
done
