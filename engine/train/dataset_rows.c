/*
 * dataset_rows.c: rows of a source as batches of a network, and as targets of
 * estimators.  See dataset_feed.h.
 *
 * Ownership: scratch is the source's, as large as the largest batch.
 */

#include <math.h>

#include "train/dataset_rows.h"


#define SHOW(s)  (int) maas_min((s).len, 100u), (s).data


/* -- batches ------------------------------------------------------------- */

static maas_status_t
source_room(maas_data_t *s, int64_t n, maas_err_t *err)
{
    size_t              item = (size_t) maas_max(s->info.n_feature, 1);
    const maas_host_t  *h = s->spec.host;

    if (n <= s->cap) {
        return MAAS_OK;
    }

    maas_free(h, s->wide);
    maas_free(h, s->pixels);
    maas_free(h, s->code);
    s->wide = NULL;
    s->pixels = NULL;
    s->cap = 0;

    s->code = maas_calloc(h, (size_t) n, sizeof(int32_t));

    if (s->info.image) {
        s->pixels = maas_calloc(h, (size_t) n, item);

    } else {
        s->wide = maas_calloc(h, (size_t) n, item * sizeof(double));
    }

    if (s->augmented && s->copy[0] == NULL) {
        s->copy[0] = maas_calloc(h, 1, item);
        s->copy[1] = maas_calloc(h, 1, item);
    }

    if (s->code == NULL || (s->pixels == NULL && s->wide == NULL)
        || (s->augmented && (s->copy[0] == NULL || s->copy[1] == NULL)))
    {
        return maas_err_nomem(err);
    }

    s->cap = n;
    return MAAS_OK;
}


/* uint8 [H,W,C] -> float32 [C,H,W] / 255 */
static void
source_planes(const maas_data_t *s, const uint8_t *p, float *x)
{
    int64_t  c = s->info.channels, n = s->info.height * s->info.width;

    for (int64_t k = 0; k < c; k++) {
        for (int64_t i = 0; i < n; i++) {
            x[k * n + i] = (float) p[i * c + k] / 255;
        }
    }
}


static maas_status_t
source_images(maas_data_t *s, const int64_t *row, int64_t n, bool train,
    uint64_t epoch, float *x, maas_err_t *err)
{
    uint8_t                    *p;
    int64_t                     item = s->info.n_feature;
    const maas_rows_t           rows = { row, 0, n };
    const maas_augment_image_t  im = { .dtype = MAAS_U8,
                                       .height = s->info.height,
                                       .width = s->info.width,
                                       .channels = s->info.channels,
                                       .range = 255 };

    MAAS_TRY(maas_dataset_items(s->ds, s->feature[0], &rows, s->pixels,
                                err));

    for (int64_t i = 0; i < n; i++) {
        p = s->pixels + i * item;

        if (train && s->augmented) {
            maas_augment_apply(&s->augment, &im, s->spec.seed, epoch,
                               (uint64_t) row[i], p, s->copy[0],
                               s->copy[1]);
            p = s->copy[0];
        }

        source_planes(s, p, x + i * item);
    }

    return MAAS_OK;
}


static maas_status_t
source_missing(const maas_data_t *s, int64_t row, int64_t at,
    maas_err_t *err)
{
    const maas_column_t  *c;

    for (int i = 0; i < s->info.n_column; i++) {
        c = maas_dataset_column(s->ds, s->feature[i]);

        if (at < (int64_t) c->width) {
            return maas_err(err, MAAS_EINVAL, "data: row %lld has no value "
                            "in column \"%.*s\"; a pipeline with "
                            "{\"type\":\"impute\"} fills them",
                            (long long) row + 1, SHOW(c->name));
        }

        at -= (int64_t) c->width;
    }

    return MAAS_OK;
}


static maas_status_t
source_table(maas_data_t *s, const int64_t *row, int64_t n, void *x,
    maas_err_t *err)
{
    double             v;
    float             *f = x;
    int64_t           *k = x, item = s->info.n_feature;
    const maas_rows_t  rows = { row, 0, n };

    MAAS_TRY(maas_dataset_numbers(s->ds, s->feature, s->info.n_column, &rows,
                                  s->wide, (size_t) item, err));

    for (int64_t i = 0; i < n * item; i++) {
        v = s->wide[i];

        if (isnan(v)) {
            return source_missing(s, row[i / item], i % item, err);
        }

        if (!s->integers) {
            f[i] = (float) v;
            continue;
        }

        if (!(fabs(v) <= 9007199254740992.0) || v != floor(v)) {
            return maas_err(err, MAAS_EINVAL, "data: row %lld: %g is no "
                            "integer, but the network takes int64",
                            (long long) row[i / item] + 1, v);
        }

        k[i] = (int64_t) v;
    }

    return MAAS_OK;
}


/* Number `at` of the targets of a row: its column. */
static maas_str_t
source_target_name(const maas_data_t *s, int64_t at)
{
    const maas_column_t  *c = NULL;

    for (int i = 0; i < s->info.n_target_column && at >= 0; i++) {
        c = maas_dataset_column(s->ds, s->target[i]);
        at -= (int64_t) c->width;
    }

    return c != NULL ? c->name : maas_str("");
}


/* Classes of each step; floats come into the same memory first. */
static maas_status_t
source_each(maas_data_t *s, const int64_t *row, int64_t n, int64_t *y,
    maas_err_t *err)
{
    float              f;
    int64_t            per = s->info.n_target;
    maas_str_t         name;
    const maas_rows_t  rows = { row, 0, n };

    MAAS_TRY(maas_dataset_floats(s->ds, s->target, s->info.n_target_column,
                                 &rows, (float *) y, (size_t) per, err));

    for (int64_t i = n * per - 1; i >= 0; i--) {
        memcpy(&f, (const char *) y + (size_t) i * sizeof(f), sizeof(f));

        if (!(f >= -1e9f && f < (float) s->each) || f != floorf(f)) {
            name = source_target_name(s, i % per);

            return maas_err(err, MAAS_EINVAL, "data: row %lld: %g in column "
                            "\"%.*s\" is no class of 0 ... %lld, nor below "
                            "0, which is left out",
                            (long long) row[i / per] + 1, (double) f,
                            SHOW(name), (long long) s->each - 1);
        }

        y[i] = (int64_t) f;
    }

    return MAAS_OK;
}


static maas_status_t
source_y(maas_data_t *s, const int64_t *row, int64_t n, void *y,
    maas_err_t *err)
{
    float             *f = y;
    int64_t           *k = y;
    const maas_rows_t  rows = { row, 0, n };

    if (s->each != 0) {
        return source_each(s, row, n, y, err);
    }

    if (!s->labels && !s->zero_one) {
        return maas_dataset_floats(s->ds, s->target,
                                   s->info.n_target_column, &rows, y,
                                   (size_t) s->info.n_target, err);
    }

    MAAS_TRY(maas_dataset_labels(s->ds, &s->classes, &rows, s->code, err));

    for (int64_t i = 0; i < n; i++) {
        if (s->labels) {
            k[i] = s->code[i];

        } else {
            f[i] = (float) s->code[i];
        }
    }

    return MAAS_OK;
}


static maas_status_t
source_rows(void *ctx, const int64_t *row, int64_t n, bool train,
    uint64_t epoch, void *x, void *y, maas_err_t *err)
{
    maas_data_t  *s = ctx;

    MAAS_TRY(source_room(s, n, err));

    if (s->info.image) {
        MAAS_TRY(source_images(s, row, n, train, epoch, x, err));

    } else {
        MAAS_TRY(source_table(s, row, n, x, err));
    }

    return source_y(s, row, n, y, err);
}


void
maas_data_feed(maas_data_t *s, const maas_tensor_t *x,
    const maas_tensor_t *y, bool classes, maas_feed_t *feed)
{
    memset(feed, 0, sizeof(*feed));
    feed->ctx = s;
    feed->x = *x;
    feed->y = *y;
    feed->rows = source_rows;
    s->integers = x->dtype == MAAS_I64;
    s->labels = classes && y->dtype == MAAS_I64;
    s->zero_one = classes && y->dtype == MAAS_F32;
    s->each = 0;
}


void
maas_data_each(maas_data_t *s, int64_t classes)
{
    s->each = classes;
}


static void
source_factors(void *ctx, const void *y, int64_t n, float *weight)
{
    int64_t               c;
    const maas_data_t  *s = ctx;

    for (int64_t i = 0; i < n; i++) {
        c = s->labels ? ((const int64_t *) y)[i]
                      : (int64_t) ((const float *) y)[i];
        weight[i] = c < 0 ? 0 : (float) s->factor[c];
    }
}


void
maas_data_weigh(maas_data_t *s, const double *factor, maas_feed_t *feed)
{
    s->factor = factor;
    feed->weigh = source_factors;
}


/* -- matrices ------------------------------------------------------------ */

const maas_dataset_t *
maas_data_dataset(const maas_data_t *s)
{
    return s->ds;
}


const int *
maas_data_columns(const maas_data_t *s)
{
    return s->feature;
}


maas_status_t
maas_data_targets(maas_data_t *s, const int64_t *row, int64_t n, void *y,
    maas_err_t *err)
{
    MAAS_TRY(source_room(s, n, err));

    return source_y(s, row, n, y, err);
}


maas_status_t
maas_data_numbers(maas_data_t *s, const int64_t *row, int64_t n,
    double *y, maas_err_t *err)
{
    const maas_rows_t  rows = { row, 0, n };

    return maas_dataset_numbers(s->ds, s->target, s->info.n_target_column,
                                &rows, y, (size_t) s->info.n_target, err);
}


maas_status_t
maas_data_labels(maas_data_t *s, const int64_t *row, int64_t n,
    int32_t *label, maas_err_t *err)
{
    const maas_rows_t  rows = { row, 0, n };

    return maas_dataset_labels(s->ds, &s->classes, &rows, label, err);
}
