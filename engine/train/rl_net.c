/*
 * rl_net.c: see rl_net.h.
 *
 * Ownership: models lie in the arena; nets own their graphs and plans.
 * Threads:   one run at a time.
 */

#include <stdio.h>

#include "graph/infer.h"
#include "graph/pass/pass.h"
#include "train/build.h"
#include "train/initializer.h"
#include "train/rl_net.h"


#define RL_FOLD     (1u << 20)          /* bytes of folded constants */
#define RL_WEIGHTS  (1 << 28)           /* numbers of a layer */

struct maas_rl_net_s {
    maas_arena_t   arena;
    maas_net_t    *net;
    int64_t        n_obs;
};


/* -- models -------------------------------------------------------------- */

typedef struct {
    maas_rl_job_t            *j;
    const maas_param_ints_t  *hidden;
    maas_rl_models_t         *m;
    float                   **weight;   /* by layer */
} models_t;


static int64_t
models_width(const models_t *c, size_t layer)
{
    return layer == 0 ? c->j->env.n_obs
           : layer <= c->hidden->n ? c->hidden->v[layer - 1]
                                   : c->j->env.n_action;
}


/* First values: He's before a Relu, Glorot's at the end. */
static maas_status_t
models_weights(models_t *c)
{
    char             name[32];
    int64_t          n;
    maas_init_t      init = { .seed = c->j->seed, .host = c->j->host };
    maas_segment_t  *s;

    c->m->n_seg = 2 * (uint32_t) (c->hidden->n + 1);
    c->m->seg = maas_arena_array(c->j->arena, c->m->n_seg, sizeof(*s));
    c->weight = maas_arena_array(c->j->arena, c->hidden->n + 1,
                                 sizeof(*c->weight));
    if (c->m->seg == NULL || c->weight == NULL) {
        return maas_err_nomem(c->j->err);
    }

    for (size_t i = 0; i <= c->hidden->n; i++) {
        init.rows = models_width(c, i);
        init.cols = models_width(c, i + 1);
        init.kind = i == c->hidden->n ? MAAS_INIT_GLOROT_UNIFORM
                                      : MAAS_INIT_HE_UNIFORM;
        init.fan_in = (double) init.rows;
        init.fan_out = (double) init.cols;
        init.weight = (uint32_t) i;

        if (!maas_mul_i64(init.rows, init.cols, &n) || n > RL_WEIGHTS) {
            return maas_err(c->j->err, MAAS_ELIMIT, "dqn: layer %zu of %lld "
                            "times %lld weights is too large", i + 1,
                            (long long) init.rows, (long long) init.cols);
        }

        c->weight[i] = maas_arena_array(c->j->arena, (size_t) n,
                                        sizeof(float));
        if (c->weight[i] == NULL) {
            return maas_err_nomem(c->j->err);
        }

        MAAS_TRY(maas_init_fill(&init, c->weight[i], c->j->err));

        for (int k = 0; k < 2; k++) {
            s = &c->m->seg[2 * i + (size_t) k];
            n = snprintf(name, sizeof(name), "layer%zu.%s", i + 1,
                         k == 0 ? "weight" : "bias");
            s->name = maas_arena_str(c->j->arena, name, (size_t) n);
            s->trainable = true;

            if (s->name.data == NULL) {
                return maas_err_nomem(c->j->err);
            }
        }
    }

    return MAAS_OK;
}


static maas_str_t
models_layers(models_t *c, maas_build_t *b, maas_str_t x)
{
    int64_t            shape[2];
    float             *zero;
    maas_str_t         in[3], name = maas_str("values");
    maas_build_node_t  n = { .op = "Gemm", .in = in, .n_in = 3, .n_out = 1 };

    for (size_t i = 0; i <= c->hidden->n; i++) {
        shape[0] = models_width(c, i);
        shape[1] = models_width(c, i + 1);
        zero = maas_arena_array(c->j->arena, (size_t) shape[1],
                                sizeof(float));
        if (zero == NULL) {
            return maas_str("");
        }

        in[0] = x;
        in[1] = maas_build_floats(b, c->m->seg[2 * i].name.data,
                                  c->weight[i], 2, shape);
        in[2] = maas_build_floats(b, c->m->seg[2 * i + 1].name.data, zero, 1,
                                  shape + 1);
        n.out = i == c->hidden->n ? &name : NULL;
        x = maas_build_node(b, &n);

        if (i < c->hidden->n) {
            x = maas_build_op1(b, "Relu", x);
        }
    }

    return x;
}


typedef enum { MODEL_VALUES = 0, MODEL_CHOSEN, MODEL_SERVED } model_kind_t;


static maas_status_t
models_one(models_t *c, model_kind_t kind, const maas_raw_model_t **m)
{
    int64_t            obs[2] = { -1, c->j->env.n_obs }, axis = 1, one = 1;
    int64_t            out[2] = { -1, c->j->env.n_action };
    maas_str_t         x, values, mask, in[2], action = maas_str("action");
    maas_build_t      *b = maas_build_create(c->j->arena);
    maas_raw_attr_t    attr[2];
    maas_build_node_t  n = { .attr = attr, .n_attr = 2, .out = &action,
                             .n_out = 1 };

    if (b == NULL) {
        return maas_err_nomem(c->j->err);
    }

    x = maas_build_input(b, "observation", MAAS_F32, 2, obs);

    if (kind == MODEL_CHOSEN) {
        mask = maas_build_input(b, "mask", MAAS_F32, 2, out);
        in[0] = maas_build_op2(b, "Mul", models_layers(c, b, x), mask);
        in[1] = maas_build_ints(b, NULL, &axis, 1, &one);
        out[1] = 1;
        maas_build_output(b, maas_build_op2(b, "ReduceSum", in[0], in[1]),
                          MAAS_F32, 2, out);
        return maas_build_done(b, m, c->j->err);
    }

    values = models_layers(c, b, x);
    maas_build_output(b, values, MAAS_F32, 2, out);

    if (kind == MODEL_SERVED) {
        attr[0] = maas_build_attr_int("axis", 1);
        attr[1] = maas_build_attr_int("keepdims", 0);
        n.op = "ArgMax";
        n.in = &values;
        n.n_in = 1;
        maas_build_output(b, maas_build_node(b, &n), MAAS_I64, 1, out);
    }

    return maas_build_done(b, m, c->j->err);
}


maas_status_t
maas_rl_models(maas_rl_job_t *j, const maas_param_ints_t *hidden,
    maas_rl_models_t *m)
{
    models_t  c = { .j = j, .hidden = hidden, .m = m };

    MAAS_TRY(models_weights(&c));
    MAAS_TRY(models_one(&c, MODEL_VALUES, &m->values));
    MAAS_TRY(models_one(&c, MODEL_CHOSEN, &m->chosen));

    return models_one(&c, MODEL_SERVED, &m->served);
}


/* -- a net that only answers --------------------------------------------- */

static maas_status_t
net_build(maas_rl_net_t *n, maas_rl_job_t *j, const maas_raw_model_t *m,
    const maas_weights_t *w, const float *data)
{
    maas_graph_t      *g;
    maas_value_t      *v;
    maas_pass_opts_t   opts = { .host = j->host, .k = j->k,
                                .fold_budget = RL_FOLD };

    MAAS_TRY(maas_graph_import(&g, &n->arena, m, j->err));

    for (uint32_t i = 0; i < w->n; i++) {
        for (uint32_t k = 0; k < g->n_value; k++) {
            v = &g->value[k];

            if (v->role == MAAS_ROLE_CONST
                && maas_str_eq(v->name, w->seg[i].name))
            {
                v->role = MAAS_ROLE_PARAM;
                v->data = data + w->seg[i].off;
            }
        }
    }

    MAAS_TRY(maas_graph_infer(g, j->err));
    MAAS_TRY(maas_passes_run(g, &opts, j->err));

    return maas_net_create(&n->net, g, j->k, j->host, j->err);
}


maas_status_t
maas_rl_net_create(maas_rl_net_t **out, maas_rl_job_t *j,
    const maas_raw_model_t *m, const maas_weights_t *w, const float *data)
{
    maas_status_t   rc;
    maas_rl_net_t  *n = maas_calloc(j->host, 1, sizeof(*n));

    *out = NULL;

    if (n == NULL) {
        return maas_err_nomem(j->err);
    }

    maas_arena_init(&n->arena, j->host, 0);
    n->n_obs = j->env.n_obs;
    rc = net_build(n, j, m, w, data);

    if (rc != MAAS_OK) {
        maas_rl_net_destroy(n);
        return rc;
    }

    *out = n;
    return MAAS_OK;
}


void
maas_rl_net_destroy(maas_rl_net_t *n)
{
    const maas_host_t  *host;

    if (n == NULL) {
        return;
    }

    host = n->arena.host;
    maas_net_destroy(n->net);
    maas_arena_destroy(&n->arena);
    maas_free(host, n);
}


maas_status_t
maas_rl_net_run(maas_rl_net_t *n, const float *obs, int64_t rows,
    maas_team_t *team, const float **values, maas_err_t *err)
{
    maas_tensor_t  out, in = { .data = (void *) obs, .dtype = MAAS_F32,
                               .rank = 2, .dims = { rows, n->n_obs } };

    in.bytes = (size_t) (rows * n->n_obs) * sizeof(float);
    MAAS_TRY(maas_net_run(n->net, &in, team, &out, err));
    *values = out.data;

    return MAAS_OK;
}
