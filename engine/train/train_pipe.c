/*
 * train_pipe: the steps of a pipeline before a network.  They are fitted
 * once and run on every batch, by the same nodes that will be served.  See
 * train_run.h.
 */

#include <float.h>
#include <math.h>

#include "train/train_run.h"


#define PIPE_FOLD  (64u << 20)          /* bytes of folded constants */

struct maas_train_pipe_s {
    maas_arena_t    arena;      /* of the graph */
    maas_arena_t    batch;      /* of one batch */
    maas_net_t     *net;        /* NULL: there are no nodes */
    maas_str_t      value;      /* what the steps make */
    int64_t         width;
    maas_tensor_t  *in;
    maas_tensor_t   out;
};


/* What float32 does not hold is infinite when the model is served. */
maas_status_t
maas_train_check_range(const maas_train_t *t)
{
    double                v;
    const maas_column_t  *c;

    for (int k = 0; k < t->info->n_column; k++) {
        c = maas_dataset_column(maas_data_dataset(t->source),
                                maas_data_columns(t->source)[k]);
        v = c->stats.max > -c->stats.min ? c->stats.max : c->stats.min;

        if (c->kind != MAAS_COL_TEXT && c->kind != MAAS_COL_CATEGORY
            && fabs(v) > (double) FLT_MAX)
        {
            return maas_err(t->err, MAAS_EINVAL, "data: column \"%.*s\" has "
                            "%g; models take float32, up to %g",
                            (int) maas_min(c->name.len, 100u), c->name.data,
                            v, (double) FLT_MAX);
        }
    }

    return MAAS_OK;
}


/* Of the rows that are learned from, numbers beyond all. */
static maas_status_t
pipe_infinite(const maas_train_t *t, const maas_pipeline_t *p)
{
    for (int64_t i = 0; i < p->n * p->p; i++) {
        const maas_str_t  *s = &p->feature[i % p->p];

        if (p->x[i] - p->x[i] != 0 && p->x[i] == p->x[i]) {
            return maas_err(t->err, MAAS_EINVAL, "data: column \"%.*s\" has "
                            "an infinite number, which no model can learn "
                            "from", (int) maas_min(s->len, 100u), s->data);
        }
    }

    return MAAS_OK;
}


static maas_status_t
pipe_missing(const maas_train_t *t, const maas_pipeline_t *p)
{
    for (int64_t i = 0; i < p->n * p->p; i++) {
        const maas_str_t  *s = &p->feature[i % p->p];

        if (p->x[i] != p->x[i]) {
            return maas_err(t->err, MAAS_EINVAL, "data: column \"%.*s\" has "
                            "rows without a value, which the model cannot "
                            "take; {\"type\":\"impute\"} in the pipeline "
                            "fills them", (int) maas_min(s->len, 100u),
                            s->data);
        }
    }

    return MAAS_OK;
}


/* Names outlive the scratch of the steps. */
static maas_status_t
pipe_names(maas_train_t *t, const maas_pipeline_t *p)
{
    maas_str_t  *s;

    if (!p->matrix) {
        return MAAS_OK;
    }

    s = maas_arena_array(&t->arena, (size_t) p->n_input + 1, sizeof(*s));
    if (s == NULL) {
        return maas_err_nomem(t->err);
    }

    for (int64_t i = 0; i < p->n_input; i++) {
        s[i] = maas_arena_str(&t->arena, p->input[i].data, p->input[i].len);
        if (s[i].data == NULL) {
            return maas_err_nomem(t->err);
        }
    }

    t->feature = s;
    t->n_feature = p->n_input;

    return MAAS_OK;
}


/* What pipeline and estimators have in common. */
static maas_status_t
pipe_begin(maas_pipeline_t *p, maas_train_t *t, maas_build_t *b,
    const maas_data_rows_t *rows, maas_arena_t *a)
{
    *p = (maas_pipeline_t) {
        .ds = maas_data_dataset(t->source),
        .column = maas_data_columns(t->source),
        .n_column = t->info->n_column,
        .rows = { rows->train, 0, rows->n_train },
        .steps = t->job->spec->pipeline,
        .seed = (uint64_t) t->job->spec->seed, .threads = t->job->threads,
        .team = t->job->team, .ranks = t->job->ranks,
        .cancel = t->job->cancel, .build = b, .arena = a,
        .host = t->job->host
    };

    if (rows->n_train == 0) {
        return maas_err(t->err, MAAS_EINVAL, "data: there are no rows to "
                        "train on");
    }

    MAAS_TRY(maas_train_check_range(t));

    return maas_pipeline_fit(p, t->err);
}


maas_status_t
maas_train_pipe_fit(maas_train_pipe_t **out, maas_train_t *t,
    maas_build_t *b, const maas_data_rows_t *rows, maas_layer_value_t *value)
{
    maas_arena_t        scratch;
    maas_status_t       rc;
    maas_pipeline_t     p;
    maas_train_pipe_t  *pipe = maas_calloc(t->job->host, 1, sizeof(*pipe));

    *out = pipe;

    if (pipe == NULL) {
        return maas_err_nomem(t->err);
    }

    maas_arena_init(&pipe->arena, t->job->host, 0);
    maas_arena_init(&pipe->batch, t->job->host, 0);
    maas_arena_init(&scratch, t->job->host, 0);

    rc = pipe_begin(&p, t, b, rows, &scratch);

    if (rc == MAAS_OK) {
        rc = pipe_infinite(t, &p);
    }

    if (rc == MAAS_OK && p.missing) {
        rc = pipe_missing(t, &p);
    }

    if (rc == MAAS_OK) {
        rc = pipe_names(t, &p);
    }

    if (rc == MAAS_OK) {
        value->value = maas_arena_str(&t->arena, p.value.data, p.value.len);
        value->dims[1] = p.p;
        pipe->value = value->value;
        pipe->width = p.p;
        rc = pipe->value.data != NULL ? MAAS_OK : maas_err_nomem(t->err);
    }

    maas_arena_destroy(&scratch);
    return rc;
}


/* A part of the model: nodes [first, last), one input, one output. */
static maas_raw_model_t *
pipe_part(maas_train_t *t, const maas_raw_model_t *m, uint32_t first,
    uint32_t last)
{
    maas_raw_model_t  *part = maas_arena_dup(&t->arena, m, sizeof(*m));

    if (part != NULL) {
        part->graph.node = m->graph.node + first;
        part->graph.n_node = last - first;
    }

    return part;
}


static maas_status_t
pipe_net(maas_train_pipe_t *p, maas_train_t *t, maas_raw_model_t *m)
{
    maas_graph_t      *g;
    maas_pass_opts_t   opts = { .host = t->job->host, .k = t->k,
                                .fold_budget = PIPE_FOLD };

    MAAS_TRY(maas_graph_import(&g, &p->arena, m, t->err));
    MAAS_TRY(maas_passes_run(g, &opts, t->err));

    p->in = maas_arena_array(&p->arena, g->n_in + 1u, sizeof(*p->in));
    if (p->in == NULL) {
        return maas_err_nomem(t->err);
    }

    return maas_net_create(&p->net, g, t->k, t->job->host, t->err);
}


maas_status_t
maas_train_pipe_core(maas_train_pipe_t *p, maas_train_t *t,
    const maas_raw_model_t *model, const maas_raw_model_t **core)
{
    uint32_t                 cut = 0;
    maas_raw_port_t         *port;
    maas_raw_model_t        *steps, *rest;
    const maas_raw_graph_t  *g = &model->graph;

    for (uint32_t i = 0; i < g->n_node; i++) {
        for (uint32_t k = 0; k < g->node[i].n_out; k++) {
            if (maas_str_eq(g->node[i].out[k], p->value)) {
                cut = i + 1;
            }
        }
    }

    port = maas_arena_alloc(&t->arena, sizeof(*port));
    steps = pipe_part(t, model, 0, cut);
    rest = pipe_part(t, model, cut, g->n_node);

    if (port == NULL || steps == NULL || rest == NULL) {
        return maas_err_nomem(t->err);
    }

    port->name = p->value;
    port->dtype = MAAS_F32;
    port->rank = 2;
    port->dims[0] = -1;
    port->dims[1] = p->width;
    port->sym[0] = maas_str("N");
    steps->graph.out = rest->graph.in = port;
    steps->graph.n_out = rest->graph.n_in = 1;
    *core = rest;

    /* No step: the input itself. */
    p->in = maas_arena_array(&p->arena, g->n_in + 1u, sizeof(*p->in));
    if (p->in == NULL) {
        return maas_err_nomem(t->err);
    }

    return cut == 0 ? MAAS_OK : pipe_net(p, t, steps);
}


maas_status_t
maas_train_pipe_run(maas_train_pipe_t *p, maas_train_t *t,
    const int64_t *row, int64_t n, float *x)
{
    int                n_in;
    maas_status_t      rc;
    const maas_rows_t  rows = { row, 0, n };

    rc = maas_pipeline_inputs(maas_data_dataset(t->source),
                              maas_data_columns(t->source),
                              t->info->n_column, &rows, &p->batch, p->in,
                              &n_in, t->err);

    if (rc == MAAS_OK && p->net != NULL) {
        rc = maas_net_run(p->net, p->in, t->job->team, &p->out, t->err);
    }

    if (rc == MAAS_OK) {
        memcpy(x, p->net != NULL ? p->out.data : p->in[0].data,
               (size_t) (n * p->width) * sizeof(float));
    }

    maas_arena_destroy(&p->batch);
    maas_arena_init(&p->batch, t->job->host, 0);

    return rc;
}


void
maas_train_pipe_free(maas_train_pipe_t *p, maas_train_t *t)
{
    if (p != NULL) {
        maas_net_destroy(p->net);
        maas_arena_destroy(&p->arena);
        maas_arena_destroy(&p->batch);
        maas_free(t->job->host, p);
    }
}


/* -- estimators ---------------------------------------------------------- */

maas_status_t
maas_train_pipe_matrix(maas_pipeline_t *p, maas_train_t *t, maas_build_t *b,
    bool missing)
{
    MAAS_TRY(pipe_begin(p, t, b, &t->rows, &t->arena));
    MAAS_TRY(pipe_infinite(t, p));

    if (p->missing && !missing) {
        MAAS_TRY(pipe_missing(t, p));
    }

    return pipe_names(t, p);
}
