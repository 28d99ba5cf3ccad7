/*
 * autodiff: reverse-mode differentiation of a graph: its operators' grad(),
 * called in reverse order, append the backward pass as ordinary nodes.
 *
 * Ownership: everything lies in the graph's arena.
 * Threads:   one thread.
 */

#ifndef MAAS_AUTODIFF_H
#define MAAS_AUTODIFF_H

#include "graph/graph.h"


/*
 * Appends nodes that compute d loss / d wrt[i] into grad[i], of the type of
 * wrt[i]; MAAS_NOVAL: the loss does not depend on it (the gradient is zero).
 * loss: a float value of one element.  wrt: float values of the main graph.
 * The graph must be inferred; run the passes afterwards, not before
 * ("postop", "layout" and "pack" give nodes that have no gradient).
 * MAAS_EUNSUPPORTED names a node on the way whose operator has none.
 */
maas_status_t maas_autodiff(maas_graph_t *g, maas_vid_t loss,
    const maas_vid_t *wrt, uint32_t n, maas_vid_t *grad, maas_err_t *err);

#endif
