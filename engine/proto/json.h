/*
 * json.h: JSON as the dialects read and write it: one pass from bytes into
 * tensors, and from tensors to bytes.  There is no tree; a dialect walks the
 * keys with the scanner and hands each array of numbers to a builder.
 *
 * Ownership: a scanner points into the caller's bytes; strings with escapes
 *            are copied into the arena given; a builder owns what it built
 *            until the caller takes it.
 * Threads:   one object, one thread.
 * https://www.rfc-editor.org/rfc/rfc8259; NaN, Infinity and -Infinity are
 * read besides, as many clients write them.
 */

#ifndef MAAS_PROTO_JSON_H
#define MAAS_PROTO_JSON_H

#include "base/number.h"
#include "tensor/tensor.h"


#define MAAS_JSON_DEPTH  64


/* -- scanner ------------------------------------------------------------- */

typedef struct {
    const char  *pos;
    const char  *end;
    const char  *start;
    maas_err_t  *err;
} maas_json_t;

void maas_json_init(maas_json_t *j, const char *p, size_t n,
    maas_err_t *err);

/* "JSON, byte 17: ..." as MAAS_EINVAL. */
maas_status_t maas_json_fail(maas_json_t *j, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The next byte that is no white space, not taken; -1: end. */
static inline int
maas_json_peek(maas_json_t *j)
{
    while (j->pos < j->end) {
        char  c = *j->pos;

        if (c != ' ' && c != '\n' && c != '\r' && c != '\t') {
            return (unsigned char) c;
        }

        j->pos++;
    }

    return -1;
}


/* What comes next, for errors: "a list", "a string", "the end", ... */
const char *maas_json_what(maas_json_t *j);

/* Only white space may follow. */
maas_status_t maas_json_end(maas_json_t *j);

/*
 * Object: before the first call *first is true.  A key, with the scanner
 * before its value, or key->data NULL behind the closing brace.
 */
maas_status_t maas_json_key(maas_json_t *j, maas_arena_t *a, bool *first,
    maas_str_t *key);

/* Array likewise; *more false behind the closing bracket. */
maas_status_t maas_json_item(maas_json_t *j, bool *first, bool *more);

/* A string; without escapes it points into the body. */
maas_status_t maas_json_string(maas_json_t *j, maas_arena_t *a,
    maas_str_t *s);

maas_status_t maas_json_bool(maas_json_t *j, bool *v);
maas_status_t maas_json_int(maas_json_t *j, int64_t *v);

/* Any value, checked; nesting up to MAAS_JSON_DEPTH. */
maas_status_t maas_json_skip(maas_json_t *j);


/* -- tensors ------------------------------------------------------------- */

/*
 * Builds one tensor from nested or flat lists.  Set host, dtype, limit and
 * expect, the rest is zero; then maas_json_tensor_init().
 */
typedef struct {
    const maas_host_t  *host;
    uint64_t            limit;      /* elements */
    int64_t             expect;     /* elements, when known; else -1 */
    bool                b64;        /* {"b64": "..."} is a string */
    uint8_t             dtype;
    int8_t              rank;       /* -1: no element seen yet */
    int64_t             dims[MAAS_RANK_MAX];    /* -1: not known yet */
    int64_t             count[MAAS_RANK_MAX + 1];
    int64_t             n;          /* elements seen */
    int64_t             cap;
    char               *data;       /* aligned to MAAS_ALIGN */
    void               *block;      /* what the host gave */
    maas_buf_t          text;       /* of strings; data holds their ends */
} maas_json_tensor_t;

maas_status_t maas_json_tensor_init(maas_json_tensor_t *b, int64_t guess,
    maas_err_t *err);

/*
 * Reads a value.  rows: it is one more item of a list that is not in the
 * text; dimension 0 counts the calls.
 */
maas_status_t maas_json_tensor_read(maas_json_tensor_t *b, maas_json_t *j,
    bool rows);

/* One more element of a tensor of strings that is read without lists. */
maas_status_t maas_json_tensor_string(maas_json_tensor_t *b, maas_str_t s,
    maas_err_t *err);

/*
 * Checks that all is there, fills t.  *block is the memory to free; strings
 * move into their final form here.
 */
maas_status_t maas_json_tensor_done(maas_json_tensor_t *b, maas_tensor_t *t,
    void **block, maas_err_t *err);
void maas_json_tensor_destroy(maas_json_tensor_t *b);

/*
 * Reads a sequence, a map or an optional: kind, inner, key and dtype as in
 * maas_port_t.  adopt() takes the memory of each tensor, also where it
 * fails.  limit: elements of all tensors.
 */
typedef struct {
    const maas_host_t  *host;
    maas_arena_t       *arena;
    void               *ctx;
    maas_status_t     (*adopt)(void *ctx, void *block, maas_err_t *err);
    uint64_t            limit;
    uint64_t            seen;
    uint8_t             kind;
    uint8_t             inner;
    uint8_t             key;
    uint8_t             dtype;
} maas_json_list_t;

maas_status_t maas_json_list(maas_json_list_t *l, maas_json_t *j,
    maas_tensor_t *t);

typedef enum {
    MAAS_JSON_NULL = 0,         /* NaN and infinities are null */
    MAAS_JSON_TOKENS            /* NaN, Infinity, -Infinity */
} maas_json_special_t;

void maas_json_put_int(maas_buf_t *b, int64_t v);

/* Elements [first, first + n) separated by commas. */
void maas_json_put_elements(maas_buf_t *b, const maas_tensor_t *t,
    int64_t first, int64_t n, maas_json_special_t special);

/*
 * Nested lists from dimension `from` on, starting at an element.  A sequence
 * is a list of its items, a map an object, an optional its value or null;
 * for these `from` and `first` are 0.
 */
void maas_json_put_nested(maas_buf_t *b, const maas_tensor_t *t, int from,
    int64_t first, maas_json_special_t special);

/* The bytes as a string of base64, with its quotes; and {"b64":"..."}. */
void maas_json_put_base64(maas_buf_t *b, maas_str_t s);
void maas_json_put_b64(maas_buf_t *b, maas_str_t s);

/*
 * The bytes of base64 behind the buffer's.  Standard or URL alphabet;
 * padding may be left out.  False: it is none.
 */
bool maas_json_get_b64(maas_buf_t *out, maas_str_t s);

/*
 * {key: value, ...} of row `row`: t is [rows, keys], keys 1-D int64 or
 * string.
 */
void maas_json_put_map(maas_buf_t *b, const maas_tensor_t *t,
    const maas_tensor_t *keys, int64_t row, maas_json_special_t special);

#endif
