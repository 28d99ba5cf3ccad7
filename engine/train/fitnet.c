/*
 * fitnet.c: from a model to the graph of a step.  See fitnet.h.
 *
 * import -> weights become parameters -> Dropout and BatchNormalization as
 * in training -> what is spelled out, fused -> loss -> autodiff -> passes ->
 * net.
 */

#include "train/autodiff.h"
#include "train/fitnet.h"
#include "train/ranks_norm.h"


#define FIT_NONE  UINT32_MAX
#define FIT_FOLD  (64u << 20)           /* bytes of folded constants */

/* A running statistic: output `out` of the graph goes to segment `seg`. */
typedef struct {
    uint32_t  seg;
    uint32_t  out;
} fit_stat_t;

struct maas_fitnet_s {
    maas_arena_t               arena;
    const maas_fitnet_spec_t  *spec;    /* while it is made */
    const maas_weights_t      *w;
    maas_graph_t              *g;
    maas_net_t                *net;
    maas_pass_t                p;
    uint32_t                   n_in;    /* of the model */
    uint32_t                   target;  /* inputs; FIT_NONE: there is none */
    uint32_t                   weight;
    uint32_t                   key;
    maas_vid_t                *value;   /* by segment */
    uint32_t                  *grad;    /* by segment: output, or FIT_NONE */
    fit_stat_t                *stat;
    uint32_t                   n_stat;
    uint32_t                   n_sum;   /* by exchange, of a run */
    maas_vid_t                *out;     /* outputs: loss, result, ... */
    uint32_t                   n_out;
    maas_type_t                result;
    maas_tensor_t             *in_t;
    maas_tensor_t             *out_t;
    maas_err_t                *err;
};


/* -- inputs and weights -------------------------------------------------- */

static maas_vid_t
fit_input(maas_fitnet_t *f, maas_str_t name, const maas_type_t *type,
    uint32_t *index)
{
    maas_vid_t     v = maas_graph_value(f->g, name), *in;
    maas_graph_t  *g = f->g;

    in = maas_arena_array(g->arena, g->n_in + 1, sizeof(*in));
    if (v == MAAS_NOVAL || in == NULL) {
        return MAAS_NOVAL;
    }

    if (g->n_in != 0) {
        memcpy(in, g->in, g->n_in * sizeof(*in));
    }

    g->value[v].type = *type;
    g->value[v].role = MAAS_ROLE_INPUT;
    in[g->n_in] = v;
    g->in = in;
    *index = g->n_in++;

    return v;
}


static maas_status_t
fit_weights(maas_fitnet_t *f)
{
    maas_value_t          *v;
    const maas_segment_t  *s;

    f->value = maas_arena_array(&f->arena, f->w->n + 1, sizeof(maas_vid_t));
    f->grad = maas_arena_array(&f->arena, f->w->n + 1, sizeof(uint32_t));

    if (f->value == NULL || f->grad == NULL) {
        return maas_err_nomem(f->err);
    }

    for (uint32_t i = 0; i < f->w->n; i++) {
        s = &f->w->seg[i];
        f->value[i] = MAAS_NOVAL;
        f->grad[i] = FIT_NONE;

        for (uint32_t k = 0; k < f->g->n_value; k++) {
            v = &f->g->value[k];

            if (v->role == MAAS_ROLE_CONST && maas_str_eq(v->name, s->name)
                && v->type.dtype == MAAS_F32
                && v->bytes == (size_t) s->count * sizeof(float))
            {
                f->value[i] = k;
                break;
            }
        }

        if (f->value[i] != MAAS_NOVAL && !s->still) {
            v = &f->g->value[f->value[i]];
            v->role = MAAS_ROLE_PARAM;
            v->data = f->w->data + s->off;
        }
    }

    return MAAS_OK;
}


static uint32_t
fit_segment(const maas_fitnet_t *f, maas_vid_t v)
{
    for (uint32_t i = 0; i < f->w->n; i++) {
        if (f->value[i] == v && v != MAAS_NOVAL) {
            return i;
        }
    }

    return FIT_NONE;
}


/* -- as in training ------------------------------------------------------ */

static maas_status_t
fit_dropout(maas_fitnet_t *f, uint32_t i, maas_vid_t *key)
{
    float            ratio = 0.5f;
    maas_vid_t       in[2];
    maas_type_t      type = { .kind = MAAS_KIND_TENSOR, .dtype = MAAS_I64,
                              .rank = 1, .dims = { 4 } };
    maas_node_t     *n = &f->g->node[i];
    maas_raw_attr_t  a[2];

    if (n->n_formal > 1 && n->in[1] != MAAS_NOVAL
        && !maas_pass_scalar(f->g, n->in[1], &ratio))
    {
        return maas_err(f->err, MAAS_EUNSUPPORTED, "node '%.*s' (Dropout): "
                        "its ratio is no constant",
                        (int) maas_min(n->name.len, 120u), n->name.data);
    }

    if (*key == MAAS_NOVAL) {
        *key = fit_input(f, maas_str("maas.key"), &type, &f->key);
        if (*key == MAAS_NOVAL) {
            return maas_err_nomem(f->err);
        }
    }

    in[0] = n->in[0];
    in[1] = *key;
    a[0] = maas_pass_int("node", i);
    a[1] = maas_pass_float("ratio", ratio);

    return maas_pass_become(&f->p, i, "maas", "Dropout", a, 2, in, 2);
}


/* Frozen scale, bias and statistics: as when the model is served. */
static maas_status_t
fit_batchnorm(maas_fitnet_t *f, uint32_t i)
{
    float            epsilon = 1e-5f, momentum = 0.9f;
    uint32_t         seg[2];
    maas_vid_t       in[5], out[3];
    const float     *m;
    maas_node_t     *n = &f->g->node[i];
    maas_raw_attr_t  a[2];

    if (n->n_formal < 5) {
        return MAAS_OK;
    }

    seg[0] = fit_segment(f, n->in[3]);
    seg[1] = fit_segment(f, n->in[4]);

    if (seg[0] == FIT_NONE || seg[1] == FIT_NONE || f->w->seg[seg[0]].still
        || f->w->seg[seg[1]].still)
    {
        return MAAS_OK;
    }

    m = maas_pass_attr(n, "epsilon");
    epsilon = m != NULL ? *m : epsilon;
    m = maas_pass_attr(n, "momentum");
    momentum = m != NULL ? *m : momentum;

    a[0] = maas_pass_float("epsilon", epsilon);
    a[1] = maas_pass_float("momentum", momentum);
    memcpy(in, n->in, sizeof(in));
    out[0] = n->out[0];

    for (int k = 0; k < 2; k++) {
        out[k + 1] = maas_graph_value(f->g, maas_str(""));
        if (out[k + 1] == MAAS_NOVAL) {
            return maas_err_nomem(f->err);
        }

        f->stat[f->n_stat].seg = seg[k];
        f->stat[f->n_stat++].out = out[k + 1];      /* a value, for now */
    }

    MAAS_TRY(maas_pass_become(&f->p, i, "maas", "BatchNormTrain", a, 2, in,
                              5));

    n = &f->g->node[i];
    n->out = maas_arena_dup(f->g->arena, out, sizeof(out));
    n->n_out = 3;

    return n->out != NULL ? MAAS_OK : maas_err_nomem(f->err);
}


static maas_status_t
fit_training(maas_fitnet_t *f)
{
    maas_vid_t  key = MAAS_NOVAL;

    f->stat = maas_arena_array(&f->arena, f->w->n + 2, sizeof(*f->stat));
    if (f->stat == NULL) {
        return maas_err_nomem(f->err);
    }

    for (uint32_t i = 0; i < f->g->n_node; i++) {
        if (maas_pass_is(&f->g->node[i], "Dropout")) {
            MAAS_TRY(fit_dropout(f, i, &key));

        } else if (maas_pass_is(&f->g->node[i], "BatchNormalization")
                   && f->n_stat + 2 <= f->w->n)
        {
            MAAS_TRY(fit_batchnorm(f, i));
        }
    }

    return MAAS_OK;
}


/* -- loss and gradients -------------------------------------------------- */

static maas_status_t
fit_loss(maas_fitnet_t *f)
{
    maas_vid_t   result = f->g->out[0], target, weight = MAAS_NOVAL;
    maas_type_t  type = f->g->value[result].type;

    if (type.kind != MAAS_KIND_TENSOR || type.dtype != MAAS_F32
        || type.rank < 1)
    {
        return maas_err(f->err, MAAS_EUNSUPPORTED, "the model's first output "
                        "must be float32 with the batch on axis 0");
    }

    f->result = type;

    if (f->spec->loss->row->target == MAAS_TARGET_CLASSES
        && !f->spec->dense)
    {
        type.dtype = MAAS_I64;
        type.rank--;
    }

    target = fit_input(f, maas_str("maas.target"), &type, &f->target);
    if (target == MAAS_NOVAL) {
        return maas_err_nomem(f->err);
    }

    if (f->spec->weighted) {
        type.dtype = MAAS_F32;
        type.rank = 1;
        weight = fit_input(f, maas_str("maas.weight"), &type, &f->weight);
        if (weight == MAAS_NOVAL) {
            return maas_err_nomem(f->err);
        }
    }

    f->out[1] = result;
    f->n_out = 2;

    return maas_loss_emit(&f->p, f->spec->loss, result, target, weight,
                          &f->out[0]);
}


static maas_status_t
fit_backward(maas_fitnet_t *f)
{
    uint32_t     n = 0, any = 0;
    maas_vid_t  *wrt, *grad;

    wrt = maas_arena_array(&f->arena, f->w->n + 1, sizeof(*wrt));
    grad = maas_arena_array(&f->arena, f->w->n + 1, sizeof(*grad));

    if (wrt == NULL || grad == NULL) {
        return maas_err_nomem(f->err);
    }

    for (uint32_t i = 0; i < f->w->n; i++) {
        if (f->w->seg[i].trainable && f->value[i] != MAAS_NOVAL) {
            wrt[n++] = f->value[i];
        }
    }

    MAAS_TRY(maas_graph_infer(f->g, f->err));
    MAAS_TRY(maas_autodiff(f->g, f->out[0], wrt, n, grad, f->err));

    if (f->spec->exchange != NULL) {
        MAAS_TRY(maas_ranks_norm(&f->p, &f->n_sum));
    }

    for (uint32_t i = 0, k = 0; i < f->w->n; i++) {
        if (!f->w->seg[i].trainable || f->value[i] == MAAS_NOVAL) {
            continue;
        }

        if (grad[k] != MAAS_NOVAL) {
            f->grad[i] = f->n_out;
            f->out[f->n_out++] = grad[k];
            any++;
        }

        k++;
    }

    for (uint32_t i = 0; i < f->n_stat; i++) {
        f->out[f->n_out] = f->stat[i].out;
        f->stat[i].out = f->n_out++;
    }

    return any != 0 ? MAAS_OK
           : maas_err(f->err, MAAS_EINVAL, "there is nothing to train: no "
                      "weight is trainable, or none reaches the result");
}


static maas_status_t
fit_build(maas_fitnet_t *f)
{
    maas_pass_opts_t  opts = { .host = f->spec->host,
                               .k = f->spec->k,
                               .fold_budget = FIT_FOLD };

    MAAS_TRY(maas_graph_import(&f->g, &f->arena, f->spec->model, f->err));
    MAAS_TRY(maas_graph_infer(f->g, f->err));

    f->p.g = f->g;
    f->p.host = f->spec->host;
    f->p.k = opts.k;
    f->p.err = f->err;
    f->n_in = f->g->n_in;
    f->out = maas_arena_array(&f->arena, f->w->n * 2 + 4, sizeof(*f->out));

    if (f->out == NULL) {
        return maas_err_nomem(f->err);
    }

    MAAS_TRY(fit_weights(f));

    if (f->spec->train) {
        MAAS_TRY(fit_training(f));
        MAAS_TRY(maas_passes_before_grad(f->g, &opts, f->err));
    }

    MAAS_TRY(fit_loss(f));

    if (f->spec->train) {
        MAAS_TRY(fit_backward(f));
    }

    f->g->out = f->out;
    f->g->n_out = f->n_out;
    f->g->declared = NULL;

    MAAS_TRY(maas_passes_run(f->g, &opts, f->err));

    f->in_t = maas_arena_array(&f->arena, f->g->n_in + 1,
                               sizeof(*f->in_t));
    f->out_t = maas_arena_array(&f->arena, f->n_out, sizeof(*f->out_t));

    if (f->in_t == NULL || f->out_t == NULL) {
        return maas_err_nomem(f->err);
    }

    MAAS_TRY(maas_net_create(&f->net, f->g, opts.k, f->spec->host, f->err));
    maas_net_exchange(f->net, f->spec->exchange);

    return MAAS_OK;
}


maas_status_t
maas_fitnet_create(maas_fitnet_t **out, const maas_fitnet_spec_t *spec,
    maas_err_t *err)
{
    maas_status_t   rc;
    maas_fitnet_t  *f = maas_calloc(spec->host, 1, sizeof(*f));

    *out = NULL;

    if (f == NULL) {
        return maas_err_nomem(err);
    }

    maas_arena_init(&f->arena, spec->host, 0);
    f->spec = spec;
    f->w = spec->weights;
    f->target = f->weight = f->key = FIT_NONE;
    f->err = err;

    rc = fit_build(f);
    f->spec = NULL;
    f->err = NULL;

    if (rc != MAAS_OK) {
        maas_fitnet_destroy(f);
        return rc;
    }

    *out = f;
    return MAAS_OK;
}


void
maas_fitnet_destroy(maas_fitnet_t *f)
{
    const maas_host_t  *host;

    if (f == NULL) {
        return;
    }

    host = f->arena.host;
    maas_net_destroy(f->net);
    maas_arena_destroy(&f->arena);
    maas_free(host, f);
}


/* -- runs ---------------------------------------------------------------- */

const maas_type_t *
maas_fitnet_result(const maas_fitnet_t *f)
{
    return &f->result;
}


bool
maas_fitnet_exchanges(const maas_fitnet_t *f)
{
    return f->n_sum != 0;
}


maas_status_t
maas_fitnet_run(maas_fitnet_t *f, maas_fitnet_run_t *r, maas_err_t *err)
{
    int64_t        key[4] = { r->seed, r->step, r->first,
                              r->target.dims[0] };
    maas_tensor_t  t = { 0 };

    memcpy(f->in_t, r->in, f->n_in * sizeof(*f->in_t));
    f->in_t[f->target] = r->target;
    t.rank = 1;

    if (f->weight != FIT_NONE) {
        t.dtype = MAAS_F32;
        t.dims[0] = r->target.dims[0];
        t.bytes = (size_t) t.dims[0] * sizeof(float);
        t.data = (void *) r->weight;
        f->in_t[f->weight] = t;
    }

    if (f->key != FIT_NONE) {
        t.dtype = MAAS_I64;
        t.dims[0] = 4;
        t.bytes = sizeof(key);
        t.data = key;
        f->in_t[f->key] = t;
    }

    MAAS_TRY(maas_net_run(f->net, f->in_t, r->team, f->out_t, err));

    r->loss = *(const float *) f->out_t[0].data;
    r->result = f->out_t[1];

    return MAAS_OK;
}


const float *
maas_fitnet_grad(const maas_fitnet_t *f, uint32_t i)
{
    return f->grad[i] != FIT_NONE ? f->out_t[f->grad[i]].data : NULL;
}


void
maas_fitnet_keep(const maas_fitnet_t *f, float *data)
{
    for (uint32_t i = 0; i < f->n_stat; i++) {
        memcpy(data + f->w->seg[f->stat[i].seg].off,
               f->out_t[f->stat[i].out].data,
               (size_t) f->w->seg[f->stat[i].seg].count * sizeof(float));
    }
}
