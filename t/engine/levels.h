/*
 * The same tests at every CPU level of this machine: a child process each, as
 * the level is chosen once in a process.
 */

#ifndef T_LEVELS_H
#define T_LEVELS_H

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "tap.h"


/* fn(level) answers how many failed; `what` holds at each level. */
static void
at_levels(int (*fn)(const char *cpu), const char *what)
{
    int    status;
    pid_t  pid;

    for (int l = 0; l <= (int) maas_cpu_host(); l++) {
        fflush(stdout);
        pid = fork();

        if (pid == 0) {
            _exit(fn(maas_cpu_name(l)) != 0);
        }

        ok(waitpid(pid, &status, 0) == pid && status == 0, "%s: %s",
           maas_cpu_name(l), what);
    }
}

#endif
