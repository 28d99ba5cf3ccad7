/*
 * Scores as classes: the best k of a row, their probabilities, their labels.
 * maas_pass, :classify and kserve's classification rank through here, so
 * that a model names the same classes in every dialect.
 *
 * A row's scores are read where they lie; the k best are kept in a heap with
 * the worst of them at its root.
 *
 * Ownership: the caller's array; labels lie in the model or in the buffer
 *            given.
 * Threads:   reentrant.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/proto.h"


/* Best first; NaN last; equal scores by index. */
static int
classes_compare(const void *one, const void *two)
{
    const maas_proto_class_t  *a = one, *b = two;

    if (isnan(a->score) != isnan(b->score)) {
        return isnan(a->score) ? 1 : -1;
    }

    if (a->score != b->score && !isnan(a->score)) {
        return a->score < b->score ? 1 : -1;
    }

    return a->index < b->index ? -1 : 1;
}


static double
classes_score(const maas_tensor_t *t, int64_t i)
{
    const void  *data = t->data;

    switch (t->dtype) {

    case MAAS_F64:
        return ((const double *) data)[i];

    case MAAS_F16:
        return maas_f16_to_f32(((const uint16_t *) data)[i]);

    case MAAS_BF16:
        return maas_bf16_to_f32(((const uint16_t *) data)[i]);

    case MAAS_I8:
        return ((const int8_t *) data)[i];

    case MAAS_I16:
        return ((const int16_t *) data)[i];

    case MAAS_I32:
        return ((const int32_t *) data)[i];

    case MAAS_I64:
        return (double) ((const int64_t *) data)[i];

    case MAAS_U8:
    case MAAS_BOOL:
        return ((const uint8_t *) data)[i];

    case MAAS_U16:
        return ((const uint16_t *) data)[i];

    case MAAS_U32:
        return ((const uint32_t *) data)[i];

    case MAAS_U64:
        return (double) ((const uint64_t *) data)[i];
    }

    return ((const float *) data)[i];
}


/* Entry i may be better than those below it. */
static void
classes_sink(maas_proto_class_t *k, int64_t n, int64_t i)
{
    int64_t             next;
    maas_proto_class_t  e = k[i];

    for ( ;; ) {
        next = 2 * i + 1;

        if (next >= n) {
            break;
        }

        if (next + 1 < n && classes_compare(&k[next], &k[next + 1]) < 0) {
            next++;
        }

        if (classes_compare(&e, &k[next]) >= 0) {
            break;
        }

        k[i] = k[next];
        i = next;
    }

    k[i] = e;
}


/* Scores become shares of the whole row. */
static void
classes_softmax(const maas_tensor_t *t, int64_t first, int64_t n,
    maas_proto_class_t *k, int64_t top)
{
    double  v, max = -INFINITY, sum = 0;

    for (int64_t i = first; i < first + n; i++) {
        v = classes_score(t, i);
        max = v > max ? v : max;
    }

    for (int64_t i = first; i < first + n; i++) {
        sum += exp(classes_score(t, i) - max);
    }

    for (int64_t i = 0; i < top; i++) {
        k[i].score = exp(k[i].score - max) / sum;
    }
}


int64_t
maas_proto_class_count(const maas_tensor_t *t)
{
    return t->dims[maas_meta_class_axis(t->dims, t->rank)];
}


void
maas_proto_classes(const maas_tensor_t *t, int64_t first, int64_t n,
    bool softmax, maas_proto_class_t *k, int64_t top)
{
    maas_proto_class_t  e;

    for (int64_t i = 0; i < top; i++) {
        k[i].score = classes_score(t, first + i);
        k[i].index = i;
    }

    for (int64_t i = top < n ? top / 2 : 0; i-- > 0; /* void */ ) {
        classes_sink(k, top, i);
    }

    for (int64_t i = top; i < n && top != 0; i++) {
        e.score = classes_score(t, first + i);
        e.index = i;

        if (classes_compare(&e, &k[0]) < 0) {
            k[0] = e;
            classes_sink(k, top, 0);
        }
    }

    qsort(k, (size_t) top, sizeof(maas_proto_class_t), classes_compare);

    if (softmax) {
        classes_softmax(t, first, n, k, top);
    }
}


maas_str_t
maas_proto_class_label(const maas_proto_call_t *c, size_t out, int64_t index,
    char text[MAAS_CLASS_TEXT])
{
    int                   len;
    const maas_meta_t    *meta = c->route.m->meta;
    const maas_tensor_t  *keys;

    if (meta != NULL && meta->output == out && index < meta->n_labels) {
        return maas_meta_label(meta, (uint32_t) index);
    }

    if (!maas_proto_is_map(c, out)) {
        return (maas_str_t) { NULL, 0 };
    }

    keys = &c->keys[out];

    if (keys->dtype == MAAS_STRING) {
        return maas_tensor_str(keys, index);
    }

    len = snprintf(text, MAAS_CLASS_TEXT, "%lld",
                   (long long) ((const int64_t *) keys->data)[index]);

    return (maas_str_t) { text, (size_t) len };
}
