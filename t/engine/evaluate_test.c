/*
 * evaluate: figures worked out by hand, errors that name the row, the
 * incremental measures against the whole ones, JSON, a memory that refuses.
 * t/train/evaluate.t compares with scikit-learn.
 */

#include <math.h>
#include <stdlib.h>

#include "tap.h"
#include "train/evaluate.h"


static bool
near(double got, double want)
{
    return fabs(got - want) <= 1e-12 * fmax(1, fabs(want));
}


static void
is_near(double got, double want, const char *name)
{
    if (!ok(near(got, want), "%s", name)) {
        printf("# got %.17g, expected %.17g\n", got, want);
    }
}


/* 3 classes, 6 rows; class 2 is never taken. */
static const int32_t  truth3[] = { 0, 0, 1, 1, 2, 2 };
static const int32_t  label3[] = { 0, 1, 1, 1, 0, 1 };


static void
test_classes(void)
{
    maas_err_t       err;
    maas_eval_t      r;
    maas_eval_job_t  job = { .host = &maas_host_libc, .n = 6, .n_class = 3,
                             .truth = truth3, .label = label3 };

    is_int(maas_evaluate(&job, &r, &err), MAAS_OK, "labels");
    is_near(r.value[MAAS_M_ACCURACY], 0.5, "accuracy");
    is_near(r.value[MAAS_M_BALANCED_ACCURACY], 0.5, "balanced accuracy");
    is_near(r.per_class[1].precision, 0.5, "2 of 4 taken for 1 are it");
    is_near(r.per_class[1].recall, 1, "both were found");
    is_near(r.per_class[2].precision, 0, "nothing taken: 0");
    is_near(r.value[MAAS_M_PRECISION_MACRO], 1.0 / 3, "macro precision");
    is_near(r.value[MAAS_M_F1_MACRO], (0.5 + 2.0 / 3) / 3, "macro F1");
    is_near(r.value[MAAS_M_KAPPA], 0.25, "(0.5 - 1/3) / (1 - 1/3)");
    ok(r.confusion[2 * 3 + 1] == 1 && r.confusion[0 * 3 + 0] == 1
       && r.confusion[2 * 3 + 2] == 0, "rows are the truth");
    ok(r.why[MAAS_M_LOG_LOSS] != NULL && r.why[MAAS_M_LOG_LOSS][0] == '\0'
       && isnan(r.value[MAAS_M_LOG_LOSS]), "no scores, no log loss");
    ok(r.why[MAAS_M_MSE] != NULL && r.why[MAAS_M_F1] != NULL,
       "nothing of numbers, nothing of two classes");
    maas_eval_free(&r);
}


static void
test_curves(void)
{
    double           score[] = { 0.1, 0.4, 0.35, 0.8 };
    int32_t          truth[] = { 0, 0, 1, 1 };
    maas_err_t       err;
    maas_eval_t      r;
    maas_eval_job_t  job = { .host = &maas_host_libc, .n = 4, .n_class = 2,
                             .truth = truth, .score = score, .n_score = 1,
                             .positive = 1, .max_curves = 2 };

    is_int(maas_evaluate(&job, &r, &err), MAAS_OK, "scores of two classes");
    is_near(r.value[MAAS_M_ROC_AUC], 0.75, "3 of 4 pairs are in order");
    is_near(r.value[MAAS_M_AP], 0.5 + 0.5 * 2 / 3, "average precision");
    is_near(r.value[MAAS_M_BRIER], (0.01 + 0.16 + 0.4225 + 0.04) / 4,
            "Brier");
    is_near(r.value[MAAS_M_LOG_LOSS],
            -(log(0.9) + log(0.6) + log(0.35) + log(0.8)) / 4, "log loss");
    is_near(r.value[MAAS_M_RECALL], 0.5, "recall at 0.5");
    is_int((long long) r.curve[0].roc.n, 5, "a point a score, and (0,0)");
    ok(isinf(r.curve[0].roc.at[0]), "above every score");
    is_int((long long) r.curve[0].calibration.n, 3,
           "0.4 lies in the bin that it ends");
    maas_eval_free(&r);

    /* equal scores are one point: a diagonal, not a staircase */
    score[0] = score[1] = score[2] = score[3] = 0.5;
    is_int(maas_evaluate(&job, &r, &err), MAAS_OK, "all scores alike");
    is_near(r.value[MAAS_M_ROC_AUC], 0.5, "chance");
    maas_eval_free(&r);

    truth[2] = truth[3] = 0;
    is_int(maas_evaluate(&job, &r, &err), MAAS_OK, "one class alone");
    ok(isnan(r.value[MAAS_M_ROC_AUC]), "has no ROC curve");
    is_str(r.why[MAAS_M_ROC_AUC], "one class alone occurs", "and says so");
    maas_eval_free(&r);
}


static void
test_numbers(void)
{
    double           y[] = { 3, -0.5, 2, 7 }, p[] = { 2.5, 0, 2, 8 };
    double           w[] = { 0, 0, 1, 0 };
    maas_err_t       err;
    maas_eval_t      r;
    maas_eval_job_t  job = { .host = &maas_host_libc, .n = 4,
                             .kind = MAAS_EVAL_NUMBERS, .y = y,
                             .predicted = p, .n_target = 1 };

    is_int(maas_evaluate(&job, &r, &err), MAAS_OK, "numbers");
    is_near(r.value[MAAS_M_MSE], 0.375, "mse");
    is_near(r.value[MAAS_M_MAE], 0.5, "mae");
    is_near(r.value[MAAS_M_MEDIAN_AE], 0.5, "median");
    is_near(r.value[MAAS_M_R2], 1 - 1.5 / 29.1875, "r2");
    is_near(r.value[MAAS_M_EXPLAINED_VARIANCE], 1 - 1.25 / 29.1875,
            "explained variance");
    maas_eval_free(&r);

    job.weight = w;
    is_int(maas_evaluate(&job, &r, &err), MAAS_OK, "one row has weight");
    is_near(r.value[MAAS_M_MAE], 0, "the one that is right");
    is_near(r.value[MAAS_M_R2], 1, "no error, no variance: 1");
    maas_eval_free(&r);
}


static void
test_clusters(void)
{
    double           x[] = { 0, 1, 10, 11 };
    int32_t          label[] = { 7, 7, -1, -1 };
    maas_err_t       err;
    maas_eval_t      r;
    maas_eval_job_t  job = { .host = &maas_host_libc, .n = 4,
                             .kind = MAAS_EVAL_CLUSTERS, .x = x, .p = 1,
                             .label = label };

    is_int(maas_evaluate(&job, &r, &err), MAAS_OK, "clusters");
    is_int(r.n_cluster, 2, "two");
    is_near(r.value[MAAS_M_SILHOUETTE],
            (2 * (9.5 / 10.5) + 2 * (8.5 / 9.5)) / 4, "silhouette");
    maas_eval_free(&r);

    job.max_rows = 3;
    is_int(maas_evaluate(&job, &r, &err), MAAS_OK, "a sample");
    is_int(r.rows, 3, "of three rows");
    maas_eval_free(&r);
}


static void
fails(maas_eval_job_t *job, const char *text)
{
    maas_err_t   err = { 0 };
    maas_eval_t  r;

    is_int(maas_evaluate(job, &r, &err), MAAS_EINVAL, text);
    is_str(err.text, text, "says so");
    maas_eval_free(&r);
}


static void
test_errors(void)
{
    double           score[] = { 0.5, 0.5, NAN, 1 }, w[] = { 1, -1 };
    double           zero[] = { 0, 0 };
    int32_t          truth[] = { 0, 2 };
    maas_err_t       err;
    maas_eval_job_t  job = { .host = &maas_host_libc, .n_class = 2,
                             .truth = truth, .score = score, .n_score = 2 };

    fails(&job, "there are no rows to evaluate");
    job.n = 2;
    fails(&job, "row 1: the true class is 2, and there are 2 (from 0)");
    truth[1] = 1;
    fails(&job, "row 1, column 0: the score is nan");
    score[2] = 0;
    job.weight = w;
    fails(&job, "row 1: the weight -1 is not a number of at least 0");
    job.weight = zero;
    fails(&job, "the weights sum to 0");
    job.weight = NULL;
    job.n_class = 3;
    fails(&job, "2 scores a row, and 3 classes");
    job.score = NULL;
    fails(&job, "neither labels nor scores were predicted");

    is_int(maas_eval_find(maas_str("r2"), &err), MAAS_M_R2, "a metric");
    is_int(maas_eval_find(maas_str("acuracy"), &err), -1, "none");
    is_str(err.text, "there is no metric \"acuracy\"; did you mean "
           "\"accuracy\"?", "the nearest");
}


static void
test_json(void)
{
    maas_err_t       err;
    maas_buf_t       b;
    maas_eval_t      r;
    maas_str_t       name[] = { maas_str("a\"b"), maas_str("c"),
                                maas_str("d") };
    bool             show[MAAS_M_COUNT] = { [MAAS_M_ACCURACY] = true };
    maas_eval_job_t  job = { .host = &maas_host_libc, .n = 6, .n_class = 3,
                             .truth = truth3, .label = label3,
                             .class_name = name };

    is_int(maas_evaluate(&job, &r, &err), MAAS_OK, "with names");
    maas_buf_init(&b, &maas_host_libc);
    maas_eval_json(&b, &r, show, false);
    maas_buf_add(&b, "", 1);
    ok(strstr(b.data, "\"metrics\":{\"accuracy\":0.5},\"undefined\":{}")
       != NULL, "the one that was asked for");
    ok(strstr(b.data, "{\"name\":\"a\\\"b\",\"precision\":0.5") != NULL,
       "names are escaped");
    b.len = 0;
    maas_eval_text(&b, &r, NULL);
    maas_buf_add(&b, "", 1);
    ok(strstr(b.data, "accuracy                    0.5\n") != NULL,
       "the table");
    maas_buf_destroy(&b);
    maas_eval_free(&r);
}


/* Allocations that fail, one after the other. */
typedef struct {
    int  left;
} scarce_t;


static void *
scarce_alloc(void *ctx, size_t size)
{
    scarce_t  *s = ctx;

    return s->left-- > 0 ? malloc(size) : NULL;
}


static void
scarce_free(void *ctx, void *p)
{
    (void) ctx;
    free(p);
}


static void
test_memory(void)
{
    int              n = 0, refused = 0;
    double           score[12];
    scarce_t         s;
    maas_host_t      host = { scarce_alloc, scarce_free, &s };
    maas_eval_t      r;
    maas_status_t    rc;
    maas_eval_job_t  job = { .host = &host, .n = 6, .n_class = 2,
                             .score = score, .n_score = 2, .positive = 1,
                             .max_curves = 5 };
    int32_t          truth[] = { 0, 1, 0, 1, 0, 1 };

    for (int i = 0; i < 12; i++) {
        score[i] = i % 2 == 0 ? 0.25 : 0.75;
    }

    job.truth = truth;

    do {
        s.left = n++;
        rc = maas_evaluate(&job, &r, NULL);
        refused += rc == MAAS_ENOMEM;
        maas_eval_free(&r);
    } while (rc == MAAS_ENOMEM && n < 100);

    ok(rc == MAAS_OK && refused > 1, "every refusal is an error: %d",
       refused);
}


int
main(void)
{
    test_classes();
    test_curves();
    test_numbers();
    test_clusters();
    test_errors();
    test_json();
    test_memory();
    return done();
}
