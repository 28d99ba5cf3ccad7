/*
 * tfidf: TfIdfVectorizer: counts the n-grams of a pool in rows of tokens.
 *
 * A step hashes the pool's n-grams into its scratch, then looks up every
 * n-gram of a row: for each distance between tokens, each start and each
 * length.  Single tokens have no distance and are counted once.
 *
 * Ownership: the pool lies in the node's attributes.
 * Threads:   reentrant; a step is one unit.
 *
 * Spec: github.com/onnx/onnx, docs/Operators.md, TfIdfVectorizer.
 */

#include "ops/ml_common.h"


typedef struct {
    int64_t      max;           /* tokens of an n-gram */
    int64_t      min;
    int64_t      skip;
    int64_t      mode;
    maas_list_t  start;         /* [n - 1]: where n-grams begin in the pool */
    maas_list_t  index;         /* of each n-gram: its column */
    maas_list_t  ints;          /* the pool */
    maas_list_t  strings;
    maas_list_t  weights;
} tfidf_attr_t;

enum { TFIDF_TF = 0, TFIDF_IDF, TFIDF_BOTH };

static const char *const  tfidf_modes[] = { "TF", "IDF", "TFIDF", NULL };

#define TFIDF_INT(label, member, least)                                       \
    { .name = label, .type = MAAS_ATTR_INT, .required = true, .min = least,   \
      .max = 1 << 20, .off = offsetof(tfidf_attr_t, member) }

#define TFIDF_LIST(label, kind, member, needed)                               \
    { .name = label, .type = MAAS_ATTR_##kind, .required = needed,            \
      .off = offsetof(tfidf_attr_t, member) }

static const maas_attr_row_t  tfidf_attrs[] = {
    TFIDF_INT("max_gram_length", max, 1),
    TFIDF_INT("min_gram_length", min, 1),
    TFIDF_INT("max_skip_count", skip, 0),
    { .name = "mode", .type = MAAS_ATTR_STRING, .required = true,
      .words = tfidf_modes, .off = offsetof(tfidf_attr_t, mode) },
    TFIDF_LIST("ngram_counts", INTS, start, true),
    TFIDF_LIST("ngram_indexes", INTS, index, true),
    TFIDF_LIST("pool_int64s", INTS, ints, false),
    TFIDF_LIST("pool_strings", STRINGS, strings, false),
    TFIDF_LIST("weights", FLOATS, weights, false)
};


/* -- the pool ------------------------------------------------------------ */

/* n-grams of n tokens: tokens [*from, *to) of the pool. */
static void
tfidf_range(const tfidf_attr_t *at, int64_t n, int64_t *from, int64_t *to)
{
    const int64_t  *start = maas_list_ints(at, &at->start);

    *from = start[n - 1];
    *to = n < at->start.n ? start[n] : (int64_t) at->ints.n + at->strings.n;
}


static int64_t
tfidf_columns(const tfidf_attr_t *at)
{
    int64_t         columns = 0;
    const int64_t  *index = maas_list_ints(at, &at->index);

    for (uint32_t i = 0; i < at->index.n; i++) {
        columns = maas_max(columns, index[i] + 1);
    }

    return columns;
}


/* -- inference ----------------------------------------------------------- */

static maas_status_t
tfidf_check(maas_infer_t *c)
{
    int64_t              from, to, total = 0;
    const int64_t       *index;
    const tfidf_attr_t  *at = c->attr;

    if (at->min > at->max || at->max > at->start.n) {
        return maas_err(c->err, MAAS_EINVAL,
                        "n-grams of %lld to %lld tokens are asked for; "
                        "'ngram_counts' has %u values", (long long) at->min,
                        (long long) at->max, at->start.n);
    }

    if (maas_list_ints(at, &at->start)[0] != 0) {
        return maas_err(c->err, MAAS_EINVAL, "ngram_counts[0] is not 0");
    }

    for (int64_t n = 1; n <= at->start.n; n++) {
        tfidf_range(at, n, &from, &to);

        if (from < 0 || to < from
            || to > (int64_t) at->ints.n + at->strings.n
            || (to - from) % n != 0)
        {
            return maas_err(c->err, MAAS_EINVAL,
                            "the pool's %lld-grams are tokens %lld to %lld, "
                            "which does not make whole ones", (long long) n,
                            (long long) from, (long long) to);
        }

        total += (to - from) / n;
    }

    if (total != at->index.n
        || (at->weights.n != 0 && at->weights.n != at->index.n))
    {
        return maas_err(c->err, MAAS_EINVAL,
                        "'ngram_indexes' and 'weights' have %u and %u values "
                        "for %lld n-grams", at->index.n, at->weights.n,
                        (long long) total);
    }

    index = maas_list_ints(at, &at->index);

    for (uint32_t i = 0; i < at->index.n; i++) {
        if (index[i] < 0 || index[i] >= 1 << 30) {
            return maas_err(c->err, MAAS_EINVAL, "ngram_indexes[%u] is %lld",
                            i, (long long) index[i]);
        }
    }

    return MAAS_OK;
}


static maas_status_t
tfidf_infer(maas_infer_t *c)
{
    bool                 text = c->in[0].type->dtype == MAAS_STRING;
    maas_dim_t           dims[2];
    const maas_type_t   *x = c->in[0].type;
    const tfidf_attr_t  *at = c->attr;

    if ((at->ints.n == 0) == (at->strings.n == 0)
        || text != (at->strings.n != 0))
    {
        return maas_err(c->err, MAAS_EINVAL,
                        "the input is %s: attribute '%s' alone is expected",
                        maas_dtype_name(x->dtype),
                        text ? "pool_strings" : "pool_int64s");
    }

    if (x->rank != 1 && x->rank != 2) {
        return maas_err(c->err, MAAS_EINVAL, "the input has rank %d; "
                        "expected [tokens] or [rows, tokens]", x->rank);
    }

    MAAS_TRY(tfidf_check(c));

    dims[0] = x->dims[0];
    dims[x->rank - 1] = tfidf_columns(at);
    maas_infer_set(c, 0, MAAS_F32, x->rank, dims);
    return MAAS_OK;
}


/* -- the table ----------------------------------------------------------- */

/* Slots hold the place of an n-gram in the pool + 1. */
typedef struct {
    const tfidf_attr_t   *at;
    const maas_tensor_t  *x;
    uint64_t             *hash;     /* of each token of the row */
    uint32_t             *slot;
    uint32_t              mask;
    int64_t               row;      /* element of the row's first token */
    int64_t               cols;
    int64_t               from;     /* n-grams of the length at hand */
    int64_t               to;
} tfidf_t;


static uint64_t
tfidf_token(const tfidf_attr_t *at, int64_t i)
{
    if (at->strings.n != 0) {
        return maas_ml_hash(maas_list_strings(at, &at->strings,
                                              (uint32_t) i));
    }

    return maas_ml_mix(0, (uint64_t) maas_list_ints(at, &at->ints)[i]);
}


static int64_t
tfidf_int(const maas_tensor_t *x, int64_t i)
{
    return x->dtype == MAAS_I32 ? ((const int32_t *) x->data)[i]
                                : ((const int64_t *) x->data)[i];
}


static void
tfidf_build(tfidf_t *t)
{
    int64_t              from, to;
    uint64_t             h;
    const tfidf_attr_t  *at = t->at;

    memset(t->slot, 0, ((size_t) t->mask + 1) * sizeof(uint32_t));

    for (int64_t n = at->min; n <= at->max; n++) {
        tfidf_range(at, n, &from, &to);

        for (int64_t i = from; i < to; i += n) {
            h = (uint64_t) n;

            for (int64_t j = 0; j < n; j++) {
                h = maas_ml_mix(h, tfidf_token(at, i + j));
            }

            while (t->slot[h & t->mask] != 0) {
                h++;
            }

            t->slot[h & t->mask] = (uint32_t) i + 1;
        }
    }
}


/* Is the n-gram at `place` of the pool the one at `start` of the row? */
static bool
tfidf_same(const tfidf_t *t, int64_t place, int64_t start, int64_t n,
    int64_t step)
{
    int64_t              k;
    const tfidf_attr_t  *at = t->at;

    if (place < t->from || place >= t->to) {
        return false;
    }

    for (int64_t j = 0; j < n; j++) {
        k = t->row + start + j * step;

        if (at->strings.n != 0
            ? !maas_str_eq(maas_tensor_str(t->x, k),
                           maas_list_strings(at, &at->strings,
                                             (uint32_t) (place + j)))
            : tfidf_int(t->x, k) != maas_list_ints(at, &at->ints)[place + j])
        {
            return false;
        }
    }

    return true;
}


/* One more of n-gram `id` in its column. */
static inline void
tfidf_add(const tfidf_attr_t *at, int64_t id, float *y)
{
    float  w = 1;

    if (at->mode != TFIDF_TF && at->weights.n != 0) {
        w = maas_list_floats(at, &at->weights)[id];
    }

    *y = at->mode == TFIDF_IDF ? w : *y + w;
}


/* n-grams of n tokens, `step` apart; `base`: number of the first one. */
static void
tfidf_count(const tfidf_t *t, int64_t n, int64_t step, int64_t base, float *y)
{
    int64_t              id, place;
    uint64_t             h;
    const tfidf_attr_t  *at = t->at;
    const int64_t       *index = maas_list_ints(at, &at->index);

    for (int64_t i = 0; i + (n - 1) * step < t->cols; i++) {
        h = (uint64_t) n;

        for (int64_t j = 0; j < n; j++) {
            h = maas_ml_mix(h, t->hash[i + j * step]);
        }

        for (; t->slot[h & t->mask] != 0; h++) {
            place = (int64_t) t->slot[h & t->mask] - 1;

            if (tfidf_same(t, place, i, n, step)) {
                id = base + (place - t->from) / n;
                tfidf_add(at, id, &y[index[id]]);
                break;
            }
        }
    }
}


static void
tfidf_row(tfidf_t *t, float *y)
{
    int64_t              base = 0;
    const tfidf_attr_t  *at = t->at;

    for (int64_t i = 0; i < t->cols; i++) {
        t->hash[i] = at->strings.n != 0
                     ? maas_ml_hash(maas_tensor_str(t->x, t->row + i))
                     : maas_ml_mix(0, (uint64_t) tfidf_int(t->x, t->row + i));
    }

    for (int64_t n = 1; n <= at->max; n++) {
        tfidf_range(at, n, &t->from, &t->to);

        for (int64_t step = 1; n >= at->min && step <= at->skip + 1; step++) {
            tfidf_count(t, n, step, base, y);

            if (n == 1 || (n - 1) * step >= t->cols) {
                break;
            }
        }

        base += (t->to - t->from) / n;
    }
}


/* -- the operator -------------------------------------------------------- */

static bool
tfidf_setup(maas_setup_t *u)
{
    size_t               hashes;
    const tfidf_attr_t  *at = u->attr;

    hashes = (size_t) u->in[0].dims[u->in[0].rank - 1] * sizeof(uint64_t);
    u->scratch = hashes + maas_ml_slots(at->index.n) * sizeof(uint32_t);
    u->cost = 100 + 20.0 * at->index.n
              + 20.0 * (double) maas_tensor_count(&u->in[0])
                * (double) (at->max * (at->skip + 1));
    return true;
}


static maas_status_t
tfidf_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    float    *y = s->out[0].data;
    tfidf_t   t = { .at = s->attr, .x = &s->in[0], .hash = slot->scratch };
    int64_t   rows = maas_ml_count(&s->in[0]), columns;

    (void) first;
    (void) last;

    columns = s->out[0].dims[s->out[0].rank - 1];
    t.cols = s->in[0].dims[s->in[0].rank - 1];
    t.slot = (uint32_t *) (t.hash + t.cols);
    t.mask = maas_ml_slots(t.at->index.n) - 1;
    tfidf_build(&t);
    memset(y, 0, (size_t) (rows * columns) * sizeof(float));

    for (int64_t i = 0; i < rows; i++, y += columns) {
        t.row = i * t.cols;
        tfidf_row(&t, y);
    }

    return MAAS_OK;
}


static const maas_kernel_row_t  tfidf_kernel[] = {
    { "tfidf.hash", MAAS_CPU_REF, 0, 0, tfidf_setup, tfidf_run }
};

static const maas_formal_t  tfidf_in[] = {
    { "X", MAAS_D(I32) | MAAS_D(I64) | MAAS_D(STRING), 0, 0 }
};

static const maas_formal_t  tfidf_out[] = { { "Y", MAAS_D(F32), 0, 0 } };

#define TFIDF_INTS  "min_gram_length=1 max_gram_length=2 "                    \
                    "ngram_counts=[0,3] ngram_indexes=[0,2,1,4,3] "           \
                    "pool_int64s=[1,2,-3,1,2,3,3] "
#define TFIDF_TEXT  "min_gram_length=2 max_gram_length=2 max_skip_count=1 "   \
                    "ngram_counts=[0,1] ngram_indexes=[0,1,2] "               \
                    "pool_strings=[a,a,bc,maas,a] "

static const maas_case_t  tfidf_cases[] = {
    { TFIDF_INTS "max_skip_count=2 mode=TF | i64[3,33]", NULL },
    { TFIDF_INTS "max_skip_count=0 mode=IDF | i32[17]", NULL },
    { TFIDF_INTS "max_skip_count=5 mode=TFIDF weights=[1,2,3,4,5] "
      "| i64[2,9]", NULL },
    { TFIDF_TEXT "mode=TF | str[4,19]", NULL },
    { TFIDF_TEXT "mode=IDF weights=[0.5,2,3] | str[40]", NULL },
    { TFIDF_TEXT "mode=TF | str[2,0]", NULL },
    { TFIDF_INTS "max_skip_count=2 mode=TF | i64[0,3]", NULL },
    { NULL, NULL }
};

static const maas_case_t  tfidf_bad[] = {
    { TFIDF_TEXT "mode=TF | i64[3]", "'pool_int64s' alone" },
    { TFIDF_TEXT "mode=DF | str[3]", "DF" },
    { TFIDF_TEXT "mode=TF | str[]", "rank 0" },
    { TFIDF_TEXT "mode=TF weights=[1] | str[3]", "3 and 1 values" },
    { "min_gram_length=1 max_gram_length=3 max_skip_count=0 mode=TF "
      "ngram_counts=[0,1] ngram_indexes=[0] pool_int64s=[1] | i64[3]",
      "1 to 3 tokens" },
    { "min_gram_length=1 max_gram_length=2 max_skip_count=0 mode=TF "
      "ngram_counts=[0,1] ngram_indexes=[0] pool_int64s=[1,2] | i64[3]",
      "whole ones" },
    { NULL, NULL }
};

const maas_op_t  maas_ops_tfidf[] = {

    { .name = "TfIdfVectorizer", .domain = "", .since = 9, .first = 9,
      .flags = MAAS_OP_PURE, MAAS_IO(tfidf_in, tfidf_out),
      MAAS_ATTRS(tfidf_attrs, tfidf_attr_t), .infer = tfidf_infer,
      MAAS_KERNELS(tfidf_kernel), .cases = tfidf_cases, .bad = tfidf_bad },

    { .name = NULL }
};
