/*
 * initializer.c: first values of weights.  See initializer.h.
 *
 * Ownership: nothing is kept.
 * Threads:   reentrant.
 */

#include <math.h>

#include "base/random.h"
#include "train/initializer.h"


#define INIT_STREAM  0x494e4954u        /* "INIT" */
#define INIT_SMALL   0.05


const char *const  maas_init_words[] = {
    [MAAS_INIT_GLOROT_UNIFORM] = "glorot_uniform",
    [MAAS_INIT_GLOROT_NORMAL] = "glorot_normal",
    [MAAS_INIT_HE_UNIFORM] = "he_uniform",
    [MAAS_INIT_HE_NORMAL] = "he_normal",
    [MAAS_INIT_LECUN_UNIFORM] = "lecun_uniform",
    [MAAS_INIT_LECUN_NORMAL] = "lecun_normal",
    [MAAS_INIT_ZEROS] = "zeros",
    [MAAS_INIT_ONES] = "ones",
    [MAAS_INIT_NORMAL] = "normal",
    [MAAS_INIT_UNIFORM] = "uniform",
    [MAAS_INIT_ORTHOGONAL] = "orthogonal",
    NULL
};


static void
init_uniform(const maas_random_t *g, float *w, int64_t n, double limit)
{
    for (int64_t i = 0; i < n; i++) {
        w[i] = (float) (limit * (2 * maas_random_unit(g, (uint64_t) i) - 1));
    }
}


static void
init_normal(const maas_random_t *g, float *w, int64_t n, double deviation)
{
    for (int64_t i = 0; i < n; i++) {
        w[i] = (float) (deviation * maas_random_normal(g, (uint64_t) i));
    }
}


/* q[k] is made free of q[0 .. k) and of length 1; twice is enough: Giraud
 * et al., 2005. */
static void
init_orthonormal(double *q, int64_t k, int64_t n)
{
    double  s, *v = q + k * n;

    for (int again = 0; again < 2; again++) {
        for (int64_t j = 0; j < k; j++) {
            s = 0;

            for (int64_t i = 0; i < n; i++) {
                s += v[i] * q[j * n + i];
            }

            for (int64_t i = 0; i < n; i++) {
                v[i] -= s * q[j * n + i];
            }
        }
    }

    s = 0;

    for (int64_t i = 0; i < n; i++) {
        s += v[i] * v[i];
    }

    for (int64_t i = 0; i < n; i++) {
        v[i] /= sqrt(s);
    }
}


/* As many vectors as the shorter side, as long as the longer one. */
static maas_status_t
init_orthogonal(const maas_init_t *in, const maas_random_t *g, float *w,
    maas_err_t *err)
{
    bool     flip = in->rows > in->cols;
    double  *q;
    int64_t  m = flip ? in->cols : in->rows;
    int64_t  n = flip ? in->rows : in->cols;

    q = maas_calloc(in->host, (size_t) (m * n), sizeof(double));
    if (q == NULL) {
        return maas_err_nomem(err);
    }

    for (int64_t k = 0; k < m; k++) {
        for (int64_t i = 0; i < n; i++) {
            q[k * n + i] = maas_random_normal(g, (uint64_t) (k * n + i));
        }

        init_orthonormal(q, k, n);

        for (int64_t i = 0; i < n; i++) {
            w[flip ? i * m + k : k * n + i] = (float) q[k * n + i];
        }
    }

    maas_free(in->host, q);
    return MAAS_OK;
}


maas_status_t
maas_init_fill(const maas_init_t *in, float *w, maas_err_t *err)
{
    double         sum = maas_max(in->fan_in + in->fan_out, 1);
    double         fan = maas_max(in->fan_in, 1);
    int64_t        n = in->rows * in->cols;
    maas_random_t  g = maas_random(in->seed, INIT_STREAM, in->weight);

    switch (in->kind) {

    case MAAS_INIT_GLOROT_UNIFORM:
        init_uniform(&g, w, n, sqrt(6 / sum));
        break;

    case MAAS_INIT_GLOROT_NORMAL:
        init_normal(&g, w, n, sqrt(2 / sum));
        break;

    case MAAS_INIT_HE_UNIFORM:
        init_uniform(&g, w, n, sqrt(6 / fan));
        break;

    case MAAS_INIT_HE_NORMAL:
        init_normal(&g, w, n, sqrt(2 / fan));
        break;

    case MAAS_INIT_LECUN_UNIFORM:
        init_uniform(&g, w, n, sqrt(3 / fan));
        break;

    case MAAS_INIT_LECUN_NORMAL:
        init_normal(&g, w, n, sqrt(1 / fan));
        break;

    case MAAS_INIT_ZEROS:
    case MAAS_INIT_ONES:
        for (int64_t i = 0; i < n; i++) {
            w[i] = in->kind == MAAS_INIT_ONES;
        }

        break;

    case MAAS_INIT_NORMAL:
        init_normal(&g, w, n, INIT_SMALL);
        break;

    case MAAS_INIT_UNIFORM:
        init_uniform(&g, w, n, INIT_SMALL);
        break;

    default:
        return init_orthogonal(in, &g, w, err);
    }

    return MAAS_OK;
}
