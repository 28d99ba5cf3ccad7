/*
 * The types of the module: what is configured, what a process holds, what a
 * request carries.
 *
 * Configuration lives in the cycle's pool and is written by the parser and
 * by init_conf only; ngx_maas_model_t.sched is the one field that a worker
 * sets.  A job is malloc'd and detached from its request: nothing that a
 * compute thread touches lies in a request's pool.  Everything here belongs
 * to the event loop; a compute thread sees job->call, ->body and ->part,
 * and only while job->on_team is set.
 */

#ifndef _NGX_HTTP_MAAS_MODULE_H_INCLUDED_
#define _NGX_HTTP_MAAS_MODULE_H_INCLUDED_


#include "ngx_maas_compat.h"


#define NGX_MAAS_RUN_AUTO       0
#define NGX_MAAS_RUN_INLINE     1
#define NGX_MAAS_RUN_POOL       2

#define NGX_MAAS_INLINE_NS      100000  /* "run auto": inline below this */
#define NGX_MAAS_GRACE          50      /* ms from cancel to 504 at most */
#define NGX_MAAS_BODY_RATE      64      /* bytes per ms of a body at least */
#define NGX_MAAS_TIMEOUT        60000   /* default of maas_timeout */
#define NGX_MAAS_MEMORY_IDLE    10000   /* ms, default of maas_memory_idle */
#define NGX_MAAS_BATCH_MAX      1024    /* requests in a run, at most */
#define NGX_MAAS_ERROR_TEXT     4096    /* of a compiler, at most */


typedef struct {
    ngx_str_t                   name;
    int64_t                     version;
} ngx_maas_label_t;


typedef struct {
    maas_source_t               source;
    ngx_fd_t                    fd;         /* the image; the cycle's */
    ngx_str_t                   reason;     /* why there is no image */
} ngx_maas_version_t;


typedef struct {
    ngx_str_t                   name;
    ngx_str_t                   given;      /* source as it was written */
    ngx_str_t                   source;     /* full path; data NULL: unset */
    ngx_str_t                   versions;   /* NUL-terminated */
    ngx_array_t                 labels;     /* ngx_maas_label_t */
    ngx_uint_t                  queue_max;
    ngx_msec_t                  queue_timeout;
    ngx_uint_t                  levels;     /* of priority */
    ngx_uint_t                  level;      /* default; 0: the middle */
    ngx_msec_t                  age;
    ngx_uint_t                  batch_max;  /* rows; 1: no merging */
    ngx_msec_t                  batch_delay;
    ngx_uint_t                  preferred[MAAS_SCHED_PREFERRED];
    ngx_uint_t                  npreferred;
    ngx_uint_t                  concurrency;  /* 0: auto */
    ngx_str_t                   numerics;   /* NUL-terminated */
    ngx_uint_t                  run;
    uint64_t                    elements;
    ngx_uint_t                  plans;

    ngx_str_t                   file;       /* of the block or the store */
    ngx_uint_t                  line;
    unsigned                    stored:1;   /* found in maas_store */
    unsigned                    shelved:1;  /* its source is there */

    ngx_array_t                 list;       /* ngx_maas_version_t */
    ngx_str_t                   reason;     /* no version: why */

    maas_sched_model_t         *sched;      /* of this worker */
} ngx_maas_model_t;


/* A literal name in maas_pass or maas_models, checked after parsing. */
typedef struct {
    ngx_str_t                   name;
    const char                 *directive;
    ngx_str_t                   file;
    ngx_uint_t                  line;
} ngx_maas_ref_t;


/* A location of one model and one version, checked likewise. */
typedef struct {
    ngx_str_t                   model;
    ngx_str_t                   version;    /* a number or a label */
    ngx_str_t                   at;         /* " in FILE:LINE" */
} ngx_maas_pin_t;


typedef struct ngx_maas_stats_s  ngx_maas_stats_t;


typedef struct {
    ngx_str_t                   images;
    ngx_str_t                   images_at;  /* " in FILE:LINE", or "" */
    ngx_str_t                   memory_at;
    ngx_str_t                   store;
    ngx_str_t                   store_file;
    ngx_uint_t                  store_line;
    ngx_str_t                   compiler;
    off_t                       memory;     /* 0: no budget */
    ngx_msec_t                  memory_idle;    /* 0: off */
    off_t                       body_memory;
    ngx_msec_t                  compile_timeout;
    ngx_uint_t                  degraded;
    ngx_uint_t                  threads;    /* 0: auto */
    ngx_array_t                 models;     /* ngx_maas_model_t * */
    ngx_array_t                 refs;       /* ngx_maas_ref_t */
    ngx_array_t                 pins;       /* ngx_maas_pin_t */
    ngx_uint_t                  used;       /* locations that serve */

    ngx_maas_stats_t           *stats;      /* shared; NULL: none */
    ngx_slab_pool_t            *stats_pool;
    ngx_uint_t                  stats_generation;  /* of this cycle */
} ngx_maas_main_conf_t;


typedef struct {
    ngx_http_complex_value_t   *pass;       /* not inherited */
    ngx_array_t                *dialects;   /* const char *; not inherited */
    ngx_str_t                   prefix;     /* before the routes of these */
    ngx_array_t                *models;     /* maas_str_t */
    ngx_http_complex_value_t   *version;
    ngx_str_t                   version_at; /* " in FILE:LINE" */
    ngx_http_complex_value_t   *timeout;
    ngx_flag_t                  ignore_client_abort;
    ngx_flag_t                  intercept_errors;
    ngx_flag_t                  error_detail;
    ngx_flag_t                  etag;

    unsigned                    enabled:1;  /* this location serves */
    maas_api_t                  api;
} ngx_maas_loc_conf_t;


typedef struct ngx_maas_job_s   ngx_maas_job_t;
typedef struct ngx_maas_task_s  ngx_maas_task_t;


/* What the access log shows; in the request's pool, outlives the job. */
typedef struct {
    ngx_http_request_t         *request;
    ngx_maas_job_t             *job;        /* NULL: gone */
    ngx_str_t                   model;
    ngx_str_t                   version;
    const char                 *status;
    uint64_t                    queue_ns;
    uint64_t                    compute_ns;
    ngx_uint_t                  batch;      /* requests in the run */
    ngx_uint_t                  retry_after;
    ngx_chain_t                *error;      /* body instead of nginx's */
    unsigned                    routed:1;
    unsigned                    queued:1;
    unsigned                    ran:1;
    unsigned                    replied:1;  /* own reply, leave it alone */
} ngx_maas_ctx_t;


/* Work on the compute team; done() is called on the event loop. */
struct ngx_maas_task_s {
    maas_task_t                 task;       /* first */
    void                      (*done)(ngx_maas_task_t *t);
};


typedef enum {
    NGX_MAAS_READ = 0,
    NGX_MAAS_DECODE,
    NGX_MAAS_QUEUE,
    NGX_MAAS_RUN,
    NGX_MAAS_SEND
} ngx_maas_phase_e;


/* A piece of the body that nginx has spooled to a file. */
typedef struct {
    ngx_fd_t                    fd;         /* dup of the temporary file */
    off_t                       from;
    size_t                      at;         /* in the job's body */
    size_t                      len;
} ngx_maas_part_t;


struct ngx_maas_job_s {
    ngx_maas_task_t             task;       /* first */
    maas_sched_item_t           item;
    ngx_queue_t                 link;       /* jobs of the process */
    ngx_maas_job_t             *mate;       /* next one of a run */

    ngx_http_request_t         *r;          /* NULL: detached */
    ngx_maas_ctx_t             *ctx;
    ngx_http_cleanup_t         *cleanup;
    ngx_event_t                 timer;      /* not cancelable */

    maas_call_t                *call;
    ngx_maas_model_t           *model;
    const maas_reply_t         *reply;      /* set when encoded */

    u_char                     *body;
    size_t                      len;
    size_t                      size;
    size_t                      charged;    /* to maas_body_memory */
    ngx_maas_part_t            *part;
    ngx_uint_t                  nparts;

    ngx_msec_t                  timeout;
    ngx_msec_t                  start;      /* of the body */
    ngx_msec_t                  deadline;
    ngx_msec_t                  leave;      /* the queue at the latest */
    uint64_t                    queued_ns;
    uint64_t                    run_ns;     /* set by the team thread */
    uint64_t                    cancel_ns;

    ngx_maas_phase_e            phase;
    unsigned                    unbuffered:1;   /* the only reader */
    unsigned                    on_team:1;
    unsigned                    in_sched:1;
    unsigned                    expired:1;
    unsigned                    late:1;     /* given back by the scheduler */
};


/* What a worker holds; all NULL and -1 in other processes. */
typedef struct {
    maas_catalog_t             *catalog;
    maas_sched_t               *sched;
    maas_team_t                *team;
    ngx_connection_t           *event;      /* of the team's eventfd */
    int                         fd;
    ngx_event_t                 wake;       /* a batch has waited enough */
    ngx_queue_t                 jobs;
    ngx_queue_t                 warm;       /* versions that wait for it */
    off_t                       body_bytes;
    off_t                       body_memory;
    ngx_uint_t                  cancelled;  /* runs, since the start */
} ngx_maas_process_t;


/* ngx_http_maas_module.c */
extern ngx_module_t  ngx_http_maas_module;
extern ngx_module_t  ngx_maas_core_module;
extern ngx_maas_process_t  ngx_maas_process;

/* ngx_maas_conf.c */
void *ngx_maas_create_main_conf(ngx_conf_t *cf);
char *ngx_maas_init_main_conf(ngx_conf_t *cf, void *conf);
void *ngx_maas_create_loc_conf(ngx_conf_t *cf);
char *ngx_maas_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child);
ngx_int_t ngx_maas_conf_at(ngx_conf_t *cf, ngx_str_t *at);
char *ngx_maas_conf_bad(ngx_conf_t *cf, const char *expected);
ngx_int_t ngx_maas_conf_auto(ngx_str_t *value);
char *ngx_maas_conf_path(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_maas_conf_size(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_maas_conf_time(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_maas_conf_startup(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_maas_conf_store(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_maas_conf_threads(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* ngx_maas_conf_loc.c */
char *ngx_maas_conf_pass(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_maas_conf_api(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_maas_conf_models(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_maas_conf_version(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_maas_conf_timeout(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* ngx_maas_conf_model.c */
char *ngx_maas_conf_model(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
ngx_maas_model_t *ngx_maas_model_new(ngx_pool_t *pool,
    ngx_maas_main_conf_t *mcf, ngx_str_t *name);
ngx_maas_model_t *ngx_maas_model_find(ngx_maas_main_conf_t *mcf,
    ngx_str_t *name);

/* ngx_maas_compile.c */
char *ngx_maas_init_conf(ngx_cycle_t *cycle, void *conf);
ngx_uint_t ngx_maas_may_degrade(ngx_cycle_t *cycle,
    ngx_maas_main_conf_t *mcf);
off_t ngx_maas_image_bytes(ngx_maas_main_conf_t *mcf);
ngx_maas_version_t *ngx_maas_version_of(ngx_maas_main_conf_t *mcf,
    const char *key);
void ngx_maas_hold(ngx_cycle_t *cycle, ngx_pool_cleanup_t *cln, ngx_fd_t fd,
    char *name);

/* ngx_maas_store.c */
ngx_int_t ngx_maas_store(ngx_cycle_t *cycle, ngx_maas_main_conf_t *mcf);

/* ngx_maas_child.c */
ngx_int_t ngx_maas_compile_all(ngx_cycle_t *cycle, ngx_maas_main_conf_t *mcf);

/* ngx_maas_exec.c */
void ngx_maas_exec_init(ngx_cycle_t *cycle, ngx_uint_t threads);
void ngx_maas_exec_exit(void);
ngx_maas_job_t *ngx_maas_job_create(ngx_http_request_t *r,
    ngx_maas_ctx_t *ctx, const maas_api_t *api);
void ngx_maas_job_detach(void *data);
void ngx_maas_job_stop(ngx_maas_job_t *job);
void ngx_maas_job_free(ngx_maas_job_t *job);
void ngx_maas_task_post(ngx_maas_task_t *t,
    void (*run)(maas_task_t *t, maas_team_t *team),
    void (*done)(ngx_maas_task_t *t));
uint64_t ngx_maas_now_ns(void);

/* ngx_maas_warm.c */
void ngx_maas_warm(maas_model_t *m, ngx_maas_model_t *model,
    int64_t version);
void ngx_maas_warm_start(void);
void ngx_maas_warm_exit(void);

/* ngx_maas_batch.c */
ngx_int_t ngx_maas_batch_init(ngx_cycle_t *cycle, ngx_maas_main_conf_t *mcf);
void ngx_maas_batch_exit(void);
maas_status_t ngx_maas_batch_admit(ngx_maas_job_t *job, uint32_t *retry);
maas_status_t ngx_maas_batch_push(ngx_maas_job_t *job, uint32_t *retry);
void ngx_maas_batch_leave(ngx_maas_job_t *job, ngx_uint_t measured);
void ngx_maas_batch_start(void);

/* ngx_maas_rest.c */
void ngx_maas_rest_init(ngx_cycle_t *cycle, ngx_maas_main_conf_t *mcf);
void ngx_maas_rest_exit(void);
void ngx_maas_rest_arm(void);

/* ngx_maas_handler.c */
ngx_int_t ngx_maas_handler(ngx_http_request_t *r);
maas_action_t ngx_maas_route(ngx_http_request_t *r, maas_call_t *call);
void ngx_maas_run(ngx_maas_job_t *job);
void ngx_maas_arm(ngx_maas_job_t *job, ngx_msec_t at);

/* ngx_maas_expire.c */
void ngx_maas_refuse(ngx_maas_job_t *job, maas_status_t rc, uint32_t retry);
void ngx_maas_expire(ngx_maas_job_t *job);

/* ngx_maas_body.c */
ngx_uint_t ngx_maas_body_gone(ngx_http_request_t *r);
void ngx_maas_body_first(ngx_http_request_t *r);
ngx_int_t ngx_maas_body_load(ngx_maas_job_t *job);
void ngx_maas_body_ready(ngx_maas_job_t *job);
void ngx_maas_body_release(ngx_maas_job_t *job, const maas_reply_t *reply);
ngx_int_t ngx_maas_body_give(ngx_maas_job_t *job, ngx_uint_t copy);

/* ngx_maas_reply.c */
ngx_int_t ngx_maas_reply_init(ngx_conf_t *cf);
ngx_int_t ngx_maas_reply(ngx_maas_job_t *job);
ngx_int_t ngx_maas_reply_lost(ngx_maas_job_t *job, ngx_uint_t status,
    const char *text);
void ngx_maas_finish(ngx_maas_job_t *job);

/* ngx_maas_stats.c */
ngx_int_t ngx_maas_stats_init(ngx_conf_t *cf);
maas_stats_t *ngx_maas_stats(ngx_cycle_t *cycle, ngx_maas_main_conf_t *mcf,
    ngx_str_t *name, const maas_source_t *source);

/* ngx_maas_vars.c */
ngx_int_t ngx_maas_add_variables(ngx_conf_t *cf);
ngx_maas_ctx_t *ngx_maas_ctx_create(ngx_http_request_t *r);
ngx_maas_ctx_t *ngx_maas_ctx_again(ngx_http_request_t *r);
void ngx_maas_ctx_routed(ngx_maas_ctx_t *ctx, maas_call_t *call);
void ngx_maas_ctx_result(ngx_maas_ctx_t *ctx, maas_call_t *call);


#endif /* _NGX_HTTP_MAAS_MODULE_H_INCLUDED_ */
