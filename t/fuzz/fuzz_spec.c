/*
 * Fuzz target: specifications of training.  The bytes are a specification;
 * what passes the frame goes through loss, optimiser and schedule, and a
 * network is built over an input of a shape by the seed.  A network that is
 * built has to be a model that can be imported.
 */

#include <stdio.h>
#include <stdlib.h>

#include "graph/graph.h"
#include "maas.h"
#include "train/losses.h"
#include "train/network.h"
#include "train/optim.h"
#include "train/spec.h"


#define SPEC_MEMORY  (64u << 20)        /* of a network */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
spec_network(const maas_spec_t *s)
{
    maas_err_t          err;
    maas_arena_t        a;
    maas_graph_t       *g;
    maas_network_t      n;
    maas_layer_value_t  in = { .dtype = MAAS_F32, .rank = 2,
                               .dims = { -1, 12 } };

    maas_arena_init(&a, &maas_host_libc, SPEC_MEMORY);

    if (maas_network_build(&n, &a, &maas_host_libc, s->model, NULL, &in,
                           (uint64_t) s->seed, &err) == MAAS_OK
        && (maas_graph_import(&g, &a, n.model, &err) != MAAS_OK
            || maas_graph_infer(g, &err) != MAAS_OK)
        && err.status != MAAS_ENOMEM)
    {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }

    maas_arena_destroy(&a);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    maas_err_t       err;
    maas_loss_t      loss;
    maas_spec_t      s;
    maas_arena_t     a;
    maas_optim_t     optim;
    maas_schedule_t  schedule;

    if (maas_spec_parse(&s, &maas_host_libc, (const char *) data, size, ".",
                        NULL, 0, &err) != MAAS_OK)
    {
        if (err.text[0] == '\0') {
            abort();
        }

        return 0;
    }

    maas_arena_init(&a, &maas_host_libc, 0);

    if (s.loss != NULL) {
        (void) maas_loss_parse(&a, s.loss, &loss, &err);
    }

    (void) maas_optim_parse(&a, s.optimizer, &optim, &err);
    (void) maas_schedule_parse(&a, s.schedule, &schedule, &err);
    spec_network(&s);

    maas_arena_destroy(&a);
    maas_spec_free(&s);

    return 0;
}
