/*
 * estimator.c: finding estimators by name.
 *
 * Threads: reentrant; the rows are constant.
 */

#include "train/estimator.h"


extern const maas_estimator_t *const  maas_registry_estimators[];


const maas_estimator_t *
maas_estimator_next(const maas_estimator_t *after)
{
    const maas_estimator_t *const  *file = maas_registry_estimators;

    if (after == NULL) {
        return *file;
    }

    if (after[1].name != NULL) {
        return after + 1;
    }

    for ( ; *file != NULL; file++) {
        const maas_estimator_t  *e = *file;

        while (e->name != NULL && e != after) {
            e++;
        }

        if (e == after) {
            return file[1];
        }
    }

    return NULL;
}


const maas_estimator_t *
maas_estimator_find(maas_str_t name)
{
    const maas_estimator_t  *e = NULL;

    while ((e = maas_estimator_next(e)) != NULL) {
        if (maas_str_is(name, e->name)) {
            return e;
        }
    }

    return NULL;
}
