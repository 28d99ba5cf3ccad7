/*
 * Gathering and scattering against naive loops, and the texts of errors of
 * operators that look at the contents of their inputs.
 */

#include "ops_shape_harness.h"


static bool
one_gather(void)
{
    int      rank = rnd(1, 4), axis = rnd(0, rank - 1), r = rnd(0, 2);
    bool     good;
    call_t   c;
    int64_t  dims[8], ix[8], a[8], b[8];

    call_init(&c, "Gather", 1);
    call_int(&c, "axis", rnd(0, 1) ? axis : axis - rank);
    any_dims(rank, dims);
    any_dims(r, ix);
    dims[axis] += dims[axis] == 0;
    call_in(&c, any_dtype(), rank, dims);
    fill_index(call_in(&c, rnd(0, 1) ? MAAS_I64 : MAAS_I32, r, ix),
               dims[axis]);
    good = call_run(&c) == MAAS_OK;

    for (int64_t i = 0; good && i < maas_tensor_count(&c.out[0]); i++) {
        unflat(&c.out[0], i, a);
        memcpy(b, a, sizeof(b));
        b[axis] = index_at(&c.in[1], flat(&c.in[1], a + axis), dims[axis]);

        for (int d = axis + 1; d < rank; d++) {
            b[d] = a[d + r - 1];
        }

        good = same(&c.out[0], i, &c.in[0], flat(&c.in[0], b));
    }

    call_done(&c);
    return good;
}


static bool
one_elements(void)
{
    int      rank = rnd(1, 4), axis = rnd(0, rank - 1);
    bool     good;
    call_t   c;
    int64_t  dims[8], ix[8], a[8];

    call_init(&c, "GatherElements", 1);
    call_int(&c, "axis", rnd(0, 1) ? axis : axis - rank);
    any_dims(rank, dims);
    dims[axis] += dims[axis] == 0;

    for (int i = 0; i < rank; i++) {
        ix[i] = i == axis ? rnd(0, 7) : rnd(0, (int) dims[i]);
    }

    call_in(&c, any_dtype(), rank, dims);
    fill_index(call_in(&c, rnd(0, 1) ? MAAS_I64 : MAAS_I32, rank, ix),
               dims[axis]);
    good = call_run(&c) == MAAS_OK;

    for (int64_t i = 0; good && i < maas_tensor_count(&c.out[0]); i++) {
        unflat(&c.out[0], i, a);
        a[axis] = index_at(&c.in[1], i, dims[axis]);
        good = same(&c.out[0], i, &c.in[0], flat(&c.in[0], a));
    }

    call_done(&c);
    return good;
}


static bool
one_nd(void)
{
    int      rank = rnd(1, 4), b = rnd(0, rank - 1), r;
    int      depth = rnd(1, rank - b), q;
    bool     good;
    call_t   c;
    int64_t  dims[8], ix[8], a[16], s[8], slice;

    call_init(&c, "GatherND", 1);
    call_int(&c, "batch_dims", b);
    any_dims(rank, dims);
    q = rnd(b + 1, b + 2);
    memcpy(ix, dims, sizeof(ix));

    for (int i = b; i < q; i++) {
        ix[i] = rnd(0, 4);
    }

    ix[q - 1] = depth;

    for (int i = 0; i < rank; i++) {
        dims[i] += dims[i] == 0;
        ix[i] = i < b ? dims[i] : ix[i];
    }

    r = q - 1 + rank - b - depth;
    call_in(&c, any_dtype(), rank, dims);
    call_in(&c, MAAS_I64, q, ix);

    for (int64_t i = 0; i < maas_tensor_count(&c.in[1]); i++) {
        int  d = (int) dims[b + i % depth];

        ((int64_t *) c.in[1].data)[i] = rnd(-d, d - 1);
    }

    good = call_run(&c) == MAAS_OK && c.out[0].rank == r;

    for (int64_t i = 0; good && i < maas_tensor_count(&c.out[0]); i++) {
        unflat(&c.out[0], i, a);
        memcpy(s, a, (size_t) b * 8);
        slice = 0;

        for (int d = 0; d < q - 1; d++) {
            slice = slice * ix[d] + a[d];
        }

        for (int d = 0; d < depth; d++) {
            s[b + d] = index_at(&c.in[1], slice * depth + d, dims[b + d]);
        }

        for (int d = b + depth; d < rank; d++) {
            s[d] = a[q - 1 + d - b - depth];
        }

        good = same(&c.out[0], i, &c.in[0], flat(&c.in[0], s));
    }

    call_done(&c);
    return good;
}


static bool
one_scatter(void)
{
    int       rank = rnd(1, 4), axis = rnd(0, rank - 1), op = rnd(0, 2);
    bool      good;
    call_t    c;
    int32_t  *want, *u;
    int64_t   dims[8], ix[8], a[8], n, at;

    call_init(&c, "ScatterElements", 1);
    call_int(&c, "axis", axis);
    call_int(&c, "reduction", op);
    any_dims(rank, dims);
    dims[axis] += dims[axis] == 0;

    for (int i = 0; i < rank; i++) {
        ix[i] = i == axis ? rnd(0, 7) : rnd(0, (int) dims[i]);
    }

    call_in(&c, MAAS_I32, rank, dims);
    fill_index(call_in(&c, MAAS_I64, rank, ix), dims[axis]);
    call_in(&c, MAAS_I32, rank, ix);
    n = maas_tensor_count(&c.in[0]);
    want = maas_arena_dup(&c.arena, c.in[0].data, (size_t) n * 4 + 4);
    u = c.in[2].data;

    for (int64_t i = 0; i < maas_tensor_count(&c.in[1]); i++) {
        unflat(&c.in[1], i, a);
        a[axis] = index_at(&c.in[1], i, dims[axis]);
        at = flat(&c.in[0], a);
        want[at] = op == 0 ? u[i]
                   : op == 1 ? (int32_t) ((uint32_t) want[at] + (uint32_t) u[i])
                   : (int32_t) ((uint32_t) want[at] * (uint32_t) u[i]);
    }

    good = call_run(&c) == MAAS_OK
           && memcmp(want, c.out[0].data, (size_t) n * 4) == 0;
    call_done(&c);
    return good;
}


static bool
one_scatter_nd(void)
{
    int      rank = rnd(1, 4), depth = rnd(1, rank);
    bool     good;
    call_t   c;
    float   *want;
    int64_t  dims[8], ix[2], up[8], n, at, items = 1;

    call_init(&c, "ScatterND", 1);
    call_int(&c, "reduction", 1);
    any_dims(rank, dims);
    ix[0] = rnd(0, 6);
    ix[1] = depth;
    up[0] = ix[0];

    for (int i = 0; i < rank; i++) {
        dims[i] += dims[i] == 0;

        if (i >= depth) {
            up[1 + i - depth] = dims[i];
            items *= dims[i];
        }
    }

    call_in(&c, MAAS_F32, rank, dims);
    call_in(&c, MAAS_I64, 2, ix);
    call_in(&c, MAAS_F32, 1 + rank - depth, up);

    for (int64_t i = 0; i < ix[0] * depth; i++) {
        int  d = (int) dims[i % depth];

        ((int64_t *) c.in[1].data)[i] = rnd(-d, d - 1);
    }

    n = maas_tensor_count(&c.in[0]);

    for (int k = 0; k < 3; k += 2) {
        for (int64_t i = 0; i < maas_tensor_count(&c.in[k]); i++) {
            ((float *) c.in[k].data)[i] = (float) rnd(-9, 9);
        }
    }

    want = maas_arena_dup(&c.arena, c.in[0].data, (size_t) n * 4);

    for (int64_t i = 0; i < ix[0]; i++) {
        at = 0;

        for (int d = 0; d < depth; d++) {
            at = at * dims[d] + index_at(&c.in[1], i * depth + d, dims[d]);
        }

        for (int64_t j = 0; j < items; j++) {
            want[at * items + j] += ((float *) c.in[2].data)[i * items + j];
        }
    }

    good = call_run(&c) == MAAS_OK
           && memcmp(want, c.out[0].data, (size_t) n * 4) == 0;
    call_done(&c);
    return good;
}


/* -- errors --------------------------------------------------------------- */

static void
bad(const char *op, int64_t d0, int64_t d1, const int64_t *v, int n,
    const char *text)
{
    call_t   c;
    int64_t  dims[2] = { d0, d1 };
    char     name[128];

    call_init(&c, op, 1);
    call_in(&c, MAAS_F32, 2, dims);
    call_ints(&c, v, n);
    snprintf(name, sizeof(name), "%s: %s", op, text);

    if (call_run(&c) == MAAS_OK) {
        ok(0, "%s", name);
    } else {
        has_str(c.err.text, text, name);
    }

    call_done(&c);
}


static void
test_errors(void)
{
    bad("Gather", 5, 4, (int64_t[]) { 9 }, 1,
        "index 9 is out of range [-5, 4]");
    bad("Gather", 5, 4, (int64_t[]) { INT64_MIN }, 1, "is out of range");
    bad("Gather", 0, 4, (int64_t[]) { 0 }, 1, "the axis is empty");
    bad("Reshape", 2, 3, (int64_t[]) { 4, 2 }, 2,
        "cannot reshape [2,3] (6 elements) into [4,2] (8 elements)");
    bad("Reshape", 2, 3, (int64_t[]) { -1, 4 }, 2, "to be inferred");
    bad("Reshape", 2, 3, (int64_t[]) { -1, -1 }, 2, "one is allowed");
    bad("Squeeze", 1, 1, (int64_t[]) { 1, -1 }, 2, "axis 1 is named twice");
    bad("Squeeze", 1, 1, (int64_t[]) { 2 }, 1, "axis 2 is out of range");
    bad("Unsqueeze", 2, 2, (int64_t[]) { 0, 1, 2, 3, 4, 5, 6 }, 7, "rank 9");
    bad("Expand", 2, 3, (int64_t[]) { 2, 4 }, 2, "does not expand");
    bad("Tile", 2, 3, (int64_t[]) { 2 }, 1, "the input has rank 2");
    bad("Pad", 2, 3, (int64_t[]) { 0, 0, 0 }, 3, "expected 4");
    bad("GatherND", 2, 3, (int64_t[]) { 0, 0, 0 }, 3, "expected 1 to 2");
    bad("GatherND", 2, 3, (int64_t[]) { 0, 3 }, 2,
        "index 3 is out of range [-3, 2]");
}


int
main(void)
{
    test_many("Gather", one_gather);
    test_many("GatherElements", one_elements);
    test_many("GatherND", one_nd);
    test_many("ScatterElements", one_scatter);
    test_many("ScatterND", one_scatter_nd);
    test_errors();

    return done();
}
