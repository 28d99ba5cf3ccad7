#!/bin/sh
# Figures of this machine: bench/run.sh [BUILD] [engine|trees|json|http|batch]...
# Beside ONNX Runtime, and nginx with the model beside nginx without.  Prints
# tables and writes them to docs/benchmarks.md.  $BENCH_PAIRS (9) pairs of
# runs, $BENCH_SECONDS (2) each.  Nothing is asserted: a neighbour on the
# machine moves any figure, so only alternated ratios say much.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "${1:-$root/build}" && pwd)
[ $# -eq 0 ] || shift

[ -x "$build/maas" ] || { echo "$build/maas is missing: run make" >&2; exit 1; }

"$root/tools/deps.sh" models
"$root/t/models/npm.sh" "$build"

export MAAS_BUILD="$build"
export MAAS_MODELS="${MAAS_MODELS:-$root/../shared/models}"
export PYTHONDONTWRITEBYTECODE=1

exec /usr/bin/python3 "$root/bench/bench.py" "$@"
