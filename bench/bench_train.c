/*
 * bench_train: steps of gradient descent on an ONNX file whose one output is
 * the loss: bench_train MODEL DATA THREADS RATE losses N | paced SECONDS |
 * profile.  Weights are the file's float initializers, all of them trained.
 *
 * DATA: raw float32, the inputs of one batch after the other; the batches
 * are taken in turn.  losses: the losses of N steps, one a line, then the
 * peak of memory and what the process held when it began, in KB.  paced: for
 * every line read, steps for so many seconds, then { "steps": of a second,
 * "flops": of a step, "peak": what registers of one core can do }.  profile:
 * the time of each node, of 20 steps.
 *
 * For bench_train.py, and for whoever looks where a step's time goes.
 */

#define _GNU_SOURCE

#include <fcntl.h>
#include <math.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/team.h"
#include "formats/onnx.h"
#include "graph/import.h"
#include "graph/pass/pass.h"
#include "kernels/koptim.h"
#include "train/autodiff.h"
#include "train/net.h"


#define PIECE   16384
#define PARAMS  256
#define INPUTS  8
#define STEPS   2000            /* of a plan, profiled */

typedef struct {
    maas_arena_t           a;
    maas_graph_t          *g;
    maas_net_t            *net;
    const maas_kernels_t  *k;
    maas_team_t           *team;
    uint32_t               n;       /* parameters */
    float                 *p[PARAMS];
    int64_t                count[PARAMS];
    maas_tensor_t          in[INPUTS];
    maas_tensor_t          out[PARAMS + 1];     /* the loss, gradients */
    const char            *data;
    size_t                 batch, n_batch;      /* bytes of one; how many */
    uint64_t               step;
    float                  rate;
    double                 ns[STEPS];
    double                 cpu;     /* of this thread, at the last look */
    long                   began;   /* KB */
} train_t;

typedef struct {
    maas_task_t   task;
    train_t      *t;
    char        **argv;
    sem_t         done;
} train_task_t;


static void
die(const char *what, const maas_err_t *err)
{
    fprintf(stderr, "bench_train: %s: %s\n", what,
            err != NULL ? err->text : "cannot be read");
    exit(1);
}


static const char *
map(const char *path, size_t *n)
{
    int          fd;
    void        *p;
    struct stat  st;

    fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &st) != 0) {
        die(path, NULL);
    }

    *n = (size_t) st.st_size;
    p = mmap(NULL, *n, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED) {
        die(path, NULL);
    }

    close(fd);
    return p;
}


/* -- the step's graph ---------------------------------------------------- */

static uint32_t
params(train_t *t, maas_vid_t *wrt)
{
    uint32_t       n = 0;
    maas_value_t  *v;

    for (maas_vid_t i = 0; i < t->g->n_value && n < PARAMS; i++) {
        v = &t->g->value[i];

        if (v->role == MAAS_ROLE_CONST && v->type.dtype == MAAS_F32
            && v->type.rank > 0)
        {
            t->count[n] = (int64_t) (v->bytes / sizeof(float));
            t->p[n] = maas_arena_dup(&t->a, v->data, v->bytes + MAAS_ALIGN);
            v->role = MAAS_ROLE_PARAM;
            v->data = t->p[n];
            wrt[n++] = i;
        }
    }

    return n;
}


static maas_status_t
build(train_t *t, const void *model, size_t size, maas_err_t *err)
{
    uint32_t           n;
    maas_vid_t         wrt[PARAMS], d[PARAMS], *out;
    maas_raw_model_t  *raw;
    maas_pass_opts_t   opts = { .host = &maas_host_libc, .k = t->k,
                                .fold_budget = 1 << 24 };

    MAAS_TRY(maas_onnx_read(&raw, &t->a, model, size, NULL, err));
    MAAS_TRY(maas_graph_import(&t->g, &t->a, raw, err));
    n = params(t, wrt);
    MAAS_TRY(maas_passes_before_grad(t->g, &opts, err));
    MAAS_TRY(maas_autodiff(t->g, t->g->out[0], wrt, n, d, err));

    out = maas_arena_array(&t->a, n + 1, sizeof(maas_vid_t));
    out[0] = t->g->out[0];

    for (uint32_t i = 0; i < n; i++) {
        if (d[i] != MAAS_NOVAL) {
            t->p[t->n] = t->p[i];
            t->count[t->n] = t->count[i];
            out[++t->n] = d[i];
        }
    }

    t->g->out = out;
    t->g->n_out = t->n + 1;
    t->g->declared = NULL;

    MAAS_TRY(maas_passes_run(t->g, &opts, err));
    return maas_net_create(&t->net, t->g, t->k, &maas_host_libc, err);
}


static void
inputs(train_t *t)
{
    const maas_type_t  *type;

    for (uint32_t i = 0; i < t->g->n_in && i < INPUTS; i++) {
        type = &t->g->value[t->g->in[i]].type;
        t->in[i].dtype = type->dtype;
        t->in[i].rank = type->rank;
        memcpy(t->in[i].dims, type->dims, sizeof(type->dims));
        t->in[i].bytes = (size_t) maas_tensor_count(&t->in[i])
                         * maas_dtype_size(type->dtype);
        t->batch += t->in[i].bytes;
    }
}


/* -- steps --------------------------------------------------------------- */

static void
update(void *arg, int slot, int64_t first, int64_t last)
{
    int64_t         at, n, u = 0;
    train_t        *t = arg;
    maas_optim_k_t  c = { .scale = 1, .clip = INFINITY, .lr = t->rate,
                          .keep = 1 };

    (void) slot;

    for (uint32_t i = 0; i < t->n; i++) {
        for (at = 0; at < t->count[i]; at += PIECE, u++) {
            if (u >= first && u < last) {
                n = maas_min(t->count[i] - at, PIECE);
                maas_optim_kernel(t->k, MAAS_K_SGD)(
                    t->p[i] + at, (const float *) t->out[i + 1].data + at,
                    NULL, NULL, n, &c);
            }
        }
    }
}


static float
step(train_t *t)
{
    size_t         at = t->step++ % t->n_batch * t->batch;
    int64_t        pieces = 0;
    maas_err_t     err;
    maas_lease_t  *lease;

    for (uint32_t i = 0; i < t->g->n_in && i < INPUTS; i++) {
        t->in[i].data = (void *) (t->data + at);
        at += t->in[i].bytes;
    }

    if (maas_net_run(t->net, t->in, t->team, t->out, &err) != MAAS_OK) {
        die("run", &err);
    }

    for (uint32_t i = 0; i < t->n; i++) {
        pieces += (t->count[i] + PIECE - 1) / PIECE;
    }

    lease = maas_lease_begin(t->team);

    if (lease != NULL) {
        maas_lease_run(lease, update, t, pieces);
        maas_lease_end(lease);

    } else {
        update(t, 0, 0, pieces);
    }

    return *(const float *) t->out[0].data;
}


/* "VmHWM:", "VmRSS:" in KB: of what was executed, unlike ru_maxrss, which a
 * child has from its parent. */
static long
memory(const char *key)
{
    long   kb = 0;
    char   line[256];
    FILE  *f = fopen("/proc/self/status", "r");

    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0) {
            kb = atol(line + strlen(key));
        }
    }

    if (f != NULL) {
        fclose(f);
    }

    return kb;
}


static void
losses(train_t *t, int n)
{
    for (int i = 0; i < n; i++) {
        printf("%.9g\n", (double) step(t));
    }

    printf("%ld\n%ld\n", memory("VmHWM:"), t->began);
}


/* Multiply-adds of registers of one core, a second. */
static double
peak(const train_t *t)
{
    int       ops = 0;
    double    best = 1;
    uint64_t  ns;

    for (int i = 0; i < 20; i++) {
        ns = maas_now_ns();
        ops = maas_kernels_peak(t->k->level, 100000);
        ns = maas_now_ns() - ns;
        best = maas_max(best, 1e5 * ops * 1e9 / (double) maas_max(ns, 1));
    }

    return best;
}


static void
paced(train_t *t, double seconds)
{
    char      line[16];
    double    most = peak(t);
    uint64_t  n, start, now;

    step(t);
    step(t);

    while (fgets(line, sizeof(line), stdin) != NULL) {
        start = maas_now_ns();
        n = 0;

        do {
            step(t);
            n++;
            now = maas_now_ns();
        } while ((double) (now - start) < seconds * 1e9);

        printf("{\"steps\": %.6g, \"flops\": %.6g, \"peak\": %.6g}\n",
               (double) n * 1e9 / (double) (now - start),
               maas_net_flops(t->net), most);
        fflush(stdout);
    }
}


/* A neighbour's turns do not count. */
static double
cpu_ns(void)
{
    struct timespec  t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double) t.tv_sec * 1e9 + (double) t.tv_nsec;
}


static void
seen(void *ctx, const maas_net_step_t *s)
{
    char      text[MAAS_DIMS_TEXT] = "";
    train_t  *t = ctx;

    if (s->index < STEPS) {
        t->ns[s->index] += (cpu_ns() - t->cpu) / 20;
    }

    if (t->step == 22 && s->index < STEPS) {
        if (s->out != NULL) {
            maas_dims_text(text, s->out->dims, s->out->rank);
        }

        printf("%9.1f us %7.1f GFLOP/s  %-22s %-24s %s\n",
               t->ns[s->index] / 1e3, s->flops / t->ns[s->index],
               s->node->op->name, s->kernel, text);
    }

    t->cpu = cpu_ns();
}


static void
profile(train_t *t)
{
    double  all = 0;

    step(t);
    step(t);
    maas_net_watch(t->net, seen, t);

    while (t->step < 22) {
        t->cpu = cpu_ns();
        step(t);
    }

    for (int i = 0; i < STEPS; i++) {
        all += t->ns[i];
    }

    t->ns[0] = cpu_ns();
    update(t, 0, 0, INT64_MAX);
    t->ns[0] = cpu_ns() - t->ns[0];
    all += t->ns[0];
    printf("%9.1f us, the update\n", t->ns[0] / 1e3);

    printf("%9.1f us, %.1f GFLOP/s\n", all / 1e3,
           maas_net_flops(t->net) / all);
}


static void
work(train_t *t, char **argv)
{
    if (strcmp(argv[0], "losses") == 0 && argv[1] != NULL) {
        losses(t, atoi(argv[1]));

    } else if (strcmp(argv[0], "paced") == 0 && argv[1] != NULL) {
        paced(t, strtod(argv[1], NULL));

    } else {
        profile(t);
    }
}


static void
work_task(maas_task_t *task, maas_team_t *team)
{
    train_task_t  *w = (train_task_t *) task;

    w->t->team = team;
    work(w->t, w->argv);
}


static void
notify(void *ctx)
{
    sem_post(ctx);
}


int
main(int argc, char **argv)
{
    int             threads;
    size_t          size;
    maas_err_t      err;
    maas_team_t    *team;
    const char     *model;
    static train_t  t;
    train_task_t    w = { .task = { .run = work_task }, .t = &t };

    if (argc < 6) {
        fputs("usage: bench_train MODEL DATA THREADS RATE losses N | "
              "paced SECONDS | profile\n", stderr);
        return 2;
    }

    t.began = memory("VmRSS:");
    maas_arena_init(&t.a, &maas_host_libc, 0);
    t.k = maas_kernels(maas_cpu_host());
    t.rate = strtof(argv[4], NULL);
    model = map(argv[1], &size);

    if (build(&t, model, size, &err) != MAAS_OK) {
        die(argv[1], &err);
    }

    inputs(&t);
    t.data = map(argv[2], &size);
    t.n_batch = size / t.batch;
    threads = atoi(argv[3]);
    w.argv = argv + 5;

    if (threads <= 1) {
        work(&t, w.argv);

    } else {
        sem_init(&w.done, 0, 0);
        team = maas_team_create(&maas_host_libc, threads, notify, &w.done);
        maas_team_submit(team, &w.task);

        while (sem_wait(&w.done) != 0 || maas_team_reap(team) == NULL) {
            /* void */
        }

        maas_team_destroy(team);
    }

    maas_net_destroy(t.net);
    maas_arena_destroy(&t.a);
    return 0;
}
