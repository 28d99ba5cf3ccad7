/*
 * train_options: the parts of a specification that a network is trained by,
 * against its shapes and the data.  See train_network.h.
 *
 * Ownership: what is parsed lies in the arena.
 * Threads:   one thread.
 */

#include <math.h>
#include <stdio.h>

#include "train/train_network.h"


#define SHOW(s)  (int) maas_min((s).len, 100u), (s).data


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


/* A class at each place of the result, [N,T,classes]: numbers [N,T]. */
static bool
net_each(const train_net_t *n, int64_t numbers)
{
    const maas_layer_value_t  *o = &n->net.out;
    int64_t                    classes = o->dims[o->rank - 1];

    return n->loss.row->target == MAAS_TARGET_CLASSES && o->rank > 2
           && classes > 1 && numbers / classes == n->t->info->n_target;
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

    if (t->info->named.len != 0) {
        return maas_err(t->err, MAAS_EINVAL, "data: the column \"%.*s\" has "
                        "names; targets in several columns are numbers",
                        SHOW(t->info->named));
    }

    n->each = net_each(n, each);
    n->dense = n->loss.row->target == MAAS_TARGET_CLASSES && !n->each;

    if (n->each) {
        n->y.dtype = MAAS_I64;
        n->y.rank--;
        return MAAS_OK;
    }

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
    char                       what[100];
    maas_target_kind_t         kind = n->loss.row->target;
    const maas_layer_value_t  *o = &n->net.out;
    const maas_param_texts_t  *l = &n->t->job->spec->metrics;
    maas_fit_judge_t           j = { .kind = kind, .what = what,
                                     .numbers = n->y.dtype == MAAS_F32 };

    j.n_class = kind == MAAS_TARGET_CLASSES ? o->dims[o->rank - 1]
                : maas_dims_count(o->dims + 1, o->rank - 1) == 1 ? 2 : 0;
    snprintf(what, sizeof(what), "the loss %s", n->loss.row->name);

    if (l->n == 0) {
        n->metrics = MAAS_FIT_BIT(kind != MAAS_TARGET_NUMBERS
                                  ? MAAS_FIT_ACCURACY : MAAS_FIT_MAE);
    }

    return maas_fit_metric_parse(l, &j, &n->metrics, n->t->err);
}


maas_status_t
maas_train_monitor(train_net_t *n, bool validated, maas_monitor_t *m)
{
    maas_str_t  s = n->alone ? maas_str("") : n->early.monitor;

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

    if (!m->validation && m->metric >= MAAS_FIT_SUMMED) {
        return maas_err(n->t->err, MAAS_EINVAL, "early_stopping: \"%.*s\" is "
                        "not measured while rows are learned; watch "
                        "\"validation_%s\"", SHOW(n->early.monitor),
                        maas_fit_metric_name(m->metric));
    }

    if (m->validation && !validated) {
        return maas_err(n->t->err, MAAS_EINVAL, "early_stopping: \"%.*s\" "
                        "needs rows for validation: data: split: "
                        "\"validation\"", SHOW(n->early.monitor));
    }

    return MAAS_OK;
}


maas_status_t
maas_train_options(train_net_t *n)
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

    maas_data_feed(t->source, &n->x, &n->y, n->classes, &n->feed);

    if (n->each) {
        maas_data_each(t->source, n->net.out.dims[n->net.out.rank - 1]);
    }

    if (n->factor != NULL) {
        maas_data_weigh(t->source, n->factor, &n->feed);
    }

    return MAAS_OK;
}
