/*
 * memplan.c: offsets for the pieces of an arena.
 *
 * Greedy by size: the largest piece is placed first, each at the lowest
 * offset where it meets no placed piece whose steps overlap its own.
 * Threads: reentrant.
 */

#include "graph/plan.h"


static void
memplan_sort(const maas_storage_t *s, uint32_t *order, uint32_t n)
{
    /* Heap sort: by size falling, then by index, so that it is stable. */
    uint32_t  end, root, child, t;

#define LESS(a, b)                                                            \
    (s[a].bytes > s[b].bytes || (s[a].bytes == s[b].bytes && (a) < (b)))

    for (uint32_t start = n / 2; start-- > 0; /* void */ ) {
        for (root = start; (child = 2 * root + 1) < n; root = child) {
            if (child + 1 < n && LESS(order[child], order[child + 1])) {
                child++;
            }

            if (!LESS(order[root], order[child])) {
                break;
            }

            t = order[root]; order[root] = order[child]; order[child] = t;
        }
    }

    for (end = n; end-- > 1; /* void */ ) {
        t = order[0]; order[0] = order[end]; order[end] = t;

        for (root = 0; (child = 2 * root + 1) < end; root = child) {
            if (child + 1 < end && LESS(order[child], order[child + 1])) {
                child++;
            }

            if (!LESS(order[root], order[child])) {
                break;
            }

            t = order[root]; order[root] = order[child]; order[child] = t;
        }
    }

#undef LESS
}


/*
 * The lowest offset where s[i] fits.  placed: the `n` pieces before it in
 * size order; a piece that blocks moves the candidate behind itself, until
 * nothing blocks.
 */
static uint64_t
memplan_place(const maas_storage_t *s, const uint32_t *placed, uint32_t n,
    uint32_t i)
{
    bool                   moved;
    uint64_t               off = 0;
    const maas_storage_t  *p;

    do {
        moved = false;

        for (uint32_t j = 0; j < n; j++) {
            p = &s[placed[j]];

            if (p->bytes == 0 || p->first > s[i].last
                || p->last < s[i].first)
            {
                continue;
            }

            if (off < p->off + p->bytes && p->off < off + s[i].bytes) {
                off = p->off + p->bytes;
                moved = true;
            }
        }
    } while (moved);

    return off;
}


uint64_t
maas_memory_plan(maas_storage_t *s, uint32_t n, uint32_t *order)
{
    uint64_t  total = 0;

    for (uint32_t i = 0; i < n; i++) {
        order[i] = i;
        s[i].bytes = maas_align(s[i].bytes, MAAS_ALIGN);
    }

    memplan_sort(s, order, n);

    for (uint32_t i = 0; i < n; i++) {
        s[order[i]].off = memplan_place(s, order, i, order[i]);
        total = maas_max(total, s[order[i]].off + s[order[i]].bytes);
    }

    return total;
}
