/*
 * Types that every layer and every host of the engine shares: status codes,
 * error text, host allocator, byte strings.  maas.h includes this file; a
 * host needs to include maas.h only.
 *
 * Ownership: all are plain values; nothing here allocates.
 * Threads:   a maas_err_t belongs to the caller and is never shared.
 */

#ifndef MAAS_TYPES_H
#define MAAS_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>


/*
 * The one list of outcomes.  A dialect maps them to HTTP statuses
 * (maas_status_http()); the text beside them says what and where.
 */
typedef enum {
    MAAS_OK = 0,
    MAAS_ENOMEM,            /* host allocator refused, or a budget is spent */
    MAAS_EINVAL,            /* the input is wrong: shape, type, syntax */
    MAAS_ENOENT,            /* unknown model, version, input, file */
    MAAS_EUNSUPPORTED,      /* valid, but not served by this build */
    MAAS_ETRUNC,            /* bytes end too early, or offsets lie */
    MAAS_ELIMIT,            /* a configured limit: elements, plans, bytes */
    MAAS_ECANCEL,           /* the caller cancelled the run */
    MAAS_EDEADLINE,         /* the deadline passed */
    MAAS_EBUSY,             /* queue full, or nothing free now */
    MAAS_EIO,               /* the operating system said no */
    MAAS_EMETHOD,           /* a route exists, but not for this method */
    MAAS_EMEDIA,            /* body type not accepted here */
    MAAS_EFORBIDDEN,        /* the location does not allow this route */
    MAAS_EUNAVAILABLE,      /* known, but not ready */
    MAAS_EINTERNAL          /* our own bug */
} maas_status_t;


#define MAAS_ERR_TEXT  512

/* The detail text is formatted once, at the origin of the error. */
typedef struct {
    maas_status_t  status;
    char           text[MAAS_ERR_TEXT];
} maas_err_t;


/*
 * Memory comes from the host.  alloc() returns NULL on refusal; free()
 * accepts NULL.  Both may be called from any thread.
 */
typedef struct {
    void  *(*alloc)(void *ctx, size_t size);
    void   (*free)(void *ctx, void *p);
    void    *ctx;
} maas_host_t;


/* Bytes that somebody else owns; not NUL-terminated. */
typedef struct {
    const char  *data;
    size_t       len;
} maas_str_t;

#define maas_str(lit)  ((maas_str_t) { (lit), sizeof(lit) - 1 })


/*
 * What was meant by a word that is not known: set word, the rest zero, call
 * maas_near() with every word that is, and append maas_near_text() to the
 * message: "; did you mean "digits"?", or "" when none is near.
 */
typedef struct {
    maas_str_t  word;
    maas_str_t  best;
    unsigned    cost;
} maas_near_t;

#define MAAS_NEAR_TEXT  96

void maas_near(maas_near_t *n, maas_str_t known);
const char *maas_near_text(const maas_near_t *n, char text[MAAS_NEAR_TEXT]);

#endif
