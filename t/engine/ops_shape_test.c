/*
 * Operators that move data, against naive loops over elements: random
 * shapes and every item size.
 */

#include "ops/move.h"
#include "ops_shape_harness.h"


static bool
one_transpose(void)
{
    int      rank = rnd(0, 6), j;
    bool     good = true;
    call_t   c;
    int64_t  dims[8], perm[8], a[8], b[8], t;

    call_init(&c, "Transpose", 1);
    any_dims(rank, dims);
    call_in(&c, any_dtype(), rank, dims);

    for (int i = 0; i < rank; i++) {
        perm[i] = i;
    }

    for (int i = rank - 1; i > 0; i--) {
        j = rnd(0, i);
        t = perm[i];
        perm[i] = perm[j];
        perm[j] = t;
    }

    call_list(&c, "perm", perm, (size_t) rank, 8);
    good = call_run(&c) == MAAS_OK;

    for (int64_t i = 0; good && i < maas_tensor_count(&c.out[0]); i++) {
        unflat(&c.out[0], i, a);

        for (int d = 0; d < rank; d++) {
            b[perm[d]] = a[d];
        }

        good = same(&c.out[0], i, &c.in[0], flat(&c.in[0], b));
    }

    call_done(&c);
    return good;
}


static bool
one_depth(void)
{
    bool     good, crd = rnd(0, 1), space = rnd(0, 1);
    call_t   c;
    int64_t  b = rnd(1, 3), ch = rnd(1, 4), h = rnd(1, 6), w = rnd(1, 9);
    int64_t  dims[4] = { rnd(0, 3), ch * b * b, h, w }, a[4], s[4];

    call_init(&c, space ? "SpaceToDepth" : "DepthToSpace", 1);
    call_int(&c, "blocksize", b);

    if (space) {
        dims[1] = ch;
        dims[2] = h * b;
        dims[3] = w * b;
    } else {
        call_int(&c, "mode", crd);
    }

    call_in(&c, any_dtype(), 4, dims);
    good = call_run(&c) == MAAS_OK;

    for (int64_t i = 0; good && i < maas_tensor_count(&c.out[0]); i++) {
        unflat(&c.out[0], i, a);
        s[0] = a[0];

        if (space) {
            s[1] = a[1] % ch;
            s[2] = a[2] * b + a[1] / ch / b;
            s[3] = a[3] * b + a[1] / ch % b;
        } else {
            s[1] = crd ? a[1] * b * b + a[2] % b * b + a[3] % b
                       : (a[2] % b * b + a[3] % b) * ch + a[1];
            s[2] = a[2] / b;
            s[3] = a[3] / b;
        }

        good = same(&c.out[0], i, &c.in[0], flat(&c.in[0], s));
    }

    call_done(&c);
    return good;
}


/* ONNX: backwards, a start before the axis counts as its first item. */
static int
py_slice(int64_t dim, int64_t start, int64_t end, int64_t step, int64_t *ix)
{
    int  n = 0;

    start += start < 0 ? dim : 0;
    end += end < 0 ? dim : 0;

    if (step > 0) {
        for (int64_t i = start < 0 ? 0 : start; i < end && i < dim;
             i += step)
        {
            ix[n++] = i;
        }
    } else {
        start = start < 0 ? 0 : start;

        for (int64_t i = start >= dim ? dim - 1 : start; i > end && i >= 0;
             i += step)
        {
            ix[n++] = i;
        }
    }

    return n;
}


static bool
one_slice(void)
{
    int             n, axes[8], rank = rnd(1, 5);
    bool            good;
    call_t          c;
    static int64_t  ix[8][200];
    int64_t         dims[8], v[4][8], a[8];

    static const int64_t  far[] = { INT64_MIN, -INT64_MAX, INT64_MAX,
                                    INT32_MAX, INT32_MIN, 0, -1 };

    call_init(&c, "Slice", 1);
    any_dims(rank, dims);
    call_in(&c, any_dtype(), rank, dims);
    n = rnd(0, rank);

    for (int i = 0; i < rank; i++) {
        axes[i] = py_slice(dims[i], 0, dims[i], 1, ix[i]);
    }

    for (int i = 0; i < n; i++) {
        v[0][i] = rnd(0, 3) ? rnd(-11, 11) : far[rnd(0, 6)];
        v[1][i] = rnd(0, 3) ? rnd(-11, 11) : far[rnd(0, 6)];
        v[2][i] = rnd(0, 1) ? i : i - rank;
        v[3][i] = rnd(0, 2) ? rnd(1, 3) : -rnd(1, 3);
        axes[i] = py_slice(dims[i],
                           v[0][i] < -(1ll << 60) ? -(1ll << 60) : v[0][i],
                           v[1][i] < -(1ll << 60) ? -(1ll << 60) : v[1][i],
                           v[3][i], ix[i]);
    }

    for (int i = 0; i < 4; i++) {
        call_ints(&c, v[i], n);
    }

    good = call_run(&c) == MAAS_OK;

    for (int i = 0; good && i < rank; i++) {
        good = c.out[0].dims[i] == axes[i];
    }

    for (int64_t i = 0; good && i < maas_tensor_count(&c.out[0]); i++) {
        unflat(&c.out[0], i, a);

        for (int d = 0; d < rank; d++) {
            a[d] = ix[d][a[d]];
        }

        good = same(&c.out[0], i, &c.in[0], flat(&c.in[0], a));
    }

    call_done(&c);
    return good;
}


/* Walks back and forth, a step at a time. */
static int64_t
bounce(int64_t p, int64_t n)
{
    int64_t  at = 0, by = p < 0 ? -1 : 1;

    for (int64_t i = 0; i < (p < 0 ? -p : p) && n > 1; i++) {
        if (at + by < 0 || at + by >= n) {
            by = -by;
        }

        at += by;
    }

    return at;
}


static bool
one_pad(void)
{
    int             mode = rnd(0, 2), rank = rnd(0, 4);
    bool            good, out;
    call_t          c;
    int64_t         dims[8], pads[16], a[8];
    maas_tensor_t  *value = NULL;

    call_init(&c, "Pad", 1);
    call_int(&c, "mode", mode);
    any_dims(rank, dims);

    for (int i = 0; i < rank; i++) {
        dims[i] += mode && dims[i] == 0;
        pads[i] = rnd(0, 1) ? 0 : rnd(-2, 4);
        pads[i + rank] = rnd(0, 1) ? 0 : rnd(-2, 4);

        if (dims[i] + pads[i] + pads[i + rank] < 0) {
            pads[i] = pads[i + rank] = 0;
        }
    }

    call_in(&c, any_dtype(), rank, dims);
    call_ints(&c, pads, 2 * rank);

    if (rnd(0, 1)) {
        value = call_in(&c, c.in[0].dtype, 0, NULL);
    }

    good = call_run(&c) == MAAS_OK;

    for (int64_t i = 0; good && i < maas_tensor_count(&c.out[0]); i++) {
        unflat(&c.out[0], i, a);
        out = false;

        for (int d = 0; d < rank; d++) {
            a[d] -= pads[d];

            if (a[d] < 0 || a[d] >= dims[d]) {
                out = out || mode == 0;
                a[d] = mode == 1 ? bounce(a[d], dims[d])
                                 : a[d] < 0 ? 0 : dims[d] - 1;
            }
        }

        good = !out ? same(&c.out[0], i, &c.in[0], flat(&c.in[0], a))
               : value ? same(&c.out[0], i, value, 0) : zero(&c.out[0], i);
    }

    call_done(&c);
    return good;
}


static bool
one_concat(void)
{
    int      n = rnd(1, 4), rank = rnd(1, 5), axis = rnd(0, rank - 1), k;
    bool     good;
    call_t   c;
    int64_t  dims[8], a[8];

    call_init(&c, "Concat", 1);
    call_int(&c, "axis", rnd(0, 1) ? axis : axis - rank);
    any_dims(rank, dims);
    k = any_dtype();

    for (int i = 0; i < n; i++) {
        dims[axis] = rnd(0, 9);
        call_in(&c, k, rank, dims);
    }

    good = call_run(&c) == MAAS_OK;

    for (int64_t i = 0; good && i < maas_tensor_count(&c.out[0]); i++) {
        unflat(&c.out[0], i, a);

        for (k = 0; a[axis] >= c.in[k].dims[axis]; k++) {
            a[axis] -= c.in[k].dims[axis];
        }

        good = same(&c.out[0], i, &c.in[k], flat(&c.in[k], a));
    }

    call_done(&c);
    return good;
}


static bool
one_split(void)
{
    int      n = rnd(1, 4), rank = rnd(1, 5), axis = rnd(0, rank - 1);
    bool     good, equal = rnd(0, 2) == 0;
    call_t   c;
    int64_t  dims[8], a[8], parts[4], sum = 0, at = 0;

    call_init(&c, "Split", n);
    call_int(&c, "axis", rnd(0, 1) ? axis : axis - rank);
    any_dims(rank, dims);

    for (int i = 0; i < n; i++) {
        parts[i] = equal ? 3 : rnd(0, 5);
        sum += parts[i];
    }

    dims[axis] = sum;
    call_in(&c, any_dtype(), rank, dims);

    if (!equal) {
        call_ints(&c, parts, n);
    }

    good = call_run(&c) == MAAS_OK;

    for (int k = 0; k < n; k++) {
        good = good && c.out[k].dims[axis] == parts[k];

        for (int64_t i = 0; good && i < maas_tensor_count(&c.out[k]); i++) {
            unflat(&c.out[k], i, a);
            a[axis] += at;
            good = same(&c.out[k], i, &c.in[0], flat(&c.in[0], a));
        }

        at += parts[k];
    }

    call_done(&c);
    return good;
}


static bool
one_expand(void)
{
    int      rank = rnd(0, 4), more = rnd(0, 2);
    bool     good;
    call_t   c;
    int64_t  dims[8], shape[8], a[8];

    call_init(&c, "Expand", 1);
    any_dims(rank, dims);
    any_dims(more, shape);

    for (int i = 0; i < rank; i++) {
        shape[more + i] = rnd(0, 1) ? dims[i] : 1;

        if (rnd(0, 1)) {
            dims[i] = 1;
        }
    }

    call_in(&c, any_dtype(), rank, dims);
    call_ints(&c, shape, rank + more);
    good = call_run(&c) == MAAS_OK && c.out[0].rank == rank + more;

    for (int64_t i = 0; good && i < maas_tensor_count(&c.out[0]); i++) {
        unflat(&c.out[0], i, a);

        for (int d = 0; d < rank; d++) {
            a[more + d] = dims[d] == 1 ? 0 : a[more + d];
        }

        good = same(&c.out[0], i, &c.in[0], flat(&c.in[0], a + more));
    }

    call_done(&c);
    return good;
}


static bool
one_tile(void)
{
    int      rank = rnd(0, 5);
    bool     good;
    call_t   c;
    int64_t  dims[8], rep[8], a[8];

    call_init(&c, "Tile", 1);
    any_dims(rank, dims);

    for (int i = 0; i < rank; i++) {
        rep[i] = rnd(0, 9) ? rnd(1, 3) : 0;
    }

    call_in(&c, any_dtype(), rank, dims);
    call_ints(&c, rep, rank);
    good = call_run(&c) == MAAS_OK;

    for (int64_t i = 0; good && i < maas_tensor_count(&c.out[0]); i++) {
        unflat(&c.out[0], i, a);

        for (int d = 0; d < rank; d++) {
            a[d] %= dims[d];
        }

        good = same(&c.out[0], i, &c.in[0], flat(&c.in[0], a));
    }

    call_done(&c);
    return good;
}


static bool
one_hot(void)
{
    int      rank = rnd(0, 3), axis = rnd(0, rank);
    bool     good;
    call_t   c;
    int64_t  dims[8], a[8], b[8], depth = rnd(0, 5), two = 2, at;

    call_init(&c, "OneHot", 1);
    call_int(&c, "axis", rnd(0, 1) ? axis : axis - rank - 1);
    any_dims(rank, dims);
    fill_index(call_in(&c, MAAS_I64, rank, dims), 8);
    call_ints(&c, &depth, -1);
    call_in(&c, any_dtype(), 1, &two);
    good = call_run(&c) == MAAS_OK;

    for (int64_t i = 0; good && i < maas_tensor_count(&c.out[0]); i++) {
        unflat(&c.out[0], i, a);

        for (int d = 0; d < rank; d++) {
            b[d] = a[d < axis ? d : d + 1];
        }

        at = index_at(&c.in[0], flat(&c.in[0], b), depth);
        good = same(&c.out[0], i, &c.in[2], at == a[axis]);
    }

    call_done(&c);
    return good;
}


static bool
one_trilu(void)
{
    int      rank = rnd(2, 4), upper = rnd(0, 1);
    bool     good, keep;
    call_t   c;
    int64_t  dims[8], a[8], k = rnd(-6, 6), off;

    call_init(&c, "Trilu", 1);
    call_int(&c, "upper", upper);
    any_dims(rank, dims);
    call_in(&c, any_dtype(), rank, dims);
    call_ints(&c, &k, -1);
    good = call_run(&c) == MAAS_OK;

    for (int64_t i = 0; good && i < maas_tensor_count(&c.out[0]); i++) {
        unflat(&c.out[0], i, a);
        off = a[rank - 1] - a[rank - 2];
        keep = upper ? off >= k : off <= k;
        good = keep ? same(&c.out[0], i, &c.in[0], i) : zero(&c.out[0], i);
    }

    call_done(&c);
    return good;
}


static bool
one_eye(void)
{
    bool     good;
    call_t   c;
    float    want;
    int64_t  dims[8], a[8], k = rnd(-6, 6);

    call_init(&c, "EyeLike", 1);
    call_int(&c, "k", k);
    any_dims(2, dims);
    call_in(&c, MAAS_F32, 2, dims);
    good = call_run(&c) == MAAS_OK;

    for (int64_t i = 0; good && i < maas_tensor_count(&c.out[0]); i++) {
        unflat(&c.out[0], i, a);
        want = a[1] - a[0] == k;
        good = ((float *) c.out[0].data)[i] == want;
    }

    call_done(&c);
    return good;
}


/* More than a unit: a contiguous copy, tiles, a gather of long slices. */
static void
test_large(void)
{
    bool     good;
    call_t   c;
    int64_t  dims[3] = { 3, 257, 300 }, a[3], b[3], ix = 2;
    int64_t  perm[3] = { 2, 0, 1 };

    call_init(&c, "Transpose", 1);
    call_list(&c, "perm", perm, 3, 8);
    call_in(&c, MAAS_F32, 3, dims);
    good = call_run(&c) == MAAS_OK;

    for (int64_t i = 0; good && i < maas_tensor_count(&c.out[0]); i++) {
        unflat(&c.out[0], i, a);
        b[2] = a[0];
        b[0] = a[1];
        b[1] = a[2];
        good = same(&c.out[0], i, &c.in[0], flat(&c.in[0], b));
    }

    ok(good, "Transpose in many units");
    call_done(&c);

    call_init(&c, "Gather", 1);
    call_in(&c, MAAS_F64, 3, dims);
    call_ints(&c, &ix, -1);
    ok(call_run(&c) == MAAS_OK
       && memcmp(c.out[0].data, (double *) c.in[0].data + 2 * 257 * 300,
                 c.out[0].bytes) == 0, "Gather of one long slice");
    call_done(&c);

    call_init(&c, "Identity", 1);
    call_in(&c, MAAS_U8, 3, dims);
    ok(call_run(&c) == MAAS_OK
       && memcmp(c.out[0].data, c.in[0].data, c.out[0].bytes) == 0,
       "Identity copies when it must");
    call_done(&c);
}


static void
test_range(void)
{
    call_t    c;
    int32_t  *y;

    call_init(&c, "Range", 1);

    for (int i = 0; i < 3; i++) {
        static const int32_t  v[] = { 10, 4, -2 };

        *(int32_t *) call_in(&c, MAAS_I32, 0, NULL)->data = v[i];
    }

    ok(call_run(&c) == MAAS_OK && c.out[0].dims[0] == 3, "Range: extent");
    y = c.out[0].data;
    ok(y[0] == 10 && y[1] == 8 && y[2] == 6, "Range: values");
    ok(c.iout[0].n_ival == 3 && c.ival[0][2] == 6, "Range: known contents");
    call_done(&c);
}


/* Runs of every length: each byte in its place, and no other touched. */
static void
test_blocks(void)
{
    int   bad = 0;
    char  x[1000], y[1000], want[1000];

    for (int i = 0; i < 1000; i++) {
        x[i] = (char) (i * 31 + i / 250);
    }

    for (int64_t n = 1; n <= 140; n++) {
        for (int64_t gap = 0; gap < 4; gap++) {
            memset(y, 90, sizeof(y));
            memset(want, 90, sizeof(want));
            maas_move_block(y + 3, n + gap, x + 1, n + 5, n, 6);

            for (int64_t r = 0; r < 6; r++) {
                memcpy(want + 3 + r * (n + gap), x + 1 + r * (n + 5),
                       (size_t) n);
            }

            bad += memcmp(y, want, sizeof(y)) != 0;
        }
    }

    is_int(bad, 0, "runs of 1 to 140 bytes");
}


int
main(void)
{
    test_many("Transpose", one_transpose);
    test_many("DepthToSpace, SpaceToDepth", one_depth);
    test_many("Slice", one_slice);
    test_many("Pad", one_pad);
    test_many("Concat", one_concat);
    test_many("Split", one_split);
    test_many("Expand", one_expand);
    test_many("Tile", one_tile);
    test_many("OneHot", one_hot);
    test_many("Trilu", one_trilu);
    test_many("EyeLike", one_eye);
    test_large();
    test_range();
    test_blocks();

    return done();
}
