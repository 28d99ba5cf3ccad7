/*
 * Add, Sub, Mul and Div of two blocked activations (domain maas) of which it
 * is not known while compiling that they have the same extents: images, rows
 * and columns of one of them may be repeated for the other.  Where it is
 * known, they are post-ops (graph/pass/layout.c).
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include "ops/blocked.h"


#define BB_UNIT  1024           /* pixels of a unit */

/* An operand; steps are 0 where it is repeated. */
typedef struct {
    const float  *x;
    int64_t       image, plane, row, col;   /* floats */
} bb_side_t;


static bool
bb_form(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b, const char *op)
{
    bool                 same = true, plane[2] = { true, true };
    const maas_type_t   *x = type[0], *y = type[1];

    if (b->in != 3 || n->n_in != 2 || n->n_post != 0
        || x->rank != y->rank || x->rank < 3 || x->rank > 4
        || !maas_dim_known(x->dims[1]) || x->dims[1] != y->dims[1])
    {
        return false;
    }

    for (int d = 0; d < x->rank; d++) {
        same = same && x->dims[d] == y->dims[d]
               && x->dims[d] != MAAS_DIM_NONE;
        plane[0] = plane[0] && (d < 2 || x->dims[d] == 1);
        plane[1] = plane[1] && (d < 2 || y->dims[d] == 1);
    }

    b->op = op;
    return !same && !plane[0] && !plane[1];
}


static maas_status_t
bb_infer(maas_infer_t *c)
{
    int         rank;
    maas_dim_t  dims[MAAS_RANK_MAX];

    MAAS_TRY(maas_infer_broadcast(c, 0, 2, dims, &rank));
    maas_infer_set(c, 0, c->in[0].type->dtype, rank, dims);
    return maas_blocked_out(c, MAAS_OK);
}


static int64_t
bb_height(const maas_tensor_t *t)
{
    return t->rank > 3 ? t->dims[2] : 1;
}


static bool
bb_setup(maas_setup_t *u)
{
    const maas_tensor_t  *y = &u->out[0];

    for (int i = 0; i < 2; i++) {
        if (u->in[i].format != MAAS_FMT_C16 || u->in[i].rank != y->rank
            || u->in[i].dims[1] != y->dims[1])
        {
            return false;
        }
    }

    u->units = maas_planes16(y)
               * maas_blocked_parts(bb_height(y), y->dims[y->rank - 1],
                                    BB_UNIT);
    u->cost = 50 + (double) maas_tensor_count(y) * (0.2 + 0.15 * u->n_post);
    return true;
}


static void
bb_side(bb_side_t *p, const maas_tensor_t *t, const maas_tensor_t *y)
{
    int  l = t->rank - 1;

    p->x = t->data;
    p->plane = maas_pixels(t) * MAAS_C16;
    p->image = t->dims[0] < y->dims[0] ? 0
               : maas_blocks(t->dims[1]) * p->plane;
    p->row = bb_height(t) < bb_height(y) ? 0 : t->dims[l] * MAAS_C16;
    p->col = t->dims[l] < y->dims[l] ? 0 : MAAS_C16;
}


/* Rows [r0, r1) of a plane; a, b, y: of their rows 0. */
static void
bb_rows(const maas_step_t *s, const bb_side_t *p, const float *a,
    const float *b, float *y, int64_t plane, int64_t r0, int64_t r1, int fn)
{
    int64_t               at, n, ow, rows;
    const maas_tensor_t  *t = &s->out[0];

    ow = t->dims[t->rank - 1];
    n = ow * MAAS_C16;
    rows = p[0].row == n && p[1].row == n ? r1 - r0 : 1;

    for ( /* void */ ; r0 < r1; r0 += rows) {
        at = r0 * n;

        if (p[0].col == p[1].col) {
            s->k->binary[fn](y + at, a + r0 * p[0].row, 1,
                             b + r0 * p[1].row, 1, rows * n);

        } else {
            for (int64_t i = 0; i < ow; i++) {
                s->k->binary[fn](y + at + i * MAAS_C16,
                                 a + r0 * p[0].row + i * p[0].col, 1,
                                 b + r0 * p[1].row + i * p[1].col, 1,
                                 MAAS_C16);
            }
        }

        maas_post_apply16(s, 0, y + at, y + at, rows * ow,
                          plane * maas_pixels(t) * MAAS_C16 + at, plane);
    }
}


static maas_status_t
bb_run(const maas_step_t *s, int64_t first, int64_t last, int fn)
{
    int64_t               u, part, parts, plane, blocks, at[2], oh;
    bb_side_t             p[2];
    const maas_tensor_t  *y = &s->out[0];

    oh = bb_height(y);
    parts = maas_blocked_parts(oh, y->dims[y->rank - 1], BB_UNIT);
    blocks = maas_blocks(y->dims[1]);
    bb_side(&p[0], &s->in[0], y);
    bb_side(&p[1], &s->in[1], y);

    for (u = first; u < last; u++) {
        plane = maas_unit16(u, blocks, parts, &part);

        for (int i = 0; i < 2; i++) {
            at[i] = plane / blocks * p[i].image
                    + plane % blocks * p[i].plane;
        }

        bb_rows(s, p, p[0].x + at[0], p[1].x + at[1],
                (float *) y->data + plane * maas_pixels(y) * MAAS_C16, plane,
                part * oh / parts, (part + 1) * oh / parts, fn);
    }

    return MAAS_OK;
}


/* Input 0 goes by rows where nothing of it is repeated. */
static bool
bb_by_rows(const maas_setup_t *u, maas_by_rows_t *r)
{
    const maas_tensor_t  *y = &u->out[0];

    memset(r, 0, sizeof(*r));
    r->in = r->out = bb_height(y);
    r->step = r->reach = 1;

    return memcmp(u->in[0].dims, y->dims, y->rank * sizeof(*y->dims)) == 0;
}


static void
bb_band(const maas_step_t *s, const maas_band_t *b, int fn)
{
    int64_t    blocks = maas_blocks(s->out[0].dims[1]);
    bb_side_t  p[2];

    bb_side(&p[0], &s->in[0], &s->out[0]);
    bb_side(&p[1], &s->in[1], &s->out[0]);

    for (int64_t i = 0; i < blocks; i++) {
        bb_rows(s, p, b->x + i * b->xplane,
                p[1].x + b->image * p[1].image + i * p[1].plane,
                b->y + i * b->yplane, b->image * blocks + i, b->r0, b->r1,
                fn);
    }
}


/* -- one of them --------------------------------------------------------- */

#define BB_POST  (1u << MAAS_POST_UNARY | 1u << MAAS_POST_BINARY              \
                  | 1u << MAAS_POST_BINARY_SCALAR                             \
                  | 1u << MAAS_POST_BINARY_CHANNEL                            \
                  | 1u << MAAS_POST_BINARY_PLANE)

#define BB_OPERATOR(id, fn, form)                                             \
                                                                              \
bool                                                                          \
maas_##id##_blocked(const maas_node_t *n, const maas_type_t *const *type,     \
    maas_blocked_t *b)                                                        \
{                                                                             \
    return bb_form(n, type, b, form);                                         \
}                                                                             \
                                                                              \
static maas_status_t                                                          \
bb_##id##_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,         \
    int64_t last)                                                             \
{                                                                             \
    (void) slot;                                                              \
    return bb_run(s, first, last, fn);                                        \
}                                                                             \
                                                                              \
static void                                                                   \
bb_##id##_band(const maas_step_t *s, maas_slot_t *slot,                       \
    const maas_band_t *b)                                                     \
{                                                                             \
    (void) slot;                                                              \
    bb_band(s, b, fn);                                                        \
}                                                                             \
                                                                              \
static const maas_kernel_row_t  bb_##id##_kernels[] = {                       \
    { #id ".c16", MAAS_CPU_REF, 3, BB_POST, bb_setup, bb_##id##_run,          \
      bb_by_rows, bb_##id##_band }                                            \
};


BB_OPERATOR(add, MAAS_B_ADD, "AddBlocked")


BB_OPERATOR(sub, MAAS_B_SUB, "SubBlocked")


BB_OPERATOR(mul, MAAS_B_MUL, "MulBlocked")


BB_OPERATOR(div, MAAS_B_DIV, "DivBlocked")


static const maas_formal_t  bb_in[] = {
    { "A", MAAS_D(F32), 0, 0 }, { "B", MAAS_D(F32), 0, 0 }
};

static const maas_formal_t  bb_out[] = { { "C", MAAS_D(F32), 0, 0 } };

#define BB_ROW(NAME, id)                                                      \
    .name = NAME, .domain = "maas", .since = 1,                               \
    .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL | MAAS_OP_ELEMENTWISE,           \
    MAAS_IO(bb_in, bb_out), .infer = bb_infer, MAAS_KERNELS(bb_##id##_kernels)


const maas_op_t  maas_ops_binary_blocked[] = {
    { BB_ROW("AddBlocked", add) },
    { BB_ROW("SubBlocked", sub) },
    { BB_ROW("MulBlocked", mul) },
    { BB_ROW("DivBlocked", div) },
    { .name = NULL }
};
