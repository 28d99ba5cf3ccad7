/*
 * Two tensors, one expected: floats within atol + rtol * |expected|, equal
 * infinities and NaN with NaN; everything else exactly.  dtype and shape
 * exactly.
 */

#include <math.h>
#include <stdio.h>

#include "cli/cli_compare.h"


static double
compare_value(const maas_tensor_t *t, int64_t i)
{
    switch (t->dtype) {

    case MAAS_F32:
        return (double) ((const float *) t->data)[i];

    case MAAS_F64:
        return ((const double *) t->data)[i];

    case MAAS_F16:
        return (double) maas_f16_to_f32(((const uint16_t *) t->data)[i]);

    default:
        return (double) maas_bf16_to_f32(((const uint16_t *) t->data)[i]);
    }
}


static maas_status_t
compare_floats(const maas_tensor_t *got, const maas_tensor_t *want,
    double rtol, double atol, maas_err_t *err)
{
    double   g, w, d, worst = -1;
    int64_t  n = maas_tensor_count(want), at = 0, bad = 0;

    for (int64_t i = 0; i < n; i++) {
        g = compare_value(got, i);
        w = compare_value(want, i);

        if (g == w || (isnan(g) && isnan(w))) {
            continue;
        }

        d = fabs(g - w);

        if (isfinite(w) && d <= atol + rtol * fabs(w)) {
            continue;
        }

        bad++;

        if (!(d <= worst)) {
            worst = isnan(d) ? INFINITY : d;
            at = i;
        }
    }

    if (bad == 0) {
        return MAAS_OK;
    }

    return maas_err(err, MAAS_EINVAL,
                    "%lld of %lld elements differ, most at %lld: %.9g, "
                    "expected %.9g", (long long) bad, (long long) n,
                    (long long) at, compare_value(got, at),
                    compare_value(want, at));
}


static maas_status_t
compare_strings(const maas_tensor_t *got, const maas_tensor_t *want,
    maas_err_t *err)
{
    int64_t  n = maas_tensor_count(want);

    for (int64_t i = 0; i < n; i++) {
        maas_str_t  g = maas_tensor_str(got, i);
        maas_str_t  w = maas_tensor_str(want, i);

        if (!maas_str_eq(g, w)) {
            return maas_err(err, MAAS_EINVAL,
                            "element %lld is \"%.*s\", expected \"%.*s\"",
                            (long long) i, (int) maas_min(g.len, 60u), g.data,
                            (int) maas_min(w.len, 60u), w.data);
        }
    }

    return MAAS_OK;
}


maas_status_t
cli_compare(const maas_tensor_t *got, const maas_tensor_t *want, double rtol,
    double atol, maas_err_t *err)
{
    char     g[MAAS_DIMS_TEXT], w[MAAS_DIMS_TEXT];
    size_t   bytes, size;
    int64_t  n;

    if (got->dtype != want->dtype) {
        return maas_err(err, MAAS_EINVAL, "type %s, expected %s",
                        maas_dtype_name(got->dtype),
                        maas_dtype_name(want->dtype));
    }

    if (got->rank != want->rank
        || memcmp(got->dims, want->dims, got->rank * sizeof(int64_t)) != 0)
    {
        return maas_err(err, MAAS_EINVAL, "shape %s, expected %s",
                        maas_dims_text(g, got->dims, got->rank),
                        maas_dims_text(w, want->dims, want->rank));
    }

    if (want->dtype == MAAS_STRING) {
        return compare_strings(got, want, err);
    }

    if (maas_dtypes[want->dtype].is_float) {
        return compare_floats(got, want, rtol, atol, err);
    }

    n = maas_tensor_count(want);
    size = maas_dtype_size(want->dtype);

    if (!maas_dtype_bytes(want->dtype, n, &bytes) || bytes == 0
        || memcmp(got->data, want->data, bytes) == 0)
    {
        return MAAS_OK;
    }

    for (int64_t i = 0; i < n; i++) {
        if (memcmp((const char *) got->data + (size_t) i * size,
                   (const char *) want->data + (size_t) i * size, size) != 0)
        {
            return maas_err(err, MAAS_EINVAL,
                            "element %lld of %lld differs (exact type)",
                            (long long) i, (long long) n);
        }
    }

    return MAAS_OK;
}
