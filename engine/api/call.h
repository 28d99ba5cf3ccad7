/*
 * call.h: a request on its way; shared by api/call*.c only.
 *
 * Ownership: a call holds references of its models and all else that it
 *            names, until it is destroyed.
 * Threads:   a call belongs to one at a time; what is atomic, to any.
 */

#ifndef MAAS_API_CALL_H
#define MAAS_API_CALL_H

#include "api/model.h"
#include "proto/proto.h"


/* Dialects whose documents one answer may hold. */
#define MAAS_CALL_ROUTES  4

/* A strong entity tag: half of a SHA-256 in quotes, and a NUL. */
#define MAAS_CALL_ETAG    (MAAS_DIGEST + 3)

/* A run of several calls: batch.c. */
typedef struct maas_joint_s  maas_joint_t;

/* What the arena of a small request needs. */
#define MAAS_CALL_ROOM    3072

struct maas_call_s {
    const maas_host_t    *host;
    const maas_api_t     *api;
    maas_catalog_t       *catalog;
    maas_arena_t          arena;
    atomic_bool           cancel;
    atomic_bool           left;         /* the joint run knows of it */
    _Atomic(maas_joint_t *)  joint;     /* NULL: it runs alone */

    maas_proto_call_t     c;
    const maas_proto_t   *proto;        /* speaks errors; NULL: plain JSON */
    maas_str_t            model_name;   /* as asked for */

    /* documents; an inference has its route in c */
    maas_proto_route_t    route[MAAS_CALL_ROUTES];
    size_t                n_route;

    maas_model_t         *held[MAAS_CALL_ROUTES];
    size_t                n_held;

    maas_model_t         *model;        /* of an inference */
    void                 *user;
    bool                  decoded;
    maas_run_t           *run;
    uint64_t              compute_ns;
    uint32_t              batch;        /* calls in the run */
    bool                  ran;

    maas_stats_t         *stats;        /* of the version; NULL: counted */
    uint64_t              body_ns;      /* when the body was there; 0 */
    uint64_t              decode_ns;    /* when decode() began */
    uint64_t              input_ns;     /* how long it took */
    uint64_t              run_ns;       /* when the run began */

    char                  etag[MAAS_CALL_ETAG];     /* "": none */
    bool                  unchanged;    /* the client has this answer */
    bool                  given;        /* encoded; its run is given back */

    maas_err_t            err;          /* status MAAS_OK: none */
    const char           *cause;        /* what err keeps from the client */
    int                   http;         /* of the error; 0: its status's */
    maas_reply_t          reply;

    /* the arena's first block, so that most calls are one allocation */
    char                  room[MAAS_CALL_ROOM] __attribute__((aligned(16)));
};

/* Remembers the error; the first one wins unless it is overruled. */
maas_status_t maas_call_set_error(maas_call_t *call, maas_status_t status,
    int http, const char *text);

/* Does the request have a Content-Encoding?  None is decoded. */
bool maas_call_encoded(const maas_call_t *call);

/*
 * Into the statistics of its version, once: an inference that is answered,
 * its encode() begun at start, or one that failed.  One that had not to run,
 * because the client has its answer, is not counted.
 */
void maas_call_count(maas_call_t *call, uint64_t start);
void maas_call_count_failed(maas_call_t *call);

/*
 * The entity tag of the answer to come, and whether the client has it.  The
 * body is there, nothing of it has been decoded.
 */
maas_status_t maas_call_make_etag(maas_call_t *call);

/* -- batch_pad.c --------------------------------------------------------- */

/*
 * The length of its inputs along the axis that is padded; 0: it runs with
 * calls of the same shapes only.
 */
int64_t maas_pad_length(const maas_call_t *call);

/* Would so many elements, of which `own` are not padding, be too many? */
bool maas_pad_wastes(const maas_meta_t *meta, uint64_t elements,
    uint64_t own);

/* The length that a run gets whose longest call has this one. */
int64_t maas_pad_round(const maas_meta_t *meta, int64_t longest);

/* Every element of a tensor. */
void maas_pad_fill(maas_tensor_t *t, double value);

/*
 * Copies the first box[] elements of an array of so[] elements to the
 * beginning of one of to[] elements; elements of `size` bytes.
 */
void maas_pad_copy(void *dst, const int64_t *to, const void *src,
    const int64_t *so, const int64_t *box, int rank, size_t size);

/* -- batch.c ------------------------------------------------------------- */

void maas_joint_release(maas_joint_t *j);

/* True for the first of its calls that asks. */
bool maas_joint_first(maas_joint_t *j);
uint64_t maas_joint_rows(const maas_joint_t *j);

#endif
