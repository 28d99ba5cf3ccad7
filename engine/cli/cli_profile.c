/*
 * maas bench --profile: time by kernel, and the steps that take longest.
 * Each step counts with its median over the runs, so that a neighbour's
 * burst of work doesn't point at the wrong step.  With several threads a
 * second profile beside it says what each step gains by them.
 *
 * Threads: the runs are on this thread, or on a member of a team.
 */

#define _GNU_SOURCE

#include <stdio.h>
#include <stdlib.h>

#include "api/compile.h"
#include "cli/cli.h"
#include "cli/cli_train.h"
#include "graph/op.h"


#define PROFILE_TOP    15
#define PROFILE_STEPS  100000

typedef struct {
    char         name[96];          /* of the node, or of a chain's */
    char         dims[MAAS_DIMS_TEXT];
    const char  *kernel;
    double       cost, flops;
    uint64_t    *ns;                /* one a run */
    size_t       runs;
    double       ms;                /* the median, after the runs */
    double       team_ms;           /* the same of several threads */
    double       order;             /* largest first */
    size_t       steps;             /* of a kernel's sum */
} profile_row_t;

typedef struct {
    profile_row_t  *row;
    size_t          n, cap;
    size_t          runs;
    bool            failed;
    maas_model_t         *m;
    const maas_tensor_t  *in;
} profile_t;


static bool
profile_room(profile_t *p, size_t n)
{
    size_t          cap;
    profile_row_t  *row;

    if (n < p->cap) {
        return true;
    }

    cap = maas_max(n + 1, p->cap * 2);
    row = cap > PROFILE_STEPS ? NULL : realloc(p->row, cap * sizeof(*row));
    if (row == NULL) {
        return false;
    }

    memset(row + p->cap, 0, (cap - p->cap) * sizeof(*row));
    p->row = row;
    p->cap = cap;
    return true;
}


static void
profile_seen(void *ctx, const maas_step_time_t *s)
{
    profile_t      *p = ctx;
    profile_row_t  *r;

    if (!profile_room(p, s->index)) {
        p->failed = true;
        return;
    }

    r = &p->row[s->index];
    p->n = maas_max(p->n, s->index + 1);

    if (r->ns == NULL) {
        r->ns = calloc(p->runs, sizeof(*r->ns));
        if (r->ns == NULL) {
            p->failed = true;
            return;
        }

        memcpy(r->name, s->name, sizeof(r->name));
        r->dims[0] = '\0';

        if (s->out != NULL) {
            maas_dims_text(r->dims, s->out->dims, s->out->rank);
        }

        r->kernel = s->kernel;
        r->cost = s->cost / 1e6;
        r->flops = s->flops;
    }

    if (r->runs < p->runs) {
        r->ns[r->runs++] = s->ns;
    }
}


static int
profile_order_ns(const void *a, const void *b)
{
    uint64_t  x = *(const uint64_t *) a, y = *(const uint64_t *) b;

    return (x > y) - (x < y);
}


static int
profile_order(const void *a, const void *b)
{
    double  x = ((const profile_row_t *) a)->order;
    double  y = ((const profile_row_t *) b)->order;

    return (x < y) - (x > y);
}


/* Sums by kernel; the names of kernels are unique. */
static size_t
profile_kernels(const profile_t *p, profile_row_t *sum)
{
    size_t  i, k, n = 0;

    for (i = 0; i < p->n; i++) {
        for (k = 0; k < n; k++) {
            if (strcmp(sum[k].kernel, p->row[i].kernel) == 0) {
                break;
            }
        }

        if (k == n) {
            sum[n++].kernel = p->row[i].kernel;
        }

        sum[k].ms += p->row[i].ms;
        sum[k].team_ms += p->row[i].team_ms;
        sum[k].order += p->row[i].order;
        sum[k].cost += p->row[i].cost;
        sum[k].flops += p->row[i].flops;
        sum[k].steps++;
    }

    return n;
}


static void
profile_line(const profile_row_t *r, double all, int threads)
{
    printf("%9.3f %5.1f%% %9.3f ", r->ms, all > 0 ? 100 * r->ms / all : 0,
           r->cost);

    if (r->flops > 0 && r->ms > 0) {
        printf("%8.2f", r->flops / r->ms / 1e6);
    } else {
        printf("%8s", "");
    }

    if (threads > 1) {
        printf(" %9.3f %6.2f %7.3f", r->team_ms,
               r->team_ms > 0 ? r->ms / r->team_ms : 0, r->order);
    }

    if (r->steps != 0) {
        printf("  %-22s %zu step%s\n", r->kernel, r->steps,
               r->steps == 1 ? "" : "s");
    } else {
        printf("  %-22s %s %s\n", r->kernel, r->name, r->dims);
    }
}


static void
profile_head(int threads, const char *what)
{
    printf("\n       ms   share  believed  GFLOP/s");

    if (threads > 1) {
        printf(" %3d thr.   gain    lost", threads);
    }

    printf("  %s\n", what);
}


/* Lost: what a step takes beyond its share of the time of one thread. */
static void
profile_print(profile_t *p, profile_row_t *sum, int threads)
{
    double  all = 0, team = 0, cost = 0;
    size_t  n;

    for (size_t i = 0; i < p->n; i++) {
        profile_row_t  *r = &p->row[i];

        all += r->ms;
        team += r->team_ms;
        cost += r->cost;
        r->order = threads > 1 ? r->team_ms - r->ms / threads : r->ms;
    }

    n = profile_kernels(p, sum);
    qsort(sum, n, sizeof(*sum), profile_order);
    qsort(p->row, p->n, sizeof(*p->row), profile_order);

    printf("%zu steps, %.3f ms, believed %.3f ms; medians of %zu runs\n",
           p->n, all, cost, p->runs);

    if (threads > 1) {
        printf("%d threads %.3f ms, gain %.2f; lost is what a step takes "
               "beyond 1/%d\n", threads, team, team > 0 ? all / team : 0,
               threads);
    }

    profile_head(threads, "kernel");

    for (size_t i = 0; i < n; i++) {
        profile_line(&sum[i], all, threads);
    }

    profile_head(threads, "step");

    for (size_t i = 0; i < p->n && i < PROFILE_TOP; i++) {
        profile_line(&p->row[i], all, threads);
    }
}


/* The first run warms up; its times go. */
static maas_status_t
profile_runs(void *ctx, maas_team_t *team, maas_err_t *err)
{
    profile_t       *p = ctx;
    maas_profile_t   how = { 1, profile_seen, p };

    MAAS_TRY(maas_model_profile(p->m, p->in, team, &how, err));

    for (size_t i = 0; i < p->n; i++) {
        p->row[i].runs = 0;
    }

    how.runs = p->runs;
    MAAS_TRY(maas_model_profile(p->m, p->in, team, &how, err));

    if (p->failed) {
        return maas_err_nomem(err);
    }

    for (size_t i = 0; i < p->n; i++) {
        profile_row_t  *r = &p->row[i];

        qsort(r->ns, r->runs, sizeof(*r->ns), profile_order_ns);
        r->ms = (double) r->ns[r->runs / 2] / 1e6;
    }

    return MAAS_OK;
}


static void
profile_free(profile_t *p)
{
    for (size_t i = 0; i < p->cap; i++) {
        free(p->row[i].ns);
    }

    free(p->row);
}


maas_status_t
cli_profile(const cli_model_t *m, const maas_tensor_t *in, size_t runs,
    int threads, maas_err_t *err)
{
    profile_t       p = { .runs = maas_max(runs, 1), .m = m->m, .in = in };
    profile_t       q = p;
    maas_status_t   rc;
    profile_row_t  *sum = NULL;

    rc = profile_runs(&p, NULL, err);

    if (rc == MAAS_OK && threads > 1) {
        rc = cli_train_on_team(threads, profile_runs, &q, err);

        for (size_t i = 0; i < maas_min(p.n, q.n); i++) {
            p.row[i].team_ms = q.row[i].ms;
        }
    }

    if (rc == MAAS_OK) {
        sum = calloc(p.n + 1, sizeof(*sum));
        rc = sum == NULL ? maas_err_nomem(err) : MAAS_OK;
    }

    if (rc == MAAS_OK) {
        profile_print(&p, sum, threads);
    }

    profile_free(&p);
    profile_free(&q);
    free(sum);

    return rc;
}
