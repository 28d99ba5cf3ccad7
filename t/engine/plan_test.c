/*
 * Plans against a naive evaluator: random graphs of elementwise nodes, views,
 * concatenations, products, branches and data-dependent shapes, with outputs
 * at random values, run with all passes and without each, on one thread, on a
 * team and from several threads while plans are evicted.  MAAS_SEEDS=n.
 */

#include <pthread.h>
#include <stdlib.h>

#include "graph_loops.h"
#include "plan_sample.h"


static void
test_random(uint64_t first, uint64_t n)
{
    int          failed = 0;
    sample_t     s;
    const char  *bad, *off;

    for (uint64_t seed = first; seed < first + n && failed < 20; seed++) {
        if (!sample_make(&s, random_model, seed, 17)) {
            printf("# seed %llu: %s\n", (unsigned long long) seed,
                   s.err.text);
            failed++;
            maas_arena_destroy(&s.a);
            continue;
        }

        bad = sample_try(&s, NULL);
        off = "none";

        for (int i = 0; maas_pass_order[i] != NULL && bad == NULL; i++) {
            off = maas_pass_order[i]->name;

            if (!maas_pass_order[i]->always) {
                bad = sample_try(&s, off);
            }
        }

        if (bad != NULL) {
            failed++;
            printf("# seed %llu, pass off: %s: %s\n",
                   (unsigned long long) seed, off, bad);
        }

        maas_arena_destroy(&s.a);
    }

    is_int(failed, 0, "random graphs give what their nodes give one by one, "
           "with every pass and without each");
}


/* -- several threads ----------------------------------------------------- */

typedef struct {
    pthread_t    thread;
    sample_t    *s;
    uint32_t     seed;
    const char  *bad;
    maas_err_t   err;
} thread_t;


static void *
thread_main(void *arg)
{
    thread_t  *t = arg;

    for (int i = 0; i < 200 && t->bad == NULL; i++) {
        t->seed = t->seed * 1664525u + 1013904223u;
        t->bad = sample_run(t->s, (t->seed >> 16) % (2 * SHAPES), NULL,
                            &t->err);
    }

    return NULL;
}


static void
test_threads(uint64_t first, uint64_t n)
{
    int            failed = 0;
    thread_t       t[4];
    sample_t       s;
    maas_limits_t  limits = { .max_plans = 2 };

    for (uint64_t seed = first; seed < first + n; seed++) {
        if (!sample_make(&s, random_model, seed, 17)
            || !sample_open(&s, NULL, &limits))
        {
            printf("# seed %llu: %s\n", (unsigned long long) seed,
                   s.err.text);
            failed++;
        } else {
            memset(t, 0, sizeof(t));

            for (int i = 0; i < 4; i++) {
                t[i].s = &s;
                t[i].seed = (uint32_t) seed * 31 + i;
                pthread_create(&t[i].thread, NULL, thread_main, &t[i]);
            }

            for (int i = 0; i < 4; i++) {
                pthread_join(t[i].thread, NULL);

                if (t[i].bad != NULL) {
                    printf("# seed %llu: %s\n", (unsigned long long) seed,
                           t[i].bad);
                    failed++;
                }
            }

            failed += s.m->n_plan > 2;
        }

        sample_close(&s);
        maas_arena_destroy(&s.a);
    }

    is_int(failed, 0, "four threads on one model while plans are evicted");
}


/* -- a team -------------------------------------------------------------- */

typedef struct {
    maas_task_t    task;
    sample_t      *s;
    int            i;
    const char    *bad;
    maas_err_t     err;
    atomic_bool    done;
} team_task_t;


static void
team_notify(void *ctx)
{
    (void) ctx;
}


static void
team_task(maas_task_t *t, maas_team_t *team)
{
    team_task_t  *x = (team_task_t *) t;

    x->bad = sample_run(x->s, x->i, team, &x->err);
    atomic_store(&x->done, true);
}


static void
test_team(uint64_t first, uint64_t n)
{
    int           failed = 0;
    sample_t      s;
    maas_team_t  *team;
    team_task_t   t[2 * SHAPES];

    team = maas_team_create(maas_host_default(), 3, team_notify, NULL);

    for (uint64_t seed = first; seed < first + n; seed++) {
        if (!sample_make(&s, random_model, seed, 700)
            || !sample_open(&s, NULL, NULL))
        {
            failed++;
            sample_close(&s);
            maas_arena_destroy(&s.a);
            continue;
        }

        memset(t, 0, sizeof(t));

        for (int i = 0; i < 2 * SHAPES; i++) {
            t[i].task.run = team_task;
            t[i].s = &s;
            t[i].i = i;
            maas_team_submit(team, &t[i].task);
        }

        for (int i = 0; i < 2 * SHAPES; i++) {
            while (!atomic_load(&t[i].done)) {
                sched_yield();
            }

            if (t[i].bad != NULL) {
                printf("# seed %llu: %s\n", (unsigned long long) seed,
                       t[i].bad);
                failed++;
            }
        }

        /* A task may be touched until it was reaped. */
        for (int i = 0; i < 2 * SHAPES; /* void */ ) {
            for (maas_task_t *k = maas_team_reap(team); k != NULL;
                 k = k->next)
            {
                i++;
            }
        }

        sample_close(&s);
        maas_arena_destroy(&s.a);
    }

    maas_team_destroy(team);
    is_int(failed, 0, "six tasks at once on a team of three");
}


/* -- cases --------------------------------------------------------------- */

/* An operator that writes in place while it reads the same value elsewhere. */
static maas_raw_model_t *
scatter_model(maas_arena_t *a, uint64_t seed)
{
    val_t          x, y;
    build_t       *b = model_begin(a, seed);
    int64_t        dim = 4;
    maas_str_t     t[3];
    const int64_t  idx[4] = { 3, 2, 1, 0 };

    x = add_val(b, 4, false);
    y = add_val(b, 4, true);
    port(&b->g->in[b->g->n_in++], x.name, 4);

    for (int i = 0; i < 3; i++) {
        t[i] = new_name(b);
    }

    node(b, "Neg", t[0], 1, x.name);
    node(b, "Reshape", t[1], 2, t[0], ints(b, 1, -1, 0));
    node(b, "Reshape", t[2], 2, t[0], ints(b, 1, 4, 0));
    node(b, "ScatterElements", y.name, 3, t[1],
         constant(b, MAAS_I64, 1, &dim, idx), t[2]);

    port(&b->g->out[b->g->n_out++], y.name, -1);
    return model_end(b);
}


/* float16 that branches capture. */
static maas_raw_model_t *
half_model(maas_arena_t *a, uint64_t seed)
{
    val_t              x, y, h, z;
    float              zero = 0.0317f;
    build_t           *b = model_begin(a, seed), *k;
    maas_str_t         sum = new_name(b), cond = new_name(b), m;
    maas_raw_node_t   *n, *branches;

    x = add_val(b, 5, false);
    h = add_val(b, 5, false);
    z = add_val(b, 10, false);
    y = add_val(b, 10, false);
    port(&b->g->in[b->g->n_in++], x.name, 5);

    n = node(b, "Cast", h.name, 1, x.name);
    attr_int(n, "to", MAAS_F16);
    n = node(b, "ReduceSum", sum, 1, x.name);
    attr_int(n, "keepdims", 0);
    node(b, "Greater", cond, 2, sum, constant(b, MAAS_F32, 0, NULL, &zero));
    branches = node(b, "If", z.name, 1, cond);

    for (int i = 0; i < 2; i++) {
        k = maas_arena_dup(a, b, sizeof(*b));
        k->g = new_graph(a);
        m = new_name(b);
        y.name = new_name(b);
        node(k, i ? "Softmax" : "Sigmoid", m, 1, h.name);
        n = node(k, "Concat", y.name, 2, m, h.name);
        attr_int(n, "axis", 1);
        port(&k->g->out[0], y.name, -1)->dtype = MAAS_F16;
        k->g->n_out = 1;
        attr_graph(branches, i ? "else_branch" : "then_branch", k->g);
    }

    y.name = new_name(b);
    n = node(b, "Cast", y.name, 1, z.name);
    attr_int(n, "to", MAAS_F32);
    port(&b->g->out[b->g->n_out++], y.name, -1);

    return model_end(b);
}


/* Halves of a value, and a part of one, that operators write over. */
static maas_raw_model_t *
cut_model(maas_arena_t *a, uint64_t seed)
{
    val_t             x;
    build_t          *b = model_begin(a, seed);
    maas_str_t        part[2], t[6];
    maas_raw_node_t  *n;

    x = add_val(b, 64, false);
    port(&b->g->in[b->g->n_in++], x.name, 64);

    for (int i = 0; i < 2; i++) {
        part[i] = new_name(b);
    }

    for (int i = 0; i < 6; i++) {
        t[i] = new_name(b);
    }

    node(b, "Neg", t[0], 1, x.name);
    node(b, "Reshape", t[1], 2, t[0], ints(b, 2, 1, -1));
    n = node(b, "Split", part[0], 1, t[1]);
    attr_int(n, "axis", 1);
    n->n_out = 2;
    n->out = maas_arena_dup(b->a, part, sizeof(part));

    node(b, "Mul", t[2], 2, part[0], part[1]);
    node(b, "Slice", t[3], 4, part[1], ints(b, 1, 16, 0), ints(b, 1, 32, 0),
         ints(b, 1, 1, 0));
    node(b, "Sigmoid", t[4], 1, t[3]);
    node(b, "Abs", t[5], 1, part[0]);

    for (int i = 2; i < 6; i++) {
        port(&b->g->out[b->g->n_out++], t[i], -1);
    }

    return model_end(b);
}


static void
test_case(make_pt make, int64_t big, const char *what)
{
    sample_t     s;
    const char  *bad;

    bad = sample_make(&s, make, 3, big) ? sample_try(&s, NULL) : s.err.text;

    if (!ok(bad == NULL, "%s", what)) {
        printf("# %s\n", bad);
    }

    maas_arena_destroy(&s.a);
}


/* y = cond ? |x| : -x, the condition of this rank. */
static maas_raw_model_t *
bool_model(maas_arena_t *a, int rank)
{
    build_t                  *b = model_begin(a, 9), *k;
    maas_raw_node_t          *n;
    static const char *const  op[] = { "Abs", "Neg" };
    static const char *const  name[] = { "then_branch", "else_branch" };
    const maas_str_t          cond = maas_str("cond"), y = maas_str("y");

    add_val(b, 3, false);
    port(&b->g->in[b->g->n_in++], b->val[0].name, 3);
    port(&b->g->in[b->g->n_in++], cond, -1);
    b->g->in[1].dtype = MAAS_BOOL;
    b->g->in[1].rank = rank;

    for (int i = 0; i < rank; i++) {
        b->g->in[1].dims[i] = i == 0 ? -1 : 1;
    }

    n = node(b, "If", y, 1, cond);

    for (int i = 0; i < 2; i++) {
        k = maas_arena_dup(a, b, sizeof(*b));
        k->g = new_graph(a);
        port(&k->g->out[0], new_name(b), -1);
        k->g->n_out = 1;
        node(k, op[i], k->g->out[0].name, 1, b->val[0].name);
        attr_graph(n, name[i], k->g);
    }

    port(&b->g->out[b->g->n_out++], y, -1);
    return model_end(b);
}


/* A condition that is an input: one byte of any rank, read as such. */
static void
test_bool_input(int rank)
{
    bool             right = true;
    float            x[3] = { 1, -2, 3 };
    size_t           size;
    void            *image = NULL;
    maas_err_t       err = { 0 };
    maas_run_t      *run;
    maas_arena_t     a;
    maas_model_t    *m = NULL;
    maas_graph_t    *g;
    maas_tensor_t    in[2] = { { 0 }, { 0 } }, t;
    maas_compile_t   spec = { .name = "cond" };

    maas_arena_init(&a, maas_host_default(), 0);
    ok(maas_graph_import(&g, &a, bool_model(&a, rank), &err) == MAAS_OK
       && maas_compile_graph(g, &spec, &image, &size, &err) == MAAS_OK
       && maas_model_open(&m, image, size, NULL, &err) == MAAS_OK,
       "an If on an input of rank %d compiles %s", rank, err.text);

    in[0].dtype = MAAS_F32;
    in[0].rank = 2;
    in[0].dims[0] = 1;
    in[0].dims[1] = 3;
    in[0].bytes = sizeof(x);
    in[0].data = x;
    in[1].dtype = MAAS_BOOL;
    in[1].rank = rank;
    in[1].dims[0] = in[1].dims[1] = 1;
    in[1].bytes = 1;
    in[1].data = malloc(1);

    for (int i = 0; i < 6 && m != NULL; i++) {
        *(bool *) in[1].data = i % 2;

        if (maas_model_run(m, in, NULL, NULL, &run, &err) != MAAS_OK) {
            right = false;
            continue;
        }

        maas_run_output(run, 0, &t, NULL);
        right = right && ((float *) t.data)[1] == 2
                && ((float *) t.data)[0] == (i % 2 ? 1 : -1);
        maas_run_release(run);
    }

    ok(right, "each run takes the branch of its condition");

    free(in[1].data);
    maas_model_release(m);
    maas_image_free(image);
    maas_arena_destroy(&a);
}


/* y = cond ? |x| : sum(x): of y only the declared type is known. */
static maas_raw_model_t *
ranks_model(maas_arena_t *a)
{
    maas_raw_model_t  *m = bool_model(a, 0);
    maas_raw_node_t   *n = m->graph.node[0].attr[1].g->node;

    n->op = maas_str("ReduceSum");
    attr_int(n, "keepdims", 0);
    port(&m->graph.out[0], m->graph.out[0].name, 3);

    return m;
}


static void
test_declared_output(void)
{
    size_t              n, size;
    void               *image = NULL;
    maas_err_t          err = { 0 };
    maas_arena_t        a;
    maas_graph_t       *g;
    maas_model_t       *m = NULL;
    maas_compile_t      spec = { .name = "ranks" };
    const maas_port_t  *out;

    maas_arena_init(&a, maas_host_default(), 0);
    ok(maas_graph_import(&g, &a, ranks_model(&a), &err) == MAAS_OK
       && maas_compile_graph(g, &spec, &image, &size, &err) == MAAS_OK
       && maas_model_open(&m, image, size, NULL, &err) == MAAS_OK,
       "an If of branches of two ranks compiles %s", err.text);

    if (m != NULL) {
        out = maas_model_outputs(m, &n);
        ok(n == 1 && out->dtype == MAAS_F32 && out->rank == 2
           && out->dims[0] == -1 && maas_str_is(out->sym[0], "N")
           && out->dims[1] == 3,
           "its output has the type that the model declares");
    }

    maas_model_release(m);
    maas_image_free(image);
    maas_arena_destroy(&a);
}


int
main(void)
{
    const char  *n = getenv("MAAS_SEEDS"), *first = getenv("MAAS_SEED");
    uint64_t     seeds = n != NULL ? strtoull(n, NULL, 10) : 500;
    uint64_t     seed = first != NULL ? strtoull(first, NULL, 10) : 1;

    maas_init(NULL, NULL);

    test_case(scatter_model, 1, "an update that is a view of the data");
    test_case(half_model, 17, "float16 that branches capture");
    test_case(cut_model, 17, "halves that lie in what was cut");
    test_bool_input(0);
    test_bool_input(2);
    test_declared_output();
    test_random(seed, seeds);
    test_team(seed, maas_max(seeds / 20, 1u));
    test_threads(seed, maas_max(seeds / 20, 1u));

    more_nodes = loops_more;
    test_random(seed, seeds);
    test_team(seed, maas_max(seeds / 20, 1u));
    test_threads(seed, maas_max(seeds / 20, 1u));

    return done();
}
