/*
 * strnorm: StringNormalizer: stop words go, the rest changes its case.  How
 * many strings stay only the data tell; where none does, one empty string
 * is the output.
 *
 * Case follows the simple mappings of Unicode for ASCII, Latin-1, Latin
 * Extended-A, Greek and Cyrillic, whatever attribute 'locale' names: a
 * worker has the locale of its host, and a model's answers may not depend
 * on it.  Bytes that are no UTF-8 stay as they are.
 *
 * Ownership: stop words lie in the node's attributes.
 * Threads:   reentrant; a step is one unit, for strings follow each other.
 *
 * Spec: github.com/onnx/onnx, docs/Operators.md, StringNormalizer.
 */

#include "ops/ml_common.h"


typedef struct {
    int64_t      action;
    int64_t      sensitive;
    maas_list_t  locale;
    maas_list_t  stops;
} strnorm_attr_t;

enum { CASE_NONE = 0, CASE_LOWER, CASE_UPPER };

static const char *const  strnorm_words[] = {
    "NONE", "LOWER", "UPPER", NULL
};

static const maas_attr_row_t  strnorm_attrs[] = {
    { .name = "case_change_action", .type = MAAS_ATTR_STRING,
      .words = strnorm_words, .off = offsetof(strnorm_attr_t, action) },
    { .name = "is_case_sensitive", .type = MAAS_ATTR_INT,
      .off = offsetof(strnorm_attr_t, sensitive) },
    { .name = "locale", .type = MAAS_ATTR_STRING,
      .off = offsetof(strnorm_attr_t, locale) },
    { .name = "stopwords", .type = MAAS_ATTR_STRINGS,
      .off = offsetof(strnorm_attr_t, stops) }
};


/* -- case ---------------------------------------------------------------- */

/* Pairs that lie side by side, upper case at `odd` numbers or at even ones. */
static uint32_t
case_pair(uint32_t c, bool odd, bool upper)
{
    return upper ? (c - odd) / 2 * 2 + odd : (c - odd) / 2 * 2 + odd + 1;
}


static uint32_t
case_latin(uint32_t c, bool upper)
{
    if (c < 0x100) {
        return upper ? (c >= 0xe0 && c != 0xf7 ? (c == 0xff ? 0x178 : c - 32)
                        : c == 0xb5 ? 0x39c : c)
               : c >= 0xc0 && c <= 0xde && c != 0xd7 ? c + 32 : c;
    }

    /* Those that have no partner beside them. */
    switch (c) {
    case 0x130:
        return upper ? c : 'i';
    case 0x131:
        return upper ? 'I' : c;
    case 0x138:
    case 0x149:
        return c;
    case 0x178:
        return upper ? c : 0xff;
    case 0x17f:
        return upper ? 'S' : c;
    default:
        return case_pair(c, (c > 0x138 && c < 0x149) || c > 0x178, upper);
    }
}


static uint32_t
case_greek(uint32_t c, bool upper)
{
    if (!upper) {
        return c == 0x386 ? 0x3ac : c >= 0x388 && c <= 0x38a ? c + 37
               : c == 0x38c ? 0x3cc : c == 0x38e || c == 0x38f ? c + 63
               : c >= 0x391 && c <= 0x3ab && c != 0x3a2 ? c + 32 : c;
    }

    return c == 0x3ac ? 0x386 : c >= 0x3ad && c <= 0x3af ? c - 37
           : c == 0x3cc ? 0x38c : c == 0x3cd || c == 0x3ce ? c - 63
           : c == 0x3c2 ? 0x3a3 : c >= 0x3b1 && c <= 0x3cb ? c - 32 : c;
}


static uint32_t
case_cyrillic(uint32_t c, bool upper)
{
    if (c < 0x410) {
        return upper ? c : c + 80;
    }

    if (c < 0x430) {
        return upper ? c : c + 32;
    }

    if (c < 0x460) {
        return !upper ? c : c < 0x450 ? c - 32 : c - 80;
    }

    if (c == 0x4c0 || c == 0x4cf) {
        return upper ? 0x4c0 : 0x4cf;
    }

    return c > 0x481 && c < 0x48a
           ? c : case_pair(c, c > 0x4c0 && c < 0x4cf, upper);
}


static uint32_t
case_of(uint32_t c, bool upper)
{
    if (c < 0x80) {
        return upper ? (c >= 'a' && c <= 'z' ? c - 32 : c)
                     : (c >= 'A' && c <= 'Z' ? c + 32 : c);
    }

    if (c >= 0x80 && c < 0x180) {
        return case_latin(c, upper);
    }

    if (c >= 0x386 && c <= 0x3ce) {
        return case_greek(c, upper);
    }

    return c >= 0x400 && c < 0x530 ? case_cyrillic(c, upper) : c;
}


/* One character of two bytes changes; all others of more bytes stay. */
static size_t
case_next(char *out, const char *p, size_t n, bool upper)
{
    uint32_t  c = (uint8_t) p[0];

    if (c >= 0xc2 && c <= 0xdf && n > 1 && ((uint8_t) p[1] & 0xc0) == 0x80) {
        c = case_of((c & 0x1f) << 6 | ((uint8_t) p[1] & 0x3f), upper);
        out[0] = (char) (0xc0 | c >> 6);
        out[1] = (char) (0x80 | (c & 0x3f));

        if (c < 0x80) {             /* dotless i, long s: a byte less */
            out[0] = (char) c;
            out[1] = '\0';
        }

        return 2;
    }

    out[0] = c < 0x80 ? (char) case_of(c, upper) : p[0];
    return 1;
}


/* Writes s in its case; at most s.len bytes. */
static size_t
case_write(char *out, maas_str_t s, int64_t action)
{
    char    two[2];
    size_t  used, len = 0;

    if (action == CASE_NONE) {
        memcpy(out, s.data, s.len);
        return s.len;
    }

    for (size_t i = 0; i < s.len; i += used) {
        used = case_next(two, s.data + i, s.len - i, action == CASE_UPPER);
        out[len++] = two[0];

        if (used == 2 && two[1] != '\0') {
            out[len++] = two[1];
        }
    }

    return len;
}


static bool
case_same(maas_str_t a, maas_str_t b)
{
    char    x[2], y[2];
    size_t  i = 0, j = 0, m, n;

    while (i < a.len && j < b.len) {
        m = case_next(x, a.data + i, a.len - i, false);
        n = case_next(y, b.data + j, b.len - j, false);

        if (m != n || memcmp(x, y, m) != 0) {
            return false;
        }

        i += m;
        j += n;
    }

    return i == a.len && j == b.len;
}


/* -- the operator -------------------------------------------------------- */

static bool
strnorm_stays(const strnorm_attr_t *at, maas_str_t s)
{
    maas_str_t  stop;

    for (uint32_t i = 0; i < at->stops.n; i++) {
        stop = maas_list_strings(at, &at->stops, i);

        if (at->sensitive ? maas_str_eq(s, stop) : case_same(s, stop)) {
            return false;
        }
    }

    return true;
}


/* Strings that stay. */
static maas_status_t
strnorm_extent(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int64_t     n = maas_tensor_count(&s->in[0]), *out = s->out[0].data;
    maas_str_t  t;

    (void) slot;
    (void) first;
    (void) last;

    out[0] = 0;

    for (int64_t i = 0; i < n; i++) {
        t = maas_tensor_str(&s->in[0], i);

        out[0] += strnorm_stays(s->attr, t);
    }

    return MAAS_OK;
}


static maas_status_t
strnorm_infer(maas_infer_t *c)
{
    maas_dim_t          dims[2] = { 1, 1 };
    const int64_t      *extent = maas_infer_extent(c);
    const maas_type_t  *x = c->in[0].type;

    if (x->rank != 1 && (x->rank != 2 || (maas_dim_known(x->dims[0])
                                          && x->dims[0] != 1)))
    {
        return maas_err(c->err, MAAS_EINVAL, "the input has rank %d; "
                        "expected [strings] or [1, strings]", x->rank);
    }

    dims[x->rank - 1] = extent != NULL ? maas_max(extent[0], 1)
                                       : MAAS_DIM_NONE;
    maas_infer_set(c, 0, MAAS_STRING, x->rank, dims);

    if (extent == NULL) {
        return MAAS_INFER_EXTENT;
    }

    /* No case makes a string longer. */
    c->out[0].str_bytes = c->in[0].str_bytes;
    return MAAS_OK;
}


static bool
strnorm_setup(maas_setup_t *u)
{
    const strnorm_attr_t  *at = u->attr;

    u->cost = 100 + (double) maas_tensor_count(&u->in[0])
              * (20 + 10.0 * at->stops.n);
    return true;
}


static maas_status_t
strnorm_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int64_t                n = maas_tensor_count(&s->in[0]), at = 0, rows;
    uint32_t              *off = s->out[0].data;
    maas_str_t             t;
    const strnorm_attr_t  *a = s->attr;

    (void) slot;
    (void) first;
    (void) last;

    rows = maas_tensor_count(&s->out[0]);
    maas_ml_begin(&s->out[0]);

    for (int64_t i = 0; i < n && at < rows; i++) {
        t = maas_tensor_str(&s->in[0], i);

        if (strnorm_stays(a, t)) {
            off[at + 1] = off[at] + (uint32_t) case_write(
                              (char *) (off + rows + 1) + off[at], t,
                              a->action);
            at++;
        }
    }

    for ( /* void */ ; at < rows; at++) {
        off[at + 1] = off[at];
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_kernel_row_t  strnorm_kernel[] = {
    { "string_normalizer", MAAS_CPU_REF, 0, 0, strnorm_setup, strnorm_run }
};

static const maas_formal_t  strnorm_in[] = { { "X", MAAS_D(STRING), 0, 0 } };
static const maas_formal_t  strnorm_out[] = { { "Y", MAAS_D(STRING), 0, 0 } };

static const maas_case_t  strnorm_cases[] = {
    { "stopwords=[a,MAAS] case_change_action=UPPER | str[17]", NULL },
    { "stopwords=[a,MAAS] is_case_sensitive=1 | str[1,33]", NULL },
    { "case_change_action=LOWER | str[5]", NULL },
    { "| str[0]", NULL }, { "stopwords=[a] | str[1,0]", NULL },
    { NULL, NULL }
};

static const maas_case_t  strnorm_bad[] = {
    { "| str[2,3]", "rank 2; expected [strings]" },
    { "case_change_action=TITLE | str[3]", "TITLE" },
    { "| i64[3]", "int64" },
    { NULL, NULL }
};

const maas_op_t  maas_ops_strnorm[] = {

    { .name = "StringNormalizer", .domain = "", .since = 10, .first = 10,
      .flags = MAAS_OP_PURE, MAAS_IO(strnorm_in, strnorm_out),
      MAAS_ATTRS(strnorm_attrs, strnorm_attr_t), .infer = strnorm_infer,
      .extent = strnorm_extent, .n_extent = 1,
      MAAS_KERNELS(strnorm_kernel), .cases = strnorm_cases,
      .bad = strnorm_bad },

    { .name = NULL }
};
