/*
 * cli_train.h: between the files of maas train.
 */

#ifndef MAAS_CLI_TRAIN_H
#define MAAS_CLI_TRAIN_H


/* Every row that a specification may name, as JSON on stdout. */
int cli_train_describe(void);

#endif
