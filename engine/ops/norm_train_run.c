/*
 * The kernels of norm_train.c: a batch's statistics, and the gradients of
 * Batch-, Instance- and GroupNormalization, plain and over blocked
 * activations.
 *
 * With x^ = (x - mean) / std, g = dy * scale, and means over what shares
 * statistics:
 *
 *   dx = (g - mean(g) - x^ mean(g x^)) / std
 *   dscale = sum of dy x^, dbias = sum of dy
 *
 * Sums are of x less the mean of the first row, in float lanes for a piece
 * of a row and in double beyond; a unit has whole channels, so that they do
 * not depend on the threads.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include <math.h>

#include "ops/blocked.h"
#include "ops/norm_train.h"


#define NT_PIECE  512           /* elements, or pixels of 16, of a chain */
#define NT_LANES  16


/* -- rows of one channel ------------------------------------------------- */

#define NT_ROW(T, sums, average, apply)                                        \
                                                                              \
static void                                                                   \
sums(const T *x, const T *dy, int64_t n, double shift, double *sum)           \
{                                                                             \
    T        s[NT_SUMS][NT_LANES], d;                                         \
    int64_t  i, m;                                                            \
    const T  at = (T) shift;                                                  \
                                                                              \
    for ( ; n > 0; n -= m, x += m, dy += m) {                                 \
        m = maas_min(n, NT_PIECE);                                            \
        memset(s, 0, sizeof(s));                                              \
                                                                              \
        for (i = 0; i + NT_LANES <= m; i += NT_LANES) {                       \
            for (int l = 0; l < NT_LANES; l++) {                              \
                d = x[i + l] - at;                                            \
                s[NT_D][l] += d;                                              \
                s[NT_DD][l] += d * d;                                         \
                s[NT_G][l] += dy[i + l];                                      \
                s[NT_GD][l] += dy[i + l] * d;                                 \
            }                                                                 \
        }                                                                     \
                                                                              \
        for ( ; i < m; i++) {                                                 \
            d = x[i] - at;                                                    \
            s[NT_D][i % NT_LANES] += d;                                       \
            s[NT_DD][i % NT_LANES] += d * d;                                  \
            s[NT_G][i % NT_LANES] += dy[i];                                   \
            s[NT_GD][i % NT_LANES] += dy[i] * d;                              \
        }                                                                     \
                                                                              \
        for (int k = 0; k < NT_SUMS; k++) {                                   \
            for (int l = 0; l < NT_LANES; l++) {                              \
                sum[k] += (double) s[k][l];                                   \
            }                                                                 \
        }                                                                     \
    }                                                                         \
}                                                                             \
                                                                              \
                                                                              \
static double                                                                 \
average(const T *x, int64_t n)                                                \
{                                                                             \
    double  sum = 0;                                                          \
                                                                              \
    for (int64_t i = 0; i < n; i++) {                                         \
        sum += (double) x[i];                                                 \
    }                                                                         \
                                                                              \
    return sum / (double) maas_max(n, 1);                                     \
}                                                                             \
                                                                              \
                                                                              \
static void                                                                   \
apply(T *dx, const T *dy, const T *x, int64_t n, const nt_map_t *map)         \
{                                                                             \
    const T  a = (T) map->a, b = (T) map->b, c = (T) map->c;                  \
    const T  at = (T) map->mean;                                              \
                                                                              \
    for (int64_t i = 0; i < n; i++) {                                         \
        dx[i] = a * dy[i] + b * (x[i] - at) + c;                              \
    }                                                                         \
}


NT_ROW(float, nt_sums_f32, nt_mean_f32, nt_apply_f32)


NT_ROW(double, nt_sums_f64, nt_mean_f64, nt_apply_f64)


/* Row at element `at`: x is input 1, dy input 0. */
void
nt_sums(const maas_step_t *s, int64_t at, int64_t n, double shift,
    double *sum)
{
    if (s->in[0].dtype == MAAS_F64) {
        nt_sums_f64((const double *) s->in[1].data + at,
                    (const double *) s->in[0].data + at, n, shift, sum);

    } else {
        nt_sums_f32((const float *) s->in[1].data + at,
                    (const float *) s->in[0].data + at, n, shift, sum);
    }
}


double
nt_mean(const maas_tensor_t *x, int64_t at, int64_t n)
{
    return x->dtype == MAAS_F64
           ? nt_mean_f64((const double *) x->data + at, n)
           : (double) (float) nt_mean_f32((const float *) x->data + at, n);
}


void
nt_apply(const maas_step_t *s, int64_t at, int64_t n, const nt_map_t *map)
{
    if (s->in[0].dtype == MAAS_F64) {
        nt_apply_f64((double *) s->out[0].data + at,
                     (const double *) s->in[0].data + at,
                     (const double *) s->in[1].data + at, n, map);

    } else {
        nt_apply_f32((float *) s->out[0].data + at,
                     (const float *) s->in[0].data + at,
                     (const float *) s->in[1].data + at, n, map);
    }
}


/* Mean less the shift, variance and 1 / std of n elements. */
static void
nt_stats(const double *sum, double n, double epsilon, double *off,
    double *var, double *inv)
{
    n = maas_max(n, 1);
    *off = sum[NT_D] / n;
    *var = maas_max(sum[NT_DD] / n - *off * *off, 0);
    *inv = 1 / sqrt(*var + epsilon);
}


/* The map of a channel whose scale is `scale`; dscale = its sum of dy x^. */
static void
nt_map(const double *sum, double n, double epsilon, double shift,
    double scale, nt_map_t *map, double *dscale)
{
    double  off, var, inv;

    nt_stats(sum, n, epsilon, &off, &var, &inv);

    *dscale = inv * (sum[NT_GD] - off * sum[NT_G]);
    map->mean = shift + off;
    map->a = scale * inv;
    map->b = -scale * inv * inv * *dscale / n;
    map->c = -map->a * sum[NT_G] / n;
}


static bool
nt_wanted(const maas_step_t *s, int i)
{
    return s->n_out > i && s->out[i].dtype != MAAS_NODTYPE
           && s->out[i].data != NULL;
}


void
nt_put(const maas_step_t *s, int i, int64_t c, double v)
{
    if (nt_wanted(s, i)) {
        norm_put(&s->out[i], c, v);
    }
}


/* -- BatchNormGrad ------------------------------------------------------- */

bool
nt_setup(maas_setup_t *u)
{
    bool         c16 = u->in[0].format == MAAS_FMT_C16;
    norm_geom_t  g;

    norm_geom(&g, &u->in[0]);
    u->units = maas_max(c16 ? maas_blocks(g.c) : g.c, 1);
    u->cost = (double) u->in[0].bytes / 4;
    return u->in[0].format == u->out[0].format;
}


maas_status_t
nt_run_batch(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    double              shift, dscale, sum[NT_SUMS];
    int64_t             c, i;
    nt_map_t            map;
    norm_geom_t         g;
    const norm_attr_t  *a = s->attr;

    (void) slot;

    norm_geom(&g, &s->in[0]);

    for (c = first; c < last && c < g.c; c++) {
        memset(sum, 0, sizeof(sum));
        shift = g.n > 0 ? nt_mean(&s->in[1], c * g.hw, g.hw) : 0;

        for (i = 0; i < g.n; i++) {
            nt_sums(s, (i * g.c + c) * g.hw, g.hw, shift, sum);
        }

        nt_map(sum, (double) (g.n * g.hw), (double) a->epsilon, shift,
               norm_at(&s->in[2], c), &map, &dscale);

        for (i = 0; i < g.n; i++) {
            nt_apply(s, (i * g.c + c) * g.hw, g.hw, &map);
        }

        nt_put(s, 1, c, dscale);
        nt_put(s, 2, c, sum[NT_G]);
    }

    return MAAS_OK;
}


/* With the statistics that are served: inputs 3 and 4. */
maas_status_t
nt_run_frozen(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    double              sum[NT_SUMS], mean, inv;
    int64_t             c, i;
    nt_map_t            map = { 0 };
    norm_geom_t         g;
    const norm_attr_t  *a = s->attr;

    (void) slot;

    norm_geom(&g, &s->in[0]);

    for (c = first; c < last && c < g.c; c++) {
        memset(sum, 0, sizeof(sum));
        mean = norm_at(&s->in[3], c);
        inv = 1 / sqrt(norm_at(&s->in[4], c) + (double) a->epsilon);
        map.a = norm_at(&s->in[2], c) * inv;

        for (i = 0; i < g.n; i++) {
            nt_sums(s, (i * g.c + c) * g.hw, g.hw, mean, sum);
            nt_apply(s, (i * g.c + c) * g.hw, g.hw, &map);
        }

        nt_put(s, 1, c, sum[NT_GD] * inv);
        nt_put(s, 2, c, sum[NT_G]);
    }

    return MAAS_OK;
}


/* -- blocks of 16 channels ----------------------------------------------- */

/* Sums of n pixels, by channel. */
static void
nt_sums16(const float *x, const float *dy, int64_t n, const float *shift,
    double sum[NT_SUMS][MAAS_C16])
{
    float    s[NT_SUMS][MAAS_C16], d;
    int64_t  i, m;

    for ( ; n > 0; n -= m) {
        m = maas_min(n, NT_PIECE);
        memset(s, 0, sizeof(s));

        for (i = 0; i < m; i++, x += MAAS_C16, dy += MAAS_C16) {
            for (int l = 0; l < MAAS_C16; l++) {
                d = x[l] - shift[l];
                s[NT_D][l] += d;
                s[NT_DD][l] += d * d;
                s[NT_G][l] += dy[l];
                s[NT_GD][l] += dy[l] * d;
            }
        }

        for (int k = 0; k < NT_SUMS; k++) {
            for (int l = 0; l < MAAS_C16; l++) {
                sum[k][l] += (double) s[k][l];
            }
        }
    }
}


void
nt_apply16(float *dx, const float *dy, const float *x, int64_t n,
    const nt_map_t *map)
{
    float  a[MAAS_C16], b[MAAS_C16], c[MAAS_C16], at[MAAS_C16];

    for (int l = 0; l < MAAS_C16; l++) {
        a[l] = (float) map[l].a;
        b[l] = (float) map[l].b;
        c[l] = (float) map[l].c;
        at[l] = (float) map[l].mean;
    }

    for (int64_t i = 0; i < n * MAAS_C16; i += MAAS_C16) {
        for (int l = 0; l < MAAS_C16; l++) {
            dx[i + l] = a[l] * dy[i + l] + b[l] * (x[i + l] - at[l]) + c[l];
        }
    }
}


/* Block `u` of all images: where sums are taken from and their shift. */
void
nt_block(const maas_step_t *s, const maas_tensor_t *x,
    const maas_tensor_t *dy, int64_t u, float *shift,
    double sum[NT_SUMS][MAAS_C16])
{
    int64_t  n = maas_pixels(x), blocks = maas_blocks(x->dims[1]), at;

    memset(sum, 0, NT_SUMS * MAAS_C16 * sizeof(double));
    memset(shift, 0, MAAS_C16 * sizeof(float));

    if (x->dims[0] > 0 && n > 0) {
        s->k->sum16(shift, (const float *) x->data + u * n * MAAS_C16, n,
                    1.0f / (float) n);
    }

    for (int64_t i = 0; i < x->dims[0]; i++) {
        at = (i * blocks + u) * n * MAAS_C16;
        nt_sums16((const float *) x->data + at, (const float *) dy->data + at,
                  n, shift, sum);
    }
}


maas_status_t
nt_run_batch16(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    float                 shift[MAAS_C16];
    double                sum[NT_SUMS][MAAS_C16], one[NT_SUMS], dscale;
    int64_t               u, i, at, n, c, blocks;
    nt_map_t              map[MAAS_C16];
    const norm_attr_t    *a = s->attr;
    const maas_tensor_t  *x = &s->in[1];

    (void) slot;

    n = maas_pixels(x);
    blocks = maas_blocks(x->dims[1]);

    for (u = first; u < last && u < blocks; u++) {
        nt_block(s, x, &s->in[0], u, shift, sum);
        memset(map, 0, sizeof(map));

        for (int l = 0; l < MAAS_C16; l++) {
            c = u * MAAS_C16 + l;

            if (c >= x->dims[1]) {
                break;
            }

            for (int k = 0; k < NT_SUMS; k++) {
                one[k] = sum[k][l];
            }

            nt_map(one, (double) (x->dims[0] * n), (double) a->epsilon,
                   (double) shift[l], norm_at(&s->in[2], c), &map[l],
                   &dscale);
            nt_put(s, 1, c, dscale);
            nt_put(s, 2, c, one[NT_G]);
        }

        for (i = 0; i < x->dims[0]; i++) {
            at = (i * blocks + u) * n * MAAS_C16;
            nt_apply16((float *) s->out[0].data + at,
                       (const float *) s->in[0].data + at,
                       (const float *) x->data + at, n, map);
        }
    }

    return MAAS_OK;
}


/* -- GroupNormGrad ------------------------------------------------------- */

/* Channels of a group; without groups every channel is one. */
static int64_t
nt_group(const norm_attr_t *a, const maas_tensor_t *x)
{
    return a->num_groups > 0 ? x->dims[1] / a->num_groups : 1;
}


bool
nt_setup_group(maas_setup_t *u)
{
    int64_t  per = maas_max(nt_group(u->attr, &u->in[0]), 1);

    u->units = maas_max(u->in[0].dims[1] / per, 1);
    u->scratch = (size_t) per * 2 * sizeof(double);
    u->cost = (double) u->in[0].bytes / 4;
    return true;
}


/* Group gi of image i; acc: dscale and dbias of its channels so far. */
static void
nt_group_image(const maas_step_t *s, const norm_geom_t *g, int64_t i,
    int64_t gi, int64_t per, double *acc)
{
    double              off = 0, var, inv = 0, shift, scale, sg = 0, sgd = 0;
    double              all[NT_SUMS] = { 0 }, sum[NT_SUMS], n;
    int64_t             c, at;
    nt_map_t            map;
    const norm_attr_t  *a = s->attr;
    const bool          each = maas_tensor_count(&s->in[2]) == g->c;

    at = (i * g->c + gi * per) * g->hw;
    shift = nt_mean(&s->in[1], at, g->hw);
    n = (double) (per * g->hw);

    for (int turn = 0; turn < 2; turn++) {

        for (c = 0; c < per; c++) {
            memset(sum, 0, sizeof(sum));
            nt_sums(s, at + c * g->hw, g->hw, shift, sum);
            scale = norm_at(&s->in[2], each ? gi * per + c : gi);

            if (turn == 0) {
                all[NT_D] += sum[NT_D];
                all[NT_DD] += sum[NT_DD];
                sg += scale * sum[NT_G];
                sgd += scale * sum[NT_GD];
                continue;
            }

            acc[2 * c] += inv * (sum[NT_GD] - off * sum[NT_G]);
            acc[2 * c + 1] += sum[NT_G];
            map.a = inv * scale;
            map.b = -inv * inv * inv * (sgd - off * sg) / n;
            map.c = -inv * sg / n;
            map.mean = shift + off;
            nt_apply(s, at + c * g->hw, g->hw, &map);
        }

        nt_stats(all, n, (double) a->epsilon, &off, &var, &inv);
    }
}


maas_status_t
nt_run_group(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    double       *acc = slot->scratch, scale, bias;
    int64_t       u, i, c, per;
    norm_geom_t   g;

    norm_geom(&g, &s->in[0]);
    per = maas_max(nt_group(s->attr, &s->in[0]), 1);

    for (u = first; u < last && u < g.c / per; u++) {
        memset(acc, 0, (size_t) per * 2 * sizeof(double));

        for (i = 0; i < g.n; i++) {
            nt_group_image(s, &g, i, u, per, acc);
        }

        scale = bias = 0;

        for (c = 0; c < per; c++) {
            scale += acc[2 * c];
            bias += acc[2 * c + 1];

            if (maas_tensor_count(&s->in[2]) == g.c) {
                nt_put(s, 1, u * per + c, acc[2 * c]);
                nt_put(s, 2, u * per + c, acc[2 * c + 1]);
            }
        }

        if (maas_tensor_count(&s->in[2]) != g.c) {
            nt_put(s, 1, u, scale);
            nt_put(s, 2, u, bias);
        }
    }

    return MAAS_OK;
}


/* -- BatchNormTrain ------------------------------------------------------ */

/* Inputs X, scale, B, mean, var; outputs Y, running mean and variance. */
void
nt_running(const maas_step_t *s, int64_t c, double mean, double var,
    double n)
{
    double              m;
    const norm_attr_t  *a = s->attr;

    m = (double) a->momentum;
    nt_put(s, 1, c, norm_at(&s->in[3], c) * m + mean * (1 - m));
    nt_put(s, 2, c, norm_at(&s->in[4], c) * m
                    + var * (n > 1 ? n / (n - 1) : 1) * (1 - m));
}


maas_status_t
nt_run_train(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    double                shift, off, var, inv, n, sum[NT_SUMS];
    int64_t               c, i, at;
    nt_map_t              map = { 0 };
    maas_step_t           t = *s;
    norm_geom_t           g;
    maas_tensor_t         x[2] = { s->in[0], s->in[0] };
    const norm_attr_t    *a = s->attr;

    (void) slot;

    norm_geom(&g, &s->in[0]);
    t.in = x;
    n = (double) (g.n * g.hw);

    for (c = first; c < last && c < g.c; c++) {
        memset(sum, 0, sizeof(sum));
        shift = g.n > 0 ? nt_mean(&s->in[0], c * g.hw, g.hw) : 0;

        for (i = 0; i < g.n; i++) {
            nt_sums(&t, (i * g.c + c) * g.hw, g.hw, shift, sum);
        }

        nt_stats(sum, n, (double) a->epsilon, &off, &var, &inv);
        map.b = norm_at(&s->in[1], c) * inv;
        map.c = norm_at(&s->in[2], c);
        map.mean = shift + off;

        for (i = 0; i < g.n; i++) {
            at = (i * g.c + c) * g.hw;
            nt_apply(&t, at, g.hw, &map);
        }

        nt_running(s, c, map.mean, var, n);
    }

    return MAAS_OK;
}


maas_status_t
nt_run_train16(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    float                 shift[MAAS_C16], *y;
    double                sum[NT_SUMS][MAAS_C16], one[NT_SUMS], off, var, inv;
    int64_t               u, i, at, n, c, blocks;
    nt_map_t              map[MAAS_C16];
    const norm_attr_t    *a = s->attr;
    const maas_tensor_t  *x = &s->in[0];

    (void) slot;

    n = maas_pixels(x);
    blocks = maas_blocks(x->dims[1]);

    for (u = first; u < last && u < blocks; u++) {
        nt_block(s, x, x, u, shift, sum);
        memset(map, 0, sizeof(map));

        for (int l = 0; l < MAAS_C16; l++) {
            c = u * MAAS_C16 + l;

            if (c >= x->dims[1]) {
                break;
            }

            one[NT_D] = sum[NT_D][l];
            one[NT_DD] = sum[NT_DD][l];
            nt_stats(one, (double) (x->dims[0] * n), (double) a->epsilon,
                     &off, &var, &inv);
            map[l].b = norm_at(&s->in[1], c) * inv;
            map[l].c = norm_at(&s->in[2], c);
            map[l].mean = (double) shift[l] + off;
            nt_running(s, c, map[l].mean, var, (double) (x->dims[0] * n));
        }

        for (i = 0; i < x->dims[0]; i++) {
            at = (i * blocks + u) * n * MAAS_C16;
            y = (float *) s->out[0].data + at;
            nt_apply16(y, (const float *) x->data + at,
                       (const float *) x->data + at, n, map);

            if (s->n_post != 0) {
                maas_post_apply16(s, 0, y, y, n, at, i * blocks + u);
            }
        }
    }

    return MAAS_OK;
}
