/*
 * compile_check.c: do model.json and labels.txt fit the model?  What does
 * not would be an error of every request, so that the compiler says it.
 *
 * Ownership: nothing is kept.
 * Threads:   reentrant.
 */

#include <math.h>

#include "api/compile.h"
#include "graph/graph.h"
#include "repo/meta.h"


/* What an image becomes; -1: as large as the image.  Batches are free. */
static int
check_image_dims(const maas_prep_t *p, int64_t *dims)
{
    int64_t  c = p->color == MAAS_COLOR_GRAY ? 1 : 3;
    int64_t  h = p->height > 0 ? p->height : -1;
    int64_t  w = p->width > 0 ? p->width : -1;

    dims[0] = -1;

    switch (p->layout) {

    case MAAS_LAYOUT_NCHW:
        dims[1] = c;
        dims[2] = h;
        dims[3] = w;
        return 4;

    case MAAS_LAYOUT_NHWC:
        dims[1] = h;
        dims[2] = w;
        dims[3] = c;
        return 4;

    default:
        dims[1] = h > 0 && w > 0 ? c * h * w : -1;
        return 2;
    }
}


static maas_status_t
check_image(const maas_graph_t *g, const maas_meta_t *meta, maas_err_t *err)
{
    int                 rank;
    bool                fits;
    char                makes[MAAS_DIMS_TEXT], takes[MAAS_DIMS_TEXT];
    int64_t             dims[MAAS_RANK_MAX], want[MAAS_RANK_MAX];
    const maas_value_t *v;
    const maas_type_t  *t;

    if (meta->prep.kind != MAAS_PREP_IMAGE || meta->prep.input >= g->n_in) {
        return MAAS_OK;
    }

    v = &g->value[g->in[meta->prep.input]];
    t = &v->type;

    if (t->dtype != MAAS_F32 && t->dtype != MAAS_F16 && t->dtype != MAAS_BF16
        && t->dtype != MAAS_U8)
    {
        return maas_err(err, MAAS_EINVAL, "model.json: input.image: input "
                        "\"%.*s\" is %s, but an image becomes float32, "
                        "float16, bfloat16 or uint8",
                        (int) maas_min(v->name.len, 60u), v->name.data,
                        maas_dtype_name(t->dtype));
    }

    if (t->rank < 0) {
        return MAAS_OK;
    }

    rank = check_image_dims(&meta->prep, dims);
    fits = rank == t->rank;

    for (int d = 0; d < t->rank; d++) {
        want[d] = maas_dim_known(t->dims[d]) ? t->dims[d] : -1;
        fits = fits && (want[d] < 0 || dims[d] < 0 || want[d] == dims[d]);
    }

    return fits ? MAAS_OK
           : maas_err(err, MAAS_EINVAL, "model.json: input.image makes %s of "
                      "an image, but input \"%.*s\" takes %s: change width, "
                      "height, color or layout",
                      maas_dims_text(makes, dims, rank),
                      (int) maas_min(v->name.len, 60u), v->name.data,
                      maas_dims_text(takes, want, t->rank));
}


/* Fewer labels than classes are fine, more belong to another model. */
static maas_status_t
check_labels(const maas_graph_t *g, const maas_meta_t *meta, maas_err_t *err)
{
    int64_t             n;
    const maas_value_t *v;
    const maas_type_t  *t;

    if (meta->meaning != MAAS_MEANS_CLASSES || meta->output >= g->n_out) {
        return MAAS_OK;
    }

    v = &g->value[g->out[meta->output]];
    t = &v->type;

    if (t->rank < 0 && g->declared != NULL) {
        t = &g->declared[meta->output];
    }

    if (t->rank < 1 || !maas_dtypes[t->dtype].is_float) {
        return MAAS_OK;
    }

    n = t->dims[maas_meta_class_axis(t->dims, t->rank)];

    if (!maas_dim_known(n) || meta->n_labels <= n) {
        return MAAS_OK;
    }

    return maas_err(err, MAAS_EINVAL, "labels.txt has %u lines, but output "
                    "\"%.*s\" has %lld classes: it belongs to another model, "
                    "or \"output\" in model.json has to name another output",
                    meta->n_labels, (int) maas_min(v->name.len, 60u),
                    v->name.data, (long long) n);
}


/* Does a value fit the type of the input that is padded with it? */
static bool
check_pad_value(uint8_t dtype, double v)
{
    int     bits;
    double  low, high;

    if (maas_dtypes[dtype].is_float) {
        return dtype != MAAS_F16 || fabs(v) <= 65504;
    }

    if (dtype == MAAS_BOOL) {
        return v == 0 || v == 1;
    }

    if (!maas_dtypes[dtype].is_int) {
        return false;
    }

    bits = 8 * (int) maas_dtype_size(dtype) - maas_dtypes[dtype].is_signed;
    high = ldexp(1, bits) - 1;
    low = maas_dtypes[dtype].is_signed ? -ldexp(1, bits) : 0;

    return v == floor(v) && v >= low && v <= high;
}


/* An open dimension to pad, one for the batch, and a value that fits. */
static maas_status_t
check_pad(const maas_meta_t *meta, const maas_meta_pad_t *p,
    const maas_value_t *v, maas_err_t *err)
{
    int                 name = (int) maas_min(v->name.len, 60u);
    int                 d = meta->pad_axis, b = meta->batch_axis;
    char                dims[MAAS_DIMS_TEXT];
    int64_t             want[MAAS_RANK_MAX];
    const maas_type_t  *t = &v->type;

    for (int k = 0; k < t->rank; k++) {
        want[k] = maas_dim_known(t->dims[k]) ? t->dims[k] : -1;
    }

    if (t->rank <= maas_max(d, b) || want[d] >= 0 || want[b] >= 0) {
        return maas_err(err, MAAS_EINVAL, "model.json: batch.pad: input "
                        "\"%.*s\" is %s, but its axes %d (batch) and %d "
                        "(padded) have to be open", name, v->name.data,
                        t->rank < 0 ? "of unknown rank"
                        : maas_dims_text(dims, want, t->rank), b, d);
    }

    if (!check_pad_value(t->dtype, p->value)) {
        return maas_err(err, MAAS_EINVAL, "model.json: batch.pad.values: %g "
                        "does not fit input \"%.*s\", which is %s", p->value,
                        name, v->name.data, maas_dtype_name(t->dtype));
    }

    return MAAS_OK;
}


static maas_status_t
check_pads(const maas_graph_t *g, const maas_meta_t *meta, maas_err_t *err)
{
    maas_dim_t          length;
    const maas_value_t *v;

    if (meta->n_pads == 0) {
        return MAAS_OK;
    }

    for (uint32_t i = 0; i < meta->n_pads; i++) {
        MAAS_TRY(check_pad(meta, &meta->pad[i],
                           &g->value[g->in[meta->pad[i].input]], err));
    }

    length = g->value[g->in[meta->pad[0].input]].type.dims[meta->pad_axis];

    for (uint32_t i = 0; i < g->n_in; i++) {
        v = &g->value[g->in[i]];

        for (int k = 0; k < v->type.rank; k++) {
            if (v->type.dims[k] == length && maas_meta_pad(meta, i) == NULL) {
                return maas_err(err, MAAS_EINVAL, "model.json: batch.pad."
                                "values: input \"%.*s\" is as long as those "
                                "that are padded: it needs a value, too",
                                (int) maas_min(v->name.len, 60u),
                                v->name.data);
            }
        }
    }

    return MAAS_OK;
}


maas_status_t
maas_compile_check(const maas_graph_t *g, const maas_meta_t *meta,
    maas_err_t *err)
{
    if (g->n_out == 0) {
        return maas_err(err, MAAS_EINVAL, "the model has no outputs: nothing "
                        "could be answered; export it with the tensors that "
                        "clients want");
    }

    MAAS_TRY(check_image(g, meta, err));
    MAAS_TRY(check_pads(g, meta, err));

    return check_labels(g, meta, err);
}
