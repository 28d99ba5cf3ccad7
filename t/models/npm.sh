#!/bin/sh
# ONNX Runtime for node, in BUILD/models: t/models/npm.sh BUILD
set -eu

here=$(cd "$(dirname "$0")" && pwd)
dir=$1/models

mkdir -p "$dir"

if cmp -s "$here/package.json" "$dir/package.json" \
    && [ -e "$dir/.installed" ]
then
    exit 0
fi

rm -f "$dir/.installed"
cp "$here/package.json" "$dir/"
cd "$dir"
npm install --ignore-scripts --no-audit --no-fund --no-package-lock \
    --loglevel=error
touch .installed
