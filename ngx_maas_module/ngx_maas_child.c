/*
 * Compiler children: one "maas compile --child" per model version that has
 * no image yet, as many at a time as there are cores.  The contract:
 *
 *     maas compile --child --images DIR --image KEY.maas --name MODEL
 *         --version V --numerics exact|fast FILE
 *
 * runs as "user" with the descriptors 0 to 3 only.  It compiles unless
 * DIR/KEY.maas exists and verifies, opens the image for reading, and sends
 * one record on descriptor 3: "OK\n" with the descriptor of the image in an
 * SCM_RIGHTS message, or "ERR <text>\n".  End of file without a record means
 * that it died.  Before exec the fork itself may send "DENIED\n": "user"
 * cannot read FILE, and there is no image that would do without it.
 *
 * The parent is single-threaded here.  A reloading master has its signals
 * blocked, so children are reaped by their own waitpid(), and a stop signal
 * that becomes pending abandons the compile.
 */

#include "ngx_maas_child.h"

#include <grp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>


#define NGX_MAAS_POLL      100      /* ms between looks for a stop signal */
#define NGX_MAAS_LINGER    200      /* ms that a child may take to exit */
#define NGX_MAAS_LOG_TEXT  1400


static ngx_msec_t
ngx_maas_clock(void)
{
    return (ngx_msec_t) (ngx_maas_now_ns() / 1000000);
}


static ngx_uint_t
ngx_maas_stop_pending(void)
{
    sigset_t  set;

    if (sigpending(&set) == -1) {
        return 0;
    }

    return sigismember(&set, SIGTERM) == 1 || sigismember(&set, SIGQUIT) == 1
           || sigismember(&set, SIGINT) == 1;
}


/* Takes the descriptors of one message; one too many is closed. */

static void
ngx_maas_child_take_fd(ngx_maas_child_t *ch, struct msghdr *msg)
{
    int              fds[4];
    size_t           i, n;
    struct cmsghdr  *cmsg;

    for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {

        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS) {
            continue;
        }

        n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        n = ngx_min(n, 4);

        ngx_memcpy(fds, CMSG_DATA(cmsg), n * sizeof(int));

        for (i = 0; i < n; i++) {
            if (ch->fd == NGX_INVALID_FILE) {
                ch->fd = fds[i];

            } else {
                (void) close(fds[i]);
            }
        }
    }
}


/* NGX_OK: record complete, or end of file; NGX_AGAIN: more will come. */

static ngx_int_t
ngx_maas_child_read(ngx_maas_child_t *ch)
{
    ssize_t        n;
    struct iovec   iov;
    struct msghdr  msg;

    union {
        struct cmsghdr  align;
        char            buf[CMSG_SPACE(4 * sizeof(int))];
    } control;

    ngx_memzero(&msg, sizeof(struct msghdr));

    iov.iov_base = ch->text + ch->len;
    iov.iov_len = sizeof(ch->text) - 1 - ch->len;
    msg.msg_iov = &iov;
    msg.msg_iovlen = 1;
    msg.msg_control = &control;
    msg.msg_controllen = sizeof(control);

    n = recvmsg(ch->sock, &msg, MSG_CMSG_CLOEXEC|MSG_DONTWAIT);

    if (n == -1 && (ngx_errno == NGX_EAGAIN || ngx_errno == NGX_EINTR)) {
        return NGX_AGAIN;
    }

    if (n <= 0) {
        return NGX_OK;
    }

    ngx_maas_child_take_fd(ch, &msg);

    ch->len += n;

    if (ch->text[ch->len - 1] == '\n' || ch->len == sizeof(ch->text) - 1) {
        return NGX_OK;
    }

    return NGX_AGAIN;
}


/*
 * Waits for the end of a child that has said what it had to, kills it when
 * that takes long.  Returns its status, or -1 when it is unknown.
 */

static int
ngx_maas_child_reap(ngx_maas_child_t *ch, ngx_uint_t force)
{
    int         status;
    ngx_pid_t   pid;
    ngx_msec_t  end;

    if (ch->sock != -1) {
        (void) close(ch->sock);
        ch->sock = -1;
    }

    if (ch->pid <= 0) {
        return -1;
    }

    end = ngx_maas_clock() + NGX_MAAS_LINGER;

    if (force) {
        (void) kill(-ch->pid, SIGKILL);
        (void) kill(ch->pid, SIGKILL);
    }

    for ( ;; ) {
        pid = waitpid(ch->pid, &status, force ? 0 : WNOHANG);

        if (pid == ch->pid || (pid == -1 && ngx_errno != NGX_EINTR)) {
            break;
        }

        if (!force && (ngx_msec_int_t) (ngx_maas_clock() - end) >= 0) {
            (void) kill(-ch->pid, SIGKILL);
            (void) kill(ch->pid, SIGKILL);
            force = 1;
        }

        if (!force) {
            ngx_msleep(1);
        }
    }

    ch->pid = -1;

    return (pid == -1) ? -1 : status;
}


/* One line for the log, which cuts at 2 KB: without control characters. */

static void
ngx_maas_clean_text(char *text, size_t len)
{
    size_t  i;

    len = ngx_min(len, NGX_MAAS_LOG_TEXT);

    while (len && (text[len - 1] == '\n' || text[len - 1] == ' ')) {
        len--;
    }

    for (i = 0; i < len; i++) {
        if ((u_char) text[i] < 0x20 || text[i] == 0x7f) {
            text[i] = ' ';
        }
    }

    text[len] = '\0';
}


static ngx_int_t
ngx_maas_child_failed(ngx_maas_compiler_t *mc, ngx_maas_child_t *ch,
    const char *text)
{
    size_t             len;
    ngx_uint_t         level, degrade;
    ngx_maas_model_t  *model;

    model = ch->model;

    degrade = ngx_maas_may_degrade(mc->cycle, mc->mcf);
    level = degrade ? NGX_LOG_ERR : NGX_LOG_EMERG;

    ngx_log_error(level, mc->cycle->log, 0,
                  "maas model \"%V\" version %L: %s in %V:%ui", &model->name,
                  ch->version->source.version, text, &model->file,
                  model->line);

    if (!degrade) {
        mc->failed = 1;
        return NGX_OK;
    }

    len = ngx_strlen(text);

    ch->version->reason.data = ngx_pnalloc(mc->cycle->pool, len + 1);
    if (ch->version->reason.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(ch->version->reason.data, text, len + 1);
    ch->version->reason.len = len;

    return NGX_OK;
}


/* The cycle keeps the image open. */

static ngx_int_t
ngx_maas_child_keep(ngx_maas_compiler_t *mc, ngx_maas_child_t *ch)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(mc->cycle->pool,
                               sizeof(ngx_pool_cleanup_file_t));
    if (cln == NULL) {
        (void) close(ch->fd);
        return NGX_ERROR;
    }

    ngx_maas_hold(mc->cycle, cln, ch->fd, ch->image);

    ch->version->fd = ch->fd;

    return NGX_OK;
}


static ngx_int_t
ngx_maas_child_denied(ngx_maas_compiler_t *mc, ngx_maas_child_t *ch)
{
    u_char         text[NGX_MAAS_ERROR_TEXT], gid[NGX_INT_T_LEN + 1];
    const char    *group;
    struct group  *gr;

    (void) ngx_sprintf(gid, "%ui%Z", (ngx_uint_t) mc->gid);

    gr = getgrgid(mc->gid);
    group = gr ? gr->gr_name : (const char *) gid;

    (void) ngx_snprintf(text, sizeof(text) - 1,
                        "user \"%s\" cannot read \"%s\"; mend it with "
                        "\"chgrp -R %s %V && chmod -R g+rX %V\" (and x for "
                        "the folders above)%Z",
                        mc->user, ch->version->source.path, group,
                        &ch->model->source, &ch->model->source);

    text[sizeof(text) - 1] = '\0';

    return ngx_maas_child_failed(mc, ch, (char *) text);
}


/* The child has spoken, or its end of the socket is closed. */

static ngx_int_t
ngx_maas_child_done(ngx_maas_compiler_t *mc, ngx_maas_child_t *ch)
{
    int      status;
    u_char   text[256];

    mc->running--;
    status = ngx_maas_child_reap(ch, 0);

    if (ch->len == 3 && ngx_strncmp(ch->text, "OK\n", 3) == 0
        && ch->fd != NGX_INVALID_FILE)
    {
        return ngx_maas_child_keep(mc, ch);
    }

    if (ch->fd != NGX_INVALID_FILE) {
        (void) close(ch->fd);
        ch->fd = NGX_INVALID_FILE;
    }

    if (ch->len == 7 && ngx_strncmp(ch->text, "DENIED\n", 7) == 0) {
        return ngx_maas_child_denied(mc, ch);
    }

    if (ch->len > 4 && ngx_strncmp(ch->text, "ERR ", 4) == 0) {
        ngx_maas_clean_text(ch->text, ch->len);
        return ngx_maas_child_failed(mc, ch, ch->text + 4);
    }

    if (status != -1 && WIFSIGNALED(status)) {
        (void) ngx_snprintf(text, sizeof(text), "the compiler died "
                            "(signal %d)%Z", WTERMSIG(status));

    } else if (status != -1 && WIFEXITED(status)) {
        (void) ngx_snprintf(text, sizeof(text), "the compiler exited with "
                            "code %d and without a result%Z",
                            WEXITSTATUS(status));

    } else {
        (void) ngx_snprintf(text, sizeof(text), "the compiler died%Z");
    }

    return ngx_maas_child_failed(mc, ch, (char *) text);
}


static void
ngx_maas_kill_children(ngx_maas_compiler_t *mc)
{
    ngx_uint_t          i;
    ngx_maas_child_t  **ch;

    ch = mc->children.elts;

    for (i = 0; i < mc->started; i++) {
        (void) ngx_maas_child_reap(ch[i], 1);

        if (ch[i]->fd != NGX_INVALID_FILE
            && ch[i]->version->fd == NGX_INVALID_FILE)
        {
            (void) close(ch[i]->fd);
            ch[i]->fd = NGX_INVALID_FILE;
        }
    }
}


/* Deadline or stop signal: every child that still runs has failed. */

static ngx_int_t
ngx_maas_overrun(ngx_maas_compiler_t *mc)
{
    u_char              text[256];
    ngx_uint_t          i;
    ngx_maas_child_t  **ch;

    ch = mc->children.elts;

    (void) ngx_snprintf(text, sizeof(text), "not compiled within the %M ms "
                        "of \"maas_compile_timeout\"; raise it, or compile "
                        "beforehand with \"maas compile --config\"%Z",
                        mc->mcf->compile_timeout);

    for (i = 0; i < mc->children.nelts; i++) {
        if (i >= mc->started || ch[i]->sock != -1) {
            (void) ngx_maas_child_reap(ch[i], 1);

            if (ngx_maas_child_failed(mc, ch[i], (char *) text) != NGX_OK) {
                return NGX_ERROR;
            }
        }
    }

    mc->started = mc->children.nelts;
    mc->running = 0;

    return NGX_OK;
}


/* Waits for word from any child, at most until the next look for signals. */

static ngx_int_t
ngx_maas_wait_children(ngx_maas_compiler_t *mc, struct pollfd *pfd)
{
    int                 n;
    ngx_uint_t          i, k;
    ngx_maas_child_t  **ch;

    ch = mc->children.elts;
    n = 0;

    for (i = 0; i < mc->started; i++) {
        if (ch[i]->sock != -1) {
            pfd[n].fd = ch[i]->sock;
            pfd[n].events = POLLIN;
            pfd[n++].revents = 0;
        }
    }

    if (poll(pfd, n, NGX_MAAS_POLL) <= 0) {
        return NGX_OK;
    }

    k = 0;

    for (i = 0; i < mc->started; i++) {
        if (ch[i]->sock == -1) {
            continue;
        }

        if (pfd[k++].revents == 0) {
            continue;
        }

        if (ngx_maas_child_read(ch[i]) == NGX_OK
            && ngx_maas_child_done(mc, ch[i]) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_maas_run_children(ngx_maas_compiler_t *mc)
{
    ngx_uint_t          cores;
    struct pollfd      *pfd;
    ngx_maas_child_t  **ch;

    cores = ngx_max(maas_cores(), 2);
    ch = mc->children.elts;

    pfd = ngx_palloc(mc->cycle->pool,
                     mc->children.nelts * sizeof(struct pollfd));
    if (pfd == NULL) {
        return NGX_ERROR;
    }

    mc->end = ngx_maas_clock() + mc->mcf->compile_timeout;

    for ( ;; ) {
        while (mc->running < cores && mc->started < mc->children.nelts
               && !mc->failed)
        {
            if (ngx_maas_spawn(mc, ch[mc->started]) != NGX_OK) {
                return NGX_ERROR;
            }

            mc->started++;
        }

        if (mc->running == 0) {
            return NGX_OK;
        }

        if (ngx_maas_wait_children(mc, pfd) != NGX_OK) {
            return NGX_ERROR;
        }

        if (ngx_maas_stop_pending()) {
            ngx_log_error(NGX_LOG_ERR, mc->cycle->log, 0,
                          "maas: compiling is abandoned, a signal to stop "
                          "is pending");
            return NGX_ERROR;
        }

        if (mc->running && (ngx_msec_int_t) (ngx_maas_clock() - mc->end) >= 0)
        {
            return ngx_maas_overrun(mc);
        }
    }
}


/*
 * Versions of one source under several names share the image of the first,
 * and its fate.
 */

static void
ngx_maas_share(ngx_maas_main_conf_t *mcf)
{
    ngx_uint_t            i, k;
    ngx_maas_model_t    **m;
    ngx_maas_version_t   *v, *first;

    m = mcf->models.elts;

    for (i = 0; i < mcf->models.nelts; i++) {
        v = m[i]->list.elts;

        for (k = 0; k < m[i]->list.nelts; k++) {
            first = ngx_maas_version_of(mcf, v[k].source.key);

            v[k].fd = first->fd;
            v[k].reason = first->reason;
        }
    }
}


ngx_int_t
ngx_maas_compile_all(ngx_cycle_t *cycle, ngx_maas_main_conf_t *mcf)
{
    ngx_int_t             rc;
    ngx_uint_t            i, k;
    ngx_maas_model_t    **m;
    ngx_maas_version_t   *v;
    ngx_maas_compiler_t   mc;

    ngx_memzero(&mc, sizeof(ngx_maas_compiler_t));

    mc.cycle = cycle;
    mc.mcf = mcf;

    if (ngx_array_init(&mc.children, cycle->pool, 8,
                       sizeof(ngx_maas_child_t *)) != NGX_OK)
    {
        return NGX_ERROR;
    }

    m = mcf->models.elts;

    for (i = 0; i < mcf->models.nelts; i++) {
        v = m[i]->list.elts;

        for (k = 0; k < m[i]->list.nelts; k++) {
            if (v[k].fd == NGX_INVALID_FILE
                && ngx_maas_version_of(mcf, v[k].source.key) == &v[k]
                && ngx_maas_spawn_prepare(&mc, m[i], &v[k]) != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    if (mc.children.nelts == 0) {
        ngx_maas_share(mcf);
        return NGX_OK;
    }

    if (ngx_maas_spawn_init(&mc) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_maas_run_children(&mc);

    ngx_maas_kill_children(&mc);
    ngx_maas_share(mcf);

    return (rc == NGX_OK && !mc.failed) ? NGX_OK : NGX_ERROR;
}
