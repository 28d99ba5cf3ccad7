/*
 * All outputs as one .npz file, the archive that numpy.load() reads: a zip
 * whose members are NAME.npy, stored without compression.  Outputs come
 * from a model of any size, so offsets are checked against the 32 bits that
 * the format has.
 *
 * Ownership: the call's text.
 * Threads:   a call belongs to one thread at a time.
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */

#include <zlib.h>

#include "proto/pass_stages.h"


#define NPZ_LOCAL    0x04034b50
#define NPZ_CENTRAL  0x02014b50
#define NPZ_END      0x06054b50
#define NPZ_VERSION  20
#define NPZ_UTF8     0x0800
#define NPZ_DATE     0x0021         /* 1980-01-01, the first there is */


typedef struct {
    maas_str_t  name;
    uint32_t    offset;
    uint32_t    size;
    uint32_t    crc;
} npz_member_t;


static void
npz_u16(maas_buf_t *b, unsigned v)
{
    char  p[2] = { (char) v, (char) (v >> 8) };

    maas_buf_add(b, p, sizeof(p));
}


static void
npz_u32(maas_buf_t *b, uint32_t v)
{
    npz_u16(b, v & 0xffff);
    npz_u16(b, v >> 16);
}


/* From "version needed" to the lengths of name and extra field. */
static void
npz_header(maas_buf_t *b, const npz_member_t *m)
{
    npz_u16(b, NPZ_VERSION);
    npz_u16(b, NPZ_UTF8);
    npz_u16(b, 0);                  /* stored */
    npz_u16(b, 0);                  /* time */
    npz_u16(b, NPZ_DATE);
    npz_u32(b, m->crc);
    npz_u32(b, m->size);
    npz_u32(b, m->size);
    npz_u16(b, (unsigned) m->name.len + 4);
    npz_u16(b, 0);
}


static void
npz_name(maas_buf_t *b, const npz_member_t *m)
{
    maas_buf_add(b, m->name.data, m->name.len);
    maas_buf_puts(b, ".npy");
}


/* The local header is written again when size and checksum are known. */
static maas_status_t
npz_add(maas_buf_t *b, npz_member_t *m, const maas_tensor_t *t,
    maas_err_t *err)
{
    size_t      start;
    maas_buf_t  head;

    if (b->len > UINT32_MAX) {
        return maas_err(err, MAAS_ELIMIT, "the outputs are too large for one "
                        ".npz file");
    }

    m->offset = (uint32_t) b->len;
    npz_u32(b, NPZ_LOCAL);
    npz_header(b, m);
    npz_name(b, m);

    start = b->len;
    MAAS_TRY(maas_npy_write(b, t, err));

    if (b->len - start > UINT32_MAX) {
        return maas_err(err, MAAS_ELIMIT, "an output is too large for a .npz "
                        "file");
    }

    m->size = (uint32_t) (b->len - start);
    m->crc = (uint32_t) crc32_z(0, (const uint8_t *) b->data + start,
                                m->size);

    maas_buf_init(&head, b->host);
    npz_header(&head, m);

    if (!head.failed) {
        memcpy(b->data + m->offset + 4, head.data, head.len);
    }

    b->failed = head.failed;
    maas_buf_destroy(&head);

    return b->failed ? maas_err_nomem(err) : MAAS_OK;
}


static maas_status_t
npz_end(maas_buf_t *b, const npz_member_t *m, size_t n, maas_err_t *err)
{
    size_t  start = b->len;

    for (size_t i = 0; i < n; i++) {
        npz_u32(b, NPZ_CENTRAL);
        npz_u16(b, NPZ_VERSION);    /* made by */
        npz_header(b, &m[i]);
        npz_u16(b, 0);              /* comment, disk, attributes */
        npz_u16(b, 0);
        npz_u16(b, 0);
        npz_u32(b, 0);
        npz_u32(b, m[i].offset);
        npz_name(b, &m[i]);
    }

    if (start > UINT32_MAX) {
        return maas_err(err, MAAS_ELIMIT, "the outputs are too large for one "
                        ".npz file");
    }

    npz_u32(b, NPZ_END);
    npz_u16(b, 0);
    npz_u16(b, 0);
    npz_u16(b, (unsigned) n);
    npz_u16(b, (unsigned) n);
    npz_u32(b, (uint32_t) (b->len - 12 - start));
    npz_u32(b, (uint32_t) start);
    npz_u16(b, 0);

    return b->failed ? maas_err_nomem(err) : MAAS_OK;
}


maas_status_t
maas_pass_put_npz(maas_proto_call_t *c, maas_err_t *err)
{
    npz_member_t              *m;
    const maas_proto_model_t  *model = c->route.m;

    if (model->n_out > UINT16_MAX) {
        return maas_err(err, MAAS_EUNSUPPORTED, "%zu outputs are too many for "
                        "a .npz file", model->n_out);
    }

    m = maas_arena_array(c->arena, model->n_out, sizeof(npz_member_t));
    if (m == NULL) {
        return maas_err_nomem(err);
    }

    for (size_t i = 0; i < model->n_out; i++) {
        m[i].name = model->out[i].name;
        m[i].name.len = maas_min(m[i].name.len, 4096u);
        MAAS_TRY(npz_add(&c->text, &m[i], &c->out[i], err));
    }

    MAAS_TRY(npz_end(&c->text, m, model->n_out, err));
    c->type = maas_str("application/x-npz");

    return MAAS_OK;
}
