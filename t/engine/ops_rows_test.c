/*
 * Operators of elements by rows: every type with every way in which two or
 * three inputs are there once for a row or a column, against formulas in
 * double; and Cast of floats that the integer does not hold.
 */

#include "ops_math_harness.h"


#define ROWS  3
#define COLS  37

static const int  types[] = {
    MAAS_F32, MAAS_F64, MAAS_I8, MAAS_U8, MAAS_I32, MAAS_I64, MAAS_BOOL
};

static const int64_t  forms[][2] = {
    { ROWS, COLS }, { 1, COLS }, { ROWS, 1 }, { 1, 1 }
};


/* Element i of a tensor of a form, as the output's element (r, c) sees it. */
static int64_t
seen(const int64_t *form, int64_t r, int64_t c)
{
    return (form[0] == 1 ? 0 : r) * form[1] + (form[1] == 1 ? 0 : c);
}


/* Small numbers, some of them equal; NaN among those of float32. */
static void
fill(void *data, int dtype, int64_t n, int64_t salt)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t  v = (i * 7 + salt * 5 + i / 5) % 11;

        switch (dtype) {
        case MAAS_F32:
            ((float *) data)[i] = v == 10 ? NAN : (float) v / 4 - 1;
            break;
        case MAAS_F64:
            ((double *) data)[i] = (double) v / 4 - 1;
            break;
        case MAAS_I8:
            ((int8_t *) data)[i] = (int8_t) (v - 5);
            break;
        case MAAS_I32:
            ((int32_t *) data)[i] = (int32_t) (v - 5);
            break;
        case MAAS_I64:
            ((int64_t *) data)[i] = v - 5;
            break;
        case MAAS_BOOL:
            ((uint8_t *) data)[i] = v & 1;
            break;
        default:
            ((uint8_t *) data)[i] = (uint8_t) v;
        }
    }
}


typedef struct {
    const char  *name;
    int          kind;          /* 0: numbers, 1: integers, 2: booleans */
    bool         truth;         /* gives booleans */
    double     (*f)(double a, double b);
} two_t;

static double f_eq(double a, double b) { return a == b; }
static double f_gt(double a, double b) { return a > b; }
static double f_lt(double a, double b) { return a < b; }
static double f_ge(double a, double b) { return a >= b; }
static double f_le(double a, double b) { return a <= b; }
static double f_and(double a, double b) { return a != 0 && b != 0; }
static double f_or(double a, double b) { return a != 0 || b != 0; }
static double f_xor(double a, double b) { return (a != 0) != (b != 0); }
static double f_add(double a, double b) { return a + b; }
static double f_sub(double a, double b) { return a - b; }
static double f_mul(double a, double b) { return a * b; }
static double f_div(double a, double b) { return b == 0 ? 0 : trunc(a / b); }
static double f_min(double a, double b) { return a < b ? a : b; }
static double f_max(double a, double b) { return a > b ? a : b; }
static double f_band(double a, double b) { return (int64_t) a & (int64_t) b; }
static double f_bxor(double a, double b) { return (int64_t) a ^ (int64_t) b; }

static const two_t  twos[] = {
    { "Equal", 0, true, f_eq }, { "Greater", 0, true, f_gt },
    { "Less", 0, true, f_lt }, { "GreaterOrEqual", 0, true, f_ge },
    { "LessOrEqual", 0, true, f_le }, { "And", 2, true, f_and },
    { "Or", 2, true, f_or }, { "Xor", 2, true, f_xor },
    { "Add", 0, false, f_add }, { "Sub", 0, false, f_sub },
    { "Mul", 0, false, f_mul }, { "Div", 1, false, f_div },
    { "Min", 1, false, f_min }, { "Max", 1, false, f_max },
    { "BitwiseAnd", 1, false, f_band }, { "BitwiseXor", 1, false, f_bxor }
};


/* A result of a type: integers wrap. */
static double
held(int dtype, double v)
{
    return dtype == MAAS_U8 ? (double) (uint8_t) (int64_t) v
           : dtype == MAAS_I8 ? (double) (int8_t) (int64_t) v : v;
}


static bool
two_case(const two_t *f, int dtype, const int64_t *fa, const int64_t *fb)
{
    m_t      m;
    bool     good;
    double   v, w;
    int64_t  rows = maas_max(fa[0], fb[0]), cols = maas_max(fa[1], fb[1]);

    m_begin(&m, "", f->name);
    fill(m_in(&m, dtype, 2, fa, NULL), dtype, fa[0] * fa[1], 1);
    fill(m_in(&m, dtype, 2, fb, NULL), dtype, fb[0] * fb[1], 2);
    good = m_run(&m, 18) == MAAS_OK
           && maas_tensor_count(&m.y[0]) == rows * cols;

    for (int64_t i = 0; i < rows * cols && good; i++) {
        w = f->f(m_get(&m.t[0], seen(fa, i / cols, i % cols)),
                 m_get(&m.t[1], seen(fb, i / cols, i % cols)));
        w = f->truth ? w : held(dtype, w);
        v = m_get(&m.y[0], i);
        good = v == w || (v != v && w != w);
    }

    maas_arena_destroy(&m.arena);
    return good;
}


static void
test_two(const two_t *f)
{
    bool  good = true;

    for (size_t t = 0; t < maas_nelts(types); t++) {
        bool  is_bool = types[t] == MAAS_BOOL;

        if (is_bool != (f->kind == 2)
            || (f->kind == 1 && !maas_dtypes[types[t]].is_int))
        {
            continue;
        }

        for (size_t i = 0; i < maas_nelts(forms); i++) {
            for (size_t j = 0; j < maas_nelts(forms); j++) {
                if (good && !two_case(f, types[t], forms[i], forms[j])) {
                    printf("# %s: forms %zu %zu\n",
                           maas_dtype_name(types[t]), i, j);
                    good = false;
                }
            }
        }
    }

    ok(good, "%s: every type, rows and columns given once", f->name);
}


static bool
where_case(int dtype, const int64_t *fc, const int64_t *fa, const int64_t *fb)
{
    m_t      m;
    bool     good;
    double   v, w;
    int64_t  cols = maas_max(fc[1], maas_max(fa[1], fb[1])), n;

    m_begin(&m, "", "Where");
    fill(m_in(&m, MAAS_BOOL, 2, fc, NULL), MAAS_BOOL, fc[0] * fc[1], 0);
    fill(m_in(&m, dtype, 2, fa, NULL), dtype, fa[0] * fa[1], 1);
    fill(m_in(&m, dtype, 2, fb, NULL), dtype, fb[0] * fb[1], 2);
    good = m_run(&m, 16) == MAAS_OK;
    n = maas_tensor_count(&m.y[0]);

    for (int64_t i = 0; i < n && good; i++) {
        w = m_get(&m.t[0], seen(fc, i / cols, i % cols)) != 0
            ? m_get(&m.t[1], seen(fa, i / cols, i % cols))
            : m_get(&m.t[2], seen(fb, i / cols, i % cols));
        v = m_get(&m.y[0], i);
        good = v == w || (v != v && w != w);
    }

    maas_arena_destroy(&m.arena);
    return good;
}


static void
test_where(void)
{
    bool  good;

    for (size_t t = 0; t < maas_nelts(types); t++) {
        good = true;

        for (int i = 0; i < 64; i++) {
            good &= where_case(types[t], forms[i & 3], forms[i >> 2 & 3],
                               forms[i >> 4]);
        }

        ok(good, "Where of %s: rows and columns given once",
           maas_dtype_name(types[t]));
    }
}


/* -- Cast ---------------------------------------------------------------- */

/* As a processor of this kind converts: see cast.c. */
static double
converted(double v, int to)
{
    int64_t  wide = v >= -0x1p63 && v < 0x1p63 ? (int64_t) v : INT64_MIN;

    switch (to) {
    case MAAS_BOOL:
        return v != 0;
    case MAAS_I8:
        return (int8_t) wide;
    case MAAS_U8:
        return (uint8_t) wide;
    case MAAS_I32:
        return v > -0x1p31 - 1 && v < 0x1p31 ? (int32_t) v : INT32_MIN;
    default:
        return (double) wide;
    }
}


static void
test_cast(int from, int to)
{
    m_t                  m;
    int64_t              n = 41;
    double               want[41];
    static const double  odd[] = {
        NAN, INFINITY, -INFINITY, 0x1p31, -0x1p31, 0x1p31 - 128, 3e9, -3e9,
        1e19, -1e19, 255, 256, -129, 0.75, -0.75, 127.9, -0.0, 1e-40, 4.3e9
    };

    m_begin(&m, "", "Cast");
    m_int(&m, "to", to);
    m_in(&m, from, D(n), NULL);

    for (int64_t i = 0; i < n; i++) {
        double  v = odd[i % (int64_t) maas_nelts(odd)] * (i < 19 ? 1 : 1.5);

        if (from == MAAS_F32) {
            ((float *) m.t[0].data)[i] = (float) v;
        } else {
            ((double *) m.t[0].data)[i] = v;
        }

        want[i] = converted(m_get(&m.t[0], i), to);
    }

    m_is(&m, 19, n, want, 0, maas_dtype_name(to));
}


static void
test_cube(void)
{
    m_t     m;
    double  want[COLS];
    float   three = 3;

    m_begin(&m, "", "Pow");
    m_in(&m, MAAS_F32, D(COLS), NULL);
    m_in(&m, MAAS_F32, 0, NULL, &three);

    for (int i = 0; i < COLS; i++) {
        ((float *) m.t[0].data)[i] = (float) (i - 18) / 7;
        want[i] = pow((float) (i - 18) / 7, 3);
    }

    m_is(&m, 15, COLS, want, 2e-7, "the third power");
}


int
main(void)
{
    static const int  to[] = {
        MAAS_BOOL, MAAS_I8, MAAS_U8, MAAS_I32, MAAS_I64
    };

    for (size_t i = 0; i < maas_nelts(twos); i++) {
        test_two(&twos[i]);
    }

    test_where();

    for (size_t i = 0; i < maas_nelts(to); i++) {
        test_cast(MAAS_F32, to[i]);
        test_cast(MAAS_F64, to[i]);
    }

    test_cube();
    return done();
}
