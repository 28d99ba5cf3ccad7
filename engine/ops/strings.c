/*
 * strings: StringConcat, StringSplit and RegexFullMatch.
 *
 * Ownership: nothing is kept.  PCRE2 gets what memory it needs from the
 *            scratch of the thread: a run allocates nothing.
 * Threads:   reentrant.  What writes strings is one unit, for they follow
 *            each other.
 *
 * Spec: github.com/onnx/onnx, docs/Operators.md.
 */

#define PCRE2_CODE_UNIT_WIDTH  8

#include <pcre2.h>
#include <stdlib.h>

#include "ops/ml_common.h"


typedef struct {
    maas_list_t  delimiter;
    int64_t      most;
} split_attr_t;

typedef struct {
    maas_list_t  pattern;
} regex_attr_t;


/* -- StringConcat -------------------------------------------------------- */

/* Each element of an input comes as often as it is repeated. */
static maas_status_t
concat_text(maas_infer_t *c, const maas_dim_t *dims, int rank)
{
    size_t   bytes, sum = 0;
    int64_t  n, of;

    n = maas_dims_count(dims, rank);

    for (int i = 0; i < 2 && n > 0; i++) {
        of = maas_dims_count(c->in[i].type->dims, c->in[i].type->rank);

        if (of <= 0
            || !maas_mul_size(c->in[i].str_bytes, (size_t) (n / of), &bytes)
            || bytes > UINT32_MAX || (sum += bytes) > UINT32_MAX)
        {
            return maas_err(c->err, MAAS_ELIMIT, "the text of the output is "
                            "too long");
        }
    }

    c->out[0].str_bytes = sum;
    return MAAS_OK;
}


static maas_status_t
concat_infer(maas_infer_t *c)
{
    int         rank;
    maas_dim_t  dims[MAAS_RANK_MAX];

    MAAS_TRY(maas_infer_broadcast(c, 0, 2, dims, &rank));
    maas_infer_set(c, 0, MAAS_STRING, rank, dims);

    for (int i = 0; i < rank; i++) {
        if (!maas_dim_known(dims[i])) {
            return MAAS_OK;
        }
    }

    return concat_text(c, dims, rank);
}


/* Elements of an input from one to the next along each axis of the output. */
static void
concat_strides(const maas_tensor_t *x, int rank, int64_t *stride)
{
    int64_t  step = 1;

    for (int d = rank - 1, k = x->rank - 1; d >= 0; d--, k--) {
        stride[d] = k >= 0 && x->dims[k] != 1 ? step : 0;
        step *= k >= 0 ? x->dims[k] : 1;
    }
}


static maas_status_t
concat_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    char           *text;
    int64_t         at[2] = { 0, 0 }, index[MAAS_RANK_MAX] = { 0 };
    int64_t         stride[2][MAAS_RANK_MAX], n;
    uint32_t       *off;
    maas_str_t      p;
    maas_tensor_t  *y = &s->out[0];

    (void) slot;
    (void) first;
    (void) last;

    n = maas_tensor_count(y);
    off = y->data;
    text = (char *) (off + n + 1);
    off[0] = 0;
    concat_strides(&s->in[0], y->rank, stride[0]);
    concat_strides(&s->in[1], y->rank, stride[1]);

    for (int64_t i = 0; i < n; i++) {
        off[i + 1] = off[i];

        for (int k = 0; k < 2; k++) {
            p = maas_tensor_str(&s->in[k], at[k]);

            if (p.len != 0) {
                memcpy(text + off[i + 1], p.data, p.len);
                off[i + 1] += (uint32_t) p.len;
            }
        }

        for (int d = y->rank - 1; d >= 0; d--) {
            at[0] += stride[0][d];
            at[1] += stride[1][d];

            if (++index[d] < y->dims[d]) {
                break;
            }

            index[d] = 0;
            at[0] -= stride[0][d] * y->dims[d];
            at[1] -= stride[1][d] * y->dims[d];
        }
    }

    return MAAS_OK;
}


static bool
text_setup(maas_setup_t *u)
{
    u->cost = 100 + 20.0 * (double) maas_tensor_count(&u->in[0])
              + 0.5 * (double) u->in[0].bytes;
    return true;
}


/* -- StringSplit --------------------------------------------------------- */

typedef struct {
    maas_str_t  rest;
    maas_str_t  delimiter;      /* len 0: white space */
    int64_t     left;           /* splits that may still be made */
    bool        done;
} split_t;


static bool
split_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}


static void
split_skip(maas_str_t *s)
{
    while (s->len != 0 && split_space(*s->data)) {
        s->data++;
        s->len--;
    }
}


static void
split_begin(split_t *p, const split_attr_t *a, maas_str_t s)
{
    p->rest = s;
    p->delimiter = maas_list_string(a, &a->delimiter);
    p->left = a->most < 0 ? INT64_MAX : a->most;
    p->done = s.len == 0;

    if (p->delimiter.len == 0) {
        split_skip(&p->rest);
        p->done = p->rest.len == 0;
    }
}


/* Bytes of the next piece, and of what parts it from the one behind it. */
static size_t
split_length(const split_t *p, size_t *gap)
{
    size_t      n;
    maas_str_t  d = p->delimiter, s = p->rest;

    *gap = 0;

    if (p->left == 0) {
        return s.len;
    }

    for (n = 0; n < s.len; n++) {
        if (d.len == 0 ? split_space(s.data[n])
                       : s.len - n >= d.len
                         && memcmp(s.data + n, d.data, d.len) == 0)
        {
            *gap = maas_max(d.len, (size_t) 1);
            return n;
        }
    }

    return n;
}


static bool
split_next(split_t *p, maas_str_t *s)
{
    size_t  n, gap;

    if (p->done) {
        return false;
    }

    n = split_length(p, &gap);
    *s = (maas_str_t) { p->rest.data, n };
    p->rest.data += n + gap;
    p->rest.len -= n + gap;
    p->done = gap == 0;
    p->left--;

    if (p->delimiter.len == 0) {
        split_skip(&p->rest);
        p->done = p->rest.len == 0;
    }

    return true;
}


/* The most pieces that a string has. */
static maas_status_t
split_extent(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int64_t     k, n = maas_tensor_count(&s->in[0]), *most = s->out[0].data;
    split_t     p;
    maas_str_t  piece;

    (void) slot;
    (void) first;
    (void) last;

    *most = 0;

    for (int64_t i = 0; i < n; i++) {
        split_begin(&p, s->attr, maas_tensor_str(&s->in[0], i));

        for (k = 0; split_next(&p, &piece); k++) { /* void */ }

        *most = maas_max(*most, k);
    }

    return MAAS_OK;
}


static maas_status_t
split_infer(maas_infer_t *c)
{
    maas_dim_t          dims[MAAS_RANK_MAX];
    const int64_t      *extent = maas_infer_extent(c);
    const maas_type_t  *x = c->in[0].type;

    if (x->rank >= MAAS_RANK_MAX) {
        return maas_err(c->err, MAAS_EUNSUPPORTED, "an input of rank %d; the "
                        "output would have one more than %d", x->rank,
                        MAAS_RANK_MAX);
    }

    if (x->rank > 0) {
        memcpy(dims, x->dims, (size_t) x->rank * sizeof(maas_dim_t));
    }

    if (c->n_out > 1) {
        maas_infer_set(c, 1, MAAS_I64, x->rank, dims);
    }

    dims[x->rank] = extent != NULL ? extent[0] : MAAS_DIM_NONE;
    maas_infer_set(c, 0, MAAS_STRING, x->rank + 1, dims);

    if (extent == NULL) {
        return MAAS_INFER_EXTENT;
    }

    c->out[0].str_bytes = c->in[0].str_bytes;
    return MAAS_OK;
}


static maas_status_t
split_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int64_t         k, most, all, n = maas_tensor_count(&s->in[0]);
    split_t         p;
    maas_str_t      piece;
    maas_tensor_t  *y = &s->out[0];

    (void) slot;
    (void) first;
    (void) last;

    most = y->dims[y->rank - 1];
    all = n * most;

    if (y->dtype == MAAS_STRING) {
        maas_ml_begin(y);
    }

    for (int64_t i = 0; i < n; i++) {
        split_begin(&p, s->attr, maas_tensor_str(&s->in[0], i));

        for (k = 0; k < most && split_next(&p, &piece); k++) {
            maas_ml_put(y, all, i * most + k, piece);
        }

        if (s->n_out > 1 && s->out[1].dtype != MAAS_NODTYPE) {
            ((int64_t *) s->out[1].data)[i] = k;
        }

        for ( /* void */ ; k < most; k++) {
            maas_ml_put(y, all, i * most + k, maas_str(""));
        }
    }

    return MAAS_OK;
}


/* -- RegexFullMatch ------------------------------------------------------ */

/*
 * The operator has RE2's syntax.  PCRE2 reads what of it is in use; its DFA
 * matcher takes time in proportion to text and pattern, whatever a client
 * sends, which its usual one does not.  References to groups, which RE2 has
 * not either, are refused; text that is no UTF-8 matches nothing.
 */
#define REGEX_WORK     4096         /* ints of states */
#define REGEX_UNIT     512          /* strings to a unit */
#define REGEX_PATTERN  4096         /* bytes */

/* Memory out of a block that is given back as a whole. */
typedef struct {
    char    *p;
    size_t   left;
} regex_mem_t;


static void *
regex_alloc(size_t n, void *ctx)
{
    void         *p;
    regex_mem_t  *m = ctx;

    n = maas_align(n, 16);

    if (n > m->left) {
        return NULL;
    }

    p = m->p;
    m->p += n;
    m->left -= n;

    return p;
}


static void
regex_free(void *p, void *ctx)
{
    (void) p;
    (void) ctx;
}


typedef struct {
    pcre2_general_context  *general;
    pcre2_compile_context  *how;
    pcre2_code             *code;
    pcre2_match_data       *match;
    int                    *work;
} regex_t;


/* What the compiler takes: measured, with the pattern's length as a bound. */
static size_t
regex_bytes(size_t pattern)
{
    return 64 * 1024 + 256 * pattern + REGEX_WORK * sizeof(int);
}


static maas_status_t
regex_make(regex_t *x, regex_mem_t *m, maas_str_t pattern, maas_err_t *err)
{
    int       code;
    char      text[120];
    uint32_t  backref = 0;
    size_t    at;

    memset(x, 0, sizeof(*x));
    x->general = pcre2_general_context_create(regex_alloc, regex_free, m);
    x->how = x->general == NULL ? NULL
             : pcre2_compile_context_create(x->general);
    if (x->how == NULL) {
        return maas_err_nomem(err);
    }

    x->code = pcre2_compile((PCRE2_SPTR) pattern.data, pattern.len,
                            PCRE2_UTF | PCRE2_DOLLAR_ENDONLY
                            | PCRE2_NEVER_BACKSLASH_C,
                            &code, &at, x->how);

    if (x->code == NULL) {
        pcre2_get_error_message(code, (PCRE2_UCHAR *) text, sizeof(text));
        return maas_err(err, MAAS_EINVAL, "pattern \"%.*s\", byte %zu: %s",
                        (int) maas_min(pattern.len, 100), pattern.data, at,
                        text);
    }

    pcre2_pattern_info(x->code, PCRE2_INFO_BACKREFMAX, &backref);

    if (backref != 0) {
        return maas_err(err, MAAS_EUNSUPPORTED, "pattern \"%.*s\" has a "
                        "reference to a group, which RE2 has not",
                        (int) maas_min(pattern.len, 100), pattern.data);
    }

    x->match = pcre2_match_data_create(1, x->general);
    x->work = regex_alloc(REGEX_WORK * sizeof(int), m);

    return x->match != NULL && x->work != NULL ? MAAS_OK
                                               : maas_err_nomem(err);
}


static maas_status_t
regex_match(const regex_t *x, maas_str_t s, bool *is, maas_err_t *err)
{
    int  rc;

    rc = pcre2_dfa_match(x->code, (PCRE2_SPTR) (s.len ? s.data : ""), s.len,
                         0, PCRE2_ANCHORED | PCRE2_ENDANCHORED, x->match,
                         NULL, x->work, REGEX_WORK);

    *is = rc >= 0 && pcre2_get_ovector_pointer(x->match)[1] == s.len;

    if (rc >= 0 || rc == PCRE2_ERROR_NOMATCH
        || (rc <= PCRE2_ERROR_UTF8_ERR1 && rc >= PCRE2_ERROR_UTF8_ERR21))
    {
        return MAAS_OK;
    }

    return maas_err(err, MAAS_EINVAL, "the pattern takes too much to match "
                    "(PCRE2 error %d)", rc);
}


static maas_status_t
regex_infer(maas_infer_t *c)
{
    void                *block;
    regex_t              x;
    maas_str_t           pattern;
    regex_mem_t          m;
    maas_status_t        rc;
    const regex_attr_t  *a = c->attr;

    pattern = maas_list_string(a, &a->pattern);

    if (pattern.len > REGEX_PATTERN) {
        return maas_err(c->err, MAAS_EUNSUPPORTED, "a pattern of %zu bytes; "
                        "the limit is %d", pattern.len, REGEX_PATTERN);
    }

    m.left = regex_bytes(pattern.len);
    block = malloc(m.left);
    if (block == NULL) {
        return maas_err_nomem(c->err);
    }

    m.p = block;
    rc = regex_make(&x, &m, pattern, c->err);
    free(block);
    MAAS_TRY(rc);

    maas_infer_set(c, 0, MAAS_BOOL, c->in[0].type->rank,
                   c->in[0].type->dims);
    return MAAS_OK;
}


static bool
regex_setup(maas_setup_t *u)
{
    const regex_attr_t  *a = u->attr;

    u->units = maas_tensor_count(&u->in[0]) / REGEX_UNIT + 1;
    u->scratch = regex_bytes(a->pattern.n);
    u->cost = 10000.0 * (double) u->units + 20.0 * (double) u->in[0].bytes;
    return true;
}


/* The pattern is compiled once for the units that come together. */
static maas_status_t
regex_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    bool                 is;
    regex_t              x;
    int64_t              n = maas_tensor_count(&s->in[0]);
    regex_mem_t          m = { slot->scratch, 0 };
    const regex_attr_t  *a = s->attr;

    m.left = regex_bytes(a->pattern.n);
    MAAS_TRY(regex_make(&x, &m, maas_list_string(a, &a->pattern),
                        slot->err));

    for (int64_t i = first * REGEX_UNIT;
         i < maas_min(last * REGEX_UNIT, n); i++)
    {
        MAAS_TRY(regex_match(&x, maas_tensor_str(&s->in[0], i), &is,
                             slot->err));
        ((uint8_t *) s->out[0].data)[i] = is;
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_kernel_row_t  concat_kernel[] = {
    { "string_concat", MAAS_CPU_REF, 0, 0, text_setup, concat_run }
};

static const maas_kernel_row_t  split_kernel[] = {
    { "string_split", MAAS_CPU_REF, 0, 0, text_setup, split_run }
};

static const maas_kernel_row_t  regex_kernel[] = {
    { "regex_full_match.dfa", MAAS_CPU_REF, 0, 0, regex_setup, regex_run }
};

static const maas_formal_t  concat_in[] = {
    { "X", MAAS_D(STRING), 0, 0 }, { "Y", MAAS_D(STRING), 0, 0 }
};

static const maas_formal_t  string_in[] = { { "X", MAAS_D(STRING), 0, 0 } };
static const maas_formal_t  string_out[] = { { "Z", MAAS_D(STRING), 0, 0 } };
static const maas_formal_t  bool_out[] = { { "Y", MAAS_D(BOOL), 0, 0 } };

static const maas_formal_t  split_out[] = {
    { "Y", MAAS_D(STRING), 0, 0 }, { "Z", MAAS_D(I64), 0, MAAS_OPT }
};

static const maas_attr_row_t  split_attrs[] = {
    { .name = "delimiter", .type = MAAS_ATTR_STRING,
      .off = offsetof(split_attr_t, delimiter) },
    { .name = "maxsplit", .type = MAAS_ATTR_INT, .i = -1,
      .off = offsetof(split_attr_t, most) }
};

static const maas_attr_row_t  regex_attrs[] = {
    { .name = "pattern", .type = MAAS_ATTR_STRING,
      .off = offsetof(regex_attr_t, pattern) }
};

static const maas_case_t  concat_cases[] = {
    { "| str[17] str[17]", NULL }, { "| str[3,1,5] str[4,1]", NULL },
    { "| str[] str[2,3]", NULL }, { "| str[0] str[1]", NULL },
    { "| =str[2]{a,bc} str[33,2]", NULL }, { NULL, NULL }
};

static const maas_case_t  concat_bad[] = {
    { "| str[2] str[3]", "broadcast" }, { "| str[2] i64[2]", "int64" },
    { NULL, NULL }
};

static const maas_case_t  split_cases[] = {
    { "delimiter=a > 2 | str[33]", NULL },
    { "> 2 | str[3]{\" a  b \",\"\",c}", NULL },
    { "maxsplit=1 delimiter=\",\" > 2 | str[2,2]", NULL },
    { "> 1 | str[]", NULL }, { "> 2 | str[0,3]", NULL },
    { NULL, NULL }
};

static const maas_case_t  split_bad[] = {
    { "| i64[2]", "int64" },
    { "| str[1,1,1,1,1,1,1,1]", "rank 8" },
    { NULL, NULL }
};

static const maas_case_t  regex_cases[] = {
    { "pattern=\"[a-m]+\" | str[1700]", NULL },
    { "pattern=\"(maas|a*)b?\" | str[3,11]", NULL },
    { "pattern=x | str[]", NULL }, { "pattern=x | str[0]", NULL },
    { NULL, NULL }
};

static const maas_case_t  regex_bad[] = {
    { "pattern=\"(a\" | str[2]", "missing closing parenthesis" },
    { "pattern=\"(a)\\1\" | str[2]", "a reference to a group" },
    { "pattern=a | i64[2]", "int64" },
    { NULL, NULL }
};

const maas_op_t  maas_ops_strings[] = {

    { .name = "StringConcat", .domain = "", .since = 20, .first = 20,
      .flags = MAAS_OP_PURE, MAAS_IO(concat_in, string_out),
      .infer = concat_infer, MAAS_KERNELS(concat_kernel),
      .cases = concat_cases, .bad = concat_bad },

    { .name = "StringSplit", .domain = "", .since = 20, .first = 20,
      .flags = MAAS_OP_PURE, MAAS_IO(string_in, split_out),
      MAAS_ATTRS(split_attrs, split_attr_t), .infer = split_infer,
      .extent = split_extent, .n_extent = 1, MAAS_KERNELS(split_kernel),
      .cases = split_cases, .bad = split_bad },

    { .name = "RegexFullMatch", .domain = "", .since = 20, .first = 20,
      .flags = MAAS_OP_PURE, MAAS_IO(string_in, bool_out),
      MAAS_ATTRS(regex_attrs, regex_attr_t), .infer = regex_infer,
      MAAS_KERNELS(regex_kernel), .cases = regex_cases, .bad = regex_bad },

    { .name = NULL }
};
