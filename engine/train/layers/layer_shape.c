/*
 * layer_shape: flatten, reshape, permute, residual.
 *
 * Threads: one thread a list of layers.
 */

#include <math.h>

#include "train/layer.h"


static maas_status_t
flatten_build(maas_layers_t *l, const void *param)
{
    int64_t          dims[2] = { -1, 1 };
    maas_raw_attr_t  axis = maas_build_attr_int("axis", 1);

    (void) param;

    for (int i = 1; i < l->at.rank; i++) {
        MAAS_TRY(maas_layer_mul(l, dims[1], l->at.dims[i], &dims[1]));
    }

    maas_layer_set(l, maas_build_node(l->build, &(maas_build_node_t) {
        .op = "Flatten", .in = &l->at.value, .n_in = 1, .attr = &axis,
        .n_attr = 1 }), 2, dims);

    return MAAS_OK;
}


/* -- reshape ------------------------------------------------------------- */

typedef struct {
    maas_param_ints_t  shape;
} reshape_layer_t;

static const maas_param_t  reshape_params[] = {
    { .name = "target_shape", .type = MAAS_PARAM_INTS, .required = true,
      .off = offsetof(reshape_layer_t, shape), .min = -1, .max = 1 << 24,
      .about = "without the batch; one may be -1" }
};


static maas_status_t
reshape_wrong(const maas_layers_t *l, const int64_t *dims, size_t n)
{
    char  shape[MAAS_DIMS_TEXT], to[MAAS_DIMS_TEXT];

    return maas_err(l->err, MAAS_EINVAL, "%s cannot have the shape %s",
                    maas_layer_shape(l, shape),
                    maas_dims_text(to, dims, (int) n));
}


static maas_status_t
reshape_build(maas_layers_t *l, const void *param)
{
    int                     open = -1;
    int64_t                 have = 1, want = 1, dims[MAAS_RANK_MAX];
    const reshape_layer_t  *p = param;

    if (p->shape.n == 0 || p->shape.n >= MAAS_RANK_MAX) {
        return maas_err(l->err, MAAS_EINVAL, "\"target_shape\" needs 1 to "
                        "%d numbers", MAAS_RANK_MAX - 1);
    }

    for (int i = 1; i < l->at.rank; i++) {
        MAAS_TRY(maas_layer_mul(l, have, l->at.dims[i], &have));
    }

    for (size_t i = 0; i < p->shape.n; i++) {
        dims[i + 1] = p->shape.v[i];

        if (p->shape.v[i] < 0) {
            if (open >= 0) {
                return reshape_wrong(l, p->shape.v, p->shape.n);
            }

            open = (int) i + 1;
            continue;
        }

        MAAS_TRY(maas_layer_mul(l, want, p->shape.v[i], &want));
    }

    if (open >= 0 && want > 0 && have % want == 0) {
        dims[open] = have / want;
        want = have;
    }

    if (want != have) {
        return reshape_wrong(l, p->shape.v, p->shape.n);
    }

    maas_layer_set(l, maas_layer_reshape(l, l->at.value, dims,
                                         (int) p->shape.n + 1),
                   (int) p->shape.n + 1, dims);
    return MAAS_OK;
}


/* -- permute ------------------------------------------------------------- */

typedef struct {
    maas_param_ints_t  dims;
} permute_t;

static const maas_param_t  permute_params[] = {
    { .name = "dims", .type = MAAS_PARAM_INTS, .required = true,
      .off = offsetof(permute_t, dims), .min = 1, .max = MAAS_RANK_MAX,
      .about = "axes in their new order, the first behind the batch is 1" }
};


static maas_status_t
permute_build(maas_layers_t *l, const void *param)
{
    int64_t           perm[MAAS_RANK_MAX] = { 0 }, dims[MAAS_RANK_MAX];
    unsigned          seen = 1;
    const permute_t  *p = param;

    if (p->dims.n != (size_t) l->at.rank - 1) {
        return maas_err(l->err, MAAS_EINVAL, "\"dims\" has %zu axes, "
                        "expected %d", p->dims.n, l->at.rank - 1);
    }

    for (int i = 1; i < l->at.rank; i++) {
        perm[i] = p->dims.v[i - 1];

        if (perm[i] >= l->at.rank || (seen >> perm[i] & 1)) {
            return maas_err(l->err, MAAS_EINVAL, "\"dims\" must name each of "
                            "the axes 1 to %d once", l->at.rank - 1);
        }

        seen |= 1u << perm[i];
        dims[i] = l->at.dims[perm[i]];
    }

    maas_layer_set(l, maas_layer_transpose(l, l->at.value, perm, l->at.rank),
                   l->at.rank, dims);
    return MAAS_OK;
}


/* -- residual ------------------------------------------------------------ */

typedef struct {
    const json_t  *layers;
    const json_t  *shortcut;
    int64_t        activation;
} residual_t;

static const maas_param_t  residual_params[] = {
    { .name = "layers", .type = MAAS_PARAM_JSON, .required = true,
      .off = offsetof(residual_t, layers), .about = "a list of layers" },
    { .name = "shortcut", .type = MAAS_PARAM_JSON,
      .off = offsetof(residual_t, shortcut),
      .about = "layers on the way around, where the shape changes" },
    MAAS_PARAM_ACT(residual_t, activation, MAAS_ACT_LINEAR)
};


static maas_status_t
residual_build(maas_layers_t *l, const void *param)
{
    char                 a[MAAS_DIMS_TEXT], b[MAAS_DIMS_TEXT];
    maas_status_t        rc;
    maas_layer_value_t   x = l->at, y;
    const residual_t    *p = param;

    MAAS_TRY(maas_layer_float(l));
    MAAS_TRY(maas_layers_build(l, p->layers));
    y = l->at;
    l->at = x;

    if (p->shortcut != NULL) {
        rc = maas_layers_build(l, p->shortcut);
        if (rc != MAAS_OK) {
            return maas_err_prefix(l->err, "shortcut");
        }
    }

    if (l->at.rank != y.rank
        || memcmp(&l->at.dims[1], &y.dims[1],
                  (size_t) (y.rank - 1) * sizeof(int64_t)) != 0)
    {
        (void) maas_layer_shape(l, a);
        l->at = y;
        return maas_err(l->err, MAAS_EINVAL, "the layers make %s, which "
                        "cannot be added to %s; a \"shortcut\" can bring it "
                        "to that shape", maas_layer_shape(l, b), a);
    }

    maas_layer_value(l, maas_build_op2(l->build, "Add", y.value,
                                       l->at.value));
    return maas_layer_activation(l, p->activation, NAN);
}


const maas_layer_t  maas_layers_layer_shape[] = {

    { .name = "flatten", .about = "all axes but the batch become one",
      .build = flatten_build },

    { .name = "reshape", .about = "another shape of as many elements",
      MAAS_LAYER_PARAMS(reshape_params, reshape_layer_t),
      .build = reshape_build },

    { .name = "permute", .about = "axes in another order",
      MAAS_LAYER_PARAMS(permute_params, permute_t), .build = permute_build },

    { .name = "residual", .about = "x plus what the layers make of it",
      MAAS_LAYER_PARAMS(residual_params, residual_t),
      .build = residual_build },

    { .name = NULL }
};
