/*
 * train_tune.c: a model that goes on from another one: its source, and what
 * is trained of it.  See train_network.h, finetune.h.
 *
 * Ownership: what is opened, train_run.c closes.
 * Threads:   one thread.
 */

#include "train/train_network.h"


/* Outputs that fit the target: what a new head gets. */
static int64_t
tune_labels(const train_net_t *n)
{
    maas_err_t               err;
    maas_loss_t              loss = { 0 };
    const json_t            *spec = n->t->job->spec->loss;
    const maas_data_info_t  *i = n->t->info;

    /* What is wrong with the loss is told later. */
    if (spec != NULL && maas_loss_parse(&n->t->arena, spec, &loss, &err)
                        != MAAS_OK)
    {
        return i->n_target;
    }

    return i->n_class != 0
           && (spec != NULL ? loss.row->target == MAAS_TARGET_CLASSES
                            : i->class_name != NULL)
           ? i->n_class : i->n_target;
}


maas_status_t
maas_train_tune(train_net_t *n, const maas_layer_value_t *in)
{
    maas_train_t  *t = n->t;

    MAAS_TRY(maas_finetune_build(t->tune, &n->net, in, tune_labels(n),
                                 (uint64_t) t->job->spec->seed));
    n->core = n->net.model;

    /* Names of columns are told of a single input. */
    if (t->tune->shown->graph.n_in != 1) {
        t->n_feature = 0;
    }

    return MAAS_OK;
}


/* -- a frozen prefix ----------------------------------------------------- */

static maas_status_t
tune_rows(void *ctx, const int64_t *row, int64_t n, bool train,
    uint64_t epoch, void *x, void *y, maas_err_t *err)
{
    train_net_t  *net = ctx;

    (void) train;
    return maas_finetune_cache_rows(net->cache, row, n, epoch, x, y, err);
}


static void
tune_weigh(void *ctx, const void *y, int64_t n, float *weight)
{
    train_net_t  *net = ctx;

    net->feed.weigh(net->feed.ctx, y, n, weight);
}


static maas_status_t
tune_targets(void *ctx, const int64_t *row, int64_t n, void *y,
    maas_err_t *err)
{
    train_net_t  *net = ctx;

    return maas_data_targets(net->t->source, row, n, y, err);
}


/* Rows that are augmented are others in every epoch. */
maas_status_t
maas_train_tune_cache(train_net_t *n)
{
    maas_train_t                *t = n->t;
    maas_tensor_t                x;
    maas_finetune_cache_opts_t   o = { .tune = t->tune, .k = t->k,
                                       .feed = &n->feed,
                                       .rows = t->info->rows,
                                       .folder = t->work,
                                       .team = t->job->team,
                                       .targets = tune_targets, .ctx = n };

    maas_finetune_cache_free(n->cache);
    n->cache = NULL;

    if (!t->tune->j.cache
        || json_object_get(t->job->spec->data, "augment") != NULL)
    {
        return MAAS_OK;
    }

    MAAS_TRY(maas_finetune_cache_create(&n->cache, &o, &n->core, &x));

    if (n->cache != NULL) {
        n->piped.ctx = n;
        n->piped.x = x;
        n->piped.rows = tune_rows;
        n->piped.weigh = n->feed.weigh != NULL ? tune_weigh : NULL;
    }

    return MAAS_OK;
}


/* The digest of a run includes the model that it starts from. */
maas_status_t
maas_train_tune_open(maas_train_t *t)
{
    maas_sha_t    *sha;
    const char    *path;
    maas_spec_t   *s = t->job->spec;
    const json_t  *type = json_object_get(s->model, "type");
    const json_t  *from = json_object_get(s->model, "source");
    maas_str_t     name = { json_string_value(from),
                            json_string_length(from) };

    if (strcmp(json_string_value(type), "finetune") != 0) {
        return MAAS_OK;
    }

    if (s->pipeline != NULL || !t->info->plain) {
        return maas_err(t->err, MAAS_EUNSUPPORTED, "%s: a model that goes on "
                        "from another takes the columns as they are, numbers",
                        s->pipeline != NULL ? "\"pipeline\"" : "data");
    }

    path = json_is_string(from) ? maas_spec_path(s, name) : "";
    if (path == NULL) {
        return maas_err_nomem(t->err);
    }

    MAAS_TRY(maas_finetune_open(&t->tune, &t->arena, t->job->host, s->model,
                                path, t->err));

    sha = maas_sha_create();
    if (sha == NULL) {
        return maas_err_nomem(t->err);
    }

    maas_sha_update(sha, t->digest, MAAS_DIGEST);
    maas_sha_update(sha, t->tune->digest, MAAS_DIGEST);
    maas_sha_final(sha, t->digest);

    return MAAS_OK;
}
