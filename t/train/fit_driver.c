/*
 * Fits one estimator for tests and benchmarks, before any dataset or
 * pipeline:
 *
 *     fit_driver TASK NAME PARAMS.json X.npy Y.npy|- MODEL.onnx [OPTION=V]...
 *
 * TASK is regression, classification, clustering, outliers or transform.  X
 * is float64 [n,p]; Y float64 [n] or [n,t] of a regression, int64 [n] of a
 * classification.  The options: weight=W.npy, names=a,b,c (of the classes),
 * threads=N, seed=N, repeat=N (fits again, for time), cancel=1.
 *
 * The model is written with its outputs; on stdout is the summary as JSON,
 * with "seconds" of the fastest fit.  An error goes to stderr, exit 1.
 */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "formats/onnx_write.h"
#include "train/estimator.h"


typedef struct {
    maas_task_t        task;
    maas_fit_job_t     job;
    maas_task_kind_t   kind;
    maas_status_t      rc;
    double             seconds;
    int                repeat;
    atomic_int         over;
    maas_arena_t       arena;
    maas_buf_t         summary;
    maas_err_t         err;

    const maas_estimator_t  *e;
} drive_t;


static void
die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}


static void *
slurp(const char *path, size_t *n)
{
    FILE  *f = fopen(path, "rb");
    char  *p;
    long   size;

    if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) < 0) {
        die(path, "cannot be read");
    }

    rewind(f);
    p = aligned_alloc(64, maas_align((size_t) size + 1, 64));
    *n = fread(p, 1, (size_t) size, f);
    fclose(f);
    return p;
}


static maas_tensor_t
load(const char *path, maas_dtype_t dtype)
{
    size_t         n;
    maas_err_t     err;
    maas_tensor_t  t;
    void          *p = slurp(path, &n);

    if (maas_npy_read(p, n, &t, &err) != MAAS_OK) {
        die(path, err.text);
    }

    if (t.dtype != dtype) {
        die(path, "another dtype was expected");
    }

    return t;
}


static maas_task_kind_t
task_kind(const char *s)
{
    static const char *const  name[] = {
        "regression", "classification", "clustering", "outliers",
        "transform"
    };

    for (size_t i = 0; i < maas_nelts(name); i++) {
        if (strcmp(s, name[i]) == 0) {
            return (maas_task_kind_t) i;
        }
    }

    die(s, "no such task");
    return 0;
}


static void
take_target(drive_t *d, const char *path)
{
    maas_tensor_t   t;
    const int64_t  *v;
    int32_t        *label;

    if (d->kind == MAAS_TASK_REGRESSION) {
        t = load(path, MAAS_F64);
        d->job.y = t.data;
        d->job.n_target = t.rank > 1 ? t.dims[1] : 1;

    } else if (d->kind == MAAS_TASK_CLASSIFICATION) {
        t = load(path, MAAS_I64);
        v = t.data;
        label = calloc((size_t) t.dims[0] + 1, sizeof(int32_t));

        for (int64_t i = 0; i < t.dims[0]; i++) {
            label[i] = (int32_t) v[i];
            d->job.n_class = maas_max(d->job.n_class, label[i] + 1);
        }

        d->job.label = label;
    }
}


static void
take_names(drive_t *d, char *list)
{
    int          n = 0;
    char        *p;
    maas_str_t  *name = calloc(1000, sizeof(*name));

    for (p = strtok(list, ","); p != NULL; p = strtok(NULL, ",")) {
        name[n++] = (maas_str_t) { p, strlen(p) };
    }

    d->job.class_name = name;
    d->job.n_class = n;
}


static void
take_option(drive_t *d, char *s)
{
    static atomic_bool  cancel;
    char               *v = strchr(s, '=');

    if (v == NULL) {
        die(s, "no option");
    }

    *v++ = '\0';

    if (strcmp(s, "weight") == 0) {
        d->job.weight = load(v, MAAS_F64).data;

    } else if (strcmp(s, "names") == 0) {
        take_names(d, v);

    } else if (strcmp(s, "threads") == 0) {
        d->job.threads = atoi(v);

    } else if (strcmp(s, "seed") == 0) {
        d->job.seed = strtoull(v, NULL, 10);

    } else if (strcmp(s, "repeat") == 0) {
        d->repeat = atoi(v);

    } else if (strcmp(s, "cancel") == 0) {
        cancel = true;
        d->job.cancel = &cancel;

    } else {
        die(s, "no option");
    }
}


static void
fit_once(drive_t *d)
{
    int64_t   dims[] = { -1, d->job.p };
    uint64_t  t;
    double    s;

    maas_buf_destroy(&d->summary);
    maas_buf_init(&d->summary, &maas_host_libc);
    maas_arena_destroy(&d->arena);
    maas_arena_init(&d->arena, &maas_host_libc, 0);

    d->job.arena = &d->arena;
    d->job.summary = &d->summary;
    d->job.build = maas_build_create(&d->arena);
    d->job.in = maas_build_input(d->job.build, "x", MAAS_F32, 2, dims);

    t = maas_now_ns();
    d->rc = d->e->fit(&d->job, d->kind);
    s = (double) (maas_now_ns() - t) * 1e-9;

    d->seconds = d->seconds == 0 || s < d->seconds ? s : d->seconds;
}


static void
fit_task(maas_task_t *t, maas_team_t *team)
{
    drive_t  *d = (drive_t *) t;

    d->job.team = team;

    for (int i = 0; i < d->repeat && d->rc == MAAS_OK; i++) {
        fit_once(d);
    }

    d->over = 1;
}


static void
quiet(void *ctx)
{
    (void) ctx;
}


static void
fit_all(drive_t *d)
{
    maas_team_t  *team;

    if (d->job.threads == 1) {
        fit_task(&d->task, NULL);
        return;
    }

    team = maas_team_create(&maas_host_libc, d->job.threads, quiet, NULL);
    d->task.run = fit_task;
    maas_team_submit(team, &d->task);

    while (!d->over) {
        usleep(1000);
    }

    maas_team_destroy(team);
}


static void
outputs(drive_t *d)
{
    int64_t       n = -1, two[] = { -1, -1 };
    maas_dtype_t  label = d->job.class_name != NULL ? MAAS_STRING : MAAS_I64;

    switch (d->kind) {

    case MAAS_TASK_REGRESSION:
    case MAAS_TASK_TRANSFORM:
        maas_build_output(d->job.build, d->job.out[0], MAAS_F32, 2, two);
        return;

    default:
        maas_build_output(d->job.build, d->job.out[0], label, 1, &n);
        maas_build_output(d->job.build, d->job.out[1], MAAS_F32, 2, two);
    }
}


static void
save(drive_t *d, const char *path)
{
    FILE                    *f;
    maas_buf_t               b;
    const maas_raw_model_t  *m;

    maas_buf_init(&b, &maas_host_libc);

    if (maas_build_done(d->job.build, &m, &d->err) != MAAS_OK
        || maas_onnx_write(m, NULL, 0, &b, &d->err) != MAAS_OK)
    {
        die(path, d->err.text);
    }

    f = fopen(path, "wb");

    if (f == NULL || fwrite(b.data, 1, b.len, f) != b.len
        || fclose(f) != 0)
    {
        die(path, "cannot be written");
    }

    maas_buf_destroy(&b);
}


static void
take_params(drive_t *d, const char *path)
{
    char           *p;
    json_t         *j;
    size_t          n;
    maas_status_t   rc;
    maas_arena_t   *a = calloc(1, sizeof(*a));

    p = slurp(path, &n);
    j = json_loadb(p, n, 0, NULL);
    maas_arena_init(a, &maas_host_libc, 0);
    d->job.param = calloc(1, (size_t) d->e->param_size + 1);

    rc = maas_params_parse(a, j, d->e->param, d->e->n_param, NULL, "model",
                           (void *) d->job.param, &d->err);
    if (rc != MAAS_OK) {
        die(d->e->name, d->err.text);
    }
}


static void
list_range(const maas_param_t *p)
{
    if (!(p->max > p->min)
        || (p->type != MAAS_PARAM_INT && p->type != MAAS_PARAM_NUMBER
            && p->type != MAAS_PARAM_INTS && p->type != MAAS_PARAM_NUMBERS))
    {
        return;
    }

    if (p->min > -1e300 && p->max >= 1e6) {
        printf(p->open ? " above %.15g" : " from %.15g", p->min);

    } else if (p->min > -1e300) {
        printf(p->open ? " above %.15g, to %.15g" : " from %.15g to %.15g",
               p->min, p->max);

    } else if (p->max < 1e6) {
        printf(" to %.15g", p->max);
    }
}


/* A line a row of every estimator, for the documentation. */
static void
list_params(const maas_estimator_t *e)
{
    static const char *const  type[] = {
        "integer", "number", "true or false", "", "text", "integers",
        "numbers", "texts", "JSON"
    };

    for (int i = 0; i < e->n_param; i++) {
        const maas_param_t  *p = &e->param[i];

        printf("P\t%s\t", p->name);

        if (p->type == MAAS_PARAM_WORD) {
            for (int k = 0; p->words[k] != NULL; k++) {
                printf("%s`%s`", k == 0 ? "" : ", ", p->words[k]);
            }

            printf("\t`%s`", p->words[(int) p->def]);

        } else if (p->type == MAAS_PARAM_BOOL) {
            printf("%s\t%s", type[p->type], p->def != 0 ? "true" : "false");

        } else {
            printf("%s", type[p->type]);
            list_range(p);
            printf("\t");

            if (p->type == MAAS_PARAM_INT || p->type == MAAS_PARAM_NUMBER) {
                printf(p->required ? "required" : "%.15g", p->def);
            }
        }

        printf("\t%s\n", p->about);
    }
}


static int
list(void)
{
    static const char *const  task[] = {
        "regression", "classification", "clustering", "outliers", "step"
    };
    const maas_estimator_t   *e = NULL;

    while ((e = maas_estimator_next(e)) != NULL) {
        printf("E\t%s\t", e->name);

        for (int i = 0, n = 0; i < 5; i++) {
            if (e->tasks >> i & 1) {
                printf("%s%s", n++ == 0 ? "" : ", ", task[i]);
            }
        }

        printf("\t%s\t%s\n", e->missing ? "yes" : "", e->about);
        list_params(e);
    }

    return 0;
}


int
main(int argc, char **argv)
{
    drive_t        d = { .repeat = 1 };
    maas_tensor_t  x;

    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        return list();
    }

    if (argc < 7) {
        die("usage", "fit_driver TASK NAME PARAMS X Y MODEL [OPTION=V]...");
    }

    if (maas_init(NULL, &d.err) != MAAS_OK) {
        die("init", d.err.text);
    }

    d.kind = task_kind(argv[1]);
    d.e = maas_estimator_find((maas_str_t) { argv[2], strlen(argv[2]) });

    if (d.e == NULL || !(d.e->tasks >> d.kind & 1)) {
        die(argv[2], "no such estimator of this task");
    }

    x = load(argv[4], MAAS_F64);
    d.job = (maas_fit_job_t) { .x = x.data, .n = x.dims[0], .p = x.dims[1],
                               .threads = 1, .host = &maas_host_libc,
                               .err = &d.err };
    maas_buf_init(&d.summary, &maas_host_libc);
    maas_arena_init(&d.arena, &maas_host_libc, 0);
    take_params(&d, argv[3]);
    take_target(&d, argv[5]);

    for (int i = 7; i < argc; i++) {
        take_option(&d, argv[i]);
    }

    fit_all(&d);

    if (d.rc != MAAS_OK) {
        die(d.e->name, d.err.text);
    }

    outputs(&d);
    save(&d, argv[6]);

    printf("{%.*s%s\"seconds\":%.6f}\n", (int) d.summary.len,
           d.summary.len != 0 ? d.summary.data : "",
           d.summary.len != 0 ? "," : "", d.seconds);
    return 0;
}
