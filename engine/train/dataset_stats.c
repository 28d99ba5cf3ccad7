/*
 * Statistics of a column in memory.  Sums are long double, the deviation is
 * a second pass, so that results agree with a two-pass computation in
 * float64 to its last digits.
 *
 * Ownership: the caller's memory.
 * Threads:   reentrant.
 */

#include <math.h>
#include <stdlib.h>

#include "train/dataset_writer.h"


#define STATS_SLOTS  1024       /* > 2 * MAAS_DATASET_VALUES */

_Static_assert(STATS_SLOTS > 2 * MAAS_DATASET_VALUES, "slots");

typedef struct {
    int64_t      n;
    int64_t      infinite;
    double       min, max;
    long double  sum;
} stats_sum_t;


static inline void
stats_add(stats_sum_t *s, double v)
{
    if (isinf(v)) {
        s->infinite++;
        return;
    }

    s->n++;
    s->sum += v;
    s->min = v < s->min ? v : s->min;
    s->max = v > s->max ? v : s->max;
}


/* Element i of a column or of its tensors; false: missing. */
static inline bool
stats_get(const maas_column_t *c, maas_dtype_t dtype, int64_t i, double *v)
{
    switch (dtype) {
    case MAAS_F64:
        *v = ((const double *) c->data)[i];
        break;
    case MAAS_F32:
        *v = ((const float *) c->data)[i];
        break;
    case MAAS_U8:
        *v = ((const uint8_t *) c->data)[i];
        break;
    case MAAS_BOOL:
        *v = ((const uint8_t *) c->data)[i] != 0;
        break;
    case MAAS_I8:
        *v = ((const int8_t *) c->data)[i];
        break;
    case MAAS_U16:
        *v = ((const uint16_t *) c->data)[i];
        break;
    case MAAS_I16:
        *v = ((const int16_t *) c->data)[i];
        break;
    case MAAS_U32:
        *v = ((const uint32_t *) c->data)[i];
        break;
    case MAAS_I32:
        *v = ((const int32_t *) c->data)[i];
        break;
    case MAAS_U64:
        *v = (double) ((const uint64_t *) c->data)[i];
        break;
    case MAAS_I64:
        *v = (double) ((const int64_t *) c->data)[i];
        break;
    case MAAS_F16:
        *v = maas_f16_to_f32(((const uint16_t *) c->data)[i]);
        break;
    case MAAS_BF16:
        *v = maas_bf16_to_f32(((const uint16_t *) c->data)[i]);
        break;
    default:
        *v = (double) (c->off[i + 1] - c->off[i]);
    }

    return *v == *v
           && (c->present == NULL || maas_bit(c->present,
                                              i / (int64_t) c->width));
}


/* dtype is a constant in each call, so that the loops have no switch. */
static inline __attribute__((always_inline)) void
stats_pass(maas_column_t *c, maas_dtype_t dtype, int64_t n)
{
    double        v;
    long double   mean, d, sum = 0;
    stats_sum_t   s = { .min = INFINITY, .max = -INFINITY };

    for (int64_t i = 0; i < n; i++) {
        if (stats_get(c, dtype, i, &v)) {
            stats_add(&s, v);
        }
    }

    c->stats.infinite = s.infinite;

    if (s.n == 0) {
        c->stats.min = c->stats.max = c->stats.mean = c->stats.std = NAN;
        return;
    }

    mean = s.sum / s.n;

    for (int64_t i = 0; i < n; i++) {
        if (stats_get(c, dtype, i, &v) && !isinf(v)) {
            d = v - mean;
            sum += d * d;
        }
    }

    c->stats.min = s.min;
    c->stats.max = s.max;
    c->stats.mean = (double) mean;
    c->stats.std = (double) sqrtl(sum / s.n);
}


static int
stats_order(const void *a, const void *b)
{
    int64_t  x = *(const int64_t *) a, y = *(const int64_t *) b;

    return x < y ? -1 : x > y;
}


/* The values of integers, ascending, and how often each is there. */
static void
stats_values(const maas_column_t *c, int64_t rows, int64_t *value,
    int64_t *count, uint32_t *n_value)
{
    int64_t   v, seen[STATS_SLOTS], times[STATS_SLOTS] = { 0 };
    uint32_t  h, n = 0;

    *n_value = 0;

    for (int64_t r = 0; r < rows; r++) {
        if (c->present != NULL && !maas_bit(c->present, r)) {
            continue;
        }

        v = ((const int64_t *) c->data)[r];
        h = (uint32_t) ((uint64_t) v * UINT64_C(0x9e3779b97f4a7c15) >> 32);

        while (times[h % STATS_SLOTS] != 0 && seen[h % STATS_SLOTS] != v) {
            h++;
        }

        h %= STATS_SLOTS;

        if (times[h]++ == 0) {
            if (n == MAAS_DATASET_VALUES) {
                return;
            }

            seen[h] = v;
            value[n++] = v;
        }
    }

    qsort(value, n, sizeof(*value), stats_order);

    for (uint32_t i = 0; i < STATS_SLOTS; i++) {
        for (uint32_t k = 0; k < n && times[i] != 0; k++) {
            if (value[k] == seen[i]) {
                count[k] = times[i];
            }
        }
    }

    *n_value = n;
}


#define STATS_CASE(d)  case d: stats_pass(c, d, n); break;

void
maas_dataset_stats(maas_column_t *c, int64_t rows, int64_t *value,
    int64_t *count, uint32_t *n_value)
{
    int64_t  n = rows * (int64_t) c->width;

    *n_value = 0;

    switch (c->kind == MAAS_COL_CATEGORY ? MAAS_NODTYPE : c->dtype) {
    STATS_CASE(MAAS_F64)
    STATS_CASE(MAAS_F32)
    STATS_CASE(MAAS_U8)
    STATS_CASE(MAAS_BOOL)
    STATS_CASE(MAAS_I8)
    STATS_CASE(MAAS_U16)
    STATS_CASE(MAAS_I16)
    STATS_CASE(MAAS_U32)
    STATS_CASE(MAAS_I32)
    STATS_CASE(MAAS_U64)
    STATS_CASE(MAAS_I64)
    STATS_CASE(MAAS_F16)
    STATS_CASE(MAAS_BF16)
    STATS_CASE(MAAS_STRING)

    default:
        c->stats.min = c->stats.max = c->stats.mean = c->stats.std = NAN;
    }

    if (c->kind == MAAS_COL_INTEGER) {
        stats_values(c, rows, value, count, n_value);

    } else if (c->kind == MAAS_COL_BOOL) {
        count[0] = count[1] = 0;
        *n_value = 2;

        for (int64_t r = 0; r < rows; r++) {
            if (c->present == NULL || maas_bit(c->present, r)) {
                count[((const uint8_t *) c->data)[r] != 0]++;
            }
        }
    }
}
