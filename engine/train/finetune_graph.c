/*
 * finetune_graph.c: what is changed in the graph of a model before it is
 * trained: a new head, low-rank adapters.  See finetune.h.
 *
 * LoRA: y = x W + (alpha / rank) (x A) B, A normal with deviation
 * 1 / sqrt(inputs), B zero: Hu et al., "LoRA: low-rank adaptation of large
 * language models", 2021.
 */

#include <math.h>
#include <stdio.h>

#include "base/random.h"
#include "train/finetune.h"
#include "train/initializer.h"


#define SHOW(s)       MAAS_FINETUNE_SHOW(s)
#define GRAPH_STREAM  0x41524f4cu       /* "LORA" */
#define GRAPH_ROUND   4                 /* nodes of an adapter */

typedef struct {
    int64_t             rank;
    double              alpha;
    maas_param_texts_t  targets;
} graph_lora_t;

const maas_param_t  maas_finetune_lora_params[] = {
    { .name = "rank", .type = MAAS_PARAM_INT, .def = 8,
      .off = offsetof(graph_lora_t, rank), .min = 1, .max = 65536,
      .about = "columns of A, rows of B" },
    { .name = "alpha", .type = MAAS_PARAM_NUMBER, .def = 16,
      .off = offsetof(graph_lora_t, alpha), .min = 0, .max = 1e6,
      .open = true, .about = "A B counts alpha / rank times" },
    { .name = "targets", .type = MAAS_PARAM_TEXTS,
      .off = offsetof(graph_lora_t, targets),
      .about = "names of weights or of nodes, or their beginnings and *; "
               "all MatMul and Gemm with a constant matrix" }
};

const size_t  maas_finetune_n_lora = maas_nelts(maas_finetune_lora_params);


static uint32_t
graph_init(const maas_raw_graph_t *g, maas_str_t name)
{
    for (uint32_t i = 0; i < g->n_init; i++) {
        if (maas_str_eq(g->init[i].name, name)) {
            return i;
        }
    }

    return UINT32_MAX;
}


static bool
graph_is(const maas_raw_node_t *n, const char *op)
{
    return n->domain.len == 0 && maas_str_is(n->op, op);
}


static double
graph_attr(const maas_raw_node_t *n, const char *name, double def)
{
    for (uint32_t i = 0; i < n->n_attr; i++) {
        if (maas_str_is(n->attr[i].name, name)) {
            return n->attr[i].type == MAAS_ATTR_INT ? (double) n->attr[i].i
                                                    : n->attr[i].f;
        }
    }

    return def;
}


/* MatMul or Gemm with a matrix: its initializer; else UINT32_MAX. */
static uint32_t
graph_matrix(const maas_raw_graph_t *g, const maas_raw_node_t *n)
{
    uint32_t  i;

    if ((!graph_is(n, "MatMul") && !graph_is(n, "Gemm")) || n->n_in < 2
        || n->n_out != 1 || graph_attr(n, "transA", 0) != 0)
    {
        return UINT32_MAX;
    }

    i = graph_init(g, n->in[1]);

    return i != UINT32_MAX && g->init[i].t.dtype == MAAS_F32
           && g->init[i].t.rank == 2 ? i : UINT32_MAX;
}


static uint32_t
graph_uses(const maas_raw_graph_t *g, maas_str_t name)
{
    uint32_t  n = 0;

    for (uint32_t i = 0; i < g->n_node; i++) {
        for (uint32_t k = 0; k < g->node[i].n_in; k++) {
            n += maas_str_eq(g->node[i].in[k], name);
        }
    }

    return n;
}


/* -- head ---------------------------------------------------------------- */

/* The last such node on the way to the output. */
static const maas_raw_node_t *
graph_head(const maas_finetune_t *f)
{
    bool                     wanted;
    uint32_t                 n_want = 1;
    maas_str_t              *want;
    const maas_raw_graph_t  *g = &f->model->graph;
    size_t                   room = 1;

    for (uint32_t i = 0; i < g->n_node; i++) {
        room += g->node[i].n_in;
    }

    want = maas_arena_array(f->arena, room, sizeof(*want));
    if (want == NULL) {
        return NULL;
    }

    want[0] = g->out[0].name;

    for (uint32_t i = g->n_node; i-- > 0; ) {
        wanted = false;

        for (uint32_t k = 0; k < g->node[i].n_out; k++) {
            for (uint32_t j = 0; j < n_want; j++) {
                wanted = wanted || maas_str_eq(g->node[i].out[k], want[j]);
            }
        }

        if (!wanted) {
            continue;
        }

        if (graph_matrix(g, &g->node[i]) != UINT32_MAX) {
            return &g->node[i];
        }

        for (uint32_t k = 0; k < g->node[i].n_in; k++) {
            want[n_want++] = g->node[i].in[k];
        }
    }

    return NULL;
}


static uint32_t
graph_bias(const maas_raw_graph_t *g, const maas_raw_node_t *n,
    int64_t units)
{
    uint32_t                b = UINT32_MAX;
    const maas_raw_node_t  *add;

    if (graph_is(n, "Gemm")) {
        b = n->n_in > 2 ? graph_init(g, n->in[2]) : UINT32_MAX;
    }

    for (uint32_t i = 0; graph_is(n, "MatMul") && i < g->n_node; i++) {
        add = &g->node[i];

        if (graph_is(add, "Add") && add->n_in == 2) {
            b = maas_str_eq(add->in[0], n->out[0])
                ? graph_init(g, add->in[1])
                : maas_str_eq(add->in[1], n->out[0])
                  ? graph_init(g, add->in[0]) : b;
        }
    }

    return b != UINT32_MAX && g->init[b].t.dtype == MAAS_F32
           && g->init[b].t.rank >= 1
           && g->init[b].t.dims[g->init[b].t.rank - 1] == units
           && maas_tensor_count(&g->init[b].t) == units ? b : UINT32_MAX;
}


/* Initializer i with dimension `axis` changed, glorot or zero. */
static maas_status_t
graph_renew(maas_finetune_t *f, uint32_t i, int axis, bool zero)
{
    maas_tensor_t  *t = &f->model->graph.init[i].t;
    maas_init_t     in = { .kind = zero ? MAAS_INIT_ZEROS
                                        : MAAS_INIT_GLOROT_UNIFORM,
                           .seed = f->seed, .host = f->host };

    t->dims[axis] = f->labels;
    in.rows = zero ? 1 : t->dims[0];
    in.cols = maas_dims_count(t->dims, t->rank) / maas_max(in.rows, 1);
    in.fan_in = (double) t->dims[axis == 0 ? 1 : 0];
    in.fan_out = (double) f->labels;

    if (!maas_dtype_bytes(MAAS_F32, maas_dims_count(t->dims, t->rank),
                          &t->bytes))
    {
        return maas_err(f->err, MAAS_ELIMIT, "model: the head is too large");
    }

    t->data = maas_arena_alloc(f->arena, t->bytes);
    if (t->data == NULL) {
        return maas_err_nomem(f->err);
    }

    return maas_init_fill(&in, t->data, f->err);
}


maas_status_t
maas_finetune_head(maas_finetune_t *f)
{
    int                      axis;
    uint32_t                 w, b;
    const maas_raw_node_t   *n = graph_head(f);
    const maas_raw_graph_t  *g = &f->model->graph;

    if (n == NULL) {
        return maas_err(f->err, MAAS_EINVAL, "model: \"head\": no MatMul or "
                        "Gemm with a constant matrix leads to output '%.*s'",
                        SHOW(g->out[0].name));
    }

    w = graph_matrix(g, n);
    axis = graph_is(n, "Gemm") && graph_attr(n, "transB", 0) != 0 ? 0 : 1;
    b = graph_bias(g, n, g->init[w].t.dims[axis]);

    if (graph_uses(g, g->init[w].name) > 1
        || (b != UINT32_MAX && graph_uses(g, g->init[b].name) > 1))
    {
        return maas_err(f->err, MAAS_EUNSUPPORTED, "model: \"head\": the "
                        "weights of node '%.*s' are used elsewhere too",
                        SHOW(n->name));
    }

    f->head[0] = w;
    f->head_axis[0] = axis;
    MAAS_TRY(graph_renew(f, w, axis, false));

    if (b == UINT32_MAX) {
        return MAAS_OK;
    }

    f->head[1] = b;
    f->head_axis[1] = g->init[b].t.rank - 1;

    return graph_renew(f, b, f->head_axis[1], true);
}


/* -- adapters ------------------------------------------------------------ */

static maas_str_t
graph_name(maas_finetune_t *f, const char *what, maas_str_t name)
{
    maas_buf_t  b;
    maas_str_t  s = { NULL, 0 };

    maas_buf_init(&b, f->host);
    maas_buf_printf(&b, "maas.lora.%s.%.*s", what, (int) name.len, name.data);

    if (!b.failed) {
        s = maas_arena_str(f->arena, b.data, b.len);
    }

    maas_buf_destroy(&b);
    return s;
}


static maas_status_t
graph_tensor(maas_finetune_t *f, maas_str_t name, int64_t rows, int64_t cols)
{
    maas_raw_graph_t  *g = &f->model->graph;
    maas_raw_init_t   *init = &g->init[g->n_init];

    *init = (maas_raw_init_t) { .name = name, .t = { .dtype = MAAS_F32,
                                .rank = cols != 0 ? 2 : 0,
                                .dims = { rows, cols } } };

    if (!maas_dtype_bytes(MAAS_F32, cols != 0 ? rows * cols : 1,
                          &init->t.bytes))
    {
        return maas_err(f->err, MAAS_ELIMIT, "model: lora: too large");
    }

    init->t.data = maas_arena_alloc(f->arena, init->t.bytes);
    if (init->t.data == NULL || name.data == NULL) {
        return maas_err_nomem(f->err);
    }

    memset(init->t.data, 0, init->t.bytes);
    g->n_init++;

    return MAAS_OK;
}


static maas_status_t
graph_segment(maas_finetune_t *f, maas_str_t name)
{
    f->seg[f->n_seg++] = (maas_segment_t) { .name = name, .trainable = true,
                                            .decay = true };
    return MAAS_OK;
}


/* A and B of a matrix; `scale` beside them. */
static maas_status_t
graph_pair(maas_finetune_t *f, uint32_t w, const maas_raw_node_t *n,
    const graph_lora_t *o, maas_finetune_lora_t **out)
{
    float                 *a, *s;
    double                 alpha;
    maas_random_t          r;
    maas_raw_graph_t      *g = &f->model->graph;
    const maas_tensor_t   *t = &g->init[w].t;
    maas_finetune_lora_t  *l = &f->lora[f->n_lora];

    l->init = w;
    l->turned = graph_is(n, "Gemm") && graph_attr(n, "transB", 0) != 0;
    l->in = t->dims[l->turned ? 1 : 0];
    l->out = t->dims[l->turned ? 0 : 1];
    l->rank = o->rank;
    alpha = graph_is(n, "Gemm") ? graph_attr(n, "alpha", 1) : 1;
    l->scale = o->alpha / (double) o->rank / alpha;
    l->a = graph_name(f, "a", g->init[w].name);
    l->b = graph_name(f, "b", g->init[w].name);

    MAAS_TRY(graph_tensor(f, l->a, l->in, l->rank));
    a = g->init[g->n_init - 1].t.data;
    MAAS_TRY(graph_tensor(f, l->b, l->rank, l->out));
    MAAS_TRY(graph_tensor(f, graph_name(f, "scale", g->init[w].name), 0, 0));
    s = g->init[g->n_init - 1].t.data;
    *s = (float) (o->alpha / (double) o->rank);

    r = maas_random(f->seed, GRAPH_STREAM, f->n_lora);

    for (int64_t i = 0; i < l->in * l->rank; i++) {
        a[i] = (float) (maas_random_normal(&r, (uint64_t) i)
                        / sqrt((double) l->in));
    }

    MAAS_TRY(graph_segment(f, l->a));
    MAAS_TRY(graph_segment(f, l->b));
    f->n_lora++;
    *out = l;

    return MAAS_OK;
}


static maas_status_t
graph_append(maas_finetune_t *f, const char *op, maas_str_t x, maas_str_t y,
    maas_str_t out)
{
    maas_raw_graph_t  *g = &f->model->graph;
    maas_raw_node_t   *n = &g->node[g->n_node];
    maas_str_t         in[2] = { x, y };

    *n = (maas_raw_node_t) { .op = { op, strlen(op) }, .name = out,
                             .n_in = 2, .n_out = 1 };
    n->domain = maas_str("");
    n->in = maas_arena_dup(f->arena, in, sizeof(in));
    n->out = maas_arena_dup(f->arena, &out, sizeof(out));

    if (n->in == NULL || n->out == NULL || out.data == NULL) {
        return maas_err_nomem(f->err);
    }

    g->n_node++;
    return MAAS_OK;
}


static maas_status_t
graph_adapter(maas_finetune_t *f, uint32_t i, const maas_finetune_lora_t *l)
{
    maas_raw_graph_t  *g = &f->model->graph;
    maas_raw_node_t   *n = &g->node[i];
    maas_str_t         x = n->in[0], y = n->out[0];
    maas_str_t         base = graph_name(f, "base", y);
    maas_str_t         xa = graph_name(f, "xa", y);
    maas_str_t         xab = graph_name(f, "xab", y);
    maas_str_t         more = graph_name(f, "more", y);

    n->out = maas_arena_dup(f->arena, &base, sizeof(base));
    if (n->out == NULL || base.data == NULL) {
        return maas_err_nomem(f->err);
    }

    MAAS_TRY(graph_append(f, "MatMul", x, l->a, xa));
    MAAS_TRY(graph_append(f, "MatMul", xa, l->b, xab));
    MAAS_TRY(graph_append(f, "Mul", xab,
                          graph_name(f, "scale", g->init[l->init].name),
                          more));

    return graph_append(f, "Add", base, more, y);
}


/* Every use of the matrix can have the adapter, and all have the same. */
static bool
graph_fits(const maas_raw_graph_t *g, uint32_t w, const maas_raw_node_t *as)
{
    uint32_t  n = 0;

    for (uint32_t i = 0; i < g->n_node; i++) {
        if (graph_matrix(g, &g->node[i]) == w
            && maas_str_eq(g->node[i].op, as->op)
            && graph_attr(&g->node[i], "transB", 0)
               == graph_attr(as, "transB", 0)
            && graph_attr(&g->node[i], "alpha", 1)
               == graph_attr(as, "alpha", 1))
        {
            n++;
        }
    }

    return n == graph_uses(g, g->init[w].name)
           && graph_attr(as, "alpha", 1) != 0;
}


static bool
graph_target(const maas_raw_graph_t *g, uint32_t w,
    const maas_raw_node_t *n, const graph_lora_t *o, bool *hit)
{
    bool  any = o->targets.n == 0;

    for (size_t i = 0; i < o->targets.n; i++) {
        if (maas_finetune_match(g->init[w].name, o->targets.v[i])
            || maas_finetune_match(n->name, o->targets.v[i]))
        {
            any = hit[i] = true;
        }
    }

    return any;
}


static maas_status_t
graph_room(maas_finetune_t *f)
{
    maas_raw_graph_t  *g = &f->model->graph;
    maas_raw_init_t   *init;
    maas_raw_node_t   *node;
    size_t             n = g->n_node;

    init = maas_arena_array(f->arena, g->n_init + 3 * n + 1, sizeof(*init));
    node = maas_arena_array(f->arena, (GRAPH_ROUND + 1) * n + 1,
                            sizeof(*node));
    f->lora = maas_arena_array(f->arena, n + 1, sizeof(*f->lora));
    f->seg = maas_arena_array(f->arena, 2 * n + 1, sizeof(*f->seg));

    if (init == NULL || node == NULL || f->lora == NULL || f->seg == NULL) {
        return maas_err_nomem(f->err);
    }

    memcpy(init, g->init, g->n_init * sizeof(*init));
    memcpy(node, g->node, n * sizeof(*node));
    g->init = init;
    g->node = node;

    return MAAS_OK;
}


static maas_status_t
graph_missed(maas_finetune_t *f, maas_str_t word)
{
    uint32_t                 w;
    char                     near[MAAS_NEAR_TEXT];
    maas_near_t              guess = { .word = word };
    const maas_raw_graph_t  *g = &f->raw->graph;

    for (uint32_t i = 0; i < g->n_node; i++) {
        w = graph_matrix(g, &g->node[i]);

        if (w != UINT32_MAX) {
            maas_near(&guess, g->init[w].name);
            maas_near(&guess, g->node[i].name);
        }
    }

    return maas_err(f->err, MAAS_EINVAL, "model: lora: \"targets\": no "
                    "MatMul or Gemm with a constant matrix is called, or has "
                    "a weight called, '%.*s'%s", SHOW(word),
                    guess.best.data != NULL ? maas_near_text(&guess, near)
                                            : "");
}


static maas_status_t
graph_adapt(maas_finetune_t *f, const graph_lora_t *o, bool *hit)
{
    uint32_t               w, n = f->model->graph.n_node;
    maas_raw_graph_t      *g = &f->model->graph;
    maas_finetune_lora_t  *l;

    for (uint32_t i = 0; i < n; i++) {
        w = graph_matrix(g, &g->node[i]);

        if (w == UINT32_MAX || w == f->head[0]
            || !graph_target(g, w, &g->node[i], o, hit))
        {
            continue;
        }

        l = NULL;

        for (uint32_t k = 0; k < f->n_lora; k++) {
            l = f->lora[k].init == w ? &f->lora[k] : l;
        }

        if (l == NULL) {
            if (!graph_fits(g, w, &g->node[i])) {
                continue;
            }

            MAAS_TRY(graph_pair(f, w, &g->node[i], o, &l));
        }

        MAAS_TRY(graph_adapter(f, i, l));
    }

    return MAAS_OK;
}


maas_status_t
maas_finetune_adapt(maas_finetune_t *f)
{
    bool                     *hit;
    graph_lora_t              o = { 0 };
    maas_param_texts_t        t;

    MAAS_TRY(maas_params_parse(f->arena, f->j.lora,
                               maas_finetune_lora_params,
                               maas_finetune_n_lora, NULL, "model: lora", &o,
                               f->err));
    t = o.targets;
    hit = maas_arena_array(f->arena, t.n + 1, sizeof(bool));

    if (hit == NULL) {
        return maas_err_nomem(f->err);
    }

    MAAS_TRY(graph_room(f));
    MAAS_TRY(graph_adapt(f, &o, hit));

    for (size_t i = 0; i < t.n; i++) {
        if (!hit[i]) {
            return graph_missed(f, t.v[i]);
        }
    }

    return f->n_lora != 0 ? MAAS_OK
           : maas_err(f->err, MAAS_EINVAL, "model: lora: there is no MatMul "
                      "or Gemm with a constant matrix of its own");
}


static const float *
graph_data(const maas_weights_t *w, maas_str_t name)
{
    for (uint32_t i = 0; i < w->n; i++) {
        if (maas_str_eq(w->seg[i].name, name)) {
            return w->data + w->seg[i].off;
        }
    }

    return NULL;
}


maas_status_t
maas_finetune_merge(maas_finetune_t *f, const maas_finetune_lora_t *l,
    const maas_weights_t *w, float **out)
{
    double                sum;
    float                *to;
    const float          *a = graph_data(w, l->a), *b = graph_data(w, l->b);
    const maas_tensor_t  *t = &f->model->graph.init[l->init].t;

    to = maas_arena_dup(f->arena, t->data, t->bytes);
    if (to == NULL) {
        return maas_err_nomem(f->err);
    }

    for (int64_t i = 0; i < l->in; i++) {
        for (int64_t k = 0; k < l->out; k++) {
            int64_t  at = l->turned ? k * l->in + i : i * l->out + k;

            sum = 0;

            for (int64_t r = 0; r < l->rank; r++) {
                sum += (double) a[i * l->rank + r] * b[r * l->out + k];
            }

            to[at] = (float) (to[at] + l->scale * sum);
        }
    }

    *out = to;
    return MAAS_OK;
}
