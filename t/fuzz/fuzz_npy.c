/*
 * Fuzz target: the .npy reader.  What it accepts lies inside the bytes given
 * and is written and read back as the same tensor.
 */

#include <stdlib.h>

#include "tensor/tensor.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char           *copy;
    size_t          bytes;
    maas_buf_t      b;
    maas_err_t      err;
    maas_tensor_t   t, u;

    /* A header of any length leaves the data unaligned now and then. */
    copy = aligned_alloc(64, (size + 64) & ~(size_t) 63);
    memcpy(copy, data, size);

    if (maas_npy_read(copy, size, &t, &err) == MAAS_OK) {

        if (!maas_dtype_bytes(t.dtype, maas_dims_count(t.dims, t.rank),
                              &bytes)
            || bytes != t.bytes || (char *) t.data < copy
            || (char *) t.data + bytes > copy + size)
        {
            abort();
        }

        maas_buf_init(&b, &maas_host_libc);

        if (maas_npy_write(&b, &t, &err) != MAAS_OK
            || maas_npy_read(b.data, b.len, &u, &err) != MAAS_OK
            || u.dtype != t.dtype || u.rank != t.rank
            || u.bytes != t.bytes
            || memcmp(u.dims, t.dims, sizeof(t.dims)) != 0
            || (bytes != 0 && memcmp(u.data, t.data, bytes) != 0))
        {
            abort();
        }

        maas_buf_destroy(&b);
    }

    free(copy);

    return 0;
}
