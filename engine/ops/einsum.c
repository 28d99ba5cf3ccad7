/*
 * Einsum: the equation, its shapes, and plain loops for any number of
 * operands and any numeric type.  Floats are summed in float64, integers
 * wrap.  Two float32 operands with rows, columns and a sum between them go
 * through the matrix kernel: einsum_gemm.c.
 */

#include "ops/einsum.h"
#include "ops/move.h"


/* -- the equation -------------------------------------------------------- */

static int
ein_letter(char ch)
{
    if (ch >= 'A' && ch <= 'Z') {
        return ch - 'A';
    }

    return ch >= 'a' && ch <= 'z' ? 26 + ch - 'a' : -1;
}


static char
ein_char(int label)
{
    return (char) (label < 26 ? 'A' + label : 'a' + label - 26);
}


/* One term: letters, and at most one ellipsis. */
typedef struct {
    int      n;
    int      dots;              /* index of the ellipsis, or -1 */
    uint8_t  letter[MAAS_RANK_MAX];
} ein_term_t;


static maas_status_t
ein_term(maas_str_t *s, ein_term_t *t, maas_err_t *err)
{
    char  ch;

    t->n = 0;
    t->dots = -1;

    for ( ; s->len > 0; s->data++, s->len--) {
        ch = *s->data;

        if (ch == ' ') {
            continue;
        }

        if (ch == ',' || ch == '-') {
            break;
        }

        if (ch == '.') {
            if (s->len < 3 || memcmp(s->data, "...", 3) != 0
                || t->dots != -1)
            {
                return maas_err(err, MAAS_EINVAL, "equation: '.' is not part "
                                "of one ellipsis of its term");
            }

            t->dots = t->n;
            s->data += 2;
            s->len -= 2;
            continue;
        }

        if (ein_letter(ch) < 0) {
            return maas_err(err, MAAS_EINVAL, "equation: byte 0x%02x is no "
                            "letter", (uint8_t) ch);
        }

        if (t->n == MAAS_RANK_MAX) {
            return maas_err(err, MAAS_EUNSUPPORTED, "equation: a term has "
                            "more than %d letters", MAAS_RANK_MAX);
        }

        t->letter[t->n++] = (uint8_t) ein_letter(ch);
    }

    return MAAS_OK;
}


/* Labels by axis, the ellipsis standing for `dots` axes. */
static void
ein_labels(const ein_term_t *t, int dots, uint8_t *label)
{
    int  n = 0;

    for (int i = 0; i <= t->n; i++) {
        if (i == t->dots) {
            for (int d = 0; d < dots; d++) {
                label[n++] = (uint8_t) (EIN_LABELS - dots + d);
            }
        }

        if (i < t->n) {
            label[n++] = t->letter[i];
        }
    }
}


static maas_status_t
ein_operand(ein_equation_t *e, int i, const ein_term_t *t, int rank,
    int *dots, int *count, maas_err_t *err)
{
    int  d = rank - t->n;

    if (d < 0 || (d > 0 && t->dots == -1)) {
        return maas_err(err, MAAS_EINVAL, "equation: term %d has %d letters, "
                        "input %d has rank %d", i, t->n, i, rank);
    }

    e->rank[i] = rank;
    ein_labels(t, d, e->label[i]);

    for (int a = 0; a < rank; a++) {
        count[e->label[i][a]]++;
    }

    *dots = maas_max(*dots, d);
    return MAAS_OK;
}


/* Without "->": the ellipsis, then letters that occur once. */
static maas_status_t
ein_implicit(int dots, const int *count, ein_term_t *t, maas_err_t *err)
{
    t->n = 0;
    t->dots = 0;

    for (int i = 0; i < EIN_ELLIPSIS; i++) {
        if (count[i] != 1) {
            continue;
        }

        if (t->n + dots == MAAS_RANK_MAX) {
            return maas_err(err, MAAS_EUNSUPPORTED, "equation: the output "
                            "has more than %d axes", MAAS_RANK_MAX);
        }

        t->letter[t->n++] = (uint8_t) i;
    }

    return MAAS_OK;
}


static maas_status_t
ein_output(ein_equation_t *e, const ein_term_t *t, int dots,
    const int *count, maas_err_t *err)
{
    uint64_t  seen = 0;

    dots = t->dots == -1 ? 0 : dots;
    e->n_out = t->n + dots;

    if (e->n_out > MAAS_RANK_MAX) {
        return maas_err(err, MAAS_EUNSUPPORTED, "equation: the output has "
                        "%d axes, at most %d are supported", e->n_out,
                        MAAS_RANK_MAX);
    }

    for (int i = 0; i < t->n; i++) {
        if (count[t->letter[i]] == 0) {
            return maas_err(err, MAAS_EINVAL, "equation: '%c' of the output "
                            "is in no input", ein_char(t->letter[i]));
        }

        if (seen & ((uint64_t) 1 << t->letter[i])) {
            return maas_err(err, MAAS_EINVAL, "equation: '%c' is twice in "
                            "the output", ein_char(t->letter[i]));
        }

        seen |= (uint64_t) 1 << t->letter[i];
    }

    ein_labels(t, dots, e->out);
    return MAAS_OK;
}


static maas_status_t
ein_parse(maas_str_t text, int n, const int *rank, ein_equation_t *e,
    maas_err_t *err)
{
    int         dots = 0, count[EIN_LABELS] = { 0 };
    ein_term_t  t;

    memset(e, 0, sizeof(*e));
    e->n = n;

    if (n > EIN_OPERANDS) {
        return maas_err(err, MAAS_EUNSUPPORTED, "%d inputs, at most %d are "
                        "supported", n, EIN_OPERANDS);
    }

    for (int i = 0; i < n; i++) {
        MAAS_TRY(ein_term(&text, &t, err));
        MAAS_TRY(ein_operand(e, i, &t, rank[i], &dots, count, err));

        if (i + 1 < n) {
            if (text.len == 0 || *text.data != ',') {
                return maas_err(err, MAAS_EINVAL, "equation has %d terms for "
                                "%d inputs", i + 1, n);
            }

            text.data++;
            text.len--;
        }
    }

    if (text.len == 0) {
        MAAS_TRY(ein_implicit(dots, count, &t, err));
        return ein_output(e, &t, dots, count, err);
    }

    if (*text.data == ',') {
        return maas_err(err, MAAS_EINVAL, "equation has more than %d terms "
                        "for %d inputs", n, n);
    }

    if (text.len < 2 || text.data[1] != '>') {
        return maas_err(err, MAAS_EINVAL, "equation: '-' without '>'");
    }

    text.data += 2;
    text.len -= 2;
    MAAS_TRY(ein_term(&text, &t, err));

    if (text.len != 0) {
        return maas_err(err, MAAS_EINVAL,
                        "equation: '%c' in the output", *text.data);
    }

    return ein_output(e, &t, dots, count, err);
}


static maas_status_t
ein_merge(maas_infer_t *c, int label, maas_dim_t a, maas_dim_t *b)
{
    if (a == *b || a == 1) {
        return MAAS_OK;
    }

    if (*b == 1) {
        *b = a;
        return MAAS_OK;
    }

    if (maas_dim_known(a) && maas_dim_known(*b)) {
        if (label >= EIN_ELLIPSIS) {
            return maas_err(c->err, MAAS_EINVAL, "extents %lld and %lld of "
                            "an ellipsis differ", (long long) *b,
                            (long long) a);
        }

        return maas_err(c->err, MAAS_EINVAL, "label '%c' has extents %lld "
                        "and %lld", ein_char(label), (long long) *b,
                        (long long) a);
    }

    *b = maas_dim_known(a) || *b == MAAS_DIM_NONE ? a : *b;
    return MAAS_OK;
}


static maas_status_t
einsum_infer(maas_infer_t *c)
{
    int                   rank[EIN_OPERANDS] = { 0 };
    maas_dim_t            dim[EIN_LABELS], out[MAAS_RANK_MAX];
    ein_equation_t        e;
    const einsum_attr_t  *a = c->attr;

    for (int i = 0; i < c->n_in && i < EIN_OPERANDS; i++) {
        rank[i] = c->in[i].type->rank;
    }

    MAAS_TRY(ein_parse(maas_list_string(a, &a->equation), c->n_in, rank,
                            &e, c->err));

    for (int i = 0; i < EIN_LABELS; i++) {
        dim[i] = 1;
    }

    for (int i = 0; i < e.n; i++) {
        for (int d = 0; d < e.rank[i]; d++) {
            MAAS_TRY(ein_merge(c, e.label[i][d], c->in[i].type->dims[d],
                               &dim[e.label[i][d]]));
        }
    }

    for (int i = 0; i < e.n_out; i++) {
        out[i] = dim[e.out[i]];
    }

    maas_infer_set(c, 0, c->in[0].type->dtype, e.n_out, out);

    return MAAS_OK;
}


/* -- loops --------------------------------------------------------------- */

static int
ein_loop_of(ein_loops_t *l, int8_t *map, int label)
{
    if (map[label] < 0) {
        map[label] = (int8_t) l->n_loop;
        l->dim[l->n_loop++] = 1;
    }

    return map[label];
}


void
maas_ein_loops(const einsum_attr_t *attr, const maas_tensor_t *in, int n,
    ein_loops_t *l)
{
    int             j, rank[EIN_OPERANDS] = { 0 };
    int8_t          map[EIN_LABELS];
    int64_t         stride;
    ein_equation_t  e;

    for (int i = 0; i < n; i++) {
        rank[i] = in[i].rank;
    }

    (void) ein_parse(maas_list_string(attr, &attr->equation), n, rank,
                          &e, NULL);

    memset(l, 0, sizeof(*l));
    memset(map, -1, sizeof(map));
    l->n = n;
    l->n_out = e.n_out;

    for (int i = 0; i < e.n_out; i++) {
        (void) ein_loop_of(l, map, e.out[i]);
    }

    for (int i = 0; i < n; i++) {
        stride = 1;

        for (int d = rank[i] - 1; d >= 0; d--) {
            j = ein_loop_of(l, map, e.label[i][d]);
            l->used[j] |= 1u << i;

            if (in[i].dims[d] != 1) {
                l->dim[j] = in[i].dims[d];
                l->stride[i][j] += stride;
            }

            stride *= in[i].dims[d];
        }
    }

    stride = 1;

    for (int i = e.n_out - 1; i >= 0; i--) {
        l->out_stride[i] = stride;
        stride *= l->dim[i];
    }
}


/* The loops that are summed, walked for one output element. */
typedef struct {
    int64_t  runs;              /* of the innermost loop */
    int64_t  n;                 /* its length */
    int      last;              /* the innermost loop, or -1 */
} ein_sum_t;


static void
ein_sum(const ein_loops_t *l, ein_sum_t *s)
{
    s->runs = 1;
    s->n = 1;
    s->last = -1;

    for (int i = l->n_out; i < l->n_loop; i++) {
        s->runs *= s->n;
        s->n = l->dim[i];
        s->last = i;
    }
}


/* Moves to the next run: all summed loops but the innermost. */
static void
ein_next(const ein_loops_t *l, int first, int last, int64_t *at,
    int64_t *off)
{
    for (int i = last - 1; i >= first; i--) {
        at[i]++;

        for (int o = 0; o < l->n; o++) {
            off[o] += l->stride[o][i];
        }

        if (at[i] < l->dim[i]) {
            return;
        }

        for (int o = 0; o < l->n; o++) {
            off[o] -= at[i] * l->stride[o][i];
        }

        at[i] = 0;
    }
}


#define EIN_SAME(x)  (x)

/* A row of at most EIN_BLOCK output elements, which are neighbours. */
#define EIN_BLOCK  64

typedef struct {
    int64_t  at;                /* of its first element in the output */
    int64_t  n;
    int64_t  off[EIN_OPERANDS]; /* of its operands, and ... */
    int64_t  step[EIN_OPERANDS];    /* ... to those of the next element */
} ein_row_t;


/*
 * The sums of a row stand side by side: each is the same chain as alone, and
 * none waits for the other.
 */
#define EIN_ROW(name, T, ACC, LOAD, STORE)                                    \
static void                                                                   \
name(const maas_step_t *s, const ein_loops_t *l, const ein_sum_t *sum,        \
    const ein_row_t *row)                                                     \
{                                                                             \
    ACC       acc[EIN_BLOCK] = { 0 }, v;                                      \
    T        *y = (T *) s->out[0].data + row->at;                             \
    int64_t   at[EIN_LABELS], off[EIN_OPERANDS], st[EIN_OPERANDS];            \
    int64_t   n = row->n, sa = row->step[0], sb = row->step[1];               \
    const T  *a, *b;                                                          \
                                                                              \
    memset(at, 0, (size_t) l->n_loop * sizeof(int64_t));                      \
                                                                              \
    for (int o = 0; o < l->n; o++) {                                          \
        off[o] = row->off[o];                                                 \
        st[o] = sum->last >= 0 ? l->stride[o][sum->last] : 0;                 \
    }                                                                         \
                                                                              \
    for (int64_t r = 0; r < sum->runs; r++) {                                 \
        for (int64_t i = 0; i < sum->n; i++) {                                \
            a = (const T *) s->in[0].data + off[0] + i * st[0];               \
                                                                              \
            if (l->n == 1) {                                                  \
                for (int64_t j = 0; j < n; j++) {                             \
                    acc[j] += (ACC) LOAD(a[j * sa]);                          \
                }                                                             \
                                                                              \
                continue;                                                     \
            }                                                                 \
                                                                              \
            b = (const T *) s->in[1].data + off[1] + i * st[1];               \
                                                                              \
            if (l->n == 2) {                                                  \
                for (int64_t j = 0; j < n; j++) {                             \
                    acc[j] += (ACC) LOAD(a[j * sa]) * (ACC) LOAD(b[j * sb]);  \
                }                                                             \
                                                                              \
                continue;                                                     \
            }                                                                 \
                                                                              \
            for (int64_t j = 0; j < n; j++) {                                 \
                v = (ACC) LOAD(a[j * sa]) * (ACC) LOAD(b[j * sb]);            \
                                                                              \
                for (int o = 2; o < l->n; o++) {                              \
                    v *= (ACC) LOAD(((const T *) s->in[o].data)               \
                                    [off[o] + i * st[o] + j * row->step[o]]); \
                }                                                             \
                                                                              \
                acc[j] += v;                                                  \
            }                                                                 \
        }                                                                     \
                                                                              \
        ein_next(l, l->n_out, sum->last, at, off);                            \
    }                                                                         \
                                                                              \
    for (int64_t j = 0; j < n; j++) {                                         \
        y[j] = (T) STORE(acc[j]);                                             \
    }                                                                         \
}

#define EIN_F16(x)   maas_f32_to_f16((float) (x))
#define EIN_BF16(x)  maas_f32_to_bf16((float) (x))

EIN_ROW(ein_f32, float, double, EIN_SAME, EIN_SAME)


EIN_ROW(ein_f64, double, double, EIN_SAME, EIN_SAME)


EIN_ROW(ein_f16, uint16_t, double, maas_f16_to_f32, EIN_F16)


EIN_ROW(ein_bf16, uint16_t, double, maas_bf16_to_f32, EIN_BF16)


/* Products and sums modulo 2^n: signed and unsigned types are the same. */
EIN_ROW(ein_i8, uint8_t, uint64_t, EIN_SAME, EIN_SAME)


EIN_ROW(ein_i16, uint16_t, uint64_t, EIN_SAME, EIN_SAME)


EIN_ROW(ein_i32, uint32_t, uint64_t, EIN_SAME, EIN_SAME)


EIN_ROW(ein_i64, uint64_t, uint64_t, EIN_SAME, EIN_SAME)


/* Nothing is summed, one operand or two: the product rounds once. */
static void
ein_product(const maas_step_t *s, const ein_loops_t *l, const ein_sum_t *sum,
    const ein_row_t *row)
{
    float        *y = (float *) s->out[0].data + row->at;
    int64_t       sa = row->step[0], sb = row->step[1];
    const float  *a = (const float *) s->in[0].data + row->off[0], *b;

    (void) sum;

    if (l->n == 1 && sa == 1) {
        memcpy(y, a, (size_t) row->n * sizeof(float));
        return;
    }

    if (l->n == 1) {
        for (int64_t j = 0; j < row->n; j++) {
            y[j] = a[j * sa];
        }

        return;
    }

    b = (const float *) s->in[1].data + row->off[1];

    if (sa <= 1 && sb <= 1) {
        s->k->binary[MAAS_B_MUL](y, a, (int) sa, b, (int) sb, row->n);
        return;
    }

    for (int64_t j = 0; j < row->n; j++) {
        y[j] = a[j * sa] * b[j * sb];
    }
}


typedef void (*ein_row_pt)(const maas_step_t *s, const ein_loops_t *l,
    const ein_sum_t *sum, const ein_row_t *row);

static ein_row_pt
ein_row(int dtype)
{
    switch (dtype) {
    case MAAS_F32:
        return ein_f32;
    case MAAS_F64:
        return ein_f64;
    case MAAS_F16:
        return ein_f16;
    case MAAS_BF16:
        return ein_bf16;
    default:
        break;
    }

    switch (maas_dtype_size(dtype)) {
    case 1:
        return ein_i8;
    case 2:
        return ein_i16;
    case 4:
        return ein_i32;
    default:
        return ein_i64;
    }
}


static bool
einsum_setup(maas_setup_t *u)
{
    double       n = 1;
    ein_loops_t  l;

    maas_ein_loops(u->attr, u->in, u->n_formal, &l);

    for (int i = 0; i < l.n_loop; i++) {
        n *= (double) l.dim[i];
    }

    /* About 50 us a unit, but not more units than elements. */
    u->cost = 200 + n * 1.2 * l.n;
    u->units = (int64_t) maas_min(u->cost / 50000 + 1,
                      (double) maas_max(maas_tensor_count(&u->out[0]), 1));

    return true;
}


/* Behind the row: along the innermost loop of the output, or to the next. */
static void
ein_row_next(const ein_loops_t *l, int64_t *at, ein_row_t *row)
{
    int  last = l->n_out - 1;

    row->at += row->n;
    at[last] += row->n;

    for (int o = 0; o < l->n; o++) {
        row->off[o] += row->n * row->step[o];
    }

    if (at[last] < l->dim[last]) {
        return;
    }

    for (int o = 0; o < l->n; o++) {
        row->off[o] -= at[last] * row->step[o];
    }

    at[last] = 0;
    ein_next(l, 0, last, at, row->off);
}


/* Element p of the output; at: its place in the loops. */
static void
ein_row_start(const ein_loops_t *l, int64_t p, int64_t *at, ein_row_t *row)
{
    memset(row, 0, sizeof(*row));
    row->at = p;

    for (int i = l->n_out - 1; i >= 0; i--) {
        at[i] = p % l->dim[i];
        p /= l->dim[i];

        for (int o = 0; o < l->n; o++) {
            row->off[o] += at[i] * l->stride[o][i];
        }
    }

    for (int o = 0; o < l->n && l->n_out > 0; o++) {
        row->step[o] = l->stride[o][l->n_out - 1];
    }
}


static maas_status_t
einsum_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    bool         product;
    int64_t      n, p, to, room, at[EIN_LABELS];
    ein_row_t    row;
    ein_sum_t    sum;
    ein_row_pt   run;
    ein_loops_t  l;

    (void) slot;

    n = maas_tensor_count(&s->out[0]);
    p = maas_move_start(n, s->units, first);
    to = maas_move_start(n, s->units, last);

    if (p >= to) {
        return MAAS_OK;
    }

    maas_ein_loops(s->attr, s->in, s->n_formal, &l);
    ein_sum(&l, &sum);
    product = s->out[0].dtype == MAAS_F32 && l.n <= 2 && sum.last < 0;
    run = product ? ein_product : ein_row(s->out[0].dtype);
    ein_row_start(&l, p, at, &row);

    while (row.at < to) {
        room = l.n_out > 0 ? l.dim[l.n_out - 1] - at[l.n_out - 1] : 1;
        row.n = maas_min(room, to - row.at);
        row.n = product ? row.n : maas_min(row.n, EIN_BLOCK);
        run(s, &l, &sum, &row);

        if (l.n_out == 0) {
            break;
        }

        ein_row_next(&l, at, &row);
    }

    return MAAS_OK;
}


static double
einsum_flops(const maas_setup_t *u)
{
    double       n = 2;
    ein_loops_t  l;

    maas_ein_loops(u->attr, u->in, u->n_formal, &l);

    for (int i = 0; i < l.n_loop; i++) {
        n *= (double) l.dim[i];
    }

    return n;
}


/* -- rows ---------------------------------------------------------------- */

#define EINSUM_TYPES  (MAAS_D_NUM | MAAS_D_HALF)

static const maas_formal_t  einsum_in[] = {
    { "Inputs", EINSUM_TYPES, 'T', MAAS_VARIADIC }
};

static const maas_formal_t  einsum_out[] = {
    { "Output", EINSUM_TYPES, 'T', 0 }
};

static const maas_attr_row_t  einsum_attrs[] = {
    { .name = "equation", .type = MAAS_ATTR_STRING, .required = true,
      .off = offsetof(einsum_attr_t, equation) }
};

static const maas_kernel_row_t  einsum_kernels[] = {
    { .id = "einsum.gemm", .setup = maas_ein_gemm_setup,
      .run = maas_ein_gemm_run },
    { .id = "einsum.loops", .setup = einsum_setup, .run = einsum_run }
};

static const maas_case_t  einsum_cases[] = {
    { "equation=ij,jk->ik | f32[17,33] f32[33,19]", NULL },
    { "equation=bij,bjk->bik | f32[3,5,7] f32[3,7,17]", NULL },
    { "equation=bhid,bhjd->bhij | f32[2,3,5,8] f32[2,3,9,8]", NULL },
    { "equation=bihd,bjhd->bhij | f32[2,5,3,8] f32[2,9,3,8]", NULL },
    { "equation=ij,jk->ki | f32[17,33] f32[33,19]", NULL },
    { "equation=...ij,...jk->...ik | f32[2,1,4,5] f32[3,5,6]", NULL },
    { "equation=ii->i | f32[5,5]", NULL },
    { "equation=ii | f32[5,5]", NULL },
    { "equation=ij->ji | i64[3,4]", NULL },
    { "equation=ij,i->j | f64[3,4] f64[3]", NULL },
    { "equation=i,j,k->ijk | f32[3] f32[4] f32[5]", NULL },
    { "equation=i,i | f16[9] f16[9]", NULL },
    { "equation=bij,bj->bij | f32[3,5,70] f32[3,70]", NULL },
    { "equation=bij->bi | f32[3,130,7]", NULL },
    { "equation=bi,bij->bj | f32[2,5] f32[2,5,150]", NULL },
    { "equation=ij,ij,j->i | f64[70,9] f64[70,9] f64[9]", NULL },
    { "equation=bhsd->bshd | f32[2,3,5,70]", NULL },
    { "equation=ij,jk->ik | f32[3,0] f32[0,4]", NULL },
    { "equation=ij,jk->ik | f32[0,3] f32[3,4]", NULL },
    { "equation=ij,jk->ik | i32[3,5] i32[5,4]", NULL },
    { NULL, NULL }
};

static const maas_case_t  einsum_bad[] = {
    { "equation=ij,jk->ik | f32[2,3] f32[4,5]", "label 'j' has extents" },
    { "equation=ij->ik | f32[2,3]", "'k' of the output is in no input" },
    { "equation=ij | f32[2,3,4]", "term 0 has 2 letters" },
    { "equation=ij,jk->ik | f32[2,3]", "more than 1 terms" },
    { "equation=i.j | f32[2,3]", "'.' is not part" },
    { "equation=ij->ii | f32[2,3]", "'i' is twice" },
    { "| f32[2,3]", "equation" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_einsum[] = {
    {
        .name = "Einsum", .domain = "", .since = 12, .first = 12,
        .flags = MAAS_OP_PURE,
        MAAS_IO(einsum_in, einsum_out),
        MAAS_ATTRS(einsum_attrs, einsum_attr_t),
        .infer = einsum_infer,
        MAAS_KERNELS(einsum_kernels),
        .flops = einsum_flops,
        .cases = einsum_cases, .bad = einsum_bad
    },
    { .name = NULL }
};
