/*
 * ctc: scores of characters by step -> text (connectionist temporal
 * classification, Graves 2006, read greedily): the best class of each step,
 * equal neighbours merged, blanks dropped.  What model.json says under
 * output.meaning "ctc".
 *
 * Ownership: the caller's buffer.
 * Threads:   reentrant.
 */

#ifndef MAAS_PROTO_CTC_H
#define MAAS_PROTO_CTC_H

#include "proto/proto.h"


/*
 * Does the model say that of output i, and is the tensor [rows, steps,
 * classes] in its order, or [steps, classes], of floats, with a label for
 * every class or for every class but the blank?
 */
bool maas_ctc_is(const maas_meta_t *meta, size_t i, const maas_tensor_t *t);

int64_t maas_ctc_rows(const maas_meta_t *meta, const maas_tensor_t *t);

/*
 * Appends the text of a row; returns the mean of the scores of its
 * characters, each that of the first step that shows it; 0: no character.
 */
double maas_ctc_row(const maas_meta_t *meta, const maas_tensor_t *t,
    int64_t row, maas_buf_t *text);

/* "text":..., "score":... of the only row, or "results":[{...}, ...] */
maas_status_t maas_ctc_encode(maas_proto_call_t *c, size_t i,
    maas_err_t *err);

#endif
