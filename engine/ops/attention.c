/*
 * Attention-24 (and -23): softmax(scale Q K^T + mask) V with grouped heads,
 * a causal mask, softcap, past keys and values, and lengths of padded rows.
 *
 * Q, K, V are [B, heads, S, D], or [B, S, heads * D] with the numbers of
 * heads as attributes: only strides differ.  A unit is one head of K and V
 * of one image: it packs them once for all heads of Q that share it, then
 * makes blocks of rows: product, mask, softmax, product.  Few rows are not
 * worth the packing and use dot products.
 *
 * Ownership: packed K and V and the scores lie in the scratch of a thread.
 * Threads:   units are independent.
 * Spec:      github.com/onnx/onnx, docs/Operators.md, Attention.
 */

#include <math.h>

#include "ops/attention.h"
#include "ops/dropout.h"
#include "ops/grads.h"


#define ATT_FEW    4            /* no packing up to so many rows */


void
att_geom(att_geom_t *g, const att_attr_t *a, const maas_tensor_t *in,
    int n_in)
{
    bool                  flat = in[ATT_Q].rank == 3;
    const maas_tensor_t  *q = &in[ATT_Q], *k = &in[ATT_K], *v = &in[ATT_V];

    g->b = q->dims[0];
    g->hq = flat ? a->q_heads : q->dims[1];
    g->hk = flat ? a->kv_heads : k->dims[1];
    g->sq = flat ? q->dims[1] : q->dims[2];
    g->sk = flat ? k->dims[1] : k->dims[2];
    g->d = flat ? q->dims[2] / g->hq : q->dims[3];
    g->dv = flat ? v->dims[2] / g->hk : v->dims[3];
    g->past = att_has(in, n_in, ATT_PAST_K) ? in[ATT_PAST_K].dims[2] : 0;
    g->total = g->past + g->sk;

    g->ldq = flat ? g->hq * g->d : g->d;
    g->ldk = flat ? g->hk * g->d : g->d;
    g->ldv = flat ? g->hk * g->dv : g->dv;
    g->ldy = flat ? g->hq * g->dv : g->dv;
    g->q_head = flat ? g->d : g->sq * g->d;
    g->k_head = flat ? g->d : g->sk * g->d;
    g->v_head = flat ? g->dv : g->sk * g->dv;
    g->y_head = flat ? g->dv : g->sq * g->dv;

    g->keep = false;
    g->scale = a->scale != 0 ? a->scale : 1 / sqrtf((float) g->d);
}


/*
 * Few rows that look at many.  Where there are few of both, packing costs
 * nothing, and a short text has the bits that it has when it is padded.
 */
static bool
att_is_few(const att_geom_t *g)
{
    return g->sq <= ATT_FEW && g->total > ATT_FEW;
}


/* -- setup --------------------------------------------------------------- */

static bool
att_setup(maas_setup_t *u)
{
    size_t      size = maas_dtype_size(u->in[0].dtype);
    att_geom_t  g;

    att_geom(&g, u->attr, u->in, u->n_formal);

    u->units = maas_max(g.b * g.hk, 1);
    u->cost = 100 + (double) (g.b * g.hq * g.sq) * (double) g.total
                    * (2 + (double) (g.d + g.dv) / 25);
    u->scratch = att_room(ATT_ROWS * g.total, size)
                 + att_room(g.total * g.d, size)
                 + att_room(g.total * g.dv, size)
                 + att_room(g.total, size);

    if (size == sizeof(float) && !att_is_few(&g)) {
        u->scratch += att_room(maas_p16_elems(g.d, g.total), 4)
                      + att_room(maas_p16_elems(g.total, g.dv), 4);
    }

    return true;
}


static double
att_flops(const maas_setup_t *u)
{
    att_geom_t  g;

    att_geom(&g, u->attr, u->in, u->n_formal);
    return 2 * (double) (g.b * g.hq * g.sq) * (double) g.total
           * (double) (g.d + g.dv);
}


/* -- keys and values ----------------------------------------------------- */

/* Rows of one head that lie together, of past and present. */
typedef struct {
    const char  *k, *v;
    int64_t      ldk, ldv;
} att_rows_t;


/*
 * Rows of input `now` (behind those of input `past`) of head h of image b.
 * They are copied where output `o` wants them, or to `room` when there are
 * past ones; else they are read where they are.
 */
static const char *
att_join(const maas_step_t *s, const att_geom_t *g, int now, int past, int o,
    int64_t b, int64_t h, char *room, int64_t d, int64_t *ld)
{
    bool         wanted;
    char        *dst = room;
    size_t       size = maas_dtype_size(s->in[now].dtype);
    int64_t      head = now == ATT_K ? g->k_head : g->v_head;
    const char  *src;

    src = (const char *) s->in[now].data
          + (size_t) (b * g->hk * g->sk * d + h * head) * size;
    wanted = s->n_out > o && s->out[o].dtype != MAAS_NODTYPE
             && s->out[o].data != NULL;

    if (wanted) {
        dst = (char *) s->out[o].data
              + (size_t) ((b * g->hk + h) * g->total * d) * size;

    } else if (g->past == 0) {
        return src;
    }

    if (g->past != 0) {
        memcpy(dst, (const char *) s->in[past].data
                    + (size_t) ((b * g->hk + h) * g->past * d) * size,
               (size_t) (g->past * d) * size);
    }

    for (int64_t i = 0; i < g->sk; i++) {
        memcpy(dst + (size_t) ((g->past + i) * d) * size,
               src + (size_t) (i * *ld) * size, (size_t) d * size);
    }

    *ld = d;
    return dst;
}


/* -- scores -------------------------------------------------------------- */

/* Element 0 of the mask's row for head h and row i; *step: 0 or 1. */
static int64_t
att_mask_row(const maas_tensor_t *m, int64_t b, int64_t h, int64_t i,
    int64_t *step)
{
    int64_t  at[4] = { b, h, i, 0 }, off = 0, n;

    for (int d = 0; d < m->rank; d++) {
        n = m->dims[d];
        off = off * n + (n == 1 ? 0 : at[4 - m->rank + d]);
    }

    *step = m->dims[m->rank - 1] != 1;
    return off;
}


/* First column that row i must not see; the mask may hide more. */
static int64_t
att_limit(const maas_step_t *s, const att_geom_t *g, int64_t b, int64_t i)
{
    int64_t            n = g->total;
    const att_attr_t  *a = s->attr;

    if (a->causal) {
        n = maas_min(n, i + g->past + 1);
    }

    if (att_has(s->in, s->n_formal, ATT_LENGTHS)) {
        n = maas_min(n, ((const int64_t *) s->in[ATT_LENGTHS].data)[b]);
    }

    if (att_has(s->in, s->n_formal, ATT_MASK)) {
        const maas_tensor_t  *m = &s->in[ATT_MASK];

        if (m->dims[m->rank - 1] != 1) {
            n = maas_min(n, m->dims[m->rank - 1]);
        }
    }

    return maas_max(n, 0);
}


#define ATT_MASK_ROW(T, fn)                                                   \
                                                                              \
static void                                                                   \
fn(const maas_step_t *s, const att_geom_t *g, T *row, int64_t b, int64_t h,   \
    int64_t i)                                                                \
{                                                                             \
    T                     fill = ((const att_attr_t *) s->attr)->fill;        \
    int64_t               at, step, n = att_limit(s, g, b, i);                \
    const maas_tensor_t  *m = &s->in[ATT_MASK];                               \
                                                                              \
    fill = fill != 0 ? fill : -INFINITY;                                      \
                                                                              \
    if (att_has(s->in, s->n_formal, ATT_MASK)) {                              \
        at = att_mask_row(m, b, h, i, &step);                                 \
                                                                              \
        for (int64_t j = 0; j < n; j++) {                                     \
            if (m->dtype != MAAS_BOOL) {                                      \
                row[j] += ((const T *) m->data)[at + j * step];               \
                                                                              \
            } else if (!((const uint8_t *) m->data)[at + j * step]) {         \
                row[j] = fill;                                                \
            }                                                                 \
        }                                                                     \
    }                                                                         \
                                                                              \
    for (int64_t j = n; j < g->total; j++) {                                  \
        row[j] = -INFINITY;                                                   \
    }                                                                         \
}


ATT_MASK_ROW(float, att_mask_f32)


ATT_MASK_ROW(double, att_mask_f64)


/* A float32 mask is added by the kernel, with the vectors of the level. */
static void
att_mask_add(const maas_step_t *s, const att_geom_t *g, float *row,
    int64_t b, int64_t h, int64_t i)
{
    int64_t               at, step, n = att_limit(s, g, b, i);
    const maas_tensor_t  *m = &s->in[ATT_MASK];

    if (!att_has(s->in, s->n_formal, ATT_MASK) || m->dtype != MAAS_F32) {
        att_mask_f32(s, g, row, b, h, i);
        return;
    }

    at = att_mask_row(m, b, h, i, &step);
    s->k->binary[MAAS_B_ADD](row, row, 1, (const float *) m->data + at,
                             (int) step, n);

    for (int64_t j = n; j < g->total; j++) {
        row[j] = -INFINITY;
    }
}


/* Keeps a row of scores for output 3. */
static void
att_keep(const maas_step_t *s, const att_geom_t *g, const void *row,
    int64_t b, int64_t h, int64_t i, int stage)
{
    size_t             size = maas_dtype_size(s->in[0].dtype);
    const att_attr_t  *a = s->attr;

    if (g->keep && a->qk_mode == stage && s->n_out > 3
        && s->out[3].dtype != MAAS_NODTYPE && s->out[3].data != NULL)
    {
        memcpy((char *) s->out[3].data
               + (size_t) (((b * g->hq + h) * g->sq + i) * g->total) * size,
               row, (size_t) g->total * size);
    }
}


/* A float32 mask, or none, over the whole row: one pass of the kernel. */
static bool
att_row_fast(const maas_step_t *s, const att_geom_t *g, float *row,
    int64_t b, int64_t h, int64_t i)
{
    int64_t               at, step = 1;
    const float          *add = NULL;
    const att_attr_t     *a = s->attr;
    const maas_tensor_t  *m = &s->in[ATT_MASK];

    if (a->softcap > 0 || !a->nan || g->total == 0
        || att_limit(s, g, b, i) != g->total)
    {
        return false;
    }

    if (att_has(s->in, s->n_formal, ATT_MASK)) {
        if (m->dtype != MAAS_F32) {
            return false;
        }

        at = att_mask_row(m, b, h, i, &step);
        add = (const float *) m->data + at;
    }

    if (step != 1 && g->total != 1) {
        return false;
    }

    s->k->softmax_add(row, row, add, g->total, g->scale);
    return true;
}


/* From products to weights. */
void
att_row_f32(const maas_step_t *s, const att_geom_t *g, float *row, int64_t b,
    int64_t h, int64_t i)
{
    float              cap = ((const att_attr_t *) s->attr)->softcap;
    int64_t            n = g->total;

    if (att_row_fast(s, g, row, b, h, i)) {
        return;
    }

    s->k->unary[MAAS_U_AFFINE](row, row, n, g->scale, 0);
    att_keep(s, g, row, b, h, i, ATT_QK);

    if (cap > 0) {
        s->k->unary[MAAS_U_AFFINE](row, row, n, 1 / cap, 0);
        s->k->unary[MAAS_U_TANH](row, row, n, 0, 0);
        s->k->unary[MAAS_U_AFFINE](row, row, n, cap, 0);
    }

    att_keep(s, g, row, b, h, i, ATT_QK_CAP);
    att_mask_add(s, g, row, b, h, i);
    att_keep(s, g, row, b, h, i, ATT_QK_MASK);

    /* A row that sees nothing has the weights 0; of a fused one, NaN. */
    if (!((const att_attr_t *) s->attr)->nan
        && s->k->reduce[MAAS_R_MAX](row, n) == -INFINITY)
    {
        memset(row, 0, (size_t) n * sizeof(float));

    } else {
        s->k->softmax(row, row, n);
    }

    att_keep(s, g, row, b, h, i, ATT_QK_SOFTMAX);
}


void
att_row_f64(const maas_step_t *s, const att_geom_t *g, double *row,
    int64_t b, int64_t h, int64_t i)
{
    double             cap, max = -INFINITY, sum = 0;
    int64_t            j, n = g->total;

    cap = (double) ((const att_attr_t *) s->attr)->softcap;

    for (j = 0; j < n; j++) {
        row[j] *= (double) g->scale;
    }

    att_keep(s, g, row, b, h, i, ATT_QK);

    for (j = 0; cap > 0 && j < n; j++) {
        row[j] = cap * tanh(row[j] / cap);
    }

    att_keep(s, g, row, b, h, i, ATT_QK_CAP);
    att_mask_f64(s, g, row, b, h, i);
    att_keep(s, g, row, b, h, i, ATT_QK_MASK);

    for (j = 0; j < n; j++) {
        max = row[j] > max ? row[j] : max;
    }

    for (j = 0; j < n; j++) {
        row[j] = exp(row[j] - max);
        sum += row[j];
    }

    for (j = 0; j < n; j++) {
        row[j] = max == -INFINITY ? 0 : row[j] / sum;
    }

    att_keep(s, g, row, b, h, i, ATT_QK_SOFTMAX);
}


void
att_unhide(const maas_step_t *s, const att_geom_t *g, void *d, int64_t b,
    int64_t h, int64_t i)
{
    int64_t               at, step, n = att_limit(s, g, b, i);
    const uint8_t        *see;
    const att_attr_t     *a = s->attr;
    const maas_tensor_t  *m = &s->in[ATT_MASK];

    if (a->fill == 0 || !att_has(s->in, s->n_formal, ATT_MASK)
        || m->dtype != MAAS_BOOL)
    {
        return;
    }

    at = att_mask_row(m, b, h, i, &step);
    see = (const uint8_t *) m->data + at;

    for (int64_t j = 0; j < n; j++) {
        if (see[j * step]) {
            continue;
        }

        if (s->in[0].dtype == MAAS_F64) {
            ((double *) d)[j] = 0;

        } else {
            ((float *) d)[j] = 0;
        }
    }
}


bool
att_drop_row(const maas_step_t *s, const att_geom_t *g, void *f, int64_t b,
    int64_t h, int64_t i)
{
    int64_t            row = (b * g->hq + h) * g->sq + i;
    maas_drop_t        d;
    const att_attr_t  *a = s->attr;

    if (!att_has(s->in, s->n_formal, ATT_KEY)) {
        return false;
    }

    maas_drop_init(&d, s->in[ATT_KEY].data, s->in[ATT_KEY].dims[0], a->drop,
                   a->ratio, g->b * g->hq * g->sq * g->total);
    maas_drop_factors(&d, f, s->in[0].dtype, row * g->total, g->total);
    return true;
}


/* -- one head of Q ------------------------------------------------------- */

typedef struct {
    float       *scores;
    float       *pk, *pv;       /* packed; NULL: few rows */
    void        *drop;          /* a row of factors */
    att_rows_t   rows;
} att_work_t;


static void
att_drop_f32(const maas_step_t *s, const att_geom_t *g, const att_work_t *w,
    float *row, int64_t b, int64_t h, int64_t i)
{
    if (att_drop_row(s, g, w->drop, b, h, i)) {
        s->k->binary[MAAS_B_MUL](row, row, 1, w->drop, 1, g->total);
    }
}


static void
att_head_f32(const maas_step_t *s, const att_geom_t *g, const att_work_t *w,
    int64_t b, int64_t h)
{
    float        *y;
    int64_t       rows;
    const float  *q;
    maas_gemm_t   m;

    q = (const float *) s->in[ATT_Q].data + b * g->hq * g->sq * g->d
        + h * g->q_head;
    y = (float *) s->out[0].data + b * g->hq * g->sq * g->dv + h * g->y_head;

    for (int64_t i = 0; i < g->sq; i += rows) {
        rows = maas_min(g->sq - i, ATT_ROWS);
        m = (maas_gemm_t) { rows, g->total, g->d, q + i * g->ldq, g->ldq,
                            w->pk, w->scores, g->total, NULL, false };
        s->k->gemm(&m, 0, rows);

        for (int64_t r = 0; r < rows; r++) {
            att_row_f32(s, g, w->scores + r * g->total, b, h, i + r);
            att_drop_f32(s, g, w, w->scores + r * g->total, b, h, i + r);
        }

        m = (maas_gemm_t) { rows, g->dv, g->total, w->scores, g->total,
                            w->pv, y + i * g->ldy, g->ldy, NULL, false };
        s->k->gemm(&m, 0, rows);
    }
}


/* Without packing: a row is read as often as there are rows of Q. */
static void
att_few_f32(const maas_step_t *s, const att_geom_t *g, const att_work_t *w,
    int64_t b, int64_t h)
{
    float        *y, *row = w->scores;
    const float  *q;

    q = (const float *) s->in[ATT_Q].data + b * g->hq * g->sq * g->d
        + h * g->q_head;
    y = (float *) s->out[0].data + b * g->hq * g->sq * g->dv + h * g->y_head;

    for (int64_t i = 0; i < g->sq; i++, q += g->ldq, y += g->ldy) {
        for (int64_t j = 0; j < g->total; j++) {
            row[j] = s->k->dot(q, (const float *) w->rows.k
                                  + j * w->rows.ldk, g->d);
        }

        att_row_f32(s, g, row, b, h, i);
        att_drop_f32(s, g, w, row, b, h, i);
        memset(y, 0, (size_t) g->dv * sizeof(float));

        for (int64_t j = 0; j < g->total; j++) {
            s->k->axpy(y, row[j], (const float *) w->rows.v
                                  + j * w->rows.ldv, g->dv);
        }
    }
}


static void
att_head_f64(const maas_step_t *s, const att_geom_t *g, const att_work_t *w,
    int64_t b, int64_t h)
{
    double        *y, *row = (double *) w->scores;
    const double  *q, *p;

    q = (const double *) s->in[ATT_Q].data + b * g->hq * g->sq * g->d
        + h * g->q_head;
    y = (double *) s->out[0].data + b * g->hq * g->sq * g->dv
        + h * g->y_head;

    for (int64_t i = 0; i < g->sq; i++, q += g->ldq, y += g->ldy) {
        for (int64_t j = 0; j < g->total; j++) {
            p = (const double *) w->rows.k + j * w->rows.ldk;
            row[j] = 0;

            for (int64_t e = 0; e < g->d; e++) {
                row[j] += q[e] * p[e];
            }
        }

        att_row_f64(s, g, row, b, h, i);

        if (att_drop_row(s, g, w->drop, b, h, i)) {
            for (int64_t j = 0; j < g->total; j++) {
                row[j] *= ((const double *) w->drop)[j];
            }
        }

        memset(y, 0, (size_t) g->dv * sizeof(double));

        for (int64_t j = 0; j < g->total; j++) {
            p = (const double *) w->rows.v + j * w->rows.ldv;

            for (int64_t e = 0; e < g->dv; e++) {
                y[e] += row[j] * p[e];
            }
        }
    }
}


/* All heads of Q that use head h of K and V. */
static void
att_unit(const maas_step_t *s, const att_geom_t *g, char *scratch, int64_t b,
    int64_t h)
{
    size_t      size = maas_dtype_size(s->in[0].dtype);
    int64_t     share = g->hq / g->hk;
    att_work_t  w = { .scores = (float *) scratch };
    char       *p = scratch + att_room(ATT_ROWS * g->total, size);

    w.rows.ldk = g->ldk;
    w.rows.ldv = g->ldv;
    w.rows.k = att_join(s, g, ATT_K, ATT_PAST_K, 1, b, h, p, g->d,
                        &w.rows.ldk);
    p += att_room(g->total * g->d, size);
    w.rows.v = att_join(s, g, ATT_V, ATT_PAST_V, 2, b, h, p, g->dv,
                        &w.rows.ldv);
    p += att_room(g->total * g->dv, size);
    w.drop = p;
    p += att_room(g->total, size);

    if (size == sizeof(float) && !att_is_few(g)) {
        w.pk = (float *) p;
        w.pv = (float *) (p + att_room(maas_p16_elems(g->d, g->total), 4));
        s->k->pack_p16(w.pk, (const float *) w.rows.k, 1, w.rows.ldk, g->d,
                       g->total, 0, (g->total + 15) / 16);
        s->k->pack_p16(w.pv, (const float *) w.rows.v, w.rows.ldv, 1,
                       g->total, g->dv, 0, (g->dv + 15) / 16);
    }

    for (int64_t i = h * share; i < (h + 1) * share; i++) {
        if (size != sizeof(float)) {
            att_head_f64(s, g, &w, b, i);

        } else if (w.pk != NULL) {
            att_head_f32(s, g, &w, b, i);

        } else {
            att_few_f32(s, g, &w, b, i);
        }
    }
}


static maas_status_t
att_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    size_t      bytes;
    att_geom_t  g;

    att_geom(&g, s->attr, s->in, s->n_formal);
    g.keep = true;

    for (int64_t u = first; u < last && u < g.b * g.hk; u++) {
        if (g.total != 0) {
            att_unit(s, &g, slot->scratch, u / g.hk, u % g.hk);
            continue;
        }

        /* Nothing to look at. */
        bytes = maas_dtype_size(s->in[0].dtype);
        memset(s->out[0].data, 0,
               (size_t) maas_tensor_count(&s->out[0]) * bytes);
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

#define ATT_T(name)    { name, MAAS_D_FLOAT, 'T', 0 }
#define ATT_OPT(name)  { name, MAAS_D_FLOAT, 'T', MAAS_OPT }

static const maas_formal_t  att_in[] = {
    ATT_T("Q"), ATT_T("K"), ATT_T("V"),
    { "attn_mask", MAAS_D_FLOAT | MAAS_D(BOOL), 0, MAAS_OPT },
    ATT_OPT("past_key"), ATT_OPT("past_value"),
    { "nonpad_kv_seqlen", MAAS_D(I64), 0, MAAS_OPT }
};

/* Of the fused one: a dropout of the weights has a key. */
static const maas_formal_t  att_fused_in[] = {
    ATT_T("Q"), ATT_T("K"), ATT_T("V"),
    { "attn_mask", MAAS_D_FLOAT | MAAS_D(BOOL), 0, MAAS_OPT },
    ATT_OPT("past_key"), ATT_OPT("past_value"),
    { "nonpad_kv_seqlen", MAAS_D(I64), 0, MAAS_OPT },
    { "key", MAAS_D(I64), 0, MAAS_OPT }
};

static const maas_formal_t  att_out[] = {
    ATT_T("Y"), ATT_OPT("present_key"), ATT_OPT("present_value"),
    ATT_OPT("qk_matmul_output")
};

#define ATT_INT(label, member, lo, hi)                                        \
    { .name = label, .type = MAAS_ATTR_INT, .min = lo, .max = hi,             \
      .off = offsetof(att_attr_t, member) }
#define ATT_FLOAT(label, member)                                              \
    { .name = label, .type = MAAS_ATTR_FLOAT,                                 \
      .off = offsetof(att_attr_t, member) }

static const maas_attr_row_t  att_attrs[] = {
    ATT_INT("is_causal", causal, 0, 1),
    ATT_INT("kv_num_heads", kv_heads, 0, INT32_MAX),
    ATT_INT("q_num_heads", q_heads, 0, INT32_MAX),
    ATT_INT("qk_matmul_output_mode", qk_mode, 0, 3),
    ATT_FLOAT("scale", scale),
    ATT_FLOAT("softcap", softcap),
    ATT_INT("softmax_precision", precision, 0, INT32_MAX)
};

/* What graph/pass/fuse_attention.c makes of Softmax. */
static const maas_attr_row_t  att_fused_attrs[] = {
    ATT_INT("q_num_heads", q_heads, 0, INT32_MAX),
    ATT_INT("kv_num_heads", kv_heads, 0, INT32_MAX),
    ATT_FLOAT("scale", scale),
    ATT_INT("is_causal", causal, 0, 1),
    ATT_INT("nan", nan, 0, 1),
    ATT_FLOAT("fill", fill),
    ATT_FLOAT("ratio", ratio),
    ATT_INT("drop", drop, 0, INT32_MAX)
};

static const maas_kernel_row_t  att_kernels[] = {
    { "attention.heads", MAAS_CPU_REF, 0, 0, att_setup, att_run }
};

static const maas_case_t  att_fused_cases[] = {
    { "q_num_heads=2 kv_num_heads=2 nan=1 | f32[2,70,32] f32[2,70,32] "
      "f32[2,70,32] f32[2,1,1,70]:inf", NULL },
    { "q_num_heads=3 kv_num_heads=3 nan=1 scale=0.3 | f32[2,37,33] "
      "f32[2,41,33] f32[2,41,24]", NULL },
    { "q_num_heads=2 kv_num_heads=2 nan=1 | f32[2,40,32] f32[2,40,32] "
      "f32[2,40,32] f32[2,40,40]", NULL },
    { "q_num_heads=2 kv_num_heads=2 nan=1 | f32[2,5,8] f32[2,7,8] "
      "f32[2,7,8] =f32[2,2,5,1]", NULL },
    { "q_num_heads=1 kv_num_heads=1 nan=1 fill=-1e9 | f32[2,3,8] f32[2,4,8] "
      "f32[2,4,8] bool[2,1,3,4]{1,0,1,1,0,0,0,0,1,1,0,0,1,1,1,1,0,1,0,0,1,1,"
      "1,0}", NULL },
    { "q_num_heads=2 kv_num_heads=2 nan=1 ratio=0.3 drop=5 | f32[3,6,8] "
      "f32[3,9,8] f32[3,9,8] - - - - i64[2]{42,7}", NULL },
    { "q_num_heads=2 kv_num_heads=1 is_causal=1 ratio=0.5 | f64[2,6,8] "
      "f64[2,6,4] f64[2,6,4] f64[6,6] - - - i64[4]{42,7,3,2}", NULL },
    { NULL, NULL }
};

static const maas_case_t  att_cases[] = {
    { "| f32[2,3,7,8] f32[2,3,9,8] f32[2,3,9,5]", NULL },
    { "is_causal=1 scale=0.1 | f32[1,4,70,16] f32[1,2,70,16] f32[1,2,70,16]",
      NULL },
    { "q_num_heads=4 kv_num_heads=2 | f32[2,6,32] f32[2,9,16] f32[2,9,16]",
      NULL },
    { "softcap=2.0 | f32[1,2,5,8] f32[1,2,6,8] f32[1,2,6,8] =f32[5,6]", NULL },
    { "| f32[2,2,1,8] f32[2,2,1,8] f32[2,2,1,8] - f32[2,2,6,8] f32[2,2,6,8]",
      NULL },
    { "is_causal=1 | f32[1,2,6,8] f32[1,1,6,8] f32[1,1,6,8] f32[1,1,6,9] "
      "f32[1,1,3,8] f32[1,1,3,8]", NULL },
    { "| f64[1,2,3,4] f64[1,2,5,4] f64[1,2,5,6] f64[2,3,5]", NULL },
    { "| f16[1,2,6,8] f16[1,2,6,8] f16[1,2,6,8] f16[6,6]", NULL },
    { "| f32[2,2,5,8] f32[2,2,6,8] f32[2,2,6,8] - - - i64[2]{3,6}", NULL },
    { "| f32[0,2,5,8] f32[0,2,6,8] f32[0,2,6,8]", NULL },
    { NULL, NULL }
};

static const maas_case_t  att_bad[] = {
    { "| f32[2,3,7,8] f32[2,2,9,8] f32[2,2,9,8]", "3 heads of Q" },
    { "| f32[2,6,32] f32[2,9,16] f32[2,9,16]", "q_num_heads" },
    { "q_num_heads=3 kv_num_heads=1 | f32[2,6,32] f32[2,9,16] f32[2,9,16]",
      "32 columns do not divide into 3 heads" },
    { "| f32[2,3,7,8] f32[2,3,9,4] f32[2,3,9,4]", "size of a head" },
    { "| f32[2,3,7,8] f32[2,3,9,8] f32[2,3,9,8] f32[7,10]", "attn_mask" },
    { "| f32[2,3,7,8] f32[2,3,9,8] f32[2,3,9,8] - f32[2,3,1,8]",
      "past_key and past_value" },
    { "| f32[2,3] f32[2,3] f32[2,3]", "Q has rank 2" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_attention[] = {
    {
        .name = "Attention", .domain = "", .since = 24, .first = 23,
        .flags = MAAS_OP_PURE,
        MAAS_IO(att_in, att_out),
        MAAS_ATTRS(att_attrs, att_attr_t),
        .infer = att_infer,
        MAAS_KERNELS(att_kernels),
        .flops = att_flops, .grad = maas_grad_attention,
        .cases = att_cases, .bad = att_bad
    },
    {
        .name = "Attention", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(att_fused_in, att_out),
        MAAS_ATTRS(att_fused_attrs, att_attr_t),
        .infer = att_infer,
        MAAS_KERNELS(att_kernels),
        .flops = att_flops, .grad = maas_grad_attention,
        .cases = att_fused_cases
    },
    { .name = NULL }
};
