/*
 * Fuzz target: model.json and labels.txt.  The first byte says how many
 * inputs and outputs the model has; model.json ends at the first NUL, behind
 * it is labels.txt.  What is accepted passes the check of a block that came
 * with an image, and all its strings can be read.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/meta.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static size_t
meta_touch(maas_str_t s)
{
    size_t  sum = s.len;

    for (size_t i = 0; i < s.len; i++) {
        sum += (uint8_t) s.data[i];
    }

    return sum;
}


static void
meta_read(const maas_meta_t *m, const maas_meta_names_t *names)
{
    maas_err_t       err;
    volatile size_t  sum = 0;

    if (maas_meta_check(m, m->size, (uint32_t) names->n_in,
                        (uint32_t) names->n_out, &err) != MAAS_OK)
    {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }

    for (uint32_t i = 0; i < m->n_labels; i++) {
        sum += meta_touch(maas_meta_label(m, i));
    }

    for (uint32_t i = 0; i < m->n_features; i++) {
        sum += meta_touch(maas_meta_feature(m, i));
    }

    sum += meta_touch(maas_meta_str(m, m->platform))
           + meta_touch(maas_meta_str(m, m->description));
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char               *json, *labels;
    maas_err_t                err;
    maas_meta_t              *m;
    maas_meta_names_t         names;
    static const maas_str_t   in[] = {
        maas_str("x"), maas_str("mask"), maas_str("z")
    };
    static const maas_str_t   out[] = {
        maas_str("label"), maas_str("scores"), maas_str("y")
    };

    if (size == 0) {
        return 0;
    }

    names = (maas_meta_names_t) { in, 1 + data[0] % 3, out,
                                  1 + data[0] / 3 % 3 };

    json = (const char *) data + 1;
    labels = memchr(json, '\0', --size);
    err.text[0] = '\0';

    if (maas_meta_parse(&m, &maas_host_libc, json,
                        labels != NULL ? (size_t) (labels - json) : size,
                        labels != NULL ? labels + 1 : NULL,
                        labels != NULL ? size - (size_t) (labels - json) - 1
                                       : 0, &names, &err) == MAAS_OK)
    {
        meta_read(m, &names);
        maas_free(&maas_host_libc, m);

    } else if (err.text[0] == '\0') {
        abort();
    }

    return 0;
}
