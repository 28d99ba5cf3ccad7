/*
 * Strided copies and the contents of small integer tensors; see move.h.
 * Every operator that reorders, cuts, repeats or joins describes its work
 * as axes with two strides; joining adjacent axes turns most of them into
 * a few long runs.
 */

#include <stdlib.h>

#include "ops/move.h"


#define MOVE_TILE  64

#define MOVE_BIG   ((int64_t) 1 << 62)


void
maas_move_init(maas_move_t *m, maas_dtype_t dtype)
{
    memset(m, 0, sizeof(*m));
    m->item = (int64_t) maas_dtype_size(dtype);
}


/* Joins with the axis before where both sides allow it. */
void
maas_move_axis(maas_move_t *m, int64_t dim, int64_t ds, int64_t ss)
{
    int  r = m->rank;

    if (dim == 1) {
        return;
    }

    if (r > 0 && m->ds[r - 1] == dim * ds && m->ss[r - 1] == dim * ss) {
        m->dims[r - 1] *= dim;
        m->ds[r - 1] = ds;
        m->ss[r - 1] = ss;
        return;
    }

    m->dims[r] = dim;
    m->ds[r] = ds;
    m->ss[r] = ss;
    m->rank++;
}


/* A short run that is a power of two in bytes becomes one wider item. */
static void
move_widen(maas_move_t *m)
{
    int      r = m->rank - 1;
    int64_t  bytes;

    if (r < 1 || m->ds[r] != m->item || m->ss[r] != m->item) {
        return;
    }

    bytes = m->dims[r] * m->item;

    if (bytes == 2 || bytes == 4 || bytes == 8) {
        m->item = bytes;
        m->rank--;
    }
}


static void
move_choose(maas_move_t *m)
{
    int  r = m->rank - 1;

    if (m->ds[r] != m->item) {
        m->mode = MAAS_MOVE_STRIDED;
        return;
    }

    if (m->ss[r] == m->item) {
        m->mode = MAAS_MOVE_COPY;
        return;
    }

    if (m->ss[r] == 0) {
        m->mode = MAAS_MOVE_FILL;
        return;
    }

    m->mode = MAAS_MOVE_STRIDED;

    for (int i = 0; i < r; i++) {
        if (m->ss[i] == m->item && m->dims[i] >= 4 && m->dims[r] >= 4
            && m->ss[r] > 0 && m->ds[i] > 0)
        {
            m->mode = MAAS_MOVE_TILES;
            m->across = i;
        }
    }
}


/*
 * Of a strided move with short rows a longer axis becomes the row, the one
 * with the shortest steps.
 */
static void
move_turn(maas_move_t *m)
{
    int      r = m->rank - 1, to = r;
    int64_t  v;

    if (m->mode != MAAS_MOVE_STRIDED || m->dims[r] >= 8) {
        return;
    }

    for (int i = 0; i < r; i++) {
        if (m->dims[i] >= 8
            && (to == r || llabs(m->ds[i]) + llabs(m->ss[i])
                           < llabs(m->ds[to]) + llabs(m->ss[to])))
        {
            to = i;
        }
    }

    v = m->dims[r], m->dims[r] = m->dims[to], m->dims[to] = v;
    v = m->ds[r], m->ds[r] = m->ds[to], m->ds[to] = v;
    v = m->ss[r], m->ss[r] = m->ss[to], m->ss[to] = v;
}


void
maas_move_close(maas_move_t *m)
{
    int64_t  d;

    if (m->rank == 0) {
        m->rank = 1;
        m->dims[0] = 1;
        m->ds[0] = m->item;
        m->ss[0] = m->item;
    }

    move_widen(m);
    move_choose(m);
    move_turn(m);

    m->count = 1;

    for (int i = 0; i < m->rank; i++) {
        d = m->dims[i];

        if (m->mode == MAAS_MOVE_TILES
            && (i == m->across || i == m->rank - 1))
        {
            d = (d + MOVE_TILE - 1) / MOVE_TILE;
        }

        m->count *= d;
    }
}


#define MOVE_ITEMS(T)                                                         \
    for (int64_t i = 0; i < n; i++) {                                         \
        T  v;                                                                 \
        memcpy(&v, s, sizeof(T));                                             \
        memcpy(d, &v, sizeof(T));                                             \
        d += ds;                                                              \
        s += ss;                                                              \
    }

static void
move_strided(char *d, int64_t ds, const char *s, int64_t ss, int64_t item,
    int64_t n)
{
    switch (item) {
    case 1:
        MOVE_ITEMS(uint8_t);
        break;
    case 2:
        MOVE_ITEMS(uint16_t);
        break;
    case 4:
        MOVE_ITEMS(uint32_t);
        break;
    default:
        MOVE_ITEMS(uint64_t);
        break;
    }
}


#define MOVE_FILL(T)                                                          \
    do {                                                                      \
        T   v;                                                                \
        T  *d = dst;                                                          \
        memcpy(&v, item, sizeof(T));                                          \
        for (int64_t i = 0; i < n; i++) {                                     \
            d[i] = v;                                                         \
        }                                                                     \
    } while (0)

void
maas_move_fill(void *dst, const void *item, size_t size, int64_t n)
{
    if (n <= 0) {
        return;
    }

    switch (size) {
    case 1:
        memset(dst, *(const uint8_t *) item, (size_t) n);
        break;
    case 2:
        MOVE_FILL(uint16_t);
        break;
    case 4:
        MOVE_FILL(uint32_t);
        break;
    default:
        MOVE_FILL(uint64_t);
        break;
    }
}


/* The last bytes of a row are moved together with some that precede them. */
#define MOVE_PIECES(T)                                                        \
    for (int64_t i = 0; i < rows; i++, d += ds, s += ss) {                    \
        T  v;                                                                 \
                                                                              \
        for (int64_t at = 0; at + (int64_t) sizeof(T) < bytes;                \
             at += (int64_t) sizeof(T))                                       \
        {                                                                     \
            memcpy(&v, s + at, sizeof(T));                                    \
            memcpy(d + at, &v, sizeof(T));                                    \
        }                                                                     \
                                                                              \
        memcpy(&v, s + bytes - sizeof(T), sizeof(T));                         \
        memcpy(d + bytes - sizeof(T), &v, sizeof(T));                         \
    }

typedef struct {
    uint64_t  u[2];
} move_pair_t;


void
maas_move_block(void *dst, int64_t ds, const void *src, int64_t ss,
    int64_t bytes, int64_t rows)
{
    char        *d = dst;
    const char  *s = src;

    if (bytes == 4) {
        move_strided(d, ds, s, ss, 4, rows);

    } else if (bytes == 8) {
        move_strided(d, ds, s, ss, 8, rows);

    } else if (bytes > 128 || bytes < 4) {
        for (int64_t i = 0; i < rows; i++, d += ds, s += ss) {
            memcpy(d, s, (size_t) bytes);
        }

    } else if (bytes >= 16) {
        MOVE_PIECES(move_pair_t)

    } else if (bytes > 8) {
        MOVE_PIECES(uint64_t)

    } else {
        MOVE_PIECES(uint32_t)
    }
}


static void
move_row(const maas_move_t *m, char *d, const char *s, int64_t n)
{
    int  r = m->rank - 1;

    switch (m->mode) {
    case MAAS_MOVE_COPY:
        memcpy(d, s, (size_t) (n * m->item));
        break;
    case MAAS_MOVE_FILL:
        /* A widened item may lie at an address of the narrow one. */
        if (((uintptr_t) d & (uintptr_t) (m->item - 1)) == 0) {
            maas_move_fill(d, s, (size_t) m->item, n);
            break;
        }
        /* fall through */
    default:
        move_strided(d, m->ds[r], s, m->ss[r], m->item, n);
        break;
    }
}


static void
move_rows(const maas_move_t *m, char *d, const char *s, int64_t first,
    int64_t last)
{
    int      r = m->rank - 1;
    int64_t  n, k, col, rest, at[MAAS_MOVE_RANK];

    col = first % m->dims[r];
    rest = first / m->dims[r];

    for (int i = r - 1; i >= 0; i--) {
        at[i] = rest % m->dims[i];
        rest /= m->dims[i];
        d += at[i] * m->ds[i];
        s += at[i] * m->ss[i];
    }

    while (first < last) {
        n = maas_min(m->dims[r] - col, last - first);

        if (m->mode == MAAS_MOVE_COPY && r > 0 && n == m->dims[r]) {
            k = maas_min(m->dims[r - 1] - at[r - 1], (last - first) / n);
            maas_move_block(d, m->ds[r - 1], s, m->ss[r - 1], n * m->item, k);
            d += (k - 1) * m->ds[r - 1];
            s += (k - 1) * m->ss[r - 1];
            at[r - 1] += k - 1;
            first += k * n;

        } else {
            move_row(m, d + col * m->ds[r], s + col * m->ss[r], n);
            first += n;
        }

        col = 0;

        for (int i = r - 1; i >= 0; i--) {
            d += m->ds[i];
            s += m->ss[i];

            if (++at[i] < m->dims[i]) {
                break;
            }

            d -= at[i] * m->ds[i];
            s -= at[i] * m->ss[i];
            at[i] = 0;
        }
    }
}


/* Rows along the axis contiguous in the source, columns along the last. */
static void
move_tile(const maas_move_t *m, const maas_kernels_t *k, char *d,
    const char *s, int64_t rows, int64_t cols)
{
    int      r = m->rank - 1, a = m->across;
    int64_t  ld;

    if (m->item == 4 && (((uintptr_t) d | (uintptr_t) s) & 3) == 0) {
        ld = m->ss[r] / 4;
        k->transpose((float *) d, m->ds[a] / 4, (const float *) s, ld, cols,
                     rows);
        return;
    }

    for (int64_t i = 0; i < rows; i++) {
        move_strided(d + i * m->ds[a], m->ds[r], s + i * m->ss[a], m->ss[r],
                     m->item, cols);
    }
}


static void
move_tiles(const maas_move_t *m, const maas_kernels_t *k, char *dst,
    const char *src, int64_t p)
{
    int          r = m->rank - 1;
    char        *d = dst;
    int64_t      n, at, step, size[2];
    const char  *s = src;

    for (int i = r; i >= 0; i--) {
        if (i == r || i == m->across) {
            n = (m->dims[i] + MOVE_TILE - 1) / MOVE_TILE;
            step = MOVE_TILE;
        } else {
            n = m->dims[i];
            step = 1;
        }

        at = p % n * step;
        p /= n;
        d += at * m->ds[i];
        s += at * m->ss[i];

        if (step == MOVE_TILE) {
            size[i == r] = maas_min(MOVE_TILE, m->dims[i] - at);
        }
    }

    move_tile(m, k, d, s, size[0], size[1]);
}


void
maas_move_run(const maas_move_t *m, const maas_kernels_t *k, void *dst,
    const void *src, int64_t first, int64_t last)
{
    if (first >= last) {
        return;
    }

    if (m->mode != MAAS_MOVE_TILES) {
        move_rows(m, dst, src, first, last);
        return;
    }

    for (int64_t p = first; p < last; p++) {
        move_tiles(m, k, dst, src, p);
    }
}


void
maas_move_strides(const maas_tensor_t *t, int64_t *strides)
{
    int64_t  n = (int64_t) maas_dtype_size(t->dtype);

    for (int i = t->rank - 1; i >= 0; i--) {
        strides[i] = n;
        n *= t->dims[i];
    }
}


bool
maas_move_setup(maas_setup_t *u)
{
    size_t  bytes, sum = 0;

    for (int i = 0; i < u->n_out; i++) {
        if (u->out[i].dtype != MAAS_NODTYPE
            && maas_dtype_bytes(u->out[i].dtype,
                                maas_tensor_count(&u->out[i]), &bytes))
        {
            sum += bytes;
        }
    }

    u->units = (int64_t) (sum / MAAS_MOVE_UNIT) + 1;
    u->cost = 50 + (double) sum * 0.2;

    return true;
}


int64_t
maas_move_int(const maas_tensor_t *t, int64_t i)
{
    int64_t  v;

    if (t->dtype == MAAS_I32) {
        return ((const int32_t *) t->data)[i];
    }

    v = ((const int64_t *) t->data)[i];
    return maas_max(maas_min(v, MOVE_BIG), -MOVE_BIG);
}


maas_status_t
maas_move_bad_index(maas_slot_t *slot, int64_t index, int64_t dim)
{
    if (dim == 0) {
        return maas_err(slot->err, MAAS_EINVAL, "index %lld is out of range: "
                        "the axis is empty", (long long) index);
    }

    return maas_err(slot->err, MAAS_EINVAL,
                    "index %lld is out of range [%lld, %lld]",
                    (long long) index, (long long) -dim,
                    (long long) (dim - 1));
}


/* -- contents ------------------------------------------------------------ */

bool
maas_ival_get(const maas_infer_t *c, int i, maas_dim_t *v, int *n)
{
    int64_t                 count = 1;
    maas_tensor_t           t;
    const maas_infer_in_t  *in = &c->in[i];

    if (!maas_infer_has(c, i) || (in->type->dtype != MAAS_I64
                                  && in->type->dtype != MAAS_I32))
    {
        return false;
    }

    for (int a = 0; a < in->type->rank; a++) {
        if (!maas_dim_known(in->type->dims[a])
            || !maas_mul_i64(count, in->type->dims[a], &count))
        {
            return false;
        }
    }

    if (count < 0 || count > MAAS_IVAL_MAX) {
        return false;
    }

    *n = (int) count;

    t.data = (void *) in->data;
    t.dtype = in->type->dtype;

    for (int a = 0; a < *n; a++) {
        if (in->data != NULL) {
            v[a] = maas_move_int(&t, a);
        } else if (in->ival != NULL && a < in->n_ival) {
            v[a] = in->ival[a];
        } else {
            v[a] = MAAS_DIM_NONE;
        }
    }

    return true;
}


void
maas_ival_set(maas_infer_t *c, int o, const maas_dim_t *v, int n)
{
    bool               some = n == 0;
    maas_infer_out_t  *out = &c->out[o];

    if ((out->type.dtype != MAAS_I64 && out->type.dtype != MAAS_I32)
        || out->ival == NULL || n > MAAS_IVAL_MAX)
    {
        return;
    }

    for (int i = 0; i < n; i++) {
        some |= v[i] != MAAS_DIM_NONE;
    }

    if (some) {
        memcpy(out->ival, v, (size_t) n * sizeof(maas_dim_t));
        out->n_ival = n;
    }
}


maas_status_t
maas_ival_vector(maas_infer_t *c, int i, const char *what, int max,
    maas_dim_t *v, int *n)
{
    const maas_type_t  *t = c->in[i].type;

    *n = -1;

    if (t->rank > 1) {
        return maas_err(c->err, MAAS_EINVAL,
                        "%s has rank %d, expected a vector", what, t->rank);
    }

    if (t->rank == 1 && maas_dim_known(t->dims[0]) && t->dims[0] > max) {
        return maas_err(c->err, MAAS_EINVAL,
                        "%s has %lld elements, expected at most %d", what,
                        (long long) t->dims[0], max);
    }

    if (!maas_ival_get(c, i, v, n)) {
        *n = -1;
        return MAAS_INFER_NEED(c, i);
    }

    for (int a = 0; a < *n; a++) {
        if (v[a] == MAAS_DIM_NONE) {
            return MAAS_INFER_NEED(c, i);
        }
    }

    return MAAS_OK;
}


maas_status_t
maas_ival_axes(maas_infer_t *c, const maas_dim_t *v, int n, int rank,
    uint32_t *set, int *at)
{
    int  axis;

    *set = 0;

    for (int i = 0; i < n; i++) {
        MAAS_TRY(maas_axis(v[i], rank, &axis, c->err));

        if (*set & (1u << axis)) {
            return maas_err(c->err, MAAS_EINVAL, "axis %d is named twice",
                            axis);
        }

        *set |= 1u << axis;

        if (at != NULL) {
            at[i] = axis;
        }
    }

    return MAAS_OK;
}


void
maas_ival_same(maas_infer_t *c)
{
    int         n;
    maas_dim_t  v[MAAS_IVAL_MAX];

    if (maas_ival_get(c, 0, v, &n)) {
        maas_ival_set(c, 0, v, n);
    }
}


maas_dim_t
maas_ival_product(maas_infer_t *c, const maas_dim_t *dims, int rank)
{
    maas_dim_t  n = 1;

    for (int i = 0; i < rank; i++) {
        n = maas_dim_mul(c->syms, n, dims[i]);
    }

    return n;
}
