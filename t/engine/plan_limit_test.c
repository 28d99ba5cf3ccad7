/*
 * What clients may ask of a planner: as many iterations as there may be,
 * nests of them, outputs of too many dimensions, inputs that no machine
 * holds; and storages that slices of each other share.
 */

#include <stdlib.h>
#include <time.h>

#include "api/compile.h"
#include "api/model_priv.h"
#include "graph_loops.h"
#include "tap.h"


typedef struct {
    maas_arena_t   a;
    void          *image;
    maas_model_t  *m;
    maas_run_t    *run;
    maas_err_t     err;
} served_t;


static double
cpu_seconds(void)
{
    struct timespec  t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}


static build_t *
serve_begin(served_t *s)
{
    memset(s, 0, sizeof(*s));
    maas_arena_init(&s->a, maas_host_default(), 0);

    return model_begin(&s->a, 5);
}


static bool
serve(served_t *s, build_t *b)
{
    size_t           size;
    maas_graph_t    *g;
    maas_limits_t    limits = { .max_memory = (uint64_t) 2 << 30 };
    maas_compile_t   spec = { .name = "limit" };

    return maas_graph_import(&g, &s->a, model_end(b), &s->err) == MAAS_OK
           && maas_compile_graph(g, &spec, &s->image, &size, &s->err)
              == MAAS_OK
           && maas_model_open(&s->m, s->image, size, &limits, &s->err)
              == MAAS_OK;
}


static void
serve_end(served_t *s)
{
    maas_run_release(s->run);
    maas_model_release(s->m);
    maas_image_free(s->image);
    maas_arena_destroy(&s->a);
}


/* x: f32[rows, cols], ascending; m: an int64 scalar, or none. */
static maas_status_t
serve_run(served_t *s, int64_t rows, int64_t cols, int64_t m)
{
    static float    x[1 << 16];
    static int64_t  trips;
    static maas_tensor_t  in[2];

    maas_run_release(s->run);
    s->run = NULL;
    memset(in, 0, sizeof(in));
    in[0].dtype = MAAS_F32;
    in[0].rank = 2;
    in[0].dims[0] = rows;
    in[0].dims[1] = cols;
    in[0].bytes = rows * cols * sizeof(float);
    in[0].data = x;
    in[1].dtype = MAAS_I64;
    in[1].bytes = sizeof(trips);
    in[1].data = &trips;
    trips = m;

    for (int64_t i = 0; i < rows * cols; i++) {
        x[i] = i + 1;
    }

    return maas_model_run(s->m, in, NULL, NULL, &s->run, &s->err);
}


static maas_str_t
scalar_port(maas_raw_port_t *p, maas_str_t name, maas_dtype_t dtype)
{
    port(p, name, 1);
    p->dtype = dtype;
    p->rank = 0;

    return name;
}


static maas_str_t
loop_inputs(build_t *k)
{
    for (int i = 0; i < 2; i++) {
        scalar_port(&k->g->in[k->g->n_in++], new_name(k),
                    i == 0 ? MAAS_I64 : MAAS_BOOL);
    }

    return k->g->in[1].name;
}


/* M times v = Tanh(v) + 1: v last, and all that there were. */
static void
test_long(int64_t trips)
{
    double            t;
    val_t             out[2];
    build_t          *b, *k;
    served_t          s;
    maas_str_t        m, v, cond;
    maas_tensor_t     y = { 0 };
    maas_raw_node_t  *n;

    b = serve_begin(&s);
    port(&b->g->in[b->g->n_in++], add_val(b, 4, false).name, 4);
    m = scalar_port(&b->g->in[b->g->n_in++], new_name(b), MAAS_I64);

    k = loops_body(b);
    cond = loop_inputs(k);
    v = port(&k->g->in[k->g->n_in++], new_name(k), 4)->name;
    v = loops_node(k, "Add", loops_node(k, "Tanh", v, maas_str("")),
                   loops_scalar(k, MAAS_F32, 0, 1));
    scalar_port(&k->g->out[k->g->n_out++], cond, MAAS_BOOL);
    loops_out(k, v);
    loops_out(k, v);

    out[0] = add_val(b, 4, false);
    out[1] = add_val(b, 4, false);
    n = node(b, "Loop", out[0].name, 3, m, maas_str(""), b->val[0].name);
    loops_outs(b, n, out, 2);
    attr_graph(n, "body", k->g);
    loops_out(b, out[0].name);
    loops_out(b, out[1].name);

    t = cpu_seconds();
    ok(serve(&s, b) && serve_run(&s, 1, 4, trips) == MAAS_OK,
       "%lld iterations run %s", (long long) trips, s.err.text);
    t = cpu_seconds() - t;

    if (s.run != NULL) {
        maas_run_output(s.run, 1, &y, NULL);
        ok(y.rank == 3 && y.dims[0] == trips && y.dims[2] == 4
           && ((float *) y.data)[trips * 4 - 1] > 1.96f
           && ((float *) y.data)[trips * 4 - 1] < 1.97f,
           "every one has its row");
    }

    if (!ok(t < 1.5, "and hold a thread for less than 1.5 s")) {
        printf("# %.2f s\n", t);
    }

    /* What nothing can end before its time is refused before it begins. */
    t = cpu_seconds();
    ok(serve_run(&s, 1, 4, INT64_MAX / 3) == MAAS_ELIMIT
       && strstr(s.err.text, "3074457345618258602 iterations; the limit is")
          != NULL, "absurdly many are refused: %s", s.err.text);
    t = cpu_seconds() - t;

    if (!ok(t < 0.05, "at once")) {
        printf("# %.3f s\n", t);
    }

    serve_end(&s);
}


/* M times M iterations that give what they got. */
static void
test_nest(int64_t trips)
{
    double            t;
    build_t          *b, *k[2];
    served_t          s;
    maas_str_t        m, v, y, cond[2];
    maas_status_t     rc;
    maas_raw_node_t  *n;

    b = serve_begin(&s);
    port(&b->g->in[b->g->n_in++], add_val(b, 4, false).name, 4);
    m = scalar_port(&b->g->in[b->g->n_in++], new_name(b), MAAS_I64);
    v = b->val[0].name;

    for (int i = 0; i < 2; i++) {
        k[i] = loops_body(i == 0 ? b : k[0]);
        cond[i] = loop_inputs(k[i]);
        v = port(&k[i]->g->in[k[i]->g->n_in++], new_name(k[i]), 4)->name;
        scalar_port(&k[i]->g->out[k[i]->g->n_out++], cond[i], MAAS_BOOL);
    }

    loops_out(k[1], v);
    y = new_name(b);
    n = node(k[0], "Loop", y, 3, m, maas_str(""), k[0]->g->in[2].name);
    attr_graph(n, "body", k[1]->g);
    loops_out(k[0], y);
    y = new_name(b);
    n = node(b, "Loop", y, 3, m, maas_str(""), b->val[0].name);
    attr_graph(n, "body", k[0]->g);
    loops_out(b, y);

    ok(serve(&s, b) && serve_run(&s, 1, 4, 30) == MAAS_OK,
       "a loop in a loop runs %s", s.err.text);

    t = cpu_seconds();
    rc = serve_run(&s, 1, 4, trips);
    t = cpu_seconds() - t;
    ok(rc == MAAS_ELIMIT && strstr(s.err.text, "iterations") != NULL,
       "%lld times as many are refused: %s", (long long) trips, s.err.text);

    if (!ok(t < 1.5, "within 1.5 s")) {
        printf("# %.2f s\n", t);
    }

    serve_end(&s);
}


/* A table that planning computes, read by every iteration. */
static void
test_table(void)
{
    build_t          *b, *k;
    served_t          s;
    maas_str_t        m, v, y, table, cond;
    maas_tensor_t     t = { 0 };
    maas_raw_node_t  *n;

    b = serve_begin(&s);
    port(&b->g->in[b->g->n_in++], add_val(b, -1, false).name, -1)->rank = 2;
    b->g->in[0].sym[1] = maas_str("C");
    m = scalar_port(&b->g->in[b->g->n_in++], new_name(b), MAAS_I64);
    v = b->val[0].name;
    table = loops_node(b, "ConstantOfShape",
                       loops_node(b, "Shape", v, maas_str("")),
                       maas_str(""));

    k = loops_body(b);
    cond = loop_inputs(k);
    v = port(&k->g->in[k->g->n_in++], new_name(k), -1)->name;
    scalar_port(&k->g->out[k->g->n_out++], cond, MAAS_BOOL);
    loops_out(k, loops_node(k, "Max", v, table));

    y = new_name(b);
    n = node(b, "Loop", y, 3, m, maas_str(""), b->val[0].name);
    attr_graph(n, "body", k->g);
    loops_out(b, y);

    ok(serve(&s, b) && serve_run(&s, 128, 256, 4000) == MAAS_OK,
       "4000 iterations read one table of 128 KiB %s", s.err.text);

    if (s.run != NULL) {
        maas_run_output(s.run, 0, &t, NULL);
        ok(((float *) t.data)[128 * 256 - 1] == 128 * 256,
           "and give what they should");
    }

    serve_end(&s);
}


/* A row of eight dimensions has no room for a ninth. */
static void
test_rank(void)
{
    int64_t           one = 8, dims[8] = { 1, 1, 1, 1, 1, 1, 1, 4 };
    build_t          *b, *k;
    served_t          s;
    maas_str_t        m, cond, v;
    maas_status_t     rc;
    maas_raw_node_t  *n;

    b = serve_begin(&s);
    port(&b->g->in[b->g->n_in++], add_val(b, 4, false).name, 4);
    m = scalar_port(&b->g->in[b->g->n_in++], new_name(b), MAAS_I64);

    k = loops_body(b);
    cond = loop_inputs(k);
    scalar_port(&k->g->out[k->g->n_out++], cond, MAAS_BOOL);
    loops_out(k, loops_node(k, "Reshape", b->val[0].name,
                            constant(k, MAAS_I64, 1, &one, dims)));
    v = new_name(b);
    n = node(b, "Loop", v, 2, m, maas_str(""));
    attr_graph(n, "body", k->g);
    loops_out(b, v);

    ok(serve(&s, b), "rows of eight dimensions compile %s", s.err.text);
    rc = s.m != NULL ? serve_run(&s, 1, 4, 2) : MAAS_OK;
    ok(rc == MAAS_EUNSUPPORTED && strstr(s.err.text, "dimensions") != NULL,
       "and are refused when they are stacked: %s", s.err.text);
    serve_end(&s);
}


/* The sum of 2^60 elements: the image loads, without a plan. */
static void
test_input(void)
{
    build_t          *b;
    served_t          s;
    maas_str_t        x;
    maas_plan_t      *p = NULL;
    maas_status_t     rc;

    b = serve_begin(&s);
    x = port(&b->g->in[b->g->n_in++], add_val(b, 4, false).name,
             (int64_t) 1 << 58)->name;
    b->g->in[0].dims[0] = 4;
    b->g->in[0].sym[0] = maas_str("");
    loops_out(b, loops_node(b, "ReduceSum", x, maas_str("")));

    ok(serve(&s, b), "a model of inputs that no machine holds loads %s",
       s.err.text);
    rc = s.m != NULL ? model_profile_plan(s.m, &p, &s.err) : MAAS_OK;
    ok(rc == MAAS_ELIMIT && strstr(s.err.text, "input 0 of shape [4,"),
       "and has no plan: %s", s.err.text);
    serve_end(&s);
}


/*
 * s = Neg(x)[0], a row r of s: s + r must not be written over s while r is
 * still read.
 */
static void
test_slices(void)
{
    int64_t          *back;
    val_t             out[2];
    build_t          *b, *k, *j;
    served_t          s;
    maas_str_t        x, z, y;
    maas_tensor_t     t = { 0 };
    maas_raw_node_t  *n;

    b = serve_begin(&s);
    port(&b->g->in[b->g->n_in++], add_val(b, 4, false).name, 4);
    x = loops_node(b, "Unsqueeze", loops_node(b, "Neg", b->val[0].name,
                   maas_str("")), ints(b, 1, 0, 0));

    /* Inner: its state becomes the row. */
    j = loops_body(b);
    port(&j->g->in[j->g->n_in++], new_name(j), -1);
    z = port(&j->g->in[j->g->n_in++], new_name(j), -1)->name;
    loops_out(j, z);

    /* Outer: the states become the slice, and a row of it. */
    k = loops_body(b);
    port(&k->g->in[k->g->n_in++], new_name(k), -1);
    port(&k->g->in[k->g->n_in++], new_name(k), -1);
    z = port(&k->g->in[k->g->n_in++], new_name(k), -1)->name;
    y = new_name(k);
    back = maas_arena_array(&s.a, 1, sizeof(*back));
    back[0] = 1;
    n = node(k, "Scan", y, 2, k->g->in[1].name, z);
    attr_int(n, "num_scan_inputs", 1);
    attr_graph(n, "body", j->g);
    n->attr[n->n_attr++] = (maas_raw_attr_t) {
        .name = maas_str("scan_input_directions"), .type = MAAS_ATTR_INTS,
        .n = 1, .ints = back
    };
    loops_out(k, z);
    loops_out(k, y);

    out[0] = add_val(b, 4, false);
    out[1] = add_val(b, 4, true);
    n = node(b, "Scan", out[0].name, 3, b->val[0].name, b->val[0].name, x);
    loops_outs(b, n, out, 2);
    attr_int(n, "num_scan_inputs", 1);
    attr_graph(n, "body", k->g);
    loops_out(b, loops_node(b, "Add", out[0].name, out[1].name));

    ok(serve(&s, b) && serve_run(&s, 2, 4, 0) == MAAS_OK,
       "a slice and a row of it run %s", s.err.text);

    if (s.run != NULL) {
        maas_run_output(s.run, 0, &t, NULL);
        ok(((float *) t.data)[0] == -2 && ((float *) t.data)[7] == -12,
           "their sum is not written over what it reads");
    }

    serve_end(&s);
}


/* The branch that is taken decides of what dtype a value is. */
static void
test_dtypes(void)
{
    build_t          *b, *k;
    served_t          s;
    maas_str_t        y, z, cond;
    maas_status_t     rc;
    maas_raw_node_t  *n;

    b = serve_begin(&s);
    port(&b->g->in[b->g->n_in++], add_val(b, 4, false).name, 4);
    cond = loops_node(b, "Less", loops_sum(b, b->val[0].name),
                      loops_scalar(b, MAAS_F32, 0, 11));
    y = new_name(b);
    n = node(b, "If", y, 1, cond);

    for (int i = 0; i < 2; i++) {
        k = loops_body(b);
        loops_out(k, i ? loops_cast(k, b->val[0].name, MAAS_F64)
                       : b->val[0].name);
        k->g->out[0].dtype = MAAS_NODTYPE;
        attr_graph(n, i ? "else_branch" : "then_branch", k->g);
    }

    z = loops_node(b, "Add", loops_cast(b, b->val[0].name, MAAS_F64), y);
    loops_out(b, z);
    b->g->out[0].dtype = MAAS_F64;

    ok(serve(&s, b) && serve_run(&s, 2, 4, 0) == MAAS_OK,
       "a branch of float64 is added to a float64 %s", s.err.text);
    rc = s.m != NULL ? serve_run(&s, 1, 4, 0) : MAAS_OK;
    ok(rc == MAAS_EINVAL && strstr(s.err.text, "of one type") != NULL,
       "that of float32 is refused: %s", s.err.text);
    serve_end(&s);
}


/* What an optional holds is a list, and read as a tensor. */
static void
test_kinds(void)
{
    build_t        *b;
    served_t        s;
    maas_str_t      t, y;
    maas_status_t   rc;

    b = serve_begin(&s);
    port(&b->g->in[b->g->n_in++], add_val(b, 4, false).name, 4);
    t = new_name(b);
    node(b, "SequenceEmpty", t, 0);
    t = loops_node(b, "Optional", t, maas_str(""));
    t = loops_node(b, "OptionalGetElement", t, maas_str(""));
    y = loops_node(b, "Relu", t, maas_str(""));
    loops_out(b, y);

    rc = serve(&s, b) ? serve_run(&s, 1, 4, 0) : MAAS_EINVAL;
    ok(rc == MAAS_EINVAL && strstr(s.err.text, "no tensor") != NULL,
       "an empty list that is read as a tensor is refused: %s", s.err.text);
    serve_end(&s);
}


/* Pieces that are needed at the same time share no byte. */
static void
test_memory(uint32_t n, uint32_t steps)
{
    bool             apart = true;
    uint32_t        *order = malloc(3 * n * sizeof(*order));
    uint64_t         seed = 7 + n, total, most = 0, live;
    build_t          b = { .seed = &seed };
    maas_storage_t  *s = calloc(n, sizeof(*s)), *p, *q;

    for (uint32_t i = 0; i < n; i++) {
        s[i].bytes = rnd(&b, 50) ? 1 + rnd(&b, 5000) : 0;
        s[i].first = rnd(&b, steps);
        s[i].last = rnd(&b, 20) ? s[i].first + rnd(&b, 9) : UINT32_MAX;
    }

    total = maas_memory_plan(s, n, order);

    for (uint32_t i = 0; i < n; i++) {
        p = &s[i];
        apart = apart && p->off + p->bytes <= total
                && p->off % MAAS_ALIGN == 0;

        for (uint32_t j = 0; j < i; j++) {
            q = &s[j];
            apart = apart && (p->first > q->last || q->first > p->last
                              || p->off + p->bytes <= q->off
                              || q->off + q->bytes <= p->off);
        }
    }

    for (uint32_t at = 0; at < steps; at += 7, most = maas_max(most, live)) {
        live = 0;

        for (uint32_t i = 0; i < n; i++) {
            live += s[i].first <= at && at <= s[i].last ? s[i].bytes : 0;
        }
    }

    if (!ok(apart && total <= 2 * most, "%u pieces have places apart, in "
            "less than twice what is needed at once", n))
    {
        printf("# %llu of %llu\n", (unsigned long long) total,
               (unsigned long long) most);
    }

    free(order);
    free(s);
}


int
main(void)
{
    maas_init(NULL, NULL);

    test_memory(100, 40);
    test_memory(2048, 900);
    test_memory(8000, 3000);

    test_slices();
    test_dtypes();
    test_kinds();
    test_rank();
    test_input();
    test_table();
    test_long(1000);
    test_long(65535);
    test_nest(65535);

    return done();
}
