/*
 * base: error text, arena, buffer, JSON strings, bounded reader, digest.
 */

#include <stdlib.h>

#include "maas.h"
#include "base/base.h"
#include "tap.h"


static int  live, budget = -1;


static void *
test_alloc(void *ctx, size_t size)
{
    (void) ctx;

    if (budget == 0) {
        return NULL;
    }

    if (budget > 0) {
        budget--;
    }

    live++;
    return malloc(size);
}


static void
test_free(void *ctx, void *p)
{
    (void) ctx;

    live--;
    free(p);
}


static const maas_host_t  host = { test_alloc, test_free, NULL };


static void
test_status(void)
{
    char        big[1000];
    maas_err_t  err;

    is_int(maas_err(&err, MAAS_EINVAL, "node %d", 7), MAAS_EINVAL, "status");
    is_str(err.text, "node 7", "text");
    is_int(maas_err_prefix(&err, "input \"%s\"", "x"), MAAS_EINVAL, "prefix");
    is_str(err.text, "input \"x\": node 7", "prefixed text");

    memset(big, 'a', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    maas_err(&err, MAAS_EIO, "%s", big);
    is_int(strlen(err.text), MAAS_ERR_TEXT - 1, "long text is cut");
    maas_err_prefix(&err, "%s", big);
    is_int(strlen(err.text), MAAS_ERR_TEXT - 1, "long prefix is cut");
    is_int(maas_err(NULL, MAAS_EIO, "x"), MAAS_EIO, "no err");
    is_int(maas_status_http(MAAS_ELIMIT), 413, "limit is 413");
    is_int(maas_status_http((maas_status_t) 99), 500, "unknown is 500");

    ok(maas_name_valid(maas_str("a.b-c_1")), "valid name");
    ok(!maas_name_valid(maas_str("../x")), "dots first");
    ok(!maas_name_valid(maas_str("a/b")), "slash");
    ok(!maas_name_valid(maas_str("")), "empty");
    ok(!maas_name_valid((maas_str_t) { big, 129 }), "129 bytes");
}


static void
test_arena(void)
{
    char          *p;
    int            bad = 0;
    maas_str_t     s;
    maas_arena_t   a;

    maas_arena_init(&a, &host, 0);

    for (size_t i = 1; i < 3000; i++) {
        p = maas_arena_alloc(&a, i % 700);
        bad += p == NULL || (uintptr_t) p % 16 != 0 || p[0] != 0;
        memset(p, 0xff, i % 700);
    }

    is_int(bad, 0, "aligned and zeroed");
    p = maas_arena_alloc(&a, 10 * 1024 * 1024);
    ok(p != NULL && p[10 * 1024 * 1024 - 1] == 0, "large block");
    s = maas_arena_str(&a, "abc", 2);
    is_str(s.data, "ab", "string copy");
    ok(maas_arena_array(&a, SIZE_MAX / 2, 4) == NULL, "array overflow");
    ok(maas_arena_alloc(&a, SIZE_MAX) == NULL, "size overflow");
    maas_arena_destroy(&a);
    is_int(live, 0, "all freed");

    maas_arena_init(&a, &host, 100);
    ok(maas_arena_alloc(&a, 64) != NULL, "within the limit");
    ok(maas_arena_alloc(&a, 64) == NULL, "over the limit");
    ok(maas_arena_alloc(&a, 16) != NULL, "small still fits");
    maas_arena_destroy(&a);

    budget = 0;
    maas_arena_init(&a, &host, 0);
    ok(maas_arena_alloc(&a, 1) == NULL, "host refuses");
    ok(maas_arena_str(&a, "a", 1).data == NULL, "host refuses a string");
    maas_arena_destroy(&a);
    budget = -1;

    ok(maas_calloc(&host, SIZE_MAX, 2) == NULL, "calloc overflow");
}


static void
test_buf(void)
{
    maas_buf_t  b;

    maas_buf_init(&b, &host);

    for (int i = 0; i < 1000; i++) {
        maas_buf_printf(&b, "%03d", i);
    }

    ok(b.len == 3000 && memcmp(b.data + 2997, "999", 3) == 0, "printf");
    ok(maas_buf_reserve(&b, SIZE_MAX - 8) == NULL && b.failed, "overflow");
    maas_buf_destroy(&b);
    is_int(live, 0, "buffer freed");

    maas_buf_init(&b, &host);
    maas_buf_json(&b, "a\"\\\n\x01\xc3\xa9\xff\xc0\x80\xed\xa0\x80z", 13);
    maas_buf_add(&b, "", 1);
    is_str(b.data, "\"a\\\"\\\\\\n\\u0001\xc3\xa9"
           "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
           "\xef\xbf\xbd\"",
           "JSON string; bad UTF-8 replaced");
    maas_buf_destroy(&b);

    budget = 0;
    maas_buf_init(&b, &host);
    maas_buf_json(&b, "abc", 3);
    maas_buf_printf(&b, "%d", 1);
    ok(b.failed && b.len == 0, "refused append is remembered");
    maas_buf_destroy(&b);
    budget = -1;
}


static void
test_reader(void)
{
    maas_reader_t         r;
    static const uint8_t  bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x80, 0x01 };
    static const uint8_t  long_varint[] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01
    };
    static const uint8_t  bad_varint[] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02
    };

    maas_reader_init(&r, bytes, sizeof(bytes));
    is_int(maas_read_u8(&r), 1, "u8");
    is_int(maas_read_u16(&r), 0x0302, "u16");
    is_int(maas_read_u32(&r), 0x07060504, "u32");
    is_int(maas_reader_left(&r), 4, "left");
    is_int(maas_read_u64(&r), 0, "u64 past the end is 0");
    ok(r.failed && maas_reader_left(&r) == 0, "and fails");

    maas_reader_init(&r, bytes + 9, 2);
    is_int(maas_read_varint(&r), 128, "varint");
    maas_reader_init(&r, bytes + 9, 1);
    is_int(maas_read_varint(&r), 0, "cut varint");
    ok(r.failed, "cut varint fails");
    maas_reader_init(&r, long_varint, sizeof(long_varint));
    ok(maas_read_varint(&r) == UINT64_MAX && !r.failed, "largest varint");
    maas_reader_init(&r, bad_varint, sizeof(bad_varint));
    maas_read_varint(&r);
    ok(r.failed, "varint over 64 bits");
    maas_reader_init(&r, NULL, 0);
    ok(maas_read_bytes(&r, SIZE_MAX) == NULL && r.failed, "huge read");
}


static void
test_digest(void)
{
    char         text[2 * MAAS_DIGEST + 1];
    uint8_t      sum[MAAS_DIGEST];
    maas_sha_t  *s;

    s = maas_sha_create();
    maas_sha_update(s, "ab", 2);
    maas_sha_update(s, NULL, 0);
    maas_sha_update(s, "c", 1);
    maas_sha_final(s, sum);
    maas_hex(text, sum, sizeof(sum));
    is_str(text, "ba7816bf8f01cfea414140de5dae2223"
           "b00361a396177a9cb410ff61f20015ad", "SHA-256 of abc");
    ok(maas_now_ns() <= maas_now_ns(), "clock");
}


static void
test_near(void)
{
    size_t  n;
    char    text[MAAS_NEAR_TEXT];

    static const struct {
        const char  *word;
        const char  *want;
    } rows[] = {
        { "digit", "; did you mean \"digits\"?" },
        { "dgiits", "; did you mean \"digits\"?" },
        { "DIGITS", "; did you mean \"digits\"?" },
        { "mpl", "; did you mean \"mlp\"?" },
        { "x", "; did you mean \"X\"?" },
        { "y", "" },
        { "zebra", "" },
        { "", "" }
    };

    for (size_t i = 0; i < maas_nelts(rows); i++) {
        n = strlen(rows[i].word);
        maas_near_t  m = { .word = { rows[i].word, n } };

        maas_near(&m, maas_str("mlp"));
        maas_near(&m, maas_str("digits"));
        maas_near(&m, maas_str("X"));
        maas_near(&m, maas_str("a-name-of-more-than-sixty-four-bytes-is-never-"
                               "near-to-another-one-whatever"));

        ok(strcmp(maas_near_text(&m, text), rows[i].want) == 0, "near \"%s\"",
           rows[i].word);
    }
}


int
main(void)
{
    test_status();
    test_arena();
    test_buf();
    test_reader();
    test_digest();
    test_near();

    return done();
}
