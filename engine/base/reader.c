/*
 * The bounded reader: little-endian integers and protobuf varints out of
 * untrusted bytes.  A read past the end returns zero and sets `failed`.
 *
 * Ownership: none; the bytes belong to the caller.
 * Threads:   one reader, one thread.
 */

#include "base/base.h"


uint8_t
maas_read_u8(maas_reader_t *r)
{
    const uint8_t  *p = maas_read_bytes(r, 1);

    return p != NULL ? p[0] : 0;
}


uint16_t
maas_read_u16(maas_reader_t *r)
{
    const uint8_t  *p = maas_read_bytes(r, 2);

    return p != NULL ? (uint16_t) (p[0] | p[1] << 8) : 0;
}


uint32_t
maas_read_u32(maas_reader_t *r)
{
    const uint8_t  *p = maas_read_bytes(r, 4);

    if (p == NULL) {
        return 0;
    }

    return (uint32_t) p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16
           | (uint32_t) p[3] << 24;
}


uint64_t
maas_read_u64(maas_reader_t *r)
{
    const uint8_t  *p = maas_read_bytes(r, 8);
    uint64_t        v = 0;

    if (p == NULL) {
        return 0;
    }

    for (int i = 7; i >= 0; i--) {
        v = v << 8 | p[i];
    }

    return v;
}


uint64_t
maas_read_varint(maas_reader_t *r)
{
    uint8_t   c;
    uint64_t  v = 0;

    for (int shift = 0; shift < 70; shift += 7) {
        c = maas_read_u8(r);

        if (r->failed) {
            return 0;
        }

        /* The tenth byte has room for one bit. */
        if (shift == 63 && c > 1) {
            break;
        }

        v |= (uint64_t) (c & 0x7f) << shift;

        if (c < 0x80) {
            return v;
        }
    }

    r->failed = true;
    r->pos = r->end;

    return 0;
}
