/*
 * maas bench --profile: time by kernel, and the steps that take longest.
 * Each step counts with its median over the runs, so that a neighbour's
 * burst of work doesn't point at the wrong step.
 */

#define _GNU_SOURCE

#include <stdio.h>
#include <stdlib.h>

#include "api/compile.h"
#include "cli/cli.h"
#include "graph/op.h"


#define PROFILE_TOP    15
#define PROFILE_STEPS  100000

typedef struct {
    char         name[48];          /* of the node */
    char         dims[MAAS_DIMS_TEXT];
    const char  *kernel;
    double       cost, flops;
    uint64_t    *ns;                /* one a run */
    size_t       runs;
    double       ms;                /* the median, after the runs */
    size_t       steps;             /* of a kernel's sum */
} profile_row_t;

typedef struct {
    profile_row_t  *row;
    size_t          n, cap;
    size_t          runs;
    bool            failed;
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

        snprintf(r->name, sizeof(r->name), "%.*s",
                 (int) maas_min(s->node->name.len, sizeof(r->name) - 1),
                 s->node->name.data);
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
    double  x = ((const profile_row_t *) a)->ms;
    double  y = ((const profile_row_t *) b)->ms;

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
        sum[k].cost += p->row[i].cost;
        sum[k].flops += p->row[i].flops;
        sum[k].steps++;
    }

    return n;
}


static void
profile_line(const profile_row_t *r, double all)
{
    printf("%9.3f %5.1f%% %9.3f ", r->ms, all > 0 ? 100 * r->ms / all : 0,
           r->cost);

    if (r->flops > 0 && r->ms > 0) {
        printf("%8.2f", r->flops / r->ms / 1e6);
    } else {
        printf("%8s", "");
    }

    if (r->steps != 0) {
        printf("  %-22s %zu step%s\n", r->kernel, r->steps,
               r->steps == 1 ? "" : "s");
    } else {
        printf("  %-22s %s %s\n", r->kernel, r->name, r->dims);
    }
}


static void
profile_print(profile_t *p, profile_row_t *sum)
{
    double  all = 0, cost = 0;
    size_t  n;

    for (size_t i = 0; i < p->n; i++) {
        profile_row_t  *r = &p->row[i];

        qsort(r->ns, r->runs, sizeof(*r->ns), profile_order_ns);
        r->ms = (double) r->ns[r->runs / 2] / 1e6;
        all += r->ms;
        cost += r->cost;
    }

    n = profile_kernels(p, sum);
    qsort(sum, n, sizeof(*sum), profile_order);
    qsort(p->row, p->n, sizeof(*p->row), profile_order);

    printf("%zu steps, %.3f ms, believed %.3f ms; medians of %zu runs\n\n"
           "       ms   share  believed  GFLOP/s  kernel\n", p->n, all, cost,
           p->runs);

    for (size_t i = 0; i < n; i++) {
        profile_line(&sum[i], all);
    }

    printf("\n       ms   share  believed  GFLOP/s  step\n");

    for (size_t i = 0; i < p->n && i < PROFILE_TOP; i++) {
        profile_line(&p->row[i], all);
    }
}


maas_status_t
cli_profile(const cli_model_t *m, const maas_tensor_t *in, size_t runs,
    maas_err_t *err)
{
    profile_t        p = { .runs = maas_max(runs, 1) };
    profile_row_t   *sum;
    maas_status_t    rc;
    maas_profile_t   how = { 1, profile_seen, &p };

    /* The first run warms up; its times go. */
    rc = maas_model_profile(m->m, in, &how, err);

    for (size_t i = 0; i < p.n; i++) {
        p.row[i].runs = 0;
    }

    how.runs = p.runs;

    if (rc == MAAS_OK) {
        rc = maas_model_profile(m->m, in, &how, err);
    }

    sum = calloc(p.n + 1, sizeof(*sum));

    if (rc == MAAS_OK && (p.failed || sum == NULL)) {
        rc = maas_err_nomem(err);
    }

    if (rc == MAAS_OK) {
        profile_print(&p, sum);
    }

    for (size_t i = 0; i < p.cap; i++) {
        free(p.row[i].ns);
    }

    free(p.row);
    free(sum);
    return rc;
}
