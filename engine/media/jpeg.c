/*
 * JPEG by libjpeg-turbo: baseline and progressive; gray, YCbCr, RGB, CMYK
 * and YCCK.  libjpeg reports errors by a callback that must not return, so
 * everything it may leave half done lies in one structure, and the frame
 * that called setjmp() cleans up.
 *
 * Damaged data is an error, not a gray area: libjpeg would only warn.  The
 * number of scans is bounded, since each costs a pass over the image.
 */

#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>
#include <jerror.h>

#include "media/pixels.h"


#define JPEG_SCANS_MAX  500


typedef struct {
    struct jpeg_error_mgr          base;
    struct jpeg_progress_mgr       progress;
    struct jpeg_decompress_struct  c;
    jmp_buf                        jump;
    maas_status_t                  status;
    char                           text[JMSG_LENGTH_MAX + 32];
    uint8_t                       *row;         /* CMYK or RGB */
    maas_pixels_t                 *px;
} jpeg_state_t;


static void
jpeg_fatal(j_common_ptr c)
{
    jpeg_state_t  *st = (jpeg_state_t *) c->err;
    char           text[JMSG_LENGTH_MAX];

    c->err->format_message(c, text);
    snprintf(st->text, sizeof(st->text), "JPEG: %s", text);

    st->status = c->err->msg_code == JERR_OUT_OF_MEMORY ? MAAS_ENOMEM
                                                        : MAAS_EINVAL;
    longjmp(st->jump, 1);
}


static void
jpeg_warning(j_common_ptr c, int level)
{
    if (level >= 0) {
        return;
    }

    switch (c->err->msg_code) {

    case JWRN_JPEG_EOF:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
        jpeg_fatal(c);
        break;

    default:
        c->err->num_warnings++;
    }
}


static void
jpeg_silent(j_common_ptr c)
{
    (void) c;
}


static void
jpeg_pass(j_common_ptr c)
{
    jpeg_state_t  *st = (jpeg_state_t *) c->err;

    if (st->c.input_scan_number > JPEG_SCANS_MAX) {
        snprintf(st->text, sizeof(st->text), "JPEG: more than %d scans",
                 JPEG_SCANS_MAX);
        st->status = MAAS_ELIMIT;
        longjmp(st->jump, 1);
    }
}


/* Inks to light; files of Adobe's programs store inks inverted. */
static void
jpeg_cmyk(const uint8_t *in, uint8_t *rgb, uint32_t width, bool inverted)
{
    for (uint32_t x = 0; x < width; x++, in += 4, rgb += 3) {
        for (int i = 0; i < 3; i++) {
            unsigned  ink = inverted ? in[i] : 255u - in[i];
            unsigned  key = inverted ? in[3] : 255u - in[3];

            rgb[i] = (uint8_t) ((ink * key + 127) / 255);
        }
    }
}


static void
jpeg_rows(jpeg_state_t *st, const maas_host_t *host, int channels)
{
    bool                            cmyk;
    uint8_t                        *out;
    size_t                          step;
    struct jpeg_decompress_struct  *c = &st->c;

    cmyk = c->out_color_space == JCS_CMYK;
    step = (size_t) st->px->width * st->px->channels;

    if (cmyk || (channels == 1 && c->out_color_space == JCS_RGB)) {
        st->row = maas_alloc(host, (size_t) st->px->width * 8);
        if (st->row == NULL) {
            ERREXIT1(c, JERR_OUT_OF_MEMORY, 0);
        }
    }

    while (c->output_scanline < c->output_height) {
        out = st->px->data + c->output_scanline * step;

        if (st->row == NULL) {
            jpeg_read_scanlines(c, (JSAMPARRAY) &out, 1);
            continue;
        }

        jpeg_read_scanlines(c, (JSAMPARRAY) &st->row, 1);

        if (cmyk) {
            uint8_t  *rgb = channels == 1
                            ? st->row + (size_t) st->px->width * 4 : out;

            jpeg_cmyk(st->row, rgb, st->px->width, c->saw_Adobe_marker);
            if (channels == 3) {
                continue;
            }

            memmove(st->row, rgb, (size_t) st->px->width * 3);
        }

        for (uint32_t x = 0; x < st->px->width; x++) {
            const uint8_t  *s = st->row + 3 * (size_t) x;

            out[x] = maas_luma(s[0], s[1], s[2]);
        }
    }
}


static void
jpeg_spread(maas_pixels_t *px)
{
    size_t  n = (size_t) px->width * px->height;

    while (n-- != 0) {
        uint8_t  v = px->data[n];

        px->data[3 * n] = v;
        px->data[3 * n + 1] = v;
        px->data[3 * n + 2] = v;
    }
}


/* Runs under setjmp(); errors of ours come back by the status. */
static maas_status_t
jpeg_decode(jpeg_state_t *st, const maas_host_t *host, uint64_t max_pixels,
    int channels, maas_image_size_t *size, maas_err_t *err)
{
    bool                            gray;
    struct jpeg_decompress_struct  *c = &st->c;

    if (jpeg_read_header(c, TRUE) != JPEG_HEADER_OK) {
        return maas_err(err, MAAS_EINVAL, "JPEG: no image in it");
    }

    size->width = c->image_width;
    size->height = c->image_height;

    MAAS_TRY(maas_pixels_limit(size->width, size->height, max_pixels, err));

    if (st->px == NULL) {
        return MAAS_OK;
    }

    gray = c->jpeg_color_space == JCS_GRAYSCALE;

    switch (c->jpeg_color_space) {

    case JCS_GRAYSCALE:
        c->out_color_space = JCS_GRAYSCALE;
        break;

    case JCS_CMYK:
    case JCS_YCCK:
        c->out_color_space = JCS_CMYK;
        break;

    default:
        c->out_color_space = JCS_RGB;
    }

    MAAS_TRY(maas_pixels_alloc(st->px, host, size->width, size->height,
                               channels, err));

    jpeg_start_decompress(c);

    if (gray) {
        st->px->channels = 1;
    }

    jpeg_rows(st, host, gray ? 3 : channels);
    jpeg_finish_decompress(c);

    if (gray && channels == 3) {
        jpeg_spread(st->px);
    }

    st->px->channels = channels;
    return MAAS_OK;
}


maas_status_t
maas_jpeg_read(const maas_host_t *host, const void *p, size_t n,
    uint64_t max_pixels, int channels, maas_image_size_t *size,
    maas_pixels_t *px, maas_err_t *err)
{
    maas_status_t  rc;
    jpeg_state_t   st;

    memset(&st, 0, sizeof(st));

    if (px != NULL) {
        memset(px, 0, sizeof(*px));
    }

    st.px = px;
    st.c.err = jpeg_std_error(&st.base);
    st.base.error_exit = jpeg_fatal;
    st.base.emit_message = jpeg_warning;
    st.base.output_message = jpeg_silent;

    if (setjmp(st.jump) == 0) {
        jpeg_create_decompress(&st.c);
        st.progress.progress_monitor = jpeg_pass;
        st.c.progress = &st.progress;
        jpeg_mem_src(&st.c, p, n);

        rc = jpeg_decode(&st, host, max_pixels, channels, size, err);

    } else {
        rc = maas_err(err, st.status, "%s", st.text);
    }

    jpeg_destroy_decompress(&st.c);
    maas_free(host, st.row);

    if (rc != MAAS_OK && px != NULL) {
        maas_pixels_free(px, host);
    }

    return rc;
}
