/*
 * init.c: which kernels this process uses.  The only state of the engine
 * that is global; set once, before anything runs.
 *
 * Ownership: nothing is allocated.
 * Threads:   maas_init() once, before others start; then read only.
 */

#include <stdlib.h>

#include "api/model_priv.h"


static maas_cpu_t  cpu_level = MAAS_CPU_LEVELS;


maas_cpu_t
maas_cpu_in_use(void)
{
    return cpu_level == MAAS_CPU_LEVELS ? maas_cpu_host() : cpu_level;
}


const char *
maas_cpu(void)
{
    return maas_cpu_name(maas_cpu_in_use());
}


maas_status_t
maas_init(const char *cpu, maas_err_t *err)
{
    maas_cpu_t  level;

    if (cpu == NULL) {
        cpu = getenv("MAAS_CPU");
    }

    if (cpu == NULL || *cpu == '\0') {
        cpu_level = maas_cpu_host();
        return MAAS_OK;
    }

    if (!maas_cpu_by_name(cpu, &level)) {
        return maas_err(err, MAAS_EINVAL,
                        "unknown CPU level '%s': ref, v2, avx2 or avx512 "
                        "expected", cpu);
    }

    if (level > maas_cpu_host() || maas_kernels(level) == NULL) {
        return maas_err(err, MAAS_EUNSUPPORTED,
                        "CPU level '%s' is above this host's, which is %s",
                        cpu, maas_cpu_name(maas_cpu_host()));
    }

    cpu_level = level;
    return MAAS_OK;
}
