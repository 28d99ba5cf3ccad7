#!/bin/sh
# Lists the plug-in folders into registry.c: every ops/X.c exports
# `const maas_op_t maas_ops_X[]`, every proto/X.c that says so exports
# `const maas_proto_t maas_proto_X`, every train/estimators/X.c exports
# `const maas_estimator_t maas_estimators_X[]`, every train/layers/X.c
# `const maas_layer_t maas_layers_X[]`.  Run by the Makefile.
set -eu
cd "$(dirname "$0")"
names() { grep -l "$2" "$1"/*.c 2>/dev/null | sed 's|.*/||; s|\.c$||' | LC_ALL=C sort; }
echo '/* Made by registry.sh. */'
echo '#include "graph/op.h"'
echo '#include "proto/proto.h"'
echo '#include "train/estimator.h"'
echo '#include "train/layer.h"'
ops=$(names ops '^const maas_op_t *maas_ops_')
for o in $ops; do echo "extern const maas_op_t  maas_ops_$o[];"; done
echo 'const maas_op_t *const  maas_registry_ops[] = {'
for o in $ops; do echo "    maas_ops_$o,"; done
echo '    NULL'
echo '};'
protos=$(names proto '^const maas_proto_t *maas_proto_')
for p in $protos; do echo "extern const maas_proto_t  maas_proto_$p;"; done
echo 'const maas_proto_t *const  maas_registry_protos[] = {'
for p in $protos; do echo "    &maas_proto_$p,"; done
echo '    NULL'
echo '};'
rows=$(names train/estimators '^const maas_estimator_t *maas_estimators_')
for r in $rows; do echo "extern const maas_estimator_t  maas_estimators_$r[];"; done
echo 'const maas_estimator_t *const  maas_registry_estimators[] = {'
for r in $rows; do echo "    maas_estimators_$r,"; done
echo '    NULL'
echo '};'
rows=$(names train/layers '^const maas_layer_t *maas_layers_')
for r in $rows; do echo "extern const maas_layer_t  maas_layers_$r[];"; done
echo 'const maas_layer_t *const  maas_registry_layers[] = {'
for r in $rows; do echo "    maas_layers_$r,"; done
echo '    NULL'
echo '};'
