/*
 * peer_ort: the latency of a model in ONNX Runtime, by its C interface.
 *
 *     peer_ort LIBRARY MODEL.onnx THREADS SECONDS [--paced] [--save DIR]
 *              NAME=FILE.npy...
 *
 * Inputs and outputs are in place before the clock starts: the tensors that
 * the first run made are those that later runs write to.
 *
 * Prints one line of JSON, as maas bench --json does; with --paced one for
 * each line of standard input.  --save writes the outputs of the first run,
 * 0.npy, 1.npy, ...
 */

#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ort.h"

#define PORTS        64
#define RANK         16
#define RUNS         1000000
#define LEAST        3                  /* runs of a turn, for a median */

/* NumPy's names and ONNX's numbers of types. */
static const struct {
    const char  *descr;
    int          type, bytes;
} types[] = {
    { "<f4", 1, 4 }, { "|u1", 2, 1 }, { "|i1", 3, 1 }, { "<i4", 6, 4 },
    { "<i8", 7, 8 }, { "|b1", 9, 1 }, { "<f8", 11, 8 }
};

static void           *session;
static const char     *in_name[PORTS];
static void           *in_value[PORTS], *out_value[PORTS];
static char           *out_name[PORTS];
static size_t          n_in, n_out;


static uint64_t
now(void)
{
    struct timespec  t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t) t.tv_sec * 1000000000u + (uint64_t) t.tv_nsec;
}


static long long
memory(const char *what)
{
    char        line[128];
    FILE       *f = fopen("/proc/self/status", "r");
    size_t      len = strlen(what);
    long long   kb = 0;

    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, what, len) == 0 && line[len] == ':') {
            sscanf(line + len + 1, "%lld", &kb);
        }
    }

    if (f != NULL) {
        fclose(f);
    }

    return kb * 1024;
}


/* -- inputs and outputs -------------------------------------------------- */

static void
input(char *arg)
{
    char     *eq = strrchr(arg, '='), *p, *data, head[65536];
    void     *info;
    FILE     *f;
    size_t    i, rank = 0, count = 1, len;
    int64_t   dims[RANK];

    *eq = '\0';
    f = fopen(eq + 1, "rb");

    if (f == NULL || fread(head, 1, 10, f) != 10
        || memcmp(head, "\x93NUMPY\1", 7) != 0)
    {
        fail(eq + 1, "not an .npy file");
    }

    len = (unsigned char) head[8] | (size_t) (unsigned char) head[9] << 8;
    if (fread(head, 1, len, f) != len) {
        fail(eq + 1, "cut short");
    }

    head[len] = '\0';

    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strstr(head, types[i].descr) != NULL) {
            break;
        }
    }

    p = strchr(head, '(');
    if (p == NULL || i == sizeof(types) / sizeof(types[0])) {
        fail(eq + 1, "a type that is not served here");
    }

    for (p++; *p != ')' && rank < RANK; p += strspn(p, ", ")) {
        dims[rank] = strtoll(p, &p, 10);
        count *= (size_t) dims[rank++];
    }

    data = aligned_alloc(64, (count * types[i].bytes + 127) / 64 * 64);
    if (data == NULL || fread(data, types[i].bytes, count, f) != count) {
        fail(eq + 1, "cut short");
    }

    fclose(f);
    check(api[CPU_MEMORY](1, 0, &info), "memory");
    check(api[TENSOR_OF_DATA](info, data, count * types[i].bytes, dims, rank,
                              types[i].type, &in_value[n_in]), arg);
    in_name[n_in++] = arg;
}


static void
save(const char *dir, size_t k)
{
    int       type, n;
    char      path[4096], head[1024];
    void     *info, *data;
    FILE     *f;
    size_t    i, rank, count = 1;
    int64_t   dims[RANK];

    check(api[TYPE_AND_SHAPE](out_value[k], &info), "shape");
    check(api[ELEMENT_TYPE](info, &type), "type");
    check(api[RANK_OF](info, &rank), "rank");
    check(api[DIMS_OF](info, dims, rank), "dims");
    check(api[TENSOR_DATA](out_value[k], &data), "data");

    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (types[i].type == type) {
            break;
        }
    }

    if (i == sizeof(types) / sizeof(types[0])) {
        return;
    }

    n = snprintf(head, sizeof(head), "{'descr': '%s', 'fortran_order': "
                 "False, 'shape': (", types[i].descr);

    for (size_t d = 0; d < rank; d++) {
        count *= (size_t) dims[d];
        n += snprintf(head + n, sizeof(head) - n, "%lld,",
                      (long long) dims[d]);
    }

    n += snprintf(head + n, sizeof(head) - n, ")}");
    while ((10 + n + 1) % 64 != 0) {
        head[n++] = ' ';
    }

    head[n++] = '\n';
    snprintf(path, sizeof(path), "%s/%zu.npy", dir, k);
    f = fopen(path, "wb");
    if (f == NULL) {
        fail(path, "cannot be written");
    }

    fwrite("\x93NUMPY\x01\0", 1, 8, f);
    fputc(n & 255, f);
    fputc(n >> 8, f);
    fwrite(head, 1, (size_t) n, f);
    fwrite(data, types[i].bytes, count, f);
    fclose(f);
}


/* -- measuring ----------------------------------------------------------- */

static void
run(void)
{
    check(api[RUN](session, NULL, in_name, in_value, n_in, out_name, n_out,
                   out_value), "run");
}


static int
order(const void *a, const void *b)
{
    uint64_t  x = *(const uint64_t *) a, y = *(const uint64_t *) b;

    return (x > y) - (x < y);
}


static void
slice(double seconds, double first, double load, long long loaded)
{
    size_t            n = 0;
    uint64_t          t, begin;
    static uint64_t   ns[RUNS];

    begin = now();

    do {
        t = now();
        run();
        ns[n++] = now() - t;
    } while (n < LEAST
             || (n < RUNS && (double) (now() - begin) < seconds * 1e9));

    qsort(ns, n, sizeof(ns[0]), order);
    printf("{\"median_ms\": %.6g, \"min_ms\": %.6g, \"p99_ms\": %.6g, "
           "\"first_ms\": %.6g, \"load_ms\": %.6g, \"runs\": %zu, "
           "\"peak_rss_bytes\": %lld, \"work_bytes\": %lld, "
           "\"version\": \"%s\"}\n",
           (double) ns[(n - 1) / 2] / 2e6 + (double) ns[n / 2] / 2e6,
           (double) ns[0] / 1e6, (double) ns[(n * 99 - 1) / 100] / 1e6,
           first, load, n, memory("VmHWM"), memory("RssAnon") - loaded,
           ort_version);
    fflush(stdout);
}


static double
load(const char *library, const char *model, int threads)
{
    void      *allocator;
    uint64_t   t;

    ort_open(library, "peer_ort");

    t = now();
    session = ort_session(model, threads);
    t = now() - t;

    check(api[OUTPUT_COUNT](session, &n_out), "outputs");
    check(api[DEFAULT_ALLOCATOR](&allocator), "allocator");

    for (size_t i = 0; i < n_out && i < PORTS; i++) {
        check(api[OUTPUT_NAME](session, i, allocator, &out_name[i]), "name");
    }

    return (double) t / 1e6;
}


int
main(int argc, char **argv)
{
    char          line[64];
    double        seconds, ms, first;
    uint64_t      t;
    long long     loaded;
    const char   *dir = NULL, *paced = NULL;

    if (argc < 5) {
        fail("usage", "LIBRARY MODEL THREADS SECONDS [--paced] "
             "[--save DIR] NAME=FILE.npy...");
    }

    seconds = atof(argv[4]);
    ms = load(argv[1], argv[2], atoi(argv[3]));

    for (int i = 5; i < argc; i++) {
        if (strcmp(argv[i], "--paced") == 0) {
            paced = argv[i];
        } else if (strcmp(argv[i], "--save") == 0 && i + 1 < argc) {
            dir = argv[++i];
        } else {
            input(argv[i]);
        }
    }

    /* What loading has given back must not hide what runs take. */
    malloc_trim(0);
    loaded = memory("RssAnon");
    t = now();
    run();
    first = (double) (now() - t) / 1e6;

    for (size_t i = 0; dir != NULL && i < n_out; i++) {
        save(dir, i);
    }

    t = now();
    for (int i = 0; i < 20 && (double) (now() - t) < seconds * 2e8; i++) {
        run();
    }

    do {
        if (paced == NULL || fgets(line, sizeof(line), stdin) != NULL) {
            slice(seconds, first, ms, loaded);
        } else {
            break;
        }
    } while (paced != NULL);

    return 0;
}
