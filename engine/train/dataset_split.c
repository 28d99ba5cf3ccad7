/*
 * Splits and folds.  Each makes one number a row: 0 train, 1 validation, 2
 * test, -1 left out; the lists follow from it.  Random orders are those of
 * maas_dataset_shuffle(), so a split is a function of data and seed.
 *
 * Ownership: lists lie in the caller's arena; scratch is freed.
 * Threads:   reentrant.
 */

#define _GNU_SOURCE

#include <math.h>
#include <stdlib.h>

#include "base/random.h"
#include "train/dataset_format.h"


#define SPLIT_STREAM    0x53504c54      /* of random numbers */
#define SPLIT_ALL       3

enum { SPLIT_OUT = -1, SPLIT_TRAIN, SPLIT_VALIDATION, SPLIT_TEST };

typedef struct {
    const maas_dataset_t     *ds;
    const maas_split_spec_t  *spec;
    maas_arena_t              mem;      /* scratch */
    maas_err_t               *err;
    int64_t                   rows;
    int64_t                  *row;      /* rows that take part, ascending */
    int64_t                   n;
    int8_t                   *side;     /* of each row of the dataset */
    int                       k, fold;  /* k 0: no folds */
    double                    share[SPLIT_ALL];
} split_t;


void
maas_dataset_shuffle(int64_t *order, int64_t n, uint64_t seed, uint64_t epoch)
{
    int64_t        t;
    uint64_t       k;
    maas_random_t  g = maas_random(seed, SPLIT_STREAM + 1 + (uint32_t)
                                         (epoch >> 32), (uint32_t) epoch);

    for (int64_t i = n - 1; i > 0; i--) {
        k = maas_random_below(&g, (uint64_t) i, (uint64_t) i + 1);
        t = order[i];
        order[i] = order[k];
        order[k] = t;
    }
}


/* -- shares -------------------------------------------------------------- */

/* How many of the n units go to each side; the sum is n. */
static void
split_counts(const split_t *s, int64_t n, int64_t count[SPLIT_ALL])
{
    count[SPLIT_TEST] = (int64_t) floor(s->share[SPLIT_TEST] * n + 0.5);
    count[SPLIT_VALIDATION] = (int64_t)
        floor(s->share[SPLIT_VALIDATION] * n + 0.5);
    count[SPLIT_TRAIN] = n - count[SPLIT_TEST] - count[SPLIT_VALIDATION];
}


/*
 * Unit i of n in a random order: its side.  Folds cut what is not test into
 * k runs of nearly equal length.
 */
static int
split_side(const split_t *s, int64_t i, int64_t n,
    const int64_t count[SPLIT_ALL])
{
    int64_t  rest = n - count[SPLIT_TEST];

    if (i >= rest) {
        return SPLIT_TEST;
    }

    if (s->k == 0) {
        return i < count[SPLIT_TRAIN] ? SPLIT_TRAIN : SPLIT_VALIDATION;
    }

    return i >= rest * s->fold / s->k && i < rest * (s->fold + 1) / s->k
           ? SPLIT_VALIDATION : SPLIT_TRAIN;
}


/* -- random -------------------------------------------------------------- */

static void
split_random(split_t *s)
{
    int64_t  count[SPLIT_ALL];

    maas_dataset_shuffle(s->row, s->n, s->spec->seed, UINT64_MAX);
    split_counts(s, s->n, count);

    for (int64_t i = 0; i < s->n; i++) {
        s->side[s->row[i]] = (int8_t) split_side(s, i, s->n, count);
    }
}


typedef struct {
    double   part;              /* what rounding down took */
    int      class;
} split_part_t;


static int
split_part_order(const void *a, const void *b)
{
    const split_part_t  *x = a, *y = b;

    return x->part > y->part ? -1 : x->part < y->part ? 1
           : x->class - y->class;
}


/* Largest remainders: side's share of each class, the sum as of all. */
static void
split_spread(const split_t *s, int side, int64_t all, const int64_t *n_class,
    const int64_t *taken, int n, int64_t *out, split_part_t *part)
{
    double   want;
    int64_t  sum = 0;

    for (int i = 0; i < n; i++) {
        want = s->share[side] * (double) n_class[i];
        out[i] = (int64_t) floor(want);
        part[i] = (split_part_t) { want - (double) out[i], i };
        sum += out[i];
    }

    qsort(part, (size_t) n, sizeof(*part), split_part_order);

    for (int i = 0; i < n && sum < all; i++) {
        int  k = part[i].class;

        if (out[k] + taken[k] < n_class[k]) {
            out[k]++;
            sum++;
        }
    }
}


/*
 * Rows by class, each class in random order: a stable count.  size, zeros:
 * rows of each class; end: where each ends in order.  Labels below 0 become
 * the last of the n classes.
 */
static void
split_bucket(const split_t *s, int32_t *label, int n, int64_t *size,
    int64_t *end, int64_t *order)
{
    for (int64_t i = 0; i < s->n; i++) {
        label[i] = label[i] < 0 ? n - 1 : label[i];
        size[label[i]]++;
    }

    for (int c = 1; c < n; c++) {
        end[c] = end[c - 1] + size[c - 1];
    }

    for (int64_t i = 0; i < s->n; i++) {
        order[end[label[i]]++] = s->row[i];
    }
}


/* Sides for the rows of each class, as many as are taken of it. */
static void
split_deal(split_t *s, int n, const int64_t *size, const int64_t *end,
    const int64_t *order, int64_t *const *take)
{
    int64_t  at, count[SPLIT_ALL], folded = 0;

    for (int c = 0; c < n; c++) {
        at = end[c] - size[c];
        count[SPLIT_TEST] = take[SPLIT_TEST][c];
        count[SPLIT_VALIDATION] = take[SPLIT_VALIDATION][c];
        count[SPLIT_TRAIN] = size[c] - count[SPLIT_TEST]
                             - count[SPLIT_VALIDATION];

        for (int64_t i = 0; i < size[c]; i++) {
            int  side = split_side(s, i, size[c], count);

            /* Folds are dealt round, so that each has its part of all. */
            if (s->k != 0 && side != SPLIT_TEST) {
                side = folded++ % s->k == s->fold ? SPLIT_VALIDATION
                                                  : SPLIT_TRAIN;
            }

            s->side[order[at + i]] = (int8_t) side;
        }
    }
}


static maas_status_t
split_stratified(split_t *s)
{
    int              n;
    int32_t         *label;
    int64_t         *end, *order, *size, *take[SPLIT_ALL], all[SPLIT_ALL];
    split_part_t    *part;
    maas_classes_t   classes;
    maas_rows_t      rows = { s->row, 0, s->n };

    MAAS_TRY(maas_dataset_classes(s->ds, s->spec->stratify, 0, &s->mem,
                                  &classes, s->err));
    n = classes.n + 1;          /* rows without a class are one more */
    label = maas_arena_array(&s->mem, (size_t) s->n + 1, sizeof(*label));
    order = maas_arena_array(&s->mem, (size_t) s->n + 1, sizeof(*order));
    end = maas_arena_array(&s->mem, (size_t) n * 5, sizeof(*end));
    part = maas_arena_array(&s->mem, (size_t) n, sizeof(*part));

    if (label == NULL || order == NULL || end == NULL || part == NULL) {
        return maas_err_nomem(s->err);
    }

    size = end + n;
    take[SPLIT_TRAIN] = end + 2 * n;        /* zeros */
    take[SPLIT_VALIDATION] = end + 3 * n;
    take[SPLIT_TEST] = end + 4 * n;
    maas_dataset_shuffle(s->row, s->n, s->spec->seed, UINT64_MAX);
    MAAS_TRY(maas_dataset_labels(s->ds, &classes, &rows, label, s->err));
    split_bucket(s, label, n, size, end, order);

    split_counts(s, s->n, all);
    split_spread(s, SPLIT_TEST, all[SPLIT_TEST], size, take[SPLIT_TRAIN], n,
                 take[SPLIT_TEST], part);
    split_spread(s, SPLIT_VALIDATION, all[SPLIT_VALIDATION], size,
                 take[SPLIT_TEST], n, take[SPLIT_VALIDATION], part);
    split_deal(s, n, size, end, order, take);

    return MAAS_OK;
}


/* -- order by a column --------------------------------------------------- */

static int
split_cell_order(const maas_column_t *c, int64_t a, int64_t b)
{
    double       x, y;
    size_t       n;
    int64_t      i, j;
    maas_str_t   s, t;

    switch (c->kind) {

    case MAAS_COL_NUMBER:
        x = ((const double *) c->data)[a];
        y = ((const double *) c->data)[b];
        return x < y ? -1 : x > y;

    case MAAS_COL_INTEGER:
        i = ((const int64_t *) c->data)[a];
        j = ((const int64_t *) c->data)[b];
        return i < j ? -1 : i > j;

    case MAAS_COL_BOOL:
        return (((const uint8_t *) c->data)[a] != 0)
               - (((const uint8_t *) c->data)[b] != 0);

    default:
        s = maas_column_text(c, a);
        t = maas_column_text(c, b);
        n = maas_min(s.len, t.len);
        i = n == 0 ? 0 : memcmp(s.data, t.data, n);
        return i != 0 ? (int) i : s.len < t.len ? -1 : s.len > t.len;
    }
}


static int
split_row_order(const void *a, const void *b, void *ctx)
{
    int64_t  x = *(const int64_t *) a, y = *(const int64_t *) b;
    int      d = split_cell_order(ctx, x, y);

    return d != 0 ? d : x < y ? -1 : x > y;
}


/* Sorts the rows by the column, each of which must have a value. */
static maas_status_t
split_sort(split_t *s, const char *what)
{
    const maas_column_t  *c = &s->ds->column[s->spec->column];

    if (c->kind == MAAS_COL_TENSOR) {
        return maas_err(s->err, MAAS_EINVAL, "column \"%.*s\" is a tensor "
                        "and cannot be %s", (int) maas_min(c->name.len, 80),
                        c->name.data, what);
    }

    for (int64_t i = 0; i < s->n; i++) {
        if (!maas_column_has(c, s->row[i])) {
            return maas_err(s->err, MAAS_EINVAL, "row %lld has no value in "
                            "column \"%.*s\", which is %s",
                            (long long) s->row[i] + 1,
                            (int) maas_min(c->name.len, 80), c->name.data,
                            what);
        }
    }

    qsort_r(s->row, (size_t) s->n, sizeof(*s->row), split_row_order,
            (void *) (uintptr_t) c);
    return MAAS_OK;
}


/* At i begins another value than at i - 1. */
static bool
split_begins(const split_t *s, int64_t i)
{
    return i == 0 || i == s->n
           || split_cell_order(&s->ds->column[s->spec->column],
                               s->row[i - 1], s->row[i]) != 0;
}


/* Equal times go to the later side. */
static int64_t
split_back(const split_t *s, int64_t i)
{
    while (!split_begins(s, i)) {
        i--;
    }

    return i;
}


static maas_status_t
split_time(split_t *s)
{
    int64_t  from, to, test, count[SPLIT_ALL];

    MAAS_TRY(split_sort(s, "the time to split by"));
    split_counts(s, s->n, count);
    test = split_back(s, s->n - count[SPLIT_TEST]);
    from = split_back(s, count[SPLIT_TRAIN]);
    to = test;

    if (s->k != 0) {
        from = split_back(s, test * (s->fold + 1) / (s->k + 1));
        to = s->fold + 1 == s->k
             ? test : split_back(s, test * (s->fold + 2) / (s->k + 1));
    }

    for (int64_t i = 0; i < s->n; i++) {
        s->side[s->row[i]] = (int8_t) (i >= test ? SPLIT_TEST
                                       : i >= to ? SPLIT_OUT
                                       : i >= from ? SPLIT_VALIDATION
                                       : SPLIT_TRAIN);
    }

    return MAAS_OK;
}


/* -- groups -------------------------------------------------------------- */

static int64_t
split_group_end(const split_t *s, int64_t i)
{
    do {
        i++;
    } while (!split_begins(s, i));

    return i;
}


/* A group goes to the fold that has the fewest rows. */
static int
split_lightest(const int64_t *load, int k)
{
    int  best = 0;

    for (int i = 1; i < k; i++) {
        best = load[i] < load[best] ? i : best;
    }

    return best;
}


static maas_status_t
split_groups(split_t *s)
{
    int       side;
    int64_t   n = 0, *group, *load, at, end, want[SPLIT_ALL];
    int64_t   have[SPLIT_ALL] = { 0 };

    MAAS_TRY(split_sort(s, "the group to split by"));

    group = maas_arena_array(&s->mem, (size_t) s->n + 1, sizeof(*group));
    load = maas_arena_array(&s->mem, (size_t) s->k + 1, sizeof(*load));

    if (group == NULL || load == NULL) {
        return maas_err_nomem(s->err);
    }

    for (at = 0; at < s->n; at = split_group_end(s, at)) {
        group[n++] = at;
    }

    maas_dataset_shuffle(group, n, s->spec->seed, UINT64_MAX);
    split_counts(s, s->n, want);

    for (int64_t g = 0; g < n; g++) {
        end = split_group_end(s, group[g]);
        side = SPLIT_TRAIN;

        /* To the side that it fits best: half of it must have room. */
        for (int i = SPLIT_TEST; i > SPLIT_TRAIN; i--) {
            if (s->k != 0 && i == SPLIT_VALIDATION) {
                continue;
            }

            if (want[i] - have[i] > (end - group[g]) / 2) {
                side = i;
                break;
            }
        }

        have[side] += end - group[g];

        if (s->k != 0 && side == SPLIT_TRAIN) {
            int  f = split_lightest(load, s->k);

            load[f] += end - group[g];
            side = f == s->fold ? SPLIT_VALIDATION : SPLIT_TRAIN;
        }

        for (at = group[g]; at < end; at++) {
            s->side[s->row[at]] = (int8_t) side;
        }
    }

    return MAAS_OK;
}


/* -- lists --------------------------------------------------------------- */

static maas_status_t
split_lists(split_t *s, maas_arena_t *a, maas_split_t *out)
{
    int64_t  r, n[SPLIT_ALL] = { 0 }, *list, *p[SPLIT_ALL];

    for (r = 0; r < s->rows; r++) {
        if (s->side[r] >= 0) {
            n[s->side[r]]++;
        }
    }

    list = maas_arena_array(a, (size_t) s->rows + 1, sizeof(*list));
    if (list == NULL) {
        return maas_err_nomem(s->err);
    }

    out->train = p[SPLIT_TRAIN] = list;
    out->validation = p[SPLIT_VALIDATION] = list + n[0];
    out->test = p[SPLIT_TEST] = list + n[0] + n[1];
    out->n_train = n[SPLIT_TRAIN];
    out->n_validation = n[SPLIT_VALIDATION];
    out->n_test = n[SPLIT_TEST];

    /* In time: as sorted; else ascending. */
    for (int64_t i = 0; i < s->rows; i++) {
        if (s->spec->by == MAAS_SPLIT_TIME && i >= s->n) {
            break;
        }

        r = s->spec->by == MAAS_SPLIT_TIME ? s->row[i] : i;

        if (s->side[r] >= 0) {
            *p[s->side[r]]++ = r;
        }
    }

    return MAAS_OK;
}


static maas_status_t
split_check(const split_t *s)
{
    const maas_split_spec_t  *spec = s->spec;
    int                       n = maas_dataset_columns(s->ds);

    if (!(spec->validation >= 0 && spec->test >= 0
          && spec->validation + spec->test < 1))
    {
        return maas_err(s->err, MAAS_EINVAL, "shares of %g for validation "
                        "and %g for test: each is at least 0, the sum below "
                        "1", spec->validation, spec->test);
    }

    if ((spec->by != MAAS_SPLIT_RANDOM
         && (spec->column < 0 || spec->column >= n))
        || spec->stratify >= n)
    {
        return maas_err(s->err, MAAS_EINVAL, "the split needs a column");
    }

    return MAAS_OK;
}


static maas_status_t
split_run(split_t *s, maas_arena_t *a, maas_split_t *out)
{
    MAAS_TRY(split_check(s));

    s->rows = maas_dataset_rows(s->ds);
    s->row = maas_arena_array(&s->mem, (size_t) s->rows + 1, sizeof(*s->row));
    s->side = maas_arena_alloc(&s->mem, (size_t) s->rows + 1);

    if (s->row == NULL || s->side == NULL) {
        return maas_err_nomem(s->err);
    }

    for (int64_t r = 0; r < s->rows; r++) {
        s->side[r] = SPLIT_OUT;

        if (s->spec->skip == NULL || !maas_bit(s->spec->skip, r)) {
            s->row[s->n++] = r;
        }
    }

    if (s->k > s->n) {
        return maas_err(s->err, MAAS_EINVAL, "%d folds of %lld rows", s->k,
                        (long long) s->n);
    }

    switch (s->spec->by) {

    case MAAS_SPLIT_GROUP:
        MAAS_TRY(split_groups(s));
        break;

    case MAAS_SPLIT_TIME:
        MAAS_TRY(split_time(s));
        break;

    default:
        if (s->spec->stratify >= 0) {
            MAAS_TRY(split_stratified(s));
        } else {
            split_random(s);
        }
    }

    return split_lists(s, a, out);
}


maas_status_t
maas_dataset_split(const maas_dataset_t *ds, const maas_split_spec_t *spec,
    maas_arena_t *a, maas_split_t *out, maas_err_t *err)
{
    split_t        s = { .ds = ds, .spec = spec, .err = err };
    maas_status_t  rc;

    s.share[SPLIT_VALIDATION] = spec->validation;
    s.share[SPLIT_TEST] = spec->test;
    maas_arena_init(&s.mem, a->host, 0);
    rc = split_run(&s, a, out);
    maas_arena_destroy(&s.mem);

    return rc;
}


maas_status_t
maas_dataset_fold(const maas_dataset_t *ds, const maas_split_spec_t *spec,
    int k, int i, maas_arena_t *a, maas_split_t *out, maas_err_t *err)
{
    split_t        s = { .ds = ds, .spec = spec, .err = err, .k = k,
                         .fold = i };
    maas_status_t  rc;

    if (k < 2 || i < 0 || i >= k) {
        return maas_err(err, MAAS_EINVAL, "fold %d of %d", i, k);
    }

    s.share[SPLIT_TEST] = spec->test;
    maas_arena_init(&s.mem, a->host, 0);
    rc = split_run(&s, a, out);
    maas_arena_destroy(&s.mem);

    return rc;
}
