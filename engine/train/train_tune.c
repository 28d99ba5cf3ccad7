/*
 * train_tune.c: a model that goes on from another one: its source, and what
 * is trained of it.  See train_network.h, finetune.h.
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
