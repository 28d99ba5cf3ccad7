/*
 * norm_ranks: maas.BatchNormTrain and its gradient for batches whose rows are
 * shared among processes, cut where sums of all of them are needed:
 *
 *   S = RanksSum(BatchNormSums(X))      of x, of x^2, elements
 *   Y, ... = BatchNormRanks(X, scale, B, mean, var, S)
 *   L = BatchNormSumsGrad(dY, X, S), G = RanksSum(L) n of dy, of dy (x - mean)
 *   dX, ... = BatchNormRanksGrad(dY, X, scale, S, L, G)
 *
 * Sums are float64 [3, C].  dY is the gradient of the mean loss of this
 * process' rows, n of them, and the batch's loss is the mean by rows: hence
 * the factor n of L, and 1/n of what is made of G.  Alone, all is as by the
 * uncut operators.  train/fitnet.c puts them in.
 *
 * Ownership: nothing is allocated.
 * Threads:   units are independent: channels, or blocks of 16.
 */

#include <math.h>

#include "ops/blocked.h"
#include "ops/norm_train.h"


/* Rows of S; of L and G the first two. */
enum { NR_X, NR_XX, NR_N, NR_ROWS };
enum { NR_DY, NR_DYX };

typedef struct {
    int64_t  node;
} nr_attr_t;

typedef struct {
    double  mean, var, inv, n;
} nr_stat_t;


static double *
nr_at(const maas_tensor_t *t, int row, int64_t c)
{
    return (double *) t->data + row * t->dims[1] + c;
}


static void
nr_stat(const maas_step_t *s, int in, int64_t c, nr_stat_t *st)
{
    const norm_attr_t    *a = s->attr;
    const maas_tensor_t  *sum = &s->in[in];

    st->n = maas_max(*nr_at(sum, NR_N, c), 1);
    st->mean = *nr_at(sum, NR_X, c) / st->n;
    st->var = maas_max(*nr_at(sum, NR_XX, c) / st->n - st->mean * st->mean,
                       0);
    st->inv = 1 / sqrt(st->var + (double) a->epsilon);
}


/* -- RanksSum ------------------------------------------------------------ */

static maas_status_t
nr_run_sum(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int64_t           n = maas_tensor_count(&s->out[0]);
    const nr_attr_t  *a = s->attr;

    (void) first;
    (void) last;

    if (s->out[0].data != s->in[0].data) {
        memcpy(s->out[0].data, s->in[0].data, (size_t) n * sizeof(double));
    }

    return slot->exchange == NULL ? MAAS_OK
           : slot->exchange->sum(slot->exchange->ctx, a->node,
                                 s->out[0].data, n, slot->err);
}


/* -- sums of this process ------------------------------------------------ */

/* Sums of x, of channel c or the channels of block c: dy is x, or input 0. */
static void
nr_sums(const maas_step_t *s, int x, int64_t c, double shift[MAAS_C16],
    double sum[NT_SUMS][MAAS_C16])
{
    float          at[MAAS_C16];
    double         one[NT_SUMS] = { 0 };
    maas_step_t    t = *s;
    norm_geom_t    g;
    maas_tensor_t  in[2] = { s->in[0], s->in[x] };

    if (in[1].format == MAAS_FMT_C16) {
        nt_block(s, &in[1], &in[0], c, at, sum);

        for (int l = 0; l < MAAS_C16; l++) {
            shift[l] = (double) at[l];
        }

        return;
    }

    norm_geom(&g, &in[1]);
    t.in = in;
    shift[0] = g.n > 0 ? nt_mean(&in[1], c * g.hw, g.hw) : 0;

    for (int64_t i = 0; i < g.n; i++) {
        nt_sums(&t, (i * g.c + c) * g.hw, g.hw, shift[0], one);
    }

    for (int k = 0; k < NT_SUMS; k++) {
        sum[k][0] = one[k];
    }
}


/* Channels of unit u: [*first, returned). */
static int64_t
nr_channels(const maas_tensor_t *x, int64_t u, int64_t *first)
{
    norm_geom_t  g;
    int64_t      n = x->format == MAAS_FMT_C16 ? MAAS_C16 : 1;

    norm_geom(&g, x);
    *first = u * n;

    return maas_min(*first + n, g.c);
}


static maas_status_t
nr_run_sums(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    double       shift[MAAS_C16], sum[NT_SUMS][MAAS_C16], n, d;
    int64_t      c, from, end;
    norm_geom_t  g;

    (void) slot;

    norm_geom(&g, &s->in[0]);
    n = (double) (g.n * g.hw);

    for (int64_t u = first; u < last; u++) {
        end = nr_channels(&s->in[0], u, &from);

        if (from < end) {
            nr_sums(s, 0, u, shift, sum);
        }

        for (c = from; c < end; c++) {
            d = shift[c - from];
            *nr_at(&s->out[0], NR_X, c) = sum[NT_D][c - from] + n * d;
            *nr_at(&s->out[0], NR_XX, c) = sum[NT_DD][c - from]
                                           + 2 * d * sum[NT_D][c - from]
                                           + n * d * d;
            *nr_at(&s->out[0], NR_N, c) = n;
        }
    }

    return MAAS_OK;
}


/* Inputs dY, X, S. */
static maas_status_t
nr_run_sums_grad(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    double       shift[MAAS_C16], sum[NT_SUMS][MAAS_C16], rows;
    int64_t      c, k, from, end;
    nr_stat_t    st;
    norm_geom_t  g;

    (void) slot;

    norm_geom(&g, &s->in[0]);
    rows = (double) g.n;

    for (int64_t u = first; u < last; u++) {
        end = nr_channels(&s->in[1], u, &from);

        if (from < end) {
            nr_sums(s, 1, u, shift, sum);
        }

        for (c = from; c < end; c++) {
            k = c - from;
            nr_stat(s, 2, c, &st);
            *nr_at(&s->out[0], NR_DY, c) = rows * sum[NT_G][k];
            *nr_at(&s->out[0], NR_DYX, c) = rows * (sum[NT_GD][k]
                                                    - (st.mean - shift[k])
                                                      * sum[NT_G][k]);
            *nr_at(&s->out[0], NR_N, c) = rows;
        }
    }

    return MAAS_OK;
}


/* -- with the sums of all ------------------------------------------------ */

/* in: X, which is mapped beside input 0, to output 0. */
static void
nr_map(const maas_step_t *s, int x, int64_t u, const nt_map_t *map)
{
    int64_t        n, at, blocks;
    maas_step_t    t = *s;
    norm_geom_t    g;
    maas_tensor_t  in[2] = { s->in[0], s->in[x] };

    norm_geom(&g, &in[1]);
    t.in = in;
    blocks = maas_blocks(g.c);
    n = g.hw;

    for (int64_t i = 0; i < g.n; i++) {
        if (in[1].format != MAAS_FMT_C16) {
            nt_apply(&t, (i * g.c + u) * n, n, map);
            continue;
        }

        at = (i * blocks + u) * n * MAAS_C16;
        nt_apply16((float *) s->out[0].data + at,
                   (const float *) in[0].data + at,
                   (const float *) in[1].data + at, n, map);
    }
}


/* Inputs X, scale, B, mean, var, S; outputs Y, running mean and variance. */
static maas_status_t
nr_run_train(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int64_t    c, from, end;
    nt_map_t   map[MAAS_C16];
    nr_stat_t  st;

    (void) slot;

    for (int64_t u = first; u < last; u++) {
        end = nr_channels(&s->in[0], u, &from);
        memset(map, 0, sizeof(map));

        for (c = from; c < end; c++) {
            nr_stat(s, 5, c, &st);
            map[c - from].b = norm_at(&s->in[1], c) * st.inv;
            map[c - from].c = norm_at(&s->in[2], c);
            map[c - from].mean = st.mean;
            nt_running(s, c, st.mean, st.var, st.n);
        }

        if (from < end) {
            nr_map(s, 0, u, map);
        }
    }

    return MAAS_OK;
}


/* Inputs dY, X, scale, S, L, G; outputs dX, dScale, dB. */
static maas_status_t
nr_run_grad(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    double       rows;
    int64_t      c, from, end;
    nt_map_t     map[MAAS_C16], *m;
    nr_stat_t    st;
    norm_geom_t  g;

    (void) slot;

    norm_geom(&g, &s->in[0]);
    rows = (double) maas_max(g.n, 1);

    for (int64_t u = first; u < last; u++) {
        end = nr_channels(&s->in[1], u, &from);
        memset(map, 0, sizeof(map));

        for (c = from; c < end; c++) {
            m = &map[c - from];
            nr_stat(s, 3, c, &st);
            m->mean = st.mean;
            m->a = norm_at(&s->in[2], c) * st.inv;
            m->b = -m->a * st.inv * st.inv * *nr_at(&s->in[5], NR_DYX, c)
                   / (rows * st.n);
            m->c = -m->a * *nr_at(&s->in[5], NR_DY, c) / (rows * st.n);
            nt_put(s, 1, c, st.inv * *nr_at(&s->in[4], NR_DYX, c) / rows);
            nt_put(s, 2, c, *nr_at(&s->in[4], NR_DY, c) / rows);
        }

        if (from < end) {
            nr_map(s, 1, u, map);
        }
    }

    return MAAS_OK;
}


static bool
nr_setup(maas_setup_t *u)
{
    int          x = u->n_formal == 1 || u->n_formal == 6 ? 0 : 1;
    norm_geom_t  g;

    x = u->in[x].rank == u->in[0].rank ? x : 0;
    norm_geom(&g, &u->in[0]);
    u->units = maas_max(u->in[0].format == MAAS_FMT_C16 ? maas_blocks(g.c)
                                                        : g.c, 1);
    u->cost = (double) u->in[0].bytes / 4;
    return u->in[x].format == u->in[0].format;
}


/* -- shapes -------------------------------------------------------------- */

/* Input i is float64 [3, C]. */
static maas_status_t
nr_sums_in(maas_infer_t *c, int i, maas_dim_t ch)
{
    maas_dim_t          d;
    const maas_type_t  *t = c->in[i].type;

    if (t->rank != 2 || (maas_dim_known(t->dims[0])
                         && t->dims[0] != NR_ROWS))
    {
        return maas_err(c->err, MAAS_EINVAL, "input %d holds sums, of the "
                        "shape [%d, channels]", i, NR_ROWS);
    }

    return maas_infer_merge(c, ch, t->dims[1], &d, "channels of X and of "
                            "the sums");
}


static maas_status_t
nr_channel_dim(maas_infer_t *c, maas_dim_t *ch)
{
    const maas_type_t  *x = c->in[0].type;

    if (x->rank < 1) {
        return maas_err(c->err, MAAS_EINVAL,
                        "X has rank 0, expected 1 or more");
    }

    *ch = x->rank > 1 ? x->dims[1] : 1;
    return MAAS_OK;
}


/* dY and X. */
static maas_status_t
nr_two(maas_infer_t *c)
{
    maas_dim_t          d;
    const maas_type_t  *dy = c->in[0].type, *x = c->in[1].type;

    if (dy->rank != x->rank) {
        return maas_err(c->err, MAAS_EINVAL, "dY has rank %d and X has rank "
                        "%d, expected the same", dy->rank, x->rank);
    }

    for (int i = 0; i < x->rank; i++) {
        MAAS_TRY(maas_infer_merge(c, dy->dims[i], x->dims[i], &d,
                                  "shapes of dY and X"));
    }

    return MAAS_OK;
}


static maas_status_t
nr_infer_sums(maas_infer_t *c)
{
    maas_dim_t  dims[2] = { NR_ROWS };

    MAAS_TRY(nr_channel_dim(c, &dims[1]));

    if (c->n_in == 3) {
        MAAS_TRY(nr_two(c));
        MAAS_TRY(nr_sums_in(c, 2, dims[1]));
    }

    maas_infer_set(c, 0, MAAS_F64, 2, dims);
    return MAAS_OK;
}


static maas_status_t
nr_infer_train(maas_infer_t *c)
{
    maas_dim_t  ch = 0;

    MAAS_TRY(nr_channel_dim(c, &ch));
    MAAS_TRY(norm_channels(c, 1, 5));
    MAAS_TRY(nr_sums_in(c, 5, ch));

    for (int o = 1; o < c->n_out; o++) {
        maas_infer_set(c, o, c->in[0].type->dtype, 1,
                       c->in[1].type->dims);
    }

    return maas_infer_same(c);
}


static maas_status_t
nr_infer_grad(maas_infer_t *c)
{
    maas_dim_t  ch = 0;

    MAAS_TRY(nr_channel_dim(c, &ch));
    MAAS_TRY(nr_two(c));
    MAAS_TRY(norm_channels(c, 2, 3));

    for (int i = 3; i < 6; i++) {
        MAAS_TRY(nr_sums_in(c, i, ch));
    }

    for (int o = 1; o < c->n_out; o++) {
        maas_infer_set(c, o, c->in[0].type->dtype, 1,
                       c->in[2].type->dims);
    }

    return maas_infer_same(c);
}


static maas_status_t
nr_infer_train16(maas_infer_t *c)
{
    return maas_blocked_out(c, nr_infer_train(c));
}


static maas_status_t
nr_infer_grad16(maas_infer_t *c)
{
    return maas_blocked_out(c, nr_infer_grad(c));
}


/* -- blocked forms ------------------------------------------------------- */

static bool
nr_blocked(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b)
{
    static const struct {
        const char  *op, *blocked;
        uint32_t     in;
        bool         plain;
    } row[] = {
        { "BatchNormSums",      "BatchNormSumsBlocked",      1, true },
        { "BatchNormSumsGrad",  "BatchNormSumsGradBlocked",  3, true },
        { "BatchNormRanks",     "BatchNormRanksBlocked",     1, false },
        { "BatchNormRanksGrad", "BatchNormRanksGradBlocked", 3, false }
    };

    for (size_t i = 0; i < maas_nelts(row); i++) {
        if (strcmp(n->op->name, row[i].op) == 0) {
            b->op = row[i].blocked;
            b->in &= row[i].in;
            b->plain = row[i].plain;
            b->first = true;

            if (b->in == 0 || n->n_post != 0 || type[0]->dtype != MAAS_F32
                || (type[0]->rank != 3 && type[0]->rank != 4))
            {
                return false;
            }

            b->in = row[i].in;
            return true;
        }
    }

    return false;
}


/* -- rows ---------------------------------------------------------------- */

#define NR_SUMS(name)  { name, MAAS_D(F64), 0, 0 }

static const maas_formal_t  nr_sum_in[] = { NR_SUMS("X") };

static const maas_formal_t  nr_sum_out[] = { NR_SUMS("Y") };

static const maas_formal_t  nr_sums_in_[] = { NORM_T("X") };

static const maas_formal_t  nr_sums_grad_in[] = {
    NORM_T("dY"), NORM_T("X"), NR_SUMS("S")
};

static const maas_formal_t  nr_train_in[] = {
    NORM_T("X"), NORM_T("scale"), NORM_T("B"), NORM_T("input_mean"),
    NORM_T("input_var"), NR_SUMS("S")
};

static const maas_formal_t  nr_train_out[] = {
    NORM_T("Y"),
    { "running_mean", MAAS_D_FLOAT, 'T', MAAS_OPT },
    { "running_var", MAAS_D_FLOAT, 'T', MAAS_OPT }
};

static const maas_formal_t  nr_grad_in[] = {
    NORM_T("dY"), NORM_T("X"), NORM_T("scale"), NR_SUMS("S"), NR_SUMS("L"),
    NR_SUMS("G")
};

static const maas_formal_t  nr_grad_out[] = {
    NORM_T("dX"),
    { "dScale", MAAS_D_FLOAT, 'T', MAAS_OPT },
    { "dB", MAAS_D_FLOAT, 'T', MAAS_OPT }
};

static const maas_attr_row_t  nr_attrs[] = {
    NORM_EPSILON,
    { "momentum", MAAS_ATTR_FLOAT, false, offsetof(norm_attr_t, momentum), 0,
      0.9f }
};

static const maas_attr_row_t  nr_sum_attrs[] = {
    { .name = "node", .type = MAAS_ATTR_INT,
      .off = offsetof(nr_attr_t, node), .min = 0, .max = INT32_MAX }
};

static const maas_kernel_row_t  nr_sum_kernels[] = {
    { "rankssum", MAAS_CPU_REF, 1, 0, NULL, nr_run_sum }
};

static const maas_kernel_row_t  nr_sums_kernels[] = {
    { "batchnormsums", MAAS_CPU_REF, 0, 0, nr_setup, nr_run_sums }
};

static const maas_kernel_row_t  nr_sums_grad_kernels[] = {
    { "batchnormsumsgrad", MAAS_CPU_REF, 0, 0, nr_setup, nr_run_sums_grad }
};

static const maas_kernel_row_t  nr_train_kernels[] = {
    { "batchnormranks", MAAS_CPU_REF, 0, 0, nr_setup, nr_run_train }
};

static const maas_kernel_row_t  nr_grad_kernels[] = {
    { "batchnormranksgrad", MAAS_CPU_REF, 0, 0, nr_setup, nr_run_grad }
};

static const maas_case_t  nr_sum_cases[] = {
    { "| f64[3,5]", NULL },
    { NULL, NULL }
};

static const maas_case_t  nr_sums_cases[] = {
    { "| f32[4,3,5,6]", NULL },
    { "| f32[40,7]", NULL },
    { "| f32[0,7]", NULL },
    { NULL, NULL }
};

static const maas_case_t  nr_sums_grad_cases[] = {
    { "| f32[4,3,5,6] f32[4,3,5,6] f64[3,3]:pos", NULL },
    { "epsilon=0.01 | f64[40,7] f64[40,7] f64[3,7]:pos", NULL },
    { NULL, NULL }
};

static const maas_case_t  nr_sums_grad_bad[] = {
    { "| f32[4,3] f32[4,3] f64[2,3]", "holds sums" },
    { "| f32[4,3] f32[4,3] f64[3,4]", "channels of X" },
    { "| f32[4,3] f32[5,3] f64[3,3]", "shapes of dY" },
    { NULL, NULL }
};

static const maas_case_t  nr_train_cases[] = {
    { "| f32[4,3,5,6] f32[3] f32[3] f32[3] f32[3]:pos f64[3,3]:pos", NULL },
    { NULL, NULL }
};

static const maas_case_t  nr_grad_cases[] = {
    { "| f32[4,3,5] f32[4,3,5] f32[3] f64[3,3]:pos f64[3,3] f64[3,3]",
      NULL },
    { NULL, NULL }
};

#define NR_OP(op, ins, outs, attr, type, shapes, list)                        \
    .name = op, .domain = "maas", .since = 1,                                 \
    .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL, MAAS_IO(ins, outs),             \
    MAAS_ATTRS(attr, type), .infer = shapes, MAAS_KERNELS(list)

#define NR_NORM(op, ins, outs, shapes, list)                                  \
    NR_OP(op, ins, outs, nr_attrs, norm_attr_t, shapes, list)


const maas_op_t  maas_ops_norm_ranks[] = {

    { NR_OP("RanksSum", nr_sum_in, nr_sum_out, nr_sum_attrs, nr_attr_t,
            maas_infer_same, nr_sum_kernels),
      .cases = nr_sum_cases },

    { NR_NORM("BatchNormSums", nr_sums_in_, nr_sum_out, nr_infer_sums,
              nr_sums_kernels),
      .blocked = nr_blocked, .cases = nr_sums_cases },

    { NR_NORM("BatchNormSumsBlocked", nr_sums_in_, nr_sum_out,
              nr_infer_sums, nr_sums_kernels) },

    { NR_NORM("BatchNormSumsGrad", nr_sums_grad_in, nr_sum_out,
              nr_infer_sums, nr_sums_grad_kernels),
      .blocked = nr_blocked, .cases = nr_sums_grad_cases,
      .bad = nr_sums_grad_bad },

    { NR_NORM("BatchNormSumsGradBlocked", nr_sums_grad_in, nr_sum_out,
              nr_infer_sums, nr_sums_grad_kernels) },

    { NR_NORM("BatchNormRanks", nr_train_in, nr_train_out, nr_infer_train,
              nr_train_kernels),
      .blocked = nr_blocked, .cases = nr_train_cases },

    { NR_NORM("BatchNormRanksBlocked", nr_train_in, nr_train_out,
              nr_infer_train16, nr_train_kernels) },

    { NR_NORM("BatchNormRanksGrad", nr_grad_in, nr_grad_out, nr_infer_grad,
              nr_grad_kernels),
      .blocked = nr_blocked, .cases = nr_grad_cases },

    { NR_NORM("BatchNormRanksGradBlocked", nr_grad_in, nr_grad_out,
              nr_infer_grad16, nr_grad_kernels) },

    { .name = NULL }
};
