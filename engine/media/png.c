/*
 * PNG by libpng: all colour types and depths, interlaced or not; alpha over
 * white.  libpng's memory is the host's, and chunks that say nothing about
 * the pixels are skipped unread.  As with JPEG, the frame that called
 * setjmp() cleans up, and damaged data is an error.
 */

#include <stdio.h>

#include <png.h>

#include "media/pixels.h"


typedef struct {
    png_structp         png;
    png_infop           info;
    const maas_host_t  *host;
    maas_reader_t       in;
    uint8_t            *rows;           /* with alpha */
    png_bytep          *row;
    maas_pixels_t      *px;
    maas_status_t       status;
    char                text[160];
} png_state_t;


static const png_byte  png_skipped[] =
    "bKGD\0cHRM\0eXIf\0gAMA\0hIST\0iCCP\0iTXt\0oFFs\0pCAL\0pHYs\0sBIT\0sCAL\0"
    "sPLT\0sRGB\0tEXt\0tIME\0zTXt";


static void
png_fatal(png_structp png, png_const_charp text)
{
    png_state_t  *st = png_get_error_ptr(png);

    if (st->text[0] == '\0') {
        snprintf(st->text, sizeof(st->text), "PNG: %s", text);
    }

    png_longjmp(png, 1);
}


static void
png_silent(png_structp png, png_const_charp text)
{
    (void) png;
    (void) text;
}


static png_voidp
png_take(png_structp png, png_alloc_size_t size)
{
    png_state_t  *st = png_get_mem_ptr(png);

    return maas_alloc(st->host, size);
}


static void
png_give(png_structp png, png_voidp p)
{
    png_state_t  *st = png_get_mem_ptr(png);

    maas_free(st->host, p);
}


static void
png_input(png_structp png, png_bytep out, size_t n)
{
    png_state_t    *st = png_get_io_ptr(png);
    const uint8_t  *p = maas_read_bytes(&st->in, n);

    if (p == NULL) {
        st->status = MAAS_ETRUNC;
        png_error(png, "the data ends too early");
    }

    memcpy(out, p, n);
}


/* Everything becomes 8-bit gray or RGB, with alpha where there was some. */
static void
png_transform(png_state_t *st)
{
    int  type = png_get_color_type(st->png, st->info);
    int  depth = png_get_bit_depth(st->png, st->info);

    if (type == PNG_COLOR_TYPE_PALETTE) {
        png_set_palette_to_rgb(st->png);
    }

    if (type == PNG_COLOR_TYPE_GRAY && depth < 8) {
        png_set_expand_gray_1_2_4_to_8(st->png);
    }

    if (png_get_valid(st->png, st->info, PNG_INFO_tRNS)) {
        png_set_tRNS_to_alpha(st->png);
    }

    if (depth == 16) {
        png_set_scale_16(st->png);
    }

    png_set_interlace_handling(st->png);
    png_read_update_info(st->png, st->info);
}


static inline uint8_t
png_over_white(unsigned v, unsigned alpha)
{
    return (uint8_t) ((v * alpha + 255 * (255 - alpha) + 127) / 255);
}


static void
png_flatten(const uint8_t *in, int from, maas_pixels_t *px)
{
    size_t    n = (size_t) px->width * px->height;
    uint8_t  *out = px->data;

    for (size_t i = 0; i < n; i++, in += from, out += px->channels) {
        unsigned  alpha = from % 2 == 0 ? in[from - 1] : 255;
        uint8_t   r = png_over_white(in[0], alpha);
        uint8_t   g = from < 3 ? r : png_over_white(in[1], alpha);
        uint8_t   b = from < 3 ? r : png_over_white(in[2], alpha);

        if (px->channels == 3) {
            out[0] = r;
            out[1] = g;
            out[2] = b;

        } else {
            out[0] = from < 3 ? r : maas_luma(r, g, b);
        }
    }
}


static maas_status_t
png_pixels(png_state_t *st, int channels, maas_err_t *err)
{
    int     from;
    size_t  step, bytes;

    from = png_get_channels(st->png, st->info);
    step = png_get_rowbytes(st->png, st->info);

    if (!maas_mul_size(step, st->px->height, &bytes)) {
        return maas_err(err, MAAS_ELIMIT, "PNG: too large");
    }

    st->row = maas_alloc(st->host, sizeof(png_bytep) * st->px->height);
    if (st->row == NULL) {
        return maas_err_nomem(err);
    }

    if (from == channels) {
        st->rows = NULL;

    } else {
        st->rows = maas_alloc(st->host, bytes);
        if (st->rows == NULL) {
            return maas_err_nomem(err);
        }
    }

    for (uint32_t y = 0; y < st->px->height; y++) {
        st->row[y] = (st->rows != NULL ? st->rows : st->px->data) + y * step;
    }

    png_read_image(st->png, st->row);
    png_read_end(st->png, NULL);

    if (st->rows != NULL) {
        png_flatten(st->rows, from, st->px);
    }

    return MAAS_OK;
}


/* Runs under setjmp(). */
static maas_status_t
png_decode(png_state_t *st, uint64_t max_pixels, int channels,
    maas_image_size_t *size, maas_err_t *err)
{
    png_set_read_fn(st->png, st, png_input);
    png_set_user_limits(st->png, 0x7fffffff, 0x7fffffff);
    png_set_keep_unknown_chunks(st->png, PNG_HANDLE_CHUNK_NEVER, png_skipped,
                                (int) (sizeof(png_skipped) / 5));

    png_read_info(st->png, st->info);

    size->width = png_get_image_width(st->png, st->info);
    size->height = png_get_image_height(st->png, st->info);

    MAAS_TRY(maas_pixels_limit(size->width, size->height, max_pixels, err));

    if (st->px == NULL) {
        return MAAS_OK;
    }

    MAAS_TRY(maas_pixels_alloc(st->px, st->host, size->width, size->height,
                               channels, err));
    png_transform(st);

    return png_pixels(st, channels, err);
}


maas_status_t
maas_png_read(const maas_host_t *host, const void *p, size_t n,
    uint64_t max_pixels, int channels, maas_image_size_t *size,
    maas_pixels_t *px, maas_err_t *err)
{
    png_state_t    st;
    maas_status_t  rc;

    memset(&st, 0, sizeof(st));

    if (px != NULL) {
        memset(px, 0, sizeof(*px));
    }

    st.host = host;
    st.px = px;
    st.status = MAAS_EINVAL;
    maas_reader_init(&st.in, p, n);

    st.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &st, png_fatal,
                                      png_silent, &st, png_take, png_give);
    if (st.png == NULL) {
        return maas_err_nomem(err);
    }

    st.info = png_create_info_struct(st.png);

    if (st.info == NULL) {
        rc = maas_err_nomem(err);

    } else if (setjmp(png_jmpbuf(st.png)) == 0) {
        rc = png_decode(&st, max_pixels, channels, size, err);

    } else {
        rc = maas_err(err, st.status, "%s", st.text);
    }

    png_destroy_read_struct(&st.png, &st.info, NULL);
    maas_free(host, st.rows);
    maas_free(host, st.row);

    if (rc != MAAS_OK && px != NULL) {
        maas_pixels_free(px, host);
    }

    return rc;
}
