/*
 * Resampling of 8-bit images with the triangle ("bilinear") filter, widened
 * by the factor of shrinking, as Pillow does it: output pixel i reads the
 * input pixels j with weight
 *
 *     w(j) = tri((j + 0.5 - (i + 0.5) * s) / max(s, 1)),  s = in / out,
 *
 * normalised to sum 1, columns first, then rows.  Sums are 32-bit integers
 * over weights of 22 fractional bits, rounded to 8 bits after each pass.
 *
 * Memory: coefficients and the image between the passes, from the host.
 */

#include <math.h>

#include "media/pixels.h"


#define RESAMPLE_BITS  22


typedef struct {
    uint32_t   taps;            /* room for each output pixel */
    uint32_t  *first;
    uint32_t  *n;
    int32_t   *weight;
    void      *memory;
} resample_table_t;


static inline uint8_t
resample_clip(int32_t v)
{
    v >>= RESAMPLE_BITS;
    return (uint8_t) (v < 0 ? 0 : v > 255 ? 255 : v);
}


/* Weights of output pixels [at, at + count) of `out`, which come of `in`. */
static maas_status_t
resample_table(resample_table_t *t, const maas_host_t *host, uint32_t in,
    uint32_t out, uint32_t at, uint32_t count, maas_err_t *err)
{
    double   scale = (double) in / out;
    double   support = scale > 1 ? scale : 1;
    double   sum, *w;
    size_t   bytes;

    t->taps = (uint32_t) ceil(support) * 2 + 1;

    if (!maas_mul_size(count, sizeof(int32_t) * (t->taps + (size_t) 2), &bytes)
        || bytes > SIZE_MAX - sizeof(double) * t->taps)
    {
        return maas_err(err, MAAS_ELIMIT, "image is too large to scale");
    }

    t->memory = maas_alloc(host, bytes + sizeof(double) * t->taps);
    if (t->memory == NULL) {
        return maas_err_nomem(err);
    }

    w = t->memory;
    t->first = (uint32_t *) (w + t->taps);
    t->n = t->first + count;
    t->weight = (int32_t *) (t->n + count);

    for (uint32_t i = 0; i < count; i++) {
        double   centre = (at + i + 0.5) * scale;
        double   low = centre - support + 0.5;
        double   high = centre + support + 0.5;
        int64_t  a = low < 0 ? 0 : (int64_t) low;
        int64_t  b = high > in ? in : (int64_t) high;

        sum = 0;

        for (int64_t j = a; j < b; j++) {
            double  d = fabs((j - centre + 0.5) / support);

            w[j - a] = d < 1 ? 1 - d : 0;
            sum += w[j - a];
        }

        t->first[i] = (uint32_t) a;
        t->n[i] = (uint32_t) (b - a);

        for (int64_t j = 0; j < b - a; j++) {
            t->weight[(size_t) i * t->taps + j] = (int32_t)
                floor(0.5 + w[j] / sum * (1 << RESAMPLE_BITS));
        }
    }

    return MAAS_OK;
}


/* Rows [first, first + out->height) of in. */
static void
resample_columns(const maas_pixels_t *in, uint32_t first,
    const resample_table_t *t, maas_pixels_t *out)
{
    int       ch = in->channels;
    uint8_t  *o = out->data;

    for (uint32_t y = 0; y < out->height; y++) {
        const uint8_t  *row;

        row = in->data + (size_t) (first + y) * in->width * ch;

        for (uint32_t x = 0; x < out->width; x++) {
            const int32_t  *w = t->weight + (size_t) x * t->taps;
            const uint8_t  *s = row + (size_t) t->first[x] * ch;

            for (int c = 0; c < ch; c++) {
                int32_t  acc = 1 << (RESAMPLE_BITS - 1);

                for (uint32_t k = 0; k < t->n[x]; k++) {
                    acc += s[(size_t) k * ch + c] * w[k];
                }

                *o++ = resample_clip(acc);
            }
        }
    }
}


/* in begins with row `first` of the image that the table speaks of. */
static void
resample_rows(const maas_pixels_t *in, uint32_t first,
    const resample_table_t *t, maas_pixels_t *out)
{
    size_t    step = (size_t) in->width * in->channels;
    uint8_t  *o = out->data;

    for (uint32_t y = 0; y < out->height; y++) {
        const int32_t  *w = t->weight + (size_t) y * t->taps;
        const uint8_t  *s = in->data + (t->first[y] - first) * step;

        for (size_t x = 0; x < step; x++) {
            int32_t  acc = 1 << (RESAMPLE_BITS - 1);

            for (uint32_t k = 0; k < t->n[y]; k++) {
                acc += s[k * step + x] * w[k];
            }

            *o++ = resample_clip(acc);
        }
    }
}


static void
resample_copy(const maas_pixels_t *in, const maas_window_t *w,
    maas_pixels_t *out)
{
    size_t  from = (size_t) in->width * in->channels;
    size_t  to = (size_t) w->cols * in->channels;

    for (uint32_t y = 0; y < w->rows; y++) {
        memcpy(out->data + y * to,
               in->data + (w->y + y) * from + (size_t) w->x * in->channels,
               to);
    }
}


maas_status_t
maas_resample(const maas_host_t *host, const maas_pixels_t *in,
    const maas_window_t *w, maas_pixels_t *out, maas_err_t *err)
{
    uint32_t          first, last;
    maas_pixels_t     mid = { 0 };
    maas_status_t     rc;
    resample_table_t  h = { 0 }, v = { 0 };

    MAAS_TRY(maas_pixels_alloc(out, host, w->cols, w->rows, in->channels,
                               err));

    if (w->width == in->width && w->height == in->height) {
        resample_copy(in, w, out);
        return MAAS_OK;
    }

    rc = resample_table(&h, host, in->width, w->width, w->x, w->cols, err);
    if (rc != MAAS_OK) {
        goto done;
    }

    rc = resample_table(&v, host, in->height, w->height, w->y, w->rows, err);
    if (rc != MAAS_OK) {
        goto done;
    }

    first = v.first[0];
    last = v.first[w->rows - 1] + v.n[w->rows - 1];

    rc = maas_pixels_alloc(&mid, host, w->cols, last - first, in->channels,
                           err);
    if (rc != MAAS_OK) {
        goto done;
    }

    resample_columns(in, first, &h, &mid);
    resample_rows(&mid, first, &v, out);

done:

    maas_free(host, h.memory);
    maas_free(host, v.memory);
    maas_pixels_free(&mid, host);

    if (rc != MAAS_OK) {
        maas_pixels_free(out, host);
    }

    return rc;
}
