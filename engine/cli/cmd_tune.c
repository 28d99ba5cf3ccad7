/*
 * maas tune SPEC: tries values of fields of a specification, each by a
 * training that writes nothing, and trains the best once more into a new
 * version.
 *
 * On a terminal a bar says how many trials are done, and a table follows;
 * otherwise everything is JSON, an object a line.  SIGINT and SIGTERM end a
 * search after the step that runs; what was tried is shown, and --resume goes
 * on from it.
 *
 * Processes of mpirun share the trials of each round; the first tells.
 *
 * Threads: trials one after the other, each on all threads.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/cli_train.h"
#include "train/search_log.h"
#include "train/train_run.h"


#define TUNE_BAR  20

static const char  tune_help[] =
    "usage: maas tune [--resume] [--set PATH=VALUE]... [--threads N]\n"
    "                 [--output STORE] [--no-version] [--json|--text] SPEC\n\n"
    "Tries what the member \"search\" of SPEC (JSON) says, shows a table of\n"
    "the trials, the best first, trains with its values and writes a new\n"
    "version, STORE/NAME/VERSION/, whose lineage.json has the table.\n"
    "Processes that mpirun starts share the trials.\n\n"
    "  --resume         go on from the trials of a search that was ended\n"
    "  --set PATH=VALUE change a member: search.trials=20\n"
    "  --threads N      of compute; all cores by default\n"
    "  --output STORE   folder of models, instead of the specification's\n"
    "  --no-version     the table alone\n"
    "  --json           an object a line, as when stdout is no terminal\n"
    "  --text           the table, wherever stdout goes\n";

typedef struct {
    maas_spec_t        *spec;           /* of the command line */
    json_t             *base;           /* without "search" */
    maas_search_t       r;
    const char         *store;
    int                 threads;
    maas_team_t        *team;
    maas_ranks_t       *ranks;          /* NULL: alone */
    char                part[32];       /* of this rank; "": none */
    const atomic_bool  *cancel;
    bool                json;
    bool                bar;            /* stderr is a terminal */
    bool                version;        /* write one */
    bool                resume;
    bool                logged;         /* log is in use */
    maas_search_log_t   log;
    char                work[3200];     /* folder of the log */
    int                 known;          /* trials that were in it */
    uint64_t            start;
} tune_t;


/* -- a trial ------------------------------------------------------------- */

/* A specification of the search as a whole one; paths start where they did. */
static maas_status_t
tune_parse(const tune_t *c, const json_t *json, maas_spec_t *spec,
    maas_err_t *err)
{
    char           *text = json_dumps(json, JSON_COMPACT);
    maas_status_t   rc;

    if (text == NULL) {
        return maas_err_nomem(err);
    }

    rc = maas_spec_parse(spec, maas_host_default(), text, strlen(text),
                         c->spec->folder, NULL, 0, err);
    free(text);

    return rc;
}


static maas_status_t
tune_value(const json_t *metrics, const char *name, double *score,
    maas_err_t *err)
{
    char          known[400] = "";
    size_t        n = 0;
    json_t       *v, *each;
    const char   *key;

    v = json_object_get(metrics, name);

    if (v != NULL) {
        *score = json_is_number(v) ? json_number_value(v) : NAN;
        return MAAS_OK;
    }

    json_object_foreach((json_t *) (uintptr_t) metrics, key, each) {
        if (n < sizeof(known)) {
            n += (size_t) snprintf(known + n, sizeof(known) - n, "%s%s",
                                   n == 0 ? "" : ", ", key);
        }
    }

    return maas_err(err, MAAS_EINVAL, "nothing is called \"%.60s\"; this "
                    "training measures %.400s%s", name, known,
                    strncmp(name, "validation_", 11) == 0
                    ? "; \"folds\" of the search, or \"validation\" of the "
                      "split, hold rows back" : "");
}


static maas_status_t
tune_trial(void *ctx, const maas_search_run_t *run, double *score,
    maas_err_t *err)
{
    tune_t            *c = ctx;
    maas_spec_t        spec;
    maas_status_t      rc;
    maas_train_job_t   job = { .host = maas_host_default(), .trial = true,
                               .store = c->store, .threads = c->threads,
                               .team = c->team, .cancel = c->cancel,
                               .part = c->part[0] != '\0' ? c->part : NULL,
                               .folds = run->folds, .fold = run->fold };

    MAAS_TRY(tune_parse(c, run->spec, &spec, err));

    if (spec.folds != 0 && run->folds != 0) {
        maas_spec_free(&spec);
        return maas_err(err, MAAS_EINVAL, "\"folds\" are of the search or of "
                        "the training, not of both");
    }

    job.spec = &spec;
    rc = maas_train_run(&job, err);
    maas_spec_free(&spec);

    if (rc == MAAS_OK) {
        rc = tune_value(job.metrics, run->metric, score, err);
    }

    json_decref(job.metrics);
    return rc;
}


/* -- what is told -------------------------------------------------------- */

static void
tune_wipe(const tune_t *c)
{
    if (c->bar) {
        fputs("\r\033[K", stderr);
    }
}


static void
tune_done(void *ctx, const maas_search_trial_t *t, int n, int of)
{
    int         done = n * TUNE_BAR / maas_max(of, 1);
    tune_t     *c = ctx;
    double      left;
    maas_buf_t  b;

    c->known += t->known;

    if (!maas_ranks_tells(c->ranks)) {
        return;
    }

    if (c->json) {
        maas_buf_init(&b, maas_host_default());
        maas_search_trial_json(&b, &c->r, t);

        if (!b.failed) {
            printf("{\"event\":\"trial\",%s%.*s\n",
                   t->known ? "\"resumed\":true," : "", (int) b.len - 1,
                   b.data + 1);
            fflush(stdout);
        }

        maas_buf_destroy(&b);
    }

    if (c->bar) {
        left = (double) (maas_now_ns() - c->start) / 1e9
               / maas_max(n - c->known, 1) * (of - n);
        fprintf(stderr, "\rtrial %d/%d [%.*s%*s]  %s %.5g  %.0f s left"
                "\033[K", n, of, done, "####################",
                TUNE_BAR - done, "", c->r.metric, t->score, left);
    }
}


static void
tune_table(const tune_t *c)
{
    maas_buf_t  b;

    if (c->json || c->r.n == 0 || !maas_ranks_tells(c->ranks)) {
        return;
    }

    maas_buf_init(&b, maas_host_default());
    maas_search_text(&b, &c->r);

    if (!b.failed) {
        fwrite(b.data, 1, b.len, stdout);
    }

    maas_buf_destroy(&b);
}


static void
tune_event(void *ctx, const maas_train_event_t *e)
{
    const tune_t  *c = ctx;

    if (e->kind == MAAS_TRAIN_DONE && c->json) {
        printf("{\"event\":\"done\",%.*s\n", (int) e->text.len - 1,
               e->text.data + 1);
    }
}


/* -- the search ---------------------------------------------------------- */

/*
 * The best values once more, into a version; by the first rank alone where
 * the others cannot help.
 */
static maas_status_t
tune_version(tune_t *c, const char *search, maas_err_t *err)
{
    maas_spec_t        spec;
    maas_status_t      rc;
    maas_train_job_t   job = { .host = maas_host_default(),
                               .store = c->store, .threads = c->threads,
                               .team = c->team, .cancel = c->cancel,
                               .event = tune_event, .ctx = c,
                               .search = search };

    MAAS_TRY(tune_parse(c, c->r.best, &spec, err));

    job.spec = &spec;
    job.ranks = maas_train_shared(spec.model) ? c->ranks : NULL;
    rc = job.ranks == NULL && !maas_ranks_tells(c->ranks)
         ? MAAS_OK : maas_train_run(&job, err);
    maas_spec_free(&spec);

    if (rc == MAAS_OK && !c->json && maas_ranks_tells(c->ranks)) {
        printf("%s\n", job.path);
    }

    return rc;
}


static maas_status_t
tune_result(tune_t *c, maas_err_t *err)
{
    maas_buf_t     b;
    maas_status_t  rc = MAAS_OK;

    maas_buf_init(&b, maas_host_default());
    maas_search_json(&b, &c->r);
    maas_buf_add(&b, "", 1);

    if (b.failed) {
        maas_buf_destroy(&b);
        return maas_err_nomem(err);
    }

    if (c->json && maas_ranks_tells(c->ranks)) {
        printf("{\"event\":\"search\",%s\n", b.data + 1);
        fflush(stdout);
    }

    if (c->version) {
        rc = tune_version(c, b.data, err);
    }

    maas_buf_destroy(&b);
    return rc;
}


/* A field by which other data, or another source, are read. */
static const char *
tune_reads(const json_t *search)
{
    size_t                    i;
    json_t                   *v, *each;
    const char               *key;
    static const char *const  names[] = { "data", "data.path",
                                          "model.source" };

    json_object_foreach(json_object_get(search, "fields"), key, v) {
        for (i = 0; i < maas_nelts(names); i++) {
            if (strcmp(key, names[i]) == 0) {
                return key;
            }
        }

        json_array_foreach(v, i, each) {
            if (json_object_get(each, "source") != NULL) {
                return key;
            }
        }
    }

    return NULL;
}


/*
 * The trials are kept beside the model until the search is at its end.  A
 * specification of which only trials can be read is searched without.
 */
static maas_status_t
tune_log(tune_t *c, maas_err_t *err)
{
    uint8_t            digest[MAAS_DIGEST] = { 0 };
    const char        *field = tune_reads(c->spec->search);
    maas_status_t      rc = MAAS_OK;
    maas_train_job_t   job = { .spec = c->spec, .host = maas_host_default(),
                               .store = c->store, .cancel = c->cancel };
    struct {
        char  work[sizeof(c->work)];
        bool  logged;
    }                  m = { .logged = false };

    if (c->ranks == NULL || c->ranks->rank == 0) {
        rc = field == NULL ? maas_train_digest(&job, digest, err)
             : maas_err(err, MAAS_EUNSUPPORTED, "a search over \"%.60s\" "
                        "reads other files for each trial, and cannot go on "
                        "from an earlier one", field);
        m.logged = rc == MAAS_OK;
        snprintf(m.work, sizeof(m.work), "%s", job.path);
        rc = c->resume || rc == MAAS_ECANCEL || rc == MAAS_EBUSY
             ? rc : MAAS_OK;
    }

    MAAS_TRY(maas_ranks_meet(c->ranks, rc, NULL, 0, err));
    maas_ranks_share(c->ranks, 0, &m, sizeof(m));
    maas_ranks_share(c->ranks, 0, digest, sizeof(digest));

    if (!m.logged) {
        return MAAS_OK;
    }

    memcpy(c->work, m.work, sizeof(c->work));
    c->logged = true;
    return maas_search_log_open(&c->log, c->work, digest, c->ranks,
                                c->resume, err);
}


static maas_status_t
tune_search(tune_t *c, maas_err_t *err)
{
    maas_status_t       rc;
    maas_search_job_t   job = { .base = c->base, .search = c->spec->search,
                                .run = tune_trial, .done = tune_done,
                                .ctx = c, .cancel = c->cancel,
                                .ranks = c->ranks,
                                .host = maas_host_default() };

    MAAS_TRY(tune_log(c, err));

    job.log = c->logged ? &c->log : NULL;
    c->start = maas_now_ns();
    rc = maas_search(&job, &c->r, err);

    tune_wipe(c);
    tune_table(c);

    return rc == MAAS_OK ? tune_result(c, err) : rc;
}


static maas_status_t
tune_run(void *ctx, maas_team_t *team, maas_err_t *err)
{
    tune_t         *c = ctx;
    maas_status_t   rc;

    c->team = team;
    rc = tune_search(c, err);

    if (c->logged) {
        /* nobody writes when the first rank removes the files */
        maas_status_t  all = maas_ranks_meet(c->ranks, rc, NULL, 0, err);

        maas_search_log_close(&c->log, all == MAAS_OK);
        rc = all;
    }

    return rc;
}


/* All ranks search the same. */
static maas_status_t
tune_same(const tune_t *c, maas_err_t *err)
{
    char        *text;
    uint8_t      own[MAAS_DIGEST], first[MAAS_DIGEST];
    maas_sha_t  *sha;

    if (c->ranks == NULL) {
        return MAAS_OK;
    }

    text = json_dumps(c->spec->json, JSON_COMPACT | JSON_SORT_KEYS);
    sha = maas_sha_create();

    if (text == NULL || sha == NULL) {
        free(text);
        return maas_err_nomem(err);
    }

    maas_sha_update(sha, text, strlen(text));
    maas_sha_final(sha, own);
    free(text);

    MAAS_TRY(maas_ranks_meet(c->ranks, MAAS_OK, NULL, 0, err));
    memcpy(first, own, MAAS_DIGEST);
    maas_ranks_share(c->ranks, 0, first, MAAS_DIGEST);

    return memcmp(first, own, MAAS_DIGEST) == 0 ? MAAS_OK
           : maas_err(err, MAAS_EINVAL, "rank %d has another specification "
                      "than rank 0", c->ranks->rank);
}


static maas_status_t
tune_spec(tune_t *c, maas_err_t *err)
{
    maas_status_t      rc;
    maas_train_job_t   job = { .spec = c->spec, .store = c->store };

    if (c->spec->search == NULL) {
        return maas_err(err, MAAS_EINVAL, "the specification has no "
                        "\"search\": {\"type\": \"grid\", \"fields\": "
                        "{\"optimizer.learning_rate\": [0.1, 0.01]}}");
    }

    MAAS_TRY(tune_same(c, err));

    c->base = json_deep_copy(c->spec->json);
    if (c->base == NULL) {
        return maas_err_nomem(err);
    }

    if (c->ranks != NULL && c->ranks->rank != 0) {
        snprintf(c->part, sizeof(c->part), "rank.%d", c->ranks->rank);
        job.part = c->part;
    }

    json_object_del(c->base, "search");
    c->cancel = cli_train_signals();
    rc = cli_train_on_team(c->threads, tune_run, c, err);

    maas_search_free(&c->r);
    json_decref(c->base);
    maas_train_part_end(&job);

    return rc;
}


/* Alone or as a rank; then what the other ranks came to. */
static int
tune_ranks(tune_t *c, const char *path, const cli_list_t *set)
{
    int            code = CLI_OK;
    maas_err_t     err;
    maas_spec_t    spec;
    maas_status_t  rc;

    rc = maas_ranks_open(&c->ranks, &err);

    if (rc == MAAS_OK) {
        rc = maas_spec_read(&spec, maas_host_default(), path, set->v, set->n,
                            &err);

        if (rc == MAAS_OK) {
            c->spec = &spec;
            rc = tune_spec(c, &err);
            maas_spec_free(&spec);
        }

        rc = maas_ranks_meet(c->ranks, rc, NULL, 0, &err);
    }

    if (rc != MAAS_OK) {
        code = !maas_ranks_tells(c->ranks) ? CLI_FAILED
               : cli_fail("%s%s", err.text, rc == MAAS_ECANCEL && c->logged
                          ? "; --resume goes on from here" : "");
    }

    /* When one has ended with an error, mpirun ends the others. */
    maas_ranks_close(c->ranks);
    return code;
}


int
cmd_tune(int argc, char **argv)
{
    int           rc;
    bool          json = false, text = false, none = false;
    tune_t        c = { 0 };
    int64_t       threads = maas_ranks_threads(maas_cores());
    cli_list_t    rest = { 0 }, set = { 0 };
    cli_option_t  opts[] = {
        { "--resume", CLI_FLAG, &c.resume },
        { "--set", CLI_MANY, &set },
        { "--threads", CLI_INT, &threads },
        { "--output", CLI_TEXT, &c.store },
        { "--no-version", CLI_FLAG, &none },
        { "--json", CLI_FLAG, &json },
        { "--text", CLI_FLAG, &text },
        { NULL, 0, NULL }
    };

    rc = cli_options(argc, argv, opts, &rest, tune_help);
    if (rc != -1) {
        return rc;
    }

    if (rest.n != 1) {
        return cli_usage(rest.n == 0 ? "which specification?"
                                     : "one specification at a time, please");
    }

    if (json && text) {
        return cli_usage("--json or --text?");
    }

    c.threads = (int) maas_min(threads, 1024);
    c.version = !none;
    c.json = json || (!text && !isatty(STDOUT_FILENO));
    c.bar = !json && isatty(STDERR_FILENO) && maas_ranks_tells(NULL);

    return tune_ranks(&c, rest.v[0], &set);
}
