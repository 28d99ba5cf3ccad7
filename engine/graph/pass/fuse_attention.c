/*
 * fuse_attention.c: the attention that exporters spell out becomes
 * maas.Attention, which makes it head by head within the cache:
 *
 *   Q, K, V [B, S, H * D] -> Reshape [B, S, H, D] -> Transpose
 *   Softmax(scale * Q K^T [+ mask]) V -> Transpose -> Reshape [B, S, H * D]
 *
 * The scale may be a factor or divisor of the product, of Q or of K.  The
 * mask may be spelled Where(see, scores, number) or Where(hide, number,
 * scores), too; and in training a dropout may lie before the product with V.
 * What is left without readers is taken away by the pass of dead nodes.
 */

#include <math.h>


#include "graph/pass/pass.h"


/* Where an operand of the products comes from. */
typedef struct {
    maas_vid_t  x;                  /* [B, S, heads * d] */
    int64_t     heads, d;
    int         axis[4];            /* of [B, S, heads, d], for each axis */
    double      scale;
} attn_from_t;


/* n = in * c or in / c, c a constant of one element. */
static bool
attn_is_scaled(const maas_pass_t *p, const maas_node_t *n, maas_vid_t *in,
    double *scale)
{
    float  c;

    if (maas_pass_is(n, "Div") && maas_pass_scalar(p->g, n->in[1], &c)
        && c != 0)
    {
        *in = n->in[0];
        *scale /= (double) c;
        return true;
    }

    for (int i = 0; maas_pass_is(n, "Mul") && i < 2; i++) {
        if (maas_pass_scalar(p->g, n->in[i], &c)) {
            *in = n->in[1 - i];
            *scale *= (double) c;
            return true;
        }
    }

    return false;
}


/* Does the Reshape cut the last axis of [B, S, heads * d]? */
static bool
attn_is_cut(const maas_pass_t *p, maas_vid_t from, maas_vid_t to)
{
    const maas_type_t  *a = &p->g->value[from].type;
    const maas_type_t  *b = &p->g->value[to].type;

    return a->rank == 3 && b->rank == 4 && a->dtype == MAAS_F32
           && maas_dim_known(a->dims[2]) && maas_dim_known(b->dims[2])
           && maas_dim_known(b->dims[3]) && b->dims[2] > 0 && b->dims[3] > 0
           && b->dims[2] <= INT32_MAX && b->dims[3] <= INT32_MAX
           && a->dims[2] == b->dims[2] * b->dims[3]
           /* of two that multiply to the same, if one is equal both are */
           && ((a->dims[0] == b->dims[0] && a->dims[0] != MAAS_DIM_NONE
                && a->dims[0] != 0)
               || (a->dims[1] == b->dims[1] && a->dims[1] != MAAS_DIM_NONE
                   && a->dims[1] != 0));
}


/* Follows v [B, heads, ...] back over transpositions and factors. */
static bool
attn_trace(const maas_pass_t *p, maas_vid_t v, attn_from_t *f)
{
    const int64_t      *perm;
    const maas_node_t  *n;
    const maas_list_t  *l;

    f->scale = 1;

    for (int i = 0; i < 4; i++) {
        f->axis[i] = i;
    }

    for (int step = 0; step < 8; step++) {
        n = maas_pass_maker(p, v, NULL);
        if (n == NULL || n->n_post != 0) {
            return false;
        }

        if (maas_pass_is(n, "Transpose")) {
            l = maas_pass_attr(n, "perm");
            if (l == NULL || l->n != 4) {
                return false;
            }

            perm = maas_list_ints(n->attr, l);

            for (int i = 0; i < 4; i++) {
                f->axis[i] = (int) perm[f->axis[i]];
            }

            v = n->in[0];
            continue;
        }

        if (attn_is_scaled(p, n, &v, &f->scale)) {
            continue;
        }

        if (!maas_pass_is(n, "Reshape") || !attn_is_cut(p, n->in[0], v)) {
            return false;
        }

        f->x = n->in[0];
        f->heads = p->g->value[v].type.dims[2];
        f->d = p->g->value[v].type.dims[3];
        return true;
    }

    return false;
}


static bool
attn_axes(const attn_from_t *f, int a, int b, int c, int d)
{
    return f->axis[0] == a && f->axis[1] == b && f->axis[2] == c
           && f->axis[3] == d;
}


static bool
attn_same_dims(const maas_pass_t *p, maas_vid_t a, maas_vid_t b)
{
    const maas_type_t  *x = &p->g->value[a].type, *y = &p->g->value[b].type;

    return x->rank == 4 && maas_type_same_dims(x, y);
}


/* What is softened, and what comes with it. */
typedef struct {
    maas_vid_t  mask;
    bool        hides;              /* the mask is bool, true hides */
    float       fill;               /* of a bool mask */
    double      scale;
    maas_vid_t  key;                /* of the dropout */
    int64_t     drop;
    float       ratio;
} attn_soft_t;


/* Where the scores are replaced; returns what they are else. */
static maas_vid_t
attn_where(const maas_pass_t *p, maas_vid_t v, attn_soft_t *a)
{
    const maas_type_t  *t;
    const maas_node_t  *n = maas_pass_maker(p, v, "Where");

    for (int i = 1; n != NULL && n->n_post == 0 && i < 3; i++) {
        t = &p->g->value[n->in[0]].type;

        if (maas_pass_scalar(p->g, n->in[3 - i], &a->fill) && a->fill < 0
            && t->dtype == MAAS_BOOL && t->rank >= 1 && t->rank <= 4
            && t->format == MAAS_FMT_PLAIN && attn_same_dims(p, n->in[i], v))
        {
            a->mask = n->in[0];
            a->hides = i == 2;
            return n->in[i];
        }
    }

    return v;
}


/* v = [mask +] scale * MatMul(q, k); the mask may be either operand. */
static const maas_node_t *
attn_scores(const maas_pass_t *p, maas_vid_t v, attn_soft_t *a)
{
    maas_vid_t          in, *mask = &a->mask;
    const maas_type_t  *t;
    const maas_node_t  *n, *m;

    v = attn_where(p, v, a);
    n = maas_pass_maker(p, v, "Add");

    for (int i = 0; n != NULL && *mask == MAAS_NOVAL && i < 2; i++) {
        t = &p->g->value[n->in[1 - i]].type;

        m = maas_pass_maker(p, n->in[i], NULL);
        if (n->n_post == 0 && m != NULL && t->dtype == MAAS_F32
            && t->rank >= 1 && t->rank <= 4
            && t->format == MAAS_FMT_PLAIN
            && (maas_pass_is(m, "MatMul") || maas_pass_is(m, "Mul")
                || maas_pass_is(m, "Div"))
            && attn_same_dims(p, n->in[i], v))
        {
            *mask = n->in[1 - i];
            v = n->in[i];
        }
    }

    for (int step = 0; step < 4; step++) {
        n = maas_pass_maker(p, v, NULL);

        if (n == NULL || n->n_post != 0) {
            return NULL;
        }

        if (maas_pass_is(n, "MatMul")) {
            return n;
        }

        if (!attn_is_scaled(p, n, &in, &a->scale)) {
            return NULL;
        }

        v = in;
    }

    return NULL;
}


/* The node `op` that alone reads v. */
static const maas_node_t *
attn_next(const maas_pass_t *p, maas_vid_t v, const char *op)
{
    const maas_node_t  *n;

    n = maas_pass_is_output(p->g, v) ? NULL : maas_pass_only_user(p, v);
    return n != NULL && n->n_post == 0 && n->in[0] == v
           && maas_pass_is(n, op) ? n : NULL;
}


/* Behind the second product: Transpose and Reshape to [B, S, heads * d]. */
static const maas_node_t *
attn_end(const maas_pass_t *p, maas_vid_t v)
{
    const int64_t      *perm;
    const maas_node_t  *n = attn_next(p, v, "Transpose");
    const maas_list_t  *l = n != NULL ? maas_pass_attr(n, "perm") : NULL;

    if (l == NULL || l->n != 4) {
        return NULL;
    }

    perm = maas_list_ints(n->attr, l);
    v = n->out[0];

    if (perm[0] != 0 || perm[1] != 2 || perm[2] != 1 || perm[3] != 3) {
        return NULL;
    }

    n = attn_next(p, v, "Reshape");
    return n != NULL && attn_is_cut(p, n->out[0], v) ? n : NULL;
}


/* The product with V that alone reads v, behind a dropout or not. */
static const maas_node_t *
attn_product(const maas_pass_t *p, maas_vid_t v, attn_soft_t *a)
{
    const maas_node_t  *n;

    n = maas_pass_is_output(p->g, v) ? NULL : maas_pass_only_user(p, v);

    if (n != NULL && n->op != NULL && strcmp(n->op->domain, "maas") == 0
        && strcmp(n->op->name, "Dropout") == 0 && n->n_post == 0)
    {
        a->key = n->in[1];
        a->ratio = *(const float *) maas_pass_attr(n, "ratio");
        (void) maas_pass_attr_int(n, "node", &a->drop);
        v = n->out[0];
    }

    return attn_next(p, v, "MatMul");
}


static maas_status_t
attn_become(maas_pass_t *p, uint32_t i, const attn_soft_t *a,
    const maas_vid_t *qkv, int64_t heads)
{
    uint32_t         n = 3, n_attr = 4;
    maas_vid_t       in[8];
    maas_raw_attr_t  attr[7] = {
        maas_pass_int("q_num_heads", heads),
        maas_pass_int("kv_num_heads", heads),
        maas_pass_float("scale", (float) a->scale),
        maas_pass_int("nan", 1)
    };

    memcpy(in, qkv, 3 * sizeof(*in));

    if (a->mask != MAAS_NOVAL) {
        in[n++] = a->mask;
    }

    if (a->hides) {
        MAAS_TRY(maas_pass_emit(p, "", "Not", NULL, 0, &a->mask, 1,
                                &p->g->value[a->mask].type, &in[3]));
    }

    if (a->mask != MAAS_NOVAL && a->fill < 0 && !isinf(a->fill)) {
        attr[n_attr++] = maas_pass_float("fill", a->fill);
    }

    if (a->key != MAAS_NOVAL) {
        while (n < 7) {
            in[n++] = MAAS_NOVAL;
        }

        in[n++] = a->key;
        attr[n_attr++] = maas_pass_float("ratio", a->ratio);
        attr[n_attr++] = maas_pass_int("drop", a->drop);
    }

    return maas_pass_become(p, i, "maas", "Attention", attr, n_attr, in, n);
}


static maas_status_t
attn_node(maas_pass_t *p, const maas_node_t *softmax)
{
    int64_t             axis = -1;
    attn_soft_t         a = { .mask = MAAS_NOVAL, .scale = 1,
                              .key = MAAS_NOVAL };
    attn_from_t         q, k, v;
    const maas_node_t  *mm, *pv, *end;

    if (p->g->value[softmax->in[0]].type.rank != 4
        || !maas_pass_attr_int(softmax, "axis", &axis)
        || (axis != -1 && axis != 3))
    {
        return MAAS_OK;
    }

    mm = attn_scores(p, softmax->in[0], &a);
    pv = attn_product(p, softmax->out[0], &a);
    end = pv != NULL ? attn_end(p, pv->out[0]) : NULL;

    if (mm == NULL || end == NULL || !attn_trace(p, mm->in[0], &q)
        || !attn_trace(p, mm->in[1], &k) || !attn_trace(p, pv->in[1], &v)
        || !attn_axes(&q, 0, 2, 1, 3) || !attn_axes(&k, 0, 2, 3, 1)
        || !attn_axes(&v, 0, 2, 1, 3) || q.heads != k.heads
        || q.heads != v.heads || q.d != k.d || v.scale != 1)
    {
        return MAAS_OK;
    }

    a.scale *= q.scale * k.scale;
    if (!((float) a.scale > 0)) {
        return MAAS_OK;
    }

    return attn_become(p, (uint32_t) (end - p->g->node), &a,
                       (maas_vid_t[]) { q.x, k.x, v.x }, q.heads);
}


static maas_status_t
attn_run(maas_pass_t *p)
{
    for (uint32_t i = 0; i < p->g->n_node; i++) {
        if (maas_pass_is(&p->g->node[i], "Softmax")
            && p->g->node[i].n_post == 0)
        {
            MAAS_TRY(attn_node(p, &p->g->node[i]));
        }
    }

    return maas_pass_sort(p);
}


const maas_pass_row_t  maas_pass_fuse_attention = {
    .name = "fuse_attention", .run = attn_run, .needs_types = true
};
