/*
 * dataset: what was written is read back; splits, folds and labels have the
 * properties that they promise; damaged files are refused or read safely; an
 * import bears the refusal of any allocation.
 */

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/refuser.h"
#include "engine/tap.h"
#include "train/dataset_format.h"


static maas_err_t  err;
static char        path[64];

#define STR(s)  ((maas_str_t) { (s), strlen(s) })


/* -- writing and reading ------------------------------------------------- */

static maas_column_spec_t
spec(const char *name, maas_col_kind_t kind)
{
    return (maas_column_spec_t) { .name = STR(name), .kind = kind };
}


/* One column of every kind, and one that changes its kind. */
static void
sample_spec(maas_column_spec_t s[7])
{
    s[0] = spec("n", MAAS_COL_NUMBER);
    s[1] = spec("i", MAAS_COL_INTEGER);
    s[2] = spec("b", MAAS_COL_BOOL);
    s[3] = spec("c", MAAS_COL_CATEGORY);
    s[4] = spec("t", MAAS_COL_TEXT);
    s[5] = spec("x", MAAS_COL_TENSOR);
    s[6] = spec("grown", MAAS_COL_INTEGER);
    s[5].dtype = MAAS_F32;
    s[5].rank = 2;
    s[5].dims[0] = 2;
    s[5].dims[1] = 3;
}


static void
sample_put(maas_dataset_writer_t *w, int64_t r, int64_t rows)
{
    char   text[64];
    float  item[6];

    maas_dataset_put_number(w, 0, (double) r / 3);
    maas_dataset_put_integer(w, 1, r - 5);
    maas_dataset_put_bool(w, 2, r % 3 == 0);
    snprintf(text, sizeof(text), "class %lld", (long long) (r % 5));
    maas_dataset_put_text(w, 3, STR(text));
    snprintf(text, sizeof(text), "row %lld%s", (long long) r,
             r % 11 == 0 ? " with more of it, and more" : "");
    maas_dataset_put_text(w, 4, STR(text));

    for (int k = 0; k < 6; k++) {
        item[k] = (float) (r * 6 + k);
    }

    maas_dataset_put_item(w, 5, item);

    if (r < rows / 2) {
        maas_dataset_put_integer(w, 6, r);
    } else {
        maas_dataset_put_number(w, 6, (double) r + 0.5);
    }
}


/* Every seventh row is missing. */
static maas_dataset_t *
sample(int64_t rows, size_t budget)
{
    maas_dataset_t         *ds = NULL;
    maas_column_spec_t      s[7];
    maas_dataset_writer_t  *w;

    sample_spec(s);

    if (maas_dataset_create(&w, &maas_host_libc, path, s, 7, budget, &err)
        != MAAS_OK)
    {
        printf("# %s\n", err.text);
        exit(1);
    }

    for (int64_t r = 0; r < rows; r++) {
        if (r % 7 != 3) {
            sample_put(w, r, rows);
        }

        if (maas_dataset_end_row(w, &err) != MAAS_OK) {
            printf("# %s\n", err.text);
            exit(1);
        }
    }

    if (maas_dataset_commit(w, &err) != MAAS_OK
        || maas_dataset_open(&ds, &maas_host_libc, path, &err) != MAAS_OK)
    {
        printf("# %s\n", err.text);
        exit(1);
    }

    return ds;
}


static int
sample_row(const maas_dataset_t *ds, int64_t r, int64_t rows)
{
    char                  want[64];
    int                   bad = 0, column[3] = { 0, 5, 6 };
    double                v[8], grown;
    maas_str_t            s;
    maas_rows_t           one = { NULL, r, 1 };
    const maas_column_t  *c;

    bad += maas_dataset_numbers(ds, column, 3, &one, v, 8, &err) != MAAS_OK;

    for (int i = 0; i < 7; i++) {
        bad += maas_column_has(maas_dataset_column(ds, i), r) != (r % 7 != 3);
    }

    if (r % 7 == 3) {
        for (int i = 0; i < 8; i++) {
            bad += !isnan(v[i]);
        }

        return bad;
    }

    grown = r < rows / 2 ? (double) r : (double) r + 0.5;
    bad += v[0] != (double) r / 3 || v[1] != (double) (r * 6)
           || v[6] != (double) (r * 6 + 5) || v[7] != grown;
    c = maas_dataset_column(ds, 1);
    bad += ((const int64_t *) c->data)[r] != r - 5;
    c = maas_dataset_column(ds, 2);
    bad += ((const uint8_t *) c->data)[r] != (r % 3 == 0);

    snprintf(want, sizeof(want), "class %lld", (long long) (r % 5));
    s = maas_column_text(maas_dataset_column(ds, 3), r);
    bad += !maas_str_is(s, want);
    snprintf(want, sizeof(want), "row %lld%s", (long long) r,
             r % 11 == 0 ? " with more of it, and more" : "");
    s = maas_column_text(maas_dataset_column(ds, 4), r);
    bad += !maas_str_is(s, want);

    return bad;
}


static void
test_round(int64_t rows, size_t budget)
{
    int                   bad = 0;
    double                mean = 0, var = 0;
    int64_t               n = 0;
    maas_dataset_t       *ds = sample(rows, budget);
    const maas_column_t  *c = maas_dataset_column(ds, 1);

    for (int64_t r = 0; r < rows; r++) {
        bad += sample_row(ds, r, rows);
    }

    ok(bad == 0 && maas_dataset_rows(ds) == rows,
       "%lld rows in %zu bytes of memory", (long long) rows, budget);
    is_int(maas_dataset_column(ds, 6)->kind, MAAS_COL_NUMBER,
           "an integer column that got a number");
    is_int(maas_dataset_column(ds, 4)->kind,
           rows < 32 ? MAAS_COL_CATEGORY : MAAS_COL_TEXT,
           "text that does not repeat");
    is_int(maas_dataset_column(ds, 3)->n_class, 5, "classes");

    for (int64_t r = 0; r < rows; r++) {
        if (r % 7 != 3) {
            mean += (double) (r - 5);
            n++;
        }
    }

    mean /= (double) n;

    for (int64_t r = 0; r < rows; r++) {
        if (r % 7 != 3) {
            var += ((double) (r - 5) - mean) * ((double) (r - 5) - mean);
        }
    }

    ok(fabs(c->stats.mean - mean) <= 1e-12 * fabs(mean)
       && fabs(c->stats.std - sqrt(var / (double) n)) <= 1e-12 * c->stats.std
       && c->stats.min == -5 && c->stats.missing == rows - n,
       "statistics of integers");
    ok(maas_dataset_verify(ds, &err) == MAAS_OK, "the digest");
    maas_dataset_close(ds);
}


static void
test_budget(void)
{
    uint8_t          one[MAAS_DIGEST];
    maas_dataset_t  *ds = sample(3000, 0);

    memcpy(one, maas_dataset_digest(ds), sizeof(one));
    maas_dataset_close(ds);
    ds = sample(3000, 30000);
    ok(memcmp(one, maas_dataset_digest(ds), sizeof(one)) == 0,
       "the same digest whatever the memory");
    maas_dataset_close(ds);
}


static void
test_mistakes(void)
{
    int                     i;
    double                  d;
    maas_rows_t             rows = { NULL, 0, 1 };
    maas_dataset_t         *ds = sample(40, 0);
    maas_column_spec_t      s[2];
    maas_dataset_writer_t  *w;

    ok(maas_dataset_find(ds, STR("grwon"), &i, &err) == MAAS_ENOENT,
       "no such column");
    has_str(err.text, "did you mean \"grown\"?", "the nearest is named");
    i = 4;
    ok(maas_dataset_numbers(ds, &i, 1, &rows, &d, 1, &err) == MAAS_EINVAL,
       "text is no number");
    has_str(err.text, "column \"t\" is text", "says so");
    rows.first = 40;
    i = 0;
    ok(maas_dataset_numbers(ds, &i, 1, &rows, &d, 1, &err) == MAAS_EINVAL,
       "a row behind the end");
    maas_dataset_close(ds);

    s[0] = spec("a", MAAS_COL_BOOL);
    s[1] = spec("a", MAAS_COL_BOOL);
    ok(maas_dataset_create(&w, &maas_host_libc, path, s, 2, 0, &err)
       == MAAS_EINVAL, "two columns of one name");
    ok(maas_dataset_create(&w, &maas_host_libc, "/nonexistent/x", s, 1, 0,
                           &err) == MAAS_EIO, "no such folder");
    ok(maas_dataset_create(&w, &maas_host_libc, path, s, 1, 0, &err)
       == MAAS_OK, "one column");
    maas_dataset_put_text(w, 0, STR("x"));
    ok(maas_dataset_end_row(w, &err) == MAAS_EINVAL, "text into bool");
    has_str(err.text, "column \"a\" is bool, and row 0 gives text", "says so");
    ok(maas_dataset_commit(w, &err) == MAAS_EINVAL, "errors stay");
    ok(maas_dataset_open(&ds, &maas_host_libc, path, &err) == MAAS_OK,
       "the older file is still there");
    is_int(maas_dataset_rows(ds), 40, "whole");
    maas_dataset_close(ds);
}


/* -- labels -------------------------------------------------------------- */

static void
test_labels(void)
{
    int              bad = 0;
    int32_t          label[100];
    maas_rows_t      rows = { NULL, 0, 100 };
    maas_arena_t     a;
    maas_classes_t   k;
    maas_dataset_t  *ds = sample(100, 0);

    maas_arena_init(&a, &maas_host_libc, 0);

    ok(maas_dataset_classes(ds, 3, 0, &a, &k, &err) == MAAS_OK && k.n == 5,
       "classes of a category");
    ok(maas_str_is(k.name[4], "class 4"), "their names, in order");
    maas_dataset_labels(ds, &k, &rows, label, &err);

    for (int i = 0; i < 100; i++) {
        bad += label[i] != (i % 7 == 3 ? -1 : i % 5);
    }

    ok(bad == 0, "labels");

    ok(maas_dataset_classes(ds, 1, 0, &a, &k, &err) == MAAS_OK
       && k.n == 86 && k.integer[0] == -5, "classes of integers");
    ok(maas_dataset_classes(ds, 1, 20, &a, &k, &err) == MAAS_ELIMIT,
       "too many");
    has_str(err.text, "column \"i\" has more than 20 classes", "says so");
    ok(maas_dataset_classes(ds, 0, 0, &a, &k, &err) == MAAS_EINVAL,
       "fractions are no classes");
    has_str(err.text, "row 2 is no integer", "names the row");
    ok(maas_dataset_classes(ds, 4, 0, &a, &k, &err) == MAAS_OK && k.n == 86,
       "classes of text");
    maas_dataset_labels(ds, &k, &rows, label, &err);
    ok(label[3] == -1 && maas_str_is(k.name[label[50]], "row 50"),
       "labels of text");
    ok(maas_dataset_classes(ds, 2, 0, &a, &k, &err) == MAAS_OK && k.n == 2
       && maas_str_is(k.name[1], "true"), "classes of bool");
    ok(maas_dataset_classes(ds, 5, 0, &a, &k, &err) == MAAS_EINVAL,
       "a tensor has none");

    maas_arena_destroy(&a);
    maas_dataset_close(ds);
}


/* -- splits -------------------------------------------------------------- */

/* A class of a third, groups of 1 to 9 rows, times with ties. */
static maas_dataset_t *
grouped(int64_t rows)
{
    char                    text[32];
    maas_dataset_t         *ds;
    maas_column_spec_t      s[3];
    maas_dataset_writer_t  *w;

    s[0] = spec("y", MAAS_COL_CATEGORY);
    s[1] = spec("group", MAAS_COL_INTEGER);
    s[2] = spec("time", MAAS_COL_TEXT);
    maas_dataset_create(&w, &maas_host_libc, path, s, 3, 0, &err);

    for (int64_t r = 0; r < rows; r++) {
        maas_dataset_put_text(w, 0, r % 3 == 0 ? STR("rare") : STR("often"));
        maas_dataset_put_integer(w, 1, (int64_t) sqrt((double) (r * 7 % rows)));
        snprintf(text, sizeof(text), "2024-01-%02lld",
                 (long long) (r * 13 % rows / 4));
        maas_dataset_put_text(w, 2, STR(text));
        maas_dataset_end_row(w, &err);
    }

    maas_dataset_commit(w, &err);
    maas_dataset_open(&ds, &maas_host_libc, path, &err);
    return ds;
}


/* Every row on exactly one side? */
static bool
covers(const maas_split_t *s, int64_t rows, int8_t *side)
{
    int64_t  n = s->n_train + s->n_validation + s->n_test;

    memset(side, -1, (size_t) rows);

    for (int64_t i = 0; i < n; i++) {
        int64_t  r = i < s->n_train ? s->train[i]
                     : i < s->n_train + s->n_validation
                     ? s->validation[i - s->n_train]
                     : s->test[i - s->n_train - s->n_validation];

        if (r < 0 || r >= rows || side[r] != -1) {
            return false;
        }

        side[r] = (int8_t) (i < s->n_train ? 0
                            : i < s->n_train + s->n_validation ? 1 : 2);
    }

    return n == rows;
}


static void
test_random_split(maas_dataset_t *ds, maas_arena_t *a)
{
    int                rare = 0;
    int8_t             side[120], again[120];
    maas_split_t       s;
    maas_split_spec_t  spec = { .validation = 0.25, .test = 0.1,
                                .stratify = -1, .seed = 7 };

    ok(maas_dataset_split(ds, &spec, a, &s, &err) == MAAS_OK
       && covers(&s, 120, side), "a random split");
    ok(s.n_validation == 30 && s.n_test == 12, "its shares");
    maas_dataset_split(ds, &spec, a, &s, &err);
    covers(&s, 120, again);
    ok(memcmp(side, again, 120) == 0, "the same again");
    spec.seed = 8;
    maas_dataset_split(ds, &spec, a, &s, &err);
    covers(&s, 120, again);
    ok(memcmp(side, again, 120) != 0, "another seed, another split");

    spec.stratify = 0;
    ok(maas_dataset_split(ds, &spec, a, &s, &err) == MAAS_OK
       && covers(&s, 120, side) && s.n_validation == 30 && s.n_test == 12,
       "stratified");

    for (int64_t i = 0; i < s.n_validation; i++) {
        rare += s.validation[i] % 3 == 0;
    }

    is_int(rare, 10, "a third of the validation rows is of the rare class");

    spec.validation = 0.9;
    ok(maas_dataset_split(ds, &spec, a, &s, &err) == MAAS_EINVAL,
       "shares beyond 1");
}


static void
test_group_split(maas_dataset_t *ds, maas_arena_t *a)
{
    int                bad = 0;
    int8_t             side[120];
    maas_split_t       s;
    const int64_t     *g = maas_dataset_column(ds, 1)->data;
    maas_split_spec_t  spec = { .by = MAAS_SPLIT_GROUP, .validation = 0.25,
                                .test = 0.25, .column = 1, .stratify = -1 };

    ok(maas_dataset_split(ds, &spec, a, &s, &err) == MAAS_OK
       && covers(&s, 120, side), "by group");

    for (int i = 0; i < 120; i++) {
        for (int k = 0; k < i; k++) {
            bad += g[i] == g[k] && side[i] != side[k];
        }
    }

    ok(bad == 0, "rows of a group stay together");
    ok(labs((long) s.n_test - 30) <= 12 && labs((long) s.n_validation - 30)
       <= 12, "shares within a group's size: %d, %d", (int) s.n_validation,
       (int) s.n_test);

    spec.by = MAAS_SPLIT_TIME;
    spec.column = 2;
    ok(maas_dataset_split(ds, &spec, a, &s, &err) == MAAS_OK
       && covers(&s, 120, side), "by time");

    for (int i = 0; i < 120; i++) {
        for (int k = 0; k < 120; k++) {
            maas_str_t  x = maas_column_text(maas_dataset_column(ds, 2), i);
            maas_str_t  y = maas_column_text(maas_dataset_column(ds, 2), k);
            int         d = memcmp(x.data, y.data, 10);

            bad += (d < 0 && side[i] > side[k])
                   || (d == 0 && side[i] != side[k]);
        }
    }

    ok(bad == 0 && s.n_test >= 30, "later is validation, latest test; equal "
       "times together");
}


static void
test_folds(maas_dataset_t *ds, maas_arena_t *a)
{
    int                by, bad = 0, n[120], rare;
    maas_split_t       s;
    maas_split_spec_t  spec = { .test = 0.1, .column = 1, .stratify = -1 };

    for (by = 0; by < 3; by++) {
        memset(n, 0, sizeof(n));
        spec.by = by == 2 ? MAAS_SPLIT_RANDOM : (maas_split_by_t) by;
        spec.stratify = by == 2 ? 0 : -1;
        bad = 0;

        for (int f = 0; f < 4; f++) {
            rare = 0;
            bad += maas_dataset_fold(ds, &spec, 4, f, a, &s, &err) != MAAS_OK;

            for (int64_t i = 0; i < s.n_validation; i++) {
                n[s.validation[i]]++;
                rare += s.validation[i] % 3 == 0;
            }

            for (int64_t i = 0; i < s.n_test; i++) {
                n[s.test[i]] = 1;
            }

            bad += by != MAAS_SPLIT_GROUP && s.n_validation != 27;
            bad += by == 2 && rare != 9;
        }

        for (int i = 0; i < 120; i++) {
            bad += n[i] != 1;
        }

        ok(bad == 0, "4 folds %s: each row is validated once",
           by == 0 ? "at random" : by == 1 ? "by group" : "stratified");
    }

    spec.by = MAAS_SPLIT_TIME;
    spec.column = 2;
    spec.stratify = -1;
    bad = 0;

    for (int f = 0; f < 4; f++) {
        maas_dataset_fold(ds, &spec, 4, f, a, &s, &err);
        bad += s.n_train == 0 || s.n_validation == 0;
        bad += memcmp(maas_column_text(maas_dataset_column(ds, 2),
                                       s.train[s.n_train - 1]).data,
                      maas_column_text(maas_dataset_column(ds, 2),
                                       s.validation[0]).data, 10) >= 0;
    }

    ok(bad == 0, "4 folds by time: trained on the past alone");
    ok(maas_dataset_fold(ds, &spec, 1, 0, a, &s, &err) == MAAS_EINVAL,
       "one fold is none");
}


static void
test_splits(void)
{
    int64_t          order[50], sum = 0;
    maas_arena_t     a;
    maas_dataset_t  *ds = grouped(120);

    maas_arena_init(&a, &maas_host_libc, 0);
    test_random_split(ds, &a);
    test_group_split(ds, &a);
    test_folds(ds, &a);

    for (int i = 0; i < 50; i++) {
        order[i] = i;
    }

    maas_dataset_shuffle(order, 50, 1, 2);

    for (int i = 0; i < 50; i++) {
        sum += order[i] * order[i];
    }

    ok(sum == 49 * 50 * 99 / 6 && order[0] + order[1] + order[2] != 3,
       "an epoch's order is a permutation");
    maas_arena_destroy(&a);
    maas_dataset_close(ds);
}


/* -- damaged files ------------------------------------------------------- */

/* Whatever opens is read through every accessor. */
static void
read_all(const maas_dataset_t *ds)
{
    char                  tmp[32];
    double               *v;
    int32_t               label;
    maas_rows_t           rows = { NULL, 0, 1 };
    maas_arena_t          a;
    maas_classes_t        k;
    volatile size_t       sum = 0;
    const maas_column_t  *c;

    for (int i = 0; i < maas_dataset_columns(ds); i++) {
        c = maas_dataset_column(ds, i);
        maas_arena_init(&a, &maas_host_libc, 0);
        v = calloc(c->width, sizeof(*v));

        for (uint32_t x = 0; x < c->n_class; x++) {
            maas_str_t  s = maas_column_class(c, x, tmp);

            sum += s.len != 0 ? (size_t) s.data[s.len - 1] : 0;
        }

        (void) maas_dataset_classes(ds, i, 100, &a, &k, NULL);

        for (rows.first = 0; rows.first < maas_dataset_rows(ds)
             && rows.first < 100; rows.first++)
        {
            maas_str_t  s = maas_column_text(c, rows.first);

            sum += s.len != 0 ? (size_t) s.data[s.len - 1] : 0;
            (void) maas_dataset_numbers(ds, &i, 1, &rows, v, c->width, NULL);
            k.column = i;

            if (maas_dataset_classes(ds, i, 100, &a, &k, NULL) == MAAS_OK) {
                (void) maas_dataset_labels(ds, &k, &rows, &label, NULL);
            }
        }

        free(v);
        maas_arena_destroy(&a);
    }
}


static void
test_damage(void)
{
    int                opened = 0, refused = 0;
    FILE              *f;
    size_t             n;
    uint64_t           seed = 1;
    uint8_t           *p, *q;
    maas_dataset_t    *ds = sample(60, 0);

    n = maas_dataset_bytes(ds);
    maas_dataset_close(ds);
    p = aligned_alloc(64, maas_align(n, 64));
    f = fopen(path, "rb");
    ok(fread(p, 1, n, f) == n, "the file as bytes");
    fclose(f);

    for (int i = 0; i < 4000; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        q = p + (seed >> 33) % (i % 2 != 0 ? n : 128);

        if (i % 4 == 3) {
            q = p + n - 1 - (seed >> 33) % 2000;
        }

        uint8_t  old = *q;

        *q ^= (uint8_t) (1 << (seed >> 24 & 7));

        if (maas_dataset_view(&ds, &maas_host_libc, p, n, &err) == MAAS_OK) {
            read_all(ds);
            maas_dataset_close(ds);
            opened++;

        } else {
            refused++;
        }

        *q = old;
    }

    ok(opened > 100 && refused > 100, "damaged: %d read, %d refused", opened,
       refused);
    ok(maas_dataset_view(&ds, &maas_host_libc, p, n - 1, &err)
       == MAAS_ETRUNC, "cut");
    has_str(err.text, "and was written with", "says so");
    p[n / 2] ^= 1;
    ok(maas_dataset_view(&ds, &maas_host_libc, p, n, &err) == MAAS_OK
       && maas_dataset_verify(ds, &err) == MAAS_EINVAL,
       "verify sees a change");
    maas_dataset_close(ds);
    free(p);
}


/* -- refused memory ------------------------------------------------------ */

/* Each allocation of an import is refused once. */
static void
test_refused(const char *name, maas_import_format_t format, const char *text,
    size_t len)
{
    char                   source[80];
    FILE                  *f;
    int                    bad = 0;
    long                   n;
    refuser_t              r;
    maas_host_t            host = refuser_host(&r);
    maas_status_t          rc = MAAS_ENOMEM;
    const char            *sources = source;
    maas_dataset_import_t  o = { .format = format, .header = -1,
                                 .budget = 2000 };

    snprintf(source, sizeof(source), "%s.src", path);
    f = fopen(source, "wb");
    fwrite(text, 1, len, f);
    fclose(f);

    for (n = 0; rc == MAAS_ENOMEM && n < 5000; n++) {
        r = (refuser_t) { .refuse = n + 1 };
        rc = maas_dataset_import(&host, &sources, 1, path, &o, &err);
        bad += r.live != 0 || (rc != MAAS_OK && rc != MAAS_ENOMEM);
    }

    if (!ok(bad == 0 && rc == MAAS_OK && n > 5, "%s: each of %ld "
            "allocations was refused once, nothing leaks", name, n))
    {
        printf("# %d bad, %ld live, %d %s\n", bad, r.live, rc, err.text);
    }

    unlink(source);
}


static void
test_all_refused(void)
{
    char                csv[2000] = "n,i,c,t\n";
    size_t              at = strlen(csv);
    static const char   json[] = "[{\"a\":1,\"v\":[[1,2],[3,4]]},"
                                 "{\"b\":\"x\",\"a\":2.5}]";
    char                npy[80 + 16] = "\x93NUMPY\1\0\x46\0{'descr': '<U2', "
                                       "'fortran_order': False, "
                                       "'shape': (2,), }";

    for (int i = 0; i < 40; i++) {
        at += (size_t) snprintf(csv + at, sizeof(csv) - at,
                                "%d.5,%d,\"c \"\"%d\",text %d\n", i, i, i % 3,
                                i);
    }

    snprintf(csv + at, sizeof(csv) - at, "x,1,2,3\n");
    memset(npy + 10 + strlen(npy + 10), ' ', 70 - strlen(npy + 10));
    npy[80] = 'a';
    npy[84] = 'b';
    npy[88] = 'c';
    test_refused("CSV", MAAS_IMPORT_CSV, csv, strlen(csv));
    test_refused("JSON", MAAS_IMPORT_JSON, json, strlen(json));
    test_refused("npy", MAAS_IMPORT_NPY, npy, sizeof(npy));
}


int
main(void)
{
    snprintf(path, sizeof(path), "/tmp/maas_dataset_%d.maasds",
             (int) getpid());

    test_round(10, 0);
    test_round(1000, 0);
    test_round(20000, 100000);
    test_budget();
    test_mistakes();
    test_labels();
    test_splits();
    test_damage();
    test_all_refused();
    unlink(path);

    return done();
}
