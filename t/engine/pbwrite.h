/*
 * pbwrite.h: writes ONNX messages by hand, field by field, so that tests
 * need no files and can write what no exporter would.
 *
 * Ownership: a maas_buf_t each; pb_put() takes the inner one and frees it.
 */

#ifndef MAAS_PBWRITE_H
#define MAAS_PBWRITE_H

#include "base/base.h"


typedef maas_buf_t  pb_t;


__attribute__((unused))
static pb_t
pb_new(void)
{
    pb_t  b;

    maas_buf_init(&b, &maas_host_libc);
    return b;
}


__attribute__((unused))
static void
pb_varint(pb_t *b, uint64_t v)
{
    char  c;

    do {
        c = (char) ((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
        maas_buf_add(b, &c, 1);
        v >>= 7;
    } while (v != 0);
}


__attribute__((unused))
static void
pb_int(pb_t *b, uint32_t field, int64_t v)
{
    pb_varint(b, (uint64_t) field << 3);
    pb_varint(b, (uint64_t) v);
}


__attribute__((unused))
static void
pb_bytes(pb_t *b, uint32_t field, const void *p, size_t n)
{
    pb_varint(b, (uint64_t) field << 3 | 2);
    pb_varint(b, n);
    maas_buf_add(b, p, n);
}


__attribute__((unused))
static void
pb_str(pb_t *b, uint32_t field, const char *s)
{
    pb_bytes(b, field, s, strlen(s));
}


__attribute__((unused))
static void
pb_float(pb_t *b, uint32_t field, float f)
{
    pb_varint(b, (uint64_t) field << 3 | 5);
    maas_buf_add(b, &f, sizeof(f));
}


__attribute__((unused))
static void
pb_put(pb_t *b, uint32_t field, pb_t inner)
{
    pb_bytes(b, field, inner.data, inner.len);
    maas_buf_destroy(&inner);
}


/* -- ONNX ---------------------------------------------------------------- */

/* TensorProto without data. */
__attribute__((unused))
static pb_t
pb_tensor(const char *name, int dtype, int rank, const int64_t *dims)
{
    pb_t  b = pb_new();

    for (int i = 0; i < rank; i++) {
        pb_int(&b, 1, dims[i]);
    }

    pb_int(&b, 2, dtype);
    pb_str(&b, 8, name);
    return b;
}


/* float32 in raw_data. */
__attribute__((unused))
static pb_t
pb_floats(const char *name, int rank, const int64_t *dims, const float *v,
    size_t n)
{
    pb_t  b = pb_tensor(name, 1, rank, dims);

    pb_bytes(&b, 9, v, n * sizeof(float));
    return b;
}


/* ValueInfoProto of a tensor; dims below 0 are the symbol "N". */
__attribute__((unused))
static pb_t
pb_port(const char *name, int dtype, int rank, const int64_t *dims)
{
    pb_t  b = pb_new(), type = pb_new(), tensor = pb_new();
    pb_t  shape = pb_new(), dim;

    for (int i = 0; i < rank; i++) {
        dim = pb_new();

        if (dims[i] < 0) {
            pb_str(&dim, 2, "N");

        } else {
            pb_int(&dim, 1, dims[i]);
        }

        pb_put(&shape, 1, dim);
    }

    pb_int(&tensor, 1, dtype);
    pb_put(&tensor, 2, shape);
    pb_put(&type, 1, tensor);
    pb_str(&b, 1, name);
    pb_put(&b, 2, type);
    return b;
}


/* NodeProto; names are separated by blanks, "-" is an empty one. */
__attribute__((unused))
static void
pb_names(pb_t *b, uint32_t field, const char *names)
{
    size_t  n;

    while (*names != '\0') {
        n = strcspn(names, " ");
        pb_bytes(b, field, names, n == 1 && *names == '-' ? 0 : n);
        names += n + (names[n] == ' ');
    }
}


__attribute__((unused))
static pb_t
pb_node(const char *op, const char *name, const char *in, const char *out)
{
    pb_t  b = pb_new();

    pb_names(&b, 1, in);
    pb_names(&b, 2, out);
    pb_str(&b, 3, name);
    pb_str(&b, 4, op);
    return b;
}


/* AttributeProto of an int. */
__attribute__((unused))
static pb_t
pb_attr_int(const char *name, int64_t v)
{
    pb_t  b = pb_new();

    pb_str(&b, 1, name);
    pb_int(&b, 3, v);
    pb_int(&b, 20, 2);
    return b;
}


/* ModelProto around a graph, which it frees. */
__attribute__((unused))
static pb_t
pb_model(pb_t graph, int64_t ir, int64_t opset)
{
    pb_t  b = pb_new(), set = pb_new();

    pb_int(&b, 1, ir);
    pb_put(&b, 7, graph);
    pb_str(&set, 1, "");
    pb_int(&set, 2, opset);
    pb_put(&b, 8, set);
    return b;
}

#endif
