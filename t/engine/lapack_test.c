/*
 * LAPACK and OpenBLAS as we call them: solutions by their definitions, rank
 * and refusal; several threads at once compute what one does.  And the
 * products of rows with a few vectors, equal to the bit at every level.
 */

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>

#include "kernels/kfit.h"
#include "kernels/knear.h"
#include "tap.h"
#include "train/lapack.h"


#define M  60
#define N  23

static maas_err_t  err;


static void
fill(double *p, int64_t n, uint32_t x)
{
    for (int64_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        p[i] = (double) x / 2147483648.0 - 1.0;
    }
}


static void
test_lstsq(void)
{
    double   a[M * N], c[M * N], b[M], x[M], worst = 0, sum;
    int64_t  rank = 0;

    fill(a, M * N, 1);
    fill(b, M, 2);
    memcpy(a + (N - 1) * M, a, M * sizeof(double));     /* a column twice */
    memcpy(c, a, sizeof(a));
    memcpy(x, b, sizeof(b));

    is_int(maas_lapack_lstsq(&maas_host_libc, c, M, N, x, 1, 1e-13, &rank,
                             &err), MAAS_OK, "least squares");
    is_int(rank, N - 1, "of a column that comes twice");
    ok(fabs(x[0] - x[N - 1]) < 1e-12, "of least norm: both get the same");

    for (int j = 0; j < N; j++) {
        sum = 0;

        for (int i = 0; i < M; i++) {
            double  r = -b[i];

            for (int k = 0; k < N; k++) {
                r += a[i + k * M] * x[k];
            }

            sum += a[i + j * M] * r;
        }

        worst = fmax(worst, fabs(sum));
    }

    ok(worst < 1e-12, "the residual is orthogonal to the columns");
}


static void
test_solve(void)
{
    bool    definite = true;
    double  a[4] = { 1, 0, 2, 1 }, b[2] = { 5, 6 };     /* 1 2; 2 1 */
    double  g[4] = { 2, 0, 1, 2 };                      /* 2 1; 1 2 */

    is_int(maas_lapack_solve(a, 2, b, 1, &definite, &err), MAAS_OK, "solve");
    ok(!definite && b[0] == 5 && b[1] == 6, "not definite: b stays");
    is_int(maas_lapack_solve(g, 2, b, 1, &definite, &err), MAAS_OK, "solve");
    ok(definite && fabs(2 * b[0] + b[1] - 5) < 1e-14
       && fabs(b[0] + 2 * b[1] - 6) < 1e-14, "a solution");
    is_int(maas_lapack_qr(&maas_host_libc, g, (int64_t) 1 << 40, 2, &err),
           MAAS_ELIMIT, "too large");
    has_str(err.text, "1099511627776 rows and 2 columns", "its text");
}


/* -- threads ------------------------------------------------------------- */

enum { ROUNDS = 60000, MM = 128, MK = 8, MN = 6 };

static double      x1[MM * MK], x2[MK * MN], want[MM * MN];
static double      svd_a[M * N], svd_s[N];
static atomic_int  wrong;


static void *
products(void *arg)
{
    double                 y[MM * MN];
    const maas_kernels_t  *k = maas_kernels(maas_cpu_host());

    (void) arg;

    for (int i = 0; i < ROUNDS; i++) {
        k->dgemm(MM, MN, MK, x1, MK, x2, MN, y, MN);
        wrong += memcmp(y, want, sizeof(y)) != 0;
    }

    return NULL;
}


static void *
values(void *arg)
{
    double      a[M * N], u[M * N], s[N], vt[N * N];
    maas_err_t  e;

    (void) arg;

    for (int i = 0; i < ROUNDS / 300; i++) {
        memcpy(a, svd_a, sizeof(a));
        wrong += maas_lapack_svd(&maas_host_libc, a, M, N, u, s, vt, &e)
                 != MAAS_OK;
        wrong += memcmp(s, svd_s, sizeof(s)) != 0;
    }

    return NULL;
}


static void
test_threads(void)
{
    double                 a[M * N], u[M * N], vt[N * N];
    pthread_t              t[4];
    const maas_kernels_t  *k = maas_kernels(maas_cpu_host());

    fill(x1, MM * MK, 3);
    fill(x2, MK * MN, 4);
    fill(svd_a, M * N, 5);
    memcpy(a, svd_a, sizeof(a));

    k->dgemm(MM, MN, MK, x1, MK, x2, MN, want, MN);
    is_int(maas_lapack_svd(&maas_host_libc, a, M, N, u, svd_s, vt, &err),
           MAAS_OK, "singular values");

    for (int i = 0; i < 4; i++) {
        pthread_create(&t[i], NULL, i < 3 ? products : values, NULL);
    }

    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], NULL);
    }

    is_int(wrong, 0, "four threads at once: none is wrong");
}


/* -- products of rows with a few vectors --------------------------------- */

static void
test_near(void)
{
    enum { P = 37, ROWS = 11, PANELS = 2, V = PANELS * MAAS_NEAR_PANEL };
    double  x[ROWS * P], t[V * P], y[ROWS * V], plain;
    int     bad = 0;

    fill(x, ROWS * P, 6);
    fill(t, V * P, 7);

    for (int l = 0; l < MAAS_CPU_LEVELS; l++) {
        const maas_kernels_t  *k = maas_kernels((maas_cpu_t) l);

        if (k == NULL) {
            continue;
        }

        /* One row apart, then the others: a split changes nothing. */
        maas_near_kernel(k)(y, V, x, 1, P, t, PANELS);
        maas_near_kernel(k)(y + V, V, x + P, ROWS - 1, P, t, PANELS);

        for (int i = 0; i < ROWS * V; i++) {
            plain = 0;

            for (int j = 0; j < P; j++) {
                plain += x[i / V * P + j]
                         * t[(i % V / 8 * P + j) * 8 + i % 8];
            }

            bad += plain != y[i];
        }
    }

    is_int(bad, 0, "products with panels: the same bits at every level");
}


/* -- passes over the rows of a fit ---------------------------------------- */

enum { FR = 13, FI = 16, FJ = 40, FP = 11, FG = 3 };

static double  fit_a[FR * FI], fit_b[FR * FJ], fit_h[FR];


/* a' diag(h) b beside plain sums; beyond i > j + a vector: anything. */
static double
products_off(const maas_fit_kernels_t *k, bool weighted, bool upper)
{
    double              g[FI * FJ], want, worst = 0;
    maas_fit_product_t  c = { .g = g, .ldg = FJ, .a = fit_a, .lda = FI,
                              .ni = FI, .b = fit_b, .ldb = FJ, .nj = FJ,
                              .h = weighted ? fit_h : NULL, .m = 4,
                              .upper = upper };

    memset(g, 0, sizeof(g));
    k->products(&c);                    /* and the other rows on top */
    c.a += c.m * FI;
    c.b += c.m * FJ;
    c.h = weighted ? fit_h + c.m : NULL;
    c.m = FR - c.m;
    k->products(&c);

    for (int i = 0; i < FI; i++) {
        for (int j = upper ? i : 0; j < FJ; j++) {
            want = 0;

            for (int r = 0; r < FR; r++) {
                want += fit_a[r * FI + i] * (weighted ? fit_h[r] : 1)
                        * fit_b[r * FJ + j];
            }

            worst = fmax(worst, fabs(want - g[i * FJ + j]));
        }
    }

    return worst;
}


static int
columns_wrong(const maas_fit_kernels_t *k)
{
    int              bad = 0;
    double           sum[FG * FP] = { 0 }, square[FG * FP] = { 0 };
    double           s[FG * FP] = { 0 }, q[FG * FP] = { 0 }, d, to[FP + 1];
    static int32_t   group[FR];

    maas_fit_columns_t  c = {
        .sum = sum, .square = square, .ld = FP, .group = group,
        .shift = fit_b, .ld_shift = FP, .weight = fit_h, .x = fit_a,
        .m = FR, .p = FP
    };

    for (int i = 0; i < FR; i++) {
        group[i] = i % FG;

        for (int j = 0; j < FP; j++) {
            d = fit_a[i * FP + j] - fit_b[i % FG * FP + j];
            s[i % FG * FP + j] += fit_h[i] * d;
            q[i % FG * FP + j] += fit_h[i] * d * d;
        }
    }

    k->columns(&c);
    bad += memcmp(sum, s, sizeof(s)) != 0;
    bad += memcmp(square, q, sizeof(q)) != 0;

    k->centre(to, FP + 1, fit_a, 1, FP, fit_b, fit_h, fit_h + 2);

    for (int j = 0; j < FP; j++) {
        bad += to[j] != (fit_a[j] - fit_b[j]) * fit_h[j] * fit_h[2];
    }

    return bad;
}


static double
dots_off(const maas_fit_kernels_t *k)
{
    double  y[2 * FR], want, worst = 0;

    k->dots(y, 2, fit_a, FR, FI, fit_b);

    for (int i = 0; i < FR; i++) {
        want = 0;

        for (int j = 0; j < FI; j++) {
            want += fit_a[i * FI + j] * fit_b[j];
        }

        worst = fmax(worst, fabs(want - y[2 * i]));
    }

    return worst;
}


static void
test_fit(void)
{
    fill(fit_a, FR * FI, 10);
    fill(fit_b, FR * FJ, 11);
    fill(fit_h, FR, 12);

    for (int l = 0; l < MAAS_CPU_LEVELS; l++) {
        const maas_kernels_t      *k = maas_kernels((maas_cpu_t) l);
        const maas_fit_kernels_t  *fit;

        if (k == NULL) {
            continue;
        }

        fit = maas_fit_kernels(k);
        ok(products_off(fit, false, false) < 1e-13
           && products_off(fit, true, false) < 1e-13
           && products_off(fit, true, true) < 1e-13
           && dots_off(fit) < 1e-13,
           "products of columns, %s", maas_cpu_name((maas_cpu_t) l));
        is_int(columns_wrong(fit), 0, "sums of columns: the same bits");
    }
}


/* r'r = a, and its inverse; what is not definite is said. */
static void
test_cholesky(void)
{
    bool    definite;
    double  a[4] = { 4, 0, 2, 10 }, inverse[4], odd[4] = { 1, 0, 2, 4 };

    ok(maas_lapack_cholesky(a, 2, inverse, &definite, &err) == MAAS_OK
       && definite && a[0] == 2 && a[2] == 1 && a[3] == 3
       && inverse[0] == 0.5 && fabs(inverse[3] - 1 / 3.) < 1e-15
       && fabs(inverse[2] + 1 / 6.) < 1e-15, "a Cholesky factor");
    ok(maas_lapack_cholesky(odd, 2, inverse, &definite, &err) == MAAS_OK
       && !definite, "a singular matrix has none");
}


int
main(void)
{
    test_lstsq();
    test_solve();
    test_threads();
    test_near();
    test_fit();
    test_cholesky();

    return done();
}
