/*
 * Shape arithmetic while dimensions are symbols: what a compiler learns of
 * Shape -> Gather -> Unsqueeze -> Concat -> Reshape and of symbolic extents.
 */

#include "ops_shape_harness.h"


/* An input of which shape and contents are known to the compiler only. */
static void
symbolic(call_t *c, maas_syms_t *syms, maas_dtype_t dtype, int rank,
    const maas_dim_t *dims, const maas_dim_t *ival, int n)
{
    int  i = c->n_in++;

    c->syms = syms;
    c->type[i].dtype = dtype;
    c->type[i].rank = (int8_t) rank;
    memcpy(c->type[i].dims, dims, (size_t) rank * sizeof(*dims));
    c->iin[i].type = &c->type[i];
    c->iin[i].ival = ival;
    c->iin[i].n_ival = ival != NULL ? n : -1;
}


static void
test_symbols(void)
{
    call_t        shape, pick, up, join, view;
    int64_t       zero_ix = 0, rest = -1;
    maas_dim_t    batch, len, x[3], one = 1, two = 2;
    maas_arena_t  arena;
    maas_syms_t  *s;

    maas_arena_init(&arena, &maas_host_libc, 0);
    s = maas_syms_create(&arena);
    batch = maas_dim_symbol(s, maas_str("batch"));
    len = maas_dim_symbol(s, maas_str("len"));
    x[0] = batch;
    x[1] = len;
    x[2] = 64;

    call_init(&shape, "Shape", 1);
    symbolic(&shape, s, MAAS_F32, 3, x, NULL, 0);
    ok(call_infer(&shape) == MAAS_OK && shape.iout[0].n_ival == 3
       && shape.ival[0][0] == batch && shape.ival[0][2] == 64,
       "Shape gives symbols");

    call_init(&pick, "Gather", 1);
    symbolic(&pick, s, MAAS_I64, 1, (maas_dim_t[]) { 3 }, shape.ival[0], 3);
    call_ints(&pick, &zero_ix, -1);
    ok(call_infer(&pick) == MAAS_OK && pick.iout[0].n_ival == 1
       && pick.ival[0][0] == batch, "Gather picks one");

    call_init(&up, "Unsqueeze", 1);
    symbolic(&up, s, MAAS_I64, 0, &one, pick.ival[0], 1);
    call_ints(&up, &zero_ix, 1);
    ok(call_infer(&up) == MAAS_OK && up.iout[0].type.rank == 1
       && up.iout[0].n_ival == 1 && up.ival[0][0] == batch,
       "Unsqueeze makes it a vector");

    call_init(&join, "Concat", 1);
    symbolic(&join, s, MAAS_I64, 1, &one, up.ival[0], 1);
    call_ints(&join, &rest, 1);
    ok(call_infer(&join) == MAAS_OK && join.iout[0].n_ival == 2
       && join.ival[0][0] == batch && join.ival[0][1] == -1,
       "Concat joins symbol and number");

    call_init(&view, "Reshape", 1);
    symbolic(&view, s, MAAS_F32, 3, x, NULL, 0);
    symbolic(&view, s, MAAS_I64, 1, &two, join.ival[0], 2);
    ok(call_infer(&view) == MAAS_OK && view.iout[0].type.rank == 2
       && view.iout[0].type.dims[0] == batch
       && view.iout[0].type.dims[1] == maas_dim_mul(s, len, 64),
       "Reshape to [batch, -1]");

    call_done(&shape);
    call_done(&pick);
    call_done(&up);
    call_done(&join);
    call_done(&view);
    maas_arena_destroy(&arena);
}


/* Each of the next three takes [7, len]. */
static void
test_symbolic_slice(maas_syms_t *s, maas_dim_t len)
{
    call_t      c;
    int64_t     v[4][1] = { { 1 }, { INT64_MAX }, { 1 }, { 1 } };
    maas_dim_t  x[2] = { 7, len };

    call_init(&c, "Slice", 1);
    symbolic(&c, s, MAAS_F32, 2, x, NULL, 0);

    for (int i = 0; i < 4; i++) {
        call_ints(&c, v[i], 1);
    }

    ok(call_infer(&c) == MAAS_OK && c.iout[0].type.dims[0] == 7
       && !maas_dim_known(c.iout[0].type.dims[1])
       && c.iout[0].type.dims[1] != MAAS_DIM_NONE, "Slice of a symbol");
    call_done(&c);

    call_init(&c, "Slice", 1);
    symbolic(&c, s, MAAS_F32, 2, x, NULL, 0);
    v[0][0] = -1;
    v[1][0] = -INT64_MAX;
    v[3][0] = -1;

    for (int i = 0; i < 4; i++) {
        call_ints(&c, v[i], 1);
    }

    ok(call_infer(&c) == MAAS_OK && c.iout[0].type.dims[1] == len,
       "a symbolic axis backwards");
    call_done(&c);
}


static void
test_symbolic_reshape(maas_syms_t *s, maas_dim_t len)
{
    call_t      c;
    maas_dim_t  x[2] = { 7, len }, three = 3;
    maas_dim_t  shape[3] = { 0, MAAS_DIM_NONE, 5 };

    call_init(&c, "Reshape", 1);
    symbolic(&c, s, MAAS_F32, 2, x, NULL, 0);
    symbolic(&c, s, MAAS_I64, 1, &three, NULL, 0);
    ok(call_infer(&c) == MAAS_NEED && c.need == 1
       && c.iout[0].type.rank == 3
       && c.iout[0].type.dims[0] == MAAS_DIM_NONE,
       "Reshape to unknown contents needs them, its rank is known");
    call_done(&c);

    call_init(&c, "Reshape", 1);
    symbolic(&c, s, MAAS_F32, 2, x, NULL, 0);
    symbolic(&c, s, MAAS_I64, 1, &three, shape, 3);
    ok(call_infer(&c) == MAAS_NEED && c.iout[0].type.dims[0] == 7
       && c.iout[0].type.dims[2] == 5, "what is known of them is used");
    call_done(&c);
}


static void
test_symbolic_others(maas_syms_t *s, maas_dim_t len)
{
    call_t      c;
    maas_dim_t  x[2] = { 7, len };

    call_init(&c, "Squeeze", 1);
    symbolic(&c, s, MAAS_F32, 2, x, NULL, 0);
    ok(call_infer(&c) == MAAS_NEED && c.iout[0].type.rank == -1,
       "Squeeze without axes waits for the extents");
    call_done(&c);

    call_init(&c, "Range", 1);
    symbolic(&c, s, MAAS_I64, 0, x, (maas_dim_t[]) { 0 }, 1);
    symbolic(&c, s, MAAS_I64, 0, x, &len, 1);
    symbolic(&c, s, MAAS_I64, 0, x, (maas_dim_t[]) { 1 }, 1);
    ok(call_infer(&c) == MAAS_OK && c.iout[0].type.dims[0] == len,
       "Range up to a symbol");
    call_done(&c);
}


static void
test_symbolic_extents(void)
{
    maas_dim_t    len;
    maas_arena_t  arena;
    maas_syms_t  *s;

    maas_arena_init(&arena, &maas_host_libc, 0);
    s = maas_syms_create(&arena);
    len = maas_dim_symbol(s, maas_str("len"));

    test_symbolic_slice(s, len);
    test_symbolic_reshape(s, len);
    test_symbolic_others(s, len);

    maas_arena_destroy(&arena);
}


int
main(void)
{
    test_symbols();
    test_symbolic_extents();

    return done();
}
