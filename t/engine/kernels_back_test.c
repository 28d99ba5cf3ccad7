/*
 * kernels_back_test: the kernels of gradients at every CPU level of this
 * host: bit for bit against the reference level where nothing but sums and
 * products is made, else against the formula in double precision.  A value
 * must not depend on its place, nor a column's sum on what stands beside it.
 */

#include "kernels_test.h"


/* -- functions of one input ---------------------------------------------- */

static double
d_sigmoid(double x)
{
    return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}


static double
b_elu(double v)
{
    return v > 0 ? 1 : 0.75 * exp(v);
}


static double
b_gelu(double v)
{
    return (1 + erf(v * M_SQRT1_2)) / 2
           + v * exp(-v * v / 2) * 0.3989422804014327;
}


static double
b_gelu_tanh(double v)
{
    double  c = fmax(fmin(v, 1e6), -1e6);
    double  t = tanh(0.7978845608028654 * (c + 0.044715 * c * c * c));

    return (1 + t) / 2 + c / 2 * (1 - t * t) * 0.7978845608028654
                         * (1 + 3 * 0.044715 * c * c);
}


static double
b_swish(double v)
{
    double  s = d_sigmoid(0.75 * v);

    return s * (1 + 0.75 * v * (1 - s));
}


static double
b_mish(double v)
{
    double  w = tanh(fmax(v, 0) + log1p(exp(-fabs(v))));

    return w + v * d_sigmoid(v) * (1 - w * w);
}


/* f: the derivative, of a = 0.75; NULL: the bits are the reference's. */
typedef struct {
    maas_back_t   fn;
    const char   *name;
    double      (*f)(double);
} back_t;

static const back_t  backs[] = {
    { MAAS_G_RELU, "relu", NULL },
    { MAAS_G_LEAKY, "leaky", NULL },
    { MAAS_G_ELU, "elu", b_elu },
    { MAAS_G_SIGMOID, "sigmoid", NULL },
    { MAAS_G_TANH, "tanh", NULL },
    { MAAS_G_HSIGMOID, "hsigmoid", NULL },
    { MAAS_G_HSWISH, "hswish", NULL },
    { MAAS_G_SOFTPLUS, "softplus", d_sigmoid },
    { MAAS_G_GELU, "gelu", b_gelu },
    { MAAS_G_GELU_TANH, "gelu_tanh", b_gelu_tanh },
    { MAAS_G_SWISH, "swish", b_swish },
    { MAAS_G_MISH, "mish", b_mish }
};


/* Any length, any place, in place, against the whole at once. */
static int
back_places(const back_t *t)
{
    int  bad = 0;

    fill(bx, 300, true);
    fill(bw, 300, true);
    kt->back[t->fn](b0, bx, bw, 300, 0.75f, 0.4f);

    for (int n = 0; n <= 70; n++) {
        for (int at = 0; at < 3; at++) {
            fill(b1, n + GUARD, false);
            memcpy(bb, b1 + n, sizeof(float) * GUARD);
            memcpy(LAST(bx, n), bx + at, sizeof(float) * (size_t) n);
            memcpy(LAST(bw, n), bw + at, sizeof(float) * (size_t) n);
            kt->back[t->fn](b1, LAST(bx, n), LAST(bw, n), n, 0.75f, 0.4f);
            bad += differ(b1, b0 + at, n, t->name);
            bad += differ(b1 + n, bb, GUARD, "guard");

            memcpy(b1, bx + at, sizeof(float) * (size_t) n);
            kt->back[t->fn](b1, b1, bw + at, n, 0.75f, 0.4f);
            bad += differ(b1, b0 + at, n, "in place of dy");
            memcpy(b1, bw + at, sizeof(float) * (size_t) n);
            kt->back[t->fn](b1, bx + at, b1, n, 0.75f, 0.4f);
            bad += differ(b1, b0 + at, n, "in place of v");
        }
    }

    return bad;
}


static void
test_back(const back_t *t)
{
    int      bad = back_places(t);
    double   want, top;
    int64_t  n = all_floats(bw);

    fill(bx, n, false);
    kt->back[t->fn](b1, bx, bw, n, 0.75f, 0.4f);

    if (t->f == NULL) {
        ref->back[t->fn](b0, bx, bw, n, 0.75f, 0.4f);
        bad += differ(b1, b0, n, t->name);
    }

    for (int64_t i = 0; t->f != NULL && i < n; i++) {
        if (isinf(bw[i])) {
            continue;                   /* Inf times 0 is NaN in some */
        }

        want = t->f((double) bw[i]) * (double) bx[i];
        top = fmax(1, fmin(fabs((double) bw[i]), 20));  /* v (1 - t^2) */

        if (isnan(bw[i]) ? !isnan(b1[i])
            : !(fabs((double) b1[i] - want)
                <= 1e-6 * top * fabs((double) bx[i])))
        {
            bad++;

            if (reported++ < 8) {
                printf("# %s(%.9g, %.9g) got %.9g, expected %.9g\n", t->name,
                       bx[i], bw[i], b1[i], want);
            }
        }
    }

    ok(bad == 0, "%s back %s", maas_cpu_name(kt->level), t->name);
}


/* -- layer normalisation ------------------------------------------------- */

/* By the formula. */
static int
norm_formula(const float *dx, const float *stats, const float *dy,
    const float *x, const float *gamma, int n)
{
    int     bad = 0;
    double  mean = 0, var = 0, inv, sg = 0, sh = 0, g, h, top = 0, want;

    for (int i = 0; i < n; i++) {
        mean += (double) x[i] / n;
    }

    for (int i = 0; i < n; i++) {
        var += ((double) x[i] - mean) * ((double) x[i] - mean) / n;
    }

    inv = 1 / sqrt(var + 1e-3);

    for (int i = 0; i < n; i++) {
        g = (double) dy[i] * (double) gamma[i];
        sg += g / n;
        sh += g * ((double) x[i] - mean) * inv / n;
        top = fmax(top, fabs(g));
    }

    for (int i = 0; i < n; i++) {
        h = ((double) x[i] - mean) * inv;
        want = ((double) dy[i] * (double) gamma[i] - sg - h * sh) * inv;
        bad += !(fabs((double) dx[i] - want) <= 4e-5 * top * inv);
    }

    return bad + !(fabs((double) stats[0] - mean) <= 1e-6)
           + !(fabs((double) stats[1] - inv) <= 1e-5 * inv);
}


static void
test_norm_back(void)
{
    int    bad = 0;
    float  s0[2], s1[2], *want = b0, *got = b1, *x, *w, *dy;

    for (int n = 1; n <= 200; n++) {
        x = LAST(bx, n);
        w = LAST(bw, n);
        dy = LAST(ba, n);
        fill(x, n, n % 7 == 0);
        fill(w, n, false);
        fill(dy, n, n % 11 == 0);
        fill(got, n + GUARD, false);
        memcpy(want, got, sizeof(float) * (size_t) (n + GUARD));
        kt->layer_norm_back(got, dy, x, w, 1, n, 1e-3f, s1);

        if (kt->level != MAAS_CPU_V2) {
            ref->layer_norm_back(want, dy, x, w, 1, n, 1e-3f, s0);
            bad += differ(got, want, n + GUARD, "layer_norm_back");
            bad += differ(s1, s0, 2, "its statistics");
        }

        if (n % 7 != 0 && n % 11 != 0) {
            bad += norm_formula(got, s1, dy, x, w, n);
        }

        memcpy(want, dy, sizeof(float) * (size_t) n);
        kt->layer_norm_back(want, want, x, w, 1, n, 1e-3f, s1);
        bad += differ(want, got, n, "in place of dy");
        memcpy(want, x, sizeof(float) * (size_t) n);
        kt->layer_norm_back(want, dy, want, w, 1, n, 1e-3f, s1);
        bad += differ(want, got, n, "in place of x");
    }

    ok(bad == 0, "%s layer_norm_back", maas_cpu_name(kt->level));
}


/* Rows in one call are the rows one by one. */
static void
test_norm_back_rows(void)
{
    int    bad = 0;
    float  s0[2 * 19], s1[2 * 19], *want = b0 + 2000, *got = b1;

    for (int n = 1; n <= 100; n += 9) {
        for (int rows = 1; rows <= 19; rows += 3) {
            fill(bx, rows * n, false);
            fill(bw, n, false);
            fill(b0, rows * n, false);
            kt->layer_norm_back(got, b0, bx, bw, rows, n, 1e-3f, s1);

            for (int r = 0; r < rows; r++) {
                kt->layer_norm_back(want + r * n, b0 + r * n, bx + r * n, bw,
                                    1, n, 1e-3f, s0 + 2 * r);
            }

            bad += differ(got, want, rows * n, "rows of layer_norm_back");
            bad += differ(s1, s0, 2 * rows, "their statistics");
        }
    }

    ok(bad == 0, "%s layer_norm_back, rows", maas_cpu_name(kt->level));
}


/* Column i of [rows][ld], alone and in double precision. */
static int
norm_column(const float *dy, const float *x, const float *stats, int64_t rows,
    int64_t ld, float dgamma, float dbeta)
{
    float   one, two;
    double  sg = 0, sb = 0, d;

    for (int64_t r = 0; r < rows; r++) {
        d = (double) dy[r * ld];
        sb += d;
        sg += d * ((double) x[r * ld] - (double) stats[2 * r])
              * (double) stats[2 * r + 1];
    }

    kt->layer_norm_sums(&one, &two, dy, x, ld, stats, rows, 1);

    return differ(&one, &dgamma, 1, "dgamma of a column alone")
           + differ(&two, &dbeta, 1, "dbeta of a column alone")
           + !(fabs((double) dgamma - sg) <= 1e-5 * (double) (rows + 1))
           + !(fabs((double) dbeta - sb) <= 1e-5 * (double) (rows + 1));
}


static void
test_norm_sums(void)
{
    int      bad = 0;
    float   *x, *dy, *stats;
    int64_t  rows, ld, size;

    for (int n = 0; n <= 150; n++) {
        rows = n * 7 % 37;
        ld = n + n % 3;
        size = rows > 0 ? (rows - 1) * ld + n : 0;
        x = LAST(bx, size);
        dy = LAST(bw, size);
        stats = LAST(bb, 2 * rows);
        fill(x, size, false);
        fill(dy, size, false);
        fill(stats, 2 * rows, false);
        fill(b1, 2 * (n + GUARD), false);
        memcpy(b0, b1, sizeof(float) * (size_t) (2 * (n + GUARD)));
        ref->layer_norm_sums(b0, b0 + n + GUARD, dy, x, ld, stats, rows, n);
        kt->layer_norm_sums(b1, b1 + n + GUARD, dy, x, ld, stats, rows, n);

        if (kt->level != MAAS_CPU_V2) {
            bad += differ(b1, b0, 2 * (n + GUARD), "layer_norm_sums");
        }

        for (int i = 0; i < n; i++) {
            bad += norm_column(dy + i, x + i, stats, rows, ld, b1[i],
                               b1[n + GUARD + i]);
        }
    }

    ok(bad == 0, "%s layer_norm_sums", maas_cpu_name(kt->level));
}


/* Sums and products alone: the same bits at every level. */
static void
test_lstm(void)
{
    int     bad = 0;
    float  *x, *w, *dc;

    for (int n = 1; n <= 100; n++) {
        x = LAST(bx, 4 * n);                    /* gates, then dh, dc */
        w = LAST(bw, 4 * n);
        fill(x, 4 * n, n % 7 == 0);
        fill(w, 4 * n, false);
        fill(b0, n + GUARD, false);
        memcpy(b1, b0, sizeof(float) * (size_t) (n + GUARD));
        ref->lstm_cell(b0, x, w, n);
        kt->lstm_cell(b1, x, w, n);
        bad += differ(b1, b0, n + GUARD, "lstm_cell");

        for (int i = 0; i < n && n % 7 != 0; i++) {
            bad += !(fabsf(b1[i] - (x[2 * n + i] * w[i]
                                    + x[i] * x[3 * n + i])) <= 1e-6f);
        }

        fill(b0, 4 * n + GUARD, n % 11 == 0);
        memcpy(b1, b0, sizeof(float) * (size_t) (4 * n + GUARD));
        dc = LAST(pk, 4 * n);
        memcpy(dc, x, sizeof(float) * (size_t) (4 * n));
        ref->lstm_back(b0, w, x, w + n, w + 3 * n, n);
        kt->lstm_back(b1, w, dc, w + n, w + 3 * n, n);
        bad += differ(b1, b0, 4 * n + GUARD, "lstm_back");
        bad += differ(dc, x, 4 * n, "its dc");
    }

    ok(bad == 0, "%s lstm_cell, lstm_back", maas_cpu_name(kt->level));
}


int
main(void)
{
    ref = maas_kernels(MAAS_CPU_REF);

    for (int level = MAAS_CPU_REF; level < MAAS_CPU_LEVELS; level++) {
        kt = maas_kernels((maas_cpu_t) level);

        if (kt == NULL) {
            printf("# this host has no %s\n",
                   maas_cpu_name((maas_cpu_t) level));
            continue;
        }

        for (size_t i = 0; i < maas_nelts(backs); i++) {
            test_back(&backs[i]);
        }

        test_norm_back();
        test_norm_back_rows();
        test_norm_sums();
        test_lstm();
    }

    return done();
}
