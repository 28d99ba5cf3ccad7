/*
 * Tabular inputs out of CSV: a row is a sample.  An input takes as many
 * columns as a sample of it has elements; a column is called as the input
 * is, or by its place ("x.0", "x.1"), or as model.json's features say.  With
 * a header line columns come in any order; without one in the order of the
 * inputs.
 *
 * Ownership: tensors hang on the call, names of columns in its arena.
 * Threads:   a call belongs to one thread at a time.
 */

#include <stdio.h>
#include <strings.h>

#include "proto/csv.h"
#include "proto/pass_stages.h"


#define CSV_NAMES  200
#define CSV_SPELL  64


/* An input and the columns that it takes. */
typedef struct {
    size_t               input;
    size_t               first;     /* slot */
    size_t               n;         /* slots; 0: as many as there are */
    bool                 named;     /* by model.json */
    int64_t              dims[MAAS_RANK_MAX];
    int                  rank;
    maas_json_tensor_t   b;
} csv_input_t;

typedef struct {
    maas_proto_call_t  *c;
    maas_csv_t          csv;
    csv_input_t        *in;
    size_t              n_in;
    size_t              slots;
    size_t             *column;     /* of a slot */
    maas_str_t         *field;      /* of the row */
    maas_str_t         *head;       /* names; NULL: no header line */
    size_t              width;
    int64_t             rows;
    size_t              hint;       /* the feature that is likely next */
} csv_table_t;


/* -- columns ------------------------------------------------------------- */

/*
 * Columns that a sample of an input takes; 0: any number, to be divided by
 * *step; -1: its shape is too open.
 */
static int64_t
csv_columns(const maas_port_t *port, int64_t *step)
{
    int      open = 0;
    int64_t  n = 1;

    *step = 1;

    for (int d = 1; d < port->rank; d++) {
        if (port->dims[d] < 0) {
            open++;

        } else if (!maas_mul_i64(n, port->dims[d], &n) || n > INT32_MAX) {
            return -1;
        }
    }

    if (port->rank < 0) {
        return 0;
    }

    *step = n;

    return n == 0 || open > 1 ? -1 : open == 0 ? n : 0;
}


bool
maas_pass_takes_csv(const maas_proto_model_t *m)
{
    int64_t  n, step;

    for (size_t i = 0; i < m->n_in; i++) {
        n = csv_columns(&m->in[i], &step);

        if (m->in[i].kind != MAAS_KIND_TENSOR || m->in[i].dtype == MAAS_NODTYPE
            || n < 0 || (n == 0 && m->n_in > 1))
        {
            return false;
        }
    }

    return m->n_in != 0 && (m->meta == NULL || m->meta->batch_axis <= 0);
}


/* What columns are called, for errors. */
static const char *
csv_names(const csv_table_t *t, char out[CSV_NAMES])
{
    size_t              n = 0;
    maas_str_t          s;
    const csv_input_t  *in;

    for (in = t->in; in < t->in + t->n_in && n < CSV_NAMES - 1; in++) {
        s = t->c->route.m->in[in->input].name;

        for (uint32_t k = 0; in->named && k < in->n && n < CSV_NAMES - 1; k++)
        {
            s = maas_meta_feature(t->c->route.m->meta, k);
            n += (size_t) snprintf(out + n, CSV_NAMES - n, "%s\"%.*s\"",
                                   n != 0 ? ", " : "", (int) s.len, s.data);
        }

        if (!in->named && in->n == 1) {
            n += (size_t) snprintf(out + n, CSV_NAMES - n, "%s\"%.*s\"",
                                   n != 0 ? ", " : "", (int) s.len, s.data);

        } else if (!in->named) {
            n += (size_t) snprintf(out + n, CSV_NAMES - n, "%s\"%.*s.0\" to "
                                   "\"%.*s.%zu\"", n != 0 ? ", " : "",
                                   (int) s.len, s.data, (int) s.len, s.data,
                                   in->n - 1);
        }
    }

    return out;
}


/* "12" -> 12 */
static bool
csv_place(const char *p, size_t n, size_t *v)
{
    *v = 0;

    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9' || i == 9) {
            return false;
        }

        *v = *v * 10 + (size_t) (p[i] - '0');
    }

    return n != 0 && (n == 1 || p[0] != '0');
}


static bool
csv_feature(csv_table_t *t, const csv_input_t *in, maas_str_t name,
    size_t *place)
{
    size_t              k = t->hint;
    const maas_meta_t  *meta = t->c->route.m->meta;

    for (size_t i = 0; i < in->n; i++, k++) {
        k = k < in->n ? k : 0;

        if (maas_str_eq(maas_meta_feature(meta, (uint32_t) k), name)) {
            t->hint = k + 1;
            *place = k;
            return true;
        }
    }

    return false;
}


/* The slot that a column's name means. */
static bool
csv_slot(csv_table_t *t, maas_str_t name, size_t *slot)
{
    size_t              k;
    maas_str_t          s;
    const csv_input_t  *in;

    for (in = t->in; in < t->in + t->n_in; in++) {
        s = t->c->route.m->in[in->input].name;

        if (in->named && csv_feature(t, in, name, &k)) {
            *slot = in->first + k;
            return true;
        }

        if (in->n == 1 && maas_str_eq(name, s)) {
            *slot = in->first;
            return true;
        }

        if (name.len > s.len + 1 && memcmp(name.data, s.data, s.len) == 0
            && name.data[s.len] == '.'
            && csv_place(name.data + s.len + 1, name.len - s.len - 1, &k)
            && k < in->n)
        {
            *slot = in->first + k;
            return true;
        }
    }

    return false;
}


static maas_status_t
csv_wrong_width(csv_table_t *t, maas_err_t *err)
{
    char         names[CSV_NAMES];
    const char  *hint = "";

    if (t->width == 1 && t->slots > 1
        && (memchr(t->field[0].data, ';', t->field[0].len) != NULL
            || memchr(t->field[0].data, '\t', t->field[0].len) != NULL))
    {
        hint = " (they are separated by commas)";
    }

    return maas_err(err, MAAS_EINVAL, "CSV, line %zu: %zu column%s, but the "
                    "model takes %zu: %s%s", t->csv.row, t->width,
                    t->width == 1 ? "" : "s", t->slots,
                    csv_names(t, names), hint);
}


/* The shapes of a sample, and how many columns they make. */
static maas_status_t
csv_layout(csv_table_t *t, maas_err_t *err)
{
    int64_t             n, step;
    csv_input_t        *in;
    const maas_port_t  *port;
    const maas_meta_t  *meta = t->c->route.m->meta;

    for (in = t->in; in < t->in + t->n_in; in++) {
        port = &t->c->route.m->in[in->input];
        n = csv_columns(port, &step);

        if (n == 0) {
            n = step > 0 ? (int64_t) t->width / step * step : 0;
        }

        in->first = t->slots;
        in->n = (size_t) maas_max(n, 0);
        in->rank = port->rank < 0 ? 2 : port->rank;
        in->dims[1] = n;

        for (int d = 1; d < port->rank; d++) {
            in->dims[d] = port->dims[d] >= 0 ? port->dims[d] : n / step;
        }

        in->named = meta != NULL && meta->n_features != 0
                    && meta->prep.input == in->input
                    && meta->n_features == in->n;
        t->slots += in->n;
    }

    if (t->slots != t->width || t->slots == 0) {
        return csv_wrong_width(t, err);
    }

    t->column = maas_arena_array(t->c->arena, t->slots, sizeof(size_t));
    if (t->column == NULL) {
        return maas_err_nomem(err);
    }

    for (size_t s = 0; s < t->slots; s++) {
        t->column[s] = s;
    }

    return MAAS_OK;
}


/* -- values -------------------------------------------------------------- */

/* A number without its sign, with digits on both sides of its point. */
static maas_str_t
csv_spell_number(maas_str_t s, bool neg, char out[CSV_SPELL])
{
    size_t  n = 0;

    if (neg) {
        out[n++] = '-';
    }

    if (s.data[0] == '.') {
        out[n++] = '0';
    }

    for (size_t k = 0; k < s.len && n < CSV_SPELL - 1; k++) {
        out[n++] = s.data[k];

        if (s.data[k] == '.' && k != 0
            && (k + 1 == s.len || (s.data[k + 1] | 32) == 'e'))
        {
            out[n++] = '0';
        }
    }

    return (maas_str_t) { out, n };
}


/*
 * Words and forms that other programs write, as JSON has them: nan, inf, an
 * empty field, True, +1, .5, 5.
 */
static maas_str_t
csv_spell(maas_str_t s, maas_dtype_t dtype, char out[CSV_SPELL])
{
    bool        sign, neg;
    maas_str_t  v = s;

    if (dtype == MAAS_BOOL) {
        return maas_media_is(s, "true") ? maas_str("true")
               : maas_media_is(s, "false") ? maas_str("false") : s;
    }

    if (maas_dtypes[dtype].is_float
        && (s.len == 0 || maas_media_is(s, "nan") || maas_media_is(s, "na")))
    {
        return maas_str("NaN");
    }

    neg = s.len != 0 && s.data[0] == '-';
    sign = neg || (s.len != 0 && s.data[0] == '+');
    v.data += sign;
    v.len -= sign;

    if (maas_media_is(v, "inf") || maas_media_is(v, "infinity")) {
        return neg ? maas_str("-Infinity") : maas_str("Infinity");
    }

    if (v.len == 0 || v.len > CSV_SPELL / 2 || *v.data == '-'
        || *v.data == '+')
    {
        return s;
    }

    return csv_spell_number(v, neg, out);
}


static bool
csv_is_value(maas_str_t s, maas_dtype_t dtype)
{
    char              text[CSV_SPELL];
    const char       *p;
    maas_num_t   num;

    s = csv_spell(maas_str_trim(s), dtype, text);

    if (dtype == MAAS_BOOL
        && (maas_str_is(s, "true") || maas_str_is(s, "false")))
    {
        return true;
    }

    p = maas_num_read(s.data, s.data + s.len, &num);

    return p == s.data + s.len && s.len != 0;
}


static maas_status_t
csv_bad_value(csv_table_t *t, size_t column, maas_str_t s,
    maas_dtype_t dtype, maas_err_t *err)
{
    maas_str_t  name = t->head != NULL ? t->head[column]
                                       : (maas_str_t) { "", 0 };

    return maas_err(err, MAAS_EINVAL, "CSV, line %zu, column %zu%s%.*s%s: "
                    "\"%.*s\" is no value of %s", t->csv.row, column + 1,
                    name.len != 0 ? " (" : "", (int) maas_min(name.len, 64),
                    name.len != 0 ? name.data : "", name.len != 0 ? ")" : "",
                    (int) maas_min(s.len, 40), s.data,
                    maas_dtype_name(dtype));
}


static maas_status_t
csv_put(csv_table_t *t, csv_input_t *in, size_t column, maas_err_t *err)
{
    char           text[CSV_SPELL];
    maas_str_t     s = t->field[column], v;
    maas_json_t    j;
    maas_dtype_t   dtype = in->b.dtype;
    maas_status_t  rc;

    if (dtype == MAAS_STRING) {
        return maas_json_tensor_string(&in->b, s, err);
    }

    if (!csv_is_value(s, dtype)) {
        return csv_bad_value(t, column, s, dtype, err);
    }

    v = csv_spell(maas_str_trim(s), dtype, text);
    maas_json_init(&j, v.data, v.len, err);
    rc = maas_json_tensor_read(&in->b, &j, false);

    return rc == MAAS_EINVAL ? csv_bad_value(t, column, s, dtype, err) : rc;
}


/* -- the header line ----------------------------------------------------- */

/* Is it one?  So the client says; or so it looks. */
static maas_status_t
csv_has_header(csv_table_t *t, maas_str_t param, bool *has, maas_err_t *err)
{
    size_t              slot, known = 0;
    maas_dtype_t        dtype;
    const csv_input_t  *in = t->in;

    *has = maas_media_is(param, "present");

    if (param.data != NULL) {
        return *has || maas_media_is(param, "absent") ? MAAS_OK
               : maas_err(err, MAAS_EINVAL, "text/csv; header=%.*s: expected "
                          "\"present\" or \"absent\"",
                          (int) maas_min(param.len, 40), param.data);
    }

    for (size_t k = 0; k < t->width && !*has; k++) {
        while (k >= in->first + in->n) {
            in++;
        }

        known += csv_slot(t, maas_str_trim(t->field[k]), &slot);
        dtype = t->c->route.m->in[in->input].dtype;
        *has = dtype != MAAS_STRING && !csv_is_value(t->field[k], dtype);
    }

    *has = *has || known == t->width;

    return MAAS_OK;
}


static maas_status_t
csv_unknown(csv_table_t *t, maas_str_t name, const char *what,
    maas_err_t *err)
{
    char  names[CSV_NAMES];

    return maas_err(err, MAAS_EINVAL, "CSV, line %zu: %s column \"%.*s\"; "
                    "this model takes %s", t->csv.row, what,
                    (int) maas_min(name.len, 64), name.data,
                    csv_names(t, names));
}


/*
 * Names -> columns of the slots.  A single input without features may have
 * names that mean nothing to us: then the order counts.
 */
static maas_status_t
csv_header(csv_table_t *t, maas_err_t *err)
{
    size_t  slot, known = 0;

    t->head = maas_arena_dup(t->c->arena, t->field,
                             t->width * sizeof(maas_str_t));
    if (t->head == NULL) {
        return maas_err_nomem(err);
    }

    t->hint = 0;

    for (size_t k = 0; k < t->width; k++) {
        t->head[k] = maas_str_trim(t->head[k]);
        known += csv_slot(t, t->head[k], &slot);
    }

    if (known == 0 && t->n_in == 1 && !t->in[0].named) {
        return MAAS_OK;
    }

    memset(t->column, 0xff, t->slots * sizeof(size_t));
    t->hint = 0;

    for (size_t k = 0; k < t->width; k++) {
        if (!csv_slot(t, t->head[k], &slot)) {
            return csv_unknown(t, t->head[k], "unknown", err);
        }

        if (t->column[slot] != SIZE_MAX) {
            return csv_unknown(t, t->head[k], "repeated", err);
        }

        t->column[slot] = k;
    }

    /* As many names as slots, all known and different: none is missing. */
    return MAAS_OK;
}


/* -- the table ----------------------------------------------------------- */

/* have: the first row has been read already. */
static maas_status_t
csv_rows(csv_table_t *t, bool have, maas_err_t *err)
{
    size_t  n = t->width;

    if (!have) {
        MAAS_TRY(maas_csv_row(&t->csv, t->c->arena, t->field, t->width, &n,
                              err));
    }

    while (n != 0) {

        if (n != t->width) {
            return maas_err(err, MAAS_EINVAL, "CSV, line %zu: %zu fields, the "
                            "first line has %zu", t->csv.row, n, t->width);
        }

        for (size_t i = 0; i < t->n_in; i++) {
            for (size_t k = 0; k < t->in[i].n; k++) {
                MAAS_TRY(csv_put(t, &t->in[i],
                                 t->column[t->in[i].first + k], err));
            }
        }

        t->rows++;
        MAAS_TRY(maas_csv_row(&t->csv, t->c->arena, t->field, t->width, &n,
                              err));
    }

    return t->rows != 0 ? MAAS_OK
           : maas_err(err, MAAS_EINVAL, "CSV: there is no row of values");
}


static maas_status_t
csv_done(csv_table_t *t, csv_input_t *in, maas_err_t *err)
{
    void               *block;
    maas_tensor_t       v;
    maas_proto_call_t  *c = t->c;

    in->dims[0] = t->rows;

    if (in->rank == 0 && t->rows != 1) {
        return maas_err(err, MAAS_EINVAL, "CSV: input \"%.*s\" is a single "
                        "value, and there are %lld rows",
                        (int) maas_min(c->route.m->in[in->input].name.len,
                                       64),
                        c->route.m->in[in->input].name.data,
                        (long long) t->rows);
    }

    MAAS_TRY(maas_proto_shape(c, in->input, in->dims, in->rank, err));
    MAAS_TRY(maas_json_tensor_done(&in->b, &v, &block, err));
    MAAS_TRY(maas_proto_adopt(c, block, err));

    v.rank = (uint8_t) in->rank;
    memcpy(v.dims, in->dims, sizeof(v.dims));
    c->in[in->input] = v;

    return MAAS_OK;
}


static maas_status_t
csv_read(csv_table_t *t, maas_str_t param, maas_err_t *err)
{
    bool                header;
    size_t              n;
    maas_csv_t          ahead = t->csv;
    maas_proto_call_t  *c = t->c;

    MAAS_TRY(maas_csv_row(&ahead, NULL, NULL, 0, &t->width, err));

    t->field = maas_arena_array(c->arena, t->width + 1, sizeof(maas_str_t));
    if (t->field == NULL) {
        return maas_err_nomem(err);
    }

    MAAS_TRY(maas_csv_row(&t->csv, c->arena, t->field, t->width, &n, err));

    if (n == 0) {
        return maas_err(err, MAAS_EINVAL, "CSV: the body is empty");
    }

    MAAS_TRY(csv_layout(t, err));
    MAAS_TRY(csv_has_header(t, param, &header, err));

    if (header) {
        MAAS_TRY(csv_header(t, err));
    }

    for (size_t i = 0; i < t->n_in; i++) {
        t->in[i].b.host = c->host;
        t->in[i].b.expect = -1;
        t->in[i].b.dtype = c->route.m->in[t->in[i].input].dtype;
        t->in[i].b.limit = c->route.m->max_elements;
        MAAS_TRY(maas_json_tensor_init(&t->in[i].b, (int64_t) t->in[i].n,
                                       err));
    }

    MAAS_TRY(csv_rows(t, !header, err));

    for (size_t i = 0; i < t->n_in; i++) {
        MAAS_TRY(csv_done(t, &t->in[i], err));
    }

    return MAAS_OK;
}


maas_status_t
maas_pass_csv(maas_proto_call_t *c, int only, maas_str_t type, const char *p,
    size_t len, maas_err_t *err)
{
    csv_table_t    t = { .c = c };
    maas_status_t  rc;

    t.n_in = only < 0 ? c->route.m->n_in : 1;

    t.in = maas_arena_array(c->arena, t.n_in, sizeof(csv_input_t));
    if (t.in == NULL) {
        return maas_err_nomem(err);
    }

    for (size_t i = 0; i < t.n_in; i++) {
        t.in[i].input = only < 0 ? i : (size_t) only;
    }

    maas_csv_init(&t.csv, p, len);
    rc = csv_read(&t, maas_media_param(type, "header"), err);

    for (size_t i = 0; i < t.n_in; i++) {
        if (t.in[i].b.host != NULL) {
            maas_json_tensor_destroy(&t.in[i].b);
        }
    }

    return rc;
}
