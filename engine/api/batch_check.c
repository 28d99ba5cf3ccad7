/*
 * batch_check.c: may requests of a model be merged?  First by its ports:
 * every input and output has the same open dimension along the batch axis.
 * That does not yet make rows independent (a softmax over the batch keeps
 * shapes, too), so two random rows are run together and alone: the results
 * have to be equal bit for bit.
 *
 * Ownership: nothing is kept but the answer, in the model.
 * Threads:   any; the answer is atomic.
 */

#include "api/model_priv.h"


#define CHECK_ROWS      2
#define CHECK_ELEMENTS  ((int64_t) 16 << 20)    /* of an input, at most */

/* For open dimensions other than the batch, until one of them runs. */
static const int64_t  check_extents[] = { 64, 16, 224, 1, 16000 };


int
maas_model_batch_axis(const maas_model_t *m)
{
    return atomic_load_explicit(&m->batches, memory_order_acquire)
           ? m->meta->batch_axis : -1;
}


/* -- ports --------------------------------------------------------------- */

static maas_status_t
check_port(const maas_port_t *p, const char *what, const maas_port_t *first,
    int axis, maas_err_t *err)
{
    char  dims[MAAS_DIMS_TEXT];

    if (maas_kind_is_list(p->kind)) {
        return maas_err(err, MAAS_EUNSUPPORTED, "%s '%.*s' is a %s", what,
                        (int) p->name.len, p->name.data,
                        maas_kind_name(p->kind));
    }

    if (p->rank <= axis || p->dims[axis] >= 0) {
        return maas_err(err, MAAS_EUNSUPPORTED,
                        "%s '%.*s' %s has no open dimension for a batch at "
                        "axis %d", what, (int) p->name.len, p->name.data,
                        p->rank < 0 ? "of unknown rank"
                        : maas_dims_text(dims, p->dims, p->rank), axis);
    }

    if (!maas_str_eq(p->sym[axis], first->sym[axis])) {
        return maas_err(err, MAAS_EUNSUPPORTED,
                        "axis %d of %s '%.*s' is \"%.*s\", not the \"%.*s\" "
                        "of input '%.*s'", axis, what, (int) p->name.len,
                        p->name.data, (int) p->sym[axis].len,
                        p->sym[axis].data, (int) first->sym[axis].len,
                        first->sym[axis].data, (int) first->name.len,
                        first->name.data);
    }

    return MAAS_OK;
}


static maas_status_t
check_ports(const maas_model_t *m, maas_err_t *err)
{
    int                 axis = m->meta->batch_axis;
    size_t              n_in, n_out;
    const maas_port_t  *in = maas_model_inputs(m, &n_in);
    const maas_port_t  *out = maas_model_outputs(m, &n_out);

    if (axis < 0) {
        return maas_err(err, MAAS_EUNSUPPORTED,
                        "the model has no batch axis, or model.json says so");
    }

    if (n_in == 0) {
        return maas_err(err, MAAS_EUNSUPPORTED, "the model has no inputs");
    }

    for (size_t i = 0; i < n_in; i++) {
        MAAS_TRY(check_port(&in[i], "input", in, axis, err));

        if (in[i].dtype == MAAS_STRING) {
            return maas_err(err, MAAS_EUNSUPPORTED,
                            "input '%.*s' holds strings",
                            (int) in[i].name.len, in[i].name.data);
        }
    }

    for (size_t i = 0; i < n_out; i++) {
        MAAS_TRY(check_port(&out[i], "output", in, axis, err));
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

/* Inputs of both rows, and of each of them. */
typedef struct {
    maas_arena_t    mem;
    maas_tensor_t  *in[CHECK_ROWS + 1];
    maas_run_t     *run[CHECK_ROWS + 1];
    uint32_t        seed;
} check_t;


static double
check_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (int) (*seed >> 8) / 8388608.0 - 1;
}


void
model_fill(maas_tensor_t *t, uint32_t *seed)
{
    double   v;
    size_t   size = maas_dtype_size(t->dtype);
    int64_t  n = maas_tensor_count(t);

    memset(t->data, 0, t->bytes);

    for (int64_t i = 0; i < n; i++) {
        v = check_random(seed);

        switch (t->dtype) {

        case MAAS_F32:
            ((float *) t->data)[i] = (float) v;
            break;

        case MAAS_F64:
            ((double *) t->data)[i] = v;
            break;

        case MAAS_F16:
            ((uint16_t *) t->data)[i] = maas_f32_to_f16((float) v);
            break;

        case MAAS_BF16:
            ((uint16_t *) t->data)[i] = maas_f32_to_bf16((float) v);
            break;

        case MAAS_U8:
            ((uint8_t *) t->data)[i] = (uint8_t) (128 + 127 * v);
            break;

        default:
            ((uint8_t *) t->data)[i * (int64_t) size] = v > 0;
        }
    }
}


static maas_status_t
check_tensor(check_t *c, const maas_port_t *p, int axis, int64_t rows,
    int64_t open, maas_tensor_t *t, maas_err_t *err)
{
    t->dtype = p->dtype;
    t->rank = (uint8_t) p->rank;

    for (int d = 0; d < p->rank; d++) {
        t->dims[d] = d == axis ? rows : p->dims[d] < 0 ? open : p->dims[d];
    }

    if (!maas_tensor_size(t, 0, &t->bytes)
        || maas_tensor_count(t) > CHECK_ELEMENTS)
    {
        return maas_err(err, MAAS_ELIMIT, "its inputs are too large to try");
    }

    t->data = maas_arena_alloc(&c->mem, t->bytes + MAAS_ALIGN);

    return t->data == NULL ? maas_err_nomem(err) : MAAS_OK;
}


/* Copies row r between the tensor of both rows and its own. */
static bool
check_row(const maas_tensor_t *both, const maas_tensor_t *one, int axis,
    int64_t r, bool copy)
{
    char    *p = both->data, *q = one->data;
    size_t   outer = 1, span = maas_dtype_size(both->dtype);

    for (int d = 0; d < both->rank; d++) {
        if (d < axis) {
            outer *= (size_t) both->dims[d];
        } else if (d > axis) {
            span *= (size_t) both->dims[d];
        }
    }

    for (size_t i = 0; i < outer && span != 0; i++) {
        p = (char *) both->data + (i * CHECK_ROWS + (size_t) r) * span;
        q = (char *) one->data + i * span;

        if (copy) {
            memcpy(q, p, span);

        } else if (memcmp(q, p, span) != 0) {
            return false;
        }
    }

    return true;
}


static bool
check_strings(const maas_tensor_t *both, const maas_tensor_t *one, int64_t r)
{
    int64_t  n = maas_tensor_count(one);

    for (int64_t i = 0; i < n; i++) {
        if (!maas_str_eq(maas_tensor_str(both, r * n + i),
                         maas_tensor_str(one, i)))
        {
            return false;
        }
    }

    return true;
}


static maas_status_t
check_inputs(maas_model_t *m, check_t *c, int64_t open, maas_err_t *err)
{
    int                 axis = m->meta->batch_axis;
    size_t              n;
    const maas_port_t  *p = maas_model_inputs(m, &n);

    for (int k = 0; k <= CHECK_ROWS; k++) {
        c->in[k] = maas_arena_array(&c->mem, n, sizeof(maas_tensor_t));
        if (c->in[k] == NULL) {
            return maas_err_nomem(err);
        }

        memset(c->in[k], 0, n * sizeof(maas_tensor_t));

        for (size_t i = 0; i < n; i++) {
            MAAS_TRY(check_tensor(c, &p[i], axis, k == 0 ? CHECK_ROWS : 1,
                                  open, &c->in[k][i], err));

            if (k == 0) {
                model_fill(&c->in[k][i], &c->seed);
            } else {
                check_row(&c->in[0][i], &c->in[k][i], axis, k - 1, true);
            }
        }
    }

    return MAAS_OK;
}


static maas_status_t
check_output(maas_model_t *m, check_t *c, size_t i, maas_err_t *err)
{
    int                 axis = m->meta->batch_axis;
    bool                same;
    size_t              n;
    maas_tensor_t       both, one;
    const maas_port_t  *p = maas_model_outputs(m, &n) + i;

    maas_run_output(c->run[0], i, &both, NULL);

    for (int r = 0; r < CHECK_ROWS; r++) {
        maas_run_output(c->run[r + 1], i, &one, NULL);

        same = both.format == 0 && one.format == 0 && both.rank == one.rank
               && both.rank > axis && both.dtype == one.dtype;

        for (int d = 0; same && d < both.rank; d++) {
            same = both.dims[d] == one.dims[d] * (d == axis ? CHECK_ROWS : 1)
                   && (d != axis || one.dims[d] == 1);
        }

        if (!same) {
            return maas_err(err, MAAS_EUNSUPPORTED, "output '%.*s' does not "
                            "have the rows of the inputs",
                            (int) p->name.len, p->name.data);
        }

        if (maas_tensor_count(&one) == 0) {
            return maas_err(err, MAAS_NEED, "output '%.*s' is empty",
                            (int) p->name.len, p->name.data);
        }

        same = both.dtype != MAAS_STRING
               ? check_row(&both, &one, axis, r, false)
               : axis == 0 && check_strings(&both, &one, r);

        if (!same) {
            return maas_err(err, MAAS_EUNSUPPORTED, "a row of output '%.*s' "
                            "depends on the other rows of its batch",
                            (int) p->name.len, p->name.data);
        }
    }

    return MAAS_OK;
}


/* MAAS_EUNSUPPORTED: rows depend on each other; others: not tried. */
static maas_status_t
check_rows(maas_model_t *m, maas_team_t *team, check_t *c, int64_t open,
    maas_err_t *err)
{
    size_t         n;
    maas_status_t  rc;

    MAAS_TRY(check_inputs(m, c, open, err));

    for (int k = 0; k <= CHECK_ROWS; k++) {
        rc = maas_model_run(m, c->in[k], team, maas_team_stop(team),
                            &c->run[k], err);

        if (rc != MAAS_OK) {
            c->run[k] = NULL;
            return rc == MAAS_EUNSUPPORTED ? MAAS_EINVAL : rc;
        }
    }

    (void) maas_model_outputs(m, &n);

    for (size_t i = 0; i < n; i++) {
        MAAS_TRY(check_output(m, c, i, err));
    }

    return MAAS_OK;
}


static maas_status_t
check_try(maas_model_t *m, maas_team_t *team, int64_t open, maas_err_t *err)
{
    check_t        c = { .seed = 1 };
    maas_status_t  rc;

    maas_arena_init(&c.mem, maas_host_default(), 0);
    rc = check_rows(m, team, &c, open, err);

    for (int k = 0; k <= CHECK_ROWS; k++) {
        maas_run_release(c.run[k]);
    }

    maas_arena_destroy(&c.mem);

    return rc;
}


maas_status_t
maas_model_batch_check(maas_model_t *m, maas_team_t *team, maas_err_t *err)
{
    maas_err_t     why = { 0 };
    maas_status_t  rc = MAAS_EUNSUPPORTED;

    MAAS_TRY(check_ports(m, err));

    for (size_t i = 0; i < maas_nelts(check_extents); i++) {
        why.text[0] = '\0';
        rc = check_try(m, team, check_extents[i], &why);

        if (rc == MAAS_OK) {
            atomic_store_explicit(&m->batches, true, memory_order_release);
            return MAAS_OK;
        }

        if (rc == MAAS_EUNSUPPORTED) {
            return maas_err(err, rc, "%s", why.text);
        }
    }

    return maas_err(err, MAAS_EUNSUPPORTED,
                    "no shape was found to try whether rows are independent "
                    "(%.200s)", why.text);
}
