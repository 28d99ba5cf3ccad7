/*
 * A raw model of one node from import (with upgrades of older opsets) over
 * inference to the chosen kernel, in units run backward.  For the tests of
 * ops/; included once.
 */

#ifndef OPS_MATH_HARNESS_H
#define OPS_MATH_HARNESS_H

#include <math.h>
#include <stdlib.h>

#include "graph/import.h"
#include "graph/plan.h"
#include "tap.h"


#define IN_MAX    5
#define ATTR_MAX  24

typedef struct {
    maas_arena_t      arena;
    maas_err_t        err;
    maas_raw_node_t   node;
    maas_str_t        in[IN_MAX];
    maas_str_t        out[2];
    maas_raw_attr_t   attr[ATTR_MAX];
    maas_tensor_t     t[IN_MAX];
    bool              fixed[IN_MAX];    /* an initializer */
    maas_tensor_t     y[2];
} m_t;


/* -- a model of one node ------------------------------------------------- */

__attribute__((unused))
static void
m_begin(m_t *m, const char *domain, const char *op)
{
    memset(m, 0, sizeof(*m));
    maas_arena_init(&m->arena, &maas_host_libc, 0);
    m->node.op = (maas_str_t) { op, strlen(op) };
    m->node.domain = (maas_str_t) { domain, strlen(domain) };
    m->node.name = maas_str("n");
    m->node.in = m->in;
    m->node.out = m->out;
    m->node.attr = m->attr;
    m->out[0] = maas_str("y");
    m->out[1] = maas_str("z");
    m->node.n_out = 1;
}


__attribute__((unused))
static void *
m_in(m_t *m, maas_dtype_t dtype, int rank, const int64_t *dims,
    const void *data)
{
    static const char  *name[] = { "a", "b", "c", "d", "e" };
    uint32_t            i = m->node.n_in++;
    maas_tensor_t      *t = &m->t[i];

    t->dtype = dtype;
    t->rank = rank;

    if (rank > 0) {
        memcpy(t->dims, dims, (size_t) rank * sizeof(int64_t));
    }

    (void) maas_dtype_bytes(dtype, maas_tensor_count(t), &t->bytes);
    t->data = maas_arena_alloc(&m->arena, t->bytes + 8);

    if (data != NULL) {
        memcpy(t->data, data, t->bytes);
    }

    m->in[i] = (maas_str_t) { name[i], 1 };
    return t->data;
}

#define D(...)  (int) (sizeof((int64_t[]) { __VA_ARGS__ }) / 8),              \
                (int64_t[]) { __VA_ARGS__ }
#define V(type, ...)  (type[]) { __VA_ARGS__ }


static maas_raw_attr_t *
m_attr(m_t *m, const char *name, maas_attr_type_t type)
{
    maas_raw_attr_t  *a = &m->attr[m->node.n_attr++];

    a->name = (maas_str_t) { name, strlen(name) };
    a->type = type;
    return a;
}


__attribute__((unused))
static void
m_int(m_t *m, const char *name, int64_t i)
{
    m_attr(m, name, MAAS_ATTR_INT)->i = i;
}


__attribute__((unused))
static void
m_ints(m_t *m, const char *name, size_t n, const int64_t *v)
{
    maas_raw_attr_t  *a = m_attr(m, name, MAAS_ATTR_INTS);

    a->n = n;
    a->ints = maas_arena_dup(&m->arena, v, n * sizeof(*v));
}


__attribute__((unused))
static void
m_floats(m_t *m, const char *name, size_t n, const float *v)
{
    maas_raw_attr_t  *a = m_attr(m, name, MAAS_ATTR_FLOATS);

    a->n = n;
    a->floats = maas_arena_dup(&m->arena, v, n * sizeof(*v));
}


__attribute__((unused))
static void
m_strings(m_t *m, const char *name, size_t n, const char *const *v)
{
    maas_str_t       *s = maas_arena_array(&m->arena, n, sizeof(*s));
    maas_raw_attr_t  *a = m_attr(m, name, MAAS_ATTR_STRINGS);

    for (size_t i = 0; i < n; i++) {
        s[i] = (maas_str_t) { v[i], strlen(v[i]) };
    }

    a->n = n;
    a->strings = s;
}


__attribute__((unused))
static void
m_word(m_t *m, const char *name, const char *word)
{
    m_attr(m, name, MAAS_ATTR_STRING)->s = (maas_str_t) { word, strlen(word) };
}


/* Units one by one, the last first. */
static maas_status_t
m_exec(m_t *m, const maas_node_t *n, maas_tensor_t *in)
{
    void                     *scratch;
    maas_step_t               s = { 0 };
    maas_slot_t               slot = { 0 };
    maas_setup_t              u = { 0 };
    maas_status_t             rc = MAAS_OK;
    const maas_kernels_t     *k = maas_kernels(maas_cpu_host());
    const maas_kernel_row_t  *row;

    row = maas_kernel_choose(n, k, in, m->y, &u);
    if (row == NULL) {
        return maas_err(&m->err, MAAS_EUNSUPPORTED, "no kernel");
    }

    scratch = aligned_alloc(64, maas_align(u.scratch + 64, 64));
    slot.scratch = scratch;
    slot.err = &m->err;
    s.attr = n->attr;
    s.k = k;
    s.in = in;
    s.out = m->y;
    s.n_in = n->n_in;
    s.n_formal = n->n_formal;
    s.n_out = n->n_out;
    s.units = u.units;
    s.shared = calloc(1, u.shared + 64);

    for (int64_t i = u.units - 1; i >= 0 && rc == MAAS_OK; i--) {
        rc = row->run(&s, &slot, i, i + 1);
    }

    free(s.shared);
    free(scratch);
    return rc;
}


/* What inference gets and gives of a node. */
typedef struct {
    maas_type_t       type[8];
    maas_dim_t        iv[8][MAAS_IVAL_MAX], ov[2][MAAS_IVAL_MAX];
    maas_tensor_t     in[8];
    maas_infer_in_t   ii[8];
    maas_infer_out_t  io[2];
} m_infer_t;


static void
m_infer_in(m_infer_t *f, const maas_node_t *n, const maas_tensor_t *view)
{
    maas_tensor_t    *t;
    maas_infer_in_t  *ii;

    for (int i = 0; i < n->n_in; i++) {
        if (n->in[i] == MAAS_NOVAL) {
            continue;
        }

        t = &f->in[i];
        ii = &f->ii[i];
        *t = view[n->in[i]];
        f->type[i] = (maas_type_t) { .dtype = t->dtype, .rank = t->rank };
        memcpy(f->type[i].dims, t->dims, sizeof(t->dims));
        ii->type = &f->type[i];
        ii->data = t->data;
        ii->n_ival = -1;

        if (t->dtype == MAAS_I64 && maas_tensor_count(t) <= 64) {
            ii->ival = f->iv[i];
            ii->n_ival = (int) maas_tensor_count(t);
            memcpy(f->iv[i], t->data, ii->n_ival * sizeof(int64_t));
        }
    }

    for (int i = 0; i < 2; i++) {
        f->io[i].ival = f->ov[i];
        f->io[i].n_ival = -1;
        f->io[i].wanted = true;
    }
}


/* Room for the outputs as they were inferred. */
static void
m_outputs(m_t *m, const m_infer_t *f, const maas_node_t *n,
    maas_tensor_t *view)
{
    maas_tensor_t  *t;

    for (int i = 0; i < n->n_out; i++) {
        t = &m->y[i];
        t->dtype = f->io[i].type.dtype;
        t->rank = (uint8_t) f->io[i].type.rank;
        memcpy(t->dims, f->io[i].type.dims, sizeof(t->dims));

        if (t->dtype == MAAS_STRING) {
            (void) maas_string_bytes(maas_tensor_count(t),
                                     f->io[i].str_bytes, &t->bytes);
        } else {
            (void) maas_dtype_bytes(t->dtype, maas_tensor_count(t),
                                    &t->bytes);
        }

        t->data = maas_arena_alloc(&m->arena, t->bytes + 64);

        if (n->out[i] != MAAS_NOVAL) {
            view[n->out[i]] = *t;
        }
    }
}


/* One node of the imported graph, all of whose inputs are in view[]. */
static maas_status_t
m_node(m_t *m, maas_graph_t *g, const maas_node_t *n, maas_tensor_t *view)
{
    m_infer_t     f = { 0 };
    maas_infer_t  c;

    memset(m->y, 0, sizeof(m->y));
    m_infer_in(&f, n, view);

    c = (maas_infer_t) { n, n->attr, n->n_in, n->n_out, f.ii, f.io, g->syms,
                         &m->err, 0 };
    MAAS_TRY(n->op->infer(&c));
    m_outputs(m, &f, n, view);
    MAAS_TRY(m_exec(m, n, f.in));

    /* Contents that inference worked out are those of the run. */
    for (int i = 0; i < f.io[0].n_ival; i++) {
        if (maas_dim_known(f.ov[0][i])
            && f.ov[0][i] != (m->y[0].dtype == MAAS_I64
                              ? ((int64_t *) m->y[0].data)[i]
                              : ((int32_t *) m->y[0].data)[i]))
        {
            return maas_err(&m->err, MAAS_EINTERNAL, "ival %d differs", i);
        }
    }

    return MAAS_OK;
}


/* The node's inputs and outputs as those of the graph. */
static void
m_ports(m_t *m, maas_raw_graph_t *g)
{
    for (uint32_t i = 0; i < m->node.n_in; i++) {
        if (m->in[i].len == 0) {
            continue;
        }

        if (m->fixed[i]) {
            g->init[g->n_init++] = (maas_raw_init_t) { m->in[i], m->t[i] };
            continue;
        }

        g->in[g->n_in] = (maas_raw_port_t) {
            .name = m->in[i], .dtype = m->t[i].dtype, .rank = m->t[i].rank
        };
        memcpy(g->in[g->n_in++].dims, m->t[i].dims, sizeof(m->t[i].dims));
    }

    for (uint32_t i = 0; i < m->node.n_out; i++) {
        g->out[i].name = m->out[i];
        g->out[i].rank = -1;
    }
}


static maas_status_t
m_run(m_t *m, int opset)
{
    maas_graph_t      *g;
    maas_raw_port_t    port[IN_MAX] = { 0 }, out[2] = { 0 };
    maas_raw_init_t    init[IN_MAX];
    maas_raw_opset_t   set = { m->node.domain, opset };
    maas_raw_model_t   raw = {
        .graph = { .in = port, .out = out, .init = init, .node = &m->node,
                   .n_node = 1, .n_out = m->node.n_out },
        .opset = &set, .n_opset = 1, .ir_version = 8
    };
    maas_tensor_t     *view;

    m_ports(m, &raw.graph);
    MAAS_TRY(maas_graph_import(&g, &m->arena, &raw, &m->err));

    view = maas_arena_array(&m->arena, g->n_value + 1, sizeof(*view));

    for (uint32_t i = 0; i < g->n_value; i++) {
        if (g->value[i].role == MAAS_ROLE_CONST) {
            view[i] = maas_value_tensor(&g->value[i]);
        }

        for (uint32_t j = 0; j < m->node.n_in; j++) {
            if (m->in[j].len != 0 && maas_str_eq(g->value[i].name, m->in[j])) {
                view[i] = m->t[j];
            }
        }
    }

    for (uint32_t i = 0; i < g->n_node; i++) {
        MAAS_TRY(m_node(m, g, &g->node[i], view));
    }

    return MAAS_OK;
}


/* -- comparing ----------------------------------------------------------- */

static double
m_get(const maas_tensor_t *t, int64_t i)
{
    switch (t->dtype) {
    case MAAS_F32:
        return ((float *) t->data)[i];
    case MAAS_F64:
        return ((double *) t->data)[i];
    case MAAS_I64:
        return (double) ((int64_t *) t->data)[i];
    case MAAS_I32:
        return ((int32_t *) t->data)[i];
    case MAAS_I8:
        return ((int8_t *) t->data)[i];
    case MAAS_F16:
        return maas_f16_to_f32(((uint16_t *) t->data)[i]);
    case MAAS_BF16:
        return maas_bf16_to_f32(((uint16_t *) t->data)[i]);
    default:
        return ((uint8_t *) t->data)[i];
    }
}


/* Runs; the result has n values, equal within tol; the model is ended. */
__attribute__((unused))
static void
m_is(m_t *m, int opset, int64_t n, const double *want, double tol,
    const char *name)
{
    bool    good;
    double  v;

    if (m_run(m, opset) != MAAS_OK) {
        ok(0, "%s", name);
        printf("# %s\n", m->err.text);
        maas_arena_destroy(&m->arena);
        return;
    }

    good = maas_tensor_count(&m->y[0]) == n;

    for (int64_t i = 0; i < n && good; i++) {
        v = m_get(&m->y[0], i);
        good = v == want[i] || (v != v && want[i] != want[i])
               || fabs(v - want[i]) <= tol * (1 + fabs(want[i]));
        if (!good) {
            printf("# %lld: %.9g, expected %.9g\n", (long long) i, v, want[i]);
        }
    }

    ok(good, "%s", name);
    maas_arena_destroy(&m->arena);
}


__attribute__((unused))
static void
m_bad(m_t *m, int opset, const char *text, const char *name)
{
    m->err.text[0] = '\0';
    ok(m_run(m, opset) != MAAS_OK && strstr(m->err.text, text) != NULL,
       "%s", name);

    if (strstr(m->err.text, text) == NULL) {
        printf("# %s\n", m->err.text);
    }

    maas_arena_destroy(&m->arena);
}

#endif
