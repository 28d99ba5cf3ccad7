/*
 * ml_label.h: LabelEncoder's tensors (ai.onnx.ml 4).  Private to ml_*.c.
 *
 * Ownership: nothing is allocated.
 * Threads:   reentrant.
 */

#ifndef MAAS_ML_LABEL_H
#define MAAS_ML_LABEL_H

#include "ops/ops_common.h"


/*
 * keys_tensor, values_tensor and default_tensor become the lists of version
 * 2 and key_type and value_type (maas_dtype_t); float64 becomes its bits in
 * keys_doubles, values_doubles and default_double.
 */
maas_status_t maas_label_upgrade(maas_import_t *im, maas_raw_node_t *n,
    int opset, maas_err_t *err);

#endif
