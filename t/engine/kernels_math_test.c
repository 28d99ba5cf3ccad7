/*
 * kernels_math_test: element-wise and whole-row kernels at every CPU level
 * of this host: bit for bit against the reference level where the chain is
 * fixed, else against the C library in double precision.  Values must not
 * depend on their place in a row; guards stand behind the outputs.
 */

#include "kernels_test.h"


/* ---- element-wise ------------------------------------------------------ */

static double
d_sigmoid(double x)
{
    return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}


static double
d_silu(double x)
{
    return x * d_sigmoid(x);
}


static double
d_gelu(double x)
{
    return x / 2 * (1 + erf(x * 0.70710678118654752440));
}


static double
d_softplus(double x)
{
    return (x > 0 || x != x ? x : 0) + log1p(exp(-fabs(x)));
}


static double
d_gelu_tanh(double x)
{
    double  c = fmax(fmin(x, 1e9), -1e9);

    return x * d_sigmoid(c * ((double) 1.5957691f
                              + (double) 0.071354814f * c * c));
}


static double
d_mish(double x)
{
    return x * tanh(d_softplus(x));
}


static double
d_elu(double x)
{
    return x < 0 ? 1.5 * expm1(x) : x;
}


typedef struct {
    const char    *name;
    maas_unary_t   op;
    double       (*f)(double x);    /* NULL: equal to ref */
    double         ulp;             /* of the result */
    double         abs;             /* or within abs * max(1, |x|) */
    float          a, b;
} unary_t;


/* Sources of the bounds: the errors stated in x86/vmath.h and vtrig.h. */
static const unary_t  unaries[] = {
    { "exp", MAAS_U_EXP, exp, 2, 0, 0, 0 },
    { "log", MAAS_U_LOG, log, 2, 0, 0, 0 },
    { "tanh", MAAS_U_TANH, tanh, 4, 0, 0, 0 },
    { "sigmoid", MAAS_U_SIGMOID, d_sigmoid, 4, 0, 0, 0 },
    { "erf", MAAS_U_ERF, erf, 4, 0, 0, 0 },
    { "elu", MAAS_U_ELU, d_elu, 4, 0, 1.5f, 0 },
    { "silu", MAAS_U_SILU, d_silu, 5, 1.5e-45, 0, 0 },
    { "gelu", MAAS_U_GELU, d_gelu, 4, 1.5e-7, 0, 0 },
    { "softplus", MAAS_U_SOFTPLUS, d_softplus, 4, 0, 0, 0 },
    { "gelu by tanh", MAAS_U_SWISH, d_gelu_tanh, 5, 3e-7, 1.5957691f,
      0.071354814f },
    { "mish", MAAS_U_MISH, d_mish, 6, 1.5e-45, 0, 0 },
    { "sin", MAAS_U_SIN, sin, 2, 0, 0, 0 },
    { "cos", MAAS_U_COS, cos, 2, 0, 0, 0 },
    { "tan", MAAS_U_TAN, tan, 4, 0, 0, 0 },
    { "asin", MAAS_U_ASIN, asin, 3, 0, 0, 0 },
    { "acos", MAAS_U_ACOS, acos, 3, 0, 0, 0 },
    { "atan", MAAS_U_ATAN, atan, 3, 0, 0, 0 },
    { "sinh", MAAS_U_SINH, sinh, 3, 0, 0, 0 },
    { "cosh", MAAS_U_COSH, cosh, 3, 0, 0, 0 },
    { "asinh", MAAS_U_ASINH, asinh, 4, 0, 0, 0 },
    { "acosh", MAAS_U_ACOSH, acosh, 4, 0, 0, 0 },
    { "atanh", MAAS_U_ATANH, atanh, 4, 0, 0, 0 },
    { "sqrt", MAAS_U_SQRT, NULL, 0, 0, 0, 0 },
    { "recip", MAAS_U_RECIP, NULL, 0, 0, 0, 0 },
    { "abs", MAAS_U_ABS, NULL, 0, 0, 0, 0 },
    { "neg", MAAS_U_NEG, NULL, 0, 0, 0, 0 },
    { "floor", MAAS_U_FLOOR, NULL, 0, 0, 0, 0 },
    { "ceil", MAAS_U_CEIL, NULL, 0, 0, 0, 0 },
    { "round", MAAS_U_ROUND, NULL, 0, 0, 0, 0 },
    { "relu", MAAS_U_RELU, NULL, 0, 0, 0, 0 },
    { "clip", MAAS_U_CLIP, NULL, 0, 0, -0.5f, 6.0f },
    { "leaky", MAAS_U_LEAKY, NULL, 0, 0, 0.1f, 0 },
    { "hsigmoid", MAAS_U_HSIGMOID, NULL, 0, 2.4e-7, 0.2f, 0.5f },
    { "hswish", MAAS_U_HSWISH, NULL, 0, 2.4e-7, 0, 0 },
    { "affine", MAAS_U_AFFINE, NULL, 0, 2.4e-7, 1.7f, -0.3f },
    { "qdq_u8", MAAS_U_QDQ_U8, NULL, 0, 0, 0.37f, 113 },
    { "qdq_i8", MAAS_U_QDQ_I8, NULL, 0, 0, 0.037f, -5 },
};


/* The distance of got from want in units of the last place of want. */
static double
ulps(float got, double want)
{
    int     e;
    float   w = (float) want;
    double  unit;

    if (isnan(got) || isnan(w)) {
        return isnan(got) && isnan(w) ? 0 : 1e9;
    }

    if (isinf(got) || isinf(w)) {
        return got == w || nextafterf(got, 0) == w || nextafterf(w, 0) == got
               ? 0 : 1e9;
    }

    frexp(want, &e);
    unit = ldexp(1.0, maas_max(e - 24, -149));

    return fabs((double) got - want) / unit;
}


static void
test_unary(const unary_t *u)
{
    int      bad = 0;
    double   e, worst = 0, at = 0, tol;
    int64_t  i, n;

    n = all_floats(bx);
    kt->unary[u->op](b1, bx, n, u->a, u->b);
    ref->unary[u->op](b0, bx, n, u->a, u->b);

    for (i = 0; i < n; i++) {
        tol = kt->level == MAAS_CPU_V2 || u->f != NULL
              ? u->abs * maas_max(1.0, fabs((double) bx[i])) : 0;

        if (u->f == NULL) {
            bad += !same(b1[i], b0[i])
                   && !(fabs((double) b1[i] - b0[i]) <= tol);
            continue;
        }

        e = ulps(b1[i], u->f(bx[i]));

        if (e > u->ulp && fabs((double) b1[i] - u->f(bx[i])) <= tol) {
            continue;
        }

        if (e > worst) {
            worst = e;
            at = bx[i];
        }
    }

    /* The two levels of vectors give the same bits. */
    if (kt->level == MAAS_CPU_AVX512) {
        maas_kernels(MAAS_CPU_AVX2)->unary[u->op](b0, bx, n, u->a, u->b);
        bad += differ(b1, b0, n, u->name);
    }

    ok(bad == 0 && worst <= u->ulp, "%s %s", maas_cpu_name(kt->level),
       u->name);

    if (u->f != NULL) {
        printf("# at most %.2f ulp, at %.9g\n", worst, at);
    }
}


/* A value must not depend on its place; nothing is written behind. */
static void
test_places(void)
{
    int     op, n, i, bad = 0;
    float   one, *x;

    fill(bx, 80, true);

    for (op = 0; op < MAAS_UNARIES; op++) {
        for (n = 0; n <= 70; n++) {
            fill(b1, 80, false);
            memcpy(b0, b1, sizeof(float) * 80);

            for (i = 0; i < n; i++) {
                kt->unary[op](&one, bx + i, 1, 0.3f, 0.7f);
                b0[i] = one;
            }

            kt->unary[op](b1, bx, n, 0.3f, 0.7f);
            bad += differ(b1, b0, 80, "place");

            x = LAST(bw, n);
            memcpy(x, bx, sizeof(float) * (size_t) n);
            kt->unary[op](x, x, n, 0.3f, 0.7f);
            bad += differ(x, b0, n, "in place");
        }
    }

    ok(bad == 0, "%s unary: places, tails, in place",
       maas_cpu_name(kt->level));
}


static void
test_binary(void)
{
    int     op, n, sa, sb, bad = 0;
    float  *x, *w;

    for (op = 0; op < MAAS_BINARIES; op++) {
        for (n = 0; n <= 70; n++) {
            for (sa = 0; sa <= 1; sa++) {
                for (sb = 0; sb <= 1; sb++) {
                    x = LAST(bx, sa ? n : 1);
                    w = LAST(bw, sb ? n : 1);
                    fill(x, sa ? n : 1, true);
                    fill(w, sb ? n : 1, true);
                    fill(b1, 80, false);
                    memcpy(b0, b1, sizeof(float) * 80);
                    ref->binary[op](b0, x, sa, w, sb, n);
                    kt->binary[op](b1, x, sa, w, sb, n);
                    bad += differ(b1, b0, 80, "binary");
                }
            }

            fill(b1, 80, true);
            memcpy(b0, b1, sizeof(float) * 80);
            ref->binary[op](b0, b0, 1, w, 0, n);
            kt->binary[op](b1, b1, 1, w, 0, n);
            bad += differ(b1, b0, 80, "binary in place");
        }
    }

    ok(bad == 0, "%s binary", maas_cpu_name(kt->level));
}


/* ---- rows -------------------------------------------------------------- */

static int
near_sum(float got, float want, int64_t n, bool adverse)
{
    if (kt->level == MAAS_CPU_V2) {
        return adverse || fabsf(got - want) <= (float) (n + 2) * 0x1p-22f;
    }

    if (!same(got, want) && reported++ < 8) {
        printf("# row of %d: got %.9g, expected %.9g\n", (int) n, got, want);
    }

    return same(got, want);
}


static void
test_reduce(void)
{
    int     op, n, bad = 0;
    bool    adverse;
    float  *x, *w;

    for (n = 0; n <= 300; n++) {
        adverse = n % 3 == 0;
        x = LAST(bx, n);
        fill(x, n, adverse);
        fill(bw, 400, adverse);
        w = LAST(pk, n);
        memcpy(w, bw, sizeof(float) * (size_t) n);

        for (op = 0; op < MAAS_REDUCES; op++) {
            bad += !near_sum(kt->reduce[op](x, n), ref->reduce[op](x, n), n,
                             adverse);
            memcpy(b0, bw, sizeof(float) * 400);
            memcpy(b1, bw, sizeof(float) * 400);
            ref->fold[op](b0, x, 0, 1, n);
            kt->fold[op](b1, x, 0, 1, n);
            ref->fold[op](b0, bx, 3, 5, n);
            kt->fold[op](b1, bx, 3, 5, n);
            bad += kt->level != MAAS_CPU_V2 ? differ(b1, b0, 400, "fold")
                   : differ(b1 + n, b0 + n, 400 - n, "fold");
        }

        bad += !near_sum(kt->dot(x, w, n), ref->dot(x, w, n), n, adverse);

        memcpy(b0, bw, sizeof(float) * 400);
        memcpy(b1, bw, sizeof(float) * 400);
        ref->axpy(b0, 1.3f, x, n);
        kt->axpy(b1, 1.3f, x, n);
        bad += kt->level != MAAS_CPU_V2 ? differ(b1, b0, 400, "axpy") : 0;
    }

    ok(bad == 0, "%s reduce, fold, dot, axpy", maas_cpu_name(kt->level));
}


/*
 * Against double precision: 4 ulp of exp, n roundings of the sum, and half
 * a unit in the last place of x - max, which is an absolute error of the
 * exponent.
 */
static int
softmax_case(int n, float spread)
{
    int      i, bad = 0;
    float    tol = 1e-6f + (float) n * 1e-8f, *x = LAST(bx, n);
    double   max = -INFINITY, sum = 0;

    fill(x, n, false);

    for (i = 0; i < n; i++) {
        x[i] *= spread;
        max = fmax(max, x[i]);
    }

    for (i = 0; i < n; i++) {
        sum += exp(x[i] - max);
    }

    fill(b1, n + GUARD, false);
    memcpy(b0, b1, sizeof(float) * (size_t) (n + GUARD));
    kt->softmax(b1, x, n);
    bad += differ(b1 + n, b0 + n, GUARD, "softmax guard");

    for (i = 0; i < n; i++) {
        bad += !(fabs(b1[i] - exp(x[i] - max) / sum)
                 <= (tol + 0x1p-24 * fabs(x[i] - max))
                    * exp(x[i] - max) / sum + 1e-44);
    }

    memcpy(b1, x, sizeof(float) * (size_t) n);
    kt->log_softmax(b1, b1, n);
    bad += differ(b1 + n, b0 + n, GUARD, "log_softmax guard");

    for (i = 0; i < n; i++) {
        bad += !(fabs(b1[i] - (x[i] - max - log(sum)))
                 <= 3e-7 * (2 + fabs(x[i] - max)));
    }

    return bad;
}


static void
test_softmax(void)
{
    int    n, i, bad = 0;
    float  y[20], x[20];

    for (n = 1; n <= 200; n++) {
        bad += softmax_case(n, n % 2 ? 3.0f : 60.0f);
    }

    for (i = 0; i < 20; i++) {
        x[i] = -INFINITY;
    }

    kt->softmax(y, x, 20);
    bad += !isnan(y[0]) || !isnan(y[19]);
    kt->log_softmax(y, x, 20);
    bad += !isnan(y[0]) || !isnan(y[19]);

    x[7] = 1.0f;
    kt->softmax(y, x, 20);
    bad += y[7] != 1.0f || y[0] != 0.0f || y[19] != 0.0f;

    x[3] = NAN;
    kt->softmax(y, x, 20);
    bad += !isnan(y[7]) || !isnan(y[0]);

    ok(bad == 0, "%s softmax, log_softmax", maas_cpu_name(kt->level));
}


/* Of attention: the same as its parts, and the formula of the gradient. */
static int
softmax_add_case(int n, float f, bool add)
{
    int     bad = 0;
    float   tol, *x = LAST(bx, n), *w = LAST(bw, n);
    double  sum = 0, want;

    fill(x, n, false);
    fill(w, n, false);
    fill(b0, n + GUARD, false);
    memcpy(b1, b0, sizeof(float) * (size_t) (n + GUARD));
    kt->unary[MAAS_U_AFFINE](b0, x, n, f, 0);

    if (add) {
        kt->binary[MAAS_B_ADD](b0, b0, 1, w, 1, n);
    }

    kt->softmax(b0, b0, n);
    kt->softmax_add(b1, x, add ? w : NULL, n, f);
    bad += differ(b1, b0, n + GUARD, "softmax_add");

    /* b0: p; w: d */
    memcpy(b1, w, sizeof(float) * (size_t) n);
    fill(b1 + n, GUARD, false);
    memcpy(bb, b1 + n, sizeof(float) * GUARD);
    memcpy(x, b0, sizeof(float) * (size_t) n);
    kt->softmax_back(b1, x, n, f);
    bad += differ(b1 + n, bb, GUARD, "softmax_back guard");
    tol = 0;

    for (int i = 0; i < n; i++) {
        sum += (double) b0[i] * (double) w[i];
        tol = fmaxf(tol, fabsf(w[i]));
    }

    for (int i = 0; i < n; i++) {
        want = (double) f * (double) b0[i] * ((double) w[i] - sum);
        bad += !(fabs((double) b1[i] - want)
                 <= 1e-6 * (double) (fabsf(f) * b0[i] * tol) + 1e-30);
    }

    return bad;
}


static void
test_softmax_add(void)
{
    int    bad = 0;
    float  x[20], y[20];

    for (int n = 1; n <= 200; n++) {
        bad += softmax_add_case(n, 0.3f, n % 3 != 0);
    }

    for (int i = 0; i < 20; i++) {
        x[i] = i == 7 ? 0 : -INFINITY;
        y[i] = 1;
    }

    kt->softmax_add(y, y, x, 20, 0.5f);
    bad += y[7] != 1.0f || y[0] != 0.0f || y[19] != 0.0f;
    x[7] = -INFINITY;
    kt->softmax_add(y, x, NULL, 20, 0.5f);
    bad += !isnan(y[0]) || !isnan(y[19]);

    ok(bad == 0, "%s softmax_add, softmax_back", maas_cpu_name(kt->level));
}


static void
test_layer_norm(void)
{
    int     n, i, bad = 0;
    float   m0, m1, s0, s1, *x, *w, *b;

    for (n = 1; n <= 200; n++) {
        x = LAST(bx, n);
        w = LAST(bw, n);
        b = LAST(bb, n);
        fill(x, n, n % 7 == 0);
        fill(w, n, false);
        fill(b, n, false);
        fill(b0, n + GUARD, false);
        memcpy(b1, b0, sizeof(float) * (size_t) (n + GUARD));
        ref->layer_norm(b0, x, w, n & 1 ? b : NULL, n, 1e-5f, &m0, &s0);
        kt->layer_norm(b1, x, w, n & 1 ? b : NULL, n, 1e-5f, &m1, &s1);

        if (kt->level != MAAS_CPU_V2) {
            bad += differ(b1, b0, n + GUARD, "layer_norm");
            bad += !same(m0, m1) || !same(s0, s1);
            memcpy(b1, x, sizeof(float) * (size_t) n);
            kt->layer_norm(b1, b1, w, n & 1 ? b : NULL, n, 1e-5f, NULL,
                           NULL);
            bad += differ(b1, b0, n + GUARD, "layer_norm in place");
            continue;
        }

        for (i = 0; i < n + GUARD && n % 7; i++) {
            bad += !(fabsf(b1[i] - b0[i]) <= 2e-6f * (1 + fabsf(b0[i])) * 8);
        }
    }

    ok(bad == 0, "%s layer_norm", maas_cpu_name(kt->level));
}


int
main(void)
{
    size_t      i;
    maas_cpu_t  level;

    ref = maas_kernels(MAAS_CPU_REF);

    for (level = MAAS_CPU_REF; level < MAAS_CPU_LEVELS; level++) {
        kt = maas_kernels(level);

        if (kt == NULL) {
            printf("# this host has no %s\n", maas_cpu_name(level));
            continue;
        }

        for (i = 0; i < maas_nelts(unaries); i++) {
            test_unary(&unaries[i]);
        }

        test_places();
        test_binary();
        test_reduce();
        test_softmax();
        test_softmax_add();
        test_layer_norm();
    }

    return done();
}
