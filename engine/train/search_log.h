/*
 * search_log: the trials of a search that are done, in a file, so that a
 * search that was ended goes on from them.
 *
 *   FOLDER/search.RANK    a line that says of what, then a line a trial
 *
 * A line is written when its trial is done.  One that a kill cut short does
 * not count, and is cut off when the file is written on.  Trials that failed
 * are not in it: they are made again.
 *
 * Ranks write a file each; the first reads them all and tells the others.
 *
 * Ownership: the log owns its file and what it read until
 *            maas_search_log_close().
 * Threads:   one at a time.
 */

#ifndef MAAS_SEARCH_LOG_H
#define MAAS_SEARCH_LOG_H

#include "train/search.h"


struct maas_search_log_s {
    const char    *folder;      /* borrowed */
    uint8_t        digest[MAAS_DIGEST];     /* of the search and its data */
    maas_ranks_t  *ranks;       /* NULL: alone */
    json_t        *known;       /* "TRIAL.RUNG": a score, or those of folds */
    int            fd;          /* -1: not open */
    int            lock;
    uint64_t       synced;      /* when, ns */
};

/*
 * Opens this rank's file.  resume: the trials of the last search count, which
 * is MAAS_EINVAL if it had another digest; else they are removed.  MAAS_EBUSY:
 * another process searches.  All ranks call it, with the first one's digest.
 */
maas_status_t maas_search_log_open(maas_search_log_t *l, const char *folder,
    const uint8_t digest[MAAS_DIGEST], maas_ranks_t *ranks, bool resume,
    maas_err_t *err);

/* done: the search has come to its end, and the files are removed. */
void maas_search_log_close(maas_search_log_t *l, bool done);

/* Was this trial made?  Then its scores are set.  folds: of the search. */
bool maas_search_log_find(const maas_search_log_t *l, int folds,
    maas_search_trial_t *t);

maas_status_t maas_search_log_add(maas_search_log_t *l, int folds,
    const maas_search_trial_t *t, maas_err_t *err);

#endif
