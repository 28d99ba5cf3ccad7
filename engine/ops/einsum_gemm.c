/*
 * Einsum of two float32 operands as batched matrix products.  The loops
 * fall into four groups: batch (in A, B and C), rows M (A and C), columns N
 * (B and C) and the sum K (A and B).  A unit is a block of one batch's
 * rows and columns; blocks of K continue the chain of the one before, so
 * that an element is the same whatever the blocking.
 */

#include "ops/einsum.h"


enum {
    GROUP_BATCH = 0,
    GROUP_M,
    GROUP_N,
    GROUP_K,
    GROUPS
};

enum {
    SIDE_A = 0,
    SIDE_B,
    SIDE_C,
    SIDES
};

#define BLOCK_M  256
#define BLOCK_N  256
#define BLOCK_K  512

/* Loops of one group without those of extent 1, outermost first. */
typedef struct {
    int      n;
    int      labels;            /* with those of extent 1 */
    int64_t  count;
    int64_t  dim[EIN_LABELS];
    int64_t  stride[SIDES][EIN_LABELS];
} ein_group_t;

typedef struct {
    ein_group_t  group[GROUPS];
    bool         swap;          /* A is input 1 */
    int64_t      blocks_m;
    int64_t      blocks_n;
    bool         direct[SIDES]; /* no copy needed */
    int64_t      row[SIDES];    /* strides of M (A, C) and of K (B) */
    int64_t      col;           /* of N in B */
} ein_gemm_t;

/* Where copies of blocks lie in the scratch of a thread. */
typedef struct {
    size_t   a;
    size_t   b;
    size_t   c;
    size_t   bytes;             /* the packed panels are at 0 */
} ein_room_t;


static void
group_add(ein_group_t *g, int64_t dim, int64_t a, int64_t b, int64_t c)
{
    g->labels++;
    g->count *= dim;

    if (dim == 1) {
        return;
    }

    g->dim[g->n] = dim;
    g->stride[SIDE_A][g->n] = a;
    g->stride[SIDE_B][g->n] = b;
    g->stride[SIDE_C][g->n] = c;
    g->n++;
}


/* Can one stride walk the whole group on this side? */
static bool
group_single(const ein_group_t *g, int side, int64_t *stride)
{
    const int64_t  *s = g->stride[side];

    for (int i = 0; i + 1 < g->n; i++) {
        if (s[i] != g->dim[i + 1] * s[i + 1]) {
            return false;
        }
    }

    *stride = g->n > 0 ? s[g->n - 1] : 0;
    return true;
}


/* Offset of element i of a group. */
static int64_t
group_offset(const ein_group_t *g, int side, int64_t i)
{
    int64_t  off = 0;

    for (int d = g->n - 1; d >= 0; d--) {
        off += i % g->dim[d] * g->stride[side][d];
        i /= g->dim[d];
    }

    return off;
}


/* False: a loop fits no group, or a group has no label at all. */
static bool
gemm_groups(const ein_loops_t *l, ein_gemm_t *e)
{
    int       kind, a, b;
    int64_t   c;
    uint32_t  in_a, in_b;

    for (int i = 0; i < GROUPS; i++) {
        e->group[i].n = 0;
        e->group[i].labels = 0;
        e->group[i].count = 1;
    }

    /* The output's last loop should be a column. */
    e->swap = l->n_out > 0 && l->used[l->n_out - 1] == 1;
    a = e->swap;
    b = !e->swap;

    for (int i = 0; i < l->n_loop; i++) {
        in_a = l->used[i] >> a & 1;
        in_b = l->used[i] >> b & 1;

        if (i < l->n_out) {
            kind = in_a && in_b ? GROUP_BATCH : in_a ? GROUP_M : GROUP_N;
            c = l->out_stride[i];
        } else {
            kind = GROUP_K;
            c = 0;

            if (!in_a || !in_b) {
                return false;
            }
        }

        group_add(&e->group[kind], l->dim[i], l->stride[a][i],
                  l->stride[b][i], c);
    }

    return e->group[GROUP_M].labels != 0 && e->group[GROUP_N].labels != 0
           && e->group[GROUP_K].labels != 0
           && e->group[GROUP_K].count != 0;
}


static bool
gemm_plan(const einsum_attr_t *attr, const maas_tensor_t *in, int n,
    ein_gemm_t *e)
{
    int64_t             k;
    ein_loops_t         l;
    const ein_group_t  *g = e->group;

    if (n != 2 || in[0].dtype != MAAS_F32) {
        return false;
    }

    maas_ein_loops(attr, in, n, &l);

    if (!gemm_groups(&l, e)) {
        return false;
    }

    e->blocks_m = (g[GROUP_M].count + BLOCK_M - 1) / BLOCK_M;
    e->blocks_n = (g[GROUP_N].count + BLOCK_N - 1) / BLOCK_N;

    e->direct[SIDE_A] = group_single(&g[GROUP_K], SIDE_A, &k)
                        && (k == 1 || g[GROUP_K].n == 0)
                        && group_single(&g[GROUP_M], SIDE_A,
                                        &e->row[SIDE_A]);
    e->direct[SIDE_B] = group_single(&g[GROUP_K], SIDE_B, &e->row[SIDE_B])
                        && group_single(&g[GROUP_N], SIDE_B, &e->col);
    e->direct[SIDE_C] = group_single(&g[GROUP_N], SIDE_C, &k)
                        && (k == 1 || g[GROUP_N].n == 0)
                        && group_single(&g[GROUP_M], SIDE_C,
                                        &e->row[SIDE_C]);

    return true;
}


static void
gemm_room(const ein_gemm_t *e, ein_room_t *r)
{
    size_t  m, n, k, at;

    m = (size_t) maas_min(e->group[GROUP_M].count, BLOCK_M);
    n = (size_t) maas_min(e->group[GROUP_N].count, BLOCK_N);
    k = (size_t) maas_min(e->group[GROUP_K].count, BLOCK_K);

    at = maas_p16_elems((int64_t) k, (int64_t) n) * sizeof(float);
    r->a = maas_align(at, MAAS_ALIGN);
    at = r->a + (e->direct[SIDE_A] ? 0 : m * k * sizeof(float));
    r->b = maas_align(at, MAAS_ALIGN);
    at = r->b + (e->direct[SIDE_B] ? 0 : k * n * sizeof(float));
    r->c = maas_align(at, MAAS_ALIGN);
    r->bytes = r->c + (e->direct[SIDE_C] ? 0 : m * n * sizeof(float));
}


bool
maas_ein_gemm_setup(maas_setup_t *u)
{
    double      n;
    ein_room_t  r;
    ein_gemm_t  e;

    if (!gemm_plan(u->attr, u->in, u->n_formal, &e)) {
        return false;
    }

    gemm_room(&e, &r);
    n = (double) e.group[GROUP_BATCH].count * (double) e.group[GROUP_M].count
        * (double) e.group[GROUP_N].count * (double) e.group[GROUP_K].count;

    u->units = maas_max(e.group[GROUP_BATCH].count * e.blocks_m * e.blocks_n,
                        1);
    u->scratch = r.bytes;
    u->cost = 500 + n * 0.1 + (double) maas_tensor_count(&u->in[0])
              + (double) maas_tensor_count(&u->in[1]);

    return true;
}


/* Rows [r0, r1) x columns [c0, c1) of two groups into a plain block. */
static void
block_read(float *dst, const float *src, int side, const ein_group_t *row,
    int64_t r0, int64_t r1, const ein_group_t *col, int64_t c0, int64_t c1)
{
    bool          single;
    int64_t       st;
    const float  *s;

    single = group_single(col, side, &st);

    for (int64_t r = r0; r < r1; r++) {
        s = src + group_offset(row, side, r);

        for (int64_t c = c0; c < c1; c++) {
            *dst++ = s[single ? c * st : group_offset(col, side, c)];
        }
    }
}


static void
block_write(float *dst, const float *src, const ein_group_t *row, int64_t r0,
    int64_t r1, const ein_group_t *col, int64_t c0, int64_t c1)
{
    bool      single;
    float    *d;
    int64_t   st;

    single = group_single(col, SIDE_C, &st);

    for (int64_t r = r0; r < r1; r++) {
        d = dst + group_offset(row, SIDE_C, r);

        for (int64_t c = c0; c < c1; c++) {
            d[single ? c * st : group_offset(col, SIDE_C, c)] = *src++;
        }
    }
}


/* One block of K of one block of rows and columns; c and ldc are set. */
static void
gemm_block(const maas_kernels_t *kt, const ein_gemm_t *e, char *scratch,
    const float *a, const float *b, maas_gemm_t *g, int64_t m0, int64_t n0,
    int64_t k0)
{
    float              *p16, *copy;
    int64_t             panels = (g->n + 15) / 16;
    ein_room_t          room;
    const ein_group_t  *gr = e->group;

    gemm_room(e, &room);
    p16 = (void *) scratch;

    if (e->direct[SIDE_B]) {
        kt->pack_p16(p16, b + k0 * e->row[SIDE_B] + n0 * e->col,
                     e->row[SIDE_B], e->col, g->k, g->n, 0, panels);
    } else {
        copy = (void *) (scratch + room.b);
        block_read(copy, b, SIDE_B, &gr[GROUP_K], k0, k0 + g->k,
                   &gr[GROUP_N], n0, n0 + g->n);
        kt->pack_p16(p16, copy, g->n, 1, g->k, g->n, 0, panels);
    }

    if (e->direct[SIDE_A]) {
        g->a = a + m0 * e->row[SIDE_A] + k0;
        g->lda = e->row[SIDE_A];
    } else {
        copy = (void *) (scratch + room.a);
        block_read(copy, a, SIDE_A, &gr[GROUP_M], m0, m0 + g->m,
                   &gr[GROUP_K], k0, k0 + g->k);
        g->a = copy;
        g->lda = g->k;
    }

    g->b = p16;
    g->accumulate = k0 != 0;
    kt->gemm(g, 0, g->m);
}


maas_status_t
maas_ein_gemm_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    float              *c, *copy;
    int64_t             p, m0, n0, at;
    ein_gemm_t          e;
    ein_room_t          room;
    maas_gemm_t         g;
    const float        *a, *b;
    const ein_group_t  *gr = e.group;

    if (!gemm_plan(s->attr, s->in, s->n_formal, &e)) {
        return maas_err(slot->err, MAAS_EINTERNAL, "not a matrix product");
    }

    gemm_room(&e, &room);
    copy = (void *) ((char *) slot->scratch + room.c);
    memset(&g, 0, sizeof(g));
    last = maas_min(last, gr[GROUP_BATCH].count * e.blocks_m * e.blocks_n);

    for (p = first; p < last; p++) {
        at = p / e.blocks_n / e.blocks_m;
        m0 = p / e.blocks_n % e.blocks_m * BLOCK_M;
        n0 = p % e.blocks_n * BLOCK_N;

        a = s->in[e.swap].data;
        b = s->in[!e.swap].data;
        c = s->out[0].data;
        a += group_offset(&gr[GROUP_BATCH], SIDE_A, at);
        b += group_offset(&gr[GROUP_BATCH], SIDE_B, at);
        c += group_offset(&gr[GROUP_BATCH], SIDE_C, at);

        g.m = maas_min(BLOCK_M, gr[GROUP_M].count - m0);
        g.n = maas_min(BLOCK_N, gr[GROUP_N].count - n0);
        g.c = e.direct[SIDE_C] ? c + m0 * e.row[SIDE_C] + n0 : copy;
        g.ldc = e.direct[SIDE_C] ? maas_max(e.row[SIDE_C], g.n) : g.n;

        for (int64_t k0 = 0; k0 < gr[GROUP_K].count; k0 += BLOCK_K) {
            g.k = maas_min(BLOCK_K, gr[GROUP_K].count - k0);
            gemm_block(s->k, &e, slot->scratch, a, b, &g, m0, n0, k0);
        }

        if (!e.direct[SIDE_C]) {
            block_write(c, copy, &gr[GROUP_M], m0, m0 + g.m, &gr[GROUP_N],
                        n0, n0 + g.n);
        }
    }

    return MAAS_OK;
}
