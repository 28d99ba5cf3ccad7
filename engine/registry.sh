#!/bin/sh
# Lists the plug-in folders into registry.c: every ops/X.c exports
# `const maas_op_t maas_ops_X[]`, every proto/X.c that says so exports
# `const maas_proto_t maas_proto_X`; with the argument train into
# registry_train.c, which a worker does not link: every train/estimators/X.c
# exports `const maas_estimator_t maas_estimators_X[]`, every train/layers/X.c
# `const maas_layer_t maas_layers_X[]`.  Run by the Makefile.
set -eu
cd "$(dirname "$0")"

list() {        # folder, type, prefix of the names, [] or nothing, &, table
    names=$(grep -l "^const $2 *$3" "$1"/*.c 2>/dev/null |
            sed 's|.*/||; s|\.c$||' | LC_ALL=C sort)
    for n in $names; do echo "extern const $2  $3$n$4;"; done
    echo "const $2 *const  maas_registry_$6[] = {"
    for n in $names; do echo "    $5$3$n,"; done
    echo '    NULL'
    echo '};'
}

echo '/* Made by registry.sh. */'
if [ "${1:-}" = train ]; then
    echo '#include "train/estimator.h"'
    echo '#include "train/layer.h"'
    list train/estimators maas_estimator_t maas_estimators_ '[]' '' estimators
    list train/layers maas_layer_t maas_layers_ '[]' '' layers
else
    echo '#include "graph/op.h"'
    echo '#include "proto/proto.h"'
    list ops maas_op_t maas_ops_ '[]' '' ops
    list proto maas_proto_t maas_proto_ '' '&' protos
fi
