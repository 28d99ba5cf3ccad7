/*
 * cli_case.h: one ONNX backend test case.
 *
 * Ownership: what is read is not freed: a process runs one case.
 * Threads:   one thread.
 */

#ifndef MAAS_CLI_CASE_H
#define MAAS_CLI_CASE_H

#include "base/base.h"


/*
 * Compiles DIR/model.onnx and runs every test_data_set_* in it.
 * MAAS_EUNSUPPORTED: not served by this build; other errors: it failed.
 * What it reads is not freed: a process runs one case.
 */
maas_status_t cli_case_run(const char *dir, maas_err_t *err);

#endif
