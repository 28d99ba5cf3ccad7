/*
 * A whole network's gradients: convolutions, normalisation, pools, a
 * ConvTranspose, a Resize and a dense layer, with parameters.  In blocks of
 * 16 channels and plain they agree within rounding, at each CPU level; with
 * three threads and with one to the bit.  A normalisation that is cut for
 * ranks is the same in the only one.
 */

#include <math.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#include "graph/grad.h"
#include "graph/import.h"
#include "train/autodiff.h"
#include "train/build.h"
#include "train/net.h"
#include "train/ranks_norm.h"
#include "tap.h"


#define OUTS  32

typedef struct {
    maas_task_t    task;
    maas_arena_t   a;
    maas_graph_t  *g;
    maas_net_t    *net;
    maas_tensor_t  in;
    maas_tensor_t  out[OUTS];
    uint32_t       n_out;
    maas_err_t     err;
    maas_status_t  rc;
    sem_t          done;
} net_t;

static uint64_t  seed;
static bool      cut;


static float
next(void)
{
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (float) ((double) (seed >> 40) / (1 << 23) - 1);
}


static maas_str_t
weight(net_t *t, maas_build_t *b, const char *name, int rank,
    const int64_t *dims, bool positive)
{
    int64_t        n;
    float         *p;
    char           own[16];
    static int     made;
    maas_tensor_t  w = { .dtype = MAAS_F32, .rank = rank };

    snprintf(own, sizeof(own), "%s%d", name, made++);

    memcpy(w.dims, dims, (size_t) rank * sizeof(int64_t));
    n = maas_tensor_count(&w);
    w.bytes = (size_t) n * sizeof(float);
    w.data = p = maas_arena_alloc(&t->a, w.bytes + MAAS_ALIGN);

    for (int64_t i = 0; i < n; i++) {
        p[i] = positive ? 1 + next() / 2 : next() / 4;
    }

    return maas_build_tensor(b, own, &w);
}


static maas_str_t
node(maas_build_t *b, const char *op, const maas_str_t *in, uint32_t n,
    const maas_raw_attr_t *attr, uint32_t n_attr)
{
    return maas_build_node(b, &(maas_build_node_t) {
        .op = op, .in = in, .n_in = n, .attr = attr, .n_attr = n_attr });
}


static maas_str_t
conv(net_t *t, maas_build_t *b, maas_str_t x, int64_t in, int64_t out,
    int64_t stride, int64_t group)
{
    const int64_t    s[] = { stride, stride }, p[] = { 1, 1, 1, 1 };
    const int64_t    w[] = { out, in / group, 3, 3 };
    maas_raw_attr_t  a[] = { maas_build_attr_ints("strides", s, 2),
                             maas_build_attr_ints("pads", p, 4),
                             maas_build_attr_int("group", group) };
    maas_str_t       i[] = { x, weight(t, b, "w", 4, w, false),
                             weight(t, b, "b", 1, &out, false) };

    return node(b, "Conv", i, 3, a, 3);
}


static maas_str_t
norm(net_t *t, maas_build_t *b, maas_str_t x, int64_t n)
{
    maas_raw_attr_t  a = maas_build_attr_int("training_mode", 1);
    maas_str_t       i[] = { x, weight(t, b, "s", 1, &n, true),
                             weight(t, b, "o", 1, &n, false),
                             weight(t, b, "m", 1, &n, false),
                             weight(t, b, "v", 1, &n, true) };

    return node(b, "BatchNormalization", i, 5, &a, 1);
}


static maas_str_t
pool(maas_build_t *b, const char *op, maas_str_t x, int64_t k, int64_t pad)
{
    const int64_t    ks[] = { k, k }, s[] = { 2, 2 };
    const int64_t    p[] = { pad, pad, pad, pad };
    maas_raw_attr_t  a[] = { maas_build_attr_ints("kernel_shape", ks, 2),
                             maas_build_attr_ints("strides", s, 2),
                             maas_build_attr_ints("pads", p, 4) };

    return node(b, op, &x, 1, a, 3);
}


/* Each pixel becomes 2x2. */
static maas_str_t
upward(net_t *t, maas_build_t *b, maas_str_t x)
{
    const int64_t    s[] = { 2, 2 }, w[] = { 32, 32, 2, 2 }, n = 32;
    maas_raw_attr_t  a = maas_build_attr_ints("strides", s, 2);
    maas_str_t       i[] = { x, weight(t, b, "w", 4, w, false),
                             weight(t, b, "b", 1, &n, false) };

    return node(b, "ConvTranspose", i, 3, &a, 1);
}


/* To twice as many rows and some columns more. */
static maas_str_t
resize(maas_build_t *b, maas_str_t x)
{
    const int64_t    sizes[] = { 3, 32, 10, 7 }, n = 4;
    maas_str_t       none = maas_str("");
    maas_str_t       in[] = { x, none, none,
                              maas_build_ints(b, "sizes", sizes, 1, &n) };
    maas_raw_attr_t  a = maas_build_attr_string("mode", "linear");

    return node(b, "Resize", in, 4, &a, 1);
}


static const maas_raw_model_t *
model(net_t *t)
{
    maas_str_t               v, x, in[2];
    maas_err_t               err;
    maas_build_t            *b = maas_build_create(&t->a);
    const int64_t            dims[] = { 3, 3, 21, 18 }, w[] = { 34, 5 };
    const int64_t            one[] = { 1, 1 };
    const maas_raw_model_t  *m = NULL;

    seed = 7;
    v = maas_build_input(b, "x", MAAS_F32, 4, dims);
    v = maas_build_op1(b, "Relu", norm(t, b, conv(t, b, v, 3, 20, 1, 1), 20));
    v = pool(b, "MaxPool", v, 3, 1);
    v = maas_build_op1(b, "Relu", conv(t, b, v, 20, 32, 1, 1));
    x = v;
    v = maas_build_op1(b, "Sigmoid", conv(t, b, v, 32, 32, 1, 2));
    v = maas_build_op2(b, "Add", v, x);
    v = resize(b, upward(t, b, pool(b, "AveragePool", v, 2, 0)));
    v = maas_build_op1(b, "Relu", conv(t, b, v, 32, 34, 2, 1));
    v = pool(b, "MaxPool", v, 2, 0);
    v = maas_build_op1(b, "Flatten",
                       maas_build_op1(b, "GlobalAveragePool", v));
    in[0] = v;
    in[1] = weight(t, b, "d", 2, w, false);
    v = node(b, "Gemm", in, 2, NULL, 0);
    v = maas_build_op1(b, "ReduceSum", maas_build_op2(b, "Mul", v, v));
    maas_build_output(b, v, MAAS_F32, 2, one);

    if (maas_build_done(b, &m, &err) != MAAS_OK) {
        printf("# %s\n", err.text);
        exit(1);
    }

    return m;
}


static void
training(net_t *t)
{
    maas_pass_t  p = { .g = t->g, .err = &t->err };

    for (uint32_t i = 0; i < t->g->n_node; i++) {
        if (maas_pass_is(&t->g->node[i], "BatchNormalization")) {
            (void) maas_pass_become(&p, i, "maas", "BatchNormTrain", NULL, 0,
                                    t->g->node[i].in, 5);
        }
    }
}


static maas_status_t
build(net_t *t, const maas_kernels_t *k, const char *off)
{
    uint32_t           n = 0, sums = 0;
    maas_vid_t         wrt[OUTS], d[OUTS], *out;
    maas_pass_t        p = { .err = &t->err };
    maas_value_t      *v;
    maas_pass_opts_t   opts = { .host = &maas_host_libc, .k = k,
                                .fold_budget = 1 << 24, .off = off };

    MAAS_TRY(maas_graph_import(&t->g, &t->a, model(t), &t->err));
    training(t);

    for (maas_vid_t i = 0; i < t->g->n_value; i++) {
        v = &t->g->value[i];

        if (v->role == MAAS_ROLE_CONST && v->type.dtype == MAAS_F32) {
            v->role = MAAS_ROLE_PARAM;
            wrt[n++] = i;
        }
    }

    MAAS_TRY(maas_graph_infer(t->g, &t->err));
    MAAS_TRY(maas_autodiff(t->g, t->g->out[0], wrt, n, d, &t->err));

    if (cut) {
        p.g = t->g;
        MAAS_TRY(maas_ranks_norm(&p, &sums));
    }

    out = maas_arena_array(&t->a, OUTS, sizeof(maas_vid_t));
    out[t->n_out++] = t->g->out[0];

    for (uint32_t i = 0; i < n; i++) {
        if (d[i] != MAAS_NOVAL) {
            out[t->n_out++] = d[i];
        }
    }

    t->g->out = out;
    t->g->n_out = t->n_out;
    t->g->declared = NULL;
    MAAS_TRY(maas_passes_run(t->g, &opts, &t->err));

    return maas_net_create(&t->net, t->g, k, &maas_host_libc, &t->err);
}


static void
run_task(maas_task_t *task, maas_team_t *team)
{
    net_t  *t = (net_t *) task;

    t->rc = maas_net_run(t->net, &t->in, team, t->out, &t->err);
}


static void
notify(void *ctx)
{
    sem_post(ctx);
}


static bool
open_net(net_t *t, maas_cpu_t cpu, const char *off, int threads)
{
    float        *x;
    maas_team_t  *team;

    memset(t, 0, sizeof(*t));
    maas_arena_init(&t->a, &maas_host_libc, 0);
    t->rc = build(t, maas_kernels(cpu), off);

    t->in = (maas_tensor_t) { .dtype = MAAS_F32, .rank = 4,
                              .dims = { 3, 3, 21, 18 } };
    t->in.bytes = (size_t) maas_tensor_count(&t->in) * sizeof(float);
    t->in.data = x = maas_arena_alloc(&t->a, t->in.bytes + MAAS_ALIGN);

    for (int64_t i = 0; i < maas_tensor_count(&t->in); i++) {
        x[i] = next();
    }

    if (t->rc == MAAS_OK && threads == 1) {
        run_task(&t->task, NULL);

    } else if (t->rc == MAAS_OK) {
        t->task.run = run_task;
        sem_init(&t->done, 0, 0);
        team = maas_team_create(&maas_host_libc, threads, notify, &t->done);
        maas_team_submit(team, &t->task);

        while (sem_wait(&t->done) != 0 || maas_team_reap(team) == NULL) {
            /* void */
        }

        maas_team_destroy(team);
    }

    if (t->rc != MAAS_OK) {
        printf("# %s\n", t->err.text);
    }

    return t->rc == MAAS_OK;
}


static void
close_net(net_t *t)
{
    maas_net_destroy(t->net);
    maas_arena_destroy(&t->a);
}


/* The largest difference, as a share of the largest number of each output. */
static double
differ(const net_t *a, const net_t *b)
{
    double        d, top, most = 0;
    const float  *p, *q;

    for (uint32_t i = 0; i < a->n_out; i++) {
        p = a->out[i].data;
        q = b->out[i].data;
        d = 0;
        top = 1e-6;

        for (int64_t k = 0; k < maas_tensor_count(&a->out[i]); k++) {
            d = maas_max(d, fabs((double) p[k] - (double) q[k]));
            top = maas_max(top, fabs((double) p[k]));
        }

        /* The bias before a normalisation has no gradient but rounding: of
         * sums as large as the other gradients are. */
        most = maas_max(most, d / maas_max(top, 10));
    }

    return most;
}


static uint32_t
count(const net_t *t, const char *op)
{
    uint32_t  n = 0;

    for (uint32_t i = 0; i < t->g->n_node; i++) {
        n += strcmp(t->g->node[i].op->name, op) == 0;
    }

    return n;
}


static void
test_cut(const net_t *plain, maas_cpu_t cpu)
{
    bool   good;
    net_t  one, team;

    cut = true;
    good = open_net(&one, cpu, NULL, 1) && open_net(&team, cpu, NULL, 3);
    cut = false;
    ok(good, "%s: cut for ranks", maas_cpu_name(cpu));

    if (good) {
        ok(differ(plain, &one) < 2e-5, "%s: the same alone, within %g",
           maas_cpu_name(cpu), differ(plain, &one));
        ok(differ(&one, &team) == 0, "%s: three threads",
           maas_cpu_name(cpu));
        ok(count(&one, "BatchNormSumsBlocked") == 1
           && count(&one, "BatchNormRanksBlocked") == 1
           && count(&one, "BatchNormSumsGradBlocked") == 1
           && count(&one, "BatchNormRanksGradBlocked") == 1
           && count(&one, "RanksSum") == 2,
           "%s: the forms are blocked", maas_cpu_name(cpu));
    }

    close_net(&one);
    close_net(&team);
}


int
main(void)
{
    bool        good;
    net_t       plain, blocked, team;
    maas_cpu_t  cpu;

    good = open_net(&plain, MAAS_CPU_REF, "layout,fuse_grad", 1);
    ok(good, "plain");

    for (cpu = MAAS_CPU_REF; good && cpu <= maas_cpu_host(); cpu++) {
        good = open_net(&blocked, cpu, NULL, 1)
               && open_net(&team, cpu, NULL, 3);
        ok(good, "%s", maas_cpu_name(cpu));

        if (good) {
            ok(differ(&plain, &blocked) < 2e-5, "%s: blocked, within %g",
               maas_cpu_name(cpu), differ(&plain, &blocked));
            ok(differ(&blocked, &team) == 0, "%s: three threads",
               maas_cpu_name(cpu));
            ok(count(&blocked, "ConvGradXBlocked") == 3
               && count(&blocked, "ConvGradWBlocked") == 5
               && count(&blocked, "MaxPoolGradBlocked") == 2
               && count(&blocked, "BatchNormGradBlocked") == 1
               && count(&blocked, "BatchNormTrainBlocked") == 1
               && count(&blocked, "ResizeBlocked") == 1
               && count(&blocked, "ConvTransposeBlocked") == 1
               && count(&blocked, "GlobalAveragePoolGradBlocked") == 1,
               "%s: the forms are blocked", maas_cpu_name(cpu));
        }

        close_net(&blocked);
        close_net(&team);
        test_cut(&plain, cpu);
    }

    cut = true;
    good = open_net(&blocked, MAAS_CPU_REF, "layout,fuse_grad", 1);
    ok(good && differ(&plain, &blocked) < 2e-5, "cut for ranks, plain");
    close_net(&blocked);

    close_net(&plain);
    return done();
}
