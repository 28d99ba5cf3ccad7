#!/bin/sh
# Real models through `maas run`, beside ONNX Runtime.
#     t/models/run.sh [BUILD] [TEST.t]...
# Wants BUILD/maas; installs node and npm when they are missing, and ONNX
# Runtime into BUILD/models.  The models: $MAAS_MODELS, else
# ../shared/models beside the checkout; without them the tests are skipped.
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
exec prove -j"$(nproc)" --trap "$@"
