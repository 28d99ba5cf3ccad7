/*
 * Small answers of the public interface that need no object: the default
 * host, which names are valid, and the HTTP status of an outcome.
 *
 * Threads: reentrant.
 */

#include "maas.h"
#include "base/base.h"


const maas_host_t *
maas_host_default(void)
{
    return &maas_host_libc;
}


static bool
name_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')
           || (c >= 'A' && c <= 'Z');
}


bool
maas_name_valid(maas_str_t name)
{
    char  c;

    if (name.len == 0 || name.len > MAAS_NAME_MAX
        || !name_alnum(name.data[0]))
    {
        return false;
    }

    for (size_t i = 1; i < name.len; i++) {
        c = name.data[i];

        if (!name_alnum(c) && c != '.' && c != '_' && c != '-') {
            return false;
        }
    }

    return true;
}


int
maas_status_http(maas_status_t status)
{
    static const uint16_t  http[] = {
        [MAAS_OK] = 200,
        [MAAS_ENOMEM] = 503,
        [MAAS_EINVAL] = 400,
        [MAAS_ENOENT] = 404,
        [MAAS_EUNSUPPORTED] = 501,
        [MAAS_ETRUNC] = 400,
        [MAAS_ELIMIT] = 413,
        [MAAS_ECANCEL] = 499,
        [MAAS_EDEADLINE] = 504,
        [MAAS_EBUSY] = 503,
        [MAAS_EIO] = 500,
        [MAAS_EMETHOD] = 405,
        [MAAS_EMEDIA] = 415,
        [MAAS_EFORBIDDEN] = 403,
        [MAAS_EUNAVAILABLE] = 503,
        [MAAS_EINTERNAL] = 500
    };

    if ((size_t) status >= maas_nelts(http)) {
        return 500;
    }

    return http[status];
}
