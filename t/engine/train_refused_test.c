/*
 * maas train without memory: a table is read, a network is trained, then a
 * model is fine-tuned, with each of many allocations refused in turn.  Every
 * refusal is MAAS_ENOMEM, or does no harm; nothing leaks; a version is whole
 * or is not there, and the next run goes on as if nothing had been.
 */

#include <dirent.h>
#include <unistd.h>

#include "refuser.h"
#include "tap.h"
#include "train/dataset_import.h"
#include "train/train_run.h"


#define ROWS  48

static char  folder[64];


static void
write_table(void)
{
    char   path[300];
    FILE  *f;

    snprintf(path, sizeof(path), "%s/t.csv", folder);
    f = fopen(path, "w");
    fprintf(f, "a,b,word,y\n");

    for (int i = 0; i < ROWS; i++) {
        fprintf(f, "%d,%g,%s,%s\n", i, i * 0.37 - 5,
                i % 3 ? "one" : "two", i % 2 ? "yes" : "no");
    }

    fclose(f);
}


static void
clear(const char *what)
{
    char  command[700];

    snprintf(command, sizeof(command), "rm -rf %s/%s", folder, what);

    if (system(command) != 0) {
        printf("# %s\n", command);
    }
}


/* Entries of the model's folder that are not what a run leaves. */
static int
strays(const char *model)
{
    int             n = 0;
    char            path[300];
    DIR            *d;
    struct dirent  *e;

    snprintf(path, sizeof(path), "%s/store/%s", folder, model);
    d = opendir(path);

    while (d != NULL && (e = readdir(d)) != NULL) {
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0
             && strcmp(e->d_name, ".train") != 0
             && strcmp(e->d_name, "1") != 0;
    }

    if (d != NULL) {
        closedir(d);
    }

    return n;
}


static maas_status_t
train(const char *json, const maas_host_t *host, maas_err_t *err)
{
    char              store[300];
    maas_spec_t       spec;
    maas_status_t     rc;
    maas_train_job_t  job = { .host = host, .store = store, .threads = 1 };

    snprintf(store, sizeof(store), "%s/store", folder);
    err->text[0] = '\0';
    rc = maas_spec_parse(&spec, host, json, strlen(json), folder, NULL, 0,
                         err);

    if (rc == MAAS_OK) {
        job.spec = &spec;
        rc = maas_train_run(&job, err);
        maas_spec_free(&spec);
    }

    return rc;
}


static bool
refusal_is_good(const char *model, const char *json, long k)
{
    char           path[300];
    bool           good;
    refuser_t      r = { .refuse = k };
    maas_err_t     err;
    maas_host_t    host = refuser_host(&r);
    maas_status_t  rc;

    snprintf(path, sizeof(path), "store/%s", model);
    clear(path);
    rc = train(json, &host, &err);

    snprintf(path, sizeof(path), "%s/store/%s/1/lineage.json", folder,
             model);
    good = (rc == MAAS_ENOMEM || rc == MAAS_OK) && r.live == 0
           && strays(model) == 0
           && (access(path, R_OK) == 0) == (rc == MAAS_OK)
           && (rc == MAAS_OK || err.text[0] != '\0');

    if (!good) {
        printf("# allocation %ld: %d, %ld left, %d strays: %s\n", k, rc,
               r.live, strays(model), err.text);
    }

    return good;
}


/* The first ones all, then some of many. */
static void
check(const char *what, const char *model, const char *json)
{
    char         path[300];
    long         bad = 0, tried = 0, total;
    refuser_t    r = { 0 };
    maas_err_t   err;
    maas_host_t  host = refuser_host(&r);

    if (!ok(train(json, &host, &err) == MAAS_OK, "%s", what)) {
        printf("# %s\n", err.text);
        return;
    }

    total = r.n;
    ok(r.live == 0, "%s: nothing is left", what);

    for (long k = 1; k <= total; k += 1 + (k > 40) * (total / 100)) {
        bad += !refusal_is_good(model, json, k);
        tried++;
    }

    ok(bad == 0 && tried > 40, "%s: %ld of %ld allocations refused", what,
       tried, total);
    snprintf(path, sizeof(path), "store/%s", model);
    clear(path);
    ok(train(json, &maas_host_libc, &err) == MAAS_OK, "%s: and then one that "
       "has it all", what);
}


int
main(void)
{
    /* In memory: a version is synced, some hundred times. */
    snprintf(folder, sizeof(folder), "%s/maas_refused_XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");

    if (mkdtemp(folder) == NULL || maas_init(NULL, NULL) != MAAS_OK) {
        printf("Bail out!  no folder\n");
        return 1;
    }

    write_table();

    check("a network", "net",
          "{\"name\":\"net\",\"epochs\":2,\"batch_size\":16,"
          "\"data\":{\"path\":\"t.csv\",\"target\":\"y\","
          "\"split\":{\"validation\":0.25}},"
          "\"pipeline\":[{\"type\":\"scale\"}],"
          "\"metrics\":[\"accuracy\",\"roc_auc\"],"
          "\"model\":{\"type\":\"network\",\"layers\":["
          "{\"type\":\"dense\",\"units\":4,\"activation\":\"relu\"},"
          "{\"type\":\"dense\",\"units\":2,\"activation\":\"softmax\"}]}}");

    check("a source to go on from", "base",
          "{\"name\":\"base\",\"epochs\":1,"
          "\"data\":{\"path\":\"t.csv\",\"target\":\"y\","
          "\"features\":[\"a\",\"b\"]},"
          "\"model\":{\"type\":\"network\",\"layers\":["
          "{\"type\":\"dense\",\"units\":4,\"activation\":\"relu\"},"
          "{\"type\":\"dense\",\"units\":2}]}}");

    check("fine-tuning", "tuned",
          "{\"name\":\"tuned\",\"epochs\":2,\"batch_size\":16,"
          "\"data\":{\"path\":\"t.csv\",\"target\":\"y\","
          "\"features\":[\"a\",\"b\"],\"split\":{\"validation\":0.25}},"
          "\"model\":{\"type\":\"finetune\",\"source\":"
          "\"store/base/1\",\"train\":\"none\",\"head\":true}}");

    check("a forest", "forest",
          "{\"name\":\"forest\",\"folds\":2,\"metrics\":[\"f1\"],"
          "\"data\":{\"path\":\"t.csv\",\"target\":\"y\"},"
          "\"model\":{\"type\":\"random_forest\",\"trees\":3}}");

    clear("");
    return done();
}
