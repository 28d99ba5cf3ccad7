/*
 * maas.ToBlocked, maas.FromBlocked: conversions of activations between plain
 * and blocked; maas.Map: post-ops over a blocked value.  See blocked.h.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include "ops/blocked.h"


#define BLOCKED_UNIT  2048      /* pixels of a block that a unit takes */


static int64_t
blocked_chunks(const maas_tensor_t *t)
{
    return maas_max((maas_pixels(t) + BLOCKED_UNIT - 1) / BLOCKED_UNIT, 1);
}


static bool
blocked_setup(maas_setup_t *u, double ns)
{
    u->units = maas_planes16(&u->out[0]) * blocked_chunks(&u->out[0]);
    u->cost = 50 + (double) maas_tensor_count(&u->out[0]) * ns;
    return true;
}


/* Unit u: a plane and pixels [*p0, *p0 + n) of it. */
static int64_t
blocked_unit(const maas_tensor_t *t, int64_t u, int64_t *plane, int64_t *p0)
{
    int64_t  part, chunks = blocked_chunks(t), n = maas_pixels(t);

    *plane = maas_unit16(u, maas_blocks(t->dims[1]), chunks, &part);
    *p0 = part * n / chunks;

    return (part + 1) * n / chunks - *p0;
}


/* -- conversions --------------------------------------------------------- */

static maas_status_t
toblocked_infer(maas_infer_t *c)
{
    return maas_blocked_out(c, maas_infer_same(c));
}


static bool
toblocked_setup(maas_setup_t *u)
{
    return u->in[0].format == MAAS_FMT_PLAIN && u->in[0].rank > 1
           && blocked_setup(u, 0.15);
}


static bool
fromblocked_setup(maas_setup_t *u)
{
    return u->in[0].format == MAAS_FMT_C16 && u->in[0].rank > 1
           && blocked_setup(u, 0.15);
}


static maas_status_t
toblocked_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    float                *dst;
    int64_t               u, n, c, plane, p0, pixels, blocks;
    const float          *src;
    const maas_tensor_t  *x = &s->in[0];

    (void) slot;

    pixels = maas_pixels(x);
    blocks = maas_blocks(x->dims[1]);

    for (u = first; u < last; u++) {
        n = blocked_unit(x, u, &plane, &p0);
        c = maas_min(x->dims[1] - plane % blocks * MAAS_C16, MAAS_C16);
        dst = (float *) s->out[0].data + (plane * pixels + p0) * MAAS_C16;
        src = (const float *) x->data
              + (plane / blocks * x->dims[1] + plane % blocks * MAAS_C16)
                * pixels + p0;

        if (c < MAAS_C16) {
            memset(dst, 0, (size_t) n * MAAS_C16 * sizeof(float));
        }

        s->k->transpose(dst, MAAS_C16, src, pixels, c, n);
    }

    return MAAS_OK;
}


static maas_status_t
fromblocked_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    float                *dst;
    int64_t               u, n, c, plane, p0, pixels, blocks;
    const float          *src;
    const maas_tensor_t  *y = &s->out[0];

    (void) slot;

    pixels = maas_pixels(y);
    blocks = maas_blocks(y->dims[1]);

    for (u = first; u < last; u++) {
        n = blocked_unit(y, u, &plane, &p0);
        c = maas_min(y->dims[1] - plane % blocks * MAAS_C16, MAAS_C16);
        src = (const float *) s->in[0].data
              + (plane * pixels + p0) * MAAS_C16;
        dst = (float *) y->data
              + (plane / blocks * y->dims[1] + plane % blocks * MAAS_C16)
                * pixels + p0;

        s->k->transpose(dst, pixels, src, MAAS_C16, n, c);
    }

    return MAAS_OK;
}


/* -- of 8-bit numbers, which lie as uint8 -------------------------------- */

static bool
toblocked8_setup(maas_setup_t *u)
{
    return u->in[0].dtype != MAAS_F32 && toblocked_setup(u);
}


static bool
fromblocked8_setup(maas_setup_t *u)
{
    return u->in[0].dtype != MAAS_F32 && fromblocked_setup(u);
}


/* n pixels of c channels. */
__attribute__((optimize("O3"))) static void
blocked_in8(uint8_t *restrict y, const uint8_t *restrict x, int64_t pixels,
    int64_t c, int64_t n, uint8_t flip)
{
    if (c < MAAS_C16) {
        memset(y, 0, (size_t) n * MAAS_C16);
    }

    for (int64_t i = 0; i < c; i++) {
        for (int64_t p = 0; p < n; p++) {
            y[p * MAAS_C16 + i] = x[i * pixels + p] ^ flip;
        }
    }
}


__attribute__((optimize("O3"))) static void
blocked_out8(uint8_t *restrict y, const uint8_t *restrict x, int64_t pixels,
    int64_t c, int64_t n, uint8_t flip)
{
    for (int64_t i = 0; i < c; i++) {
        for (int64_t p = 0; p < n; p++) {
            y[i * pixels + p] = x[p * MAAS_C16 + i] ^ flip;
        }
    }
}


/* The tensors of a conversion by unit; to: y is the blocked one. */
static void
blocked_run8(const maas_step_t *s, int64_t first, int64_t last, bool to)
{
    int64_t               n, c, plane, p0, pixels, blocks;
    uint8_t              *y = s->out[0].data;
    const uint8_t        *x = s->in[0].data;
    const maas_tensor_t  *t = &s->in[0];
    const uint8_t         flip = t->dtype == MAAS_I8 ? 0x80 : 0;

    pixels = maas_pixels(t);
    blocks = maas_blocks(t->dims[1]);

    for (int64_t u = first, at, wide; u < last; u++) {
        n = blocked_unit(t, u, &plane, &p0);
        c = maas_min(t->dims[1] - plane % blocks * MAAS_C16, MAAS_C16);
        wide = (plane * pixels + p0) * MAAS_C16;
        at = (plane / blocks * t->dims[1] + plane % blocks * MAAS_C16)
             * pixels + p0;

        if (to) {
            blocked_in8(y + wide, x + at, pixels, c, n, flip);
        } else {
            blocked_out8(y + at, x + wide, pixels, c, n, flip);
        }
    }
}


static maas_status_t
toblocked8_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    (void) slot;
    blocked_run8(s, first, last, true);
    return MAAS_OK;
}


static maas_status_t
fromblocked8_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    (void) slot;
    blocked_run8(s, first, last, false);
    return MAAS_OK;
}


/* -- Map ----------------------------------------------------------------- */

static bool
map_setup(maas_setup_t *u)
{
    return u->in[0].format == MAAS_FMT_C16 && u->n_post != 0
           && blocked_setup(u, 0.1 + 0.15 * u->n_post);
}


static maas_status_t
map_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    int64_t               u, n, at, plane, p0;
    const maas_tensor_t  *y = &s->out[0];

    (void) slot;

    for (u = first; u < last; u++) {
        n = blocked_unit(y, u, &plane, &p0);
        at = (plane * maas_pixels(y) + p0) * MAAS_C16;
        maas_post_apply16(s, 0, (float *) y->data + at,
                          (const float *) s->in[0].data + at, n, at, plane);
    }

    return MAAS_OK;
}


static bool
map_rows(const maas_setup_t *u, maas_by_rows_t *r)
{
    memset(r, 0, sizeof(*r));
    r->in = r->out = u->out[0].rank > 3 ? u->out[0].dims[2] : 1;
    r->step = r->reach = 1;
    return true;
}


static void
map_band(const maas_step_t *s, maas_slot_t *slot, const maas_band_t *b)
{
    int64_t               at, plane, width, blocks;
    const maas_tensor_t  *y = &s->out[0];

    (void) slot;

    width = y->dims[y->rank - 1];
    at = b->r0 * width * MAAS_C16;
    blocks = maas_blocks(y->dims[1]);

    for (int64_t i = 0; i < blocks; i++) {
        plane = b->image * blocks + i;
        maas_post_apply16(s, 0, b->y + i * b->yplane + at,
                          b->x + i * b->xplane + at, (b->r1 - b->r0) * width,
                          plane * maas_pixels(y) * MAAS_C16 + at, plane);
    }
}


/* -- rows ---------------------------------------------------------------- */

#define MAP_POST  (1u << MAAS_POST_UNARY | 1u << MAAS_POST_BINARY             \
                   | 1u << MAAS_POST_BINARY_SCALAR                            \
                   | 1u << MAAS_POST_BINARY_CHANNEL                           \
                   | 1u << MAAS_POST_BINARY_PLANE)

#define BLOCKED_TYPES  (MAAS_D(F32) | MAAS_D(U8) | MAAS_D(I8))

static const maas_formal_t  blocked_in[] = {
    { "X", BLOCKED_TYPES, 'T', 0 }
};

static const maas_formal_t  blocked_out[] = {
    { "Y", BLOCKED_TYPES, 'T', 0 }
};

static const maas_formal_t  map_in[] = { { "X", MAAS_D(F32), 0, 0 } };
static const maas_formal_t  map_out[] = { { "Y", MAAS_D(F32), 0, 0 } };

static const maas_kernel_row_t  toblocked_kernels[] = {
    { "toblocked.8", MAAS_CPU_REF, 0, 0, toblocked8_setup, toblocked8_run },
    { "toblocked", MAAS_CPU_REF, 0, 0, toblocked_setup, toblocked_run }
};

static const maas_kernel_row_t  fromblocked_kernels[] = {
    { "fromblocked.8", MAAS_CPU_REF, 0, 0, fromblocked8_setup,
      fromblocked8_run },
    { "fromblocked", MAAS_CPU_REF, 0, 0, fromblocked_setup, fromblocked_run }
};

static const maas_kernel_row_t  map_kernels[] = {
    { "map.c16", MAAS_CPU_REF, 1, MAP_POST, map_setup, map_run, map_rows,
      map_band }
};


const maas_op_t  maas_ops_blocked[] = {
    {
        .name = "ToBlocked", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(blocked_in, blocked_out),
        .infer = toblocked_infer,
        MAAS_KERNELS(toblocked_kernels)
    },
    {
        .name = "FromBlocked", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(blocked_in, blocked_out),
        .infer = maas_infer_same,
        MAAS_KERNELS(fromblocked_kernels)
    },
    {
        .name = "Map", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(map_in, map_out),
        .infer = toblocked_infer,
        MAAS_KERNELS(map_kernels)
    },
    { .name = NULL }
};
