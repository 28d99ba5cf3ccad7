/*
 * JPEG and PNG preparation.  Six bytes choose the preparation, the rest is
 * the file.
 */

#include <stdlib.h>

#include "media/image.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
fuzz_prep(maas_prep_t *p, const uint8_t *d)
{
    memset(p, 0, sizeof(*p));

    p->kind = MAAS_PREP_IMAGE;
    p->fit = d[0] % 3;
    p->layout = d[0] / 3 % 3;
    p->color = d[0] / 9 % 3;
    p->invert = d[0] >> 7;
    p->pad = d[1];
    p->width = d[2] % 65;
    p->height = d[3] % 65;
    p->resize = p->fit == MAAS_FIT_CROP ? d[4] : 0;
    p->scale = 1;

    for (int i = 0; i < 4; i++) {
        p->std[i] = 1;
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                rank;
    maas_err_t         err;
    maas_prep_t        prep;
    maas_tensor_t      t;
    maas_image_size_t  is;

    if (size < 6) {
        return 0;
    }

    fuzz_prep(&prep, data);
    memset(&t, 0, sizeof(t));

    if (maas_image_size(data + 6, size - 6, 1 << 18, &is, &err) != MAAS_OK
        || maas_image_dims(&prep, &is, t.dims, &rank, &err) != MAAS_OK)
    {
        return 0;
    }

    t.rank = (uint8_t) rank;
    t.dtype = data[5] & 1 ? MAAS_U8 : MAAS_F32;

    if (!maas_dtype_bytes(t.dtype, maas_tensor_count(&t), &t.bytes)) {
        return 0;
    }

    t.data = malloc(t.bytes);

    if (t.data != NULL) {
        (void) maas_image_prepare(&maas_host_libc, data + 6, size - 6,
                                  1 << 18, &prep, &t, &err);
    }

    free(t.data);
    return 0;
}
