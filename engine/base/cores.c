/*
 * cores.c: how many cores this process may use: its affinity, and the quota
 * of its control group (version 2, else version 1), rounded up.
 *
 * Threads: reentrant.
 */

#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "base/base.h"
#include "maas.h"


static int
cores_affinity(void)
{
    int        n;
    cpu_set_t  set;

    if (sched_getaffinity(0, sizeof(set), &set) == 0) {
        return CPU_COUNT(&set);
    }

    n = (int) sysconf(_SC_NPROCESSORS_ONLN);
    return n;
}


/* "quota period" of version 2; "max" has no number. */
static bool
cores_quota_v2(long *quota, long *period)
{
    int    n;
    FILE  *f = fopen("/sys/fs/cgroup/cpu.max", "re");

    if (f == NULL) {
        return false;
    }

    n = fscanf(f, "%ld %ld", quota, period);
    fclose(f);

    return n == 2;
}


static bool
cores_number(const char *path, long *v)
{
    int    n;
    FILE  *f = fopen(path, "re");

    if (f == NULL) {
        return false;
    }

    n = fscanf(f, "%ld", v);
    fclose(f);

    return n == 1;
}


int
maas_cores(void)
{
    int   n = cores_affinity();
    long  quota = -1, period = 0;

    if (!cores_quota_v2(&quota, &period)
        && !(cores_number("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", &quota)
             && cores_number("/sys/fs/cgroup/cpu/cpu.cfs_period_us",
                             &period)))
    {
        quota = -1;
    }

    if (quota > 0 && period > 0) {
        n = maas_min(n, (int) ((quota + period - 1) / period));
    }

    return maas_max(n, 1);
}
