/*
 * A compiler child and what all of one configuration share; private to
 * ngx_maas_spawn.c, which starts children, and ngx_maas_child.c, which
 * hears and ends them.  Memory is the cycle's pool.
 */

#ifndef _NGX_MAAS_CHILD_H_INCLUDED_
#define _NGX_MAAS_CHILD_H_INCLUDED_


#include "ngx_http_maas_module.h"


#define NGX_MAAS_GROUPS  256


typedef struct {
    ngx_maas_model_t    *model;
    ngx_maas_version_t  *version;
    char                *image;         /* DIR/KEY.maas */
    char                *argv[18];
    ngx_pid_t            pid;
    int                  sock;
    ngx_fd_t             fd;            /* received */
    size_t               len;
    char                 text[NGX_MAAS_ERROR_TEXT];
} ngx_maas_child_t;


typedef struct {
    ngx_cycle_t           *cycle;
    ngx_maas_main_conf_t  *mcf;
    ngx_array_t            children;    /* ngx_maas_child_t * */
    ngx_uint_t             started;
    ngx_uint_t             running;
    ngx_uint_t             failed;
    ngx_msec_t             end;
    char                 **env;
    gid_t                  groups[NGX_MAAS_GROUPS];
    int                    ngroups;
    uid_t                  uid;
    gid_t                  gid;
    const char            *user;
    ngx_uint_t             drop;
} ngx_maas_compiler_t;


ngx_int_t ngx_maas_spawn_init(ngx_maas_compiler_t *mc);
ngx_int_t ngx_maas_spawn_prepare(ngx_maas_compiler_t *mc,
    ngx_maas_model_t *model, ngx_maas_version_t *v);
ngx_int_t ngx_maas_spawn(ngx_maas_compiler_t *mc, ngx_maas_child_t *ch);


#endif /* _NGX_MAAS_CHILD_H_INCLUDED_ */
