/*
 * tensor: dtypes, shapes and views of tensors.
 *
 * A dtype is a row of a table with block elements and block bytes, so that
 * packed types (int4, Q4_0) fit: nothing else multiplies by an item size,
 * maas_dtype_bytes() does.  A maas_tensor_t is a view: it owns nothing.
 * All data is row-major, little-endian, aligned to the item.
 *
 * String tensors: (n + 1) uint32_t offsets into the bytes that follow them;
 * element i is bytes [off[i], off[i + 1]).
 */

#ifndef MAAS_TENSOR_H
#define MAAS_TENSOR_H

#include "base/base.h"


#define MAAS_RANK_MAX  8

typedef enum {
    MAAS_NODTYPE = 0,
    MAAS_F32,
    MAAS_U8,
    MAAS_I8,
    MAAS_U16,
    MAAS_I16,
    MAAS_I32,
    MAAS_I64,
    MAAS_STRING,
    MAAS_BOOL,              /* one byte, 0 or 1 */
    MAAS_F16,
    MAAS_F64,
    MAAS_U32,
    MAAS_U64,
    MAAS_BF16 = 16,
    /* Two to a byte, the first in the low bits: weights, nothing else. */
    MAAS_U4 = 21,
    MAAS_I4,                /* 1 to 13, 16, 21, 22: ONNX's DataType */
    MAAS_DTYPES
} maas_dtype_t;

/* Sets of dtypes. */
#define MAAS_D(t)      (1u << MAAS_##t)
#define MAAS_D_FLOAT   (MAAS_D(F32) | MAAS_D(F64))
#define MAAS_D_HALF    (MAAS_D(F16) | MAAS_D(BF16))
#define MAAS_D_SINT    (MAAS_D(I8) | MAAS_D(I16) | MAAS_D(I32) | MAAS_D(I64))
#define MAAS_D_UINT    (MAAS_D(U8) | MAAS_D(U16) | MAAS_D(U32) | MAAS_D(U64))
#define MAAS_D_INT     (MAAS_D_SINT | MAAS_D_UINT)
#define MAAS_D_NUM     (MAAS_D_FLOAT | MAAS_D_INT)
#define MAAS_D_FIXED   (MAAS_D_NUM | MAAS_D(BOOL) | MAAS_D_HALF)
#define MAAS_D_ALL     (MAAS_D_FIXED | MAAS_D(STRING))

typedef struct {
    const char  *name;          /* "float32" */
    const char  *oip;           /* "FP32" (Open Inference Protocol) */
    const char  *npy;           /* "<f4"; NULL: none */
    const char  *tfs;           /* "DT_FLOAT" */
    uint16_t     block_elems;
    uint16_t     block_bytes;   /* 0: variable (string) */
    uint8_t      is_float;
    uint8_t      is_int;
    uint8_t      is_signed;
} maas_dtype_row_t;

extern const maas_dtype_row_t  maas_dtypes[MAAS_DTYPES];

/* Bytes of n elements; false on overflow or for strings. */
bool maas_dtype_bytes(maas_dtype_t dtype, int64_t n, size_t *bytes);

/* Bytes of one element; 0 for strings.  Only for loops over elements. */
static inline size_t
maas_dtype_size(maas_dtype_t dtype)
{
    return maas_dtypes[dtype].block_bytes;
}

static inline const char *
maas_dtype_name(maas_dtype_t dtype)
{
    return maas_dtypes[dtype].name != NULL ? maas_dtypes[dtype].name
                                           : "undefined";
}

maas_dtype_t maas_dtype_by_oip(maas_str_t name);    /* MAAS_NODTYPE: none */
maas_dtype_t maas_dtype_by_npy(maas_str_t descr);


typedef struct {
    void     *data;
    size_t    bytes;            /* bytes behind data that belong to it */
    uint8_t   dtype;            /* maas_dtype_t */
    uint8_t   rank;
    uint8_t   format;           /* maas_format_t of kernels/; 0: plain */
    int64_t   dims[MAAS_RANK_MAX];
} maas_tensor_t;

/*
 * A sequence, a map or an optional that a run takes or gives: a view of this
 * format, whose data is a maas_items_t.  A map has two items, the keys and
 * the values, both 1-D; an optional what it holds.
 */
#define MAAS_FMT_ITEMS  255
#define MAAS_ITEMS_MAX  65535

typedef struct {
    maas_tensor_t  *item;
    uint32_t        n;
    uint8_t         kind;       /* maas_kind_t of graph/ */
    uint8_t         inner;      /* OPTIONAL: the kind that it holds */
    bool            has;        /* OPTIONAL: it holds something */
} maas_items_t;

/* Elements; -1 on overflow or a negative dimension. */
int64_t maas_dims_count(const int64_t *dims, int rank);

/* Elements of a tensor that was validated before. */
static inline int64_t
maas_tensor_count(const maas_tensor_t *t)
{
    int64_t  n = 1;

    for (int i = 0; i < t->rank; i++) {
        n *= t->dims[i];
    }

    return n;
}


/* "[1,3,224,224]" into out; returns out.  Negative dimensions print "?". */
#define MAAS_DIMS_TEXT  176
const char *maas_dims_text(char out[MAAS_DIMS_TEXT], const int64_t *dims,
    int rank);

/* Contiguous strides in elements. */
void maas_dims_strides(const int64_t *dims, int rank, int64_t *strides);


/* IEEE 754 binary16 and bfloat16, round to nearest even. */
float maas_f16_to_f32(uint16_t h);
uint16_t maas_f32_to_f16(float f);

static inline float
maas_bf16_to_f32(uint16_t h)
{
    union { uint32_t u; float f; }  v = { (uint32_t) h << 16 };

    return v.f;
}

/* NaN stays one. */
static inline uint16_t
maas_f32_to_bf16(float f)
{
    union { float f; uint32_t u; }  v = { f };

    return (uint16_t) ((v.u & 0x7fffffff) > 0x7f800000
                       ? v.u >> 16 | 0x40
                       : (v.u + 0x7fff + ((v.u >> 16) & 1)) >> 16);
}


/* String tensors. */
static inline maas_str_t
maas_tensor_str(const maas_tensor_t *t, int64_t i)
{
    const uint32_t  *off = t->data;
    const char      *bytes = (const char *) (off + maas_tensor_count(t) + 1);

    return (maas_str_t) { bytes + off[i], off[i + 1] - off[i] };
}

/* Bytes that a string tensor of n elements and len bytes of text needs. */
bool maas_string_bytes(int64_t n, size_t len, size_t *bytes);

/* Room for text behind the offsets; 0 for what is no string tensor. */
size_t maas_tensor_text(const maas_tensor_t *t);

/*
 * Plans are made for string inputs of this size, a power of two of text, and
 * serve all texts up to it.
 */
#define MAAS_TEXT_MIN  64
size_t maas_tensor_text_room(const maas_tensor_t *t);

/* False unless offsets ascend and stay inside t->bytes. */
bool maas_string_check(const maas_tensor_t *t);


/*
 * NumPy's .npy, version 1 and 2, little-endian.  The tensor points into the
 * bytes given.  view: the data may be unaligned, and in Fortran order where
 * *fortran says so; read refuses both.
 */
typedef struct {
    maas_str_t   descr;         /* "<f4", "<U5", ... */
    int64_t      dims[MAAS_RANK_MAX];
    int          rank;
    bool         fortran;
    const void  *data;          /* what stands behind the header */
    size_t       bytes;
} maas_npy_t;

/* The header alone, of whatever type. */
maas_status_t maas_npy_open(const void *p, size_t n, maas_npy_t *npy,
    maas_err_t *err);
maas_status_t maas_npy_view(const void *p, size_t n, maas_tensor_t *t,
    bool *fortran, maas_err_t *err);
maas_status_t maas_npy_read(const void *p, size_t n, maas_tensor_t *t,
    maas_err_t *err);

/*
 * head: what stands before the data, a multiple of 64 bytes.  bfloat16 is
 * written as float32; strings are refused.
 */
maas_status_t maas_npy_head(maas_buf_t *b, const maas_tensor_t *t,
    maas_err_t *err);
maas_status_t maas_npy_write(maas_buf_t *b, const maas_tensor_t *t,
    maas_err_t *err);

#endif
