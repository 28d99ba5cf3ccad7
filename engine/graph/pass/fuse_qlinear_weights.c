/*
 * fuse_qlinear_weights.c: Conv, Gemm and MatMul of fuse_qlinear.c: what has
 * constant weights, whose codes and scales are taken as they are.
 */

#include <math.h>

#include "graph/pass/fuse_qlinear.h"


/* -- Conv ---------------------------------------------------------------- */

/* Weights: constant codes, with scales of their output channels. */
typedef struct {
    maas_vid_t           q, scale, zero;
    const maas_value_t  *w, *s, *z;     /* z: NULL when absent */
    int64_t              scales, zeros;
} weight_t;


/* axis: of the output channels, whose number is n. */
static bool
fq_weight(const fq_t *f, maas_vid_t v, int axis, weight_t *w)
{
    int64_t             given = 1, block = 0, n;
    const maas_node_t  *d = maas_pass_maker(f->p, v, "DequantizeLinear");

    if (d == NULL || d->n_post != 0
        || f->p->g->value[v].type.dtype != MAAS_F32)
    {
        return false;
    }

    memset(w, 0, sizeof(*w));
    w->q = d->in[0];
    w->scale = d->in[1];
    w->zero = d->n_formal > 2 ? d->in[2] : MAAS_NOVAL;
    w->w = maas_pass_const(f->p->g, w->q);
    w->s = maas_pass_const(f->p->g, w->scale);
    w->z = w->zero != MAAS_NOVAL ? maas_pass_const(f->p->g, w->zero) : NULL;
    w->zeros = 1;

    if (w->w == NULL || w->s == NULL || w->w->type.rank < 2
        || (w->w->type.dtype != MAAS_I8 && w->w->type.dtype != MAAS_U8)
        || w->s->type.dtype != MAAS_F32 || w->s->type.rank > 1
        || (w->zero != MAAS_NOVAL
            && (w->z == NULL || w->z->type.rank > 1
                || w->z->type.dtype != w->w->type.dtype)))
    {
        return false;
    }

    n = w->w->type.dims[axis];
    w->scales = maas_dims_count(w->s->type.dims, w->s->type.rank);

    if (w->z != NULL) {
        w->zeros = maas_dims_count(w->z->type.dims, w->z->type.rank);
    }

    (void) maas_pass_attr_int(d, "axis", &given);
    (void) maas_pass_attr_int(d, "block_size", &block);
    given += given < 0 ? w->w->type.rank : 0;

    if (block != 0 || n < 1 || (w->scales != 1 && w->scales != n)
        || (w->zeros != 1 && w->zeros != n)
        || ((w->scales > 1 || w->zeros > 1) && given != axis))
    {
        return false;
    }

    for (int64_t i = 0; i < w->scales; i++) {
        if (!(((const float *) w->s->data)[i] > 0)
            || !isfinite(((const float *) w->s->data)[i]))
        {
            return false;
        }
    }

    return true;
}


/* A constant bias as float32 numbers; of int32 codes where q is given. */
typedef struct {
    const float    *f;
    const int32_t  *q;
    const float    *scale;
    int64_t         scales;
} bias_t;


static bool
fq_bias(const fq_t *f, maas_vid_t v, int64_t n, bias_t *b)
{
    const maas_value_t  *c = maas_pass_const(f->p->g, v), *s, *z = NULL;
    const maas_node_t   *d;

    memset(b, 0, sizeof(*b));

    if (c != NULL && c->type.dtype == MAAS_F32) {
        b->f = c->data;
        return c->type.rank == 1 && c->type.dims[0] == n;
    }

    d = maas_pass_maker(f->p, v, "DequantizeLinear");

    if (d == NULL || d->n_post != 0) {
        return false;
    }

    c = maas_pass_const(f->p->g, d->in[0]);
    s = maas_pass_const(f->p->g, d->in[1]);

    if (d->n_formal > 2 && d->in[2] != MAAS_NOVAL) {
        z = maas_pass_const(f->p->g, d->in[2]);

        if (z == NULL || z->type.dtype != MAAS_I32) {
            return false;
        }

        for (int64_t i = 0;
             i < maas_dims_count(z->type.dims, z->type.rank); i++)
        {
            if (((const int32_t *) z->data)[i] != 0) {
                return false;
            }
        }
    }

    if (c == NULL || s == NULL || c->type.dtype != MAAS_I32
        || c->type.rank != 1 || c->type.dims[0] != n
        || s->type.dtype != MAAS_F32 || s->type.rank > 1)
    {
        return false;
    }

    b->q = c->data;
    b->scale = s->data;
    b->scales = maas_dims_count(s->type.dims, s->type.rank);

    return b->scales == 1 || b->scales == n;
}


/* The bias in units of the products; false: it is too large for int32. */
static bool
fq_bias_codes(const bias_t *b, float sx, const weight_t *w, int64_t n,
    int32_t *out)
{
    double  unit, v;

    for (int64_t i = 0; i < n; i++) {
        unit = (double) sx
               * (double) ((const float *) w->s->data)[w->scales > 1 ? i : 0];

        if (b->f != NULL) {
            v = (double) b->f[i] / unit;

        } else {
            v = (double) b->scale[b->scales > 1 ? i : 0] / unit;
            v = fabs(v - 1) < 1e-5 ? b->q[i] : b->q[i] * v;
        }

        v = nearbyint(v);

        if (!(fabs(v) <= 0x7fffffff)) {
            return false;
        }

        out[i] = (int32_t) v;
    }

    return true;
}


static maas_status_t
fq_conv_make(const fq_t *f, uint32_t i, const fq_codes_t *x, const weight_t *w,
    const bias_t *b, const fq_end_t *e)
{
    int32_t           *bias = NULL;
    int64_t            n = w->w->type.dims[0], group = 1;
    fq_codes_t            zw = { .zero = w->zero, .type = w->w->type.dtype };
    maas_vid_t         in[9];
    const maas_node_t  node = f->p->g->node[i];

    if (b != NULL) {
        bias = maas_arena_array(f->p->g->arena, (size_t) n, sizeof(int32_t));
        if (bias == NULL) {
            return maas_err_nomem(f->p->err);
        }

        if (!fq_bias_codes(b, x->s, w, n, bias)) {
            return MAAS_OK;
        }

        MAAS_TRY(fq_const(f, MAAS_I32, n, false, bias, &in[8]));
    }

    (void) maas_pass_attr_int(&node, "group", &group);

    maas_raw_attr_t  attr[] = {
        maas_pass_attr_word(&node, "auto_pad"),
        maas_pass_attr_list(&node, "dilations"),
        maas_pass_attr_list(&node, "kernel_shape"),
        maas_pass_attr_list(&node, "pads"),
        maas_pass_attr_list(&node, "strides"), maas_pass_int("group", group),
        maas_pass_int("low", e->low), maas_pass_int("high", e->high)
    };

    in[0] = x->q;
    in[1] = x->scale;
    MAAS_TRY(fq_zero(f, x, &in[2]));
    in[3] = w->q;
    in[4] = w->scale;
    MAAS_TRY(fq_zero(f, &zw, &in[5]));
    in[6] = e->to.scale;
    MAAS_TRY(fq_zero(f, &e->to, &in[7]));

    return fq_become(f, i, e, "maas", "QConvLimited", attr, maas_nelts(attr),
                     in, b != NULL ? 9 : 8);
}


maas_status_t
fq_conv(const fq_t *f, uint32_t i)
{
    bias_t              b;
    fq_codes_t             x;
    fq_end_t            e;
    weight_t            w;
    bool                has;
    const maas_node_t  *n = &f->p->g->node[i];

    has = n->n_formal > 2 && n->in[2] != MAAS_NOVAL;

    if (!fq_from(f, n->in[0], &x) || !fq_weight(f, n->in[1], 0, &w)
        || !fq_end(f, n, &e)
        || (has && !fq_bias(f, n->in[2], w.w->type.dims[0], &b)))
    {
        return MAAS_OK;
    }

    return fq_conv_make(f, i, &x, &w, has ? &b : NULL, &e);
}


/* -- Gemm, MatMul -------------------------------------------------------- */

/* The matrix with its rows as columns. */
static maas_status_t
fq_turn(const fq_t *f, maas_vid_t *v)
{
    uint8_t              *y;
    const uint8_t        *x = f->p->g->value[*v].data;
    maas_tensor_t         t = maas_value_tensor(&f->p->g->value[*v]);
    int64_t               rows = t.dims[0], cols = t.dims[1];

    t.dims[0] = cols;
    t.dims[1] = rows;
    t.data = y = maas_arena_alloc(f->p->g->arena, t.bytes);
    if (y == NULL) {
        return maas_err_nomem(f->p->err);
    }

    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < cols; j++) {
            y[j * rows + i] = x[i * cols + j];
        }
    }

    *v = maas_graph_const(f->p->g, f->p->g->value[*v].name, &t);
    return *v == MAAS_NOVAL ? maas_err_nomem(f->p->err) : MAAS_OK;
}


static bool
fq_gemm_plain(const maas_node_t *n, int64_t *turned)
{
    int64_t       transposed = 0;
    const float  *alpha = maas_pass_attr(n, "alpha");
    const float  *beta = maas_pass_attr(n, "beta");

    *turned = 0;
    (void) maas_pass_attr_int(n, "transA", &transposed);
    (void) maas_pass_attr_int(n, "transB", turned);

    return transposed == 0 && (alpha == NULL || *alpha == 1)
           && (beta == NULL || *beta == 1);
}


/* (x - zx) (w - zw) as float32, times its scales; *y: where it lies. */
static maas_status_t
fq_product(const fq_t *f, maas_vid_t like, const fq_codes_t *x,
    const weight_t *w, maas_vid_t q, int64_t n, maas_vid_t in[2])
{
    float            *scale;
    fq_codes_t           zw = { .zero = w->zero, .type = w->w->type.dtype };
    maas_vid_t        v[4], sums;
    maas_type_t       type = f->p->g->value[like].type;
    maas_raw_attr_t   to = maas_pass_int("to", MAAS_F32);

    scale = maas_arena_array(f->p->g->arena, (size_t) n, sizeof(float));
    if (scale == NULL) {
        return maas_err_nomem(f->p->err);
    }

    for (int64_t i = 0; i < n; i++) {
        scale[i] = x->s * ((const float *) w->s->data)[w->scales > 1 ? i : 0];
    }

    v[0] = x->q;
    v[1] = q;
    MAAS_TRY(fq_zero(f, x, &v[2]));
    MAAS_TRY(fq_zero(f, &zw, &v[3]));

    type.dtype = MAAS_I32;
    MAAS_TRY(maas_pass_emit(f->p, "", "MatMulInteger", NULL, 0, v, 4, &type,
                            &sums));
    type.dtype = MAAS_F32;
    MAAS_TRY(maas_pass_emit(f->p, "", "Cast", &to, 1, &sums, 1, &type,
                            &in[0]));

    return fq_const(f, MAAS_F32, n, false, scale, &in[1]);
}


maas_status_t
fq_matmul(const fq_t *f, uint32_t i)
{
    bool           gemm = maas_pass_is(&f->p->g->node[i], "Gemm"), bias;
    int64_t        turned = 0, n;
    fq_codes_t        x;
    weight_t       w;
    maas_vid_t     in[2], like, q;
    maas_type_t    type;
    maas_node_t    node = f->p->g->node[i];

    bias = gemm && node.n_formal > 2 && node.in[2] != MAAS_NOVAL;

    if (node.n_post != 0 || (gemm && !fq_gemm_plain(&node, &turned))
        || !fq_from(f, node.in[0], &x)
        || f->p->g->value[node.in[0]].type.rank < 2
        || !fq_weight(f, node.in[1], turned ? 0 : 1, &w)
        || w.w->type.rank != 2)
    {
        return MAAS_OK;
    }

    q = w.q;
    n = w.w->type.dims[turned ? 0 : 1];

    if (w.w->type.dims[turned ? 1 : 0] < 1) {
        return MAAS_OK;
    }

    if (turned) {
        MAAS_TRY(fq_turn(f, &q));
    }

    like = node.out[0];
    type = f->p->g->value[like].type;
    MAAS_TRY(fq_product(f, like, &x, &w, q, n, in));

    if (!bias) {
        return maas_pass_become(f->p, i, "", "Mul", NULL, 0, in, 2);
    }

    MAAS_TRY(maas_pass_emit(f->p, "", "Mul", NULL, 0, in, 2, &type, &q));
    in[0] = q;
    in[1] = node.in[2];
    return maas_pass_become(f->p, i, "", "Add", NULL, 0, in, 2);
}
