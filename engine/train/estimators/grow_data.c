/*
 * grow_data.c: samples of a fit of trees: what is refused, columns sorted,
 * numbers turned into ranks.
 *
 * Ownership: ranks and values lie in the caller's arena; the rest is freed
 *            before the call returns.
 * Threads:   columns are spread over the crew.
 */

#include <math.h>

#include "train/estimators/grow.h"


/* -- checks -------------------------------------------------------------- */

/* That two classes have rows; others may have none. */
static maas_status_t
check_classes(const maas_fit_job_t *f)
{
    double   w;
    int32_t  first = -1;

    for (int64_t i = 0; i < f->n; i++) {
        w = f->weight != NULL ? f->weight[i] : 1;

        if (w > 0 && first >= 0 && f->label[i] != first) {
            return MAAS_OK;
        }

        first = w > 0 ? f->label[i] : first;
    }

    return maas_fit_check_classes(f);
}


/* That float32 holds them. */
static maas_status_t
check_range(const maas_fit_job_t *f, const char *what, const double *v,
    int64_t columns)
{
    int64_t  n = f->n * columns;

    for (int64_t i = 0; i < n; i++) {
        if (maas_unlikely(fabs(v[i]) > (double) __FLT_MAX__)) {
            return maas_err(f->err, MAAS_EINVAL, "row %lld, %s %lld is %g; "
                            "models are served with float32, up to %g",
                            (long long) (i / columns), what,
                            (long long) (i % columns), v[i],
                            (double) __FLT_MAX__);
        }
    }

    return MAAS_OK;
}


maas_status_t
maas_grow_check(const maas_fit_job_t *f, maas_task_kind_t task, bool missing)
{
    size_t  bytes;

    if (f->n > MAAS_GROW_ROWS || f->p > INT32_MAX
        || !maas_mul_size((size_t) maas_max(f->n_target, 1) * sizeof(double),
                          (size_t) f->n, &bytes))
    {
        return maas_err(f->err, MAAS_ELIMIT, "%lld rows of %lld features; "
                        "trees learn from up to %d rows", (long long) f->n,
                        (long long) f->p, MAAS_GROW_ROWS);
    }

    MAAS_TRY(maas_fit_check(f, task, missing));
    MAAS_TRY(check_range(f, "feature", f->x, f->p));

    if (task == MAAS_TASK_CLASSIFICATION) {
        return check_classes(f);
    }

    return task == MAAS_TASK_REGRESSION
           ? check_range(f, "target", f->y, f->n_target) : MAAS_OK;
}


/* -- sorting ------------------------------------------------------------- */

#define SORT_DIGIT  11          /* bits of a digit, at most */
#define SORT_SMALL  20          /* by insertion up to here */

static void
sort_few(uint64_t *a, uint32_t n)
{
    uint32_t  j;
    uint64_t  v;

    for (uint32_t i = 1; i < n; i++) {
        v = a[i];

        for (j = i; j > 0 && a[j - 1] > v; j--) {
            a[j] = a[j - 1];
        }

        a[j] = v;
    }
}


static void
sort_pass(const uint64_t *a, uint64_t *b, uint32_t n, int shift, int digit)
{
    uint32_t  at = 0, c, count[1 << SORT_DIGIT], mask = (1u << digit) - 1;

    memset(count, 0, sizeof(count[0]) << digit);

    for (uint32_t i = 0; i < n; i++) {
        count[(a[i] >> shift) & mask]++;
    }

    for (uint32_t i = 0; i <= mask; i++) {
        c = count[i];
        count[i] = at;
        at += c;
    }

    for (uint32_t i = 0; i < n; i++) {
        b[count[(a[i] >> shift) & mask]++] = a[i];
    }
}


uint64_t *
maas_grow_sort(uint64_t *a, uint64_t *b, uint32_t n, int bits)
{
    int        most, passes, digit, shift = 32;
    uint64_t  *t;

    if (n <= SORT_SMALL) {
        sort_few(a, n);
        return a;
    }

    /* A digit has about as many values as there are rows. */
    most = 32 - __builtin_clz(n) - 1;
    most = maas_min(maas_max(most, 5), SORT_DIGIT);
    passes = (bits + most - 1) / most;
    digit = (bits + passes - 1) / passes;

    for (int i = 0; i < passes; i++, shift += digit) {
        sort_pass(a, b, n, shift, digit);
        t = a;
        a = b;
        b = t;
    }

    return a;
}


uint32_t
maas_grow_sort_column(const maas_fit_job_t *f, uint32_t col, uint64_t *a,
    uint64_t *b, uint64_t **out)
{
    double         v;
    uint32_t       n = 0;
    const double  *x = f->x + col;

    for (int64_t i = 0; i < f->n; i++, x += f->p) {
        v = *x;
        a[n] = (uint64_t) maas_grow_key((float) v) << 32 | (uint32_t) i;
        n += v == v;
    }

    *out = n == 0 ? a : maas_grow_sort(a, b, n, 32);
    return n;
}


float
maas_grow_floor(double t)
{
    float  f = (float) t;

    return (double) f > t ? nextafterf(f, -INFINITY) : f;
}


/* -- ranks --------------------------------------------------------------- */

typedef struct {
    const maas_fit_job_t  *f;
    maas_grow_data_t      *d;
    uint64_t              *scratch;     /* [slots][2][n] */
    float                 *values;      /* [slots][n] */
} ranks_t;


#define KEYS_ROWS  4096         /* of a unit */

/*
 * Rows lie side by side: the few rows of a deep node are scattered, and the
 * features that it looks at come with the first of them.
 */
static maas_status_t
keys_rows(void *arg, int slot, int64_t unit)
{
    ranks_t   *r = arg;
    int64_t    p = r->f->p, from = unit * KEYS_ROWS * p, to;

    (void) slot;

    to = maas_min(from + KEYS_ROWS * p, r->f->n * p);

    for (int64_t i = from; i < to; i++) {
        r->d->ranks[i] = maas_grow_key((float) r->f->x[i]);
    }

    return MAAS_OK;
}


static maas_status_t
ranks_column(void *arg, int slot, int64_t col)
{
    float             *value;
    ranks_t           *r = arg;
    uint64_t          *a, *s;
    uint32_t           n = r->d->n, m = 0, *rank = r->d->rank[col];
    maas_grow_data_t  *d = r->d;

    a = r->scratch + 2 * (size_t) slot * n;
    value = r->values + (size_t) slot * n;
    (void) maas_grow_sort_column(r->f, (uint32_t) col, a, a + n, &s);

    for (uint32_t i = 0; i < n; i++) {
        if (i == 0 || s[i] >> 32 != s[i - 1] >> 32) {
            value[m++] = maas_grow_unkey((uint32_t) (s[i] >> 32));
        }

        rank[(uint32_t) s[i]] = m - 1;
    }

    d->n_value[col] = m;
    d->value[col] = maas_alloc(r->f->host, m * sizeof(float));
    if (d->value[col] == NULL) {
        return MAAS_ENOMEM;
    }

    memcpy(d->value[col], value, m * sizeof(float));
    return MAAS_OK;
}


void
maas_grow_data_free(const maas_host_t *host, maas_grow_data_t *d)
{
    for (uint32_t j = 0; d->value != NULL && j < d->p; j++) {
        maas_free(host, d->value[j]);
    }

    maas_free(host, d->ranks);
    d->ranks = NULL;
    d->value = NULL;
}


maas_status_t
maas_grow_data(maas_crew_t *c, maas_arena_t *a, bool keys,
    maas_grow_data_t *d)
{
    size_t                 n, p, each = 2 * sizeof(uint64_t) + sizeof(float);
    ranks_t                r = { c->f, d };
    maas_status_t          rc;
    const maas_fit_job_t  *f = c->f;

    n = (size_t) f->n;
    p = (size_t) f->p;
    *d = (maas_grow_data_t) { .n = (uint32_t) n, .p = (uint32_t) p };
    d->rank = maas_arena_array(a, p, sizeof(uint32_t *));
    d->n_value = maas_arena_array(a, p, sizeof(uint32_t));
    d->value = maas_arena_array(a, p, sizeof(float *));
    d->ranks = maas_alloc(f->host, n * p * sizeof(uint32_t));
    r.scratch = maas_alloc(f->host, keys ? 1 : n * each * (size_t) c->slots);

    if (d->rank == NULL || d->n_value == NULL || d->value == NULL
        || d->ranks == NULL || r.scratch == NULL)
    {
        maas_free(f->host, r.scratch);
        return maas_err_nomem(f->err);
    }

    r.values = (float *) (r.scratch + 2 * n * (size_t) c->slots);

    d->stride = keys ? p : 1;

    for (size_t j = 0; j < p; j++) {
        d->rank[j] = d->ranks + (keys ? j : j * n);
    }

    rc = keys ? maas_crew_run(c, keys_rows, &r,
                              (f->n + KEYS_ROWS - 1) / KEYS_ROWS, 0, 0)
              : maas_crew_run(c, ranks_column, &r, (int64_t) p, 0, 0);
    maas_free(f->host, r.scratch);

    return rc;
}
