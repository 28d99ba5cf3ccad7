/*
 * Inputs of a model out of JSON: one value, rows, or columns.  kserve, the
 * TensorFlow Serving dialect and maas_pass all come through here.
 *
 * Ownership: tensors hang on the call.
 * Threads:   a call belongs to one thread at a time.
 */

#include "proto/proto.h"


/* An input of a list of objects, while it is read. */
typedef struct {
    maas_json_tensor_t   b;
    maas_proto_images_t  images;
} inputs_column_t;


/* Elements that this input will likely have: dynamic dimensions as 1. */
static int64_t
inputs_guess(const maas_port_t *port, const maas_json_t *j)
{
    int64_t  n = 1, left = (j->end - j->pos) / 2 + 1;

    for (int d = 0; d < port->rank && n <= left; d++) {
        if (port->dims[d] > 1 && !maas_mul_i64(n, port->dims[d], &n)) {
            return left;
        }
    }

    /* Each number takes two bytes of text at least. */
    return maas_min(n, left);
}


maas_status_t
maas_proto_json_builder(maas_proto_call_t *c, maas_json_tensor_t *b, size_t i,
    int64_t guess, maas_err_t *err)
{
    const maas_port_t  *port = &c->route.m->in[i];

    if (port->kind != MAAS_KIND_TENSOR || port->dtype == MAAS_NODTYPE) {
        return maas_err(err, MAAS_EINVAL, "input \"%.*s\" is a %s, "
                        "which has no form here%s",
                        (int) maas_min(port->name.len, 64), port->name.data,
                        maas_kind_name(port->kind),
                        !maas_kind_is_list(port->kind) ? ""
                        : ": give it in the column form, an object with the "
                        "values of the inputs");
    }

    b->host = c->host;
    b->dtype = port->dtype;
    b->limit = c->route.m->max_elements;
    b->b64 = true;

    return maas_json_tensor_init(b, guess, err);
}


/* The lists must be flat, or nested exactly as the shape says. */
static maas_status_t
inputs_reshape(maas_tensor_t *t, const int64_t *dims, int rank,
    maas_err_t *err)
{
    char  came[MAAS_DIMS_TEXT], want[MAAS_DIMS_TEXT];
    bool  same;

    same = t->rank == rank
           && (rank == 0
               || memcmp(t->dims, dims, (size_t) rank * sizeof(int64_t)) == 0);

    /* An empty tensor may be written as []. */
    if (!same && t->rank > 1 && maas_tensor_count(t) != 0) {
        return maas_err(err, MAAS_EINVAL,
                        "the data is nested as %s, but the shape is %s",
                        maas_dims_text(came, t->dims, t->rank),
                        maas_dims_text(want, dims, rank));
    }

    t->rank = (uint8_t) rank;

    if (rank != 0) {
        memcpy(t->dims, dims, (size_t) rank * sizeof(int64_t));
    }

    return MAAS_OK;
}


static maas_status_t
inputs_done(maas_proto_call_t *c, maas_json_tensor_t *b, maas_tensor_t *t,
    maas_err_t *err)
{
    void  *block;

    MAAS_TRY(maas_json_tensor_done(b, t, &block, err));

    return maas_proto_adopt(c, block, err);
}


maas_status_t
maas_proto_json_input(maas_proto_call_t *c, maas_json_t *j, size_t i,
    const int64_t *dims, int rank, maas_err_t *err)
{
    maas_tensor_t        t;
    maas_status_t        rc;
    maas_json_tensor_t   b = { .expect = -1 };
    const maas_port_t   *port = &c->route.m->in[i];

    if (dims != NULL) {
        MAAS_TRY(maas_proto_shape(c, i, dims, rank, err));
        b.expect = maas_dims_count(dims, rank);
    }

    MAAS_TRY(maas_proto_json_builder(c, &b, i, inputs_guess(port, j), err));

    rc = maas_json_tensor_read(&b, j, false);

    if (rc == MAAS_OK) {
        rc = inputs_done(c, &b, &t, err);
    }

    if (rc == MAAS_OK && dims != NULL) {
        rc = inputs_reshape(&t, dims, rank, err);
    }

    maas_json_tensor_destroy(&b);

    if (rc != MAAS_OK) {
        return maas_proto_input_rc(port, rc, err);
    }

    c->in[i] = t;
    return MAAS_OK;
}


/* Do dims fit the port's, without the port's dimension `skip`? */
static bool
inputs_fits(const maas_port_t *port, int skip, const int64_t *dims, int rank)
{
    int  k = 0;

    for (int d = 0; d < port->rank; d++) {
        if (d == skip) {
            continue;
        }

        if (k == rank || (port->dims[d] >= 0 && port->dims[d] != dims[k])) {
            return false;
        }

        k++;
    }

    return k == rank;
}


void
maas_proto_fit(const maas_proto_call_t *c, size_t i, maas_tensor_t *t)
{
    int                 axis;
    int64_t             n = 1, dims[MAAS_RANK_MAX];
    const maas_port_t  *port = &c->route.m->in[i];

    axis = c->route.m->meta != NULL ? c->route.m->meta->batch_axis : 0;
    axis = axis >= 0 && axis < port->rank ? axis : 0;

    if (port->rank < 1 || t->rank == port->rank
        || (port->dims[axis] >= 0 && port->dims[axis] != 1))
    {
        return;
    }

    if (inputs_fits(port, axis, t->dims, t->rank)) {
        memmove(t->dims + axis + 1, t->dims + axis,
                (size_t) (t->rank - axis) * sizeof(int64_t));
        t->dims[axis] = 1;
        t->rank++;
        return;
    }

    if (t->rank > 1 || (t->rank == 1 && port->rank < 3)) {
        return;
    }

    for (int d = 0; d < port->rank; d++) {
        dims[d] = d == axis ? 1 : port->dims[d];

        if (dims[d] < 0 || !maas_mul_i64(n, dims[d], &n)) {
            return;
        }
    }

    if (n == maas_tensor_count(t)) {
        memcpy(t->dims, dims, sizeof(dims[0]) * (size_t) port->rank);
        t->rank = (uint8_t) port->rank;
    }
}


static maas_status_t
inputs_adopt(void *ctx, void *block, maas_err_t *err)
{
    return maas_proto_adopt(ctx, block, err);
}


static maas_status_t
inputs_list(maas_proto_call_t *c, maas_json_t *j, size_t i, maas_err_t *err)
{
    const maas_port_t  *port = &c->route.m->in[i];
    maas_json_list_t    l = { 0 };

    l.host = c->host;
    l.arena = c->arena;
    l.ctx = c;
    l.adopt = inputs_adopt;
    l.limit = c->route.m->max_elements;
    l.kind = port->kind;
    l.inner = port->inner;
    l.key = port->key;
    l.dtype = port->dtype;

    return maas_proto_input_rc(port, maas_json_list(&l, j, &c->in[i]), err);
}


static maas_status_t
inputs_value(maas_proto_call_t *c, maas_json_t *j, size_t i, bool fit,
    maas_err_t *err)
{
    maas_tensor_t  *t = &c->in[i];

    if (maas_kind_is_list(c->route.m->in[i].kind)) {
        return inputs_list(c, j, i, err);
    }

    if (maas_proto_json_is_image(c, j, i)) {
        return maas_proto_json_images(c, j, i, err);
    }

    MAAS_TRY(maas_proto_json_input(c, j, i, NULL, 0, err));

    if (fit) {
        maas_proto_fit(c, i, t);
    }

    return maas_proto_shape(c, i, t->dims, t->rank, err);
}


maas_status_t
maas_proto_json_named(maas_proto_call_t *c, maas_json_t *j, maas_str_t name,
    bool fit, maas_err_t *err)
{
    int  i;

    i = maas_proto_port(c->route.m->in, c->route.m->n_in, name);
    if (i < 0) {
        return maas_proto_unknown_input(c, name, err);
    }

    if (c->in[i].data != NULL) {
        return maas_err(err, MAAS_EINVAL, "input \"%.*s\" is given twice",
                        (int) maas_min(name.len, 64), name.data);
    }

    return inputs_value(c, j, (size_t) i, fit, err);
}


maas_status_t
maas_proto_json_only(maas_proto_call_t *c, maas_json_t *j, bool fit,
    maas_err_t *err)
{
    if (c->route.m->n_in != 1) {
        return maas_err(err, MAAS_EINVAL, "this model has %zu inputs: give "
                        "an object keyed by input name", c->route.m->n_in);
    }

    return inputs_value(c, j, 0, fit, err);
}


maas_status_t
maas_proto_json_is_b64(maas_proto_call_t *c, const maas_json_t *j, bool *is)
{
    bool                       first = true;
    maas_str_t                 key;
    maas_json_t                ahead = *j;
    const maas_proto_model_t  *m = c->route.m;

    *is = false;

    if (m->n_in != 1 || maas_json_peek(&ahead) != '{'
        || (m->in[0].dtype != MAAS_STRING && !maas_proto_takes_image(m, 0)))
    {
        return MAAS_OK;
    }

    MAAS_TRY(maas_json_key(&ahead, c->arena, &first, &key));

    *is = key.data != NULL && maas_str_is(key, "b64")
          && !maas_str_is(m->in[0].name, "b64");

    return MAAS_OK;
}


maas_status_t
maas_proto_json_columns(maas_proto_call_t *c, maas_json_t *j, bool fit,
    maas_err_t *err)
{
    bool        b64, first = true;
    maas_str_t  key;

    MAAS_TRY(maas_proto_json_is_b64(c, j, &b64));

    if (b64 || maas_json_peek(j) != '{') {
        return maas_proto_json_only(c, j, fit, err);
    }

    for ( ;; ) {
        MAAS_TRY(maas_json_key(j, c->arena, &first, &key));

        if (key.data == NULL) {
            return MAAS_OK;
        }

        MAAS_TRY(maas_proto_json_named(c, j, key, fit, err));
    }
}


/* An image of a row waits for those of the other rows. */
static maas_status_t
inputs_cell(maas_proto_call_t *c, maas_json_t *j, size_t i,
    inputs_column_t *col, maas_err_t *err)
{
    maas_str_t  s;

    if (!maas_proto_json_is_image(c, j, i)) {
        return maas_json_tensor_read(&col->b, j, true);
    }

    MAAS_TRY(maas_proto_json_b64(c, j, &s, err));
    MAAS_TRY(maas_proto_image_add(c, &col->images, s, err));
    col->b.count[1]++;

    return MAAS_OK;
}


/* One object: a value for every input. */
static maas_status_t
inputs_row(maas_proto_call_t *c, maas_json_t *j, inputs_column_t *col,
    int64_t row, maas_err_t *err)
{
    int                        i;
    bool                       first = true;
    size_t                     given = 0;
    maas_str_t                 key;
    const maas_proto_model_t  *m = c->route.m;

    for ( ;; ) {
        MAAS_TRY(maas_json_key(j, c->arena, &first, &key));

        if (key.data == NULL) {
            break;
        }

        i = maas_proto_port(m->in, m->n_in, key);
        if (i < 0) {
            return maas_proto_unknown_input(c, key, err);
        }

        if (col[i].b.count[1] != row) {
            return maas_err(err, MAAS_EINVAL, "input \"%.*s\" is given twice",
                            (int) maas_min(key.len, 64), key.data);
        }

        MAAS_TRY(maas_proto_input_rc(&m->in[i],
                               inputs_cell(c, j, (size_t) i, &col[i], err),
                               err));
        given++;
    }

    for (size_t k = 0; given != m->n_in && k < m->n_in; k++) {
        if (col[k].b.count[1] == row) {
            return maas_err(err, MAAS_EINVAL, "missing input \"%.*s\"",
                            (int) maas_min(m->in[k].name.len, 64),
                            m->in[k].name.data);
        }
    }

    return MAAS_OK;
}


static maas_status_t
inputs_column(maas_proto_call_t *c, size_t i, inputs_column_t *col,
    maas_err_t *err)
{
    if (col->images.n == 0) {
        MAAS_TRY(inputs_done(c, &col->b, &c->in[i], err));

    } else if ((int64_t) col->images.n != col->b.count[1]) {
        return maas_err(err, MAAS_EINVAL, "%zu of %lld instances are images; "
                        "give all or none so", col->images.n,
                        (long long) col->b.count[1]);

    } else {
        MAAS_TRY(maas_proto_images(c, i, col->images.v, col->images.n, err));
    }

    return MAAS_OK;
}


static maas_status_t
inputs_rows(maas_proto_call_t *c, maas_json_t *j, inputs_column_t *col,
    maas_err_t *err)
{
    bool                       more, first = true;
    maas_status_t              rc;
    const maas_proto_model_t  *m = c->route.m;

    for (int64_t row = 0; /* void */ ; row++) {
        MAAS_TRY(maas_json_item(j, &first, &more));

        if (!more) {
            break;
        }

        rc = inputs_row(c, j, col, row, err);
        if (rc != MAAS_OK) {
            return rc == MAAS_ENOMEM ? rc
                   : maas_err_prefix(err, "instance %lld", (long long) row);
        }
    }

    for (size_t i = 0; i < m->n_in; i++) {
        MAAS_TRY(maas_proto_input_rc(&m->in[i],
                               inputs_column(c, i, &col[i], err), err));
        MAAS_TRY(maas_proto_shape(c, i, c->in[i].dims, c->in[i].rank, err));
    }

    return MAAS_OK;
}


maas_status_t
maas_proto_json_rows(maas_proto_call_t *c, maas_json_t *j, maas_err_t *err)
{
    bool                 b64, first = true, more;
    size_t               n = c->route.m->n_in;
    maas_json_t          ahead = *j;
    maas_status_t        rc = MAAS_OK;
    inputs_column_t     *col;

    MAAS_TRY(maas_json_item(&ahead, &first, &more));

    if (!more) {
        return maas_err(err, MAAS_EINVAL, "\"instances\" is an empty list");
    }

    MAAS_TRY(maas_proto_json_is_b64(c, &ahead, &b64));

    if (b64 || maas_json_peek(&ahead) != '{') {
        return maas_proto_json_only(c, j, false, err);
    }

    col = maas_arena_array(c->arena, n, sizeof(inputs_column_t));
    if (col == NULL) {
        return maas_err_nomem(err);
    }

    for (size_t i = 0; i < n && rc == MAAS_OK; i++) {
        col[i].b.expect = -1;
        rc = maas_proto_json_builder(c, &col[i].b, i,
                                     inputs_guess(&c->route.m->in[i], j),
                                     err);
    }

    if (rc == MAAS_OK) {
        rc = inputs_rows(c, j, col, err);
    }

    for (size_t i = 0; i < n; i++) {
        if (col[i].b.host != NULL) {
            maas_json_tensor_destroy(&col[i].b);
        }
    }

    return rc;
}
