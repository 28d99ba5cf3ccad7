/*
 * Tensors -> JSON.  Elements are written in chunks into space reserved
 * once, so that the loop over numbers tests nothing but the chunk's end.
 *
 * Ownership: the buffer is the caller's; a refused append is in b->failed.
 * Threads:   reentrant.
 */

#include <math.h>

#include "graph/raw.h"
#include "proto/json.h"


#define WRITE_CHUNK  64


/* NaN and infinities, which JSON has no numbers for. */
static char *
write_special(char *p, double v, maas_json_special_t special)
{
    const char  *word;

    word = special == MAAS_JSON_NULL ? "null"
           : isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity";

    memcpy(p, word, strlen(word));

    return p + strlen(word);
}


static char *
write_f32(char *p, float v, maas_json_special_t special)
{
    return maas_likely(isfinite(v)) ? maas_num_put_f32(p, v)
                                    : write_special(p, v, special);
}


static char *
write_element(char *p, const maas_tensor_t *t, int64_t i,
    maas_json_special_t special)
{
    double       v;
    const void  *data = t->data;

    switch (t->dtype) {

    case MAAS_F32:
        return write_f32(p, ((const float *) data)[i], special);

    case MAAS_F16:
        return write_f32(p, maas_f16_to_f32(((const uint16_t *) data)[i]),
                         special);

    case MAAS_BF16:
        return write_f32(p, maas_bf16_to_f32(((const uint16_t *) data)[i]),
                         special);

    case MAAS_F64:
        v = ((const double *) data)[i];
        return isfinite(v) ? maas_num_put_f64(p, v)
                           : write_special(p, v, special);

    case MAAS_I8:
        return maas_num_put_i64(p, ((const int8_t *) data)[i]);

    case MAAS_I16:
        return maas_num_put_i64(p, ((const int16_t *) data)[i]);

    case MAAS_I32:
        return maas_num_put_i64(p, ((const int32_t *) data)[i]);

    case MAAS_I64:
        return maas_num_put_i64(p, ((const int64_t *) data)[i]);

    case MAAS_U8:
        return maas_num_put_u64(p, ((const uint8_t *) data)[i]);

    case MAAS_U16:
        return maas_num_put_u64(p, ((const uint16_t *) data)[i]);

    case MAAS_U32:
        return maas_num_put_u64(p, ((const uint32_t *) data)[i]);

    case MAAS_U64:
        return maas_num_put_u64(p, ((const uint64_t *) data)[i]);

    case MAAS_BOOL:
        if (((const uint8_t *) data)[i]) {
            memcpy(p, "true", 4);
            return p + 4;
        }

        memcpy(p, "false", 5);
        return p + 5;
    }

    memcpy(p, "null", 4);

    return p + 4;
}


/* ",1.5,2.5" */
static char *
write_floats(char *p, const float *v, int64_t i, int64_t end,
    maas_json_special_t special)
{
    for ( /* void */ ; i < end; i++) {
        *p++ = ',';
        p = write_f32(p, v[i], special);
    }

    return p;
}


void
maas_json_put_elements(maas_buf_t *b, const maas_tensor_t *t, int64_t first,
    int64_t n, maas_json_special_t special)
{
    char        *p, *start;
    int64_t      i, end;
    maas_str_t   s;

    if (t->dtype == MAAS_STRING) {

        for (i = first; i < first + n; i++) {
            if (i != first) {
                maas_buf_add(b, ",", 1);
            }

            s = maas_tensor_str(t, i);
            maas_buf_json(b, s.data, s.len);
        }

        return;
    }

    for (i = first; i < first + n; /* void */ ) {
        end = maas_min(i + WRITE_CHUNK, first + n);
        start = maas_buf_reserve(b, (size_t) (end - i)
                                    * (MAAS_NUM_TEXT + 1));
        if (start == NULL) {
            return;
        }

        p = start;

        if (i != first) {
            *p++ = ',';
        }

        p = write_element(p, t, i, special);

        if (t->dtype == MAAS_F32) {
            p = write_floats(p, t->data, i + 1, end, special);

        } else {
            while (++i < end) {
                *p++ = ',';
                p = write_element(p, t, i, special);
            }
        }

        i = end;

        b->len += (size_t) (p - start);
    }
}


void
maas_json_put_int(maas_buf_t *b, int64_t v)
{
    char  *p = maas_buf_reserve(b, MAAS_NUM_TEXT);

    if (p != NULL) {
        b->len += (size_t) (maas_num_put_i64(p, v) - p);
    }
}


/* {key: value, ...}: two tensors of one dimension. */
static void
write_map(maas_buf_t *b, const maas_tensor_t *keys, const maas_tensor_t *t,
    maas_json_special_t special)
{
    maas_tensor_t  row = *t;

    row.rank = 2;
    row.dims[1] = t->dims[0];
    row.dims[0] = 1;
    maas_json_put_map(b, &row, keys, 0, special);
}


static void
write_items(maas_buf_t *b, const maas_items_t *l, maas_json_special_t special)
{
    uint8_t  kind = l->kind;

    if (kind == MAAS_KIND_OPTIONAL) {
        kind = l->has ? l->inner : MAAS_KIND_OPTIONAL;
    }

    if (kind == MAAS_KIND_OPTIONAL || (kind == MAAS_KIND_TENSOR && l->n == 0))
    {
        maas_buf_puts(b, "null");
        return;
    }

    if (kind == MAAS_KIND_TENSOR) {
        maas_json_put_nested(b, &l->item[0], 0, 0, special);
        return;
    }

    if (kind == MAAS_KIND_MAP && l->n == 2) {
        write_map(b, &l->item[0], &l->item[1], special);
        return;
    }

    maas_buf_add(b, "[", 1);

    for (uint32_t i = 0; i < l->n; i++) {
        maas_buf_puts(b, i != 0 ? "," : "");
        maas_json_put_nested(b, &l->item[i], 0, 0, special);
    }

    maas_buf_add(b, "]", 1);
}


/* Recursion is bounded by the rank; items are tensors. */
void
maas_json_put_nested(maas_buf_t *b, const maas_tensor_t *t, int from,
    int64_t first, maas_json_special_t special)
{
    int64_t  inner = 1;

    if (t->format == MAAS_FMT_ITEMS) {
        write_items(b, t->data, special);
        return;
    }

    if (from >= t->rank) {
        maas_json_put_elements(b, t, first, 1, special);
        return;
    }

    maas_buf_add(b, "[", 1);

    if (from == t->rank - 1) {
        maas_json_put_elements(b, t, first, t->dims[from], special);

    } else {
        for (int i = from + 1; i < t->rank; i++) {
            inner *= t->dims[i];
        }

        for (int64_t i = 0; i < t->dims[from]; i++) {
            if (i != 0) {
                maas_buf_add(b, ",", 1);
            }

            maas_json_put_nested(b, t, from + 1, first + i * inner, special);
        }
    }

    maas_buf_add(b, "]", 1);
}


void
maas_json_put_base64(maas_buf_t *b, maas_str_t s)
{
    char               *p;
    size_t              n;
    uint32_t            w;
    const uint8_t      *u = (const uint8_t *) s.data;
    static const char   abc[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz0123456789+/";

    if (!maas_mul_size(s.len / 3 + 1, 4, &n)) {
        b->failed = true;
        return;
    }

    p = maas_buf_reserve(b, n + 2);
    if (p == NULL) {
        return;
    }

    *p++ = '"';

    for (size_t i = 0; i < s.len; i += 3) {
        w = (uint32_t) u[i] << 16;
        w |= i + 1 < s.len ? (uint32_t) u[i + 1] << 8 : 0;
        w |= i + 2 < s.len ? u[i + 2] : 0;

        *p++ = abc[w >> 18];
        *p++ = abc[w >> 12 & 63];
        *p++ = i + 1 < s.len ? abc[w >> 6 & 63] : '=';
        *p++ = i + 2 < s.len ? abc[w & 63] : '=';
    }

    *p = '"';
    b->len += (s.len + 2) / 3 * 4 + 2;
}


void
maas_json_put_b64(maas_buf_t *b, maas_str_t s)
{
    maas_buf_puts(b, "{\"b64\":");
    maas_json_put_base64(b, s);
    maas_buf_puts(b, "}");
}


void
maas_json_put_map(maas_buf_t *b, const maas_tensor_t *t,
    const maas_tensor_t *keys, int64_t row, maas_json_special_t special)
{
    int64_t     n = maas_tensor_count(keys);
    maas_str_t  s;

    maas_buf_add(b, "{", 1);

    for (int64_t i = 0; i < n; i++) {

        if (i != 0) {
            maas_buf_add(b, ",", 1);
        }

        if (keys->dtype == MAAS_STRING) {
            s = maas_tensor_str(keys, i);
            maas_buf_json(b, s.data, s.len);

        } else {
            maas_buf_add(b, "\"", 1);
            maas_json_put_elements(b, keys, i, 1, special);
            maas_buf_add(b, "\"", 1);
        }

        maas_buf_add(b, ":", 1);
        maas_json_put_elements(b, t, row * n + i, 1, special);
    }

    maas_buf_add(b, "}", 1);
}
