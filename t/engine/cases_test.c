/*
 * Runs the cases of every operator's row.  A child process for each CPU
 * level runs them all: on one thread, again, on a team of three, with inputs
 * that the planner may overwrite, and with no declared dimension; all have
 * to agree to the bit.  Levels are compared with ref: integers exactly,
 * floats within 1e-5 and 1e-6 of the largest (1e-5 at v2, which has no FMA
 * and so rounds every product).  A child that dies fails the case that it
 * was in, and the next one goes on behind it.  MAAS_CASES=Op runs one.
 */

#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/compile.h"
#include "case_dsl.h"
#include "tap.h"


#define CASES_MAX  4096

typedef struct {
    const maas_op_t    *op;
    const maas_case_t  *c;
    bool                bad;
} row_t;

/* Of one case at one level, in memory shared with the child. */
typedef struct {
    uint32_t  done;             /* 0: not run, 1: started, 2: finished */
    uint32_t  failed;
    uint32_t  n_out;
    uint32_t  pad;
    uint64_t  off;              /* of the outputs' bytes */
    char      text[400];
} result_t;

#define SHARED_BYTES  ((size_t) 512 << 20)

typedef struct {
    uint64_t  used;
    result_t  result[CASES_MAX];
    char      bytes[];
} shared_t;

static row_t   rows[CASES_MAX];
static int     n_rows;


/* -- in the child -------------------------------------------------------- */

typedef struct {
    maas_task_t            task;
    maas_model_t          *m;
    const maas_tensor_t   *in;
    maas_run_t            *run;
    maas_status_t          rc;
    maas_err_t             err;
} team_run_t;

static pthread_mutex_t  notify_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t   notify_cond = PTHREAD_COND_INITIALIZER;
static int              notify_n;


static void
notify(void *ctx)
{
    (void) ctx;

    pthread_mutex_lock(&notify_lock);
    notify_n++;
    pthread_cond_signal(&notify_cond);
    pthread_mutex_unlock(&notify_lock);
}


static void
team_task(maas_task_t *t, maas_team_t *team)
{
    team_run_t  *r = (team_run_t *) t;

    r->rc = maas_model_run(r->m, r->in, team, NULL, &r->run, &r->err);
}


static void
team_run(maas_team_t *team, team_run_t *r)
{
    r->task.run = team_task;
    r->run = NULL;
    notify_n = 0;
    maas_team_submit(team, &r->task);

    while (maas_team_reap(team) == NULL) {
        pthread_mutex_lock(&notify_lock);

        while (notify_n == 0) {
            pthread_cond_wait(&notify_cond, &notify_lock);
        }

        notify_n = 0;
        pthread_mutex_unlock(&notify_lock);
    }
}


static maas_status_t
case_open(case_t *c, int way, void **image, maas_model_t **m, maas_err_t *err)
{
    size_t           size;
    maas_graph_t    *g;
    maas_compile_t   spec = { .name = "case" };

    *image = NULL;
    *m = NULL;

    MAAS_TRY(maas_graph_import(&g, c->arena, case_model(c, way), err));
    MAAS_TRY(maas_compile_graph(g, &spec, image, &size, err));

    return maas_model_open(m, *image, size, NULL, err);
}


/* A run's outputs: {tensor, bytes} each, kept in the arena. */
static maas_tensor_t *
keep_outputs(case_t *c, const maas_run_t *run)
{
    maas_tensor_t  *out, keys;

    out = maas_arena_array(c->arena, c->n_out, sizeof(*out));

    for (uint32_t i = 0; i < c->n_out; i++) {
        maas_run_output(run, i, &out[i], &keys);
        out[i].data = maas_arena_dup(c->arena, out[i].data, out[i].bytes);
    }

    return out;
}


static bool
is_nan(const maas_tensor_t *t, int64_t i)
{
    switch (t->dtype) {

    case MAAS_F32:
        return isnan(((float *) t->data)[i]);

    case MAAS_F64:
        return isnan(((double *) t->data)[i]);

    case MAAS_F16:
        return isnan(maas_f16_to_f32(((uint16_t *) t->data)[i]));

    case MAAS_BF16:
        return isnan(maas_bf16_to_f32(((uint16_t *) t->data)[i]));

    default:
        return false;
    }
}


/* To the bit; one NaN is as good as another unless nans are compared. */
static bool
same_bits(const maas_tensor_t *a, const maas_tensor_t *b, uint32_t n,
    bool nans, char *text)
{
    char    x[MAAS_DIMS_TEXT], y[MAAS_DIMS_TEXT];
    size_t  size;

    for (uint32_t k = 0; k < n; k++) {
        if (a[k].dtype != b[k].dtype || a[k].rank != b[k].rank
            || memcmp(a[k].dims, b[k].dims, a[k].rank * sizeof(int64_t)) != 0)
        {
            sprintf(text, "output %u is %s%s, before %s%s", k,
                    maas_dtype_name(b[k].dtype),
                    maas_dims_text(y, b[k].dims, b[k].rank),
                    maas_dtype_name(a[k].dtype),
                    maas_dims_text(x, a[k].dims, a[k].rank));
            return false;
        }

        size = maas_dtype_size(a[k].dtype);

        if (size == 0) {
            for (int64_t i = 0; i < maas_tensor_count(&a[k]); i++) {
                if (!maas_str_eq(maas_tensor_str(&a[k], i),
                                 maas_tensor_str(&b[k], i)))
                {
                    sprintf(text, "output %u: string %lld differs", k,
                            (long long) i);
                    return false;
                }
            }

            continue;
        }

        for (int64_t i = 0; i < maas_tensor_count(&a[k]); i++) {
            if (memcmp((char *) a[k].data + i * size,
                       (char *) b[k].data + i * size, size) != 0
                && (nans || !is_nan(&a[k], i) || !is_nan(&b[k], i)))
            {
                sprintf(text, "output %u: element %lld differs", k,
                        (long long) i);
                return false;
            }
        }
    }

    return true;
}


static const char *const  ways[] = { "", "inputs made by nodes: ",
                                     "dynamic shapes: " };


static maas_tensor_t *
run_way(case_t *c, int way, maas_team_t *team, char *text)
{
    char             why[300];
    void            *image;
    maas_err_t       err = { 0 };
    maas_run_t      *run;
    team_run_t       tr = { .rc = MAAS_OK };
    maas_model_t    *m;
    maas_status_t    rc;
    maas_tensor_t    in[CASE_INPUTS_MAX], *out = NULL, *again;

    *text = '\0';
    case_feed(c, way, in);
    rc = case_open(c, way, &image, &m, &err);

    if (rc == MAAS_OK) {
        rc = maas_model_run(m, in, NULL, NULL, &run, &err);
    }

    if (rc != MAAS_OK) {
        snprintf(text, 400, "%s%.300s", ways[way], err.text);
        maas_model_release(m);
        maas_image_free(image);
        return NULL;
    }

    out = keep_outputs(c, run);
    maas_run_release(run);

    if (maas_model_run(m, in, NULL, NULL, &run, &err) != MAAS_OK) {
        snprintf(text, 400, "%sagain: %.300s", ways[way], err.text);

    } else {
        again = keep_outputs(c, run);
        maas_run_release(run);

        if (!same_bits(out, again, c->n_out, true, why)) {
            snprintf(text, 400, "%sagain: %s", ways[way], why);
        }
    }

    tr.m = m;
    tr.in = in;
    team_run(team, &tr);

    if (tr.rc != MAAS_OK) {
        snprintf(text, 400, "%steam: %.300s", ways[way], tr.err.text);

    } else {
        again = keep_outputs(c, tr.run);
        maas_run_release(tr.run);

        if (!same_bits(out, again, c->n_out, true, why)) {
            snprintf(text, 400, "%steam of 3: %s", ways[way], why);
        }
    }

    maas_model_release(m);
    maas_image_free(image);
    return out;
}


static void
share(shared_t *s, result_t *r, const maas_tensor_t *out, uint32_t n)
{
    size_t          room = SHARED_BYTES - sizeof(shared_t), need = 0;
    maas_tensor_t  *t;

    for (uint32_t i = 0; i < n; i++) {
        need += sizeof(maas_tensor_t) + maas_align(out[i].bytes, 16);
    }

    if (need > room - s->used) {
        r->failed = 1;
        strcpy(r->text, "the outputs of all cases take too much room");
        return;
    }

    r->n_out = n;
    r->off = s->used;

    for (uint32_t i = 0; i < n; i++) {
        t = (maas_tensor_t *) (s->bytes + s->used);
        *t = out[i];
        memcpy(t + 1, out[i].data, out[i].bytes);
        s->used += sizeof(*t) + maas_align(out[i].bytes, 16);
    }
}


static void
child_case(shared_t *s, result_t *r, const row_t *row, maas_team_t *team)
{
    char            text[400], why[300];
    case_t          c;
    maas_arena_t    a;
    maas_tensor_t  *out, *other;

    maas_arena_init(&a, &maas_host_libc, 0);

    if (!case_parse(&c, &a, row->op, row->c->args)) {
        snprintf(r->text, sizeof(r->text), "the text of the case: %s",
                 c.error);
        r->failed = 1;
        maas_arena_destroy(&a);
        return;
    }

    out = run_way(&c, CASE_PLAIN, team, r->text);

    if (row->bad) {
        r->failed = out != NULL || strstr(r->text, row->c->expect) == NULL;

        if (r->failed && out != NULL) {
            snprintf(r->text, sizeof(r->text), "no error, '%s' expected",
                     row->c->expect);
        }

        maas_arena_destroy(&a);
        return;
    }

    r->failed = r->text[0] != '\0';

    for (int way = CASE_INNER; way < CASE_WAYS && out != NULL; way++) {
        other = run_way(&c, way, team, text);

        if (text[0] == '\0' && !same_bits(out, other, c.n_out, false, why)) {
            snprintf(text, sizeof(text), "%s%s", ways[way], why);
        }

        if (text[0] != '\0' && !r->failed) {
            r->failed = 1;
            memcpy(r->text, text, sizeof(text));
        }
    }

    if (out != NULL) {
        share(s, r, out, c.n_out);
    }

    maas_arena_destroy(&a);
}


static void
child(shared_t *s, const char *level, int from, bool bad)
{
    maas_err_t    err;
    maas_team_t  *team;

    if (maas_init(level, &err) != MAAS_OK) {
        fprintf(stderr, "%s: %s\n", level, err.text);
        _exit(1);
    }

    team = maas_team_create(&maas_host_libc, 3, notify, NULL);

    for (int i = from; i < n_rows; i++) {
        if (rows[i].bad && !bad) {
            continue;
        }

        s->result[i].done = 1;
        child_case(s, &s->result[i], &rows[i], team);
        s->result[i].done = 2;
    }

    maas_team_destroy(team);
    _exit(0);
}


/* -- in the parent ------------------------------------------------------- */

static void
run_level(shared_t *s, const char *level, bool bad)
{
    int    from = 0, i, status;
    pid_t  pid;

    while (from < n_rows) {
        fflush(stdout);
        pid = fork();

        if (pid == 0) {
            child(s, level, from, bad);
        }

        if (pid < 0 || waitpid(pid, &status, 0) != pid) {
            return;
        }

        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
            return;
        }

        for (i = n_rows - 1; i > from && s->result[i].done == 0; i--) {
            /* the last that was started */
        }

        s->result[i].failed = 1;
        snprintf(s->result[i].text, sizeof(s->result[i].text),
                 "the process died (%s %d)",
                 WIFSIGNALED(status) ? "signal" : "exit",
                 WIFSIGNALED(status) ? WTERMSIG(status)
                                     : WEXITSTATUS(status));
        from = i + 1;
    }
}


static double
value_of(const maas_tensor_t *t, int64_t i)
{
    switch (t->dtype) {

    case MAAS_F32:
        return ((float *) t->data)[i];

    case MAAS_F64:
        return ((double *) t->data)[i];

    case MAAS_F16:
        return maas_f16_to_f32(((uint16_t *) t->data)[i]);

    default:
        return maas_bf16_to_f32(((uint16_t *) t->data)[i]);
    }
}


static bool
same_floats(const maas_tensor_t *a, const maas_tensor_t *b, double atol,
    char *text)
{
    double   x, y, max = 0, rtol;
    int64_t  n = maas_tensor_count(a);

    /* Halves are rounded after float32: one unit in the last place. */
    rtol = a->dtype == MAAS_F16 ? 1e-3 : a->dtype == MAAS_BF16 ? 8e-3 : 1e-5;

    for (int64_t i = 0; i < n; i++) {
        x = fabs(value_of(a, i));
        max = isfinite(x) && x > max ? x : max;
    }

    for (int64_t i = 0; i < n; i++) {
        x = value_of(a, i);
        y = value_of(b, i);

        if (x == y || (isnan(x) && isnan(y))) {
            continue;
        }

        if (!(fabs(x - y) <= rtol * fabs(x) + atol * max)) {
            sprintf(text, "element %lld is %.9g, ref %.9g", (long long) i, y,
                    x);
            return false;
        }
    }

    return true;
}


/* Outputs of a level against those of ref. */
static bool
same_level(shared_t *ref, shared_t *s, int level, int i, char *text)
{
    bool            same;
    char           *p = ref->bytes + ref->result[i].off;
    char           *q = s->bytes + s->result[i].off;
    maas_tensor_t   a, b;

    for (uint32_t k = 0; k < ref->result[i].n_out; k++) {
        memcpy(&a, p, sizeof(a));
        memcpy(&b, q, sizeof(b));
        a.data = p + sizeof(a);
        b.data = q + sizeof(b);
        p += sizeof(a) + maas_align(a.bytes, 16);
        q += sizeof(b) + maas_align(b.bytes, 16);

        if (maas_dtypes[a.dtype].is_float && a.dtype == b.dtype
            && a.rank == b.rank
            && memcmp(a.dims, b.dims, a.rank * sizeof(int64_t)) == 0)
        {
            same = same_floats(&a, &b, level == MAAS_CPU_V2 ? 1e-5 : 1e-6,
                               text);

        } else {
            same = same_bits(&a, &b, 1, true, text);
        }

        if (!same) {
            return false;
        }
    }

    return true;
}


static void
collect(void)
{
    const char  *only = getenv("MAAS_CASES");

    for (const maas_op_t *op = maas_op_next(NULL); op != NULL;
         op = maas_op_next(op))
    {
        if (only != NULL && strcmp(only, op->name) != 0) {
            continue;
        }

        for (const maas_case_t *c = op->cases;
             c != NULL && c->args != NULL && n_rows < CASES_MAX; c++)
        {
            rows[n_rows++] = (row_t) { op, c, false };
        }

        for (const maas_case_t *c = op->bad;
             c != NULL && c->args != NULL && n_rows < CASES_MAX; c++)
        {
            rows[n_rows++] = (row_t) { op, c, true };
        }
    }
}


static int
report_case(shared_t **s, int levels, int i)
{
    int   failed = 0;
    char  text[400];

    for (int l = 0; l < levels; l++) {
        if (rows[i].bad && l > 0) {
            continue;
        }

        text[0] = '\0';

        if (s[l]->result[i].failed || s[l]->result[i].done != 2) {
            snprintf(text, sizeof(text), "%s", s[l]->result[i].text);

        } else if (l > 0 && !s[0]->result[i].failed
                   && !same_level(s[0], s[l], l, i, text))
        {
            /* text says where */

        } else {
            continue;
        }

        printf("# %s%s \"%s\" at %s: %s\n", rows[i].bad ? "bad " : "",
               rows[i].op->name, rows[i].c->args, maas_cpu_name(l),
               text[0] ? text : "not run");
        failed = 1;
    }

    return failed;
}


int
main(void)
{
    int        levels = 0, failed, n_bad, first;
    shared_t  *s[MAAS_CPU_LEVELS];

    collect();

    for (int l = 0; l <= (int) maas_cpu_host(); l++) {
        s[l] = mmap(NULL, SHARED_BYTES, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (s[l] == MAP_FAILED) {
            ok(0, "shared memory");
            return done();
        }

        run_level(s[l], maas_cpu_name(l), l == 0);
        levels++;
    }

    for (int i = 0; i < n_rows; ) {
        failed = n_bad = 0;
        first = i;

        for ( ; i < n_rows && rows[i].op == rows[first].op; i++) {
            failed += report_case(s, levels, i);
            n_bad += rows[i].bad;
        }

        ok(failed == 0, "%s%s%s: %d cases and %d bad ones at %d levels",
           rows[first].op->domain, *rows[first].op->domain ? "." : "",
           rows[first].op->name, i - first - n_bad, n_bad, levels);
    }

    ok(n_rows < CASES_MAX, "%d cases in all", n_rows);
    return done();
}
