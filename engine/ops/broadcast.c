/*
 * broadcast: see broadcast.h.  A walk computes the multi-index of its first
 * element once, then steps it row by row with additions only.
 *
 * Spec: github.com/onnx/onnx, docs/Broadcasting.md (multidirectional).
 */

#include "ops/broadcast.h"


void
maas_bc_init(maas_bc_t *b, const int64_t *dims, int rank)
{
    b->rank = rank;
    b->n = 0;
    b->total = 1;

    for (int i = 0; i < rank; i++) {
        b->dims[i] = dims[i];
        b->total *= dims[i];
    }
}


void
maas_bc_add(maas_bc_t *b, const int64_t *dims, int rank)
{
    int64_t   step = 1;
    int64_t  *stride = b->stride[b->n++];

    for (int i = b->rank - 1, j = rank - 1; i >= 0; i--, j--) {
        if (j < 0 || (dims[j] == 1 && b->dims[i] != 1)) {
            stride[i] = 0;
            continue;
        }

        stride[i] = step;
        step *= dims[j];
    }
}


/* True when dimension j continues i: one step of i is dims[j] steps of j. */
static bool
bc_joins(const maas_bc_t *b, int i, int j)
{
    for (int k = 0; k < b->n; k++) {
        if (b->stride[k][i] != b->stride[k][j] * b->dims[j]) {
            return false;
        }
    }

    return true;
}


static void
bc_move(maas_bc_t *b, int to, int from)
{
    b->dims[to] = b->dims[from];

    for (int k = 0; k < b->n; k++) {
        b->stride[k][to] = b->stride[k][from];
    }
}


void
maas_bc_close(maas_bc_t *b)
{
    int  r = 0;

    for (int i = 0; i < b->rank; i++) {
        if (b->dims[i] == 1) {
            continue;
        }

        bc_move(b, r, i);

        if (r > 0 && bc_joins(b, r - 1, r)) {
            int64_t  size = b->dims[r - 1] * b->dims[r];

            bc_move(b, r - 1, r);
            b->dims[r - 1] = size;
            continue;
        }

        r++;
    }

    if (r == 0) {
        b->dims[0] = 1;

        for (int k = 0; k < b->n; k++) {
            b->stride[k][0] = 1;
        }

        r = 1;
    }

    b->rank = r;
}


void
maas_bc_run(const maas_bc_t *b, int64_t first, int64_t last,
    maas_bc_row_pt row, void *ctx)
{
    int      in = b->rank - 1;
    int64_t  at, rest, n, off[MAAS_BC_MAX] = { 0 }, stride[MAAS_BC_MAX] = { 0 };
    int64_t  idx[MAAS_RANK_MAX];

    if (last > b->total) {
        last = b->total;
    }

    if (first >= last) {
        return;
    }

    rest = first;

    for (int i = in; i >= 0; i--) {
        idx[i] = rest % b->dims[i];
        rest /= b->dims[i];
    }

    for (int k = 0; k < b->n; k++) {
        stride[k] = b->stride[k][in];

        for (int i = 0; i <= in; i++) {
            off[k] += idx[i] * b->stride[k][i];
        }
    }

    for (at = first; at < last; at += n) {
        n = maas_min(b->dims[in] - idx[in], last - at);
        row(ctx, at, n, off, stride);

        /* Rows after the first start at index 0 of the last dimension. */
        for (int k = 0; k < b->n; k++) {
            off[k] -= idx[in] * stride[k];
        }

        idx[in] = 0;

        for (int i = in - 1; i >= 0; i--) {
            for (int k = 0; k < b->n; k++) {
                off[k] += b->stride[k][i];
            }

            if (++idx[i] < b->dims[i]) {
                break;
            }

            for (int k = 0; k < b->n; k++) {
                off[k] -= b->dims[i] * b->stride[k][i];
            }

            idx[i] = 0;
        }
    }
}


void
maas_bc_tensors(maas_bc_t *b, const maas_tensor_t *out,
    const maas_tensor_t *in, int n)
{
    maas_bc_init(b, out->dims, out->rank);

    for (int i = 0; i < n; i++) {
        maas_bc_add(b, in[i].dims, in[i].rank);
    }

    maas_bc_close(b);
}
