/*
 * The pass that lowers float16: where a chain of operators is rounded, and
 * what becomes of its weights.
 */

#include "api/compile.h"
#include "graph/pass/pass.h"
#include "tap.h"

#pragma GCC diagnostic ignored "-Wunused-function"
#include "graph_build.h"


/* softmax(relu(x W + b)) in float16, W larger than what a fold may add. */
static maas_raw_model_t *
half_chain(maas_arena_t *a)
{
    int64_t       dims[2] = { 256, 256 };
    build_t      *b = model_begin(a, 3);
    uint16_t     *w = maas_arena_array(a, 256 * 256, sizeof(*w));
    maas_str_t    x = new_name(b), v[4];

    for (int i = 0; i < 4; i++) {
        v[i] = new_name(b);
    }

    for (int i = 0; i < 256 * 256; i++) {
        w[i] = maas_f32_to_f16((float) rnd(b, 2001) / 8000 - 0.125f);
    }

    port(&b->g->in[b->g->n_in++], x, 256)->dtype = MAAS_F16;
    node(b, "MatMul", v[0], 2, x, constant(b, MAAS_F16, 2, dims, w));
    node(b, "Add", v[1], 2, v[0], constant(b, MAAS_F16, 1, dims, w));
    node(b, "Relu", v[2], 1, v[1]);
    node(b, "Softmax", v[3], 1, v[2]);
    port(&b->g->out[b->g->n_out++], v[3], -1)->dtype = MAAS_F16;

    return model_end(b);
}


/* Cast where float16 comes in and goes out, nowhere between; W is packed. */
static void
test_half_chain(void)
{
    int              casts = 0;
    void            *image = NULL;
    size_t           size;
    maas_err_t       err = { 0 };
    maas_graph_t    *g;
    maas_arena_t     a;
    maas_value_t    *w = NULL;
    maas_compile_t   spec = { .name = "half" };

    maas_arena_init(&a, maas_host_default(), 0);
    ok(maas_graph_import(&g, &a, half_chain(&a), &err) == MAAS_OK
       && maas_compile_graph(g, &spec, &image, &size, &err) == MAAS_OK,
       "a chain of float16 compiles %s", err.text);

    for (uint32_t i = 0; g != NULL && i < g->n_node; i++) {
        casts += strcmp(g->node[i].op->name, "Cast") == 0;

        if (strcmp(g->node[i].op->name, "MatMul") == 0) {
            w = &g->value[g->node[i].in[1]];
        }
    }

    is_int(casts, 2, "it is rounded at its end only");
    ok(w != NULL && w->role == MAAS_ROLE_CONST && w->type.dtype == MAAS_F32
       && w->type.format != MAAS_FMT_PLAIN, "its weights are packed");

    maas_image_free(image);
    maas_arena_destroy(&a);
}


int
main(void)
{
    maas_init(NULL, NULL);
    test_half_chain();

    return done();
}
