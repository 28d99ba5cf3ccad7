/*
 * train_network: a network of a specification: its shapes against the data,
 * loss, metrics, then the loop, once or by folds.  See train_run.h.
 */

#include <math.h>
#include <stdio.h>

#include "train/train_run.h"


#define SHOW(s)  (int) maas_min((s).len, 100u), (s).data

typedef struct {
    maas_train_t           *t;
    maas_network_t          net;
    maas_loss_t             loss;
    maas_optim_t            optim;
    maas_schedule_t         schedule;
    maas_spec_early_t       early;
    maas_spec_checkpoint_t  ckpt;
    maas_tensor_t           x;
    maas_tensor_t           y;
    bool                    classes;    /* the target is a column of them */
    bool                    dense;
    bool                    logits;
    double                 *factor;     /* by class; NULL: none */
    unsigned                metrics;
    maas_feed_t             feed;
    maas_trainer_opts_t     opts;
    maas_weights_t          weights;
    maas_fit_sums_t         test;
    int64_t                 fold;       /* 0: none */
    int64_t                 epochs;
    /* Of folds: sums of values and squares, by monitor. */
    double                  sum[MAAS_FIT_METRICS + 1];
    double                  sum2[MAAS_FIT_METRICS + 1];
    int64_t                 best_epochs;
} train_net_t;


/* -- shapes -------------------------------------------------------------- */

static maas_status_t
net_build(train_net_t *n)
{
    maas_train_t              *t = n->t;
    maas_layer_value_t         in = { .dtype = MAAS_F32, .rank = 2,
                                      .dims = { -1 } };
    const maas_data_info_t  *i = t->info;

    in.dims[1] = i->n_feature;

    if (i->image) {
        in.rank = 4;
        in.dims[1] = i->channels;
        in.dims[2] = i->height;
        in.dims[3] = i->width;
    }

    return maas_network_build(&n->net, &t->arena, t->job->host,
                              t->job->spec->model, &in,
                              (uint64_t) t->job->spec->seed, t->err);
}


/* The loss that fits the target, when none is named. */
static maas_status_t
net_loss(train_net_t *n)
{
    int64_t        last = n->net.out.dims[n->net.out.rank - 1];
    json_t        *word;
    maas_train_t  *t = n->t;
    maas_status_t  rc;

    if (t->job->spec->loss != NULL) {
        return maas_loss_parse(&t->arena, t->job->spec->loss, &n->loss,
                               t->err);
    }

    word = json_string(t->info->n_class == 0
                       || t->info->class_name == NULL
                          ? "mean_squared_error"
                       : last == 1 ? "binary_crossentropy"
                                   : "categorical_crossentropy");
    if (word == NULL) {
        return maas_err_nomem(t->err);
    }

    rc = maas_loss_parse(&t->arena, word, &n->loss, t->err);
    json_decref(word);

    return rc;
}


static maas_status_t
net_misfit(const train_net_t *n, int64_t want, const char *what)
{
    char           shape[MAAS_DIMS_TEXT];
    maas_layers_t  l = { .at = n->net.out };

    return maas_err(n->t->err, MAAS_EINVAL, "model: the last layer makes "
                    "%s, but %s: \"%.*s\" needs [N,%lld]",
                    maas_layer_shape(&l, shape), what,
                    SHOW(n->t->info->target), (long long) want);
}


/* Classes in one column: [N,classes], or [N,1] for two. */
static maas_status_t
net_classes(train_net_t *n)
{
    char                       what[160];
    maas_target_kind_t         kind = n->loss.row->target;
    const maas_layer_value_t  *o = &n->net.out;
    const maas_data_info_t  *i = n->t->info;

    n->classes = true;

    if (kind == MAAS_TARGET_CLASSES) {
        snprintf(what, sizeof(what), "there are %d classes", i->n_class);

        if (o->rank != 2 || o->dims[1] != i->n_class) {
            return net_misfit(n, i->n_class, what);
        }

        n->y.dtype = MAAS_I64;
        n->y.rank = 1;
        return MAAS_OK;
    }

    if (i->n_class != 2) {
        return maas_err(n->t->err, MAAS_EINVAL, "loss: %s takes two "
                        "classes, \"%.*s\" has %d", n->loss.row->name,
                        SHOW(i->target), i->n_class);
    }

    return o->rank == 2 && o->dims[1] == 1
           ? MAAS_OK : net_misfit(n, 1, "the loss is of one number");
}


static maas_status_t
net_target(train_net_t *n)
{
    int64_t                    each;
    maas_train_t              *t = n->t;
    const maas_layer_value_t  *o = &n->net.out;

    if (t->info->n_target_column == 0) {
        return maas_err(t->err, MAAS_EINVAL, "data: a network needs a "
                        "\"target\"");
    }

    n->x.dtype = n->net.in.dtype;
    n->x.rank = (uint8_t) n->net.in.rank;
    memcpy(n->x.dims, n->net.in.dims, sizeof(n->x.dims));
    n->y.dtype = MAAS_F32;
    n->y.rank = (uint8_t) o->rank;
    memcpy(n->y.dims, o->dims, sizeof(n->y.dims));
    each = maas_dims_count(o->dims + 1, o->rank - 1);

    if (t->info->n_class != 0
        && (n->loss.row->target == MAAS_TARGET_CLASSES
            || (n->loss.row->target != MAAS_TARGET_NUMBERS
                && t->info->n_target_column == 1)))
    {
        return net_classes(n);
    }

    if (t->info->class_name != NULL) {
        return maas_err(t->err, MAAS_EINVAL, "loss: %s takes numbers, "
                        "\"%.*s\" has classes", n->loss.row->name,
                        SHOW(t->info->target));
    }

    n->dense = n->loss.row->target == MAAS_TARGET_CLASSES;

    return each == t->info->n_target
           ? MAAS_OK : net_misfit(n, t->info->n_target,
                                  "the target has other numbers");
}


/* -- class weights ------------------------------------------------------- */

static maas_status_t
net_factor(train_net_t *n, const json_t *v, int k, double *out)
{
    *out = json_number_value(v);

    if (!json_is_number(v) || !(*out >= 0) || !isfinite(*out)) {
        return maas_err(n->t->err, MAAS_EINVAL, "loss: \"class_weight\" of "
                        "class %d is no number of at least 0", k);
    }

    return MAAS_OK;
}


/* By the class's name; a class that is not there has 1. */
static maas_status_t
net_factors_by_name(train_net_t *n, const json_t *o)
{
    int                        found = 0;
    char                       name[32];
    const json_t              *v;
    const maas_data_info_t  *i = n->t->info;

    for (int k = 0; k < i->n_class; k++) {
        maas_str_t  s = { name, 0 };

        if (i->class_name != NULL) {
            s = i->class_name[k];

        } else {
            s.len = (size_t) snprintf(name, sizeof(name), "%lld",
                                      (long long) i->class_int[k]);
        }

        v = json_object_getn(o, s.data, s.len);
        n->factor[k] = 1;

        if (v != NULL) {
            MAAS_TRY(net_factor(n, v, k, &n->factor[k]));
            found++;
        }
    }

    if ((size_t) found != json_object_size(o)) {
        return maas_err(n->t->err, MAAS_EINVAL, "loss: \"class_weight\" "
                        "names a class that \"%.*s\" does not have",
                        SHOW(i->target));
    }

    return MAAS_OK;
}


static maas_status_t
net_class_weight(train_net_t *n)
{
    double                     all = 0;
    const json_t              *w = n->loss.class_weight;
    const maas_data_info_t  *i = n->t->info;

    if (w == NULL) {
        return MAAS_OK;
    }

    if (!n->classes) {
        return maas_err(n->t->err, MAAS_EINVAL, "loss: \"class_weight\" "
                        "needs a target of classes");
    }

    n->factor = maas_arena_array(&n->t->arena, (size_t) i->n_class,
                                 sizeof(double));
    if (n->factor == NULL) {
        return maas_err_nomem(n->t->err);
    }

    if (json_is_object(w)) {
        return net_factors_by_name(n, w);
    }

    if (json_is_array(w) && json_array_size(w) == (size_t) i->n_class) {
        for (int k = 0; k < i->n_class; k++) {
            MAAS_TRY(net_factor(n, json_array_get(w, (size_t) k), k,
                                &n->factor[k]));
        }

        return MAAS_OK;
    }

    if (!json_is_string(w)
        || strcmp(json_string_value(w), "balanced") != 0)
    {
        return maas_err(n->t->err, MAAS_EINVAL, "loss: \"class_weight\" must "
                        "be \"balanced\", a list of %d numbers, or an object "
                        "by class", i->n_class);
    }

    for (int k = 0; k < i->n_class; k++) {
        all += (double) i->class_count[k];
    }

    for (int k = 0; k < i->n_class; k++) {
        n->factor[k] = all / i->n_class
                       / maas_max((double) i->class_count[k], 1);
    }

    return MAAS_OK;
}


/* -- options ------------------------------------------------------------- */

static maas_status_t
net_metrics(train_net_t *n)
{
    int                        m;
    maas_target_kind_t         kind = n->loss.row->target;
    const maas_param_texts_t  *l = &n->t->job->spec->metrics;

    if (l->n == 0) {
        n->metrics = kind != MAAS_TARGET_NUMBERS ? 1u << MAAS_FIT_ACCURACY
                                                 : 1u << MAAS_FIT_MAE;
    }

    for (size_t i = 0; i < l->n; i++) {
        m = maas_fit_metric_find(l->v[i]);

        if (m < 0) {
            char         near[MAAS_NEAR_TEXT];
            maas_near_t  guess = { .word = l->v[i] };

            for (int k = 0; k < MAAS_FIT_METRICS; k++) {
                const char  *s = maas_fit_metric_rows[k].name;

                maas_near(&guess, (maas_str_t) { s, strlen(s) });
            }

            return maas_err(n->t->err, MAAS_EINVAL, "metrics: unknown "
                            "\"%.*s\"%s", SHOW(l->v[i]),
                            guess.best.data != NULL
                            ? maas_near_text(&guess, near)
                            : "; maas train --describe lists all");
        }

        if ((m == MAAS_FIT_ACCURACY) != (kind != MAAS_TARGET_NUMBERS)
            && !(m != MAAS_FIT_ACCURACY && n->y.dtype == MAAS_F32))
        {
            return maas_err(n->t->err, MAAS_EINVAL, "metrics: \"%s\" does "
                            "not fit the loss %s",
                            maas_fit_metric_rows[m].name,
                            n->loss.row->name);
        }

        n->metrics |= 1u << m;
    }

    return MAAS_OK;
}


static maas_status_t
net_monitor(train_net_t *n, bool validated, maas_monitor_t *m)
{
    maas_str_t  s = n->early.monitor;

    m->validation = validated;
    m->metric = -1;

    if (s.len == 0) {
        return MAAS_OK;
    }

    m->validation = s.len > 11 && memcmp(s.data, "validation_", 11) == 0;

    if (m->validation) {
        s.data += 11;
        s.len -= 11;
    }

    if (!maas_str_is(s, "loss")) {
        m->metric = maas_fit_metric_find(s);

        if (m->metric < 0 || !(n->metrics >> m->metric & 1)) {
            return maas_err(n->t->err, MAAS_EINVAL, "early_stopping: "
                            "\"monitor\" is \"%.*s\", which is neither the "
                            "loss nor among the metrics",
                            SHOW(n->early.monitor));
        }
    }

    if (m->validation && !validated) {
        return maas_err(n->t->err, MAAS_EINVAL, "early_stopping: \"%.*s\" "
                        "needs rows for validation: data: split: "
                        "\"validation\"", SHOW(n->early.monitor));
    }

    return MAAS_OK;
}


static maas_status_t
net_options(train_net_t *n)
{
    maas_train_t       *t = n->t;
    const maas_spec_t  *s = t->job->spec;

    MAAS_TRY(net_loss(n));
    MAAS_TRY(net_target(n));
    MAAS_TRY(net_class_weight(n));
    MAAS_TRY(net_metrics(n));
    MAAS_TRY(maas_optim_parse(&t->arena, s->optimizer, &n->optim, t->err));
    MAAS_TRY(maas_schedule_parse(&t->arena, s->schedule, &n->schedule,
                                 t->err));
    MAAS_TRY(maas_params_parse(&t->arena, s->early, maas_spec_early_params,
                               maas_spec_n_early, NULL, "early_stopping",
                               &n->early, t->err));
    MAAS_TRY(maas_params_parse(&t->arena, s->checkpoint,
                               maas_spec_checkpoint_params,
                               maas_spec_n_checkpoint, NULL, "checkpoint",
                               &n->ckpt, t->err));

    n->logits = strcmp(n->net.last, "Sigmoid") != 0
                && strcmp(n->net.last, "Softmax") != 0;

    MAAS_TRY(maas_data_feed(t->source, &n->x, &n->y, n->classes, &n->feed,
                              t->err));
    if (n->factor != NULL) {
        maas_data_weigh(t->source, n->factor, &n->feed);
    }

    return MAAS_OK;
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
        .model = n->net.model, .weights = &n->weights, .feed = &n->feed,
        .loss = &n->loss, .optim = &n->optim, .schedule = &n->schedule,
        .host = t->job->host, .k = t->k, .dense = n->dense,
        .logits = n->logits, .train = rows->train,
        .n_train = rows->n_train, .validation = rows->validation,
        .n_validation = rows->n_validation, .seed = (uint64_t) s->seed,
        .epochs = n->epochs, .batch = s->batch, .ordered = !s->shuffle,
        .metrics = n->metrics,
        .patience = s->early != NULL ? n->early.patience : -1,
        .min_delta = n->early.min_delta, .checkpoint = path,
        .every_steps = n->ckpt.steps,
        .every_ns = n->ckpt.steps != 0 ? 0
                    : (uint64_t) (n->ckpt.seconds * 1e9),
        .digest = t->digest, .resume = t->job->resume,
        .keep = n->fold != 0,
        .team = t->job->team, .cancel = t->job->cancel,
        .step = net_step, .epoch = net_epoch, .ctx = n
    };

    MAAS_TRY(net_monitor(n, rows->n_validation != 0, &o.monitor));
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
    maas_train_put(b, "seconds", trainer->st.seconds);
    maas_train_put(b, "threads", n->t->job->threads);
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

    return maas_weights_model(&n->weights, &t->arena, n->net.model,
                              n->weights.data, &t->model, t->err);
}


/* -- folds --------------------------------------------------------------- */

static maas_status_t
net_all_rows(train_net_t *n, maas_data_rows_t *rows)
{
    int64_t  *all, k = rows->n_train;

    all = maas_arena_array(&n->t->arena,
                           (size_t) (rows->n_train + rows->n_validation) + 1,
                           sizeof(*all));
    if (all == NULL) {
        return maas_err_nomem(n->t->err);
    }

    memcpy(all, rows->train, (size_t) k * sizeof(*all));
    memcpy(all + k, rows->validation,
           (size_t) rows->n_validation * sizeof(*all));
    rows->train = all;
    rows->n_train += rows->n_validation;
    rows->n_validation = 0;

    return MAAS_OK;
}


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

    n->early.monitor = maas_str("");
    return net_all_rows(n, &n->t->rows);
}


maas_status_t
maas_train_network(maas_train_t *t)
{
    train_net_t      n = { .t = t, .epochs = t->job->spec->epochs };
    maas_status_t    rc;
    maas_trainer_t  *trainer = NULL;

    if (t->job->spec->pipeline != NULL) {
        return maas_err(t->err, MAAS_EUNSUPPORTED, "\"pipeline\": a network "
                        "takes the columns as they are; \"normalize\" is a "
                        "layer");
    }

    MAAS_TRY(net_build(&n));
    MAAS_TRY(net_options(&n));

    if (t->job->spec->folds != 0) {
        MAAS_TRY(net_folds(&n));
    }

    rc = net_fit(&n, &t->rows, &trainer);

    if (rc == MAAS_OK) {
        t->classes = n.loss.row->target == MAAS_TARGET_CLASSES;
        t->softmax = t->classes && n.logits;
    }

    maas_trainer_destroy(trainer);

    if (rc != MAAS_OK) {
        maas_weights_destroy(&n.weights);
        return rc;
    }

    t->weights = n.weights;
    return MAAS_OK;
}
