/*
 * trainer.c: the loop.  See trainer.h.
 *
 * Ownership: a trainer owns its buffers; see trainer.h.
 * Threads:   a member of the team, or none.
 */

#include <math.h>
#include <stdio.h>

#include "base/random.h"
#include "train/trainer.h"


#define TRAINER_SECOND  UINT64_C(1000000000)
#define TRAINER_STREAM  0x4f524452u     /* "ORDR" */


/* -- buffers ------------------------------------------------------------- */

static maas_status_t
trainer_tensor(maas_trainer_t *t, const maas_tensor_t *like, void **out,
    maas_err_t *err)
{
    size_t   bytes;
    int64_t  n = maas_dims_count(like->dims + 1, like->rank - 1);

    if (n < 0 || !maas_mul_i64(n, t->share, &n)
        || !maas_dtype_bytes(like->dtype, n, &bytes))
    {
        return maas_err(err, MAAS_ELIMIT, "a batch of %lld items is too "
                        "large", (long long) t->items);
    }

    *out = maas_arena_alloc(&t->arena, bytes + MAAS_ALIGN);
    if (*out == NULL) {
        return maas_err_nomem(err);
    }

    *out = (void *) maas_align((uintptr_t) *out, MAAS_ALIGN);
    return MAAS_OK;
}


static maas_status_t
trainer_buffers(maas_trainer_t *t, maas_err_t *err)
{
    bool      sum = t->o.optim->common.accumulate > 1 || t->o.ranks != NULL;
    unsigned  have = maas_optim_moments(t->o.optim);
    int64_t   n = maas_max(t->o.n_train, 1);

    MAAS_TRY(trainer_tensor(t, &t->o.feed->x, &t->x, err));
    MAAS_TRY(trainer_tensor(t, &t->o.feed->y, &t->y, err));

    t->order = maas_arena_array(&t->arena, (size_t) n, sizeof(int64_t));
    t->weight = maas_arena_array(&t->arena, (size_t) t->share,
                                 sizeof(float));

    for (int i = 0; i < MAAS_OPTIM_MOMENTS; i++) {
        if (have >> i & 1) {
            t->moment[i] = maas_weights_buffer(t->o.weights);
        }

        if ((have >> i & 1) && t->moment[i] == NULL) {
            return maas_err_nomem(err);
        }
    }

    if (t->o.optim->first != 0 && t->moment[1] != NULL) {
        for (int64_t i = 0; i < t->o.weights->total; i++) {
            t->moment[1][i] = (float) t->o.optim->first;
        }
    }

    t->best = t->o.best ? maas_weights_buffer(t->o.weights) : NULL;
    t->sum = sum ? maas_weights_buffer(t->o.weights) : NULL;

    if (t->order == NULL || t->weight == NULL
        || (t->o.best && t->best == NULL) || (sum && t->sum == NULL))
    {
        return maas_err_nomem(err);
    }

    return maas_trainer_begin(t, err);
}


static maas_status_t
trainer_nets(maas_trainer_t *t, maas_err_t *err)
{
    maas_fitnet_spec_t  s = { .model = t->o.model, .weights = t->o.weights,
                              .loss = t->o.loss, .host = t->o.host,
                              .k = t->o.k, .train = true,
                              .dense = t->o.dense,
                              .exchange = t->o.ranks != NULL
                                          ? &t->exchange : NULL,
                              .weighted = t->o.feed->weigh != NULL };

    t->exchange.sum = maas_trainer_sum;
    t->exchange.ctx = t;
    MAAS_TRY(maas_fitnet_create(&t->fit, &s, err));
    s.train = false;

    return maas_fitnet_create(&t->check, &s, err);
}


maas_status_t
maas_trainer_create(maas_trainer_t **out, const maas_trainer_opts_t *o,
    maas_err_t *err)
{
    maas_status_t    rc;
    maas_trainer_t  *t = maas_calloc(o->host, 1, sizeof(*t));

    *out = NULL;

    if (t == NULL) {
        return maas_err_nomem(err);
    }

    t->o = *o;
    maas_arena_init(&t->arena, o->host, 0);
    maas_buf_init(&t->history, o->host);
    maas_schedule_begin(&t->st.schedule);

    if (o->n_train <= 0) {
        rc = maas_err(err, MAAS_EINVAL, "there are no rows to train on");

    } else {
        t->items = o->batch > 0 ? maas_min(o->batch, o->n_train)
                                : o->n_train;
        t->batches = (o->n_train + t->items - 1) / t->items;
        t->share = o->ranks == NULL ? t->items
                   : (t->items - 1) / o->ranks->n + 1;
        rc = trainer_buffers(t, err);
    }

    if (rc == MAAS_OK) {
        rc = trainer_nets(t, err);
    }

    if (rc != MAAS_OK) {
        maas_trainer_destroy(t);
        return rc;
    }

    *out = t;
    return MAAS_OK;
}


void
maas_trainer_destroy(maas_trainer_t *t)
{
    const maas_host_t  *host;

    if (t == NULL) {
        return;
    }

    host = t->o.host;
    maas_fitnet_destroy(t->fit);
    maas_fitnet_destroy(t->check);

    for (int i = 0; i < MAAS_OPTIM_MOMENTS; i++) {
        maas_weights_drop(t->o.weights, t->moment[i]);
    }

    maas_weights_drop(t->o.weights, t->best);
    maas_weights_drop(t->o.weights, t->sum);
    maas_buf_destroy(&t->history);
    maas_arena_destroy(&t->arena);
    maas_free(host, t);
}


/* -- values -------------------------------------------------------------- */

void
maas_monitor_name(const maas_monitor_t *m, char out[64])
{
    snprintf(out, 64, "%s%s", m->validation ? "validation_" : "",
             m->metric < 0 ? "loss" : maas_fit_metric_name(m->metric));
}


/* Out of the last epoch's sums. */
static double
trainer_value(const maas_trainer_t *t, const maas_monitor_t *m)
{
    const maas_fit_sums_t  *s = m->validation ? &t->st.validation
                                              : &t->st.train;

    return m->metric < 0 ? s->loss / (double) s->items
                         : maas_fit_metric(s, m->metric);
}


static void
trainer_put(maas_buf_t *b, const char *name, double v)
{
    if (isfinite(v)) {
        maas_buf_printf(b, ",\"%s\":%.9g", name, v);

    } else {
        maas_buf_printf(b, ",\"%s\":null", name);
    }
}


static void
trainer_history(maas_trainer_t *t)
{
    char            name[64];
    maas_monitor_t  m;

    maas_buf_printf(&t->history, "{\"epoch\":%lld,\"step\":%lld",
                    (long long) t->st.epoch + 1, (long long) t->st.step);

    for (int v = 0; v < 2; v++) {
        m.validation = v == 1;

        if (m.validation && t->o.n_validation == 0) {
            break;
        }

        for (m.metric = -1; m.metric < MAAS_FIT_METRICS; m.metric++) {
            if (!m.validation && m.metric >= MAAS_FIT_SUMMED) {
                break;
            }

            if (m.metric < 0 || (t->o.metrics >> m.metric & 1)) {
                maas_monitor_name(&m, name);
                trainer_put(&t->history, name, trainer_value(t, &m));
            }
        }
    }

    trainer_put(&t->history, "learning_rate", t->st.rate);
    maas_buf_puts(&t->history, "}\n");
}


/* -- batches ------------------------------------------------------------- */

/* What failed inside an exchange is told as it was, without the node. */
static maas_status_t
trainer_ran(maas_trainer_t *t, maas_status_t rc, maas_err_t *err)
{
    if (rc != MAAS_OK && t->o.ranks != NULL && t->o.ranks->over) {
        *err = t->met;
    }

    return rc;
}


/*
 * Of n rows, this rank's part.  Who has none runs the first row all the same
 * where a run exchanges sums, and adds nothing to them.
 */
static maas_status_t
trainer_batch(maas_trainer_t *t, maas_fitnet_t *f, const int64_t *row,
    int64_t n, maas_fit_sums_t *sums, maas_err_t *err)
{
    bool               train = f == t->fit;
    const maas_feed_t *feed = t->o.feed;
    maas_tensor_t      x = feed->x, y = feed->y;
    maas_fitnet_run_t  r = { .in = &x, .weight = t->weight,
                             .team = t->o.team };

    n = maas_ranks_part(t->o.ranks, n, &r.first);
    row += r.first;
    t->loss = 0;
    t->absent = n == 0;

    if (t->absent) {
        if (!train || !maas_fitnet_exchanges(f)) {
            return MAAS_OK;
        }

        row -= r.first;
        n = 1;
    }

    MAAS_TRY(feed->rows(feed->ctx, row, n, train, (uint64_t) t->st.epoch,
                        t->x, t->y, err));

    x.dims[0] = y.dims[0] = n;
    x.data = t->x;
    y.data = t->y;
    x.bytes = (size_t) maas_tensor_count(&x) * maas_dtype_size(x.dtype);
    y.bytes = (size_t) maas_tensor_count(&y) * maas_dtype_size(y.dtype);

    if (feed->weigh != NULL) {
        feed->weigh(feed->ctx, t->y, n, t->weight);
    }

    r.target = y;
    r.seed = (int64_t) t->o.seed;
    r.step = t->st.epoch * t->batches + t->st.batch;
    MAAS_TRY(trainer_ran(t, maas_fitnet_run(f, &r, err), err));

    if (t->absent) {
        return MAAS_OK;
    }

    t->loss = r.loss;

    if (!isfinite(r.loss)) {
        return maas_err(err, MAAS_EINVAL, "the loss is %s",
                        isnan(r.loss) ? "not a number" : "infinite");
    }

    maas_fit_sums_add(sums, t->o.metrics, t->o.loss->row->target,
                      t->o.logits, r.loss, &r.result, &y);

    if (!train && t->seen.score != NULL) {
        maas_fit_seen_add(&t->seen, t->seen_at + r.first, &r.result, &y);
    }

    return MAAS_OK;
}


static maas_status_t
trainer_diverged(const maas_trainer_t *t, maas_err_t *err)
{
    char  reason[MAAS_ERR_TEXT];

    snprintf(reason, sizeof(reason), "%s", err->text);

    return maas_err(err, MAAS_EINVAL, "training diverged at step %lld, in "
                    "epoch %lld: %.200s%s; a smaller learning_rate, or "
                    "clip_norm, may help", (long long) t->st.step + 1,
                    (long long) t->st.epoch + 1, reason,
                    t->o.checkpoint != NULL && t->saved != 0
                    ? "; the last checkpoint is kept" : "");
}


/* Runs the batches of a step; items: how many they have, on all ranks. */
static maas_status_t
trainer_gradient(maas_trainer_t *t, maas_fit_sums_t *sums, int64_t *items,
    maas_err_t *err)
{
    int64_t        at, n, part, k = t->o.optim->common.accumulate;
    maas_status_t  rc;

    for (int64_t i = 0; i < k && t->st.batch < t->batches; i++) {
        at = t->st.batch * t->items;
        n = maas_min(t->items, t->o.n_train - at);
        rc = trainer_batch(t, t->fit, t->order + at, n, sums, err);

        if (rc != MAAS_OK) {
            return isfinite(t->loss) ? rc : trainer_diverged(t, err);
        }

        part = maas_ranks_part(t->o.ranks, n, &at);

        if (t->sum != NULL) {
            MAAS_TRY(maas_trainer_gather(t, part, i == 0));
        }

        if (part != 0 || maas_fitnet_exchanges(t->fit)) {
            maas_fitnet_keep(t->fit, t->o.weights->data);
        }

        *items += n;
        t->st.batch++;
    }

    return MAAS_OK;
}


#define TRAINER_WILD  1e3       /* times the first loss */

static double
trainer_limit(const maas_trainer_t *t)
{
    return TRAINER_WILD * maas_max(fabs(t->st.first), 1);
}


static maas_status_t
trainer_gone(const maas_trainer_t *t, maas_err_t *err)
{
    return maas_err(err, MAAS_EINVAL, "training diverged at step %lld: the "
                    "loss has been above %.3g since, now it is %.3g, and it "
                    "was %.3g at first; a smaller learning_rate, or "
                    "clip_norm, may help%s", (long long) t->st.wild_step,
                    trainer_limit(t), (double) t->loss, t->st.first,
                    t->o.checkpoint != NULL && t->saved != 0
                    ? "; the last checkpoint from before is kept" : "");
}


/* Counts the steps whose loss is far above the first one's. */
static maas_status_t
trainer_watch(maas_trainer_t *t, maas_err_t *err)
{
    int64_t  k = t->o.optim->common.accumulate;
    int64_t  most = maas_min(100, 2 * ((t->batches + k - 1) / k));

    t->st.first = t->st.step == 0 ? (double) t->loss : t->st.first;

    if (!((double) t->loss > trainer_limit(t))) {
        t->st.wild = 0;
        return MAAS_OK;
    }

    t->st.wild_step = t->st.wild == 0 ? t->st.step + 1 : t->st.wild_step;

    return ++t->st.wild < maas_max(most, 10) ? MAAS_OK
                                             : trainer_gone(t, err);
}


/* At the end: a last epoch that was wild, and no better one to go back to. */
static maas_status_t
trainer_ended(const maas_trainer_t *t, maas_err_t *err)
{
    int64_t  k = t->o.optim->common.accumulate;
    bool     wild = t->st.done && t->st.wild >= (t->batches + k - 1) / k;

    if (wild && t->best != NULL && t->st.best_epoch != 0) {
        wild = t->o.monitor.metric < 0 && t->st.best > trainer_limit(t);
    }

    return wild ? trainer_gone(t, err) : MAAS_OK;
}


/* Batches until the optimiser has made a step. */
static maas_status_t
trainer_step(maas_trainer_t *t, maas_err_t *err)
{
    int64_t          items = 0;
    maas_status_t    rc;
    maas_fit_sums_t  own = { 0 };

    t->st.rate = maas_schedule_rate(&t->o.schedule[0], &t->st.schedule,
                                 t->o.optim->common.rate, t->st.epoch,
                                 (double) (t->st.batch + 1)
                                 / (double) t->batches, t->o.epochs);

    if (t->o.ranks == NULL) {
        MAAS_TRY(trainer_gradient(t, &t->st.train, &items, err));
        t->stop = t->o.cancel != NULL && *t->o.cancel;

    } else {
        rc = trainer_gradient(t, &own, &items, err);
        MAAS_TRY(maas_trainer_exchange(t, rc, &own, err));
    }

    MAAS_TRY(trainer_watch(t, err));
    rc = maas_trainer_update(t, t->sum != NULL, items, t->st.rate, err);

    return rc == MAAS_OK ? rc : trainer_diverged(t, err);
}


/* -- epochs -------------------------------------------------------------- */

/* diverged: what is not finite is an error of the step. */
static maas_status_t
trainer_rows(maas_trainer_t *t, const int64_t *row, int64_t n, bool diverged,
    maas_fit_sums_t *sums, maas_err_t *err)
{
    int64_t        k;
    maas_status_t  rc;

    for (int64_t at = 0; at < n; at += k) {
        k = maas_min(t->items, n - at);
        t->seen_at = at;
        rc = trainer_batch(t, t->check, row + at, k, sums, err);

        if (rc != MAAS_OK) {
            return diverged && !isfinite(t->loss) ? trainer_diverged(t, err)
                                                  : rc;
        }
    }

    return MAAS_OK;
}


static maas_status_t
trainer_summed(maas_trainer_t *t, const int64_t *row, int64_t n,
    bool diverged, maas_fit_sums_t *sums, maas_err_t *err)
{
    maas_status_t    rc;
    maas_fit_sums_t  own = { 0 };

    if (t->o.ranks == NULL || n == 0) {
        return trainer_rows(t, row, n, diverged, sums, err);
    }

    rc = trainer_rows(t, row, n, diverged, &own, err);

    return maas_trainer_meet(t, rc, &own, sums, err);
}


/* Sums, and what is measured when all rows have been seen. */
static maas_status_t
trainer_judged(maas_trainer_t *t, const int64_t *row, int64_t n,
    bool diverged, maas_fit_sums_t *sums, maas_err_t *err)
{
    maas_status_t       rc;
    maas_fit_seen_t    *s = &t->seen;
    const maas_type_t  *r = maas_fitnet_result(t->check);

    if ((t->o.metrics & ~MAAS_FIT_SUMMED_BITS) == 0) {
        return trainer_summed(t, row, n, diverged, sums, err);
    }

    *s = (maas_fit_seen_t) { .host = t->o.host, .logits = t->o.logits,
                             .kind = t->o.loss->row->target,
                             .wanted = t->o.metrics };
    rc = maas_fit_seen_begin(s, n, r->dims + 1, r->rank - 1, err);

    if (rc == MAAS_OK) {
        rc = trainer_summed(t, row, n, diverged, sums, err);
    }

    if (rc == MAAS_OK && t->o.ranks != NULL && n != 0) {
        maas_ranks_sum(t->o.ranks, s->score, s->rows * s->k + s->n_truth);
    }

    if (rc == MAAS_OK) {
        rc = maas_fit_seen_measure(s, sums->measured, err);
    }

    maas_fit_seen_end(s);
    return rc;
}


maas_status_t
maas_trainer_evaluate(maas_trainer_t *t, const int64_t *row, int64_t n,
    maas_fit_sums_t *sums, maas_err_t *err)
{
    return trainer_judged(t, row, n, false, sums, err);
}


static maas_status_t
trainer_validate(maas_trainer_t *t, maas_err_t *err)
{
    memset(&t->st.validation, 0, sizeof(t->st.validation));

    return trainer_judged(t, t->o.validation, t->o.n_validation, true,
                          &t->st.validation, err);
}


/* Is value v of the monitor better than the best one so far? */
static bool
trainer_better(const maas_trainer_t *t, double v)
{
    int  m = t->o.monitor.metric;

    if (t->st.best_epoch == 0) {
        return !isnan(v);
    }

    return m >= 0 && maas_fit_metric_more(m)
           ? v > t->st.best + t->o.min_delta
           : v < t->st.best - t->o.min_delta;
}


static void
trainer_judge(maas_trainer_t *t)
{
    int     m = t->o.monitor.metric;
    double  v = trainer_value(t, &t->o.monitor);

    if (trainer_better(t, v)) {
        t->st.best = v;
        t->st.best_epoch = t->st.epoch + 1;
        t->st.bad = 0;

        if (t->best != NULL) {
            memcpy(t->best, t->o.weights->data,
                   (size_t) t->o.weights->total * sizeof(float));
        }

    } else {
        t->st.bad++;
    }

    maas_schedule_epoch(t->o.schedule, &t->st.schedule,
                        t->o.optim->common.rate,
                        m >= 0 && maas_fit_metric_more(m) ? -v : v);

    t->st.done = t->st.epoch + 1 >= t->o.epochs
                 || (t->o.patience >= 0 && t->st.bad > t->o.patience);
}


/* At the end of an epoch, unless the last one is not a second old. */
static maas_status_t
trainer_save(maas_trainer_t *t, bool epoch, bool now_or_never,
    maas_err_t *err)
{
    bool      due;
    uint64_t  now = maas_now_ns();
    uint64_t  age = now - (t->saved != 0 ? t->saved : t->started);

    due = now_or_never || (epoch && age > TRAINER_SECOND)
          || (t->o.every_ns != 0 && age > t->o.every_ns)
          || (t->o.every_steps != 0
              && (epoch || t->st.step % t->o.every_steps == 0));

    /* What is lost is not worth a checkpoint; the one before may be. */
    if (t->o.checkpoint == NULL || !due || t->st.wild > 0
        || (t->o.ranks != NULL && t->o.ranks->rank != 0))
    {
        return MAAS_OK;
    }

    t->st.seconds += (double) (now - t->started) / 1e9;
    t->started = now;
    MAAS_TRY(maas_checkpoint_write(t, err));
    t->saved = now;

    return MAAS_OK;
}


/* Fisher and Yates, by numbers of (seed, epoch). */
static void
trainer_shuffle(maas_trainer_t *t)
{
    int64_t        row;
    uint64_t       k;
    maas_random_t  g = maas_random(t->o.seed, TRAINER_STREAM,
                                   (uint32_t) t->st.epoch);

    for (int64_t i = t->o.n_train - 1; i > 0; i--) {
        k = maas_random_below(&g, (uint64_t) i, (uint64_t) i + 1);
        row = t->order[i];
        t->order[i] = t->order[k];
        t->order[k] = row;
    }
}


static maas_status_t
trainer_epoch(maas_trainer_t *t, maas_err_t *err)
{
    memcpy(t->order, t->o.train, (size_t) t->o.n_train * sizeof(int64_t));

    if (!t->o.ordered) {
        trainer_shuffle(t);
    }

    maas_trainer_align(t);

    while (t->st.batch < t->batches) {
        MAAS_TRY(trainer_step(t, err));

        if (t->o.step != NULL) {
            t->o.step(t->o.ctx, t);
        }

        if (t->stop) {
            MAAS_TRY(trainer_save(t, false, true, err));
            return maas_err(err, MAAS_ECANCEL, "stopped at step %lld, in "
                            "epoch %lld", (long long) t->st.step,
                            (long long) t->st.epoch + 1);
        }

        MAAS_TRY(trainer_save(t, false, false, err));
    }

    MAAS_TRY(trainer_validate(t, err));
    trainer_judge(t);
    MAAS_TRY(trainer_ended(t, err));
    trainer_history(t);

    if (t->history.failed) {
        return maas_err_nomem(err);
    }

    if (t->o.epoch != NULL) {
        t->o.epoch(t->o.ctx, t);
    }

    t->st.epoch++;
    t->st.batch = 0;

    if (!t->st.done) {
        memset(&t->st.train, 0, sizeof(t->st.train));
    }

    return trainer_save(t, true, t->o.keep && t->st.done, err);
}


static maas_status_t
trainer_resume(maas_trainer_t *t, maas_err_t *err)
{
    bool           first = t->o.ranks == NULL || t->o.ranks->rank == 0;
    maas_status_t  rc = MAAS_OK;

    if (t->o.resume && t->o.checkpoint != NULL && first) {
        rc = maas_checkpoint_read(t, err);
        t->resumed = rc == MAAS_OK;
        t->saved = t->resumed ? t->started : 0;
        rc = rc == MAAS_ENOENT ? MAAS_OK : rc;
    }

    return t->o.ranks == NULL ? rc : maas_trainer_follow(t, rc, err);
}


maas_status_t
maas_trainer_run(maas_trainer_t *t, maas_err_t *err)
{
    t->started = maas_now_ns();
    MAAS_TRY(trainer_resume(t, err));

    t->st.done = t->st.done || t->st.epoch >= t->o.epochs;

    while (!t->st.done) {
        MAAS_TRY(trainer_epoch(t, err));
    }

    if (t->best != NULL && t->st.best_epoch != 0) {
        memcpy(t->o.weights->data, t->best,
               (size_t) t->o.weights->total * sizeof(float));
    }

    t->st.seconds += (double) (maas_now_ns() - t->started) / 1e9;
    return MAAS_OK;
}
