/*
 * pipeline_one_hot.c: the step that makes a column of each value: of text,
 * and of whole numbers where they are named.  It is written as a
 * OneHotEncoder, for which a value that was not learned is all zeros.
 *
 * Ownership: values and names lie in the arena of the pipeline.
 * Threads:   one thread.
 */

#include <math.h>
#include <stdlib.h>

#include "train/pipeline.h"


typedef struct {
    maas_param_texts_t  columns;
} po_one_hot_t;

static const maas_param_t  po_one_hot_params[] = {
    { .name = "columns", .type = MAAS_PARAM_TEXTS,
      .off = offsetof(po_one_hot_t, columns),
      .about = "which; without it all that are text; columns of whole "
               "numbers may be named too" }
};


static int
po_str_order(const void *a, const void *b)
{
    return maas_pipe_order(*(const maas_str_t *) a, *(const maas_str_t *) b);
}


static int
po_int_order(const void *a, const void *b)
{
    int64_t  x = *(const int64_t *) a, y = *(const int64_t *) b;

    return (x > y) - (x < y);
}


static maas_status_t
po_limit(const maas_pipe_t *c, int64_t n, maas_str_t name)
{
    if (n > MAAS_DATASET_CLASSES) {
        return maas_err(c->err, MAAS_ELIMIT, "%s: column \"%.*s\" has more "
                        "than %d values", c->where,
                        (int) maas_min(name.len, 64), name.data,
                        MAAS_DATASET_CLASSES);
    }

    return MAAS_OK;
}


/* [N,1] with k values through OneHotEncoder: [N,1,k], then [N,k]. */
static void
po_encoder(maas_pipe_t *c, maas_pipe_block_t *b, const maas_raw_attr_t *cats)
{
    maas_str_t       v;
    maas_raw_attr_t  axis = maas_build_attr_int("axis", 1);

    v = maas_build_node(c->p->build, &(maas_build_node_t) {
        .op = "OneHotEncoder", .domain = "ai.onnx.ml", .in = &b->value,
        .n_in = 1, .attr = cats, .n_attr = 1 });
    b->value = maas_build_node(c->p->build, &(maas_build_node_t) {
        .op = "Flatten", .in = &v, .n_in = 1, .attr = &axis, .n_attr = 1 });
}


/* The values of the column, each once and in order; v: room for all. */
static int64_t
po_values(const maas_str_t *s, int64_t rows, maas_str_t *v)
{
    int64_t  n = 0, k = 0;

    /* A missing value is a row of zeros. */
    for (int64_t r = 0; r < rows; r++) {
        if (s[r].len != 0) {
            v[k++] = s[r];
        }
    }

    qsort(v, k, sizeof(*v), po_str_order);

    for (int64_t i = 0; i < k; i++) {
        if (n == 0 || maas_pipe_order(v[n - 1], v[i]) != 0) {
            v[n++] = v[i];
        }
    }

    return n;
}


maas_status_t
maas_pipe_one_hot(maas_pipe_t *c, int block)
{
    int64_t             k;
    maas_str_t         *v, *name, *at, old;
    maas_arena_t       *a = c->p->arena;
    maas_raw_attr_t     cats;
    maas_pipe_block_t  *b = &c->block[block];

    v = maas_arena_array(a, c->p->n + 1, sizeof(*v));
    if (v == NULL) {
        return maas_err_nomem(c->err);
    }

    k = po_values(b->s, c->p->n, v);
    old = b->name[0];
    MAAS_TRY(po_limit(c, k, old));
    name = maas_arena_array(a, k + 1, sizeof(*name));
    b->x = maas_arena_array(a, (size_t) (c->p->n * k) + 1, sizeof(double));
    if (name == NULL || b->x == NULL) {
        return maas_err_nomem(c->err);
    }

    if (k == 0) {
        return maas_err(c->err, MAAS_EINVAL, "%s: column \"%.*s\" has no "
                        "value in any row to learn from", c->where,
                        (int) maas_min(old.len, 64), old.data);
    }

    for (int64_t r = 0; r < c->p->n; r++) {
        at = b->s[r].len == 0 ? NULL
             : bsearch(&b->s[r], v, k, sizeof(*v), po_str_order);

        if (at != NULL) {
            b->x[r * k + (at - v)] = 1;
        }
    }

    for (int64_t i = 0; i < k; i++) {
        name[i] = maas_pipe_name(a, old, v[i]);
    }

    cats = maas_build_attr_strings("cats_strings", v, k);
    po_encoder(c, b, &cats);
    b->text = false;
    b->s = NULL;
    b->name = name;
    b->width = k;

    return MAAS_OK;
}


/* Column j of a block of numbers becomes a block of its own. */
static maas_status_t
po_take(maas_pipe_t *c, int block, int64_t j)
{
    int64_t             n = c->p->n, w = c->block[block].width, one = 1;
    int64_t            *keep, m = 0;
    maas_str_t          in[2], *name;
    maas_raw_attr_t     axis = maas_build_attr_int("axis", 1);
    maas_pipe_block_t  *b, *from;

    b = maas_pipe_add(c);
    keep = maas_arena_array(c->p->arena, w, sizeof(*keep));
    name = maas_arena_array(c->p->arena, w, sizeof(*name));
    if (b == NULL || keep == NULL || name == NULL) {
        return maas_err_nomem(c->err);
    }

    from = &c->block[block];
    b->width = 1;
    b->name = &from->name[j];
    b->x = maas_arena_array(c->p->arena, n + 1, sizeof(double));
    if (b->x == NULL) {
        return maas_err_nomem(c->err);
    }

    in[0] = from->value;
    in[1] = maas_build_ints(c->p->build, NULL, &j, 1, &one);
    b->value = maas_build_node(c->p->build, &(maas_build_node_t) {
        .op = "Gather", .in = in, .n_in = 2, .attr = &axis, .n_attr = 1 });

    for (int64_t i = 0; i < w; i++) {
        if (i != j) {
            name[m] = from->name[i];
            keep[m++] = i;
        }
    }

    in[1] = maas_build_ints(c->p->build, NULL, keep, 1, &m);
    from->value = maas_build_node(c->p->build, &(maas_build_node_t) {
        .op = "Gather", .in = in, .n_in = 2, .attr = &axis, .n_attr = 1 });

    for (int64_t r = 0; r < n; r++) {
        b->x[r] = from->x[r * w + j];

        for (int64_t i = 0; i < m; i++) {
            from->x[r * m + i] = from->x[r * w + keep[i]];
        }
    }

    from->name = name;
    from->width = m;
    return MAAS_OK;
}


/* The *m values of a column of whole numbers, each once and in order. */
static maas_status_t
po_whole(const maas_pipe_t *c, const maas_pipe_block_t *b, int64_t *v,
    int64_t *m)
{
    int64_t  k = 0;

    for (int64_t r = 0; r < c->p->n; r++) {
        if (isnan(b->x[r])) {
            continue;
        }

        if (b->x[r] != rint(b->x[r]) || fabs(b->x[r]) > 16777216) {
            return maas_err(c->err, MAAS_EINVAL, "%s: column \"%.*s\" has "
                            "the value %.9g: text or whole numbers up to "
                            "2^24 are expected", c->where,
                            (int) maas_min(b->name[0].len, 64),
                            b->name[0].data, b->x[r]);
        }

        v[k++] = (int64_t) b->x[r];
    }

    qsort(v, k, sizeof(*v), po_int_order);
    *m = 0;

    for (int64_t i = 0; i < k; i++) {
        if (*m == 0 || v[*m - 1] != v[i]) {
            v[(*m)++] = v[i];
        }
    }

    return MAAS_OK;
}


/* A block of one column of whole numbers. */
static maas_status_t
po_integers(maas_pipe_t *c, maas_pipe_block_t *b)
{
    int64_t           n = c->p->n, m = 0, *v, key, *at;
    double           *x;
    char              text[24];
    maas_str_t       *name;
    maas_raw_attr_t   cats;

    v = maas_arena_array(c->p->arena, n + 1, sizeof(*v));
    if (v == NULL) {
        return maas_err_nomem(c->err);
    }

    MAAS_TRY(po_whole(c, b, v, &m));
    MAAS_TRY(po_limit(c, m, b->name[0]));
    x = maas_arena_array(c->p->arena, (size_t) (n * m) + 1, sizeof(*x));
    name = maas_arena_array(c->p->arena, m + 1, sizeof(*name));
    if (x == NULL || name == NULL) {
        return maas_err_nomem(c->err);
    }

    for (int64_t r = 0; r < n; r++) {
        key = isnan(b->x[r]) ? 0 : (int64_t) b->x[r];
        at = bsearch(&key, v, m, sizeof(*v), po_int_order);

        if (!isnan(b->x[r]) && at != NULL) {
            x[r * m + (at - v)] = 1;
        }
    }

    for (int64_t i = 0; i < m; i++) {
        key = snprintf(text, sizeof(text), "%lld", (long long) v[i]);
        name[i] = maas_pipe_name(c->p->arena, b->name[0],
                                 (maas_str_t) { text, (size_t) key });
    }

    cats = maas_build_attr_ints("cats_int64s", v, m);
    po_encoder(c, b, &cats);
    b->x = x;
    b->name = name;
    b->width = m;

    return MAAS_OK;
}


static maas_status_t
po_one_hot_numbers(maas_pipe_t *c, const maas_param_texts_t *columns)
{
    for (int i = 0; i < c->n_block; i++) {
        for (int64_t j = 0; !c->block[i].text && j < c->block[i].width; ) {

            if (columns->n == 0
                || !maas_pipe_takes(columns, c->block[i].name[j]))
            {
                j++;
                continue;
            }

            if (c->block[i].width == 1) {
                MAAS_TRY(po_integers(c, &c->block[i]));
                break;
            }

            MAAS_TRY(po_take(c, i, j));
            MAAS_TRY(po_integers(c, &c->block[c->n_block - 1]));
        }
    }

    return MAAS_OK;
}


static maas_status_t
po_one_hot(maas_pipe_t *c)
{
    int                  n = c->n_block;
    const po_one_hot_t  *at = c->param;

    MAAS_TRY(maas_pipe_named(c, &at->columns, true, at->columns.n != 0));
    MAAS_TRY(po_one_hot_numbers(c, &at->columns));

    for (int i = 0; i < n; i++) {
        if (c->block[i].text
            && maas_pipe_takes(&at->columns, c->block[i].name[0]))
        {
            MAAS_TRY(maas_pipe_one_hot(c, i));
        }
    }

    return MAAS_OK;
}


const maas_pipe_row_t  maas_pipe_category_rows[] = {
    { .name = "one_hot", .about = "a column for each value; a value that was "
                                  "not learned, or is missing, is all zeros",
      MAAS_PARAMS(po_one_hot_params, po_one_hot_t), .fit = po_one_hot },
    { .name = NULL }
};
