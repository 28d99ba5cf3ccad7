/*
 * optim.c: the rows of optimisers.  See optim.h.
 *
 * Ownership: nothing is kept but in the caller's structures.
 * Threads:   reentrant.
 */

#include <math.h>

#include "train/optim.h"


#define OPTIM_FAR  1e300

#define OPTIM_NUMBER(m, n, d, lo, hi, op, text)                               \
    { .name = n, .type = MAAS_PARAM_NUMBER, .off = offsetof(maas_optim_t, m), \
      .def = d, .min = lo, .max = hi, .open = op, .about = text }

#define OPTIM_BETA(m, n, d, text)                                             \
    OPTIM_NUMBER(m, n, d, 0, 0.9999999, false, text)

#define OPTIM_EPSILON(d)                                                      \
    OPTIM_NUMBER(epsilon, "epsilon", d, 0, OPTIM_FAR, false,                  \
                 "added to what divides")


/* "learning_rate" has a default for each optimiser. */
const maas_param_t  maas_optim_common[] = {
    OPTIM_NUMBER(common.rate, "learning_rate", -1, 0, OPTIM_FAR, true,
                 "size of a step"),
    OPTIM_NUMBER(common.l1, "l1", 0, 0, OPTIM_FAR, false,
                 "l1 * sign(w) is added to the gradient of weights"),
    OPTIM_NUMBER(common.l2, "l2", 0, 0, OPTIM_FAR, false,
                 "l2 * w is added to the gradient of weights"),
    OPTIM_NUMBER(common.clip_value, "clip_value", 0, 0, OPTIM_FAR, false,
                 "gradients are cut to this size; 0: not"),
    OPTIM_NUMBER(common.clip_norm, "clip_norm", 0, 0, OPTIM_FAR, false,
                 "their norm over all weights is cut to this; 0: not"),
    { .name = "accumulate", .type = MAAS_PARAM_INT, .def = 1,
      .off = offsetof(maas_optim_t, common.accumulate), .min = 1,
      .max = 1 << 20, .about = "batches whose gradients make one step" }
};

const size_t  maas_optim_n_common = maas_nelts(maas_optim_common);


/* -- gradient descent ---------------------------------------------------- */

static const maas_param_t  sgd_params[] = {
    OPTIM_BETA(momentum, "momentum", 0, "what stays of the last step"),
    OPTIM_NUMBER(dampening, "dampening", 0, 0, 1, false,
                 "takes from the gradient, with momentum"),
    { .name = "nesterov", .type = MAAS_PARAM_BOOL,
      .off = offsetof(maas_optim_t, nesterov),
      .about = "look ahead, with momentum" }
};


static maas_optim_kernel_t
sgd_kernel(const maas_optim_t *o)
{
    return o->momentum == 0 ? MAAS_K_SGD
           : o->nesterov ? MAAS_K_NESTEROV : MAAS_K_MOMENTUM;
}


/* The first gradient is taken whole, as by PyTorch. */
static void
sgd_coef(const maas_optim_t *o, int64_t t, double lr, maas_optim_k_t *c)
{
    c->lr = (float) lr;
    c->b1 = (float) o->momentum;
    c->c1 = t == 1 ? 1 : (float) (1 - o->dampening);
}


/* -- Adam: Kingma and Ba, 2015; AdamW: Loshchilov and Hutter, 2019 ------- */

static const maas_param_t  adam_params[] = {
    OPTIM_BETA(beta1, "beta_1", 0.9, "what stays of the mean gradient"),
    OPTIM_BETA(beta2, "beta_2", 0.999, "what stays of its mean square"),
    OPTIM_EPSILON(1e-8)
};

static const maas_param_t  adamw_params[] = {
    OPTIM_BETA(beta1, "beta_1", 0.9, "what stays of the mean gradient"),
    OPTIM_BETA(beta2, "beta_2", 0.999, "what stays of its mean square"),
    OPTIM_EPSILON(1e-8),
    OPTIM_NUMBER(decay, "weight_decay", 0.01, 0, OPTIM_FAR, false,
                 "weights lose this share, times the rate, at a step")
};


static maas_optim_kernel_t
adam_kernel(const maas_optim_t *o)
{
    (void) o;

    return MAAS_K_ADAM;
}


static void
adam_coef(const maas_optim_t *o, int64_t t, double lr, maas_optim_k_t *c)
{
    double  b1 = 1 - pow(o->beta1, (double) t);
    double  b2 = 1 - pow(o->beta2, (double) t);

    c->lr = (float) (lr / b1);
    c->c2 = (float) sqrt(b2);
    c->keep = 1;
}


static void
adamw_coef(const maas_optim_t *o, int64_t t, double lr, maas_optim_k_t *c)
{
    adam_coef(o, t, lr, c);
    c->keep = (float) (1 - lr * o->decay);
}


/* -- RMSProp: Hinton, lecture 6e, 2012 ----------------------------------- */

static const maas_param_t  rmsprop_params[] = {
    OPTIM_BETA(beta2, "rho", 0.99, "what stays of the mean square"),
    OPTIM_BETA(momentum, "momentum", 0, "what stays of the last step"),
    OPTIM_EPSILON(1e-8)
};


static maas_optim_kernel_t
rmsprop_kernel(const maas_optim_t *o)
{
    return o->momentum == 0 ? MAAS_K_RMSPROP : MAAS_K_RMSPROP_MOMENTUM;
}


static void
rmsprop_coef(const maas_optim_t *o, int64_t t, double lr, maas_optim_k_t *c)
{
    (void) t;

    c->lr = (float) lr;
    c->b1 = (float) o->momentum;
}


/* -- Adagrad: Duchi et al., 2011 ----------------------------------------- */

static const maas_param_t  adagrad_params[] = {
    OPTIM_NUMBER(decay, "lr_decay", 0, 0, OPTIM_FAR, false,
                 "the rate is divided by 1 + steps * lr_decay"),
    OPTIM_NUMBER(first, "initial_accumulator_value", 0, 0, OPTIM_FAR, false,
                 "of the sum of squares"),
    OPTIM_EPSILON(1e-10)
};


static maas_optim_kernel_t
adagrad_kernel(const maas_optim_t *o)
{
    (void) o;

    return MAAS_K_ADAGRAD;
}


static void
adagrad_coef(const maas_optim_t *o, int64_t t, double lr, maas_optim_k_t *c)
{
    c->lr = (float) (lr / (1 + (double) (t - 1) * o->decay));
}


/* -- rows ---------------------------------------------------------------- */

#define OPTIM_PARAMS(a)  .param = a, .n_param = maas_nelts(a)

const maas_optim_row_t  maas_optim_rows[] = {

    { .name = "sgd", .about = "gradient descent by batches, with momentum",
      OPTIM_PARAMS(sgd_params), .rate = 0.01, .kernel = sgd_kernel,
      .coef = sgd_coef },

    { .name = "gradient_descent",
      .about = "w -= learning_rate * gradient, nothing else",
      .rate = 0.01, .kernel = sgd_kernel, .coef = sgd_coef },

    { .name = "adam", .about = "steps by mean and variance of the gradient",
      OPTIM_PARAMS(adam_params), .rate = 0.001, .kernel = adam_kernel,
      .coef = adam_coef },

    { .name = "adamw", .about = "adam with weight decay apart from it",
      OPTIM_PARAMS(adamw_params), .rate = 0.001, .kernel = adam_kernel,
      .coef = adamw_coef },

    { .name = "rmsprop", .about = "steps by the gradient's mean square",
      OPTIM_PARAMS(rmsprop_params), .rate = 0.01, .kernel = rmsprop_kernel,
      .coef = rmsprop_coef },

    { .name = "adagrad", .about = "steps by the sum of its squares",
      OPTIM_PARAMS(adagrad_params), .rate = 0.01, .kernel = adagrad_kernel,
      .coef = adagrad_coef },

    { .name = NULL }
};


static maas_status_t
optim_find(const char *name, const maas_optim_row_t **row, maas_err_t *err)
{
    char         near[MAAS_NEAR_TEXT];
    maas_near_t  guess = { .word = { name, strlen(name) } };

    for (const maas_optim_row_t *r = maas_optim_rows; r->name != NULL; r++) {
        if (strcmp(r->name, name) == 0) {
            *row = r;
            return MAAS_OK;
        }

        maas_near(&guess, (maas_str_t) { r->name, strlen(r->name) });
    }

    return maas_err(err, MAAS_EINVAL, "optimizer: unknown type \"%.60s\"%s",
                    name, guess.best.data != NULL
                    ? maas_near_text(&guess, near)
                    : "; there are sgd, gradient_descent, adam, adamw, "
                      "rmsprop and adagrad");
}


maas_status_t
maas_optim_parse(maas_arena_t *a, const json_t *spec, maas_optim_t *o,
    maas_err_t *err)
{
    size_t                    n;
    maas_param_t              all[16];
    const json_t             *type;
    const maas_optim_row_t   *row = NULL;
    static const char *const  skip[] = { "type", NULL };

    type = json_is_object(spec) ? json_object_get(spec, "type") : spec;

    if (spec != NULL && !json_is_string(type)) {
        return maas_err(err, MAAS_EINVAL, "optimizer: expected a name, or an "
                        "object like {\"type\":\"adam\"}");
    }

    MAAS_TRY(optim_find(spec != NULL ? json_string_value(type) : "adam",
                        &row, err));

    memset(o, 0, sizeof(*o));
    n = maas_optim_n_common;
    memcpy(all, maas_optim_common, n * sizeof(*all));

    if (row->n_param != 0) {
        memcpy(all + n, row->param, row->n_param * sizeof(*all));
    }

    MAAS_TRY(maas_params_parse(a, json_is_object(spec) ? spec : NULL, all,
                               n + row->n_param, skip, "optimizer", o, err));
    o->row = row;

    if (o->common.rate < 0) {
        o->common.rate = row->rate;
    }

    if (o->nesterov && (o->momentum == 0 || o->dampening != 0)) {
        return maas_err(err, MAAS_EINVAL, "optimizer: \"nesterov\" needs "
                        "\"momentum\" and no \"dampening\"");
    }

    return MAAS_OK;
}


unsigned
maas_optim_moments(const maas_optim_t *o)
{
    static const unsigned  moments[MAAS_K_OPTIMS] = {
        [MAAS_K_MOMENTUM] = 1, [MAAS_K_NESTEROV] = 1, [MAAS_K_ADAM] = 3,
        [MAAS_K_RMSPROP] = 2, [MAAS_K_RMSPROP_MOMENTUM] = 3,
        [MAAS_K_ADAGRAD] = 2
    };

    return moments[o->row->kernel(o)];
}


void
maas_optim_coef(const maas_optim_t *o, int64_t t, double lr, double scale,
    bool decay, maas_optim_k_t *c)
{
    memset(c, 0, sizeof(*c));
    c->scale = (float) scale;
    c->clip = o->common.clip_value > 0 ? (float) o->common.clip_value
                                       : INFINITY;
    c->l1 = decay ? (float) o->common.l1 : 0;
    c->l2 = decay ? (float) o->common.l2 : 0;
    c->b1 = (float) o->beta1;
    c->b2 = (float) o->beta2;
    c->a1 = (float) (1 - o->beta1);
    c->a2 = (float) (1 - o->beta2);
    c->eps = (float) o->epsilon;
    o->row->coef(o, t, lr, c);

    if (!decay) {
        c->keep = 1;
    }
}
