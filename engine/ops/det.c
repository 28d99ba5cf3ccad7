/*
 * Det: determinants of the square matrices of the last two axes, by
 * elimination with partial pivoting in double.  An empty matrix has 1.
 *
 * Ownership: a copy of one matrix lies in the scratch of a thread.
 * Threads:   matrices are independent.
 */

#include <math.h>

#include "ops/move.h"


static maas_status_t
det_infer(maas_infer_t *c)
{
    maas_dim_t          n;
    const maas_type_t  *t = c->in[0].type;

    if (t->rank < 2) {
        return maas_err(c->err, MAAS_EINVAL, "X has rank %d, expected 2 or "
                        "more", t->rank);
    }

    MAAS_TRY(maas_infer_merge(c, t->dims[t->rank - 2], t->dims[t->rank - 1],
                              &n, "the rows and columns of a matrix"));
    maas_infer_set(c, 0, t->dtype, t->rank - 2, t->dims);

    return MAAS_OK;
}


static bool
det_setup(maas_setup_t *u)
{
    double   cost;
    int64_t  n = u->in[0].dims[u->in[0].rank - 1];

    cost = (double) n * (double) n * (double) (n + 3);
    u->units = maas_max(maas_tensor_count(&u->out[0]), 1);
    u->cost = 50 + (double) u->units * cost;

    /* Without a matrix n * n is not bounded by the input's size. */
    return maas_tensor_count(&u->in[0]) == 0
           || maas_dtype_bytes(MAAS_F64, n * n, &u->scratch);
}


/* The determinant of m, which is overwritten. */
static double
det_eliminate(double *m, int64_t n)
{
    double   det = 1, f, t;
    int64_t  pivot;

    for (int64_t k = 0; k < n; k++) {
        pivot = k;

        for (int64_t i = k + 1; i < n; i++) {
            if (fabs(m[i * n + k]) > fabs(m[pivot * n + k])) {
                pivot = i;
            }
        }

        for (int64_t j = k; j < n && pivot != k; j++) {
            t = m[k * n + j];
            m[k * n + j] = m[pivot * n + j];
            m[pivot * n + j] = t;
        }

        f = m[k * n + k];
        det *= pivot != k ? -f : f;

        if (f == 0) {
            return det;
        }

        for (int64_t i = k + 1; i < n; i++) {
            t = m[i * n + k] / f;

            for (int64_t j = k + 1; j < n; j++) {
                m[i * n + j] -= t * m[k * n + j];
            }
        }
    }

    return det;
}


static maas_status_t
det_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    double               *m = slot->scratch, det;
    int64_t               n, size, at;
    const maas_tensor_t  *x = &s->in[0];

    n = x->dims[x->rank - 1];
    size = n * n;
    last = maas_min(last, maas_tensor_count(&s->out[0]));

    for (int64_t i = first; i < last; i++) {
        at = i * size;

        for (int64_t j = 0; j < size; j++) {
            m[j] = x->dtype == MAAS_F64 ? ((const double *) x->data)[at + j]
                   : (double) ((const float *) x->data)[at + j];
        }

        det = det_eliminate(m, n);

        if (x->dtype == MAAS_F64) {
            ((double *) s->out[0].data)[i] = det;

        } else {
            ((float *) s->out[0].data)[i] = (float) det;
        }
    }

    return MAAS_OK;
}


static const maas_formal_t  det_in[] = { { "X", MAAS_D_FLOAT, 'T', 0 } };
static const maas_formal_t  det_out[] = { { "Y", MAAS_D_FLOAT, 'T', 0 } };

static const maas_kernel_row_t  det_kernel[] = {
    { .id = "det.eliminate", .setup = det_setup, .run = det_run }
};

static const maas_case_t  det_cases[] = {
    { "| f32[2,2]", NULL },
    { "| f32[3,2,5,5]", NULL },
    { "| f64[4,17,17]", NULL },
    { "| f32[2,2]{0,1,1,0}", NULL },
    { "| f32[3,3]:zero", NULL },
    { "| f16[2,3,3]", NULL },
    { "| f32[2,3,3]:inf", NULL },
    { "| f32[2,0,0]", NULL },
    { "| f32[0,2,2]", NULL },
    { NULL, NULL }
};

static const maas_case_t  det_bad[] = {
    { "| f32[3]", "expected 2 or more" },
    { "| f32[3,4]", "rows and columns" },
    { NULL, NULL }
};

const maas_op_t  maas_ops_det[] = {
    {
        .name = "Det", .domain = "", .since = 11, .first = 11,
        .flags = MAAS_OP_PURE,
        MAAS_IO(det_in, det_out),
        .infer = det_infer,
        MAAS_KERNELS(det_kernel),
        .cases = det_cases, .bad = det_bad
    },
    { .name = NULL }
};
