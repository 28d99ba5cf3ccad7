/*
 * fuse_parts.c: products by constant matrices that share their input, as Q,
 * K and V of attention do, become one maas.MatMulParts over the matrices side
 * by side; so does a product that a Split cuts at once.
 *
 *   MatMul(x, W_i) [+ b_i], or Gemm(x, W_i, b_i)     = MatMulParts(x, W, b)
 *
 * A part whose result an elementwise node alone reads stays what it is: the
 * product takes that into its epilogue, which is worth more.  A matrix is
 * copied once at most, whoever shares it.
 */

#include "graph/pass/pass.h"


#define PARTS_MAX  8


/* A product: its node, the Add behind it, what they hold. */
typedef struct {
    uint32_t    node;
    uint32_t    add;                /* MAAS_NONODE: none */
    maas_vid_t  w, bias;            /* bias MAAS_NOVAL: none */
    maas_vid_t  out;
    int64_t     k, n;
    bool        gemm, transposed;
} part_t;

/* Matrices that lie side by side already. */
typedef struct {
    maas_vid_t  from[PARTS_MAX];
    maas_vid_t  to;
    uint32_t    n;
} parts_joined_t;

typedef struct {
    maas_pass_t     *p;
    bool            *copied;        /* by value */
    parts_joined_t  *joined;
    uint32_t         n_joined;
} parts_work_t;


/* A constant of n float32 values along the last axis. */
static bool
parts_is_bias(const maas_pass_t *p, maas_vid_t v, int64_t n)
{
    const maas_value_t  *c = maas_pass_const(p->g, v);

    return c != NULL && c->type.dtype == MAAS_F32 && c->type.rank >= 1
           && c->type.dims[c->type.rank - 1] == n
           && maas_dims_count(c->type.dims, c->type.rank) == n;
}


/* The attributes of a Gemm that is a plain product with a bias. */
static bool
parts_gemm(const maas_pass_t *p, const maas_node_t *n, part_t *part)
{
    float                alpha = 1, beta = 1;
    int64_t              ta = 0, tb = 0;
    const maas_value_t  *w = maas_pass_const(p->g, n->in[1]);

    memcpy(&alpha, maas_pass_attr(n, "alpha"), sizeof(alpha));
    memcpy(&beta, maas_pass_attr(n, "beta"), sizeof(beta));

    if (!maas_pass_attr_int(n, "transA", &ta) || ta != 0 || alpha != 1
        || !maas_pass_attr_int(n, "transB", &tb))
    {
        return false;
    }

    part->transposed = tb != 0;
    part->k = w->type.dims[tb != 0];
    part->n = w->type.dims[tb == 0];

    if (n->n_formal < 3 || n->in[2] == MAAS_NOVAL) {
        return true;
    }

    part->bias = n->in[2];
    return beta == 1 && part->n > 1
           && p->g->value[n->in[2]].type.rank <= 2
           && parts_is_bias(p, n->in[2], part->n);
}


/* The Add of a bias that alone reads the product. */
static void
parts_add(const maas_pass_t *p, part_t *part)
{
    maas_node_t  *add;

    add = maas_pass_is_output(p->g, part->out)
          ? NULL : maas_pass_only_user(p, part->out);

    if (part->gemm || add == NULL || add->n_post != 0
        || !maas_pass_is(add, "Add"))
    {
        return;
    }

    for (int i = 0; i < 2; i++) {
        if (add->in[i] == part->out
            && parts_is_bias(p, add->in[1 - i], part->n)
            && p->g->value[add->in[1 - i]].type.rank
               <= p->g->value[part->out].type.rank)
        {
            part->bias = add->in[1 - i];
            part->add = (uint32_t) (add - p->g->node);
            part->out = add->out[0];
            return;
        }
    }
}


static bool
parts_match(const maas_pass_t *p, uint32_t i, part_t *part)
{
    const maas_node_t   *n = &p->g->node[i];
    const maas_type_t   *a;
    const maas_value_t  *w;

    *part = (part_t) { .node = i, .add = MAAS_NONODE, .bias = MAAS_NOVAL };
    part->gemm = maas_pass_is(n, "Gemm");

    if ((!part->gemm && !maas_pass_is(n, "MatMul")) || n->n_post != 0) {
        return false;
    }

    a = &p->g->value[n->in[0]].type;
    w = maas_pass_const(p->g, n->in[1]);

    if (w == NULL || w->type.dtype != MAAS_F32 || w->type.rank != 2
        || a->dtype != MAAS_F32 || a->rank < 2
        || a->format != MAAS_FMT_PLAIN)
    {
        return false;
    }

    part->w = n->in[1];
    part->k = w->type.dims[0];
    part->n = w->type.dims[1];
    part->out = n->out[0];

    if (part->gemm && !parts_gemm(p, n, part)) {
        return false;
    }

    parts_add(p, part);
    return part->k > 0 && part->n > 0 && part->n <= INT32_MAX;
}


/* Would what reads the part be one of its post-ops? */
static bool
parts_has_post(const maas_pass_t *p, const part_t *part)
{
    maas_post_t         post;
    const maas_node_t  *n;

    n = maas_pass_is_output(p->g, part->out)
        ? NULL : maas_pass_only_user(p, part->out);

    for (int i = 0; n != NULL && i < n->n_in; i++) {
        memset(&post, 0, sizeof(post));

        if (n->in[i] == part->out && maas_pass_as_post(p, n, i, &post)) {
            return true;
        }
    }

    return false;
}


/* -- constants side by side ---------------------------------------------- */

static void
parts_copy(const maas_pass_t *p, const part_t *part, float *to, int64_t ld)
{
    const float  *w = p->g->value[part->w].data;

    for (int64_t i = 0; i < part->k; i++, to += ld) {
        if (!part->transposed) {
            memcpy(to, w + i * part->n, (size_t) part->n * sizeof(float));
            continue;
        }

        for (int64_t j = 0; j < part->n; j++) {
            to[j] = w[j * part->k + i];
        }
    }
}


static maas_status_t
parts_const(maas_pass_t *p, int64_t k, int64_t n, float **data,
    maas_vid_t *out)
{
    maas_tensor_t  t = { .dtype = MAAS_F32, .rank = k != 0 ? 2 : 1 };

    t.dims[0] = k != 0 ? k : n;
    t.dims[1] = n;

    if (!maas_mul_size((size_t) maas_max(k, 1) * sizeof(float), (size_t) n,
                       &t.bytes))
    {
        return maas_err_nomem(p->err);
    }

    t.data = *data = maas_arena_alloc(p->g->arena, t.bytes);
    if (t.data == NULL) {
        return maas_err_nomem(p->err);
    }

    *out = maas_graph_const(p->g, maas_str(""), &t);
    return *out == MAAS_NOVAL ? maas_err_nomem(p->err) : MAAS_OK;
}


/* The matrices of n parts; MAAS_NOVAL: one was copied in other company. */
static maas_status_t
parts_join(parts_work_t *w, const part_t *part, uint32_t n, maas_vid_t *out)
{
    bool                 turned[PARTS_MAX];
    float               *data;
    int64_t              sum = 0, at = 0;
    uint32_t             i, j, eight = 0;
    parts_joined_t      *to;
    const maas_codes_t  *codes = NULL;

    *out = MAAS_NOVAL;

    for (i = 0; i < w->n_joined; i++) {
        to = &w->joined[i];

        for (j = 0; j < n && to->n == n && to->from[j] == part[j].w; j++) {
            /* void */
        }

        if (j == n) {
            *out = to->to;
            return MAAS_OK;
        }
    }

    to = &w->joined[w->n_joined];

    for (i = 0; i < n; i++) {
        if (w->copied[part[i].w]) {
            return MAAS_OK;
        }

        to->from[i] = part[i].w;
        turned[i] = part[i].transposed;
        eight += w->p->g->value[part[i].w].codes != NULL;
        sum += part[i].n;
    }

    /* What was 8 bits stays so. */
    if (eight != 0) {
        MAAS_TRY(maas_codes_join(w->p, to->from, turned, n, &codes));

        if (codes == NULL) {
            return MAAS_OK;
        }
    }

    MAAS_TRY(parts_const(w->p, part[0].k, sum, &data, out));
    w->p->g->value[*out].name = w->p->g->value[part[0].w].name;
    w->p->g->value[*out].codes = codes;

    for (i = 0; i < n; at += part[i++].n) {
        parts_copy(w->p, &part[i], data + at, sum);
        w->copied[part[i].w] = true;
    }

    to->to = *out;
    to->n = n;
    w->n_joined++;
    return MAAS_OK;
}


/* -0 stands for a bias that is not there: x + -0 is x. */
static maas_status_t
parts_bias(maas_pass_t *p, const part_t *part, uint32_t n, maas_vid_t *out)
{
    bool          any = false;
    float        *data;
    int64_t       sum = 0;
    const float  *b;

    for (uint32_t i = 0; i < n; i++) {
        any = any || part[i].bias != MAAS_NOVAL;
        sum += part[i].n;
    }

    *out = MAAS_NOVAL;

    if (!any) {
        return MAAS_OK;
    }

    MAAS_TRY(parts_const(p, 0, sum, &data, out));

    for (uint32_t i = 0; i < n; i++) {
        b = part[i].bias != MAAS_NOVAL ? p->g->value[part[i].bias].data
                                       : NULL;

        for (int64_t j = 0; j < part[i].n; j++) {
            *data++ = b != NULL ? b[j] : -0.0f;
        }
    }

    return MAAS_OK;
}


/* -- nodes --------------------------------------------------------------- */

/* Outputs `out` of these sizes: one node. */
static maas_status_t
parts_node(maas_pass_t *p, const maas_vid_t *in, bool chain,
    const maas_vid_t *out, const int64_t *size, uint32_t n)
{
    void             *a;
    uint32_t          bytes;
    maas_node_t      *node;
    const maas_op_t  *row;
    maas_raw_attr_t   attr[] = {
        maas_pass_int("chain", chain),
        { .name = maas_str("parts"), .type = MAAS_ATTR_INTS, .ints = size,
          .n = n }
    };

    row = maas_op_find(maas_str("maas"), maas_str("MatMulParts"));
    if (row == NULL) {
        return maas_err(p->err, MAAS_EINTERNAL, "a pass needs MatMulParts");
    }

    MAAS_TRY(maas_attr_parse(p->g->arena, row, attr, maas_nelts(attr), &a,
                             &bytes, p->err));

    node = maas_graph_node(p->g, row, a, bytes, in,
                           in[2] != MAAS_NOVAL ? 3 : 2, out, n);
    if (node == NULL) {
        return maas_err_nomem(p->err);
    }

    node->name = maas_str("MatMulParts");
    return MAAS_OK;
}


static void
parts_delete(maas_pass_t *p, const part_t *part)
{
    maas_pass_delete(&p->g->node[part->node]);

    if (part->add != MAAS_NONODE) {
        maas_pass_delete(&p->g->node[part->add]);
    }
}


/* The parts that go with that of node i, itself first. */
static uint32_t
parts_collect(const maas_pass_t *p, uint32_t i, uint32_t n_node,
    part_t *part)
{
    uint32_t  n = 1;
    part_t   *q;

    if (!parts_match(p, i, part) || parts_has_post(p, part)) {
        return 0;
    }

    for (uint32_t j = i + 1; j < n_node && n < PARTS_MAX; j++) {
        q = &part[n];

        if (p->g->node[j].op == NULL || p->g->node[j].n_in == 0
            || p->g->node[j].in[0] != p->g->node[i].in[0]
            || !parts_match(p, j, q) || parts_has_post(p, q))
        {
            continue;
        }

        n += q->gemm == part->gemm && q->k == part->k
             && part[n - 1].n % MAAS_P16 == 0
             && p->uses[q->w] == p->uses[part->w]
             && (!q->gemm || (q->bias == MAAS_NOVAL)
                             == (part->bias == MAAS_NOVAL));
    }

    return n;
}


/* Products of the input that node i reads. */
static maas_status_t
parts_share(parts_work_t *w, uint32_t i, uint32_t n_node)
{
    part_t        part[PARTS_MAX];
    int64_t       size[PARTS_MAX];
    uint32_t      n = parts_collect(w->p, i, n_node, part);
    maas_vid_t    in[3], out[PARTS_MAX];

    if (n < 2) {
        return MAAS_OK;
    }

    in[0] = w->p->g->node[i].in[0];
    MAAS_TRY(parts_join(w, part, n, &in[1]));

    if (in[1] == MAAS_NOVAL) {
        return MAAS_OK;
    }

    MAAS_TRY(parts_bias(w->p, part, n, &in[2]));

    for (uint32_t j = 0; j < n; j++) {
        size[j] = part[j].n;
        out[j] = part[j].out;
        parts_delete(w->p, &part[j]);
    }

    return parts_node(w->p, in, part[0].gemm, out, size, n);
}


/* The node that alone reads v, when it is `op`. */
static maas_node_t *
parts_reader(const maas_pass_t *p, maas_vid_t v, const char *op)
{
    maas_node_t  *n;

    n = maas_pass_is_output(p->g, v) ? NULL : maas_pass_only_user(p, v);
    return n != NULL && n->n_post == 0 && maas_pass_is(n, op) ? n : NULL;
}


/*
 * Does Reshape r of a product keep its n columns, so that it may follow a cut
 * of them?  A 0 of its shape is the product's extent: only that of the rows
 * stays what it is.
 */
static bool
parts_keeps_columns(const maas_pass_t *p, const maas_node_t *r, int64_t n)
{
    int64_t              zero = 0, last;
    const int64_t       *dims;
    const maas_type_t   *t = &p->g->value[r->out[0]].type;
    const maas_value_t  *c = maas_pass_const(p->g, r->in[1]);

    if (c == NULL || c->type.dtype != MAAS_I64 || c->type.rank != 1
        || t->rank < 1 || c->type.dims[0] != t->rank
        || t->dims[t->rank - 1] != n
        || !maas_pass_attr_int(r, "allowzero", &zero) || zero != 0)
    {
        return false;
    }

    dims = c->data;
    last = dims[t->rank - 1];

    for (int i = 1; i < t->rank; i++) {
        if (dims[i] == 0) {
            return false;
        }
    }

    return t->rank > 1 && (last == n || last == -1);
}


/* The Split of a product's columns, and the Reshape before it, or NULL. */
static maas_node_t *
parts_cut(const maas_pass_t *p, const part_t *part, maas_node_t **reshape)
{
    int64_t             axis;
    maas_node_t        *s;
    const maas_type_t  *t;

    *reshape = parts_reader(p, part->out, "Reshape");

    if (*reshape != NULL && !parts_keeps_columns(p, *reshape, part->n)) {
        return NULL;
    }

    s = parts_reader(p, *reshape != NULL ? (*reshape)->out[0] : part->out,
                     "Split");
    if (s == NULL || s->n_out > PARTS_MAX
        || !maas_pass_attr_int(s, "axis", &axis))
    {
        return NULL;
    }

    t = &p->g->value[s->in[0]].type;
    return axis == -1 || axis == t->rank - 1 ? s : NULL;
}


/* What comes out of Split s: values and their columns. */
static bool
parts_sizes(const maas_pass_t *p, const maas_node_t *s, maas_vid_t *out,
    int64_t *size)
{
    const maas_type_t  *t;

    for (uint32_t j = 0; j < s->n_out; j++) {
        out[j] = s->out[j];

        if (out[j] == MAAS_NOVAL) {
            return false;
        }

        t = &p->g->value[out[j]].type;
        size[j] = t->rank > 0 ? t->dims[t->rank - 1] : 0;

        if (!maas_dim_known(size[j]) || size[j] < 1
            || (j + 1 < s->n_out && size[j] % MAAS_P16 != 0))
        {
            return false;
        }
    }

    return true;
}


/* A part of `size` columns, shaped as value `shape` says, into `out`. */
static maas_status_t
parts_shape(maas_pass_t *p, const maas_type_t *product, maas_vid_t shape,
    int64_t size, maas_vid_t out, maas_vid_t *part)
{
    uint32_t              bytes;
    void                 *a;
    maas_vid_t            in[2];
    maas_node_t          *n;
    maas_tensor_t         t = maas_value_tensor(&p->g->value[shape]);
    const maas_op_t      *row = maas_op_find(maas_str(""),
                                             maas_str("Reshape"));

    if (row == NULL) {
        return maas_err(p->err, MAAS_EINTERNAL, "a pass needs Reshape");
    }

    t.data = maas_arena_dup(p->g->arena, t.data, t.bytes);
    *part = maas_graph_value(p->g, maas_str(""));

    if (t.data == NULL || *part == MAAS_NOVAL) {
        return maas_err_nomem(p->err);
    }

    ((int64_t *) t.data)[t.dims[0] - 1] = size;
    p->g->value[*part].type = *product;
    p->g->value[*part].type.dims[product->rank - 1] = size;

    in[0] = *part;
    in[1] = maas_graph_const(p->g, maas_str(""), &t);
    MAAS_TRY(maas_attr_parse(p->g->arena, row, NULL, 0, &a, &bytes, p->err));

    n = in[1] == MAAS_NOVAL
        ? NULL : maas_graph_node(p->g, row, a, bytes, in, 2, &out, 1);
    if (n == NULL) {
        return maas_err_nomem(p->err);
    }

    n->name = maas_str("Reshape");
    return MAAS_OK;
}


/* A Split that alone reads a product, or its Reshape, along the columns. */
static maas_status_t
parts_split(parts_work_t *w, uint32_t i)
{
    part_t        part;
    int64_t       size[PARTS_MAX];
    uint32_t      n;
    maas_vid_t    in[3], out[PARTS_MAX], shape;
    maas_type_t   product;
    maas_node_t  *s, *reshape;

    if (!parts_match(w->p, i, &part)
        || (s = parts_cut(w->p, &part, &reshape)) == NULL
        || !parts_sizes(w->p, s, out, size))
    {
        return MAAS_OK;
    }

    n = s->n_out;
    product = w->p->g->value[part.out].type;
    in[0] = w->p->g->node[i].in[0];
    in[1] = part.w;

    if (part.transposed) {
        MAAS_TRY(parts_join(w, &part, 1, &in[1]));
    }

    if (in[1] == MAAS_NOVAL) {
        return MAAS_OK;
    }

    MAAS_TRY(parts_bias(w->p, &part, 1, &in[2]));

    maas_pass_delete(s);
    parts_delete(w->p, &part);

    if (reshape != NULL) {
        shape = reshape->in[1];
        maas_pass_delete(reshape);

        for (uint32_t j = 0; j < n; j++) {
            MAAS_TRY(parts_shape(w->p, &product, shape, size[j], out[j],
                                 &out[j]));
        }
    }

    return parts_node(w->p, in, part.gemm, out, size, n);
}


static maas_status_t
parts_run(maas_pass_t *p)
{
    uint32_t      n = p->g->n_node;
    parts_work_t  w = { .p = p };

    w.copied = maas_arena_array(p->g->arena, p->g->n_value + 1,
                                sizeof(bool));
    w.joined = maas_arena_array(p->g->arena, n + 1, sizeof(*w.joined));
    if (w.copied == NULL || w.joined == NULL) {
        return maas_err_nomem(p->err);
    }

    for (uint32_t i = 0; i < n; i++) {
        if (p->g->node[i].op != NULL) {
            MAAS_TRY(parts_split(&w, i));
        }

        if (p->g->node[i].op != NULL) {
            MAAS_TRY(parts_share(&w, i, n));
        }
    }

    return maas_pass_sort(p);
}


const maas_pass_row_t  maas_pass_fuse_parts = {
    .name = "fuse_parts", .run = parts_run, .needs_types = true
};
