/*
 * train_network: a network of a specification: its shapes against the data,
 * loss, metrics, then the loop, once or by folds.  See train_run.h.
 *
 * Ownership: all is freed before it returns.
 * Threads:   a member of the team, or none.
 */

#include <math.h>
#include <stdio.h>

#include "train/train_network.h"


/* -- shapes -------------------------------------------------------------- */

static maas_status_t
net_plain(train_net_t *n)
{
    maas_train_t            *t = n->t;
    maas_layer_value_t       in = { .dtype = MAAS_F32, .rank = 2,
                                    .dims = { -1 } };
    const maas_data_info_t  *i = t->info;
    const maas_column_t     *c;

    for (int k = 0; k < i->n_column; k++) {
        c = maas_dataset_column(maas_data_dataset(t->source),
                                maas_data_columns(t->source)[k]);

        if (c->stats.infinite != 0) {
            return maas_err(t->err, MAAS_EINVAL, "data: column \"%.*s\" has "
                            "an infinite number, which no model can learn "
                            "from", (int) maas_min(c->name.len, 100u),
                            c->name.data);
        }
    }

    MAAS_TRY(maas_train_check_range(t));
    in.dims[1] = i->n_feature;

    if (i->image) {
        in.rank = 4;
        in.dims[1] = i->channels;
        in.dims[2] = i->height;
        in.dims[3] = i->width;

    } else if (i->n_column == i->n_feature) {
        t->feature = i->column;
        t->n_feature = i->n_feature;
    }

    if (t->tune != NULL) {
        return maas_train_tune(n, &in);
    }

    MAAS_TRY(maas_network_build(&n->net, &t->arena, t->job->host,
                                t->job->spec->model, NULL, &in,
                                (uint64_t) t->job->spec->seed, t->err));
    n->core = n->net.model;

    return MAAS_OK;
}


/* Behind steps, which learn from the rows of this training. */
static maas_status_t
net_piped(train_net_t *n, const maas_data_rows_t *rows)
{
    maas_train_t        *t = n->t;
    maas_build_t        *b = maas_build_create(&t->arena);
    maas_layer_value_t   in = { .dtype = MAAS_F32, .rank = 2,
                                .dims = { -1 } };

    if (b == NULL) {
        return maas_err_nomem(t->err);
    }

    MAAS_TRY(maas_train_pipe_fit(&n->pipe, t, b, rows, &in));
    MAAS_TRY(maas_network_build(&n->net, &t->arena, t->job->host,
                                t->job->spec->model, b, &in,
                                (uint64_t) t->job->spec->seed, t->err));

    return maas_train_pipe_core(n->pipe, t, n->net.model, &n->core);
}


/* Batches that go through the steps first. */
static maas_status_t
net_pipe_rows(void *ctx, const int64_t *row, int64_t n, bool train,
    uint64_t epoch, void *x, void *y, maas_err_t *err)
{
    train_net_t  *net = ctx;

    (void) train;
    (void) epoch;
    MAAS_TRY(maas_train_pipe_run(net->pipe, net->t, row, n, x));

    return maas_data_targets(net->t->source, row, n, y, err);
}


static void
net_pipe_weigh(void *ctx, const void *y, int64_t n, float *weight)
{
    train_net_t  *net = ctx;

    net->feed.weigh(net->feed.ctx, y, n, weight);
}


static maas_status_t
net_prepare(train_net_t *n, const maas_data_rows_t *rows)
{
    maas_train_t  *t = n->t;

    n->metrics = 0;
    n->factor = NULL;

    MAAS_TRY(t->job->spec->pipeline == NULL && t->info->plain
             ? net_plain(n) : net_piped(n, rows));
    MAAS_TRY(maas_train_options(n));

    n->piped = n->feed;

    if (n->pipe != NULL) {
        n->piped.ctx = n;
        n->piped.rows = net_pipe_rows;
        n->piped.weigh = n->feed.weigh != NULL ? net_pipe_weigh : NULL;
    }

    return t->tune != NULL ? maas_train_tune_cache(n) : MAAS_OK;
}


/* -- one training -------------------------------------------------------- */

static void
net_step(void *ctx, const maas_trainer_t *trainer)
{
    train_net_t  *n = ctx;

    maas_train_event(n->t, MAAS_TRAIN_STEP, trainer, n->fold, maas_str(""));
}


static void
net_epoch(void *ctx, const maas_trainer_t *trainer)
{
    size_t             at = trainer->history.len - 1;
    train_net_t       *n = ctx;
    const maas_buf_t  *h = &trainer->history;

    while (at > 0 && h->data[at - 1] != '\n') {
        at--;
    }

    maas_train_event(n->t, MAAS_TRAIN_EPOCH, trainer, n->fold,
                     (maas_str_t) { h->data + at, h->len - 1 - at });
}


static maas_status_t
net_opts(train_net_t *n, const maas_data_rows_t *rows, const char *path)
{
    maas_train_t         *t = n->t;
    const maas_spec_t    *s = t->job->spec;
    maas_trainer_opts_t   o = {
        .model = n->core, .weights = &n->weights, .feed = &n->piped,
        .loss = &n->loss, .optim = &n->optim, .schedule = &n->schedule,
        .host = t->job->host, .k = t->k, .dense = n->dense,
        .logits = n->logits, .train = rows->train,
        .n_train = rows->n_train, .validation = rows->validation,
        .n_validation = rows->n_validation, .seed = (uint64_t) s->seed,
        .epochs = n->epochs, .batch = s->batch, .ordered = !s->shuffle,
        .metrics = n->metrics,
        .patience = s->early != NULL ? n->early.patience : -1,
        .min_delta = n->early.min_delta,
        .checkpoint = t->job->trial ? NULL : path,
        .every_steps = n->ckpt.steps,
        .every_ns = n->ckpt.steps != 0 ? 0
                    : (uint64_t) (n->ckpt.seconds * 1e9),
        .digest = t->digest, .resume = t->job->resume,
        .keep = n->fold != 0,
        .team = t->job->team, .ranks = t->job->ranks, .cancel = t->job->cancel,
        .step = net_step, .epoch = net_epoch, .ctx = n
    };

    MAAS_TRY(maas_train_monitor(n, rows->n_validation != 0, &o.monitor));
    o.best = n->early.best && (rows->n_validation != 0 || s->early != NULL)
             && n->epochs != 0;
    n->opts = o;

    return MAAS_OK;
}


/* Sums over rows with the weights as they are. */
static maas_status_t
net_evaluate(train_net_t *n, maas_trainer_t *trainer, const int64_t *row,
    int64_t n_row, maas_fit_sums_t *sums)
{
    memset(sums, 0, sizeof(*sums));

    return n_row == 0 ? MAAS_OK
                      : maas_trainer_evaluate(trainer, row, n_row, sums,
                                              n->t->err);
}


static void
net_values(const train_net_t *n, const char *prefix,
    const maas_fit_sums_t *sums, maas_buf_t *b)
{
    char            name[96], base[64];
    maas_monitor_t  m = { false, -1 };

    if (sums->items == 0) {
        return;
    }

    for ( ; m.metric < MAAS_FIT_METRICS; m.metric++) {
        if (m.metric < 0 || (n->metrics >> m.metric & 1)) {
            maas_monitor_name(&m, base);
            snprintf(name, sizeof(name), "%s%s", prefix, base);
            maas_train_put(b, name, m.metric < 0
                           ? sums->loss / (double) sums->items
                           : maas_fit_metric(sums, m.metric));
        }
    }
}


static maas_status_t
net_result(train_net_t *n, maas_trainer_t *trainer,
    const maas_data_rows_t *rows)
{
    maas_train_t     *t = n->t;
    maas_fit_sums_t   sums;

    if (n->fold == 0) {
        MAAS_TRY(net_evaluate(n, trainer, rows->test, rows->n_test, &sums));
        net_values(n, "test_", &sums, &t->metrics);
        MAAS_TRY(net_evaluate(n, trainer, rows->train, rows->n_train,
                              &sums));
        net_values(n, "", &sums, &t->metrics);
    }

    MAAS_TRY(net_evaluate(n, trainer, rows->validation, rows->n_validation,
                          &sums));

    if (n->fold == 0) {
        net_values(n, "validation_", &sums, &t->metrics);
        return MAAS_OK;
    }

    n->best_epochs += trainer->st.best_epoch;

    for (int m = -1; m < MAAS_FIT_METRICS; m++) {
        double  v = m < 0 ? sums.loss / (double) sums.items
                          : maas_fit_metric(&sums, m);

        n->sum[m + 1] += v;
        n->sum2[m + 1] += v * v;
    }

    return MAAS_OK;
}


static void
net_training(const train_net_t *n, const maas_trainer_t *trainer)
{
    maas_buf_t  *b = &n->t->training;

    maas_train_put(b, "epochs", (double) trainer->st.epoch);
    maas_train_put(b, "steps", (double) trainer->st.step);

    if (trainer->st.best_epoch != 0 && n->opts.best) {
        maas_train_put(b, "best_epoch", (double) trainer->st.best_epoch);
    }

    maas_train_put(b, "weights", (double) n->net.n_weight);

    if (n->cache != NULL) {
        maas_train_put(b, "cached",
                       (double) maas_finetune_cache_each(n->cache));
    }

    maas_train_put(b, "seconds", trainer->st.seconds);
    maas_train_put(b, "threads", n->t->job->threads);

    if (n->t->job->ranks != NULL) {
        maas_train_put(b, "ranks", n->t->job->ranks->n);
    }
}


/* Lines of JSON become items of a list. */
static void
net_history(const train_net_t *n, const maas_trainer_t *trainer)
{
    maas_buf_t  *b = &n->t->history;

    for (size_t i = 0; i < trainer->history.len; i++) {
        char  c = trainer->history.data[i];

        if (c != '\n') {
            maas_buf_add(b, &c, 1);

        } else if (i + 1 < trainer->history.len) {
            maas_buf_puts(b, ",");
        }
    }
}


static maas_status_t
net_fold_event(train_net_t *n, maas_trainer_t *trainer,
    const maas_data_rows_t *rows)
{
    maas_buf_t       b;
    maas_status_t    rc;
    maas_fit_sums_t  sums;

    maas_buf_init(&b, n->t->job->host);
    maas_buf_printf(&b, "{\"fold\":%lld", (long long) n->fold);
    rc = net_evaluate(n, trainer, rows->validation, rows->n_validation,
                      &sums);

    if (rc == MAAS_OK) {
        net_values(n, "validation_", &sums, &b);
        maas_buf_puts(&b, "}");
        maas_train_event(n->t, MAAS_TRAIN_FOLD, trainer, n->fold,
                         (maas_str_t) { b.data, b.len });
    }

    maas_buf_destroy(&b);
    return rc;
}


static maas_status_t
net_fit(train_net_t *n, const maas_data_rows_t *rows,
    maas_trainer_t **trainer)
{
    char           path[3300];
    maas_train_t  *t = n->t;

    snprintf(path, sizeof(path), "%s/checkpoint%s%.0lld", t->work,
             n->fold != 0 ? "." : "", (long long) n->fold);

    MAAS_TRY(net_prepare(n, rows));
    MAAS_TRY(maas_weights_create(&n->weights, &t->arena, t->job->host,
                                 n->net.model, n->net.seg, n->net.n_seg,
                                 t->err));
    MAAS_TRY(net_opts(n, rows, path));
    MAAS_TRY(maas_trainer_create(trainer, &n->opts, t->err));

    maas_train_event(t, MAAS_TRAIN_BEGIN, *trainer, n->fold, maas_str(""));
    MAAS_TRY(maas_trainer_run(*trainer, t->err));
    MAAS_TRY(net_result(n, *trainer, rows));

    if (n->fold != 0) {
        return net_fold_event(n, *trainer, rows);
    }

    net_training(n, *trainer);
    net_history(n, *trainer);

    if (t->tune != NULL) {
        t->model = t->tune->shown;
        return MAAS_OK;
    }

    return maas_weights_model(&n->weights, &t->arena, n->net.model,
                              n->weights.data, &t->model, t->err);
}


/* -- folds --------------------------------------------------------------- */

/* Each fold is judged by rows that it did not see; then all are learned. */
static maas_status_t
net_folds(train_net_t *n)
{
    char                 name[96], base[64];
    double               k = (double) n->t->job->spec->folds, mean;
    maas_trainer_t      *trainer;
    maas_status_t        rc = MAAS_OK;
    maas_monitor_t       m;
    maas_data_rows_t   rows;

    for (n->fold = 1; n->fold <= n->t->job->spec->folds; n->fold++) {
        trainer = NULL;
        MAAS_TRY(maas_data_split(n->t->source, n->fold - 1, &rows,
                                   n->t->err));
        rc = net_fit(n, &rows, &trainer);
        maas_trainer_destroy(trainer);
        maas_weights_destroy(&n->weights);
        maas_train_pipe_free(n->pipe, n->t);
        n->pipe = NULL;
        MAAS_TRY(rc);
    }

    n->fold = 0;

    for (m.metric = -1; m.metric < MAAS_FIT_METRICS; m.metric++) {
        if (m.metric >= 0 && !(n->metrics >> m.metric & 1)) {
            continue;
        }

        m.validation = false;
        maas_monitor_name(&m, base);
        mean = n->sum[m.metric + 1] / k;
        snprintf(name, sizeof(name), "folds_%s", base);
        maas_train_put(&n->t->metrics, name, mean);
        snprintf(name, sizeof(name), "folds_%s_std", base);
        maas_train_put(&n->t->metrics, name,
                       sqrt(maas_max(n->sum2[m.metric + 1] / k - mean * mean,
                                     0)));
    }

    if (n->t->job->spec->early != NULL && n->best_epochs > 0) {
        n->epochs = maas_max((int64_t) ((double) n->best_epochs / k + 0.5),
                             1);
    }

    n->alone = true;
    return maas_train_all_rows(n->t);
}


maas_status_t
maas_train_network(maas_train_t *t)
{
    train_net_t      n = { .t = t, .epochs = t->job->spec->epochs };
    maas_status_t    rc;
    maas_trainer_t  *trainer = NULL;

    MAAS_TRY(maas_train_tune_open(t));
    rc = t->job->spec->folds != 0 ? net_folds(&n) : MAAS_OK;

    if (rc == MAAS_OK) {
        rc = net_fit(&n, &t->rows, &trainer);
    }

    if (rc == MAAS_OK) {
        t->classes = n.loss.row->target == MAAS_TARGET_CLASSES;
        t->softmax = t->classes && n.logits;
    }

    maas_trainer_destroy(trainer);
    maas_train_pipe_free(n.pipe, t);
    maas_finetune_cache_free(n.cache);

    if (rc != MAAS_OK) {
        maas_weights_destroy(&n.weights);
        return rc;
    }

    t->weights = n.weights;
    return MAAS_OK;
}
