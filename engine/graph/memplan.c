/*
 * memplan.c: offsets for the pieces of an arena.
 *
 * Greedy by size: the largest piece is placed first, each at the lowest
 * offset where it meets no placed piece whose steps overlap its own.  That
 * takes a time that grows with the square of the pieces, and iterations can
 * make a hundred thousand: those after the largest are placed behind them in
 * the order of their steps, each where one of its size class was before.
 * Threads: reentrant.
 */

#include "graph/plan.h"


#define MEMPLAN_GREEDY   2048       /* pieces */
#define MEMPLAN_CLASSES  (64 * 8)

typedef uint64_t (*memplan_key_pt)(const maas_storage_t *s);


/* By size falling. */
static uint64_t
memplan_bytes(const maas_storage_t *s)
{
    return UINT64_MAX - s->bytes;
}


static uint64_t
memplan_first(const maas_storage_t *s)
{
    return s->first;
}


static uint64_t
memplan_last(const maas_storage_t *s)
{
    return s->last;
}


static inline bool
memplan_less(const maas_storage_t *s, memplan_key_pt key, uint32_t a,
    uint32_t b)
{
    uint64_t  x = key(&s[a]), y = key(&s[b]);

    return x < y || (x == y && a < b);
}


/* Heap sort: by key rising, then by index, so that it is stable. */
static void
memplan_sort(const maas_storage_t *s, uint32_t *order, uint32_t n,
    memplan_key_pt key)
{
    uint32_t  end, root, child, t;

#define LESS(a, b)  memplan_less(s, key, a, b)

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


/* Sizes of a class differ by less than an eighth; *size: the greatest. */
static uint32_t
memplan_class(uint64_t bytes, uint64_t *size)
{
    int  e = 63 - __builtin_clzll(bytes);

    *size = maas_align(bytes, (uint64_t) 1 << maas_max(e - 3, 6));
    e = 63 - __builtin_clzll(*size);

    return (uint32_t) e * 8 + ((*size >> (e - 3)) & 7);
}


/* Places order[0..n) from `base` on; last, next: room for n numbers. */
static uint64_t
memplan_stream(maas_storage_t *s, uint32_t *order, uint32_t n, uint64_t base,
    uint32_t *last, uint32_t *next)
{
    uint32_t  i, k, gone = 0, idle[MEMPLAN_CLASSES];
    uint64_t  size;

    memset(idle, 0xff, sizeof(idle));
    memcpy(last, order, n * sizeof(*last));
    memplan_sort(s, order, n, memplan_first);
    memplan_sort(s, last, n, memplan_last);

    for (uint32_t j = 0; j < n; j++) {
        i = order[j];

        for ( /* void */ ; s[last[gone]].last < s[i].first; gone++) {
            if (s[last[gone]].bytes != 0) {
                k = memplan_class(s[last[gone]].bytes, &size);
                next[last[gone]] = idle[k];
                idle[k] = last[gone];
            }
        }

        if (s[i].bytes == 0) {
            continue;
        }

        k = memplan_class(s[i].bytes, &size);

        if (idle[k] != UINT32_MAX) {
            s[i].off = s[idle[k]].off;
            idle[k] = next[idle[k]];

        } else {
            s[i].off = base;
            base += size;
        }
    }

    return base;
}


uint64_t
maas_memory_plan(maas_storage_t *s, uint32_t n, uint32_t *order)
{
    uint32_t  greedy = maas_min(n, (uint32_t) MEMPLAN_GREEDY);
    uint64_t  total = 0;

    for (uint32_t i = 0; i < n; i++) {
        order[i] = i;
        s[i].bytes = maas_align(s[i].bytes, MAAS_ALIGN);
    }

    memplan_sort(s, order, n, memplan_bytes);

    for (uint32_t i = 0; i < greedy; i++) {
        s[order[i]].off = memplan_place(s, order, i, order[i]);
        total = maas_max(total, s[order[i]].off + s[order[i]].bytes);
    }

    return memplan_stream(s, order + greedy, n - greedy, total, order + n,
                          order + 2 * (size_t) n);
}
