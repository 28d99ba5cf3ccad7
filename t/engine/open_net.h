/*
 * open_net.h: a network that a test has built, compiled and opened.  It must
 * be closed with net_close(); one thread opens and closes it.
 */

#ifndef T_OPEN_NET_H
#define T_OPEN_NET_H

#include "api/compile.h"
#include "api/model_priv.h"
#include "graph_build.h"


typedef struct {
    maas_model_t  *m;
    void          *image;
} open_t;


static bool
net_open(open_t *o, maas_arena_t *a, maas_raw_model_t *raw,
    maas_chains_t chains, maas_err_t *err)
{
    size_t           size;
    maas_graph_t    *g;
    maas_compile_t   spec = { .name = "net" };

    memset(o, 0, sizeof(*o));

    if (maas_graph_import(&g, a, raw, err) != MAAS_OK
        || maas_compile_graph(g, &spec, &o->image, &size, err) != MAAS_OK
        || maas_model_open(&o->m, o->image, size, NULL, err) != MAAS_OK)
    {
        return false;
    }

    o->m->src.chains = chains;
    return true;
}


/* Plans are made again: that of the image was made without being asked. */
static void
net_replan(open_t *o)
{
    maas_plan_t  *p = o->m->plans;

    if (p != NULL) {
        o->m->plans = p->next;
        o->m->n_plan--;
        maas_plan_release(p, o->m->src.host);
    }
}


static void
net_close(open_t *o)
{
    maas_model_release(o->m);
    maas_image_free(o->image);
}

#endif
