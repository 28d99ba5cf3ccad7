/*
 * losses.c: the rows of losses, and their nodes.  See losses.h.
 *
 * Ownership: the arena's.
 * Threads:   one thread.
 */

#include "train/losses.h"


#define LOSS_SMOOTHING                                                        \
    { .name = "label_smoothing", .type = MAAS_PARAM_NUMBER,                   \
      .off = offsetof(maas_loss_t, smoothing), .min = 0, .max = 0.999999,     \
      .about = "share of the target that is spread over all classes" }

#define LOSS_CLASS_WEIGHT                                                     \
    { .name = "class_weight", .type = MAAS_PARAM_JSON,                        \
      .off = offsetof(maas_loss_t, class_weight),                             \
      .about = "\"balanced\", a list of numbers, or an object by class: "     \
               "factors of the loss" }

static const maas_param_t  huber_params[] = {
    { .name = "delta", .type = MAAS_PARAM_NUMBER, .def = 1,
      .off = offsetof(maas_loss_t, delta), .min = 0, .max = 1e300,
      .open = true, .about = "where the square becomes a line" }
};

static const maas_param_t  cross_params[] = {
    LOSS_SMOOTHING,
    LOSS_CLASS_WEIGHT
};

static const maas_param_t  hinge_params[] = { LOSS_CLASS_WEIGHT };

#define LOSS_PARAMS(a)  .param = a, .n_param = maas_nelts(a)

const maas_loss_row_t  maas_loss_rows[] = {

    { .name = "mean_squared_error", .alias = "mse",
      .about = "mean of (x - y)^2", .kind = "mse" },

    { .name = "mean_absolute_error", .alias = "mae",
      .about = "mean of |x - y|", .kind = "mae" },

    { .name = "huber", .about = "the square of small differences, a line "
      "beyond delta", LOSS_PARAMS(huber_params), .kind = "huber" },

    { .name = "binary_crossentropy", .alias = "bce",
      .about = "two classes, or several that exclude nothing",
      LOSS_PARAMS(cross_params), .target = MAAS_TARGET_BINARY,
      .kind = "binary", .folds = "Sigmoid" },

    { .name = "categorical_crossentropy", .alias = "crossentropy",
      .about = "one class of several", LOSS_PARAMS(cross_params),
      .target = MAAS_TARGET_CLASSES, .folds = "Softmax" },

    { .name = "hinge", .about = "max(0, 1 - y x) for y of -1 and 1",
      LOSS_PARAMS(hinge_params), .target = MAAS_TARGET_SIGNS,
      .kind = "hinge" },

    { .name = "kl_divergence", .alias = "kl",
      .about = "sum of y log(y / x) of two distributions", .kind = "kl" },

    { .name = NULL }
};


static maas_status_t
loss_find(const char *name, const maas_loss_row_t **row, maas_err_t *err)
{
    char         near[MAAS_NEAR_TEXT];
    maas_near_t  guess = { .word = { name, strlen(name) } };

    /* Keras has a name of its own for classes as integers. */
    if (strcmp(name, "sparse_categorical_crossentropy") == 0) {
        name += strlen("sparse_");
    }

    for (const maas_loss_row_t *r = maas_loss_rows; r->name != NULL; r++) {
        if (strcmp(r->name, name) == 0
            || (r->alias != NULL && strcmp(r->alias, name) == 0))
        {
            *row = r;
            return MAAS_OK;
        }

        maas_near(&guess, (maas_str_t) { r->name, strlen(r->name) });

        if (r->alias != NULL) {
            maas_near(&guess, (maas_str_t) { r->alias, strlen(r->alias) });
        }
    }

    return maas_err(err, MAAS_EINVAL, "loss: unknown type \"%.60s\"%s", name,
                    guess.best.data != NULL ? maas_near_text(&guess, near)
                    : "; maas train --describe lists all");
}


maas_status_t
maas_loss_parse(maas_arena_t *a, const json_t *spec, maas_loss_t *l,
    maas_err_t *err)
{
    const json_t              *type;
    const maas_loss_row_t     *row = NULL;
    static const char *const   skip[] = { "type", NULL };

    type = json_is_object(spec) ? json_object_get(spec, "type") : spec;

    if (!json_is_string(type)) {
        return maas_err(err, MAAS_EINVAL, "loss: expected a name like "
                        "\"mean_squared_error\", or an object with a "
                        "\"type\"");
    }

    MAAS_TRY(loss_find(json_string_value(type), &row, err));

    memset(l, 0, sizeof(*l));
    MAAS_TRY(maas_params_parse(a, json_is_object(spec) ? spec : NULL,
                               row->param, row->n_param, skip, "loss", l,
                               err));
    l->row = row;

    return MAAS_OK;
}


/* -- nodes --------------------------------------------------------------- */

/* What goes into the last node, when the loss does without that. */
static maas_vid_t
loss_fold(const maas_pass_t *p, const maas_loss_t *l, maas_vid_t result)
{
    int64_t             axis;
    const maas_node_t  *n;
    const maas_type_t  *t = &p->g->value[result].type;

    if (l->row->folds == NULL) {
        return result;
    }

    for (uint32_t i = 0; i < p->g->n_node; i++) {
        n = &p->g->node[i];

        if (n->n_out == 0 || n->out[0] != result
            || !maas_pass_is(n, l->row->folds))
        {
            continue;
        }

        if (maas_pass_attr_int(n, "axis", &axis) && axis != -1
            && axis != t->rank - 1)
        {
            break;
        }

        return n->in[0];
    }

    return result;
}


maas_status_t
maas_loss_emit(maas_pass_t *p, const maas_loss_t *l, maas_vid_t result,
    maas_vid_t target, maas_vid_t weight, maas_vid_t *loss)
{
    size_t           n = 0;
    maas_vid_t       in[2], row;
    maas_raw_attr_t  a[3];

    in[0] = loss_fold(p, l, result);
    in[1] = target;

    if (l->row->kind != NULL) {
        a[n++] = (maas_raw_attr_t) { .name = maas_str("kind"),
                                     .type = MAAS_ATTR_STRING,
                                     .s = { l->row->kind,
                                            strlen(l->row->kind) } };
        a[n++] = maas_pass_float("delta", (float) l->delta);
    }

    a[n++] = maas_pass_float("smoothing", (float) l->smoothing);

    MAAS_TRY(maas_pass_emit(p, "maas", l->row->kind != NULL ? "Loss"
                            : "SoftmaxLoss", a, (uint32_t) n, in, 2, NULL,
                            &row));

    if (weight != MAAS_NOVAL) {
        in[0] = row;
        in[1] = weight;
        MAAS_TRY(maas_pass_emit(p, "", "Mul", NULL, 0, in, 2, NULL, &row));
    }

    a[0] = maas_pass_int("keepdims", 0);

    return maas_pass_emit(p, "", "ReduceMean", a, 1, &row, 1, NULL, loss);
}
