/*
 * onnx_run.h: compiles a model that a test wrote by hand, and runs it with
 * one input x, float32[1,4] = { 1, -2, 3, -4 }, and, when the model has it,
 * a boolean c.
 */

#ifndef MAAS_ONNX_RUN_H
#define MAAS_ONNX_RUN_H

#include "api/compile.h"
#include "pbwrite.h"
#include "tap.h"


typedef struct {
    maas_status_t  rc;
    maas_err_t     err;
    size_t         n;           /* elements of output 0 */
    float          y[16];
    size_t         n_node;
} ran_t;

static const float  run_x[4] = { 1, -2, 3, -4 };


static void
run_model(ran_t *r, maas_model_t *m, int c)
{
    size_t                    n;
    uint8_t                   flag = (uint8_t) c;
    maas_run_t               *run;
    maas_tensor_t             in[2] = { { 0 } }, y;
    const maas_port_t        *p = maas_model_inputs(m, &n);
    _Alignas(64) float        x[4];

    memcpy(x, run_x, sizeof(x));

    for (size_t i = 0; i < n && i < 2; i++) {
        if (maas_str_is(p[i].name, "x")) {
            in[i] = (maas_tensor_t) { .data = x, .bytes = sizeof(x),
                                      .dtype = MAAS_F32, .rank = 2,
                                      .dims = { 1, 4 } };
        } else {
            in[i] = (maas_tensor_t) { .data = &flag, .bytes = 1,
                                      .dtype = MAAS_BOOL };
        }
    }

    r->rc = maas_model_run(m, in, NULL, NULL, &run, &r->err);
    if (r->rc != MAAS_OK) {
        return;
    }

    maas_run_output(run, 0, &y, NULL);
    r->n = (size_t) maas_tensor_count(&y);

    if (y.dtype == MAAS_F32) {
        memcpy(r->y, y.data, maas_min(r->n, 16u) * sizeof(float));
    }

    maas_run_release(run);
}


/* Frees the bytes. */
__attribute__((unused))
static void
run_in(ran_t *r, pb_t b, const char *dir, int c)
{
    void            *image = NULL;
    size_t           size;
    maas_model_t    *m;
    maas_compile_t   spec = { 0 };

    memset(r, 0, sizeof(*r));
    r->rc = maas_compile_bytes(b.data, b.len, dir, &spec, &image, &size,
                               &r->err);
    maas_buf_destroy(&b);

    if (r->rc == MAAS_OK) {
        r->rc = maas_model_open(&m, image, size, NULL, &r->err);

        if (r->rc == MAAS_OK) {
            run_model(r, m, c);
            maas_model_release(m);
        }
    }

    maas_image_free(image);
}


/* y is a, b, c, d. */
__attribute__((unused))
static void
run_is(pb_t b, const char *dir, int flag, const float want[4],
    const char *what)
{
    ran_t  r;

    run_in(&r, b, dir, flag);

    if (!ok(r.rc == MAAS_OK && r.n == 4
            && memcmp(r.y, want, 4 * sizeof(float)) == 0, "%s", what))
    {
        printf("# %d %s: %zu: %g %g %g %g\n", r.rc, r.err.text,
               r.n, r.y[0], r.y[1], r.y[2], r.y[3]);
    }
}


__attribute__((unused))
static void
run_refused(pb_t b, const char *dir, maas_status_t rc, const char *text,
    const char *what)
{
    ran_t  r;

    run_in(&r, b, dir, 0);

    if (!ok(r.rc == rc && strstr(r.err.text, text) != NULL, "%s", what)) {
        printf("# %d: %s\n", r.rc, r.err.text);
    }
}


/* -- attributes and functions -------------------------------------------- */

/* An attribute that refers to one of the function. */
__attribute__((unused))
static pb_t
pb_attr_ref(const char *name, int type, const char *ref)
{
    pb_t  b = pb_new();

    pb_str(&b, 1, name);
    pb_int(&b, 20, type);
    pb_str(&b, 21, ref);
    return b;
}


__attribute__((unused))
static pb_t
pb_attr_float(const char *name, float v)
{
    pb_t  b = pb_new();

    pb_str(&b, 1, name);
    pb_float(&b, 2, v);
    pb_int(&b, 20, 1);
    return b;
}


__attribute__((unused))
static pb_t
pb_attr_graph(const char *name, pb_t graph)
{
    pb_t  b = pb_new();

    pb_str(&b, 1, name);
    pb_put(&b, 6, graph);
    pb_int(&b, 20, 5);
    return b;
}


__attribute__((unused))
static pb_t
pb_with(pb_t node, pb_t attr)
{
    pb_put(&node, 5, attr);
    return node;
}


/* A call: a node of domain "local". */
__attribute__((unused))
static pb_t
pb_call(const char *function, const char *name, const char *in,
    const char *out)
{
    pb_t  b = pb_node(function, name, in, out);

    pb_str(&b, 7, "local");
    return b;
}


/* FunctionProto of domain "local" without its nodes. */
__attribute__((unused))
static pb_t
pb_func(const char *name, const char *in, const char *out, int64_t opset)
{
    pb_t  b = pb_new(), set = pb_new();

    pb_str(&b, 1, name);
    pb_names(&b, 4, in);
    pb_names(&b, 5, out);
    pb_str(&b, 10, "local");
    pb_str(&set, 1, "");
    pb_int(&set, 2, opset);
    pb_put(&b, 9, set);
    set = pb_new();
    pb_str(&set, 1, "local");
    pb_int(&set, 2, 1);
    pb_put(&b, 9, set);
    return b;
}

#endif
