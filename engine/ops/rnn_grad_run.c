/*
 * rnn_grad_run: the steps back through time of RNN, LSTM and GRU, one
 * direction each, as operators of domain maas:
 *
 *   RNNGrad(Y, R, dY, dYh, lens)              -> dP, dH0
 *   LSTMGrad(P, R, dY, dYh, C0, dYc, lens, W)  -> dP, dH0, dC0, dW
 *   GRUGrad(P, R, dY, dYh, H, lens)           -> dP, dH0, dQ
 *
 * P [seq, batch, 4 hidden] are the gates after their functions, as
 * maas.LSTMTrain and maas.GRUTrain left them; of RNN they are what it makes.
 * dP, of as many as the cell has, is by the gates before their functions; of
 * GRU dQ by their recurrent part, and H [seq, batch, hidden] are the states
 * before each step.  R [gates, hidden] are the recurrent weights, W [3
 * hidden] the peepholes; dW [batch, 3 hidden] is for each row.  before = 1, a
 * GRU without linear_before_reset: dQ is dP.
 *
 * lens, int32: steps of each row, the first ones; at the others nothing is
 * computed forward, so dY counts for nothing there, and dP is 0.
 *
 * A unit is a block of batch rows with all its time steps.
 */

#include <math.h>

#include "ops/rnn_core.h"


#define RG_ROWS  16

typedef struct {
    int64_t  relu;              /* RNN: instead of tanh */
    int64_t  before;            /* GRU: the reset before the product */
} rg_attr_t;

/* One block; pointers to whole tensors, NULL: absent. */
typedef struct {
    const maas_kernels_t  *k;
    rnn_cell_t             cell;
    bool                   relu, before;
    int64_t                seq, batch, hid, gates;
    int64_t                n0, nb;      /* rows of the block */
    const void            *pre, *r, *dy, *dyh, *c0, *dyc, *hprev, *peep;
    const int32_t         *lens;
    void                  *da, *dah, *dh0, *dc0, *dpeep;
    float                 *packed;      /* R, float32 */
    void                  *dh;          /* scratch: dh, dc, one row */
    void                  *cells;
} rg_t;

enum { RG_P = 0, RG_R, RG_DY, RG_DYH, RG_C0, RG_DYC, RG_LENS, RG_W,
       RG_H = 4 };

/* lens, by the cell */
static const uint8_t  rg_lens[] = { 4, 5, RG_LENS };


static void
rg_tanh_f32(const rg_t *g, float *x, int64_t n)
{
    g->k->unary[MAAS_U_TANH](x, x, n, 0, 0);
}


static void
rg_add_f32(const rg_t *g, float *y, const float *x)
{
    g->k->fold[MAAS_R_SUM](y, x, 0, 1, g->hid);
}


static void
rg_mul_f32(const rg_t *g, float *y, const float *a, const float *b)
{
    g->k->binary[MAAS_B_MUL](y, a, 1, b, 1, g->hid);
}


static void
rg_sub_f32(const rg_t *g, float *y, const float *a, const float *b)
{
    g->k->binary[MAAS_B_SUB](y, a, 1, b, 1, g->hid);
}


static void
rg_rest_f32(const rg_t *g, float *y, const float *a)
{
    const float  one = 1;

    g->k->binary[MAAS_B_SUB](y, &one, 0, a, 1, g->hid);
}


static void
rg_sigmoid_back_f32(const rg_t *g, float *y, const float *d, const float *v)
{
    g->k->back[MAAS_G_SIGMOID](y, d, v, g->hid, 0, 0);
}


static void
rg_tanh_back_f32(const rg_t *g, float *y, const float *d, const float *v)
{
    g->k->back[MAAS_G_TANH](y, d, v, g->hid, 0, 0);
}


static void
rg_relu_back_f32(const rg_t *g, float *y, const float *d, const float *v)
{
    g->k->back[MAAS_G_RELU](y, d, v, g->hid, 0, 0);
}


static void
rg_cell_f32(const rg_t *g, float *c, const float *a, const float *last)
{
    g->k->lstm_cell(c, a, last, g->hid);
}


static void
rg_cell_back_f32(const rg_t *g, float *a, const float *dh, float *dc,
    const float *last, const float *th)
{
    g->k->lstm_back(a, dh, dc, last, th, g->hid);
}


/* Of a GRU with the reset before: z and r are packed, then n. */
static size_t
rg_first(const rg_t *g)
{
    return maas_align(maas_p16_elems(2 * g->hid, g->hid), MAAS_ALIGN);
}


static void
rg_pack(const rg_t *g)
{
    const float  *r = g->r;
    int64_t       h = g->hid, first = g->before ? 2 * h : g->gates;
    int64_t       panels = (h + 15) / 16;

    g->k->pack_p16(g->packed, r, h, 1, first, h, 0, panels);

    if (g->before) {
        g->k->pack_p16(g->packed + rg_first(g), r + first * h, h, 1, h, h, 0,
                       panels);
    }
}


static void
rg_back_f32(const rg_t *g, float *dh, const float *da, int64_t from,
    int64_t k, bool accumulate)
{
    maas_gemm_t  p = {
        .m = g->nb, .n = g->hid, .k = k, .a = da + from, .lda = g->gates,
        .b = g->packed + (from != 0 ? rg_first(g) : 0), .c = dh,
        .ldc = g->hid, .accumulate = accumulate
    };

    g->k->gemm(&p, 0, g->nb);
}


static void
rg_tanh_f64(const rg_t *g, double *x, int64_t n)
{
    (void) g;

    for (int64_t i = 0; i < n; i++) {
        x[i] = tanh(x[i]);
    }
}


static void
rg_add_f64(const rg_t *g, double *y, const double *x)
{
    for (int64_t j = 0; j < g->hid; j++) {
        y[j] += x[j];
    }
}


#define RG_LOOP(name, expr)                                                   \
    static void                                                               \
    rg_##name##_f64(const rg_t *g, double *y, const double *a,                \
        const double *b)                                                      \
    {                                                                         \
        for (int64_t j = 0; j < g->hid; j++) {                                \
            y[j] = (expr);                                                    \
        }                                                                     \
    }

RG_LOOP(mul, a[j] * b[j])
RG_LOOP(sub, a[j] - b[j])
RG_LOOP(sigmoid_back, a[j] * b[j] * (1 - b[j]))
RG_LOOP(tanh_back, a[j] * (1 - b[j] * b[j]))
RG_LOOP(relu_back, b[j] > 0 ? a[j] : 0)


static void
rg_rest_f64(const rg_t *g, double *y, const double *a)
{
    for (int64_t j = 0; j < g->hid; j++) {
        y[j] = 1 - a[j];
    }
}


static void
rg_cell_f64(const rg_t *g, double *c, const double *a, const double *last)
{
    lstm_cell_f64(c, a, last, g->hid);
}


static void
rg_cell_back_f64(const rg_t *g, double *a, const double *dh, double *dc,
    const double *last, const double *th)
{
    lstm_back_f64(a, dh, dc, last, th, g->hid);
}


static void
rg_back_f64(const rg_t *g, double *dh, const double *da, int64_t from,
    int64_t k, bool accumulate)
{
    double         sum;
    const double  *r = g->r;

    for (int64_t i = 0; i < g->nb; i++) {
        for (int64_t j = 0; j < g->hid; j++) {
            sum = accumulate ? dh[i * g->hid + j] : 0;

            for (int64_t l = from; l < from + k; l++) {
                sum += da[i * g->gates + l] * r[l * g->hid + j];
            }

            dh[i * g->hid + j] = sum;
        }
    }
}


#define REAL      float
#define RG(name)  rg_##name##_f32
#include "ops/rnn_grad_body.h"
#undef REAL
#undef RG
#undef RG_AT

#define REAL      double
#define RG(name)  rg_##name##_f64
#include "ops/rnn_grad_body.h"
#undef REAL
#undef RG


/* -- running ------------------------------------------------------------- */

static void
rg_sizes(const maas_tensor_t *in, rnn_cell_t cell, rg_t *g)
{
    g->cell = cell;
    g->seq = in[RG_P].dims[0];
    g->batch = in[RG_P].dims[1];
    g->gates = in[RG_R].dims[0];
    g->hid = in[RG_R].dims[1];
}


/* Bytes of the packed weights, of dh and dc, of the cells. */
static void
rg_scratch(const rg_t *g, size_t item, size_t part[3])
{
    size_t  rows = (size_t) (RG_ROWS * g->hid);

    part[0] = item != 4 ? 0 : g->before
              ? (rg_first(g) + maas_p16_elems(g->hid, g->hid)) * 4
              : maas_p16_elems(g->gates, g->hid) * 4;
    part[1] = (2 * rows + (size_t) g->hid) * item;
    part[2] = g->cell == RNN_CELL_LSTM ? (size_t) (g->seq + 1) * rows * item
                                       : 0;

    for (int i = 0; i < 3; i++) {
        part[i] = maas_align(part[i], MAAS_ALIGN);
    }
}


static bool
rg_before(const void *attr, rnn_cell_t cell)
{
    return cell == RNN_CELL_GRU && ((const rg_attr_t *) attr)->before != 0;
}


static bool
rg_setup(maas_setup_t *u, rnn_cell_t cell)
{
    rg_t    g = { 0 };
    size_t  part[3];

    rg_sizes(u->in, cell, &g);
    g.before = rg_before(u->attr, cell);
    rg_scratch(&g, maas_dtype_size(u->in[0].dtype), part);

    u->units = maas_max((g.batch + RG_ROWS - 1) / RG_ROWS, 1);
    u->scratch = part[0] + part[1] + part[2];
    u->cost = (double) (g.seq * g.batch * g.gates)
              * (2 + (double) g.hid / 25);
    return true;
}


static const void *
rg_in(const maas_step_t *s, int i)
{
    return i < s->n_formal && s->in[i].dtype != MAAS_NODTYPE
           ? s->in[i].data : NULL;
}


static void *
rg_out(const maas_step_t *s, int i)
{
    return i < s->n_out && s->out[i].dtype != MAAS_NODTYPE
           ? s->out[i].data : NULL;
}


static maas_status_t
rg_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last,
    rnn_cell_t cell)
{
    bool    wide = s->in[0].dtype == MAAS_F64;
    rg_t    g = { .k = s->k };
    size_t  part[3];

    rg_sizes(s->in, cell, &g);
    g.before = rg_before(s->attr, cell);
    rg_scratch(&g, wide ? 8 : 4, part);

    g.relu = cell == RNN_CELL_RNN && ((const rg_attr_t *) s->attr)->relu != 0;
    g.pre = rg_in(s, RG_P);
    g.r = rg_in(s, RG_R);
    g.dy = rg_in(s, RG_DY);
    g.dyh = rg_in(s, RG_DYH);
    g.hprev = cell == RNN_CELL_GRU ? rg_in(s, RG_H) : NULL;
    g.lens = rg_in(s, rg_lens[cell]);
    g.da = rg_out(s, 0);
    g.dh0 = rg_out(s, 1);
    g.dah = cell == RNN_CELL_GRU ? rg_out(s, 2) : NULL;

    if (cell == RNN_CELL_LSTM) {
        g.c0 = rg_in(s, RG_C0);
        g.dyc = rg_in(s, RG_DYC);
        g.peep = rg_in(s, RG_W);
        g.dc0 = rg_out(s, 2);
        g.dpeep = rg_out(s, 3);
    }

    g.packed = slot->scratch;
    g.dh = (char *) slot->scratch + part[0];
    g.cells = (char *) slot->scratch + part[0] + part[1];

    if (!wide) {
        rg_pack(&g);
    }

    for (int64_t u = first; u < last; u++) {
        g.n0 = u * RG_ROWS;
        g.nb = maas_min(g.batch - g.n0, RG_ROWS);

        if (g.nb > 0) {
            (wide ? rg_block_f64 : rg_block_f32)(&g);
        }
    }

    return MAAS_OK;
}


static maas_status_t
rg_infer_lens(maas_infer_t *c, int i)
{
    maas_dim_t          d;
    const maas_type_t  *t;

    if (!maas_infer_has(c, i)) {
        return MAAS_OK;
    }

    t = c->in[i].type;

    if (t->rank != 1) {
        return maas_err(c->err, MAAS_EINVAL, "lens has rank %d, expected 1",
                        t->rank);
    }

    return maas_infer_merge(c, c->in[RG_P].type->dims[1], t->dims[0], &d,
                            "rows of P and lens");
}


/* Of a row of peepholes, [3 hidden]; dims: batch, hidden. */
static maas_status_t
rg_infer_peep(maas_infer_t *c, maas_dim_t *dims)
{
    maas_dim_t  d, wide = maas_dim_mul(c->syms, dims[1], 3);

    if (maas_infer_has(c, RG_W)) {
        if (c->in[RG_W].type->rank != 1) {
            return maas_err(c->err, MAAS_EINVAL, "peepholes have rank %d, "
                            "expected 1", c->in[RG_W].type->rank);
        }

        MAAS_TRY(maas_infer_merge(c, c->in[RG_W].type->dims[0], wide, &d,
                                  "peepholes"));
    }

    if (c->n_out > 3) {
        dims[1] = wide;
        maas_infer_set(c, 3, c->in[RG_P].type->dtype, 2, dims);
    }

    return maas_infer_same(c);
}


/* dP and dQ: as many gates as R has rows. */
static maas_status_t
rg_infer_gates(maas_infer_t *c, rnn_cell_t cell)
{
    maas_dim_t          dims[3];
    const maas_type_t  *p = c->in[RG_P].type;

    dims[0] = p->dims[0];
    dims[1] = p->dims[1];
    dims[2] = maas_dim_mul(c->syms, c->in[RG_R].type->dims[1],
                           cell == RNN_CELL_GRU ? 3 : 1);
    maas_infer_set(c, 0, p->dtype, 3, dims);

    if (c->n_out > 2) {
        maas_infer_set(c, 2, p->dtype, 3, dims);
    }

    return MAAS_OK;
}


static maas_status_t
rg_infer(maas_infer_t *c, rnn_cell_t cell)
{
    int64_t             n = cell == RNN_CELL_LSTM ? 4
                            : cell == RNN_CELL_GRU ? 3 : 1;
    maas_dim_t          d, dims[2];
    const maas_type_t  *p = c->in[RG_P].type, *r = c->in[RG_R].type;

    if (p->rank != 3 || r->rank != 2) {
        return maas_err(c->err, MAAS_EINVAL, "P and R have ranks %d and %d, "
                        "expected 3 and 2", p->rank, r->rank);
    }

    if (maas_dim_known(r->dims[0]) && maas_dim_known(r->dims[1])
        && r->dims[0] != n * r->dims[1])
    {
        return maas_err(c->err, MAAS_EINVAL, "R is %lld x %lld, expected "
                        "%lld rows a column", (long long) r->dims[0],
                        (long long) r->dims[1], (long long) n);
    }

    MAAS_TRY(rg_infer_lens(c, rg_lens[cell]));
    MAAS_TRY(maas_infer_merge(c, p->dims[2],
                              cell == RNN_CELL_RNN ? r->dims[1]
                              : maas_dim_mul(c->syms, r->dims[1], 4), &d,
                              "gates in P"));
    dims[0] = p->dims[1];
    dims[1] = r->dims[1];
    maas_infer_set(c, 1, p->dtype, 2, dims);

    if (c->n_out > 2 && cell == RNN_CELL_LSTM) {
        maas_infer_set(c, 2, p->dtype, 2, dims);
    }

    return cell == RNN_CELL_LSTM ? rg_infer_peep(c, dims)
                                 : rg_infer_gates(c, cell);
}


#define RG_CELL(id, CELL)                                                     \
    static bool                                                               \
    id##_setup(maas_setup_t *u)                                               \
    {                                                                         \
        return rg_setup(u, RNN_CELL_##CELL);                                  \
    }                                                                         \
                                                                              \
    static maas_status_t                                                      \
    id##_infer(maas_infer_t *c)                                               \
    {                                                                         \
        return rg_infer(c, RNN_CELL_##CELL);                                  \
    }                                                                         \
                                                                              \
    static maas_status_t                                                      \
    id##_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,          \
        int64_t last)                                                         \
    {                                                                         \
        return rg_run(s, slot, first, last, RNN_CELL_##CELL);                 \
    }                                                                         \
                                                                              \
    static const maas_kernel_row_t  id##_kernel[] = {                         \
        { #id ".steps", MAAS_CPU_REF, 0, 0, id##_setup, id##_run }            \
    };

RG_CELL(rnngrad, RNN)
RG_CELL(lstmgrad, LSTM)
RG_CELL(grugrad, GRU)


/* -- rows ---------------------------------------------------------------- */

#define RG_F(name, flags)  { name, MAAS_D_FLOAT, 'T', flags }
#define RG_STEPS  { "lens", MAAS_D(I32), 0, MAAS_OPT }

static const maas_formal_t  rnngrad_in[] = {
    RG_F("Y", 0), RG_F("R", 0), RG_F("dY", MAAS_OPT), RG_F("dYh", MAAS_OPT),
    RG_STEPS
};

static const maas_formal_t  lstmgrad_in[] = {
    RG_F("P", 0), RG_F("R", 0), RG_F("dY", MAAS_OPT), RG_F("dYh", MAAS_OPT),
    RG_F("C0", MAAS_OPT), RG_F("dYc", MAAS_OPT), RG_STEPS,
    RG_F("W", MAAS_OPT)
};

static const maas_formal_t  grugrad_in[] = {
    RG_F("P", 0), RG_F("R", 0), RG_F("dY", MAAS_OPT), RG_F("dYh", MAAS_OPT),
    RG_F("H", 0), RG_STEPS
};

static const maas_formal_t  rnngrad_out[] = {
    RG_F("dP", 0), RG_F("dH0", 0)
};

static const maas_formal_t  lstmgrad_out[] = {
    RG_F("dP", 0), RG_F("dH0", 0), RG_F("dC0", 0), RG_F("dW", MAAS_OPT)
};

static const maas_formal_t  grugrad_out[] = {
    RG_F("dP", 0), RG_F("dH0", 0), RG_F("dQ", 0)
};

static const maas_attr_row_t  rnngrad_attrs[] = {
    { .name = "relu", .type = MAAS_ATTR_INT,
      .off = offsetof(rg_attr_t, relu), .min = 0, .max = 1 }
};

static const maas_attr_row_t  grugrad_attrs[] = {
    { .name = "before", .type = MAAS_ATTR_INT,
      .off = offsetof(rg_attr_t, before), .min = 0, .max = 1 }
};

static const maas_case_t  rnngrad_cases[] = {
    { "| f32[3,2,5] f32[5,5] f32[3,2,5] f32[2,5]", NULL },
    { "relu=1 | f32[3,2,5] f32[5,5] f32[3,2,5]", NULL },
    { "| f64[3,2,5] f64[5,5] - f64[2,5]", NULL },
    { "| f32[5,37,19] f32[19,19] f32[5,37,19]", NULL },
    { "| f32[0,2,5] f32[5,5]", NULL },
    { "| f32[3,4,5] f32[5,5] f32[3,4,5] f32[4,5] i32[4]{3,0,2,1}", NULL },
    { NULL, NULL }
};

static const maas_case_t  rnngrad_bad[] = {
    { "| f32[2,5] f32[5,5]", "expected 3 and 2" },
    { "| f32[3,2,5] f32[10,5]", "1 rows a column" },
    { "| f32[3,2,5] f32[5,5] - - i32[3]{1,1,1}", "rows of P" },
    { "| f32[3,2,10] f32[5,5]", "gates in P" },
    { NULL, NULL }
};

static const maas_case_t  lstmgrad_cases[] = {
    { "| f32[3,2,20] f32[20,5] f32[3,2,5] f32[2,5] f32[2,5] f32[2,5]", NULL },
    { "| f64[3,2,20] f64[20,5] f64[3,2,5]", NULL },
    { "| f32[4,37,76] f32[76,19] - f32[37,19]", NULL },
    { "| f32[3,2,20] f32[20,5] f32[3,2,5] f32[2,5] f32[2,5] f32[2,5] "
      "i32[2]{0,2}", NULL },
    { "> 4 | f32[3,19,20] f32[20,5] f32[3,19,5] - f32[19,5] - - f32[15]",
      NULL },
    { "> 4 | f64[3,2,20] f64[20,5] f64[3,2,5] - - f64[2,5] i32[2]{3,1} "
      "f64[15]", NULL },
    { NULL, NULL }
};

static const maas_case_t  lstmgrad_bad[] = {
    { "| f32[3,2,20] f32[10,5]", "4 rows a column" },
    { "| f32[3,2,20] f32[20,5] - - - - - f32[10]", "peepholes" },
    { "| f32[3,2,20] f32[20,5] - - - - - f32[5,3]", "expected 1" },
    { NULL, NULL }
};

static const maas_case_t  grugrad_cases[] = {
    { "> 3 | f32[3,2,20] f32[15,5] f32[3,2,5] f32[2,5] f32[3,2,5]", NULL },
    { "> 3 | f64[3,2,20] f64[15,5] f64[3,2,5] - f64[3,2,5]", NULL },
    { "> 3 | f32[4,37,76] f32[57,19] - f32[37,19] f32[4,37,19]", NULL },
    { "> 3 | f32[3,2,20] f32[15,5] f32[3,2,5] f32[2,5] f32[3,2,5] "
      "i32[2]{1,3}", NULL },
    { "before=1 > 3 | f32[3,2,20] f32[15,5] f32[3,2,5] f32[2,5] f32[3,2,5]",
      NULL },
    { "before=1 > 3 | f64[4,37,76] f64[57,19] - f64[37,19] f64[4,37,19]",
      NULL },
    { NULL, NULL }
};

static const maas_case_t  grugrad_bad[] = {
    { "> 3 | f32[3,2,20] f32[20,5] - - f32[3,2,5]", "3 rows a column" },
    { "> 3 | f32[3,2,15] f32[15,5] - - f32[3,2,5]", "gates in P" },
    { NULL, NULL }
};

#define RG_ROW(NAME, id)                                                      \
    .name = NAME, .domain = "maas", .since = 1,                               \
    .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL, MAAS_IO(id##_in, id##_out),     \
    .infer = id##_infer, MAAS_KERNELS(id##_kernel), .cases = id##_cases,      \
    .bad = id##_bad

const maas_op_t  maas_ops_rnn_grad_run[] = {
    { RG_ROW("RNNGrad", rnngrad), MAAS_ATTRS(rnngrad_attrs, rg_attr_t) },
    { RG_ROW("LSTMGrad", lstmgrad) },
    { RG_ROW("GRUGrad", grugrad), MAAS_ATTRS(grugrad_attrs, rg_attr_t) },
    { .name = NULL }
};
