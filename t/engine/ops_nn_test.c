/*
 * Convolution, pooling and products against plain double loops, packed and
 * not, in different splits of their units, which must not change a bit.
 */

#include <time.h>

#include "ops_nn_harness.h"
#include "ops/matmul.h"
#include "ops/window.h"


extern const maas_op_t  maas_ops_conv[];
extern const maas_op_t  maas_ops_pool[];
extern const maas_op_t  maas_ops_matmul[];


/* The first pass is kept, the others are to be as it was. */
static void
same_bits(const maas_tensor_t *y, int pass, void **first)
{
    if (pass == 0) {
        *first = malloc(y->bytes);
        memcpy(*first, y->data, y->bytes);

    } else {
        ok(memcmp(*first, y->data, y->bytes) == 0, "same bits");
    }
}


/* -- products ------------------------------------------------------------ */

typedef struct {
    int64_t  batch, m, k, n;
    bool     bcast;                 /* B has no batch axis */
} mm_case_t;

static const mm_case_t  mm_cases[] = {
    { 1, 1, 1, 1, true }, { 1, 3, 4, 5, true }, { 2, 7, 33, 17, true },
    { 3, 7, 33, 17, false }, { 1, 200, 130, 100, true }, { 4, 9, 5, 1, true },
    { 1, 1, 700, 530, true }, { 2, 64, 32, 64, false }, { 1, 5, 0, 6, true },
    { 1, 400, 300, 40, true },
};


static void
mm_one(const mm_case_t *c, bool dynamic, maas_dtype_t dtype)
{
    int      pass;
    nn_t     t;
    void    *first = NULL;
    double  *want, v;
    int64_t  b, i, j, l;

    for (pass = 0; pass < 2; pass++) {
        nn_begin(&t, maas_ops_matmul, "MatMul", NULL);
        nn_seed = 7;
        t.dynamic = dynamic;
        nn_in(&t, dtype, NN_D(c->batch, c->m, c->k));

        if (c->bcast) {
            nn_in(&t, dtype, NN_D(c->k, c->n));

        } else {
            nn_in(&t, dtype, NN_D(c->batch, c->k, c->n));
        }

        want = maas_arena_alloc(&t.arena, (c->batch * c->m * c->n) * 8 + 8);

        for (b = 0; b < c->batch; b++) {
            for (i = 0; i < c->m; i++) {
                for (j = 0; j < c->n; j++) {
                    for (v = 0, l = 0; l < c->k; l++) {
                        v += nn_get(&t.in[0], (b * c->m + i) * c->k + l)
                             * nn_get(&t.in[1],
                                      ((c->bcast ? 0 : b) * c->k + l) * c->n
                                      + j);
                    }

                    want[(b * c->m + i) * c->n + j] = v;
                }
            }
        }

        ok(nn_run(&t, 1, pass) && nn_diff(&t.out[0], want) < 2e-6,
           "MatMul %ldx%ldx%ldx%ld %s%s%s", c->batch, c->m, c->k, c->n,
           t.kernel, dynamic ? " dynamic" : "", pass ? " by unit" : "");

        same_bits(&t.out[0], pass, &first);
        nn_end(&t);
    }

    free(first);
}


/* c: 0 none, 1 [n], 2 [m,n], 3 [m,1], 4 [] */
static void
gemm_one(int ta, int tb, float alpha, float beta, int c, bool dynamic,
    maas_dtype_t dtype)
{
    nn_t         t;
    double      *want, v;
    int64_t      i, j, l, m = 37, k = 29, n = 35;
    gemm_attr_t  a = { alpha, beta, ta, tb };

    nn_begin(&t, maas_ops_matmul, "Gemm", &a);
    t.dynamic = dynamic;
    nn_in(&t, dtype, 2, ta ? (int64_t[]) { k, m } : (int64_t[]) { m, k });
    nn_in(&t, dtype, 2, tb ? (int64_t[]) { n, k } : (int64_t[]) { k, n });

    if (c == 1) {
        nn_in(&t, dtype, NN_D(n));
    } else if (c == 2) {
        nn_in(&t, dtype, NN_D(m, n));
    } else if (c == 3) {
        nn_in(&t, dtype, NN_D(m, 1));
    } else if (c == 4) {
        nn_in(&t, dtype, 0, NULL);
    }

    want = maas_arena_alloc(&t.arena, m * n * 8);

    for (i = 0; i < m; i++) {
        for (j = 0; j < n; j++) {
            for (v = 0, l = 0; l < k; l++) {
                v += nn_get(&t.in[0], ta ? l * m + i : i * k + l)
                     * nn_get(&t.in[1], tb ? j * k + l : l * n + j);
            }

            v *= alpha;

            if (c != 0) {
                v += beta * nn_get(&t.in[2], c == 1 ? j : c == 2 ? i * n + j
                                             : c == 3 ? i : 0);
            }

            want[i * n + j] = v;
        }
    }

    ok(nn_run(&t, 1, 1) && nn_diff(&t.out[0], want) < 2e-6,
       "Gemm ta %d tb %d alpha %g beta %g c %d %s", ta, tb, alpha, beta, c,
       t.kernel);
    nn_end(&t);
}


static void
test_products(void)
{
    for (size_t i = 0; i < maas_nelts(mm_cases); i++) {
        mm_one(&mm_cases[i], false, MAAS_F32);
        mm_one(&mm_cases[i], true, MAAS_F32);
        mm_one(&mm_cases[i], true, MAAS_F64);
    }

    for (int i = 0; i < 40; i++) {
        gemm_one(i & 1, i >> 1 & 1, i & 4 ? 1 : 0.5, i & 4 ? 1 : 0.25,
                 i >> 3, false, MAAS_F32);
        gemm_one(i & 1, i >> 1 & 1, i & 4 ? 1 : 0.5, i & 4 ? 1 : 0.25,
                 i >> 3, true, i & 1 ? MAAS_F32 : MAAS_F64);
    }
}


/* -- windows ------------------------------------------------------------- */

typedef struct {
    int      nd;
    int64_t  n, c, oc, group;
    int64_t  in[3], k[3], s[3], d[3], p[6];
    int      auto_pad, ceil, include;
} win_case_t;

static const win_case_t  win_cases[] = {
    { 2, 1, 1, 8, 1, { 28, 28 }, { 5, 5 }, { 1, 1 }, { 1, 1 },
      { 2, 2, 2, 2 }, 0, 0, 0 },
    { 2, 2, 3, 20, 1, { 17, 19 }, { 3, 3 }, { 2, 2 }, { 1, 1 },
      { 1, 1, 1, 1 }, 0, 1, 0 },
    { 2, 2, 6, 8, 2, { 11, 9 }, { 3, 2 }, { 1, 1 }, { 2, 1 },
      { 1, 0, 2, 1 }, 0, 0, 1 },
    { 2, 2, 33, 18, 1, { 7, 5 }, { 1, 1 }, { 1, 1 }, { 1, 1 },
      { 0, 0, 0, 0 }, 0, 0, 0 },
    { 2, 1, 40, 300, 1, { 14, 14 }, { 3, 3 }, { 1, 1 }, { 1, 1 },
      { 1, 1, 1, 1 }, 0, 0, 0 },
    { 2, 1, 8, 16, 1, { 9, 9 }, { 1, 1 }, { 2, 2 }, { 1, 1 },
      { 0, 0, 0, 0 }, 0, 0, 0 },
    { 2, 2, 5, 5, 5, { 9, 33 }, { 3, 3 }, { 1, 1 }, { 1, 1 },
      { 1, 1, 1, 1 }, 0, 0, 1 },
    { 2, 1, 3, 6, 3, { 15, 16 }, { 3, 3 }, { 2, 2 }, { 2, 2 },
      { 2, 2, 2, 2 }, 0, 1, 1 },
    { 2, 3, 4, 17, 1, { 3, 3 }, { 3, 3 }, { 1, 1 }, { 1, 1 },
      { 0, 0, 0, 0 }, 0, 0, 0 },
    { 2, 60, 32, 70, 2, { 1, 1 }, { 1, 1 }, { 1, 1 }, { 1, 1 },
      { 0, 0, 0, 0 }, 0, 0, 0 },
    { 2, 1, 2, 3, 1, { 8, 7 }, { 3, 4 }, { 2, 2 }, { 1, 1 },
      { 0, 0, 0, 0 }, 1, 0, 0 },
    { 2, 1, 2, 3, 1, { 8, 7 }, { 3, 4 }, { 1, 3 }, { 1, 1 },
      { 0, 0, 0, 0 }, 2, 0, 0 },
    { 1, 2, 3, 5, 1, { 40 }, { 4 }, { 3 }, { 1 }, { 2, 1 }, 0, 1, 1 },
    { 1, 1, 4, 4, 4, { 33 }, { 3 }, { 1 }, { 1 }, { 1, 1 }, 0, 0, 0 },
    { 3, 1, 2, 3, 1, { 4, 5, 6 }, { 3, 3, 3 }, { 1, 2, 1 }, { 1, 1, 1 },
      { 1, 1, 1, 0, 1, 1 }, 0, 0, 0 },
    { 2, 1, 2, 3, 1, { 3, 4 }, { 9, 12 }, { 1, 2 }, { 1, 1 },
      { 0, 0, 0, 0 }, 1, 0, 1 },
    { 2, 1, 2, 3, 1, { 4, 3 }, { 11, 5 }, { 2, 1 }, { 1, 3 },
      { 0, 0, 0, 0 }, 2, 0, 0 },
    { 2, 1, 2, 3, 1, { 4, 3 }, { 9, 4 }, { 3, 2 }, { 2, 2 },
      { 8, 5, 9, 3 }, 0, 1, 1 },
    { 2, 2, 3, 9, 1, { 70, 70 }, { 7, 7 }, { 2, 2 }, { 1, 1 },
      { 3, 3, 3, 3 }, 0, 0, 0 },
};

typedef struct {
    maas_window_attr_t  a;
    int64_t             list[4][6];
} win_attr_t;


static void
win_attr(win_attr_t *w, const win_case_t *c, bool dilated)
{
    maas_list_t    *l[4] = { &w->a.kernel_shape, &w->a.strides, &w->a.pads,
                             &w->a.dilations };
    const int64_t  *v[4] = { c->k, c->s, c->p, c->d };

    memset(w, 0, sizeof(win_attr_t));
    w->a.group = c->group;
    w->a.auto_pad = c->auto_pad;
    w->a.p = 2;

    for (int i = 0; i < 3 + dilated; i++) {
        l[i]->n = (uint32_t) (i == 2 ? 2 * c->nd : c->nd);
        l[i]->off = (uint32_t) ((char *) w->list[i] - (char *) w);
        memcpy(w->list[i], v[i], l[i]->n * 8);
    }
}


/* Input element under output o and kernel element r, or -1. */
static int64_t
win_tap(const maas_window_t *w, int64_t o, int64_t r)
{
    int64_t  at = 0, mul = 1, p;

    for (int d = w->nd - 1; d >= 0; d--) {
        p = o % w->out[d] * w->s[d] - w->p0[d] + r % w->k[d] * w->d[d];
        if (p < 0 || p >= w->in[d]) {
            return -1;
        }

        at += p * mul;
        mul *= w->in[d];
        o /= w->out[d];
        r /= w->k[d];
    }

    return at;
}


static void
conv_want(const win_case_t *c, const nn_t *t, const maas_window_t *w,
    double *want, bool bias)
{
    double   v;
    int64_t  n, oc, ic, o, r, at, icg = c->c / c->group;

    for (n = 0; n < c->n; n++) {
        for (oc = 0; oc < c->oc; oc++) {
            for (o = 0; o < w->out_count; o++) {
                v = bias ? nn_get(&t->in[2], oc) : 0;

                for (ic = 0; ic < icg; ic++) {
                    for (r = 0; r < w->k_count; r++) {
                        at = win_tap(w, o, r);
                        if (at < 0) {
                            continue;
                        }

                        v += nn_get(&t->in[1],
                                    (oc * icg + ic) * w->k_count + r)
                             * nn_get(&t->in[0],
                                      (n * c->c + oc / (c->oc / c->group)
                                       * icg + ic) * w->in_count + at);
                    }
                }

                want[(n * c->oc + oc) * w->out_count + o] = v;
            }
        }
    }
}


static void
conv_one(const win_case_t *c, bool dynamic, maas_dtype_t dtype)
{
    int            i, pass;
    nn_t           t;
    void          *first = NULL;
    double        *want;
    int64_t        x[5] = { c->n, c->c }, f[5] = { c->oc, c->c / c->group };
    win_attr_t     a;
    maas_window_t  w;

    win_attr(&a, c, true);

    for (i = 0; i < c->nd; i++) {
        x[2 + i] = c->in[i];
        f[2 + i] = c->k[i];
    }

    for (pass = 0; pass < 2; pass++) {
        nn_begin(&t, maas_ops_conv, "Conv", &a);
        nn_seed = 3;
        t.dynamic = dynamic;
        nn_in(&t, dtype, c->nd + 2, x);
        nn_in(&t, dtype, c->nd + 2, f);
        nn_in(&t, dtype, NN_D(c->oc));

        nn_t  ref = t;

        ok(nn_run(&t, 1, pass), "Conv runs");
        maas_window_init(&w, &a.a, c->k, c->nd, c->in, t.out[0].dims + 2);
        want = maas_arena_alloc(&t.arena, maas_tensor_count(&t.out[0]) * 8);
        conv_want(c, &ref, &w, want, true);
        ok(nn_diff(&t.out[0], want) < 2e-6, "Conv case %d %s pass %d",
           (int) (c - win_cases), t.kernel, pass);

        same_bits(&t.out[0], pass, &first);
        nn_end(&t);
    }

    free(first);
}


static void
pool_want(const nn_t *t, const maas_window_t *w, int what, bool include,
    double *want)
{
    int      d;
    double   v, x;
    int64_t  i, o, r, at, n, oo, rr, p;

    for (i = 0; i < maas_tensor_count(&t->out[0]); i++) {
        o = i % w->out_count;
        v = what == 0 ? -INFINITY : 0;
        n = 0;

        for (r = 0; r < w->k_count; r++) {
            bool  in = true;

            at = win_tap(w, o, r);

            for (d = w->nd - 1, oo = o, rr = r; d >= 0; d--) {
                p = oo % w->out[d] * w->s[d] - w->p0[d] + rr % w->k[d]
                    * w->d[d];
                in = in && p < w->in[d] + w->p1[d];
                oo /= w->out[d];
                rr /= w->k[d];
            }

            n += at >= 0 || (include && in);

            if (at < 0) {
                continue;
            }

            x = nn_get(&t->in[0], i / w->out_count * w->in_count + at);
            v = what == 0 ? (x > v ? x : v) : what == 1 ? v + x : v + x * x;
        }

        want[i] = what == 0 ? v : what == 1 ? v / n : sqrt(v);
    }
}


static void
pool_one(const win_case_t *c, int what, maas_dtype_t dtype)
{
    static const char *const  name[] = { "MaxPool", "AveragePool", "LpPool" };

    int            i, good;
    nn_t           t;
    double        *want;
    int64_t        x[5] = { c->n, c->c }, *at;
    win_attr_t     a;
    maas_window_t  w;

    win_attr(&a, c, what == 0);
    a.a.ceil_mode = what == 2 ? 0 : c->ceil;
    a.a.count_include_pad = what == 1 && c->include;

    for (i = 0; i < c->nd; i++) {
        x[2 + i] = c->in[i];
    }

    nn_begin(&t, maas_ops_pool, name[what], &a);
    nn_in(&t, dtype, c->nd + 2, x);
    ok(nn_run(&t, 1, 1), "%s runs", name[what]);
    maas_window_init(&w, &a.a, NULL, c->nd, c->in, t.out[0].dims + 2);
    want = maas_arena_alloc(&t.arena, maas_tensor_count(&t.out[0]) * 8);
    pool_want(&t, &w, what, a.a.count_include_pad, want);
    ok(nn_diff(&t.out[0], want) < 1e-6, "%s case %d", name[what],
       (int) (c - win_cases));

    if (what == 0) {
        t.n_out = 0;
        ok(nn_run(&t, 2, 0), "MaxPool with indices runs");
        at = t.out[1].data;
        good = nn_diff(&t.out[0], want) < 1e-6;

        for (i = 0; i < maas_tensor_count(&t.out[0]); i++) {
            good = good && nn_get(&t.in[0], at[i]) == nn_get(&t.out[0], i);
        }

        ok(good, "indices point at the values");
    }

    nn_end(&t);
}


/* The time of a window is that of its taps in the input. */
static void
test_wide(void)
{
    static const char *const  name[] = { "MaxPool", "AveragePool", "LpPool" };

    nn_t        t[2];
    int64_t     x[] = { 1, 2, 3, 4 };
    clock_t     start = clock();
    win_attr_t  a[2];
    win_case_t  c = { 2, 1, 2, 2, 1, { 3, 4 }, { 2, 8 }, { 1, 1 }, { 1, 1 },
                      { 0, 0, 0, 0 }, 2, 0, 0 };

    for (int what = 0; what < 3; what++) {
        for (int i = 0; i < 2; i++) {
            c.k[1] = i == 0 ? 8 : 1 << 29;
            win_attr(&a[i], &c, what == 0);
            nn_begin(&t[i], maas_ops_pool, name[what], &a[i]);
            nn_seed = 5;
            nn_in(&t[i], MAAS_F32, 4, x);
            ok(nn_run(&t[i], 1, 1), "%s of a window of %lld columns",
               name[what], (long long) c.k[1]);
        }

        ok(t[0].out[0].bytes == t[1].out[0].bytes
           && memcmp(t[0].out[0].data, t[1].out[0].data,
                     t[0].out[0].bytes) == 0, "is that of one of 8");
        nn_end(&t[0]);
        nn_end(&t[1]);
    }

    ok(clock() - start < CLOCKS_PER_SEC, "within a second");
}


static void
test_windows(void)
{
    for (size_t i = 0; i < maas_nelts(win_cases); i++) {
        conv_one(&win_cases[i], false, MAAS_F32);
        conv_one(&win_cases[i], true, MAAS_F32);
        conv_one(&win_cases[i], true, MAAS_F64);

        for (int what = 0; what < 3; what++) {
            pool_one(&win_cases[i], what, MAAS_F32);
            pool_one(&win_cases[i], what, MAAS_F64);
        }
    }
}


int
main(void)
{
    test_products();
    test_windows();
    test_wide();
    return done();
}
