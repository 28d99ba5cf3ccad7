/*
 * k_means.c: k clusters around their means, by Lloyd's iteration from
 * several starts; the start with the least sum of squared distances stays.
 * A start is chosen by k-means++ with a few candidates for each centre:
 * Arthur, Vassilvitskii, "k-means++: the advantages of careful seeding",
 * 2007.
 *
 * Rows are cut into chunks by k and the features alone, and the sums of
 * chunks are added in order, so that the result does not depend on threads.
 *
 * Ownership: scratch arenas of the fit; constants are copied to nodes.
 * Threads:   the job's own, helped by idle members of its team.
 */

#include <math.h>

#include "base/random.h"
#include "kernels/knear.h"
#include "train/fit.h"


#define KM_ROWS    128          /* of one product */
#define KM_CHUNKS  64
#define KM_BYTES   (64 << 20)   /* of the sums of all chunks */
#define KM_TRIALS  32
#define KM_STREAM  0x6b6d     /* of random numbers */

typedef struct {
    int64_t  k;
    int64_t  starts;
    int64_t  steps;
    double   tolerance;
} km_param_t;

static const maas_param_t  km_params[] = {
    { .name = "k", .type = MAAS_PARAM_INT, .def = 8, .min = 1, .max = 1e6,
      .off = offsetof(km_param_t, k), .about = "clusters" },
    { .name = "starts", .type = MAAS_PARAM_INT, .def = 10, .min = 1,
      .max = 10000, .off = offsetof(km_param_t, starts),
      .about = "times it begins anew; the best stays" },
    { .name = "max_iterations", .type = MAAS_PARAM_INT, .def = 300,
      .min = 1, .max = 1e9, .off = offsetof(km_param_t, steps),
      .about = "of one start, at most" },
    { .name = "tolerance", .type = MAAS_PARAM_NUMBER, .def = 1e-4, .min = 0,
      .max = 1e300, .off = offsetof(km_param_t, tolerance),
      .about = "movement of the centres to stop at, as a part of the mean "
               "variance" }
};

/* Sums of a chunk. */
typedef struct {
    double  *sum;               /* k x p */
    double  *weight;            /* k */
    double   inertia;
    double   trial[KM_TRIALS];  /* what each candidate would leave */
    bool     moved;             /* a label changed */
} km_chunk_t;

typedef struct {
    maas_fit_job_t        *f;
    const km_param_t      *q;
    maas_near_pt           near;
    maas_lease_t          *lease;
    int64_t                n, p, k;
    int64_t                chunks;
    km_chunk_t            *chunk;
    double                *x;           /* n x p, less the mean */
    double                *mean;
    double                 variance;    /* mean over the features */
    const double          *weight;      /* NULL: 1 */
    double                *centre;      /* k x p */
    double                *panel;       /* the same, as knear.h has them */
    int64_t                panels;
    double                *square;      /* k */
    int32_t               *label;
    double                *far;         /* n: squared, to the own centre */
    double                *norm;        /* n: squared, of the rows */
    double                *product;     /* of each slot, KM_ROWS x wide */
    double                *trial;       /* KM_TRIALS x n */
    int64_t                pick[KM_TRIALS];
    int                    picks;
} km_t;

/* What the best start came to. */
typedef struct {
    double   inertia;
    int64_t  steps;
    int64_t  start;
} km_best_t;

typedef void (*km_pt)(km_t *c, int slot, int64_t chunk, int64_t first,
    int64_t last);

typedef struct {
    km_t   *c;
    km_pt   fn;
} km_call_t;


/* -- chunks -------------------------------------------------------------- */

static void
km_range(void *arg, int slot, int64_t first, int64_t last)
{
    km_t            *c;
    unsigned         fp = maas_fp_enter();
    const km_call_t *call = arg;

    c = call->c;

    for (int64_t i = first; i < last; i++) {
        call->fn(c, slot, i, c->n * i / c->chunks,
                 c->n * (i + 1) / c->chunks);
    }

    maas_fp_leave(fp);
}


static void
km_all(km_t *c, km_pt fn)
{
    km_call_t  call = { c, fn };

    if (c->lease != NULL) {
        maas_lease_run(c->lease, km_range, &call, c->chunks);

    } else {
        km_range(&call, 0, 0, c->chunks);
    }
}


static double
km_weight(const km_t *c, int64_t i)
{
    return c->weight != NULL ? c->weight[i] : 1;
}


static double
km_distance(const double *a, const double *b, int64_t n)
{
    double   d, e, s[2] = { 0, 0 };
    int64_t  i;

    for (i = 0; i + 2 <= n; i += 2) {
        d = a[i] - b[i];
        e = a[i + 1] - b[i + 1];
        s[0] += d * d;
        s[1] += e * e;
    }

    if (i < n) {
        d = a[i] - b[i];
        s[0] += d * d;
    }

    return s[0] + s[1];
}


/* |x|^2 + (|c|^2 - 2 x c); what is left of rounding is 0. */
static inline double
km_square(double norm, double rest)
{
    double  d = norm + rest;

    return d > 1e-14 * norm ? d : 0;
}


/* -- Lloyd's iteration --------------------------------------------------- */

static inline void
km_add(const km_t *c, km_chunk_t *s, int64_t i, int64_t to)
{
    double         w = km_weight(c, i), *sum = s->sum + to * c->p;
    const double  *x = c->x + i * c->p;

    s->weight[to] += w;

    for (int64_t j = 0; j < c->p; j++) {
        sum[j] += w * x[j];
    }
}


/* The nearest centre of each row, and the sums of the clusters. */
static void
km_assign(km_t *c, int slot, int64_t chunk, int64_t first, int64_t last)
{
    double      *d, *prod, v, least;
    int64_t      k = c->k, p = c->p, wide = c->panels * MAAS_NEAR_PANEL, m;
    int64_t      near, panels = (k + MAAS_NEAR_PANEL - 1) / MAAS_NEAR_PANEL;
    km_chunk_t  *s = &c->chunk[chunk];

    prod = c->product + slot * KM_ROWS * wide;
    memset(s->sum, 0, (size_t) (k * p) * sizeof(double));
    memset(s->weight, 0, (size_t) k * sizeof(double));
    s->moved = false;

    for (int64_t i = first; i < last; i++) {
        if ((i - first) % KM_ROWS == 0) {
            m = maas_min(last - i, (int64_t) KM_ROWS);
            c->near(prod, wide, c->x + i * p, m, p, c->panel, panels);
        }

        d = prod + (i - first) % KM_ROWS * wide;
        least = INFINITY;
        near = 0;

        for (int64_t j = 0; j < k; j++) {
            v = c->square[j] - 2 * d[j];
            near = v < least ? j : near;
            least = v < least ? v : least;
        }

        s->moved = s->moved || c->label[i] != near;
        c->label[i] = (int32_t) near;
        c->far[i] = km_square(c->norm[i], least);
        km_add(c, s, i, near);
    }
}


/* The sum of squared distances, from differences. */
static void
km_exact(km_t *c, int slot, int64_t chunk, int64_t first, int64_t last)
{
    const double  *at;
    km_chunk_t    *s = &c->chunk[chunk];

    (void) slot;
    s->inertia = 0;

    for (int64_t i = first; i < last; i++) {
        at = c->centre + c->label[i] * c->p;
        s->inertia += km_weight(c, i) * km_distance(c->x + i * c->p, at,
                                                    c->p);
    }
}


/* Vector v of the panels. */
static void
km_panel(km_t *c, int64_t v, const double *x)
{
    double  *to = c->panel + v / MAAS_NEAR_PANEL * MAAS_NEAR_PANEL * c->p;

    for (int64_t j = 0; j < c->p; j++) {
        to[j * MAAS_NEAR_PANEL + v % MAAS_NEAR_PANEL] = x[j];
    }
}


static void
km_turn(km_t *c)
{
    double  v;

    for (int64_t j = 0; j < c->k; j++) {
        km_panel(c, j, c->centre + j * c->p);
        c->square[j] = 0;

        for (int64_t i = 0; i < c->p; i++) {
            v = c->centre[j * c->p + i];
            c->square[j] += v * v;
        }
    }
}


/* An empty cluster takes the row that is farthest from its centre. */
static void
km_refill(km_t *c, km_chunk_t *all)
{
    int64_t  far, own, p = c->p;
    double   w;

    for (int64_t j = 0; j < c->k; j++) {
        if (all->weight[j] > 0) {
            continue;
        }

        far = 0;

        for (int64_t i = 1; i < c->n; i++) {
            if (km_weight(c, i) * c->far[i]
                > km_weight(c, far) * c->far[far])
            {
                far = i;
            }
        }

        own = c->label[far];
        w = km_weight(c, far);

        /* Nobody is left who would not leave another cluster empty. */
        if (c->far[far] <= 0 || all->weight[own] <= w) {
            memcpy(all->sum + j * p, c->x + far * p,
                   (size_t) p * sizeof(double));
            all->weight[j] = 1;
            continue;
        }

        all->weight[own] -= w;
        all->weight[j] = w;

        for (int64_t i = 0; i < p; i++) {
            all->sum[j * p + i] = w * c->x[far * p + i];
            all->sum[own * p + i] -= w * c->x[far * p + i];
        }

        c->far[far] = 0;
    }
}


/* New centres; answers how far they moved, squared. */
static double
km_update(km_t *c)
{
    double       v, moved = 0;
    km_chunk_t  *all = &c->chunk[0];

    for (int64_t i = 1; i < c->chunks; i++) {
        for (int64_t j = 0; j < c->k * c->p; j++) {
            all->sum[j] += c->chunk[i].sum[j];
        }

        for (int64_t j = 0; j < c->k; j++) {
            all->weight[j] += c->chunk[i].weight[j];
        }
    }

    km_refill(c, all);

    for (int64_t j = 0; j < c->k * c->p; j++) {
        v = all->sum[j] / all->weight[j / c->p];
        moved += (v - c->centre[j]) * (v - c->centre[j]);
        c->centre[j] = v;
    }

    km_turn(c);
    return moved;
}


static bool
km_moved(const km_t *c)
{
    bool  moved = false;

    for (int64_t i = 0; i < c->chunks; i++) {
        moved = moved || c->chunk[i].moved;
    }

    return moved;
}


static maas_status_t
km_lloyd(km_t *c, double *inertia, int64_t *steps)
{
    double   way;
    int64_t  i;

    memset(c->label, 0xff, (size_t) c->n * sizeof(int32_t));
    km_turn(c);
    km_all(c, km_assign);

    for (i = 1; i <= c->q->steps; i++) {
        MAAS_TRY(maas_fit_poll(c->f));

        way = km_update(c);
        km_all(c, km_assign);

        if (!km_moved(c) || way <= c->q->tolerance * c->variance) {
            break;
        }
    }

    km_all(c, km_exact);
    *inertia = 0;

    for (int64_t j = 0; j < c->chunks; j++) {
        *inertia += c->chunk[j].inertia;
    }

    *steps = i;
    return MAAS_OK;
}


/* -- k-means++ ----------------------------------------------------------- */

/* Distances to the candidates, and what would be left with each. */
static void
km_try(km_t *c, int slot, int64_t chunk, int64_t first, int64_t last)
{
    double       d, *prod;
    int64_t      m, wide = c->panels * MAAS_NEAR_PANEL, panels;
    km_chunk_t  *s = &c->chunk[chunk];

    panels = (c->picks + MAAS_NEAR_PANEL - 1) / MAAS_NEAR_PANEL;
    prod = c->product + slot * KM_ROWS * wide;
    memset(s->trial, 0, sizeof(s->trial));

    for (int64_t i = first; i < last; i++) {
        if ((i - first) % KM_ROWS == 0) {
            m = maas_min(last - i, (int64_t) KM_ROWS);
            c->near(prod, wide, c->x + i * c->p, m, c->p, c->panel, panels);
        }

        for (int t = 0; t < c->picks; t++) {
            d = prod[(i - first) % KM_ROWS * wide + t];
            d = km_square(c->norm[i], c->norm[c->pick[t]] - 2 * d);
            d = d < c->far[i] ? d : c->far[i];
            c->trial[t * c->n + i] = d;
            s->trial[t] += km_weight(c, i) * d;
        }
    }
}


/* A row by chance, in proportion to weight times distance. */
static int64_t
km_draw(const km_t *c, double total, double u)
{
    double   at = 0, goal = u * total;
    int64_t  i, last = 0;

    for (i = 0; i < c->n; i++) {
        double  v = km_weight(c, i) * c->far[i];

        if (v > 0) {
            last = i;
            at += v;

            if (at > goal) {
                return i;
            }
        }
    }

    return last;
}


static double
km_choose(km_t *c, int64_t j)
{
    int     best = 0;
    double  sum[KM_TRIALS];

    for (int t = 0; t < c->picks; t++) {
        km_panel(c, t, c->x + c->pick[t] * c->p);
    }

    km_all(c, km_try);

    for (int t = 0; t < c->picks; t++) {
        sum[t] = 0;

        for (int64_t i = 0; i < c->chunks; i++) {
            sum[t] += c->chunk[i].trial[t];
        }

        best = sum[t] < sum[best] ? t : best;
    }

    memcpy(c->far, c->trial + best * c->n, (size_t) c->n * sizeof(double));
    memcpy(c->centre + j * c->p, c->x + c->pick[best] * c->p,
           (size_t) c->p * sizeof(double));

    return sum[best];
}


static maas_status_t
km_seed(km_t *c, uint32_t start)
{
    double          total = 0;
    uint64_t        drawn = 0;
    maas_random_t   g = maas_random(c->f->seed, KM_STREAM, start);

    for (int64_t i = 0; i < c->n; i++) {
        c->far[i] = 1;
        total += km_weight(c, i);
    }

    c->picks = 1;
    c->pick[0] = km_draw(c, total, maas_random_unit(&g, drawn++));

    for (int64_t i = 0; i < c->n; i++) {
        c->far[i] = INFINITY;
    }

    total = km_choose(c, 0);

    for (int64_t j = 1; j < c->k; j++) {
        MAAS_TRY(maas_fit_poll(c->f));
        c->picks = maas_min(2 + (int) log((double) c->k), KM_TRIALS);

        for (int t = 0; t < c->picks; t++) {
            c->pick[t] = km_draw(c, total, maas_random_unit(&g, drawn++));
        }

        total = km_choose(c, j);
    }

    return MAAS_OK;
}


/* -- nodes --------------------------------------------------------------- */

/* |c|^2 - 2 (x - mean) c'; |x - mean|^2 is the same for all clusters. */
static void
km_nodes(km_t *c, const double *centre)
{
    double            zero = 0, *turned;
    int64_t           k = c->k, p = c->p;
    maas_str_t        x, s, d, in[1];
    maas_fit_job_t   *f = c->f;
    maas_build_t     *b = f->build;
    maas_raw_attr_t   a[2];

    memcpy(c->centre, centre, (size_t) (k * p) * sizeof(double));
    km_turn(c);
    turned = c->panel;                  /* room enough for p x k */

    for (int64_t i = 0; i < k * p; i++) {
        turned[i % p * k + i / p] = -2 * centre[i];
    }

    x = maas_fit_cast(f, f->in, MAAS_F64, NULL);
    x = maas_build_op2(b, "Sub", x, maas_fit_doubles(f, c->mean, 2,
                                                     (int64_t[]) { 1, p }));
    s = maas_build_op2(b, "MatMul", x, maas_fit_doubles(f, turned, 2,
                                           (int64_t[]) { p, k }));
    s = maas_build_op2(b, "Add", s, maas_fit_doubles(f, c->square, 2,
                                                     (int64_t[]) { 1, k }));

    a[0] = maas_build_attr_int("axis", 1);
    a[1] = maas_build_attr_int("keepdims", 0);
    f->out[0] = maas_fit_op(f, "ArgMin", &s, 1, a, 2, "cluster");

    a[0] = maas_build_attr_ints("axes", (int64_t[]) { 1 }, 1);
    in[0] = x;
    d = maas_fit_op(f, "ReduceSumSquare", in, 1, a, 1, NULL);
    d = maas_build_op2(b, "Add", s, d);
    d = maas_build_op2(b, "Max", d, maas_fit_doubles(f, &zero, 0, NULL));
    d = maas_build_op1(b, "Sqrt", d);
    f->out[1] = maas_fit_cast(f, d, MAAS_F32, "distances");
}


/* -- the fit ------------------------------------------------------------- */

static maas_status_t
km_chunks(km_t *c, maas_arena_t *a)
{
    int64_t  each;

    if (!maas_mul_i64(c->k, c->p, &each) || each > INT64_MAX / 4096) {
        return maas_err(c->f->err, MAAS_ELIMIT, "%lld clusters of %lld "
                        "features are too many", (long long) c->k,
                        (long long) c->p);
    }

    c->chunks = maas_max(1, maas_min((int64_t) KM_CHUNKS,
                                     KM_BYTES / 8 / each));
    c->chunks = maas_max(1, maas_min(c->chunks, c->n / KM_ROWS));
    c->chunk = maas_arena_array(a, (size_t) c->chunks, sizeof(km_chunk_t));

    for (int64_t i = 0; c->chunk != NULL && i < c->chunks; i++) {
        c->chunk[i].sum = maas_arena_array(a, (size_t) each, sizeof(double));
        c->chunk[i].weight = maas_arena_array(a, (size_t) c->k,
                                              sizeof(double));
        if (c->chunk[i].sum == NULL || c->chunk[i].weight == NULL) {
            return maas_err_nomem(c->f->err);
        }
    }

    return c->chunk != NULL ? MAAS_OK : maas_err_nomem(c->f->err);
}


static maas_status_t
km_alloc(km_t *c, maas_arena_t *a)
{
    size_t  n = (size_t) c->n, p = (size_t) c->p, k = (size_t) c->k;
    size_t  slots = 1, wide;

    MAAS_TRY(km_chunks(c, a));
    c->panels = (c->k + MAAS_NEAR_PANEL - 1) / MAAS_NEAR_PANEL;
    c->panels = maas_max(c->panels, (int64_t) (KM_TRIALS / MAAS_NEAR_PANEL));
    wide = (size_t) c->panels * MAAS_NEAR_PANEL;

    if (c->lease != NULL) {
        slots = (size_t) maas_team_threads(c->f->team);
    }

    c->x = maas_arena_array(a, n * p, sizeof(double));
    c->mean = maas_arena_array(a, p, sizeof(double));
    c->centre = maas_arena_array(a, k * p, sizeof(double));
    c->panel = maas_arena_array(a, wide, p * sizeof(double));
    c->square = maas_arena_array(a, k, sizeof(double));
    c->label = maas_arena_array(a, n, sizeof(int32_t));
    c->far = maas_arena_array(a, n, sizeof(double));
    c->norm = maas_arena_array(a, n, sizeof(double));
    c->product = maas_arena_array(a, slots * KM_ROWS, wide * sizeof(double));
    c->trial = maas_arena_array(a, n, sizeof(double)
                                * (2 + (size_t) log((double) k)));

    if (c->x == NULL || c->mean == NULL || c->centre == NULL || c->far == NULL
        || c->panel == NULL || c->square == NULL || c->label == NULL
        || c->norm == NULL || c->product == NULL || c->trial == NULL)
    {
        return maas_err_nomem(c->f->err);
    }

    return MAAS_OK;
}


static void
km_centre(km_t *c)
{
    int64_t        n = c->n, p = c->p;
    const double  *x = c->f->x;

    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < p; j++) {
            c->mean[j] += x[i * p + j] / (double) n;
        }
    }

    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < p; j++) {
            double  v = x[i * p + j] - c->mean[j];

            c->x[i * p + j] = v;
            c->norm[i] += v * v;
        }

        c->variance += c->norm[i] / (double) n / (double) p;
    }
}


static void
km_say(km_t *c, double *best, double inertia, int64_t steps)
{
    for (int64_t i = 0; i < c->k * c->p; i++) {
        c->centre[i] = best[i] + c->mean[i % c->p];
    }

    maas_fit_say_rows(c->f, "centres", c->centre, c->k, c->p);
    maas_fit_say(c->f, "inertia", inertia);
    maas_fit_say_int(c->f, "iterations", steps);
}


/* The best of the starts that this process makes: all, or every n-th. */
static maas_status_t
km_starts(km_t *c, km_best_t *b, double *best)
{
    double                inertia;
    int64_t               steps, first, by;
    const maas_ranks_t   *r = c->f->ranks;

    first = r != NULL ? r->rank : 0;
    by = r != NULL ? r->n : 1;

    for (int64_t s = first; s < c->q->starts; s += by) {
        MAAS_TRY(km_seed(c, (uint32_t) s));
        MAAS_TRY(km_lloyd(c, &inertia, &steps));

        if (inertia < b->inertia) {
            b->inertia = inertia;
            b->steps = steps;
            b->start = s;
            memcpy(best, c->centre, (size_t) (c->k * c->p) * sizeof(double));
        }

        if (c->f->progress != NULL) {
            c->f->progress(c->f->progress_ctx,
                           (uint64_t) maas_min(s + by, c->q->starts),
                           (uint64_t) c->q->starts);
        }
    }

    return MAAS_OK;
}


/* Of all ranks; of equal ones that of the first start. */
static maas_status_t
km_share(km_t *c, maas_status_t rc, km_best_t *b, double *best)
{
    int            root = 0;
    km_best_t      all = *b, one;
    maas_ranks_t  *r = c->f->ranks;

    if (r == NULL) {
        return rc;
    }

    MAAS_TRY(maas_ranks_meet(r, rc, NULL, 0, c->f->err));

    for (int i = 0; i < r->n; i++) {
        one = *b;
        maas_ranks_share(r, i, &one, sizeof(one));

        if (i == 0 || one.inertia < all.inertia
            || (one.inertia == all.inertia && one.start < all.start))
        {
            all = one;
            root = i;
        }
    }

    maas_ranks_share(r, root, best,
                     (size_t) (c->k * c->p) * sizeof(double));
    *b = all;

    return MAAS_OK;
}


static maas_status_t
km_run(km_t *c, maas_arena_t *a)
{
    double         *best;
    km_best_t       b = { .inertia = INFINITY, .start = INT64_MAX };
    maas_status_t   rc;

    MAAS_TRY(km_alloc(c, a));

    best = maas_arena_array(a, (size_t) (c->k * c->p), sizeof(double));
    if (best == NULL) {
        return maas_err_nomem(c->f->err);
    }

    km_centre(c);
    rc = km_starts(c, &b, best);
    MAAS_TRY(km_share(c, rc, &b, best));

    km_say(c, best, b.inertia, b.steps);
    km_nodes(c, best);
    return MAAS_OK;
}


static maas_status_t
km_fit(maas_fit_job_t *f, maas_task_kind_t task)
{
    km_t           c = { .f = f, .q = f->param, .n = f->n, .p = f->p,
                         .weight = f->weight };
    maas_arena_t   scratch;
    maas_status_t  rc;

    MAAS_TRY(maas_fit_check(f, task, false));

    c.k = c.q->k;
    c.near = maas_near_kernel(maas_kernels(maas_cpu_host()));

    if (c.k > f->n) {
        return maas_err(f->err, MAAS_EINVAL, "\"k\" is %lld, but there are "
                        "only %lld rows", (long long) c.k,
                        (long long) f->n);
    }

    if (f->team != NULL && f->threads > 1) {
        c.lease = maas_lease_begin(f->team);
    }

    maas_arena_init(&scratch, f->host, 0);
    rc = km_run(&c, &scratch);
    maas_arena_destroy(&scratch);

    if (c.lease != NULL) {
        maas_lease_end(c.lease);
    }

    return rc;
}


const maas_estimator_t  maas_estimators_k_means[] = {
    { .name = "k_means",
      .about = "clusters around means; the distance to each is an output",
      .tasks = 1u << MAAS_TASK_CLUSTERING,
      MAAS_PARAMS(km_params, km_param_t),
      .fit = km_fit, .ranks = true },
    { .name = NULL }
};
