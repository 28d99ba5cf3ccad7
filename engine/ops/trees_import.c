/*
 * trees_import: TreeEnsembleRegressor and TreeEnsembleClassifier (ai.onnx.ml
 * 1 and 3) and TreeEnsemble (5) to maas.Trees.  This file has what the forms
 * share: attributes that are read, and the node that is made.
 *
 * Ownership: work memory is an arena that dies here; constants and
 * attributes go to the importer.
 * Threads:   one thread.
 */

#include "ops/trees_file.h"


/* -- attributes ---------------------------------------------------------- */

maas_status_t
ti_list(ti_t *t, const maas_raw_node_t *n, const char *name,
    maas_attr_type_t type, size_t want, bool may_lack,
    const maas_raw_attr_t **out)
{
    const maas_raw_attr_t  *a = maas_raw_attr(n, name);

    *out = NULL;

    if (a == NULL || (a->n == 0 && may_lack)) {
        if (may_lack || want == 0) {
            return MAAS_OK;
        }

        return maas_err(t->err, MAAS_EINVAL, "attribute '%s' is missing",
                        name);
    }

    if (a->type != type && a->n != 0) {
        return maas_err(t->err, MAAS_EINVAL, "attribute '%s' has to be a list "
                        "of %s", name, type == MAAS_ATTR_INTS ? "ints"
                        : type == MAAS_ATTR_FLOATS ? "floats" : "strings");
    }

    if (a->n != want) {
        return maas_err(t->err, MAAS_EINVAL,
                        "attribute '%s' has %zu values; expected %zu, as many "
                        "as the lists beside it", name, a->n, want);
    }

    *out = a;
    return MAAS_OK;
}


maas_status_t
ti_ints(ti_t *t, const maas_raw_node_t *n, const char *name, size_t want,
    bool may_lack, const int64_t **out)
{
    const maas_raw_attr_t  *a;

    MAAS_TRY(ti_list(t, n, name, MAAS_ATTR_INTS, want, may_lack, &a));

    *out = a != NULL ? a->ints : NULL;
    return MAAS_OK;
}


static maas_status_t
ti_tensor(ti_t *t, const maas_raw_attr_t *a, const char *name, ti_real_t *out)
{
    int  dtype = a->t.dtype;

    if (a->type != MAAS_ATTR_TENSOR) {
        return maas_err(t->err, MAAS_EINVAL, "attribute '%s' has to be a "
                        "tensor", name);
    }

    if (dtype != MAAS_F32 && dtype != MAAS_F64 && dtype != MAAS_F16) {
        return maas_err(t->err, MAAS_EINVAL, "attribute '%s' is %s; expected "
                        "float32 or float64", name, maas_dtype_name(dtype));
    }

    out->n = (size_t) maas_tensor_count(&a->t);
    out->dtype = dtype;
    out->data = a->t.data;
    t->wide |= dtype == MAAS_F64;
    return MAAS_OK;
}


maas_status_t
ti_reals(ti_t *t, const maas_raw_node_t *n, const char *name,
    const char *tensor, ti_real_t *out)
{
    const maas_raw_attr_t  *a, *b = maas_raw_attr(n, tensor);

    a = name != NULL ? maas_raw_attr(n, name) : NULL;
    memset(out, 0, sizeof(*out));

    if (a != NULL && a->n != 0 && b != NULL) {
        return maas_err(t->err, MAAS_EINVAL, "attributes '%s' and '%s' "
                        "exclude each other", name, tensor);
    }

    if (b != NULL) {
        return ti_tensor(t, b, tensor, out);
    }

    if (a == NULL) {
        return MAAS_OK;
    }

    if (a->n != 0 && a->type != MAAS_ATTR_FLOATS) {
        return maas_err(t->err, MAAS_EINVAL, "attribute '%s' has to be a "
                        "list of floats", name);
    }

    out->n = a->n;
    out->dtype = MAAS_F32;
    out->data = a->floats;
    return MAAS_OK;
}


/* Tensors of a file need not be aligned for us. */
double
ti_real(const ti_real_t *r, size_t i)
{
    float     f;
    double    d;
    uint16_t  h;

    switch (r->dtype) {
    case MAAS_F64:
        memcpy(&d, (const char *) r->data + i * sizeof(d), sizeof(d));
        return d;
    case MAAS_F16:
        memcpy(&h, (const char *) r->data + i * sizeof(h), sizeof(h));
        return maas_f16_to_f32(h);
    default:
        memcpy(&f, (const char *) r->data + i * sizeof(f), sizeof(f));
        return f;
    }
}


/* -- the new node -------------------------------------------------------- */

/* Which rules of a classifier for two classes hold. */
static maas_status_t
ti_flags(ti_t *t, maas_import_t *im, maas_raw_node_t *n)
{
    bool  single = true, positive = true;

    for (size_t i = 0; i < t->n_weight; i++) {
        single &= t->weight[i].target == t->weight[0].target;
        positive &= !(t->weight[i].weight < 0);
    }

    MAAS_TRY(maas_raw_attr_int(im, n, "n_targets", t->targets));
    MAAS_TRY(maas_raw_attr_int(im, n, "classify", t->classify));
    MAAS_TRY(maas_raw_attr_int(im, n, "binary", t->targets == 2 && single));
    MAAS_TRY(maas_raw_attr_int(im, n, "positive", positive));
    MAAS_TRY(maas_raw_attr_int(im, n, "modern", t->modern));
    MAAS_TRY(maas_raw_attr_int(im, n, "large", t->large));

    return maas_raw_attr_int(im, n, "leaf", t->leaf);
}


/* Attributes that maas.Trees has as they are. */
static void
ti_keep(maas_raw_node_t *n)
{
    uint32_t                  kept = 0;
    static const char *const  names[] = {
        "aggregate_function", "post_transform", "classlabels_int64s",
        "classlabels_strings"
    };

    for (uint32_t i = 0; i < n->n_attr; i++) {
        for (size_t j = 0; j < maas_nelts(names); j++) {
            if (maas_str_is(n->attr[i].name, names[j])) {
                n->attr[kept++] = n->attr[i];
                break;
            }
        }
    }

    n->n_attr = kept;
}


/* TreeEnsemble numbers the words that the older forms spell. */
static maas_status_t
ti_word(ti_t *t, maas_raw_node_t *n, const char *name,
    const char *const *words, int64_t count, int64_t lack)
{
    int64_t           i = lack;
    maas_raw_attr_t  *a = maas_raw_attr(n, name);

    if (a == NULL) {
        return MAAS_OK;
    }

    if (a->type == MAAS_ATTR_INT) {
        i = a->i;
    }

    if (a->type != MAAS_ATTR_INT || i < 0 || i >= count) {
        return maas_err(t->err, MAAS_EINVAL, "attribute '%s' is %lld; "
                        "expected 0 to %lld", name, (long long) i,
                        (long long) count - 1);
    }

    a->type = MAAS_ATTR_STRING;
    a->s = (maas_str_t) { words[i], strlen(words[i]) };
    return MAAS_OK;
}


static maas_status_t
ti_words(ti_t *t, maas_raw_node_t *n)
{
    static const char *const  sums[] = { "AVERAGE", "SUM", "MIN", "MAX" };
    static const char *const  posts[] = {
        "NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"
    };

    MAAS_TRY(ti_word(t, n, "aggregate_function", sums, 4, 1));

    return ti_word(t, n, "post_transform", posts, 5, 0);
}


/* Are weights summed? */
static bool
ti_sums(const maas_raw_node_t *n)
{
    const maas_raw_attr_t  *a = maas_raw_attr(n, "aggregate_function");

    return a == NULL || (a->type == MAAS_ATTR_STRING
                         && (maas_str_is(a->s, "SUM")
                             || maas_str_is(a->s, "AVERAGE")));
}


static maas_status_t
ti_build(ti_t *t, maas_import_t *im, maas_raw_node_t *n)
{
    double  *base;

    if (n->n_in != 1) {
        return maas_err(t->err, MAAS_EINVAL, "it has %u inputs; expected 1",
                        n->n_in);
    }

    if (t->modern) {
        MAAS_TRY(ti_read_modern(t, n));
        MAAS_TRY(ti_words(t, n));

    } else {
        MAAS_TRY(ti_read_old(t, n));
    }

    MAAS_TRY(ti_layout(t, ti_sums(n)));

    base = maas_arena_array(&t->arena, t->base.n + 1, sizeof(double));
    if (base == NULL) {
        return maas_err_nomem(t->err);
    }

    for (size_t i = 0; i < t->base.n; i++) {
        base[i] = ti_real(&t->base, i);
    }

    t->input[TREES_BASE] = base;
    t->size[TREES_BASE] = t->base.n;

    for (int i = TREES_NODES; i < TREES_INPUTS; i++) {
        MAAS_TRY(maas_raw_input_ints(im, n, (uint32_t) i, t->input[i],
                                     t->size[i], false));
    }

    ti_keep(n);
    MAAS_TRY(ti_flags(t, im, n));

    n->op = maas_str("Trees");
    n->domain = maas_str("maas");
    return MAAS_OK;
}


maas_status_t
maas_trees_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    ti_t           t = { 0 };
    maas_status_t  rc;

    (void) opset;

    t.err = err;
    t.classify = maas_str_is(n->op, "TreeEnsembleClassifier");
    t.modern = maas_str_is(n->op, "TreeEnsemble");
    maas_arena_init(&t.arena, &maas_host_libc, 0);

    rc = ti_build(&t, im, n);

    maas_arena_destroy(&t.arena);
    return rc;
}
