/*
 * tensor: dtypes, shapes, halves (all of them), string tensors, .npy with
 * good and hostile headers.
 */

#include <math.h>
#include <stdlib.h>

#include "tensor/tensor.h"
#include "tap.h"


static void
test_dtype(void)
{
    char        text[MAAS_DIMS_TEXT];
    size_t      n;
    int64_t     strides[3];
    int64_t     dims[] = { 2, -1, 3 };
    int64_t     huge[] = { INT64_MAX, INT64_MAX, 0 };
    int64_t     wide[8];

    ok(maas_dtype_bytes(MAAS_F64, 3, &n) && n == 24, "bytes");
    ok(!maas_dtype_bytes(MAAS_F64, INT64_MAX, &n), "bytes overflow");
    ok(!maas_dtype_bytes(MAAS_STRING, 1, &n), "strings have none");
    ok(!maas_dtype_bytes(MAAS_NODTYPE, 1, &n), "no dtype has none");
    ok(!maas_dtype_bytes(MAAS_F32, -1, &n), "negative count");

    for (int i = 0; i < MAAS_DTYPES; i++) {
        const maas_dtype_row_t  *r = &maas_dtypes[i];

        if (r->name == NULL) {
            continue;
        }

        ok(r->oip == NULL
           || maas_dtype_by_oip((maas_str_t) { r->oip, strlen(r->oip) })
              == (maas_dtype_t) i, "names of %s", r->name);
    }

    is_int(maas_dtype_by_npy(maas_str("<f4")), MAAS_F32, "<f4");
    is_int(maas_dtype_by_npy(maas_str(">f4")), MAAS_NODTYPE, ">f4");
    is_int(maas_dtype_by_npy(maas_str("<u1")), MAAS_U8, "<u1");
    is_int(maas_dtype_by_npy(maas_str("|O")), MAAS_NODTYPE, "|O");

    is_int(maas_dims_count(dims, 3), -1, "negative dimension");
    is_int(maas_dims_count(huge, 2), -1, "count overflow");
    is_int(maas_dims_count(huge, 3), -1, "overflow beside a zero");
    dims[1] = 0;
    is_int(maas_dims_count(dims, 3), 0, "empty");
    dims[1] = -1;
    is_int(maas_dims_count(NULL, 0), 1, "scalar");
    is_str(maas_dims_text(text, dims, 3), "[2,?,3]", "text");
    is_str(maas_dims_text(text, dims, 0), "[]", "text of rank 0");

    for (int i = 0; i < 8; i++) {
        wide[i] = INT64_MAX;
    }

    ok(strlen(maas_dims_text(text, wide, 8)) < MAAS_DIMS_TEXT, "wide text");
    dims[1] = 5;
    maas_dims_strides(dims, 3, strides);
    ok(strides[0] == 15 && strides[1] == 3 && strides[2] == 1, "strides");
}


static double
f16_value(unsigned h)
{
    int     exp = (h >> 10) & 31;
    double  man = h & 0x3ff, v;

    v = exp == 0 ? ldexp(man, -24) : ldexp(man + 1024, exp - 25);

    return h & 0x8000 ? -v : v;
}


/* The nearest half by its definition: neighbours by value, ties to even. */
static int
f16_is_nearest(float f, uint16_t h)
{
    unsigned  mag = h & 0x7fff;
    double    x = fabs((double) f), lo, hi, v;

    if (!signbit(f) != !(h & 0x8000)) {
        return 0;
    }

    if (mag == 0x7c00) {
        return x >= 65520.0;
    }

    v = f16_value(mag);
    lo = mag != 0 ? (v + f16_value(mag - 1)) / 2 : -1;
    hi = mag == 0x7bff ? 65520.0 : (v + f16_value(mag + 1)) / 2;

    if (h & 1) {
        return x > lo && x < hi;
    }

    return x >= lo && (mag == 0x7bff ? x < hi : x <= hi);
}


static void
test_half(void)
{
    int       bad = 0, back = 0, near = 0, bf = 0, bfback = 0;
    float     f;
    uint32_t  u, up;

    for (unsigned h = 0; h < 65536; h++) {
        f = maas_f16_to_f32((uint16_t) h);

        if ((h & 0x7c00) == 0x7c00) {
            bad += (h & 0x3ff) ? !isnan(f) : !isinf(f);

        } else {
            bad += f != f16_value(h) || !signbit(f) != !(h & 0x8000);
        }

        if (isnan(f)) {
            back += !isnan(maas_f16_to_f32(maas_f32_to_f16(f)));

        } else {
            back += maas_f32_to_f16(f) != h;
        }

        f = maas_bf16_to_f32((uint16_t) h);
        memcpy(&u, &f, 4);
        bf += u != h << 16;
        bfback += isnan(f) ? !isnan(maas_bf16_to_f32(maas_f32_to_bf16(f)))
                           : maas_f32_to_bf16(f) != h;
    }

    is_int(bad, 0, "all halves to float");
    is_int(back, 0, "and back");
    is_int(bf, 0, "all bfloats to float");
    is_int(bfback, 0, "and back");

    bf = 0;

    for (uint64_t i = 0; i < 0x100000000; i += 509) {
        u = (uint32_t) i;
        memcpy(&f, &u, 4);

        if (isnan(f)) {
            near += !isnan(maas_f16_to_f32(maas_f32_to_f16(f)));
            bf += !isnan(maas_bf16_to_f32(maas_f32_to_bf16(f)));
            continue;
        }

        near += !f16_is_nearest(f, maas_f32_to_f16(f));
        up = (u >> 16) + ((u & 0xffff) > 0x8000
                          || ((u & 0xffff) == 0x8000 && (u >> 16 & 1)));
        bf += maas_f32_to_bf16(f) != up;
    }

    is_int(near, 0, "float to half is the nearest, ties to even");
    is_int(bf, 0, "float to bfloat likewise");
}


static void
test_string(void)
{
    size_t         n;
    maas_str_t     s;
    maas_tensor_t  t = { 0 };
    uint32_t       data[5] = { 0, 1, 3, 0, 0 };

    memcpy(&data[3], "abc", 3);
    t.data = data;
    t.bytes = 15;
    t.dtype = MAAS_STRING;
    t.rank = 1;
    t.dims[0] = 2;

    ok(maas_string_check(&t), "good strings");
    s = maas_tensor_str(&t, 1);
    ok(s.len == 2 && memcmp(s.data, "bc", 2) == 0, "element");
    ok(maas_string_bytes(2, 3, &n) && n == 15, "bytes");
    ok(!maas_string_bytes(1, (size_t) UINT32_MAX + 1, &n), "text too long");
    ok(!maas_string_bytes(-1, 0, &n), "negative");
    t.bytes = 14;
    ok(!maas_string_check(&t), "text beyond the end");
    t.bytes = 11;
    ok(!maas_string_check(&t), "offsets beyond the end");
    t.bytes = 15;
    data[1] = 4;
    ok(!maas_string_check(&t), "offsets descend");
    data[1] = 1;
    data[0] = 1;
    ok(!maas_string_check(&t), "first offset is not 0");
}


/* A file of version 1 with this header and n bytes of data. */
static size_t
npy_make(uint8_t *out, const char *header, size_t n)
{
    size_t  len = strlen(header);

    while ((10 + len) % 64 != 0) {
        len++;
    }

    memset(out, ' ', 10 + len);
    memcpy(out, "\x93NUMPY\1\0", 8);
    out[8] = (uint8_t) len;
    out[9] = (uint8_t) (len >> 8);
    memcpy(out + 10, header, strlen(header));
    memset(out + 10 + len, 1, n);

    return 10 + len + n;
}


static const struct {
    const char  *header;
    size_t       n;
    const char  *text;
} cases[] = {
    { "", 0, "does not start with '{'" },
    { "{", 0, "not a dictionary" },
    { "{}", 0, "lacks 'descr'" },
    { "{'descr': '<f4', }", 0, "lacks 'fortran_order'" },
    { "{'descr': '<f4', 'fortran_order': False}", 0, "lacks 'shape'" },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x", 4,
      "behind the header" },
    { "{'descr': '>f4', 'fortran_order': False, 'shape': (1,)}", 4,
      "type '>f4'" },
    { "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", 8,
      "type '|O'" },
    { "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}", 4,
      "not a plain type" },
    { "{'descr': '<f4', 'fortran_order': True, 'shape': (2,2)}", 16,
      "Fortran" },
    { "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2,2)}", 16,
      "neither True nor False" },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", 16,
      "dimension 0" },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': "
      "(99999999999999999999,)}", 16, "dimension 0" },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': "
      "(4294967296,4294967296,)}", 16, "too large" },
    { "{'descr': '<f8', 'fortran_order': False, 'shape': "
      "(2305843009213693952,)}", 16, "too large" },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': "
      "(1,1,1,1,1,1,1,1,1)}", 4, "more than 8" },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", 8,
      "needs 12 bytes" },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (3 4)}", 8,
      "not closed" },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': 3}", 8,
      "not a tuple" },
    { "{'descr': '<f4', 'descr': '<f4'}", 0, "repeated header key" },
    { "{'evil': '<f4'}", 0, "repeated header key 'evil'" },
    { "{'descr: <f4", 0, "not a dictionary" },
    { "{'descr': '<f4' 'shape': ()}", 0, "',' or '}' expected" },
};


static void
test_npy_bad(void)
{
    static uint8_t  file[1024] __attribute__((aligned(64)));
    size_t          n;
    maas_err_t      err;
    maas_tensor_t   t;

    for (size_t i = 0; i < maas_nelts(cases); i++) {
        n = npy_make(file, cases[i].header, cases[i].n);
        err.text[0] = '\0';
        ok(maas_npy_read(file, n, &t, &err) != MAAS_OK
           && strstr(err.text, cases[i].text) != NULL, "npy %s: %s",
           cases[i].header, err.text);
    }

    n = npy_make(file, "{'descr': '|b1', 'fortran_order': False, 'shape': ()}",
                 1);
    ok(maas_npy_read(file, n, &t, &err) == MAAS_OK, "bool 1");
    file[n - 1] = 2;
    maas_npy_read(file, n, &t, &err);
    has_str(err.text, "is 2, not 0 or 1", "bool 2");
    file[6] = 3;
    maas_npy_read(file, n, &t, &err);
    has_str(err.text, "version 3", "version");
    file[6] = 2;
    ok(maas_npy_read(file, n, &t, &err) != MAAS_OK, "version 2 as 1");
    file[0] = 0;
    maas_npy_read(file, n, &t, &err);
    has_str(err.text, "does not start", "magic");
}


static void
test_npy_round(void)
{
    int             bad;
    char           *copy;
    float           f[6] = { 1, -2, 3.5f, INFINITY, 0, -0.0f };
    uint16_t        h[6];
    maas_buf_t      b;
    maas_err_t      err;
    maas_tensor_t   t = { f, 24, MAAS_F32, 2, 0, { 2, 3 } }, u;

    maas_buf_init(&b, &maas_host_libc);
    is_int(maas_npy_write(&b, &t, &err), MAAS_OK, "write");
    is_int(b.len, 128 + 24, "size");
    is_int(maas_npy_read(b.data, b.len, &u, &err), MAAS_OK, "read");
    ok(u.rank == 2 && u.dims[1] == 3 && memcmp(u.data, f, 24) == 0, "equal");

    /* Every truncation fails, from memory that ends where the file does. */
    bad = 0;

    for (size_t n = 0; n < b.len; n++) {
        copy = malloc(n + 1);
        memcpy(copy, b.data, n);
        bad += maas_npy_read(copy, n, &u, &err) == MAAS_OK;
        free(copy);
    }

    is_int(bad, 0, "truncations");
    maas_npy_read(b.data + 1, b.len - 1, &u, &err);

    copy = malloc(b.len + 1);
    memcpy(copy + 1, b.data, b.len);
    maas_npy_read(copy + 1, b.len, &u, &err);
    has_str(err.text, "not aligned", "unaligned");
    free(copy);

    for (int i = 0; i < 6; i++) {
        h[i] = maas_f32_to_bf16(f[i]);
    }

    t = (maas_tensor_t) { h, 12, MAAS_BF16, 1, 0, { 6 } };
    b.len = 0;
    is_int(maas_npy_write(&b, &t, &err), MAAS_OK, "bfloat16 as float32");
    is_int(maas_npy_read(b.data, b.len, &u, &err), MAAS_OK, "read");
    ok(u.dtype == MAAS_F32 && memcmp(u.data, f, 24) == 0, "equal");
    t.dtype = MAAS_STRING;
    is_int(maas_npy_write(&b, &t, &err), MAAS_EUNSUPPORTED, "no strings");
    maas_buf_destroy(&b);
}


int
main(void)
{
    test_dtype();
    test_half();
    test_string();
    test_npy_bad();
    test_npy_round();

    return done();
}
