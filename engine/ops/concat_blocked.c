/*
 * maas.ConcatBlocked: blocked activations joined along their channels.
 * Where what comes before fills blocks, planes of 16 channels are copied
 * whole, lanes of them elsewhere.
 *
 * Ownership: nothing is allocated.  Threads: units are independent.
 */

#include "ops/blocked.h"
#include "ops/concat.h"


typedef struct {
    int64_t  axis;
} cc_attr_t;


static maas_status_t
cc_infer(maas_infer_t *c)
{
    MAAS_TRY(maas_concat_infer(c, 1, c->in[0].type->dtype));
    return maas_blocked_out(c, MAAS_OK);
}


static bool
cc_setup(maas_setup_t *u)
{
    for (int i = 0; i < u->n_formal; i++) {
        if (u->in[i].format != MAAS_FMT_C16) {
            return false;
        }
    }

    u->slices = u->out[0].dims[0] == 1;

    for (int i = 0; i + 1 < u->n_formal; i++) {
        u->slices = u->slices && u->in[i].dims[1] % MAAS_C16 == 0;
    }

    u->units = maas_planes16(&u->out[0]);
    u->cost = 50 + (double) u->out[0].bytes / 30;
    return true;
}


/* Channels [c, c + 16) of image i, which are block u of the output. */
static void
cc_block(const maas_step_t *s, int64_t u, int64_t i, int64_t c)
{
    float                *y;
    int64_t               n, lane, at, count, end = 0;
    const float          *x;
    const maas_tensor_t  *t;

    n = maas_pixels(&s->out[0]);
    y = (float *) s->out[0].data + u * n * MAAS_C16;

    for (int j = 0; j < s->n_formal && end < c + MAAS_C16; j++) {
        t = &s->in[j];
        at = maas_max(c - end, 0);
        lane = maas_max(end - c, 0);
        end += t->dims[1];

        for ( /* void */ ; at < t->dims[1] && lane < MAAS_C16;
              at += count, lane += count)
        {
            count = maas_min(maas_min(t->dims[1] - at, MAAS_C16 - lane),
                             MAAS_C16 - at % MAAS_C16);
            x = (const float *) t->data
                + (i * maas_blocks(t->dims[1]) + at / MAAS_C16) * n
                  * MAAS_C16 + at % MAAS_C16;

            if (x == y + lane) {
                continue;               /* made there */
            }

            if (count == MAAS_C16) {
                memcpy(y, x, (size_t) n * MAAS_C16 * sizeof(float));
            } else {
                s->k->lanes16(y + lane, x, n, count);
            }
        }
    }
}


static maas_status_t
cc_run(const maas_step_t *s, maas_slot_t *slot, int64_t first, int64_t last)
{
    int64_t               u, blocks;
    const maas_tensor_t  *y = &s->out[0];

    (void) slot;

    blocks = maas_blocks(y->dims[1]);

    for (u = first; u < last; u++) {
        cc_block(s, u, u / blocks, u % blocks * MAAS_C16);
    }

    return MAAS_OK;
}


static const maas_formal_t  cc_in[] = {
    { "inputs", MAAS_D(F32), 0, MAAS_VARIADIC }
};

static const maas_formal_t  cc_out[] = {
    { "concat_result", MAAS_D(F32), 0, 0 }
};

static const maas_attr_row_t  cc_attrs[] = {
    { "axis", MAAS_ATTR_INT, true, offsetof(cc_attr_t, axis) }
};

static const maas_kernel_row_t  cc_kernels[] = {
    { "concat.c16", MAAS_CPU_REF, 0, 0, cc_setup, cc_run }
};


const maas_op_t  maas_ops_concat_blocked[] = {
    {
        .name = "ConcatBlocked", .domain = "maas", .since = 1,
        .flags = MAAS_OP_PURE | MAAS_OP_INTERNAL,
        MAAS_IO(cc_in, cc_out),
        MAAS_ATTRS(cc_attrs, cc_attr_t),
        .infer = cc_infer,
        MAAS_KERNELS(cc_kernels)
    },
    { .name = NULL }
};
