/*
 * Arithmetic, comparison, reduction, softmax and tree operators from a raw
 * model to its result: import (with upgrades of older opsets), inference
 * and the chosen kernel, in units run backward, against formulas in double.
 */

#include <math.h>
#include <stdlib.h>

#include "graph/import.h"
#include "graph/plan.h"
#include "ops/broadcast.h"
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


static void *
m_in(m_t *m, maas_dtype_t dtype, int rank, const int64_t *dims,
    const void *data)
{
    static const char  *name[] = { "a", "b", "c", "d", "e" };
    uint32_t            i = m->node.n_in++;
    maas_tensor_t      *t = &m->t[i];

    t->dtype = dtype;
    t->rank = rank;
    memcpy(t->dims, dims, (size_t) rank * sizeof(int64_t));
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


static void
m_int(m_t *m, const char *name, int64_t i)
{
    m_attr(m, name, MAAS_ATTR_INT)->i = i;
}


static void
m_ints(m_t *m, const char *name, size_t n, const int64_t *v)
{
    maas_raw_attr_t  *a = m_attr(m, name, MAAS_ATTR_INTS);

    a->n = n;
    a->ints = maas_arena_dup(&m->arena, v, n * sizeof(*v));
}


static void
m_floats(m_t *m, const char *name, size_t n, const float *v)
{
    maas_raw_attr_t  *a = m_attr(m, name, MAAS_ATTR_FLOATS);

    a->n = n;
    a->floats = maas_arena_dup(&m->arena, v, n * sizeof(*v));
}


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

    for (int64_t i = u.units - 1; i >= 0 && rc == MAAS_OK; i--) {
        rc = row->run(&s, &slot, i, i + 1);
    }

    free(scratch);
    return rc;
}


/* One node of the imported graph, all of whose inputs are in view[]. */
static maas_status_t
m_node(m_t *m, maas_graph_t *g, const maas_node_t *n, maas_tensor_t *view)
{
    maas_type_t       type[8];
    maas_dim_t        iv[8][MAAS_IVAL_MAX], ov[2][MAAS_IVAL_MAX];
    maas_infer_t      c = { 0 };
    maas_tensor_t     in[8];
    maas_infer_in_t   ii[8];
    maas_infer_out_t  io[2];

    memset(in, 0, sizeof(in));
    memset(ii, 0, sizeof(ii));
    memset(io, 0, sizeof(io));
    memset(m->y, 0, sizeof(m->y));

    for (int i = 0; i < n->n_in; i++) {
        if (n->in[i] == MAAS_NOVAL) {
            continue;
        }

        in[i] = view[n->in[i]];
        type[i] = (maas_type_t) { .dtype = in[i].dtype, .rank = in[i].rank };
        memcpy(type[i].dims, in[i].dims, sizeof(in[i].dims));
        ii[i].type = &type[i];
        ii[i].data = in[i].data;
        ii[i].n_ival = -1;

        if (in[i].dtype == MAAS_I64 && maas_tensor_count(&in[i]) <= 64) {
            ii[i].ival = iv[i];
            ii[i].n_ival = (int) maas_tensor_count(&in[i]);
            memcpy(iv[i], in[i].data, ii[i].n_ival * sizeof(int64_t));
        }
    }

    for (int i = 0; i < 2; i++) {
        io[i].ival = ov[i];
        io[i].n_ival = -1;
        io[i].wanted = true;
    }

    c = (maas_infer_t) { n, n->attr, n->n_in, n->n_out, ii, io, g->syms,
                         &m->err, 0 };
    MAAS_TRY(n->op->infer(&c));

    for (int i = 0; i < n->n_out; i++) {
        maas_tensor_t  *t = &m->y[i];

        t->dtype = io[i].type.dtype;
        t->rank = (uint8_t) io[i].type.rank;
        memcpy(t->dims, io[i].type.dims, sizeof(t->dims));

        if (t->dtype == MAAS_STRING) {
            (void) maas_string_bytes(maas_tensor_count(t), io[i].str_bytes,
                                     &t->bytes);
        } else {
            (void) maas_dtype_bytes(t->dtype, maas_tensor_count(t),
                                    &t->bytes);
        }

        t->data = maas_arena_alloc(&m->arena, t->bytes + 64);

        if (n->out[i] != MAAS_NOVAL) {
            view[n->out[i]] = *t;
        }
    }

    MAAS_TRY(m_exec(m, n, in));

    /* Contents that inference worked out are those of the run. */
    for (int i = 0; i < io[0].n_ival; i++) {
        if (maas_dim_known(ov[0][i])
            && ov[0][i] != (m->y[0].dtype == MAAS_I64
                            ? ((int64_t *) m->y[0].data)[i]
                            : ((int32_t *) m->y[0].data)[i]))
        {
            return maas_err(&m->err, MAAS_EINTERNAL, "ival %d differs", i);
        }
    }

    return MAAS_OK;
}


static maas_status_t
m_run(m_t *m, int opset)
{
    maas_graph_t      *g;
    maas_raw_port_t    port[IN_MAX], out[2];
    maas_raw_init_t    init[IN_MAX];
    maas_raw_model_t   raw = { 0 };
    maas_raw_opset_t   set = { m->node.domain, opset };
    maas_tensor_t     *view;

    memset(port, 0, sizeof(port));
    memset(out, 0, sizeof(out));
    raw.graph.in = port;
    raw.graph.out = out;
    raw.graph.init = init;
    raw.graph.node = &m->node;
    raw.graph.n_node = 1;
    raw.graph.n_out = m->node.n_out;
    raw.opset = &set;
    raw.n_opset = 1;
    raw.ir_version = 8;

    for (uint32_t i = 0; i < m->node.n_in; i++) {
        if (m->in[i].len == 0) {
            continue;
        }

        if (m->fixed[i]) {
            init[raw.graph.n_init++] = (maas_raw_init_t) { m->in[i], m->t[i] };
            continue;
        }

        port[raw.graph.n_in] = (maas_raw_port_t) {
            .name = m->in[i], .dtype = m->t[i].dtype, .rank = m->t[i].rank
        };
        memcpy(port[raw.graph.n_in++].dims, m->t[i].dims,
               sizeof(m->t[i].dims));
    }

    for (uint32_t i = 0; i < m->node.n_out; i++) {
        out[i].name = m->out[i];
        out[i].rank = -1;
    }

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


/* -- broadcasting -------------------------------------------------------- */

static int64_t  bc_seen[600][2];
static int64_t  bc_rows;


static void
bc_note(void *ctx, int64_t at, int64_t n, const int64_t *off,
    const int64_t *stride)
{
    (void) ctx;

    bc_rows++;

    for (int64_t i = 0; i < n; i++) {
        bc_seen[at + i][0] = off[0] + i * stride[0];
        bc_seen[at + i][1] = off[1] + i * stride[1];
    }
}


static void
test_broadcast(void)
{
    bool           good = true;
    maas_bc_t      b;
    const int64_t  out[] = { 2, 3, 4, 5 }, x[] = { 3, 1, 5 };

    maas_bc_init(&b, out, 4);
    maas_bc_add(&b, out, 4);
    maas_bc_add(&b, x, 3);
    maas_bc_close(&b);
    is_int(b.rank, 4, "nothing to join");

    for (int64_t at = 0; at < 120; at += 7) {
        maas_bc_run(&b, at, at + 7, bc_note, NULL);
    }

    for (int64_t i = 0; i < 120; i++) {
        good &= bc_seen[i][0] == i
                && bc_seen[i][1] == i / 20 % 3 * 5 + i % 5;
    }

    ok(good, "rows cut anywhere reach every element");

    maas_bc_init(&b, out, 4);
    maas_bc_add(&b, out, 4);
    maas_bc_add(&b, (int64_t[]) { 3, 1, 1 }, 3);
    maas_bc_close(&b);
    is_int(b.dims[b.rank - 1], 20, "a channel operand: one row a plane");

    maas_bc_init(&b, out, 4);
    maas_bc_add(&b, out, 4);
    maas_bc_add(&b, out, 4);
    maas_bc_close(&b);
    is_int(b.rank, 1, "equal shapes: one row");

    maas_bc_init(&b, out, 0);
    maas_bc_add(&b, out, 0);
    maas_bc_add(&b, out, 0);
    maas_bc_close(&b);
    bc_rows = 0;
    maas_bc_run(&b, 0, 1, bc_note, NULL);
    is_int(bc_rows, 1, "scalars: one element");
}


/* -- arithmetic ---------------------------------------------------------- */

static void
test_binary(void)
{
    m_t     m;
    float  *x;
    double *want;

    m_begin(&m, "", "Sub");
    x = m_in(&m, MAAS_F32, D(300, 200), NULL);
    (void) m_in(&m, MAAS_F32, D(300, 1), NULL);
    want = malloc(60000 * sizeof(double));
    for (int i = 0; i < 60000; i++) {
        x[i] = (float) sin(i);
        ((float *) m.t[1].data)[i / 200] = (float) (i / 200);
        want[i] = (double) x[i] - i / 200;
    }
    m_is(&m, 14, 60000, want, 1e-6, "Sub over several units");
    free(want);

    m_begin(&m, "", "Div");
    (void) m_in(&m, MAAS_I32, D(4), V(int32_t, 7, -7, INT32_MIN, 5));
    (void) m_in(&m, MAAS_I32, D(4), V(int32_t, 2, 2, -1, 0));
    m_is(&m, 14, 4, V(double, 3, -3, INT32_MIN, 0), 0,
         "integer Div traps on nothing");

    m_begin(&m, "", "Mod");
    (void) m_in(&m, MAAS_I64, D(4), V(int64_t, -7, 7, -7, INT64_MIN));
    (void) m_in(&m, MAAS_I64, D(4), V(int64_t, 3, -3, 0, -1));
    m_is(&m, 13, 4, V(double, 2, -2, 0, 0), 0, "Mod has the divisor's sign");

    m_begin(&m, "", "Pow");
    (void) m_in(&m, MAAS_I32, D(4), V(int32_t, 2, -1, 0, 3));
    (void) m_in(&m, MAAS_I64, D(4), V(int64_t, 10, -3, 0, 5));
    m_is(&m, 15, 4, V(double, 1024, -1, 1, 243), 0, "Pow of integers");

    m_begin(&m, "", "Pow");
    (void) m_in(&m, MAAS_F32, D(3), V(float, 2, -3, 4));
    (void) m_in(&m, MAAS_F64, D(1), V(double, 2));
    m_is(&m, 15, 3, V(double, 4, 9, 16), 1e-6, "Pow of mixed types");

    m_begin(&m, "", "Max");
    (void) m_in(&m, MAAS_F64, D(3), V(double, 1, NAN, 3));
    (void) m_in(&m, MAAS_F64, D(1), V(double, 2));
    (void) m_in(&m, MAAS_F64, D(3), V(double, 0, 0, 9));
    m_is(&m, 13, 3, V(double, 2, NAN, 9), 0, "Max of three keeps NaN");

    m_begin(&m, "", "Mean");
    (void) m_in(&m, MAAS_F32, D(2, 1), V(float, 1, 2));
    (void) m_in(&m, MAAS_F32, D(2), V(float, 3, 5));
    m_is(&m, 13, 4, V(double, 2, 3, 2.5, 3.5), 1e-7, "Mean broadcasts");

    m_begin(&m, "", "Add");
    (void) m_in(&m, MAAS_F32, D(0, 3), NULL);
    (void) m_in(&m, MAAS_F32, D(3), V(float, 1, 2, 3));
    m_is(&m, 14, 0, NULL, 0, "Add of nothing");

    m_begin(&m, "", "Add");
    (void) m_in(&m, MAAS_F32, D(2, 2, 2), V(float, 0, 1, 2, 3, 4, 5, 6, 7));
    (void) m_in(&m, MAAS_F32, D(2), V(float, 10, 20));
    m_int(&m, "broadcast", 1);
    m_int(&m, "axis", 1);
    m_is(&m, 6, 8, V(double, 10, 11, 22, 23, 14, 15, 26, 27), 0,
         "Add of opset 6 with an axis");

    m_begin(&m, "", "BitShift");
    (void) m_in(&m, MAAS_U8, D(3), V(uint8_t, 1, 255, 255));
    (void) m_in(&m, MAAS_U8, D(3), V(uint8_t, 7, 4, 8));
    m_word(&m, "direction", "LEFT");
    m_is(&m, 11, 3, V(double, 128, 240, 0), 0, "BitShift beyond the width");

    m_begin(&m, "", "Mul");
    (void) m_in(&m, MAAS_I64, D(2), V(int64_t, 3, 4));
    (void) m_in(&m, MAAS_I64, 0, NULL, V(int64_t, 5));
    m_is(&m, 14, 2, V(double, 15, 20), 0, "Mul agrees with its inference");

    m_begin(&m, "", "Mod");
    (void) m_in(&m, MAAS_F32, D(1), V(float, 1));
    (void) m_in(&m, MAAS_F32, D(1), V(float, 1));
    m_bad(&m, 13, "fmod must be 1", "Mod of floats needs fmod");
}


static void
test_unary(void)
{
    m_t           m;
    const double  x[] = { -2, -0.5, 0, 0.5, 3, NAN, INFINITY, -INFINITY };
    double        want[8];
    struct {
        const char  *op;
        int          opset;
        double     (*f)(double);
    } fn[] = {
        { "Exp", 13, exp }, { "Sqrt", 13, sqrt }, { "Erf", 13, erf },
        { "Floor", 13, floor }, { "Round", 11, rint }, { "Sin", 7, sin },
        { "Atanh", 9, atanh }, { "Tanh", 13, tanh }, { "Abs", 13, fabs }
    };

    for (size_t k = 0; k < 2 * maas_nelts(fn); k++) {
        char   name[60];
        int    j = (int) k / 2;
        float  f[8];

        for (int i = 0; i < 8; i++) {
            f[i] = (float) x[i];
            want[i] = fn[j].f(x[i]);
        }

        m_begin(&m, "", fn[j].op);

        if (k % 2) {
            (void) m_in(&m, MAAS_F64, D(2, 4), x);
        } else {
            (void) m_in(&m, MAAS_F32, D(2, 4), f);
        }

        snprintf(name, sizeof(name), "%s of float%d", fn[j].op,
                 k % 2 ? 64 : 32);
        m_is(&m, fn[j].opset, 8, want, k % 2 ? 1e-15 : 2e-6, name);
    }

    m_begin(&m, "", "Neg");
    (void) m_in(&m, MAAS_I8, D(3), V(int8_t, -128, 5, 0));
    m_is(&m, 13, 3, V(double, -128, -5, 0), 0, "Neg of int8 wraps");

    m_begin(&m, "", "Clip");
    (void) m_in(&m, MAAS_F32, D(4), V(float, -3, 0.5, 3, NAN));
    m_attr(&m, "min", MAAS_ATTR_FLOAT)->f = -1;
    m_attr(&m, "max", MAAS_ATTR_FLOAT)->f = 1;
    m_is(&m, 6, 4, V(double, -1, 0.5, 1, NAN), 0, "Clip of opset 6");

    m_begin(&m, "", "Selu");
    (void) m_in(&m, MAAS_F32, D(3), V(float, -1, 0, 2));
    m_is(&m, 6, 3, V(double, 1.0507009873554805 * 1.6732632423543772
                     * expm1(-1), 0, 2.101401974710961), 1e-6, "Selu");

    m_begin(&m, "", "PRelu");
    (void) m_in(&m, MAAS_F32, D(1, 2, 2), V(float, -1, 2, -3, -4));
    (void) m_in(&m, MAAS_F32, D(2), V(float, 0.5, 2));
    m_is(&m, 6, 4, V(double, -0.5, 2, -6, -8), 0,
         "PRelu of opset 6 has a slope a channel");
}


static void
test_compare(void)
{
    m_t  m;

    m_begin(&m, "", "Less");
    (void) m_in(&m, MAAS_F32, D(3), V(float, 1, NAN, 3));
    (void) m_in(&m, MAAS_F32, D(1), V(float, 2));
    m_is(&m, 13, 3, V(double, 1, 0, 0), 0, "Less is false for NaN");

    m_begin(&m, "", "Where");
    (void) m_in(&m, MAAS_BOOL, D(2, 1), V(uint8_t, 1, 0));
    (void) m_in(&m, MAAS_I64, D(3), V(int64_t, 1, 2, 3));
    (void) m_in(&m, MAAS_I64, 0, NULL, V(int64_t, 9));
    m_is(&m, 16, 6, V(double, 1, 2, 3, 9, 9, 9), 0, "Where broadcasts");

    m_begin(&m, "", "IsInf");
    (void) m_in(&m, MAAS_F32, D(3), V(float, INFINITY, -INFINITY, NAN));
    m_int(&m, "detect_negative", 0);
    m_is(&m, 10, 3, V(double, 1, 0, 0), 0, "IsInf of one sign");

    m_begin(&m, "", "Cast");
    (void) m_in(&m, MAAS_F32, D(5),
                V(float, -1.9f, 1.9f, NAN, 1e20f, -INFINITY));
    m_int(&m, "to", MAAS_I32);
    m_is(&m, 13, 5, V(double, -1, 1, INT32_MIN, INT32_MIN, INT32_MIN), 0,
         "Cast to int32 outside its range");

    m_begin(&m, "", "Cast");
    (void) m_in(&m, MAAS_F32, D(4), V(float, 300, -1, NAN, 2.9f));
    m_int(&m, "to", MAAS_U8);
    m_is(&m, 13, 4, V(double, 44, 255, 0, 2), 0, "Cast to uint8 wraps");

    m_begin(&m, "", "Cast");
    (void) m_in(&m, MAAS_F64, D(2), V(double, 1 + 0x1p-11 + 0x1p-40, 1e9));
    m_int(&m, "to", MAAS_F16);
    m_is(&m, 13, 2, V(double, 1 + 0x1p-10, INFINITY), 0,
         "Cast of float64 to float16 rounds once");

    m_begin(&m, "", "Cast");
    (void) m_in(&m, MAAS_F32, D(1), V(float, 1));
    m_int(&m, "to", MAAS_STRING);
    m_bad(&m, 13, "string is not supported", "Cast to string says no");

    m_begin(&m, "", "Dropout");
    (void) m_in(&m, MAAS_F32, D(2), V(float, 1, 2));
    m.node.n_out = 2;
    m_attr(&m, "ratio", MAAS_ATTR_FLOAT)->f = 0.5f;
    m_is(&m, 7, 2, V(double, 1, 1), 0, "the mask of Dropout-7 is a float");
}


/* -- reductions ---------------------------------------------------------- */

static void
test_reduce(void)
{
    m_t           m;
    float         x[60];
    double        want[60];
    const double  inf = INFINITY;

    for (int i = 0; i < 60; i++) {
        x[i] = (float) cos(i);
    }

    memset(want, 0, sizeof(want));
    for (int i = 0; i < 60; i++) {
        want[i / 5 % 4] += (double) x[i] * x[i];
    }
    for (int i = 0; i < 4; i++) {
        want[i] = sqrt(want[i]);
    }
    m_begin(&m, "", "ReduceL2");
    (void) m_in(&m, MAAS_F32, D(3, 4, 5), x);
    m_ints(&m, "axes", 2, V(int64_t, 0, -1));
    m_is(&m, 13, 4, want, 1e-6, "ReduceL2 around a kept dimension");

    memset(want, 0, sizeof(want));
    for (int i = 0; i < 60; i++) {
        want[i / 20 * 5 + i % 5] += x[i] / 4.0;
    }
    m_begin(&m, "", "ReduceMean");
    (void) m_in(&m, MAAS_F32, D(3, 4, 5), x);
    m_ints(&m, "axes", 1, V(int64_t, 1));
    m_int(&m, "keepdims", 0);
    m_is(&m, 11, 15, want, 1e-6, "ReduceMean of a middle dimension");

    for (int i = 0; i < 12; i++) {
        want[i] = 0;
        for (int j = 0; j < 5; j++) {
            want[i] += exp((double) x[i * 5 + j] + 200);
        }
        want[i] = log(want[i]);
    }
    for (int i = 0; i < 60; i++) {
        x[i] += 200;
    }
    m_begin(&m, "", "ReduceLogSumExp");
    (void) m_in(&m, MAAS_F32, D(12, 5), x);
    m_ints(&m, "axes", 1, V(int64_t, 1));
    m_is(&m, 13, 12, want, 1e-6, "ReduceLogSumExp of large values");

    m_begin(&m, "", "ReduceLogSumExp");
    (void) m_in(&m, MAAS_F64, D(3), V(double, -inf, -inf, -inf));
    m_is(&m, 13, 1, V(double, -inf), 0, "ReduceLogSumExp of -inf");

    m_begin(&m, "", "ReduceSum");
    (void) m_in(&m, MAAS_I32, D(2, 2), V(int32_t, 1, 2, 3, 4));
    m_ints(&m, "axes", 1, V(int64_t, 0));
    m_is(&m, 11, 2, V(double, 4, 6), 0, "ReduceSum of opset 11");

    m_begin(&m, "", "ReduceSum");
    (void) m_in(&m, MAAS_F32, D(2, 2), V(float, 1, 2, 3, 4));
    (void) m_in(&m, MAAS_I64, D(0), NULL);
    m_int(&m, "noop_with_empty_axes", 1);
    m_is(&m, 13, 4, V(double, 1, 2, 3, 4), 0, "ReduceSum of no axes");

    m_begin(&m, "", "ReduceMax");
    (void) m_in(&m, MAAS_F32, D(2, 0), NULL);
    m_ints(&m, "axes", 1, V(int64_t, 1));
    m_is(&m, 13, 2, V(double, -inf, -inf), 0, "ReduceMax of nothing");

    m_begin(&m, "", "ReduceProd");
    (void) m_in(&m, MAAS_F32, D(2), V(float, 1, 2));
    m_ints(&m, "axes", 2, V(int64_t, 0, -1));
    m_bad(&m, 13, "twice", "an axis twice");

    m_begin(&m, "", "ArgMax");
    (void) m_in(&m, MAAS_F32, D(2, 3), V(float, 1, 3, 3, NAN, 9, NAN));
    m_int(&m, "axis", -1);
    m_is(&m, 13, 2, V(double, 1, 0), 0, "ArgMax takes the first");

    m_begin(&m, "", "ArgMin");
    (void) m_in(&m, MAAS_I8, D(3, 2), V(int8_t, 1, 5, 1, 4, 3, 4));
    m_int(&m, "select_last_index", 1);
    m_is(&m, 12, 2, V(double, 1, 2), 0, "ArgMin takes the last");
}


static void
test_softmax(void)
{
    m_t     m;
    float   x[24];
    double  want[24], sum;

    for (int i = 0; i < 24; i++) {
        x[i] = (float) (3 * sin(i));
    }

    for (int b = 0; b < 2; b++) {
        for (int j = 0; j < 4; j++) {
            sum = 0;
            for (int i = 0; i < 3; i++) {
                sum += exp(x[b * 12 + i * 4 + j]);
            }
            for (int i = 0; i < 3; i++) {
                want[b * 12 + i * 4 + j] = exp(x[b * 12 + i * 4 + j]) / sum;
            }
        }
    }
    m_begin(&m, "", "Softmax");
    (void) m_in(&m, MAAS_F32, D(2, 3, 4), x);
    m_int(&m, "axis", 1);
    m_is(&m, 13, 24, want, 1e-6, "Softmax over one axis");

    for (int b = 0; b < 2; b++) {
        sum = 0;
        for (int i = 0; i < 12; i++) {
            sum += exp(x[b * 12 + i]);
        }
        for (int i = 0; i < 12; i++) {
            want[b * 12 + i] = x[b * 12 + i] - log(sum);
        }
    }
    m_begin(&m, "", "LogSoftmax");
    (void) m_in(&m, MAAS_F32, D(2, 3, 4), x);
    m_is(&m, 11, 24, want, 1e-6, "LogSoftmax of opset 11 flattens at axis 1");

    m_begin(&m, "", "Hardmax");
    (void) m_in(&m, MAAS_F32, D(2, 2), V(float, 1, 1, 0, 2));
    m_is(&m, 13, 4, V(double, 1, 0, 0, 1), 0, "Hardmax");

    m_begin(&m, "", "Softmax");
    (void) m_in(&m, MAAS_F64, D(2), V(double, NAN, 1));
    m_is(&m, 13, 2, V(double, NAN, NAN), 0, "Softmax of NaN is NaN");
}


/* -- trees --------------------------------------------------------------- */

/*
 * Two trees: x0 <= 1 ? 1 : (x1 < 2 ? 2 : 4), where NaN is "true" at x0, and
 * x1 > 0 ? 10 : 20.
 */
static void
tree_model(m_t *m, bool classify, const int64_t *target)
{
    static const char *const  modes[] = {
        "BRANCH_LEQ", "LEAF", "BRANCH_LT", "LEAF", "LEAF", "BRANCH_GT",
        "LEAF", "LEAF"
    };

    m_begin(m, "ai.onnx.ml", classify ? "TreeEnsembleClassifier"
                                      : "TreeEnsembleRegressor");
    m_ints(m, "nodes_treeids", 8, V(int64_t, 0, 0, 0, 0, 0, 1, 1, 1));
    m_ints(m, "nodes_nodeids", 8, V(int64_t, 0, 1, 2, 3, 4, 0, 1, 2));
    m_ints(m, "nodes_featureids", 8, V(int64_t, 0, 0, 1, 0, 0, 1, 0, 0));
    m_ints(m, "nodes_truenodeids", 8, V(int64_t, 1, 0, 3, 0, 0, 1, 0, 0));
    m_ints(m, "nodes_falsenodeids", 8, V(int64_t, 2, 0, 4, 0, 0, 2, 0, 0));
    m_ints(m, "nodes_missing_value_tracks_true", 8,
           V(int64_t, 1, 0, 0, 0, 0, 0, 0, 0));
    m_floats(m, "nodes_values", 8, V(float, 1, 0, 2, 0, 0, 0, 0, 0));
    m_strings(m, "nodes_modes", 8, modes);
    m_ints(m, classify ? "class_treeids" : "target_treeids", 5,
           V(int64_t, 0, 0, 0, 1, 1));
    m_ints(m, classify ? "class_nodeids" : "target_nodeids", 5,
           V(int64_t, 1, 3, 4, 1, 2));
    m_ints(m, classify ? "class_ids" : "target_ids", 5, target);
    m_floats(m, classify ? "class_weights" : "target_weights", 5,
             V(float, 1, 2, 4, 10, 20));
    (void) m_in(m, MAAS_F32, D(4, 2),
                V(float, 0, 1, 5, 1, 5, -3, NAN, 7));
}

static const int64_t  zeros[5];


static void
test_trees(void)
{
    m_t  m;

    tree_model(&m, false, zeros);
    m_int(&m, "n_targets", 1);
    m_floats(&m, "base_values", 1, V(float, 0.5));
    m_is(&m, 1, 4, V(double, 11.5, 12.5, 22.5, 11.5), 0, "a regressor");

    tree_model(&m, false, V(int64_t, 0, 1, 0, 1, 0));
    m_int(&m, "n_targets", 2);
    m_word(&m, "aggregate_function", "MAX");
    m_is(&m, 3, 8, V(double, 1, 10, 0, 10, 20, 2, 1, 10), 0,
         "the greatest leaf of two targets");

    tree_model(&m, false, zeros);
    m_int(&m, "n_targets", 1);
    m_word(&m, "aggregate_function", "AVERAGE");
    m_is(&m, 3, 4, V(double, 5.5, 6, 11, 5.5), 0, "the average of trees");

    tree_model(&m, true, V(int64_t, 0, 1, 2, 1, 2));
    m.node.n_out = 2;
    m_ints(&m, "classlabels_int64s", 3, V(int64_t, 7, 8, 9));
    m_is(&m, 1, 4, V(double, 8, 8, 9, 8), 0, "a classifier of three classes");

    tree_model(&m, true, zeros);
    m.node.n_out = 2;
    m_strings(&m, "classlabels_strings", 2,
              (const char *[]) { "no", "perhaps" });
    if (ok(m_run(&m, 3) == MAAS_OK, "a classifier with names")) {
        ok(maas_str_is(maas_tensor_str(&m.y[0], 3), "perhaps")
           && maas_string_check(&m.y[0]), "its labels");
        ok(m_get(&m.y[1], 0) == -10 && m_get(&m.y[1], 1) == 11,
           "the second score follows from the first");
    } else {
        printf("# %s\n", m.err.text);
    }
    maas_arena_destroy(&m.arena);

    tree_model(&m, false, zeros);
    m_int(&m, "n_targets", 1);
    ((int64_t *) m.attr[4].ints)[0] = 0;
    m_bad(&m, 1, "reached twice", "a node that leads to itself");

    tree_model(&m, false, zeros);
    m_int(&m, "n_targets", 1);
    ((int64_t *) m.attr[3].ints)[0] = 77;
    m_bad(&m, 1, "branches to node 77", "a branch to nowhere");

    tree_model(&m, false, zeros);
    m_int(&m, "n_targets", 1);
    ((int64_t *) m.attr[2].ints)[0] = 5;
    m_bad(&m, 1, "the trees read feature 5", "a feature that is not there");

    tree_model(&m, false, V(int64_t, 0, 0, 0, 0, 1));
    m_int(&m, "n_targets", 1);
    m_bad(&m, 1, "target_ids[4] is 1", "a target beyond the last");
}


int
main(void)
{
    test_broadcast();
    test_binary();
    test_unary();
    test_compare();
    test_reduce();
    test_softmax();
    test_trees();

    return done();
}
