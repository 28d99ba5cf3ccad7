/*
 * One call of an operator's row, straight on tensors: infer, setup, then
 * the units one by one, the last first.  Inputs are random bytes; shapes
 * come from a seeded generator.  Included once by each test program.
 */

#ifndef MAAS_OPS_SHAPE_HARNESS_H
#define MAAS_OPS_SHAPE_HARNESS_H

#include <stdlib.h>

#include "graph/op.h"
#include "tap.h"


extern const maas_op_t  maas_ops_shape_view[], maas_ops_transpose[],
    maas_ops_concat_split[], maas_ops_slice[], maas_ops_pad[],
    maas_ops_gather[], maas_ops_scatter[], maas_ops_expand_tile[],
    maas_ops_generate[], maas_ops_one_hot[], maas_ops_einsum[];

static const maas_op_t *const  families[] = {
    maas_ops_shape_view, maas_ops_transpose, maas_ops_concat_split,
    maas_ops_slice, maas_ops_pad, maas_ops_gather, maas_ops_scatter,
    maas_ops_expand_tile, maas_ops_generate, maas_ops_one_hot,
    maas_ops_einsum
};

#define IN_MAX   5
#define OUT_MAX  4

/* One call of an operator. */
typedef struct {
    const maas_op_t   *op;
    maas_arena_t       arena;
    maas_syms_t       *syms;
    maas_err_t         err;
    int                n_in, n_out;
    maas_tensor_t      in[IN_MAX];
    maas_type_t        type[IN_MAX];
    maas_infer_in_t    iin[IN_MAX];
    maas_infer_out_t   iout[OUT_MAX];
    maas_dim_t         ival[OUT_MAX][MAAS_IVAL_MAX];
    maas_tensor_t      out[OUT_MAX];
    int64_t            attr[256];
    uint32_t           tail;
    int                kernel;
    int                need;
} call_t;

static uint64_t  seed = 88172645463325252u;


__attribute__((unused))
static int
rnd(int lo, int hi)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;

    return lo + (int) (seed % (uint64_t) (hi - lo + 1));
}


__attribute__((unused))
static void
call_init(call_t *c, const char *name, int n_out)
{
    memset(c, 0, sizeof(*c));
    maas_arena_init(&c->arena, &maas_host_libc, 0);
    c->syms = maas_syms_create(&c->arena);
    c->n_out = n_out;

    for (size_t i = 0; i < maas_nelts(families); i++) {
        for (const maas_op_t *op = families[i]; op->name; op++) {
            if (strcmp(op->name, name) == 0) {
                c->op = op;
            }
        }
    }

    if (c->op == NULL) {
        abort();
    }

    for (int i = 0; i < c->op->n_attr; i++) {
        const maas_attr_row_t  *a = &c->op->attr[i];

        if (a->type == MAAS_ATTR_INT || a->words != NULL) {
            c->attr[a->off / 8] = a->i;
        }
    }

    c->tail = c->op->attr_size;
}


__attribute__((unused))
static void
call_done(call_t *c)
{
    maas_arena_destroy(&c->arena);
}


static const maas_attr_row_t *
call_row(const call_t *c, const char *name)
{
    for (int i = 0; i < c->op->n_attr; i++) {
        if (strcmp(c->op->attr[i].name, name) == 0) {
            return &c->op->attr[i];
        }
    }

    abort();
}


__attribute__((unused))
static void
call_int(call_t *c, const char *name, int64_t v)
{
    c->attr[call_row(c, name)->off / 8] = v;
}


__attribute__((unused))
static void
call_list(call_t *c, const char *name, const void *p, size_t n, size_t size)
{
    maas_list_t  l = { (uint32_t) n, c->tail };

    memcpy((char *) c->attr + call_row(c, name)->off, &l, sizeof(l));
    memcpy((char *) c->attr + c->tail, p, n * size);
    c->tail += maas_align((uint32_t) (n * size), 8);
}


__attribute__((unused))
static maas_tensor_t *
call_in(call_t *c, maas_dtype_t dtype, int rank, const int64_t *dims)
{
    maas_tensor_t  *t = &c->in[c->n_in];

    t->dtype = dtype;
    t->rank = (uint8_t) rank;

    if (rank > 0) {
        memcpy(t->dims, dims, (size_t) rank * sizeof(int64_t));
    }

    maas_dtype_bytes(dtype, maas_tensor_count(t), &t->bytes);
    t->data = maas_arena_alloc(&c->arena, t->bytes + 8);

    for (size_t i = 0; i < t->bytes; i++) {
        ((uint8_t *) t->data)[i] = (uint8_t) rnd(0, 255);
    }

    c->type[c->n_in].dtype = dtype;
    c->type[c->n_in].rank = (int8_t) rank;
    memcpy(c->type[c->n_in].dims, t->dims, sizeof(t->dims));
    c->iin[c->n_in].type = &c->type[c->n_in];
    c->iin[c->n_in].data = t->data;
    c->iin[c->n_in].n_ival = -1;
    c->n_in++;

    return t;
}


__attribute__((unused))
static void
call_ints(call_t *c, const int64_t *v, int n)
{
    int64_t         dim = n;
    maas_tensor_t  *t = call_in(c, MAAS_I64, n < 0 ? 0 : 1, &dim);

    memcpy(t->data, v, (size_t) (n < 0 ? 1 : n) * sizeof(int64_t));
}


__attribute__((unused))
static maas_status_t
call_infer(call_t *c)
{
    maas_node_t    node = { 0 };
    maas_infer_t   f = { 0 };
    maas_status_t  rc;

    node.op = c->op;

    for (int i = 0; i < c->n_out; i++) {
        c->iout[i].type.rank = -1;
        c->iout[i].ival = c->ival[i];
        c->iout[i].n_ival = -1;
        c->iout[i].wanted = true;
    }

    f.node = &node;
    f.attr = c->attr;
    f.n_in = c->n_in;
    f.n_out = c->n_out;
    f.in = c->iin;
    f.out = c->iout;
    f.syms = c->syms;
    f.err = &c->err;

    rc = c->op->infer(&f);
    c->need = f.need;
    return rc;
}


#define CALL_GUARD  "\xa5\xa5\xa5\xa5\xa5\xa5\xa5\xa5"


/* Outputs as inferred, with a guard behind each. */
static void
call_outputs(call_t *c)
{
    for (int i = 0; i < c->n_out; i++) {
        c->out[i].dtype = c->iout[i].type.dtype;
        c->out[i].rank = (uint8_t) c->iout[i].type.rank;
        memcpy(c->out[i].dims, c->iout[i].type.dims, sizeof(c->out[i].dims));
        maas_dtype_bytes(c->out[i].dtype, maas_tensor_count(&c->out[i]),
                         &c->out[i].bytes);
        c->out[i].data = maas_arena_alloc(&c->arena, c->out[i].bytes + 8);
        memset(c->out[i].data, 0xa5, c->out[i].bytes + 8);
    }
}


/* The first kernel that takes the call. */
static void
call_setup(call_t *c, maas_setup_t *u)
{
    u->attr = c->attr;
    u->in = c->in;
    u->out = c->out;
    u->n_in = u->n_formal = (uint16_t) c->n_in;
    u->n_out = (uint16_t) c->n_out;

    for (c->kernel = 0; ; c->kernel++) {
        if (c->kernel == c->op->n_kernel) {
            abort();
        }

        u->units = 1;
        u->scratch = 0;

        if (c->op->kernel[c->kernel].setup == NULL
            || c->op->kernel[c->kernel].setup(u))
        {
            break;
        }
    }
}


/* Infers, then runs the units one by one, the last first. */
__attribute__((unused))
static maas_status_t
call_run(call_t *c)
{
    maas_slot_t    slot = { .err = &c->err };
    maas_step_t    s = { 0 };
    maas_setup_t   u = { 0 };
    maas_status_t  rc;

    rc = call_infer(c);
    if (rc != MAAS_OK) {
        return rc;
    }

    call_outputs(c);
    call_setup(c, &u);

    s.attr = c->attr;
    s.k = maas_kernels(MAAS_CPU_REF);
    s.in = c->in;
    s.out = c->out;
    s.n_in = s.n_formal = u.n_in;
    s.n_out = u.n_out;
    s.units = u.units;
    slot.scratch = aligned_alloc(64, maas_align(u.scratch + 64, 64));

    for (int64_t i = u.units - 1; i >= 0 && rc == MAAS_OK; i--) {
        rc = c->op->kernel[c->kernel].run(&s, &slot, i, i + 1);
    }

    free(slot.scratch);

    for (int i = 0; i < c->n_out; i++) {
        if (memcmp((char *) c->out[i].data + c->out[i].bytes, CALL_GUARD, 8)
            != 0)
        {
            printf("# %s wrote behind its output\n", c->op->name);
            rc = MAAS_EINTERNAL;
        }
    }

    return rc;
}


__attribute__((unused))
static maas_dtype_t
any_dtype(void)
{
    static const uint8_t  d[] = { MAAS_F32, MAAS_F16, MAAS_U8, MAAS_F64,
                                  MAAS_BF16, MAAS_I32, MAAS_BOOL };

    return d[rnd(0, maas_nelts(d) - 1)];
}


__attribute__((unused))
static void
any_dims(int rank, int64_t *dims)
{
    for (int i = 0; i < rank; i++) {
        dims[i] = rnd(0, 9) == 0 ? rnd(0, 1) : rnd(1, rank > 3 ? 5 : 9);

        if (rank <= 3 && rnd(0, 9) == 0) {
            dims[i] = rnd(60, 150);
        }
    }
}


__attribute__((unused))
static void
unflat(const maas_tensor_t *t, int64_t i, int64_t *at)
{
    for (int d = t->rank - 1; d >= 0; d--) {
        at[d] = i % t->dims[d];
        i /= t->dims[d];
    }
}


__attribute__((unused))
static int64_t
flat(const maas_tensor_t *t, const int64_t *at)
{
    int64_t  i = 0;

    for (int d = 0; d < t->rank; d++) {
        i = i * t->dims[d] + at[d];
    }

    return i;
}


__attribute__((unused))
static bool
same(const maas_tensor_t *a, int64_t i, const maas_tensor_t *b, int64_t j)
{
    size_t  n = maas_dtype_size(a->dtype);

    return memcmp((char *) a->data + (size_t) i * n,
                  (char *) b->data + (size_t) j * n, n) == 0;
}


__attribute__((unused))
static bool
zero(const maas_tensor_t *a, int64_t i)
{
    static const char  z[8];
    size_t             n = maas_dtype_size(a->dtype);

    return memcmp((char *) a->data + (size_t) i * n, z, n) == 0;
}


__attribute__((unused))
static void
fill_index(maas_tensor_t *t, int64_t dim)
{
    for (int64_t i = 0; i < maas_tensor_count(t); i++) {
        if (t->dtype == MAAS_I64) {
            ((int64_t *) t->data)[i] = rnd((int) -dim, (int) dim - 1);
        } else {
            ((int32_t *) t->data)[i] = rnd((int) -dim, (int) dim - 1);
        }
    }
}


__attribute__((unused))
static int64_t
index_at(const maas_tensor_t *t, int64_t i, int64_t dim)
{
    int64_t  v = t->dtype == MAAS_I64 ? ((int64_t *) t->data)[i]
                                      : ((int32_t *) t->data)[i];

    return v < 0 ? v + dim : v;
}


__attribute__((unused))
static void
test_many(const char *name, bool (*one)(void))
{
    int  n;

    for (n = 0; n < 400 && one(); n++) {
        /* void */
    }

    ok(n == 400, "%s: 400 random calls", name);
}

#endif
