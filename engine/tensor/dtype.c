/*
 * The table of dtypes, and arithmetic on shapes that checks for overflow.
 * Nothing outside this table multiplies by an item size: packed types have
 * blocks of several elements.
 *
 * Ownership: none.
 * Threads:   constant tables; reentrant.
 */

#include <stdio.h>

#include "tensor/tensor.h"


/*           name       oip       npy    tfs            elems bytes f  i  s */
const maas_dtype_row_t  maas_dtypes[MAAS_DTYPES] = {
    [MAAS_F32]
        = { "float32",  "FP32",   "<f4", "DT_FLOAT",    1, 4, 1, 0, 1 },
    [MAAS_U8]
        = { "uint8",    "UINT8",  "|u1", "DT_UINT8",    1, 1, 0, 1, 0 },
    [MAAS_I8]
        = { "int8",     "INT8",   "|i1", "DT_INT8",     1, 1, 0, 1, 1 },
    [MAAS_U16]
        = { "uint16",   "UINT16", "<u2", "DT_UINT16",   1, 2, 0, 1, 0 },
    [MAAS_I16]
        = { "int16",    "INT16",  "<i2", "DT_INT16",    1, 2, 0, 1, 1 },
    [MAAS_I32]
        = { "int32",    "INT32",  "<i4", "DT_INT32",    1, 4, 0, 1, 1 },
    [MAAS_I64]
        = { "int64",    "INT64",  "<i8", "DT_INT64",    1, 8, 0, 1, 1 },
    [MAAS_STRING]
        = { "string",   "BYTES",  NULL,  "DT_STRING",   1, 0, 0, 0, 0 },
    [MAAS_BOOL]
        = { "bool",     "BOOL",   "|b1", "DT_BOOL",     1, 1, 0, 0, 0 },
    [MAAS_F16]
        = { "float16",  "FP16",   "<f2", "DT_HALF",     1, 2, 1, 0, 1 },
    [MAAS_F64]
        = { "float64",  "FP64",   "<f8", "DT_DOUBLE",   1, 8, 1, 0, 1 },
    [MAAS_U32]
        = { "uint32",   "UINT32", "<u4", "DT_UINT32",   1, 4, 0, 1, 0 },
    [MAAS_U64]
        = { "uint64",   "UINT64", "<u8", "DT_UINT64",   1, 8, 0, 1, 0 },
    [MAAS_BF16]
        = { "bfloat16", "BF16",   NULL,  "DT_BFLOAT16", 1, 2, 1, 0, 1 },
    [MAAS_U4]
        = { "uint4",    NULL,     NULL,  "DT_UINT4",    2, 1, 0, 1, 0 },
    [MAAS_I4]
        = { "int4",     NULL,     NULL,  "DT_INT4",     2, 1, 0, 1, 1 },
};


bool
maas_dtype_bytes(maas_dtype_t dtype, int64_t n, size_t *bytes)
{
    uint64_t                 blocks;
    const maas_dtype_row_t  *row;

    if ((unsigned) dtype >= MAAS_DTYPES || n < 0) {
        return false;
    }

    row = &maas_dtypes[dtype];

    if (row->block_bytes == 0) {
        return false;
    }

    blocks = ((uint64_t) n + row->block_elems - 1) / row->block_elems;

    return maas_mul_size(blocks, row->block_bytes, bytes);
}


maas_dtype_t
maas_dtype_by_oip(maas_str_t name)
{
    for (int i = 0; i < MAAS_DTYPES; i++) {
        if (maas_dtypes[i].oip != NULL && maas_str_is(name, maas_dtypes[i].oip))
        {
            return i;
        }
    }

    return MAAS_NODTYPE;
}


/* "<f4"; for types of one byte any order mark will do: "|u1", "<u1". */
maas_dtype_t
maas_dtype_by_npy(maas_str_t descr)
{
    const char  *npy;

    if (descr.len != 3) {
        return MAAS_NODTYPE;
    }

    if (descr.data[0] == '=') {
        return MAAS_NODTYPE;
    }

    for (int i = 0; i < MAAS_DTYPES; i++) {
        npy = maas_dtypes[i].npy;

        if (npy == NULL || memcmp(npy + 1, descr.data + 1, 2) != 0) {
            continue;
        }

        if (npy[0] == '|' || npy[0] == descr.data[0]) {
            return i;
        }
    }

    return MAAS_NODTYPE;
}


int64_t
maas_dims_count(const int64_t *dims, int rank)
{
    int64_t  n = 1;
    bool     zero = false;

    for (int i = 0; i < rank; i++) {

        if (dims[i] < 0) {
            return -1;
        }

        if (dims[i] == 0) {
            zero = true;
            continue;
        }

        if (!maas_mul_i64(n, dims[i], &n)) {
            return -1;
        }
    }

    return zero ? 0 : n;
}


const char *
maas_dims_text(char out[MAAS_DIMS_TEXT], const int64_t *dims, int rank)
{
    size_t  n = 0;

    out[n++] = '[';

    for (int i = 0; i < rank && n < MAAS_DIMS_TEXT - 24; i++) {

        if (i != 0) {
            out[n++] = ',';
        }

        if (dims[i] < 0) {
            out[n++] = '?';
            continue;
        }

        n += (size_t) snprintf(out + n, MAAS_DIMS_TEXT - n, "%lld",
                               (long long) dims[i]);
    }

    out[n++] = ']';
    out[n] = '\0';

    return out;
}


void
maas_dims_strides(const int64_t *dims, int rank, int64_t *strides)
{
    int64_t  n = 1;

    for (int i = rank - 1; i >= 0; i--) {
        strides[i] = n;
        n *= dims[i];
    }
}


/* Offsets are 32 bits wide, which bounds the text. */
bool
maas_string_bytes(int64_t n, size_t len, size_t *bytes)
{
    size_t  off;

    if (n < 0 || n >= UINT32_MAX || len > UINT32_MAX) {
        return false;
    }

    if (!maas_mul_size((size_t) n + 1, sizeof(uint32_t), &off)) {
        return false;
    }

    return !__builtin_add_overflow(off, len, bytes);
}


size_t
maas_tensor_text(const maas_tensor_t *t)
{
    size_t   head;
    int64_t  n;

    if (t->dtype != MAAS_STRING) {
        return 0;
    }

    n = maas_dims_count(t->dims, t->rank);

    return n >= 0 && maas_string_bytes(n, 0, &head) && head < t->bytes
           ? t->bytes - head : 0;
}


size_t
maas_tensor_text_room(const maas_tensor_t *t)
{
    size_t  text = maas_tensor_text(t), room = MAAS_TEXT_MIN;

    while (room < text && room <= SIZE_MAX / 4) {
        room *= 2;
    }

    return maas_max(maas_min(room, (size_t) UINT32_MAX), text);
}


bool
maas_string_check(const maas_tensor_t *t)
{
    size_t           off_bytes, text;
    int64_t          n;
    const uint32_t  *off;

    n = maas_dims_count(t->dims, t->rank);

    if (n < 0 || !maas_string_bytes(n, 0, &off_bytes)
        || off_bytes > t->bytes)
    {
        return false;
    }

    off = t->data;
    text = t->bytes - off_bytes;

    if (off[0] != 0) {
        return false;
    }

    for (int64_t i = 0; i < n; i++) {
        if (off[i + 1] < off[i]) {
            return false;
        }
    }

    return off[n] <= text;
}
