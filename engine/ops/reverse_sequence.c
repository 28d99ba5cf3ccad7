/*
 * ReverseSequence: the first sequence_lens[b] time steps of batch item b in
 * reverse order, the others as they are.  Batch and time are the first two
 * axes, in either order; what follows moves as one piece.
 *
 * Ownership: nothing is allocated.  Threads: pieces are independent.
 */

#include "ops/move.h"


typedef struct {
    int64_t  batch_axis;
    int64_t  time_axis;
} revseq_attr_t;


static maas_status_t
revseq_infer(maas_infer_t *c)
{
    maas_dim_t            batch;
    const maas_type_t    *t = c->in[0].type, *lens = c->in[1].type;
    const revseq_attr_t  *a = c->attr;

    if (a->batch_axis == a->time_axis) {
        return maas_err(c->err, MAAS_EINVAL, "batch_axis and time_axis are "
                        "both %lld, expected 0 and 1 in either order",
                        (long long) a->time_axis);
    }

    if (t->rank < 2 || lens->rank != 1) {
        return maas_err(c->err, MAAS_EINVAL, "input has rank %d, "
                        "sequence_lens rank %d, expected 2 or more and 1",
                        t->rank, lens->rank);
    }

    MAAS_TRY(maas_infer_merge(c, t->dims[a->batch_axis], lens->dims[0],
                              &batch, "the batch of input and "
                              "sequence_lens"));

    return maas_infer_same(c);
}


static maas_status_t
revseq_run(const maas_step_t *s, maas_slot_t *slot, int64_t first,
    int64_t last)
{
    char                 *y = s->out[0].data;
    size_t                piece;
    int64_t               p, to, b, t, len, n, steps, from;
    const char           *x = s->in[0].data;
    const maas_tensor_t  *in = &s->in[0];
    const revseq_attr_t  *a = s->attr;

    piece = (size_t) maas_dims_count(in->dims + 2, in->rank - 2)
            * maas_dtype_size(in->dtype);
    n = in->dims[0] * in->dims[1];
    steps = in->dims[a->time_axis];
    p = maas_move_start(n, s->units, first);
    to = maas_move_start(n, s->units, last);

    for (; p < to; p++) {
        b = a->batch_axis == 0 ? p / in->dims[1] : p % in->dims[1];
        t = a->batch_axis == 0 ? p % in->dims[1] : p / in->dims[1];
        len = maas_move_int(&s->in[1], b);

        if (len < 0 || len > steps) {
            return maas_err(slot->err, MAAS_EINVAL, "sequence_lens[%lld] is "
                            "%lld, expected 0 to %lld", (long long) b,
                            (long long) len, (long long) steps);
        }

        t = t < len ? len - 1 - t : t;
        from = a->batch_axis == 0 ? b * in->dims[1] + t
                                  : t * in->dims[1] + b;
        memcpy(y + (size_t) p * piece, x + (size_t) from * piece, piece);
    }

    return MAAS_OK;
}


/* -- rows ---------------------------------------------------------------- */

static const maas_formal_t  revseq_in[] = {
    { "input", MAAS_D_FIXED, 'T', 0 },
    { "sequence_lens", MAAS_D(I64), 0, 0 }
};

static const maas_formal_t  revseq_out[] = {
    { "Y", MAAS_D_FIXED, 'T', 0 }
};

static const maas_attr_row_t  revseq_attrs[] = {
    { .name = "batch_axis", .type = MAAS_ATTR_INT, .i = 1, .min = 0,
      .max = 1, .off = offsetof(revseq_attr_t, batch_axis) },
    { .name = "time_axis", .type = MAAS_ATTR_INT, .i = 0, .min = 0,
      .max = 1, .off = offsetof(revseq_attr_t, time_axis) }
};

static const maas_kernel_row_t  revseq_kernel[] = {
    { .id = "reversesequence.pieces", .setup = maas_move_setup,
      .run = revseq_run }
};

static const maas_case_t  revseq_cases[] = {
    { "| f32[4,3] i64[3]{4,1,2}", NULL },
    { "batch_axis=0 time_axis=1 | f64[3,4,5] i64[3]{0,4,3}", NULL },
    { "| u8[5,2,300] =i64[2]{3,5}", NULL },
    { "| bool[2,1,2,3] i64[1]{2}", NULL },
    { "| i16[0,3] i64[3]{0,0,0}", NULL },
    { "| f32[3,0] i64[0]", NULL },
    { NULL, NULL }
};

static const maas_case_t  revseq_bad[] = {
    { "| f32[4,3] i64[3]{4,5,2}", "sequence_lens[1] is 5, expected 0 to 4" },
    { "| f32[4,3] i64[3]{4,-1,2}", "sequence_lens[1] is -1" },
    { "batch_axis=0 | f32[4,3] i64[4]{1,1,1,1}", "are both 0" },
    { "| f32[4] i64[4]", "input has rank 1" },
    { "| f32[4,3] i64[2]{1,1}", "the batch of input" },
    { NULL, NULL }
};


const maas_op_t  maas_ops_reverse_sequence[] = {
    {
        .name = "ReverseSequence", .domain = "", .since = 10, .first = 10,
        .flags = MAAS_OP_PURE,
        MAAS_IO(revseq_in, revseq_out),
        MAAS_ATTRS(revseq_attrs, revseq_attr_t),
        .infer = revseq_infer,
        MAAS_KERNELS(revseq_kernel),
        .cases = revseq_cases, .bad = revseq_bad
    },
    { .name = NULL }
};
