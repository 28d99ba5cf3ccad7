/*
 * fuse_norm.c: LayerNormalization as it is spelled below opset 17:
 *
 *   d = x - ReduceMean(x)
 *   d / Sqrt(ReduceMean(d^2) + epsilon) * gamma [+ beta]
 *
 * along the last axis, d^2 as Pow or Mul.  What is left without readers is
 * taken away by the pass of dead nodes.
 */

#include "graph/pass/pass.h"


/* v = the mean of its input along the last axis, which stays as 1. */
static bool
norm_is_mean(const maas_pass_t *p, maas_vid_t v, maas_vid_t *of)
{
    int64_t              axis, keep = 1;
    const maas_node_t   *n = maas_pass_maker(p, v, "ReduceMean");
    const maas_value_t  *axes;

    if (n == NULL || n->n_formal < 2) {
        return false;
    }

    axes = maas_pass_const(p->g, n->in[1]);
    *of = n->in[0];

    if (axes == NULL || axes->type.dtype != MAAS_I64
        || maas_dims_count(axes->type.dims, axes->type.rank) != 1
        || !maas_pass_attr_int(n, "keepdims", &keep) || keep != 1)
    {
        return false;
    }

    axis = *(const int64_t *) axes->data;
    return axis == -1 || axis == p->g->value[*of].type.rank - 1;
}


/* v = d * d */
static bool
norm_is_square(const maas_pass_t *p, maas_vid_t v, maas_vid_t d)
{
    float               two;
    const maas_node_t  *n;

    n = maas_pass_maker(p, v, "Mul");
    if (n != NULL) {
        return n->in[0] == d && n->in[1] == d;
    }

    n = maas_pass_maker(p, v, "Pow");
    return n != NULL && n->in[0] == d
           && maas_pass_scalar(p->g, n->in[1], &two) && two == 2;
}


/* v = Sqrt(mean(d * d) + eps) */
static bool
norm_is_deviation(const maas_pass_t *p, maas_vid_t v, maas_vid_t d,
    float *eps)
{
    maas_vid_t          square;
    const maas_node_t  *n = maas_pass_maker(p, v, "Sqrt");

    n = n != NULL ? maas_pass_maker(p, n->in[0], "Add") : NULL;
    if (n == NULL) {
        return false;
    }

    for (int i = 0; i < 2; i++) {
        if (maas_pass_scalar(p->g, n->in[1 - i], eps) && *eps >= 0
            && norm_is_mean(p, n->in[i], &square)
            && norm_is_square(p, square, d))
        {
            return true;
        }
    }

    return false;
}


/* Is v a vector along the last axis of x? */
static bool
norm_is_along(const maas_pass_t *p, maas_vid_t v, maas_vid_t x)
{
    const maas_type_t  *t = &p->g->value[v].type, *xt = &p->g->value[x].type;

    return t->dtype == MAAS_F32 && t->rank == 1 && maas_dim_known(t->dims[0])
           && t->format == MAAS_FMT_PLAIN
           && t->dims[0] == xt->dims[xt->rank - 1];
}


/* The node `op` that alone reads v, its other operand along x's last axis. */
static const maas_node_t *
norm_next(const maas_pass_t *p, maas_vid_t v, const char *op, maas_vid_t x,
    maas_vid_t *operand)
{
    const maas_node_t  *n;

    n = maas_pass_is_output(p->g, v) ? NULL : maas_pass_only_user(p, v);
    if (n == NULL || !maas_pass_is(n, op) || n->n_in != 2 || n->n_post != 0) {
        return NULL;
    }

    *operand = n->in[n->in[0] == v];
    return norm_is_along(p, *operand, x) ? n : NULL;
}


static maas_status_t
norm_node(maas_pass_t *p, const maas_node_t *div)
{
    float               eps;
    uint32_t            n_in = 2;
    maas_vid_t          of, in[3];
    const maas_node_t  *sub, *last, *add;

    sub = maas_pass_maker(p, div->in[0], "Sub");
    if (sub == NULL || p->g->value[sub->in[0]].type.dtype != MAAS_F32
        || p->g->value[sub->in[0]].type.rank < 1
        || !norm_is_mean(p, sub->in[1], &of) || of != sub->in[0]
        || !norm_is_deviation(p, div->in[1], div->in[0], &eps))
    {
        return MAAS_OK;
    }

    in[0] = of;
    last = norm_next(p, div->out[0], "Mul", of, &in[1]);
    if (last == NULL) {
        return MAAS_OK;
    }

    add = norm_next(p, last->out[0], "Add", of, &in[2]);
    if (add != NULL) {
        last = add;
        n_in = 3;
    }

    maas_raw_attr_t     attr[] = {
        maas_pass_int("axis", -1), maas_pass_float("epsilon", eps)
    };

    return maas_pass_become(p, (uint32_t) (last - p->g->node), "",
                            "LayerNormalization", attr, maas_nelts(attr), in,
                            n_in);
}


static maas_status_t
norm_run(maas_pass_t *p)
{
    for (uint32_t i = 0; i < p->g->n_node; i++) {
        if (maas_pass_is(&p->g->node[i], "Div")
            && p->g->node[i].n_post == 0)
        {
            MAAS_TRY(norm_node(p, &p->g->node[i]));
        }
    }

    return maas_pass_sort(p);
}


const maas_pass_row_t  maas_pass_fuse_norm = {
    .name = "fuse_norm", .run = norm_run, .needs_types = true
};
