/*
 * Truth and predictions from files: arrays of NumPy, names of classes.
 *
 * Ownership: what is read lies in the arena of the cli_eval_t.
 * Threads:   the main thread.
 */

#define _GNU_SOURCE

#include <stdio.h>
#include <stdlib.h>

#include "cli/cli_eval.h"


double
cli_eval_element(const maas_tensor_t *t, int64_t i)
{
    size_t  size = maas_dtype_size(t->dtype);

    union {
        float     f32;
        double    f64;
        int8_t    i8;
        uint8_t   u8;
        int16_t   i16;
        uint16_t  u16;
        int32_t   i32;
        uint32_t  u32;
        int64_t   i64;
        uint64_t  u64;
    } v = { .u64 = 0 };

    memcpy(&v, (const char *) t->data + (size_t) i * size, size);

    switch (t->dtype) {
    case MAAS_F32:  return (double) v.f32;
    case MAAS_F64:  return v.f64;
    case MAAS_F16:  return (double) maas_f16_to_f32(v.u16);
    case MAAS_BF16: return (double) maas_bf16_to_f32(v.u16);
    case MAAS_I8:   return v.i8;
    case MAAS_U8:
    case MAAS_BOOL: return v.u8;
    case MAAS_I16:  return v.i16;
    case MAAS_U16:  return v.u16;
    case MAAS_I32:  return v.i32;
    case MAAS_U32:  return v.u32;
    case MAAS_I64:  return (double) v.i64;
    case MAAS_U64:  return (double) v.u64;
    default:        return 0;
    }
}


/* Index in the file of element c of row i. */
static int64_t
data_index(const maas_tensor_t *t, bool fortran, int64_t i, int64_t c)
{
    int64_t  stride = 1, at = 0;

    if (!fortran) {
        return i * (maas_tensor_count(t) / t->dims[0]) + c;
    }

    /* c counts in C order over the axes behind the first */
    for (int d = 1; d < t->rank; d++) {
        stride *= t->dims[d];
    }

    for (int64_t d = 1, step = t->dims[0]; d < t->rank; d++) {
        stride /= t->dims[d];
        at += c / stride % t->dims[d] * step;
        step *= t->dims[d];
    }

    return at + i;
}


maas_status_t
cli_eval_npy(cli_eval_t *e, const char *path, cli_values_t *v,
    maas_err_t *err)
{
    bool           fortran;
    void          *p;
    size_t         n;
    int64_t        count;
    maas_status_t  rc;
    maas_tensor_t  t;

    MAAS_TRY(cli_read(path, &p, &n, err));

    rc = maas_npy_view(p, n, &t, &fortran, err);

    if (rc != MAAS_OK) {
        free(p);
        return maas_err_prefix(err, "%s", path);
    }

    count = maas_tensor_count(&t);

    if (t.rank == 0 || count == 0) {
        free(p);
        return maas_err(err, MAAS_EINVAL, "%s: rows are expected, and the "
                        "array is %s", path, t.rank == 0 ? "one number"
                                                         : "empty");
    }

    v->what = path;
    v->n = t.dims[0];
    v->width = count / t.dims[0];
    v->integer = maas_dtypes[t.dtype].is_int || t.dtype == MAAS_BOOL;
    v->number = maas_arena_array(&e->mem, (size_t) count, sizeof(double));

    for (int64_t i = 0; i < v->n && v->number != NULL; i++) {
        for (int64_t c = 0; c < v->width; c++) {
            v->number[i * v->width + c]
                = cli_eval_element(&t, data_index(&t, fortran, i, c));
        }
    }

    free(p);
    return v->number != NULL ? MAAS_OK : maas_err_nomem(err);
}


maas_status_t
cli_eval_names(cli_eval_t *e, const char *path, maas_err_t *err)
{
    void        *p;
    char        *at, *end, *eol;
    size_t       n, lines = 0;
    maas_str_t  *s;

    MAAS_TRY(cli_read(path, &p, &n, err));

    at = p;
    end = at + n;

    if (!maas_utf8_valid(p, n)) {
        free(p);
        return maas_err(err, MAAS_EINVAL, "%s: not UTF-8", path);
    }

    for (size_t i = 0; i < n; i++) {
        lines += at[i] == '\n';
    }

    s = maas_arena_array(&e->mem, lines + 1, sizeof(*s));
    e->class_name = s;

    while (s != NULL && at < end && lines < INT32_MAX) {
        eol = memchr(at, '\n', (size_t) (end - at));
        eol = eol != NULL ? eol : end;
        *s = maas_arena_str(&e->mem, at, (size_t) (eol - at)
                            - (eol > at && eol[-1] == '\r'));
        e->n_class += s->data != NULL;
        s = s->data != NULL ? s + 1 : NULL;
        at = eol + 1;
    }

    free(p);

    if (s == NULL) {
        return maas_err_nomem(err);
    }

    return e->n_class > 0 ? MAAS_OK
           : maas_err(err, MAAS_EINVAL, "%s: names no class", path);
}
