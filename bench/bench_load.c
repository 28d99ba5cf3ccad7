/*
 * bench_load: an open loop of HTTP requests: they come when they come, however
 * long answers take.
 *
 *     bench_load PORT PATH RATE SECONDS LATE_MS HEADER BODY.json...
 *
 * RATE requests a second at even distances, each with one of the bodies in
 * an order that looks random and is the same in every run.  A request takes
 * an idle connection, or a new one; latency counts from the time when it was
 * due, so that a client that falls behind cannot hide it.  HEADER: one more
 * line of the head, "" for none.
 *
 * Prints one line of JSON: came, good (200 within LATE_MS; 0: no limit),
 * goodput (of these a second, as long as requests come: what a queue that
 * was filled meanwhile still gives is not counted), late (200 after it),
 * refused (503), timeout (504), bad (others, and broken connections), p50_ms
 * and p99_ms of those with 200.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNS   4000
#define BUFFER  65536

typedef struct {
    char   *text;
    size_t  len;
} request_t;

typedef struct conn_s  conn_t;

struct conn_s {
    int               fd;
    int               busy;
    const request_t  *request;
    size_t            sent;
    size_t            got;              /* bytes of the answer in head */
    size_t            left;             /* of its body; with the head read */
    int               status;           /* 0: the head is not complete */
    uint64_t          due;
    conn_t           *next;             /* idle */
    char              head[4096];
};

static conn_t      conns[CONNS], *idle;
static size_t      n_conns, n_busy;
static int         ep, port;
static request_t  *requests;
static size_t      n_requests;
static uint64_t   *ns;
static size_t      n_good, n_while, n_late, n_refused, n_timeout, n_bad, n_ns;
static uint64_t    late;
static uint64_t    over;                /* no request comes any more */


static uint64_t
now(void)
{
    struct timespec  t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t) t.tv_sec * 1000000000u + (uint64_t) t.tv_nsec;
}


static void
fail(const char *what)
{
    perror(what);
    exit(1);
}


static void
make_request(request_t *r, const char *path, const char *header,
    const char *file)
{
    long    size;
    FILE   *f = fopen(file, "rb");
    size_t  room;

    if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) < 0) {
        fail(file);
    }

    rewind(f);
    room = (size_t) size + strlen(path) + strlen(header) + 256;
    r->text = malloc(room);
    r->len = (size_t) snprintf(r->text, room, "POST %s HTTP/1.1\r\n"
        "Host: localhost\r\nContent-Type: application/json\r\n"
        "Content-Length: %ld\r\n%s%s\r\n", path, size, header,
        *header ? "\r\n" : "");

    if (fread(r->text + r->len, 1, (size_t) size, f) != (size_t) size) {
        fail(file);
    }

    r->len += (size_t) size;
    fclose(f);
}


/* -- connections --------------------------------------------------------- */

static conn_t *
conn_open(void)
{
    int                 one = 1;
    conn_t             *c;
    struct sockaddr_in  a = { .sin_family = AF_INET };
    struct epoll_event  e = { .events = EPOLLIN | EPOLLOUT | EPOLLET };

    if (idle != NULL) {
        c = idle;
        idle = c->next;

    } else if (n_conns < CONNS) {
        c = &conns[n_conns++];
        c->fd = -1;

    } else {
        return NULL;
    }

    if (c->fd >= 0) {
        return c;
    }

    a.sin_port = htons((uint16_t) port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    if (c->fd < 0) {
        fail("socket");
    }

    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));

    if (connect(c->fd, (struct sockaddr *) &a, sizeof(a)) != 0
        && errno != EINPROGRESS)
    {
        fail("connect");
    }

    e.data.ptr = c;
    epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);

    return c;
}


static void
conn_close(conn_t *c)
{
    close(c->fd);
    c->fd = -1;
}


static void
conn_done(conn_t *c, int status)
{
    uint64_t  t = now(), took = t - c->due;

    c->busy = 0;
    c->next = idle;
    idle = c;
    n_busy--;

    switch (status) {

    case 200:
        ns[n_ns++] = took;
        n_good += late == 0 || took <= late;
        n_while += (late == 0 || took <= late) && t <= over;
        n_late += late != 0 && took > late;
        break;

    case 503:
        n_refused++;
        break;

    case 504:
        n_timeout++;
        break;

    default:
        n_bad++;
    }
}


static void
conn_write(conn_t *c)
{
    ssize_t  n;

    while (c->sent < c->request->len) {
        n = send(c->fd, c->request->text + c->sent, c->request->len - c->sent,
                 MSG_NOSIGNAL);

        if (n < 0) {
            return;             /* EAGAIN, or reading will tell */
        }

        c->sent += (size_t) n;
    }
}


/* The head of an answer; false: not complete yet. */
static int
conn_head(conn_t *c)
{
    char  *end, *p;

    c->head[c->got] = '\0';
    end = strstr(c->head, "\r\n\r\n");

    if (end == NULL) {
        return 0;
    }

    *end = '\0';
    p = strcasestr(c->head, "\r\nContent-Length:");
    c->status = atoi(c->head + 9);
    c->left = p != NULL ? strtoul(p + 17, NULL, 10) : 0;
    c->left -= c->got - (size_t) (end + 4 - c->head);

    if (strcasestr(c->head, "\r\nConnection: close") != NULL) {
        c->request = NULL;
    }

    return 1;
}


static void
conn_read(conn_t *c)
{
    ssize_t      n;
    static char  rest[BUFFER];

    while (c->fd >= 0) {
        n = c->status != 0
            ? recv(c->fd, rest, sizeof(rest), 0)
            : recv(c->fd, c->head + c->got, sizeof(c->head) - 1 - c->got, 0);

        if (n < 0 && errno == EAGAIN) {
            return;
        }

        if (n <= 0) {
            conn_close(c);

            if (c->busy) {
                conn_done(c, 0);
            }

            return;
        }

        if (c->status != 0) {
            c->left -= (size_t) n;

        } else {
            c->got += (size_t) n;

            if (!conn_head(c)) {
                continue;
            }
        }

        if (c->left == 0 && c->busy) {
            if (c->request == NULL) {
                conn_close(c);
            }

            conn_done(c, c->status);
        }
    }
}


static void
start(uint64_t due, uint32_t *seed)
{
    conn_t  *c = conn_open();

    if (c == NULL) {
        n_bad++;
        return;
    }

    *seed = *seed * 1664525u + 1013904223u;
    c->request = &requests[(*seed >> 8) % n_requests];
    c->busy = 1;
    c->sent = 0;
    c->got = 0;
    c->status = 0;
    c->due = due;
    n_busy++;
    conn_write(c);
}


static int
order(const void *a, const void *b)
{
    uint64_t  x = *(const uint64_t *) a, y = *(const uint64_t *) b;

    return (x > y) - (x < y);
}


/* Starts what is due; returns when the next one is. */
static uint64_t
feed(uint64_t begin, double rate, size_t total, size_t *came)
{
    uint64_t         due, t = now();
    static uint32_t  seed = 1;

    for ( ;; ) {
        due = begin + (uint64_t) ((double) *came / rate * 1e9);

        if (*came == total || due > t) {
            return due;
        }

        start(due, &seed);
        ++*came;
    }
}


/*
 * False: nothing came for so long (ns) that nothing will.  To the ns: a
 * client that polls until the next request is due would take a core, which
 * may be one that the server needs.
 */
static int
serve(uint64_t wait)
{
    int                 n;
    conn_t             *c;
    struct timespec     t = { (time_t) (wait / 1000000000u),
                              (long) (wait % 1000000000u) };
    struct epoll_event  e[256];

    n = epoll_pwait2(ep, e, 256, &t, NULL);

    for (int i = 0; i < n; i++) {
        c = e[i].data.ptr;

        if (c->busy && (e[i].events & EPOLLOUT) && c->request != NULL) {
            conn_write(c);
        }

        if (c->fd >= 0 && (e[i].events & ~(uint32_t) EPOLLOUT) != 0) {
            conn_read(c);
        }
    }

    return n != 0;
}


static void
report(size_t came, double seconds)
{
    qsort(ns, n_ns, sizeof(ns[0]), order);
    printf("{\"came\": %zu, \"good\": %zu, \"goodput\": %.1f, \"late\": %zu, "
           "\"refused\": %zu, \"timeout\": %zu, \"bad\": %zu, "
           "\"p50_ms\": %.4f, \"p99_ms\": %.4f}\n", came, n_good,
           (double) n_while / seconds, n_late, n_refused, n_timeout, n_bad,
           n_ns ? ns[n_ns / 2] / 1e6 : 0,
           n_ns ? ns[(n_ns * 99 - 1) / 100] / 1e6 : 0);
}


int
main(int argc, char **argv)
{
    double    rate, seconds;
    size_t    came = 0, total;
    uint64_t  begin, due, t;

    if (argc < 8) {
        fprintf(stderr, "usage: bench_load PORT PATH RATE SECONDS LATE_MS "
                "HEADER BODY.json...\n");
        return 1;
    }

    port = atoi(argv[1]);
    rate = atof(argv[3]);
    seconds = atof(argv[4]);
    late = (uint64_t) (atof(argv[5]) * 1e6);
    n_requests = (size_t) argc - 7;
    requests = calloc(n_requests, sizeof(*requests));
    total = (size_t) (rate * seconds);
    ns = calloc(total + 1, sizeof(*ns));

    for (size_t i = 0; i < n_requests; i++) {
        make_request(&requests[i], argv[2], argv[6], argv[7 + i]);
    }

    ep = epoll_create1(0);
    begin = now();
    over = begin + (uint64_t) (seconds * 1e9);

    while (came < total) {
        due = feed(begin, rate, total, &came);
        t = now();
        serve(due > t ? due - t : 0);
    }

    while (n_busy != 0 && serve(30000000000u)) { /* void */ }

    n_bad += n_busy;
    report(came, seconds);

    return 0;
}
