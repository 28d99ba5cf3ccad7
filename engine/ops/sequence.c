/*
 * Sequences and optionals.  They are lists that exist while planning: most
 * operators only say which tensors go where (select()); two compute, on the
 * tensors of a sequence in a row: SplitToSequence and ConcatFromSequence.
 */

#include "ops/move.h"
#include "ops/ops_common.h"


typedef struct {
    int64_t  axis;
    int64_t  keepdims;
} split_attr_t;

typedef struct {
    int64_t  axis;
    int64_t  new_axis;
} concat_attr_t;

typedef struct {
    int64_t  dtype;
} empty_attr_t;

typedef struct {
    int64_t  type;              /* dtype | kind << 8 | dtype of keys << 16 */
} optional_attr_t;


/* -- types --------------------------------------------------------------- */

/* A list of what input `from` holds or is. */
static void
list_type(maas_infer_t *c, uint8_t kind, int from)
{
    maas_type_t  *t = &c->out[0].type;

    memset(t, 0, sizeof(*t));
    t->kind = kind;
    t->rank = -1;
    t->dtype = c->n_in > from && c->in[from].type != NULL
               ? c->in[from].type->dtype : MAAS_NODTYPE;
}


static maas_status_t
sequence_infer(maas_infer_t *c)
{
    list_type(c, MAAS_KIND_SEQUENCE, 0);
    return MAAS_OK;
}


static maas_status_t
empty_infer(maas_infer_t *c)
{
    const empty_attr_t  *a = c->attr;

    list_type(c, MAAS_KIND_SEQUENCE, 0);
    c->out[0].type.dtype = (uint8_t) a->dtype;
    return MAAS_OK;
}


static maas_status_t
optional_infer(maas_infer_t *c)
{
    maas_type_t            *t = &c->out[0].type;
    const optional_attr_t  *a = c->attr;

    list_type(c, MAAS_KIND_OPTIONAL, 0);

    if (maas_infer_has(c, 0)) {
        t->inner = c->in[0].type->kind;
        return MAAS_OK;
    }

    /* Empty: the attribute alone says of what. */
    t->dtype = a->type & 0xff;
    t->inner = a->type >> 8 & 0xff;
    t->key = a->type >> 16 & 0xff;

    return MAAS_OK;
}


/* A tensor out of a list: its dtype alone is known before. */
static maas_status_t
element_infer(maas_infer_t *c)
{
    list_type(c, MAAS_KIND_TENSOR, 0);
    return MAAS_OK;
}


static maas_status_t
length_infer(maas_infer_t *c)
{
    maas_infer_set(c, 0, MAAS_I64, 0, NULL);
    return MAAS_OK;
}


static maas_status_t
has_infer(maas_infer_t *c)
{
    maas_infer_set(c, 0, MAAS_BOOL, 0, NULL);
    return MAAS_OK;
}


/* -- which tensors ------------------------------------------------------- */

static maas_status_t
select_is_list(const maas_select_t *c, int i, uint8_t kind)
{
    if (i >= c->n_in || c->in[i].absent || c->in[i].kind != kind) {
        return maas_err(c->err, MAAS_EINVAL, "input %d is no %s", i,
                        maas_kind_name(kind));
    }

    return MAAS_OK;
}


static void
select_items(maas_select_t *c, uint32_t in, uint32_t first, uint32_t last)
{
    for (uint32_t i = first; i < last; i++) {
        c->pick[c->n++] = (maas_pick_t) { in, i };
    }
}


/* The position input: in [-n, last]; def where it is absent. */
static maas_status_t
select_position(maas_select_t *c, int i, uint32_t last, uint32_t def,
    uint32_t *out)
{
    int64_t                 v, n = c->in[0].n;
    const maas_infer_in_t  *in;

    *out = def;

    if (i >= c->n_in || c->in[i].absent) {
        return MAAS_OK;
    }

    in = c->in[i].tensor;

    if (in->data == NULL) {
        return MAAS_INFER_NEED(c, i);
    }

    if (in->n_ival != 1) {
        return maas_err(c->err, MAAS_EINVAL,
                        "the position is not one int32 or int64");
    }

    v = in->ival[0];

    if (v < -n || v > (int64_t) last) {
        return maas_err(c->err, MAAS_EINVAL, "position %lld is out of range "
                        "[%lld, %u] of a sequence of %lld", (long long) v,
                        (long long) -n, last, (long long) n);
    }

    *out = (uint32_t) (v < 0 ? v + n : v);
    return MAAS_OK;
}


static maas_status_t
construct_select(maas_select_t *c)
{
    c->kind = MAAS_KIND_SEQUENCE;

    for (int i = 0; i < c->n_in; i++) {
        if (c->in[i].absent || c->in[i].kind != MAAS_KIND_TENSOR) {
            return maas_err(c->err, MAAS_EINVAL, "input %d is no tensor", i);
        }

        select_items(c, i, 0, 1);
    }

    return MAAS_OK;
}


static maas_status_t
at_select(maas_select_t *c)
{
    uint32_t  at;

    MAAS_TRY(select_is_list(c, 0, MAAS_KIND_SEQUENCE));

    if (c->in[0].n == 0) {
        return maas_err(c->err, MAAS_EINVAL, "the sequence is empty");
    }

    MAAS_TRY(select_position(c, 1, c->in[0].n - 1, 0, &at));
    c->kind = MAAS_KIND_TENSOR;
    select_items(c, 0, at, at + 1);

    return MAAS_OK;
}


static maas_status_t
insert_select(maas_select_t *c)
{
    uint32_t  at, n;

    MAAS_TRY(select_is_list(c, 0, MAAS_KIND_SEQUENCE));
    MAAS_TRY(select_is_list(c, 1, MAAS_KIND_TENSOR));

    n = c->in[0].n;
    MAAS_TRY(select_position(c, 2, n, n, &at));

    c->kind = MAAS_KIND_SEQUENCE;
    select_items(c, 0, 0, at);
    select_items(c, 1, 0, 1);
    select_items(c, 0, at, n);

    return MAAS_OK;
}


static maas_status_t
erase_select(maas_select_t *c)
{
    uint32_t  at, n;

    MAAS_TRY(select_is_list(c, 0, MAAS_KIND_SEQUENCE));

    n = c->in[0].n;

    if (n == 0) {
        return maas_err(c->err, MAAS_EINVAL, "the sequence is empty");
    }

    MAAS_TRY(select_position(c, 1, n - 1, n - 1, &at));

    c->kind = MAAS_KIND_SEQUENCE;
    select_items(c, 0, 0, at);
    select_items(c, 0, at + 1, n);

    return MAAS_OK;
}


static maas_status_t
length_select(maas_select_t *c)
{
    MAAS_TRY(select_is_list(c, 0, MAAS_KIND_SEQUENCE));
    c->dtype = MAAS_I64;
    c->value = c->in[0].n;

    return MAAS_OK;
}


static maas_status_t
optional_select(maas_select_t *c)
{
    c->kind = MAAS_KIND_OPTIONAL;

    if (c->n_in == 0 || c->in[0].absent) {
        return MAAS_OK;
    }

    c->has = true;
    c->inner = c->in[0].kind;
    select_items(c, 0, 0, c->in[0].n);

    return MAAS_OK;
}


/* What is no optional is there: opset 18 says so. */
static maas_status_t
has_select(maas_select_t *c)
{
    c->dtype = MAAS_BOOL;
    c->value = c->n_in != 0 && !c->in[0].absent
               && (c->in[0].kind != MAAS_KIND_OPTIONAL || c->in[0].has);

    return MAAS_OK;
}


static maas_status_t
get_select(maas_select_t *c)
{
    c->kind = c->in[0].kind == MAAS_KIND_OPTIONAL ? c->in[0].inner
                                                  : c->in[0].kind;

    if (c->in[0].kind == MAAS_KIND_OPTIONAL && !c->in[0].has) {
        return maas_err(c->err, MAAS_EINVAL, "the optional holds nothing");
    }

    select_items(c, 0, 0, c->in[0].n);
    return MAAS_OK;
}


/* -- SplitToSequence ----------------------------------------------------- */

/* Lengths along the axis: element i of `split`, or the one there is. */
typedef struct {
    int         axis;
    maas_dim_t  len;
    maas_dim_t  v[MAAS_IVAL_MAX];
    int         n;              /* of v; 0: pieces of v[0], the rest last */
} split_t;


static maas_status_t
split_plan(maas_infer_t *c, split_t *p)
{
    const maas_type_t   *t = c->in[0].type;
    const split_attr_t  *a = c->attr;

    MAAS_TRY(maas_axis(a->axis, t->rank, &p->axis, c->err));
    p->len = t->dims[p->axis];
    p->v[0] = 1;
    p->n = 0;

    if (!maas_infer_has(c, 1)) {
        return MAAS_OK;
    }

    MAAS_TRY(maas_infer_ints(c, 1, p->v, &p->n));

    if (c->in[1].type->rank == 0) {
        p->n = 0;

        if (maas_dim_known(p->v[0]) && p->v[0] <= 0) {
            return maas_err(c->err, MAAS_EINVAL, "pieces of %lld; 1 and more "
                            "are expected", (long long) p->v[0]);
        }
    }

    return MAAS_OK;
}


static maas_status_t
split_items(maas_infer_t *c, int64_t *n)
{
    int64_t  sum = 0;
    split_t  p;

    MAAS_TRY(split_plan(c, &p));

    if (p.n == 0 && c->in[1].type != NULL && maas_infer_has(c, 1)
        && c->in[1].type->rank == 1)
    {
        *n = 0;
        return MAAS_OK;
    }

    if (p.n == 0) {
        *n = p.len / p.v[0] + (p.len % p.v[0] != 0);
        return MAAS_OK;
    }

    for (int i = 0; i < p.n; i++) {
        if (p.v[i] < 0 || p.v[i] > p.len - sum) {
            sum = -1;
            break;
        }

        sum += p.v[i];
    }

    if (sum != p.len) {
        return maas_err(c->err, MAAS_EINVAL, "the lengths of the pieces do "
                        "not add up to the %lld of axis %d",
                        (long long) p.len, p.axis);
    }

    *n = p.n;
    return MAAS_OK;
}


/* While compiling there is one output, the sequence. */
static maas_status_t
split_infer(maas_infer_t *c)
{
    split_t              p;
    maas_dim_t           dims[MAAS_RANK_MAX];
    const maas_type_t   *t = c->in[0].type;
    const split_attr_t  *a = c->attr;
    int                  rank = t->rank;

    if (c->syms != NULL) {
        list_type(c, MAAS_KIND_SEQUENCE, 0);
        return MAAS_OK;
    }

    MAAS_TRY(split_plan(c, &p));
    memcpy(dims, t->dims, rank * sizeof(maas_dim_t));

    if (a->keepdims == 0 && !maas_infer_has(c, 1)) {
        memmove(dims + p.axis, dims + p.axis + 1,
                (rank - p.axis - 1) * sizeof(maas_dim_t));
        rank--;
    }

    for (int i = 0; i < c->n_out; i++) {
        if (rank == t->rank) {
            dims[p.axis] = p.n != 0 ? p.v[i]
                           : maas_min(p.v[0], p.len - i * p.v[0]);
        }

        maas_infer_set(c, i, t->dtype, rank, dims);
    }

    return MAAS_OK;
}


/* Pieces of `width` items, `stride` items apart, from row to row. */
static maas_status_t
split_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int                   axis;
    char                 *y;
    size_t                item, width, row = 0;
    int64_t               rows = 1;
    const char           *x;
    const split_attr_t   *a = s->attr;
    const maas_tensor_t  *in = &s->in[0];

    MAAS_TRY(maas_axis(a->axis, in->rank, &axis, slot->err));

    for (int d = 0; d < axis; d++) {
        rows *= in->dims[d];
    }

    if (rows == 0) {
        return MAAS_OK;
    }

    item = maas_dtype_size(in->dtype);
    row = (size_t) (maas_tensor_count(in) / rows) * item;
    x = in->data;

    for (int64_t i = 0; i < last; i++) {
        width = (size_t) (maas_tensor_count(&s->out[i]) / rows) * item;
        y = s->out[i].data;

        for (int64_t r = 0; i >= first && width != 0 && r < rows; r++) {
            memcpy(y + (size_t) r * width, x + (size_t) r * row, width);
        }

        x += width;
    }

    return MAAS_OK;
}


static bool
split_setup(maas_setup_t *u)
{
    if (u->in[0].dtype == MAAS_STRING) {
        return false;
    }

    u->units = u->n_out;
    u->cost = (double) u->in[0].bytes * 0.1 + 20.0 * u->n_out;
    return true;
}


/* -- ConcatFromSequence -------------------------------------------------- */

static maas_status_t
concat_infer(maas_infer_t *c)
{
    int                   axis, rank;
    maas_dim_t            dims[MAAS_RANK_MAX + 1];
    const maas_type_t    *t;
    const concat_attr_t  *a = c->attr;

    if (c->syms != NULL) {
        list_type(c, MAAS_KIND_TENSOR, 0);
        return MAAS_OK;
    }

    if (c->n_in == 0) {
        return maas_err(c->err, MAAS_EINVAL, "the sequence is empty");
    }

    t = c->in[0].type;
    rank = t->rank + (a->new_axis ? 1 : 0);

    if (rank > MAAS_RANK_MAX) {
        return maas_err(c->err, MAAS_EUNSUPPORTED, "a rank above %d",
                        MAAS_RANK_MAX);
    }

    MAAS_TRY(maas_axis(a->axis, rank, &axis, c->err));

    for (int d = 0, k = 0; d < rank; d++) {
        dims[d] = a->new_axis && d == axis ? c->n_in : t->dims[k++];
    }

    for (int i = 1; i < c->n_in; i++) {
        if (c->in[i].type->dtype != t->dtype
            || c->in[i].type->rank != t->rank)
        {
            return maas_err(c->err, MAAS_EINVAL, "item %d of the sequence "
                            "has another type or rank than item 0", i);
        }

        for (int d = 0; d < t->rank; d++) {
            if (!a->new_axis && d == axis) {
                dims[d] += c->in[i].type->dims[d];

            } else if (c->in[i].type->dims[d] != t->dims[d]) {
                return maas_err(c->err, MAAS_EINVAL, "axis %d of item %d of "
                                "the sequence has length %lld, that of item "
                                "0 has %lld", d, i,
                                (long long) c->in[i].type->dims[d],
                                (long long) t->dims[d]);
            }
        }
    }

    maas_infer_set(c, 0, t->dtype, rank, dims);
    return MAAS_OK;
}


static bool
concat_setup(maas_setup_t *u)
{
    if (u->out[0].dtype == MAAS_STRING) {
        return false;
    }

    u->units = u->n_in;
    u->cost = (double) u->out[0].bytes * 0.1 + 20.0 * u->n_in;
    return true;
}


static maas_status_t
concat_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int                   axis;
    char                 *y;
    size_t                item, width, row;
    int64_t               rows = 1;
    const char           *x;
    const maas_tensor_t  *out = &s->out[0];
    const concat_attr_t  *a = s->attr;

    MAAS_TRY(maas_axis(a->axis, out->rank, &axis, slot->err));

    for (int d = 0; d < axis; d++) {
        rows *= out->dims[d];
    }

    if (rows == 0) {
        return MAAS_OK;
    }

    item = maas_dtype_size(out->dtype);
    row = (size_t) (maas_tensor_count(out) / rows) * item;
    y = out->data;

    for (int64_t i = 0; i < last; i++) {
        width = (size_t) (maas_tensor_count(&s->in[i]) / rows) * item;
        x = s->in[i].data;

        for (int64_t r = 0; i >= first && width != 0 && r < rows; r++) {
            memcpy(y + (size_t) r * row, x + (size_t) r * width, width);
        }

        y += width;
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

#define ANY  MAAS_ANYKIND

static const maas_formal_t  tensors_in[] = {
    { "inputs", MAAS_D_ALL, 'T', MAAS_VARIADIC }
};

static const maas_formal_t  at_in[] = {
    { "input_sequence", MAAS_D_ALL, 0, ANY },
    { "position", MAAS_D(I32) | MAAS_D(I64), 0, MAAS_OPT }
};

static const maas_formal_t  insert_in[] = {
    { "input_sequence", MAAS_D_ALL, 'T', ANY },
    { "tensor", MAAS_D_ALL, 'T', 0 },
    { "position", MAAS_D(I32) | MAAS_D(I64), 0, MAAS_OPT }
};

static const maas_formal_t  list_in[] = {
    { "input", MAAS_D_ALL, 0, ANY }
};

static const maas_formal_t  maybe_in[] = {
    { "input", MAAS_D_ALL, 0, ANY | MAAS_OPT }
};

static const maas_formal_t  split_in[] = {
    { "input", MAAS_D_ALL, 0, 0 },
    { "split", MAAS_D(I32) | MAAS_D(I64), 0, MAAS_OPT }
};

static const maas_formal_t  list_out[] = { { "output", MAAS_D_ALL, 0, ANY } };

static const maas_attr_row_t  empty_attrs[] = {
    { .name = "dtype", .type = MAAS_ATTR_INT, .i = MAAS_F32,
      .off = offsetof(empty_attr_t, dtype), .min = 1,
      .max = MAAS_BF16 }
};

static const maas_attr_row_t  optional_attrs[] = {
    { .name = "type", .type = MAAS_ATTR_INT, .min = 0, .max = 0xffffff,
      .off = offsetof(optional_attr_t, type) }
};

static const maas_attr_row_t  split_attrs[] = {
    { .name = "axis", .type = MAAS_ATTR_INT,
      .off = offsetof(split_attr_t, axis) },
    { .name = "keepdims", .type = MAAS_ATTR_INT, .i = 1, .min = 0, .max = 1,
      .off = offsetof(split_attr_t, keepdims) }
};

static const maas_attr_row_t  concat_attrs[] = {
    { .name = "axis", .type = MAAS_ATTR_INT, .required = true,
      .off = offsetof(concat_attr_t, axis) },
    { .name = "new_axis", .type = MAAS_ATTR_INT, .min = 0, .max = 1,
      .off = offsetof(concat_attr_t, new_axis) }
};

static const maas_kernel_row_t  split_kernels[] = {
    { "splittosequence", MAAS_CPU_REF, 0, 0, split_setup, split_run }
};

static const maas_kernel_row_t  concat_kernels[] = {
    { "concatfromsequence", MAAS_CPU_REF, 0, 0, concat_setup, concat_run }
};

#define SEQUENCE_ROW(label, opset, inputs, types, how)                        \
    {                                                                         \
        .name = label, .domain = "", .since = opset,                          \
        .flags = MAAS_OP_PURE, MAAS_IO(inputs, list_out),                     \
        .infer = types, .select = how                                         \
    }


const maas_op_t  maas_ops_sequence[] = {
    {
        .name = "SequenceEmpty", .domain = "", .since = 11,
        .flags = MAAS_OP_PURE,
        .out = list_out, .n_out = 1, .infer = empty_infer,
        MAAS_ATTRS(empty_attrs, empty_attr_t), .select = construct_select
    },
    SEQUENCE_ROW("SequenceConstruct", 11, tensors_in, sequence_infer,
                 construct_select),
    SEQUENCE_ROW("SequenceAt", 11, at_in, element_infer, at_select),
    SEQUENCE_ROW("SequenceInsert", 11, insert_in, sequence_infer,
                 insert_select),
    SEQUENCE_ROW("SequenceErase", 11, at_in, sequence_infer, erase_select),
    SEQUENCE_ROW("SequenceLength", 11, list_in, length_infer, length_select),
    SEQUENCE_ROW("OptionalHasElement", 15, maybe_in, has_infer, has_select),
    SEQUENCE_ROW("OptionalGetElement", 15, list_in, element_infer,
                 get_select),
    {
        .name = "Optional", .domain = "", .since = 15,
        .flags = MAAS_OP_PURE,
        MAAS_IO(maybe_in, list_out), .infer = optional_infer,
        MAAS_ATTRS(optional_attrs, optional_attr_t),
        .select = optional_select
    },
    {
        .name = "SplitToSequence", .domain = "", .since = 11,
        .flags = MAAS_OP_PURE,
        MAAS_IO(split_in, list_out), .infer = split_infer,
        MAAS_ATTRS(split_attrs, split_attr_t),
        MAAS_KERNELS(split_kernels), .items = split_items
    },
    {
        .name = "ConcatFromSequence", .domain = "", .since = 11,
        .flags = MAAS_OP_PURE,
        MAAS_IO(list_in, list_out), .infer = concat_infer,
        MAAS_ATTRS(concat_attrs, concat_attr_t),
        MAAS_KERNELS(concat_kernels)
    },
    { .name = NULL }
};
