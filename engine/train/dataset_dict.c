/*
 * The strings of a category while a dataset is written: a hash table of
 * numbers by string, in the order of first sight.
 *
 * Ownership: the writer's.
 * Threads:   one writer, one thread.
 */

#include "train/dataset_writer.h"


static inline uint64_t
dict_hash(maas_str_t s)
{
    size_t    n = s.len;
    uint64_t  v, h = s.len * UINT64_C(0x9e3779b97f4a7c15) + 1;

    for (const char *p = s.data; n != 0; p += sizeof(v)) {
        v = 0;
        memcpy(&v, p, maas_min(n, sizeof(v)));
        h = (h ^ v) * UINT64_C(0xd6e8feb86659fd93);
        h ^= h >> 32;

        if (n <= sizeof(v)) {
            break;
        }

        n -= sizeof(v);
    }

    return h ^ h >> 29;
}


static bool
dict_grow(maas_dataset_writer_t *w, dsw_dict_t *d)
{
    uint32_t  *slot, n = d->n_slot == 0 ? 64 : d->n_slot * 2;
    uint64_t   h;

    slot = maas_calloc(w->host, n, sizeof(*slot));
    if (slot == NULL) {
        return false;
    }

    for (uint32_t i = 0; i < d->n; i++) {
        h = dict_hash(dsw_string(d, i));

        while (slot[h & (n - 1)] != 0) {
            h++;
        }

        slot[h & (n - 1)] = i + 1;
    }

    maas_free(w->host, d->slot);
    d->slot = slot;
    d->n_slot = n;
    return true;
}


uint32_t
maas_dataset_dict_code(maas_dataset_writer_t *w, dsw_dict_t *d, maas_str_t s,
    bool add)
{
    size_t     cost = s.len + 2 * sizeof(size_t) + 2 * sizeof(uint32_t);
    size_t     end;
    int64_t    none = 0;
    uint64_t   h = dict_hash(s);
    uint32_t  *slot = NULL;

    if (d->n_slot != 0) {
        for ( ;; h++) {
            slot = &d->slot[h & (d->n_slot - 1)];

            if (*slot == 0) {
                break;
            }

            if (maas_str_eq(dsw_string(d, *slot - 1), s)) {
                return *slot - 1;
            }
        }
    }

    if (!add || d->n == MAAS_DATASET_CLASSES || cost > w->dict_left) {
        return DSW_NONE;
    }

    end = d->bytes.len + s.len;
    maas_buf_add(&d->bytes, s.data, s.len);
    maas_buf_add(&d->end, &end, sizeof(end));
    maas_buf_add(&d->count, &none, sizeof(none));

    if (d->bytes.failed || d->end.failed || d->count.failed) {
        (void) maas_err_nomem(&w->err);
        return DSW_NONE;
    }

    w->dict_left -= cost;
    d->n++;

    if (d->n > d->n_slot / 2) {
        if (!dict_grow(w, d)) {
            (void) maas_err_nomem(&w->err);
            return DSW_NONE;
        }

    } else {
        *slot = d->n;
    }

    return d->n - 1;
}


void
maas_dataset_dict_free(maas_dataset_writer_t *w, dsw_dict_t *d)
{
    maas_buf_destroy(&d->bytes);
    maas_buf_destroy(&d->end);
    maas_buf_destroy(&d->count);
    maas_free(w->host, d->slot);
}
