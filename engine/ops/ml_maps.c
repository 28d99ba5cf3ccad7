/*
 * ml_maps: ai.onnx.ml operators that take a map: DictVectorizer and CastMap.
 * The kernels get its keys and its values as two 1-D tensors in a row.
 *
 * CastMap puts the values in the order of their keys; a Cast behind it, which
 * the importer adds, makes them what cast_to says.
 *
 * Ownership: tables lie in the scratch of a thread.
 * Threads:   reentrant; a step is one unit.
 *
 * Spec: github.com/onnx/onnx, docs/Operators-ml.md.
 */

#include "graph/import.h"
#include "ops/ml_common.h"


typedef struct {
    maas_list_t  ints;
    maas_list_t  strings;
} dict_attr_t;

enum { MAP_DENSE = 0, MAP_SPARSE };

typedef struct {
    int64_t  form;
    int64_t  max;
} castmap_attr_t;

static const char *const  castmap_words[] = { "DENSE", "SPARSE", NULL };

static const maas_attr_row_t  dict_attrs[] = {
    { .name = "int64_vocabulary", .type = MAAS_ATTR_INTS,
      .off = offsetof(dict_attr_t, ints) },
    { .name = "string_vocabulary", .type = MAAS_ATTR_STRINGS,
      .off = offsetof(dict_attr_t, strings) }
};

static const maas_attr_row_t  castmap_attrs[] = {
    { .name = "map_form", .type = MAAS_ATTR_STRING, .words = castmap_words,
      .off = offsetof(castmap_attr_t, form) },
    { .name = "max_map", .type = MAAS_ATTR_INT, .i = 1, .min = 0,
      .max = INT32_MAX, .off = offsetof(castmap_attr_t, max) }
};


/* -- both ---------------------------------------------------------------- */

/*
 * dtype of keys and values: of a map while compiling, of two tensors while
 * planning, whose length is *n (else MAAS_DIM_NONE).
 */
static maas_status_t
map_types(maas_infer_t *c, uint8_t *key, uint8_t *value, maas_dim_t *n)
{
    const maas_type_t  *x = c->n_in > 0 ? c->in[0].type : NULL;

    *n = MAAS_DIM_NONE;

    if (x != NULL && c->n_in == 1 && x->kind == MAAS_KIND_MAP) {
        *key = x->key;
        *value = x->dtype;
        return MAAS_OK;
    }

    if (x == NULL || c->n_in != 2 || c->in[1].type == NULL
        || x->kind != MAAS_KIND_TENSOR || x->rank != 1
        || c->in[1].type->rank != 1)
    {
        return maas_err(c->err, MAAS_EINVAL, "the input is no map");
    }

    *key = x->dtype;
    *value = c->in[1].type->dtype;
    *n = x->dims[0];

    return MAAS_OK;
}


static maas_status_t
map_keys(maas_infer_t *c, uint8_t key, uint8_t want)
{
    if (key == want || key == MAAS_NODTYPE) {
        return MAAS_OK;
    }

    return maas_err(c->err, MAAS_EINVAL, "the keys of the map are %s; %s is "
                    "expected", maas_dtype_name(key), maas_dtype_name(want));
}


/* -- DictVectorizer ------------------------------------------------------ */

static maas_status_t
dict_infer(maas_infer_t *c)
{
    uint8_t             key, value;
    maas_dim_t          n, dims[2];
    const dict_attr_t  *a = c->attr;

    if ((a->ints.n == 0) == (a->strings.n == 0)) {
        return maas_err(c->err, MAAS_EINVAL, "one of the attributes "
                        "'string_vocabulary' and 'int64_vocabulary' is "
                        "expected");
    }

    MAAS_TRY(map_types(c, &key, &value, &n));
    MAAS_TRY(map_keys(c, key, a->ints.n != 0 ? MAAS_I64 : MAAS_STRING));

    dims[0] = 1;
    dims[1] = a->ints.n + a->strings.n;
    maas_infer_set(c, 0, value, 2, dims);

    /* A key of the vocabulary may stand in it twice. */
    if (value == MAAS_STRING
        && (!maas_mul_size(c->n_in == 2 ? c->in[1].str_bytes : 0,
                           (size_t) dims[1], &c->out[0].str_bytes)
            || c->out[0].str_bytes > UINT32_MAX))
    {
        return maas_err(c->err, MAAS_ELIMIT, "the text of the map is too "
                        "long for %lld entries", (long long) dims[1]);
    }

    return MAAS_OK;
}


/*
 * A table of the vocabulary, not of the map: its keys are the client's, who
 * could choose them to collide.
 */
static bool
dict_setup(maas_setup_t *u)
{
    int64_t             n = maas_tensor_count(&u->in[0]);
    uint32_t            words;
    const dict_attr_t  *a = u->attr;

    words = a->ints.n + a->strings.n;

    if (u->n_in < 2 || n >= (int64_t) UINT32_MAX || words > UINT32_MAX / 4) {
        return false;
    }

    u->scratch = (maas_ml_slots(words) + 2 * (size_t) words)
                 * sizeof(uint32_t);
    u->cost = 100 + 20.0 * (double) n + 20.0 * words;
    return true;
}


typedef struct {
    const dict_attr_t  *at;
    uint32_t            words;
    ml_table_t          t;
    uint32_t           *twin;       /* of an entry: the first equal one */
    uint32_t           *place;      /* of its key in the map, + 1 */
} dict_t;


static uint64_t
dict_hash(const dict_t *d, int64_t v, maas_str_t s)
{
    return d->at->ints.n != 0 ? maas_ml_mix(0, (uint64_t) v)
                              : maas_ml_hash(s);
}


/* Its slot, or the free one where it would go. */
static uint32_t *
dict_slot(const dict_t *d, int64_t v, maas_str_t s)
{
    uint32_t  e, at = (uint32_t) dict_hash(d, v, s) & d->t.mask;

    for ( ;; ) {
        e = d->t.slot[at];

        if (e == 0) {
            return &d->t.slot[at];
        }

        if (d->at->ints.n != 0
            ? maas_list_ints(d->at, &d->at->ints)[e - 1] == v
            : maas_str_eq(maas_list_strings(d->at, &d->at->strings, e - 1),
                          s))
        {
            return &d->t.slot[at];
        }

        at = (at + 1) & d->t.mask;
    }
}


static void
dict_table(dict_t *d)
{
    int64_t      v = 0;
    uint32_t    *slot;
    maas_str_t   s = { 0 };

    memset(d->t.slot, 0, ((size_t) d->t.mask + 1) * sizeof(uint32_t));

    for (uint32_t i = 0; i < d->words; i++) {
        if (d->at->ints.n != 0) {
            v = maas_list_ints(d->at, &d->at->ints)[i];
        } else {
            s = maas_list_strings(d->at, &d->at->strings, i);
        }

        slot = dict_slot(d, v, s);

        if (*slot == 0) {
            *slot = i + 1;
        }

        d->twin[i] = *slot - 1;
        d->place[i] = 0;
    }
}


static void
dict_places(dict_t *d, const maas_tensor_t *keys)
{
    int64_t      v = 0, n = maas_tensor_count(keys);
    uint32_t    *slot;
    maas_str_t   s = { 0 };

    for (int64_t i = 0; i < n; i++) {
        if (keys->dtype == MAAS_STRING) {
            s = maas_tensor_str(keys, i);
        } else {
            v = ((const int64_t *) keys->data)[i];
        }

        slot = dict_slot(d, v, s);

        if (*slot != 0) {
            d->place[*slot - 1] = (uint32_t) i + 1;
        }
    }
}


static maas_status_t
dict_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    char                 *y = s->out[0].data;
    size_t                item = maas_dtype_size(s->out[0].dtype);
    dict_t                d = { .at = s->attr };
    int64_t               e;
    const maas_tensor_t  *x = &s->in[1];

    (void) first;
    (void) last;

    d.words = d.at->ints.n + d.at->strings.n;
    d.t.mask = maas_ml_slots(d.words) - 1;
    d.t.slot = slot->scratch;
    d.twin = d.t.slot + d.t.mask + 1;
    d.place = d.twin + d.words;

    dict_table(&d);
    dict_places(&d, &s->in[0]);
    maas_ml_begin(&s->out[0]);

    for (uint32_t i = 0; i < d.words; i++) {
        e = (int64_t) d.place[d.twin[i]] - 1;

        if (x->dtype == MAAS_STRING) {
            maas_ml_put(&s->out[0], d.words, i,
                        e >= 0 ? maas_tensor_str(x, e) : maas_str(""));

        } else if (e >= 0) {
            memcpy(y + i * item,
                   (const char *) x->data + (size_t) e * item, item);

        } else {
            memset(y + i * item, 0, item);
        }
    }

    return MAAS_OK;
}


/* -- CastMap ------------------------------------------------------------- */

/* cast_to becomes a Cast of what the node gives. */
static maas_status_t
castmap_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    maas_str_t              fresh;
    maas_raw_attr_t         to = { 0 };
    const maas_raw_attr_t  *a = maas_raw_attr(n, "cast_to");

    (void) opset;

    to.name = maas_str("to");
    to.type = MAAS_ATTR_INT;
    to.i = MAAS_F32;

    if (a != NULL) {
        to.i = maas_str_is(a->s, "TO_FLOAT") ? MAAS_F32
               : maas_str_is(a->s, "TO_INT64") ? MAAS_I64
               : maas_str_is(a->s, "TO_STRING") ? MAAS_STRING : MAAS_NODTYPE;

        if (a->type != MAAS_ATTR_STRING || to.i == MAAS_NODTYPE) {
            return maas_err(err, MAAS_EINVAL, "attribute 'cast_to' is "
                            "'%.*s'; expected one of TO_FLOAT, TO_STRING, "
                            "TO_INT64", (int) maas_min(a->s.len, 60),
                            a->s.data);
        }

        maas_raw_attr_drop(n, "cast_to");
    }

    if (n->n_out == 0 || n->out[0].len == 0) {
        return MAAS_OK;
    }

    fresh = maas_raw_fresh(im);
    if (fresh.data == NULL) {
        return MAAS_ENOMEM;
    }

    MAAS_TRY(maas_raw_emit_after(im, "Cast", &fresh, 1, &n->out[0], 1, &to,
                                 1));
    n->out[0] = fresh;

    return MAAS_OK;
}


static maas_status_t
castmap_infer(maas_infer_t *c)
{
    uint8_t                key, value;
    maas_dim_t             n, dims[2];
    const castmap_attr_t  *a = c->attr;

    MAAS_TRY(map_types(c, &key, &value, &n));
    MAAS_TRY(map_keys(c, key, MAAS_I64));

    dims[0] = 1;
    dims[1] = a->form == MAP_SPARSE ? a->max : n;
    maas_infer_set(c, 0, value, 2, dims);

    /* "0" for each that is not there. */
    if (value == MAAS_STRING && c->n_in == 2) {
        c->out[0].str_bytes = c->in[1].str_bytes + (size_t) dims[1];
    }

    return MAAS_OK;
}


typedef struct {
    int64_t  key;
    int64_t  at;
} castmap_entry_t;


static int
castmap_compare(const void *a, const void *b)
{
    const castmap_entry_t  *x = a, *y = b;

    return (x->key > y->key) - (x->key < y->key);
}


static bool
castmap_setup(maas_setup_t *u)
{
    int64_t  n = maas_tensor_count(&u->in[0]);

    if (u->n_in < 2
        || !maas_mul_size((size_t) n, 2 * sizeof(castmap_entry_t),
                          &u->scratch))
    {
        return false;
    }

    u->cost = 100 + 50.0 * (double) n
              + (double) maas_tensor_count(&u->out[0]);
    return true;
}


/* By key: a merge sort, for qsort() takes memory. */
static castmap_entry_t *
castmap_sort(castmap_entry_t *e, castmap_entry_t *spare, int64_t n)
{
    int64_t           i, j, mid, end;
    castmap_entry_t  *swap;

    for (int64_t width = 1; width < n; width *= 2) {
        for (int64_t at = 0; at < n; at += 2 * width) {
            i = at;
            mid = j = maas_min(at + width, n);
            end = maas_min(at + 2 * width, n);

            for (int64_t k = at; k < end; k++) {
                spare[k] = j == end
                           || (i < mid && castmap_compare(&e[i], &e[j]) <= 0)
                           ? e[i++] : e[j++];
            }
        }

        swap = e;
        e = spare;
        spare = swap;
    }

    return e;
}


static void
castmap_put(maas_tensor_t *y, const maas_tensor_t *x, int64_t i, int64_t at)
{
    size_t  item = maas_dtype_size(x->dtype);

    if (x->dtype == MAAS_STRING) {
        maas_ml_put(y, y->dims[1], i,
                    at >= 0 ? maas_tensor_str(x, at) : maas_str("0"));

    } else if (at >= 0) {
        memcpy((char *) y->data + (size_t) i * item,
               (const char *) x->data + (size_t) at * item, item);

    } else {
        memset((char *) y->data + (size_t) i * item, 0, item);
    }
}


static maas_status_t
castmap_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    bool                   sparse, here;
    int64_t                n = maas_tensor_count(&s->in[0]), at = 0;
    const int64_t         *key = s->in[0].data;
    castmap_entry_t       *e = slot->scratch;
    const castmap_attr_t  *a = s->attr;

    (void) first;
    (void) last;

    for (int64_t i = 0; i < n; i++) {
        e[i] = (castmap_entry_t) { key[i], i };
    }

    e = castmap_sort(e, e + n, n);
    sparse = a->form == MAP_SPARSE;

    if (sparse && n != 0 && (e[0].key < 0 || e[n - 1].key >= a->max)) {
        return maas_err(slot->err, MAAS_EINVAL, "key %lld of the map is out "
                        "of range [0, %lld] (max_map)",
                        (long long) (e[0].key < 0 ? e[0].key : e[n - 1].key),
                        (long long) a->max - 1);
    }

    maas_ml_begin(&s->out[0]);

    for (int64_t i = 0; i < s->out[0].dims[1]; i++) {
        here = at < n && (!sparse || e[at].key == i);
        castmap_put(&s->out[0], &s->in[1], i, here ? e[at].at : -1);

        /* The first of equal keys is the one that counts. */
        while (sparse && at + 1 < n && here && e[at + 1].key == i) {
            at++;
        }

        at += here;
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_kernel_row_t  dict_kernel[] = {
    { "dict_vectorizer.hash", MAAS_CPU_REF, 0, 0, dict_setup, dict_run }
};

static const maas_kernel_row_t  castmap_kernel[] = {
    { "cast_map.sort", MAAS_CPU_REF, 0, 0, castmap_setup, castmap_run }
};

#define MAP_VALUES  (MAAS_D(STRING) | MAAS_D(I64) | MAAS_D_FLOAT)

static const maas_formal_t  map_in[] = {
    { "X", MAP_VALUES, 0, MAAS_ANYKIND }
};

static const maas_formal_t  map_out[] = { { "Y", MAP_VALUES, 0, 0 } };

static const maas_case_t  dict_bad[] = {
    { "string_vocabulary=[a] | f32[3]", "the input is no map" },
    { "| f32[3]", "'string_vocabulary' and 'int64_vocabulary'" },
    { NULL, NULL }
};

static const maas_case_t  castmap_bad[] = {
    { "| f32[3]", "the input is no map" },
    { "cast_to=TO_TEXT | f32[3]", "TO_FLOAT, TO_STRING, TO_INT64" },
    { NULL, NULL }
};

const maas_op_t  maas_ops_ml_maps[] = {

    { .name = "DictVectorizer", .domain = "ai.onnx.ml", .since = 1,
      .first = 1, .flags = MAAS_OP_PURE, MAAS_IO(map_in, map_out),
      MAAS_ATTRS(dict_attrs, dict_attr_t), .infer = dict_infer,
      MAAS_KERNELS(dict_kernel), .bad = dict_bad },

    { .name = "CastMap", .domain = "ai.onnx.ml", .since = 1, .first = 1,
      .flags = MAAS_OP_PURE | MAAS_OP_REWRITE, MAAS_IO(map_in, map_out),
      MAAS_ATTRS(castmap_attrs, castmap_attr_t), .upgrade = castmap_upgrade,
      .infer = castmap_infer, MAAS_KERNELS(castmap_kernel),
      .bad = castmap_bad },

    { .name = NULL }
};
