/*
 * Runs one operator row without a graph: infer, pack, the first kernel that
 * accepts, units in two orders.  For the tests of ops/; included once.
 */

#ifndef OPS_NN_HARNESS_H
#define OPS_NN_HARNESS_H

#include <math.h>
#include <stdlib.h>

#include "graph/op.h"
#include "tap.h"


#define NN_MAX  16

typedef struct {
    maas_arena_t    arena;
    const maas_op_t *op;
    maas_node_t     node;
    const void     *attr;
    bool            dynamic;        /* no input is packed */
    int             n_in, n_out;
    maas_tensor_t   in[NN_MAX];
    maas_tensor_t   out[NN_MAX];
    maas_err_t      err;
    maas_cpu_t      cpu;
    const char     *kernel;         /* the id that ran */
} nn_t;

static uint32_t  nn_seed = 1;


__attribute__((unused))
static inline float
nn_rand(void)
{
    nn_seed = nn_seed * 1664525u + 1013904223u;
    return (float) (nn_seed >> 8) / 8388608.0f - 1.0f;
}


static inline void
nn_begin(nn_t *t, const maas_op_t *rows, const char *name, const void *attr)
{
    memset(t, 0, sizeof(nn_t));
    maas_arena_init(&t->arena, &maas_host_libc, 0);
    t->attr = attr;
    t->cpu = maas_cpu_host();

    for (t->op = rows; strcmp(t->op->name, name) != 0; t->op++) { /* find */ }
}


static inline void
nn_end(nn_t *t)
{
    maas_arena_destroy(&t->arena);
}


static inline void *
nn_alloc(nn_t *t, maas_tensor_t *x)
{
    (void) maas_dtype_bytes(x->dtype, maas_tensor_count(x), &x->bytes);
    x->data = maas_arena_alloc(&t->arena, x->bytes + 128);
    x->data = (void *) maas_align((uintptr_t) x->data, 64);
    return x->data;
}


/* Adds an input, filled at random; rank < 0: absent. */
static inline void *
nn_in(nn_t *t, maas_dtype_t dtype, int rank, const int64_t *dims)
{
    maas_tensor_t  *x = &t->in[t->n_in++];

    if (rank < 0) {
        return NULL;
    }

    x->dtype = dtype;
    x->rank = rank;

    for (int i = 0; i < rank; i++) {
        x->dims[i] = dims[i];
    }

    nn_alloc(t, x);

    for (int64_t i = 0; i < maas_tensor_count(x); i++) {
        if (dtype == MAAS_F32) {
            ((float *) x->data)[i] = nn_rand();

        } else if (dtype == MAAS_F64) {
            ((double *) x->data)[i] = nn_rand();
        }
    }

    return x->data;
}

#define NN_D(...)  (sizeof((int64_t[]) { __VA_ARGS__ }) / 8),                 \
                   (int64_t[]) { __VA_ARGS__ }


static inline maas_status_t
nn_infer(nn_t *t, maas_type_t *type, const maas_type_t **ptype)
{
    int                i, j;
    maas_dim_t         ival[2][NN_MAX][MAAS_IVAL_MAX];
    maas_infer_t       c = { 0 };
    maas_status_t      rc;
    maas_infer_in_t    in[NN_MAX];
    maas_infer_out_t   out[NN_MAX];

    memset(in, 0, sizeof(in));
    memset(out, 0, sizeof(out));

    for (i = 0; i < t->n_in; i++) {
        type[i] = (maas_type_t) { .dtype = t->in[i].dtype,
                                  .rank = t->in[i].rank };
        memcpy(type[i].dims, t->in[i].dims, sizeof(type[i].dims));
        ptype[i] = t->in[i].dtype ? &type[i] : NULL;
        in[i].type = ptype[i];
        in[i].data = t->in[i].data;

        if (t->in[i].dtype == MAAS_I64 && t->in[i].rank <= 1
            && maas_tensor_count(&t->in[i]) <= MAAS_IVAL_MAX)
        {
            in[i].n_ival = (int) maas_tensor_count(&t->in[i]);
            in[i].ival = ival[0][i];
            for (j = 0; j < in[i].n_ival; j++) {
                ival[0][i][j] = ((int64_t *) t->in[i].data)[j];
            }
        }
    }

    for (i = 0; i < t->n_out; i++) {
        out[i].ival = ival[1][i];
        out[i].n_ival = -1;
        out[i].wanted = true;
    }

    c = (maas_infer_t) { &t->node, t->attr, t->n_in, t->n_out, in, out,
                         maas_syms_create(&t->arena), &t->err, 0 };
    t->node.attr = t->attr;
    t->node.op = t->op;
    t->node.n_in = t->node.n_formal = (uint16_t) t->n_in;
    t->node.n_out = (uint16_t) t->n_out;

    rc = t->op->infer(&c);

    for (i = 0; i < t->n_out && rc == MAAS_OK; i++) {
        t->out[i].dtype = out[i].type.dtype;
        t->out[i].rank = (uint8_t) out[i].type.rank;
        memcpy(t->out[i].dims, out[i].type.dims, sizeof(t->out[i].dims));
        nn_alloc(t, &t->out[i]);
    }

    return rc;
}


static inline void
nn_pack(nn_t *t, const maas_type_t *const *ptype)
{
    int                    i;
    float                 *dst;
    int64_t                g, panels;
    maas_pack_t            p;
    const maas_kernels_t  *k = maas_kernels(t->cpu);

    for (i = 0; i < t->n_in && t->op->pack != NULL && !t->dynamic; i++) {
        p = (maas_pack_t) { .input = i };

        if (ptype[i] == NULL || !t->op->pack(&t->node, ptype, &p)) {
            continue;
        }

        panels = (p.n + 15) / 16;
        dst = maas_arena_alloc(&t->arena, p.groups * maas_p16_elems(p.k, p.n)
                                          * 4 + 64);
        dst = (float *) maas_align((uintptr_t) dst, 64);

        for (g = 0; g < p.groups; g++) {
            k->pack_p16(dst + g * maas_p16_elems(p.k, p.n),
                        (float *) t->in[i].data + g * p.gs, p.ks, p.ns, p.k,
                        p.n, 0, panels);
        }

        t->in[i].data = dst;
        t->in[i].format = p.format;
    }
}


/* chunk: units a call; 0: all at once. */
static inline maas_status_t
nn_exec(nn_t *t, int64_t chunk)
{
    int                   i, j;
    char                 *scratch;
    int64_t               u;
    maas_slot_t           slot;
    maas_step_t           s;
    maas_setup_t          su;
    maas_status_t         rc = MAAS_OK;
    maas_tensor_t         in[NN_MAX];

    for (i = 0; i < t->op->n_kernel; i++) {
        su = (maas_setup_t) { .attr = t->attr, .in = in, .out = t->out,
                              .units = 1 };
        su.n_in = su.n_formal = (uint16_t) t->n_in;
        su.n_out = (uint16_t) t->n_out;
        memcpy(in, t->in, sizeof(in));

        for (j = 0; j < t->n_in && t->dynamic; j++) {
            in[j].data = NULL;
        }

        if (t->op->kernel[i].setup == NULL || t->op->kernel[i].setup(&su)) {
            break;
        }
    }

    if (i == t->op->n_kernel) {
        return maas_err(&t->err, MAAS_EUNSUPPORTED, "no kernel");
    }

    t->kernel = t->op->kernel[i].id;
    s = (maas_step_t) { .attr = t->attr, .k = maas_kernels(t->cpu),
                        .in = t->in, .out = t->out, .units = su.units };
    s.n_in = s.n_formal = (uint16_t) t->n_in;
    s.n_out = (uint16_t) t->n_out;
    s.shared = calloc(1, su.shared + 64);

    scratch = aligned_alloc(64, maas_align(su.scratch + 64, 64));
    slot = (maas_slot_t) { 0, scratch, &t->err };
    chunk = chunk > 0 ? chunk : su.units;

    for (u = (su.units - 1) / chunk * chunk; u >= 0 && rc == MAAS_OK;
         u -= chunk)
    {
        memset(scratch, 0xff, su.scratch);
        rc = t->op->kernel[i].run(&s, &slot, u, maas_min(u + chunk,
                                                         su.units));
    }

    free(scratch);
    free(s.shared);
    return rc;
}


/* Infer and run with n_out outputs; false: t->err says why. */
static inline bool
nn_run(nn_t *t, int n_out, int64_t chunk)
{
    maas_type_t         type[NN_MAX];
    const maas_type_t  *ptype[NN_MAX];

    t->n_out = n_out;

    if (nn_infer(t, type, ptype) != MAAS_OK) {
        printf("# infer: %s\n", t->err.text);
        return false;
    }

    nn_pack(t, ptype);

    if (nn_exec(t, chunk) != MAAS_OK) {
        printf("# run: %s\n", t->err.text);
        return false;
    }

    return true;
}


/* The greatest difference relative to the greatest magnitude. */
static inline double
nn_diff(const maas_tensor_t *y, const double *want)
{
    double   v, d, worst = 0, most = 1e-30;
    int64_t  i, n = maas_tensor_count(y);

    for (i = 0; i < n; i++) {
        v = y->dtype == MAAS_F32 ? ((float *) y->data)[i]
                                 : ((double *) y->data)[i];
        d = fabs(v - want[i]);
        worst = d > worst || d != d ? d : worst;
        most = fabs(want[i]) > most ? fabs(want[i]) : most;

        if (d != d) {
            return INFINITY;
        }
    }

    return worst / most;
}


static inline double
nn_get(const maas_tensor_t *x, int64_t i)
{
    return x->dtype == MAAS_F32 ? ((float *) x->data)[i]
                                : ((double *) x->data)[i];
}

#endif
