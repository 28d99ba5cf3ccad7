/*
 * cli_compare.h: comparing an output with what was expected.
 *
 * Ownership: none.
 * Threads:   reentrant.
 */

#ifndef MAAS_CLI_COMPARE_H
#define MAAS_CLI_COMPARE_H

#include "tensor/tensor.h"


/* MAAS_OK, or MAAS_EINVAL with the worst difference. */
maas_status_t cli_compare(const maas_tensor_t *got, const maas_tensor_t *want,
    double rtol, double atol, maas_err_t *err);

#endif
