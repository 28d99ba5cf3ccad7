/*
 * rnn_grad: gradients of RNN, LSTM and GRU.  What runs over all time steps
 * at once are ordinary products; rnn_grad_run.c goes back step by step.
 *
 * For each direction, with G gates and a the gates before their functions:
 *
 *   da = maas.<cell>Grad(gates, R, dY, ...)
 *   dX = da W,  dW = da^T X,  dR = da^T H,  db = sum of da
 *
 * H are the states before each step, from Y.  The gates, after their
 * functions, are kept from the forward pass (maas.LSTMTrain, maas.GRUTrain);
 * of RNN they are Y itself.  With layout 1 all is turned to layout 0 before
 * and back behind.
 */

#include "ops/grads.h"
#include "ops/rnn_core.h"


typedef struct {
    maas_grad_t       *c;
    const rnn_attr_t  *at;
    rnn_cell_t         cell;
    bool               relu;
    int                dirs;
    maas_vid_t         lens, lens64;            /* or MAAS_NOVAL */
    maas_vid_t         saved;                   /* the gates, not of RNN */
    maas_vid_t         xs, ys, h0, c0;          /* in layout 0 */
    maas_vid_t         dys, dyh, dyc;
    /* of the direction at work */
    int                dir;
    bool               reverse;
    maas_vid_t         x, y, w, r, hprev;
    maas_vid_t         x2, h2;                  /* as matrices */
    bool               before;                  /* GRU: reset, then product */
    maas_vid_t         rh2;                     /* ... of these */
    maas_vid_t         dx, dw, dr, db, dh0, dc0, dp;
} rnng_t;


/* -- emitting ------------------------------------------------------------ */

static maas_vid_t
rnng_int(maas_grad_t *c, int64_t v)
{
    return maas_grad_ints(c, &v, 1);
}


static maas_vid_t
rnng_slice(maas_grad_t *c, maas_vid_t v, int64_t from, int64_t to,
    int64_t step)
{
    maas_vid_t  in[] = { v, rnng_int(c, from), rnng_int(c, to),
                         rnng_int(c, 0), rnng_int(c, step) };

    return maas_grad_emit(c, "", "Slice", NULL, 0, in, 5);
}


/*
 * In the order of the steps; and back.  Rows of their own lengths: those
 * steps alone are turned.
 */
static maas_vid_t
rnng_turn(const rnng_t *g, maas_vid_t v)
{
    maas_vid_t       in[2] = { v, g->lens64 };
    maas_raw_attr_t  attr[] = { maas_pass_int("time_axis", 0),
                                maas_pass_int("batch_axis", 1) };

    if (!g->reverse || v == MAAS_NOVAL) {
        return v;
    }

    return g->lens64 == MAAS_NOVAL
           ? rnng_slice(g->c, v, -1, INT64_MIN, -1)
           : maas_grad_emit(g->c, "", "ReverseSequence", attr, 2, in, 2);
}


/* The direction's part of v along an axis, which goes. */
static maas_vid_t
rnng_part(const rnng_t *g, maas_vid_t v, int axis)
{
    maas_vid_t       in[2];
    maas_raw_attr_t  attr = maas_pass_int("axis", axis);

    if (v == MAAS_NOVAL) {
        return v;
    }

    if (g->dirs == 1) {
        return maas_grad_op2(g->c, "Squeeze", v, rnng_int(g->c, axis));
    }

    in[0] = v;
    in[1] = rnng_int(g->c, g->dir);
    v = maas_grad_emit(g->c, "", "Gather", &attr, 1, in, 2);

    return maas_grad_op2(g->c, "Squeeze", v, rnng_int(g->c, axis));
}


/* Layout 1 to 0 or back, by the order of the axes; layout 0: as it is. */
static maas_vid_t
rnng_swap(const rnng_t *g, maas_vid_t v, const int64_t *perm, uint32_t rank)
{
    maas_raw_attr_t  attr = { .name = maas_str("perm"),
                              .type = MAAS_ATTR_INTS, .ints = perm,
                              .n = rank };

    return g->at->layout == 0 || v == MAAS_NOVAL ? v
           : maas_grad_emit(g->c, "", "Transpose", &attr, 1, &v, 1);
}


static maas_vid_t
rnng_join(maas_grad_t *c, maas_vid_t a, maas_vid_t b)
{
    maas_vid_t       in[] = { a, b };
    maas_raw_attr_t  attr = maas_pass_int("axis", 0);

    return maas_grad_emit(c, "", "Concat", &attr, 1, in, 2);
}


/* [seq, batch, n] as a matrix. */
static maas_vid_t
rnng_flat(maas_grad_t *c, maas_vid_t v)
{
    maas_raw_attr_t  attr = maas_pass_int("axis", 2);

    return maas_grad_emit(c, "", "Flatten", &attr, 1, &v, 1);
}


static maas_vid_t
rnng_gemm(maas_grad_t *c, maas_vid_t a, bool ta, maas_vid_t b, bool tb,
    maas_vid_t add)
{
    maas_vid_t       in[] = { a, b, add };
    maas_raw_attr_t  attr[] = { maas_pass_int("transA", ta),
                                maas_pass_int("transB", tb) };

    return maas_grad_emit(c, "", "Gemm", attr, 2, in,
                          add == MAAS_NOVAL ? 2 : 3);
}


/* -- what the forward pass left ------------------------------------------ */

/* The states before each step: the first, then Y without its last. */
static maas_vid_t
rnng_before(const rnng_t *g)
{
    maas_grad_t      *c = g->c;
    maas_vid_t        h0, shape;
    maas_raw_attr_t   start = maas_pass_int("start", 1);

    h0 = rnng_part(g, g->h0, 0);

    if (h0 != MAAS_NOVAL) {
        h0 = maas_grad_op2(c, "Unsqueeze", h0, rnng_int(c, 0));

    } else {
        shape = maas_grad_emit(c, "", "Shape", &start, 1, &g->y, 1);
        shape = rnng_join(c, rnng_int(c, 1), shape);
        h0 = maas_grad_op2(c, "Expand", maas_grad_scalar(c, g->c->n->in[0], 0),
                           shape);
    }

    return rnng_join(c, h0, rnng_slice(c, g->y, 0, -1, 1));
}


static void
rnng_load(rnng_t *g, int dir)
{
    maas_grad_t  *c = g->c;

    g->dir = dir;
    g->reverse = dir == 1 || g->at->direction == RNN_REVERSE;
    g->x = rnng_turn(g, g->xs);
    g->y = rnng_turn(g, rnng_part(g, g->ys, 1));
    g->w = rnng_part(g, c->n->in[RNN_W], 0);
    g->r = rnng_part(g, c->n->in[RNN_R], 0);
    g->hprev = rnng_before(g);
    g->x2 = rnng_flat(c, g->x);
    g->h2 = rnng_flat(c, g->hprev);
}


/* Columns of a matrix; to < 0: up to the last. */
static maas_vid_t
rnng_columns(maas_grad_t *c, maas_vid_t v, int64_t from, int64_t to)
{
    maas_vid_t  in[] = { v, rnng_int(c, from),
                         rnng_int(c, to < 0 ? INT32_MAX : to),
                         rnng_int(c, 1) };

    return maas_grad_emit(c, "", "Slice", NULL, 0, in, 4);
}


/* What enters the direction's steps back; of GRU also r H, where it's used. */
static maas_vid_t
rnng_saved(rnng_t *g)
{
    int64_t       h = g->at->hidden_size;
    maas_grad_t  *c = g->c;
    maas_vid_t    p, reset;

    if (g->cell == RNN_CELL_RNN) {
        return g->y;
    }

    p = rnng_part(g, g->saved, 1);

    if (g->before) {
        reset = rnng_columns(c, rnng_flat(c, p), h, 2 * h);
        g->rh2 = maas_grad_op2(c, "Mul", reset, g->h2);
    }

    return p;
}


/* -- a direction --------------------------------------------------------- */

/* dR where the last gate takes r H. */
static maas_vid_t
rnng_recurrent(const rnng_t *g, maas_vid_t a2)
{
    int64_t       h = g->at->hidden_size;
    maas_grad_t  *c = g->c;
    maas_vid_t    first, last;

    first = rnng_gemm(c, rnng_columns(c, a2, 0, 2 * h), true, g->h2, false,
                      MAAS_NOVAL);
    last = rnng_gemm(c, rnng_columns(c, a2, 2 * h, -1), true, g->rh2, false,
                     MAAS_NOVAL);

    return rnng_join(c, first, last);
}


static void
rnng_products(rnng_t *g, maas_vid_t da, maas_vid_t dq)
{
    maas_grad_t      *c = g->c;
    maas_vid_t        a2 = rnng_flat(c, da), q2, in[2];
    maas_raw_attr_t   keep = maas_pass_int("keepdims", 0);

    q2 = dq != MAAS_NOVAL ? rnng_flat(c, dq) : a2;

    if (c->need[RNN_X]) {
        g->dx = rnng_gemm(c, a2, false, g->w, false, MAAS_NOVAL);
        g->dx = maas_grad_reshape_like(c, g->dx, g->x);
        g->dx = rnng_turn(g, g->dx);
    }

    g->dw = rnng_gemm(c, a2, true, g->x2, false, MAAS_NOVAL);
    g->dr = g->before ? rnng_recurrent(g, a2)
                      : rnng_gemm(c, q2, true, g->h2, false, MAAS_NOVAL);

    if (maas_grad_need(c, RNN_B)) {
        in[0] = a2;
        in[1] = rnng_int(c, 0);
        g->db = maas_grad_emit(c, "", "ReduceSum", &keep, 1, in, 2);
        in[0] = q2;
        g->db = rnng_join(c, g->db, q2 == a2 ? g->db
                          : maas_grad_emit(c, "", "ReduceSum", &keep, 1, in,
                                           2));
    }
}


static void
rnng_direction(rnng_t *g, int dir)
{
    static const char *const  op[] = { "RNNGrad", "GRUGrad", "LSTMGrad" };

    bool              peep = maas_grad_in(g->c, RNN_P) != MAAS_NOVAL;
    uint32_t          n_in = 6, n_out = 3;
    maas_grad_t      *c = g->c;
    maas_vid_t        in[8], out[4], sum[2];
    maas_raw_attr_t   attr = maas_pass_int("relu", g->relu);
    maas_raw_attr_t   keep = maas_pass_int("keepdims", 0);

    rnng_load(g, dir);

    in[0] = rnng_saved(g);
    in[1] = g->r;
    in[2] = rnng_turn(g, rnng_part(g, g->dys, 1));
    in[3] = rnng_part(g, g->dyh, 0);
    in[4] = g->cell == RNN_CELL_GRU ? g->hprev : g->lens;
    in[5] = g->lens;
    out[2] = g->dp = MAAS_NOVAL;

    if (g->cell == RNN_CELL_RNN) {
        n_in = 5;
        n_out = 2;

    } else if (g->cell == RNN_CELL_GRU) {
        attr = maas_pass_int("before", g->before);

    } else {
        in[4] = rnng_part(g, g->c0, 0);
        in[5] = rnng_part(g, g->dyc, 0);
        in[6] = g->lens;
        in[7] = rnng_part(g, maas_grad_in(c, RNN_P), 0);
        n_in = peep ? 8 : 7;
        n_out = peep ? 4 : 3;
    }

    maas_grad_emit_n(c, "maas", op[g->cell], &attr,
                     g->cell == RNN_CELL_LSTM ? 0 : 1, in, n_in, out, n_out);
    g->dh0 = out[1];
    g->dc0 = out[2];

    if (peep) {
        sum[0] = out[3];
        sum[1] = rnng_int(c, 0);
        g->dp = maas_grad_emit(c, "", "ReduceSum", &keep, 1, sum, 2);
    }

    rnng_products(g, out[0], g->cell == RNN_CELL_GRU ? out[2] : MAAS_NOVAL);
}


/* Adds a direction's part to the gradient of input i. */
static void
rnng_collect(const rnng_t *g, int i, maas_vid_t d)
{
    maas_grad_t  *c = g->c;

    if (!maas_grad_need(c, i) || d == MAAS_NOVAL) {
        return;
    }

    d = maas_grad_op2(c, "Unsqueeze", d, rnng_int(c, 0));
    c->din[i] = g->dir == 0 ? d : rnng_join(c, c->din[i], d);
}


/* -- the operators ------------------------------------------------------- */

static bool
rnng_default(const maas_grad_t *c, rnn_cell_t cell, bool *relu)
{
    rnn_act_t           act[2][3];
    const rnn_attr_t   *at = c->attr;
    static const rnn_fn_t  want[3][3] = {
        { RNN_TANH },
        { RNN_SIGMOID, RNN_TANH },
        { RNN_SIGMOID, RNN_TANH, RNN_TANH }
    };

    if (rnn_acts(at, cell, act, NULL) != MAAS_OK) {
        return false;
    }

    *relu = cell == RNN_CELL_RNN && act[0][0].fn == RNN_RELU;

    for (int d = 0; d < (at->direction == RNN_BIDIRECTIONAL ? 2 : 1); d++) {
        for (int i = 0; i <= (int) cell; i++) {
            if (act[d][i].fn != want[cell][i]
                && !(*relu && act[d][i].fn == RNN_RELU))
            {
                return false;
            }
        }
    }

    return true;
}


static maas_status_t
rnng_refuse(const maas_grad_t *c, const char *what)
{
    return maas_err(c->err, MAAS_EUNSUPPORTED, "node '%.*s' (%s): there is "
                    "no gradient with %s", (int) maas_min(c->n->name.len, 120),
                    c->n->name.data, c->n->op->name, what);
}


static maas_status_t
rnng_check(const maas_grad_t *c, rnn_cell_t cell, bool *relu)
{
    const rnn_attr_t   *at = c->attr;

    if (at->clip != 0) {
        return rnng_refuse(c, "clip");
    }

    if (cell == RNN_CELL_LSTM && at->input_forget != 0) {
        return rnng_refuse(c, "input_forget");
    }

    if (!rnng_default(c, cell, relu)) {
        return rnng_refuse(c, "these activations");
    }

    return MAAS_OK;
}


static const int64_t  rnng_states[] = { 1, 0, 2 };


/* Inputs, outputs and their gradients in layout 0. */
static void
rnng_begin(rnng_t *g)
{
    uint16_t               n_out = g->c->n->n_out;
    maas_grad_t           *c = g->c;
    maas_raw_attr_t        wide = maas_pass_int("to", MAAS_I64);
    static const int64_t   steps[] = { 1, 2, 0, 3 };

    g->dirs = g->at->direction == RNN_BIDIRECTIONAL ? 2 : 1;
    g->lens = maas_grad_in(c, RNN_LENS);
    g->lens64 = MAAS_NOVAL;

    if (g->lens != MAAS_NOVAL && g->at->direction != RNN_FORWARD) {
        g->lens64 = maas_grad_emit(c, "", "Cast", &wide, 1, &g->lens, 1);
    }

    if (g->cell != RNN_CELL_RNN) {
        maas_grad_become(c, g->cell == RNN_CELL_LSTM ? "LSTMTrain"
                                                     : "GRUTrain",
                         RNN_SAVED + 1);
        g->saved = maas_grad_out(c, RNN_SAVED);
    }

    g->xs = rnng_swap(g, c->n->in[RNN_X], rnng_states, 3);
    g->ys = rnng_swap(g, maas_grad_out(c, 0), steps, 4);
    g->h0 = rnng_swap(g, maas_grad_in(c, RNN_H0), rnng_states, 3);
    g->c0 = g->cell != RNN_CELL_LSTM ? MAAS_NOVAL
            : rnng_swap(g, maas_grad_in(c, RNN_C0), rnng_states, 3);
    g->dys = rnng_swap(g, c->dout[0], steps, 4);
    g->dyh = n_out <= 1 ? MAAS_NOVAL
             : rnng_swap(g, c->dout[1], rnng_states, 3);
    g->dyc = n_out <= 2 || g->cell != RNN_CELL_LSTM ? MAAS_NOVAL
             : rnng_swap(g, c->dout[2], rnng_states, 3);
}


/* Back to the layout of the node. */
static void
rnng_end(const rnng_t *g)
{
    maas_grad_t  *c = g->c;

    if (c->need[RNN_X]) {
        c->din[RNN_X] = rnng_swap(g, c->din[RNN_X], rnng_states, 3);
    }

    if (maas_grad_need(c, RNN_H0)) {
        c->din[RNN_H0] = rnng_swap(g, c->din[RNN_H0], rnng_states, 3);
    }

    if (g->cell == RNN_CELL_LSTM && maas_grad_need(c, RNN_C0)) {
        c->din[RNN_C0] = rnng_swap(g, c->din[RNN_C0], rnng_states, 3);
    }
}


maas_status_t
maas_grad_rnn(maas_grad_t *c)
{
    rnng_t        g = { .c = c };
    rnn_attr_t    at = *(const rnn_attr_t *) c->attr;
    const char   *name = c->n->op->name;

    g.cell = strcmp(name, "LSTM") == 0 ? RNN_CELL_LSTM
             : strcmp(name, "GRU") == 0 ? RNN_CELL_GRU : RNN_CELL_RNN;
    MAAS_TRY(rnng_check(c, g.cell, &g.relu));

    /* The attribute may be left out: R knows. */
    at.hidden_size = maas_grad_type(c, c->n->in[RNN_R])->dims[2];
    g.at = &at;
    g.before = g.cell == RNN_CELL_GRU && at.linear_before_reset == 0;

    if (!maas_dim_known(at.hidden_size)) {
        return rnng_refuse(c, "an unknown hidden size");
    }

    rnng_begin(&g);

    for (int d = 0; d < g.dirs; d++) {
        rnng_direction(&g, d);

        if (c->need[RNN_X]) {
            c->din[RNN_X] = d == 0 ? g.dx
                            : maas_grad_op2(c, "Add", c->din[RNN_X], g.dx);
        }

        rnng_collect(&g, RNN_W, g.dw);
        rnng_collect(&g, RNN_R, g.dr);
        rnng_collect(&g, RNN_B, g.db);
        rnng_collect(&g, RNN_H0, g.dh0);

        if (g.cell == RNN_CELL_LSTM) {
            rnng_collect(&g, RNN_C0, g.dc0);
            rnng_collect(&g, RNN_P, g.dp);
        }
    }

    rnng_end(&g);
    return c->rc;
}
