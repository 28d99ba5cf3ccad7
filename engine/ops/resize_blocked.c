/*
 * Resize over blocked activations (domain maas): the sums of the plain form,
 * in its order, for 16 channels at a time.  Channels stay as they are.  A
 * unit is some rows of a plane, or bands of rows of all planes are made
 * (op.h).
 *
 * Ownership: tables and rows lie in the slot's scratch.
 * Threads:   units are independent.
 */

#include "ops/blocked.h"
#include "ops/resize.h"


#define RB_UNIT  1024           /* output pixels of a unit */

typedef struct {
    rs_t          r;
    maas_tap_t    channels;     /* of axis 1: a block */
    int32_t       block;
    float         one;
    int64_t       row0;         /* of the table of rows */
    int64_t       oh, ow;
    int64_t       yplane;
    float        *made;         /* a row before its post-ops */
} rb_t;


static int64_t
rb_height(const maas_tensor_t *t)
{
    return t->rank > 3 ? t->dims[2] : 1;
}


static size_t
rb_scratch(const maas_setup_t *u)
{
    size_t                bytes;
    const maas_tensor_t  *x = &u->in[RS_X], *y = &u->out[0];

    bytes = (size_t) (x->dims[x->rank - 1] + y->dims[y->rank - 1]) * MAAS_C16
            * sizeof(float);

    for (int d = 0; d < y->rank; d++) {
        bytes += d != 1 ? rs_table_bytes(u->attr, x, y, d, y->dims[d]) : 0;
    }

    return bytes;
}


static bool
rb_crops(const rs_attr_t *a)
{
    return a->coordinates == RS_TF_CROP;
}


bool
resize_blocked_setup(maas_setup_t *u)
{
    double                taps = 0.15;
    const rs_attr_t      *a = u->attr;
    const maas_tensor_t  *x = &u->in[RS_X], *y = &u->out[0];

    if (x->format != MAAS_FMT_C16 || x->dims[1] != y->dims[1]
        || (rb_crops(a) && u->in[RS_ROI].dtype != MAAS_F32))
    {
        return false;
    }

    for (int d = 2; d < y->rank && a->mode != RS_NEAREST; d++) {
        taps += (double) rs_room(a, x, y, d) * 0.03;
    }

    u->units = maas_planes16(y)
               * maas_blocked_parts(rb_height(y), y->dims[y->rank - 1],
                                    RB_UNIT);
    u->scratch = rb_scratch(u);
    u->cost = 100 + (double) maas_tensor_count(y) * (taps + 0.1 * u->n_post);

    /* The first post-op goes from a row apart to the output. */
    if (u->n_post != 0 && u->post[0].kind == MAAS_POST_BINARY
        && u->post[0].operand < 32)
    {
        u->inplace = 1u << u->post[0].operand;
    }

    return true;
}


/*
 * Tables of rows [r0, r1) and all images and columns; filled: they are in
 * the scratch.  xplane: floats from a plane to the next.
 */
static void
rb_init(const maas_step_t *s, maas_slot_t *slot, rb_t *b, int64_t r0,
    int64_t r1, int64_t xplane, bool filled)
{
    char                 *pool;
    int64_t               n[MAAS_RANK_MAX];
    maas_tap_t           *t;
    const maas_tensor_t  *x = &s->in[RS_X], *y = &s->out[0];

    memset(b, 0, sizeof(*b));
    b->row0 = r0;
    b->one = 1;
    b->channels = (maas_tap_t) { .w = &b->one, .at = &b->block, .n = 1 };
    b->oh = rb_height(y);
    b->ow = y->dims[y->rank - 1];
    b->yplane = maas_pixels(y) * MAAS_C16;
    b->r.last = x->rank - 1;
    b->r.in_row = x->dims[x->rank - 1];
    b->r.out_row = b->ow;
    b->r.row = slot->scratch;
    b->made = (float *) b->r.row + b->r.in_row * MAAS_C16;
    b->r.stride[0] = maas_blocks(x->dims[1]) * xplane;
    b->r.stride[1] = xplane;
    b->r.stride[2] = b->r.in_row * MAAS_C16;    /* rows, unless the last */

    t = (maas_tap_t *) (b->made + b->ow * MAAS_C16);
    pool = (char *) t;

    for (int d = 0; d < y->rank; d++) {
        n[d] = d == 1 ? 0 : d == 2 && d < b->r.last ? r1 - r0 : y->dims[d];
        pool += (size_t) n[d] * sizeof(*t);
    }

    for (int d = 0; d < y->rank; d++) {
        b->r.tap[d] = t;

        if (d == 2 && d < b->r.last) {
            if (!filled) {
                rs_axis(s, d, r0, r1, t, &pool);
            }

        } else if (d != 1 && !filled) {
            rs_axis(s, d, 0, n[d], t, &pool);
        }

        t += n[d];
    }
}


static void
rb_fill(float *y, float v, int64_t n)
{
    for (int64_t i = 0; i < n * MAAS_C16; i++) {
        y[i] = v;
    }
}


/* Row o of a block of an image, whose planes begin at x, to y. */
static void
rb_row(const maas_step_t *s, rb_t *b, const float *x, float *y,
    int64_t image, int64_t o)
{
    bool               inside;
    const rs_attr_t   *a = s->attr;
    const maas_tap_t  *t[MAAS_RANK_MAX], *l = b->r.tap[b->r.last];

    t[0] = &b->r.tap[0][image];
    t[1] = &b->channels;
    inside = !t[0]->outside;

    if (b->r.last > 2) {
        t[2] = &b->r.tap[2][o - b->row0];
        inside = inside && !t[2]->outside;
    }

    if (!inside) {
        rb_fill(y, a->extrapolation, b->ow);
        return;
    }

    s->k->taps16(y, rs_outer(s->k, &b->r, t, x, b->r.in_row * MAAS_C16), l,
                 b->ow);

    for (int64_t i = 0; rb_crops(a) && i < b->ow; i++) {
        if (l[i].outside) {
            rb_fill(y + i * MAAS_C16, a->extrapolation, 1);
        }
    }
}


/* Rows [r0, r1) of a block of an image; y: of its row 0. */
static void
rb_plane(const maas_step_t *s, rb_t *b, const float *x, float *y,
    int64_t image, int64_t block, int64_t r0, int64_t r1)
{
    float    *to;
    int64_t   at, plane;

    b->block = (int32_t) block;
    plane = image * maas_blocks(s->out[0].dims[1]) + block;

    for (int64_t o = r0; o < r1; o++) {
        at = o * b->ow * MAAS_C16;
        to = s->n_post != 0 ? b->made : y + at;
        rb_row(s, b, x, to, image, o);

        if (s->n_post != 0) {
            maas_post_apply16(s, 0, y + at, to, b->ow, plane * b->yplane + at,
                              plane);
        }
    }
}


maas_status_t
resize_blocked_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    rb_t                  b;
    bool                  filled = slot->keep != NULL && *slot->keep == 0;
    int64_t               u, part, parts, plane, blocks;
    const maas_tensor_t  *x = &s->in[RS_X], *y = &s->out[0];

    if (maas_tensor_count(y) == 0) {
        return MAAS_OK;
    }

    rb_init(s, slot, &b, 0, rb_height(y), maas_pixels(x) * MAAS_C16, filled);

    if (slot->keep != NULL) {
        *slot->keep = 0;
    }

    blocks = maas_blocks(y->dims[1]);
    parts = maas_blocked_parts(b.oh, b.ow, RB_UNIT);

    for (u = first; u < last; u++) {
        plane = maas_unit16(u, blocks, parts, &part);
        rb_plane(s, &b, x->data, (float *) y->data + plane * b.yplane,
                 plane / blocks, plane % blocks, part * b.oh / parts,
                 (part + 1) * b.oh / parts);
    }

    return MAAS_OK;
}


/* Images are not resized where there are as many: see rs_blocked(). */
bool
resize_blocked_rows(const maas_setup_t *u, maas_by_rows_t *r)
{
    const maas_tensor_t  *x = &u->in[RS_X], *y = &u->out[0];

    memset(r, 0, sizeof(*r));
    r->in = rb_height(x);
    r->out = rb_height(y);
    r->step = r->reach = 1;
    r->scratch = rb_scratch(u);

    if (x->dims[0] != y->dims[0] || x->dims[1] != y->dims[1]) {
        return false;
    }

    if (x->rank > 3) {
        r->step = r->in;
        r->per = r->out;
        return rs_reach(u->attr, r->in, r->out, &r->before, &r->reach);
    }

    return !rb_crops(u->attr);
}


void
resize_blocked_band(const maas_step_t *s, maas_slot_t *slot,
    const maas_band_t *b)
{
    rb_t  r;

    rb_init(s, slot, &r, b->r0, b->r1, b->xplane, false);

    /* Of the images this one alone is there. */
    r.r.stride[0] = 0;

    for (int64_t i = 0; i < maas_blocks(s->out[0].dims[1]); i++) {
        rb_plane(s, &r, b->x, b->y + i * b->yplane, b->image, i, b->r0,
                 b->r1);
    }
}
