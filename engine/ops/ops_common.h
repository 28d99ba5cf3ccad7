/*
 * ops_common: what the families of operators share: work units of
 * elementwise kernels and lists of C types for macro templates.
 *
 * A template is a macro T(arg, D, type); MAAS_T_INT(T, arg) applies it to
 * every integer dtype D with its C type, and so on.
 */

#ifndef MAAS_OPS_COMMON_H
#define MAAS_OPS_COMMON_H

#include "ops/broadcast.h"


/* -- units --------------------------------------------------------------- */

#define MAAS_UNIT  16384        /* elements of an elementwise work unit */

static inline int64_t
maas_units(int64_t n)
{
    return n <= MAAS_UNIT ? 1 : (n + MAAS_UNIT - 1) / MAAS_UNIT;
}


/* Elements [*lo, *hi) of units [first, last). */
static inline void
maas_unit_range(int64_t first, int64_t last, int64_t total, int64_t *lo,
    int64_t *hi)
{
    *lo = maas_min(first * MAAS_UNIT, total);
    *hi = maas_min(last * MAAS_UNIT, total);
}


/* Items per unit so that a unit has about MAAS_UNIT elements; at least 1. */
static inline int64_t
maas_unit_items(int64_t elements_per_item)
{
    return elements_per_item >= MAAS_UNIT
           ? 1 : MAAS_UNIT / maas_max(elements_per_item, 1);
}


/*
 * A tensor as [outer, n, inner] around an axis, for what works along n.  Of
 * each outer item, `inner` columns are taken in blocks of at most `block`.
 */
typedef struct {
    int64_t  outer;
    int64_t  n;
    int64_t  inner;
    int64_t  blocks;            /* of an outer item */
    int64_t  per;               /* blocks in a unit */
} maas_lanes_t;

/* axis in [-rank, rank); flatten: n runs to the end, inner is 1. */
void maas_lanes(maas_lanes_t *v, const maas_tensor_t *x, int64_t axis,
    bool flatten, int64_t block);

static inline int64_t
maas_lanes_units(const maas_lanes_t *v)
{
    return maas_max((v->outer * v->blocks + v->per - 1) / v->per, 1);
}


/* -- C types of dtypes --------------------------------------------------- */

#define MAAS_T_SINT(T, a)                                                     \
    T(a, I8, int8_t) T(a, I16, int16_t) T(a, I32, int32_t) T(a, I64, int64_t)

#define MAAS_T_UINT(T, a)                                                     \
    T(a, U8, uint8_t) T(a, U16, uint16_t) T(a, U32, uint32_t)                 \
    T(a, U64, uint64_t)

#define MAAS_T_FLOAT(T, a)  T(a, F32, float) T(a, F64, double)
#define MAAS_T_INT(T, a)    MAAS_T_SINT(T, a) MAAS_T_UINT(T, a)
#define MAAS_T_NUM(T, a)    MAAS_T_FLOAT(T, a) MAAS_T_INT(T, a)


/* -- elementwise kernels ------------------------------------------------ */

/* Units and cost of a kernel that does ns per output element. */
static inline bool
maas_setup_elements(maas_setup_t *u, double ns)
{
    int64_t  n = maas_tensor_count(&u->out[0]);

    u->units = maas_units(n);
    u->cost = 50 + (double) n * ns;
    return true;
}


bool maas_setup_cheap(maas_setup_t *u);     /* one instruction an element */
bool maas_setup_math(maas_setup_t *u);      /* exp, division */
bool maas_setup_libm(maas_setup_t *u);      /* a libm call an element */


/*
 * Rows that follow each other: the compiler makes vector code of a loop whose
 * strides it knows.  MAAS_ROWS_2(loop, ...) calls loop(y, a, sa, b, sb, n), an
 * inline function, with strides of 0 and 1 as constants.  Before the loop
 * itself MAAS_ROW_LOOP says that no element is read after another was
 * written: y is one of the inputs, element by element, or none.
 */
#define MAAS_ROW_INLINE  static inline __attribute__((always_inline)) void
#define MAAS_ROW_LOOP    _Pragma("GCC ivdep")

#define MAAS_ROWS_2(loop, y, a, sa, b, sb, n)                                 \
    do {                                                                      \
        if ((sa) == 1 && (sb) == 1) {                                         \
            loop(y, a, 1, b, 1, n);                                           \
                                                                              \
        } else if ((sa) == 1 && (sb) == 0) {                                  \
            loop(y, a, 1, b, 0, n);                                           \
                                                                              \
        } else if ((sa) == 0 && (sb) == 1) {                                  \
            loop(y, a, 0, b, 1, n);                                           \
                                                                              \
        } else {                                                              \
            loop(y, a, sa, b, sb, n);                                         \
        }                                                                     \
    } while (0)

/* Element i of a row that is there once for all i when its stride is 0. */
#define MAAS_ROW_AT(p, p0, stride, i)                                         \
    ((stride) == 0 ? (p0) : (p)[(i) * (stride)])

/* n elements of x to y (which may be x), with two parameters. */
typedef void (*maas_un_row_pt)(void *y, const void *x, int64_t n, double a,
    double b);

/* What a unary operator does, by dtype of its input. */
typedef struct {
    int             fn;         /* maas_unary_t for float32, or MAAS_UN_ROW */
    maas_un_row_pt  row[MAAS_DTYPES];
} maas_un_t;

#define MAAS_UN_ROW  -1

maas_status_t maas_un_run(const maas_step_t *s, maas_slot_t *slot,
    int64_t first, int64_t last, const maas_un_t *f, double a, double b);

/* Defines name_D(): element v of type `type` becomes expr. */
#define MAAS_UN_LOOP(name, D, type, expr)                                     \
    static void                                                               \
    name##_##D(void *y, const void *x, int64_t n, double a, double b)         \
    {                                                                         \
        type        *q = y;                                                   \
        const type  *p = x;                                                   \
        const type   A = (type) a, B = (type) b;                              \
                                                                              \
        (void) A;                                                             \
        (void) B;                                                             \
                                                                              \
        MAAS_ROW_LOOP                                                         \
        for (int64_t i = 0; i < n; i++) {                                     \
            const type  v = p[i];                                             \
                                                                              \
            q[i] = (type) (expr);                                             \
        }                                                                     \
    }

#define MAAS_UN_ENTRY(name, D, type)  [MAAS_##D] = name##_##D,

/* The run function of an operator without attributes, and its kernel. */
#define MAAS_UN_KERNEL(name, setup)                                           \
    static maas_status_t                                                      \
    name##_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,        \
        int64_t last)                                                         \
    {                                                                         \
        return maas_un_run(s, slot, first, last, &name##_un, 0, 0);           \
    }                                                                         \
                                                                              \
    static const maas_kernel_row_t  name##_kernel[] = {                       \
        { #name ".rows", MAAS_CPU_REF, 1, 0, setup, name##_run }              \
    };


/* As a post-op: the kernel of float32 without parameters. */
#define MAAS_UN_POST(name, FN)                                                \
    static bool                                                               \
    name##_post(const maas_node_t *n, int through, const void *const *data,   \
        maas_post_t *out)                                                     \
    {                                                                         \
        (void) n;                                                             \
        (void) data;                                                          \
                                                                              \
        *out = (maas_post_t) { .kind = MAAS_POST_UNARY, .fn = MAAS_U_##FN };  \
        return through == 0;                                                  \
    }


/* -- shared steps -------------------------------------------------------- */

/*
 * n elements of x to y with the rules of Cast; any fixed dtypes.  y may be
 * x when the element sizes are equal.
 */
void maas_cast_row(void *y, maas_dtype_t yt, const void *x, maas_dtype_t xt,
    int64_t n);

/* Before opset 7: attributes broadcast and axis place the second input. */
maas_status_t maas_upgrade_axis(maas_import_t *im, maas_raw_node_t *n,
    int opset, maas_err_t *err);

/* Unsqueezes input `index` by `count` trailing dimensions after `rank`. */
maas_status_t maas_upgrade_trailing(maas_import_t *im, maas_raw_node_t *n,
    uint32_t index, int rank, int count);

/* Sets a STRING attribute of a raw node. */
maas_status_t maas_upgrade_word(maas_import_t *im, maas_raw_node_t *n,
    const char *name, maas_str_t word);

/*
 * Emits op(in[0], in[1]) and makes its output input `index` of n; attr NULL:
 * no attribute.
 */
maas_status_t maas_upgrade_before(maas_import_t *im, maas_raw_node_t *n,
    uint32_t index, const char *op, const maas_str_t *in, uint32_t n_in,
    const maas_raw_attr_t *attr, uint32_t n_attr);

/* Input i of a raw node is there. */
static inline bool
maas_raw_has(const maas_raw_node_t *n, uint32_t i)
{
    return i < n->n_in && n->in[i].len != 0;
}

/* A run that met a dtype which its formals exclude: our own bug. */
maas_status_t maas_err_dtype(maas_slot_t *slot, int dtype);

/* select(): output 0 is input 0, whatever its kind. */
maas_status_t maas_select_same(maas_select_t *c);

#endif
