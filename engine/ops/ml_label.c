/*
 * ml_label: the tensors of LabelEncoder 4 to lists; see ml_label.h.
 *
 * Ownership: lists lie in the importer's arena.
 * Threads:   one thread.
 *
 * Spec: github.com/onnx/onnx, docs/Operators-ml.md.
 */

#include "graph/import.h"
#include "ops/ml_label.h"


/* Names of a list of keys, of values, or of the default. */
typedef struct {
    const char  *tensor;
    const char  *ints;
    const char  *floats;
    const char  *doubles;
    const char  *strings;
    const char  *type;
} label_names_t;

static const label_names_t  label_keys = {
    "keys_tensor", "keys_int64s", "keys_floats", "keys_doubles",
    "keys_strings", "key_type"
};

static const label_names_t  label_values = {
    "values_tensor", "values_int64s", "values_floats", "values_doubles",
    "values_strings", "value_type"
};


static maas_status_t
label_strings(maas_import_t *im, maas_raw_attr_t *a)
{
    size_t       n = (size_t) maas_tensor_count(&a->t);
    maas_str_t  *s = maas_arena_array(im->arena, n + 1, sizeof(*s));

    if (s == NULL) {
        return maas_err_nomem(im->err);
    }

    for (size_t i = 0; i < n; i++) {
        s[i] = maas_tensor_str(&a->t, (int64_t) i);
    }

    a->type = MAAS_ATTR_STRINGS;
    a->strings = s;
    a->n = n;
    return MAAS_OK;
}


/* Numbers as a list of floats or of int64: integers, or bits of float64. */
static maas_status_t
label_numbers(maas_import_t *im, maas_raw_attr_t *a)
{
    int     dtype = a->t.dtype;
    size_t  n = (size_t) maas_tensor_count(&a->t);
    size_t  size = maas_dtype_size(dtype);
    void   *from, *to;

    /* Tensors of a file need not be aligned for us. */
    from = maas_arena_dup(im->arena, a->t.data, n * size);
    to = maas_arena_array(im->arena, n + 1, sizeof(int64_t));
    if (from == NULL || to == NULL) {
        return maas_err_nomem(im->err);
    }

    a->n = n;

    if (dtype == MAAS_F32) {
        a->type = MAAS_ATTR_FLOATS;
        a->floats = from;
        return MAAS_OK;
    }

    maas_cast_row(to, dtype == MAAS_F64 ? MAAS_F64 : MAAS_I64, from,
                  (maas_dtype_t) dtype, (int64_t) n);
    a->type = MAAS_ATTR_INTS;
    a->ints = to;
    return MAAS_OK;
}


static maas_status_t
label_list(maas_import_t *im, maas_raw_node_t *n, const label_names_t *names,
    maas_err_t *err)
{
    int               dtype;
    const char       *name;
    maas_raw_attr_t  *a = maas_raw_attr(n, names->tensor);

    if (a == NULL) {
        return MAAS_OK;
    }

    dtype = a->type == MAAS_ATTR_TENSOR ? a->t.dtype : MAAS_NODTYPE;

    switch (dtype) {
    case MAAS_STRING:
        name = names->strings;
        break;
    case MAAS_F32:
        name = names->floats;
        break;
    case MAAS_F64:
        name = names->doubles;
        break;
    case MAAS_I16:
    case MAAS_I32:
    case MAAS_I64:
        name = names->ints;
        break;
    default:
        return maas_err(err, MAAS_EINVAL, "attribute '%s' has to be a tensor "
                        "of strings, int64, int32, int16, float32 or float64",
                        names->tensor);
    }

    maas_raw_attr_drop(n, name);
    a = maas_raw_attr(n, names->tensor);
    MAAS_TRY(dtype == MAAS_STRING ? label_strings(im, a)
                                  : label_numbers(im, a));
    a->name = (maas_str_t) { name, strlen(name) };

    return maas_raw_attr_int(im, n, names->type, dtype);
}


/* One value, of the type of the values. */
static maas_status_t
label_default(maas_import_t *im, maas_raw_node_t *n, maas_err_t *err)
{
    double            d;
    const char       *name;
    maas_raw_attr_t  *a = maas_raw_attr(n, "default_tensor");

    if (a == NULL) {
        return MAAS_OK;
    }

    if (a->type != MAAS_ATTR_TENSOR || maas_tensor_count(&a->t) != 1) {
        return maas_err(err, MAAS_EINVAL, "attribute 'default_tensor' has to "
                        "be a tensor of one value");
    }

    if (a->t.dtype == MAAS_STRING) {
        a->type = MAAS_ATTR_STRING;
        a->s = maas_tensor_str(&a->t, 0);
        a->name = maas_str("default_string");
        return MAAS_OK;
    }

    MAAS_TRY(label_numbers(im, a));

    switch (a->t.dtype) {
    case MAAS_F32:
        a->type = MAAS_ATTR_FLOAT;
        a->f = a->floats[0];
        name = "default_float";
        break;
    case MAAS_F64:
        memcpy(&d, a->ints, sizeof(d));
        memcpy(&a->i, &d, sizeof(d));
        a->type = MAAS_ATTR_INT;
        name = "default_double";
        break;
    default:
        a->i = a->ints[0];
        a->type = MAAS_ATTR_INT;
        name = "default_int64";
    }

    a->name = (maas_str_t) { name, strlen(name) };
    return MAAS_OK;
}


maas_status_t
maas_label_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    (void) opset;

    MAAS_TRY(label_list(im, n, &label_keys, err));
    MAAS_TRY(label_list(im, n, &label_values, err));

    return label_default(im, n, err);
}
