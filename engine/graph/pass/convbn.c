/*
 * convbn.c: BatchNormalization behind a Conv with constant weights goes into
 * the weights: w' = w * s, b' = (b - mean) * s + beta, with
 * s = gamma / sqrt(var + eps) for each output channel.  The new weights are
 * ordinary nodes over the old ones; they are folded at once.
 */

#include "graph/pass/pass.h"


/* The operator's struct begins with epsilon; see ops/norm.c. */
static bool
convbn_epsilon(const maas_node_t *bn, float *eps)
{
    for (int i = 0; i < bn->op->n_attr; i++) {
        if (strcmp(bn->op->attr[i].name, "epsilon") == 0) {
            memcpy(eps, (const char *) bn->attr + bn->op->attr[i].off,
                   sizeof(float));
            return true;
        }
    }

    return false;
}


static bool
convbn_match(const maas_pass_t *p, const maas_node_t *conv,
    const maas_node_t **bn)
{
    const maas_node_t   *n;
    const maas_value_t  *w;

    if (conv->op == NULL || !maas_pass_is(conv, "Conv") || conv->n_post != 0
        || conv->n_formal < 2)
    {
        return false;
    }

    /* What was 8 bits stays so. */
    w = maas_pass_const(p->g, conv->in[1]);
    n = maas_pass_only_user(p, conv->out[0]);

    if (w == NULL || w->type.dtype != MAAS_F32 || w->type.rank < 3
        || w->codes != NULL || n == NULL || !maas_pass_norm(p, n)
        || n->in[0] != conv->out[0]
        || (conv->n_formal > 2 && conv->in[2] != MAAS_NOVAL
            && maas_pass_const(p->g, conv->in[2]) == NULL))
    {
        return false;
    }

    *bn = n;
    return true;
}


/* Emits a binary node and folds it. */
static maas_status_t
convbn_emit(maas_pass_t *p, const char *op, maas_vid_t a, maas_vid_t b,
    maas_vid_t *out)
{
    maas_vid_t  in[2] = { a, b };

    MAAS_TRY(maas_pass_emit(p, "", op, NULL, 0, in, b == MAAS_NOVAL ? 1 : 2,
                            NULL, out));

    return maas_pass_fold_node(p, &p->g->node[p->g->n_node - 1]);
}


static maas_status_t
convbn_const(maas_pass_t *p, maas_dtype_t dtype, const void *data,
    int64_t n, maas_vid_t *out)
{
    maas_tensor_t  t = { 0 };

    t.dtype = dtype;
    t.rank = 1;
    t.dims[0] = n;
    t.bytes = n * maas_dtype_size(dtype);
    t.data = maas_arena_dup(p->g->arena, data, t.bytes);
    if (t.data == NULL) {
        return maas_err_nomem(p->err);
    }

    *out = maas_graph_const(p->g, maas_str(""), &t);
    return *out == MAAS_NOVAL ? maas_err_nomem(p->err) : MAAS_OK;
}


static maas_status_t
convbn_weights(maas_pass_t *p, const maas_node_t *conv,
    const maas_node_t *bn, maas_vid_t *w, maas_vid_t *b)
{
    float               eps = 1e-5f;
    int64_t             shape[MAAS_RANK_MAX];
    maas_vid_t          v, s, sw;
    const maas_type_t  *wt = &p->g->value[conv->in[1]].type;
    int64_t             rank = wt->rank;

    (void) convbn_epsilon(bn, &eps);

    for (int i = 0; i < rank; i++) {
        shape[i] = i == 0 ? wt->dims[0] : 1;
    }

    /* s = gamma / sqrt(var + eps) */
    MAAS_TRY(convbn_const(p, MAAS_F32, &eps, 1, &v));
    MAAS_TRY(convbn_emit(p, "Add", bn->in[4], v, &v));
    MAAS_TRY(convbn_emit(p, "Sqrt", v, MAAS_NOVAL, &v));
    MAAS_TRY(convbn_emit(p, "Div", bn->in[1], v, &s));

    MAAS_TRY(convbn_const(p, MAAS_I64, shape, rank, &v));
    MAAS_TRY(convbn_emit(p, "Reshape", s, v, &sw));
    MAAS_TRY(convbn_emit(p, "Mul", conv->in[1], sw, w));
    p->g->value[*w].name = p->g->value[conv->in[1]].name;

    /* (b - mean) * s + beta */
    if (conv->n_formal > 2 && conv->in[2] != MAAS_NOVAL) {
        MAAS_TRY(convbn_emit(p, "Sub", conv->in[2], bn->in[3], &v));
    } else {
        MAAS_TRY(convbn_emit(p, "Neg", bn->in[3], MAAS_NOVAL, &v));
    }

    MAAS_TRY(convbn_emit(p, "Mul", v, s, &v));
    return convbn_emit(p, "Add", v, bn->in[2], b);
}


static maas_status_t
convbn_run(maas_pass_t *p)
{
    uint32_t            n = p->g->n_node, at;
    maas_vid_t          w, b, in[3];
    maas_node_t        *conv;
    maas_status_t       rc;
    const maas_node_t  *bn;

    for (uint32_t i = 0; i < n; i++) {
        if (!convbn_match(p, &p->g->node[i], &bn)) {
            continue;
        }

        at = bn - p->g->node;
        rc = convbn_weights(p, &p->g->node[i], bn, &w, &b);

        /* Over the budget: what was emitted is read by nobody. */
        if (rc == MAAS_ELIMIT) {
            continue;
        }

        MAAS_TRY(rc);

        conv = &p->g->node[i];
        in[0] = conv->in[0];
        in[1] = w;
        in[2] = b;

        conv->in = maas_arena_dup(p->g->arena, in, sizeof(in));
        if (conv->in == NULL) {
            return maas_err_nomem(p->err);
        }

        conv->n_in = 3;
        conv->n_formal = 3;
        conv->out[0] = p->g->node[at].out[0];
        p->producer[conv->out[0]] = i;
        maas_pass_delete(&p->g->node[at]);
    }

    return maas_pass_sort(p);
}


const maas_pass_row_t  maas_pass_convbn = {
    .name = "convbn", .run = convbn_run, .needs_types = true
};
