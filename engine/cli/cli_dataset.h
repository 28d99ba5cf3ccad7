/*
 * cli_dataset.h: the actions of maas dataset, and what they share.
 *
 * Threads: the main thread.
 */

#ifndef MAAS_CLI_DATASET_H
#define MAAS_CLI_DATASET_H

#include "cli/cli.h"
#include "train/dataset.h"


/* Everything that the command line said. */
typedef struct {
    cli_list_t    rest;         /* the action, then files */
    const char   *output;
    const char   *format, *separator, *header, *size;
    cli_list_t    missing, type;
    bool          gray, json, verify;
    int64_t       max_row, memory, rows, seed;
    double        validation, test;
    const char   *by, *column, *stratify;
} cli_dataset_t;

int cli_dataset_show(const cli_dataset_t *o);
int cli_dataset_head(const cli_dataset_t *o);
int cli_dataset_export(const cli_dataset_t *o);
int cli_dataset_split(const cli_dataset_t *o);

/* The one file behind the action, open; an exit code but -1. */
int cli_dataset_open(const cli_dataset_t *o, maas_dataset_t **ds);

#endif
