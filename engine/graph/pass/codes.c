/*
 * codes.c: weights of 8 bits that a graph dequantises.
 *
 * Under `numerics exact` an image is to be at most twice its source, so that
 * such a weight can't become float32 there; yet converting it in every run
 * costs more than the product.  It is folded like any constant, so that all
 * passes see it, and remembers its 8-bit numbers.  Where a product packs it,
 * the panels hold these (MAAS_FMT_P16Q8); where something else reads it, the
 * DequantizeLinear comes back in the end (maas_codes_restore()).  The numbers
 * of a result are those of the graph as it was, to the bit.
 */

#include "graph/pass/pass.h"


bool
maas_codes_wanted(const maas_pass_t *p, const maas_node_t *n)
{
    int64_t              block = 0;
    const maas_value_t  *x;

    if (p->fast || !maas_pass_is(n, "DequantizeLinear")
        || (maas_pass_attr_int(n, "block_size", &block) && block != 0))
    {
        return false;
    }

    x = maas_pass_const(p->g, n->in[0]);

    return x != NULL && x->type.rank > 0
           && (x->type.dtype == MAAS_I8 || x->type.dtype == MAAS_U8)
           && p->g->value[n->out[0]].type.dtype == MAAS_F32;
}


static const void *
codes_bytes(maas_pass_t *p, const maas_value_t *x)
{
    uint8_t        *out;
    const uint8_t  *from = x->data;

    if (x->type.dtype == MAAS_I8) {
        return x->data;
    }

    out = maas_arena_alloc(p->g->arena, x->bytes);

    for (size_t i = 0; out != NULL && i < x->bytes; i++) {
        out[i] = from[i] ^ 0x80;
    }

    return out;
}


/* Element i of a scale or zero point, which may have one for all. */
static int64_t
codes_at(const maas_value_t *v, int64_t i)
{
    return maas_dims_count(v->type.dims, v->type.rank) == 1 ? 0 : i;
}


static float
codes_zero(const maas_value_t *z, bool raised, int64_t i)
{
    float  v = 0;

    if (z != NULL && raised) {
        v = ((const uint8_t *) z->data)[codes_at(z, i)];
    } else if (z != NULL) {
        v = ((const int8_t *) z->data)[codes_at(z, i)];
    }

    return raised ? v - 128 : v;
}


static maas_codes_t *
codes_alloc(maas_pass_t *p, int64_t n, float **scale, float **zero)
{
    maas_codes_t  *c;

    c = maas_arena_array(p->g->arena, 1, sizeof(*c));
    *scale = maas_arena_array(p->g->arena, (size_t) n, sizeof(float));
    *zero = maas_arena_array(p->g->arena, (size_t) n, sizeof(float));

    if (c == NULL || *scale == NULL || *zero == NULL) {
        return NULL;
    }

    c->scale = *scale;
    c->zero = *zero;
    c->n = n;
    return c;
}


maas_status_t
maas_codes_make(maas_pass_t *p, const maas_node_t *n,
    const maas_tensor_t *out, const maas_codes_t **codes)
{
    float               *scale, *zero;
    int64_t              axis = 1, count;
    maas_codes_t        *c;
    const maas_value_t  *x, *s, *z = NULL;

    x = maas_pass_const(p->g, n->in[0]);
    s = maas_pass_const(p->g, n->in[1]);
    count = maas_dims_count(s->type.dims, s->type.rank);

    if (n->n_formal > 2 && n->in[2] != MAAS_NOVAL) {
        z = maas_pass_const(p->g, n->in[2]);
        count = maas_max(count, maas_dims_count(z->type.dims, z->type.rank));
    }

    (void) maas_pass_attr_int(n, "axis", &axis);
    axis = axis < 0 ? axis + out->rank : axis;

    c = codes_alloc(p, count, &scale, &zero);
    if (c == NULL) {
        return maas_err_nomem(p->err);
    }

    for (int64_t i = 0; i < count; i++) {
        scale[i] = ((const float *) s->data)[codes_at(s, i)];
        zero[i] = codes_zero(z, x->type.dtype == MAAS_U8, i);
    }

    c->code = codes_bytes(p, x);
    if (c->code == NULL) {
        return maas_err_nomem(p->err);
    }

    c->inner = 1;
    c->axis = axis;

    for (int64_t d = axis + 1; count > 1 && d < out->rank; d++) {
        c->inner *= out->dims[d];
    }

    for (int i = 0; i < 3; i++) {
        c->in[i] = i < n->n_formal ? n->in[i] : MAAS_NOVAL;
    }

    *codes = c;
    return MAAS_OK;
}


/* -- panels -------------------------------------------------------------- */

static inline int64_t
codes_channel(const maas_codes_t *c, int64_t e)
{
    return e / c->inner % c->n;
}


/* Row i of the packed matrix is this row of the source: see maas_pack_t. */
static inline int64_t
codes_row(const maas_pack_t *how, int64_t i)
{
    int64_t  channels, block, t;

    if (how->taps <= 1) {
        return i;
    }

    channels = how->k / how->taps;
    block = i / (how->taps * MAAS_C16) * MAAS_C16;
    i -= block * how->taps;
    t = maas_min(channels - block, MAAS_C16);

    return (block + i % t) * how->taps + i / t;
}


/* Column j of matrix g; false: its rows have several scales. */
static bool
codes_column(const maas_pack_t *how, const maas_codes_t *c, int64_t g,
    int64_t j, char *panel)
{
    float    *head = (float *) (void *) panel;
    int64_t   e, base = g * how->gs + j * how->ns;
    int64_t   channel = codes_channel(c, base);

    head[j % MAAS_P16] = c->scale[channel];
    head[MAAS_P16 + j % MAAS_P16] = c->zero[channel];
    panel += MAAS_P16Q8_HEAD + j % MAAS_P16;

    for (int64_t i = 0; i < how->k; i++, panel += MAAS_P16) {
        e = base + codes_row(how, i) * how->ks;

        if (c->n > 1 && codes_channel(c, e) != channel) {
            return false;
        }

        *panel = c->code[e];
    }

    return true;
}


maas_status_t
maas_codes_pack(maas_pass_t *p, const maas_pack_t *how, maas_vid_t from,
    maas_vid_t *to)
{
    char                *data;
    size_t               bytes;
    maas_value_t        *v;
    const maas_codes_t  *c = p->g->value[from].codes;

    *to = MAAS_NOVAL;

    if (how->format != MAAS_FMT_P16 || how->winograd != 0 || how->flip
        || !maas_mul_size(maas_format_bytes(MAAS_FMT_P16Q8, how->k, how->n),
                          (size_t) how->groups, &bytes))
    {
        return MAAS_OK;
    }

    data = maas_arena_alloc(p->g->arena, bytes);
    if (data == NULL) {
        return maas_err_nomem(p->err);
    }

    memset(data, 0, bytes);

    for (int64_t g = 0; g < how->groups; g++) {
        for (int64_t j = 0; j < how->n; j++) {
            if (!codes_column(how, c, g, j, data
                              + (g * ((how->n + MAAS_P16 - 1) / MAAS_P16)
                                 + j / MAAS_P16) * maas_p16q8_panel(how->k)))
            {
                return MAAS_OK;
            }
        }
    }

    *to = maas_graph_value(p->g, p->g->value[from].name);
    if (*to == MAAS_NOVAL) {
        return maas_err_nomem(p->err);
    }

    v = &p->g->value[*to];
    v->type = p->g->value[from].type;
    v->type.format = MAAS_FMT_P16Q8;
    v->role = MAAS_ROLE_CONST;
    v->data = data;
    v->bytes = bytes;
    return MAAS_OK;
}


/* -- matrices side by side ----------------------------------------------- */

/* Row i of matrix v into `to`. */
static void
codes_row_of(const maas_value_t *v, bool transposed, int64_t i, int8_t *to)
{
    int64_t  k = v->type.dims[transposed], n = v->type.dims[!transposed];

    for (int64_t j = 0; j < n; j++) {
        to[j] = v->codes->code[transposed ? j * k + i : i * n + j];
    }
}


maas_status_t
maas_codes_join(maas_pass_t *p, const maas_vid_t *v, const bool *transposed,
    uint32_t n, const maas_codes_t **codes)
{
    float               *scale, *zero;
    int8_t              *code;
    int64_t              all = 0, at = 0, cols, k = 0;
    maas_codes_t        *c;
    const maas_value_t  *w;

    *codes = NULL;

    for (uint32_t i = 0; i < n; i++) {
        w = &p->g->value[v[i]];

        /* One scale, or one for each column. */
        if (w->codes == NULL
            || (w->codes->n > 1 && w->codes->axis != !transposed[i]))
        {
            return MAAS_OK;
        }

        k = w->type.dims[transposed[i]];
        all += w->type.dims[!transposed[i]];
    }

    c = codes_alloc(p, all, &scale, &zero);
    code = maas_arena_array(p->g->arena, (size_t) k, (size_t) all);
    if (c == NULL || code == NULL) {
        return maas_err_nomem(p->err);
    }

    for (uint32_t i = 0; i < n; i++, at += cols) {
        w = &p->g->value[v[i]];
        cols = w->type.dims[!transposed[i]];

        for (int64_t j = 0; j < cols; j++) {
            scale[at + j] = w->codes->scale[j % w->codes->n];
            zero[at + j] = w->codes->zero[j % w->codes->n];
        }

        for (int64_t j = 0; j < k; j++) {
            codes_row_of(w, transposed[i], j, code + j * all + at);
        }
    }

    c->code = code;
    c->inner = 1;
    c->axis = 1;
    c->in[0] = c->in[1] = c->in[2] = MAAS_NOVAL;
    *codes = c;
    return MAAS_OK;
}


/* -- back ---------------------------------------------------------------- */

static bool
codes_read(const maas_graph_t *g, maas_vid_t v)
{
    for (uint32_t i = 0; i < g->n_node; i++) {
        for (int j = 0; g->node[i].op != NULL && j < g->node[i].n_in; j++) {
            if (g->node[i].in[j] == v) {
                return true;
            }
        }
    }

    return maas_pass_is_output(g, v);
}


maas_status_t
maas_codes_restore(maas_pass_t *p)
{
    uint32_t             n = p->g->n_value;
    maas_vid_t           out;
    maas_value_t        *v;
    maas_raw_attr_t      axis;
    const maas_codes_t  *c;

    for (maas_vid_t i = 0; i < n; i++) {
        c = p->g->value[i].codes;

        if (c == NULL || c->in[0] == MAAS_NOVAL
            || maas_pass_const(p->g, i) == NULL || !codes_read(p->g, i))
        {
            continue;
        }

        axis = maas_pass_int("axis", c->axis);
        MAAS_TRY(maas_pass_emit(p, "", "DequantizeLinear", &axis, 1, c->in,
                                c->in[2] != MAAS_NOVAL ? 3 : 2,
                                &p->g->value[i].type, &out));
        p->g->node[p->g->n_node - 1].out[0] = i;

        v = &p->g->value[i];
        v->role = MAAS_ROLE_ACT;
        v->data = NULL;
        v->bytes = 0;
        v->codes = NULL;
    }

    return MAAS_OK;
}
