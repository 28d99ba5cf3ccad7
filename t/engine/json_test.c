/*
 * proto/json: the scanner, the tensor builder on good, ragged and hostile
 * text, lists of numbers, rows.
 */

#include <math.h>
#include <stdlib.h>

#include "graph/raw.h"
#include "proto/json.h"
#include "tap.h"
#include "xorshift.h"


static void
test_scan(void)
{
    size_t          big = 100 * 1000 * 1000;
    char           *p, out[16];
    maas_err_t      err;
    maas_str_t      s;
    maas_json_t     j;
    maas_arena_t    a;
    const char     *good[] = {
        "1", "\"\"", "[]", "{}", "[[],{}]", " { \"a\" : [ 1 , 2 ] } ",
        "[true,false,null,NaN,-Infinity]", "{\"a\":{\"b\":[{}]}}",
        "\"\\\"\\\\\""
    };
    const char  *wrong[] = {
        "", "[", "{", "[1", "[1,", "[1,]", "{\"a\"", "{\"a\":", "{\"a\":1",
        "{\"a\":1,", "{\"a\":1,}", "{a:1}", "[1}", "{\"a\":1]", "\"a",
        "\"a\\", "tru", "truex", "nul", "[,]", "[1 2]", "{\"a\" 1}", "]",
        "\"\n\"", "[01]", "{1:2}"
    };

    maas_arena_init(&a, &maas_host_libc, 0);

    for (size_t i = 0; i < maas_nelts(good); i++) {
        maas_json_init(&j, good[i], strlen(good[i]), &err);
        ok(maas_json_skip(&j) == MAAS_OK && maas_json_end(&j) == MAAS_OK,
           "skips %s", good[i]);
    }

    for (size_t i = 0; i < maas_nelts(wrong); i++) {
        p = malloc(strlen(wrong[i]) + 1);
        memcpy(p, wrong[i], strlen(wrong[i]));
        maas_json_init(&j, p, strlen(wrong[i]), &err);
        ok(maas_json_skip(&j) == MAAS_EINVAL
           || maas_json_end(&j) == MAAS_EINVAL, "refuses %s: %s", wrong[i],
           err.text);
        free(p);
    }

    p = malloc(big);
    memset(p, '[', big);
    maas_json_init(&j, p, big, &err);
    is_int(maas_json_skip(&j), MAAS_EINVAL, "100 MB of [");
    has_str(err.text, "byte 64: nested deeper than 64", "depth");
    free(p);

    p = "\"a\\u00e9\\ud83d\\ude00\\ud83dx\\n\\/\"";
    maas_json_init(&j, p, strlen(p), &err);
    is_int(maas_json_string(&j, &a, &s), MAAS_OK, "escapes");
    ok(s.len == 13 && memcmp(s.data, "a\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbdx"
                             "\n/", 13) == 0, "unescaped");

    for (int i = 0; i < 3; i++) {
        const char  *e[] = { "\"\\u12g4\"", "\"\\x\"", "\"\\u12" };

        snprintf(out, sizeof(out), "%s", e[i]);
        maas_json_init(&j, out, strlen(out), &err);
        ok(maas_json_string(&j, &a, &s) == MAAS_EINVAL, "refuses %s", e[i]);
    }

    maas_arena_destroy(&a);
}


typedef struct {
    maas_dtype_t  dtype;
    int64_t       expect;
    const char   *text;
    const char   *dims;         /* NULL: an error that holds `out` */
    const char   *out;
} tensor_case_t;


static const tensor_case_t  tensor_cases[] = {
    { MAAS_F32, -1, "5", "[]", "5.0" },
    { MAAS_F32, -1, "[1,2.5,-3e0]", "[3]", "[1.0,2.5,-3.0]" },
    { MAAS_F64, -1, "[[1,2],[3,4],[5,6]]", "[3,2]",
      "[[1.0,2.0],[3.0,4.0],[5.0,6.0]]" },
    { MAAS_F32, -1, " [ [ [ 1 ] ] ] ", "[1,1,1]", "[[[1.0]]]" },
    { MAAS_F32, -1, "[]", "[0]", "[]" },
    { MAAS_F32, -1, "[[],[]]", "[2,0]", "[[],[]]" },
    { MAAS_F32, -1, "[NaN,Infinity,-Infinity]", "[3]",
      "[NaN,Infinity,-Infinity]" },
    { MAAS_F16, -1, "[0.5,65504]", "[2]", "[0.5,65504.0]" },
    { MAAS_BF16, -1, "[0.5,-2]", "[2]", "[0.5,-2.0]" },
    { MAAS_I8, -1, "[-128,127]", "[2]", "[-128,127]" },
    { MAAS_U8, -1, "[0,255]", "[2]", "[0,255]" },
    { MAAS_I16, -1, "[-32768,32767]", "[2]", "[-32768,32767]" },
    { MAAS_U16, -1, "[65535]", "[1]", "[65535]" },
    { MAAS_I32, -1, "[-2147483648]", "[1]", "[-2147483648]" },
    { MAAS_U32, -1, "[4294967295]", "[1]", "[4294967295]" },
    { MAAS_I64, -1, "[-9223372036854775808]", "[1]",
      "[-9223372036854775808]" },
    { MAAS_U64, -1, "[18446744073709551615]", "[1]",
      "[18446744073709551615]" },
    { MAAS_BOOL, -1, "[true,false,1,0]", "[4]", "[true,false,true,false]" },
    { MAAS_STRING, -1, "[\"a\",\"\",\"\\u00e9\"]", "[3]",
      "[\"a\",\"\",\"\xc3\xa9\"]" },
    { MAAS_STRING, -1, "[{\"b64\":\"aGVsbG8=\"},{\"b64\":\"\"}]", "[2]",
      "[\"hello\",\"\"]" },
    { MAAS_F32, 4, "[1,2,3,4]", "[4]", "[1.0,2.0,3.0,4.0]" },

    { MAAS_F32, 4, "[1,2,3]", NULL, "3 values, but the shape needs 4" },
    { MAAS_F32, 2, "[1,2,3]", NULL, "3 values, but the shape needs 2" },
    { MAAS_F32, -1, "[1e400]", NULL, "element 0: 1e400 is out of the range "
      "of float32" },
    { MAAS_F64, -1, "[1e400]", NULL, "out of the range of float64" },
    { MAAS_F32, -1, "[1e39]", NULL, "out of the range of float32" },
    { MAAS_F16, -1, "[0,70000]", NULL, "element 1: 70000 is out of the range "
      "of float16" },
    { MAAS_I32, -1, "[NaN]", NULL, "NaN is no integer" },
    { MAAS_I32, -1, "[1.5]", NULL, "1.5 is no integer" },
    { MAAS_I32, -1, "[2147483648]", NULL, "out of the range of int32" },
    { MAAS_U8, -1, "[256]", NULL, "256 is out of the range of uint8" },
    { MAAS_U8, -1, "[-1]", NULL, "-1 is out of the range of uint8" },
    { MAAS_I8, -1, "[-129]", NULL, "out of the range of int8" },
    { MAAS_U64, -1, "[18446744073709551616]", NULL, "out of the range" },
    { MAAS_BOOL, -1, "[2]", NULL, "2 is not 0, 1 or a bool" },
    { MAAS_BOOL, -1, "[\"x\"]", NULL, "a string where true or false" },
    { MAAS_F32, -1, "[\"1\"]", NULL, "a string where a value of float32" },
    { MAAS_F32, -1, "[null]", NULL, "null where a value of float32" },
    { MAAS_F32, -1, "[true]", NULL, "a boolean where" },
    { MAAS_F32, -1, "[{}]", NULL, "an object where" },
    { MAAS_STRING, -1, "[1]", NULL, "a number where a string" },
    { MAAS_STRING, -1, "[{\"b64\":\"a$\"}]", NULL, "not base64" },
    { MAAS_STRING, -1, "[{\"b64\":\"aaaaa\"}]", NULL, "not base64" },
    { MAAS_STRING, -1, "[{\"x\":\"a\"}]", NULL, "not {\"b64\"" },
    { MAAS_F32, -1, "[[1,2],[3]]", NULL, "the list at [1], depth 2, has 1 "
      "items, the ones before it have 2" },
    { MAAS_F32, -1, "[[1],[2,3]]", NULL, "at [1], depth 2, has 2" },
    { MAAS_F32, -1, "[[[1],[2]],[[3]]]", NULL, "the list at [1], depth 2" },
    { MAAS_F32, -1, "[1,[2]]", NULL, "at [1], depth 1, stands a list" },
    { MAAS_F32, -1, "[1,2,3, [2]]", NULL, "at [3], depth 1, stands a list" },
    { MAAS_F32, -1, "[1,2,3,\n[2]]", NULL, "at [3], depth 1, stands a list" },
    { MAAS_F32, -1, "[1,2,1e39]", NULL, "byte 5: element 2: 1e39 is out" },
    { MAAS_F32, -1, "[1,2,3 4]", NULL, "a number where ',' or ']'" },
    { MAAS_F32, -1, "[1,2,3, ]", NULL, "closing bracket where" },
    { MAAS_F32, -1, "[[1],2]", NULL, "at [1], depth 1, stands a number" },
    { MAAS_F32, -1, "[[],[1]]", NULL, "ragged" },
    { MAAS_F32, -1, "[[[[[[[[[1]]]]]]]]]", NULL, "nested deeper than 8" },
    { MAAS_F32, -1, "[1,]", NULL, "closing bracket where" },
    { MAAS_F32, -1, "[1 2]", NULL, "a number where ',' or ']'" },
    { MAAS_F32, -1, "[1,2", NULL, "the end of the body where ',' or ']'" },
    { MAAS_F32, -1, "[", NULL, "the end of the body" },
    { MAAS_F32, -1, "", NULL, "an empty body" },
    { MAAS_F32, -1, "[01]", NULL, "a number where" },
    { MAAS_F32, -1, "[1]]", NULL, "where the end of the body" },
    { MAAS_F32, -1, "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,"
      "22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40,41]", NULL,
      "more than 40 elements" },
};


static void
test_tensor(void)
{
    char               *body, text[MAAS_DIMS_TEXT];
    void               *block;
    maas_buf_t          out;
    maas_err_t          err;
    maas_json_t         j;
    maas_status_t       rc;
    maas_tensor_t       t;
    maas_json_tensor_t  b;

    for (size_t i = 0; i < maas_nelts(tensor_cases); i++) {
        const tensor_case_t  *c = &tensor_cases[i];

        /* Memory that ends where the text does, for the sanitizer. */
        body = malloc(maas_max(strlen(c->text), 1u));
        memcpy(body, c->text, strlen(c->text));

        b = (maas_json_tensor_t) { .host = &maas_host_libc, .limit = 40,
            .expect = c->expect, .b64 = true, .dtype = c->dtype };
        err.text[0] = '\0';
        maas_json_init(&j, body, strlen(c->text), &err);

        rc = maas_json_tensor_init(&b, 0, &err);
        rc = rc ? rc : maas_json_tensor_read(&b, &j, false);
        rc = rc ? rc : maas_json_end(&j);
        rc = rc ? rc : maas_json_tensor_done(&b, &t, &block, &err);
        free(body);

        if (c->dims == NULL) {
            ok(rc != MAAS_OK && strstr(err.text, c->out) != NULL, "%s: %s",
               c->text, err.text);
            maas_json_tensor_destroy(&b);
            continue;
        }

        if (!ok(rc == MAAS_OK, "%s as %s", c->text,
                maas_dtype_name(c->dtype)))
        {
            printf("# %s\n", err.text);
            maas_json_tensor_destroy(&b);
            continue;
        }

        is_str(maas_dims_text(text, t.dims, t.rank), c->dims, "dims");
        ok((uintptr_t) t.data % MAAS_ALIGN == 0, "aligned");
        maas_buf_init(&out, &maas_host_libc);
        maas_json_put_nested(&out, &t, 0, 0, MAAS_JSON_TOKENS);
        maas_buf_add(&out, "", 1);
        is_str(out.data, c->out, "written");
        maas_buf_destroy(&out);
        maas_free(&maas_host_libc, block);
    }
}


/* Each byte at each place of a string: what ends it, what it may hold. */
static void
test_strings(void)
{
    int           bad = 0;
    char          text[40];
    maas_err_t    err;
    maas_str_t    s;
    maas_json_t   j;
    maas_arena_t  a;

    maas_arena_init(&a, &maas_host_libc, 0);

    for (int n = 1; n < 24; n++) {
        for (int at = 0; at < n; at++) {
            for (int c = 0; c < 256; c++) {
                memset(text, n % 2 ? 'x' : 0xc3, sizeof(text));
                text[0] = '"';
                text[1 + at] = (char) c;
                text[1 + n] = '"';

                maas_json_init(&j, text, (size_t) n + 2, &err);
                bool  good = maas_json_string(&j, &a, &s) == MAAS_OK;

                bad += c < 0x20 || c == '\\' ? good
                       : !good || s.len != (size_t) (c == '"' ? at : n);
            }
        }
    }

    maas_arena_destroy(&a);
    is_int(bad, 0, "strings end where they do");
}


/* Lists that are read many numbers at a time: what is wrong in one. */
static void
test_long_lists(void)
{
    char                text[9000], *p;
    void               *block;
    maas_err_t          err;
    maas_json_t         j;
    maas_status_t       rc;
    maas_tensor_t       t;
    maas_json_tensor_t  b;

    struct {
        int          dtype, width, at;
        const char  *put, *error;
    } cases[] = {
        { MAAS_U8, 3, 0, NULL, NULL },
        { MAAS_I64, 600, 0, NULL, NULL },
        { MAAS_F32, 1, 0, NULL, NULL },
        { MAAS_U8, 600, 553, "256", "element 553: 256 is out of the range" },
        { MAAS_U8, 3, 553, "-1", "element 553: -1 is out of the range" },
        { MAAS_I8, 600, 5, "128", "element 5: 128 is out of the range" },
        { MAAS_U32, 600, 99, "-7", "element 99: -7 is out of the range" },
        { MAAS_I32, 3, 599, "1.5", "element 599: 1.5 is no integer" },
        { MAAS_F32, 3, 301, "1,2", "the list at [100], depth 2, has 4" },
        { MAAS_F32, 3, 300, "[1]", "at [100][0], depth 2, stands a list" },
        { MAAS_F32, 600, 300, "07", "a number where" },
        { MAAS_F32, 3, 598, "1]", "at [199], depth 2, has 2" },
        { MAAS_U8, 3, 300, "null", "element 300: null" },
    };

    for (size_t i = 0; i < maas_nelts(cases); i++) {
        int  w = cases[i].width;

        p = text;
        p += sprintf(p, "[");

        for (int k = 0; k < 600; k++) {
            p += sprintf(p, "%s", k % w == 0 ? "[" : "");
            p += k == cases[i].at && cases[i].put != NULL
                 ? sprintf(p, "%s", cases[i].put) : sprintf(p, "%d", k % 101);
            p += sprintf(p, "%s%s", (k + 1) % w == 0 ? "]" : "",
                         k + 1 < 600 ? "," : "]");
        }

        b = (maas_json_tensor_t) { .host = &maas_host_libc, .limit = 2000,
            .expect = -1, .dtype = (uint8_t) cases[i].dtype };
        err.text[0] = '\0';
        maas_json_init(&j, text, (size_t) (p - text), &err);

        rc = maas_json_tensor_init(&b, 0, &err);
        rc = rc ? rc : maas_json_tensor_read(&b, &j, false);
        rc = rc ? rc : maas_json_end(&j);
        rc = rc ? rc : maas_json_tensor_done(&b, &t, &block, &err);

        if (cases[i].error != NULL) {
            ok(rc != MAAS_OK && strstr(err.text, cases[i].error) != NULL,
               "a list of 600 with %s: %s", cases[i].put, err.text);
            maas_json_tensor_destroy(&b);
            continue;
        }

        ok(rc == MAAS_OK && t.rank == 2 && t.dims[0] == 600 / w
           && t.dims[1] == w, "lists of %d: %s", w, err.text);
        maas_free(&maas_host_libc, block);
    }
}


/* A number of the kinds that clients write. */
static char *
list_number(char *p, float *want)
{
    char  *start = p;
    int    whole = (int) (rnd() % 12) + 1, part = (int) (rnd() % 22);

    p += rnd() % 3 == 0 ? sprintf(p, "-") : 0;
    *p++ = (char) (whole > 1 ? '1' + rnd() % 9 : '0' + rnd() % 10);

    while (--whole > 0) {
        *p++ = (char) ('0' + rnd() % 10);
    }

    if (part != 0) {
        *p++ = '.';

        while (part-- > 0) {
            *p++ = (char) (rnd() % 4 != 0 ? '0' + rnd() % 10 : '0');
        }
    }

    p += rnd() % 8 == 0 ? sprintf(p, "e%d", (int) (rnd() % 40) - 30) : 0;
    *p = '\0';
    *want = strtof(start, NULL);

    return p;
}


static maas_status_t
list_read(const char *text, size_t len, maas_tensor_t *t, void **block)
{
    char               *body = malloc(len);     /* no byte behind it */
    maas_err_t          err;
    maas_json_t         j;
    maas_status_t       rc;
    maas_json_tensor_t  b = { .host = &maas_host_libc, .limit = 100,
                              .expect = -1, .dtype = MAAS_F32 };

    memcpy(body, text, len);
    maas_json_init(&j, body, len, &err);

    rc = maas_json_tensor_init(&b, 0, &err);
    rc = rc ? rc : maas_json_tensor_read(&b, &j, false);
    rc = rc ? rc : maas_json_end(&j);
    rc = rc ? rc : maas_json_tensor_done(&b, t, block, &err);

    if (rc != MAAS_OK) {
        maas_json_tensor_destroy(&b);
    }

    free(body);
    return rc;
}


/* Lists of float32 are read many at a time. */
static void
test_lists(void)
{
    int            bad = 0, taken = 0;
    char           text[8000], *p;
    void          *block;
    float          want[90];
    maas_tensor_t  t;

    static const char *const  comma[] = { ",", ", ", " ,", "\n,\t", ",  ",
                                          ",\r\n", "," };

    for (int i = 0; i < 20000; i++) {
        int  rows = (int) (rnd() % 9) + 1, cols = (int) (rnd() % 10) + 1;

        p = text + sprintf(text, "[");

        for (int k = 0; k < rows * cols; k++) {
            p += k % cols == 0 ? sprintf(p, "[") : 0;
            p = list_number(p, &want[k]);
            p += (k + 1) % cols == 0 ? sprintf(p, "]") : 0;
            p += k + 1 < rows * cols ? sprintf(p, "%s", comma[rnd() % 7])
                                     : sprintf(p, "]");
        }

        if (list_read(text, (size_t) (p - text), &t, &block) != MAAS_OK) {
            bad++;
            printf("# refused: %s\n", text);
            continue;
        }

        bad += t.rank != 2 || t.dims[0] != rows || t.dims[1] != cols
               || memcmp(t.data, want, t.bytes) != 0;
        maas_free(&maas_host_libc, block);

        if (i % 400 == 0) {
            for (size_t n = 0; n < (size_t) (p - text); n++) {
                taken += list_read(text, n, &t, &block) == MAAS_OK;
            }
        }
    }

    is_int(bad, 0, "lists of numbers read as by strtof");
    is_int(taken, 0, "a list that is cut is refused");
}


static void
test_rows(void)
{
    char                text[MAAS_DIMS_TEXT];
    void               *block;
    maas_err_t          err;
    maas_json_t         j;
    maas_tensor_t       t, keys;
    maas_buf_t          out;
    maas_json_tensor_t  b = { .host = &maas_host_libc, .limit = 100,
                              .expect = -1, .dtype = MAAS_F32 };
    static float        values[4] = { 0.25f, 0.75f, NAN, INFINITY };
    static int64_t      ids[2] = { -3, 7 };

    maas_json_tensor_init(&b, 0, &err);

    for (int i = 0; i < 5; i++) {
        maas_json_init(&j, "[[1,2],[3,4]]", 13, &err);
        maas_json_tensor_read(&b, &j, true);
    }

    maas_json_init(&j, "[[1,2],[3]]", 11, &err);
    is_int(maas_json_tensor_read(&b, &j, true), MAAS_EINVAL, "ragged row");
    has_str(err.text, "at [5][1], depth 3", "place");
    maas_json_tensor_destroy(&b);

    maas_json_tensor_init(&b, 0, &err);

    for (int i = 0; i < 40; i++) {
        maas_json_init(&j, "2", 1, &err);
        maas_json_tensor_read(&b, &j, true);
    }

    is_int(maas_json_tensor_done(&b, &t, &block, &err), MAAS_OK, "rows");
    is_str(maas_dims_text(text, t.dims, t.rank), "[40]", "dims of rows");
    maas_free(&maas_host_libc, block);

    t = (maas_tensor_t) { values, 16, MAAS_F32, 2, 0, { 2, 2 } };
    keys = (maas_tensor_t) { ids, 16, MAAS_I64, 1, 0, { 2 } };
    maas_buf_init(&out, &maas_host_libc);
    maas_json_put_map(&out, &t, &keys, 0, MAAS_JSON_NULL);
    maas_json_put_map(&out, &t, &keys, 1, MAAS_JSON_NULL);
    maas_json_put_b64(&out, maas_str("hell"));
    maas_buf_add(&out, "", 1);
    is_str(out.data, "{\"-3\":0.25,\"7\":0.75}{\"-3\":null,\"7\":null}"
           "{\"b64\":\"aGVsbA==\"}", "maps and base64");
    maas_buf_destroy(&out);
}


/* Sequences, maps and optionals, as a run gives them. */
static void
test_items(void)
{
    float          f[] = { 1, NAN, 3 };
    int64_t        keys[] = { 7, -8 };
    maas_buf_t     out;
    maas_items_t   l = { 0 };
    maas_tensor_t  t = { .data = &l, .format = MAAS_FMT_ITEMS, .rank = 1 };
    maas_tensor_t  item[] = {
        { f, 8, MAAS_F32, 2, 0, { 2, 1 } },
        { f + 2, 4, MAAS_F32, 0, 0, { 0 } }
    };
    maas_tensor_t  map[] = {
        { keys, 16, MAAS_I64, 1, 0, { 2 } },
        { f, 8, MAAS_F32, 1, 0, { 2 } }
    };

    static const struct {
        uint8_t   kind, inner, n;
        bool      has, map;
    } cases[] = {
        { MAAS_KIND_SEQUENCE, 0, 2, 0, 0 }, { MAAS_KIND_SEQUENCE, 0, 0, 0, 0 },
        { MAAS_KIND_MAP, 0, 2, 0, 1 }, { MAAS_KIND_OPTIONAL, 0, 0, 0, 0 },
        { MAAS_KIND_OPTIONAL, MAAS_KIND_TENSOR, 1, 1, 0 },
        { MAAS_KIND_OPTIONAL, MAAS_KIND_SEQUENCE, 1, 1, 0 },
        { MAAS_KIND_OPTIONAL, MAAS_KIND_SEQUENCE, 0, 1, 0 }
    };

    maas_buf_init(&out, &maas_host_libc);

    for (size_t i = 0; i < maas_nelts(cases); i++) {
        l.item = cases[i].map ? map : item;
        l.n = cases[i].n;
        l.kind = cases[i].kind;
        l.inner = cases[i].inner;
        l.has = cases[i].has;
        maas_json_put_nested(&out, &t, 0, 0, MAAS_JSON_TOKENS);
        maas_buf_add(&out, " ", 1);
    }

    maas_buf_add(&out, "", 1);
    is_str(out.data, "[[[1.0],[NaN]],3.0] [] {\"7\":1.0,\"-8\":NaN} null "
           "[[1.0],[NaN]] [[[1.0],[NaN]]] [] ", "lists of tensors");
    maas_buf_destroy(&out);
}


/* Numbers as people write them. */
static void
test_loose(void)
{
    maas_num_t  num;
    static const struct { const char *text; double v; size_t len; } row[] = {
        { "+1", 1, 2 }, { "007", 7, 3 }, { ".5", 0.5, 2 }, { "5.", 5, 2 },
        { "-.25e1", -2.5, 6 }, { "+0.1x", 0.1, 4 }, { "1e-400", 0, 6 },
        { "-000000000000000000000000012.5", -12.5, 30 },
        { "+9007199254740993", 9007199254740992.0, 17 },
        { "0.30000000000000004441", 0.30000000000000004441, 22 },
    };
    static const char *const  none[] = { "", "+", "-", ".", "e5", "1e", "+-1",
                                         "nan", "5.e+" };

    for (size_t i = 0; i < maas_nelts(row); i++) {
        const char  *t = row[i].text;
        const char  *p = maas_num_scan(t, t + strlen(t), &num);

        ok(p == t + row[i].len && maas_num_f64(&num) == row[i].v, "scan %s",
           t);
    }

    for (size_t i = 0; i < maas_nelts(none); i++) {
        ok(maas_num_scan(none[i], none[i] + strlen(none[i]), &num) == NULL,
           "scan \"%s\": no number", none[i]);
    }
}


int
main(void)
{
    test_scan();
    test_tensor();
    test_strings();
    test_long_lists();
    test_lists();
    test_rows();
    test_items();
    test_loose();

    return done();
}
