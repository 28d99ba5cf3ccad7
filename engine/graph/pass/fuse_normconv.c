/*
 * fuse_normconv.c: a blocked BatchNormalization, with its Relu or Clip, that
 * a 1x1 convolution alone reads goes into the convolution, which applies the
 * scale and the shift of each channel while it takes a band of its input:
 * maas.ConvNormed.  The values of the networks where layers are normalised
 * before they are convolved (DenseNet) pass the memory once less.
 *
 * Scale and shift are computed here, as the operator computes them, so that
 * the bits stay.  Runs behind `layout`.
 */

#include <math.h>

#include "graph/pass/pass.h"


static bool
normconv_is(const maas_node_t *n, const char *op)
{
    return n->op != NULL && strcmp(n->op->domain, "maas") == 0
           && strcmp(n->op->name, op) == 0;
}


/* All values of a list attribute are `want`, or it is absent. */
static bool
normconv_all(const maas_node_t *n, const char *name, int64_t want)
{
    const maas_list_t  *l = maas_pass_attr(n, name);

    for (uint32_t i = 0; l != NULL && i < l->n; i++) {
        if (maas_list_ints(n->attr, l)[i] != want) {
            return false;
        }
    }

    return l != NULL;
}


/* The limits of the post-ops; false: there are others. */
static bool
normconv_limits(const maas_node_t *bn, float *lo, float *hi)
{
    const maas_post_t  *q = bn->post;

    *lo = -INFINITY;
    *hi = INFINITY;

    if (bn->n_post == 0) {
        return true;
    }

    if (bn->n_post > 1 || q->kind != MAAS_POST_UNARY
        || (q->fn != MAAS_U_RELU && q->fn != MAAS_U_CLIP))
    {
        return false;
    }

    *lo = q->fn == MAAS_U_RELU ? 0 : q->a;
    *hi = q->fn == MAAS_U_RELU ? INFINITY : q->b;
    return true;
}


/* A 1x1 convolution of one group, of every pixel. */
static bool
normconv_point(const maas_pass_t *p, const maas_node_t *n)
{
    int64_t             group, pad;
    const maas_type_t  *w;

    if (!normconv_is(n, "ConvBlocked") || n->n_formal < 2
        || n->n_formal > 3)
    {
        return false;
    }

    w = &p->g->value[n->in[1]].type;

    for (int i = 2; i < w->rank; i++) {
        if (w->dims[i] != 1) {
            return false;
        }
    }

    return w->rank > 2 && w->dims[1] > 4
           && p->g->value[n->in[0]].type.format == MAAS_FMT_C16
           && maas_pass_attr_int(n, "group", &group) && group == 1
           && maas_pass_attr_int(n, "auto_pad", &pad)
           && normconv_all(n, "pads", 0) && normconv_all(n, "strides", 1);
}


static bool
normconv_match(const maas_pass_t *p, const maas_node_t *bn,
    const maas_node_t **conv)
{
    if (!normconv_is(bn, "BatchNormalizationBlocked") || bn->n_out != 1
        || bn->n_formal != 5 || bn->n_in != 5)
    {
        return false;
    }

    for (int i = 1; i < 5; i++) {
        if (maas_pass_const(p->g, bn->in[i]) == NULL
            || p->g->value[bn->in[i]].type.dtype != MAAS_F32)
        {
            return false;
        }
    }

    *conv = maas_pass_only_user(p, bn->out[0]);

    return *conv != NULL && (*conv)->in[0] == bn->out[0]
           && normconv_point(p, *conv);
}


/* Scale and shift, of whole blocks; zeros beyond the channels. */
static maas_status_t
normconv_scales(maas_pass_t *p, const maas_node_t *bn, maas_vid_t *scale,
    maas_vid_t *shift)
{
    float           eps = 1e-5f, *v;
    double          a;
    int64_t         n = p->g->value[bn->in[1]].type.dims[0], wide;
    const float    *par[5];
    maas_tensor_t   t = { .dtype = MAAS_F32, .rank = 1 };

    memcpy(&eps, maas_pass_attr(bn, "epsilon"), sizeof(eps));
    wide = (n + MAAS_C16 - 1) / MAAS_C16 * MAAS_C16;

    v = maas_arena_array(p->g->arena, 2 * wide, sizeof(*v));
    if (v == NULL) {
        return maas_err_nomem(p->err);
    }

    for (int i = 1; i < 5; i++) {
        par[i] = p->g->value[bn->in[i]].data;
    }

    for (int64_t i = 0; i < n; i++) {
        a = (double) par[1][i] / sqrt((double) par[4][i] + (double) eps);
        v[i] = (float) a;
        v[wide + i] = (float) ((double) par[2][i] - (double) par[3][i] * a);
    }

    t.dims[0] = wide;
    t.bytes = (size_t) wide * sizeof(*v);
    t.data = v;
    *scale = maas_graph_const(p->g, maas_str(""), &t);
    t.data = v + wide;
    *shift = maas_graph_const(p->g, maas_str(""), &t);

    return *scale == MAAS_NOVAL || *shift == MAAS_NOVAL
           ? maas_err_nomem(p->err) : MAAS_OK;
}


static maas_status_t
normconv_fuse(maas_pass_t *p, maas_node_t *bn, uint32_t at, float lo,
    float hi)
{
    int              n = 5;
    maas_vid_t      *in;
    maas_node_t      c = p->g->node[at];
    maas_post_t     *post;
    maas_raw_attr_t  attr[2];

    in = maas_arena_array(p->g->arena, c.n_in + 3, sizeof(*in));
    post = maas_arena_array(p->g->arena, c.n_post + 1, sizeof(*post));
    if (in == NULL || post == NULL) {
        return maas_err_nomem(p->err);
    }

    in[0] = bn->in[0];
    in[1] = c.in[1];
    in[2] = c.n_formal > 2 ? c.in[2] : MAAS_NOVAL;
    MAAS_TRY(normconv_scales(p, bn, &in[3], &in[4]));

    for (int i = 0; i < c.n_post; i++) {
        post[i] = c.post[i];

        if (post[i].kind != MAAS_POST_UNARY) {
            in[n] = c.in[post[i].operand];
            post[i].operand = n++;
        }
    }

    attr[0] = maas_pass_float("low", lo);
    attr[1] = maas_pass_float("high", hi);
    MAAS_TRY(maas_pass_become(p, at, "maas", "ConvNormed", attr, 2, in, n));

    p->g->node[at].n_formal = 5;
    p->g->node[at].post = post;
    maas_pass_delete(bn);
    return MAAS_OK;
}


static maas_status_t
normconv_run(maas_pass_t *p)
{
    float               lo, hi;
    const maas_node_t  *conv;

    for (uint32_t i = 0; i < p->g->n_node; i++) {
        if (normconv_match(p, &p->g->node[i], &conv)
            && normconv_limits(&p->g->node[i], &lo, &hi))
        {
            MAAS_TRY(normconv_fuse(p, &p->g->node[i],
                                   (uint32_t) (conv - p->g->node), lo, hi));
        }
    }

    return maas_pass_sort(p);
}


const maas_pass_row_t  maas_pass_fuse_normconv = {
    .name = "fuse_normconv", .run = normconv_run, .needs_types = true
};
