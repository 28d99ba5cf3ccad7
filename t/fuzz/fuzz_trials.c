/*
 * Fuzz target: the trials of a search that was ended.  The bytes stand
 * behind the right first line, or, where the first byte is odd, are the
 * whole file.  What is resumed has numbers as scores, takes another trial,
 * and is the same when it is read once more.
 */

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "train/search_log.h"


#define TRIALS  6
#define FOLDS   2

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static char  folder[] = "/tmp/maas_fuzz_trials_XXXXXX";
static char  path[64];


static void
trials_remove(void)
{
    char  lock[64];

    snprintf(lock, sizeof(lock), "%s/search.lock", folder);
    unlink(lock);
    unlink(path);
    rmdir(folder);
}


static void
trials_file(const uint8_t *data, size_t size)
{
    int          fd;
    char         head[80];
    size_t       n = 0;
    static bool  made;

    if (!made) {
        if (mkdtemp(folder) == NULL) {
            abort();
        }

        snprintf(path, sizeof(path), "%s/search.0", folder);
        atexit(trials_remove);
        made = true;
    }

    /* The digest is 0. */
    if ((data[0] & 1) == 0) {
        n = (size_t) snprintf(head, sizeof(head), "{\"search\":\"%064d\"}\n",
                              0);
    }

    fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);

    if (fd < 0 || write(fd, head, n) != (ssize_t) n
        || write(fd, data + 1, size - 1) != (ssize_t) size - 1)
    {
        abort();
    }

    close(fd);
}


/* How many trials there are; their scores are added to *sum. */
static int
trials_find(const maas_search_log_t *l, double *sum)
{
    int                  n = 0;
    double               fold[FOLDS];
    maas_search_trial_t  t = { .fold = fold };

    for (t.trial = -1; t.trial < TRIALS; t.trial++) {
        for (int folds = 0; folds <= FOLDS; folds += FOLDS) {

            if (!maas_search_log_find(l, folds, &t)) {
                continue;
            }

            n++;
            *sum += t.score + t.seconds + (folds != 0 ? fold[1] : 0);
        }
    }

    return n;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                    n[2] = { 0 };
    double                 sum[2] = { 0 };
    maas_err_t             err = { 0 };
    maas_search_log_t      l;
    maas_search_trial_t    t = { .trial = TRIALS, .score = 0.25 };
    static const uint8_t   digest[MAAS_DIGEST];

    if (size == 0) {
        return 0;
    }

    trials_file(data, size);

    for (int i = 0; i < 2; i++) {
        if (maas_search_log_open(&l, folder, digest, NULL, true, &err)
            != MAAS_OK)
        {
            if (err.text[0] == '\0' || i != 0) {
                fprintf(stderr, "%d: %s\n", i, err.text);
                abort();
            }

            maas_search_log_close(&l, false);
            return 0;
        }

        n[i] = trials_find(&l, &sum[i]);

        if (i != 0 && !maas_search_log_find(&l, 0, &t)) {
            fprintf(stderr, "the trial that was added is lost\n");
            abort();
        }

        if (i == 0 && maas_search_log_add(&l, 0, &t, &err) != MAAS_OK) {
            fprintf(stderr, "%s\n", err.text);
            abort();
        }

        maas_search_log_close(&l, false);
    }

    if (n[0] != n[1] || (sum[0] != sum[1] && !isnan(sum[0]))) {
        fprintf(stderr, "%d trials, then %d\n", n[0], n[1]);
        abort();
    }

    return 0;
}
