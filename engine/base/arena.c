/*
 * Arena: a bump allocator for things that die together.  Blocks come from
 * the host and grow with what was taken before; a large request gets a
 * block of its own size.  All memory handed out is zeroed.
 *
 * Ownership: the arena owns its blocks until maas_arena_destroy().
 * Threads:   one at a time.
 */

#include <stdlib.h>

#include "base/base.h"


#define ARENA_ALIGN      16
#define ARENA_BLOCK_MIN  4096
#define ARENA_BLOCK_MAX  (1024 * 1024)


struct maas_arena_block_s {
    maas_arena_block_t  *next;
    size_t               size;      /* of the bytes behind the head */
    size_t               used;
    size_t               pad;       /* the head is a multiple of 16 */
};

_Static_assert(sizeof(maas_arena_block_t) % ARENA_ALIGN == 0, "block head");


static void *
libc_alloc(void *ctx, size_t size)
{
    (void) ctx;

    return malloc(size != 0 ? size : 1);
}


static void
libc_free(void *ctx, void *p)
{
    (void) ctx;

    free(p);
}


const maas_host_t  maas_host_libc = { libc_alloc, libc_free, NULL };


void *
maas_calloc(const maas_host_t *host, size_t n, size_t size)
{
    void    *p;
    size_t   bytes;

    if (!maas_mul_size(n, size, &bytes)) {
        return NULL;
    }

    p = maas_alloc(host, bytes);
    if (p != NULL) {
        memset(p, 0, bytes);
    }

    return p;
}


void
maas_arena_init(maas_arena_t *a, const maas_host_t *host, size_t limit)
{
    a->host = host;
    a->blocks = NULL;
    a->lent = NULL;
    a->limit = limit;
    a->used = 0;
}


void
maas_arena_lend(maas_arena_t *a, void *block, size_t size)
{
    maas_arena_block_t  *b = block;

    b->next = NULL;
    b->size = size - sizeof(maas_arena_block_t);
    b->used = 0;
    b->pad = 0;

    a->blocks = b;
    a->lent = b;
}


void
maas_arena_destroy(maas_arena_t *a)
{
    maas_arena_block_t  *b, *next;

    if (a == NULL) {
        return;
    }

    for (b = a->blocks; b != NULL; b = next) {
        next = b->next;

        if (b != a->lent) {
            maas_free(a->host, b);
        }
    }

    a->blocks = NULL;
    a->lent = NULL;
    a->used = 0;
}


static maas_arena_block_t *
arena_block(maas_arena_t *a, size_t size)
{
    size_t               room;
    maas_arena_block_t  *b;

    /* Half of what is in use, so that the number of blocks is logarithmic. */
    room = maas_align(a->used / 2, ARENA_BLOCK_MIN);
    room = maas_min(maas_max(room, ARENA_BLOCK_MIN), ARENA_BLOCK_MAX);
    room = maas_max(room - sizeof(maas_arena_block_t), size);

    b = maas_alloc(a->host, sizeof(maas_arena_block_t) + room);
    if (b == NULL) {
        return NULL;
    }

    b->size = room;
    b->used = 0;
    b->pad = 0;

    /* A block of one large thing goes behind the one that is being filled. */
    if (a->blocks != NULL && room == size) {
        b->next = a->blocks->next;
        a->blocks->next = b;

    } else {
        b->next = a->blocks;
        a->blocks = b;
    }

    return b;
}


void *
maas_arena_alloc(maas_arena_t *a, size_t size)
{
    void                *p;
    maas_arena_block_t  *b;

    if (size > SIZE_MAX / 2) {
        return NULL;
    }

    size = maas_align(maas_max(size, 1), ARENA_ALIGN);

    if (a->limit != 0 && (a->used > a->limit || size > a->limit - a->used)) {
        return NULL;
    }

    b = a->blocks;

    if (b == NULL || b->size - b->used < size) {
        b = arena_block(a, size);
        if (b == NULL) {
            return NULL;
        }
    }

    p = (char *) (b + 1) + b->used;
    b->used += size;
    a->used += size;

    return memset(p, 0, size);
}


void *
maas_arena_array(maas_arena_t *a, size_t n, size_t size)
{
    size_t  bytes;

    if (!maas_mul_size(n, size, &bytes)) {
        return NULL;
    }

    return maas_arena_alloc(a, bytes);
}


void *
maas_arena_dup(maas_arena_t *a, const void *p, size_t size)
{
    void  *q;

    q = maas_arena_alloc(a, size);
    if (q != NULL && size != 0) {
        memcpy(q, p, size);
    }

    return q;
}


maas_str_t
maas_arena_str(maas_arena_t *a, const char *p, size_t len)
{
    char  *q;

    q = len < SIZE_MAX ? maas_arena_alloc(a, len + 1) : NULL;
    if (q == NULL) {
        return (maas_str_t) { NULL, 0 };
    }

    if (len != 0) {
        memcpy(q, p, len);
    }

    return (maas_str_t) { q, len };
}
