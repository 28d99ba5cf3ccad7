/*
 * postop.c: an elementwise node that alone reads the result of a node with
 * post-ops becomes one of them: Conv + bias + residual + Relu is one step.
 * The producer moves to the place of the node it swallows, where all the
 * operands are known.
 */

#include "graph/pass/pass.h"


#define POSTOP_MAX  8


uint32_t
maas_pass_posts(const maas_op_t *op)
{
    uint32_t  mask = 0;

    for (int i = 0; i < op->n_kernel; i++) {
        mask |= op->kernel[i].post;
    }

    return mask;
}


/* All dims 1 but that of `axis` of out, which is equal. */
static bool
postop_along(const maas_type_t *x, const maas_type_t *out, int axis)
{
    int  off = out->rank - x->rank;

    if (off < 0 || axis < off || !maas_dim_known(out->dims[axis])) {
        return false;
    }

    for (int i = 0; i < x->rank; i++) {
        if (x->dims[i] != (i + off == axis ? out->dims[axis] : 1)) {
            return false;
        }
    }

    return true;
}


/* One value for each image and channel. */
static bool
postop_plane(const maas_type_t *x, const maas_type_t *out)
{
    if (x->rank != out->rank || x->rank < 3 || x->dims[0] != out->dims[0]
        || x->dims[1] != out->dims[1])
    {
        return false;
    }

    for (int i = 2; i < x->rank; i++) {
        if (x->dims[i] != 1) {
            return false;
        }
    }

    return x->dims[0] != MAAS_DIM_NONE && x->dims[1] != MAAS_DIM_NONE;
}


/* How the operand's shape relates to the output's; false: not at all. */
static bool
postop_kind(const maas_type_t *x, const maas_type_t *out, maas_post_t *post)
{
    bool  one = true;

    if (x->rank < 0 || out->rank < 1 || x->dtype != MAAS_F32
        || x->format != MAAS_FMT_PLAIN || x->rank > out->rank)
    {
        return false;
    }

    for (int i = 0; i < x->rank; i++) {
        one = one && x->dims[i] == 1;
    }

    if (one) {
        post->kind = MAAS_POST_BINARY_SCALAR;
    } else if (postop_along(x, out, out->rank - 1)) {
        post->kind = MAAS_POST_BINARY_LAST;
    } else if (out->rank >= 3 && postop_along(x, out, 1)) {
        post->kind = MAAS_POST_BINARY_CHANNEL;
    } else if (maas_type_same_dims(x, out)) {
        post->kind = MAAS_POST_BINARY;
    } else if (postop_plane(x, out)) {
        post->kind = MAAS_POST_BINARY_PLANE;
    } else {
        return false;
    }

    return true;
}


bool
maas_pass_as_post(const maas_pass_t *p, const maas_node_t *n, int i,
    maas_post_t *post)
{
    const void         *data[4] = { NULL };
    const maas_type_t  *in, *out;

    if (n->op->as_post == NULL || n->n_post != 0 || n->n_out != 1
        || n->n_in > 4)
    {
        return false;
    }

    for (int j = 0; j < n->n_in; j++) {
        if (n->in[j] != MAAS_NOVAL && maas_pass_const(p->g, n->in[j])) {
            data[j] = p->g->value[n->in[j]].data;
        }
    }

    in = &p->g->value[n->in[i]].type;
    out = &p->g->value[n->out[0]].type;

    if (in->dtype != MAAS_F32 || out->dtype != MAAS_F32
        || !maas_type_same_dims(in, out) || !n->op->as_post(n, i, data, post))
    {
        return false;
    }

    return post->kind == MAAS_POST_UNARY
           || (n->in[post->operand] != n->in[i]
               && postop_kind(&p->g->value[n->in[post->operand]].type, out,
                              post));
}


static maas_status_t
postop_fuse(maas_pass_t *p, maas_node_t *from, maas_node_t *n,
    const maas_post_t *post)
{
    bool           binary = post->kind != MAAS_POST_UNARY;
    maas_vid_t    *in;
    maas_node_t    fused = *from;
    maas_post_t   *list;
    maas_arena_t  *a = p->g->arena;

    list = maas_arena_array(a, from->n_post + 1, sizeof(maas_post_t));
    in = maas_arena_array(a, from->n_in + 1, sizeof(maas_vid_t));
    if (list == NULL || in == NULL) {
        return maas_err_nomem(p->err);
    }

    if (from->n_post != 0) {
        memcpy(list, from->post, from->n_post * sizeof(maas_post_t));
    }

    memcpy(in, from->in, from->n_in * sizeof(maas_vid_t));
    list[from->n_post] = *post;

    if (binary) {
        in[from->n_in] = n->in[post->operand];
        list[from->n_post].operand = from->n_in;
        p->consumer[in[from->n_in]] = n - p->g->node;
        fused.n_in++;
    }

    fused.in = in;
    fused.post = list;
    fused.n_post++;
    fused.out = maas_arena_dup(a, n->out, sizeof(maas_vid_t));
    if (fused.out == NULL) {
        return maas_err_nomem(p->err);
    }

    for (int j = 0; j < from->n_in; j++) {
        if (in[j] != MAAS_NOVAL
            && p->consumer[in[j]] == (uint32_t) (from - p->g->node))
        {
            p->consumer[in[j]] = n - p->g->node;
        }
    }

    p->producer[fused.out[0]] = n - p->g->node;
    maas_pass_delete(from);
    *n = fused;

    return MAAS_OK;
}


/* Tries to make node i a post-op of one of its producers. */
static maas_status_t
postop_node(maas_pass_t *p, uint32_t i)
{
    uint32_t      at;
    maas_post_t   post;
    maas_node_t  *from, *n = &p->g->node[i];

    for (int j = 0; j < n->n_in; j++) {
        if (n->in[j] == MAAS_NOVAL || p->uses[n->in[j]] != 1) {
            continue;
        }

        at = p->producer[n->in[j]];
        if (at == MAAS_NONODE || maas_pass_is_output(p->g, n->in[j])) {
            continue;
        }

        from = &p->g->node[at];
        memset(&post, 0, sizeof(post));

        if (from->op == NULL || from->n_out != 1
            || from->n_post >= POSTOP_MAX || maas_pass_posts(from->op) == 0
            || !maas_pass_as_post(p, n, j, &post)
            || !(maas_pass_posts(from->op) & (1u << post.kind)))
        {
            continue;
        }

        return postop_fuse(p, from, n, &post);
    }

    return MAAS_OK;
}


static maas_status_t
postop_run(maas_pass_t *p)
{
    for (uint32_t i = 0; i < p->g->n_node; i++) {
        if (p->g->node[i].op != NULL) {
            MAAS_TRY(postop_node(p, i));
        }
    }

    return maas_pass_sort(p);
}


const maas_pass_row_t  maas_pass_postop = {
    .name = "postop", .run = postop_run, .needs_types = true
};
