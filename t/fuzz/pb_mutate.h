/*
 * pb_mutate.h: changes protobuf messages without breaking their lengths.
 * Fields are told apart by their wire types alone; what can be read as a
 * message is one.  Each call changes one field: its value, its place among
 * the others of the message, or whether it is there.  Texts are replaced by
 * others of the file, so that nodes get other inputs and operators.
 *
 * Ownership: of the caller; what is written lies in its buffer.
 * Threads:   one.
 */

#ifndef MAAS_PB_MUTATE_H
#define MAAS_PB_MUTATE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>


#define PBM_DEPTH   12
#define PBM_SHORT   64              /* longer ones are no names */

typedef struct {
    uint64_t        key, value;     /* of wire type 0 */
    const uint8_t  *start, *p;      /* of the field, of its bytes */
    size_t          n;
} pbm_field_t;

typedef struct {
    uint64_t        seed;
    size_t          at;             /* number of the field */
    size_t          target;
    pbm_field_t     other;          /* text that may take another's place */
    size_t          texts;
} pbm_t;

typedef struct {
    uint8_t  *p;
    size_t    n, cap;
    bool      full;
} pbm_out_t;


static uint32_t
pbm_random(pbm_t *m, uint32_t n)
{
    m->seed = m->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t) (m->seed >> 33) % n;
}


static bool
pbm_varint(const uint8_t **p, const uint8_t *end, uint64_t *v)
{
    *v = 0;

    for (int shift = 0; *p < end && shift < 64; shift += 7) {
        *v |= (uint64_t) (**p & 127) << shift;

        if ((*(*p)++ & 128) == 0) {
            return true;
        }
    }

    return false;
}


/* The next field; false: there is none that makes sense. */
static bool
pbm_next(const uint8_t **p, const uint8_t *end, pbm_field_t *f)
{
    f->start = *p;

    if (!pbm_varint(p, end, &f->key) || f->key >> 3 == 0
        || f->key >> 3 > 30)
    {
        return false;
    }

    f->p = *p;
    f->n = 0;

    switch (f->key & 7) {

    case 0:
        return pbm_varint(p, end, &f->value);

    case 1:
        f->n = 8;
        break;

    case 2:
        if (!pbm_varint(p, end, &f->value)) {
            return false;
        }

        f->p = *p;
        f->n = f->value < SIZE_MAX ? (size_t) f->value : SIZE_MAX;
        break;

    case 5:
        f->n = 4;
        break;

    default:
        return false;
    }

    if (f->n > (size_t) (end - *p)) {
        return false;
    }

    *p += f->n;
    return true;
}


static bool
pbm_message(const uint8_t *p, size_t n)
{
    pbm_field_t     f;
    const uint8_t  *end = p + n;

    while (p < end) {
        if (!pbm_next(&p, end, &f)) {
            return false;
        }
    }

    return n >= 2;
}


static void
pbm_put(pbm_out_t *o, const void *p, size_t n)
{
    if (n > o->cap - o->n) {
        o->full = true;
        return;
    }

    if (n != 0) {
        memcpy(o->p + o->n, p, n);
    }

    o->n += n;
}


static void
pbm_put_varint(pbm_out_t *o, uint64_t v)
{
    uint8_t  c;

    do {
        c = (uint8_t) ((v & 127) | (v > 127 ? 128 : 0));
        pbm_put(o, &c, 1);
        v >>= 7;
    } while (v != 0);
}


static uint64_t
pbm_number(pbm_t *m, uint64_t v)
{
    static const int64_t  odd[] = { 0, 1, 2, 3, -1, -2, 7, 16, 255, 65536,
                                    INT32_MAX, INT64_MAX, INT64_MIN };

    switch (pbm_random(m, 4)) {

    case 0:
        return v + pbm_random(m, 5) - 2;

    case 1:
        return v ^ (uint64_t) 1 << pbm_random(m, 64);

    case 2:
        return pbm_random(m, 24);

    default:
        return (uint64_t) odd[pbm_random(m, sizeof(odd) / sizeof(*odd))];
    }
}


/* Bytes with one number or byte of them changed. */
static void
pbm_bytes(pbm_t *m, pbm_out_t *o, const pbm_field_t *f)
{
    size_t    size, at = o->n, n = f->n;
    uint64_t  v = 0;

    if (m->other.p != NULL && n <= PBM_SHORT && pbm_random(m, 4) != 0) {
        pbm_put_varint(o, m->other.n);
        pbm_put(o, m->other.p, m->other.n);
        return;
    }

    if (n != 0 && pbm_random(m, 4) == 0) {
        n -= pbm_random(m, 2) ? pbm_random(m, (uint32_t) n) + 1 : n / 2;
    }

    pbm_put_varint(o, n);
    at = o->n;
    pbm_put(o, f->p, n);

    if (o->full || n == 0) {
        return;
    }

    size = (size_t) 1 << pbm_random(m, 4);
    size = size <= n ? size : 1;
    at += pbm_random(m, (uint32_t) (n / size)) * size;
    memcpy(&v, o->p + at, size);
    v = pbm_number(m, v);
    memcpy(o->p + at, &v, size);
}


static void
pbm_change(pbm_t *m, pbm_out_t *o, const pbm_field_t *f,
    const uint8_t *end)
{
    uint64_t               v = 0;
    static const uint32_t  odd[] = { 0x7fc00000, 0xff800000, 0, 0x80000000,
                                     0xbf800000, 0x00000001, 0x7f7fffff };

    switch (pbm_random(m, 8)) {

    case 0:                         /* goes */
        return;

    case 1:                         /* comes twice */
        pbm_put(o, f->start, (size_t) (end - f->start));
        pbm_put(o, f->start, (size_t) (end - f->start));
        return;
    }

    pbm_put_varint(o, f->key);

    switch (f->key & 7) {

    case 0:
        pbm_put_varint(o, pbm_number(m, f->value));
        break;

    case 2:
        pbm_bytes(m, o, f);
        break;

    default:
        v = odd[pbm_random(m, sizeof(odd) / sizeof(*odd))];
        pbm_put(o, &v, f->n);
    }
}


/* Writes a message; the field m->target is another.  o NULL: counts. */
static void
pbm_write(pbm_t *m, pbm_out_t *o, const uint8_t *p, size_t n, int depth)
{
    size_t          at, room;
    uint8_t         head[10];
    pbm_out_t       h = { .p = head, .cap = sizeof(head) };
    pbm_field_t     f;
    const uint8_t  *end = p + n;

    while (p < end && pbm_next(&p, end, &f)) {
        bool  nested = (f.key & 7) == 2 && depth < PBM_DEPTH
                       && pbm_message(f.p, f.n);

        /* One of the texts, all alike probable. */
        if (o == NULL && (f.key & 7) == 2 && !nested && f.n <= PBM_SHORT
            && pbm_random(m, (uint32_t) ++m->texts) == 0)
        {
            m->other = f;
        }

        if (m->at++ == m->target && o != NULL) {
            pbm_change(m, o, &f, p);
            continue;
        }

        if (!nested) {
            if (o != NULL) {
                pbm_put(o, f.start, (size_t) (p - f.start));
            }

            continue;
        }

        if (o == NULL) {
            pbm_write(m, NULL, f.p, f.n, depth + 1);
            continue;
        }

        /* The length goes before what it is the length of. */
        pbm_put_varint(o, f.key);
        at = o->n;
        pbm_write(m, o, f.p, f.n, depth + 1);
        room = o->n - at;
        h.n = 0;
        pbm_put_varint(&h, room);

        if (o->full || h.n > o->cap - o->n) {
            o->full = true;
            return;
        }

        memmove(o->p + at + h.n, o->p + at, room);
        memcpy(o->p + at, head, h.n);
        o->n += h.n;
    }
}


/*
 * Changes the message in p in place; the new size, or 0: it is none, or it
 * does not fit.  work has as much room as p.
 */
static size_t
pbm_mutate(uint8_t *p, size_t n, uint8_t *work, size_t cap, uint64_t seed)
{
    pbm_t      m = { .seed = seed, .target = SIZE_MAX };
    pbm_out_t  o = { .p = work, .cap = cap };

    if (!pbm_message(p, n)) {
        return 0;
    }

    (void) pbm_random(&m, 2);
    pbm_write(&m, NULL, p, n, 0);
    m.target = pbm_random(&m, (uint32_t) m.at);
    m.at = 0;
    pbm_write(&m, &o, p, n, 0);

    if (o.full) {
        return 0;
    }

    memcpy(p, work, o.n);
    return o.n;
}


/* -- libFuzzer's, and that of fuzz_main.c -------------------------------- */

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
    unsigned seed);


/* One to four fields; now and then bytes, as for any file. */
size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
    unsigned seed)
{
    size_t    n = 0;
    uint8_t  *work;

    if (seed % 8 == 0) {
        return LLVMFuzzerMutate(data, size, max);
    }

    work = malloc(max);

    for (unsigned i = 0; work != NULL && i <= seed / 8 % 4; i++) {
        n = pbm_mutate(data, size, work, max,
                       ((uint64_t) seed << 8 | i) * 0x9e3779b97f4a7c15u);
        size = n != 0 ? n : size;
    }

    free(work);
    return n != 0 ? n : LLVMFuzzerMutate(data, size, max);
}

#endif
