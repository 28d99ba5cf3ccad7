/*
 * fold.c: nodes whose inputs are all constants are computed once, here.
 * A result that is much larger than what it is made of stays a node: the
 * image shall not grow by a ConstantOfShape.  Half weights that are computed
 * in float32 may double, and 8-bit ones that are dequantised grow fourfold:
 * under `numerics fast` they are float32 in the image, else the value
 * remembers its 8-bit numbers and is packed as such (codes.c).  4-bit ones
 * stay.
 */

#include "graph/infer.h"
#include "graph/pass/pass.h"


#define FOLD_GROW  65536        /* bytes that a result may always have */


typedef struct {
    maas_tensor_t      *in;
    maas_tensor_t      *out;
    maas_infer_in_t    *infer_in;
    maas_infer_out_t   *infer_out;
} fold_t;


static maas_status_t
fold_alloc(maas_pass_t *p, const maas_node_t *n, fold_t *f)
{
    maas_arena_t  *a = p->g->arena;
    maas_dim_t    *ival;

    f->in = maas_arena_array(a, n->n_in + 1, sizeof(*f->in));
    f->out = maas_arena_array(a, n->n_out + 1, sizeof(*f->out));
    f->infer_in = maas_arena_array(a, n->n_in + 1, sizeof(*f->infer_in));
    f->infer_out = maas_arena_array(a, n->n_out + 1, sizeof(*f->infer_out));
    ival = maas_arena_array(a, n->n_in + n->n_out + 1,
                            MAAS_IVAL_MAX * sizeof(maas_dim_t));
    if (f->in == NULL || f->out == NULL || f->infer_in == NULL
        || f->infer_out == NULL || ival == NULL)
    {
        return maas_err_nomem(p->err);
    }

    for (int i = 0; i < n->n_in; i++, ival += MAAS_IVAL_MAX) {
        f->infer_in[i].n_ival = -1;

        if (n->in[i] == MAAS_NOVAL) {
            continue;
        }

        f->in[i] = maas_value_tensor(&p->g->value[n->in[i]]);
        f->infer_in[i].type = &p->g->value[n->in[i]].type;
        f->infer_in[i].data = f->in[i].data;
        f->infer_in[i].str_bytes = maas_tensor_text(&f->in[i]);
        f->infer_in[i].n_ival = maas_ival_load(&f->in[i], ival);
        f->infer_in[i].ival = f->infer_in[i].n_ival >= 0 ? ival : NULL;
    }

    for (int i = 0; i < n->n_out; i++, ival += MAAS_IVAL_MAX) {
        f->infer_out[i].type.rank = -1;
        f->infer_out[i].ival = ival;
        f->infer_out[i].n_ival = -1;
        f->infer_out[i].wanted = n->out[i] != MAAS_NOVAL;
    }

    return MAAS_OK;
}


/* Output i: known, a tensor, and within the budget. */
static bool
fold_output(const maas_pass_t *p, fold_t *f, int i)
{
    maas_tensor_t      *out = &f->out[i];
    const maas_type_t  *t = &f->infer_out[i].type;

    if (t->rank < 0 || t->kind != MAAS_KIND_TENSOR) {
        return false;
    }

    out->dtype = t->dtype;
    out->rank = t->rank;
    out->format = t->format;

    for (int d = 0; d < t->rank; d++) {
        if (!maas_dim_known(t->dims[d]) || t->dims[d] < 0) {
            return false;
        }

        out->dims[d] = t->dims[d];
    }

    return maas_tensor_size(out, f->infer_out[i].str_bytes, &out->bytes)
           && out->bytes <= p->budget;
}


/* Bytes that the outputs may have. */
static size_t
fold_limit(const maas_pass_t *p, const maas_node_t *n, const fold_t *f)
{
    size_t        given = 0;
    maas_dtype_t  from = f->in[0].dtype;

    for (int i = 0; i < n->n_in; i++) {
        given += n->in[i] != MAAS_NOVAL
                 && p->g->value[n->in[i]].codes != NULL
                 ? f->in[i].bytes / 4 : f->in[i].bytes;
    }

    if (f->out[0].dtype == MAAS_F32 && maas_pass_is(n, "Cast")
        && (from == MAAS_F16 || from == MAAS_BF16))
    {
        given *= 2;

    } else if (f->out[0].dtype == MAAS_F32
               && maas_pass_is(n, "DequantizeLinear")
               && (from == MAAS_I16 || from == MAAS_U16))
    {
        given *= 2;

    } else if (f->out[0].dtype == MAAS_F32
               && maas_pass_is(n, "DequantizeLinear")
               && (from == MAAS_I8 || from == MAAS_U8)
               && (p->fast || maas_codes_wanted(p, n)))
    {
        given *= 4;
    }

    return maas_max(given, (size_t) FOLD_GROW);
}


/* Shapes of the outputs; MAAS_ELIMIT: not to be folded. */
static maas_status_t
fold_shapes(maas_pass_t *p, const maas_node_t *n, fold_t *f, size_t *total)
{
    int64_t              extent[MAAS_EXTENT_MAX];
    maas_infer_t         c = { 0 };
    maas_status_t        rc;

    c.node = n;
    c.attr = n->attr;
    c.n_in = n->n_formal;
    c.n_out = n->n_out;
    c.in = f->infer_in;
    c.out = f->infer_out;
    c.syms = p->g->syms;
    c.err = p->err;

    rc = n->op->infer(&c);

    if (rc == MAAS_INFER_EXTENT) {
        MAAS_TRY(maas_node_extent(n, p->k, f->in, extent, p->host, p->err));
        c.extent = extent;
        rc = n->op->infer(&c);
    }

    if (rc == MAAS_NEED) {
        return MAAS_ELIMIT;
    }

    MAAS_TRY(rc);

    *total = 0;

    for (int i = 0; i < n->n_out; i++) {
        if (n->out[i] == MAAS_NOVAL) {
            continue;
        }

        if (!fold_output(p, f, i)) {
            return MAAS_ELIMIT;
        }

        *total += f->out[i].bytes;
    }

    return *total > fold_limit(p, n, f) || *total > p->budget ? MAAS_ELIMIT
                                                           : MAAS_OK;
}


maas_status_t
maas_pass_fold_node(maas_pass_t *p, maas_node_t *n)
{
    fold_t               f;
    size_t               total;
    maas_value_t        *v;
    const maas_codes_t  *codes = NULL;

    MAAS_TRY(fold_alloc(p, n, &f));
    MAAS_TRY(fold_shapes(p, n, &f, &total));
    MAAS_TRY(maas_node_eval(n, p->k, f.in, f.out, p->g->arena, p->host,
                            p->err));

    p->budget -= total;

    if (total > FOLD_GROW && maas_codes_wanted(p, n)) {
        MAAS_TRY(maas_codes_make(p, n, &f.out[0], &codes));
    }

    for (int i = 0; i < n->n_out; i++) {
        if (n->out[i] == MAAS_NOVAL) {
            continue;
        }

        v = &p->g->value[n->out[i]];
        v->role = MAAS_ROLE_CONST;
        v->type = f.infer_out[i].type;
        v->data = f.out[i].data;
        v->bytes = f.out[i].bytes;
        v->codes = codes;
    }

    maas_pass_delete(n);
    return MAAS_OK;
}


static bool
fold_ready(const maas_graph_t *g, const maas_node_t *n)
{
    const uint32_t  no = MAAS_OP_RANDOM | MAAS_OP_CONTROL;

    if (n->op == NULL || !(n->op->flags & MAAS_OP_PURE)
        || (n->op->flags & no) || n->n_post != 0 || n->n_in == 0)
    {
        return false;
    }

    for (int i = 0; i < n->n_in; i++) {
        if (n->in[i] != MAAS_NOVAL && maas_pass_const(g, n->in[i]) == NULL) {
            return false;
        }
    }

    return true;
}


static maas_status_t
fold_run(maas_pass_t *p)
{
    maas_node_t    *n;
    maas_status_t   rc;

    for (uint32_t i = 0; i < p->g->n_node; i++) {
        n = &p->g->node[i];

        if (!fold_ready(p->g, n)) {
            continue;
        }

        rc = maas_pass_fold_node(p, n);

        if (rc != MAAS_OK && rc != MAAS_ELIMIT) {
            (void) maas_err_prefix(p->err, "node '%.*s' (%s)",
                                   (int) n->name.len, n->name.data,
                                   n->op->name);
            return rc;
        }
    }

    return maas_pass_sort(p);
}


const maas_pass_row_t  maas_pass_fold = {
    .name = "fold", .run = fold_run, .needs_types = true
};
