/*
 * maas.h: the public interface of the engine.  The nginx module, the maas
 * command, unit tests and fuzzers are its four hosts; the module includes
 * this header and nothing else of the engine.
 *
 * A model file is compiled once, by maas_compile(), into an image; a worker
 * maps the image (maas_model_map()) and never parses a foreign file.  A
 * request is a maas_call_t: bytes -> route -> decode -> run -> encode ->
 * bytes, in the dialect of the request.  Calls run on a compute team.
 *
 * Ownership and threads are stated at every call.  "Any thread" means that
 * the call locks what it must; "one thread" that the caller serialises.
 * Functions that can fail return a maas_status_t and put the reason into
 * err, which may be NULL.
 */

#ifndef MAAS_H
#define MAAS_H

#include <stdatomic.h>

#include "maas_types.h"


#define MAAS_VERSION  "0.1.0"


/* -- process ------------------------------------------------------------- */

/*
 * Chooses the kernels, once per process, before any other call.  cpu: NULL
 * (environment MAAS_CPU, else the host's best), "ref", "v2", "avx2" or
 * "avx512"; a level above the host's is an error.
 */
maas_status_t maas_init(const char *cpu, maas_err_t *err);

/*
 * Budget of plans and arenas of all models of the process; 0: none.  What
 * would exceed it is refused with MAAS_ENOMEM.
 */
void maas_memory_budget(uint64_t bytes);

/*
 * Gives the pages of working memory that no run has used for idle_ns back to
 * the system.  It stays allocated and counted by the budgets, so the next
 * run never lacks it, but has to get its pages again: some 0.5 ms for each
 * MiB.  Returns the ns after which there will be more to give; 0: no model
 * has any left.  trim: nothing is in flight, so that what malloc keeps goes
 * back, too.  Any thread; 0.1 ms for each MiB, so not the event loop.
 */
uint64_t maas_memory_rest(uint64_t idle_ns, bool trim);

/* "avx2": the level in use. */
const char *maas_cpu(void);

/* 16 hex digits that differ when the sources of the engine do. */
const char *maas_build_id(void);

/* malloc and free. */
const maas_host_t *maas_host_default(void);

/* The HTTP status that fits a status: MAAS_EINVAL 400, ENOENT 404, ... */
int maas_status_http(maas_status_t status);


/* -- sources and images -------------------------------------------------- */

#define MAAS_NAME_MAX  128

/* [A-Za-z0-9][A-Za-z0-9._-]*, at most MAAS_NAME_MAX bytes. */
bool maas_name_valid(maas_str_t name);

/*
 * One version of a model on disk: a model file and what stands beside it.
 * key names the image: a digest of the identity (path, size, time)
 * of every source file and of what the image is built for, so that an
 * unchanged source costs its stat calls.
 */
typedef struct {
    int64_t  version;
    char     path[1024];        /* the model file */
    char     key[33];           /* 32 hex digits */
} maas_source_t;

typedef struct {
    maas_source_t  *version;    /* ascending */
    size_t          n;
    int64_t         unfinished; /* of a store: the highest, or 0 */
} maas_sources_t;

/*
 * Lists the versions of a source: a model file (= version 1), or a folder
 * that holds NAME.onnx / model.onnx itself (= version 1) or folders with
 * positive decimal names, each with one.  Reads directories and stats
 * files; opens no model.  numerics is "exact" or "fast", cpu as maas_cpu().
 * Free with maas_sources_free().  One thread.
 */
maas_status_t maas_sources_list(maas_sources_t *s, const char *path,
    const char *numerics, maas_err_t *err);

/*
 * As above, of a folder of a store, where others publish: versions without
 * a model file, and links that lead nowhere, are left out, the highest of
 * them is noted in unfinished.  MAAS_ENOENT when none is whole.
 */
maas_status_t maas_sources_store(maas_sources_t *s, const char *path,
    const char *numerics, maas_err_t *err);
void maas_sources_free(maas_sources_t *s);

/*
 * Which of the versions to serve: spec is "latest=N", "all" or decimal
 * numbers separated by blanks; keep[i] is set for the i-th version.
 */
maas_status_t maas_sources_choose(const maas_sources_t *s, const char *spec,
    bool *keep, maas_err_t *err);


typedef struct {
    const char  *path;          /* model file; model.json and labels.txt
                                   beside it are read too */
    const char  *name;          /* of the model, for errors and metadata */
    const char  *numerics;      /* "exact" | "fast"; NULL: exact */
    const char  *passes_off;    /* names separated by commas; tests only */
    size_t       fold_budget;   /* bytes of folded constants; 0: default */
} maas_compile_t;

/*
 * Compiles into a buffer (free with maas_image_free()).  Not linked into the
 * module.  One thread.
 */
maas_status_t maas_compile(const maas_compile_t *spec, void **image,
    size_t *size, maas_err_t *err);
void maas_image_free(void *image);

/*
 * Writes the image under dir/name: reserves space, writes without a name,
 * links when whole, mode 0444.  Returns a descriptor open for reading in
 * *fd, or -1.  An existing file of the name is replaced.
 */
maas_status_t maas_image_write(const char *dir, const char *name,
    const void *image, size_t size, int *fd, maas_err_t *err);

/*
 * Are the external data files of the model at path what they were when the
 * image of descriptor fd was made?  The key of a source tells of the model
 * file and of what has a fixed name beside it; only the image knows the
 * others.  Costs a stat each; true when there are none.
 */
bool maas_image_fresh(int fd, const char *path);

/*
 * Removes the images in dir that this one replaces: of the same model file,
 * CPU level and numerics, under another name than keep.  One that somebody
 * holds with a shared flock() stays.
 */
void maas_images_sweep(const char *dir, const char *keep, int fd);

/* Header, sections, every offset, and the payload's checksum. */
maas_status_t maas_image_verify(const void *image, size_t size,
    maas_err_t *err);


/* -- models -------------------------------------------------------------- */

typedef struct maas_model_s  maas_model_t;
typedef struct maas_team_s   maas_team_t;       /* see below */

typedef struct {
    uint64_t  max_elements;     /* of one input of one request; 0: 64 Mi */
    uint32_t  max_plans;        /* 0: 16 */
    uint64_t  max_memory;       /* arenas and plans of this model; 0: none */
} maas_limits_t;

/*
 * Maps an image read-only and shared; fd may be closed afterwards.  Checks
 * header, sections and offsets, binds kernels.  The model has one reference.
 */
maas_status_t maas_model_map(maas_model_t **m, int fd,
    const maas_limits_t *limits, maas_err_t *err);

/* The same over memory that must outlive the model. */
maas_status_t maas_model_open(maas_model_t **m, const void *image,
    size_t size, const maas_limits_t *limits, maas_err_t *err);

/* Any thread.  The last release unmaps. */
void maas_model_retain(maas_model_t *m);
void maas_model_release(maas_model_t *m);

/* Bytes mapped, and bytes of plans and arenas now held.  Any thread. */
size_t maas_model_image_bytes(const maas_model_t *m);
size_t maas_model_memory(const maas_model_t *m);

/* Of the latter: bytes that maas_memory_rest() has given back. */
size_t maas_model_rested(const maas_model_t *m);

/*
 * Touches every page and runs the warm-up input once.  On a thread of the
 * team, whose size the memory that is kept for the next run has.  This and
 * the checks below end early when the team is destroyed.
 */
maas_status_t maas_model_warm(maas_model_t *m, maas_team_t *team,
    maas_err_t *err);

/*
 * Finds out whether rows of a batch are independent, so that calls may run
 * together: by the shapes that the graph infers, then by running random rows
 * alone and together, which must give equal bits.  On a thread of the team.
 * Until this has answered MAAS_OK, calls of the model run alone; err says why
 * they always will.
 */
maas_status_t maas_model_batch_check(maas_model_t *m, maas_team_t *team,
    maas_err_t *err);

/*
 * Then, for a model whose model.json says how lengths are padded: whether a
 * padded row is the row that it would be alone, so that calls of several
 * lengths may run together.  MAAS_OK too where nothing is to be padded;
 * MAAS_EUNSUPPORTED: they run with calls of the same shape, the text says
 * why.  Any thread, not the event loop.
 */
maas_status_t maas_model_pad_check(maas_model_t *m, maas_team_t *team,
    maas_err_t *err);


/* -- catalog ------------------------------------------------------------- */

/*
 * The models that a process serves: names, versions, labels, states.  One
 * thread (the event loop); calls hold references of their own.
 */
typedef struct maas_catalog_s  maas_catalog_t;

maas_catalog_t *maas_catalog_create(const maas_host_t *host);
void maas_catalog_destroy(maas_catalog_t *c);

/*
 * Adds a version.  model NULL: known but unavailable, with the reason.  The
 * catalog retains the model.  user comes back from maas_call_target().
 */
maas_status_t maas_catalog_add(maas_catalog_t *c, maas_str_t name,
    int64_t version, maas_model_t *model, const char *reason, void *user,
    maas_err_t *err);
maas_status_t maas_catalog_label(maas_catalog_t *c, maas_str_t name,
    maas_str_t label, int64_t version, maas_err_t *err);


/* -- statistics ---------------------------------------------------------- */

/* How often, and how long in sum. */
typedef struct {
    _Atomic(uint64_t)  count;
    _Atomic(uint64_t)  ns;
} maas_stat_t;

#define MAAS_STATS_BATCHES  24

/*
 * What the inferences of a version took.  All but fail is of those that were
 * answered well: from the last byte of the body to the answer (success), the
 * parts of that: waiting, body -> tensors, run, tensors -> answer.  Sizes of
 * batches are told apart as long as there are slots (rows 0: free).
 *
 * Pointer-free and lock-free: may lie in memory that processes share.
 */
typedef struct {
    maas_stat_t        success;
    maas_stat_t        fail;
    maas_stat_t        queue;
    maas_stat_t        input;
    maas_stat_t        infer;
    maas_stat_t        output;
    _Atomic(uint64_t)  rows;            /* inferences: sum of the batches */
    _Atomic(uint64_t)  runs;
    _Atomic(uint64_t)  last_ms;         /* since 1970; 0: never */

    struct {
        _Atomic(uint64_t)  rows;
        maas_stat_t        input;
        maas_stat_t        infer;
        maas_stat_t        output;
    } batch[MAAS_STATS_BATCHES];
} maas_stats_t;

/*
 * Counts a version in zeroed memory of the host, which must outlive the
 * catalog; without this, in the catalog's own.
 */
maas_status_t maas_catalog_stats(maas_catalog_t *c, maas_str_t name,
    int64_t version, maas_stats_t *stats);


/* -- compute team -------------------------------------------------------- */

/*
 * Threads that carry calls and split their steps.  All signals but SIGSEGV,
 * SIGBUS, SIGILL and SIGFPE are blocked in them.
 */
typedef struct maas_task_s  maas_task_t;

struct maas_task_s {
    void         (*run)(maas_task_t *t, maas_team_t *team);
    maas_task_t   *next;                /* the team's */
};

/* Cores that this process may use: affinity and cgroup quota, at least 1. */
int maas_cores(void);

/*
 * notify(ctx) is called on a team thread when a finished task may be
 * reaped and none could before; it must be async and cheap (an eventfd).
 * NULL when a thread cannot be made.
 */
maas_team_t *maas_team_create(const maas_host_t *host, int threads,
    void (*notify)(void *ctx), void *ctx);

/*
 * Waits for running tasks; cancel them first.  Tasks that have not begun
 * never run; they are the host's to free.
 */
void maas_team_destroy(maas_team_t *team);

int maas_team_threads(const maas_team_t *team);

/* Never fails; runs in order of submission.  Any thread. */
void maas_team_submit(maas_team_t *team, maas_task_t *t);

/* Finished tasks, oldest first, linked by next; NULL: none.  One thread. */
maas_task_t *maas_team_reap(maas_team_t *team);


/* -- scheduler ----------------------------------------------------------- */

/*
 * Per-process admission and batching: a queue, levels of priority and a
 * concurrency per model, round-robin between models, capacity in runs.  Pure
 * policy: no clock but the argument (us, monotonic), no I/O.  One thread
 * (the event loop).
 *
 * A request of level L counts as one that came (L - 1) * age_us later, so no
 * level waits for ever.  Requests of one kind are merged, in this order,
 * into a run of at most max_batch rows.  Those of a length are padded to the
 * longest: one that would make too much of that waits for another run.  The
 * run starts when it is full, has a preferred size, or its oldest member has
 * waited delay_us, or must start to meet its deadline; without delay,
 * whatever waits when a run may start is taken together.
 *
 * What runs took, and how fast the queue drains, is measured by weight; a
 * deadline that cannot be met by these is refused.  An idle model refuses
 * none: the figures may be old.  Of several levels, each leaves some of the
 * time until the deadline to those below: more load than can be served in a
 * level does not shut them out, as long as age_us is less than about a
 * quarter of the deadlines for each level.
 */
typedef struct maas_sched_s        maas_sched_t;
typedef struct maas_sched_model_s  maas_sched_model_t;

#define MAAS_SCHED_LEVELS     16
#define MAAS_SCHED_PREFERRED  8
#define MAAS_SCHED_NEVER      UINT64_MAX

typedef struct {
    uint32_t  max_queue;
    uint32_t  concurrency;      /* runs at a time; 0: 1 */
    uint32_t  levels;           /* 0: 1 */
    uint32_t  level;            /* of requests that name none; 0: middle */
    uint64_t  age_us;
    uint32_t  max_batch;        /* rows of a merged run; 0, 1: none */
    uint64_t  delay_us;
    uint32_t  n_preferred;
    uint32_t  preferred[MAAS_SCHED_PREFERRED];  /* ascending, <= max_batch */
} maas_sched_conf_t;

typedef struct maas_sched_item_s  maas_sched_item_t;

struct maas_sched_item_s {
    /* the host's, before push() */
    uint64_t             kind;          /* of equal ones; 0: runs alone */
    uint64_t             weight;        /* work: elements; 0: 1 */
    uint64_t             deadline_us;   /* 0: none */
    uint32_t             rows;
    uint32_t             level;         /* 1: first; 0 or none such: default */
    uint32_t             length;        /* of a row, which may be padded; 0:
                                           no such thing */
    uint32_t             percent;       /* with padding, of what there is
                                           without: at most; from 100 */

    /* of a run that has been started: the next member */
    maas_sched_item_t   *mate;

    /* the scheduler's */
    maas_sched_item_t   *next, *prev;
    maas_sched_model_t  *model;
    uint64_t             queued_us;
    uint64_t             started_us;
    uint64_t             run_weight;    /* of a run's first member, else 0 */
    bool                 running;
};

maas_sched_t *maas_sched_create(const maas_host_t *host, uint32_t capacity);
void maas_sched_destroy(maas_sched_t *s);

/* NULL: no memory.  Values out of range are brought into it. */
maas_sched_model_t *maas_sched_model(maas_sched_t *s,
    const maas_sched_conf_t *conf);

/*
 * Would push() be refused now, whatever the level?  MAAS_EBUSY: the queue is
 * full; MAAS_EDEADLINE: the deadline cannot be met.  *retry: then the seconds
 * after which it is worth another try, 1 to 3600.
 */
maas_status_t maas_sched_admit(const maas_sched_model_t *m,
    const maas_sched_item_t *it, uint64_t now_us, uint32_t *retry);

maas_status_t maas_sched_push(maas_sched_model_t *m, maas_sched_item_t *it,
    uint64_t now_us, uint32_t *retry);

/*
 * The first member of a run that may start, now running with its mates; NULL:
 * none.  *wake_us: when to ask again although nothing came and nothing ended.
 */
maas_sched_item_t *maas_sched_next(maas_sched_t *s, uint64_t now_us,
    uint64_t *wake_us);

/*
 * An item that next() took out of its queue because its deadline can no
 * longer be met; NULL: none.  *retry as above.
 */
maas_sched_item_t *maas_sched_late(maas_sched_t *s, uint64_t now_us,
    uint32_t *retry);

/*
 * Leaves the queue, or the run; its first member ends the run.  measured:
 * the time of the run tells what runs take (it was not cut short).
 */
void maas_sched_remove(maas_sched_item_t *it, uint64_t now_us, bool measured);


/* -- calls --------------------------------------------------------------- */

/*
 * One request.  A call belongs to one thread at a time; the host hands it
 * from the event loop to a team thread and back.  Only maas_call_cancel()
 * may be called from elsewhere.
 */
typedef struct maas_call_s  maas_call_t;

/* What a location serves; must outlive its calls. */
typedef struct {
    const char *const  *dialects;   /* names: "kserve", "tfserving";
                                       "pass" alone for maas_pass */
    size_t              n_dialects;
    const maas_str_t   *models;     /* visible ones; n 0: all */
    size_t              n_models;
    bool                detail;     /* errors may name paths and nodes */
    bool                etag;       /* entity tags, conditional answers */
} maas_api_t;

/* Is there such a dialect? */
bool maas_dialect_exists(const char *name);

typedef struct {
    maas_str_t  method;             /* "GET", "HEAD", "POST", ... */
    maas_str_t  path;               /* unescaped, behind the location's
                                       prefix; with its leading slash */
    maas_str_t  whole;              /* the same with the prefix, for a
                                       location within the API: tried where
                                       path is no route, or "/"; len 0: no */
    maas_str_t  args;               /* query string */
    maas_str_t  content_type;       /* with parameters; len 0: none */
    maas_str_t  content_encoding;   /* other than identity: refused, 415 */
    maas_str_t  accept;
    maas_str_t  binary_header;      /* Inference-Header-Content-Length */
    maas_str_t  if_none_match;
    maas_str_t  model;              /* of maas_pass; len 0: from the path */
    maas_str_t  version;            /* of maas_version: integer, label, "" */
} maas_request_t;

typedef enum {
    MAAS_ACT_REPLY,                 /* encode at once: document or error */
    MAAS_ACT_BODY,                  /* give the body, decode, encode */
    MAAS_ACT_INFER                  /* give the body, decode, run, encode */
} maas_action_t;

/* host: for everything that the call allocates.  Any thread. */
maas_call_t *maas_call_create(const maas_host_t *host, const maas_api_t *api,
    maas_catalog_t *catalog);
void maas_call_destroy(maas_call_t *call);

/*
 * Finds dialect, route, model and version.  Never fails: what is wrong is
 * remembered and becomes the reply.  Copies what it needs of req.
 */
maas_action_t maas_call_route(maas_call_t *call, const maas_request_t *req);

/* The user pointer, name and version of the target; false when none. */
bool maas_call_target(const maas_call_t *call, void **user,
    maas_str_t *name, int64_t *version);

/* Model as it stands in the URI or in maas_pass, known or not; len 0. */
maas_str_t maas_call_model_name(const maas_call_t *call);

/* The whole body.  The bytes must live until the call is destroyed. */
void maas_call_body(maas_call_t *call, void *data, size_t len);

/*
 * Body -> tensors.  On failure the call holds the error's reply.  Any one
 * thread; maas_call_decode_cheap() says that the event loop may do it.
 */
bool maas_call_decode_cheap(const maas_call_t *call);
maas_status_t maas_call_decode(maas_call_t *call);

/* Estimated ns of the run on one thread; UINT64_MAX: no plan yet. */
uint64_t maas_call_cost(maas_call_t *call);

/*
 * What the scheduler must know of a decoded call.  Calls of one kind differ
 * in their rows and lengths alone and may run together; kind 0: it runs alone.
 */
typedef struct {
    uint64_t  kind;
    uint64_t  weight;               /* elements of the inputs */
    uint32_t  rows;
    uint32_t  length;               /* see maas_sched_item_t */
    uint32_t  percent;
    uint64_t  timeout_us;           /* that the body asks for; 0: none */
    uint64_t  priority;             /* likewise; 1 is the highest */
} maas_call_needs_t;

void maas_call_needs(const maas_call_t *call, maas_call_needs_t *needs);

/* Its timeout_us alone. */
uint64_t maas_call_timeout(const maas_call_t *call);

/*
 * Plans if it must, runs; team NULL: this thread only.  On failure the call
 * holds the error's reply (MAAS_ECANCEL, MAAS_EDEADLINE included).
 */
maas_status_t maas_call_run(maas_call_t *call, maas_team_t *team);

/*
 * Runs several calls, as one run where that can be: inputs are joined along
 * the batch axis, each call gets its rows of the outputs.  What cannot be
 * joined, or fails together, is run one by one; a cancelled call leaves the
 * others alone.  Each call ends as if maas_call_run() had run it.  A team
 * thread.
 */
void maas_calls_run(maas_call_t **call, size_t n, maas_team_t *team);

/* Any thread; seen within 1 ms of compute, by a joint run when all are. */
void maas_call_cancel(maas_call_t *call);

/*
 * Makes the reply an error, in the dialect: http 0 takes the status's own.
 * Before route(): plain JSON {"error": ...}.
 */
void maas_call_fail(maas_call_t *call, maas_status_t status, int http,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

typedef struct {
    maas_str_t  name;
    maas_str_t  value;
} maas_header_t;

#define MAAS_REPLY_HEADERS  8
#define MAAS_REPLY_PARTS    40

typedef struct {
    int            status;          /* HTTP */
    maas_str_t     content_type;
    size_t         n_headers;
    maas_header_t  header[MAAS_REPLY_HEADERS];  /* Allow, Inference-... */
    size_t         n_parts;
    maas_str_t     part[MAAS_REPLY_PARTS];      /* body; the call owns it */
    size_t         length;          /* sum of the parts */
} maas_reply_t;

/* Result or error -> bytes.  Valid until the call is destroyed. */
const maas_reply_t *maas_call_encode(maas_call_t *call);

typedef struct {
    maas_status_t  status;          /* outcome so far */
    const char    *error;           /* its text, "" when none */
    const char    *cause;           /* the same, for the server's log alone:
                                       with what api.detail hides */
    uint64_t       compute_ns;
    uint32_t       batch;           /* calls in its run; 0: it did not run */
    bool           ran;
    bool           unchanged;       /* decoded: the client has the answer;
                                       nothing to run, encode a 304 */
} maas_call_info_t;

void maas_call_info(const maas_call_t *call, maas_call_info_t *info);

/*
 * An error body for a request that has no call (401, 413, ... made by
 * nginx), in the location's first dialect.  Returns the length; writes at
 * most size bytes.
 */
size_t maas_error_body(const maas_api_t *api, int http, const char *text,
    char *out, size_t size);

#endif
