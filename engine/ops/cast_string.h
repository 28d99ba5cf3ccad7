/*
 * cast_string.h: the half of Cast that reads and writes text.  Private to
 * ops/.
 *
 * Ownership: texts go into the slot's bytes, as op.h says.
 * Threads:   units are independent.
 */

#ifndef MAAS_CAST_STRING_H
#define MAAS_CAST_STRING_H

#include "ops/ops_common.h"


/* The room that the text of output 0 takes; dtype and dims are set. */
maas_status_t maas_cast_text_infer(maas_infer_t *c);

/* Elements of in[0] to out[0], where one of them is string. */
maas_status_t maas_cast_text_run(const maas_step_t *s, maas_slot_t *slot);

#endif
