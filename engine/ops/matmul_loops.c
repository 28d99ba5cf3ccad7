/*
 * MatMul and Gemm of integers: plain loops in ascending k.
 * A unit is a row of the output; nothing is allocated.
 */

#include "ops/matmul.h"


bool
mm_loops_setup(maas_setup_t *u)
{
    int64_t  n;

    if (u->in[0].dtype == MAAS_F32 || u->in[0].dtype == MAAS_F64
        || u->in[1].format != MAAS_FMT_PLAIN)
    {
        return false;
    }

    n = u->out[0].rank > 0 && u->in[1].rank > 1
        ? u->out[0].dims[u->out[0].rank - 1] : 1;

    u->units = n > 0 ? maas_max(maas_tensor_count(&u->out[0]) / n, 1) : 1;
    u->cost = 2.0 * (double) maas_tensor_count(&u->out[0])
              * (double) u->in[0].dims[u->in[0].rank - 1];
    return true;
}


#define MM_LOOPS(T, fn)                                                       \
                                                                              \
static void                                                                   \
fn##_row(const maas_step_t *s, const gemm_attr_t *ga, const mm_t *g,          \
    int64_t u)                                                                \
{                                                                             \
    T        *y = (T *) s->out[0].data + u * g->n;                            \
    int64_t   i, j, row, ia, ib;                                              \
    const T  *a, *b;                                                          \
                                                                              \
    row = u % g->m;                                                           \
    mm_at(g, u / g->m, &ia, &ib);                                             \
    a = (const T *) s->in[0].data + ia * g->m * g->k;                         \
    b = (const T *) s->in[1].data + ib * g->k * g->n;                         \
    memset(y, 0, (size_t) g->n * sizeof(T));                                  \
                                                                              \
    for (i = 0; i < g->k; i++) {                                              \
        T  v = g->ta ? a[i * g->lda + row] : a[row * g->lda + i];             \
                                                                              \
        for (j = 0; j < g->n; j++) {                                          \
            y[j] += v * b[i * g->ks + j * g->ns];                             \
        }                                                                     \
    }                                                                         \
                                                                              \
    if (ga != NULL) {                                                         \
        fn##_c(s, ga, (void *) y, row, g->n);                                 \
    }                                                                         \
}                                                                             \
                                                                              \
                                                                              \
static void                                                                   \
fn(const maas_step_t *s, const gemm_attr_t *ga, const mm_t *g,                \
    int64_t first, int64_t last)                                              \
{                                                                             \
    for (int64_t u = first; u < last; u++) {                                  \
        fn##_row(s, ga, g, u);                                                \
    }                                                                         \
}


/* y = alpha * y + beta * C of one row; C is [], [1], [N], [M,1], [M,N]. */
#define MM_C_ROW(T, fn)                                                       \
                                                                              \
static void                                                                   \
fn##_c(const maas_step_t *s, const gemm_attr_t *ga, T *y, int64_t row,        \
    int64_t n)                                                                \
{                                                                             \
    bool                  has;                                                \
    int64_t               j, cc, cr;                                          \
    const T              *p = NULL;                                           \
    const maas_tensor_t  *c = &s->in[2];                                      \
                                                                              \
    has = s->n_formal > 2 && c->dtype != MAAS_NODTYPE && ga->beta != 0;       \
    cc = has && c->rank > 0 ? c->dims[c->rank - 1] : 1;                       \
    cr = has && c->rank > 1 ? c->dims[0] : 1;                                 \
                                                                              \
    if (has) {                                                                \
        p = (const T *) c->data + (cr > 1 ? row * cc : 0);                    \
    }                                                                         \
                                                                              \
    for (j = 0; j < n; j++) {                                                 \
        y[j] = ga->alpha == 1 ? y[j] : (T) (ga->alpha * y[j]);                \
                                                                              \
        if (has) {                                                            \
            T  v = p[cc > 1 ? j : 0];                                         \
                                                                              \
            y[j] += ga->beta == 1 ? v : (T) (ga->beta * v);                   \
        }                                                                     \
    }                                                                         \
}

/* Products are unsigned: they wrap, with the bits of signed ones. */
MM_C_ROW(int32_t, mm_i32)


MM_C_ROW(int64_t, mm_i64)


MM_C_ROW(uint32_t, mm_u32)


MM_C_ROW(uint64_t, mm_u64)


MM_LOOPS(uint32_t, mm_i32)


MM_LOOPS(uint64_t, mm_i64)


MM_LOOPS(uint32_t, mm_u32)


MM_LOOPS(uint64_t, mm_u64)


static maas_status_t
mm_loops(const maas_step_t *s, const gemm_attr_t *ga, int64_t first,
    int64_t last)
{
    mm_t  g;

    mm_init(&g, ga, &s->in[0], &s->in[1], &s->out[0]);

    if (g.m == 0 || g.n == 0 || g.batch == 0) {
        return MAAS_OK;
    }

    switch (s->out[0].dtype) {
    case MAAS_I32:
        mm_i32(s, ga, &g, first, last);
        break;
    case MAAS_I64:
        mm_i64(s, ga, &g, first, last);
        break;
    case MAAS_U32:
        mm_u32(s, ga, &g, first, last);
        break;
    default:
        mm_u64(s, ga, &g, first, last);
        break;
    }

    return MAAS_OK;
}


maas_status_t
matmul_loops_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    (void) slot;
    return mm_loops(s, NULL, first, last);
}


maas_status_t
gemm_loops_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    (void) slot;
    return mm_loops(s, s->attr, first, last);
}
