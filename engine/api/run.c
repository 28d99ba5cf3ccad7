/*
 * run.c: one run of a model: takes an idle context of the plan, runs it and,
 * where a plan is cut, the child plans that contents choose.
 *
 * Ownership: a run holds its root context (with the children under it) until
 *            it is released; the context then waits at its plan for the next
 *            run.  The run itself lies in the root context's block.
 * Threads:   any; a run belongs to one thread at a time.
 */

#include "api/model_priv.h"


/* Idle contexts of one plan that are kept; more are given back. */
#define RUN_IDLE_MAX      8
#define RUN_CHILDREN_MAX  16

struct maas_run_s {
    maas_model_t          *m;
    maas_run_ctx_t        *root;
    const maas_run_ctx_t  *last;        /* whose plan was not cut */
    const maas_tensor_t   *in;
};


static maas_run_ctx_t *
run_take(maas_model_t *m, maas_plan_t *p, uint32_t slots)
{
    maas_run_ctx_t  *c, **at;

    pthread_mutex_lock(&m->lock);

    for (at = &p->idle; (c = *at) != NULL; at = &c->next) {
        if (c->slots >= slots) {
            *at = c->next;
            break;
        }
    }

    pthread_mutex_unlock(&m->lock);

    if (c != NULL) {
        model_ctx_wake(m, c);
    }

    return c;
}


static maas_status_t
run_root(maas_model_t *m, const maas_tensor_t *in, uint32_t slots,
    maas_run_ctx_t **c, maas_err_t *err)
{
    size_t          len;
    int64_t         key[MODEL_KEY_MAX];
    maas_plan_t    *p;
    maas_status_t   rc = MAAS_OK;

    if (!model_key(m, in, key, &len)) {
        return maas_err_nomem(err);
    }

    MAAS_TRY(model_plan(m, NULL, in, key, len, &p, err));

    *c = run_take(m, p, slots);
    if (*c == NULL) {
        rc = model_ctx_make(m, p, NULL, slots, c, err);
    }

    maas_plan_release(p, m->src.host);
    return rc;
}


/*
 * Frees what other contents left under this run's contexts; those that it
 * runs in are the first of their lists.
 */
static void
run_shed(maas_model_t *m, maas_run_ctx_t *c)
{
    maas_run_ctx_t  *k, **at;

    for (at = &c->children; c != NULL; c = c->parent) {
        while ((k = *at) != NULL) {
            *at = k->next;
            model_ctx_free(m, k);
        }

        at = c->parent != NULL ? &c->parent->children->next : NULL;
    }
}


/* The context of a child plan under c: there already, or made. */
static maas_status_t
run_child(maas_model_t *m, maas_run_ctx_t *c, maas_plan_t *p,
    maas_run_ctx_t **out, maas_err_t *err)
{
    int              n = 0;
    maas_status_t    rc;
    maas_run_ctx_t  *k, **at;

    for (at = &c->children; (k = *at) != NULL; at = &k->next, n++) {
        if (k->plan == p) {
            *at = k->next;
            break;
        }

        if (n == RUN_CHILDREN_MAX) {
            *at = NULL;
            model_ctx_free(m, k);
            k = NULL;
            break;
        }
    }

    if (k == NULL) {
        rc = model_ctx_make(m, p, c, c->slots, &k, err);

        if (rc == MAAS_ENOMEM) {
            run_shed(m, c);
            rc = model_ctx_make(m, p, c, c->slots, &k, err);
        }

        MAAS_TRY(rc);
    }

    k->next = c->children;
    c->children = k;
    *out = k;

    return MAAS_OK;
}


static maas_status_t
run_steps(maas_model_t *m, maas_run_ctx_t *c, maas_exec_t *x,
    const maas_run_ctx_t **last, maas_err_t *err)
{
    maas_plan_t    *p;
    maas_tensor_t   t;
    maas_status_t   rc;

    for ( ;; ) {
        MAAS_TRY(maas_ctx_run(c, x));

        if (!c->plan->cut) {
            *last = c;
            return MAAS_OK;
        }

        maas_ctx_tensor(c, &m->src, &c->plan->need, x->in, &t);
        rc = model_plan(m, c->plan, NULL, t.data, t.bytes, &p, err);

        if (rc == MAAS_ENOMEM) {
            run_shed(m, c);
            rc = model_plan(m, c->plan, NULL, t.data, t.bytes, &p, err);
        }

        MAAS_TRY(rc);
        rc = run_child(m, c, p, &c, err);
        maas_plan_release(p, m->src.host);
        MAAS_TRY(rc);
    }
}


static void
run_give_back(maas_model_t *m, maas_run_ctx_t *c)
{
    int           n = 0;
    bool          kept = false;
    maas_plan_t  *p = c->plan;

    c->idle_ns = maas_coarse_ns();
    pthread_mutex_lock(&m->lock);

    for (maas_run_ctx_t *k = p->idle; k != NULL; k = k->next) {
        n++;
    }

    /* The context and the cache hold the plan; alone, it was evicted. */
    if (n < RUN_IDLE_MAX) {
        for (maas_plan_t *q = m->plans; q != NULL; q = q->next) {
            if (q == p) {
                model_prune(m, c);
                c->next = p->idle;
                p->idle = c;
                kept = true;
                break;
            }
        }
    }

    pthread_mutex_unlock(&m->lock);

    if (!kept) {
        model_ctx_free(m, c);
    }
}


maas_status_t
maas_model_run(maas_model_t *m, const maas_tensor_t *in, maas_team_t *team,
    const atomic_bool *cancel, maas_run_t **out, maas_err_t *err)
{
    unsigned          fp;
    maas_run_t       *run;
    maas_exec_t       x = { 0 };
    maas_status_t     rc;
    maas_run_ctx_t   *c;

    x.in = in;
    x.team = team;
    x.cancel = cancel;
    x.err = err;

    MAAS_TRY(run_root(m, in, maas_team_threads(team), &c, err));

    run = (maas_run_t *) c->user;
    run->m = m;
    run->root = c;
    run->in = in;

    fp = maas_fp_enter();
    x.lease = maas_lease_begin(team);
    rc = run_steps(m, c, &x, &run->last, err);
    maas_lease_end(x.lease);
    maas_fp_leave(fp);

    if (rc != MAAS_OK) {
        run_give_back(m, c);
        return rc;
    }

    maas_model_retain(m);
    *out = run;
    return MAAS_OK;
}


void
maas_run_output(const maas_run_t *run, size_t i, maas_tensor_t *t,
    maas_tensor_t *keys)
{
    maas_vid_t           id;
    const maas_graph_t  *g = run->m->src.graph[0];

    maas_ctx_output(run->last, &run->m->src, (uint32_t) i, run->in, t);

    if (keys != NULL) {
        memset(keys, 0, sizeof(*keys));
        id = g->value[g->out[i]].keys;

        if (id != MAAS_NOVAL) {
            *keys = maas_value_tensor(&g->value[id]);
        }
    }
}


void
maas_run_release(maas_run_t *run)
{
    maas_model_t  *m;

    if (run != NULL) {
        m = run->m;
        run_give_back(m, run->root);
        maas_model_release(m);
    }
}


/* -- warm-up ------------------------------------------------------------- */

static maas_status_t
warm_inputs(const maas_model_t *m, maas_tensor_t *in, maas_arena_t *a,
    maas_err_t *err)
{
    size_t              n, bytes;
    const maas_port_t  *p = maas_model_inputs(m, &n);

    for (size_t i = 0; i < n; i++, p++) {
        if (p->rank < 0) {
            return MAAS_NEED;
        }

        memset(&in[i], 0, sizeof(in[i]));
        in[i].dtype = p->dtype;
        in[i].rank = p->rank;

        for (int d = 0; d < p->rank; d++) {
            in[i].dims[d] = p->dims[d] < 0 ? 1 : p->dims[d];
        }

        if (!maas_tensor_size(&in[i], 0, &bytes)) {
            return MAAS_NEED;
        }

        in[i].bytes = bytes;
        in[i].data = maas_arena_alloc(a, bytes + MAAS_ALIGN);
        if (in[i].data == NULL) {
            return maas_err_nomem(err);
        }
    }

    return MAAS_OK;
}


maas_status_t
maas_model_warm(maas_model_t *m, maas_team_t *team, maas_err_t *err)
{
    size_t              n;
    maas_run_t         *run;
    maas_arena_t        a;
    maas_tensor_t      *in;
    maas_status_t       rc;
    volatile char       sum = 0;
    const atomic_bool  *stop = maas_team_stop(team);

    for (size_t i = 0; i < m->bytes; i += 4096) {
        sum += m->image->base[i];

        /* A disk may be slow. */
        if (stop != NULL && i % (1 << 20) == 0 && atomic_load(stop)) {
            return maas_err(err, MAAS_ECANCEL, "the team ends");
        }
    }

    maas_arena_init(&a, m->src.host, m->limits.max_memory);
    (void) maas_model_inputs(m, &n);
    in = maas_arena_array(&a, n + 1, sizeof(*in));

    rc = in == NULL ? maas_err_nomem(err) : warm_inputs(m, in, &a, err);

    if (rc == MAAS_OK) {
        rc = maas_model_run(m, in, team, stop, &run, err);
        if (rc == MAAS_OK) {
            maas_run_release(run);
        }
    }

    maas_arena_destroy(&a);

    /* Zeros need not be a fit input: pages and plan are what counts. */
    return rc == MAAS_ENOMEM ? rc : MAAS_OK;
}
