/*
 * Tensors and attributes on their way in: every form in which ONNX stores
 * numbers, and attributes into the pointer-free struct of an operator.
 */

#include "formats/onnx.h"
#include "graph/import.h"
#include "pbwrite.h"
#include "tap.h"


static const float  ones[] = { 1, 1, 1, 1 };


/* -- tensors ------------------------------------------------------------- */

static maas_status_t
tensor_of(pb_t b, maas_arena_t *a, maas_tensor_t *t, maas_err_t *err)
{
    char           *copy;
    maas_status_t   rc;

    /* raw data may point into the bytes: they move to the arena. */
    copy = maas_arena_dup(a, b.data, b.len);
    rc = maas_onnx_tensor(copy, b.len, a, t, NULL, err);
    maas_buf_destroy(&b);
    return rc;
}


static void
test_storage(void)
{
    static const struct {
        int          dtype, field;
        int64_t      value;
        int          good;
    } row[] = {
        { MAAS_I32, 5, -5, 1 }, { MAAS_I8, 5, -128, 1 },
        { MAAS_I8, 5, 128, 0 }, { MAAS_U8, 5, 255, 1 },
        { MAAS_U8, 5, -1, 0 }, { MAAS_I16, 5, 32767, 1 },
        { MAAS_U16, 5, 65535, 1 }, { MAAS_BOOL, 5, 1, 1 },
        { MAAS_BOOL, 5, 2, 0 }, { MAAS_F16, 5, 0x3c00, 1 },
        { MAAS_BF16, 5, 0x3f80, 1 }, { MAAS_I64, 7, INT64_MIN, 1 },
        { MAAS_U32, 11, UINT32_MAX, 1 }, { MAAS_U32, 11, 1ll << 32, 0 },
        { MAAS_U64, 11, -1, 1 }, { MAAS_I64, 5, 1, 0 }
    };
    pb_t            b;
    int64_t         one = 1;
    maas_err_t      err;
    maas_arena_t    a;
    maas_tensor_t   t;
    maas_status_t   rc;

    maas_arena_init(&a, &maas_host_libc, 0);

    for (size_t i = 0; i < maas_nelts(row); i++) {
        b = pb_tensor("v", row[i].dtype, 1, &one);
        pb_int(&b, row[i].field, row[i].value);
        rc = tensor_of(b, &a, &t, &err);

        ok((rc == MAAS_OK) == row[i].good
           && (rc != MAAS_OK || memcmp(t.data, &row[i].value, t.bytes) == 0),
           "%s in field %d: %lld", maas_dtype_name(row[i].dtype),
           row[i].field, (long long) row[i].value);
    }

    maas_arena_destroy(&a);
}


static void
test_tensors(void)
{
    pb_t            b;
    double          d = 2.5;
    uint8_t         bools[] = { 0, 1, 255, 7 };
    int64_t         dims[] = { 2, 2 }, zero[] = { 0, 3 };
    maas_err_t      err;
    maas_arena_t    a;
    maas_tensor_t   t;

    maas_arena_init(&a, &maas_host_libc, 0);

    /* One byte more or less before it: aligned by chance or by a copy. */
    for (int i = 0; i < 4; i++) {
        b = pb_floats(&"xxxx"[i], 2, dims, ones, 4);
        ok(tensor_of(b, &a, &t, &err) == MAAS_OK
           && (uintptr_t) t.data % 4 == 0 && ((float *) t.data)[3] == 1,
           "raw_data is aligned");
    }

    b = pb_tensor("d", MAAS_F64, 0, NULL);
    pb_bytes(&b, 10, &d, sizeof(d));
    ok(tensor_of(b, &a, &t, &err) == MAAS_OK && t.rank == 0
       && *(double *) t.data == 2.5, "packed double_data, a scalar");

    b = pb_tensor("b", MAAS_BOOL, 2, dims);
    pb_bytes(&b, 9, bools, 4);
    ok(tensor_of(b, &a, &t, &err) == MAAS_OK
       && memcmp(t.data, "\0\1\1\1", 4) == 0, "bools become 0 and 1");

    ok(tensor_of(pb_tensor("z", 1, 2, zero), &a, &t, &err) == MAAS_OK
       && t.bytes == 0 && t.dims[1] == 3, "no elements, no data");

    b = pb_tensor("s", MAAS_STRING, 2, dims);
    pb_names(&b, 6, "a bc - d");
    ok(tensor_of(b, &a, &t, &err) == MAAS_OK && maas_string_check(&t)
       && maas_str_is(maas_tensor_str(&t, 1), "bc")
       && maas_tensor_str(&t, 2).len == 0, "strings");

    maas_arena_destroy(&a);
}


static void
test_wrong_tensors(void)
{
    pb_t           b;
    int64_t        dims[] = { 2, 2 };
    maas_err_t     err;
    maas_arena_t   a;
    maas_tensor_t  t;

    maas_arena_init(&a, &maas_host_libc, 0);

    b = pb_tensor("v", 1, 2, dims);
    pb_float(&b, 4, 1);
    tensor_of(b, &a, &t, &err);
    has_str(err.text, "tensor 'v': 4 elements by its shape [2,2], but 1 in "
            "the data", "too few elements");

    dims[0] = -2;
    tensor_of(pb_tensor("v", 1, 2, dims), &a, &t, &err);
    has_str(err.text, "dimension 0 is -2", "a negative dimension");

    dims[0] = dims[1] = INT64_C(1) << 40;
    tensor_of(pb_tensor("v", 1, 2, dims), &a, &t, &err);
    has_str(err.text, "overflows", "dimensions that overflow");

    tensor_of(pb_tensor("v", 14, 0, NULL), &a, &t, &err);
    has_str(err.text, "complex", "a complex tensor");

    /* A SequenceProto: name, elem_type, tensor_values. */
    b = pb_new();
    pb_str(&b, 1, "seq");
    pb_int(&b, 2, 1);
    pb_put(&b, 3, pb_floats("e", 0, NULL, ones, 1));
    ok(tensor_of(b, &a, &t, &err) != MAAS_OK, "a sequence is no tensor");
    has_str(err.text, "not a tensor", "and the text says so");

    maas_arena_destroy(&a);
}


/* -- attributes ---------------------------------------------------------- */

typedef struct {
    int64_t      axis;
    int64_t      mode;
    float        alpha;
    maas_list_t  pads;
    maas_list_t  text;
    maas_list_t  names;
    maas_list_t  value;
} test_attr_t;

static const char *const  test_words[] = { "linear", "cubic", NULL };

static const maas_attr_row_t  test_rows[] = {
    { "axis", MAAS_ATTR_INT, false, offsetof(test_attr_t, axis), .i = -1,
      .min = -8, .max = 7 },
    { "mode", MAAS_ATTR_STRING, false, offsetof(test_attr_t, mode),
      .words = test_words, .i = 1 },
    { "alpha", MAAS_ATTR_FLOAT, true, offsetof(test_attr_t, alpha) },
    { "pads", MAAS_ATTR_INTS, false, offsetof(test_attr_t, pads) },
    { "text", MAAS_ATTR_STRING, false, offsetof(test_attr_t, text) },
    { "names", MAAS_ATTR_STRINGS, false, offsetof(test_attr_t, names) },
    { "value", MAAS_ATTR_TENSOR, false, offsetof(test_attr_t, value) }
};

static const maas_op_t  test_op = {
    .name = "Test", .domain = "", MAAS_ATTRS(test_rows, test_attr_t)
};


static void
attr_bad(maas_raw_attr_t *a, uint32_t n, const char *text)
{
    void          *attr;
    uint32_t       bytes;
    maas_err_t     err = { 0 };
    maas_arena_t   arena;

    maas_arena_init(&arena, &maas_host_libc, 0);
    (void) maas_attr_parse(&arena, &test_op, a, n, &attr, &bytes, &err);
    has_str(err.text, text, text);
    maas_arena_destroy(&arena);
}


static void
test_attrs(void)
{
    void             *p, *moved;
    uint32_t          bytes;
    maas_err_t        err;
    maas_arena_t      a;
    maas_tensor_t     t;
    const int64_t     pads[] = { 1, 2, 3 };
    test_attr_t      *s;
    const maas_str_t  names[] = { maas_str("ab"), maas_str("c") };
    maas_raw_attr_t   raw[] = {
        { .name = maas_str("alpha"), .type = MAAS_ATTR_FLOAT, .f = 0.5f },
        { .name = maas_str("pads"), .type = MAAS_ATTR_INTS, .n = 3,
          .ints = pads },
        { .name = maas_str("text"), .type = MAAS_ATTR_STRING,
          .s = maas_str("hello") },
        { .name = maas_str("names"), .type = MAAS_ATTR_STRINGS, .n = 2,
          .strings = names },
        { .name = maas_str("value"), .type = MAAS_ATTR_TENSOR,
          .t = { .data = (void *) ones, .bytes = 16, .dtype = MAAS_F32,
                 .rank = 1, .dims = { 4 } } }
    };

    maas_arena_init(&a, &maas_host_libc, 0);

    ok(maas_attr_parse(&a, &test_op, raw, 5, &p, &bytes, &err) == MAAS_OK,
       "attributes are parsed");

    moved = maas_arena_dup(&a, p, bytes);
    memset(p, 0xee, bytes);
    s = moved;

    ok(s->axis == -1 && s->mode == 1 && s->alpha == 0.5f,
       "numbers and defaults");
    ok(s->pads.n == 3 && maas_list_ints(s, &s->pads)[2] == 3, "ints");
    ok(maas_str_is(maas_list_string(s, &s->text), "hello"), "a string");
    ok(s->names.n == 2
       && maas_str_is(maas_list_strings(s, &s->names, 0), "ab")
       && maas_str_is(maas_list_strings(s, &s->names, 1), "c"), "strings");
    ok(maas_list_tensor(s, &s->value, &t) && t.dims[0] == 4
       && ((float *) t.data)[3] == 1 && (uintptr_t) t.data % 16 == 0,
       "a tensor, aligned");

    attr_bad(raw + 1, 1, "attribute 'alpha' is required");
    raw[1].name = maas_str("padz");
    attr_bad(raw, 2, "'padz' is not known; known: axis, mode, alpha");
    raw[1].name = maas_str("alpha");
    attr_bad(raw, 2, "given twice");
    raw[1].name = maas_str("axis");
    attr_bad(raw, 2, "'axis' is a list of ints; an int is expected");
    raw[1].type = MAAS_ATTR_INT;
    raw[1].i = 8;
    attr_bad(raw, 2, "'axis' is 8; -8 to 7 is expected");
    raw[2].name = maas_str("mode");
    raw[1].i = 0;
    attr_bad(raw, 3, "'mode' is 'hello'; expected one of linear, cubic");

    maas_arena_destroy(&a);
}


int
main(void)
{
    test_storage();
    test_tensors();
    test_wrong_tensors();
    test_attrs();

    return done();
}
