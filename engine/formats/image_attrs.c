/*
 * image_attrs.c: the attributes of a node in an image: is every list that
 * the operator's struct names inside the bytes behind it?
 *
 * Ownership: nothing is kept.  Threads: reentrant.
 */

#include "formats/model_image.h"


static maas_status_t
image_attr_list(const char *attr, uint32_t bytes,
    const maas_attr_row_t *row)
{
    size_t                     want, align = 4;
    const maas_list_t         *l = (const maas_list_t *) (attr + row->off);
    const uint32_t            *s;
    const maas_attr_tensor_t  *h;
    maas_tensor_t              t;

    if (l->n == 0) {
        return MAAS_OK;
    }

    switch (row->type) {
    case MAAS_ATTR_INTS:
        align = 8;
        want = (size_t) l->n * 8;
        break;
    case MAAS_ATTR_STRINGS:
        want = (size_t) l->n * 8;
        break;
    case MAAS_ATTR_FLOATS:
        want = (size_t) l->n * 4;
        break;
    case MAAS_ATTR_TENSOR:
        align = _Alignof(maas_attr_tensor_t);
        want = sizeof(maas_attr_tensor_t);
        break;
    default:
        align = 1;
        want = l->n;
    }

    if (!maas_image_inside(l->off, want, bytes) || l->off % align != 0) {
        return MAAS_ETRUNC;
    }

    if (row->type == MAAS_ATTR_STRINGS) {
        s = (const uint32_t *) (attr + l->off);

        for (uint32_t i = 0; i < l->n; i++) {
            if (!maas_image_inside(s[2 * i], s[2 * i + 1], bytes)) {
                return MAAS_ETRUNC;
            }
        }
    }

    if (row->type == MAAS_ATTR_TENSOR) {
        h = (const maas_attr_tensor_t *) (attr + l->off);
        want = 0;

        if (h->rank > MAAS_RANK_MAX || h->dtype >= MAAS_DTYPES
            || h->dtype == MAAS_NODTYPE
            || !maas_image_inside(l->off + sizeof(*h), h->bytes, bytes)
            || !maas_list_tensor(attr, l, &t)
            || !maas_tensor_size(&t, 0, &want) || want > h->bytes)
        {
            return MAAS_ETRUNC;
        }
    }

    return MAAS_OK;
}


maas_status_t
maas_image_attrs(const maas_op_t *op, const void *attr, uint32_t bytes)
{
    int64_t                 v, words;
    const maas_attr_row_t  *row;

    if (bytes < op->attr_size) {
        return MAAS_ETRUNC;
    }

    for (int i = 0; i < op->n_attr; i++) {
        row = &op->attr[i];

        if (row->type == MAAS_ATTR_GRAPH) {
            continue;
        }

        if (row->type == MAAS_ATTR_INT || row->words != NULL) {
            memcpy(&v, (const char *) attr + row->off, sizeof(v));

            for (words = 0; row->words != NULL && row->words[words] != NULL;
                 words++) { /* void */ }

            if ((row->words != NULL && (v < 0 || v >= words))
                || (row->max > row->min && (v < row->min || v > row->max)))
            {
                return MAAS_ETRUNC;
            }

        } else if (row->type != MAAS_ATTR_FLOAT) {
            MAAS_TRY(image_attr_list(attr, bytes, row));
        }
    }

    return MAAS_OK;
}
