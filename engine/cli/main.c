/*
 * maas: compile, verify, inspect, run, measure and check models without a
 * server.  Each command is one file, cmd_NAME.c.
 *
 * Results go to stdout, everything else to stderr; the exit code is 0, 1
 * (it did not work) or 2 (the command line is wrong).
 */

#include <signal.h>
#include <stdio.h>

#include "cli/cli.h"


typedef struct {
    const char  *name;
    int        (*run)(int argc, char **argv);
    const char  *about;
} cli_command_t;

static const cli_command_t  cli_commands[] = {
    { "compile", cmd_compile, "model file -> image, or all of an nginx.conf" },
    { "verify", cmd_verify, "check an image, its checksum included" },
    { "inspect", cmd_inspect, "what is in a model, its plan, all operators" },
    { "run", cmd_run, "run a model once on files" },
    { "bench", cmd_bench, "measure a model" },
    { "evaluate", cmd_evaluate, "how good a model or its predictions are" },
    { "conformance", cmd_conformance, "run ONNX backend test cases" },
    { "dataset", cmd_dataset, "tables and images into a file to train on" },
    { "train", cmd_train, "specification -> a new version of a model" },
    { "tune", cmd_tune, "the values of a specification that score best" },
    { NULL, NULL, NULL }
};


static void
cli_help(FILE *out)
{
    fprintf(out, "usage: maas COMMAND [ARGUMENT]...\n\n");

    for (const cli_command_t *c = cli_commands; c->name != NULL; c++) {
        fprintf(out, "  maas %-12s %s\n", c->name, c->about);
    }

    fprintf(out, "\n\"maas COMMAND --help\" says more; \"maas --version\".  "
            "MAAS_CPU=ref|v2|avx2|avx512\nforces the kernels of a lower "
            "CPU.\n");
}


int
main(int argc, char **argv)
{
    int          rc;
    char         text[MAAS_NEAR_TEXT];
    maas_err_t   err;
    maas_near_t  near = { 0 };

    if (argc < 2) {
        cli_help(stderr);
        return CLI_USAGE;
    }

    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0
        || strcmp(argv[1], "help") == 0)
    {
        cli_help(stdout);
        return CLI_OK;
    }

    /* a limit of the size of files is an error of write() */
    signal(SIGXFSZ, SIG_IGN);

    if (maas_init(NULL, &err) != MAAS_OK) {
        fprintf(stderr, "maas: %s\n", err.text);
        return CLI_FAILED;
    }

    if (strcmp(argv[1], "--version") == 0) {
        printf("maas %s (%s)\n", MAAS_VERSION, maas_cpu());
        return CLI_OK;
    }

    for (const cli_command_t *c = cli_commands; c->name != NULL; c++) {
        if (strcmp(c->name, argv[1]) != 0) {
            continue;
        }

        cli_command = c->name;
        rc = c->run(argc - 2, argv + 2);

        if (fflush(stdout) != 0 || ferror(stdout)) {
            fprintf(stderr, "maas: cannot write the output\n");
            return CLI_FAILED;
        }

        return rc;
    }

    near.word = (maas_str_t) { argv[1], strlen(argv[1]) };

    for (const cli_command_t *c = cli_commands; c->name != NULL; c++) {
        maas_near(&near, (maas_str_t) { c->name, strlen(c->name) });
    }

    fprintf(stderr, "maas: unknown command \"%.60s\"%s\n\n", argv[1],
            maas_near_text(&near, text));
    cli_help(stderr);
    return CLI_USAGE;
}
