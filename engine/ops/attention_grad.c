/*
 * attention_grad: the gradient of Attention, one operator of domain maas.
 * With P = softmax(scale Q K^T + mask), dropped to P' = P F, and Y = P' V:
 *
 *   dV = P'^T dY                  dP = (dY V^T) F
 *   dS = P (dP - rowsum(P dP))    dQ = scale dS K,  dK = scale dS^T Q
 *
 * P is made again from Q and K by blocks of rows of Q, which lie within the
 * cache with their dP; nothing of the forward pass is kept.  F comes from
 * its counter again.  A unit is a head of K and V of one image, with all the
 * heads of Q that share it, whose sums it adds in their order.
 *
 * Dao et al., "FlashAttention", 2022, has the formulas; rows are whole here.
 *
 * Ownership: packed K and V, P and dP lie in the scratch of a thread.
 * Threads:   units are independent.
 */

#include <math.h>

#include "ops/attention.h"
#include "ops/grads.h"


enum { AG_DQ, AG_DK, AG_DV, AG_DMASK };

typedef struct {
    const maas_step_t  *s;
    att_geom_t          g;
    int64_t             rows;       /* of a block */
    float              *p, *d;      /* rows x total: P, then P'; dP, dS */
    float              *cap;        /* rows x total: 1 - tanh^2 */
    float              *drop;       /* a row of factors */
    float              *kt, *kr;    /* panels of K^T and of K */
    float              *vt;         /* of V^T */
    float              *qr, *yr;    /* of a block's rows of Q and dY */
} ag_t;


/* Higher blocks pack less; P and dP should stay in the second cache. */
static int64_t
ag_rows(const att_geom_t *g)
{
    return maas_min(maas_max(g->sq, 1), g->total <= 512 ? 2 * ATT_ROWS
                                                        : ATT_ROWS);
}


static char *
ag_take(char **p, int64_t n, size_t size)
{
    char  *at = *p;

    *p += att_room(n, size);
    return at;
}


/* Lays the scratch out; returns its bytes when it starts at NULL. */
static size_t
ag_layout(ag_t *a, char *scratch, size_t size, bool cap)
{
    char              *p = scratch;
    const att_geom_t  *g = &a->g;

    a->rows = ag_rows(g);
    a->p = (float *) ag_take(&p, a->rows * g->total, size);
    a->d = (float *) ag_take(&p, a->rows * g->total, size);
    a->cap = (float *) ag_take(&p, cap ? a->rows * g->total : 0, size);
    a->drop = (float *) ag_take(&p, g->total, size);

    if (size == sizeof(float)) {
        a->kt = (float *) ag_take(&p, (int64_t)
                                  maas_p16_elems(g->d, g->total), size);
        a->kr = (float *) ag_take(&p, (int64_t)
                                  maas_p16_elems(g->total, g->d), size);
        a->vt = (float *) ag_take(&p, (int64_t)
                                  maas_p16_elems(g->dv, g->total), size);
        a->qr = (float *) ag_take(&p, (int64_t)
                                  maas_p16_elems(a->rows, g->d), size);
        a->yr = (float *) ag_take(&p, (int64_t)
                                  maas_p16_elems(a->rows, g->dv), size);
    }

    return (size_t) (p - scratch);
}


static double
ag_flops(const maas_setup_t *u)
{
    att_geom_t  g;

    /* Four products; that which makes P again does not count. */
    att_geom(&g, u->attr, u->in, u->n_formal);
    return 4 * (double) (g.b * g.hq * g.sq) * (double) g.total
           * (double) (g.d + g.dv);
}


static bool
ag_setup(maas_setup_t *u)
{
    ag_t                a = { 0 };
    static char         base[MAAS_ALIGN];
    const att_attr_t   *at = u->attr;

    att_geom(&a.g, at, u->in, u->n_formal);
    u->units = maas_max(a.g.b * a.g.hk, 1);
    u->scratch = ag_layout(&a, base, maas_dtype_size(u->in[0].dtype),
                           at->softcap > 0);
    u->cost = 100 + ag_flops(u) / 30 + 3 * (double) (a.g.b * a.g.hq * a.g.sq)
                                         * (double) a.g.total;
    return true;
}


/* -- places -------------------------------------------------------------- */

/* Element 0 of head h of image b: of Q or dQ, of K or dK, V or dV, of dY. */
static int64_t
ag_q(const att_geom_t *g, int64_t b, int64_t h)
{
    return b * g->hq * g->sq * g->d + h * g->q_head;
}


static int64_t
ag_k(const att_geom_t *g, int64_t b, int64_t h)
{
    return b * g->hk * g->sk * g->d + h * g->k_head;
}


static int64_t
ag_v(const att_geom_t *g, int64_t b, int64_t h)
{
    return b * g->hk * g->sk * g->dv + h * g->v_head;
}


static int64_t
ag_y(const att_geom_t *g, int64_t b, int64_t h)
{
    return b * g->hq * g->sq * g->dv + h * g->y_head;
}


/* Where dL/d(scores) of a row is wanted: the mask is learned. */
static bool
ag_masks(const maas_step_t *s)
{
    return s->n_out > AG_DMASK && s->out[AG_DMASK].dtype != MAAS_NODTYPE
           && s->out[AG_DMASK].data != NULL;
}


/* -- float32 ------------------------------------------------------------- */

/* 1 - tanh^2(scale s / softcap) of the products, before they are weights. */
static void
ag_cap_f32(const ag_t *a, int64_t n)
{
    float                  cap = ((const att_attr_t *) a->s->attr)->softcap;
    const maas_kernels_t  *k = a->s->k;

    k->unary[MAAS_U_AFFINE](a->cap, a->p, n, a->g.scale, 0);
    k->unary[MAAS_U_AFFINE](a->cap, a->cap, n, 1 / cap, 0);
    k->unary[MAAS_U_TANH](a->cap, a->cap, n, 0, 0);
    k->binary[MAAS_B_MUL](a->cap, a->cap, 1, a->cap, 1, n);
    k->unary[MAAS_U_AFFINE](a->cap, a->cap, n, -1, 1);
}


/* Row r of a block, which is row i of Q: P to P', dP' to scale dS. */
static void
ag_row_f32(const ag_t *a, int64_t b, int64_t h, int64_t i, int64_t r)
{
    bool                   drop, slow;
    float                 *p = a->p + r * a->g.total;
    float                 *d = a->d + r * a->g.total;
    int64_t                n = a->g.total;
    const att_attr_t      *at = a->s->attr;
    const maas_kernels_t  *k = a->s->k;

    slow = at->softcap > 0 || ag_masks(a->s);
    drop = att_drop_row(a->s, &a->g, a->drop, b, h, i);
    att_row_f32(a->s, &a->g, p, b, h, i);

    if (drop) {
        k->binary[MAAS_B_MUL](d, d, 1, a->drop, 1, n);
    }

    k->softmax_back(d, p, n, slow ? 1 : a->g.scale);

    if (ag_masks(a->s)) {
        memcpy((float *) a->s->out[AG_DMASK].data
               + ((b * a->g.hq + h) * a->g.sq + i) * n, d,
               (size_t) n * sizeof(float));
    }

    att_unhide(a->s, &a->g, d, b, h, i);

    if (at->softcap > 0) {
        k->binary[MAAS_B_MUL](d, d, 1, a->cap + r * n, 1, n);
    }

    if (slow) {
        k->unary[MAAS_U_AFFINE](d, d, n, a->g.scale, 0);
    }

    if (drop) {
        k->binary[MAAS_B_MUL](p, p, 1, a->drop, 1, n);
    }
}


/* Rows [i, i + rows) of head h of Q; add: to dK and dV. */
static void
ag_block_f32(const ag_t *a, int64_t b, int64_t h, int64_t i, int64_t rows,
    bool add)
{
    maas_gemm_t            m;
    const att_geom_t      *g = &a->g;
    const maas_tensor_t   *in = a->s->in, *out = a->s->out;
    const maas_kernels_t  *k = a->s->k;
    int64_t                kv = h / (g->hq / g->hk);
    int64_t                at = ag_q(g, b, h) + i * g->ldq;
    const float           *q = (const float *) in[ATT_Q].data + at;
    const float           *dy = (const float *) in[ATT_DY].data
                                + ag_y(g, b, h) + i * g->ldy;

    m = (maas_gemm_t) { rows, g->total, g->d, q, g->ldq, a->kt, a->p,
                        g->total, NULL, false };
    k->gemm(&m, 0, rows);
    m = (maas_gemm_t) { rows, g->total, g->dv, dy, g->ldy, a->vt, a->d,
                        g->total, NULL, false };
    k->gemm(&m, 0, rows);

    if (((const att_attr_t *) a->s->attr)->softcap > 0) {
        ag_cap_f32(a, rows * g->total);
    }

    for (int64_t r = 0; r < rows; r++) {
        ag_row_f32(a, b, h, i + r, r);
    }

    m = (maas_gemm_t) { rows, g->d, g->total, a->d, g->total, a->kr,
                        (float *) out[AG_DQ].data + at, g->ldq, NULL, false };
    k->gemm(&m, 0, rows);

    k->pack_p16(a->qr, q, g->ldq, 1, rows, g->d, 0, (g->d + 15) / 16);
    k->pack_p16(a->yr, dy, g->ldy, 1, rows, g->dv, 0, (g->dv + 15) / 16);

    m = (maas_gemm_t) { g->total, g->d, rows, a->d, g->total, a->qr,
                        (float *) out[AG_DK].data + ag_k(g, b, kv), g->ldk,
                        NULL, add };
    k->gemmta(&m, 0, g->total);
    m = (maas_gemm_t) { g->total, g->dv, rows, a->p, g->total, a->yr,
                        (float *) out[AG_DV].data + ag_v(g, b, kv), g->ldv,
                        NULL, add };
    k->gemmta(&m, 0, g->total);
}


static void
ag_unit_f32(const ag_t *a, int64_t b, int64_t kv)
{
    int64_t                rows, share = a->g.hq / a->g.hk;
    const att_geom_t      *g = &a->g;
    const maas_kernels_t  *k = a->s->k;
    const float           *x = (const float *) a->s->in[ATT_K].data
                               + ag_k(g, b, kv);

    k->pack_p16(a->kt, x, 1, g->ldk, g->d, g->total, 0,
                (g->total + 15) / 16);
    k->pack_p16(a->kr, x, g->ldk, 1, g->total, g->d, 0, (g->d + 15) / 16);
    x = (const float *) a->s->in[ATT_V].data + ag_v(g, b, kv);
    k->pack_p16(a->vt, x, 1, g->ldv, g->dv, g->total, 0,
                (g->total + 15) / 16);

    for (int64_t h = kv * share; h < (kv + 1) * share; h++) {
        for (int64_t i = 0; i < g->sq; i += rows) {
            rows = maas_min(g->sq - i, a->rows);
            ag_block_f32(a, b, h, i, rows, h != kv * share || i != 0);
        }
    }
}


/* -- float64 ------------------------------------------------------------- */

/* c[i] (+)= f * x[i], n of them */
static void
ag_axpy_f64(double *c, double f, const double *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        c[i] += f * x[i];
    }
}


static void
ag_dots_f64(double *y, const double *x, const double *m, int64_t ld,
    int64_t n, int64_t d)
{
    for (int64_t j = 0; j < n; j++) {
        y[j] = 0;

        for (int64_t e = 0; e < d; e++) {
            y[j] += x[e] * m[j * ld + e];
        }
    }
}


/* As ag_row_f32(). */
static void
ag_row_f64(const ag_t *a, int64_t b, int64_t h, int64_t i)
{
    bool               drop;
    double            *p = (double *) a->p, *d = (double *) a->d, sum = 0;
    double            *f = (double *) a->drop, *c = (double *) a->cap, cap;
    int64_t            n = a->g.total;
    const att_attr_t  *at = a->s->attr;

    cap = (double) at->softcap;

    for (int64_t j = 0; cap > 0 && j < n; j++) {
        c[j] = tanh(p[j] * (double) a->g.scale / cap);
        c[j] = 1 - c[j] * c[j];
    }

    drop = att_drop_row(a->s, &a->g, f, b, h, i);
    att_row_f64(a->s, &a->g, p, b, h, i);

    for (int64_t j = 0; j < n; j++) {
        d[j] *= drop ? f[j] : 1;
        sum += p[j] * d[j];
    }

    for (int64_t j = 0; j < n; j++) {
        d[j] = p[j] * (d[j] - sum);
    }

    if (ag_masks(a->s)) {
        memcpy((double *) a->s->out[AG_DMASK].data
               + ((b * a->g.hq + h) * a->g.sq + i) * n, d,
               (size_t) n * sizeof(double));
    }

    att_unhide(a->s, &a->g, d, b, h, i);

    for (int64_t j = 0; j < n; j++) {
        d[j] *= (double) a->g.scale * (cap > 0 ? c[j] : 1);
        p[j] *= drop ? f[j] : 1;
    }
}


static void
ag_unit_f64(const ag_t *a, int64_t b, int64_t kv)
{
    int64_t              share = a->g.hq / a->g.hk;
    const att_geom_t    *g = &a->g;
    const maas_step_t   *s = a->s;
    const double        *p = (double *) a->p, *d = (double *) a->d;
    const double        *q, *dy;
    const double        *k = (double *) s->in[ATT_K].data + ag_k(g, b, kv);
    const double        *v = (double *) s->in[ATT_V].data + ag_v(g, b, kv);
    double              *dk = (double *) s->out[AG_DK].data + ag_k(g, b, kv);
    double              *dv = (double *) s->out[AG_DV].data + ag_v(g, b, kv);
    double              *dq;

    for (int64_t j = 0; j < g->total; j++) {
        memset(dk + j * g->ldk, 0, (size_t) g->d * sizeof(double));
        memset(dv + j * g->ldv, 0, (size_t) g->dv * sizeof(double));
    }

    for (int64_t u = 0; u < share * g->sq; u++) {
        int64_t  h = kv * share + u / g->sq, i = u % g->sq;

        q = (double *) s->in[ATT_Q].data + ag_q(g, b, h) + i * g->ldq;
        dq = (double *) s->out[AG_DQ].data + ag_q(g, b, h) + i * g->ldq;
        dy = (double *) s->in[ATT_DY].data + ag_y(g, b, h) + i * g->ldy;

        ag_dots_f64((double *) a->p, q, k, g->ldk, g->total, g->d);
        ag_dots_f64((double *) a->d, dy, v, g->ldv, g->total, g->dv);
        ag_row_f64(a, b, h, i);
        memset(dq, 0, (size_t) g->d * sizeof(double));

        for (int64_t j = 0; j < g->total; j++) {
            ag_axpy_f64(dq, d[j], k + j * g->ldk, g->d);
            ag_axpy_f64(dk + j * g->ldk, d[j], q, g->d);
            ag_axpy_f64(dv + j * g->ldv, p[j], dy, g->dv);
        }
    }
}


/* -- running ------------------------------------------------------------- */

static maas_status_t
ag_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    ag_t                a = { .s = s };
    const att_attr_t   *at = s->attr;

    att_geom(&a.g, at, s->in, s->n_formal);

    if (a.g.b * a.g.hk == 0) {
        return MAAS_OK;
    }

    /* No rows, or nothing to look at. */
    if (a.g.sq == 0 || a.g.total == 0) {
        for (int o = 0; first == 0 && o < s->n_out; o++) {
            if (s->out[o].data != NULL) {
                memset(s->out[o].data, 0, s->out[o].bytes);
            }
        }

        return MAAS_OK;
    }

    (void) ag_layout(&a, slot->scratch, maas_dtype_size(s->in[0].dtype),
                     at->softcap > 0);

    for (int64_t u = first; u < last; u++) {
        if (s->in[0].dtype == MAAS_F64) {
            ag_unit_f64(&a, u / a.g.hk, u % a.g.hk);

        } else {
            ag_unit_f32(&a, u / a.g.hk, u % a.g.hk);
        }
    }

    return MAAS_OK;
}


static maas_status_t
ag_infer(maas_infer_t *c)
{
    bool                flat;
    int                 n_out = c->n_out;
    maas_dim_t          dims[4];
    const att_attr_t   *a = c->attr;
    const maas_type_t  *q = c->in[ATT_Q].type, *k = c->in[ATT_K].type;

    c->n_out = 1;
    MAAS_TRY(att_infer(c));
    c->n_out = n_out;

    if (maas_infer_has(c, ATT_PAST_K)) {
        return maas_err(c->err, MAAS_EINVAL, "there is no gradient with past "
                        "keys");
    }

    if (c->in[ATT_DY].type->rank != q->rank) {
        return maas_err(c->err, MAAS_EINVAL, "dY has rank %d, expected %d",
                        c->in[ATT_DY].type->rank, q->rank);
    }

    for (int o = 0; o < 3 && o < n_out; o++) {
        maas_infer_set(c, o, q->dtype, c->in[o].type->rank,
                       c->in[o].type->dims);
    }

    if (n_out > AG_DMASK) {
        flat = q->rank == 3;
        dims[0] = q->dims[0];
        dims[1] = flat ? (maas_dim_t) a->q_heads : q->dims[1];
        dims[2] = q->dims[flat ? 1 : 2];
        dims[3] = k->dims[flat ? 1 : 2];
        maas_infer_set(c, AG_DMASK, q->dtype, 4, dims);
    }

    return MAAS_OK;
}


/* -- the gradient -------------------------------------------------------- */

static maas_status_t
ag_refuse(maas_grad_t *c)
{
    const maas_type_t  *m, *k = maas_grad_type(c, c->n->in[ATT_K]);

    if (maas_grad_in(c, ATT_PAST_K) != MAAS_NOVAL) {
        return maas_err(c->err, MAAS_EUNSUPPORTED, "Attention has no "
                        "gradient with past keys and values");
    }

    for (int o = 1; o < c->n->n_out; o++) {
        if (c->dout[o] != MAAS_NOVAL) {
            return maas_err(c->err, MAAS_EUNSUPPORTED, "Attention has no "
                            "gradient with outputs but Y");
        }
    }

    if (maas_grad_need(c, ATT_MASK)) {
        m = maas_grad_type(c, c->n->in[ATT_MASK]);

        if (m->dims[m->rank - 1] != 1
            && m->dims[m->rank - 1] != k->dims[k->rank - 2])
        {
            return maas_err(c->err, MAAS_EUNSUPPORTED, "Attention has no "
                            "gradient with a learned attn_mask that is "
                            "shorter than the keys");
        }
    }

    return MAAS_OK;
}


maas_status_t
maas_grad_attention(maas_grad_t *c)
{
    bool        mask = maas_grad_need(c, ATT_MASK);
    maas_vid_t  in[ATT_DY + 1], out[4], fit[2];

    MAAS_TRY(ag_refuse(c));

    for (int i = 0; i < ATT_DY; i++) {
        in[i] = maas_grad_in(c, i);
    }

    in[ATT_DY] = c->dout[0];
    maas_grad_emit_same(c, "maas", "AttentionGrad", in, ATT_DY + 1, out,
                        mask ? 4 : 3);

    for (int i = 0; i < 3; i++) {
        c->din[i] = out[i];
    }

    if (mask) {
        fit[0] = out[AG_DMASK];
        fit[1] = maas_grad_op1(c, "Shape", c->n->in[ATT_MASK]);
        c->din[ATT_MASK] = maas_grad_emit(c, "maas", "SumTo", NULL, 0, fit,
                                          2);
    }

    return c->rc;
}


/* -- rows ---------------------------------------------------------------- */

#define AG_T(name)    { name, MAAS_D_FLOAT, 'T', 0 }
#define AG_OPT(name)  { name, MAAS_D_FLOAT, 'T', MAAS_OPT }

static const maas_formal_t  ag_in[] = {
    AG_T("Q"), AG_T("K"), AG_T("V"),
    { "attn_mask", MAAS_D_FLOAT | MAAS_D(BOOL), 0, MAAS_OPT },
    AG_OPT("past_key"), AG_OPT("past_value"),
    { "nonpad_kv_seqlen", MAAS_D(I64), 0, MAAS_OPT },
    { "key", MAAS_D(I64), 0, MAAS_OPT },
    AG_T("dY")
};

static const maas_formal_t  ag_out[] = {
    AG_T("dQ"), AG_T("dK"), AG_T("dV"), AG_OPT("dScores")
};

#define AG_INT(label, member, lo, hi)                                         \
    { .name = label, .type = MAAS_ATTR_INT, .min = lo, .max = hi,             \
      .off = offsetof(att_attr_t, member) }
#define AG_FLOAT(label, member)                                               \
    { .name = label, .type = MAAS_ATTR_FLOAT,                                 \
      .off = offsetof(att_attr_t, member) }

static const maas_attr_row_t  ag_attrs[] = {
    AG_INT("is_causal", causal, 0, 1),
    AG_INT("kv_num_heads", kv_heads, 0, INT32_MAX),
    AG_INT("q_num_heads", q_heads, 0, INT32_MAX),
    AG_FLOAT("scale", scale),
    AG_FLOAT("softcap", softcap),
    AG_INT("nan", nan, 0, 1),
    AG_FLOAT("fill", fill),
    AG_FLOAT("ratio", ratio),
    AG_INT("drop", drop, 0, INT32_MAX)
};

static const maas_kernel_row_t  ag_kernels[] = {
    { "attentiongrad.heads", MAAS_CPU_REF, 0, 0, ag_setup, ag_run }
};

static const maas_case_t  ag_cases[] = {
    { "q_num_heads=2 kv_num_heads=2 nan=1 | f32[2,70,32] f32[2,40,32] "
      "f32[2,40,32] - - - - - f32[2,70,32]", NULL },
    { "is_causal=1 | f32[1,4,70,16] f32[1,2,70,16] f32[1,2,70,9] - - - - - "
      "f32[1,4,70,9]", NULL },
    { "nan=1 | f32[1,2,5,8] f32[1,2,530,8] f32[1,2,530,8] f32[530] - - - - "
      "f32[1,2,5,8]", NULL },
    { "softcap=1.5 | f64[1,2,3,4] f64[1,2,5,4] f64[1,2,5,6] - - - - - "
      "f64[1,2,3,6]", NULL },
    { "| f32[2,1,0,8] f32[2,1,6,8] f32[2,1,6,8] - - - - - f32[2,1,0,8]",
      NULL },
    { "| f32[0,1,3,8] f32[0,1,6,8] f32[0,1,6,8] - - - - - f32[0,1,3,8]",
      NULL },
    { NULL, NULL }
};

static const maas_case_t  ag_bad[] = {
    { "| f32[1,2,3,4] f32[1,2,5,4] f32[1,2,5,4] - - - - - f32[3,4]",
      "dY has rank 2" },
    { "| f32[1,2,3,4] f32[1,2,5,4] f32[1,2,5,4] - f32[1,2,1,4] f32[1,2,1,4] "
      "- - f32[1,2,3,4]", "no gradient with past keys" },
    { NULL, NULL }
};

const maas_op_t  maas_ops_attention_grad[] = {

    { .name = "AttentionGrad", .domain = "maas", .since = 1,
      .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL, MAAS_IO(ag_in, ag_out),
      MAAS_ATTRS(ag_attrs, att_attr_t), .infer = ag_infer,
      MAAS_KERNELS(ag_kernels), .flops = ag_flops, .cases = ag_cases,
      .bad = ag_bad },

    { .name = NULL }
};
