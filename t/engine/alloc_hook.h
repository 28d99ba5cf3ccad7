/*
 * Counts and refuses allocations of the whole test program: malloc and its
 * kin are defined here over glibc's own.  alloc_fail_at = k refuses the k-th
 * from now on, once; 0: none.
 */

#ifndef MAAS_ALLOC_HOOK_H
#define MAAS_ALLOC_HOOK_H

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>


/* A sanitizer's allocator takes the place of glibc's. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HOOK(name)     __interceptor_##name
#define HOOK_MEMALIGN  __interceptor_aligned_alloc
#else
#define HOOK(name)     __libc_##name
#define HOOK_MEMALIGN  __libc_memalign
#endif

extern void *HOOK(malloc)(size_t n);
extern void *HOOK(calloc)(size_t n, size_t size);
extern void *HOOK(realloc)(void *p, size_t n);
extern void *HOOK_MEMALIGN(size_t a, size_t n);

static atomic_long  alloc_count;
static atomic_long  alloc_fail_at;


static int
alloc_refused(void)
{
    long  k;

    atomic_fetch_add(&alloc_count, 1);

    k = atomic_load(&alloc_fail_at);
    if (k > 0 && atomic_fetch_sub(&alloc_fail_at, 1) == 1) {
        errno = ENOMEM;
        return 1;
    }

    return 0;
}


void *
malloc(size_t n)
{
    return alloc_refused() ? NULL : HOOK(malloc)(n);
}


void *
calloc(size_t n, size_t size)
{
    return alloc_refused() ? NULL : HOOK(calloc)(n, size);
}


void *
realloc(void *p, size_t n)
{
    return alloc_refused() ? NULL : HOOK(realloc)(p, n);
}


void *
aligned_alloc(size_t a, size_t n)
{
    return alloc_refused() ? NULL : HOOK_MEMALIGN(a, n);
}


/* Mappings and break of the process: unchanged when nobody maps. */
static long
alloc_maps(void)
{
    int          c;
    long         n = 0;
    char         buf[4096];
    extern int   open(const char *path, int flags, ...);
    int          fd = open("/proc/self/maps", 0);

    while ((c = (int) read(fd, buf, sizeof(buf))) > 0) {
        for (int i = 0; i < c; i++) {
            n += buf[i] == '\n';
        }
    }

    close(fd);
    return n;
}

#endif
