/*
 * Samples: models that are drawn from a seed, inputs of several shapes, and
 * what a naive evaluator says of them: node by node, every body as often as
 * it is entered, nothing shared.  Lists are tensors of MAAS_FMT_ITEMS.
 *
 * Ownership: a sample's arena owns all but the image and the model.
 */

#ifndef MAAS_PLAN_SAMPLE_H
#define MAAS_PLAN_SAMPLE_H

#include <math.h>

#include "api/compile.h"
#include "api/model_priv.h"
#include "graph/infer.h"
#include "graph/pass/pass.h"
#include "graph_build.h"
#include "tap.h"


/* -- the naive evaluator ------------------------------------------------- */

static maas_status_t naive_graph(const maas_graph_t *g, maas_arena_t *a,
    const maas_tensor_t *in, maas_tensor_t *out, maas_err_t *err);


/* -- lists --------------------------------------------------------------- */

static maas_tensor_t
naive_list(maas_arena_t *a, uint32_t n)
{
    maas_items_t   *l = maas_arena_array(a, 1, sizeof(*l));
    maas_tensor_t   t = { 0 };

    l->item = maas_arena_array(a, n + 1, sizeof(*l->item));
    l->n = n;
    t.format = MAAS_FMT_ITEMS;
    t.data = l;

    return t;
}


static int64_t
naive_int(const maas_tensor_t *t)
{
    return *(const int64_t *) t->data;
}


/* Sequences: inserted last, taken out by index, counted. */
static bool
naive_sequence(const maas_node_t *n, maas_arena_t *a, maas_tensor_t *in,
    maas_tensor_t *out)
{
    int64_t              at;
    const maas_items_t  *l = in[0].data;

    if (strcmp(n->op->name, "SequenceConstruct") == 0) {
        *out = naive_list(a, n->n_in);
        memcpy(((maas_items_t *) out->data)->item, in,
               n->n_in * sizeof(*in));

    } else if (strcmp(n->op->name, "SequenceInsert") == 0) {
        *out = naive_list(a, l->n + 1);
        memcpy(((maas_items_t *) out->data)->item, l->item,
               l->n * sizeof(*in));
        ((maas_items_t *) out->data)->item[l->n] = in[1];

    } else if (strcmp(n->op->name, "SequenceAt") == 0) {
        at = naive_int(&in[1]);
        *out = l->item[at < 0 ? at + l->n : at];

    } else if (strcmp(n->op->name, "SequenceLength") == 0) {
        memset(out, 0, sizeof(*out));
        out->dtype = MAAS_I64;
        out->bytes = sizeof(int64_t);
        out->data = maas_arena_alloc(a, sizeof(int64_t));
        *(int64_t *) out->data = l->n;

    } else {
        return false;
    }

    return true;
}


/* -- bodies -------------------------------------------------------------- */

static maas_tensor_t
naive_scalar(maas_arena_t *a, maas_dtype_t dtype, int64_t v)
{
    maas_tensor_t  t = { 0 };

    t.dtype = dtype;
    t.bytes = maas_dtype_size(dtype);
    t.data = maas_arena_alloc(a, sizeof(v));
    memcpy(t.data, &v, sizeof(v));

    return t;
}


static maas_tensor_t
naive_slice(const maas_tensor_t *x, int64_t at)
{
    maas_tensor_t  t = *x;

    t.rank--;
    memmove(t.dims, x->dims + 1, t.rank * sizeof(int64_t));
    t.bytes = x->dims[0] != 0 ? x->bytes / x->dims[0] : 0;
    t.data = (char *) x->data + at * t.bytes;

    return t;
}


/* part: what each iteration gave; none: as much as the type tells. */
static maas_tensor_t
naive_stack(maas_arena_t *a, const maas_tensor_t *part, int64_t n,
    const maas_type_t *none)
{
    maas_tensor_t  t = { 0 };

    if (n == 0) {
        t.dtype = none->dtype;
        t.rank = maas_max(none->rank, 0) + 1;

        for (int i = 1; i < t.rank; i++) {
            t.dims[i] = maas_max(none->dims[i - 1], 0);
        }

        t.data = maas_arena_alloc(a, 8);
        return t;
    }

    t = part[0];
    t.rank++;
    memmove(t.dims + 1, part[0].dims, part[0].rank * sizeof(int64_t));
    t.dims[0] = n;
    t.bytes = n * part[0].bytes;
    t.data = maas_arena_alloc(a, t.bytes + 8);

    for (int64_t i = 0; i < n; i++) {
        memcpy((char *) t.data + i * part[0].bytes, part[i].data,
               part[0].bytes);
    }

    return t;
}


#define TRIPS_MAX  64

/* Loop and Scan with one scanned input. */
static maas_status_t
naive_loop(const maas_node_t *n, maas_arena_t *a, const maas_tensor_t *in,
    maas_tensor_t *val, maas_err_t *err)
{
    bool                 loop = n->op->control == MAAS_CONTROL_LOOP;
    bool                 on = true;
    int                  fixed = loop ? 2 : 0, sliced = loop ? 0 : 1;
    int                  cond = loop ? 1 : 0, carried, captures;
    int64_t              trips = TRIPS_MAX, i;
    maas_tensor_t        state[8], arg[64], out[16];
    maas_tensor_t      (*parts)[TRIPS_MAX];
    const maas_graph_t  *g = n->body[0];

    parts = maas_arena_array(a, 8, sizeof(*parts));
    captures = n->n_capture;
    carried = n->n_formal - fixed - sliced - captures;

    if (loop) {
        trips = n->in[0] != MAAS_NOVAL ? naive_int(&in[0]) : trips;
        on = n->in[1] == MAAS_NOVAL || *(bool *) in[1].data;
    } else {
        trips = in[carried].dims[0];
    }

    memcpy(state, in + fixed, carried * sizeof(*in));

    for (i = 0; i < trips && on; i++) {
        if (loop) {
            arg[0] = naive_scalar(a, MAAS_I64, i);
            arg[1] = naive_scalar(a, MAAS_BOOL, 1);
        } else {
            arg[carried] = naive_slice(&in[carried],
                n->op->backwards(n->attr, 0, false) ? trips - 1 - i : i);
        }

        memcpy(arg + fixed, state, carried * sizeof(*in));
        memcpy(arg + fixed + carried + sliced,
               in + fixed + carried + sliced, captures * sizeof(*in));
        MAAS_TRY(naive_graph(g, a, arg, out, err));
        on = !loop || *(bool *) out[0].data;
        memcpy(state, out + cond, carried * sizeof(*in));

        for (uint32_t o = cond + carried; o < g->n_out; o++) {
            parts[o - cond - carried][i] = out[o];
        }
    }

    for (int o = 0; o < n->n_out; o++) {
        if (n->out[o] != MAAS_NOVAL) {
            val[n->out[o]] = o < carried ? state[o]
                : naive_stack(a, parts[o - carried], i,
                              &g->value[g->out[cond + o]].type);
        }
    }

    return MAAS_OK;
}


/* -- a node -------------------------------------------------------------- */

static maas_status_t
naive_infer(maas_infer_t *c, const maas_tensor_t *in)
{
    int64_t        extent[MAAS_EXTENT_MAX];
    maas_status_t  rc = c->node->op->infer(c);

    if (rc == MAAS_INFER_EXTENT) {
        MAAS_TRY(maas_node_extent(c->node, maas_kernels(maas_cpu_in_use()),
                                  in, extent, maas_host_default(), c->err));
        c->extent = extent;
        rc = c->node->op->infer(c);
    }

    return rc;
}


/* What inference gets and gives; no node here has more. */
typedef struct {
    maas_dim_t        ival[4][MAAS_IVAL_MAX], oval[2][MAAS_IVAL_MAX];
    maas_type_t       type[4];
    maas_infer_in_t   in[4];
    maas_infer_out_t  out[2];
} naive_infer_t;


static void
naive_ports(naive_infer_t *f, const maas_node_t *n, const maas_tensor_t *in)
{
    for (int i = 0; i < n->n_in && i < 4; i++) {
        f->type[i].dtype = in[i].dtype;
        f->type[i].rank = in[i].rank;
        memcpy(f->type[i].dims, in[i].dims, sizeof(in[i].dims));
        f->in[i].type = &f->type[i];
        f->in[i].data = in[i].data;
        f->in[i].n_ival = maas_ival_load(&in[i], f->ival[i]);
        f->in[i].ival = f->in[i].n_ival >= 0 ? f->ival[i] : NULL;
    }

    for (int i = 0; i < n->n_out; i++) {
        f->out[i].type.rank = -1;
        f->out[i].ival = f->oval[i];
        f->out[i].n_ival = -1;
        f->out[i].wanted = true;
    }
}


/* A node that computes: shapes, then values. */
static maas_status_t
naive_step(const maas_node_t *n, maas_arena_t *a, maas_tensor_t *in,
    maas_tensor_t *val, maas_err_t *err)
{
    naive_infer_t  f = { 0 };
    maas_infer_t   c = { 0 };
    maas_tensor_t  out[2] = { 0 };

    naive_ports(&f, n, in);
    c.node = n;
    c.attr = n->attr;
    c.n_in = n->n_in;
    c.n_out = n->n_out;
    c.in = f.in;
    c.out = f.out;
    c.err = err;

    MAAS_TRY(naive_infer(&c, in));

    for (int i = 0; i < n->n_out; i++) {
        out[i].dtype = f.out[i].type.dtype;
        out[i].rank = f.out[i].type.rank;
        memcpy(out[i].dims, f.out[i].type.dims, sizeof(out[i].dims));
        (void) maas_tensor_size(&out[i], 0, &out[i].bytes);
    }

    MAAS_TRY(maas_node_eval(n, maas_kernels(maas_cpu_in_use()), in, out, a,
                            maas_host_default(), err));

    for (int i = 0; i < n->n_out; i++) {
        val[n->out[i]] = out[i];
    }

    return MAAS_OK;
}


static maas_status_t
naive_node(const maas_node_t *n, maas_arena_t *a, maas_tensor_t *val,
    maas_err_t *err)
{
    maas_node_t     flat = *n;
    maas_tensor_t  *in;

    in = maas_arena_array(a, n->n_in + 1, sizeof(*in));

    for (int i = 0; i < n->n_in; i++) {
        in[i] = n->in[i] != MAAS_NOVAL ? val[n->in[i]]
                                       : (maas_tensor_t) { 0 };
    }

    if (n->n_body == 2) {
        return naive_graph(n->body[*(bool *) in[0].data ? 0 : 1], a, in + 1,
                           &val[n->out[0]], err);
    }

    if (n->n_body == 1) {
        return naive_loop(n, a, in, val, err);
    }

    if (naive_sequence(n, a, in, &val[n->out[0]])) {
        return MAAS_OK;
    }

    /* What computes on a list gets its tensors. */
    if (n->n_in != 0 && in[0].format == MAAS_FMT_ITEMS) {
        flat.n_in = flat.n_formal = ((maas_items_t *) in[0].data)->n;
        in = ((maas_items_t *) in[0].data)->item;
    }

    return naive_step(&flat, a, in, val, err);
}


static maas_status_t
naive_graph(const maas_graph_t *g, maas_arena_t *a, const maas_tensor_t *in,
    maas_tensor_t *out, maas_err_t *err)
{
    maas_tensor_t  *val = maas_arena_array(a, g->n_value + 1, sizeof(*val));

    for (uint32_t i = 0; i < g->n_value; i++) {
        if (g->value[i].role == MAAS_ROLE_CONST) {
            val[i] = maas_value_tensor(&g->value[i]);
        }
    }

    for (uint32_t i = 0; i < g->n_in; i++) {
        val[g->in[i]] = in[i];
    }

    for (uint32_t i = 0; i < g->n_node; i++) {
        MAAS_TRY(naive_node(&g->node[i], a, val, err));
    }

    for (uint32_t i = 0; i < g->n_out; i++) {
        out[i] = val[g->out[i]];
    }

    return MAAS_OK;
}


/* -- running ------------------------------------------------------------- */

#define SHAPES  3

/* Inputs of several shapes, and what they have to give. */
typedef maas_raw_model_t *(*make_pt)(maas_arena_t *a, uint64_t seed);

typedef struct {
    make_pt         make;
    uint64_t        seed;
    maas_arena_t    a;
    uint32_t        n_in, n_out;
    maas_tensor_t   in[2 * SHAPES][2];
    maas_tensor_t   want[2 * SHAPES][8];
    void           *image;
    maas_model_t   *m;
    maas_err_t      err;
} sample_t;


static void
sample_input(sample_t *s, maas_tensor_t *t, int64_t rows, int64_t cols,
    uint32_t seed)
{
    t->dtype = MAAS_F32;
    t->rank = 2;
    t->dims[0] = rows;
    t->dims[1] = cols;
    t->bytes = rows * cols * sizeof(float);
    t->data = maas_arena_alloc(&s->a, t->bytes + 1);

    for (int64_t i = 0; i < rows * cols; i++) {
        seed = seed * 1664525u + 1013904223u;
        ((float *) t->data)[i] = (int) (seed >> 8) / 8388608.0f - 1;
    }
}


static bool
sample_make(sample_t *s, make_pt make, uint64_t seed, int64_t big)
{
    maas_graph_t         *g;
    const int64_t         rows[SHAPES] = { 1, big == 1 ? 1 : 3, big };
    maas_raw_model_t     *raw;
    maas_pass_opts_t      opts = { 0 };

    /* Only what the kernels cannot do without: float16 is lowered. */
    opts.host = maas_host_default();
    opts.k = maas_kernels(maas_cpu_in_use());
    opts.off = "noop,fold,cse,fuse_norm,fuse_gelu,fuse_swish,"
               "fuse_attention,fuse_scale,convbn,fuse_qmatmul,postop,"
               "layout,pack";

    memset(s, 0, sizeof(*s));
    maas_arena_init(&s->a, maas_host_default(), 0);
    s->make = make;
    s->seed = seed;
    raw = make(&s->a, seed);

    if (maas_graph_import(&g, &s->a, raw, &s->err) != MAAS_OK
        || maas_passes_run(g, &opts, &s->err) != MAAS_OK)
    {
        return false;
    }

    s->n_in = g->n_in;
    s->n_out = g->n_out;

    for (int i = 0; i < 2 * SHAPES; i++) {
        for (uint32_t k = 0; k < s->n_in; k++) {
            sample_input(s, &s->in[i][k], rows[i % SHAPES],
                         raw->graph.in[k].dims[1], (uint32_t) (seed + i));
        }

        if (naive_graph(g, &s->a, s->in[i], s->want[i], &s->err) != MAAS_OK) {
            return false;
        }
    }

    return true;
}


static bool
sample_open(sample_t *s, const char *off, const maas_limits_t *limits)
{
    size_t           size;
    maas_graph_t    *g;
    maas_compile_t   spec = { .name = "random", .passes_off = off };

    return maas_graph_import(&g, &s->a, s->make(&s->a, s->seed), &s->err)
           == MAAS_OK
           && maas_compile_graph(g, &spec, &s->image, &size, &s->err)
              == MAAS_OK
           && maas_model_open(&s->m, s->image, size, limits, &s->err)
              == MAAS_OK;
}


static void
sample_close(sample_t *s)
{
    maas_model_release(s->m);
    maas_image_free(s->image);
    s->m = NULL;
    s->image = NULL;
}


static bool
same(const maas_tensor_t *a, const maas_tensor_t *b)
{
    const float  *x = a->data, *y = b->data;

    if (a->dtype != MAAS_F32 || b->dtype != MAAS_F32 || a->rank != b->rank
        || memcmp(a->dims, b->dims, a->rank * sizeof(int64_t)) != 0)
    {
        return false;
    }

    for (int64_t i = 0; i < maas_tensor_count(a); i++) {
        if (!(fabsf(x[i] - y[i]) <= 1e-4f * fmaxf(1, fabsf(x[i])))) {
            return false;
        }
    }

    return true;
}


/* Runs input set i; NULL, or what is wrong. */
static const char *
sample_run(sample_t *s, int i, maas_team_t *team, maas_err_t *err)
{
    const char     *bad = NULL;
    maas_run_t     *run;
    maas_tensor_t   t;

    if (maas_model_run(s->m, s->in[i], team, NULL, &run, err) != MAAS_OK) {
        return err->text;
    }

    for (uint32_t k = 0; k < s->n_out && bad == NULL; k++) {
        maas_run_output(run, k, &t, NULL);
        bad = same(&t, &s->want[i][k]) ? NULL : "an output differs";
    }

    maas_run_release(run);
    return bad;
}


static const char *
sample_try(sample_t *s, const char *off)
{
    const char  *bad = NULL;

    if (!sample_open(s, off, NULL)) {
        sample_close(s);
        return s->err.text;
    }

    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 2 * SHAPES && bad == NULL; i++) {
            bad = sample_run(s, i, NULL, &s->err);
        }
    }

    sample_close(s);
    return bad;
}

#endif
