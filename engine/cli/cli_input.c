/*
 * Files as inputs of a model: .npy, .pb (TensorProto), .json, an image where
 * the model has an image preparation, or raw bytes.
 *
 * Memory: what is read stays until the command ends.
 */

#define _GNU_SOURCE

#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "formats/onnx.h"
#include "media/image.h"
#include "proto/json.h"


static maas_arena_t  input_arena;


int
cli_port(const maas_port_t *ports, size_t n, const char *name, size_t len)
{
    for (size_t i = 0; i < n; i++) {
        if (ports[i].name.len == len
            && memcmp(ports[i].name.data, name, len) == 0)
        {
            return (int) i;
        }
    }

    return -1;
}


void
cli_port_text(const maas_port_t *p, char *out, size_t n)
{
    size_t  at;

    at = p->kind == MAAS_KIND_TENSOR ? 0
         : (size_t) snprintf(out, n, "%s of ", maas_kind_name(p->kind));
    at += (size_t) snprintf(out + at, n - at, "%s",
                            maas_dtype_name(p->dtype));

    if (p->rank < 0) {
        snprintf(out + maas_min(at, n - 1), n - maas_min(at, n - 1),
                 " of any shape");
        return;
    }

    for (int d = 0; d < p->rank && at < n; d++) {
        const char  *sep = d == 0 ? " [" : ",";

        if (p->dims[d] >= 0) {
            at += (size_t) snprintf(out + at, n - at, "%s%lld", sep,
                                    (long long) p->dims[d]);
        } else {
            at += (size_t) snprintf(out + at, n - at, "%s%.*s", sep,
                                    p->sym[d].len == 0
                                    ? 1 : (int) maas_min(p->sym[d].len, 40),
                                    p->sym[d].len == 0 ? "?"
                                                       : p->sym[d].data);
        }
    }

    if (at < n) {
        snprintf(out + at, n - at, p->rank == 0 ? " []" : "]");
    }
}


static maas_arena_t *
input_mem(void)
{
    if (input_arena.host == NULL) {
        maas_arena_init(&input_arena, maas_host_default(), 0);
    }

    return &input_arena;
}


/* It stays. */
static maas_status_t
input_adopt(void *ctx, void *block, maas_err_t *err)
{
    (void) ctx;
    (void) err;

    return block != NULL ? MAAS_OK : maas_err_nomem(err);
}


static maas_status_t
input_list(const maas_port_t *port, const char *p, size_t n,
    maas_tensor_t *t, maas_err_t *err)
{
    maas_json_t       j;
    maas_json_list_t  l = { 0 };

    l.host = maas_host_default();
    l.arena = input_mem();
    l.adopt = input_adopt;
    l.limit = UINT64_C(1) << 32;
    l.kind = port->kind;
    l.inner = port->inner;
    l.key = port->key;
    l.dtype = port->dtype;

    maas_json_init(&j, p, n, err);
    MAAS_TRY(maas_json_list(&l, &j, t));

    return maas_json_end(&j);
}


static maas_status_t
input_json(const maas_port_t *port, const char *p, size_t n,
    maas_tensor_t *t, maas_err_t *err)
{
    void                *block;
    maas_json_t          j;
    maas_status_t        rc;
    maas_json_tensor_t   b;

    if (maas_kind_is_list(port->kind)) {
        return input_list(port, p, n, t, err);
    }

    memset(&b, 0, sizeof(b));
    b.host = maas_host_default();
    b.dtype = port->dtype;
    b.limit = UINT64_C(1) << 32;
    b.expect = -1;
    b.b64 = true;

    maas_json_init(&j, p, n, err);
    MAAS_TRY(maas_json_tensor_init(&b, (int64_t) (n / 2 + 1), err));

    rc = maas_json_tensor_read(&b, &j, false);

    if (rc == MAAS_OK) {
        rc = maas_json_end(&j);
    }

    if (rc == MAAS_OK) {
        rc = maas_json_tensor_done(&b, t, &block, err);
    }

    if (rc != MAAS_OK) {
        maas_json_tensor_destroy(&b);
    }

    return rc;
}


static maas_status_t
input_image(const cli_model_t *m, const maas_port_t *port, const void *p,
    size_t n, maas_tensor_t *t, maas_err_t *err)
{
    int                 rank;
    maas_image_size_t   size;
    const maas_prep_t  *prep = &maas_model_meta(m->m)->prep;

    MAAS_TRY(maas_image_size(p, n, 0, &size, err));
    MAAS_TRY(maas_image_dims(prep, &size, t->dims, &rank, err));

    t->rank = (uint8_t) rank;
    t->dtype = port->dtype;

    if (!maas_dtype_bytes(t->dtype, maas_dims_count(t->dims, rank),
                          &t->bytes))
    {
        return maas_err(err, MAAS_ELIMIT, "the image is too large");
    }

    t->data = aligned_alloc(MAAS_ALIGN, maas_align(t->bytes, MAAS_ALIGN));
    if (t->data == NULL) {
        return maas_err_nomem(err);
    }

    return maas_image_prepare(maas_host_default(), p, n, 0, prep, t, err);
}


/* At most one dynamic dimension, which the length gives. */
static maas_status_t
input_raw(const maas_port_t *port, void *p, size_t n, maas_tensor_t *t,
    maas_err_t *err)
{
    int      open = -1;
    char     want[160];
    size_t   bytes;
    int64_t  fixed = 1;

    cli_port_text(port, want, sizeof(want));
    t->dtype = port->dtype;

    if (port->rank < 0 || maas_dtype_size(port->dtype) == 0) {
        return maas_err(err, MAAS_EINVAL,
                        "raw bytes have no shape, and the input is %s", want);
    }

    t->rank = (uint8_t) port->rank;

    for (int d = 0; d < port->rank; d++) {
        t->dims[d] = port->dims[d];

        if (port->dims[d] >= 0) {
            fixed *= port->dims[d];

        } else if (open >= 0) {
            return maas_err(err, MAAS_EINVAL,
                            "raw bytes cannot tell the shape of %s", want);
        } else {
            open = d;
        }
    }

    if (!maas_dtype_bytes(port->dtype, fixed, &bytes)
        || (open < 0 ? bytes != n : bytes == 0 || n % bytes != 0))
    {
        return maas_err(err, MAAS_EINVAL,
                        "%zu raw bytes are no tensor of %s; other files end "
                        "in .npy, .pb or .json", n, want);
    }

    if (open >= 0) {
        t->dims[open] = (int64_t) (n / bytes);
    }

    t->data = p;
    t->bytes = n;
    return MAAS_OK;
}


static maas_status_t
input_file(const cli_model_t *m, size_t i, const maas_port_t *port,
    const char *file, void *p, size_t n, maas_tensor_t *t, maas_err_t *err)
{
    const maas_meta_t  *meta = maas_model_meta(m->m);

    if (maas_kind_is_list(port->kind) && !cli_ends(file, ".json")
        && !cli_ends(file, ".pb"))
    {
        return maas_err(err, MAAS_EINVAL, "the input is a %s: give a .json "
                        "or .pb file", maas_kind_name(port->kind));
    }

    if (cli_ends(file, ".npy")) {
        return maas_npy_read(p, n, t, err);
    }

    if (cli_ends(file, ".pb")) {
        return maas_kind_is_list(port->kind)
               ? maas_onnx_value(p, n, port->kind, input_mem(), t, err)
               : maas_onnx_tensor(p, n, input_mem(), t, NULL, err);
    }

    if (cli_ends(file, ".json")) {
        return input_json(port, p, n, t, err);
    }

    if (meta->prep.kind == MAAS_PREP_IMAGE && meta->prep.input == i
        && maas_image_sniff(p, n) != NULL)
    {
        return input_image(m, port, p, n, t, err);
    }

    return input_raw(port, p, n, t, err);
}


static maas_status_t
input_unknown(const maas_port_t *in, size_t n, const char *name, size_t len,
    maas_err_t *err)
{
    char    list[300] = "";
    size_t  at = 0;

    for (size_t i = 0; i < n && at < sizeof(list); i++) {
        at += (size_t) snprintf(list + at, sizeof(list) - at, "%s\"%.*s\"",
                                i == 0 ? "" : ", ", (int) in[i].name.len,
                                in[i].name.data);
    }

    return maas_err(err, MAAS_EINVAL,
                    "the model has no input \"%.*s\"; it takes %s",
                    (int) maas_min(len, 100u), name, n == 0 ? "none" : list);
}


maas_status_t
cli_input(const cli_model_t *m, const char *arg, maas_tensor_t *in,
    maas_err_t *err)
{
    int                 i;
    void               *p;
    size_t              n, len, bytes;
    const char         *eq, *file;
    maas_status_t       rc;
    const maas_port_t  *ports;

    ports = maas_model_inputs(m->m, &n);
    eq = strrchr(arg, '=');
    len = eq != NULL ? (size_t) (eq - arg) : 0;
    file = eq != NULL ? eq + 1 : arg;

    i = eq != NULL ? cli_port(ports, n, arg, len) : n == 1 ? 0 : -1;

    if (i < 0) {
        return input_unknown(ports, n, arg, eq != NULL ? len : strlen(arg),
                             err);
    }

    MAAS_TRY(cli_read(file, &p, &bytes, err));

    memset(&in[i], 0, sizeof(in[i]));
    rc = input_file(m, (size_t) i, &ports[i], file, p, bytes, &in[i], err);

    if (rc == MAAS_OK) {
        rc = maas_model_check_input(m->m, (size_t) i, &in[i], err);
    }

    if (rc != MAAS_OK) {
        (void) maas_err_prefix(err, "%s", file);
    }

    return rc;
}


void
cli_put_value(maas_buf_t *b, const maas_tensor_t *t, int64_t i)
{
    maas_json_put_elements(b, t, i, 1, MAAS_JSON_TOKENS);
}
