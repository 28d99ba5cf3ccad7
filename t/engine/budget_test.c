/*
 * Plans and memory of a model whose clients choose shapes: what thousands of
 * shapes, and of contents that choose plans, may take; who stays when plans
 * are dropped; that one model cannot starve another; what goes back to the
 * system while nothing runs.
 */

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "api/model_priv.h"
#include "onnx_run.h"


#define KB  ((uint64_t) 1024)
#define MB  (KB * KB)


static maas_model_t *
open_model(pb_t b, const maas_limits_t *limits)
{
    void            *image = NULL;
    size_t           size;
    maas_err_t       err = { 0 };
    maas_model_t    *m = NULL;
    maas_compile_t   spec = { 0 };

    if (maas_compile_bytes(b.data, b.len, NULL, &spec, &image, &size, &err)
        != MAAS_OK || maas_model_open(&m, image, size, limits, &err)
                      != MAAS_OK)
    {
        printf("Bail out! %s\n", err.text);
        exit(1);
    }

    maas_buf_destroy(&b);
    return m;
}


/* The image of a model that was not mapped goes after it. */
static void
close_model(maas_model_t *m)
{
    void  *image = (void *) m->image->base;

    maas_model_release(m);
    maas_image_free(image);
}


/* y = relu(relu(x) - 1), float32[N,M] */
static pb_t
plain(void)
{
    pb_t                  g = pb_new(), dim, shape, tensor, type, port;
    static const float    one = 1;

    for (uint32_t field = 11; field <= 12; field++) {
        shape = pb_new();

        for (int i = 0; i < 2; i++) {
            dim = pb_new();
            pb_str(&dim, 2, i ? "M" : "N");
            pb_put(&shape, 1, dim);
        }

        tensor = pb_new();
        pb_int(&tensor, 1, 1);
        pb_put(&tensor, 2, shape);
        type = pb_new();
        pb_put(&type, 1, tensor);
        port = pb_new();
        pb_str(&port, 1, field == 11 ? "x" : "y");
        pb_put(&port, 2, type);
        pb_put(&g, field, port);
    }

    pb_put(&g, 5, pb_floats("one", 0, NULL, &one, 1));
    pb_put(&g, 1, pb_node("Softmax", "", "x", "s"));
    pb_put(&g, 1, pb_node("Sub", "", "x one", "t"));
    pb_put(&g, 1, pb_node("Mul", "", "t s", "u"));
    pb_put(&g, 1, pb_node("Sub", "", "u u", "v"));
    pb_put(&g, 1, pb_node("Add", "", "t v", "y"));
    return pb_model(g, 8, 17);
}


static float  data[1 << 20];


/* Runs x[n,m] of values that count from `from`; y must be x - 1. */
static maas_status_t
run_shape(maas_model_t *m, int64_t rows, int64_t cols, maas_err_t *err)
{
    maas_run_t     *run;
    maas_tensor_t   y, x = { .data = data, .dtype = MAAS_F32, .rank = 2,
                             .dims = { rows, cols } };

    x.bytes = (size_t) (rows * cols) * sizeof(float);
    MAAS_TRY(maas_model_run(m, &x, NULL, NULL, &run, err));
    maas_run_output(run, 0, &y, NULL);

    if (y.rank != 2 || y.dims[0] != rows || y.dims[1] != cols) {
        maas_run_release(run);
        return maas_err(err, MAAS_EINTERNAL, "another plan's shape");
    }

    for (int64_t i = 0; i < rows * cols; i++) {
        if (((float *) y.data)[i] != data[i] - 1) {
            maas_run_release(run);
            return maas_err(err, MAAS_EINTERNAL, "element %lld of "
                            "[%lld,%lld] is %g", (long long) i,
                            (long long) rows, (long long) cols,
                            ((float *) y.data)[i]);
        }
    }

    maas_run_release(run);
    return MAAS_OK;
}


static bool
has_plan(maas_model_t *m, int64_t rows, int64_t cols)
{
    maas_tensor_t  x = { .dtype = MAAS_F32, .rank = 2,
                         .dims = { rows, cols } };

    return maas_model_cost(m, &x) != UINT64_MAX;
}


/* -- thousands of shapes ------------------------------------------------- */

static void
test_shapes(void)
{
    int             failed = 0;
    uint64_t        most = 0, empty;
    maas_err_t      err = { 0 };
    maas_limits_t   limits = { .max_plans = 16, .max_memory = 4 * MB };
    maas_model_t   *m = open_model(plain(), &limits);

    empty = maas_model_memory(m);
    ok(empty > 0, "tables of the stored plan are charged: %llu bytes",
       (unsigned long long) empty);

    for (int i = 0; i < 5000; i++) {
        failed += run_shape(m, 1 + i % 71, 1 + i / 71 * 3, &err) != MAAS_OK;
        most = maas_max(most, maas_model_memory(m));
        failed += m->n_plan > 16;
    }

    ok(failed == 0, "5000 shapes run, 16 plans at most %s", err.text);
    ok(most <= 4 * MB, "in %llu KB of 4 MB", (unsigned long long) most / KB);
    close_model(m);

    m = open_model(plain(), &limits);
    ok(run_shape(m, 1000, 1000, &err) == MAAS_ELIMIT
       && strstr(err.text, "the limit is 4194304"), "one that is too large: "
       "%s", err.text);
    ok(maas_model_memory(m) < 64 * KB && run_shape(m, 10, 10, &err) == MAAS_OK,
       "leaves nothing");
    close_model(m);

    limits.max_memory = 1 * KB;
    m = open_model(plain(), &limits);
    ok(run_shape(m, 3, 3, &err) == MAAS_ENOMEM
       && strstr(err.text, "budget is spent"), "no room for a plan: %s",
       err.text);
    close_model(m);
}


/* Runs 20 shapes that were not seen before, each so many times. */
static void
run_strangers(maas_model_t *m, int times)
{
    maas_err_t  err;
    static int  n;

    for (int k = 0; k < 20; k++, n++) {
        for (int i = 0; i < times; i++) {
            (void) run_shape(m, 10 + n % 50, 10 + n / 50, &err);
        }
    }
}


/* A client that keeps its shape, between others that never do. */
static void
test_kept(void)
{
    int             lost = 0;
    maas_err_t      err;
    maas_limits_t   limits = { .max_plans = 8 };
    maas_model_t   *m = open_model(plain(), &limits);

    (void) run_shape(m, 5, 5, &err);
    (void) run_shape(m, 5, 5, &err);
    (void) run_shape(m, 6, 6, &err);
    (void) run_shape(m, 6, 6, &err);

    for (int i = 0; i < 300; i++) {
        run_strangers(m, 1);
        lost += !has_plan(m, 5, 5) + !has_plan(m, 6, 6);
        (void) run_shape(m, 5, 5, &err);
        (void) run_shape(m, 6, 6, &err);
    }

    is_int(lost, 0, "6000 shapes sent once push no plan out that is used");

    lost = 0;

    for (int i = 0; i < 300; i++) {
        run_strangers(m, 2);
        lost += !has_plan(m, 5, 5) + !has_plan(m, 6, 6);

        for (int k = 0; k < 5; k++) {
            (void) run_shape(m, 5, 5, &err);
            (void) run_shape(m, 6, 6, &err);
        }
    }

    is_int(lost, 0, "nor do shapes sent twice");

    /* Nobody asks for what was kept. */
    m->stale_ns = 500 * 1000 * 1000;
    usleep(600 * 1000);

    for (int k = 0; k < 40; k++) {
        for (int i = 0; i < 7; i++) {
            (void) run_shape(m, 100 + i, 3, &err);
        }
    }

    lost = 0;
    for (int i = 0; i < 7; i++) {
        lost += !has_plan(m, 100 + i, 3);
    }

    is_int(lost, 0, "shapes that come instead of others are kept in time");
    close_model(m);
}


/* -- two models ---------------------------------------------------------- */

static void
test_budget(void)
{
    int             failed = 0;
    maas_err_t      err = { 0 };
    maas_model_t   *a = open_model(plain(), NULL);
    maas_model_t   *b = open_model(plain(), NULL);

    maas_memory_budget(8 * MB);

    for (int i = 0; i < 40; i++) {
        failed += run_shape(a, 300 + i, 300, &err) != MAAS_OK;
    }

    ok(failed == 0 && maas_model_memory(a) <= 8 * MB,
       "one model takes %zu KB of 8 MB and runs on %s",
       maas_model_memory(a) / 1024, err.text);
    ok(run_shape(b, 500, 500, &err) == MAAS_OK
       && run_shape(b, 600, 600, &err) == MAAS_OK,
       "the other gets what the first leaves idle %s", err.text);
    ok(maas_model_memory(a) + maas_model_memory(b) <= 8 * MB,
       "both within the budget: %zu and %zu KB",
       maas_model_memory(a) / 1024, maas_model_memory(b) / 1024);
    ok(run_shape(a, 300, 300, &err) == MAAS_OK, "the first runs on");

    maas_memory_budget(0);
    close_model(a);
    ok(run_shape(b, 1000, 1000, &err) == MAAS_OK, "without a budget");
    close_model(b);
}


/* -- plans that contents choose ------------------------------------------ */

/* y = Expand(Expand(x, s1), s2), x float32[1] */
static pb_t
contents(void)
{
    pb_t  g = pb_new();

    pb_put(&g, 11, pb_port("x", 1, 1, (int64_t[]) { 1 }));
    pb_put(&g, 11, pb_port("s1", 7, 1, (int64_t[]) { 2 }));
    pb_put(&g, 11, pb_port("s2", 7, 1, (int64_t[]) { 3 }));
    pb_put(&g, 12, pb_port("y", 1, 3, (int64_t[]) { -1, -1, -1 }));
    pb_put(&g, 1, pb_node("Neg", "", "x", "a"));
    pb_put(&g, 1, pb_node("Expand", "", "a s1", "b"));
    pb_put(&g, 1, pb_node("Exp", "", "b", "c"));
    pb_put(&g, 1, pb_node("Expand", "", "c s2", "y"));
    return pb_model(g, 8, 17);
}


static bool
run_contents(maas_model_t *m, int64_t p, int64_t q, int64_t r,
    maas_err_t *err)
{
    bool            good;
    float           v = -1;
    int64_t         s1[2] = { p, q }, s2[3] = { r, 1, 1 };
    maas_run_t     *run;
    maas_tensor_t   y, in[3] = {
        { .data = &v, .bytes = 4, .dtype = MAAS_F32, .rank = 1,
          .dims = { 1 } },
        { .data = s1, .bytes = 16, .dtype = MAAS_I64, .rank = 1,
          .dims = { 2 } },
        { .data = s2, .bytes = 24, .dtype = MAAS_I64, .rank = 1,
          .dims = { 3 } }
    };

    if (maas_model_run(m, in, NULL, NULL, &run, err) != MAAS_OK) {
        return false;
    }

    maas_run_output(run, 0, &y, NULL);
    good = y.dims[0] == r && y.dims[1] == p && y.dims[2] == q;

    for (int64_t i = 0; i < p * q * r; i++) {
        good &= ((float *) y.data)[i] > 2.718f
                && ((float *) y.data)[i] < 2.7183f;
    }

    maas_run_release(run);
    return good;
}


static void
test_contents(void)
{
    int             failed = 0;
    uint32_t        below = 0;
    uint64_t        most = 0;
    maas_err_t      err = { 0 };
    maas_limits_t   limits = { .max_plans = 4, .max_memory = 16 * MB };
    maas_model_t   *m = open_model(contents(), &limits);

    for (int i = 0; i < 4000; i++) {
        failed += !run_contents(m, 1 + i % 5, 1 + i / 5 % 7, 1 + i / 35 % 90,
                                &err);
        most = maas_max(most, maas_model_memory(m));
        below = maas_max(below, m->n_below);
    }

    ok(failed == 0, "4000 contents that choose shapes are run %s", err.text);
    ok(below >= 4 && below <= 4 * 16 && m->n_plan <= 4,
       "with %u plans below the root", below);
    ok(most < 4 * MB, "in %llu KB", (unsigned long long) most / KB);
    close_model(m);

    /* The tree as a whole: each list is short enough. */
    limits.max_plans = 16;
    m = open_model(contents(), &limits);
    below = 0;

    for (int i = 0; i < 6000; i++) {
        failed += !run_contents(m, 1 + i % 4, 1 + i / 4 % 4,
                                1 + i / 16 % 15 + i / 3000, &err);
        below = maas_max(below, m->n_below);
    }

    ok(failed == 0 && below <= 256, "a tree has %u plans", below);
    close_model(m);

    limits.max_memory = 192 * KB;
    m = open_model(contents(), &limits);
    most = 0;

    for (int i = 0; i < 2000; i++) {
        failed += !run_contents(m, 1 + i % 5, 1 + i / 5 % 7, 1 + i / 35 % 90,
                                &err);
        most = maas_max(most, maas_model_memory(m));
    }

    ok(failed == 0 && most <= 192 * KB, "in a budget that they exceed %s",
       err.text);
    close_model(m);
}


/* -- giving back --------------------------------------------------------- */

/* Bytes of the arenas of idle contexts that have pages. */
static size_t
resident(maas_model_t *m)
{
    size_t          bytes = 0, n;
    uintptr_t       first;
    unsigned char   vec[8192];

    for (maas_plan_t *p = m->plans; p != NULL; p = p->next) {
        for (maas_run_ctx_t *c = p->idle; c != NULL; c = c->next) {
            first = maas_align((uintptr_t) c->arena, 4096);
            n = ((uintptr_t) c->scratch - first) / 4096;

            if (n > sizeof(vec) || mincore((void *) first, n * 4096, vec)) {
                continue;
            }

            for (size_t i = 0; i < n; i++) {
                bytes += vec[i] & 1 ? 4096 : 0;
            }
        }
    }

    return bytes;
}


static void
test_rest(void)
{
    size_t          held, before;
    uint64_t        next;
    maas_err_t      err = { 0 };
    maas_run_t     *run;
    maas_limits_t   limits = { .max_memory = 6 * MB };
    maas_model_t   *m = open_model(plain(), &limits);
    maas_tensor_t   y, x = { .data = data, .dtype = MAAS_F32, .rank = 2,
                             .dims = { 500, 500 }, .bytes = 1000000 };

    (void) run_shape(m, 500, 500, &err);
    (void) run_shape(m, 3, 3, &err);
    held = maas_model_memory(m);
    before = resident(m);
    ok(before > 1 * MB, "%zu KB of an arena have pages", before / 1024);

    next = maas_memory_rest(3600 * (uint64_t) 1000000000, true);
    ok(next > 0 && next <= 3600 * (uint64_t) 1000000000
       && maas_model_rested(m) == 0 && resident(m) == before,
       "nothing goes back before its time, in %llu s",
       (unsigned long long) next / 1000000000);

    next = maas_memory_rest(0, true);
    ok(next == 0 && resident(m) == 0
       && maas_model_rested(m) >= before - 4096,
       "then %zu KB go back, and nothing is left to give",
       maas_model_rested(m) / 1024);
    is_int(maas_model_memory(m), held, "which stay allocated");
    ok(maas_memory_rest(0, true) == 0 && maas_model_rested(m) > 1 * MB,
       "once is enough");

    ok(run_shape(m, 500, 500, &err) == MAAS_OK && maas_model_rested(m) == 0
       && maas_model_memory(m) == held, "the next run takes them again %s",
       err.text);

    ok(maas_model_run(m, &x, NULL, NULL, &run, &err) == MAAS_OK
       && maas_memory_rest(0, true) == 0 && maas_model_rested(m) == 0,
       "what a run holds is left alone");
    maas_run_output(run, 0, &y, NULL);
    is_int(((float *) y.data)[249999], data[249999] - 1,
           "its output is there");
    maas_run_release(run);

    (void) maas_memory_rest(0, true);
    ok(run_shape(m, 800, 800, &err) == MAAS_OK
       && maas_model_rested(m) == 0 && maas_model_memory(m) <= 6 * MB,
       "what gives way to another plan no longer counts");
    close_model(m);
}


/* Contexts below the root, of contents that choose shapes. */
static void
test_rest_below(void)
{
    int             failed = 0;
    maas_err_t      err = { 0 };
    maas_model_t   *m = open_model(contents(), NULL);

    failed += !run_contents(m, 40, 50, 60, &err);
    failed += maas_memory_rest(0, true) != 0
              || maas_model_rested(m) < 256 * KB;
    failed += !run_contents(m, 40, 50, 60, &err);
    failed += maas_model_rested(m) != 0;
    failed += maas_memory_rest(0, true) != 0;
    failed += !run_contents(m, 41, 50, 60, &err);
    is_int(failed, 0, "plans below others give back, too");
    close_model(m);
}


typedef struct {
    pthread_t      thread;
    maas_model_t  *m;
    atomic_bool   *over;
    atomic_int    *gave;        /* how often memory was given back */
    int            failed;
    maas_err_t     err;
} rested_t;


static void *
rested_main(void *arg)
{
    rested_t  *r = arg;

    /* A busy machine may begin with the fourth thread when these are over. */
    for (int i = 0; i < 60 || (atomic_load(r->gave) == 0 && i < 100000); i++) {
        r->failed += run_shape(r->m, 300 + i % 2 * 100, 200, &r->err)
                     != MAAS_OK;
    }

    return NULL;
}


static void *
rester_main(void *arg)
{
    rested_t  *r = arg;

    while (!atomic_load(r->over)) {
        (void) maas_memory_rest(0, true);
        atomic_fetch_add(r->gave, maas_model_rested(r->m) != 0);
    }

    return NULL;
}


static void
test_rest_race(void)
{
    rested_t        r[4];
    atomic_int      gave = 0;
    atomic_bool     over = false;
    maas_model_t   *m = open_model(plain(), NULL);

    memset(r, 0, sizeof(r));

    for (int i = 0; i < 4; i++) {
        r[i].m = m;
        r[i].over = &over;
        r[i].gave = &gave;
        pthread_create(&r[i].thread, NULL, i == 3 ? rester_main : rested_main,
                       &r[i]);
    }

    for (int i = 0; i < 3; i++) {
        pthread_join(r[i].thread, NULL);
    }

    atomic_store(&over, true);
    pthread_join(r[3].thread, NULL);

    ok(r[0].failed + r[1].failed + r[2].failed == 0 && gave > 0,
       "three threads run while a fourth gives back, %d times: %s%s%s",
       gave, r[0].err.text, r[1].err.text, r[2].err.text);
    (void) maas_memory_rest(0, true);
    (void) run_shape(m, 300, 200, &r[0].err);
    (void) run_shape(m, 400, 200, &r[0].err);
    close_model(m);
}


/* -- a storm ------------------------------------------------------------- */

typedef struct {
    pthread_t      thread;
    maas_model_t  *m[2];
    uint32_t       seed;
    int            failed;
    maas_err_t     err;
} storm_t;


static void *
storm_main(void *arg)
{
    storm_t  *s = arg;

    for (int i = 0; i < 800; i++) {
        s->seed = s->seed * 1664525u + 1013904223u;

        if (s->seed >> 31) {
            s->failed += run_shape(s->m[0], 1 + (s->seed >> 8) % 40,
                                   1 + (s->seed >> 16) % 40, &s->err)
                         != MAAS_OK;
        } else {
            s->failed += !run_contents(s->m[1], 1 + (s->seed >> 8) % 4,
                                       1 + (s->seed >> 12) % 4,
                                       1 + (s->seed >> 16) % 9, &s->err);
        }
    }

    return NULL;
}


static void
test_storm(void)
{
    int             failed = 0;
    storm_t         s[4] = { { 0 } };
    maas_limits_t   limits = { .max_plans = 3 };
    maas_model_t   *a = open_model(plain(), &limits);
    maas_model_t   *b = open_model(contents(), &limits);

    maas_memory_budget(512 * KB);

    for (int i = 0; i < 4; i++) {
        s[i].m[0] = a;
        s[i].m[1] = b;
        s[i].seed = 77u * (uint32_t) i;
        pthread_create(&s[i].thread, NULL, storm_main, &s[i]);
    }

    for (int i = 0; i < 4; i++) {
        pthread_join(s[i].thread, NULL);
        failed += s[i].failed;

        if (s[i].failed) {
            printf("# %d: %s\n", s[i].failed, s[i].err.text);
        }
    }

    is_int(failed, 0, "four threads, two models, 3200 shapes, 512 KB");
    ok(maas_model_memory(a) + maas_model_memory(b) <= 512 * KB,
       "%zu and %zu KB are held", maas_model_memory(a) / 1024,
       maas_model_memory(b) / 1024);
    maas_memory_budget(0);
    close_model(a);
    close_model(b);
}


/* -- warm-up ------------------------------------------------------------- */

typedef struct {
    maas_task_t    task;
    maas_model_t  *m;
    atomic_bool    done;
} warm_t;


static void
warm_task(maas_task_t *t, maas_team_t *team)
{
    warm_t  *w = (warm_t *) t;

    (void) maas_model_warm(w->m, team, NULL);
    atomic_store(&w->done, true);
}


static void
warm_notify(void *ctx)
{
    (void) ctx;
}


static void
test_warm(void)
{
    uint32_t      slots = 0;
    maas_team_t  *team;
    warm_t        w = { .task = { warm_task, NULL },
                        .m = open_model(plain(), NULL) };

    team = maas_team_create(maas_host_default(), 3, warm_notify, NULL);
    maas_team_submit(team, &w.task);

    while (!atomic_load(&w.done)) { /* void */ }

    for (maas_plan_t *p = w.m->plans; p != NULL; p = p->next) {
        for (maas_run_ctx_t *c = p->idle; c != NULL; c = c->next) {
            slots += c->slots;
        }
    }

    is_int(slots, 3, "the warm-up leaves one context that runs can take");
    maas_team_destroy(team);
    close_model(w.m);
}


int
main(void)
{
    maas_err_t  err;

    if (maas_init(NULL, &err) != MAAS_OK) {
        printf("Bail out! %s\n", err.text);
        return 1;
    }

    for (size_t i = 0; i < maas_nelts(data); i++) {
        data[i] = (float) (i % 1000) / 8 - 60;
    }

    test_shapes();
    test_kept();
    test_budget();
    test_contents();
    test_rest();
    test_rest_below();
    test_rest_race();
    test_storm();
    test_warm();

    return done();
}
