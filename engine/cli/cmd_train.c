/*
 * maas train SPEC: from a specification to a new version of a model.
 *
 * On a terminal, epochs are lines and a bar says how far the one that goes on
 * is; otherwise everything is JSON, an object a line.  SIGINT and SIGTERM end
 * a run after its step, with a checkpoint.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/cli_train.h"
#include "train/train_run.h"


#define TRAIN_BAR     20
#define TRAIN_BAR_NS  100000000u        /* from one picture to the next */

static const char  train_help[] =
    "usage: maas train [--resume] [--set PATH=VALUE]... [--threads N]\n"
    "                  [--output STORE] [--log-steps N] [--json] SPEC\n"
    "       maas train --describe\n\n"
    "Trains what SPEC (JSON) describes and writes a new version,\n"
    "STORE/NAME/VERSION/, with model.onnx, model.json, labels.txt and\n"
    "lineage.json.  Processes that mpirun starts share each batch of a\n"
    "network.\n\n"
    "  --resume         go on from the checkpoint of a run that was ended\n"
    "  --set PATH=VALUE change a member: optimizer.learning_rate=0.01\n"
    "  --threads N      of compute; all cores by default, or a rank's share\n"
    "  --output STORE   folder of models, instead of the specification's\n"
    "  --log-steps N    with JSON: the loss of every N-th step\n"
    "  --json           an object a line, as when stdout is no terminal\n"
    "  --describe       layers, losses, estimators, agents, ... and all keys\n";

typedef struct {
    maas_train_job_t  *job;
    bool               json;
    int64_t            log_steps;
    bool               bar;             /* stderr is a terminal */
    bool               drawn;
    uint64_t           start;           /* of this epoch, as seen here */
    int64_t            start_batch;
    uint64_t           last;
} train_cli_t;


/* -- what is told -------------------------------------------------------- */

static void
train_wipe(train_cli_t *c)
{
    if (c->drawn) {
        fputs("\r\033[K", stderr);
        c->drawn = false;
    }
}


static void
train_bar(train_cli_t *c, const char *what, uint64_t done, uint64_t of,
    const char *tail)
{
    int  n = of == 0 ? 0 : (int) (done * TRAIN_BAR / of);

    if (!c->bar) {
        return;
    }

    c->drawn = true;
    fprintf(stderr, "\r%s [%.*s%*s] %llu/%llu%s\033[K", what, n,
            "####################", TRAIN_BAR - n, "",
            (unsigned long long) done, (unsigned long long) of, tail);
}


static void
train_step_event(train_cli_t *c, const maas_train_event_t *e)
{
    char                   what[48], tail[96];
    double                 left;
    uint64_t               now = maas_now_ns();
    const maas_trainer_t  *t = e->trainer;

    if (c->log_steps != 0 && t->st.step % c->log_steps == 0 && c->json) {
        printf("{\"event\":\"step\",\"step\":%lld,\"epoch\":%lld,"
               "\"loss\":%.9g,\"learning_rate\":%.9g,\"gradient\":%.9g}\n",
               (long long) t->st.step, (long long) t->st.epoch + 1,
               (double) t->loss, t->st.rate, t->norm);
    }

    if (!c->bar || now - c->last < TRAIN_BAR_NS) {
        return;
    }

    if (c->start == 0) {
        c->start = now;
        c->start_batch = t->st.batch;
    }

    c->last = now;
    left = (double) (now - c->start) / 1e9
           / maas_max((double) (t->st.batch - c->start_batch), 1)
           * (double) (t->batches - t->st.batch);
    snprintf(what, sizeof(what), "epoch %lld/%lld",
             (long long) t->st.epoch + 1, (long long) t->o.epochs);
    snprintf(tail, sizeof(tail), "  loss %.4f  %.0f s left",
             t->st.train.loss / maas_max((double) t->st.train.items, 1),
             left);
    train_bar(c, what, (uint64_t) t->st.batch, (uint64_t) t->batches, tail);
}


static void
train_values(const char *text)
{
    void          *it;
    json_t        *o = json_loads(text, 0, NULL);
    const json_t  *v;

    for (it = json_object_iter(o); it != NULL;
         it = json_object_iter_next(o, it))
    {
        v = json_object_iter_value(it);

        if (json_is_real(v) || json_is_null(v)) {
            printf("  %s %.5g", json_object_iter_key(it),
                   json_is_null(v) ? NAN : json_real_value(v));
        }
    }

    printf("\n");
    json_decref(o);
}


/* text: an object; its members behind the event's name. */
static void
train_line(const char *event, const maas_train_event_t *e)
{
    char  fold[40] = "";

    if (e->fold != 0 && e->kind == MAAS_TRAIN_EPOCH) {
        snprintf(fold, sizeof(fold), ",\"fold\":%lld", (long long) e->fold);
    }

    printf("{\"event\":\"%s\"%s,%.*s\n", event, fold,
           (int) e->text.len - 1, e->text.data + 1);
}


static void
train_epoch_event(train_cli_t *c, const maas_train_event_t *e)
{
    char  text[4096];

    c->start = 0;

    if (c->json) {
        train_line("epoch", e);
        return;
    }

    snprintf(text, sizeof(text), "%.*s", (int) e->text.len, e->text.data);

    if (e->fold != 0) {
        printf("fold %lld  ", (long long) e->fold);
    }

    printf("epoch %lld/%lld", (long long) e->trainer->st.epoch + 1,
           (long long) e->trainer->o.epochs);
    train_values(text);
}


static void
train_begin_event(train_cli_t *c, const maas_train_event_t *e)
{
    const maas_trainer_t  *t = e->trainer;

    if (!c->json) {
        printf("%s%lld rows, %lld for validation, %lld weights\n",
               t->o.resume ? "resumes where it was; " : "",
               (long long) t->o.n_train, (long long) t->o.n_validation,
               (long long) t->o.weights->total);
    }
}


static void
train_episodes_event(train_cli_t *c, const maas_train_event_t *e)
{
    char  text[1024];

    if (c->json) {
        train_line("episodes", e);
        return;
    }

    snprintf(text, sizeof(text), "%.*s", (int) e->text.len, e->text.data);
    printf("episode %llu/%llu", (unsigned long long) e->done,
           (unsigned long long) e->of);
    train_values(text);
}


static void
train_event(void *ctx, const maas_train_event_t *e)
{
    train_cli_t  *c = ctx;

    if (e->kind != MAAS_TRAIN_STEP && e->kind != MAAS_TRAIN_IMPORT
        && e->kind != MAAS_TRAIN_FIT)
    {
        train_wipe(c);
    }

    switch (e->kind) {

    case MAAS_TRAIN_IMPORT:
        train_bar(c, "import", e->done >> 20, e->of >> 20, " MiB");
        break;

    case MAAS_TRAIN_BEGIN:
        train_begin_event(c, e);
        break;

    case MAAS_TRAIN_STEP:
        train_step_event(c, e);
        break;

    case MAAS_TRAIN_EPOCH:
        train_epoch_event(c, e);
        break;

    case MAAS_TRAIN_FIT:
        train_bar(c, "fit", e->done, e->of, "");
        break;

    case MAAS_TRAIN_FOLD:
        if (c->json) {
            train_line("fold", e);
        }

        break;

    case MAAS_TRAIN_EPISODES:
        train_episodes_event(c, e);
        break;

    case MAAS_TRAIN_DONE:
        if (c->json) {
            train_line("done", e);
        }
    }

    fflush(stdout);
}


/* -- the run ------------------------------------------------------------- */

static maas_status_t
train_run(void *ctx, maas_team_t *team, maas_err_t *err)
{
    train_cli_t  *c = ctx;

    c->job->team = team;

    return maas_train_run(c->job, err);
}


/* On the team or alone; then what the other ranks came to. */
static maas_status_t
train_ranks(train_cli_t *c, const char *path, const cli_list_t *set,
    maas_err_t *err)
{
    maas_spec_t    spec;
    maas_status_t  rc;

    rc = maas_spec_read(&spec, maas_host_default(), path, set->v, set->n,
                        err);

    if (rc == MAAS_OK) {
        c->job->spec = &spec;
        rc = cli_train_on_team(c->job->threads, train_run, c, err);
        maas_spec_free(&spec);
    }

    return maas_ranks_meet(c->job->ranks, rc, NULL, 0, err);
}


static int
train_end(const train_cli_t *c, maas_status_t rc, const maas_err_t *err)
{
    if (!maas_ranks_tells(c->job->ranks)) {
        return rc == MAAS_OK ? CLI_OK : CLI_FAILED;
    }

    if (rc == MAAS_ECANCEL && c->job->resumable) {
        return cli_fail("%s; --resume goes on from here", err->text);
    }

    if (rc != MAAS_OK) {
        return cli_fail("%s", err->text);
    }

    if (!c->json) {
        printf("%s\n", c->job->path);
        fflush(stdout);
    }

    return CLI_OK;
}


static int
train_spec(train_cli_t *c, const char *path, const cli_list_t *set)
{
    int            code;
    maas_err_t     err;
    maas_status_t  rc;

    rc = maas_init(NULL, &err);

    if (rc == MAAS_OK) {
        rc = maas_ranks_open(&c->job->ranks, &err);
    }

    c->job->host = maas_host_default();
    c->job->cancel = cli_train_signals();
    c->job->event = train_event;
    c->job->ctx = c;

    if (rc == MAAS_OK) {
        rc = train_ranks(c, path, set, &err);
    }

    train_wipe(c);
    code = train_end(c, rc, &err);

    /* When one has ended with an error, mpirun ends the others. */
    maas_ranks_close(c->job->ranks);
    return code;
}


int
cmd_train(int argc, char **argv)
{
    int                rc;
    bool               json = false, resume = false, describe = false;
    int64_t            threads = maas_ranks_threads(maas_cores());
    int64_t            steps = 0;
    cli_list_t         rest = { 0 }, set = { 0 };
    const char        *output = NULL;
    train_cli_t        c = { 0 };
    maas_train_job_t   job = { 0 };
    cli_option_t       opts[] = {
        { "--resume", CLI_FLAG, &resume },
        { "--set", CLI_MANY, &set },
        { "--threads", CLI_INT, &threads },
        { "--output", CLI_TEXT, &output },
        { "--log-steps", CLI_INT, &steps },
        { "--json", CLI_FLAG, &json },
        { "--describe", CLI_FLAG, &describe },
        { NULL, 0, NULL }
    };

    rc = cli_options(argc, argv, opts, &rest, train_help);
    if (rc != -1) {
        return rc;
    }

    if (describe) {
        return rest.n != 0 ? cli_usage("--describe takes no specification")
                           : cli_train_describe();
    }

    if (rest.n != 1) {
        return cli_usage(rest.n == 0 ? "which specification?"
                                     : "one specification at a time, please");
    }

    job.resume = resume;
    job.store = output;
    job.threads = (int) maas_min(threads, 1024);
    c.job = &job;
    c.log_steps = steps;
    c.json = json || !isatty(STDOUT_FILENO);
    c.bar = !json && isatty(STDERR_FILENO);

    return train_spec(&c, rest.v[0], &set);
}
