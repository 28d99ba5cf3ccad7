/*
 * pipeline.c: blocks, steps in their order, and the model's inputs.  See
 * pipeline.h; the steps are in pipeline_number.c and pipeline_text.c.
 *
 * Ownership: everything lies in the arena.
 * Threads:   one thread, which may be a member of the team.
 */

#include <math.h>
#include <stdio.h>

#include "graph/import.h"
#include "train/pipeline.h"



/* -- blocks -------------------------------------------------------------- */

maas_pipe_block_t *
maas_pipe_add(maas_pipe_t *c)
{
    int                 cap;
    maas_pipe_block_t  *b;

    if (c->n_block == c->cap_block) {
        cap = maas_max(16, 2 * c->cap_block);
        b = maas_arena_array(c->p->arena, cap, sizeof(*b));
        if (b == NULL) {
            (void) maas_err_nomem(c->err);
            return NULL;
        }

        if (c->n_block != 0) {
            memcpy(b, c->block, c->n_block * sizeof(*b));
        }

        c->block = b;
        c->cap_block = cap;
    }

    b = &c->block[c->n_block++];
    memset(b, 0, sizeof(*b));
    return b;
}


bool
maas_pipe_takes(const maas_param_texts_t *columns, maas_str_t name)
{
    for (size_t i = 0; i < columns->n; i++) {
        if (maas_str_eq(columns->v[i], name)) {
            return true;
        }
    }

    return columns->n == 0;
}


static bool
pipe_has(const maas_pipe_t *c, maas_str_t name, bool text, bool number,
    maas_near_t *near)
{
    bool                      found = false;
    const maas_pipe_block_t  *b;

    for (int i = 0; i < c->n_block; i++) {
        b = &c->block[i];

        if (!(b->text ? text : number)) {
            continue;
        }

        for (int64_t j = 0; j < b->width; j++) {
            found = found || maas_str_eq(b->name[j], name);
            maas_near(near, b->name[j]);
        }
    }

    return found;
}


maas_status_t
maas_pipe_named(const maas_pipe_t *c, const maas_param_texts_t *columns,
    bool text, bool number)
{
    char         tail[MAAS_NEAR_TEXT];
    maas_near_t  near;

    for (size_t i = 0; i < columns->n; i++) {
        near = (maas_near_t) { .word = columns->v[i] };

        if (!pipe_has(c, columns->v[i], text, number, &near)) {
            return maas_err(c->err, MAAS_EINVAL, "%s: there is no %s \"%.*s\""
                            " at this point%s", c->where,
                            text && number ? "column"
                            : text ? "column of text" : "column of numbers",
                            (int) maas_min(columns->v[i].len, 64),
                            columns->v[i].data, maas_near_text(&near, tail));
        }
    }

    return MAAS_OK;
}


/* -- the data ------------------------------------------------------------ */

static bool
pipe_is_text(const maas_column_t *c)
{
    return c->kind == MAAS_COL_CATEGORY || c->kind == MAAS_COL_TEXT;
}


/* "name", or "name[3]" of a tensor. */
static maas_str_t
pipe_name(maas_arena_t *a, const maas_column_t *c, size_t i)
{
    int   n;
    char  tail[24];
    char *s;

    if (c->kind != MAAS_COL_TENSOR) {
        return c->name;
    }

    n = snprintf(tail, sizeof(tail), "[%zu]", i);
    s = maas_arena_alloc(a, c->name.len + n + 1);
    if (s == NULL) {
        return c->name;
    }

    memcpy(s, c->name.data, c->name.len);
    memcpy(s + c->name.len, tail, n);
    return (maas_str_t) { s, c->name.len + n };
}


/* All features that are numbers, side by side. */
static maas_status_t
pipe_numbers(maas_pipe_t *c)
{
    int                  n = 0, *column;
    size_t               width, at = 0;
    maas_str_t          *name;
    maas_pipeline_t     *p = c->p;
    maas_pipe_block_t   *b;
    const maas_column_t *col;

    column = maas_arena_array(p->arena, p->n_column + 1, sizeof(int));
    if (column == NULL) {
        return maas_err_nomem(c->err);
    }

    for (int i = 0; i < p->n_column; i++) {
        if (!pipe_is_text(maas_dataset_column(p->ds, p->column[i]))) {
            column[n++] = p->column[i];
        }
    }

    if (n == 0) {
        return MAAS_OK;
    }

    width = maas_dataset_width(p->ds, column, n);
    b = maas_pipe_add(c);
    name = maas_arena_array(p->arena, width + 1, sizeof(*name));
    if (b == NULL || name == NULL) {
        return maas_err_nomem(c->err);
    }

    for (int i = 0; i < n; i++) {
        col = maas_dataset_column(p->ds, column[i]);

        for (size_t j = 0; j < col->width; j++) {
            name[at++] = pipe_name(p->arena, col, j);
        }
    }

    b->width = (int64_t) width;
    b->name = name;
    b->x = maas_arena_array(p->arena, (size_t) p->n * width + 1,
                            sizeof(double));
    if (b->x == NULL) {
        return maas_err_nomem(c->err);
    }

    return maas_dataset_numbers(p->ds, column, n, &p->rows, b->x, width,
                                c->err);
}


static maas_status_t
pipe_texts(maas_pipe_t *c)
{
    maas_pipeline_t     *p = c->p;
    maas_pipe_block_t   *b;
    const maas_column_t *col;

    for (int i = 0; i < p->n_column; i++) {
        col = maas_dataset_column(p->ds, p->column[i]);

        if (!pipe_is_text(col)) {
            continue;
        }

        b = maas_pipe_add(c);
        if (b == NULL) {
            return c->err->status;
        }

        b->text = true;
        b->width = 1;
        b->name = &col->name;
        b->s = maas_arena_array(p->arena, p->n + 1, sizeof(maas_str_t));
        if (b->s == NULL) {
            return maas_err_nomem(c->err);
        }

        MAAS_TRY(maas_dataset_texts(p->ds, p->column[i], &p->rows, b->s,
                                    c->err));
    }

    return MAAS_OK;
}


/* -- the model's inputs -------------------------------------------------- */

/* A name as the column has it, with a 0 behind. */
static const char *
pipe_cstr(maas_pipe_t *c, maas_str_t s)
{
    char  *p = maas_arena_alloc(c->p->arena, s.len + 1);

    if (p == NULL) {
        return "";
    }

    memcpy(p, s.data, s.len);
    p[s.len] = '\0';
    return p;
}


static maas_status_t
pipe_inputs_each(maas_pipe_t *c)
{
    int                  n = 0;
    int64_t              dims[] = { -1, 1 };
    maas_str_t          *part, v;
    maas_raw_attr_t      axis = maas_build_attr_int("axis", 1);
    maas_pipe_block_t   *text = c->block;
    maas_pipeline_t     *p = c->p;
    const maas_column_t *col;

    part = maas_arena_array(p->arena, p->n_column, sizeof(*part));
    if (part == NULL) {
        return maas_err_nomem(c->err);
    }

    for (int i = 0; i < p->n_column; i++) {
        col = maas_dataset_column(p->ds, p->column[i]);
        dims[1] = (int64_t) col->width;
        v = maas_build_input(p->build, pipe_cstr(c, col->name),
                             pipe_is_text(col) ? MAAS_STRING : MAAS_F32, 2,
                             dims);

        if (!pipe_is_text(col)) {
            part[n++] = v;
            continue;
        }

        while (!text->text) {
            text++;
        }

        (text++)->value = v;
    }

    if (n == 0) {
        return MAAS_OK;
    }

    /* The block of numbers is the first. */
    c->block[0].value = n == 1 ? part[0]
        : maas_build_node(p->build, &(maas_build_node_t) {
              .op = "Concat", .in = part, .n_in = n, .attr = &axis,
              .n_attr = 1 });

    return MAAS_OK;
}


static maas_status_t
pipe_begin(maas_pipe_t *c)
{
    int64_t           dims[] = { -1, 0 };
    maas_pipeline_t  *p = c->p;

    p->n = p->rows.n;
    MAAS_TRY(pipe_numbers(c));
    MAAS_TRY(pipe_texts(c));

    if (c->n_block == 0) {
        return maas_err(c->err, MAAS_EINVAL, "there are no features");
    }

    p->matrix = c->n_block == 1 && !c->block[0].text;

    if (!p->matrix) {
        return pipe_inputs_each(c);
    }

    dims[1] = c->block[0].width;
    c->block[0].value = maas_build_input(p->build, "X", MAAS_F32, 2, dims);
    p->input = c->block[0].name;
    p->n_input = c->block[0].width;

    return MAAS_OK;
}


/* -- the end ------------------------------------------------------------- */

/* Every block stands side by side in one. */
static maas_status_t
pipe_join(maas_pipe_t *c)
{
    double           *x;
    int64_t           width = 0, at = 0;
    maas_str_t       *name, *part;
    maas_raw_attr_t   axis = maas_build_attr_int("axis", 1);
    maas_pipeline_t  *p = c->p;

    for (int i = 0; i < c->n_block; i++) {
        width += c->block[i].width;
    }

    if (c->n_block == 1) {
        return MAAS_OK;
    }

    x = maas_arena_array(p->arena, (size_t) (p->n * width) + 1, sizeof(*x));
    name = maas_arena_array(p->arena, width + 1, sizeof(*name));
    part = maas_arena_array(p->arena, c->n_block, sizeof(*part));
    if (x == NULL || name == NULL || part == NULL) {
        return maas_err_nomem(c->err);
    }

    for (int i = 0; i < c->n_block; i++) {
        maas_pipe_block_t  *b = &c->block[i];

        part[i] = b->value;
        memcpy(name + at, b->name, b->width * sizeof(*name));

        for (int64_t r = 0; r < p->n; r++) {
            memcpy(x + r * width + at, b->x + r * b->width,
                   (size_t) b->width * sizeof(double));
        }

        at += b->width;
    }

    c->block[0] = (maas_pipe_block_t) {
        .width = width, .x = x, .name = name,
        .value = maas_build_node(p->build, &(maas_build_node_t) {
            .op = "Concat", .in = part, .n_in = c->n_block, .attr = &axis,
            .n_attr = 1 })
    };
    c->n_block = 1;

    return MAAS_OK;
}


/* What is still text becomes one-hot, when it is of few values. */
static maas_status_t
pipe_encode(maas_pipe_t *c)
{
    int                   column;
    const maas_column_t  *col;

    for (int i = 0; i < c->n_block; i++) {
        if (!c->block[i].text) {
            continue;
        }

        MAAS_TRY(maas_dataset_find(c->p->ds, c->block[i].name[0], &column,
                                   c->err));
        col = maas_dataset_column(c->p->ds, column);

        if (col->kind != MAAS_COL_CATEGORY) {
            return maas_err(c->err, MAAS_EINVAL, "column \"%.*s\" is text: a "
                            "step \"tfidf\" or \"one_hot\" of the pipeline "
                            "must encode it, or \"features\" leave it out"
                            "%s%.*s%s",
                            (int) maas_min(col->name.len, 64),
                            col->name.data, col->note.len != 0 ? " (" : "",
                            (int) maas_min(col->note.len, 160),
                            col->note.data,
                            col->note.len != 0 ? ")" : "");
        }

        c->where = "pipeline";
        MAAS_TRY(maas_pipe_one_hot(c, i));
    }

    return pipe_join(c);
}


/* -- steps --------------------------------------------------------------- */

int
maas_pipe_order(maas_str_t a, maas_str_t b)
{
    int  d = memcmp(a.data, b.data, maas_min(a.len, b.len));

    return d != 0 ? d : (a.len > b.len) - (a.len < b.len);
}


maas_str_t
maas_pipe_name(maas_arena_t *a, maas_str_t column, maas_str_t value)
{
    char  *s = maas_arena_alloc(a, column.len + value.len + 2);

    if (s == NULL) {
        return column;
    }

    memcpy(s, column.data, column.len);
    s[column.len] = '=';
    memcpy(s + column.len + 1, value.data, value.len);
    return (maas_str_t) { s, column.len + value.len + 1 };
}


const maas_pipe_row_t *
maas_pipe_next(const maas_pipe_row_t *after)
{
    static const maas_pipe_row_t *const  lists[] = {
        maas_pipe_number_rows, maas_pipe_category_rows, maas_pipe_text_rows
    };

    if (after == NULL) {
        return lists[0];
    }

    if (after[1].name != NULL) {
        return after + 1;
    }

    for (size_t i = 0; i + 1 < maas_nelts(lists); i++) {
        for (const maas_pipe_row_t *r = lists[i]; r->name != NULL; r++) {
            if (r == after) {
                return lists[i + 1];
            }
        }
    }

    return NULL;
}


static const char *const  pipe_skip[] = { "type", NULL };


static maas_status_t
pipe_param(maas_pipe_t *c, const json_t *o, const maas_param_t *row,
    size_t n, size_t size)
{
    void  *param = maas_arena_alloc(c->p->arena, size + 1);

    if (param == NULL) {
        return maas_err_nomem(c->err);
    }

    c->param = param;
    return maas_params_parse(c->p->arena, o, row, n, pipe_skip, c->where,
                             param, c->err);
}


/* Columns that a step made are called by it: pca1, pca2, ... */
static maas_status_t
pipe_numbered(maas_pipe_t *c, const char *step, int64_t n)
{
    int          len;
    char         text[80];
    maas_str_t  *name;

    name = maas_arena_array(c->p->arena, (size_t) n + 1, sizeof(*name));
    if (name == NULL) {
        return maas_err_nomem(c->err);
    }

    for (int64_t i = 0; i < n; i++) {
        len = snprintf(text, sizeof(text), "%.50s%lld", step,
                       (long long) i + 1);
        name[i] = maas_arena_str(c->p->arena, text, (size_t) len);

        if (name[i].data == NULL) {
            return maas_err_nomem(c->err);
        }
    }

    c->block[0].name = name;
    return MAAS_OK;
}


/* An estimator that transforms: all blocks become one. */
static maas_status_t
pipe_estimator(maas_pipe_t *c, const maas_estimator_t *e, const json_t *o)
{
    maas_fit_job_t    f = { 0 };
    maas_pipeline_t  *p = c->p;

    MAAS_TRY(pipe_encode(c));
    MAAS_TRY(pipe_param(c, o, e->param, e->n_param, e->param_size));

    f.x = c->block[0].x;
    f.n = p->n;
    f.p = c->block[0].width;
    f.param = c->param;
    f.seed = p->seed;
    f.threads = p->threads;
    f.team = p->team;
    f.ranks = p->ranks;
    f.cancel = p->cancel;
    f.build = p->build;
    f.in = c->block[0].value;
    f.summary = p->summary;
    f.arena = p->arena;
    f.host = p->host;
    f.err = c->err;

    MAAS_TRY(e->fit(&f, MAAS_TASK_TRANSFORM));

    if (f.features == NULL) {
        return maas_err(c->err, MAAS_EINTERNAL, "%s gave no features",
                        e->name);
    }

    c->block[0].x = f.features;
    c->block[0].width = f.n_features;
    c->block[0].value = f.out[0];

    return pipe_numbered(c, e->name, f.n_features);
}


static maas_status_t
pipe_unknown(maas_pipe_t *c, const char *type, size_t index)
{
    char                     tail[MAAS_NEAR_TEXT];
    maas_near_t              near = { .word = { type, strlen(type) } };
    const maas_pipe_row_t   *r = NULL;
    const maas_estimator_t  *e = NULL;

    while ((r = maas_pipe_next(r)) != NULL) {
        maas_near(&near, (maas_str_t) { r->name, strlen(r->name) });
    }

    while ((e = maas_estimator_next(e)) != NULL) {
        if (e->tasks & 1u << MAAS_TASK_TRANSFORM) {
            maas_near(&near, (maas_str_t) { e->name, strlen(e->name) });
        }
    }

    return maas_err(c->err, MAAS_EINVAL, "pipeline[%zu]: there is no step "
                    "\"%.64s\"%s", index, type, maas_near_text(&near, tail));
}


static maas_status_t
pipe_step(maas_pipe_t *c, size_t index, const json_t *o)
{
    char                     where[120];
    const char              *type;
    const maas_pipe_row_t   *r = NULL;
    const maas_estimator_t  *e;

    type = json_string_value(json_object_get(o, "type"));

    if (type == NULL) {
        return maas_err(c->err, MAAS_EINVAL, "pipeline[%zu]: an object with "
                        "\"type\": \"...\" is expected", index);
    }

    snprintf(where, sizeof(where), "pipeline[%zu] (%.64s)", index, type);
    c->where = where;

    while ((r = maas_pipe_next(r)) != NULL) {
        if (strcmp(r->name, type) == 0) {
            MAAS_TRY(pipe_param(c, o, r->param, r->n_param, r->param_size));
            return r->fit(c);
        }
    }

    e = maas_estimator_find((maas_str_t) { type, strlen(type) });

    return e != NULL && (e->tasks & 1u << MAAS_TASK_TRANSFORM)
           ? pipe_estimator(c, e, o) : pipe_unknown(c, type, index);
}


maas_status_t
maas_pipeline_fit(maas_pipeline_t *p, maas_err_t *err)
{
    maas_pipe_t  c = { .p = p, .err = err };

    if (p->steps != NULL && !json_is_array(p->steps)) {
        return maas_err(err, MAAS_EINVAL, "pipeline: a list of steps is "
                        "expected");
    }

    MAAS_TRY(pipe_begin(&c));

    for (size_t i = 0; i < json_array_size(p->steps); i++) {
        MAAS_TRY(pipe_step(&c, i, json_array_get(p->steps, i)));
    }

    MAAS_TRY(pipe_encode(&c));

    p->x = c.block[0].x;
    p->p = c.block[0].width;
    p->value = c.block[0].value;
    p->feature = c.block[0].name;
    p->missing = false;

    for (int64_t i = 0; i < p->n * p->p && !p->missing; i++) {
        p->missing = isnan(p->x[i]);
    }

    return MAAS_OK;
}


/* -- rows for the model -------------------------------------------------- */

static maas_status_t
pipe_in_floats(const maas_dataset_t *ds, const int *column, int n,
    const maas_rows_t *rows, maas_arena_t *a, maas_tensor_t *t,
    maas_err_t *err)
{
    size_t  width = maas_dataset_width(ds, column, n);

    memset(t, 0, sizeof(*t));
    t->dtype = MAAS_F32;
    t->rank = 2;
    t->dims[0] = rows->n;
    t->dims[1] = (int64_t) width;

    if (!maas_mul_size(width * sizeof(float), (size_t) rows->n, &t->bytes)) {
        return maas_err_nomem(err);
    }

    t->data = maas_arena_alloc(a, t->bytes + 1);
    if (t->data == NULL) {
        return maas_err_nomem(err);
    }

    return maas_dataset_floats(ds, column, n, rows, t->data, width, err);
}


static maas_status_t
pipe_in_texts(const maas_dataset_t *ds, int column, const maas_rows_t *rows,
    maas_arena_t *a, maas_tensor_t *t, maas_err_t *err)
{
    maas_str_t  *s = maas_arena_array(a, rows->n + 1, sizeof(*s));

    if (s == NULL) {
        return maas_err_nomem(err);
    }

    MAAS_TRY(maas_dataset_texts(ds, column, rows, s, err));
    MAAS_TRY(maas_strings_tensor(a, s, rows->n, false, t, err));
    t->rank = 2;
    t->dims[0] = rows->n;
    t->dims[1] = 1;

    return MAAS_OK;
}


maas_status_t
maas_pipeline_inputs(const maas_dataset_t *ds, const int *column,
    int n_column, const maas_rows_t *rows, maas_arena_t *a,
    maas_tensor_t *in, int *n_in, maas_err_t *err)
{
    bool                  text = false;
    const maas_column_t  *col;

    for (int i = 0; i < n_column; i++) {
        text = text || pipe_is_text(maas_dataset_column(ds, column[i]));
    }

    *n_in = text ? n_column : 1;

    if (!text) {
        return pipe_in_floats(ds, column, n_column, rows, a, &in[0], err);
    }

    for (int i = 0; i < n_column; i++) {
        col = maas_dataset_column(ds, column[i]);

        MAAS_TRY(pipe_is_text(col)
                 ? pipe_in_texts(ds, column[i], rows, a, &in[i], err)
                 : pipe_in_floats(ds, &column[i], 1, rows, a, &in[i], err));
    }

    return MAAS_OK;
}
