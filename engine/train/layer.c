/*
 * layer.c: a list of layers -> nodes.  Finds rows, names layers, and holds
 * what the rows share: weights, shapes, activations.  See layer.h.
 *
 * Threads: one thread a list.
 */

#include <math.h>
#include <stdio.h>

#include "train/layer.h"


#define LAYER_DEPTH  16         /* of lists inside layers */

extern const maas_layer_t *const  maas_registry_layers[];

static const char *const  layer_common[] = {
    "type", "name", "trainable", NULL
};


/* -- rows ---------------------------------------------------------------- */

const maas_layer_t *
maas_layer_next(const maas_layer_t *after)
{
    const maas_layer_t *const  *file = maas_registry_layers;

    if (after == NULL) {
        return *file;
    }

    if (after[1].name != NULL) {
        return after + 1;
    }

    for ( ; *file != NULL; file++) {
        const maas_layer_t  *r = *file;

        while (r->name != NULL && r != after) {
            r++;
        }

        if (r == after) {
            return file[1];
        }
    }

    return NULL;
}


const maas_layer_t *
maas_layer_find(maas_str_t name)
{
    const maas_layer_t  *r = NULL;

    while ((r = maas_layer_next(r)) != NULL) {
        if (maas_str_is(name, r->name)) {
            return r;
        }
    }

    return NULL;
}


/* -- shapes -------------------------------------------------------------- */

const char *
maas_layer_shape(const maas_layers_t *l, char out[MAAS_DIMS_TEXT])
{
    size_t  n = 0;

    n += (size_t) snprintf(out, MAAS_DIMS_TEXT, "[N");

    for (int i = 1; i < l->at.rank; i++) {
        n += (size_t) snprintf(out + n, MAAS_DIMS_TEXT - n, ",%lld",
                               (long long) l->at.dims[i]);
    }

    snprintf(out + n, MAAS_DIMS_TEXT - n, "]");
    return out;
}


maas_status_t
maas_layer_float(const maas_layers_t *l)
{
    if (l->at.dtype == MAAS_F32) {
        return MAAS_OK;
    }

    return maas_err(l->err, MAAS_EINVAL, "takes float32, got %s; an "
                    "\"embedding\" makes numbers of integers",
                    maas_dtype_name(l->at.dtype));
}


maas_status_t
maas_layer_rank(const maas_layers_t *l, int min, int max, const char *takes)
{
    char  shape[MAAS_DIMS_TEXT];

    if (l->at.rank < min || l->at.rank > max) {
        return maas_err(l->err, MAAS_EINVAL, "takes %s, got %s", takes,
                        maas_layer_shape(l, shape));
    }

    return maas_layer_float(l);
}


void
maas_layer_value(maas_layers_t *l, maas_str_t value)
{
    l->at.value = value;
}


void
maas_layer_set(maas_layers_t *l, maas_str_t value, int rank,
    const int64_t *dims)
{
    l->at.value = value;
    l->at.rank = rank;
    l->at.dims[0] = -1;

    for (int i = 1; i < rank; i++) {
        l->at.dims[i] = dims[i];
    }
}


maas_status_t
maas_layer_mul(const maas_layers_t *l, int64_t a, int64_t b, int64_t *out)
{
    if (!maas_mul_i64(a, b, out) || *out > INT32_MAX) {
        return maas_err(l->err, MAAS_ELIMIT, "%lld times %lld values are too "
                        "many", (long long) a, (long long) b);
    }

    return MAAS_OK;
}


/* -- weights ------------------------------------------------------------- */

static maas_status_t
layer_weight_add(maas_layers_t *l, maas_str_t name,
    const maas_layer_new_t *w)
{
    maas_layer_weight_t  *more;

    if (l->n_weight == l->cap_weight) {
        more = maas_arena_array(l->arena, l->cap_weight * 2 + 16,
                                sizeof(*more));
        if (more == NULL) {
            return maas_err_nomem(l->err);
        }

        if (l->n_weight != 0) {
            memcpy(more, l->weight, l->n_weight * sizeof(*more));
        }

        l->weight = more;
        l->cap_weight = l->cap_weight * 2 + 16;
    }

    l->weight[l->n_weight++] = (maas_layer_weight_t) {
        name, !l->frozen && !w->still, l->frozen, w->rank > 1 && !w->bias
    };

    return MAAS_OK;
}


static maas_status_t
layer_fill(maas_layers_t *l, const maas_layer_new_t *w, float *v, int64_t n)
{
    int64_t      parts = maas_max(w->parts, 1), cols;
    maas_init_t  in = { .kind = w->init, .fan_in = w->fan_in,
                        .fan_out = w->fan_out, .seed = l->seed,
                        .host = l->host };

    in.rows = w->rank > 1 ? w->dims[0] : 1;
    in.rows = w->parts > 0 ? w->dims[0] * w->dims[1] : in.rows;
    cols = n / maas_max(in.rows, 1);
    in.rows /= parts;
    in.cols = cols;

    for (int64_t i = 0; i < parts; i++) {
        /* Each part has a number of its own. */
        in.weight = l->n_weight | (uint32_t) i << 24;
        MAAS_TRY(maas_init_fill(&in, v + i * in.rows * cols, l->err));
    }

    for (int64_t i = 0; w->ones != 0 && i < w->dims[0]; i++) {
        for (int64_t k = 0; k < w->ones; k++) {
            v[i * w->dims[1] + w->ones_at + k] = 1;
        }
    }

    return MAAS_OK;
}


maas_status_t
maas_layer_weight(maas_layers_t *l, const maas_layer_new_t *w,
    maas_str_t *name)
{
    char     text[256];
    float   *v;
    int64_t  n = 1;

    for (int i = 0; i < w->rank; i++) {
        MAAS_TRY(maas_layer_mul(l, n, w->dims[i], &n));
    }

    v = maas_arena_array(l->arena, (size_t) n, sizeof(float));
    if (v == NULL) {
        return maas_err_nomem(l->err);
    }

    MAAS_TRY(layer_fill(l, w, v, n));

    snprintf(text, sizeof(text), "%.*s.%s",
             (int) maas_min(l->name.len, 200u), l->name.data, w->what);
    *name = maas_build_floats(l->build, text, v, w->rank, w->dims);

    return layer_weight_add(l, *name, w);
}


/* -- nodes --------------------------------------------------------------- */

maas_str_t
maas_layer_transpose(maas_layers_t *l, maas_str_t x, const int64_t *perm,
    int rank)
{
    maas_raw_attr_t  a = maas_build_attr_ints("perm", perm, (size_t) rank);

    return maas_build_node(l->build, &(maas_build_node_t) {
        .op = "Transpose", .in = &x, .n_in = 1, .attr = &a, .n_attr = 1 });
}


maas_str_t
maas_layer_reshape(maas_layers_t *l, maas_str_t x, const int64_t *dims,
    int rank)
{
    int64_t  n = rank;
    int64_t  to[MAAS_RANK_MAX] = { 0 };

    for (int i = 1; i < rank; i++) {
        to[i] = dims[i];
    }

    return maas_build_op2(l->build, "Reshape", x,
                          maas_build_ints(l->build, NULL, to, 1, &n));
}


maas_status_t
maas_layer_linear(maas_layers_t *l, maas_str_t x, int rank, int64_t in,
    int64_t units, int64_t kernel, int64_t bias, const char *prefix,
    maas_str_t *out)
{
    char              what[2][32];
    size_t            n = 2;
    maas_str_t        arg[3];
    maas_layer_new_t  w = { .what = what[0], .init = kernel, .rank = 2,
                            .dims = { in, units }, .fan_in = (double) in,
                            .fan_out = (double) units };
    maas_layer_new_t  b = { .what = what[1], .init = bias, .rank = 1,
                            .dims = { units }, .fan_in = (double) in,
                            .fan_out = (double) units };

    snprintf(what[0], sizeof(what[0]), "%sweight", prefix);
    snprintf(what[1], sizeof(what[1]), "%sbias", prefix);

    arg[0] = x;
    MAAS_TRY(maas_layer_weight(l, &w, &arg[1]));

    if (bias >= 0) {
        MAAS_TRY(maas_layer_weight(l, &b, &arg[2]));
        n = 3;
    }

    if (rank == 2) {
        *out = maas_build_node(l->build, &(maas_build_node_t) {
            .op = "Gemm", .in = arg, .n_in = n });
        return MAAS_OK;
    }

    *out = maas_build_op2(l->build, "MatMul", x, arg[1]);

    if (bias >= 0) {
        *out = maas_build_op2(l->build, "Add", *out, arg[2]);
    }

    return MAAS_OK;
}


maas_str_t
maas_layer_dropout(maas_layers_t *l, maas_str_t x, double rate)
{
    return rate == 0 ? x : maas_build_op2(l->build, "Dropout", x,
                              maas_build_float(l->build, (float) rate));
}


/* -- the list ------------------------------------------------------------ */

static maas_status_t
layer_unknown(maas_layers_t *l, maas_str_t type)
{
    char                 near[MAAS_NEAR_TEXT];
    maas_near_t          guess = { .word = type };
    const maas_layer_t  *r = NULL;

    while ((r = maas_layer_next(r)) != NULL) {
        maas_near(&guess, (maas_str_t) { r->name, strlen(r->name) });
    }

    return maas_err(l->err, MAAS_EINVAL, "unknown layer \"%.*s\"%s",
                    (int) maas_min(type.len, 60u), type.data,
                    guess.best.data != NULL ? maas_near_text(&guess, near)
                    : "; maas train --describe lists all");
}


static maas_status_t
layer_made(maas_layers_t *l, const maas_layer_t *r, int *number)
{
    const maas_layer_t  **more;

    if (l->n_made == l->cap_made) {
        more = maas_arena_array(l->arena, l->cap_made * 2 + 16,
                                sizeof(*more));
        if (more == NULL) {
            return maas_err_nomem(l->err);
        }

        if (l->n_made != 0) {
            memcpy(more, l->made, l->n_made * sizeof(*more));
        }

        l->made = more;
        l->cap_made = l->cap_made * 2 + 16;
    }

    l->made[l->n_made++] = r;
    *number = 0;

    for (uint32_t i = 0; i < l->n_made; i++) {
        *number += l->made[i] == r;
    }

    return MAAS_OK;
}


static maas_status_t
layer_name(maas_layers_t *l, const maas_layer_t *r, const json_t *o)
{
    int            number = 0;
    char           text[96];
    const json_t  *name = json_object_get(o, "name");

    MAAS_TRY(layer_made(l, r, &number));

    if (name == NULL) {
        snprintf(text, sizeof(text), "%s_%d", r->name, number);
        l->name = maas_arena_str(l->arena, text, strlen(text));

    } else if (!json_is_string(name) || json_string_length(name) == 0
               || json_string_length(name) > 128)
    {
        return maas_err(l->err, MAAS_EINVAL, "\"name\" must be a text of 1 "
                        "to 128 bytes");

    } else {
        l->name = maas_arena_str(l->arena, json_string_value(name),
                                 json_string_length(name));
    }

    return l->name.data != NULL ? MAAS_OK : maas_err_nomem(l->err);
}


static maas_status_t
layer_build(maas_layers_t *l, const maas_layer_t *r, const json_t *o)
{
    bool           frozen = l->frozen;
    void          *param = NULL;
    maas_str_t     name = l->name;
    maas_status_t  rc;
    const json_t  *trainable = json_object_get(o, "trainable");

    if (trainable != NULL && !json_is_boolean(trainable)) {
        return maas_err(l->err, MAAS_EINVAL, "\"trainable\" must be true or "
                        "false");
    }

    param = maas_arena_alloc(l->arena, r->param_size + 1u);
    if (param == NULL) {
        return maas_err_nomem(l->err);
    }

    MAAS_TRY(maas_params_parse(l->arena, o, r->param, r->n_param,
                               layer_common, NULL, param, l->err));
    MAAS_TRY(layer_name(l, r, o));

    l->frozen = frozen || json_is_false(trainable);
    rc = r->build(l, param);
    l->frozen = frozen;
    l->name = name;

    return rc;
}


static maas_status_t
layer_one(maas_layers_t *l, const json_t *o, size_t i)
{
    maas_str_t           type;
    maas_status_t        rc;
    const json_t        *t;
    const maas_layer_t  *r;

    if (!json_is_object(o)) {
        return maas_err(l->err, MAAS_EINVAL, "layers[%zu] must be an object "
                        "like {\"type\":\"dense\",\"units\":10}", i);
    }

    t = json_object_get(o, "type");
    if (!json_is_string(t)) {
        return maas_err(l->err, MAAS_EINVAL, "layers[%zu] has no \"type\"",
                        i);
    }

    type = (maas_str_t) { json_string_value(t), json_string_length(t) };
    r = maas_layer_find(type);

    if (r == NULL) {
        (void) layer_unknown(l, type);
        return maas_err_prefix(l->err, "layers[%zu]", i);
    }

    rc = layer_build(l, r, o);

    return rc == MAAS_OK ? rc : maas_err_prefix(l->err, "layers[%zu] (%s)",
                                                i, r->name);
}


maas_status_t
maas_layers_build(maas_layers_t *l, const json_t *list)
{
    if (!json_is_array(list) || json_array_size(list) == 0) {
        return maas_err(l->err, MAAS_EINVAL, "\"layers\" must be a list of "
                        "at least one layer");
    }

    if (++l->depth > LAYER_DEPTH) {
        return maas_err(l->err, MAAS_ELIMIT, "more than %d layers inside of "
                        "each other", LAYER_DEPTH);
    }

    for (size_t i = 0; i < json_array_size(list); i++) {
        MAAS_TRY(layer_one(l, json_array_get(list, i), i));
    }

    l->depth--;
    return MAAS_OK;
}
