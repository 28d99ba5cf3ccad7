/*
 * maas.ConvBlocked: convolution that writes blocked activations.
 *
 * A unit is a band of output rows (or a piece of a row) of one image and
 * group, and some blocks of channels.  Rows above and below the image are
 * left out of the chain, and so is a tap beside a row; where more fall there,
 * the band's rows are copied into the thread's scratch with zeros at their
 * ends.  Planes of few channels (the first layer) are read as they are; all
 * else is blocked.
 *
 * Ownership: nothing is allocated.  Threads: units are independent, and the
 * chain of an output element knows no unit.
 */

#include <math.h>

#include "ops/conv_band.h"
#include "ops/panels8.h"


#define CB_CHAIN   40960        /* floats of the weights of a set in one go */
#define CB_PLANES  4            /* channels that are read from planes */

/* Output pixels and the input that they see. */
typedef struct {
    const float  *x;            /* row y0, column x0 of the first part */
    int64_t       part, row;    /* floats from one to the next */
    int64_t       y0, x0;       /* of the input; x0 may be negative */
    int64_t       r0, r1, c0, cols;
} cb_band_t;


/* A gradient by X; the input is normalised first (1x1 alone). */
typedef enum {
    CB_FORWARD = 0,
    CB_BACK,
    CB_NORMED
} cb_form_t;


bool
conv_blocked(const maas_node_t *n, const maas_type_t *const *type,
    maas_blocked_t *b)
{
    bool                       one = true;
    int64_t                    taps = 1;
    const maas_type_t         *x = type[0], *w = type[1];
    const maas_window_attr_t  *a = n->attr;

    if (!(b->constant & 2) || w->rank < 3 || w->rank > 4 || x->rank != w->rank
        || x->dtype != MAAS_F32 || w->format != MAAS_FMT_PLAIN)
    {
        return false;
    }

    for (int i = 2; i < w->rank; i++) {
        taps *= w->dims[i];
        one = one && x->dims[i] == 1;
    }

    /* A vector for each image is a plain product. */
    if (!maas_dim_known(taps) || !maas_dim_known(w->dims[0])
        || (one && taps == 1)
        || w->dims[0] < 1 || w->dims[1] < 1 || taps < 1)
    {
        return false;
    }

    b->op = "ConvBlocked";

    if (!(b->in & 1)) {
        if (conv_w_depthwise(a, w->dims)
            || (w->dims[1] > CB_PLANES && taps * w->dims[0] < 64))
        {
            return false;
        }

        b->in = w->dims[1] > CB_PLANES || a->group != 1
                || (a->dilations.n != 0
                    && maas_list_ints(a, &a->dilations)[x->rank - 3] != 1);
    }

    b->in &= 1;

    for (int i = 0; i < n->n_post; i++) {
        if (n->post[i].kind == MAAS_POST_BINARY) {
            b->in |= 1u << n->post[i].operand;
        }
    }

    if (b->fast && (b->in & 1) && conv_winograd(a, x, w) != NULL) {
        b->op = conv_winograd(a, x, w);
    }

    if (conv_w_depthwise(a, w->dims) || conv_w_aligned(a, w->dims)) {
        return true;
    }

    b->op = "ConvGrouped";
    return conv_grouped(a, w);
}


maas_status_t
conv_blocked_infer(maas_infer_t *c)
{
    maas_dim_t          dims[MAAS_RANK_MAX];
    const maas_type_t  *x = c->in[0].type;

    MAAS_TRY(conv_infer_dims(c, 1, 2, dims));
    maas_infer_set(c, 0, x->dtype, x->rank, dims);

    return maas_blocked_out(c, MAAS_OK);
}


bool
conv_blocked_pack(const maas_node_t *n, const maas_type_t *const *type,
    maas_pack_t *p)
{
    int64_t                    taps = 1;
    const maas_type_t         *w = type[1];
    const maas_window_attr_t  *a = n->attr;

    if (p->input != 1 || w == NULL || w->dtype != MAAS_F32 || w->rank < 3
        || w->rank > 4 || type[0] == NULL || a->group < 1
        || w->dims[0] % a->group != 0)
    {
        return false;
    }

    for (int i = 2; i < w->rank; i++) {
        if (!maas_mul_i64(taps, w->dims[i], &taps)) {
            return false;
        }
    }

    p->format = MAAS_FMT_P16;
    p->ks = 1;
    p->taps = 1;

    if (conv_w_depthwise(a, w->dims)) {
        p->groups = 1;
        p->n = w->dims[0];
        p->k = taps;

    } else {
        p->groups = a->group;
        p->n = w->dims[0] / a->group;

        if (!maas_mul_i64(taps, w->dims[1], &p->k)) {
            return false;
        }

        p->taps = type[0]->format == MAAS_FMT_C16 ? taps : 1;
        p->eight = true;
    }

    p->ns = p->k;
    p->needed = true;
    return maas_mul_i64(p->n, p->k, &p->gs) && p->n > 0 && p->k > 0;
}


/* -- post-ops ------------------------------------------------------------ */

int
conv_blocked_posts(const maas_step_t *s, const float **add, bool *clip,
    float *lo, float *hi)
{
    int  i = 0;

    *clip = false;
    *lo = -INFINITY;
    *hi = INFINITY;

    if (add != NULL) {
        *add = NULL;

        if (i < s->n_post && s->post[i].kind == MAAS_POST_BINARY
            && s->post[i].fn == MAAS_B_ADD)
        {
            *add = s->in[s->post[i++].operand].data;
        }
    }

    if (i < s->n_post && s->post[i].kind == MAAS_POST_UNARY) {
        if (s->post[i].fn == MAAS_U_RELU) {
            *clip = true;
            *lo = 0;
            i++;

        } else if (s->post[i].fn == MAAS_U_CLIP) {
            *clip = true;
            *lo = s->post[i].a;
            *hi = s->post[i].b;
            i++;
        }
    }

    return i;
}


uint32_t
conv_blocked_inplace(const maas_setup_t *u)
{
    return u->n_post != 0 && u->post[0].kind == MAAS_POST_BINARY
           && u->post[0].fn == MAAS_B_ADD && u->post[0].operand < 32
           ? 1u << u->post[0].operand : 0;
}


/* -- the band ------------------------------------------------------------ */

/*
 * Input rows [y0, y1) that the band's taps reach and that there are; made:
 * they lie in dst.
 */
static void
cb_copy(const cb_t *g, cb_band_t *b, float *dst, bool made)
{
    size_t        left, len, right;
    int64_t       y, y1, x0, x1, cols, lane = g->lane;
    const float  *src = b->x, *p;

    y1 = maas_min((b->r1 - 1) * g->sh - g->ph + (g->kh - 1) * g->dh + 1,
                  g->ih);
    cols = (b->cols - 1) * g->sw + (g->kw - 1) * g->dw + 1;
    x0 = maas_min(maas_max(b->x0, 0), g->iw);
    x1 = maas_max(maas_min(b->x0 + cols, g->iw), x0);

    left = (size_t) maas_min(maas_max(-b->x0, 0), cols) * lane;
    len = (size_t) (x1 - x0) * lane;
    right = (size_t) cols * lane - left - len;

    b->x = dst;

    for (int64_t c = 0; c < g->parts && !made; c++, src += b->part) {
        for (y = b->y0; y < y1; y++) {
            p = src + (y * g->iw + x0) * lane;
            memset(dst, 0, left * sizeof(float));
            memcpy(dst + left, p, len * sizeof(float));
            memset(dst + left + len, 0, right * sizeof(float));
            dst += cols * lane;
        }
    }

    b->row = cols * lane;
    b->part = maas_max(y1 - b->y0, 0) * b->row;
}


/* The band's pixels, which are those of the output, scaled and shifted. */
static void
cb_norm(const cb_t *g, const maas_step_t *s, cb_band_t *b, float *dst,
    bool made)
{
    int64_t                    n = (b->r1 - b->r0) * b->cols;
    const float               *x = b->x + b->r0 * b->row
                                   + b->c0 * MAAS_C16;
    const float               *scale = s->in[3].data, *shift = s->in[4].data;
    const conv_normed_attr_t  *a = s->attr;

    b->x = dst;

    for (int64_t c = 0; c < g->parts && !made; c++, x += b->part) {
        s->k->affine16(dst, x, scale + c * MAAS_C16, shift + c * MAAS_C16, n,
                       a->low, a->high);
        dst += n * MAAS_C16;
    }

    b->row = b->cols * MAAS_C16;
    b->part = n * MAAS_C16;
}


/* The input that the band sees of image times group `ig`; n: its number. */
static void
cb_open(const cb_t *g, const maas_step_t *s, int64_t ig, int64_t n,
    maas_slot_t *slot, cb_band_t *b)
{
    bool  made;

    b->y0 = maas_min(maas_max(b->r0 * g->sh - g->ph, 0), g->ih);
    b->x0 = b->c0 * g->sw - g->pw;
    b->x = g->x + ig * g->parts * g->xplane;
    b->part = g->xplane;
    b->row = g->iw * g->lane;

    if (g->copy || g->normed) {
        made = slot->keep != NULL && *slot->keep == n;

        if (g->normed) {
            cb_norm(g, s, b, slot->scratch, made);
        } else {
            cb_copy(g, b, slot->scratch, made);
        }

        if (slot->keep != NULL) {
            *slot->keep = n;
        }

        return;
    }

    b->x += b->y0 * b->row + b->x0 * g->lane;
}


/* Band number `n` of all images and groups. */
static void
cb_band(const cb_t *g, const maas_step_t *s, int64_t n, maas_slot_t *slot,
    cb_band_t *b)
{
    int64_t  u = n % (g->nrow * g->ncol);

    b->r0 = u / g->ncol * g->oh / g->nrow;
    b->r1 = (u / g->ncol + 1) * g->oh / g->nrow;
    b->c0 = u % g->ncol * g->cols;
    b->cols = maas_min(g->cols, g->ow - b->c0);
    cb_open(g, s, n / (g->nrow * g->ncol), n, slot, b);
}


/* Output rows [r0, r1), all of which see kernel rows [k0, k1). */
static void
cb_rows(const cb_t *g, const cb_band_t *b, maas_conv16_t *c, int64_t r0,
    int64_t r1, int64_t k0, int64_t k1)
{
    c->b0 = k0;
    c->nb = k1 - k0;
    c->rows = r1 - r0;
    c->cols = b->cols;
    c->x = b->x;                        /* of part 0 */

    if (k1 > k0) {
        c->x += (r0 * g->sh - g->ph + k0 * g->dh - b->y0) * b->row;
    }

    if (g->flat) {
        c->cols *= c->rows;
        c->rows = 1;
    }
}


/* Kernel rows that lie in the image for output row r. */
static void
cb_taps(const cb_t *g, int64_t r, int64_t *k0, int64_t *k1)
{
    int64_t  y = r * g->sh - g->ph;

    for (*k0 = 0; *k0 < g->kh && y + *k0 * g->dh < 0; (*k0)++) {
        /* void */
    }

    for (*k1 = g->kh; *k1 > *k0 && y + (*k1 - 1) * g->dh >= g->ih; (*k1)--) {
        /* void */
    }
}


/* What does not change within a band. */
static void
cb_chain(const cb_t *g, const cb_band_t *b, maas_conv16_t *c)
{
    c->na = g->parts;
    c->nc = g->planes ? 1 : g->kw;
    c->run = g->planes ? g->kw : MAAS_C16;
    c->last = g->planes ? g->kw : g->icg - (g->parts - 1) * MAAS_C16;
    c->xa = b->part;
    c->xb = g->dh * b->row;
    c->xc = g->dw * MAAS_C16;
    c->xrow = g->sh * b->row;
    c->xcol = g->sw * g->lane;
    c->wa = g->kh * g->kw * (g->planes ? MAAS_C16 : MAAS_C16 * MAAS_C16);
    c->wblock = g->icg * g->kh * g->kw * MAAS_C16;
    c->yrow = g->ow * MAAS_C16;
    c->yblock = g->yplane;
    c->left = !g->copy && g->left && b->c0 == 0;
    c->right = !g->copy && g->right && b->c0 + b->cols == g->ow;
}


/* Parts of the chain of so many pixels; those of 8-bit weights are unpacked. */
static int64_t
cb_splits(const cb_t *g, int64_t pixels)
{
    int64_t  parts;

    if (!g->eight && (g->planes || pixels <= 14)) {
        return 1;
    }

    parts = (g->icg * g->kh * g->kw * CB_SET + CB_CHAIN / 2) / CB_CHAIN;

    return maas_min(maas_max(parts, 1), g->parts);
}


/* The post-ops that the kernel did not take. */
static void
cb_rest(const maas_step_t *s, const cb_t *g, const cb_band_t *b, int first,
    int64_t plane, int64_t blocks)
{
    bool      whole = b->cols == g->ow;
    float    *y;
    int64_t   r, at;

    for (int64_t i = plane; i < plane + blocks; i++) {
        for (r = b->r0; r < b->r1; r += whole ? b->r1 - b->r0 : 1) {
            at = (r * g->ow + b->c0) * MAAS_C16;
            y = g->y + i * g->yplane + at;
            maas_post_apply16(s, first, y, y,
                              whole ? (b->r1 - b->r0) * g->ow : b->cols,
                              i * g->oh * g->ow * MAAS_C16 + at, i);
        }
    }
}


/* The band's rows; c has its chain.  y, add: the plane's; next: weights. */
static void
cb_set(const maas_step_t *s, const cb_t *g, const cb_band_t *b,
    maas_conv16_t *c, float *y, const float *add, const float *next,
    int64_t nnext)
{
    int64_t       r, r1, k0, k1, e0, e1, at, rows = b->r1 - b->r0;
    const float  *x = c->x;

    for (r = b->r0; r < b->r1; r = r1) {
        cb_taps(g, r, &k0, &k1);

        for (r1 = r + 1; r1 < b->r1; r1++) {
            cb_taps(g, r1, &e0, &e1);

            if (e0 != k0 || e1 != k1) {
                break;
            }
        }

        cb_rows(g, b, c, r, r1, k0, k1);
        c->x += x - b->x;
        at = (r * g->ow + b->c0) * MAAS_C16;
        c->y = y + at;
        c->add = add != NULL ? add + at : NULL;

        at = (r - b->r0) * nnext / rows;
        c->ahead = next != NULL ? next + at : NULL;
        c->nahead = (r1 - b->r0) * nnext / rows - at;
        s->k->conv16(c);
    }

    c->x = x;
}


/* Rows of a panel that parts [a, a1) of the input have. */
static int64_t
cb_weights(const cb_t *g, int64_t a, int64_t a1)
{
    return (maas_min(a1 * g->lane, g->icg) - a * g->lane) * g->kh * g->kw;
}


/* Floats for the weights of the longest part of a chain. */
static size_t
cb_room(const cb_t *g)
{
    int64_t  parts = cb_splits(g, INT64_MAX);

    return (size_t) ((g->parts + parts - 1) / parts * g->lane * g->kh * g->kw)
           * CB_SET;
}


/*
 * Up to CB_SET channels of one band, c->w theirs.  A long chain is made in
 * parts whose weights stay in the second cache while all pixels meet them.
 * w8: the weights, 8-bit; a part of them is unpacked into room.
 */
static void
cb_parts(const maas_step_t *s, const cb_t *g, const cb_band_t *b,
    maas_conv16_t *c, float *y, const float *add, bool final,
    const int8_t *w8, float *room)
{
    int64_t        a, a1, n, parts;
    const float   *w = c->w;
    maas_conv16_t  p = *c;

    parts = cb_splits(g, (b->r1 - b->r0) * b->cols);

    for (int64_t i = 0; i < parts; i++) {
        a = g->parts * i / parts;
        a1 = g->parts * (i + 1) / parts;

        p.na = a1 - a;
        p.last = a1 < g->parts ? c->run : c->last;
        p.x = b->x + a * c->xa;
        if (g->eight) {
            n = cb_weights(g, a, a1);
            panels8_unpack(s->k, room, w8, g->icg * g->kh * g->kw,
                           maas_blocks(c->n), a * c->wa / MAAS_P16, n);
            p.w = room;
            p.wblock = n * MAAS_P16;

        } else {
            p.w = w + a * c->wa;
        }

        p.sums = a > 0;
        p.more = a1 < g->parts;

        if (g->eight) {
            cb_set(s, g, b, &p, y, add, NULL, 0);
        } else if (p.more) {
            cb_set(s, g, b, &p, y, add, w + a1 * c->wa,
                   (g->parts * (i + 2) / parts - a1) * c->wa);
        } else {
            cb_set(s, g, b, &p, y, add,
                   final ? NULL : w + CB_SET / MAAS_C16 * c->wblock,
                   g->parts / parts * c->wa);
        }
    }
}


/* n channels from oc on of one band. */
static void
cb_channels(const maas_step_t *s, const cb_t *g, const cb_band_t *b,
    int64_t ig, int64_t oc, int64_t n, float *room)
{
    int             posts;
    int64_t         plane, at, i, k = g->icg * g->kh * g->kw;
    const float    *bias = conv_bias(s), *add;
    const int8_t   *w8 = NULL;
    maas_conv16_t   c = { 0 };

    plane = ig * maas_blocks(g->ocg) + oc / MAAS_C16;
    posts = conv_blocked_posts(s, &add, &c.clip, &c.lo, &c.hi);
    cb_chain(g, b, &c);

    if (g->eight) {
        w8 = panels8_at(s->in[1].data, ig % g->group, k, g->ocg,
                        oc / MAAS_P16);
    } else {
        c.w = (const float *) s->in[1].data
              + (size_t) (ig % g->group) * maas_p16_elems(k, g->ocg)
              + oc / MAAS_C16 * c.wblock;
    }

    c.bias = bias != NULL ? bias + ig % g->group * g->ocg + oc : NULL;

    for (i = 0; i < n; i += CB_SET) {
        c.n = maas_min(n - i, CB_SET);
        at = plane + i / MAAS_C16;
        cb_parts(s, g, b, &c, g->y + at * g->yplane,
                 add != NULL ? add + at * g->oh * g->ow * MAAS_C16 : NULL,
                 oc + i + CB_SET >= g->ocg, w8, room);
        c.w += w8 == NULL ? CB_SET / MAAS_C16 * c.wblock : 0;
        w8 += w8 != NULL ? CB_SET / MAAS_P16 * maas_p16q8_panel(k) : 0;
        c.bias = c.bias != NULL ? c.bias + CB_SET : NULL;
    }

    if (posts < s->n_post) {
        cb_rest(s, g, b, posts, plane, maas_blocks(n));
    }
}


static void
cb_form(cb_t *g, cb_form_t form, const void *attr, const maas_tensor_t *in,
    const maas_tensor_t *out)
{
    conv_band_geom(g, attr, &in[0], &in[1], &out[0], form == CB_BACK);
    g->normed = form == CB_NORMED;
}


/* Bytes of a band's inputs, where they are copied. */
static size_t
cb_copied(const cb_t *g)
{
    return !g->copy && !g->normed ? 0
           : maas_align((size_t) (g->parts * g->lane)
                        * (size_t) (maas_min(g->in_rows, g->ih) * g->in_cols)
                        * sizeof(float), MAAS_ALIGN);
}


static bool
cb_setup(maas_setup_t *u, cb_form_t form)
{
    cb_t                       g;
    const maas_window_attr_t  *a = u->attr;

    if (!maas_format_panels(u->in[1].format)
        || conv_w_depthwise(a, u->in[1].dims)
        || !conv_w_aligned(a, u->in[1].dims))
    {
        return false;
    }

    cb_form(&g, form, u->attr, u->in, u->out);

    if (g.planes && (form != CB_FORWARD || g.group != 1 || g.dw != 1)) {
        return false;
    }

    u->units = g.batch * g.group * g.nrow * g.ncol * g.nset;
    u->scratch = cb_copied(&g)
                 + (g.eight ? cb_room(&g) * sizeof(float) : 0);
    u->cost = 100 + conv_flops(u) / 150;

    /* Sums of a chain in parts would overwrite what is added at its end. */
    if (cb_splits(&g, g.oh * g.ow) == 1) {
        u->inplace = conv_blocked_inplace(u);
    }

    return true;
}


bool
conv_blocked_setup(maas_setup_t *u)
{
    return cb_setup(u, CB_FORWARD);
}


bool
conv_normed_setup(maas_setup_t *u)
{
    int64_t  wide = maas_blocks(u->in[0].dims[1]) * MAAS_C16;

    return u->in[3].dims[0] == wide && u->in[4].dims[0] == wide
           && cb_setup(u, CB_NORMED);
}


bool
conv_gradx_blocked_setup(maas_setup_t *u)
{
    return cb_setup(u, CB_BACK);
}


static void
cb_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last,
    cb_form_t form)
{
    cb_t        g;
    float      *room;
    int64_t     u, n, oc, have = -1;
    cb_band_t   b = { 0 };

    cb_form(&g, form, s->attr, s->in, s->out);
    conv_band_places(&g, s, NULL);
    room = (float *) (void *) ((char *) slot->scratch + cb_copied(&g));

    for (u = first; u < last; u++) {
        n = u / g.nset;

        if (n != have) {
            cb_band(&g, s, n, slot, &b);
            have = n;
        }

        oc = u % g.nset * g.nb;
        cb_channels(s, &g, &b, n / (g.nrow * g.ncol), oc,
                    maas_min(g.nb, g.ocg - oc), room);
    }
}


maas_status_t
conv_blocked_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    cb_run(s, slot, first, last, CB_FORWARD);
    return MAAS_OK;
}


maas_status_t
conv_normed_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    cb_run(s, slot, first, last, CB_NORMED);
    return MAAS_OK;
}


maas_status_t
conv_gradx_blocked_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last)
{
    cb_run(s, slot, first, last, CB_BACK);
    return MAAS_OK;
}


/* -- by rows ------------------------------------------------------------- */

/* What is added lies as the output's tensor does. */
static bool
cb_adds(const maas_setup_t *u)
{
    return u->n_post != 0 && u->post[0].kind == MAAS_POST_BINARY
           && u->post[0].fn == MAAS_B_ADD;
}


static bool
cb_by_rows(const maas_setup_t *u, maas_by_rows_t *r, cb_form_t form)
{
    cb_t  g;

    /* A few rows would not pay for unpacking 8-bit weights. */
    if (u->in[1].format == MAAS_FMT_P16Q8) {
        return false;
    }

    conv_band_shape(&g, u->attr, &u->in[0], &u->in[1], &u->out[0], false);
    g.normed = form == CB_NORMED;
    conv_band_rows(&g, r);
    r->whole = cb_adds(u);

    if (g.copy || g.normed) {
        r->scratch_row = (size_t) (g.parts * g.lane)
                         * (size_t) ((g.ow - 1) * g.sw + (g.kw - 1) * g.dw
                                     + 1) * sizeof(float);
    }

    return true;
}


bool
conv_blocked_rows(const maas_setup_t *u, maas_by_rows_t *r)
{
    return cb_by_rows(u, r, CB_FORWARD);
}


bool
conv_normed_rows(const maas_setup_t *u, maas_by_rows_t *r)
{
    return cb_by_rows(u, r, CB_NORMED);
}


static void
cb_run_band(const maas_step_t *s, maas_slot_t *slot, const maas_band_t *rows,
    cb_form_t form)
{
    cb_t        g;
    int64_t     ig;
    cb_band_t   b = { .r0 = rows->r0, .r1 = rows->r1 };

    conv_band_shape(&g, s->attr, &s->in[0], &s->in[1], &s->out[0], false);
    g.normed = form == CB_NORMED;
    conv_band_places(&g, s, rows);
    b.cols = g.ow;

    for (int64_t i = 0; i < g.group; i++) {
        ig = rows->image * g.group + i;
        cb_open(&g, s, ig, ig, slot, &b);
        cb_channels(s, &g, &b, ig, 0, g.ocg, NULL);
    }
}


void
conv_blocked_band(const maas_step_t *s, maas_slot_t *slot,
    const maas_band_t *b)
{
    cb_run_band(s, slot, b, CB_FORWARD);
}


void
conv_normed_band(const maas_step_t *s, maas_slot_t *slot,
    const maas_band_t *b)
{
    cb_run_band(s, slot, b, CB_NORMED);
}
