/*
 * The only place that includes nginx's headers and maas.h, and the place of
 * every guard for another version of nginx.  The reference build is Debian's
 * nginx 1.22; the module uses nothing whose form has changed up to 1.31: a
 * header element is zeroed before it is filled (1.23 added .next), and
 * request headers are read from the list.
 */

#ifndef _NGX_MAAS_COMPAT_H_INCLUDED_
#define _NGX_MAAS_COMPAT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "maas.h"


#if !(NGX_LINUX)
#error "ngx_maas needs Linux (eventfd, close_range, SCM_RIGHTS)"
#endif


#endif /* _NGX_MAAS_COMPAT_H_INCLUDED_ */
