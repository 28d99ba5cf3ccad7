/*
 * concat.h: what Concat, its form over blocks, maas.ConcatBlocked, and that of
 * codes, maas.QConcat, share.
 *
 * Ownership: nothing is allocated.
 * Threads:   reentrant.
 */

#ifndef MAAS_CONCAT_H
#define MAAS_CONCAT_H

#include "graph/op.h"


/*
 * Output 0 has this dtype and the sum of all extents along axis; along the
 * others they are equal.  All inputs have one rank.
 */
maas_status_t maas_concat_infer(maas_infer_t *c, int axis,
    maas_dtype_t dtype);

#endif
