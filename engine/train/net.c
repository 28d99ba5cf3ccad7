/*
 * net.c: plans of a graph in memory by the shapes of its inputs.  See net.h.
 *
 * Ownership: a net owns its plans and contexts, not its graph.
 * Threads:   one run at a time; its steps are split over the team.
 */

#include "graph/exec.h"
#include "train/net.h"


/* Shapes seen lately: full batches, the last batch, those of validation. */
#define NET_PLANS_MAX  8
#define NET_BODIES     64

typedef struct {
    maas_plan_t     *plan;
    maas_run_ctx_t  *ctx;
    int64_t         *key;
    uint64_t         used;
} net_slot_t;

struct maas_net_s {
    const maas_host_t  *host;
    maas_plan_src_t     src;
    maas_graph_t       *graph[NET_BODIES];
    size_t              key_len;        /* numbers */
    int64_t            *key;            /* of the run */
    net_slot_t          slot[NET_PLANS_MAX];
    net_slot_t         *last;
    uint64_t            tick;
    void              (*seen)(void *ctx, const maas_net_step_t *s);
    void               *seen_ctx;
    const maas_exchange_t  *exchange;
};


static maas_status_t
net_bodies(maas_net_t *n, maas_graph_t *g, maas_err_t *err)
{
    if (n->src.n_graph == NET_BODIES) {
        return maas_err(err, MAAS_ELIMIT, "more than %d bodies of control "
                        "nodes", NET_BODIES - 1);
    }

    n->graph[n->src.n_graph++] = g;

    for (uint32_t i = 0; i < g->n_node; i++) {
        for (int j = 0; j < g->node[i].n_body; j++) {
            MAAS_TRY(net_bodies(n, g->node[i].body[j], err));
        }
    }

    return MAAS_OK;
}


maas_status_t
maas_net_create(maas_net_t **out, maas_graph_t *g, const maas_kernels_t *k,
    const maas_host_t *host, maas_err_t *err)
{
    maas_net_t     *n;
    maas_status_t   rc;

    *out = NULL;

    n = maas_calloc(host, 1, sizeof(*n));
    if (n == NULL) {
        return maas_err_nomem(err);
    }

    n->host = host;
    n->key_len = (size_t) g->n_in * (MAAS_RANK_MAX + 1) + 1;
    n->key = maas_calloc(host, n->key_len, sizeof(int64_t));
    n->src.host = host;
    n->src.graph = n->graph;
    n->src.k = k;
    n->src.max_elements = INT64_MAX;

    rc = n->key == NULL ? maas_err_nomem(err) : net_bodies(n, g, err);

    if (rc != MAAS_OK) {
        maas_net_destroy(n);
        return rc;
    }

    *out = n;
    return MAAS_OK;
}


static void
net_drop(maas_net_t *n, net_slot_t *s)
{
    if (s->ctx != NULL) {
        maas_ctx_destroy(s->ctx, n->host);
    }

    maas_plan_release(s->plan, n->host);
    maas_free(n->host, s->key);
    memset(s, 0, sizeof(*s));
}


void
maas_net_destroy(maas_net_t *n)
{
    if (n == NULL) {
        return;
    }

    for (int i = 0; i < NET_PLANS_MAX; i++) {
        net_drop(n, &n->slot[i]);
    }

    maas_free(n->host, n->key);
    maas_free(n->host, n);
}


static void
net_key(maas_net_t *n, const maas_tensor_t *in)
{
    int64_t  *k = n->key;

    memset(k, 0, n->key_len * sizeof(int64_t));

    for (uint32_t i = 0; i < n->graph[0]->n_in; i++, k += MAAS_RANK_MAX + 1) {
        k[0] = in[i].dtype * 64 + in[i].rank;
        memcpy(k + 1, in[i].dims, in[i].rank * sizeof(int64_t));
    }
}


static maas_status_t
net_plan(maas_net_t *n, net_slot_t *s, const maas_tensor_t *in,
    uint32_t slots, maas_err_t *err)
{
    s->key = maas_calloc(n->host, n->key_len, sizeof(int64_t));
    if (s->key == NULL) {
        return maas_err_nomem(err);
    }

    memcpy(s->key, n->key, n->key_len * sizeof(int64_t));
    MAAS_TRY(maas_plan_make(&s->plan, &n->src, in, err));

    if (s->plan->cut) {
        return maas_err(err, MAAS_EUNSUPPORTED, "shapes that depend on the "
                        "data cannot be trained");
    }

    return maas_ctx_create(&s->ctx, &n->src, s->plan, NULL, slots, err);
}


/* The slot of the run's shapes; the oldest makes room. */
static maas_status_t
net_slot(maas_net_t *n, const maas_tensor_t *in, uint32_t slots,
    maas_err_t *err)
{
    net_slot_t     *s, *old = &n->slot[0];
    maas_status_t   rc;

    net_key(n, in);

    for (s = n->slot; s < n->slot + NET_PLANS_MAX; s++) {
        if (s->ctx != NULL && s->ctx->slots >= slots
            && memcmp(s->key, n->key, n->key_len * sizeof(int64_t)) == 0)
        {
            s->used = ++n->tick;
            n->last = s;
            return MAAS_OK;
        }

        old = s->used < old->used ? s : old;
    }

    n->last = NULL;
    net_drop(n, old);
    rc = net_plan(n, old, in, slots, err);

    if (rc != MAAS_OK) {
        net_drop(n, old);
        return rc;
    }

    old->used = ++n->tick;
    n->last = old;
    return MAAS_OK;
}


void
maas_net_watch(maas_net_t *n,
    void (*seen)(void *ctx, const maas_net_step_t *s), void *ctx)
{
    n->seen = seen;
    n->seen_ctx = ctx;
}


void
maas_net_exchange(maas_net_t *n, const maas_exchange_t *exchange)
{
    n->exchange = exchange;
}


static double
net_step_flops(const maas_node_t *n, const maas_step_t *s)
{
    maas_setup_t  u = { .attr = s->attr, .in = s->in, .out = s->out,
                        .n_in = s->n_in, .n_formal = s->n_formal,
                        .n_out = s->n_out };

    return n->op->flops != NULL ? n->op->flops(&u) : 0;
}


static maas_status_t
net_watched(const maas_net_t *n, maas_run_ctx_t *c, const maas_exec_t *x)
{
    maas_net_step_t         s;
    const maas_plan_step_t  *p;

    maas_ctx_inputs(c, x);

    for (s.index = 0; s.index < c->plan->n_step; s.index++) {
        s.ns = maas_now_ns();
        MAAS_TRY(maas_ctx_step(c, x, s.index));
        s.ns = maas_now_ns() - s.ns;

        p = &c->plan->step[s.index];
        s.node = &c->graph[p->graph]->node[p->node];
        s.out = p->n_out != 0 ? &c->step[s.index].out[0] : NULL;
        s.kernel = maas_plan_kernel(s.node, p);
        s.flops = p->kernel < s.node->op->n_kernel
                  ? net_step_flops(s.node, &c->step[s.index]) : 0;
        n->seen(n->seen_ctx, &s);
    }

    return MAAS_OK;
}


maas_status_t
maas_net_run(maas_net_t *n, const maas_tensor_t *in, maas_team_t *team,
    maas_tensor_t *out, maas_err_t *err)
{
    unsigned       fp;
    uint32_t       slots;
    maas_exec_t    x = { 0 };
    maas_status_t  rc;

    slots = team != NULL ? (uint32_t) maas_team_threads(team) : 1;
    MAAS_TRY(net_slot(n, in, slots, err));

    x.in = in;
    x.team = team;
    x.exchange = n->exchange;
    x.err = err;

    fp = maas_fp_enter();
    x.lease = maas_lease_begin(team);
    rc = n->seen != NULL ? net_watched(n, n->last->ctx, &x)
                         : maas_ctx_run(n->last->ctx, &x);
    maas_lease_end(x.lease);
    maas_fp_leave(fp);

    for (uint32_t i = 0; rc == MAAS_OK && i < n->graph[0]->n_out; i++) {
        maas_ctx_output(n->last->ctx, &n->src, i, in, &out[i]);
    }

    return rc;
}


double
maas_net_flops(const maas_net_t *n)
{
    return n->last != NULL ? n->last->plan->flops : 0;
}
