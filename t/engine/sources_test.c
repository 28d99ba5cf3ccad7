/*
 * sources: versions of a model on disk, which of them are kept, keys that
 * change when a file does; and image files that replace one another.
 */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "maas.h"
#include "engine/tap.h"


static char        root[] = "/tmp/maas_sources.XXXXXX";
static maas_err_t  err;


static const char *
at(const char *name)
{
    static char  path[4][512];
    static int   i;

    i = (i + 1) % 4;
    snprintf(path[i], sizeof(path[i]), "%s/%s", root, name);
    return path[i];
}


static void
put(const char *name, const char *text)
{
    char   dir[512];
    FILE  *f;

    snprintf(dir, sizeof(dir), "%s", at(name));
    for (char *p = dir + strlen(root) + 1; *p != '\0'; p++) {
        if (*p == '/') {
            *p = '\0';
            mkdir(dir, 0755);
            *p = '/';
        }
    }

    f = fopen(at(name), "w");
    fputs(text, f);
    fclose(f);
}


static maas_status_t
list(maas_sources_t *s, const char *name)
{
    err.text[0] = '\0';
    return maas_sources_list(s, at(name), "exact", &err);
}


static void
test_list(void)
{
    maas_sources_t  s;

    put("one/model.onnx", "x");
    put("one/labels.txt", "a");
    ok(list(&s, "one/model.onnx") == MAAS_OK && s.n == 1
       && s.version[0].version == 1, "a file is version 1 %s", err.text);
    ok(strlen(s.version[0].key) == 32, "a key: %s", s.version[0].key);
    maas_sources_free(&s);

    ok(list(&s, "one") == MAAS_OK && s.n == 1
       && strcmp(s.version[0].path, at("one/model.onnx")) == 0, "a folder");
    maas_sources_free(&s);

    put("named/resnet.onnx", "x");
    ok(list(&s, "named") == MAAS_OK
       && strstr(s.version[0].path, "/resnet.onnx"), "of another name");
    maas_sources_free(&s);

    put("named/other.onnx", "x");
    ok(list(&s, "named") == MAAS_EINVAL, "%s", err.text);
    put("named/model.onnx", "x");
    ok(list(&s, "named") == MAAS_OK
       && strstr(s.version[0].path, "/model.onnx"), "model.onnx wins");
    maas_sources_free(&s);

    put("many/10/model.onnx", "x");
    put("many/9/m.onnx", "x");
    put("many/2/model.onnx", "x");
    put("many/007/model.onnx", "x");
    put("many/old/model.onnx", "x");
    put("many/3", "not a folder");
    ok(list(&s, "many") == MAAS_OK && s.n == 3 && s.version[0].version == 2
       && s.version[1].version == 9 && s.version[2].version == 10,
       "versions by number");
    ok(strcmp(s.version[0].key, s.version[2].key) != 0, "keys differ");
    maas_sources_free(&s);

    put("many/11/readme", "");
    ok(list(&s, "many") == MAAS_ENOENT && strstr(err.text, "version 11"),
       "%s", err.text);
    unlink(at("many/11/readme"));
    rmdir(at("many/11"));

    put("both/1/model.onnx", "x");
    put("both/model.onnx", "x");
    ok(list(&s, "both") == MAAS_EINVAL, "%s", err.text);

    put("empty/readme", "");
    ok(list(&s, "empty") == MAAS_ENOENT, "%s", err.text);
    ok(list(&s, "absent") == MAAS_ENOENT && s.n == 0, "%s", err.text);
    ok(list(&s, "one/model.onnx/x") == MAAS_ENOENT, "%s", err.text);
    ok(maas_sources_list(&s, "/dev/null", "exact", &err) == MAAS_EINVAL,
       "%s", err.text);
}


static void
key(const char *numerics, char out[33])
{
    maas_sources_t  s;

    maas_sources_list(&s, at("one"), numerics, NULL);
    memcpy(out, s.version[0].key, 33);
    maas_sources_free(&s);
}


static void
test_keys(void)
{
    char             a[33], b[33];
    struct timespec  t[2] = { { 1000, 0 }, { 1000, 0 } };

    key("exact", a);
    key("exact", b);
    ok(strcmp(a, b) == 0, "an unchanged source keeps its key");

    key("fast", b);
    ok(strcmp(a, b) != 0, "numerics are in the key");

    put("one/labels.txt", "ab");
    key("exact", b);
    ok(strcmp(a, b) != 0, "labels.txt is in the key");

    put("one/model.json", "{}");
    key("exact", a);
    ok(strcmp(a, b) != 0, "model.json is in the key");

    utimensat(AT_FDCWD, at("one/model.onnx"), t, 0);
    key("exact", b);
    ok(strcmp(a, b) != 0, "the time of the model is in the key");
}


static void
choose(const char *spec, const char *want)
{
    char            got[8] = "";
    bool            keep[3];
    maas_sources_t  s;

    list(&s, "many");
    err.text[0] = '\0';
    if (maas_sources_choose(&s, spec, keep, &err) == MAAS_OK) {
        for (int i = 0; i < 3; i++) {
            got[i] = keep[i] ? '1' : '0';
        }
    }

    ok(strcmp(got, want) == 0, "versions \"%s\": %s %s", spec, got, err.text);
    maas_sources_free(&s);
}


static void
test_choose(void)
{
    choose("all", "111");
    choose("latest=1", "001");
    choose("latest=2", "011");
    choose("latest=99", "111");
    choose("9", "010");
    choose(" 10  2 ", "101");
    choose("3", "");
    choose("latest=0", "");
    choose("latest", "");
    choose("", "");
    choose("2 x", "");
    choose("2,9", "");
}


static bool
holds(int fd, const char *text)
{
    char     buf[64];
    ssize_t  n = pread(fd, buf, sizeof(buf), 0);

    return n == (ssize_t) strlen(text) && memcmp(buf, text, (size_t) n) == 0;
}


static void
test_image(void)
{
    int             a, b, n = 0;
    DIR            *d;
    struct stat     st;
    struct dirent  *e;

    mkdir(at("images"), 0700);

    ok(maas_image_write(at("images"), "k.maas", "first", 5, &a, &err)
       == MAAS_OK && holds(a, "first"), "written");
    ok(fstat(a, &st) == 0 && (st.st_mode & 0777) == 0444, "mode 0444");
    ok((fcntl(a, F_GETFL) & O_ACCMODE) == O_RDONLY, "read-only descriptor");

    ok(maas_image_write(at("images"), "k.maas", "second!", 7, &b, &err)
       == MAAS_OK && holds(b, "second!"), "replaced");
    ok(holds(a, "first"), "who holds the old one keeps it");
    close(a);
    close(b);

    a = open(at("images/k.maas"), O_RDONLY);
    ok(holds(a, "second!"), "the name is the new one");
    close(a);

    d = opendir(at("images"));
    while ((e = readdir(d)) != NULL) {
        n += e->d_name[0] != '.' || e->d_name[1] == 'k';
    }
    closedir(d);
    is_int(n, 1, "nothing is left beside it");

    ok(maas_image_write(at("nowhere"), "k.maas", "x", 1, &a, &err)
       != MAAS_OK && a == -1 && strstr(err.text, "nowhere"), "%s", err.text);
    ok(maas_image_write(at("images"), "a/b", "x", 1, &a, &err)
       == MAAS_EINVAL, "%s", err.text);
    ok(maas_image_write(at("images"), "", "x", 1, &a, &err) == MAAS_EINVAL,
       "%s", err.text);
}


int
main(void)
{
    int   rc;
    char  cmd[64];

    if (mkdtemp(root) == NULL) {
        return 1;
    }

    (void) maas_init(NULL, NULL);
    test_list();
    test_keys();
    test_choose();
    test_image();

    snprintf(cmd, sizeof(cmd), "rm -rf %s", root);
    rc = system(cmd);
    return done() | rc;
}
