/*
 * RNN, GRU, LSTM and ConvTranspose against their formulas in plain double
 * loops, with every direction, layout and option, packed and not.
 */

#include "ops_nn_harness.h"
#include "ops/rnn_core.h"
#include "ops/window.h"


extern const maas_op_t  maas_ops_rnn[];
extern const maas_op_t  maas_ops_gru[];
extern const maas_op_t  maas_ops_lstm[];
extern const maas_op_t  maas_ops_convtranspose[];


typedef struct {
    rnn_cell_t  cell;
    int64_t     seq, batch, in, hid;
    int         direction, layout;
    int         bias, lens, state, peep, option;
    float       clip;
} rnn_case_t;


static double
sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}


static double
clipped(const rnn_case_t *c, double x)
{
    return c->clip > 0 ? fmin(fmax(x, -c->clip), c->clip) : x;
}


/* w . x of gate row `row` of a matrix with k columns */
static double
dot(const maas_tensor_t *w, int64_t row, int64_t k, const double *x)
{
    double  v = 0;

    for (int64_t i = 0; i < k; i++) {
        v += nn_get(w, row * k + i) * x[i];
    }

    return v;
}


/* One step of one row; h and c are replaced. */
static void
rnn_step(const rnn_case_t *c, const nn_t *t, int64_t dir, const double *x,
    double *h, double *cs)
{
    double   gx[4][64], gh[4][64], bx, bh, i, o, f, z, r, v, rh[64], hn[64];
    int64_t  n = c->hid, g, j, row, ng = c->cell == RNN_CELL_RNN ? 1
                                         : c->cell == RNN_CELL_GRU ? 3 : 4;

    for (g = 0; g < ng; g++) {
        for (j = 0; j < n; j++) {
            row = dir * ng * n + g * n + j;
            bx = c->bias ? nn_get(&t->in[3], dir * 2 * ng * n + g * n + j) : 0;
            bh = c->bias ? nn_get(&t->in[3], dir * 2 * ng * n + (ng + g) * n
                                             + j) : 0;
            gx[g][j] = dot(&t->in[1], row, c->in, x) + bx;
            gh[g][j] = dot(&t->in[2], row, n, h) + bh;
        }
    }

    for (j = 0; j < n && c->cell == RNN_CELL_GRU; j++) {
        rh[j] = sigmoid(clipped(c, gx[1][j] + gh[1][j])) * h[j];
    }

    for (j = 0; j < n; j++) {
        if (c->cell == RNN_CELL_RNN) {
            hn[j] = tanh(clipped(c, gx[0][j] + gh[0][j]));

        } else if (c->cell == RNN_CELL_GRU) {
            z = sigmoid(clipped(c, gx[0][j] + gh[0][j]));
            r = sigmoid(clipped(c, gx[1][j] + gh[1][j]));
            bh = c->bias ? nn_get(&t->in[3], dir * 6 * n + 5 * n + j) : 0;
            v = c->option ? r * gh[2][j]
                : dot(&t->in[2], dir * 3 * n + 2 * n + j, n, rh) + bh;
            v = tanh(clipped(c, gx[2][j] + v));
            hn[j] = (1 - z) * v + z * h[j];

        } else {
            double  p[3] = { 0 };

            for (g = 0; g < 3 && c->peep; g++) {
                p[g] = nn_get(&t->in[7], dir * 3 * n + g * n + j);
            }

            i = sigmoid(clipped(c, gx[0][j] + gh[0][j] + p[0] * cs[j]));
            f = sigmoid(clipped(c, gx[2][j] + gh[2][j] + p[2] * cs[j]));
            f = c->option ? 1 - i : f;
            cs[j] = f * cs[j] + i * tanh(clipped(c, gx[3][j] + gh[3][j]));
            o = sigmoid(clipped(c, gx[1][j] + gh[1][j] + p[1] * cs[j]));
            hn[j] = o * tanh(cs[j]);
        }
    }

    memcpy(h, hn, (size_t) n * 8);
}


static void
rnn_want(const rnn_case_t *c, const nn_t *t, double *y, double *yh,
    double *yc)
{
    double   h[64], cs[64], x[64];
    int64_t  d, b, s, j, p, len, at, dirs = c->direction == 2 ? 2 : 1;

    for (d = 0; d < dirs; d++) {
        for (b = 0; b < c->batch; b++) {
            len = c->lens ? ((int32_t *) t->in[4].data)[b] : c->seq;
            at = (c->layout ? b * dirs + d : d * c->batch + b) * c->hid;

            for (j = 0; j < c->hid; j++) {
                h[j] = c->state ? nn_get(&t->in[5], at + j) : 0;
                cs[j] = c->state && c->cell == RNN_CELL_LSTM
                        ? nn_get(&t->in[6], at + j) : 0;
            }

            for (s = 0; s < len; s++) {
                p = c->direction == 1 || d == 1 ? len - 1 - s : s;

                for (j = 0; j < c->in; j++) {
                    x[j] = nn_get(&t->in[0], (c->layout ? b * c->seq + p
                                              : p * c->batch + b) * c->in
                                             + j);
                }

                rnn_step(c, t, d, x, h, cs);

                for (j = 0; j < c->hid; j++) {
                    y[(c->layout ? (b * c->seq + p) * dirs + d
                       : (p * dirs + d) * c->batch + b) * c->hid + j] = h[j];
                }
            }

            memcpy(yh + at, h, (size_t) c->hid * 8);
            memcpy(yc + at, cs, (size_t) c->hid * 8);
        }
    }
}


static void
rnn_inputs(nn_t *t, const rnn_case_t *c, maas_dtype_t dtype)
{
    int32_t  *lens;
    int64_t   i, dirs = c->direction == 2 ? 2 : 1, n = c->hid;
    int64_t   g = n * (c->cell == RNN_CELL_RNN ? 1
                       : c->cell == RNN_CELL_GRU ? 3 : 4);
    int64_t   x0[] = { c->seq, c->batch, c->in };
    int64_t   x1[] = { c->batch, c->seq, c->in };
    int64_t   h0[] = { dirs, c->batch, n }, h1[] = { c->batch, dirs, n };

    nn_in(t, dtype, 3, c->layout ? x1 : x0);
    nn_in(t, dtype, NN_D(dirs, g, c->in));
    nn_in(t, dtype, NN_D(dirs, g, n));

    /* Weights that forget, or rounding errors grow with every step. */
    for (i = 0; i < dirs * g * n; i++) {
        if (dtype == MAAS_F32) {
            ((float *) t->in[2].data)[i] /= (float) n;

        } else {
            ((double *) t->in[2].data)[i] /= (double) n;
        }
    }

    nn_in(t, dtype, c->bias ? 2 : -1, (int64_t[]) { dirs, 2 * g });
    lens = nn_in(t, MAAS_I32, c->lens ? 1 : -1, &c->batch);

    for (i = 0; i < c->batch && lens != NULL; i++) {
        lens[i] = (int32_t) ((i * 5 + c->seq) % (c->seq + 1));
    }

    nn_in(t, dtype, c->state ? 3 : -1, c->layout ? h1 : h0);

    if (c->cell == RNN_CELL_LSTM) {
        nn_in(t, dtype, c->state ? 3 : -1, c->layout ? h1 : h0);
        nn_in(t, dtype, c->peep ? 2 : -1, (int64_t[]) { dirs, 3 * n });
    }
}


static void
rnn_one(const rnn_case_t *c, bool dynamic, maas_dtype_t dtype)
{
    static const maas_op_t *const  rows[] = {
        maas_ops_rnn, maas_ops_gru, maas_ops_lstm
    };
    static const char *const       name[] = { "RNN", "GRU", "LSTM" };

    nn_t        t, ref;
    double     *want[3];
    int64_t     n, dirs = c->direction == 2 ? 2 : 1;
    rnn_attr_t  a = { .clip = c->clip, .direction = c->direction,
                      .hidden_size = c->hid, .layout = c->layout,
                      .linear_before_reset = c->option,
                      .input_forget = c->option };

    nn_begin(&t, rows[c->cell], name[c->cell], &a);
    t.dynamic = dynamic;
    rnn_inputs(&t, c, dtype);
    ref = t;

    n = dirs * c->batch * c->hid;
    want[0] = maas_arena_alloc(&t.arena, c->seq * n * 8 + 8);
    want[1] = maas_arena_alloc(&t.arena, n * 8 + 8);
    want[2] = maas_arena_alloc(&t.arena, n * 8 + 8);
    rnn_want(c, &ref, want[0], want[1], want[2]);

    n = c->cell == RNN_CELL_LSTM ? 3 : 2;

    if (ok(nn_run(&t, (int) n, 1), "%s runs", name[c->cell])) {
        for (int i = 0; i < n; i++) {
            ok(nn_diff(&t.out[i], want[i]) < (dtype == MAAS_F32 ? 1e-5
                                                                : 1e-12),
               "%s output %d seq %ld batch %ld in %ld hid %ld direction %d "
               "layout %d bias %d lens %d state %d peep %d option %d clip %g",
               name[c->cell], i, c->seq, c->batch, c->in, c->hid,
               c->direction, c->layout, c->bias, c->lens, c->state, c->peep,
               c->option, (double) c->clip);
        }
    }

    nn_end(&t);
}


static void
test_rnn(void)
{
    static const int64_t  size[][4] = {
        { 3, 2, 4, 5 }, { 7, 3, 9, 17 }, { 40, 1, 16, 32 }, { 1, 4, 3, 16 },
        { 2, 35, 5, 6 }, { 300, 2, 8, 40 }
    };

    for (int i = 0; i < 3 * 6 * 12; i++) {
        const int64_t  *z = size[i / 3 % 6];
        int             v = i / 18;
        rnn_case_t      c = {
            i % 3, z[0], z[1], z[2], z[3], v % 3, v >> 1 & 1, v != 0,
            v % 4 == 3 || v == 8, v > 1, v > 2 && v % 2, v >> 2 & 1,
            v > 6 ? 0.4f : 0
        };

        rnn_one(&c, false, MAAS_F32);
        rnn_one(&c, v % 2, v % 3 ? MAAS_F32 : MAAS_F64);
    }
}


/* -- ConvTranspose ------------------------------------------------------- */

typedef struct {
    int      nd;
    int64_t  n, c, oc, group;
    int64_t  in[3], k[3], s[3], d[3], p[6], extra[3];
} ct_case_t;

static const ct_case_t  ct_cases[] = {
    { 2, 1, 1, 2, 1, { 3, 3 }, { 3, 3 }, { 1, 1 }, { 1, 1 }, { 0 }, { 0 } },
    { 2, 2, 6, 20, 1, { 9, 7 }, { 3, 3 }, { 2, 2 }, { 1, 1 },
      { 1, 1, 1, 1 }, { 1, 1 } },
    { 2, 2, 4, 6, 2, { 5, 6 }, { 2, 2 }, { 1, 1 }, { 2, 2 },
      { 1, 0, 0, 1 }, { 0 } },
    { 2, 1, 33, 70, 1, { 40, 50 }, { 4, 4 }, { 2, 2 }, { 1, 1 },
      { 1, 1, 1, 1 }, { 0 } },
    { 2, 1, 8, 8, 8, { 10, 10 }, { 3, 3 }, { 2, 2 }, { 1, 1 },
      { 1, 1, 1, 1 }, { 1, 1 } },
    { 2, 1, 3, 5, 1, { 6, 6 }, { 1, 1 }, { 3, 2 }, { 1, 1 }, { 0 },
      { 2, 1 } },
    { 1, 1, 33, 17, 1, { 40 }, { 8 }, { 4 }, { 1 }, { 2, 2 }, { 0 } },
    { 3, 1, 2, 3, 1, { 3, 4, 5 }, { 3, 2, 3 }, { 1, 2, 2 }, { 1, 1, 1 },
      { 1, 0, 1, 0, 1, 1 }, { 0, 1, 1 } },
};

typedef struct {
    maas_window_attr_t  a;
    int64_t             list[5][6];
} ct_attr_t;


static void
ct_attr(ct_attr_t *w, const ct_case_t *c)
{
    maas_list_t    *l[5] = { &w->a.kernel_shape, &w->a.strides, &w->a.pads,
                             &w->a.dilations, &w->a.output_padding };
    const int64_t  *v[5] = { c->k, c->s, c->p, c->d, c->extra };

    memset(w, 0, sizeof(ct_attr_t));
    w->a.group = c->group;

    for (int i = 0; i < 5; i++) {
        l[i]->n = (uint32_t) (i == 2 ? 2 * c->nd : c->nd);
        l[i]->off = (uint32_t) ((char *) w->list[i] - (char *) w);
        memcpy(w->list[i], v[i], l[i]->n * 8);
    }
}


static void
ct_want(const ct_case_t *c, const nn_t *t, const int64_t *out, double *want)
{
    int      d;
    int64_t  n, ic, oc, i, r, o, ni, no, nk, ii, rr, pos, mul;
    int64_t  ocg = c->oc / c->group, icg = c->c / c->group;

    ni = no = nk = 1;

    for (d = 0; d < c->nd; d++) {
        ni *= c->in[d];
        no *= out[d];
        nk *= c->k[d];
    }

    for (i = 0; i < c->n * c->oc * no; i++) {
        want[i] = nn_get(&t->in[2], i / no % c->oc);
    }

    for (n = 0; n < c->n * c->c * ocg * ni * nk; n++) {
        r = n % nk;
        i = n / nk % ni;
        oc = n / nk / ni % ocg;
        ic = n / nk / ni / ocg % c->c;

        for (d = c->nd - 1, o = 0, mul = 1, ii = i, rr = r; d >= 0; d--) {
            pos = ii % c->in[d] * c->s[d] + rr % c->k[d] * c->d[d] - c->p[d];
            o = o < 0 || pos < 0 || pos >= out[d] ? -1 : o + pos * mul;
            mul *= out[d];
            ii /= c->in[d];
            rr /= c->k[d];
        }

        if (o >= 0) {
            want[(n / nk / ni / ocg / c->c * c->oc + ic / icg * ocg + oc) * no
                 + o] += nn_get(&t->in[0], n / nk / ni / ocg * ni + i)
                         * nn_get(&t->in[1], (ic * ocg + oc) * nk + r);
        }
    }
}


static void
ct_one(const ct_case_t *c, bool dynamic, maas_dtype_t dtype)
{
    nn_t       t, ref;
    double    *want;
    int64_t    x[5] = { c->n, c->c }, f[5] = { c->c, c->oc / c->group };
    ct_attr_t  a;

    ct_attr(&a, c);
    memcpy(x + 2, c->in, sizeof(c->in));
    memcpy(f + 2, c->k, sizeof(c->k));

    nn_begin(&t, maas_ops_convtranspose, "ConvTranspose", &a);
    t.dynamic = dynamic;
    nn_in(&t, dtype, c->nd + 2, x);
    nn_in(&t, dtype, c->nd + 2, f);
    nn_in(&t, dtype, NN_D(c->oc));
    ref = t;

    if (ok(nn_run(&t, 1, 1), "ConvTranspose runs")) {
        want = maas_arena_alloc(&t.arena, maas_tensor_count(&t.out[0]) * 8);
        ct_want(c, &ref, t.out[0].dims + 2, want);
        ok(nn_diff(&t.out[0], want) < 2e-6, "ConvTranspose case %d%s",
           (int) (c - ct_cases), dynamic ? " dynamic" : "");
    }

    nn_end(&t);
}


int
main(void)
{
    test_rnn();

    for (size_t i = 0; i < maas_nelts(ct_cases); i++) {
        ct_one(&ct_cases[i], false, MAAS_F32);
        ct_one(&ct_cases[i], true, MAAS_F32);
        ct_one(&ct_cases[i], false, MAAS_F64);
    }

    return done();
}
