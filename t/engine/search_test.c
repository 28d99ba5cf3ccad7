/*
 * search: trials with a formula for a score: the order of a grid, draws by
 * seed, the rungs of halving, folds, failures, places, errors.
 */

#include <math.h>
#include <stdlib.h>

#include "tap.h"
#include "train/search.h"


static const char  base_text[] =
    "{\"name\":\"x\",\"seed\":1,\"epochs\":5,"
    "\"optimizer\":{\"type\":\"sgd\",\"learning_rate\":0.1},"
    "\"model\":{\"layers\":[{\"units\":4},{\"units\":1}]}}";

/* What the objective saw. */
static struct {
    int          runs;
    int          done;
    int          folds[8];
    double       resource[64];
    int          fail_below;        /* of units: fails */
    atomic_bool  cancel;
    bool         cancel_soon;
} seen;


static json_t *
parse(const char *text)
{
    json_error_t  bad;
    json_t       *v = json_loads(text, 0, &bad);

    if (v == NULL) {
        ok(0, "%s: %s", text, bad.text);
        exit(1);
    }

    return v;
}


/* (log10(rate) + 2)^2 + (units - 16)^2 / 100 - epochs / 1000 + fold / 10 */
static maas_status_t
objective(void *ctx, const maas_search_run_t *run, double *score,
    maas_err_t *err)
{
    json_int_t     units, epochs;
    const json_t  *o = json_object_get(run->spec, "optimizer");
    double         rate;

    (void) ctx;
    rate = json_number_value(json_object_get(o, "learning_rate"));
    o = json_object_get(json_object_get(run->spec, "model"), "layers");
    units = json_integer_value(json_object_get(json_array_get(o, 0),
                                               "units"));
    epochs = json_integer_value(json_object_get(run->spec, "epochs"));

    seen.resource[seen.runs % 64] = (double) epochs;
    seen.runs++;

    if (run->folds > 0) {
        seen.folds[run->fold % 8]++;
    }

    if (seen.cancel_soon && seen.runs == 3) {
        seen.cancel = true;
    }

    if (units < seen.fail_below) {
        return maas_err(err, MAAS_EINVAL, "%d units are too few",
                        (int) units);
    }

    *score = pow(log10(rate) + 2, 2) + pow((double) units - 16, 2) / 100
             - (double) epochs / 1000 + run->fold / 10.0;
    return MAAS_OK;
}


static void
count_done(void *ctx, const maas_search_trial_t *t, int n, int of)
{
    (void) ctx;
    (void) t;
    seen.done += n <= of;
}


static maas_status_t
search(const char *text, maas_search_t *r, maas_err_t *err)
{
    json_t             *base = parse(base_text), *spec = parse(text);
    maas_status_t       rc;
    maas_search_job_t   job = { .base = base, .search = spec,
                                .run = objective, .done = count_done,
                                .cancel = &seen.cancel,
                                .host = &maas_host_libc };

    seen.runs = seen.done = 0;
    memset(seen.folds, 0, sizeof(seen.folds));
    rc = maas_search(&job, r, err);
    json_decref(base);
    json_decref(spec);
    return rc;
}


static double
number(const json_t *o, const char *path)
{
    return json_number_value(json_object_get(o, path));
}


#define RATE   "optimizer.learning_rate"
#define UNITS  "model.layers[0].units"
#define NEAR(a, b)  (fabs((a) - (b)) < 1e-12)


static void
test_grid(void)
{
    char          *text;
    maas_buf_t     b;
    maas_err_t     err;
    maas_search_t  r;

    is_int(search("{\"type\":\"grid\",\"fields\":{"
                  "\"" RATE "\":[0.1,0.01,0.001],\"" UNITS "\":[8,16]}}", &r,
                  &err), MAAS_OK, "a grid");
    is_int(seen.runs, 6, "all cells");
    is_int(seen.done, 6, "each reported");
    ok(r.less, "validation_loss is to be small");
    is_int(r.trial[0].trial, 3, "0.01 and 16: the last field is fastest");
    ok(NEAR(r.trial[0].score, -0.005), "its score");
    ok(number(r.trial[0].values, RATE) == 0.01
       && number(r.trial[0].values, UNITS) == 16, "its values");
    ok(r.trial[1].score <= r.trial[2].score, "best first");

    text = json_dumps(r.best, JSON_COMPACT);
    ok(strstr(text, "\"learning_rate\":0.01}") != NULL
       && strstr(text, "[{\"units\":16},{\"units\":1}]") != NULL
       && strstr(text, "\"epochs\":5") != NULL, "the best specification");
    free(text);

    maas_buf_init(&b, &maas_host_libc);
    maas_search_text(&b, &r);
    maas_buf_add(&b, "", 1);
    has_str(b.data, "trial  validation_loss  seconds   "
            "optimizer.learning_rate  model.layers[0].units\n3      -0.005 ",
            "a table");
    b.len = 0;
    maas_search_json(&b, &r);
    maas_buf_add(&b, "", 1);
    has_str(b.data, "{\"type\":\"grid\",\"metric\":\"validation_loss\","
            "\"goal\":\"min\",\"folds\":0,\"seed\":1,\"trials\":[{"
            "\"trial\":3,\"values\":{\"optimizer.learning_rate\":0.01,"
            "\"model.layers[0].units\":16},\"score\":-0.005", "as JSON");
    json_decref(parse(b.data));
    maas_buf_destroy(&b);
    maas_search_free(&r);

    is_int(search("{\"type\":\"grid\",\"goal\":\"max\",\"fields\":{"
                  "\"" RATE "\":{\"min\":0.001,\"max\":0.1,\"log\":true,"
                  "\"steps\":3},\"" UNITS "\":{\"min\":1,\"max\":4,"
                  "\"steps\":9}}}", &r, &err), MAAS_OK, "steps of ranges");
    is_int(seen.runs, 12, "3 rates, the 4 integers that there are");
    ok(NEAR(number(r.trial[0].values, UNITS), 1), "goal max");
    maas_search_free(&r);
}


static void
test_random(void)
{
    double         first[20], v;
    bool           inside = true, low = false, same = true;
    uint64_t       start;
    maas_err_t     err;
    maas_search_t  r;
    const char    *text = "{\"type\":\"random\",\"trials\":20,\"seed\":7,"
                          "\"fields\":{\"" RATE "\":{\"min\":0.0001,"
                          "\"max\":1,\"log\":true},\"" UNITS "\":"
                          "{\"min\":2,\"max\":40}}}";

    is_int(search(text, &r, &err), MAAS_OK, "random values");
    is_int(r.n, 20, "so many trials");

    for (int i = 0; i < r.n; i++) {
        v = number(r.trial[i].values, RATE);
        first[r.trial[i].trial] = v;
        inside = inside && v >= 0.0001 && v <= 1;
        low = low || v < 0.001;
        v = number(r.trial[i].values, UNITS);
        inside = inside && v == rint(v) && v >= 2 && v <= 40;
        inside = inside && json_is_integer(json_object_get(
                     r.trial[i].values, UNITS));
    }

    ok(inside, "within the ranges, integers of a range of integers");
    ok(low, "even in the logarithm");
    maas_search_free(&r);

    is_int(search(text, &r, &err), MAAS_OK, "again");

    for (int i = 0; i < r.n; i++) {
        same = same && number(r.trial[i].values, RATE)
                       == first[r.trial[i].trial];
    }

    ok(same, "the same by the seed");
    maas_search_free(&r);

    is_int(search("{\"type\":\"random\",\"trials\":50,\"fields\":{"
                  "\"" UNITS "\":[1,2,3]}}", &r, &err), MAAS_OK,
           "more trials than values");
    is_int(r.n, 3, "each value once");
    maas_search_free(&r);

    start = maas_now_ns();
    is_int(search("{\"type\":\"random\",\"trials\":40000,\"fields\":{"
                  "\"" UNITS "\":{\"min\":1,\"max\":1000000000}}}", &r, &err),
           MAAS_OK, "many trials");
    is_int(r.n, 40000, "all are there");
    ok(maas_now_ns() - start < 8000000000u, "in time that grows with them");
    maas_search_free(&r);
}


static void
test_halving(void)
{
    maas_err_t     err;
    maas_search_t  r;

    is_int(search("{\"type\":\"halving\",\"resource\":\"epochs\",\"min\":1,"
                  "\"max\":10,\"factor\":3,\"fields\":{\"" RATE "\":"
                  "{\"min\":0.0001,\"max\":1,\"log\":true}}}", &r, &err),
           MAAS_OK, "halving");
    is_int(r.n, 9 + 3 + 1, "9, the best 3, the best");
    ok(seen.resource[0] == 1 && seen.resource[9] == 3
       && seen.resource[12] == 9, "with 1, 3 and 9 epochs");
    is_int(r.trial[0].rung, 2, "the last rung comes first");
    ok(number(r.best, "epochs") == 10, "the best gets all of it");

    for (int i = 1; i < r.n; i++) {
        if (r.trial[i].rung == 0) {
            ok(r.trial[0].score <= r.trial[i].score, "the best of all");
            break;
        }
    }

    maas_search_free(&r);

    is_int(search("{\"type\":\"halving\",\"resource\":\"epochs\",\"min\":2,"
                  "\"max\":4,\"factor\":2,\"trials\":5,\"fields\":{"
                  "\"" UNITS "\":{\"min\":1,\"max\":99}}}", &r, &err),
           MAAS_OK, "of five");
    is_int(r.n, 5 + 2, "two are left for all epochs");
    maas_search_free(&r);
}


static void
test_folds(void)
{
    maas_err_t     err;
    maas_search_t  r;

    is_int(search("{\"type\":\"grid\",\"folds\":4,\"fields\":{\"" UNITS "\":"
                  "[15,16]}}", &r, &err), MAAS_OK, "folds");
    is_int(seen.runs, 8, "each trial on each fold");
    ok(seen.folds[0] == 2 && seen.folds[3] == 2, "by its number");
    ok(NEAR(r.trial[0].score, 1 - 0.005 + 0.15), "the mean");
    ok(NEAR(r.trial[0].std, sqrt(0.0125)), "the deviation");
    ok(NEAR(r.trial[0].fold[2], 1 - 0.005 + 0.2), "and each");
    maas_search_free(&r);
}


static void
test_failures(void)
{
    maas_err_t     err;
    maas_search_t  r;

    seen.fail_below = 10;
    is_int(search("{\"type\":\"grid\",\"fields\":{\"" UNITS "\":[4,16,8]}}",
                  &r, &err), MAAS_OK, "some fail");
    is_int(r.trial[0].trial, 1, "the others count");
    is_str(r.trial[1].error, "4 units are too few", "the error is kept");
    ok(isnan(r.trial[2].score), "without a score");
    maas_search_free(&r);

    is_int(search("{\"type\":\"halving\",\"resource\":\"epochs\",\"max\":4,"
                  "\"factor\":2,\"fields\":{\"" UNITS "\":[4,16,8,12]}}", &r,
                  &err), MAAS_OK, "in halving");
    is_int(r.n, 4 + 2 + 1, "those that failed go first");
    ok(number(r.trial[0].values, UNITS) == 16, "the best is left");
    maas_search_free(&r);

    is_int(search("{\"type\":\"grid\",\"fields\":{\"" UNITS "\":[4,8]}}", &r,
                  &err), MAAS_EINVAL, "all fail");
    is_str(err.text, "search: all 2 trials failed; trial 0: 4 units are too "
           "few", "the first one's error");
    is_int(r.n, 2, "the trials are there");
    maas_search_free(&r);
    seen.fail_below = 0;

    is_int(search("{\"type\":\"grid\",\"fields\":{\"" RATE "\":[-1,0.1]}}",
                  &r, &err), MAAS_OK, "a score of nan");
    is_str(r.trial[1].error, "validation_loss is nan", "is a failure");
    maas_search_free(&r);

    seen.cancel_soon = true;
    is_int(search("{\"type\":\"grid\",\"fields\":{\"" UNITS "\":[1,2,3,4,5]}"
                  "}", &r, &err), MAAS_ECANCEL, "cancelled");
    is_str(err.text, "stopped before trial 3", "between two trials");
    is_int(r.n, 4, "before the fourth has run");
    maas_search_free(&r);
    seen.cancel_soon = false;
    seen.cancel = false;
}


static void
test_errors(void)
{
    maas_err_t     err;
    maas_search_t  r;

    static const struct { const char *text, *error; }  bad[] = {
        { "[]", "search: an object is expected" },
        { "{\"type\":\"gird\",\"fields\":{}}", "\"grid\"" },
        { "{\"type\":\"grid\",\"fields\":{}}",
          "search: fields: an object is expected" },
        { "{\"type\":\"grid\",\"feilds\":{}}", "feilds" },
        { "{\"type\":\"grid\",\"fields\":{\"seed\":3}}",
          "search: fields: \"seed\": expected a list of values, or" },
        { "{\"type\":\"grid\",\"fields\":{\"seed\":[]}}",
          "expected a list of values" },
        { "{\"type\":\"grid\",\"fields\":{\"seed\":{\"min\":1,\"max\":3}}}",
          "a grid takes a list, or a range with \"steps\"" },
        { "{\"type\":\"random\",\"fields\":{\"seed\":{\"min\":3,\"max\":1}}}",
          "min is 3 and max is 1: min must be below" },
        { "{\"type\":\"random\",\"fields\":{\"seed\":{\"min\":0,\"max\":1,"
          "\"log\":true}}}", "a logarithmic range is above 0" },
        { "{\"type\":\"random\",\"fields\":{\"seed\":{\"min\":0.5,\"max\":2,"
          "\"integer\":true}}}", "is no range of integers" },
        { "{\"type\":\"random\",\"fields\":{\"seed\":{\"min\":0}}}", "max" },
        { "{\"type\":\"grid\",\"fields\":{\"optimiser.learning_rate\":[1]}}",
          "search: fields: \"optimiser.learning_rate\": the specification has "
          "no \"optimiser\"; did you mean \"optimizer\"?" },
        { "{\"type\":\"grid\",\"fields\":{\"model.layers[2].units\":[1]}}",
          "there is no element 2: the list is shorter" },
        { "{\"type\":\"grid\",\"fields\":{\"name[0]\":[1]}}",
          "there is no element 0: it is no list" },
        { "{\"type\":\"grid\",\"fields\":{\"model..x\":[1]}}", "is no path" },
        { "{\"type\":\"grid\",\"fields\":{\"\":[1]}}", "is no path" },
        { "{\"type\":\"grid\",\"fields\":{\"model.layers[99999999999]\":[1]}"
          "}", "is no path" },
        { "{\"type\":\"grid\",\"fields\":{\"seed\":[1]},\"folds\":1}",
          "1 fold leaves nothing to learn from" },
        { "{\"type\":\"grid\",\"fields\":{\"seed\":[1]},\"metric\":\"joy\"}",
          "is \"joy\" to be small or large?" },
        { "{\"type\":\"grid\",\"fields\":{\"seed\":[1]},"
          "\"resource\":\"epochs\"}", "\"resource\" is of type \"halving\"" },
        { "{\"type\":\"halving\",\"fields\":{\"seed\":[1]}}",
          "halving takes \"resource\"" },
        { "{\"type\":\"halving\",\"fields\":{\"seed\":[1]},\"max\":1,"
          "\"resource\":\"epochs\"}", "max is 1 and min is 1" },
    };

    for (size_t i = 0; i < maas_nelts(bad); i++) {
        err.text[0] = '\0';
        is_int(search(bad[i].text, &r, &err), MAAS_EINVAL, bad[i].text);
        has_str(err.text, bad[i].error, err.text);
        is_int(seen.runs, 0, "nothing ran");
        maas_search_free(&r);
    }

    is_int(search("{\"type\":\"grid\",\"fields\":{\"seed\":[1]},\"metric\":"
                  "\"validation_f1\"}", &r, &err), MAAS_OK, "a known metric");
    ok(!r.less, "is to be large");
    maas_search_free(&r);
}


int
main(void)
{
    test_grid();
    test_random();
    test_halving();
    test_folds();
    test_failures();
    test_errors();
    return done();
}
