/*
 * pipeline_text.c: the step that makes numbers of text by TF-IDF of its
 * words, with scikit-learn's formulas (TfidfVectorizer: idf = ln((1 + n) /
 * (1 + df)) + 1, rows of length 1); words are what blanks separate.
 *
 * Threads: one thread.
 */

#include <math.h>
#include <stdlib.h>

#include "ops/strcase.h"
#include "train/pipeline.h"


/* An empty text has no bytes to point to. */
static maas_str_t
pt_text(maas_str_t s)
{
    return s.data != NULL ? s : maas_str("");
}


typedef struct {
    bool                lowercase;
    int64_t             ngrams;
    int64_t             max_features;
    int64_t             min_df;
    maas_param_texts_t  columns;
} pt_tfidf_t;

static const maas_param_t  pt_tfidf_params[] = {
    { .name = "lowercase", .type = MAAS_PARAM_BOOL, .def = 1,
      .off = offsetof(pt_tfidf_t, lowercase),
      .about = "letters count alike in both cases" },
    { .name = "ngrams", .type = MAAS_PARAM_INT, .def = 1, .min = 1, .max = 5,
      .off = offsetof(pt_tfidf_t, ngrams),
      .about = "up to so many words that follow each other are a term" },
    { .name = "max_features", .type = MAAS_PARAM_INT, .min = 0,
      .max = 10000000, .off = offsetof(pt_tfidf_t, max_features),
      .about = "the most frequent terms alone; 0: all" },
    { .name = "min_df", .type = MAAS_PARAM_INT, .def = 1, .min = 1,
      .max = 1e9, .off = offsetof(pt_tfidf_t, min_df),
      .about = "terms of fewer texts are left out" },
    { .name = "columns", .type = MAAS_PARAM_TEXTS,
      .off = offsetof(pt_tfidf_t, columns),
      .about = "which; without it all that are text" }
};

/* A term of a text: `words` words as the text has them, joined by blanks. */
typedef struct {
    maas_str_t  s;
    int         words;
    int64_t     row;
    int64_t     df, tf;         /* of the vocabulary */
    int64_t     index;
} pt_term_t;

typedef struct {
    maas_pipe_t  *c;
    maas_str_t   *text;         /* n, in their case */
    pt_term_t    *term;         /* of all texts */
    size_t        n_term, cap;
    pt_term_t    *word;         /* the vocabulary */
    int64_t       n_word;
} pt_idf_t;


static bool
pt_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}


static maas_status_t
pt_add(pt_idf_t *t, maas_str_t s, int words, int64_t row)
{
    size_t      cap = maas_max(2 * t->cap, (size_t) 1024);
    pt_term_t  *term;

    if (t->n_term == t->cap) {
        term = maas_arena_array(t->c->p->arena, cap, sizeof(*term));
        if (term == NULL) {
            return maas_err_nomem(t->c->err);
        }

        if (t->n_term != 0) {
            memcpy(term, t->term, t->n_term * sizeof(*term));
        }

        t->term = term;
        t->cap = cap;
    }

    t->term[t->n_term++] = (pt_term_t) { .s = s, .words = words, .row = row };
    return MAAS_OK;
}


/* The terms of a text whose words are parted by one blank each. */
static maas_status_t
pt_terms(pt_idf_t *t, maas_str_t s, int64_t row, int64_t ngrams)
{
    size_t  from = 0, to;
    int     words;

    while (from < s.len) {
        to = from;

        for (words = 1; words <= ngrams && to < s.len; words++) {
            to += to > from;

            while (to < s.len && s.data[to] != ' ') {
                to++;
            }

            MAAS_TRY(pt_add(t, (maas_str_t) { s.data + from, to - from },
                            words, row));
        }

        while (from < s.len && s.data[from] != ' ') {
            from++;
        }

        from++;
    }

    return MAAS_OK;
}


/* A copy in its case, one blank between words. */
static maas_status_t
pt_clean(pt_idf_t *t, maas_str_t in, bool lower, maas_str_t *out)
{
    char    *s;
    size_t   n = 0;

    in = pt_text(in);
    s = maas_arena_alloc(t->c->p->arena, in.len + 1);
    if (s == NULL) {
        return maas_err_nomem(t->c->err);
    }

    for (size_t i = 0; i < in.len; i++) {
        if (!pt_blank(in.data[i])) {
            s[n++] = in.data[i];

        } else if (n > 0 && s[n - 1] != ' ') {
            s[n++] = ' ';
        }
    }

    n -= n > 0 && s[n - 1] == ' ';
    *out = (maas_str_t) { s, lower ? maas_str_case(s, (maas_str_t) { s, n },
                                                   false) : n };
    return MAAS_OK;
}


static int
pt_term_order(const void *a, const void *b)
{
    const pt_term_t  *x = a, *y = b;
    int               d = maas_pipe_order(x->s, y->s);

    return d != 0 ? d : (x->row > y->row) - (x->row < y->row);
}


static int
pt_word_order(const void *a, const void *b)
{
    const pt_term_t  *x = a, *y = b;

    return maas_pipe_order(x->s, y->s);
}


/* The most frequent first; of equal ones in the order of their bytes. */
static int
pt_frequent(const void *a, const void *b)
{
    const pt_term_t  *x = a, *y = b;

    return x->tf != y->tf ? (x->tf < y->tf) - (x->tf > y->tf)
                          : pt_word_order(a, b);
}


static maas_status_t
pt_vocabulary(pt_idf_t *t, const pt_tfidf_t *at)
{
    int64_t     n = 0;
    pt_term_t  *w = NULL, *term = t->term;

    qsort(term, t->n_term, sizeof(*term), pt_term_order);
    t->word = maas_arena_array(t->c->p->arena, t->n_term + 1,
                               sizeof(*t->word));
    if (t->word == NULL) {
        return maas_err_nomem(t->c->err);
    }

    for (size_t i = 0; i < t->n_term; i++) {
        if (w == NULL || maas_pipe_order(w->s, term[i].s) != 0) {
            w = &t->word[n++];
            *w = term[i];
            w->df = 1;

        } else if (term[i].row != term[i - 1].row) {
            w->df++;
        }

        w->tf++;
    }

    t->n_word = 0;

    for (int64_t i = 0; i < n; i++) {
        if (t->word[i].df >= at->min_df) {
            t->word[t->n_word++] = t->word[i];
        }
    }

    if (at->max_features != 0 && t->n_word > at->max_features) {
        qsort(t->word, t->n_word, sizeof(*t->word), pt_frequent);
        t->n_word = at->max_features;
        qsort(t->word, t->n_word, sizeof(*t->word), pt_word_order);
    }

    for (int64_t i = 0; i < t->n_word; i++) {
        t->word[i].index = i;
    }

    return MAAS_OK;
}


static double
pt_idf(const pt_idf_t *t, int64_t i)
{
    return log((1.0 + (double) t->c->p->n) / (1.0 + (double) t->word[i].df))
           + 1;
}


/* Rows of length 1. */
static void
pt_rows(const pt_idf_t *t, double *x)
{
    double      sum;
    int64_t     k = t->n_word, n = t->c->p->n;
    pt_term_t  *w;

    for (size_t i = 0; i < t->n_term; i++) {
        w = bsearch(&t->term[i], t->word, k, sizeof(*w), pt_word_order);

        if (w != NULL) {
            x[t->term[i].row * k + w->index] += pt_idf(t, w->index);
        }
    }

    for (int64_t r = 0; r < n; r++) {
        sum = 0;

        for (int64_t j = 0; j < k; j++) {
            sum += x[r * k + j] * x[r * k + j];
        }

        for (int64_t j = 0; j < k && sum > 0; j++) {
            x[r * k + j] /= sqrt(sum);
        }
    }
}


/* The pool of TfIdfVectorizer: terms of one word, of two, ... */
typedef struct {
    maas_str_t  *pool;
    int64_t      n_pool;
    int64_t     *index;
    float       *weight;
    int64_t      n;
    int64_t      start[5];
} pt_pool_t;


static maas_status_t
pt_pool(const pt_idf_t *t, int64_t ngrams, pt_pool_t *p)
{
    size_t         len;
    maas_str_t     s;
    maas_arena_t  *a = t->c->p->arena;

    p->pool = maas_arena_array(a, t->n_word * ngrams + 1, sizeof(*p->pool));
    p->index = maas_arena_array(a, t->n_word + 1, sizeof(*p->index));
    p->weight = maas_arena_array(a, t->n_word + 1, sizeof(*p->weight));
    if (p->pool == NULL || p->index == NULL || p->weight == NULL) {
        return maas_err_nomem(t->c->err);
    }

    for (int words = 1; words <= ngrams; words++) {
        p->start[words - 1] = p->n_pool;

        for (int64_t i = 0; i < t->n_word; i++) {
            if (t->word[i].words != words) {
                continue;
            }

            p->index[p->n] = i;
            p->weight[p->n++] = (float) pt_idf(t, i);

            for (s = t->word[i].s; s.len != 0; ) {
                for (len = 0; len < s.len && s.data[len] != ' '; len++) {
                    /* void */
                }

                p->pool[p->n_pool++] = (maas_str_t) { s.data, len };
                len += len < s.len;
                s.data += len;
                s.len -= len;
            }
        }
    }

    return MAAS_OK;
}


/* [N,1] text -> lower case -> words [N,M] -> TF-IDF -> length 1. */
static maas_status_t
pt_nodes(pt_idf_t *t, maas_pipe_block_t *b, const pt_tfidf_t *at)
{
    int64_t          flat = -1, one = 1;
    pt_pool_t        p = { 0 };
    maas_str_t       v, in[2], split[2] = { { NULL, 0 }, { NULL, 0 } };
    maas_build_t    *g = t->c->p->build;
    maas_raw_attr_t  lower, norm, attr[8];

    MAAS_TRY(pt_pool(t, at->ngrams, &p));
    maas_build_opset(g, 20);            /* StringSplit */

    in[0] = b->value;
    in[1] = maas_build_ints(g, NULL, &flat, 1, &one);
    v = maas_build_node(g, &(maas_build_node_t) { .op = "Reshape", .in = in,
                                                  .n_in = 2 });

    if (at->lowercase) {
        lower = maas_build_attr_string("case_change_action", "LOWER");
        v = maas_build_node(g, &(maas_build_node_t) {
            .op = "StringNormalizer", .in = &v, .n_in = 1, .attr = &lower,
            .n_attr = 1 });
    }

    v = maas_build_node(g, &(maas_build_node_t) {
        .op = "StringSplit", .in = &v, .n_in = 1, .out = split, .n_out = 2 });

    attr[0] = maas_build_attr_string("mode", "TFIDF");
    attr[1] = maas_build_attr_int("min_gram_length", 1);
    attr[2] = maas_build_attr_int("max_gram_length", at->ngrams);
    attr[3] = maas_build_attr_int("max_skip_count", 0);
    attr[4] = maas_build_attr_ints("ngram_counts", p.start, at->ngrams);
    attr[5] = maas_build_attr_ints("ngram_indexes", p.index, p.n);
    attr[6] = maas_build_attr_floats("weights", p.weight, p.n);
    attr[7] = maas_build_attr_strings("pool_strings", p.pool, p.n_pool);
    v = maas_build_node(g, &(maas_build_node_t) {
        .op = "TfIdfVectorizer", .in = &v, .n_in = 1, .attr = attr,
        .n_attr = 8 });

    norm = maas_build_attr_string("norm", "L2");
    b->value = maas_build_node(g, &(maas_build_node_t) {
        .op = "Normalizer", .domain = "ai.onnx.ml", .in = &v, .n_in = 1,
        .attr = &norm, .n_attr = 1 });

    return MAAS_OK;
}


static maas_status_t
pt_tfidf_fit(pt_idf_t *t, maas_pipe_block_t *b)
{
    size_t             bytes;
    maas_str_t        *name, clean = maas_str("");
    maas_pipe_t       *c = t->c;
    const pt_tfidf_t  *at = c->param;

    for (int64_t r = 0; r < c->p->n; r++) {
        MAAS_TRY(pt_clean(t, b->s[r], at->lowercase, &clean));
        MAAS_TRY(pt_terms(t, clean, r, at->ngrams));
    }

    MAAS_TRY(pt_vocabulary(t, at));

    if (t->n_word == 0) {
        return maas_err(c->err, MAAS_EINVAL, "%s: column \"%.*s\" has no "
                        "term to learn from", c->where,
                        (int) maas_min(b->name[0].len, 64), b->name[0].data);
    }

    if (!maas_mul_size((size_t) c->p->n * sizeof(double), t->n_word, &bytes))
    {
        return maas_err_nomem(c->err);
    }

    b->x = maas_arena_alloc(c->p->arena, bytes + 1);
    name = maas_arena_array(c->p->arena, t->n_word, sizeof(*name));
    if (b->x == NULL || name == NULL) {
        return maas_err_nomem(c->err);
    }

    memset(b->x, 0, bytes);
    pt_rows(t, b->x);

    for (int64_t i = 0; i < t->n_word; i++) {
        name[i] = maas_pipe_name(c->p->arena, b->name[0], t->word[i].s);
    }

    MAAS_TRY(pt_nodes(t, b, at));
    b->text = false;
    b->s = NULL;
    b->name = name;
    b->width = t->n_word;

    return MAAS_OK;
}


static maas_status_t
pt_tfidf(maas_pipe_t *c)
{
    bool               any = false;
    pt_idf_t           t;
    const pt_tfidf_t  *at = c->param;

    MAAS_TRY(maas_pipe_named(c, &at->columns, true, false));

    for (int i = 0; i < c->n_block; i++) {
        if (!c->block[i].text
            || !maas_pipe_takes(&at->columns, c->block[i].name[0]))
        {
            continue;
        }

        any = true;
        memset(&t, 0, sizeof(t));
        t.c = c;
        MAAS_TRY(pt_tfidf_fit(&t, &c->block[i]));
    }

    return any ? MAAS_OK
           : maas_err(c->err, MAAS_EINVAL, "%s: no feature is text at this "
                      "point", c->where);
}


const maas_pipe_row_t  maas_pipe_text_rows[] = {
    { .name = "tfidf", .about = "a column for each term, by its frequency "
                                "and rarity",
      MAAS_PARAMS(pt_tfidf_params, pt_tfidf_t), .fit = pt_tfidf },
    { .name = NULL }
};
