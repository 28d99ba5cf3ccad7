/*
 * dim.c: symbolic dimensions.  An expression is a row {operator, a, b};
 * equal rows are one expression, so that equality is equality of numbers.
 *
 * Ownership: rows lie in the arena of the graph.  When the table is full or
 * memory is refused, the answer is "unknown", never an error: symbols only
 * make metadata better.
 * Threads:   one thread.
 */

#include <stdio.h>

#include "graph/graph.h"


enum {
    DIM_SYMBOL = 0,
    DIM_ADD,
    DIM_SUB,
    DIM_MUL,
    DIM_DIV,
    DIM_CEIL,
    DIM_MIN,
    DIM_MAX,
    DIM_BROADCAST
};

typedef struct {
    uint8_t     op;
    maas_dim_t  a, b;
    maas_str_t  name;
} dim_row_t;

struct maas_syms_s {
    maas_arena_t  *arena;
    dim_row_t     *row;
    uint32_t       n;
    uint32_t       cap;
};

#define DIM_ROWS_MAX  65536


maas_syms_t *
maas_syms_create(maas_arena_t *a)
{
    maas_syms_t  *s;

    s = maas_arena_alloc(a, sizeof(maas_syms_t));
    if (s != NULL) {
        s->arena = a;
    }

    return s;
}


static maas_dim_t
dim_row(maas_syms_t *s, int op, maas_dim_t a, maas_dim_t b, maas_str_t name)
{
    uint32_t    cap;
    dim_row_t  *row;

    if (s == NULL) {
        return MAAS_DIM_NONE;
    }

    if (s->n == s->cap) {
        cap = s->cap ? s->cap * 2 : 64;
        row = cap <= DIM_ROWS_MAX
              ? maas_arena_array(s->arena, cap, sizeof(dim_row_t)) : NULL;
        if (row == NULL) {
            return MAAS_DIM_NONE;
        }

        if (s->n != 0) {
            memcpy(row, s->row, s->n * sizeof(dim_row_t));
        }

        s->row = row;
        s->cap = cap;
    }

    s->row[s->n] = (dim_row_t) { op, a, b, name };
    return MAAS_DIM_SYM + s->n++;
}


maas_dim_t
maas_dim_symbol(maas_syms_t *s, maas_str_t name)
{
    if (s != NULL && name.len != 0) {
        for (uint32_t i = 0; i < s->n; i++) {
            if (s->row[i].op == DIM_SYMBOL
                && maas_str_eq(s->row[i].name, name))
            {
                return MAAS_DIM_SYM + i;
            }
        }
    }

    return dim_row(s, DIM_SYMBOL, 0, 0, name);
}


static int64_t
dim_floor(int64_t a, int64_t b)
{
    int64_t  q = a / b;

    return (a % b != 0 && (a < 0) != (b < 0)) ? q - 1 : q;
}


/*
 * Both constant.  Overflow is "unknown": the planner refuses such a dim.  The
 * lowest numbers are symbols: a result there is an overflow, too.
 */
static maas_dim_t
dim_fold(int op, int64_t a, int64_t b)
{
    bool     over = false;
    int64_t  r = 0;

    switch (op) {
    case DIM_ADD:
        over = __builtin_add_overflow(a, b, &r);
        break;
    case DIM_SUB:
        over = __builtin_sub_overflow(a, b, &r);
        break;
    case DIM_MUL:
        over = __builtin_mul_overflow(a, b, &r);
        break;
    case DIM_DIV:
        return b == 0 ? MAAS_DIM_NONE : dim_floor(a, b);
    case DIM_CEIL:
        return b == 0 ? MAAS_DIM_NONE : -dim_floor(-a, b);
    case DIM_MIN:
        return maas_min(a, b);
    default:
        return maas_max(a, b);
    }

    return over || !maas_dim_known(r) ? MAAS_DIM_NONE : r;
}


/*
 * (x * c) * d is x * (c * d), (x * c) / d is x * (c / d) where d divides c:
 * what chains of Reshape need to give a batch back.
 */
static bool
dim_scale(maas_syms_t *s, int op, maas_dim_t a, maas_dim_t b,
    maas_dim_t *out)
{
    int64_t           c;
    const dim_row_t  *row;

    if (s == NULL || maas_dim_known(a) || a == MAAS_DIM_NONE
        || !maas_dim_known(b) || b <= 0)
    {
        return false;
    }

    row = &s->row[a - MAAS_DIM_SYM];

    if (row->op != DIM_MUL || !maas_dim_known(row->b) || row->b <= 0) {
        return false;
    }

    if (op == DIM_MUL) {
        c = dim_fold(DIM_MUL, row->b, b);
    } else if ((op == DIM_DIV || op == DIM_CEIL) && row->b % b == 0) {
        c = row->b / b;
    } else {
        return false;
    }

    *out = maas_dim_mul(s, row->a, c);
    return true;
}


static maas_dim_t
dim_op(maas_syms_t *s, int op, maas_dim_t a, maas_dim_t b)
{
    maas_dim_t  scaled;

    if (a == MAAS_DIM_NONE || b == MAAS_DIM_NONE) {
        return MAAS_DIM_NONE;
    }

    if (maas_dim_known(a) && maas_dim_known(b)) {
        return dim_fold(op, a, b);
    }

    /* Constants stand on the right. */
    if ((op == DIM_ADD || op == DIM_MUL) && maas_dim_known(a)) {
        scaled = a;
        a = b;
        b = scaled;
    }

    if (dim_scale(s, op, a, b, &scaled)) {
        return scaled;
    }

    if ((op == DIM_ADD || op == DIM_SUB) && b == 0) {
        return a;
    }

    if ((op == DIM_MUL || op == DIM_DIV || op == DIM_CEIL) && b == 1) {
        return a;
    }

    if (a == b) {
        if (op == DIM_MIN || op == DIM_MAX) {
            return a;
        }

        if (op == DIM_SUB) {
            return 0;
        }
    }

    for (uint32_t i = 0; s != NULL && i < s->n; i++) {
        if (s->row[i].op == op && s->row[i].a == a && s->row[i].b == b) {
            return MAAS_DIM_SYM + i;
        }
    }

    return dim_row(s, op, a, b, maas_str(""));
}


maas_dim_t
maas_dim_add(maas_syms_t *s, maas_dim_t a, maas_dim_t b)
{
    return dim_op(s, DIM_ADD, a, b);
}


maas_dim_t
maas_dim_sub(maas_syms_t *s, maas_dim_t a, maas_dim_t b)
{
    return dim_op(s, DIM_SUB, a, b);
}


maas_dim_t
maas_dim_mul(maas_syms_t *s, maas_dim_t a, maas_dim_t b)
{
    return dim_op(s, DIM_MUL, a, b);
}


maas_dim_t
maas_dim_div(maas_syms_t *s, maas_dim_t a, maas_dim_t b)
{
    return dim_op(s, DIM_DIV, a, b);
}


maas_dim_t
maas_dim_ceil(maas_syms_t *s, maas_dim_t a, maas_dim_t b)
{
    return dim_op(s, DIM_CEIL, a, b);
}


maas_dim_t
maas_dim_min(maas_syms_t *s, maas_dim_t a, maas_dim_t b)
{
    return dim_op(s, DIM_MIN, a, b);
}


maas_dim_t
maas_dim_max(maas_syms_t *s, maas_dim_t a, maas_dim_t b)
{
    return dim_op(s, DIM_MAX, a, b);
}


/* Of constants the caller knows the answer. */
maas_dim_t
maas_dim_broadcast(maas_syms_t *s, maas_dim_t a, maas_dim_t b)
{
    return a == b || b == 1 ? a : a == 1 ? b
           : maas_dim_known(a) || maas_dim_known(b) ? MAAS_DIM_NONE
           : dim_op(s, DIM_BROADCAST, maas_min(a, b), maas_max(a, b));
}


static size_t
dim_text(const maas_syms_t *s, maas_dim_t d, char *out, size_t n, int depth)
{
    static const char *const  ops[] = { "", "+", "-", "*", "/", "^/",
                                        " min ", " max ", " or " };
    size_t            len;
    const dim_row_t  *row;

    if (n == 0) {
        return 0;
    }

    if (maas_dim_known(d)) {
        return (size_t) snprintf(out, n, "%lld", (long long) d);
    }

    if (d == MAAS_DIM_NONE || s == NULL || depth > 4) {
        return (size_t) snprintf(out, n, "?");
    }

    row = &s->row[d - MAAS_DIM_SYM];

    if (row->op == DIM_SYMBOL) {
        return row->name.len == 0
               ? (size_t) snprintf(out, n, "?")
               : (size_t) snprintf(out, n, "%.*s", (int) row->name.len,
                                   row->name.data);
    }

    len = (size_t) snprintf(out, n, "(");
    len += len < n ? dim_text(s, row->a, out + len, n - len, depth + 1) : 0;
    len += len < n ? (size_t) snprintf(out + len, n - len, "%s",
                                       ops[row->op]) : 0;
    len += len < n ? dim_text(s, row->b, out + len, n - len, depth + 1) : 0;
    len += len < n ? (size_t) snprintf(out + len, n - len, ")") : 0;

    return len;
}


void
maas_dim_text(const maas_syms_t *s, maas_dim_t d, char *out, size_t n)
{
    dim_text(s, d, out, n, 0);
}
