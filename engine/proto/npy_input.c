/*
 * A .npy file as an input.  NumPy's defaults are float64 and int64 while
 * models take float32 and the like, so numbers are converted where the kind
 * stays: float to float, integer to integer or float, within the range of
 * the target.  Arrays in Fortran order are put into C order.
 *
 * Ownership: in place in the body where nothing has to be done, else a block
 *            of the call.
 * Threads:   a call belongs to one thread at a time.
 */

#include <math.h>

#include "proto/pass_stages.h"


/* A number of any type, widened. */
typedef struct {
    double    f;
    int64_t   i;
    uint64_t  u;
} npy_value_t;


static npy_value_t
npy_load(const char *p, maas_dtype_t dtype)
{
    npy_value_t  v = { 0 };
    union {
        float     f;
        double    d;
        int16_t   h;
        int32_t   w;
        int64_t   q;
        uint16_t  uh;
        uint32_t  uw;
        uint64_t  uq;
    } x;

    memcpy(&x, p, maas_dtype_size(dtype));

    switch (dtype) {
    case MAAS_F32:  v.f = x.f; break;
    case MAAS_F64:  v.f = x.d; break;
    case MAAS_F16:  v.f = maas_f16_to_f32(x.uh); break;
    case MAAS_I8:   v.i = *(const signed char *) p; break;
    case MAAS_I16:  v.i = x.h; break;
    case MAAS_I32:  v.i = x.w; break;
    case MAAS_I64:  v.i = x.q; break;
    case MAAS_U16:  v.u = x.uh; break;
    case MAAS_U32:  v.u = x.uw; break;
    case MAAS_U64:  v.u = x.uq; break;
    default:        v.u = *(const unsigned char *) p; break;
    }

    if (maas_dtypes[dtype].is_float) {
        return v;
    }

    if (maas_dtypes[dtype].is_signed) {
        v.f = (double) v.i;
        v.u = (uint64_t) v.i;

    } else {
        v.f = (double) v.u;
        v.i = v.u <= INT64_MAX ? (int64_t) v.u : -1;
    }

    return v;
}


/* False: a finite number became infinite. */
static bool
npy_store_float(char *p, maas_dtype_t dtype, double d)
{
    float     f = (float) d;
    uint16_t  h;

    switch (dtype) {

    case MAAS_F64:
        memcpy(p, &d, sizeof(d));
        return true;

    case MAAS_F32:
        memcpy(p, &f, sizeof(f));
        return isfinite(f) || !isfinite(d);

    default:
        h = dtype == MAAS_F16 ? maas_f32_to_f16(f) : maas_f32_to_bf16(f);
        f = dtype == MAAS_F16 ? maas_f16_to_f32(h) : maas_bf16_to_f32(h);
        memcpy(p, &h, sizeof(h));
        return isfinite(f) || !isfinite(d);
    }
}


/* False: out of range. */
static bool
npy_store_int(char *p, maas_dtype_t dtype, const npy_value_t *v, bool neg)
{
    int       bits = (int) maas_dtype_size(dtype) * 8;
    int64_t   hi = INT64_MAX >> (64 - bits);

    memcpy(p, &v->u, maas_dtype_size(dtype));   /* little-endian */

    if (!maas_dtypes[dtype].is_signed) {
        return !neg && v->u <= UINT64_MAX >> (64 - bits);
    }

    return neg ? v->i >= -hi - 1 : v->u <= (uint64_t) hi;
}


static bool
npy_converts(maas_dtype_t from, maas_dtype_t to)
{
    if (from == to) {
        return true;
    }

    if (from == MAAS_BOOL || to == MAAS_BOOL || to == MAAS_STRING) {
        return false;
    }

    return maas_dtypes[to].is_float || maas_dtypes[from].is_int;
}


static maas_status_t
npy_element(char *to, maas_dtype_t dtype, const char *from,
    const maas_tensor_t *t, int64_t i, maas_err_t *err)
{
    bool         good;
    npy_value_t  v;

    if (t->dtype == dtype) {
        memcpy(to, from, maas_dtype_size(dtype));
        return MAAS_OK;
    }

    v = npy_load(from, t->dtype);

    good = maas_dtypes[dtype].is_float
           ? npy_store_float(to, dtype, v.f)
           : npy_store_int(to, dtype, &v,
                           maas_dtypes[t->dtype].is_signed && v.i < 0);

    return good ? MAAS_OK
           : maas_err(err, MAAS_EINVAL, "npy: element %lld, %.17g, is out of "
                      "the range of %s", (long long) i, v.f,
                      maas_dtype_name(dtype));
}


/* Elements in C order, of the type that is wanted. */
static maas_status_t
npy_copy(const maas_tensor_t *t, bool fortran, char *to, maas_dtype_t dtype,
    maas_err_t *err)
{
    int          d;
    size_t       from_size = maas_dtype_size(t->dtype);
    size_t       size = maas_dtype_size(dtype);
    int64_t      n = maas_tensor_count(t), at = 0;
    int64_t      index[MAAS_RANK_MAX] = { 0 }, step[MAAS_RANK_MAX];
    const char  *from = t->data;

    if (!fortran && t->dtype == dtype) {
        if (t->bytes != 0) {
            memcpy(to, from, t->bytes);
        }

        return MAAS_OK;
    }

    maas_dims_strides(t->dims, t->rank, step);

    for (d = 0, at = 1; fortran && d < t->rank; d++) {
        step[d] = at;
        at *= t->dims[d];
    }

    at = 0;

    for (int64_t i = 0; i < n; i++) {
        MAAS_TRY(npy_element(to + (size_t) i * size, dtype,
                             from + (size_t) at * from_size, t, i, err));

        for (d = t->rank - 1; d >= 0; d--) {
            at += step[d];

            if (++index[d] < t->dims[d]) {
                break;
            }

            at -= step[d] * t->dims[d];
            index[d] = 0;
        }
    }

    return MAAS_OK;
}


static maas_status_t
npy_take(maas_proto_call_t *c, size_t i, maas_tensor_t *t, bool fortran,
    maas_err_t *err)
{
    char               *p;
    size_t              bytes;
    maas_dtype_t        dtype = c->route.m->in[i].dtype;

    if (!npy_converts(t->dtype, dtype)) {
        return maas_err(err, MAAS_EINVAL, "npy: %s, but the model takes %s; "
                        "convert it with astype()",
                        maas_dtype_name(t->dtype), maas_dtype_name(dtype));
    }

    if (!fortran && t->dtype == dtype && t->bytes != 0
        && (uintptr_t) t->data % maas_dtype_size(dtype) == 0)
    {
        return MAAS_OK;
    }

    if (!maas_dtype_bytes(dtype, maas_tensor_count(t), &bytes)) {
        return maas_err(err, MAAS_ELIMIT, "npy: the array is too large");
    }

    p = maas_proto_alloc(c, bytes, err);
    if (p == NULL) {
        return MAAS_ENOMEM;
    }

    MAAS_TRY(npy_copy(t, fortran, p, dtype, err));

    t->data = p;
    t->bytes = bytes;
    t->dtype = (uint8_t) dtype;

    return MAAS_OK;
}


maas_status_t
maas_pass_npy(maas_proto_call_t *c, size_t i, const char *p, size_t len,
    maas_err_t *err)
{
    bool                fortran;
    maas_tensor_t       t;
    maas_status_t       rc;
    const maas_port_t  *port = &c->route.m->in[i];

    rc = maas_npy_view(p, len, &t, &fortran, err);

    if (rc == MAAS_OK) {
        fortran = fortran && t.rank > 1;
        maas_proto_fit(c, i, &t);
        MAAS_TRY(maas_proto_shape(c, i, t.dims, t.rank, err));
        rc = npy_take(c, i, &t, fortran, err);
    }

    MAAS_TRY(maas_proto_input_rc(port, rc, err));
    c->in[i] = t;
    return MAAS_OK;
}
