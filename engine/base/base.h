/*
 * base: status, arena, growable buffer, bounded reader, checked sizes.
 * The lowest layer; includes nothing of the engine but maas_types.h.
 *
 * Ownership: a maas_arena_t owns all that was taken from it until it is
 * destroyed; a maas_buf_t owns its bytes; a maas_reader_t owns nothing.
 * Threads:   no object here may be used from two threads at once.
 */

#ifndef MAAS_BASE_H
#define MAAS_BASE_H

#include <stdarg.h>
#include <string.h>

#include "maas_types.h"


#define maas_likely(x)    __builtin_expect(!!(x), 1)
#define maas_unlikely(x)  __builtin_expect(!!(x), 0)
#define maas_nelts(a)     (sizeof(a) / sizeof((a)[0]))
#define maas_min(a, b)    ((a) < (b) ? (a) : (b))
#define maas_max(a, b)    ((a) > (b) ? (a) : (b))
#define maas_align(n, a)  (((n) + ((a) - 1)) & ~((size_t) (a) - 1))

/* Tensors, sections of an image and arenas start on this boundary. */
#define MAAS_ALIGN  64


/* -- status -------------------------------------------------------------- */

/* Formats the text into err (which may be NULL) and returns status. */
maas_status_t maas_err(maas_err_t *err, maas_status_t status,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before the text that is in err; returns its status. */
maas_status_t maas_err_prefix(maas_err_t *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Puts "; more" behind it, as far as there is room; returns its status. */
maas_status_t maas_err_suffix(maas_err_t *err, const char *more);

#define MAAS_TRY(expr)                                                        \
    do {                                                                      \
        maas_status_t  maas_rc_ = (expr);                                     \
        if (maas_unlikely(maas_rc_ != MAAS_OK)) {                             \
            return maas_rc_;                                                  \
        }                                                                     \
    } while (0)

/* The out-of-memory answer, worded once. */
maas_status_t maas_err_nomem(maas_err_t *err);


/* -- memory -------------------------------------------------------------- */

/* malloc() and free(). */
extern const maas_host_t  maas_host_libc;

static inline void *
maas_alloc(const maas_host_t *host, size_t size)
{
    return host->alloc(host->ctx, size);
}


static inline void
maas_free(const maas_host_t *host, void *p)
{
    if (p != NULL) {
        host->free(host->ctx, p);
    }
}


void *maas_calloc(const maas_host_t *host, size_t n, size_t size);

typedef struct maas_arena_block_s  maas_arena_block_t;

/* A bump allocator for things that die together. */
typedef struct {
    const maas_host_t   *host;
    maas_arena_block_t  *blocks;
    maas_arena_block_t  *lent;      /* the owner's; not freed */
    size_t               limit;     /* bytes in all; 0: none */
    size_t               used;
} maas_arena_t;

void maas_arena_init(maas_arena_t *a, const maas_host_t *host, size_t limit);
void maas_arena_destroy(maas_arena_t *a);       /* also when half built */

/* The first block of an empty arena: aligned to 16, more than 32 bytes. */
void maas_arena_lend(maas_arena_t *a, void *block, size_t size);

/* Zeroed memory aligned to 16; NULL when refused or over the limit. */
void *maas_arena_alloc(maas_arena_t *a, size_t size);
void *maas_arena_array(maas_arena_t *a, size_t n, size_t size);
void *maas_arena_dup(maas_arena_t *a, const void *p, size_t size);

/* A copy with a NUL behind it; data is NULL when refused. */
maas_str_t maas_arena_str(maas_arena_t *a, const char *p, size_t len);


/* A byte buffer that grows by doubling. */
typedef struct {
    const maas_host_t  *host;
    char               *data;
    size_t              len;
    size_t              cap;
    bool                failed;     /* an append was refused: check at end */
} maas_buf_t;

void maas_buf_init(maas_buf_t *b, const maas_host_t *host);
void maas_buf_destroy(maas_buf_t *b);

/* Room for n more bytes; NULL when refused (b->failed is set as well). */
char *maas_buf_reserve(maas_buf_t *b, size_t n);
void maas_buf_add(maas_buf_t *b, const void *p, size_t n);
void maas_buf_puts(maas_buf_t *b, const char *s);
void maas_buf_printf(maas_buf_t *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* A JSON string with its quotes; bytes that are no UTF-8 become U+FFFD. */
void maas_buf_json(maas_buf_t *b, const char *p, size_t n);

/* Is all of it UTF-8? */
bool maas_utf8_valid(const char *p, size_t n);


/* -- sizes --------------------------------------------------------------- */

static inline bool
maas_mul_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}


static inline bool
maas_mul_i64(int64_t a, int64_t b, int64_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}


/* -- strings ------------------------------------------------------------- */

static inline bool
maas_str_eq(maas_str_t a, maas_str_t b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}


static inline bool
maas_str_is(maas_str_t a, const char *s)
{
    return a.len == strlen(s)
           && (a.len == 0 || memcmp(a.data, s, a.len) == 0);
}


/* Without the blanks and tabs at both ends. */
static inline maas_str_t
maas_str_trim(maas_str_t s)
{
    while (s.len != 0 && (s.data[0] == ' ' || s.data[0] == '\t')) {
        s.data++;
        s.len--;
    }

    while (s.len != 0
           && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
    {
        s.len--;
    }

    return s;
}


/* -- bounded reader ------------------------------------------------------ */

/*
 * Untrusted bytes are read through this only.  A read past the end returns
 * zeros and sets failed, so that a parser may check once per record.
 */
typedef struct {
    const uint8_t  *pos;
    const uint8_t  *end;
    bool            failed;
} maas_reader_t;

static inline void
maas_reader_init(maas_reader_t *r, const void *p, size_t n)
{
    r->pos = p;
    r->end = r->pos + n;
    r->failed = false;
}


static inline size_t
maas_reader_left(const maas_reader_t *r)
{
    return (size_t) (r->end - r->pos);
}


/* n bytes in place, or NULL (failed is set). */
static inline const uint8_t *
maas_read_bytes(maas_reader_t *r, size_t n)
{
    const uint8_t  *p = r->pos;

    if (maas_unlikely(n > maas_reader_left(r))) {
        r->failed = true;
        r->pos = r->end;
        return NULL;
    }

    r->pos += n;
    return p;
}


/* Little-endian. */
uint8_t maas_read_u8(maas_reader_t *r);
uint16_t maas_read_u16(maas_reader_t *r);
uint32_t maas_read_u32(maas_reader_t *r);
uint64_t maas_read_u64(maas_reader_t *r);

/* protobuf base-128; more than 10 bytes fail. */
uint64_t maas_read_varint(maas_reader_t *r);


/* -- digest -------------------------------------------------------------- */

#define MAAS_DIGEST  32         /* SHA-256, by libcrypto */

typedef struct maas_sha_s  maas_sha_t;

maas_sha_t *maas_sha_create(void);              /* NULL when refused */
void maas_sha_update(maas_sha_t *s, const void *p, size_t n);
void maas_sha_final(maas_sha_t *s, uint8_t out[MAAS_DIGEST]);   /* frees s */

void maas_hex(char *out, const uint8_t *p, size_t n);   /* 2n + 1 bytes */

#define MAAS_SHA1  20           /* for checksums that a format prescribes */

bool maas_sha1(const void *p, size_t n, uint8_t out[MAAS_SHA1]);


/* -- time ---------------------------------------------------------------- */

uint64_t maas_now_ns(void);     /* CLOCK_MONOTONIC */
uint64_t maas_coarse_ns(void);  /* the same to some ms, a fifth of the cost */

#endif
