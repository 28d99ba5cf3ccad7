/*
 * Starts compiler children; the contract is in ngx_maas_child.c.  fork and
 * exec, because posix_spawn cannot change the user, in a parent that has
 * one thread.  A child gets clean signals, a small environment, and the
 * descriptors 0 to 3.
 *
 * Memory is the cycle's pool; what NSS has to say is asked before the fork.
 */

#include "ngx_maas_child.h"

#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/socket.h>


/* The environment of a child: what the engine and sanitizers read. */

static char **
ngx_maas_child_env(ngx_pool_t *pool)
{
    char        **env, *value;
    size_t        len;
    ngx_uint_t    i, n;

    static const char *const  names[] = {
        "PATH", "TMPDIR", "MAAS_CPU", "ASAN_OPTIONS", "UBSAN_OPTIONS",
        "LD_PRELOAD", "LD_LIBRARY_PATH", NULL
    };

    env = ngx_pcalloc(pool, 10 * sizeof(char *));
    if (env == NULL) {
        return NULL;
    }

    env[0] = "LC_ALL=C";
    env[1] = "OPENBLAS_NUM_THREADS=1";
    n = 2;

    for (i = 0; names[i]; i++) {
        value = getenv(names[i]);
        if (value == NULL) {
            continue;
        }

        len = ngx_strlen(names[i]) + ngx_strlen(value) + 2;

        env[n] = ngx_pnalloc(pool, len);
        if (env[n] == NULL) {
            return NULL;
        }

        (void) ngx_snprintf((u_char *) env[n], len, "%s=%s%Z", names[i],
                            value);
        n++;
    }

    return env;
}


/* Not root: the children are who nginx is, whatever "user" says. */

static ngx_int_t
ngx_maas_child_self(ngx_maas_compiler_t *mc)
{
    size_t          len;
    u_char         *p;
    struct passwd  *pw;

    pw = getpwuid(geteuid());
    len = pw ? ngx_strlen(pw->pw_name) : NGX_INT_T_LEN;

    p = ngx_pnalloc(mc->cycle->pool, len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (pw) {
        ngx_memcpy(p, pw->pw_name, len + 1);

    } else {
        (void) ngx_sprintf(p, "%ui%Z", (ngx_uint_t) geteuid());
    }

    mc->user = (char *) p;
    mc->gid = getegid();

    return NGX_OK;
}


/* Who the children are; the group list needs NSS, so before the fork. */

static ngx_int_t
ngx_maas_child_user(ngx_maas_compiler_t *mc)
{
    ngx_core_conf_t  *ccf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(mc->cycle->conf_ctx,
                                           ngx_core_module);

    if (geteuid() != 0 || ccf->user == (ngx_uid_t) NGX_CONF_UNSET_UINT) {
        return ngx_maas_child_self(mc);
    }

    mc->user = ccf->username ? ccf->username : "";
    mc->drop = 1;
    mc->uid = ccf->user;
    mc->gid = ccf->group;
    mc->ngroups = NGX_MAAS_GROUPS;

    if (getgrouplist(mc->user, mc->gid, mc->groups, &mc->ngroups) == -1) {
        mc->ngroups = 1;
        mc->groups[0] = mc->gid;
    }

    return NGX_OK;
}


/* A folder with anything but images belongs to somebody. */

static ngx_uint_t
ngx_maas_images_only(ngx_maas_compiler_t *mc)
{
    u_char      *name;
    ngx_dir_t    dir;
    ngx_uint_t   only;

    if (ngx_open_dir(&mc->mcf->images, &dir) == NGX_ERROR) {
        return 0;
    }

    only = 1;

    while (only && ngx_read_dir(&dir) == NGX_OK) {
        name = ngx_de_name(&dir);
        only = ngx_strcmp(name, ".") == 0 || ngx_strcmp(name, "..") == 0
               || ngx_strcmp(name, "lost+found") == 0
               || ngx_strstr(name, ".maas") != NULL;
    }

    (void) ngx_close_dir(&dir);

    return only;
}


/*
 * The image directory, 0700 and owned by the user of the workers.  On a
 * read-only file system it may be somebody else's: images in it are served.
 */

static ngx_int_t
ngx_maas_images_dir(ngx_maas_compiler_t *mc)
{
    u_char           *dir;
    ngx_err_t         err;
    ngx_file_info_t   fi;

    dir = mc->mcf->images.data;

    if (ngx_create_dir(dir, 0700) == NGX_FILE_ERROR) {
        err = ngx_errno;

        if (err != NGX_EEXIST && err != EROFS) {
            ngx_log_error(NGX_LOG_EMERG, mc->cycle->log, err,
                          "cannot create \"%V\" for the images of models; "
                          "create its parent folder, or set \"maas_images\""
                          "%V", &mc->mcf->images, &mc->mcf->images_at);
            return NGX_ERROR;
        }
    }

    if (ngx_file_info(dir, &fi) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_EMERG, mc->cycle->log, 0,
                      "\"%V\" of \"maas_images\" is not there and cannot be "
                      "made; prepare images with \"%V compile --config %V\""
                      "%V", &mc->mcf->images, &mc->mcf->compiler,
                      &mc->cycle->conf_file, &mc->mcf->images_at);
        return NGX_ERROR;
    }

    if (!ngx_is_dir(&fi)) {
        ngx_log_error(NGX_LOG_EMERG, mc->cycle->log, 0,
                      "\"%V\" of \"maas_images\" is not a folder; name one "
                      "that may be created%V", &mc->mcf->images,
                      &mc->mcf->images_at);
        return NGX_ERROR;
    }

    if (!mc->drop || fi.st_uid == mc->uid) {
        return NGX_OK;
    }

    if (!ngx_maas_images_only(mc)) {
        ngx_log_error(NGX_LOG_EMERG, mc->cycle->log, 0,
                      "\"%V\" of \"maas_images\" has other files than images "
                      "in it and is not given to user \"%s\"; name a folder "
                      "of its own, which may be created%V",
                      &mc->mcf->images, mc->user, &mc->mcf->images_at);
        return NGX_ERROR;
    }

    if (chown((char *) dir, mc->uid, (gid_t) -1) == -1 && ngx_errno != EROFS) {
        ngx_log_error(NGX_LOG_EMERG, mc->cycle->log, ngx_errno,
                      "cannot give \"%V\" to user \"%s\"; chown it, or set "
                      "\"maas_images\"%V", &mc->mcf->images, mc->user,
                      &mc->mcf->images_at);
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_maas_spawn_prepare(ngx_maas_compiler_t *mc, ngx_maas_model_t *model,
    ngx_maas_version_t *v)
{
    u_char             *p;
    size_t              len;
    ngx_uint_t          n;
    ngx_maas_child_t   *ch, **slot;

    ch = ngx_pcalloc(mc->cycle->pool, sizeof(ngx_maas_child_t));
    slot = ngx_array_push(&mc->children);

    len = mc->mcf->images.len + sizeof("/.maas") + sizeof(v->source.key);
    p = ngx_pnalloc(mc->cycle->pool, len + NGX_INT64_LEN + 1);

    if (ch == NULL || slot == NULL || p == NULL) {
        return NGX_ERROR;
    }

    *slot = ch;

    ch->model = model;
    ch->version = v;
    ch->sock = -1;
    ch->fd = NGX_INVALID_FILE;
    ch->image = (char *) p;

    (void) ngx_sprintf(p, "%V/%s.maas%Z", &mc->mcf->images, v->source.key);

    p += len;
    (void) ngx_sprintf(p, "%L%Z", v->source.version);

    n = 0;
    ch->argv[n++] = (char *) mc->mcf->compiler.data;
    ch->argv[n++] = "compile";
    ch->argv[n++] = "--child";
    ch->argv[n++] = "--images";
    ch->argv[n++] = (char *) mc->mcf->images.data;
    ch->argv[n++] = "--image";
    ch->argv[n++] = ch->image + mc->mcf->images.len + 1;
    ch->argv[n++] = "--name";
    ch->argv[n++] = (char *) model->name.data;
    ch->argv[n++] = "--version";
    ch->argv[n++] = (char *) p;
    ch->argv[n++] = "--numerics";
    ch->argv[n++] = (char *) model->numerics.data;
    ch->argv[n++] = v->source.path;
    ch->argv[n] = NULL;

    return NGX_OK;
}


static void
ngx_maas_child_say(const char *text, size_t len)
{
    if (write(3, text, len) == -1) {
        _exit(1);
    }
}


/*
 * The rest is in the fork: async-signal-safe calls only, and every failure
 * is _exit(1).
 */

static void
ngx_maas_child_descriptors(int sock)
{
    int  fd;

    fd = open("/dev/null", O_RDWR);

    /* neither may be in the way of 0, 1 and 3 */

    fd = fcntl(fd, F_DUPFD, 4);
    sock = fcntl(sock, F_DUPFD, 4);

    if (fd == -1 || sock == -1 || dup2(fd, 0) == -1 || dup2(fd, 1) == -1
        || dup2(sock, 3) == -1 || close_range(4, ~0U, 0) == -1)
    {
        _exit(1);
    }
}


static void
ngx_maas_child_access(ngx_maas_child_t *ch)
{
    int  fd;

    if (access(ch->image, R_OK) == -1) {
        fd = open(ch->version->source.path, O_RDONLY|O_NONBLOCK);

        if (fd == -1 && errno == EACCES) {
            ngx_maas_child_say("DENIED\n", 7);
            _exit(0);
        }

        if (fd != -1) {
            (void) close(fd);
        }
    }
}


/* PR_SET_PDEATHSIG follows setuid(), which clears it. */

static void
ngx_maas_child_exec(ngx_maas_compiler_t *mc, ngx_maas_child_t *ch, int sock,
    ngx_pid_t parent)
{
    int                i;
    sigset_t           none;
    struct sigaction   sa;
    static const char  closed[] =
        "ERR the compiler cannot be run by the user of the workers: open "
        "its folders to it, or set \"maas_compiler\"\n";

    ngx_memzero(&sa, sizeof(struct sigaction));
    sa.sa_handler = SIG_DFL;
    sigemptyset(&sa.sa_mask);

    for (i = 1; i < NSIG; i++) {
        (void) sigaction(i, &sa, NULL);
    }

    (void) setsid();

    if (mc->drop
        && (setgroups(mc->ngroups, mc->groups) == -1
            || setgid(mc->gid) == -1 || setuid(mc->uid) == -1))
    {
        _exit(1);
    }

    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == -1
        || getppid() != parent)
    {
        _exit(1);
    }

    ngx_maas_child_descriptors(sock);
    ngx_maas_child_access(ch);

    sigemptyset(&none);
    (void) sigprocmask(SIG_SETMASK, &none, NULL);

    (void) execve(ch->argv[0], ch->argv, mc->env);

    ngx_maas_child_say(closed, sizeof(closed) - 1);
    _exit(1);
}


ngx_int_t
ngx_maas_spawn(ngx_maas_compiler_t *mc, ngx_maas_child_t *ch)
{
    int        fds[2];
    ngx_pid_t  parent;

    if (socketpair(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0, fds) == -1) {
        ngx_log_error(NGX_LOG_EMERG, mc->cycle->log, ngx_errno,
                      "maas: socketpair() failed");
        return NGX_ERROR;
    }

    parent = getpid();
    ch->pid = fork();

    if (ch->pid == 0) {
        ngx_maas_child_exec(mc, ch, fds[1], parent);
    }

    (void) close(fds[1]);

    if (ch->pid == -1) {
        ngx_log_error(NGX_LOG_EMERG, mc->cycle->log, ngx_errno,
                      "maas: fork() failed");
        (void) close(fds[0]);
        return NGX_ERROR;
    }

    ch->sock = fds[0];
    mc->running++;

    return NGX_OK;
}


/* Once per configuration, before the first child. */

ngx_int_t
ngx_maas_spawn_init(ngx_maas_compiler_t *mc)
{
    mc->env = ngx_maas_child_env(mc->cycle->pool);

    if (mc->env == NULL) {
        return NGX_ERROR;
    }

    if (access((char *) mc->mcf->compiler.data, X_OK) == -1) {
        ngx_log_error(NGX_LOG_EMERG, mc->cycle->log, ngx_errno,
                      "cannot run the compiler \"%V\"; set "
                      "\"maas_compiler\" to the path of the maas command",
                      &mc->mcf->compiler);
        return NGX_ERROR;
    }

    if (ngx_maas_child_user(mc) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_maas_images_dir(mc);
}
