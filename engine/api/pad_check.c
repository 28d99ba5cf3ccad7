/*
 * pad_check.c: may requests of several lengths run together?  Rows of random
 * lengths are run alone, and together with the padding that model.json
 * states: what belongs to a row has to be equal, bit for bit or within the
 * tolerance of model.json.  It is found out, too, which axes of the outputs
 * are as long as the inputs.
 *
 * Ownership: the axes, in the model; freed with it.
 * Threads:   any; the answer is atomic.
 */

#include <math.h>

#include "api/call.h"
#include "api/model_priv.h"


#define PAD_ROWS      3
#define PAD_ELEMENTS  ((int64_t) 16 << 20)      /* of an input, at most */

/*
 * Lengths that are tried, longest first; the last ones where a model has
 * nothing shorter.  `open`: other open dimensions.
 */
static const struct {
    int64_t  length[PAD_ROWS];
    int64_t  open;
} pad_tries[] = {
    { { 61, 37, 3 }, 16 },
    { { 16, 9, 1 }, 16 },
    { { 16000, 12007, 9001 }, 1 }
};

#define PAD_SHORT  2            /* of these */

/* Runs of the rows, and of all together. */
typedef struct {
    maas_model_t       *m;
    const maas_meta_t  *meta;
    maas_arena_t        mem;
    maas_tensor_t      *in[PAD_ROWS + 1];
    maas_run_t         *run[PAD_ROWS + 1];
    const int64_t      *length;         /* of the rows */
    int64_t             all;            /* of all together */
    uint8_t            *axes;           /* of outputs: follow the length */
    bool                known;          /* axes are */
    uint32_t            seed;
} pad_t;


const uint8_t *
maas_model_pads(const maas_model_t *m)
{
    return atomic_load_explicit(&m->pads, memory_order_acquire);
}


/* -- inputs -------------------------------------------------------------- */

static maas_status_t
pad_tensor(pad_t *c, size_t i, int64_t rows, int64_t length, int64_t open,
    maas_tensor_t *t, maas_err_t *err)
{
    const maas_port_t  *p = &c->m->port[i];

    memset(t, 0, sizeof(*t));
    t->dtype = p->dtype;
    t->rank = (uint8_t) p->rank;

    for (int d = 0; d < p->rank; d++) {
        t->dims[d] = d == c->meta->batch_axis ? rows
                     : p->dims[d] >= 0 ? p->dims[d]
                     : d == c->meta->pad_axis
                       && maas_meta_pad(c->meta, i) != NULL ? length : open;
    }

    if (!maas_tensor_size(t, 0, &t->bytes)
        || maas_tensor_count(t) > PAD_ELEMENTS)
    {
        return maas_err(err, MAAS_ELIMIT, "its inputs are too large to try");
    }

    t->data = maas_arena_alloc(&c->mem, t->bytes + MAAS_ALIGN);

    return t->data == NULL ? maas_err_nomem(err) : MAAS_OK;
}


/* The first element of what is left out where it has the padding's value. */
static void
pad_begin(maas_tensor_t *t, const maas_meta_pad_t *p)
{
    maas_tensor_t  one = *t;

    if (p != NULL && p->mask && t->bytes != 0) {
        one.bytes = maas_dtype_size(t->dtype);
        maas_pad_fill(&one, p->value == 0 ? 1 : 0);
    }
}


/* Row r of the joined tensor is that of the row's own. */
static void
pad_join(const pad_t *c, const maas_tensor_t *own, maas_tensor_t *all, int r)
{
    size_t  at = maas_dtype_size(own->dtype) * (size_t) r;

    for (int d = c->meta->batch_axis + 1; d < all->rank; d++) {
        at *= (size_t) all->dims[d];
    }

    maas_pad_copy((char *) all->data + at, all->dims, own->data, own->dims,
                  own->dims, own->rank, maas_dtype_size(own->dtype));
}


static maas_status_t
pad_inputs(pad_t *c, int64_t open, maas_err_t *err)
{
    size_t                  n;
    maas_tensor_t          *all;
    const maas_meta_pad_t  *p;

    (void) maas_model_inputs(c->m, &n);

    for (int k = 0; k <= PAD_ROWS; k++) {
        c->in[k] = maas_arena_array(&c->mem, n, sizeof(maas_tensor_t));
        if (c->in[k] == NULL) {
            return maas_err_nomem(err);
        }
    }

    for (size_t i = 0; i < n; i++) {
        p = maas_meta_pad(c->meta, i);
        all = &c->in[PAD_ROWS][i];

        MAAS_TRY(pad_tensor(c, i, PAD_ROWS, c->all, open, all, err));
        maas_pad_fill(all, p != NULL ? p->value : 0);

        for (int r = 0; r < PAD_ROWS; r++) {
            MAAS_TRY(pad_tensor(c, i, 1, c->length[r], open, &c->in[r][i],
                                err));
            model_fill(&c->in[r][i], &c->seed);
            pad_begin(&c->in[r][i], p);
            pad_join(c, &c->in[r][i], all, r);
        }
    }

    return MAAS_OK;
}


/* -- outputs ------------------------------------------------------------- */

/* The axes of output i that are as long as the inputs, in every run. */
static maas_status_t
pad_axes(pad_t *c, size_t i, const maas_port_t *p, maas_err_t *err)
{
    bool           same, long_as;
    uint8_t        axes = 0;
    maas_tensor_t  first, t;

    maas_run_output(c->run[PAD_ROWS], i, &first, NULL);

    for (int d = 0; d < first.rank; d++) {
        same = true;
        long_as = first.dims[d] == c->all;

        for (int r = 0; r < PAD_ROWS; r++) {
            maas_run_output(c->run[r], i, &t, NULL);

            if (t.rank != first.rank || t.dtype != first.dtype) {
                return maas_err(err, MAAS_EUNSUPPORTED, "output '%.*s' does "
                                "not have the same axes for every length",
                                (int) p->name.len, p->name.data);
            }

            same = same && t.dims[d] == first.dims[d];
            long_as = long_as && t.dims[d] == c->length[r];
        }

        if (d == c->meta->batch_axis || (same && !long_as)) {
            continue;
        }

        if (!long_as) {
            return maas_err(err, MAAS_EUNSUPPORTED, "axis %d of output "
                            "'%.*s' is neither fixed nor as long as the "
                            "inputs that are padded", d, (int) p->name.len,
                            p->name.data);
        }

        axes |= (uint8_t) (1u << d);
    }

    if (first.dtype == MAAS_STRING && axes != 0) {
        return maas_err(err, MAAS_EUNSUPPORTED, "output '%.*s' holds strings "
                        "along the axis that is padded", (int) p->name.len,
                        p->name.data);
    }

    if (c->known && axes != c->axes[i]) {
        return maas_err(err, MAAS_EUNSUPPORTED, "output '%.*s' has other axes "
                        "at other lengths", (int) p->name.len, p->name.data);
    }

    c->axes[i] = axes;
    return MAAS_OK;
}


static double
pad_value(const maas_tensor_t *t, int64_t i)
{
    switch (t->dtype) {

    case MAAS_F32:
        return (double) ((const float *) t->data)[i];

    case MAAS_F16:
        return (double) maas_f16_to_f32(((const uint16_t *) t->data)[i]);

    case MAAS_BF16:
        return (double) maas_bf16_to_f32(((const uint16_t *) t->data)[i]);

    default:
        return ((const double *) t->data)[i];
    }
}


/* How far two floats are from each other, of the largest; 2: not numbers. */
static double
pad_error(const maas_tensor_t *a, const maas_tensor_t *b)
{
    double   x, y, most = 0, error = 0;
    int64_t  n = maas_tensor_count(a);

    for (int64_t i = 0; i < n; i++) {
        x = pad_value(a, i);
        y = pad_value(b, i);

        if (x == y || (isnan(x) && isnan(y))) {
            most = isfinite(x) ? maas_max(most, fabs(x)) : most;
            continue;
        }

        if (!isfinite(x) || !isfinite(y)) {
            return 2;
        }

        error = maas_max(error, fabs(x - y));
        most = maas_max(most, fabs(x));
    }

    return error == 0 ? 0 : error / maas_max(most, 1e-30);
}


static bool
pad_texts(const maas_tensor_t *all, const maas_tensor_t *one, int64_t r)
{
    int64_t  n = maas_tensor_count(one);

    for (int64_t i = 0; i < n; i++) {
        if (!maas_str_eq(maas_tensor_str(all, r * n + i),
                         maas_tensor_str(one, i)))
        {
            return false;
        }
    }

    return true;
}


/* Row r of output i: as it came alone? */
static maas_status_t
pad_row(pad_t *c, size_t i, const maas_port_t *p, int r, maas_err_t *err)
{
    size_t         at, size;
    double         error = 0;
    maas_tensor_t  all, one, cut;

    maas_run_output(c->run[PAD_ROWS], i, &all, NULL);
    maas_run_output(c->run[r], i, &one, NULL);

    if (all.dtype == MAAS_STRING) {
        error = pad_texts(&all, &one, r) ? 0 : 2;

    } else {
        cut = one;
        cut.data = maas_arena_alloc(&c->mem, one.bytes + MAAS_ALIGN);
        if (cut.data == NULL) {
            return maas_err_nomem(err);
        }

        size = maas_dtype_size(all.dtype);
        at = size * (size_t) r;

        for (int d = c->meta->batch_axis + 1; d < all.rank; d++) {
            at *= (size_t) all.dims[d];
        }

        maas_pad_copy(cut.data, cut.dims, (char *) all.data + at, all.dims,
                      cut.dims, cut.rank, size);

        if (memcmp(cut.data, one.data, one.bytes) != 0) {
            error = maas_dtypes[one.dtype].is_float ? pad_error(&one, &cut)
                                                    : 2;

            /* Other bits, such as those of -0, are not the same bits. */
            error = maas_max(error, 1e-300);
        }
    }

    if (error <= c->meta->tolerance) {
        return MAAS_OK;
    }

    if (error >= 2) {
        return maas_err(err, MAAS_EUNSUPPORTED, "output '%.*s' of a row that "
                        "is padded from %lld to %lld is not that of the row "
                        "alone", (int) p->name.len, p->name.data,
                        (long long) c->length[r], (long long) c->all);
    }

    return maas_err(err, MAAS_EUNSUPPORTED, "output '%.*s' of a row that is "
                    "padded from %lld to %lld is off by %.2g of its largest "
                    "value, and \"tolerance\" of batch.pad is %g",
                    (int) p->name.len, p->name.data,
                    (long long) c->length[r], (long long) c->all, error,
                    c->meta->tolerance);
}


/* -- tries --------------------------------------------------------------- */

/* MAAS_EUNSUPPORTED: padding is seen; others: not tried. */
static maas_status_t
pad_rows(pad_t *c, maas_team_t *team, int64_t open, maas_err_t *err)
{
    size_t              n;
    maas_status_t       rc;
    const maas_port_t  *p = maas_model_outputs(c->m, &n);

    MAAS_TRY(pad_inputs(c, open, err));

    for (int k = 0; k <= PAD_ROWS; k++) {
        rc = maas_model_run(c->m, c->in[k], team, maas_team_stop(team),
                            &c->run[k], err);

        if (rc != MAAS_OK) {
            c->run[k] = NULL;
            return rc == MAAS_EUNSUPPORTED ? MAAS_EINVAL : rc;
        }
    }

    for (size_t i = 0; i < n; i++) {
        MAAS_TRY(pad_axes(c, i, &p[i], err));

        for (int r = 0; r < PAD_ROWS; r++) {
            MAAS_TRY(pad_row(c, i, &p[i], r, err));
        }
    }

    c->known = true;
    return MAAS_OK;
}


static maas_status_t
pad_try(pad_t *c, maas_team_t *team, size_t k, maas_err_t *err)
{
    maas_status_t  rc;

    c->length = pad_tries[k].length;
    c->all = maas_pad_round(c->meta, c->length[0]);
    memset(c->run, 0, sizeof(c->run));

    maas_arena_init(&c->mem, maas_host_default(), 0);
    rc = pad_rows(c, team, pad_tries[k].open, err);

    for (int r = 0; r <= PAD_ROWS; r++) {
        maas_run_release(c->run[r]);
    }

    maas_arena_destroy(&c->mem);

    return rc;
}


static bool
pad_masked(const maas_meta_t *meta)
{
    for (uint32_t i = 0; i < meta->n_pads; i++) {
        if (meta->pad[i].mask) {
            return true;
        }
    }

    return false;
}


maas_status_t
maas_model_pad_check(maas_model_t *m, maas_team_t *team, maas_err_t *err)
{
    size_t         n;
    pad_t          c = { .m = m, .meta = m->meta, .seed = 1 };
    uint8_t       *none = NULL;
    maas_err_t     why = { 0 };
    maas_status_t  rc = MAAS_EINVAL;

    if (m->meta->n_pads == 0 || maas_model_batch_axis(m) < 0
        || maas_model_pads(m) != NULL)
    {
        return MAAS_OK;
    }

    (void) maas_model_outputs(m, &n);

    c.axes = maas_calloc(maas_host_default(), n + 1, 1);
    if (c.axes == NULL) {
        return maas_err_nomem(err);
    }

    for (size_t k = 0; k < maas_nelts(pad_tries); k++) {
        if (k >= PAD_SHORT && c.known) {
            break;
        }

        why.text[0] = '\0';
        rc = pad_try(&c, team, k, &why);

        if (rc == MAAS_EUNSUPPORTED) {
            break;
        }
    }

    if (c.known && rc != MAAS_EUNSUPPORTED) {
        if (!atomic_compare_exchange_strong(&m->pads, &none, c.axes)) {
            maas_free(maas_host_default(), c.axes);     /* too late */
        }

        return MAAS_OK;
    }

    maas_free(maas_host_default(), c.axes);

    if (rc != MAAS_EUNSUPPORTED) {
        return maas_err(err, MAAS_EUNSUPPORTED, "no lengths were found to try "
                        "whether padding changes anything (%.200s)",
                        why.text);
    }

    return maas_err(err, rc, "%.300s%s", why.text, pad_masked(m->meta) ? ""
                    : "; if an input is a mask, name it as \"mask\" of "
                    "batch.pad");
}
