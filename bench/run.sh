#!/bin/sh
# Figures of this machine: bench/run.sh [BUILD] [PART|CASE]...
# Beside ONNX Runtime, and nginx with the model beside nginx without.  Prints
# tables; when all is asked for, writes them to docs/benchmarks.md.  Parts:
# engine start trees json http image peers batch texts fit train; or how names
# of networks begin (bench_cases.py).
# Networks run in $BENCH_TURNS (25) pairs of $BENCH_SLICE (0.1) seconds: many
# short ones, so that a host that slows down for a second spoils few.  Servers
# run in $BENCH_PAIRS (9) of $BENCH_SECONDS (2); networks that are not begun
# after $BENCH_MINUTES (13) are left out.  Nothing is asserted: a neighbour on
# the machine moves any figure, so only alternated ratios say much.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "${1:-$root/build}" && pwd)
[ $# -eq 0 ] || shift

[ -x "$build/maas" ] || { echo "$build/maas is missing: run make" >&2; exit 1; }

"$root/tools/deps.sh" models
"$root/t/models/npm.sh" "$build" \
    || echo "ONNX Runtime could not be installed: no peer" >&2
${CC:-gcc} -O2 -o "$build/peer_ort" "$root/bench/peer_ort.c" -ldl
${CC:-gcc} -O2 -o "$build/bench_cores" "$root/bench/bench_cores.c" -lpthread
${CC:-gcc} -O2 -o "$build/peer_proxy" "$root/bench/peer_proxy.c" -ldl
${CC:-gcc} -O2 -o "$build/bench_load" "$root/bench/bench_load.c"

export MAAS_BUILD="$build"
export MAAS_MODELS="${MAAS_MODELS:-$root/../shared/models}"
export PYTHONDONTWRITEBYTECODE=1

exec /usr/bin/python3 "$root/bench/bench.py" "$@"
