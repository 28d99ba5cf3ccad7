/*
 * The loop over time of RNN, GRU and LSTM: float32 on the packed products
 * and the vector functions of the kernel table, float64 on plain loops.
 *
 * Inputs of many steps are multiplied at once, states step by step; rows of
 * a batch never meet in one sum, so a row's bits know no batch.
 */

#include <math.h>
#include <sched.h>
#include <stdatomic.h>

#include "ops/rnn_core.h"


#define RNN_ROWS_MAX  64

#define RNN_UNIT(T)                                                           \
    const maas_step_t  *s;                                                    \
    const rnn_geom_t   *g;                                                    \
    const rnn_attr_t   *a;                                                    \
    int64_t             dir, b0, mb;                                          \
    bool                reverse;                                              \
    bool                uniform;        /* all rows have one length */        \
    bool                made;           /* the products of a step are */      \
    int64_t             col0, cols;     /* of the gates, for inputs */        \
    int64_t             len[RNN_ROWS_MAX];                                    \
    const T            *w, *r;          /* of this direction */               \
    const T            *peep;                                                 \
    T                  *gx, *h, *c, *tmp, *bias

typedef struct { RNN_UNIT(float); }  unit_t_f32;
typedef struct { RNN_UNIT(double); }  unit_t_f64;


/* -- float32 ------------------------------------------------------------- */

static void
input_f32(unit_t_f32 *u, int64_t m, const float *a, int64_t lda, float *c,
    int64_t ldc)
{
    maas_gemm_t  p = {
        .m = m, .n = u->cols, .k = u->g->in, .a = a, .lda = lda,
        .b = u->w + u->col0 * u->g->in, .c = c + u->col0, .ldc = ldc,
        .bias = u->bias + u->col0
    };

    u->s->k->gemm(&p, 0, m);
}


static void
recur_f32(unit_t_f32 *u, int64_t gate, int64_t n, int64_t m, const float *a,
    float *c, int64_t ldc, const float *bias, bool add)
{
    int64_t      h = u->g->hid;
    maas_gemm_t  p = {
        m, n * h, h, a, h, u->r + gate * (int64_t) maas_p16_elems(h, h), c,
        ldc, bias, add
    };

    u->s->k->gemm(&p, 0, m);
}


static void
act_f32(const unit_t_f32 *u, int which, float *x, int64_t n)
{
    int64_t                i;
    rnn_act_t              f = u->g->act[u->dir][which];
    const maas_kernels_t  *k = u->s->k;

    static const uint8_t  unary[RNN_ACTS] = {
        [RNN_RELU] = MAAS_U_RELU, [RNN_TANH] = MAAS_U_TANH,
        [RNN_SIGMOID] = MAAS_U_SIGMOID, [RNN_AFFINE] = MAAS_U_AFFINE,
        [RNN_LEAKY] = MAAS_U_LEAKY, [RNN_HARD_SIGMOID] = MAAS_U_HSIGMOID,
        [RNN_ELU] = MAAS_U_ELU, [RNN_SOFTPLUS] = MAAS_U_SOFTPLUS
    };

    switch (f.fn) {
    case RNN_THRESHOLDED:
        for (i = 0; i < n; i++) {
            x[i] = x[i] >= f.a ? x[i] : 0;
        }
        break;

    case RNN_SOFTSIGN:
        for (i = 0; i < n; i++) {
            x[i] /= 1 + fabsf(x[i]);
        }
        break;

    case RNN_SCALED_TANH:
        k->unary[MAAS_U_AFFINE](x, x, n, f.b, 0);
        k->unary[MAAS_U_TANH](x, x, n, 0, 0);
        k->unary[MAAS_U_AFFINE](x, x, n, f.a, 0);
        break;

    default:
        k->unary[unary[f.fn]](x, x, n, f.a, f.b);
        break;
    }
}


static void
clip_f32(const unit_t_f32 *u, float *x, int64_t n)
{
    if (u->a->clip > 0) {
        u->s->k->unary[MAAS_U_CLIP](x, x, n, -u->a->clip, u->a->clip);
    }
}


static void
mul_f32(const unit_t_f32 *u, float *y, const float *a, const float *b,
    int64_t n)
{
    u->s->k->binary[MAAS_B_MUL](y, a, 1, b, 1, n);
}


static void
add_f32(const unit_t_f32 *u, float *y, const float *a, const float *b,
    int64_t n)
{
    u->s->k->binary[MAAS_B_ADD](y, a, 1, b, 1, n);
}


static void
rest_f32(const unit_t_f32 *u, float *y, const float *a, int64_t n)
{
    const float  one = 1;

    u->s->k->binary[MAAS_B_SUB](y, &one, 0, a, 1, n);
}


static void
cell_f32(const unit_t_f32 *u, float *c, const float *p)
{
    u->s->k->lstm_cell(c, p, c, u->g->hid);
}


/* -- float64 ------------------------------------------------------------- */

/* c = bias or c or 0, plus a * w transposed; w: n rows of k. */
static void
mm_f64(int64_t m, int64_t n, int64_t k, const double *a, int64_t lda,
    const double *w, double *c, int64_t ldc, const double *bias, bool add)
{
    double   v;
    int64_t  i, j, l;

    for (i = 0; i < m; i++) {
        for (j = 0; j < n; j++) {
            v = bias != NULL ? bias[j] : add ? c[i * ldc + j] : 0;

            for (l = 0; l < k; l++) {
                v += a[i * lda + l] * w[j * k + l];
            }

            c[i * ldc + j] = v;
        }
    }
}


static void
input_f64(unit_t_f64 *u, int64_t m, const double *a, int64_t lda, double *c,
    int64_t ldc)
{
    mm_f64(m, u->g->gates, u->g->in, a, lda, u->w, c, ldc, u->bias, false);
}


static void
recur_f64(unit_t_f64 *u, int64_t gate, int64_t n, int64_t m, const double *a,
    double *c, int64_t ldc, const double *bias, bool add)
{
    int64_t  h = u->g->hid;

    mm_f64(m, n * h, h, a, h, u->r + gate * h * h, c, ldc, bias, add);
}


static double
act_one(rnn_act_t f, double x)
{
    double  a = f.a, b = f.b;

    switch (f.fn) {
    case RNN_RELU:
        return x < 0 ? 0 : x;
    case RNN_TANH:
        return tanh(x);
    case RNN_SIGMOID:
        return 1 / (1 + exp(-x));
    case RNN_AFFINE:
        return a * x + b;
    case RNN_LEAKY:
        return x < 0 ? a * x : x;
    case RNN_THRESHOLDED:
        return x >= a ? x : 0;
    case RNN_SCALED_TANH:
        return a * tanh(b * x);
    case RNN_HARD_SIGMOID:
        return fmin(fmax(a * x + b, 0), 1);
    case RNN_ELU:
        return x < 0 ? a * expm1(x) : x;
    case RNN_SOFTSIGN:
        return x / (1 + fabs(x));
    default:
        return fmax(x, 0) + log1p(exp(-fabs(x)));
    }
}


static void
act_f64(const unit_t_f64 *u, int which, double *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        x[i] = act_one(u->g->act[u->dir][which], x[i]);
    }
}


static void
clip_f64(const unit_t_f64 *u, double *x, int64_t n)
{
    double  c = u->a->clip;

    for (int64_t i = 0; c > 0 && i < n; i++) {
        x[i] = x[i] < -c ? -c : x[i] > c ? c : x[i];
    }
}


static void
mul_f64(const unit_t_f64 *u, double *y, const double *a, const double *b,
    int64_t n)
{
    (void) u;

    for (int64_t i = 0; i < n; i++) {
        y[i] = a[i] * b[i];
    }
}


static void
add_f64(const unit_t_f64 *u, double *y, const double *a, const double *b,
    int64_t n)
{
    (void) u;

    for (int64_t i = 0; i < n; i++) {
        y[i] = a[i] + b[i];
    }
}


static void
rest_f64(const unit_t_f64 *u, double *y, const double *a, int64_t n)
{
    (void) u;

    for (int64_t i = 0; i < n; i++) {
        y[i] = 1 - a[i];
    }
}


static void
cell_f64(const unit_t_f64 *u, double *c, const double *p)
{
    lstm_cell_f64(c, p, c, u->g->hid);
}


/* -- the loop, twice ----------------------------------------------------- */

#define RNN_T      float
#define RNN(name)  name##_f32
#include "ops/rnn_body.h"
#undef RNN_T
#undef RNN

#define RNN_T      double
#define RNN(name)  name##_f64
#include "ops/rnn_body.h"


/* Lengths of the unit's rows. */
static maas_status_t
rnn_lens(const maas_step_t *s, const rnn_geom_t *g, int64_t b0, int64_t mb,
    int64_t *len, bool *uniform, maas_err_t *err)
{
    int64_t         b;
    const int32_t  *v = NULL;

    if (rnn_has(s->in, s->n_formal, RNN_LENS)) {
        v = s->in[RNN_LENS].data;
    }

    *uniform = true;

    for (b = 0; b < mb; b++) {
        len[b] = v != NULL ? v[b0 + b] : g->seq;
        *uniform = *uniform && len[b] == len[0];

        if (len[b] < 0 || len[b] > g->seq) {
            return maas_err(err, MAAS_EINVAL,
                            "sequence_lens[%lld] is %lld, expected 0 to %lld",
                            (long long) (b0 + b), (long long) len[b],
                            (long long) g->seq);
        }
    }

    return MAAS_OK;
}


/* Weights of a direction that came unpacked, into the scratch. */
static void
rnn_pack_f32(const maas_step_t *s, const rnn_geom_t *g, unit_t_f32 *u,
    float *scratch)
{
    int64_t       i, n, gates = g->cell == RNN_CELL_GRU ? 3 : 1;
    const float  *p;

    u->w = (const float *) s->in[RNN_W].data + u->dir * g->wsize;
    u->r = (const float *) s->in[RNN_R].data + u->dir * g->rsize;

    if (s->in[RNN_W].format == MAAS_FMT_PLAIN) {
        p = (const float *) s->in[RNN_W].data + u->dir * g->gates * g->in;
        s->k->pack_p16(scratch + g->w, p, 1, g->in, g->in, g->gates, 0,
                       (g->gates + 15) / 16);
        u->w = scratch + g->w;
    }

    if (s->in[RNN_R].format == MAAS_FMT_PLAIN) {
        n = g->gates / gates;

        for (i = 0; i < gates; i++) {
            p = (const float *) s->in[RNN_R].data
                + (u->dir * gates + i) * n * g->hid;
            s->k->pack_p16(scratch + g->r
                           + (size_t) i * maas_p16_elems(g->hid, n), p, 1,
                           g->hid, g->hid, n, 0, (n + 15) / 16);
        }

        u->r = scratch + g->r;
    }
}

#define RNN_FILL(u, T)                                                        \
    do {                                                                      \
        (u)->s = s;                                                           \
        (u)->g = g;                                                           \
        (u)->made = false;                                                    \
        (u)->col0 = 0;                                                        \
        (u)->cols = g->gates;                                                 \
        (u)->a = s->attr;                                                     \
        (u)->dir = unit / g->blocks;                                          \
        (u)->b0 = unit % g->blocks * g->mb;                                   \
        (u)->mb = maas_min(g->mb, g->batch - (u)->b0);                        \
        (u)->reverse = (u)->a->direction == RNN_REVERSE || (u)->dir == 1;     \
        (u)->gx = (T *) slot->scratch + g->gx;                                \
        (u)->h = (T *) slot->scratch + g->h;                                  \
        (u)->c = (T *) slot->scratch + g->c;                                  \
        (u)->tmp = (T *) slot->scratch + g->tmp;                              \
        (u)->bias = (T *) slot->scratch + g->bias;                            \
        (u)->peep = rnn_has(s->in, s->n_formal, RNN_P)                        \
                    ? (const T *) s->in[RNN_P].data + (u)->dir * 3 * g->hid   \
                    : NULL;                                                   \
    } while (0)


static maas_status_t
rnn_unit_f32(const maas_step_t *s, const rnn_geom_t *g, maas_slot_t *slot,
    int64_t unit, bool pack)
{
    unit_t_f32  u;

    RNN_FILL(&u, float);
    MAAS_TRY(rnn_lens(s, g, u.b0, u.mb, u.len, &u.uniform, slot->err));

    if (pack) {
        rnn_pack_f32(s, g, &u, slot->scratch);

    } else {
        u.w = s->in[RNN_W].format == MAAS_FMT_PLAIN
              ? (const float *) slot->scratch + g->w
              : (const float *) s->in[RNN_W].data + u.dir * g->wsize;
        u.r = s->in[RNN_R].format == MAAS_FMT_PLAIN
              ? (const float *) slot->scratch + g->r
              : (const float *) s->in[RNN_R].data + u.dir * g->rsize;
    }

    unit_f32(&u);
    return MAAS_OK;
}


static maas_status_t
rnn_unit_f64(const maas_step_t *s, const rnn_geom_t *g, maas_slot_t *slot,
    int64_t unit)
{
    unit_t_f64  u;

    RNN_FILL(&u, double);
    MAAS_TRY(rnn_lens(s, g, u.b0, u.mb, u.len, &u.uniform, slot->err));
    u.w = (const double *) s->in[RNN_W].data + u.dir * g->gates * g->in;
    u.r = (const double *) s->in[RNN_R].data + u.dir * g->gates * g->hid;
    unit_f64(&u);
    return MAAS_OK;
}


/* -- one unit by several threads ----------------------------------------- */

/*
 * Where there is one unit, its threads meet at every step: phases follow each
 * other (begin; of each block of steps its inputs, then every step), a phase
 * has slices of columns, which whoever comes takes in order, and who ends the
 * last slice does what follows the product and opens the next phase; of many
 * batch rows that is a phase of its own, whose slices are rows.  A
 * thread that never comes takes nothing, so nobody waits for it; who waits,
 * waits for a slice that is being computed.  No bit depends on who does what.
 */
typedef struct {
    _Atomic int64_t  taken;             /* slices, over all phases */
    _Atomic int64_t  done;
    _Atomic int64_t  open;              /* the phase that may run */
} rnn_meet_t;

_Static_assert(sizeof(rnn_meet_t) <= MAAS_ALIGN, "the part that is zeroed");

#define RNN_SPIN  256                   /* rounds before it yields */


size_t
rnn_shared(const rnn_geom_t *g)
{
    return g->slices == 0 ? 0 : MAAS_ALIGN + g->total * sizeof(float);
}


#define RNN_WIDE  8                     /* rows that are shared, too */

/* What a phase makes. */
typedef struct {
    int64_t  s0, n;             /* a block of steps */
    int64_t  i;                 /* its step; -1: its inputs */
    bool     first, last;       /* GRU has two products in a row */
    bool     rows;              /* what follows the product */
} rnn_phase_t;


static bool
rnn_two(const unit_t_f32 *u)
{
    return u->g->cell == RNN_CELL_GRU && !u->a->linear_before_reset;
}


/* Phases of a step. */
static int64_t
rnn_each(const unit_t_f32 *u)
{
    return (rnn_two(u) ? 2 : 1) * (u->mb >= RNN_WIDE ? 2 : 1);
}


static rnn_phase_t
rnn_phase(const unit_t_f32 *u, int64_t phase)
{
    bool         wide = u->mb >= RNN_WIDE;
    int64_t      each = rnn_each(u), at, part;
    rnn_phase_t  p;

    at = (phase - 1) % (u->g->tb * each + 1) - 1;
    part = at < 0 ? 0 : at % each;
    p.s0 = (phase - 1) / (u->g->tb * each + 1) * u->g->tb;
    p.n = maas_min(u->g->tb, u->g->seq - p.s0);
    p.i = at < 0 ? -1 : at / each;
    p.rows = wide && part % 2 == 1;
    p.first = !rnn_two(u) || part / (wide ? 2 : 1) == 0;
    p.last = !rnn_two(u) || !p.first;
    return p;
}


/* What follows a step's product, of batch rows [b0, b1). */
static void
rnn_rows(const unit_t_f32 *u, const rnn_phase_t *p, int64_t b0, int64_t b1)
{
    float             *at;
    int64_t            ld = u->g->tb * u->g->gates, h = u->g->hid;
    unit_t_f32         v = *u;

    v.b0 += b0;
    v.mb = b1 - b0;
    v.gx += b0 * ld;
    v.h += b0 * h;
    v.c += b0 * h;
    v.tmp += b0 * h;
    at = v.gx + (v.reverse ? p->n - 1 - p->i : p->i) * v.g->gates;

    if (!rnn_two(u)) {
        step_f32(&v, p->s0, p->i, p->n);

    } else if (p->first) {
        gru_reset_f32(&v, at, ld);

    } else {
        gru_state_f32(&v, at, ld, p->s0 + p->i);
        save_f32(&v, at, ld, p->s0 + p->i);
        store_f32(&v, p->s0 + p->i);
    }
}


/* Columns [c0, c1) of a step's product; GRU's last gate goes apart. */
static void
rnn_slice(unit_t_f32 *u, const rnn_phase_t *at, float *gates, int64_t c0,
    int64_t c1)
{
    int64_t      h = u->g->hid, apart;
    maas_gemm_t  p = { .m = u->mb, .k = h, .a = u->h, .lda = h,
                       .ldc = u->g->tb * u->g->gates, .accumulate = true };

    apart = u->g->cell == RNN_CELL_GRU ? 2 * h : u->g->gates;

    if (at->first && c0 < apart) {
        p.n = maas_min(c1, apart) - c0;
        p.b = u->r + c0 * h;
        p.c = gates + c0;
        u->s->k->gemm(&p, 0, u->mb);
    }

    if (c1 <= apart) {
        return;
    }

    c0 = maas_max(c0, apart);
    p.n = c1 - c0;
    p.b = u->r + c0 * h;

    if (!rnn_two(u)) {
        p.c = u->tmp + c0 - apart;
        p.ldc = h;
        p.bias = u->bias + u->g->gates + c0 - apart;
        p.accumulate = false;
        u->s->k->gemm(&p, 0, u->mb);

    } else if (at->last) {
        p.a = u->tmp;
        p.c = gates + c0;
        u->s->k->gemm(&p, 0, u->mb);
    }
}


static void
rnn_phase_slice(unit_t_f32 *u, int64_t phase, int64_t slice)
{
    int64_t            c0, from, cols;
    rnn_phase_t        p;
    const rnn_geom_t  *g = u->g;

    if (phase == 0) {
        return;
    }

    p = rnn_phase(u, phase);
    from = 0;
    cols = g->gates / MAAS_P16;

    if (p.rows) {
        rnn_rows(u, &p, u->mb * slice / g->slices,
                 u->mb * (slice + 1) / g->slices);
        return;
    }

    if (p.i >= 0 && rnn_two(u)) {
        from = p.first ? 0 : 2 * g->hid;
        cols = (p.first ? 2 : 1) * g->hid / MAAS_P16;
    }

    c0 = cols * slice / g->slices;
    cols = cols * (slice + 1) / g->slices - c0;
    c0 = from + c0 * MAAS_P16;
    cols *= MAAS_P16;

    if (p.i < 0) {
        u->col0 = c0;
        u->cols = cols;
        gates_f32(u, p.s0, p.n);

    } else if (cols > 0) {
        rnn_slice(u, &p, u->gx + (u->reverse ? p.n - 1 - p.i : p.i)
                                 * g->gates, c0, c0 + cols);
    }
}


static void
rnn_phase_end(unit_t_f32 *u, int64_t phase)
{
    bool         wide = u->mb >= RNN_WIDE;
    rnn_phase_t  p;

    if (phase == 0) {
        begin_f32(u);
        return;
    }

    p = rnn_phase(u, phase);

    if (p.i >= 0 && !wide) {
        rnn_rows(u, &p, 0, u->mb);
    }

    if (p.i >= 0 && p.last && p.rows == wide && p.s0 + p.i + 1 == u->g->seq) {
        end_f32(u);
    }
}


static maas_status_t
rnn_together(const maas_step_t *s, const rnn_geom_t *g, maas_slot_t *slot)
{
    int64_t       at, phase, phases, spins = 0, unit = 0;
    rnn_meet_t   *meet = s->shared;
    unit_t_f32    u;
    maas_slot_t   own = *slot;

    own.scratch = (char *) s->shared + MAAS_ALIGN;
    slot = &own;
    RNN_FILL(&u, float);
    MAAS_TRY(rnn_lens(s, g, u.b0, u.mb, u.len, &u.uniform, slot->err));
    u.w = s->in[RNN_W].data;
    u.r = s->in[RNN_R].data;
    u.made = true;
    phases = 1 + g->seq * rnn_each(&u)
             + (g->seq + g->tb - 1) / g->tb;

    for ( ;; ) {
        at = atomic_fetch_add_explicit(&meet->taken, 1, memory_order_relaxed);
        phase = at / g->slices;

        if (phase >= phases) {
            return MAAS_OK;
        }

        while (atomic_load_explicit(&meet->open, memory_order_acquire)
               < phase)
        {
            if (++spins % RNN_SPIN == 0) {
                sched_yield();
            }
        }

        rnn_phase_slice(&u, phase, at % g->slices);
        at = atomic_fetch_add_explicit(&meet->done, 1, memory_order_acq_rel);

        if (at + 1 == (phase + 1) * g->slices) {
            rnn_phase_end(&u, phase);
            atomic_store_explicit(&meet->open, phase + 1,
                                  memory_order_release);
        }
    }
}


maas_status_t
rnn_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last,
    rnn_cell_t cell)
{
    int64_t     unit, dir, packed = -1;
    rnn_geom_t  g;

    rnn_geom(&g, s->attr, cell, s->in, s->n_formal);

    if (g.slices != 0 && g.batch != 0) {
        return rnn_together(s, &g, slot);
    }

    for (unit = first; unit < last && g.batch != 0; unit++) {
        if (s->in[RNN_X].dtype == MAAS_F64) {
            MAAS_TRY(rnn_unit_f64(s, &g, slot, unit));
            continue;
        }

        dir = unit / g.blocks;
        MAAS_TRY(rnn_unit_f32(s, &g, slot, unit, packed != dir));
        packed = dir;
    }

    return MAAS_OK;
}
