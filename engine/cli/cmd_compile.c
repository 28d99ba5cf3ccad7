/*
 * maas compile: a model file into an image; every model of an nginx
 * configuration into its image directory; or, as the module's child, one
 * model whose image goes back as an open descriptor.
 *
 * The child speaks one record on descriptor 3, a Unix stream socket: "OK\n"
 * with the descriptor (SCM_RIGHTS), or "ERR text\n".
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/compile.h"
#include "cli/cli_compile.h"


#define CHILD_FD  3


static const char  compile_help[] =
    "usage: maas compile MODEL [-o IMAGE] [--name NAME] "
    "[--numerics exact|fast]\n"
    "                    [--json]\n"
    "       maas compile --config NGINX_CONF [--prefix DIR] [--json]\n\n"
    "MODEL is an .onnx file, or a folder with versions (the latest is taken);\n"
    "model.json and labels.txt beside it are read.  Without -o the image lies\n"
    "beside the model, with .maas at its end.\n\n"
    "With --config, all models of an nginx configuration are compiled into its\n"
    "maas_images, so that nginx finds them there.  Relative paths of sources\n"
    "start at the configuration's folder, maas_images at --prefix (default:\n"
    "what \"nginx -V\" says).\n";

static void    *image_made;
static size_t   image_size;


static maas_status_t
compile_file(const char *file, const char *name, const char *numerics,
    void **image, size_t *size, maas_err_t *err)
{
    maas_compile_t  spec = { .path = file, .name = name,
                             .numerics = numerics };

    spec.passes_off = getenv("MAAS_PASSES_OFF");
    return maas_compile(&spec, image, size, err);
}


/* Whole, and made of what the source is now: names go by time and size. */
static maas_status_t
compile_present(int fd, const char *file, maas_err_t *err)
{
    void           *p;
    struct stat     st;
    maas_status_t   rc;

    if (fstat(fd, &st) != 0 || st.st_size <= 0) {
        return maas_err(err, MAAS_ETRUNC, "the file is empty");
    }

    p = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        return maas_err(err, MAAS_EIO, "mmap: %s", strerror(errno));
    }

    rc = maas_image_verify(p, (size_t) st.st_size, err);

    if (rc == MAAS_OK && !maas_image_is_of(p, file)) {
        rc = maas_err(err, MAAS_EINVAL, "the image is of another source");
    }

    munmap(p, (size_t) st.st_size);
    return rc;
}


maas_status_t
cli_compile_into(const char *dir, const char *key, const char *file,
    const char *name, const char *numerics, int *fd, bool *made,
    maas_err_t *err)
{
    char           path[4096];
    void          *image;
    size_t         size;
    maas_status_t  rc;

    *made = false;

    if (snprintf(path, sizeof(path), "%s/%s", dir, key) >= (int) sizeof(path))
    {
        return maas_err(err, MAAS_EINVAL, "the path of the image is too long");
    }

    *fd = open(path, O_RDONLY | O_CLOEXEC);

    if (*fd >= 0) {
        if (compile_present(*fd, file, NULL) == MAAS_OK) {
            return MAAS_OK;
        }

        close(*fd);
        *fd = -1;
    }

    MAAS_TRY(compile_file(file, name, numerics, &image, &size, err));

    *made = true;
    rc = maas_image_write(dir, key, image, size, fd, err);
    maas_image_free(image);

    if (rc == MAAS_OK) {
        maas_images_sweep(dir, key, *fd);
    }

    return rc;
}


/* -- child --------------------------------------------------------------- */

static int
child_send(const char *text, size_t len, int fd)
{
    char            room[CMSG_SPACE(sizeof(int))];
    struct iovec    io = { (void *) text, len };
    struct msghdr   msg = { .msg_iov = &io, .msg_iovlen = 1 };
    struct cmsghdr *c;

    if (fd >= 0) {
        memset(room, 0, sizeof(room));
        msg.msg_control = room;
        msg.msg_controllen = sizeof(room);
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(int));
    }

    return sendmsg(CHILD_FD, &msg, MSG_NOSIGNAL) == (ssize_t) len ? 0 : 1;
}


static int
child_error(const char *text)
{
    int   n;
    char  line[MAAS_ERR_TEXT + 8];

    n = snprintf(line, sizeof(line), "ERR %s\n", text);

    for (int i = 4; i < n - 1; i++) {
        if ((unsigned char) line[i] < ' ' || line[i] == 127) {
            line[i] = ' ';
        }
    }

    (void) child_send(line, (size_t) n, -1);
    return CLI_FAILED;
}


static int
compile_child(const char *dir, const char *key, const char *file,
    const char *name, const char *numerics)
{
    int         fd;
    bool        made;
    maas_err_t  err;

    if (dir == NULL || key == NULL || name == NULL) {
        return child_error("--child needs --images, --image and --name");
    }

    if (cli_compile_into(dir, key, file, name, numerics, &fd, &made, &err)
        != MAAS_OK)
    {
        return child_error(err.text);
    }

    /* Whoever gets the descriptor holds the image: see maas_images_sweep(). */
    (void) flock(fd, LOCK_SH | LOCK_NB);

    return child_send("OK\n", 3, fd);
}


/* -- one file ------------------------------------------------------------ */

static void
compile_report(const char *path, size_t size, double seconds, bool json)
{
    maas_buf_t  b;

    if (!json) {
        printf("%s: %zu bytes, %.2f s\n", path, size, seconds);
        return;
    }

    maas_buf_init(&b, maas_host_default());
    maas_buf_puts(&b, "{\"image\":");
    maas_buf_json(&b, path, strlen(path));
    printf("%.*s,\"bytes\":%zu,\"seconds\":%.3f}\n", (int) b.len, b.data, size,
           seconds);
    maas_buf_destroy(&b);
}


static int
compile_one(const char *model, const char *out, const char *name,
    const char *numerics, bool json)
{
    int             fd;
    char            file[1024], own[MAAS_NAME_MAX + 1], path[4096];
    char            dir[4096], *slash;
    uint64_t        start = maas_now_ns();
    maas_err_t      err;
    maas_status_t   rc;

    if (cli_model_path(model, file, own, &err) != MAAS_OK) {
        return cli_fail("%s", err.text);
    }

    if (out != NULL) {
        snprintf(path, sizeof(path), "%s", out);
    } else {
        snprintf(path, sizeof(path), "%.*s.maas",
                 (int) (strlen(file) - (cli_ends(file, ".onnx") ? 5 : 0)),
                 file);
    }

    snprintf(dir, sizeof(dir), "%s", path);
    slash = strrchr(dir, '/');
    if (slash == NULL) {
        snprintf(dir, sizeof(dir), ".");
    } else {
        slash[slash == dir] = '\0';
    }

    cli_progress_begin("compiling");
    rc = compile_file(file, name != NULL ? name : own, numerics, &image_made,
                     &image_size, &err);
    cli_progress_end();

    if (rc == MAAS_OK) {
        slash = strrchr(path, '/');
        rc = maas_image_write(dir, slash != NULL ? slash + 1 : path,
                              image_made, image_size, &fd, &err);
        maas_image_free(image_made);
    }

    if (rc != MAAS_OK) {
        return cli_fail("%s", err.text);
    }

    close(fd);
    compile_report(path, image_size, (double) (maas_now_ns() - start) / 1e9,
                   json);
    return CLI_OK;
}


int
cmd_compile(int argc, char **argv)
{
    int           rc;
    bool          child = false, json = false;
    cli_list_t    rest = { 0 };
    const char   *out = NULL, *name = NULL, *numerics = "exact";
    const char   *config = NULL, *prefix = NULL, *images = NULL;
    const char   *image = NULL, *version = NULL;
    cli_option_t  opts[] = {
        { "-o", CLI_TEXT, &out },
        { "--output", CLI_TEXT, &out },
        { "--name", CLI_TEXT, &name },
        { "--numerics", CLI_TEXT, &numerics },
        { "--config", CLI_TEXT, &config },
        { "--prefix", CLI_TEXT, &prefix },
        { "--json", CLI_FLAG, &json },
        { "--child", CLI_FLAG, &child },
        { "--images", CLI_TEXT, &images },
        { "--image", CLI_TEXT, &image },
        { "--version", CLI_TEXT, &version },
        { NULL, 0, NULL }
    };

    rc = cli_options(argc, argv, opts, &rest, compile_help);
    if (rc != -1) {
        return rc;
    }

    if (strcmp(numerics, "exact") != 0 && strcmp(numerics, "fast") != 0) {
        return cli_usage("--numerics %s: expected exact or fast", numerics);
    }

    if (config != NULL) {
        return rest.n != 0 || out != NULL || name != NULL
               ? cli_usage("--config takes neither MODEL, -o nor --name")
               : cli_compile_config(config, prefix, json);
    }

    if (rest.n != 1) {
        return cli_usage(rest.n == 0 ? "which model?"
                                     : "one model at a time, please");
    }

    return child ? compile_child(images, image, rest.v[0], name, numerics)
                 : compile_one(rest.v[0], out, name, numerics, json);
}
