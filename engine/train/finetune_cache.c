/*
 * finetune_cache.c: see finetune_cache.h.
 *
 * The cut is a value whose removal leaves no way from the input to a weight
 * that is trained; of several the one with most nodes before it.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "graph/pass/pass.h"
#include "train/finetune_cache.h"
#include "train/net.h"


#define CACHE_FOLD    (64u << 20)           /* bytes of folded constants */
#define CACHE_MEMORY  ((size_t) 1 << 30)    /* above: a file */
#define CACHE_NODES   20000                 /* the search is quadratic */

struct maas_finetune_cache_s {
    maas_finetune_cache_opts_t   o;
    maas_arena_t                 arena;
    maas_net_t                  *net;
    float                       *data;      /* [rows, each] */
    size_t                       bytes;
    int64_t                      each;
    uint8_t                     *known;     /* by row */
    void                        *x;         /* of a batch */
    int64_t                      items;     /* that x has room for */
};

typedef struct {
    maas_finetune_t         *f;
    const maas_raw_graph_t  *g;
    uint32_t                *first;         /* by node: its inputs in maker */
    uint32_t                *maker;         /* node, CUT_INPUT or CUT_CONST */
    bool                    *hot;           /* by node */
    bool                    *seen;
    uint32_t                *stack;
} cut_t;

#define CUT_INPUT  UINT32_MAX
#define CUT_CONST  (UINT32_MAX - 1)


/* -- the cut ------------------------------------------------------------- */

static uint32_t
cut_maker(const cut_t *c, maas_str_t name)
{
    if (name.len == 0) {
        return CUT_CONST;
    }

    for (uint32_t i = 0; i < c->g->n_node; i++) {
        for (uint32_t k = 0; k < c->g->node[i].n_out; k++) {
            if (maas_str_eq(c->g->node[i].out[k], name)) {
                return i;
            }
        }
    }

    return maas_str_eq(c->g->in[0].name, name) ? CUT_INPUT : CUT_CONST;
}


static bool
cut_trained(const cut_t *c, const maas_raw_node_t *n)
{
    for (uint32_t k = 0; k < n->n_in; k++) {
        for (uint32_t s = 0; s < c->f->n_seg; s++) {
            if (maas_str_eq(n->in[k], c->f->seg[s].name)) {
                return true;
            }
        }
    }

    return maas_str_is(n->op, "Dropout");
}


/* Bodies read what they do not name; what is random differs by step. */
static bool
cut_possible(const maas_finetune_t *f)
{
    const maas_raw_node_t   *n;
    const maas_raw_graph_t  *g = &f->model->graph;

    for (uint32_t i = 0; i < g->n_node; i++) {
        n = &g->node[i];

        if (maas_str_is(n->op, "Bernoulli")
            || maas_str_is(n->op, "Multinomial")
            || (n->op.len > 6 && memcmp(n->op.data, "Random", 6) == 0))
        {
            return false;
        }

        for (uint32_t k = 0; k < n->n_attr; k++) {
            if (n->attr[k].type == MAAS_ATTR_GRAPH) {
                return false;
            }
        }
    }

    return f->model->n_func == 0 && g->n_node <= CACHE_NODES;
}


static maas_status_t
cut_begin(cut_t *c, maas_arena_t *a)
{
    bool      more = true;
    size_t    n = 0;
    uint32_t  at = 0;

    for (uint32_t i = 0; i < c->g->n_node; i++) {
        n += c->g->node[i].n_in;
    }

    c->first = maas_arena_array(a, c->g->n_node + 1, sizeof(uint32_t));
    c->maker = maas_arena_array(a, n + 1, sizeof(uint32_t));
    c->hot = maas_arena_array(a, c->g->n_node + 1, sizeof(bool));
    c->seen = maas_arena_array(a, c->g->n_node + 1, sizeof(bool));
    c->stack = maas_arena_array(a, c->g->n_node + 1, sizeof(uint32_t));

    if (c->first == NULL || c->maker == NULL || c->hot == NULL
        || c->seen == NULL || c->stack == NULL)
    {
        return maas_err_nomem(c->f->err);
    }

    for (uint32_t i = 0; i < c->g->n_node; i++) {
        c->first[i] = at;
        c->hot[i] = cut_trained(c, &c->g->node[i]);

        for (uint32_t k = 0; k < c->g->node[i].n_in; k++) {
            c->maker[at++] = cut_maker(c, c->g->node[i].in[k]);
        }
    }

    c->first[c->g->n_node] = at;

    /* Nodes that were added stand behind those that read them. */
    while (more) {
        more = false;

        for (uint32_t i = 0; i < c->g->n_node; i++) {
            for (uint32_t k = c->first[i]; k < c->first[i + 1]; k++) {
                if (c->maker[k] < c->g->n_node && c->hot[c->maker[k]]
                    && !c->hot[i])
                {
                    c->hot[i] = more = true;
                }
            }
        }
    }

    return MAAS_OK;
}


/*
 * Marks in seen[] the nodes that `from` (or, with CUT_CONST, all hot nodes)
 * depend on, itself too, but not by way of value `stop`.  True: the input is
 * among what they depend on.
 */
static bool
cut_walk(cut_t *c, uint32_t from, maas_str_t stop, uint32_t *count)
{
    bool      input = false;
    uint32_t  n = 0, i, m;

    memset(c->seen, 0, c->g->n_node * sizeof(bool));
    *count = 0;

    for (i = 0; i < c->g->n_node; i++) {
        if (from == CUT_CONST ? c->hot[i] : i == from) {
            c->seen[i] = true;
            c->stack[n++] = i;
        }
    }

    while (n != 0) {
        i = c->stack[--n];
        (*count)++;

        for (uint32_t k = 0; k < c->g->node[i].n_in; k++) {
            m = c->maker[c->first[i] + k];

            if (stop.len != 0 && maas_str_eq(c->g->node[i].in[k], stop)) {
                continue;
            }

            input = input || m == CUT_INPUT;

            if (m < c->g->n_node && !c->seen[m]) {
                c->seen[m] = true;
                c->stack[n++] = m;
            }
        }
    }

    return input;
}


/* Float32 of the batch, all other axes known. */
static bool
cut_type(const maas_graph_t *g, maas_str_t name, maas_raw_port_t *port)
{
    maas_dim_t           batch = g->value[g->in[0]].type.dims[0];
    const maas_type_t   *t = NULL;

    for (uint32_t i = 0; i < g->n_value && t == NULL; i++) {
        t = maas_str_eq(g->value[i].name, name) ? &g->value[i].type : NULL;
    }

    if (t == NULL || t->dtype != MAAS_F32 || t->rank < 1
        || t->kind != MAAS_KIND_TENSOR || t->dims[0] != batch)
    {
        return false;
    }

    *port = (maas_raw_port_t) { .name = name, .dtype = MAAS_F32,
                                .rank = t->rank };
    port->dims[0] = -1;
    port->sym[0] = maas_str("N");

    for (int i = 1; i < t->rank; i++) {
        if (!maas_dim_known(t->dims[i])) {
            return false;
        }

        port->dims[i] = t->dims[i];
    }

    return true;
}


/* Nodes in seen[] that cost more than room in memory saves. */
static bool
cut_worth(const cut_t *c)
{
    const maas_raw_init_t  *init;

    for (uint32_t i = 0; i < c->g->n_init; i++) {
        init = &c->g->init[i];

        if (init->t.rank < 2) {
            continue;
        }

        for (uint32_t j = 0; j < c->g->n_node; j++) {
            for (uint32_t k = 0; c->seen[j] && k < c->g->node[j].n_in; k++) {
                if (maas_str_eq(c->g->node[j].in[k], init->name)) {
                    return true;
                }
            }
        }
    }

    return false;
}


static bool
cut_find(cut_t *c, const maas_graph_t *g, uint32_t *node,
    maas_raw_port_t *port)
{
    bool             any = false;
    uint32_t         most = 0, n, all;
    maas_raw_port_t  p;

    for (uint32_t i = 0; i < c->g->n_node; i++) {
        if (c->hot[i] || c->g->node[i].n_out != 1
            || !cut_type(g, c->g->node[i].out[0], &p)
            || cut_walk(c, CUT_CONST, p.name, &all)
            || !cut_walk(c, i, maas_str(""), &n) || n <= most)
        {
            continue;
        }

        most = n;
        *node = i;
        *port = p;
        any = true;
    }

    return any;
}


/* A model of the nodes in seen[], from one port to another. */
static maas_status_t
cut_model(const cut_t *c, maas_arena_t *a, const maas_raw_port_t *in,
    const maas_raw_port_t *out, const maas_raw_model_t **model)
{
    maas_raw_model_t  *m = maas_arena_dup(a, c->f->model, sizeof(*m));
    maas_raw_graph_t  *g;

    if (m == NULL) {
        return maas_err_nomem(c->f->err);
    }

    g = &m->graph;
    g->node = maas_arena_array(a, c->g->n_node + 1, sizeof(*g->node));
    g->in = maas_arena_dup(a, in, sizeof(*in));
    g->out = maas_arena_dup(a, out, sizeof(*out));
    g->n_in = g->n_out = 1;
    g->n_node = 0;

    if (g->node == NULL || g->in == NULL || g->out == NULL) {
        return maas_err_nomem(c->f->err);
    }

    for (uint32_t i = 0; i < c->g->n_node; i++) {
        if (c->seen[i]) {
            g->node[g->n_node++] = c->g->node[i];
        }
    }

    *model = m;
    return MAAS_OK;
}


/* -- the prefix ---------------------------------------------------------- */

static maas_status_t
cache_net(maas_finetune_cache_t *c, const maas_raw_model_t *m)
{
    maas_err_t        *err = c->o.tune->err;
    maas_graph_t      *g;
    maas_pass_opts_t   opts = { .host = c->o.tune->host, .k = c->o.k,
                                .fold_budget = CACHE_FOLD };

    MAAS_TRY(maas_graph_import(&g, &c->arena, m, err));
    MAAS_TRY(maas_graph_infer(g, err));
    MAAS_TRY(maas_passes_run(g, &opts, err));

    return maas_net_create(&c->net, g, c->o.k, c->o.tune->host, err);
}


/* Memory, or a file without a name whose room is taken beforehand. */
static bool
cache_room(maas_finetune_cache_t *c)
{
    int    fd = -1;
    char   path[4096];
    void  *p;

    if (c->bytes > CACHE_MEMORY) {
        snprintf(path, sizeof(path), "%.4000s/features-XXXXXX", c->o.folder);
        fd = mkstemp(path);

        if (fd < 0) {
            return false;
        }

        (void) unlink(path);
        (void) fcntl(fd, F_SETFD, FD_CLOEXEC);

        if (posix_fallocate(fd, 0, (off_t) c->bytes) != 0) {
            close(fd);
            return false;
        }
    }

    p = mmap(NULL, c->bytes, PROT_READ | PROT_WRITE,
             fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, fd, 0);

    if (fd >= 0) {
        close(fd);
    }

    c->data = p != MAP_FAILED ? p : NULL;
    return c->data != NULL;
}


static maas_status_t
cache_make(maas_finetune_cache_t *c, const maas_raw_model_t **core,
    maas_tensor_t *x)
{
    cut_t                    cut = { .f = c->o.tune,
                                     .g = &c->o.tune->model->graph };
    int64_t                  n;
    uint32_t                 node = 0, count;
    maas_err_t              *err = c->o.tune->err;
    maas_raw_port_t          port, from = cut.g->in[0], to = cut.g->out[0];
    const maas_raw_model_t  *prefix;

    MAAS_TRY(cut_begin(&cut, &c->arena));

    if (!cut_find(&cut, c->o.tune->graph, &node, &port)) {
        return MAAS_OK;
    }

    (void) cut_walk(&cut, node, maas_str(""), &count);

    if (!cut_worth(&cut)) {
        return MAAS_OK;
    }

    c->each = maas_dims_count(port.dims + 1, port.rank - 1);

    if (c->each <= 0 || !maas_mul_i64(c->each, c->o.rows, &n)
        || !maas_dtype_bytes(MAAS_F32, n, &c->bytes) || !cache_room(c))
    {
        return MAAS_OK;
    }

    c->known = maas_calloc(c->o.tune->host, (size_t) c->o.rows + 1, 1);
    if (c->known == NULL) {
        return maas_err_nomem(err);
    }

    MAAS_TRY(cut_model(&cut, &c->arena, &from, &port, &prefix));
    (void) cut_walk(&cut, cut_maker(&cut, to.name), port.name, &count);
    MAAS_TRY(cut_model(&cut, c->o.tune->arena, &port, &to, core));
    MAAS_TRY(cache_net(c, prefix));

    *x = (maas_tensor_t) { .dtype = MAAS_F32, .rank = (uint8_t) port.rank };
    memcpy(x->dims, port.dims, sizeof(x->dims));

    return MAAS_OK;
}


maas_status_t
maas_finetune_cache_create(maas_finetune_cache_t **out,
    const maas_finetune_cache_opts_t *o, const maas_raw_model_t **core,
    maas_tensor_t *x)
{
    maas_status_t           rc;
    maas_finetune_cache_t  *c;

    *out = NULL;

    if (!cut_possible(o->tune)) {
        return MAAS_OK;
    }

    c = maas_calloc(o->tune->host, 1, sizeof(*c));
    if (c == NULL) {
        return maas_err_nomem(o->tune->err);
    }

    c->o = *o;
    maas_arena_init(&c->arena, o->tune->host, 0);
    rc = cache_make(c, core, x);

    if (rc != MAAS_OK || c->net == NULL) {
        maas_finetune_cache_free(c);
        return rc;
    }

    *out = c;
    return MAAS_OK;
}


void
maas_finetune_cache_free(maas_finetune_cache_t *c)
{
    const maas_host_t  *host;

    if (c == NULL) {
        return;
    }

    host = c->arena.host;
    maas_net_destroy(c->net);
    maas_free(host, c->known);
    maas_free(host, c->x);
    maas_arena_destroy(&c->arena);

    if (c->data != NULL) {
        munmap(c->data, c->bytes);
    }

    maas_free(host, c);
}


int64_t
maas_finetune_cache_each(const maas_finetune_cache_t *c)
{
    return c->each;
}


/* -- rows ---------------------------------------------------------------- */

/* The whole batch, as it would run without a cache. */
static maas_status_t
cache_run(maas_finetune_cache_t *c, const int64_t *row, int64_t n,
    uint64_t epoch, void *y, maas_err_t *err)
{
    char               *to;
    const maas_feed_t  *feed = c->o.feed;
    maas_tensor_t       in = feed->x, out;
    size_t              each = (size_t) c->each * sizeof(float);

    in.dims[0] = n;
    in.bytes = (size_t) maas_tensor_count(&in) * maas_dtype_size(in.dtype);

    if (n > c->items) {
        maas_free(c->arena.host, c->x);
        c->items = 0;
        c->x = maas_alloc(c->arena.host, in.bytes + MAAS_ALIGN);

        if (c->x == NULL) {
            return maas_err_nomem(err);
        }

        c->items = n;
    }

    to = (char *) maas_align((uintptr_t) c->x, MAAS_ALIGN);
    in.data = to;
    MAAS_TRY(feed->rows(feed->ctx, row, n, false, epoch, to, y, err));
    MAAS_TRY(maas_net_run(c->net, &in, c->o.team, &out, err));

    for (int64_t i = 0; i < n; i++) {
        memcpy(c->data + row[i] * c->each,
               (const char *) out.data + (size_t) i * each, each);
        c->known[row[i]] = 1;
    }

    return MAAS_OK;
}


maas_status_t
maas_finetune_cache_rows(maas_finetune_cache_t *c, const int64_t *row,
    int64_t n, uint64_t epoch, void *x, void *y, maas_err_t *err)
{
    bool    known = true;
    size_t  each = (size_t) c->each * sizeof(float);

    for (int64_t i = 0; i < n; i++) {
        known = known && c->known[row[i]];
    }

    MAAS_TRY(known ? c->o.targets(c->o.ctx, row, n, y, err)
                   : cache_run(c, row, n, epoch, y, err));

    for (int64_t i = 0; i < n; i++) {
        memcpy((char *) x + (size_t) i * each, c->data + row[i] * c->each,
               each);
    }

    return MAAS_OK;
}
