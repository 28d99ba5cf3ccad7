/*
 * Unique: the distinct elements, or with an axis the distinct slices of it,
 * sorted, or in the order of their first appearance.  NaN are one value
 * behind all numbers, as numpy has it; -0.0 is 0.
 *
 * Items are the elements or slices.  They are sorted by merging, by content
 * and, where that is equal, by number, so that the first of a group of equal
 * ones is the first in the input.  How many groups there are only the data
 * tell: extent() counts them, run() makes them again.
 *
 * Ownership: three numbers an item lie in the scratch of a thread.
 * Threads:   one unit.
 */

#include "ops/gather.h"
#include "ops/ops_common.h"


typedef struct {
    int64_t  axis;
    int64_t  sorted;
} unique_attr_t;

#define UNIQUE_FLAT  INT64_MIN

/* Item i: `outer` runs of `inner` elements, `step` elements apart. */
typedef struct {
    const void  *data;
    int64_t      n;
    int64_t      outer;
    int64_t      inner;
    int64_t      step;
    int        (*compare)(const void *data, int64_t a, int64_t b, int64_t n);
} unique_view_t;

typedef struct {
    int64_t  *order;            /* items, sorted */
    int64_t  *group;            /* of an item, in the order of the output */
    int64_t  *spare;
    int64_t   n;                /* groups */
} unique_t;


/* -- items --------------------------------------------------------------- */

/* n elements from element a on, beside those from b on: < 0, 0 or > 0. */
#define UNIQUE(x, D, type)                                                    \
    static int                                                                \
    unique_compare_##D(const void *data, int64_t a, int64_t b, int64_t n)     \
    {                                                                         \
        const type  *p = (const type *) data + a;                             \
        const type  *q = (const type *) data + b;                             \
                                                                              \
        for (int64_t i = 0; i < n; i++) {                                     \
            const type  u = p[i], v = q[i];                                   \
            const bool  nan = u != u, other = v != v;                         \
                                                                              \
            if (nan || other) {                                               \
                if (nan != other) {                                           \
                    return nan ? 1 : -1;                                      \
                }                                                             \
                                                                              \
            } else if (u != v) {                                              \
                return u < v ? -1 : 1;                                        \
            }                                                                 \
        }                                                                     \
                                                                              \
        return 0;                                                             \
    }

MAAS_T_NUM(UNIQUE, 0)

#define UNIQUE_ENTRY(x, D, type)  [MAAS_##D] = unique_compare_##D,

static int (*const  unique_compare[MAAS_DTYPES])(const void *data, int64_t a,
    int64_t b, int64_t n) =
{
    MAAS_T_NUM(UNIQUE_ENTRY, 0)
    [MAAS_BOOL] = unique_compare_U8
};


static void
unique_view(unique_view_t *v, const void *attr, const maas_tensor_t *x)
{
    int      at;
    int64_t  axis = ((const unique_attr_t *) attr)->axis;

    v->data = x->data;
    v->compare = unique_compare[x->dtype];
    v->outer = 1;
    v->inner = 1;
    v->n = maas_tensor_count(x);

    if (axis != UNIQUE_FLAT) {
        at = (int) (axis < 0 ? axis + x->rank : axis);
        v->n = x->dims[at];
        v->outer = gather_product(x->dims, 0, at);
        v->inner = gather_product(x->dims, at + 1, x->rank);
    }

    v->step = v->n * v->inner;
}


static int
unique_items(const unique_view_t *v, int64_t a, int64_t b)
{
    int  d;

    for (int64_t o = 0; o < v->outer; o++) {
        d = v->compare(v->data, o * v->step + a * v->inner,
                       o * v->step + b * v->inner, v->inner);
        if (d != 0) {
            return d;
        }
    }

    return 0;
}


/* -- groups -------------------------------------------------------------- */

/* Sorts runs of doubling length from one array into the other and back. */
static int64_t *
unique_sort(const unique_view_t *v, int64_t *from, int64_t *to)
{
    int64_t   i, j, k, middle, end, *swap;

    for (i = 0; i < v->n; i++) {
        from[i] = i;
    }

    for (int64_t run = 1; run < v->n; run *= 2) {
        for (int64_t start = 0; start < v->n; start += 2 * run) {
            middle = maas_min(start + run, v->n);
            end = maas_min(middle + run, v->n);
            i = start;
            j = middle;

            for (k = start; k < end; k++) {
                to[k] = j == end || (i < middle
                                     && unique_items(v, from[i], from[j])
                                        <= 0)
                        ? from[i++] : from[j++];
            }
        }

        swap = from;
        from = to;
        to = swap;
    }

    return from;
}


static void
unique_groups(unique_t *u, const unique_view_t *v, maas_slot_t *slot)
{
    int64_t  *p = slot->scratch;

    u->order = unique_sort(v, p, p + v->n);
    u->spare = u->order == p ? p + v->n : p;
    u->group = p + 2 * v->n;
    u->n = 0;

    for (int64_t i = 0; i < v->n; i++) {
        if (i == 0 || unique_items(v, u->order[i - 1], u->order[i]) != 0) {
            u->n++;
        }

        u->group[u->order[i]] = u->n - 1;
    }
}


/* Groups are numbered by their first item instead; spare: old to new. */
static void
unique_appearance(unique_t *u, const unique_view_t *v)
{
    int64_t  next = 0;

    for (int64_t g = 0; g < u->n; g++) {
        u->spare[g] = -1;
    }

    for (int64_t i = 0; i < v->n; i++) {
        int64_t  *to = &u->spare[u->group[i]];

        if (*to < 0) {
            *to = next++;
        }

        u->group[i] = *to;
    }
}


/* -- steps --------------------------------------------------------------- */

static maas_status_t
unique_infer(maas_infer_t *c)
{
    int                 axis = 0, rank = 1;
    int64_t             at = ((const unique_attr_t *) c->attr)->axis;
    maas_dim_t          items, dims[MAAS_RANK_MAX];
    const int64_t      *extent = maas_infer_extent(c);
    const maas_type_t  *t = c->in[0].type;

    items = maas_ival_product(c, t->dims, t->rank);

    if (at != UNIQUE_FLAT) {
        MAAS_TRY(maas_axis(at, t->rank, &axis, c->err));
        rank = t->rank;
        memcpy(dims, t->dims, (size_t) rank * sizeof(maas_dim_t));
        items = t->dims[axis];
    }

    if (maas_dim_known(items) && items > INT32_MAX) {
        return maas_err(c->err, MAAS_EUNSUPPORTED, "%lld items, at most %d "
                        "are supported", (long long) items, INT32_MAX);
    }

    dims[axis] = extent != NULL ? extent[0] : MAAS_DIM_NONE;
    maas_infer_set(c, 0, t->dtype, rank, dims);

    for (int o = 1; o < c->n_out; o++) {
        maas_infer_set(c, o, MAAS_I64, 1, o == 2 ? &items : &dims[axis]);
    }

    return extent != NULL ? MAAS_OK : MAAS_INFER_EXTENT;
}


static size_t
unique_scratch(const maas_setup_t *u)
{
    unique_view_t  v;

    unique_view(&v, u->attr, &u->in[0]);

    return (size_t) v.n * 3 * sizeof(int64_t);
}


static bool
unique_setup(maas_setup_t *u)
{
    u->scratch = unique_scratch(u);
    u->cost = 100 + (double) maas_tensor_count(&u->in[0]) * 60;
    return true;
}


static maas_status_t
unique_extent(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    unique_t       u;
    unique_view_t  v;

    (void) first;
    (void) last;

    unique_view(&v, s->attr, &s->in[0]);

    if (v.compare == NULL) {
        return maas_err_dtype(slot, s->in[0].dtype);
    }

    unique_groups(&u, &v, slot);
    *(int64_t *) s->out[0].data = u.n;

    return MAAS_OK;
}


static void
unique_copy(const maas_step_t *s, const unique_view_t *v, int64_t groups,
    int64_t group, int64_t item)
{
    char        *y = s->out[0].data;
    int64_t      bytes = v->inner * (int64_t) maas_dtype_size(s->in[0].dtype);
    const char  *x = v->data;

    for (int64_t o = 0; o < v->outer; o++) {
        gather_copy(y + (o * groups + group) * bytes,
                    x + (o * v->n + item) * bytes, bytes);
    }
}


static int64_t *
unique_out(const maas_step_t *s, int i)
{
    return i < s->n_out && s->out[i].dtype != MAAS_NODTYPE ? s->out[i].data
                                                           : NULL;
}


static maas_status_t
unique_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    int64_t        *at = unique_out(s, 1), *inverse = unique_out(s, 2);
    int64_t        *counts = unique_out(s, 3);
    unique_t        u;
    unique_view_t   v;

    (void) first;
    (void) last;

    unique_view(&v, s->attr, &s->in[0]);
    unique_groups(&u, &v, slot);

    if (((const unique_attr_t *) s->attr)->sorted == 0) {
        unique_appearance(&u, &v);
    }

    /* From here on spare has the number of items of a group. */
    memset(u.spare, 0, (size_t) u.n * sizeof(int64_t));

    for (int64_t i = 0; i < v.n; i++) {
        if (u.spare[u.group[i]]++ == 0) {
            if (unique_out(s, 0) != NULL) {
                unique_copy(s, &v, u.n, u.group[i], i);
            }

            if (at != NULL) {
                at[u.group[i]] = i;
            }
        }

        if (inverse != NULL) {
            inverse[i] = u.group[i];
        }
    }

    if (counts != NULL) {
        memcpy(counts, u.spare, (size_t) u.n * sizeof(int64_t));
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  unique_in[] = {
    { "X", MAAS_D_NUM | MAAS_D(BOOL), 'T', 0 }
};

static const maas_formal_t  unique_outs[] = {
    { "Y", MAAS_D_NUM | MAAS_D(BOOL), 'T', 0 },
    { "indices", MAAS_D(I64), 0, MAAS_OPT },
    { "inverse_indices", MAAS_D(I64), 0, MAAS_OPT },
    { "counts", MAAS_D(I64), 0, MAAS_OPT }
};

static const maas_attr_row_t  unique_attrs[] = {
    { .name = "axis", .type = MAAS_ATTR_INT, .i = UNIQUE_FLAT,
      .off = offsetof(unique_attr_t, axis) },
    { .name = "sorted", .type = MAAS_ATTR_INT, .i = 1, .min = 0, .max = 1,
      .off = offsetof(unique_attr_t, sorted) }
};

static const maas_kernel_row_t  unique_kernel[] = {
    { .id = "unique.merge", .setup = unique_setup, .run = unique_run }
};

static const maas_case_t  unique_cases[] = {
    { "| f32[6]{2,1,1,3,4,3}", NULL },
    { "sorted=0 | i64[6]{2,1,1,3,4,3}", NULL },
    { "axis=0 | f32[4,3]{1,0,0,1,0,0,2,3,4,1,0,0}", NULL },
    { "axis=-1 sorted=0 | u8[2,5]{3,1,3,1,3,0,2,0,2,1}", NULL },
    { "axis=1 | i32[2,4,2]{1,1,0,1,2,1,0,1,1,1,0,1,2,1,0,1}", NULL },
    { "| f64[300]:nan", NULL },
    { "sorted=0 | f32[129]:zero", NULL },
    { "| bool[9]", NULL },
    { "| f16[3,4]", NULL },
    { "| f32[0,3]", NULL },
    { "axis=0 | i8[3,0]", NULL },
    { "axis=0 | i8[0,3]", NULL },
    { "| i16[]{7}", NULL },
    { "| =f32[5]{5,5,1,2,1}", NULL },
    { NULL, NULL }
};

static const maas_case_t  unique_bad[] = {
    { "axis=1 | f32[3]", "axis 1 is out of range" },
    { "sorted=2 | f32[3]", "sorted" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_unique[] = {
    {
        .name = "Unique", .domain = "", .since = 11, .first = 11,
        .flags = MAAS_OP_PURE,
        MAAS_IO(unique_in, unique_outs),
        MAAS_ATTRS(unique_attrs, unique_attr_t),
        .infer = unique_infer,
        MAAS_KERNELS(unique_kernel),
        .extent = unique_extent, .n_extent = 1,
        .extent_scratch = unique_scratch,
        .cases = unique_cases, .bad = unique_bad
    },
    { .name = NULL }
};
