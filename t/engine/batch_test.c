/*
 * Several calls in one run: which models may, that every answer has the
 * bits of its own run, that a bad or a cancelled call harms no other, and
 * what the statistics say.
 */

#include <pthread.h>

#include "batch_calls.h"


/* -- models -------------------------------------------------------------- */

/* y = table[x]; x int64[N], table of 5 numbers. */
static pb_t
gather(void)
{
    pb_t                  g = pb_new();
    static const float    v[5] = { 1.5f, -2, 3, 0.1f, 7 };
    static const int64_t  dims[] = { -1 }, five[] = { 5 };

    pb_put(&g, 1, pb_node("Gather", "look", "t x", "y"));
    pb_put(&g, 5, pb_floats("t", 1, five, v, 5));
    pb_put(&g, 11, pb_port("x", 7, 1, dims));
    pb_put(&g, 12, pb_port("y", 1, 1, dims));
    return pb_model(g, 8, 13);
}


/* Texts for 0 to 4, by way of ai.onnx.ml. */
static pb_t
labels(void)
{
    pb_t                     b, set, keys = pb_new(), values = pb_new();
    static const char *const text[] = { "zero", "", "two", "a longer one",
                                        "4" };
    static const int64_t     dims[] = { -1 };

    pb_str(&keys, 1, "keys_int64s");
    pb_str(&values, 1, "values_strings");

    for (int i = 0; i < 5; i++) {
        pb_int(&keys, 8, i);
        pb_str(&values, 9, text[i]);
    }

    pb_int(&keys, 20, 7);
    pb_int(&values, 20, 8);

    b = with(with(pb_node("LabelEncoder", "look", "x", "y"), keys), values);
    pb_str(&b, 7, "ai.onnx.ml");
    b = one_node(b, 7, 1, dims, 8, 1, dims);

    set = pb_new();
    pb_str(&set, 1, "ai.onnx.ml");
    pb_int(&set, 2, 2);
    pb_put(&b, 8, set);
    return b;
}


typedef struct {
    maas_task_t       task;         /* first */
    maas_call_t     **call;
    size_t            n;
    pthread_mutex_t   lock;
    pthread_cond_t    cond;
    bool              done;
} job_t;

static void
notify(void *ctx)
{
    (void) ctx;
}


static void
run_job(maas_task_t *t, maas_team_t *team)
{
    job_t  *j = (job_t *) t;

    maas_calls_run(j->call, j->n, team);

    pthread_mutex_lock(&j->lock);
    j->done = true;
    pthread_cond_signal(&j->cond);
    pthread_mutex_unlock(&j->lock);
}


static void
job_start(job_t *j, maas_team_t *team, maas_call_t **call, size_t n)
{
    memset(j, 0, sizeof(*j));
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->cond, NULL);
    j->task.run = run_job;
    j->call = call;
    j->n = n;
    maas_team_submit(team, &j->task);
}


static void
job_wait(job_t *j, maas_team_t *team)
{
    pthread_mutex_lock(&j->lock);

    while (!j->done) {
        pthread_cond_wait(&j->cond, &j->lock);
    }

    pthread_mutex_unlock(&j->lock);

    while (maas_team_reap(team) == NULL) { /* void */ }
}


/* -- tests --------------------------------------------------------------- */

/* Call i of the tests below: 1 to 4 rows, other values than the others. */
static void
prepare_nth(request_t *r, const loaded_t *l, int i)
{
    prepare(r, l, 1 + i % 4, 3, 100 + i, i % 2, 0);
}


/* What the calls tell of themselves before they run. */
static void
check_needs(request_t *r, maas_call_t **call, const loaded_t *l,
    const char *name)
{
    int                equal = 0, kinds = 0;
    uint64_t           kind = 0;
    maas_call_needs_t  needs;

    for (int i = 0; i < CALLS; i++) {
        prepare_nth(&r[i], l, i);
        call[i] = r[i].call;
        maas_call_needs(call[i], &needs);
        kinds += i == 0 || needs.kind != kind;
        kind = needs.kind;
        equal += needs.kind != 0 && needs.rows == 1 + (uint32_t) i % 4
                 && needs.timeout_us == 1500 && needs.priority == 3;
    }

    ok(equal == CALLS, "%s: needs", name);
    ok(kinds == 1, "%s: one kind", name);
}


/*
 * Calls of 1 to 4 rows, of two shapes where the model has a second open
 * dimension: every answer together is that of the call alone.
 */
static void
test_equal(loaded_t *l, const char *name, maas_team_t *team)
{
    int               equal = 0, joint = 0;
    job_t             j;
    int64_t           max = l->m->meta->profile_max;
    request_t         r[CALLS], one;
    maas_err_t        err = { 0 };
    maas_call_t      *call[CALLS];
    maas_call_info_t  info;

    if (!ok(maas_model_batch_check(l->m, NULL, &err) == MAAS_OK,
            "%s: rows are independent", name))
    {
        printf("# %s\n", err.text);
        return;
    }

    check_needs(r, call, l, name);

    if (team != NULL) {
        job_start(&j, team, call, CALLS);
        job_wait(&j, team);

    } else {
        maas_calls_run(call, CALLS, NULL);
    }

    for (int i = 0; i < CALLS; i++) {
        r[i].reply = maas_call_encode(r[i].call);
        maas_call_info(r[i].call, &info);
        joint += max != 0 ? info.batch > 1 : info.batch == CALLS;

        prepare_nth(&one, l, i);
        maas_call_run(one.call, NULL);
        one.reply = maas_call_encode(one.call);
        equal += r[i].reply->status == 200
                 && same_reply(r[i].reply, one.reply);
        finish(&one);
    }

    ok(equal == CALLS, "%s: equal to single runs bit for bit", name);
    ok(joint == CALLS, "%s: in one run, as far as model.json allows", name);

    for (int i = 0; i < CALLS; i++) {
        finish(&r[i]);
    }

    ok((int) l->stats.runs == CALLS + (max != 0 ? 30 / max + 1 : 1),
       "%s: runs are counted", name);
    ok((int) l->stats.rows == 2 * 30, "%s: and rows", name);
}


static void
test_file(const char *path, maas_team_t *team)
{
    loaded_t  l;

    if (ok(load(&l, path), "%s", path)) {
        test_equal(&l, path, team);
        unload(&l);
    }
}


static void
test_bytes(pb_t b, const char *name)
{
    loaded_t  l;

    if (ok(load_bytes(&l, b), "%s", name)) {
        test_equal(&l, name, NULL);
        unload(&l);
    }
}


/* The batch behind another axis: rows do not lie together. */
static void
test_axis(void)
{
    loaded_t              l;
    static const int64_t  dims[] = { 3, -1, 2 };

    if (ok(load_json(&l, one_node(pb_node("Exp", "e", "x", "y"), 1, 3, dims,
                                  1, 3, dims), "{\"batch\":{\"axis\":1}}"),
           "axis 1"))
    {
        test_equal(&l, "axis 1", NULL);
        unload(&l);
    }
}


static void
refused(pb_t b, const char *text)
{
    loaded_t           l;
    request_t          r;
    maas_err_t         err = { 0 };
    maas_call_needs_t  needs;

    if (!ok(load_bytes(&l, b), "%s: loads", text)) {
        return;
    }

    if (!ok(maas_model_batch_check(l.m, NULL, &err) == MAAS_EUNSUPPORTED
            && strstr(err.text, text) != NULL, "refused: %s", text))
    {
        printf("# %s\n", err.text);
    }

    prepare(&r, &l, 1, 3, 1, false, 0);
    maas_call_needs(r.call, &needs);
    ok(needs.kind == 0, "its calls run alone");
    finish(&r);
    unload(&l);
}


static void
test_refused(void)
{
    static const int64_t  n4[] = { -1, 4 }, n[] = { -1 }, one4[] = { 1, 4 };
    static const int64_t  fix[] = { 2, 4 };

    refused(one_node(with(pb_node("Softmax", "s", "x", "y"),
                          pb_attr_int("axis", 0)), 1, 2, n4, 1, 2, n4),
            "a row of output 'y' depends on the other rows");
    refused(one_node(with(pb_node("Flatten", "f", "x", "y"),
                          pb_attr_int("axis", 0)), 1, 2, n4, 1, 2, one4),
            "output 'y'");
    refused(one_node(pb_node("Exp", "e", "x", "y"), 1, 2, fix, 1, 2, fix),
            "no batch axis");
    refused(one_node(pb_node("NonZero", "z", "x", "y"), 1, 1, n, 7, 2,
                     (const int64_t[]) { 1, -1 }), "output 'y'");
}


/* An index out of range fails the joint run: the others have their answers. */
static void
test_bad(void)
{
    loaded_t          l;
    request_t         r[5];
    maas_call_t      *call[5];
    maas_err_t        err;
    maas_call_info_t  info;
    int               good = 0;

    ok(load_bytes(&l, gather()), "gather");
    ok(maas_model_batch_check(l.m, NULL, &err) == MAAS_OK, "rows");

    for (int i = 0; i < 5; i++) {
        prepare(&r[i], &l, 2, 0, 5 + i, false, i == 2 ? 77 : 0);
        call[i] = r[i].call;
    }

    maas_calls_run(call, 5, NULL);

    for (int i = 0; i < 5; i++) {
        r[i].reply = maas_call_encode(r[i].call);
        maas_call_info(r[i].call, &info);

        if (i == 2) {
            ok(r[i].reply->status != 200, "the bad one fails");
            ok(strstr(info.error, "77") != NULL, "and says why: %s",
               info.error);

        } else {
            good += r[i].reply->status == 200 && info.batch == 1;
        }
    }

    is_int(good, 4, "the others are answered, each from its own run");

    for (int i = 0; i < 5; i++) {
        finish(&r[i]);
    }

    unload(&l);
}


static void
load_digits(loaded_t *l)
{
    maas_err_t  err;

    ok(load(l, "conf/models/digits/model.onnx"), "digits");
    ok(maas_model_batch_check(l->m, NULL, &err) == MAAS_OK, "rows");
}


static void
test_cancelled_before(void)
{
    int           good = 0;
    loaded_t      l;
    request_t     r[6];
    maas_call_t  *call[6];

    load_digits(&l);

    for (int i = 0; i < 6; i++) {
        prepare(&r[i], &l, 1, 0, 5 + i, true, 0);
        call[i] = r[i].call;
    }

    maas_call_cancel(call[0]);
    maas_call_cancel(call[4]);
    maas_calls_run(call, 6, NULL);

    for (int i = 0; i < 6; i++) {
        r[i].reply = maas_call_encode(r[i].call);
        good += r[i].reply->status == 200;
    }

    is_int(good, 4, "two left before the run, the others are answered");

    for (int i = 0; i < 6; i++) {
        finish(&r[i]);
    }

    unload(&l);
}


/* While it runs: any outcome of these, none of the others. */
static void
test_cancelled_running(maas_team_t *team)
{
    job_t         j;
    int           good = 0, cancelled = 0;
    loaded_t      l;
    request_t     r[6];
    maas_call_t  *call[6];

    load_digits(&l);

    for (int k = 0; k < 100; k++) {
        for (int i = 0; i < 6; i++) {
            prepare(&r[i], &l, 16, 0, 5 + i, true, 0);
            call[i] = r[i].call;
        }

        job_start(&j, team, call, 6);

        for (int i = 0; i < (k % 4 == 0 ? 6 : 3); i++) {
            usleep(k * 3);
            maas_call_cancel(r[i].call);
        }

        job_wait(&j, team);

        for (int i = 0; i < 6; i++) {
            r[i].reply = maas_call_encode(r[i].call);

            if (k % 4 == 0 || i < 3) {
                cancelled += r[i].reply->status != 200;
            } else {
                good += r[i].reply->status == 200;
            }
        }

        for (int i = 0; i < 6; i++) {
            finish(&r[i]);
        }
    }

    is_int(good, 75 * 3, "those that leave during a run harm no other");
    printf("# %d of 375 were stopped\n", cancelled);
    unload(&l);
}


int
main(void)
{
    maas_err_t            err;
    maas_team_t          *team;
    static const int64_t  n4[] = { -1, 4 };

    if (maas_init(NULL, &err) != MAAS_OK) {
        printf("Bail out! %s\n", err.text);
        return 1;
    }

    team = maas_team_create(maas_host_default(), 2, notify, NULL);

    test_file("conf/models/digits/model.onnx", NULL);
    test_file("conf/models/digits/model.onnx", team);
    test_file("t/fuzz/corpus/onnx/mlp.onnx", team);
    test_file("t/fuzz/corpus/onnx/sparse.onnx", NULL);
    test_file("t/fuzz/corpus/onnx/shape.onnx", NULL);
    test_bytes(one_node(with(pb_node("Softmax", "s", "x", "y"),
                             pb_attr_int("axis", 1)), 1, 2, n4, 1, 2, n4),
               "softmax of each row");
    test_bytes(one_node(pb_node("Identity", "i", "x", "y"), 1, 2, n4, 1, 2,
                        n4), "identity");
    test_bytes(gather(), "gather of numbers");
    test_bytes(labels(), "texts");
    test_axis();
    test_refused();
    test_bad();
    test_cancelled_before();
    test_cancelled_running(team);

    maas_team_destroy(team);
    return done();
}
