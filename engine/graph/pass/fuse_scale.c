/*
 * fuse_scale.c: Mul and Add of one constant a channel behind a
 * BatchNormalization go into its scale and B, as networks that come from
 * Caffe have them (a Scale layer behind each BatchNorm):
 * gamma' = gamma * m, beta' = beta * m + a.  Runs before `convbn`, which
 * takes the whole into the weights of a convolution.
 */

#include "graph/pass/pass.h"


/* The constant operand of n, whose other one is v: a value a channel. */
static const float *
scale_operand(const maas_pass_t *p, const maas_node_t *n, maas_vid_t v,
    int64_t channels)
{
    int                  rank, at;
    const maas_value_t  *c;
    const maas_type_t   *x = &p->g->value[v].type;

    if (n->n_in != 2 || n->n_out != 1 || n->n_post != 0
        || n->in[0] == n->in[1])
    {
        return NULL;
    }

    c = maas_pass_const(p->g, n->in[n->in[0] == v ? 1 : 0]);

    if (c == NULL || c->type.dtype != MAAS_F32 || x->rank < 3
        || c->type.rank > x->rank)
    {
        return NULL;
    }

    rank = c->type.rank;
    at = rank - x->rank + 1;

    for (int i = 0; i < rank; i++) {
        if (c->type.dims[i] != (i == at ? channels : 1)) {
            return NULL;
        }
    }

    return at < 0 ? NULL : c->data;
}


static maas_status_t
scale_const(maas_pass_t *p, float *v, int64_t n, maas_vid_t *out)
{
    maas_tensor_t  t = { .dtype = MAAS_F32, .rank = 1, .dims = { n } };

    t.bytes = (size_t) n * sizeof(*v);
    t.data = v;
    *out = maas_graph_const(p->g, maas_str(""), &t);

    return *out == MAAS_NOVAL ? maas_err_nomem(p->err) : MAAS_OK;
}


/* mul: by c, else plus c. */
static maas_status_t
scale_apply(maas_pass_t *p, maas_node_t *bn, const float *c, bool mul)
{
    float       *v;
    int64_t      n = p->g->value[bn->in[1]].type.dims[0];
    maas_vid_t  *in;

    in = maas_arena_dup(p->g->arena, bn->in, bn->n_in * sizeof(*in));
    v = maas_arena_array(p->g->arena, 2 * n, sizeof(*v));
    if (in == NULL || v == NULL) {
        return maas_err_nomem(p->err);
    }

    memcpy(v, p->g->value[bn->in[1]].data, (size_t) n * sizeof(*v));
    memcpy(v + n, p->g->value[bn->in[2]].data, (size_t) n * sizeof(*v));

    for (int64_t i = 0; i < n; i++) {
        if (mul) {
            v[i] *= c[i];
            v[n + i] *= c[i];
        } else {
            v[n + i] += c[i];
        }
    }

    MAAS_TRY(scale_const(p, v, n, &in[1]));
    MAAS_TRY(scale_const(p, v + n, n, &in[2]));
    bn->in = in;

    return MAAS_OK;
}


static maas_status_t
scale_run(maas_pass_t *p)
{
    maas_vid_t      v;
    const float    *c;
    maas_node_t    *bn, *n;
    const uint32_t  all = p->g->n_node;

    for (uint32_t i = 0; i < all; i++) {
        bn = &p->g->node[i];

        while (maas_pass_norm(p, bn)) {
            v = bn->out[0];
            n = maas_pass_only_user(p, v);

            if (n == NULL || (!maas_pass_is(n, "Mul")
                              && !maas_pass_is(n, "Add")))
            {
                break;
            }

            c = scale_operand(p, n, v,
                              p->g->value[bn->in[1]].type.dims[0]);
            if (c == NULL) {
                break;
            }

            MAAS_TRY(scale_apply(p, bn, c, maas_pass_is(n, "Mul")));

            bn->out[0] = n->out[0];
            p->producer[n->out[0]] = i;
            maas_pass_delete(n);
        }
    }

    return maas_pass_sort(p);
}


const maas_pass_row_t  maas_pass_fuse_scale = {
    .name = "fuse_scale", .run = scale_run, .needs_types = true
};
