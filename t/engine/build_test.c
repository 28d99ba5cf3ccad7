/*
 * Models made node by node: what is built is written, read again and the
 * same, runs, and faults are named where they were made.
 */

#include <stdlib.h>
#include <unistd.h>

#include "api/compile.h"
#include "formats/onnx.h"
#include "formats/onnx_write.h"
#include "raw_same.h"
#include "refuser.h"
#include "tap.h"
#include "train/build.h"


static const int64_t  dims_n3[] = { -1, 3 };
static const int64_t  dims_n2[] = { -1, 2 };
static const int64_t  dims_n[] = { -1 };


/* y = relu(x w + b) in ai.onnx; label and probabilities by ai.onnx.ml. */
static const maas_raw_model_t *
sample(maas_arena_t *a, maas_err_t *err)
{
    static const float       w[] = { 1, 2, 3, 4, 5, 6 }, c[] = { -50, 1 };
    static const float       coef[] = { 1, -1, 0, -1, 1, 0 };
    static const maas_str_t  name[] = { { "no", 2 }, { "yes", 3 } };
    maas_str_t               x, y, in[2], out[2];
    maas_build_t            *b = maas_build_create(a);
    maas_raw_attr_t          attr[5];
    const maas_raw_model_t  *m = NULL;

    x = maas_build_input(b, "x", MAAS_F32, 2, dims_n3);
    in[0] = maas_build_op2(b, "MatMul", x, maas_build_floats(b, "w", w, 2,
                           (int64_t[]) { 3, 2 }));
    in[1] = maas_build_floats(b, NULL, c, 1, (int64_t[]) { 2 });
    in[0] = maas_build_op2(b, "Add", in[0], in[1]);

    out[0] = maas_str("y");
    y = maas_build_node(b, &(maas_build_node_t) {
        .op = "Relu", .in = in, .n_in = 1, .out = out, .n_out = 1
    });
    maas_build_output(b, y, MAAS_F32, 2, dims_n2);

    attr[0] = maas_build_attr_floats("coefficients", coef, 6);
    attr[1] = maas_build_attr_floats("intercepts", c, 2);
    attr[2] = maas_build_attr_strings("classlabels_strings", name, 2);
    attr[3] = maas_build_attr_string("post_transform", "SOFTMAX");
    attr[4] = maas_build_attr_int("multi_class", 1);
    out[0] = maas_str("label");
    out[1] = maas_str("probabilities");

    maas_build_node(b, &(maas_build_node_t) {
        .op = "LinearClassifier", .domain = "ai.onnx.ml", .in = &x,
        .n_in = 1, .out = out, .n_out = 2, .attr = attr, .n_attr = 5
    });
    maas_build_output(b, out[0], MAAS_STRING, 1, dims_n);
    maas_build_output(b, out[1], MAAS_F32, 2, dims_n2);

    if (maas_build_done(b, &m, err) != MAAS_OK) {
        return NULL;
    }

    return m;
}


static void
run_sample(const maas_buf_t *bytes)
{
    void               *image = NULL;
    size_t              size;
    _Alignas(64) float  x[4] = { 1, 2, 3 };
    maas_err_t          err;
    maas_run_t         *run;
    maas_model_t       *m;
    maas_tensor_t       y, in = { .data = x, .bytes = 12, .dtype = MAAS_F32,
                                  .rank = 2, .dims = { 1, 3 } };
    maas_compile_t      spec = { 0 };
    maas_str_t          s;

    if (!ok(maas_compile_bytes(bytes->data, bytes->len, NULL, &spec, &image,
                               &size, &err) == MAAS_OK, "it compiles"))
    {
        printf("# %s\n", err.text);
        return;
    }

    if (ok(maas_model_open(&m, image, size, NULL, &err) == MAAS_OK
           && maas_model_run(m, &in, NULL, NULL, &run, &err) == MAAS_OK,
           "it runs"))
    {
        maas_run_output(run, 0, &y, NULL);
        ok(((float *) y.data)[0] == 0 && ((float *) y.data)[1] == 29,
           "its numbers");
        maas_run_output(run, 1, &y, NULL);
        s = maas_tensor_str(&y, 0);
        ok(maas_str_is(s, "yes"), "its label");
        maas_run_release(run);
    }

    maas_model_release(m);
    maas_image_free(image);
}


static void
test_sample(void)
{
    maas_buf_t               bytes;
    maas_err_t               err = { 0 };
    maas_arena_t             a;
    maas_raw_model_t        *back;
    const maas_raw_model_t  *m;

    maas_arena_init(&a, &maas_host_libc, 0);
    maas_buf_init(&bytes, &maas_host_libc);
    m = sample(&a, &err);

    if (!ok(m != NULL, "a model is built")) {
        printf("# %s\n", err.text);
        return;
    }

    is_int(m->ir_version, 8, "IR version 8");
    ok(m->n_opset == 2 && m->opset[0].version == 17
       && maas_str_is(m->opset[1].domain, "ai.onnx.ml")
       && m->opset[1].version == 3, "both opsets");
    ok(maas_str_is(m->graph.in[0].sym[0], "N"), "axis 0 is N");
    ok(maas_str_is(m->graph.out[0].name, "y")
       && maas_str_is(m->graph.out[1].name, "label"), "outputs in order");

    ok(maas_onnx_write(m, NULL, 0, &bytes, &err) == MAAS_OK
       && maas_onnx_read(&back, &a, bytes.data, bytes.len, NULL, &err)
          == MAAS_OK && raw_same(m, back), "written, read, the same");

    run_sample(&bytes);
    maas_buf_destroy(&bytes);
    maas_arena_destroy(&a);
}


/* -- faults -------------------------------------------------------------- */

static void
fault(const char *text, void (*make)(maas_build_t *b), const char *what)
{
    maas_err_t               err = { 0 };
    maas_arena_t             a;
    maas_build_t            *b;
    const maas_raw_model_t  *m;

    maas_arena_init(&a, &maas_host_libc, 0);
    b = maas_build_create(&a);
    make(b);

    /* What comes after the first fault is quiet. */
    is_int((long long) maas_build_op1(b, "Relu", maas_str("?")).len, 0, what);
    maas_build_output(b, maas_str("?"), MAAS_F32, 0, NULL);

    ok(maas_build_done(b, &m, &err) != MAAS_OK, "%s", what);
    has_str(err.text, text, what);
    maas_arena_destroy(&a);
}


static void
make_unknown(maas_build_t *b)
{
    maas_build_input(b, "x", MAAS_F32, 2, dims_n3);
    maas_build_op2(b, "Add", maas_str("x"), maas_str("bias"));
}


static void
make_twice(maas_build_t *b)
{
    maas_build_input(b, "x", MAAS_F32, 2, dims_n3);
    maas_build_floats(b, "x", (float[]) { 1 }, 0, NULL);
}


static void
make_output(maas_build_t *b)
{
    maas_build_output(b, maas_str("nothing"), MAAS_F32, 2, dims_n3);
}


static void
make_domain(maas_build_t *b)
{
    maas_str_t  x = maas_build_input(b, "x", MAAS_F32, 2, dims_n3);

    maas_build_node(b, &(maas_build_node_t) { .op = "Foo", .in = &x,
                    .n_in = 1, .domain = "com.example" });
}


static void
make_rank(maas_build_t *b)
{
    int64_t  dims[9] = { 0 };

    maas_build_input(b, "x", MAAS_F32, 9, dims);
}


static void
make_overflow(maas_build_t *b)
{
    maas_build_floats(b, "w", NULL, 2,
                      (int64_t[]) { INT64_MAX / 2, INT64_MAX / 2 });
}


static void
test_faults(void)
{
    fault("node 0 (Add): nothing before it makes its input 1, 'bias'",
          make_unknown, "an input that nobody makes");
    fault("two values of the model are called 'x'", make_twice,
          "a name twice");
    fault("output 'nothing': no input, constant or node", make_output,
          "an output that nobody makes");
    fault("node 0 (Foo): models are not written with operators of domain "
          "'com.example'", make_domain, "another domain");
    fault("'x' has 9 dimensions", make_rank, "too many dimensions");
    fault("constant 'w': its shape overflows", make_overflow, "overflow");
}


static void
test_empty(void)
{
    maas_err_t               err = { 0 };
    maas_arena_t             a;
    const maas_raw_model_t  *m;

    maas_arena_init(&a, &maas_host_libc, 0);
    ok(maas_build_done(maas_build_create(&a), &m, &err) == MAAS_EINVAL
       && strstr(err.text, "no outputs") != NULL, "an empty model");
    maas_arena_destroy(&a);
}


/* Fresh names step aside for names that were given. */
static void
test_names(void)
{
    maas_str_t     x, y;
    maas_arena_t   a;
    maas_build_t  *b;

    maas_arena_init(&a, &maas_host_libc, 0);
    b = maas_build_create(&a);
    x = maas_build_input(b, "t_1", MAAS_F32, 2, dims_n3);
    y = maas_build_op1(b, "Relu", x);
    ok(y.len != 0 && !maas_str_eq(x, y), "a fresh name is fresh");

    for (int i = 0; i < 5000; i++) {
        y = maas_build_op1(b, "Relu", y);
    }

    ok(y.len != 0, "five thousand nodes");
    maas_arena_destroy(&a);
}


/* Every allocation refused in turn: an error each time, and no harm. */
static void
test_refused(void)
{
    int                      bad = 0;
    refuser_t                r = { 0 };
    maas_buf_t               bytes;
    maas_err_t               err;
    maas_host_t              host = refuser_host(&r);
    maas_arena_t             a;
    maas_build_t            *b;
    const maas_raw_model_t  *m = NULL;

    for (long k = 1; m == NULL && k < 1000; k++) {
        r.n = 0;
        r.refuse = k;
        maas_arena_init(&a, &host, 0);
        maas_buf_init(&bytes, &host);
        b = maas_build_create(&a);

        if (b != NULL) {
            m = sample(&a, &err);
            bad += m == NULL && err.status != MAAS_ENOMEM;

            if (m != NULL && maas_onnx_write(m, NULL, 0, &bytes, &err)
                             != MAAS_OK)
            {
                bad += err.status != MAAS_ENOMEM;
                m = NULL;
            }
        }

        maas_buf_destroy(&bytes);
        maas_arena_destroy(&a);
        bad += r.live != 0;
    }

    ok(bad == 0 && m != NULL, "every allocation refused in turn");
}


int
main(void)
{
    if (!ok(maas_init(NULL, NULL) == MAAS_OK, "init")) {
        return 1;
    }

    test_sample();
    test_faults();
    test_empty();
    test_names();
    test_refused();

    return done();
}
