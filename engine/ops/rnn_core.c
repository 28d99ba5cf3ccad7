/*
 * What RNN, GRU and LSTM share before they run: shapes, activations, weights
 * to pack, geometry.  The loop over time is in rnn_run.c.
 *
 * Ownership: nothing is allocated.
 * Threads:   reentrant.
 */

#include <strings.h>

#include "ops/rnn_core.h"


#define RNN_ROWS   32                   /* batch rows of a unit */
#define RNN_HALVES 12                   /* from which on a batch is halved */
#define RNN_CACHE  65536                /* elements of gates at once */
#define RNN_SHARED 49152                /* weights of a step that is shared */
#define RNN_LEAST  200000               /* and over all steps */
#define RNN_SLICE  128                  /* columns of its least part */


const char *const  rnn_directions[] = {
    "forward", "reverse", "bidirectional", NULL
};


/* How many gates a cell has, and activations. */
static const uint8_t  rnn_gates[] = { 1, 3, 4 };
static const uint8_t  rnn_n_acts[] = { 1, 2, 3 };

static const rnn_fn_t  rnn_default_acts[3][3] = {
    { RNN_TANH },
    { RNN_SIGMOID, RNN_TANH },
    { RNN_SIGMOID, RNN_TANH, RNN_TANH }
};

/* In the order of rnn_fn_t; takes: 1 alpha, 2 beta. */
static const struct {
    const char  *name;
    uint8_t      takes;
    float        a, b;
} rnn_fns[RNN_ACTS] = {
    { "Relu", 0, 0, 0 },
    { "Tanh", 0, 0, 0 },
    { "Sigmoid", 0, 0, 0 },
    { "Affine", 3, 1, 0 },
    { "LeakyRelu", 1, 0.01f, 0 },
    { "ThresholdedRelu", 1, 1, 0 },
    { "ScaledTanh", 3, 1, 1 },
    { "HardSigmoid", 3, 0.2f, 0.5f },
    { "Elu", 1, 1, 0 },
    { "Softsign", 0, 0, 0 },
    { "Softplus", 0, 0, 0 }
};


static rnn_fn_t
rnn_fn(maas_str_t name)
{
    int  i;

    for (i = 0; i < RNN_ACTS; i++) {
        if (name.len == strlen(rnn_fns[i].name)
            && strncasecmp(name.data, rnn_fns[i].name, name.len) == 0)
        {
            break;
        }
    }

    return i;
}


/* alpha and beta are consumed by the functions that take them, in order. */
maas_status_t
rnn_acts(const rnn_attr_t *a, rnn_cell_t cell, rnn_act_t act[2][3],
    maas_err_t *err)
{
    int         i, n, dirs;
    uint32_t    ia = 0, ib = 0;
    rnn_fn_t    fn;
    maas_str_t  name;

    dirs = a->direction == RNN_BIDIRECTIONAL ? 2 : 1;
    n = rnn_n_acts[cell];

    if (a->activations.n != 0 && a->activations.n != (uint32_t) (n * dirs)) {
        return maas_err(err, MAAS_EINVAL,
                        "attribute activations has %u values, expected %d",
                        (unsigned) a->activations.n, n * dirs);
    }

    for (i = 0; i < n * dirs; i++) {
        fn = rnn_default_acts[cell][i % n];

        if (a->activations.n != 0) {
            name = maas_list_strings(a, &a->activations, (uint32_t) i);
            fn = rnn_fn(name);

            if (fn == RNN_ACTS) {
                return maas_err(err, MAAS_EUNSUPPORTED,
                                "activation '%.*s' is unknown, expected one "
                                "like Tanh, Sigmoid or Relu",
                                (int) maas_min(name.len, 64), name.data);
            }
        }

        act[i / n][i % n] = (rnn_act_t) { fn, rnn_fns[fn].a, rnn_fns[fn].b };

        if ((rnn_fns[fn].takes & 1) && ia < a->alpha.n) {
            act[i / n][i % n].a = maas_list_floats(a, &a->alpha)[ia++];
        }

        if ((rnn_fns[fn].takes & 2) && ib < a->beta.n) {
            act[i / n][i % n].b = maas_list_floats(a, &a->beta)[ib++];
        }
    }

    return MAAS_OK;
}


/* -- shapes -------------------------------------------------------------- */

static maas_status_t
rnn_check(maas_infer_t *c, int i, const char *name, int rank,
    const maas_dim_t *want)
{
    maas_dim_t          d;
    const maas_type_t  *t;

    if (!maas_infer_has(c, i)) {
        return MAAS_OK;
    }

    t = c->in[i].type;

    if (t->rank != rank) {
        return maas_err(c->err, MAAS_EINVAL, "%s has rank %d, expected %d",
                        name, t->rank, rank);
    }

    for (int j = 0; j < rank; j++) {
        MAAS_TRY(maas_infer_merge(c, t->dims[j], want[j], &d, name));
    }

    return MAAS_OK;
}


/* The hidden size, from the attribute or the weights. */
static maas_status_t
rnn_hidden(maas_infer_t *c, const rnn_attr_t *a, maas_dim_t *hid)
{
    const maas_type_t  *x = c->in[RNN_X].type, *r = c->in[RNN_R].type;

    if (x->rank != 3 || c->in[RNN_W].type->rank != 3 || r->rank != 3) {
        return maas_err(c->err, MAAS_EINVAL,
                        "X, W and R have ranks %d, %d and %d, expected 3",
                        x->rank, c->in[RNN_W].type->rank, r->rank);
    }

    *hid = r->dims[2];

    if (a->hidden_size > 0) {
        MAAS_TRY(maas_infer_merge(c, r->dims[2], a->hidden_size, hid,
                                  "hidden_size and R"));
    }

    if (maas_dim_known(*hid) && (*hid < 1 || *hid > INT32_MAX)) {
        return maas_err(c->err, MAAS_EINVAL,
                        "hidden size is %lld, expected 1 or more",
                        (long long) *hid);
    }

    return MAAS_OK;
}


static void
rnn_infer_out(maas_infer_t *c, const rnn_attr_t *a, maas_dim_t seq,
    maas_dim_t dirs, maas_dim_t batch, maas_dim_t hid)
{
    maas_dtype_t  t = c->in[RNN_X].type->dtype;
    maas_dim_t    y0[] = { seq, dirs, batch, hid };
    maas_dim_t    y1[] = { batch, seq, dirs, hid };
    maas_dim_t    h0[] = { dirs, batch, hid };
    maas_dim_t    h1[] = { batch, dirs, hid };
    maas_dim_t    saved[] = { seq, dirs, batch,
                              maas_dim_mul(c->syms, hid, 4) };

    for (int o = 0; o < c->n_out; o++) {
        if (o == 0) {
            maas_infer_set(c, o, t, 4, a->layout ? y1 : y0);

        } else if (o == RNN_SAVED) {
            maas_infer_set(c, o, t, 4, saved);

        } else {
            maas_infer_set(c, o, t, 3, a->layout ? h1 : h0);
        }
    }
}


maas_status_t
rnn_infer(maas_infer_t *c, rnn_cell_t cell)
{
    rnn_act_t           act[2][3];
    maas_dim_t          hid, g, seq, batch, in, dirs;
    maas_syms_t        *s = c->syms;
    const rnn_attr_t   *a = c->attr;
    const maas_type_t  *x = c->in[RNN_X].type;

    MAAS_TRY(rnn_acts(a, cell, act, c->err));
    MAAS_TRY(rnn_hidden(c, a, &hid));

    dirs = a->direction == RNN_BIDIRECTIONAL ? 2 : 1;
    g = maas_dim_mul(s, hid, rnn_gates[cell]);
    seq = x->dims[a->layout ? 1 : 0];
    batch = x->dims[a->layout ? 0 : 1];
    in = x->dims[2];

    MAAS_TRY(rnn_check(c, RNN_W, "W", 3, (maas_dim_t[]) { dirs, g, in }));
    MAAS_TRY(rnn_check(c, RNN_R, "R", 3, (maas_dim_t[]) { dirs, g, hid }));
    MAAS_TRY(rnn_check(c, RNN_B, "B", 2,
                       (maas_dim_t[]) { dirs, maas_dim_mul(s, g, 2) }));
    MAAS_TRY(rnn_check(c, RNN_LENS, "sequence_lens", 1, &batch));

    for (int i = RNN_H0; i <= RNN_C0; i++) {
        maas_dim_t  h0[] = { dirs, batch, hid }, h1[] = { batch, dirs, hid };

        MAAS_TRY(rnn_check(c, i, i == RNN_H0 ? "initial_h" : "initial_c", 3,
                           a->layout ? h1 : h0));
    }

    MAAS_TRY(rnn_check(c, RNN_P, "P", 2,
                       (maas_dim_t[]) { dirs, maas_dim_mul(s, hid, 3) }));
    rnn_infer_out(c, a, seq, dirs, batch, hid);
    return MAAS_OK;
}


/* Version 1 could leave Y out by an attribute. */
maas_status_t
rnn_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    (void) im;
    (void) err;

    if (opset < 7) {
        maas_raw_attr_drop(n, "output_sequence");
    }

    return MAAS_OK;
}


/*
 * Called for every constant input with p->input preset; see matmul.c.  W
 * and R are wanted transposed.  GRU takes R gate by gate, since the last
 * one multiplies another vector.
 */
bool
rnn_pack(const maas_type_t *const *type, maas_pack_t *p, rnn_cell_t cell)
{
    bool                split = cell == RNN_CELL_GRU && p->input == RNN_R;
    const maas_type_t  *w;

    if (p->input != RNN_W && p->input != RNN_R) {
        return false;
    }

    w = type[p->input];

    if (w == NULL || w->dtype != MAAS_F32 || w->rank != 3) {
        return false;
    }

    p->format = MAAS_FMT_P16;
    p->groups = w->dims[0] * (split ? 3 : 1);
    p->k = w->dims[2];
    p->n = w->dims[1] / (split ? 3 : 1);
    p->gs = p->k * p->n;
    p->ks = 1;
    p->ns = p->k;
    return p->groups > 0 && p->k > 0 && p->n > 0;
}


/* -- geometry ------------------------------------------------------------ */

static size_t
rnn_take(rnn_geom_t *g, int64_t n)
{
    size_t  at = g->total;

    g->total += maas_align((size_t) n, 16);
    return at;
}


static void
rnn_layout(rnn_geom_t *g, const maas_tensor_t *in)
{
    bool  f32 = in[RNN_X].dtype == MAAS_F32;

    g->wsize = (int64_t) maas_p16_elems(g->in, g->gates);
    g->rsize = g->cell == RNN_CELL_GRU
               ? 3 * (int64_t) maas_p16_elems(g->hid, g->hid)
               : (int64_t) maas_p16_elems(g->hid, g->gates);

    g->total = 0;
    g->gx = rnn_take(g, g->mb * g->tb * g->gates);
    g->h = rnn_take(g, g->mb * g->hid);
    g->c = rnn_take(g, g->mb * g->hid);
    g->tmp = rnn_take(g, g->mb * g->hid);
    g->bias = rnn_take(g, g->gates + g->hid);
    g->w = rnn_take(g, f32 && in[RNN_W].format == MAAS_FMT_PLAIN
                       ? g->wsize : 0);
    g->r = rnn_take(g, f32 && in[RNN_R].format == MAAS_FMT_PLAIN
                       ? g->rsize : 0);
}


/*
 * One unit alone would leave threads idle: its products are cut by columns
 * where they are large enough, whole panels of weights that are packed, and
 * rows end together.
 */
static void
rnn_slices(rnn_geom_t *g, const maas_tensor_t *in, uint16_t n_formal)
{
    int64_t  cols = g->gates;

    g->slices = 0;

    if (g->dirs * g->blocks != 1 || g->hid % MAAS_P16 != 0
        || g->hid * cols < RNN_SHARED || g->seq * g->hid * cols < RNN_LEAST
        || in[RNN_X].dtype != MAAS_F32 || in[RNN_W].format != MAAS_FMT_P16
        || in[RNN_R].format != MAAS_FMT_P16
        || rnn_has(in, n_formal, RNN_LENS))
    {
        return;
    }

    g->slices = maas_min(cols / RNN_SLICE, 4);
    g->slices = g->slices < 2 ? 0 : g->slices;
}


void
rnn_geom(rnn_geom_t *g, const rnn_attr_t *a, rnn_cell_t cell,
    const maas_tensor_t *in, uint16_t n_formal)
{
    bool            batch_first = a->layout != 0;
    const int64_t  *x = in[RNN_X].dims;

    (void) rnn_acts(a, cell, g->act, NULL);

    g->cell = cell;
    g->dirs = in[RNN_W].dims[0];
    g->seq = x[batch_first ? 1 : 0];
    g->batch = x[batch_first ? 0 : 1];
    g->in = x[2];
    g->hid = in[RNN_R].dims[2];
    g->gates = g->hid * rnn_gates[cell];

    g->xt = batch_first ? g->in : g->batch * g->in;
    g->xb = batch_first ? g->seq * g->in : g->in;
    g->yd = batch_first ? g->hid : g->batch * g->hid;
    g->yb = batch_first ? g->seq * g->dirs * g->hid : g->hid;
    g->yt = g->dirs * g->hid * (batch_first ? 1 : g->batch);
    g->hd = batch_first ? g->hid : g->batch * g->hid;
    g->hb = batch_first ? g->dirs * g->hid : g->hid;

    g->mb = maas_min(maas_max(g->batch, 1), RNN_ROWS);
    g->blocks = (g->batch + g->mb - 1) / g->mb;
    rnn_slices(g, in, n_formal);

    /* Two threads find work, where rows enough share the weights. */
    if (g->slices == 0 && g->dirs * g->blocks == 1
        && g->batch >= RNN_HALVES)
    {
        g->mb = (g->batch + 1) / 2;
        g->blocks = (g->batch + g->mb - 1) / g->mb;
    }

    g->tb = maas_max(RNN_CACHE / (g->mb * g->gates), 1);
    g->tb = maas_min(g->tb, maas_max(g->seq, 1));
    rnn_layout(g, in);
}


double
rnn_flops(const maas_setup_t *u)
{
    const int64_t  *w = u->in[RNN_W].dims;

    return 2.0 * (double) u->in[RNN_X].dims[0]
           * (double) u->in[RNN_X].dims[1] * (double) w[0] * (double) w[1]
           * (double) (w[2] + u->in[RNN_R].dims[2]);
}


bool
rnn_setup(maas_setup_t *u, rnn_cell_t cell)
{
    rnn_geom_t  g;

    rnn_geom(&g, u->attr, cell, u->in, u->n_formal);
    u->units = maas_max(maas_max(g.dirs * g.blocks, g.slices), 1);
    u->shared = rnn_shared(&g);
    u->scratch = g.total * maas_dtype_size(u->in[RNN_X].dtype);
    u->cost = rnn_flops(u) / 20;
    return true;
}
