/*
 * A host that counts allocations and refuses one of them, or all from that
 * one on: the harness of tests that refuse each in turn.  live: what was not
 * given back.  Its counts are one thread's.
 */

#ifndef MAAS_REFUSER_H
#define MAAS_REFUSER_H

#include <stdlib.h>

#include "base/base.h"


typedef struct {
    long  n;                    /* so far */
    long  refuse;               /* number of the one, from 1; 0: none */
    bool  rest;                 /* and of all behind it */
    long  live;
} refuser_t;


static void *
refuse_alloc(void *ctx, size_t size)
{
    refuser_t  *r = ctx;

    if (++r->n == r->refuse || (r->rest && r->n > r->refuse)) {
        return NULL;
    }

    r->live++;
    return malloc(size != 0 ? size : 1);
}


static void
refuse_free(void *ctx, void *p)
{
    ((refuser_t *) ctx)->live -= p != NULL;
    free(p);
}


static inline maas_host_t
refuser_host(refuser_t *r)
{
    return (maas_host_t) { refuse_alloc, refuse_free, r };
}

#endif
