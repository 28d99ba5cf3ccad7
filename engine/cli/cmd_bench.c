/*
 * maas bench: how long a run takes.  Warm-up runs are not counted; the
 * model is compiled in a child, so that the peak memory is that of running.
 *
 * Ownership: the model and its runs, until the command ends.
 * Threads:   the main thread, which hands runs to a team.
 */

#define _GNU_SOURCE

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/compile.h"
#include "cli/cli.h"


#define BENCH_RUNS_MAX  1000000
#define BENCH_PROFILE   50          /* runs of a profile, at most */
#define BENCH_LEAST     3           /* runs of a turn, for a median */


static const char  bench_help[] =
    "usage: maas bench MODEL [--input NAME=FILE]... "
    "[--shape NAME=1,3,224,224]...\n"
    "                  [--threads N] [--seconds S] [--seed N] [--paced]\n"
    "                  [--numerics exact|fast] [--json] [--profile]\n"
    "       maas bench --kernels [--seconds S] [--json]\n\n"
    "Measures runs for S seconds (3) after a warm-up.  Inputs that are not\n"
    "given are made up: floats uniform in [-1,1), ids below the table that\n"
    "they index, masks 1; open dimensions are 1 unless --shape says\n"
    "otherwise.  gflops counts 2 per multiply-add of the model as written.\n"
    "first is the time of the first run of the process, with its plan.\n"
    "--paced measures once for each line of standard input, three runs at\n"
    "least, so that two programs can take turns.\n"
    "--profile shows, after the figures, the time by kernel and the slowest\n"
    "steps, on one thread; with --threads N also on N, what that gains and\n"
    "what it lacks to N times as fast.\n"
    "--kernels measures the compute kernels of every level that this CPU\n"
    "has instead of a model.\n";

typedef struct {
    double     median, min, p99;        /* ms */
    double     load, first;             /* run of the process; ms */
    double     flops;
    double     seconds;
    uint64_t   arena, tensors;
    long long  anon;                    /* bytes before the first run */
    size_t     runs;
    int        threads;
    bool       json, profile, paced;
} bench_t;


static int
bench_order(const void *a, const void *b)
{
    uint64_t  x = *(const uint64_t *) a, y = *(const uint64_t *) b;

    return (x > y) - (x < y);
}


/*
 * A line of /proc/self/status in bytes.  getrusage() would count what the
 * parent held before exec too.
 */
static long long
bench_memory(const char *what)
{
    char        line[128];
    FILE       *f;
    size_t      len = strlen(what);
    long long   kb = 0;

    f = fopen("/proc/self/status", "r");
    if (f == NULL) {
        return 0;
    }

    while (fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, what, len) == 0 && line[len] == ':') {
            (void) sscanf(line + len + 1, "%lld", &kb);
            break;
        }
    }

    fclose(f);
    return kb * 1024;
}


static void
bench_print(const bench_t *b)
{
    double     gflops = b->flops / b->median / 1e6;
    long long  peak = bench_memory("VmHWM");
    long long  work = bench_memory("RssAnon") - b->anon;

    if (b->json) {
        printf("{\"median_ms\":%.6g,\"min_ms\":%.6g,\"p99_ms\":%.6g,"
               "\"load_ms\":%.6g,\"first_ms\":%.6g,\"gflops\":%.6g,"
               "\"peak_rss_bytes\":%lld,\"work_bytes\":%lld,"
               "\"runs\":%zu,\"threads\":%d,"
               "\"arena_bytes\":%llu,\"tensor_bytes\":%llu,\"cpu\":\"%s\"}\n",
               b->median, b->min, b->p99, b->load, b->first, gflops, peak,
               work, b->runs, b->threads, (unsigned long long) b->arena,
               (unsigned long long) b->tensors, maas_cpu());
        fflush(stdout);
        return;
    }

    printf("median %.4f ms, min %.4f ms, p99 %.4f ms, first %.4f ms, "
           "%.2f GFLOP/s, %zu runs, %d thread%s, %s\n", b->median, b->min,
           b->p99, b->first, gflops, b->runs, b->threads,
           b->threads == 1 ? "" : "s", maas_cpu());
    printf("arena %.2f MiB of %.2f MiB of tensors, work %.1f MiB, "
           "peak RSS %.1f MiB\n",
           (double) b->arena / 1048576, (double) b->tensors / 1048576,
           (double) work / 1048576, (double) peak / 1048576);
    fflush(stdout);
}


/* Runs for so long, at most n; the times into b. */
static maas_status_t
bench_slice(cli_job_t *job, size_t n, double seconds, bench_t *b,
    maas_err_t *err)
{
    maas_status_t  rc;

    job->n = n;
    job->seconds = seconds;
    job->ns = malloc(n * sizeof(*job->ns));
    if (job->ns == NULL) {
        return maas_err_nomem(err);
    }

    rc = cli_job_run(job, err);

    if (rc == MAAS_OK) {
        qsort(job->ns, job->n, sizeof(*job->ns), bench_order);
        b->runs = job->n;
        b->min = (double) job->ns[0] / 1e6;
        b->median = (double) job->ns[(job->n - 1) / 2] / 2e6
                    + (double) job->ns[job->n / 2] / 2e6;
        b->p99 = (double) job->ns[(job->n * 99 - 1) / 100] / 1e6;
    }

    free(job->ns);
    return rc;
}


static maas_status_t
bench_measure(maas_model_t *m, cli_job_t *job, bench_t *b, maas_err_t *err)
{
    char  line[64];

    b->anon = bench_memory("RssAnon");
    MAAS_TRY(bench_slice(job, 1, 0, b, err));
    b->first = b->median;
    MAAS_TRY(maas_model_figures(m, job->in, &b->flops, &b->arena,
                                &b->tensors, err));

    /* Warm-up: pages, caches and the clock of the CPU. */
    MAAS_TRY(bench_slice(job, 20, b->seconds / 5, b, err));

    if (!b->paced) {
        MAAS_TRY(bench_slice(job, BENCH_RUNS_MAX, b->seconds, b, err));
        bench_print(b);
        return MAAS_OK;
    }

    job->least = BENCH_LEAST;

    while (fgets(line, sizeof(line), stdin) != NULL) {
        MAAS_TRY(bench_slice(job, BENCH_RUNS_MAX, b->seconds, b, err));
        bench_print(b);
    }

    return MAAS_OK;
}


static maas_status_t
bench_model(cli_model_t *m, const cli_list_t *inputs,
    const cli_list_t *shapes, int64_t seed, bench_t *b, maas_err_t *err)
{
    size_t          n;
    cli_job_t       job = { .m = m->m, .threads = b->threads };
    maas_status_t   rc = MAAS_OK;
    maas_tensor_t  *in;

    (void) maas_model_inputs(m->m, &n);

    in = calloc(n + 1, sizeof(*in));
    if (in == NULL) {
        return maas_err_nomem(err);
    }

    job.in = in;

    for (size_t i = 0; i < inputs->n && rc == MAAS_OK; i++) {
        rc = cli_input(m, inputs->v[i], in, err);
    }

    if (rc == MAAS_OK) {
        rc = cli_fill(m, shapes, (uint64_t) seed, in, err);
    }

    if (rc == MAAS_OK) {
        cli_progress_begin("measuring");
        rc = bench_measure(m->m, &job, b, err);
        cli_job_end(&job);
        cli_progress_end();
    }

    if (rc == MAAS_OK && b->profile) {
        printf("\n");
        rc = cli_profile(m, in, maas_min(b->runs, BENCH_PROFILE), b->threads,
                         err);
    }

    free(in);
    return rc;
}


/* Loads the model, which is timed too, and runs it. */
static int
bench_file(bench_t *b, const char *path, const char *numerics,
    const cli_list_t *inputs, const cli_list_t *shapes, int64_t seed)
{
    int          rc;
    uint64_t     start = maas_now_ns();
    maas_err_t   err;
    cli_model_t  m;

    if (cli_model_load(&m, path, numerics, true, &err) != MAAS_OK) {
        return cli_fail("%s", err.text);
    }

    b->load = (double) (maas_now_ns() - start) / 1e6;
    rc = bench_model(&m, inputs, shapes, seed, b, &err) == MAAS_OK
         ? CLI_OK : cli_fail("%s", err.text);

    cli_model_free(&m);
    return rc;
}


int
cmd_bench(int argc, char **argv)
{
    int           rc;
    bool          kernels = false;
    int64_t       threads = 1, seed = 1;
    bench_t       b = { 0 };
    const char   *numerics = "exact";
    cli_list_t    rest = { 0 }, inputs = { 0 }, shapes = { 0 };
    cli_option_t  opts[] = {
        { "--input", CLI_MANY, &inputs },
        { "--shape", CLI_MANY, &shapes },
        { "--threads", CLI_INT, &threads },
        { "--seconds", CLI_FLOAT, &b.seconds },
        { "--seed", CLI_INT, &seed },
        { "--numerics", CLI_TEXT, &numerics },
        { "--json", CLI_FLAG, &b.json },
        { "--profile", CLI_FLAG, &b.profile },
        { "--paced", CLI_FLAG, &b.paced },
        { "--kernels", CLI_FLAG, &kernels },
        { NULL, 0, NULL }
    };

    rc = cli_options(argc, argv, opts, &rest, bench_help);
    if (rc != -1) {
        return rc;
    }

    if (kernels) {
        return rest.n != 0 ? cli_usage("--kernels takes no model")
               : cli_kernels(b.seconds, b.json);
    }

    if (rest.n != 1) {
        return cli_usage(rest.n == 0 ? "which model?"
                                     : "one model at a time, please");
    }

    b.threads = (int) maas_min(threads, 257);
    b.seconds = b.seconds > 0 ? b.seconds : 3;

    if (b.json && b.profile) {
        return cli_usage("--profile is text: without --json, please");
    }

    if (threads > 256) {
        return cli_usage("--threads: at most 256");
    }

    return bench_file(&b, rest.v[0], numerics, &inputs, &shapes, seed);
}
