/*
 * Chains: steps that run as one, by bands of rows, against the same plan
 * without them, to the bit.  Networks are drawn from a seed as a trunk of
 * convolutions (pointwise, depthwise, in groups, plain; kernels 1, 3 and 5,
 * strides, dilations, uneven pads), pools, limits, residual sums, dense
 * layers and values with several readers.  Chains are made wherever they can
 * be, a row at a time, and where they pay; one, two and three threads, one
 * image and three, odd and small sizes, at each CPU level (a child process
 * each).  Then what the planner chooses for some blocks, and their memory.
 *
 * MAAS_SEEDS, MAAS_SEED: how many networks, and from which.
 */

#include <math.h>
#include <sys/wait.h>
#include <unistd.h>

#include "open_net.h"
#include "tap.h"
#include "team_job.h"


/* The end of a trunk: C channels, the input's extents halved `half` times. */
typedef struct {
    build_t     *b;
    maas_str_t   x;
    int64_t      c;
    int          half;
    maas_str_t   kept;          /* an earlier value; c 0: none */
    int64_t      kept_c;
    int          kept_half;
} trunk_t;


/* -- networks ------------------------------------------------------------ */

static maas_str_t
vector(build_t *b, int64_t n, float scale, float shift)
{
    return floats_of(b, n == 0 ? 0 : 1, &n, scale, shift);
}


/* Room for as many attributes as a window has. */
static maas_raw_node_t *
window(build_t *b, maas_raw_node_t *n, int64_t s, const int64_t *pads)
{
    maas_raw_attr_t  *attr = maas_arena_array(b->a, 8, sizeof(*attr));

    memcpy(attr, n->attr, n->n_attr * sizeof(*attr));
    n->attr = attr;
    int_list(b, n, "strides", 2, (int64_t []) { s, s });
    int_list(b, n, "pads", 4, pads);
    return n;
}


/* group 0: one for each channel */
static void
conv(trunk_t *t, int64_t oc, int64_t k, int64_t s, int64_t d, int64_t group)
{
    int64_t           all = d * (k - 1), p = all / 2;
    build_t          *b = t->b;
    maas_str_t        y = new_name(b);
    maas_raw_node_t  *n;

    group = group == 0 ? t->c : group;
    oc = group == t->c ? t->c : oc;

    n = node(b, "Conv", y, 2 + rnd(b, 2), t->x,
             floats_of(b, 4, (int64_t []) { oc, t->c / group, k, k },
                    1.5f / sqrtf((float) (t->c / group * k * k)), 0),
             vector(b, oc, 0.3f, 0));

    /* At times more rows above than below: as many in all. */
    if (rnd(b, 4) == 0 && p > 0) {
        n = window(b, n, s, (int64_t []) { p - 1, p, p + 1, p });
    } else {
        n = window(b, n, s, (int64_t []) { p, p, p, p });
    }

    attr_int(n, "group", group);
    int_list(b, n, "dilations", 2, (int64_t []) { d, d });

    t->x = y;
    t->c = oc;
    t->half += s == 2;
}


static void
unary(trunk_t *t)
{
    static const char *const  ops[] = { "Relu", "Clip", "HardSwish",
                                        "Sigmoid", "LeakyRelu", "Relu" };
    build_t     *b = t->b;
    uint32_t     op = rnd(b, maas_nelts(ops));
    maas_str_t   y = new_name(b);

    node(b, ops[op], y, op == 1 ? 3 : 1, t->x, vector(b, 0, 0.2f, -0.3f),
         vector(b, 0, 0.2f, 0.6f));
    t->x = y;
}


/* Values for channels, of the layer or of the image, or another value. */
static void
binary(trunk_t *t)
{
    build_t     *b = t->b;
    maas_str_t   y = new_name(b), other, gap;

    if (t->kept_c == t->c && t->kept_half == t->half) {
        other = t->kept;
        t->kept_c = 0;

    } else if (rnd(b, 3)) {
        other = floats_of(b, 3, (int64_t []) { t->c, 1, 1 }, 0.5f, 0.5f);

    } else {
        gap = new_name(b);
        other = new_name(b);
        node(b, "GlobalAveragePool", gap, 1, t->x);
        node(b, "Sigmoid", other, 1, gap);
    }

    node(b, rnd(b, 3) ? "Add" : "Mul", y, 2, t->x, other);
    t->x = y;
}


static void
pool(trunk_t *t)
{
    int64_t           s = t->half < 2 && rnd(t->b, 2) ? 2 : 1;
    build_t          *b = t->b;
    uint32_t          max = rnd(b, 3);
    maas_str_t        y = new_name(b);
    maas_raw_node_t  *n;

    n = window(b, node(b, max ? "MaxPool" : "AveragePool", y, 1, t->x), s,
               (int64_t []) { 1, 1, 1, 1 });
    int_list(b, n, "kernel_shape", 2, (int64_t []) { 3, 3 });

    if (!max && rnd(b, 2)) {
        attr_int(n, "count_include_pad", 1);
    }

    t->x = y;
    t->half += s == 2;
}


/* BatchNormalization, Relu, 1x1 convolution: the layer of a dense block. */
static void
dense(trunk_t *t)
{
    build_t     *b = t->b;
    maas_str_t   y = new_name(b), z = new_name(b);

    node(b, "BatchNormalization", y, 5, t->x, vector(b, t->c, 0.3f, 0.8f),
         vector(b, t->c, 0.5f, 0), vector(b, t->c, 0.2f, 0),
         vector(b, t->c, 0.3f, 0.7f));
    node(b, "Relu", z, 1, y);
    t->x = z;
    conv(t, 8 + 8 * rnd(b, 6), 1, 1, 1, 1);
}


static void
port_of(maas_raw_port_t *p, maas_str_t name, int64_t c)
{
    memset(p, 0, sizeof(*p));
    p->name = name;
    p->dtype = MAAS_F32;
    p->rank = c < 0 ? -1 : 4;
    p->dims[0] = p->dims[2] = p->dims[3] = -1;
    p->dims[1] = c;
}


static void
trunk_step(trunk_t *t)
{
    static const int64_t  outs[] = { 5, 16, 20, 32, 48, 72 };

    build_t  *b = t->b;
    int64_t   oc = outs[rnd(b, maas_nelts(outs))];
    int64_t   k = rnd(b, 3) ? 3 : 5, d = rnd(b, 5) ? 1 : 2;
    int64_t   s = t->half < 2 && rnd(b, 3) == 0 ? 2 : 1;
    uint32_t  what = rnd(b, 12);

    if (what < 3) {
        conv(t, oc, 1, 1, 1, 1);
    } else if (what < 6) {
        conv(t, oc, k, s, d, t->c > 1 ? 0 : 1);
    } else if (what == 6) {
        conv(t, oc, 3, s, d, 1);
    } else if (what == 7) {
        conv(t, 32, 3, s, 1, t->c % 32 == 0 ? 2 : 1);
    } else if (what == 8) {
        pool(t);
    } else if (what == 9) {
        dense(t);
    } else if (what == 10) {
        t->kept = t->x;
        t->kept_c = t->c;
        t->kept_half = t->half;
    } else {
        binary(t);
    }

    if (rnd(b, 2)) {
        unary(t);
    }
}


/* h, w: -1: open; what is added to a value is seen as that when declared. */
static maas_raw_model_t *
trunk_model(maas_arena_t *a, uint64_t seed, int64_t h, int64_t w)
{
    static const int64_t  ins[] = { 3, 4, 16, 20, 32 };

    trunk_t   t = { .b = model_begin(a, seed) };
    build_t  *b = t.b;

    t.x = new_name(b);
    t.c = ins[rnd(b, maas_nelts(ins))];
    port_of(&b->g->in[b->g->n_in++], t.x, t.c);
    b->g->in[0].dims[2] = h;
    b->g->in[0].dims[3] = w;
    conv(&t, 16 + 8 * rnd(b, 4), rnd(b, 2) ? 3 : 1, 1 + rnd(b, 2), 1, 1);

    for (uint32_t i = 3 + rnd(b, 12); i > 0; i--) {
        trunk_step(&t);

        if (rnd(b, 12) == 0 && b->g->n_out < 3
            && !is_output(b->g, t.x))
        {
            port_of(&b->g->out[b->g->n_out++], t.x, -1);
        }
    }

    if (!is_output(b->g, t.x)) {
        port_of(&b->g->out[b->g->n_out++], t.x, -1);
    }

    return model_end(b);
}


/* -- comparing ----------------------------------------------------------- */

static bool
same(const maas_run_t *x, const maas_run_t *y, uint32_t n_out)
{
    maas_tensor_t  a, b;

    for (uint32_t i = 0; i < n_out; i++) {
        maas_run_output(x, i, &a, NULL);
        maas_run_output(y, i, &b, NULL);

        if (maas_tensor_count(&a) != maas_tensor_count(&b)
            || memcmp(a.data, b.data,
                      (size_t) maas_tensor_count(&a) * sizeof(float)) != 0)
        {
            return false;
        }
    }

    return true;
}


/* With chains on one thread and on the teams, against none. */
static const char *
net_same(const maas_run_t *want, maas_model_t *m, uint32_t n_out,
    maas_team_t **team, const maas_tensor_t *in, maas_err_t *err)
{
    bool         ok;
    job_t        j;
    maas_run_t  *got;

    if (maas_model_run(m, in, NULL, NULL, &got, err) != MAAS_OK) {
        return err->text;
    }

    ok = same(want, got, n_out);
    maas_run_release(got);

    if (!ok) {
        return "chains give other bits";
    }

    for (int i = 0; i < 2; i++) {
        if (job_run(team[i], &j, m, in) != MAAS_OK) {
            return "a run on a team failed";
        }

        ok = same(want, j.run, n_out);
        maas_run_release(j.run);

        if (!ok) {
            return i == 0 ? "chains give other bits on two threads"
                          : "chains give other bits on three threads";
        }
    }

    return NULL;
}


/* Chains, and steps of them, that the plan for these shapes has. */
static uint32_t
plan_chained(const maas_model_t *m, const maas_tensor_t *in, uint32_t *steps,
    uint64_t *arena)
{
    uint32_t      n = 0;
    maas_err_t    err;
    maas_plan_t  *p;

    *steps = 0;

    if (maas_plan_make(&p, &m->src, in, &err) != MAAS_OK) {
        return 0;
    }

    for (uint32_t i = 0; i < p->n_step; i++) {
        n += p->step[i].chain != 0 && p->step[i].chain != MAAS_CHAINED;
        *steps += p->step[i].chain != 0;
    }

    *arena = p->arena_bytes;
    maas_plan_release(p, m->src.host);
    return n;
}


static void
fill(maas_arena_t *a, maas_tensor_t *in, uint64_t seed)
{
    in->bytes = (size_t) maas_tensor_count(in) * sizeof(float);
    in->data = maas_arena_alloc(a, maas_max(in->bytes, 4u));

    for (int64_t k = 0; k < maas_tensor_count(in); k++) {
        ((float *) in->data)[k] = sinf((float) (k * 7 % 1000 + seed));
    }
}


/* Batch, height and width, open or declared. */
static const char *
net_size(uint64_t seed, const int64_t *size, bool declared,
    maas_team_t **team, uint32_t *chains, maas_err_t *err)
{
    open_t             o[3];
    int64_t            h = declared ? size[1] : -1, w = declared ? size[2] : -1;
    uint32_t           steps;
    uint64_t           arena;
    const char        *bad = NULL;
    maas_run_t        *want;
    maas_arena_t       a;
    maas_tensor_t      in = { .dtype = MAAS_F32, .rank = 4 };
    maas_raw_model_t  *raw = NULL;

    maas_arena_init(&a, maas_host_default(), 0);

    for (int i = 0; i < 3; i++) {
        raw = trunk_model(&a, seed, h, w);

        if (!net_open(&o[i], &a, raw,
                      (maas_chains_t []) { MAAS_CHAINS_OFF, MAAS_CHAINS_ALL,
                                           MAAS_CHAINS_AUTO }[i], err))
        {
            return err->text;
        }

        net_replan(&o[i]);
    }

    in.dims[0] = size[0];
    in.dims[1] = raw->graph.in[0].dims[1];
    in.dims[2] = size[1];
    in.dims[3] = size[2];
    fill(&a, &in, seed);

    if (maas_model_run(o[0].m, &in, NULL, NULL, &want, err) != MAAS_OK) {
        return err->text;
    }

    *chains += plan_chained(o[1].m, &in, &steps, &arena);

    for (int i = 1; i < 3 && bad == NULL; i++) {
        bad = net_same(want, o[i].m, raw->graph.n_out, team, &in, err);
    }

    maas_run_release(want);

    for (int i = 0; i < 3; i++) {
        net_close(&o[i]);
    }

    maas_arena_destroy(&a);
    return bad;
}


static const char *
net_try(uint64_t seed, maas_team_t **team, uint32_t *chains, maas_err_t *err)
{
    static const int64_t  sizes[][3] = {
        { 1, 9, 7 }, { 3, 13, 9 }, { 1, 30, 28 }, { 1, 150, 120 }
    };

    const char  *bad = NULL;

    for (size_t i = 0; i < maas_nelts(sizes) && bad == NULL; i++) {
        if (i != 3 || seed % 4 == 0) {
            bad = net_size(seed, sizes[i], (seed + i) % 2 == 0, team, chains,
                           err);
        }
    }

    return bad;
}


static int
test_level(const char *level, uint64_t first, uint64_t n)
{
    int           failed = 0;
    uint32_t      chains = 0;
    maas_err_t    err;
    maas_team_t  *team[2];
    const char   *bad;

    maas_init(level, NULL);

    for (int i = 0; i < 2; i++) {
        team[i] = maas_team_create(maas_host_default(), 2 + i, job_notify,
                                   NULL);
    }

    for (uint64_t seed = first; seed < first + n && failed < 10; seed++) {
        bad = net_try(seed, team, &chains, &err);

        if (bad != NULL) {
            printf("# %s, seed %llu: %s\n", level, (unsigned long long) seed,
                   bad);
            failed++;
        }
    }

    maas_team_destroy(team[0]);
    maas_team_destroy(team[1]);
    printf("# %s: %u chains\n", level, chains);
    fflush(stdout);
    return failed != 0 || chains < 2 * n;
}


/* -- what the planner chooses -------------------------------------------- */

/*
 * A block of MobileNetV2: 24 channels, 144 between, added to what came, and
 * the mean of that; extents declared or open.
 */
static maas_raw_model_t *
inverted_model(maas_arena_t *a, int64_t n, int64_t size)
{
    trunk_t      t = { .b = model_begin(a, 7) };
    build_t     *b = t.b;
    maas_str_t   first, sum = new_name(b), y = new_name(b);

    t.x = new_name(b);
    t.c = 24;
    port_of(&b->g->in[b->g->n_in++], t.x, 24);
    b->g->in[0].dims[0] = n;
    b->g->in[0].dims[2] = b->g->in[0].dims[3] = size;

    conv(&t, 24, 1, 1, 1, 1);
    first = t.x;
    conv(&t, 144, 1, 1, 1, 1);
    unary(&t);
    conv(&t, 144, 3, 1, 1, 0);
    unary(&t);
    conv(&t, 24, 1, 1, 1, 1);
    node(b, "Add", sum, 2, t.x, first);
    node(b, "GlobalAveragePool", y, 1, sum);
    port_of(&b->g->out[b->g->n_out++], y, -1);

    return model_end(b);
}


typedef struct {
    uint32_t  chains, rows;
    char      name[96];
} seen_t;


static void
seen_step(void *ctx, const maas_step_time_t *s)
{
    seen_t  *seen = ctx;

    seen->rows++;

    if (strcmp(s->kernel, "chain") == 0) {
        seen->chains++;
        memcpy(seen->name, s->name, sizeof(seen->name));
    }
}


/* What a profile and a listing of the plan show. */
static void
test_shown(maas_model_t *m, const maas_tensor_t *in, uint32_t steps)
{
    seen_t           seen = { 0 };
    maas_buf_t       b;
    maas_err_t       err;
    maas_status_t    rc;
    maas_profile_t   how = { 1, seen_step, &seen };
    maas_describe_t  list = { .plan = true, .in = in };

    ok(maas_model_profile(m, in, NULL, &how, &err) == MAAS_OK
       && seen.chains == 1 && seen.rows == steps - 2,
       "a profile has one row for a chain");
    ok(strstr(seen.name, " > ") != NULL, "with its nodes: %s", seen.name);

    maas_buf_init(&b, maas_host_default());
    rc = maas_model_describe(m, &list, &b, &err);
    maas_buf_add(&b, "", 1);
    ok(rc == MAAS_OK && strstr(b.data, ", chain of 3\n") != NULL
       && strstr(b.data, ", chained\n") != NULL
       && strstr(b.data, "out chain:0 c16 float32[1,144,56,56]") != NULL,
       "a listing of the plan tells which steps are one");
    maas_buf_destroy(&b);
}


/*
 * The block is one chain; its input stays beside its output, and nothing
 * else is there.
 */
static void
test_inverted(maas_team_t **team)
{
    open_t         off, on, stored;
    const char    *bad;
    uint32_t       steps, all;
    uint64_t       one = 32 * 56 * 56 * sizeof(float), arena = 0, before = 0;
    maas_err_t     err;
    maas_run_t    *want;
    maas_arena_t   a;
    maas_status_t  rc;
    maas_tensor_t  in = { .dtype = MAAS_F32, .rank = 4,
                          .dims = { 1, 24, 56, 56 } };

    maas_arena_init(&a, maas_host_default(), 0);
    fill(&a, &in, 3);

    ok(net_open(&off, &a, inverted_model(&a, -1, 56), MAAS_CHAINS_OFF, &err)
       && net_open(&on, &a, inverted_model(&a, -1, 56), MAAS_CHAINS_AUTO,
                   &err)
       && net_open(&stored, &a, inverted_model(&a, 1, 56), MAAS_CHAINS_AUTO,
                   &err),
       "an inverted residual block");

    net_replan(&off);
    rc = maas_model_run(off.m, &in, NULL, NULL, &want, &err);
    ok(rc == MAAS_OK, "runs without chains");

    net_replan(&on);
    ok(plan_chained(off.m, &in, &steps, &before) == 0, "no chain when off");
    ok(plan_chained(on.m, &in, &steps, &arena) == 1 && steps == 3,
       "expansion, depthwise and projection are one chain");
    printf("# arena %.2f, %.2f without\n", (double) arena / (double) one,
           (double) before / (double) one);
    ok(arena < 3 * one && before > 9 * one,
       "of which nothing is kept but input and output");
    ok(net_same(want, on.m, 1, team, &in, &err) == NULL,
       "what it adds to is read before it is written");

    for (all = 0, steps = 0; stored.m->plans != NULL
                             && all < stored.m->plans->n_step; all++)
    {
        steps += stored.m->plans->step[all].chain != 0;
    }

    ok(steps == 3, "the plan in an image has the chain");
    bad = net_same(want, stored.m, 1, team, &in, &err);
    ok(bad == NULL, "and runs as it does%s%s",
       bad != NULL ? ": " : "", bad != NULL ? bad : "");
    test_shown(stored.m, &in, all);

    maas_run_release(want);
    net_close(&off);
    net_close(&on);
    net_close(&stored);
    maas_arena_destroy(&a);
}


/* As small as layers at the end of a network are: weights are the larger. */
static void
test_small(void)
{
    open_t         o;
    trunk_t        t;
    uint32_t       steps;
    uint64_t       arena;
    maas_err_t     err;
    maas_arena_t   a;
    maas_tensor_t  in = { .dtype = MAAS_F32, .rank = 4,
                          .dims = { 1, 160, 7, 7 } };

    maas_arena_init(&a, maas_host_default(), 0);
    t = (trunk_t) { .b = model_begin(&a, 7) };
    t.x = new_name(t.b);
    t.c = 160;
    port_of(&t.b->g->in[t.b->g->n_in++], t.x, 160);
    conv(&t, 960, 1, 1, 1, 1);
    conv(&t, 960, 3, 1, 1, 0);
    conv(&t, 160, 1, 1, 1, 1);
    port_of(&t.b->g->out[t.b->g->n_out++], t.x, -1);

    ok(net_open(&o, &a, model_end(t.b), MAAS_CHAINS_AUTO, &err)
       && plan_chained(o.m, &in, &steps, &arena) == 0,
       "what fits into the cache is no chain");
    net_close(&o);
    maas_arena_destroy(&a);
}


int
main(void)
{
    int           status;
    pid_t         pid;
    uint64_t      seeds, first;
    const char   *n = getenv("MAAS_SEEDS"), *from = getenv("MAAS_SEED");
    maas_team_t  *team[2];

    first = from != NULL ? strtoull(from, NULL, 10) : 1;

    for (int l = 0; l <= (int) maas_cpu_host(); l++) {
        seeds = n != NULL ? strtoull(n, NULL, 10) : l < 2 ? 5 : 25;
        pid = fork();

        if (pid == 0) {
            _exit(test_level(maas_cpu_name(l), first, seeds));
        }

        ok(waitpid(pid, &status, 0) == pid && status == 0,
           "%s: %llu networks are the same with chains", maas_cpu_name(l),
           (unsigned long long) seeds);
    }

    maas_init(NULL, NULL);

    for (int i = 0; i < 2; i++) {
        team[i] = maas_team_create(maas_host_default(), 2 + i, job_notify,
                                   NULL);
    }

    test_inverted(team);
    test_small();
    maas_team_destroy(team[0]);
    maas_team_destroy(team[1]);
    return done();
}
