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
#include "ops/strcase.h"


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


/* Writes s in its case; at most s.len bytes. */
static size_t
case_write(char *out, maas_str_t s, int64_t action)
{
    if (action == CASE_NONE) {
        memcpy(out, s.data, s.len);
        return s.len;
    }

    return maas_str_case(out, s, action == CASE_UPPER);
}


static bool
case_same(maas_str_t a, maas_str_t b)
{
    char    x[2], y[2];
    size_t  i = 0, j = 0, m, n;

    while (i < a.len && j < b.len) {
        m = maas_str_case_next(x, a.data + i, a.len - i, false);
        n = maas_str_case_next(y, b.data + j, b.len - j, false);

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
