/*
 * profile.c: where the time of a run goes: the steps one by one, each with
 * its time, on this thread and those that a team lends it.
 *
 * Ownership: contexts made here are freed here.
 * Threads:   one thread.
 */

#include <stdio.h>

#include "api/compile.h"
#include "api/model_priv.h"


static double
profile_flops(const maas_node_t *n, const maas_step_t *s)
{
    maas_setup_t  u = { 0 };

    if (n->op->flops == NULL) {
        return 0;
    }

    u.attr = s->attr;
    u.in = s->in;
    u.out = s->out;
    u.post = s->post;
    u.n_in = s->n_in;
    u.n_formal = s->n_formal;
    u.n_out = s->n_out;
    u.n_post = s->n_post;

    return n->op->flops(&u);
}


/* Step i, or the chain that it begins; the number of its steps. */
static uint32_t
profile_row(const maas_run_ctx_t *c, uint32_t i, maas_step_time_t *row)
{
    int                      len = 0;
    uint32_t                 chain = maas_max(c->plan->step[i].chain, 1u);
    const maas_node_t       *n;
    const maas_plan_step_t  *s = &c->plan->step[i];

    row->cost = s->cost;
    row->flops = 0;

    for (uint32_t j = 0; j < chain; j++, s++) {
        n = &c->graph[s->graph]->node[s->node];
        row->out = s->n_out != 0 ? &c->step[i + j].out[0] : NULL;
        row->kernel = chain > 1 ? "chain" : maas_plan_kernel(n, s);
        row->flops += s->kernel < n->op->n_kernel
                      ? profile_flops(n, &c->step[i + j]) : 0;

        if (len >= 0 && len < (int) sizeof(row->name)) {
            len += snprintf(row->name + len, sizeof(row->name) - len,
                            "%s%.*s", j != 0 ? " > " : "",
                            (int) maas_min(n->name.len, sizeof(row->name)),
                            n->name.data);
        }
    }

    return chain;
}


static maas_status_t
profile_steps(maas_run_ctx_t *c, const maas_exec_t *x, size_t *at,
    const maas_profile_t *how)
{
    uint64_t          t;
    maas_step_time_t  row;

    maas_ctx_inputs(c, x);

    for (uint32_t i = 0; i < c->plan->n_step; /* void */ ) {
        t = maas_now_ns();
        MAAS_TRY(maas_ctx_step(c, x, i));

        row.ns = maas_now_ns() - t;
        row.index = (*at)++;
        i += profile_row(c, i, &row);
        how->seen(how->ctx, &row);
    }

    return MAAS_OK;
}


static maas_status_t
profile_run(maas_model_t *m, maas_run_ctx_t *c, const maas_exec_t *x,
    const maas_profile_t *how, maas_err_t *err)
{
    size_t            at = 0;
    maas_plan_t      *p;
    maas_tensor_t     t;
    maas_status_t     rc;
    maas_run_ctx_t   *k;

    for ( ;; ) {
        MAAS_TRY(profile_steps(c, x, &at, how));

        if (!c->plan->cut) {
            return MAAS_OK;
        }

        maas_ctx_tensor(c, &m->src, &c->plan->need, x->in, &t);
        MAAS_TRY(model_plan(m, c->plan, NULL, t.data, t.bytes, &p, err));

        for (k = c->children; k != NULL && k->plan != p; k = k->next) {
            /* void */
        }

        if (k == NULL) {
            rc = model_ctx_make(m, p, c, c->slots, &k, err);

            if (rc == MAAS_OK) {
                k->next = c->children;
                c->children = k;
            }

        } else {
            rc = MAAS_OK;
        }

        maas_plan_release(p, m->src.host);
        MAAS_TRY(rc);
        c = k;
    }
}


maas_status_t
maas_model_profile(maas_model_t *m, const maas_tensor_t *in,
    maas_team_t *team, const maas_profile_t *how, maas_err_t *err)
{
    size_t           len;
    int64_t          key[MODEL_KEY_MAX];
    unsigned         fp;
    maas_exec_t      x = { .in = in, .team = team, .err = err };
    maas_plan_t     *p;
    maas_status_t    rc;
    maas_run_ctx_t  *c;

    if (!model_key(m, in, key, &len)) {
        return maas_err_nomem(err);
    }

    MAAS_TRY(model_plan(m, NULL, in, key, len, &p, err));
    rc = model_ctx_make(m, p, NULL, (uint32_t) maas_team_threads(team), &c,
                        err);
    maas_plan_release(p, m->src.host);
    MAAS_TRY(rc);

    fp = maas_fp_enter();

    for (size_t i = 0; i < how->runs && rc == MAAS_OK; i++) {
        x.lease = maas_lease_begin(team);
        rc = profile_run(m, c, &x, how, err);
        maas_lease_end(x.lease);
    }

    maas_fp_leave(fp);
    model_ctx_free(m, c);

    return rc;
}
