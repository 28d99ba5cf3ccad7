/*
 * The tensor builder: numbers go from the body straight into the tensor's
 * memory.  Nesting gives the shape; ragged lists are refused with the place
 * of the list that differs.  Memory grows with what was read, never with
 * what a shape merely claims.
 *
 * Ownership: the builder owns its memory until maas_json_tensor_done().
 * Threads:   one builder, one thread.
 */

#include <math.h>
#include <stdio.h>

#include "kernels/knumlist.h"
#include "proto/json.h"


#define TENSOR_GUESS_MIN  16
#define TENSOR_INTS       512   /* read at once */


/* Strings are built as ends (uint32) in data and bytes in text. */
static size_t
tensor_item(const maas_json_tensor_t *b)
{
    return b->dtype == MAAS_STRING ? sizeof(uint32_t)
                                   : maas_dtype_size(b->dtype);
}


static maas_status_t
tensor_grow(maas_json_tensor_t *b, int64_t cap, maas_err_t *err)
{
    char    *p;
    void    *block;
    size_t   bytes;

    if (!maas_mul_size((size_t) cap, tensor_item(b), &bytes)
        || bytes > SIZE_MAX - MAAS_ALIGN)
    {
        return maas_err_nomem(err);
    }

    block = maas_alloc(b->host, bytes + MAAS_ALIGN);
    if (block == NULL) {
        return maas_err_nomem(err);
    }

    p = (char *) maas_align((uintptr_t) block, MAAS_ALIGN);

    if (b->n != 0) {
        memcpy(p, b->data, (size_t) maas_min(b->n, b->cap) * tensor_item(b));
    }

    maas_free(b->host, b->block);
    b->block = block;
    b->data = p;
    b->cap = cap;

    return MAAS_OK;
}


maas_status_t
maas_json_tensor_init(maas_json_tensor_t *b, int64_t guess, maas_err_t *err)
{
    b->rank = -1;
    b->n = 0;
    b->block = NULL;
    memset(b->count, 0, sizeof(b->count));

    for (int i = 0; i < MAAS_RANK_MAX; i++) {
        b->dims[i] = -1;
    }

    maas_buf_init(&b->text, b->host);

    guess = maas_max(guess, TENSOR_GUESS_MIN);
    guess = (int64_t) maas_min((uint64_t) guess, b->limit);

    return tensor_grow(b, guess, err);
}


void
maas_json_tensor_destroy(maas_json_tensor_t *b)
{
    if (b->block != NULL) {
        maas_free(b->host, b->block);
        b->block = NULL;
    }

    maas_buf_destroy(&b->text);
}


/* -- one element --------------------------------------------------------- */

static maas_status_t
tensor_fail_number(maas_json_tensor_t *b, maas_json_t *j,
    const maas_num_t *num, const char *why)
{
    return maas_json_fail(j, "element %lld: %.*s%s %s %s",
                          (long long) b->n, (int) maas_min(num->len, 40),
                          num->text, num->len > 40 ? "..." : "", why,
                          maas_dtype_name(b->dtype));
}


static maas_status_t
tensor_put_float(maas_json_tensor_t *b, maas_json_t *j,
    const maas_num_t *num)
{
    float     f;
    double    d;
    uint16_t  h;

    if (b->dtype == MAAS_F64) {
        d = maas_num_f64(num);
        ((double *) b->data)[b->n] = d;
        f = isinf(d) ? INFINITY : 0;

    } else {
        f = maas_num_f32(num);

        if (b->dtype == MAAS_F32) {
            ((float *) b->data)[b->n] = f;

        } else {
            h = b->dtype == MAAS_F16 ? maas_f32_to_f16(f)
                                     : maas_f32_to_bf16(f);
            ((uint16_t *) b->data)[b->n] = h;
            f = b->dtype == MAAS_F16 ? maas_f16_to_f32(h)
                                     : maas_bf16_to_f32(h);
        }
    }

    if (maas_unlikely(isinf(f)) && num->kind == MAAS_NUM_FINITE) {
        return tensor_fail_number(b, j, num, "is out of the range of");
    }

    return MAAS_OK;
}


static maas_status_t
tensor_put_int(maas_json_tensor_t *b, maas_json_t *j,
    const maas_num_t *num)
{
    int       bits;
    bool      fits;
    int64_t   i, lo, hi;
    uint64_t  u;

    bits = (int) maas_dtype_size(b->dtype) * 8;

    if (maas_dtypes[b->dtype].is_signed) {
        hi = INT64_MAX >> (64 - bits);
        lo = -hi - 1;
        fits = maas_num_i64(num, &i) && i >= lo && i <= hi;
        u = fits ? (uint64_t) i : 0;

    } else {
        fits = maas_num_u64(num, &u) && u <= UINT64_MAX >> (64 - bits);
    }

    if (maas_unlikely(!fits)) {
        return tensor_fail_number(b, j, num,
                                  num->integer && num->kind == MAAS_NUM_FINITE
                                  ? "is out of the range of"
                                  : "is no integer, but the type is");
    }

    switch (bits) {

    case 8:
        ((uint8_t *) b->data)[b->n] = (uint8_t) u;
        break;

    case 16:
        ((uint16_t *) b->data)[b->n] = (uint16_t) u;
        break;

    case 32:
        ((uint32_t *) b->data)[b->n] = (uint32_t) u;
        break;

    default:
        ((uint64_t *) b->data)[b->n] = u;
    }

    return MAAS_OK;
}


/* true and false; 0 and 1 as well. */
static maas_status_t
tensor_put_bool(maas_json_tensor_t *b, maas_json_t *j)
{
    bool              v;
    uint64_t          u;
    const char       *p;
    maas_num_t   num;

    p = maas_num_read(j->pos, j->end, &num);

    if (p != NULL) {
        if (!maas_num_u64(&num, &u) || u > 1) {
            return tensor_fail_number(b, j, &num, "is not 0, 1 or a");
        }

        j->pos = p;
        v = u;

    } else {
        MAAS_TRY(maas_json_bool(j, &v));
    }

    b->data[b->n] = v;
    return MAAS_OK;
}


static int
b64_value(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+' || c == '-' ? 62
           : c == '/' || c == '_' ? 63 : -1;
}


bool
maas_json_get_b64(maas_buf_t *out, maas_str_t s)
{
    int       v, bits = 0;
    char     *q;
    uint32_t  w = 0;

    while (s.len > 0 && s.data[s.len - 1] == '=') {
        s.len--;
    }

    q = maas_buf_reserve(out, s.len);

    for (size_t i = 0; i < s.len; i++) {
        v = b64_value(s.data[i]);
        if (v < 0) {
            return false;
        }

        w = w << 6 | (uint32_t) v;
        bits += 6;

        if (bits >= 8) {
            bits -= 8;

            if (q != NULL) {
                *q++ = (char) (w >> bits);
                out->len++;
            }
        }
    }

    return s.len % 4 != 1;
}


static maas_status_t
tensor_read_b64(maas_json_tensor_t *b, maas_json_t *j, maas_arena_t *a)
{
    bool        first = true;
    maas_str_t  key, s;

    MAAS_TRY(maas_json_key(j, a, &first, &key));

    if (key.data == NULL || !maas_str_is(key, "b64")) {
        return maas_json_fail(j, "element %lld: an object that is not "
                              "{\"b64\": \"...\"}", (long long) b->n);
    }

    MAAS_TRY(maas_json_string(j, a, &s));

    if (!maas_json_get_b64(&b->text, s)) {
        return maas_json_fail(j, "element %lld: the string is not base64",
                              (long long) b->n);
    }

    MAAS_TRY(maas_json_key(j, a, &first, &key));

    if (key.data != NULL) {
        return maas_json_fail(j, "element %lld: a second key beside \"b64\"",
                              (long long) b->n);
    }

    return MAAS_OK;
}


/* Element n ends where the text does. */
static maas_status_t
tensor_end_string(maas_json_tensor_t *b, maas_err_t *err)
{
    if (b->text.failed) {
        return maas_err_nomem(err);
    }

    if (b->text.len > UINT32_MAX) {
        return maas_err(err, MAAS_ELIMIT,
                        "the strings have more than 4 GiB");
    }

    ((uint32_t *) b->data)[b->n] = (uint32_t) b->text.len;
    return MAAS_OK;
}


static maas_status_t
tensor_put_string(maas_json_tensor_t *b, maas_json_t *j)
{
    maas_str_t     s;
    maas_arena_t   a;
    maas_status_t  rc;

    maas_arena_init(&a, b->host, 0);

    if (b->b64 && maas_json_peek(j) == '{') {
        rc = tensor_read_b64(b, j, &a);

    } else {
        rc = maas_json_string(j, &a, &s);

        if (rc == MAAS_OK) {
            maas_buf_add(&b->text, s.data, s.len);
        }
    }

    maas_arena_destroy(&a);

    return rc == MAAS_OK ? tensor_end_string(b, j->err) : rc;
}


static maas_status_t
tensor_fail_type(maas_json_tensor_t *b, maas_json_t *j)
{
    return maas_json_fail(j, "element %lld: %s where a value of %s is "
                          "expected", (long long) b->n, maas_json_what(j),
                          maas_dtype_name(b->dtype));
}


static maas_status_t
tensor_put(maas_json_tensor_t *b, maas_json_t *j)
{
    const char       *p;
    maas_num_t   num;

    if (b->dtype == MAAS_STRING) {
        return tensor_put_string(b, j);
    }

    if (b->dtype == MAAS_BOOL) {
        return tensor_put_bool(b, j);
    }

    p = maas_num_read(j->pos, j->end, &num);
    if (maas_unlikely(p == NULL)) {
        return tensor_fail_type(b, j);
    }

    if (maas_dtypes[b->dtype].is_float) {
        MAAS_TRY(tensor_put_float(b, j, &num));

    } else {
        MAAS_TRY(tensor_put_int(b, j, &num));
    }

    j->pos = p;
    return MAAS_OK;
}


/* -- nesting ------------------------------------------------------------- */

/* "[2][0]": where the item that is being read stands. */
static const char *
tensor_place(const maas_json_tensor_t *b, int first, int depth, char *out,
    size_t size)
{
    size_t  n = 0;

    out[0] = '\0';

    for (int d = first; d <= depth && n + 24 < size; d++) {
        n += (size_t) snprintf(out + n, size - n, "[%lld]",
                               (long long) b->count[d]);
    }

    return out;
}


static maas_status_t
tensor_open(maas_json_tensor_t *b, maas_json_t *j, int base, int *depth)
{
    int   d = *depth;
    char  place[256];

    if (b->rank >= 0 && d >= b->rank) {
        return maas_json_fail(j, "ragged lists: at %s, depth %d, stands a "
                              "list, elsewhere a value",
                              tensor_place(b, 1, d, place, sizeof(place)), d);
    }

    if (d == MAAS_RANK_MAX) {
        return maas_json_fail(j, "lists nested deeper than %d",
                              MAAS_RANK_MAX - base);
    }

    b->count[++d] = 0;
    *depth = d;
    j->pos++;

    return MAAS_OK;
}


static maas_status_t
tensor_close(maas_json_tensor_t *b, maas_json_t *j, int *depth)
{
    int   d = *depth;
    char  place[256];

    if (b->dims[d - 1] < 0) {
        b->dims[d - 1] = b->count[d];

        if (b->count[d] == 0 && b->rank < 0) {
            b->rank = (int8_t) d;
        }

    } else if (b->dims[d - 1] != b->count[d]) {
        return maas_json_fail(j, "ragged lists: the list at %s, depth %d, "
                              "has %lld items, the ones before it have %lld",
                              tensor_place(b, 1, d - 1, place, sizeof(place)),
                              d, (long long) b->count[d],
                              (long long) b->dims[d - 1]);
    }

    j->pos++;
    *depth = d - 1;

    return MAAS_OK;
}


/* One more element, within the limit. */
static maas_status_t
tensor_room(maas_json_tensor_t *b, maas_err_t *err)
{
    if (b->n < b->cap) {
        return MAAS_OK;
    }

    if ((uint64_t) b->n >= b->limit) {
        return maas_err(err, MAAS_ELIMIT, "more than %llu elements, the limit "
                        "of this model", (unsigned long long) b->limit);
    }

    return tensor_grow(b, (int64_t) maas_min((uint64_t) b->cap * 2, b->limit),
                       err);
}


static maas_status_t
tensor_leaf(maas_json_tensor_t *b, maas_json_t *j, int d)
{
    char  place[256];

    if (maas_unlikely(b->rank != d)) {

        if (b->rank >= 0) {
            return maas_json_fail(j, "ragged lists: at %s, depth %d, stands "
                                  "%s, elsewhere a list",
                                  tensor_place(b, 1, d, place, sizeof(place)),
                                  d, maas_json_what(j));
        }

        b->rank = (int8_t) d;
    }

    if (maas_unlikely(b->n >= b->cap)) {

        /* Too many: count on, for the error, but store nothing. */
        if (b->expect >= 0 && b->n >= b->expect) {
            MAAS_TRY(maas_json_skip(j));
            b->n++;
            return MAAS_OK;
        }

        MAAS_TRY(tensor_room(b, j->err));
    }

    MAAS_TRY(tensor_put(b, j));
    b->n++;

    return MAAS_OK;
}


/* Elements n and on of an integer type; false when one is out of range. */
static bool
tensor_narrow(maas_json_tensor_t *b, const int32_t *v, int64_t n)
{
    int      bits = (int) maas_dtype_size(b->dtype) * 8;
    bool     is_signed = maas_dtypes[b->dtype].is_signed;
    int32_t  lo = 0, hi = 0;
    int64_t  min, max;

    for (int64_t i = 0; i < n; i++) {
        lo = maas_min(lo, v[i]);
        hi = maas_max(hi, v[i]);
    }

    max = bits >= 32 ? INT32_MAX
                     : ((int64_t) 1 << (bits - is_signed)) - 1;
    min = !is_signed ? 0 : bits >= 32 ? INT32_MIN : -max - 1;

    if (lo < min || hi > max) {
        return false;
    }

    for (int64_t i = 0; i < n; i++) {

        switch (bits) {

        case 8:
            ((uint8_t *) b->data)[b->n + i] = (uint8_t) v[i];
            break;

        case 16:
            ((uint16_t *) b->data)[b->n + i] = (uint16_t) v[i];
            break;

        case 32:
            ((int32_t *) b->data)[b->n + i] = v[i];
            break;

        default:
            ((int64_t *) b->data)[b->n + i] = v[i];
        }
    }

    return true;
}


/* Is there a reader of many numbers at once for this type? */
static bool
tensor_lists(maas_dtype_t t)
{
    return t == MAAS_F32
           || (maas_dtypes[t].is_int && maas_dtypes[t].block_elems == 1);
}


/*
 * As many numbers of the list, and of the ones that follow in the same
 * list, as come in a row; *last: up to a bracket.  Zero: nothing was read.
 */
static int64_t
tensor_list(maas_json_tensor_t *b, maas_json_t *j, int base, int depth,
    bool *last)
{
    int32_t          v[TENSOR_INTS];
    int64_t          n = 0, max = b->cap - b->n;
    const char      *p;
    maas_num_rows_t  rows = { .at = b->count[depth] };

    *last = false;

    if (depth != b->rank || max <= 0) {
        return 0;
    }

    if (depth - 1 > base) {
        rows.width = maas_max(b->dims[depth - 1], 0);
    }

    if (b->dtype == MAAS_F32) {
        p = maas_num_floats(j->start, j->pos, j->end,
                            (float *) b->data + b->n, max, &rows, &n);

    } else {
        p = maas_num_ints(j->start, j->pos, j->end, v,
                          maas_min(max, TENSOR_INTS), &rows, &n);
        n = tensor_narrow(b, v, n) ? n : 0;
    }

    if (n != 0) {
        *last = p < j->end && *p == ']' && p[-1] >= '0' && p[-1] <= '9';
        b->n += n;
        b->count[depth] = rows.at;
        b->count[depth - 1] += rows.done;
        j->pos = p;
    }

    return n;
}


/* Behind a value at depth d: closes lists; *more: another value follows. */
static maas_status_t
tensor_next(maas_json_tensor_t *b, maas_json_t *j, int base, int *depth,
    bool *more)
{
    int  c;

    *more = false;

    while (*depth > base) {
        b->count[*depth]++;
        c = maas_json_peek(j);

        if (c == ',') {
            j->pos++;
            *more = true;
            return MAAS_OK;
        }

        if (c != ']') {
            return maas_json_fail(j, "%s where ',' or ']' is expected",
                                  maas_json_what(j));
        }

        MAAS_TRY(tensor_close(b, j, depth));
    }

    return MAAS_OK;
}


maas_status_t
maas_json_tensor_read(maas_json_tensor_t *b, maas_json_t *j, bool rows)
{
    int   base = rows, depth = rows;
    bool  more = true, lists = tensor_lists(b->dtype), last;

    do {
        if (maas_json_peek(j) == '[') {
            MAAS_TRY(tensor_open(b, j, base, &depth));

            if (maas_json_peek(j) != ']') {
                continue;
            }

            MAAS_TRY(tensor_close(b, j, &depth));

        } else if (!lists || depth == base
                   || tensor_list(b, j, base, depth, &last) == 0)
        {
            MAAS_TRY(tensor_leaf(b, j, depth));

        } else if (!last) {
            continue;
        }

        MAAS_TRY(tensor_next(b, j, base, &depth, &more));

    } while (more);

    if (rows) {
        b->count[1]++;
    }

    return MAAS_OK;
}


maas_status_t
maas_json_tensor_string(maas_json_tensor_t *b, maas_str_t s, maas_err_t *err)
{
    MAAS_TRY(tensor_room(b, err));

    if (s.len != 0) {
        maas_buf_add(&b->text, s.data, s.len);
    }

    MAAS_TRY(tensor_end_string(b, err));
    b->n++;

    return MAAS_OK;
}


/* Offsets in front of the bytes, in one block. */
static maas_status_t
tensor_strings(maas_json_tensor_t *b, maas_tensor_t *t, maas_err_t *err)
{
    void      *block;
    size_t     bytes;
    uint32_t  *off;

    if (!maas_string_bytes(b->n, b->text.len, &bytes)) {
        return maas_err(err, MAAS_ELIMIT, "the strings are too many");
    }

    block = maas_alloc(b->host, bytes + MAAS_ALIGN);
    if (block == NULL) {
        return maas_err_nomem(err);
    }

    off = (uint32_t *) maas_align((uintptr_t) block, MAAS_ALIGN);
    off[0] = 0;
    memcpy(off + 1, b->data, (size_t) b->n * sizeof(uint32_t));

    if (b->text.len != 0) {
        memcpy(off + b->n + 1, b->text.data, b->text.len);
    }

    maas_free(b->host, b->block);
    b->block = block;
    t->data = off;
    t->bytes = bytes;

    return MAAS_OK;
}


maas_status_t
maas_json_tensor_done(maas_json_tensor_t *b, maas_tensor_t *t, void **block,
    maas_err_t *err)
{
    if (b->expect >= 0 && b->n != b->expect) {
        return maas_err(err, MAAS_EINVAL,
                        "%lld values, but the shape needs %lld",
                        (long long) b->n, (long long) b->expect);
    }

    memset(t, 0, sizeof(*t));
    t->dtype = b->dtype;
    t->rank = (uint8_t) maas_max(b->rank, 0);

    /* The outermost list of rows is not in the text. */
    if (b->rank > 0 && b->dims[0] < 0) {
        b->dims[0] = b->count[1];
    }

    for (int i = 0; i < t->rank; i++) {
        t->dims[i] = b->dims[i];
    }

    if (b->dtype == MAAS_STRING) {
        MAAS_TRY(tensor_strings(b, t, err));

    } else {
        t->data = b->data;
        t->bytes = (size_t) b->n * tensor_item(b);
    }

    *block = b->block;
    b->block = NULL;
    maas_buf_destroy(&b->text);

    return MAAS_OK;
}
