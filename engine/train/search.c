/*
 * search: the trials of a grid, of random values, or of successive halving
 * (Jamieson and Talwalkar 2016): all with little of a resource, the best
 * part of them with more, until one is left or has it all.
 *
 * Ownership: trials lie in the arena of the result, JSON values in
 *            references of their own.
 * Threads:   one thread.
 *
 * An entry of the table is added before its round runs; what was not run has
 * an error that says so.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "train/fit_metrics.h"
#include "train/params.h"
#include "train/search_field.h"
#include "train/search_log.h"


#define SEARCH_RUNGS   64


typedef struct {
    int64_t        type, goal, trials, seed, folds;
    maas_str_t     metric, resource;
    double         min, max, factor;
    const json_t  *fields;
} search_param_t;

typedef struct {
    const maas_search_job_t  *job;
    maas_search_t            *r;
    search_param_t            p;
    maas_search_cells_t       c;
    int                       cap;      /* of r->trial */
    int                       planned;  /* trials of all rungs */
    maas_err_t               *err;
} search_t;

static const char *const  search_types[] = { "grid", "random", "halving",
                                             NULL };
static const char *const  search_goals[] = { "", "min", "max", NULL };

#define at(m)  .off = offsetof(search_param_t, m)

static const maas_param_t  search_params[] = {
    { .name = "type", .type = MAAS_PARAM_WORD, .words = search_types,
      .required = true, at(type) },
    { .name = "fields", .type = MAAS_PARAM_JSON, .required = true,
      at(fields) },
    { .name = "metric", .type = MAAS_PARAM_TEXT, at(metric) },
    { .name = "goal", .type = MAAS_PARAM_WORD, .words = search_goals,
      at(goal) },
    { .name = "folds", .type = MAAS_PARAM_INT, .min = 0,
      .max = MAAS_SEARCH_FOLDS, at(folds) },
    { .name = "seed", .type = MAAS_PARAM_INT, .def = 1, at(seed) },
    { .name = "trials", .type = MAAS_PARAM_INT, .min = 1,
      .max = MAAS_SEARCH_TRIALS, at(trials) },
    { .name = "resource", .type = MAAS_PARAM_TEXT, at(resource) },
    { .name = "min", .type = MAAS_PARAM_NUMBER, .min = 0, .max = 1e300,
      .open = true, .def = 1, at(min) },
    { .name = "max", .type = MAAS_PARAM_NUMBER, .min = 0, .max = 1e300,
      .open = true, at(max) },
    { .name = "factor", .type = MAAS_PARAM_NUMBER, .min = 1, .max = 1000,
      .open = true, .def = 3, at(factor) },
};

#undef at


#define search_err(...)  maas_err(s->err, MAAS_EINVAL, "search: " __VA_ARGS__)


/* -- what is searched ---------------------------------------------------- */

/* validation_auc becomes validation_roc_auc, the name in "done". */
static maas_status_t
search_metric(search_t *s, int *metric)
{
    char                      name[100];
    size_t                    skip = 0;
    maas_str_t                v = s->p.metric;
    static const char *const  prefix[] = { "validation_", "test_" };

    *metric = -1;

    if (v.len == 0) {
        s->r->metric = "validation_loss";
        return MAAS_OK;
    }

    for (size_t i = 0; i < maas_nelts(prefix); i++) {
        if (v.len > strlen(prefix[i])
            && memcmp(v.data, prefix[i], strlen(prefix[i])) == 0)
        {
            skip = strlen(prefix[i]);
        }
    }

    *metric = maas_fit_metric_find((maas_str_t) { v.data + skip,
                                                  v.len - skip });

    if (*metric >= 0) {
        v.len = (size_t) snprintf(name, sizeof(name), "%.*s%s", (int) skip,
                                  v.data, maas_fit_metric_name(*metric));
        v.data = name;
    }

    s->r->metric = maas_arena_str(&s->r->mem, v.data, v.len).data;

    return s->r->metric != NULL ? MAAS_OK : maas_err_nomem(s->err);
}


static maas_status_t
search_goal(search_t *s, int metric)
{
    size_t       n;
    const char  *name = s->r->metric;

    if (s->p.goal != 0) {
        s->r->less = s->p.goal == 1;
        return MAAS_OK;
    }

    if (metric >= 0) {
        s->r->less = !maas_fit_metric_more(metric);
        return MAAS_OK;
    }

    n = strlen(name);
    s->r->less = (n >= 4 && strcmp(name + n - 4, "loss") == 0)
                 || (n >= 5 && strcmp(name + n - 5, "error") == 0);

    return s->r->less ? MAAS_OK
           : search_err("is \"%.60s\" to be small or large?  \"goal\": "
                        "\"min\" or \"max\"", name);
}


static maas_status_t
search_fields(search_t *s)
{
    json_t      *v;
    const char  *key, *path;

    if (!json_is_object(s->p.fields) || json_object_size(s->p.fields) == 0) {
        return search_err("fields: an object is expected, {\"path\": [values]"
                          "}");
    }

    s->c.field = maas_arena_array(&s->r->mem, json_object_size(s->p.fields),
                                  sizeof(*s->c.field));
    if (s->c.field == NULL) {
        return maas_err_nomem(s->err);
    }

    json_object_foreach((json_t *) (uintptr_t) s->p.fields, key, v) {
        path = maas_arena_str(&s->r->mem, key, strlen(key)).data;
        if (path == NULL) {
            return maas_err_nomem(s->err);
        }

        if (maas_search_field(&s->c.field[s->c.n_field], path, v,
                              s->p.type == MAAS_SEARCH_GRID, s->err)
            != MAAS_OK)
        {
            return maas_err_prefix(s->err, "search");
        }

        s->c.n_field++;
    }

    return MAAS_OK;
}


static maas_status_t
search_check(search_t *s)
{
    int             metric;
    maas_search_t  *r = s->r;

    r->type = (maas_search_type_t) s->p.type;
    r->folds = (int) s->p.folds;
    r->seed = (uint64_t) s->p.seed;
    MAAS_TRY(search_metric(s, &metric));

    if (r->folds == 1) {
        return search_err("folds: 1 fold leaves nothing to learn from; "
                          "expected 0 or at least 2");
    }

    MAAS_TRY(search_goal(s, metric));

    if (r->type != MAAS_SEARCH_HALVING) {
        return s->p.resource.len == 0 ? MAAS_OK
               : search_err("\"resource\" is of type \"halving\"");
    }

    r->resource = maas_arena_str(&r->mem, s->p.resource.data,
                                 s->p.resource.len).data;

    if (s->p.resource.len == 0 || s->p.max == 0) {
        return search_err("halving takes \"resource\", the field of which the "
                          "best get more, and its \"max\"");
    }

    if (!(s->p.max > s->p.min)) {
        return search_err("max is %g and min is %g: max must be above",
                          s->p.max, s->p.min);
    }

    return r->resource != NULL ? MAAS_OK : maas_err_nomem(s->err);
}


/* -- runs ---------------------------------------------------------------- */

static maas_status_t
search_spec(search_t *s, const json_t *values, double resource, json_t **spec)
{
    json_t         *copy, *v;
    const char     *path;
    maas_status_t   rc = MAAS_OK;

    copy = json_deep_copy(s->job->base);
    if (copy == NULL) {
        return maas_err_nomem(s->err);
    }

    json_object_foreach((json_t *) (uintptr_t) values, path, v) {
        json_t  *own = json_deep_copy(v);

        rc = own == NULL ? maas_err_nomem(s->err)
             : maas_search_set(copy, path, own, "search: fields: ", s->err);
        json_decref(own);

        if (rc != MAAS_OK) {
            break;
        }
    }

    if (rc == MAAS_OK && s->r->resource != NULL) {
        v = resource == rint(resource) && resource < 0x1p53
            ? json_integer((json_int_t) resource) : json_real(resource);
        rc = v == NULL ? maas_err_nomem(s->err)
             : maas_search_set(copy, s->r->resource, v, "search: resource: ",
                               s->err);
        json_decref(v);
    }

    if (rc != MAAS_OK) {
        json_decref(copy);
        return rc;
    }

    *spec = copy;
    return MAAS_OK;
}


static void
search_mean(maas_search_trial_t *t, int folds)
{
    double  sum = 0, sq = 0;

    for (int i = 0; i < folds; i++) {
        sum += t->fold[i];
    }

    t->score = sum / folds;

    for (int i = 0; i < folds; i++) {
        sq += (t->fold[i] - t->score) * (t->fold[i] - t->score);
    }

    t->std = sqrt(sq / folds);
}


/* One trial: its folds.  A failure that is its own is kept in it. */
static maas_status_t
search_score(search_t *s, maas_search_trial_t *t, const json_t *spec)
{
    double             score;
    maas_err_t         err;
    maas_status_t      rc;
    maas_search_run_t  run = { .spec = spec, .metric = s->r->metric,
                               .trial = t->trial, .rung = t->rung,
                               .folds = s->r->folds };

    for (int i = 0; i < maas_max(1, s->r->folds); i++) {
        if (s->job->cancel != NULL && *s->job->cancel) {
            return maas_err(s->err, MAAS_ECANCEL, "stopped before trial %d",
                            t->trial);
        }

        run.fold = i;
        score = NAN;
        err.text[0] = '\0';
        rc = s->job->run(s->job->ctx, &run, &score, &err);

        if (rc == MAAS_ECANCEL || rc == MAAS_ENOMEM) {
            return maas_err(s->err, rc, "trial %d: %s", t->trial, err.text);
        }

        if (rc == MAAS_OK && !isfinite(score)) {
            rc = maas_err(&err, MAAS_EINVAL, "%s is %s", s->r->metric,
                          isnan(score) ? "nan" : "infinite");
        }

        if (rc != MAAS_OK) {
            t->error = maas_arena_str(&s->r->mem, err.text,
                                      strlen(err.text)).data;
            t->score = NAN;
            return t->error != NULL ? MAAS_OK : maas_err_nomem(s->err);
        }

        t->score = score;

        if (t->fold != NULL) {
            t->fold[i] = score;
        }
    }

    if (t->fold != NULL) {
        search_mean(t, s->r->folds);
    }

    return MAAS_OK;
}


/* An entry of the table for a trial that is to run. */
static maas_status_t
search_add(search_t *s, int trial, int rung, double resource)
{
    maas_search_trial_t  *t = &s->r->trial[s->r->n];

    t->trial = trial;
    t->rung = rung;
    t->resource = resource;
    t->score = NAN;
    t->error = "it was not finished";
    t->values = json_incref(s->c.values[trial]);
    s->r->n++;

    if (s->r->folds > 0) {
        t->fold = maas_arena_array(&s->r->mem, (size_t) s->r->folds,
                                   sizeof(double));
        if (t->fold == NULL) {
            return maas_err_nomem(s->err);
        }
    }

    return MAAS_OK;
}


static bool
search_known(search_t *s, maas_search_trial_t *t)
{
    t->known = s->job->log != NULL
               && maas_search_log_find(s->job->log, s->r->folds, t);

    if (t->known) {
        t->error = NULL;

        if (t->fold != NULL) {
            search_mean(t, s->r->folds);
        }
    }

    return t->known;
}


static maas_status_t
search_run(search_t *s, maas_search_trial_t *t)
{
    json_t         *spec;
    uint64_t        start = maas_now_ns();
    const char     *unfinished = t->error;
    maas_status_t   rc;

    MAAS_TRY(search_spec(s, t->values, t->resource, &spec));

    t->error = NULL;
    rc = search_score(s, t, spec);
    json_decref(spec);
    t->seconds = (double) (maas_now_ns() - start) / 1e9;

    if (rc == MAAS_OK && t->error == NULL && s->job->log != NULL) {
        rc = maas_search_log_add(s->job->log, s->r->folds, t, s->err);
    }

    if (rc != MAAS_OK) {
        t->score = NAN;
        t->error = unfinished;
    }

    return rc;
}


static void
search_told(const search_t *s, const maas_search_trial_t *t)
{
    if (s->job->done != NULL) {
        s->job->done(s->job->ctx, t, (int) (t - s->r->trial) + 1,
                     s->planned);
    }
}


/* What rank `root` found of a trial; rc: of this rank so far. */
static maas_status_t
search_share(search_t *s, maas_search_trial_t *t, int root,
    maas_status_t rc)
{
    maas_ranks_t  *r = s->job->ranks;
    struct {
        double  score, std, seconds;
        char    error[MAAS_ERR_TEXT];
    }              m = { .score = t->score, .std = t->std,
                         .seconds = t->seconds };

    snprintf(m.error, sizeof(m.error), "%s",
             t->error != NULL ? t->error : "");
    maas_ranks_share(r, root, &m, sizeof(m));

    if (t->fold != NULL) {
        maas_ranks_share(r, root, t->fold,
                         (size_t) s->r->folds * sizeof(double));
    }

    t->score = m.score;
    t->std = m.std;
    t->seconds = m.seconds;
    t->error = NULL;

    if (m.error[0] != '\0') {
        t->error = maas_arena_str(&s->r->mem, m.error,
                                  strlen(m.error)).data;
        rc = t->error == NULL ? maas_err_nomem(s->err) : rc;
    }

    return rc;
}


/* Entries from number n on were not tried. */
static void
search_cut(search_t *s, int n)
{
    while (s->r->n > n) {
        json_decref(s->r->trial[--s->r->n].values);
    }
}


/* Runs the entries from number `first` on. */
static maas_status_t
search_round(search_t *s, int first)
{
    maas_ranks_t         *r = s->job->ranks;
    maas_status_t         rc = MAAS_OK;
    maas_search_trial_t  *t = s->r->trial;

    for (int i = first; i < s->r->n && rc == MAAS_OK; i++) {
        if (!search_known(s, &t[i])
            && (r == NULL || (i - first) % r->n == r->rank))
        {
            rc = search_run(s, &t[i]);
        }

        if (r == NULL && rc == MAAS_OK) {
            search_told(s, &t[i]);

        } else if (r == NULL) {
            search_cut(s, i + 1);
        }
    }

    if (r == NULL) {
        return rc;
    }

    MAAS_TRY(maas_ranks_meet(r, rc, NULL, 0, s->err));

    for (int i = first; i < s->r->n; i++) {
        rc = search_share(s, &t[i], (i - first) % r->n, rc);

        if (rc == MAAS_OK) {
            search_told(s, &t[i]);
        }
    }

    return maas_ranks_meet(r, rc, NULL, 0, s->err);
}


/* Higher rungs first; of a rung the best, of equal ones the first. */
static int
search_order(const maas_search_trial_t *a, const maas_search_trial_t *b,
    bool less)
{
    if (isnan(a->score) != isnan(b->score)) {
        return isnan(a->score) ? 1 : -1;
    }

    if (a->rung != b->rung) {
        return b->rung - a->rung;
    }

    if (a->score != b->score && !isnan(a->score)) {
        return (a->score < b->score) == less ? -1 : 1;
    }

    return a->trial - b->trial;
}


static int
search_order_less(const void *a, const void *b)
{
    return search_order(a, b, true);
}


static int
search_order_more(const void *a, const void *b)
{
    return search_order(a, b, false);
}


static void
search_sort(const maas_search_t *r, maas_search_trial_t *t, int n)
{
    qsort(t, (size_t) n, sizeof(*t), r->less ? search_order_less
                                             : search_order_more);
}


static maas_status_t
search_room(search_t *s, int n)
{
    s->planned = n;
    s->r->trial = maas_arena_array(&s->r->mem, (size_t) n,
                                   sizeof(*s->r->trial));

    return s->r->trial != NULL ? MAAS_OK : maas_err_nomem(s->err);
}


/* -- the three ways ------------------------------------------------------ */

static maas_status_t
search_all(search_t *s)
{
    MAAS_TRY(search_room(s, s->c.n_trial));

    for (int i = 0; i < s->c.n_trial; i++) {
        MAAS_TRY(search_add(s, i, 0, 0));
    }

    return search_round(s, 0);
}


static double
search_resource(const search_t *s, int rung)
{
    double  v = s->p.min * pow(s->p.factor, rung);

    /* an integer stays one */
    if (s->p.min == rint(s->p.min) && s->p.max == rint(s->p.max)) {
        v = rint(v);
    }

    return v < s->p.max * (1 - 1e-9) ? v : s->p.max;
}


/* Trials of each rung; returns how many rungs there are. */
static int
search_rungs(const search_t *s, int n[SEARCH_RUNGS])
{
    int  k = 0, left = s->c.n_trial;

    while (k < SEARCH_RUNGS) {
        n[k++] = left;

        if (left == 1 || search_resource(s, k - 1) >= s->p.max) {
            break;
        }

        left = maas_max(1, (int) (left / s->p.factor));
    }

    return k;
}


static maas_status_t
search_halving(search_t *s)
{
    int                   n[SEARCH_RUNGS], k, first, all = 0;
    maas_search_trial_t  *t;

    k = search_rungs(s, n);

    for (int i = 0; i < k; i++) {
        all += n[i];
    }

    MAAS_TRY(search_room(s, all));

    for (int i = 0; i < n[0]; i++) {
        MAAS_TRY(search_add(s, i, 0, search_resource(s, 0)));
    }

    MAAS_TRY(search_round(s, 0));

    for (int i = 1; i < k; i++) {
        first = s->r->n;
        t = &s->r->trial[first - n[i - 1]];
        search_sort(s->r, t, n[i - 1]);

        for (int j = 0; j < n[i]; j++) {
            if (isnan(t[j].score)) {
                n[i] = j;
                break;
            }

            MAAS_TRY(search_add(s, t[j].trial, i, search_resource(s, i)));
        }

        if (n[i] == 0) {
            break;
        }

        MAAS_TRY(search_round(s, first));
    }

    return MAAS_OK;
}


/* As many as leave one for the last rung. */
static int
search_trials(const search_t *s)
{
    double  n;

    if (s->p.trials != 0) {
        return (int) s->p.trials;
    }

    if (s->r->type != MAAS_SEARCH_HALVING) {
        return 10;
    }

    n = pow(s->p.factor, floor(log(s->p.max / s->p.min) / log(s->p.factor)
                               + 1e-9));
    return (int) fmin(fmax(1, n), 1000);
}


static maas_status_t
search_start(search_t *s)
{
    json_t         *spec;
    maas_status_t   rc;

    MAAS_TRY(search_check(s));
    MAAS_TRY(search_fields(s));
    MAAS_TRY(s->r->type == MAAS_SEARCH_GRID ? maas_search_grid(&s->c, s->err)
             : maas_search_draws(&s->c, s->r->seed, search_trials(s),
                                 s->err));

    /* a wrong path is told before anything runs */
    MAAS_TRY(search_spec(s, s->c.values[0], s->p.min, &spec));
    json_decref(spec);

    rc = s->r->type == MAAS_SEARCH_HALVING ? search_halving(s)
                                           : search_all(s);
    search_sort(s->r, s->r->trial, s->r->n);
    MAAS_TRY(rc);

    if (isnan(s->r->trial[0].score)) {
        return search_err("all %d trials failed; trial %d: %.300s", s->r->n,
                          s->r->trial[0].trial, s->r->trial[0].error);
    }

    return search_spec(s, s->r->trial[0].values, s->p.max, &s->r->best);
}


maas_status_t
maas_search(const maas_search_job_t *job, maas_search_t *r, maas_err_t *err)
{
    search_t       s = { .job = job, .r = r, .err = err };
    maas_err_t     own;
    maas_arena_t   mem;
    maas_status_t  rc;

    memset(r, 0, sizeof(*r));
    maas_arena_init(&r->mem, job->host, 0);
    maas_arena_init(&mem, job->host, 0);

    s.c.mem = &r->mem;
    s.err = err != NULL ? err : &own;
    rc = json_is_object(job->search)
         ? maas_params_parse(&mem, job->search, search_params,
                             maas_nelts(search_params), NULL, "search", &s.p,
                             s.err)
         : maas_err(s.err, MAAS_EINVAL, "search: an object is expected");

    if (rc == MAAS_OK) {
        rc = search_start(&s);
    }

    for (int i = 0; i < s.c.n_trial; i++) {
        json_decref(s.c.values[i]);
    }

    for (int i = 0; i < s.c.n_field; i++) {
        json_decref(s.c.field[i].list);
    }

    maas_arena_destroy(&mem);
    return rc;
}


void
maas_search_free(maas_search_t *r)
{
    for (int i = 0; i < r->n; i++) {
        json_decref(r->trial[i].values);
    }

    json_decref(r->best);
    maas_arena_destroy(&r->mem);
    memset(r, 0, sizeof(*r));
}
