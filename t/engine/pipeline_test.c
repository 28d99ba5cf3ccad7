/*
 * A pipeline makes of the rows it learned from the same matrix as the model
 * that it writes makes of them; and the matrix is that of the formulas.
 */

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/compile.h"
#include "train/pipeline.h"
#include "tap.h"


static maas_arena_t     arena;
static maas_dataset_t  *ds;
static char             path[64];
static int64_t          diag_at;

static const struct {
    double       a, b;
    const char  *color, *text;
    int64_t      size;
} rows[] = {
    { 1, 10, "red", "the cat sat", 3 },
    { 2, NAN, "blue", "The dog  sat on the cat", 5 },
    { NAN, 30, "red", "", 3 },
    { 4, 50, NULL, "\xc3\x89t\xc3\xa9 cat", 7 },
    { 4, 20, "green", "dog dog cat", 5 }
};


static void
data(void)
{
    maas_err_t               err = { 0 };
    maas_column_spec_t       c[] = {
        { .name = maas_str("a"), .kind = MAAS_COL_NUMBER },
        { .name = maas_str("color"), .kind = MAAS_COL_CATEGORY },
        { .name = maas_str("b"), .kind = MAAS_COL_NUMBER },
        { .name = maas_str("text"), .kind = MAAS_COL_TEXT, .fixed = true },
        { .name = maas_str("size"), .kind = MAAS_COL_INTEGER }
    };
    maas_dataset_writer_t   *w;

    snprintf(path, sizeof(path), "/tmp/maas_pipe_%d.maasds", getpid());

    if (maas_dataset_create(&w, &maas_host_libc, path, c, 5, 0, &err)
        != MAAS_OK)
    {
        printf("Bail out! %s\n", err.text);
        exit(1);
    }

    for (size_t i = 0; i < maas_nelts(rows); i++) {
        if (!isnan(rows[i].a)) {
            maas_dataset_put_number(w, 0, rows[i].a);
        }

        if (rows[i].color != NULL) {
            maas_dataset_put_text(w, 1, (maas_str_t) {
                rows[i].color, strlen(rows[i].color) });
        }

        if (!isnan(rows[i].b)) {
            maas_dataset_put_number(w, 2, rows[i].b);
        }

        maas_dataset_put_text(w, 3, (maas_str_t) { rows[i].text,
                                                   strlen(rows[i].text) });
        maas_dataset_put_integer(w, 4, rows[i].size);
        maas_dataset_end_row(w, NULL);
    }

    if (maas_dataset_commit(w, &err) != MAAS_OK
        || maas_dataset_open(&ds, &maas_host_libc, path, &err) != MAAS_OK)
    {
        printf("Bail out! %s\n", err.text);
        exit(1);
    }
}


static maas_status_t
served(maas_pipeline_t *p, const int *column, int n, double *worst,
    maas_err_t *err)
{
    int                     n_in;
    void                   *image;
    size_t                  size;
    int64_t                 dims[] = { -1, p->p };
    maas_run_t             *run;
    maas_graph_t           *g;
    maas_model_t           *m;
    maas_tensor_t           in[8], out, keys;
    maas_compile_t          spec = { .name = "pipe" };
    const maas_raw_model_t *raw;

    maas_build_output(p->build, p->value, MAAS_F32, 2, dims);
    MAAS_TRY(maas_build_done(p->build, &raw, err));
    MAAS_TRY(maas_graph_import(&g, &arena, raw, err));
    MAAS_TRY(maas_compile_graph(g, &spec, &image, &size, err));
    MAAS_TRY(maas_model_open(&m, image, size, NULL, err));
    MAAS_TRY(maas_pipeline_inputs(ds, column, n, &p->rows, &arena, in, &n_in,
                                  err));
    MAAS_TRY(maas_model_run(m, in, NULL, NULL, &run, err));

    maas_run_output(run, 0, &out, &keys);
    *worst = out.dims[0] == p->n && out.dims[1] == p->p ? 0 : INFINITY;

    for (int64_t i = 0; i < p->n * p->p && *worst == 0; i++) {
        double  d = fabs((double) ((float *) out.data)[i] - p->x[i]);

        if (!(d <= 1e-5 * fmax(1, fabs(p->x[i])))
            && !(isnan(p->x[i]) && isnan(((float *) out.data)[i])))
        {
            *worst = d;
            diag_at = i;
        }
    }

    maas_run_release(run);
    maas_model_release(m);
    maas_image_free(image);
    return MAAS_OK;
}


static maas_status_t
fit(maas_pipeline_t *p, const char *steps, const int *column, int n,
    maas_err_t *err)
{
    memset(p, 0, sizeof(*p));
    p->ds = ds;
    p->column = column;
    p->n_column = n;
    p->rows = (maas_rows_t) { .n = maas_dataset_rows(ds) };
    p->steps = steps != NULL ? json_loads(steps, 0, NULL) : NULL;
    p->threads = 1;
    p->build = maas_build_create(&arena);
    p->arena = &arena;
    p->host = &maas_host_libc;

    return maas_pipeline_fit(p, err);
}


static void
good(const char *steps, const int *column, int n, int64_t width,
    maas_pipeline_t *p)
{
    double         worst = INFINITY;
    maas_err_t     err = { 0 };
    maas_status_t  rc;

    rc = fit(p, steps, column, n, &err);

    if (rc == MAAS_OK) {
        rc = served(p, column, n, &worst, &err);
    }

    ok(rc == MAAS_OK && p->p == width && worst == 0,
       "%s: %lld columns, model and matrix agree%s%s",
       steps != NULL ? steps : "no steps", (long long) p->p,
       rc != MAAS_OK ? ": " : "", err.text);

    if (worst != 0) {
        printf("# element %lld is off by %g\n", (long long) diag_at, worst);
    }
}


static void
bad(const char *steps, const int *column, int n, const char *text)
{
    maas_err_t       err = { 0 };
    maas_pipeline_t  p;

    ok(fit(&p, steps, column, n, &err) != MAAS_OK, "%s is refused", steps);
    has_str(err.text, text, "and says why");
}


static void
near(double got, double want, const char *name)
{
    ok(fabs(got - want) <= 1e-9, "%s: %.10g, expected %.10g", name, got,
       want);
}


static const int  numbers[] = { 0, 2 }, all[] = { 0, 1, 2, 4 }, text[] = { 3 },
                  mixed[] = { 3, 0, 1 };


static void
test_numbers(void)
{
    maas_pipeline_t  p;

    good(NULL, numbers, 2, 2, &p);
    ok(p.matrix && p.missing, "numbers alone: one input, missing is seen");

    good("[{\"type\":\"impute\"}]", numbers, 2, 2, &p);
    near(p.x[4], 2.75, "the mean of column a");
    near(p.x[3], 27.5, "the mean of column b");
    good("[{\"type\":\"impute\",\"strategy\":\"median\",\"columns\":[\"b\"]}]",
         numbers, 2, 2, &p);
    near(p.x[3], 25, "the median of column b");
    ok(isnan(p.x[4]), "column a stays");

    good("[{\"type\":\"impute\",\"strategy\":\"most_frequent\"},"
         "{\"type\":\"scale\"}]", numbers, 2, 2, &p);
    near(p.x[0], (1 - 3.0) / sqrt(8 / 5.0), "scaled to mean 0, deviation 1");
    good("[{\"type\":\"impute\",\"strategy\":\"constant\",\"value\":7},"
         "{\"type\":\"scale\",\"kind\":\"robust\"}]", numbers, 2, 2, &p);
    good("[{\"type\":\"scale\",\"kind\":\"minmax\"}]", numbers, 2, 2, &p);
    near(p.x[8], 1, "the largest is 1");
    good("[{\"type\":\"impute\"},{\"type\":\"normalize\",\"norm\":\"l1\"}]",
         numbers, 2, 2, &p);
}


static void
test_categories(void)
{
    maas_pipeline_t  p;

    good(NULL, all, 4, 6, &p);
    ok(!p.matrix, "with text: an input a column");
    good("[{\"type\":\"one_hot\",\"columns\":[\"size\",\"color\"]},"
         "{\"type\":\"impute\"},{\"type\":\"scale\",\"kind\":\"maxabs\"}]",
         all, 4, 8, &p);
    is_str(p.feature[7].data != NULL
           && maas_str_is(p.feature[7], "size=7") ? "size=7" : "other",
           "size=7", "the last column is called by its value");
}


static void
test_components(void)
{
    maas_pipeline_t  p;

    good("[{\"type\":\"impute\"},{\"type\":\"pca\"}]", numbers, 2, 2, &p);
    near(p.x[0] + p.x[2] + p.x[4] + p.x[6] + p.x[8], 0, "components are "
         "centred");
    near(pow(p.x[0], 2) + pow(p.x[1], 2), pow(1 - 2.75, 2)
         + pow(10 - 27.5, 2), "and keep distances");
    is_str(p.feature[1].data != NULL && maas_str_is(p.feature[1], "pca2")
           ? "pca2" : "other", "pca2", "they are called by their number");
    good("[{\"type\":\"impute\"},{\"type\":\"scale\"},{\"type\":\"pca\","
         "\"components\":3,\"whiten\":true}]", all, 4, 3, &p);
    near((pow(p.x[0], 2) + pow(p.x[3], 2) + pow(p.x[6], 2) + pow(p.x[9], 2)
          + pow(p.x[12], 2)) / 4, 1, "whitened: their variance is 1");
}


static void
test_text(void)
{
    double           idf;
    maas_pipeline_t  p;

    good("[{\"type\":\"tfidf\"}]", text, 1, 6, &p);
    idf = log(6 / 5.0) + 1;
    near(p.x[0 * 6 + 0], idf / sqrt(idf * idf
         + 2 * pow(log(6 / 3.0) + 1, 2)), "TF-IDF of \"cat\"");
    good("[{\"type\":\"tfidf\",\"ngrams\":2,\"min_df\":2}]", text, 1, 5, &p);
    good("[{\"type\":\"tfidf\",\"lowercase\":false,\"max_features\":3}]",
         mixed, 3, 7, &p);
}


static void
test_bad(void)
{
    bad("[{\"type\":\"scael\"}]", numbers, 2, "did you mean \"scale\"");
    bad("[{\"type\":\"scale\",\"columns\":[\"color\"]}]", numbers, 2,
        "there is no column of numbers \"color\"");
    bad("[{\"type\":\"tfidf\"}]", numbers, 2, "no feature is text");
    bad("[{\"type\":\"impute\",\"strategy\":\"meen\"}]", numbers, 2, "mean");
    bad("[]", text, 1, "must encode it");
    bad("[{\"type\":\"one_hot\",\"columns\":[\"zz\"]}]", all, 4,
        "there is no column \"zz\"");
    bad("{}", numbers, 2, "a list of steps");
    bad("[3]", numbers, 2, "\"type\"");
}


int
main(void)
{
    maas_err_t  err;

    maas_init(NULL, &err);
    maas_arena_init(&arena, &maas_host_libc, 0);
    data();

    test_numbers();
    test_categories();
    test_components();
    test_text();
    test_bad();

    maas_dataset_close(ds);
    unlink(path);
    maas_arena_destroy(&arena);
    return done();
}
