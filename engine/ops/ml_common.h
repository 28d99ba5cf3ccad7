/*
 * ml_common.h: what the ai.onnx.ml operators share: rows of features, class
 * labels, transforms of scores, tables of keys, strings that are written one
 * after the other.  Private to ops/.
 *
 * Ownership: nothing is kept.
 * Threads:   reentrant.
 */

#ifndef MAAS_ML_COMMON_H
#define MAAS_ML_COMMON_H

#include "ops/ops_common.h"


#define ML_X  (MAAS_D_FLOAT | MAAS_D(I32) | MAAS_D(I64))


/* -- scores -------------------------------------------------------------- */

enum { ML_NONE = 0, ML_SOFTMAX, ML_LOGISTIC, ML_SOFTMAX_ZERO, ML_PROBIT };

extern const char *const  maas_ml_post_words[];

float maas_ml_logistic(float v);
float maas_ml_probit(float v);

/* n scores of one row, in place. */
void maas_ml_transform(float *s, int64_t n, int64_t post);


/* -- rows ---------------------------------------------------------------- */

/* [rows, features] or [features]. */
maas_status_t maas_ml_rows(maas_infer_t *c, maas_dim_t *rows,
    maas_dim_t *features);

/* Known features that are not `want` are refused. */
maas_status_t maas_ml_features(maas_infer_t *c, maas_dim_t features,
    int64_t want);

static inline int64_t
maas_ml_count(const maas_tensor_t *x)
{
    return x->rank == 2 ? x->dims[0] : 1;
}


/* Row i as float32: x itself or buf. */
const float *maas_ml_row(const maas_tensor_t *x, int64_t i, float *buf);


/* -- labels -------------------------------------------------------------- */

/* Output 0: one label a row; exactly one of the lists is not empty. */
maas_status_t maas_ml_labels(maas_infer_t *c, const maas_list_t *ints,
    const maas_list_t *strings, maas_dim_t rows);

/* Room for the text of `count` strings of at most `longest` bytes. */
maas_status_t maas_ml_text(maas_infer_t *c, int o, maas_dim_t count,
    size_t longest);

size_t maas_ml_longest(const void *attr, const maas_list_t *l);

/* String i of a tensor of n that is written from 0 to n - 1. */
static inline void
maas_ml_put(maas_tensor_t *t, int64_t n, int64_t i, maas_str_t s)
{
    uint32_t  *off = t->data;

    off[0] = 0;

    if (s.len != 0) {
        memcpy((char *) (off + n + 1) + off[i], s.data, s.len);
    }

    off[i + 1] = off[i] + (uint32_t) s.len;
}


/* Before the first string is written: a tensor of none has an end too. */
static inline void
maas_ml_begin(maas_tensor_t *t)
{
    if (t->dtype == MAAS_STRING && t->data != NULL) {
        *(uint32_t *) t->data = 0;
    }
}


/* -- tables -------------------------------------------------------------- */

/*
 * Open addressing over entries that the caller keeps: slot[] holds the
 * entry's number + 1, 0 is free.
 */
typedef struct {
    uint32_t  *slot;
    uint32_t   mask;
} ml_table_t;

/* Slots for n entries: a power of two, at most half full. */
uint32_t maas_ml_slots(uint32_t n);

static inline uint64_t
maas_ml_mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9e3779b97f4a7c15ull;
    return h ^ (h >> 29);
}


uint64_t maas_ml_hash(maas_str_t s);

#endif
