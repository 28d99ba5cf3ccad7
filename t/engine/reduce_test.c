/*
 * Float32 sums over many rows against sums in float64: the error is that of
 * sums in pairs, at each CPU level (a child process each), for numbers of
 * rows around the blocks, and a column does not depend on its neighbours.
 */

#include <math.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/compile.h"
#include "graph_build.h"
#include "tap.h"


#define COLS  200

static const int64_t  rows[] = { 63, 64, 65, 128, 129, 1000, 8192, 20011 };


static maas_raw_model_t *
sum_model(maas_arena_t *a, int64_t n, int64_t cols)
{
    build_t          *b = model_begin(a, 3);
    int64_t           axis = 0, one = 1;
    maas_str_t        x = new_name(b), y = new_name(b);
    maas_raw_node_t  *node0;

    port(&b->g->in[b->g->n_in++], x, cols);
    b->g->in[0].dims[0] = n;
    node0 = node(b, "ReduceSum", y, 2, x,
                 constant(b, MAAS_I64, 1, &one, &axis));
    node0->attr[node0->n_attr++] = (maas_raw_attr_t) {
        .name = maas_str("keepdims"), .type = MAAS_ATTR_INT
    };
    port(&b->g->out[b->g->n_out++], y, -1);
    return model_end(b);
}


/* Sums of x, n rows of cols, into y; false: no run. */
static bool
sum_run(const float *x, int64_t n, int64_t cols, float *y)
{
    bool            good = false;
    void           *image = NULL;
    size_t          size;
    maas_err_t      err = { 0 };
    maas_run_t     *run = NULL;
    maas_arena_t    a;
    maas_graph_t   *g;
    maas_model_t   *m = NULL;
    maas_tensor_t   t, in = { .dtype = MAAS_F32, .rank = 2,
                              .dims = { n, cols } };
    maas_compile_t  spec = { .name = "sum" };

    in.data = (void *) x;
    in.bytes = (size_t) (n * cols) * sizeof(float);
    maas_arena_init(&a, maas_host_default(), 0);

    if (maas_graph_import(&g, &a, sum_model(&a, n, cols), &err) == MAAS_OK
        && maas_compile_graph(g, &spec, &image, &size, &err) == MAAS_OK
        && maas_model_open(&m, image, size, NULL, &err) == MAAS_OK
        && maas_model_run(m, &in, NULL, NULL, &run, &err) == MAAS_OK)
    {
        maas_run_output(run, 0, &t, NULL);
        memcpy(y, t.data, (size_t) cols * sizeof(float));
        maas_run_release(run);
        good = true;

    } else {
        printf("# %s\n", err.text);
    }

    maas_model_release(m);
    maas_image_free(image);
    maas_arena_destroy(&a);
    return good;
}


static int
test_rows(int64_t n)
{
    int     bad = 0;
    float  *x = malloc((size_t) (n * COLS) * sizeof(float)), y[COLS];
    float  *column = malloc((size_t) n * 2 * sizeof(float)), two[2];

    for (int64_t i = 0; i < n * COLS; i++) {
        x[i] = (float) (i * 7919 % 2003) / 2003.0f;
    }

    for (int64_t i = 0; i < n; i++) {
        column[2 * i] = x[i * COLS + 131];
        column[2 * i + 1] = x[i * COLS];
    }

    if (!sum_run(x, n, COLS, y) || !sum_run(column, n, 2, two)) {
        bad = 1;
    }

    for (int64_t j = 0; j < COLS && !bad; j++) {
        double  want = 0;

        for (int64_t i = 0; i < n; i++) {
            want += (double) x[i * COLS + j];
        }

        /* 63 roundings in a block, then one for each doubling. */
        bad += fabs((double) y[j] - want) > 4e-6 * want
               || (n > 1000 && fabs((double) y[j] - want) > 6e-7 * want);
    }

    bad += !bad && (memcmp(&y[131], &two[0], 4) != 0
                    || memcmp(&y[0], &two[1], 4) != 0);

    if (bad) {
        printf("# %lld rows: %d sums are wrong\n", (long long) n, bad);
    }

    free(x);
    free(column);
    return bad;
}


int
main(void)
{
    int    status, bad;
    pid_t  pid;

    for (int l = 0; l <= (int) maas_cpu_host(); l++) {
        fflush(stdout);
        pid = fork();

        if (pid == 0) {
            setenv("MAAS_CPU", maas_cpu_name(l), 1);
            bad = 0;

            for (size_t i = 0; i < maas_nelts(rows); i++) {
                bad += test_rows(rows[i]);
            }

            fflush(stdout);
            _exit(bad != 0);
        }

        ok(waitpid(pid, &status, 0) == pid && status == 0,
           "%s: sums of many rows", maas_cpu_name(l));
    }

    return done();
}
