/*
 * Replays files through a fuzz target, for compilers without libFuzzer: each
 * argument is a file, or a folder of files.  With "-mutate=N" first, each
 * file is also run N times with random changes; the seed is fixed.  With
 * "-keep=FILE" what is run lies in FILE, so that of a crash stays there.
 */

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/xorshift.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

/* Of targets that know what their bytes mean. */
__attribute__((weak))
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
    unsigned seed);


static long      mutations;
static long      runs;
static char     *keep;


/* A copy of the exact size, so that a sanitizer sees an overrun. */
static void
run(const uint8_t *p, size_t n)
{
    FILE     *f;
    uint8_t  *copy = malloc(n != 0 ? n : 1);

    if (n != 0) {
        memcpy(copy, p, n);
    }

    if (keep != NULL) {
        f = fopen(keep, "wb");

        if (f == NULL || fwrite(copy, 1, n, f) != n || fclose(f) != 0) {
            perror(keep);
            exit(1);
        }
    }

    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
    runs++;
}


/* One change: a byte, a cut, a copy of a piece, a telling byte. */
static size_t
mutate(uint8_t *p, size_t n, size_t cap)
{
    size_t              at, len, to;
    static const char   bytes[] = "[]{},:\"\\0123456789.-+eENaI \n";

    if (n == 0) {
        return 0;
    }

    at = rnd() % n;

    switch (rnd() % 6) {

    case 0:
        p[at] = (uint8_t) rnd();
        return n;

    case 1:
        p[at] ^= (uint8_t) (1 << rnd() % 8);
        return n;

    case 2:
        return at;

    case 3:
        len = rnd() % (n - at) + 1;
        to = rnd() % n;
        len = len < cap - to ? len : cap - to;
        memmove(p + to, p + at, len);
        return to + len > n ? to + len : n;

    case 4:
        len = rnd() % (n - at) + 1;
        memmove(p + at, p + at + len, n - at - len);
        return n - len;

    default:
        p[at] = (uint8_t) bytes[rnd() % (sizeof(bytes) - 1)];
        return n;
    }
}


/* What libFuzzer gives to a mutator. */
size_t
LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max)
{
    for (uint64_t k = rnd() % 4 + 1; k > 0; k--) {
        size = mutate(data, size, max);
    }

    return size;
}


static void
replay(const char *path)
{
    FILE     *f;
    size_t    n, m, cap;
    uint8_t  *data, *work;

    f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        exit(1);
    }

    fseek(f, 0, SEEK_END);
    n = (size_t) ftell(f);
    rewind(f);

    cap = n * 2 + 64;
    data = malloc(cap);
    work = malloc(cap);

    if (data == NULL || work == NULL || fread(data, 1, n, f) != n) {
        perror(path);
        exit(1);
    }

    fclose(f);
    run(data, n);

    for (long i = 0; i < mutations; i++) {
        memcpy(work, data, n);
        m = LLVMFuzzerCustomMutator != NULL
            ? LLVMFuzzerCustomMutator(work, n, cap, (unsigned) (rnd() >> 16))
            : LLVMFuzzerMutate(work, n, cap);

        run(work, m);
    }

    free(data);
    free(work);
}


static void
visit(const char *path)
{
    DIR            *dir;
    char            name[4096];
    struct stat     st;
    struct dirent  *e;

    if (stat(path, &st) != 0) {
        perror(path);
        exit(1);
    }

    if (!S_ISDIR(st.st_mode)) {
        replay(path);
        return;
    }

    dir = opendir(path);

    while (dir != NULL && (e = readdir(dir)) != NULL) {
        if (e->d_name[0] != '.') {
            snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
            visit(name);
        }
    }

    closedir(dir);
}


int
main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "-mutate=", 8) == 0) {
            mutations = atol(argv[i] + 8);

        } else if (strncmp(argv[i], "-keep=", 6) == 0) {
            keep = argv[i] + 6;

        } else {
            visit(argv[i]);
        }
    }

    printf("%ld runs\n", runs);

    return 0;
}
