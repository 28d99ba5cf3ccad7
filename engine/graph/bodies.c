/*
 * bodies.c: do a control node and its bodies fit?  See bodies.h.
 *
 * Ownership: none.
 * Threads:   reentrant.
 */

#include "graph/bodies.h"


static void
body_split(const maas_node_t *n, const maas_graph_t *b, maas_body_t *c)
{
    int  scanned = 0;

    c->captures = n->n_capture;

    switch (n->op->control) {
    case MAAS_CONTROL_LOOP:
        c->fixed = 2;
        c->cond = 1;
        break;
    case MAAS_CONTROL_SCAN:
        scanned = n->op->scanned(n->attr);
        c->sliced = (uint32_t) maas_max(scanned, 0);
        break;
    case MAAS_CONTROL_MAP:
        c->sliced = maas_max(n->n_formal, n->n_capture) - n->n_capture;
        break;
    default:
        c->fixed = 1;
    }

    c->carried = maas_max((uint32_t) n->n_formal,
                          c->fixed + c->sliced + c->captures)
                 - c->fixed - c->sliced - c->captures;
    c->scanned = maas_max(b->n_out, c->cond + c->carried)
                 - c->cond - c->carried;
}


maas_status_t
maas_body_counts(const maas_node_t *n, int body, maas_body_t *c,
    maas_err_t *err)
{
    uint32_t             fixed, n_in;
    const maas_graph_t  *b = n->body[body];

    memset(c, 0, sizeof(*c));
    body_split(n, b, c);

    fixed = n->op->control == MAAS_CONTROL_LOOP ? c->fixed : 0;
    n_in = fixed + c->carried + c->sliced + c->captures;

    if (n->n_formal != c->fixed + c->carried + c->sliced + c->captures
        || (n->op->control == MAAS_CONTROL_IF && c->carried != 0)
        || (n->op->control == MAAS_CONTROL_SCAN && c->sliced == 0))
    {
        return maas_err(err, MAAS_EINVAL, "%u inputs, but at least %u are "
                        "needed", n->n_formal - c->captures,
                        c->fixed + maas_max(c->sliced, 1u));
    }

    if (b->n_in != n_in) {
        return maas_err(err, MAAS_EINVAL, "the body takes %u inputs, but "
                        "gets %u", b->n_in - c->captures,
                        n_in - c->captures);
    }

    if (b->n_out != c->cond + c->carried + c->scanned
        || n->n_out > c->carried + c->scanned)
    {
        return maas_err(err, MAAS_EINVAL, "the body gives %u outputs; %u are "
                        "expected", b->n_out, c->cond + maas_max(c->carried,
                        (uint32_t) n->n_out));
    }

    return MAAS_OK;
}
