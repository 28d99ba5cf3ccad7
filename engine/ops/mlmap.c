/*
 * mlmap: ai.onnx.ml ZipMap.  A sequence of maps stays the tensor of their
 * values; the kind of the value says so, and keys() gives the map keys.
 *
 * Ownership: keys lie in the node's attributes.
 * Threads:   reentrant.
 *
 * Spec: github.com/onnx/onnx, docs/Operators-ml.md.
 */

#include "graph/import.h"
#include "ops/ops_common.h"


typedef struct {
    maas_list_t  ints;
    maas_list_t  strings;       /* a 1-D tensor */
} zipmap_attr_t;

static const maas_attr_row_t  zipmap_attrs[] = {
    { .name = "classlabels_int64s", .type = MAAS_ATTR_INTS,
      .off = offsetof(zipmap_attr_t, ints) },
    { .name = "labels", .type = MAAS_ATTR_TENSOR,
      .off = offsetof(zipmap_attr_t, strings) }
};


/* String labels become a tensor, which is what keys() gives. */
static maas_status_t
zipmap_upgrade(maas_import_t *im, maas_raw_node_t *n, int opset,
    maas_err_t *err)
{
    maas_tensor_t     t;
    maas_raw_attr_t  *a = maas_raw_attr(n, "classlabels_strings");

    (void) opset;

    if (a == NULL) {
        return MAAS_OK;
    }

    if (a->n == 0) {
        maas_raw_attr_drop(n, "classlabels_strings");
        return MAAS_OK;
    }

    if (a->type != MAAS_ATTR_STRINGS) {
        return maas_err(err, MAAS_EINVAL, "attribute 'classlabels_strings' "
                        "has to be a list of strings");
    }

    MAAS_TRY(maas_strings_tensor(im->arena, a->strings, a->n, false, &t,
                                 err));

    a->name = maas_str("labels");
    a->type = MAAS_ATTR_TENSOR;
    a->t = t;
    a->n = 0;
    return MAAS_OK;
}


/* The labels: in the node's attributes, for as long as these live. */
static bool
zipmap_keys(const maas_node_t *n, maas_tensor_t *t)
{
    const zipmap_attr_t  *at = n->attr;

    if (at->ints.n == 0) {
        return maas_list_tensor(at, &at->strings, t)
               && t->dtype == MAAS_STRING && t->rank == 1
               && maas_string_check(t);
    }

    memset(t, 0, sizeof(*t));
    t->rank = 1;
    t->dtype = MAAS_I64;
    t->dims[0] = at->ints.n;
    t->bytes = at->ints.n * sizeof(int64_t);
    t->data = (void *) maas_list_ints(at, &at->ints);

    return at->strings.n == 0;
}


/* The value keeps its tensor; its kind says that the last axis has keys. */
static maas_status_t
zipmap_infer(maas_infer_t *c)
{
    int64_t             keys;
    maas_tensor_t       t;
    const maas_type_t  *x = c->in[0].type;

    if (!zipmap_keys(c->node, &t)) {
        return maas_err(c->err, MAAS_EINVAL,
                        "one of the attributes 'classlabels_int64s' and "
                        "'classlabels_strings' is expected");
    }

    keys = t.dims[0];

    if (x->rank != 1 && x->rank != 2) {
        return maas_err(c->err, MAAS_EINVAL,
                        "the input has rank %d; expected [rows, classes] or "
                        "[classes]", x->rank);
    }

    if (maas_dim_known(x->dims[x->rank - 1])
        && x->dims[x->rank - 1] != keys)
    {
        return maas_err(c->err, MAAS_EINVAL,
                        "%lld class labels are given for %lld values a row",
                        (long long) keys,
                        (long long) x->dims[x->rank - 1]);
    }

    MAAS_TRY(maas_infer_same(c));
    c->out[0].type.kind = MAAS_KIND_SEQUENCE_MAP;

    return MAAS_OK;
}


static maas_status_t
zipmap_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    size_t  n = (size_t) maas_tensor_count(&s->in[0]) * sizeof(float);

    (void) slot;
    (void) first;
    (void) last;

    if (n != 0 && s->out[0].data != s->in[0].data) {
        memcpy(s->out[0].data, s->in[0].data, n);
    }

    return MAAS_OK;
}


static const maas_kernel_row_t  zipmap_kernel[] = {
    { "zipmap.copy", MAAS_CPU_REF, 1, 0, NULL, zipmap_run }
};

static const maas_formal_t  zipmap_in[] = {
    { "X", MAAS_D(F32), 0, 0 }
};

static const maas_formal_t  zipmap_out[] = {
    { "Z", MAAS_D(F32), 0, MAAS_ANYKIND }
};

static const maas_case_t  zipmap_cases[] = {
    { "classlabels_int64s=[4,2,7] | f32[5,3]", NULL },
    { "classlabels_int64s=[4,2,7] | f32[0,3]", NULL },
    { "classlabels_int64s=[1] | f32[1]", NULL },
    { NULL, NULL }
};

static const maas_case_t  zipmap_bad[] = {
    { "classlabels_int64s=[4,2] | f32[5,3]", "2 class labels" },
    { "| f32[5,3]", "no keys" },
    { NULL, NULL }
};

const maas_op_t  maas_ops_mlmap[] = {

    /* since 6: string labels of every form that a file has are upgraded. */
    { .name = "ZipMap", .domain = "ai.onnx.ml", .since = 6, .first = 1,
      .flags = MAAS_OP_PURE | MAAS_OP_VIEW, MAAS_IO(zipmap_in, zipmap_out),
      MAAS_ATTRS(zipmap_attrs, zipmap_attr_t),
      .upgrade = zipmap_upgrade, .infer = zipmap_infer,
      MAAS_KERNELS(zipmap_kernel), .keys = zipmap_keys,
      .cases = zipmap_cases, .bad = zipmap_bad },

    { .name = NULL }
};
