/*
 * bodies.h: private to graph/ and formats/: how the inputs and outputs of a
 * control node fit those of its bodies.
 *
 *   If     node: cond; captures           body: captures
 *   Loop   node: trips, cond; carried; captures
 *          body: iteration, cond; carried; captures -> cond; carried; scanned
 *   Scan   node: carried; sliced; captures
 *          body: carried; slices; captures -> carried; scanned
 *   Map    node: sequences; captures      body: items; captures -> scanned
 */

#ifndef MAAS_BODIES_H
#define MAAS_BODIES_H

#include "graph/op.h"


typedef struct {
    uint32_t  fixed;            /* inputs of the node before the carried */
    uint32_t  carried;
    uint32_t  sliced;
    uint32_t  captures;
    uint32_t  cond;             /* outputs of the body before the carried */
    uint32_t  scanned;          /* outputs that are collected */
} maas_body_t;

/* The counts of a body; an error when node and body do not fit. */
maas_status_t maas_body_counts(const maas_node_t *n, int body,
    maas_body_t *c, maas_err_t *err);

#endif
