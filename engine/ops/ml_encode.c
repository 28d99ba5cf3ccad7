/*
 * ml_encode: ai.onnx.ml LabelEncoder, CategoryMapper and OneHotEncoder: the
 * place of each element in a list of keys, and what stands there.
 *
 * Keys are hashed when a step runs, into its scratch: lists are short and
 * inputs may be long.  Of equal keys LabelEncoder takes the first, or the
 * last where it has classes, as the others do.  NaN is equal to NaN.
 *
 * Ownership: lists lie in the nodes' attributes.
 * Threads:   reentrant; a step is one unit, for strings follow each other.
 *
 * Spec: github.com/onnx/onnx, docs/Operators-ml.md.
 */

#include "ops/ml_common.h"
#include "ops/ml_label.h"


typedef struct {
    maas_list_t  keys_double;   /* bits of float64, as int64 */
    maas_list_t  values_double;
    int64_t      default_double;
    int64_t      key_type;      /* of a tensor; 0: a list's */
    int64_t      value_type;
    maas_list_t  keys_int;
    maas_list_t  keys_float;
    maas_list_t  keys_string;
    maas_list_t  values_int;
    maas_list_t  values_float;
    maas_list_t  values_string;
    maas_list_t  classes;       /* version 1: strings <-> their indices */
    maas_list_t  default_string;
    int64_t      default_int;
    int64_t      zeros;
    float        default_float;
} enc_attr_t;

#define ENC_LIST(label, kind, member)                                         \
    { .name = label, .type = MAAS_ATTR_##kind,                                \
      .off = offsetof(enc_attr_t, member) }

#define ENC_INT(label, member, value)                                         \
    { .name = label, .type = MAAS_ATTR_INT, .i = value,                       \
      .off = offsetof(enc_attr_t, member) }

#define ENC_DEFAULTS                                                          \
    { .name = "default_int64", .type = MAAS_ATTR_INT, .i = -1,                \
      .off = offsetof(enc_attr_t, default_int) },                             \
    ENC_LIST("default_string", STRING, default_string)

static const maas_attr_row_t  label_attrs[] = {
    ENC_LIST("keys_int64s", INTS, keys_int),
    ENC_LIST("keys_floats", FLOATS, keys_float),
    ENC_LIST("keys_strings", STRINGS, keys_string),
    ENC_LIST("values_int64s", INTS, values_int),
    ENC_LIST("values_floats", FLOATS, values_float),
    ENC_LIST("values_strings", STRINGS, values_string),
    ENC_LIST("classes_strings", STRINGS, classes),
    ENC_LIST("keys_doubles", INTS, keys_double),
    ENC_LIST("values_doubles", INTS, values_double),
    ENC_INT("key_type", key_type, 0),
    ENC_INT("value_type", value_type, 0),
    ENC_INT("default_double", default_double, INT64_MIN),     /* -0.0 */
    ENC_DEFAULTS,
    { .name = "default_float", .type = MAAS_ATTR_FLOAT, .f = -0.0f,
      .off = offsetof(enc_attr_t, default_float) }
};

static const maas_attr_row_t  category_attrs[] = {
    ENC_LIST("cats_int64s", INTS, keys_int),
    ENC_LIST("cats_strings", STRINGS, keys_string),
    ENC_DEFAULTS
};

static const maas_attr_row_t  one_hot_attrs[] = {
    ENC_LIST("cats_int64s", INTS, keys_int),
    ENC_LIST("cats_strings", STRINGS, keys_string),
    { .name = "zeros", .type = MAAS_ATTR_INT, .i = 1,
      .off = offsetof(enc_attr_t, zeros) }
};


/* -- tables -------------------------------------------------------------- */

typedef struct {
    const enc_attr_t   *at;
    const maas_list_t  *keys;
    const maas_list_t  *values;     /* NULL: the index is the value */
    int                 key;        /* STRING, F32, F64, I64: any integer */
    int                 value;
    bool                last;       /* of equal keys the last one counts */
    bool                direct;     /* the key is the index */
    uint32_t           *slot;
    uint32_t            mask;
} enc_t;

typedef struct {
    int64_t     i;
    maas_str_t  s;
} enc_key_t;


/* Equal floats have equal bits: one zero, one NaN. */
static int64_t
enc_float(float f)
{
    uint32_t  bits;

    if (f == 0) {
        return 0;
    }

    if (f != f) {
        return INT64_MAX;
    }

    memcpy(&bits, &f, sizeof(bits));
    return bits;
}


static int64_t
enc_double(double d)
{
    int64_t  bits;

    if (d == 0) {
        return 0;
    }

    if (d != d) {
        return INT64_MAX;
    }

    memcpy(&bits, &d, sizeof(bits));
    return bits;
}


static enc_key_t
enc_key(const enc_t *e, uint32_t i)
{
    double     d;
    enc_key_t  k = { 0 };

    switch (e->key) {
    case MAAS_F64:
        memcpy(&d, maas_list_ints(e->at, e->keys) + i, sizeof(d));
        k.i = enc_double(d);
        break;
    case MAAS_STRING:
        k.s = maas_list_strings(e->at, e->keys, i);
        break;
    case MAAS_F32:
        k.i = enc_float(maas_list_floats(e->at, e->keys)[i]);
        break;
    default:
        k.i = maas_list_ints(e->at, e->keys)[i];
    }

    return k;
}


/* The slot that has the number or is free for it. */
static uint32_t *
enc_slot_number(const enc_t *e, int64_t k)
{
    uint32_t  at = (uint32_t) maas_ml_mix(0, (uint64_t) k);

    for (at &= e->mask; e->slot[at] != 0; at = (at + 1) & e->mask) {
        if (enc_key(e, e->slot[at] - 1).i == k) {
            break;
        }
    }

    return &e->slot[at];
}


static uint32_t *
enc_slot(const enc_t *e, enc_key_t k)
{
    uint32_t  at;

    if (e->key != MAAS_STRING) {
        return enc_slot_number(e, k.i);
    }

    at = (uint32_t) maas_ml_hash(k.s);

    for (at &= e->mask; e->slot[at] != 0; at = (at + 1) & e->mask) {
        if (maas_str_eq(enc_key(e, e->slot[at] - 1).s, k.s)) {
            break;
        }
    }

    return &e->slot[at];
}


static void
enc_build(enc_t *e, void *scratch)
{
    uint32_t  *slot, slots = maas_ml_slots(e->keys->n);

    e->slot = scratch;
    e->mask = slots - 1;
    memset(e->slot, 0, slots * sizeof(uint32_t));

    for (uint32_t i = 0; !e->direct && i < e->keys->n; i++) {
        slot = enc_slot(e, enc_key(e, i));

        if (*slot == 0 || e->last) {
            *slot = i + 1;
        }
    }
}


/* The index of element i of x; -1: not among the keys. */
static int64_t
enc_find(const enc_t *e, const maas_tensor_t *x, int64_t i)
{
    float      f;
    enc_key_t  k = { 0 };

    if (e->key == MAAS_STRING) {
        k.s = maas_tensor_str(x, i);

    } else if (e->key == MAAS_F32) {
        memcpy(&f, (const float *) x->data + i, sizeof(f));
        k.i = enc_float(f);

    } else if (e->key == MAAS_F64) {
        k.i = enc_double(((const double *) x->data)[i]);

    } else if (x->dtype == MAAS_I64) {
        k.i = ((const int64_t *) x->data)[i];

    } else {
        maas_cast_row(&k.i, MAAS_I64, (const char *) x->data
                      + (size_t) i * maas_dtype_size(x->dtype), x->dtype, 1);
    }

    if (e->direct) {
        return k.i >= 0 && k.i < e->keys->n ? k.i : -1;
    }

    return (int64_t) *enc_slot(e, k) - 1;
}


/* -- values -------------------------------------------------------------- */

static maas_str_t
enc_default(const enc_attr_t *at)
{
    return at->default_string.off != 0
           ? maas_list_string(at, &at->default_string) : maas_str("_Unused");
}


static void
enc_put(const enc_t *e, maas_tensor_t *y, int64_t n, int64_t i, int64_t at)
{
    int64_t            v;
    const enc_attr_t  *a = e->at;

    switch (e->value) {
    case MAAS_F64:
        memcpy((double *) y->data + i, at < 0 ? &a->default_double
               : maas_list_ints(a, e->values) + at, sizeof(double));
        return;
    case MAAS_STRING:
        maas_ml_put(y, n, i, at < 0 ? enc_default(a)
                    : maas_list_strings(a, e->values, (uint32_t) at));
        return;
    case MAAS_F32:
        ((float *) y->data)[i] = at < 0 ? a->default_float
                                        : maas_list_floats(a, e->values)[at];
        return;
    default:
        v = at < 0 ? a->default_int
            : e->values == NULL ? at : maas_list_ints(a, e->values)[at];

        if (y->dtype == MAAS_I64) {
            ((int64_t *) y->data)[i] = v;
            return;
        }

        maas_cast_row((char *) y->data
                      + (size_t) i * maas_dtype_size(y->dtype), y->dtype, &v,
                      MAAS_I64, 1);
    }
}


static maas_status_t
enc_run(const maas_step_t *s, maas_slot_t *slot, enc_t *e)
{
    int64_t  n = maas_tensor_count(&s->in[0]);

    enc_build(e, slot->scratch);
    maas_ml_begin(&s->out[0]);

    for (int64_t i = 0; i < n; i++) {
        enc_put(e, &s->out[0], n, i, enc_find(e, &s->in[0], i));
    }

    return MAAS_OK;
}


/* The output of the table's values, with room for their text. */
static maas_status_t
enc_set(maas_infer_t *c, const enc_t *e)
{
    size_t              longest;
    maas_dim_t          n = 1;
    const maas_type_t  *x = c->in[0].type;

    maas_infer_set(c, 0, e->value, x->rank, x->dims);

    if (e->value != MAAS_STRING) {
        return MAAS_OK;
    }

    for (int d = 0; d < x->rank; d++) {
        n = maas_dim_mul(c->syms, n, x->dims[d]);
    }

    longest = maas_ml_longest(c->attr, e->values);

    return maas_ml_text(c, 0, n, maas_max(longest, enc_default(c->attr).len));
}


/* Elements and keys: hashing, then looking up. */
static bool
enc_setup(maas_setup_t *u)
{
    uint32_t           n;
    const enc_attr_t  *at = u->attr;

    n = maas_max(maas_max(at->keys_int.n, at->keys_float.n),
                 maas_max(at->keys_string.n, at->classes.n));
    n = maas_max(n, at->keys_double.n);
    u->scratch = maas_ml_slots(n) * sizeof(uint32_t);
    u->cost = 100 + 10.0 * n + 15.0 * (double) maas_tensor_count(&u->out[0]);
    return true;
}


/* -- LabelEncoder -------------------------------------------------------- */

/* The list that is there, of those that a type may have. */
static const maas_list_t *
label_values(const enc_attr_t *at, int *dtype)
{
    static const uint8_t  types[] = {
        MAAS_STRING, MAAS_F32, MAAS_F64, MAAS_I64
    };
    const maas_list_t    *lists[] = {
        &at->values_string, &at->values_float, &at->values_double,
        &at->values_int
    };

    for (int i = 0; i < 3; i++) {
        if (lists[i]->n != 0) {
            *dtype = types[i];
            return lists[i];
        }
    }

    *dtype = at->value_type == MAAS_I16 || at->value_type == MAAS_I32
             ? (int) at->value_type : MAAS_I64;
    return lists[3];
}


static void
label_table(const enc_attr_t *at, int dtype, enc_t *e)
{
    bool  real = dtype == MAAS_F32 || dtype == MAAS_F64;

    *e = (enc_t) {
        .at = at, .key = real || dtype == MAAS_STRING ? dtype : MAAS_I64
    };

    if (at->classes.n != 0) {
        e->keys = &at->classes;
        e->values = dtype == MAAS_STRING ? NULL : &at->classes;
        e->value = dtype == MAAS_STRING ? MAAS_I64 : MAAS_STRING;
        e->last = true;
        e->direct = dtype != MAAS_STRING;
        return;
    }

    e->keys = dtype == MAAS_STRING ? &at->keys_string
              : dtype == MAAS_F32 ? &at->keys_float
              : dtype == MAAS_F64 ? &at->keys_double : &at->keys_int;
    e->values = label_values(at, &e->value);
}


static maas_status_t
label_infer(maas_infer_t *c)
{
    int                keys, values, dtype = c->in[0].type->dtype;
    enc_t              e;
    const enc_attr_t  *at = c->attr;

    keys = (at->keys_int.n != 0) + (at->keys_float.n != 0)
           + (at->keys_string.n != 0) + (at->keys_double.n != 0);
    values = (at->values_int.n != 0) + (at->values_float.n != 0)
             + (at->values_string.n != 0) + (at->values_double.n != 0);

    if (at->classes.n != 0
        ? keys + values != 0 || (dtype != MAAS_I64 && dtype != MAAS_STRING)
        : keys != 1 || values != 1)
    {
        return maas_err(c->err, MAAS_EINVAL,
                        "one list of keys (keys_int64s, keys_floats, "
                        "keys_strings or keys_tensor) and one of values are "
                        "expected, or classes_strings and int64 or strings, "
                        "not %s", maas_dtype_name(dtype));
    }

    label_table(at, dtype, &e);

    if (e.keys->n == 0
        || (at->classes.n == 0 && dtype != (at->key_type != 0
                                            ? (int) at->key_type : e.key)))
    {
        return maas_err(c->err, MAAS_EINVAL,
                        "the keys are not of the input's type, %s",
                        maas_dtype_name(dtype));
    }

    if (e.values != NULL && e.keys->n != e.values->n) {
        return maas_err(c->err, MAAS_EINVAL, "%u values are given for %u "
                        "keys", e.values->n, e.keys->n);
    }

    return enc_set(c, &e);
}


static maas_status_t
label_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    enc_t  e;

    (void) first;
    (void) last;

    label_table(s->attr, s->in[0].dtype, &e);
    return enc_run(s, slot, &e);
}


/* -- CategoryMapper ------------------------------------------------------ */

static void
category_table(const enc_attr_t *at, int dtype, enc_t *e)
{
    bool  text = dtype == MAAS_STRING;

    *e = (enc_t) {
        .at = at, .key = dtype, .last = true,
        .keys = text ? &at->keys_string : &at->keys_int,
        .values = text ? &at->keys_int : &at->keys_string,
        .value = text ? MAAS_I64 : MAAS_STRING
    };
}


static maas_status_t
category_infer(maas_infer_t *c)
{
    enc_t              e;
    const enc_attr_t  *at = c->attr;

    if (at->keys_int.n == 0 || at->keys_int.n != at->keys_string.n) {
        return maas_err(c->err, MAAS_EINVAL,
                        "attributes 'cats_int64s' and 'cats_strings' have %u "
                        "and %u values; expected as many in both",
                        at->keys_int.n, at->keys_string.n);
    }

    category_table(at, c->in[0].type->dtype, &e);
    return enc_set(c, &e);
}


static maas_status_t
category_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    enc_t  e;

    (void) first;
    (void) last;

    category_table(s->attr, s->in[0].dtype, &e);
    return enc_run(s, slot, &e);
}


/* -- OneHotEncoder ------------------------------------------------------- */

/* Numbers of every type are looked up as int64. */
static void
one_hot_table(const enc_attr_t *at, int dtype, enc_t *e)
{
    bool  text = dtype == MAAS_STRING;

    *e = (enc_t) {
        .at = at, .key = text ? MAAS_STRING : MAAS_I64, .last = true,
        .keys = text ? &at->keys_string : &at->keys_int
    };
}


static maas_status_t
one_hot_infer(maas_infer_t *c)
{
    enc_t               e;
    maas_dim_t          dims[MAAS_RANK_MAX];
    const enc_attr_t   *at = c->attr;
    const maas_type_t  *x = c->in[0].type;

    if ((at->keys_int.n == 0) == (at->keys_string.n == 0)) {
        return maas_err(c->err, MAAS_EINVAL,
                        "one of the attributes 'cats_int64s' and "
                        "'cats_strings' is expected");
    }

    one_hot_table(at, x->dtype, &e);

    if (e.keys->n == 0) {
        return maas_err(c->err, MAAS_EINVAL,
                        "attribute '%s' is expected for an input of %s",
                        x->dtype == MAAS_STRING ? "cats_strings"
                                                : "cats_int64s",
                        maas_dtype_name(x->dtype));
    }

    if (x->rank >= MAAS_RANK_MAX) {
        return maas_err(c->err, MAAS_ELIMIT, "the input has rank %d; at most "
                        "%d is supported", x->rank, MAAS_RANK_MAX - 1);
    }

    memcpy(dims, x->dims, sizeof(dims));
    dims[x->rank] = e.keys->n;
    maas_infer_set(c, 0, MAAS_F32, x->rank + 1, dims);
    return MAAS_OK;
}


static maas_status_t
one_hot_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    enc_t              e;
    float             *y = s->out[0].data;
    int64_t            n = maas_tensor_count(&s->in[0]), at;
    const enc_attr_t  *a = s->attr;

    (void) first;
    (void) last;

    one_hot_table(a, s->in[0].dtype, &e);
    enc_build(&e, slot->scratch);
    memset(y, 0, (size_t) n * e.keys->n * sizeof(float));

    for (int64_t i = 0; i < n; i++) {
        at = enc_find(&e, &s->in[0], i);

        if (at >= 0) {
            y[i * e.keys->n + at] = 1;

        } else if (!a->zeros) {
            return maas_err(slot->err, MAAS_EINVAL,
                            "element %lld is not among the categories, and "
                            "'zeros' is 0", (long long) i);
        }
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_kernel_row_t  label_kernel[] = {
    { "label_encoder.hash", MAAS_CPU_REF, 0, 0, enc_setup, label_run }
};

static const maas_kernel_row_t  category_kernel[] = {
    { "category_mapper.hash", MAAS_CPU_REF, 0, 0, enc_setup, category_run }
};

static const maas_kernel_row_t  one_hot_kernel[] = {
    { "one_hot_encoder.hash", MAAS_CPU_REF, 0, 0, enc_setup, one_hot_run }
};

#define ENC_LABEL     (MAAS_D(STRING) | MAAS_D(I64) | MAAS_D(I32)             \
                       | MAAS_D(I16) | MAAS_D_FLOAT)
#define ENC_CATEGORY  (MAAS_D(STRING) | MAAS_D(I64))

static const maas_formal_t  label_in[] = { { "X", ENC_LABEL, 0, 0 } };
static const maas_formal_t  label_out[] = { { "Y", ENC_LABEL, 0, 0 } };
static const maas_formal_t  category_in[] = { { "X", ENC_CATEGORY, 0, 0 } };
static const maas_formal_t  category_out[] = { { "Y", ENC_CATEGORY, 0, 0 } };

static const maas_formal_t  one_hot_in[] = {
    { "X", ML_X | MAAS_D(STRING), 0, 0 }
};

static const maas_formal_t  one_hot_out[] = { { "Y", MAAS_D(F32), 0, 0 } };

static const maas_case_t  label_cases[] = {
    { "keys_strings=[a,bc,maas] values_int64s=[5,6,7] | str[33]", NULL },
    { "keys_strings=[a,bc] values_strings=[xyz,\"\"] | str[3,5]", NULL },
    { "keys_int64s=[1,2,-3] values_strings=[one,two,minus] "
      "default_string=other | i64[4,9]", NULL },
    { "keys_int64s=[1,2] values_floats=[0.5,nan] default_float=7 | i64[17]",
      NULL },
    { "keys_floats=[1,nan,0] values_int64s=[4,5,6] "
      "| f32[5]{1,nan,-0.0,2,-1}", NULL },
    { "keys_floats=[1,2] values_strings=[a,b] | f32[]", NULL },
    { "keys_strings=[a,def] values_floats=[1,2] | str[]", NULL },
    { "classes_strings=[maas,bc,a] | str[17]", NULL },
    { "classes_strings=[maas,bc,a] | i64[17]", NULL },
    { "keys_int64s=[1] values_strings=[a] | i64[0,3]", NULL },
    { NULL, NULL }
};

static const maas_case_t  label_bad[] = {
    { "| i64[2]", "one list of keys" },
    { "keys_int64s=[1,2] values_int64s=[1] | i64[2]", "1 values" },
    { "keys_strings=[a] values_int64s=[1] | i64[2]", "int64" },
    { "keys_int64s=[1] keys_strings=[a] values_int64s=[1] | i64[2]",
      "one list of keys" },
    { "classes_strings=[a] | f32[2]", "float32" },
    { NULL, NULL }
};

static const maas_case_t  category_cases[] = {
    { "cats_int64s=[3,1,2] cats_strings=[a,maas,bc] | str[2,17]", NULL },
    { "cats_int64s=[3,1,2] cats_strings=[a,maas,bc] | i64[33]", NULL },
    { "cats_int64s=[3] cats_strings=[a] default_string=none default_int64=9 "
      "| i64[]", NULL },
    { "cats_int64s=[3] cats_strings=[a] | str[0]", NULL },
    { NULL, NULL }
};

static const maas_case_t  category_bad[] = {
    { "cats_int64s=[3,1] cats_strings=[a] | i64[3]", "2 and 1 values" },
    { "| str[3]", "0 and 0" },
    { NULL, NULL }
};

static const maas_case_t  one_hot_cases[] = {
    { "cats_strings=[a,maas,bc] | str[17]", NULL },
    { "cats_int64s=[3,1,2] | i64[2,9]", NULL },
    { "cats_int64s=[0,1,-1] | f32[33]:nan", NULL },
    { "cats_int64s=[0,1] zeros=0 | i32[3]{1,0,1}", NULL },
    { "cats_int64s=[0,1] | f64[]", NULL },
    { "cats_int64s=[4] | i64[0,2]", NULL },
    { NULL, NULL }
};

static const maas_case_t  one_hot_bad[] = {
    { "cats_int64s=[0,1] zeros=0 | i32[3]{1,0,2}", "element 2" },
    { "cats_strings=[a] | i64[3]", "'cats_int64s'" },
    { "| i64[3]", "'cats_strings' is expected" },
    { "cats_int64s=[1] | i64[1,1,1,1,1,1,1,1]", "rank 8" },
    { NULL, NULL }
};

const maas_op_t  maas_ops_ml_encode[] = {

    /* since 6: the tensors of version 4 are upgraded. */
    { .name = "LabelEncoder", .domain = "ai.onnx.ml", .since = 6, .first = 1,
      .flags = MAAS_OP_PURE, MAAS_IO(label_in, label_out),
      MAAS_ATTRS(label_attrs, enc_attr_t), .upgrade = maas_label_upgrade,
      .infer = label_infer,
      MAAS_KERNELS(label_kernel), .cases = label_cases, .bad = label_bad },

    { .name = "CategoryMapper", .domain = "ai.onnx.ml", .since = 1,
      .first = 1, .flags = MAAS_OP_PURE,
      MAAS_IO(category_in, category_out),
      MAAS_ATTRS(category_attrs, enc_attr_t), .infer = category_infer,
      MAAS_KERNELS(category_kernel), .cases = category_cases,
      .bad = category_bad },

    { .name = "OneHotEncoder", .domain = "ai.onnx.ml", .since = 1,
      .first = 1, .flags = MAAS_OP_PURE, MAAS_IO(one_hot_in, one_hot_out),
      MAAS_ATTRS(one_hot_attrs, enc_attr_t), .infer = one_hot_infer,
      MAAS_KERNELS(one_hot_kernel), .cases = one_hot_cases,
      .bad = one_hot_bad },

    { .name = NULL }
};
