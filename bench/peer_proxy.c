/*
 * peer_proxy: a model behind HTTP as one writes it in C around ONNX Runtime,
 * for nginx to pass requests to: one thread, epoll, HTTP/1.1 with keep-alive.
 *
 *     peer_proxy LIBRARY MODEL.onnx PORT WIDTH
 *
 * POST of {"instances": [[WIDTH numbers], ...]} on any path is answered with
 * {"predictions": [[...], ...]}: the bodies of TensorFlow Serving.  The model
 * has one input and one output of float32, rows first.  Tensors are made
 * once for one row, and for more rows when they come; numbers are read by
 * strtof and written by %.9g.  A request that it cannot read ends the
 * connection with 400.
 */

#define _GNU_SOURCE

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ort.h"

#define BODY   (1 << 20)
#define EVENTS 64

typedef struct {
    int     fd;
    size_t  len;
    char    in[BODY];
} conn_t;

static void    *session, *memory;
static char    *in_name, *out_name;
static float   *in_data;
static size_t   width, capacity;
static int64_t  rows;                   /* of in_value; 0: none */
static void    *in_value, *out_value;
static float   *out_data;
static size_t   columns;                /* of the output */
static char     answer[BODY];


/* Rows of numbers behind "instances"; 0: that is no request. */
static int64_t
decode(char *p)
{
    char    *end;
    size_t   n = 0;

    p = strstr(p, "\"instances\"");
    p = p == NULL ? NULL : strchr(p, '[');

    if (p == NULL) {
        return 0;
    }

    for ( ;; ) {
        p += strspn(p, "[], \t\r\n");

        if (*p == '}' || *p == '\0') {
            return n % width == 0 ? (int64_t) (n / width) : 0;
        }

        if (n == capacity) {
            return 0;
        }

        in_data[n++] = strtof(p, &end);

        if (end == p) {
            return 0;
        }

        p = end;
    }
}


/* Where later runs of as many rows write to, too. */
static void
output(void)
{
    void     *info;
    size_t    rank;
    int64_t   dims[8];

    check(api[TYPE_AND_SHAPE](out_value, &info), "shape");
    check(api[RANK_OF](info, &rank), "rank");
    check(api[DIMS_OF](info, dims, rank), "dims");
    check(api[TENSOR_DATA](out_value, &out_data), "data");
    columns = 1;

    for (size_t d = 1; d < rank; d++) {
        columns *= (size_t) dims[d];
    }
}


static void
run(int64_t n)
{
    int          first = n != rows;
    int64_t      dims[2] = { n, (int64_t) width };
    const char  *in = in_name;

    if (first) {
        check(api[TENSOR_OF_DATA](memory, in_data,
                                  (size_t) n * width * sizeof(float), dims,
                                  (size_t) 2, 1, &in_value), "input");
        out_value = NULL;
        rows = n;
    }

    check(api[RUN](session, NULL, &in, &in_value, (size_t) 1, &out_name,
                   (size_t) 1, &out_value), "run");

    if (first) {
        output();
    }
}


/* The body of the answer. */
static size_t
encode(int64_t n)
{
    size_t  len;

    len = (size_t) sprintf(answer, "{\"predictions\":[");

    for (int64_t i = 0; i < n; i++) {
        if (i != 0) {
            answer[len++] = ',';
        }

        answer[len++] = '[';

        for (size_t k = 0; k < columns && len < BODY - 64; k++) {
            len += (size_t) sprintf(answer + len, "%s%.9g", k ? "," : "",
                                    (double) out_data[i * columns + k]);
        }

        answer[len++] = ']';
    }

    return len + (size_t) sprintf(answer + len, "]}");
}


static void
reply(conn_t *c, int status, size_t len)
{
    char    head[256];
    size_t  n;

    n = (size_t) sprintf(head, "HTTP/1.1 %s\r\nContent-Type: "
                         "application/json\r\nContent-Length: %zu\r\n\r\n",
                         status == 200 ? "200 OK" : "400 Bad Request", len);
    memmove(answer + n, answer, len);
    memcpy(answer, head, n);

    /* Less than a socket's buffer takes. */
    if (send(c->fd, answer, n + len, MSG_NOSIGNAL) != (ssize_t) (n + len)) {
        shutdown(c->fd, SHUT_RDWR);
    }
}


/* Answers what is complete; bytes used, 0: more is needed, -1: end. */
static long
serve(conn_t *c)
{
    char     last, *end, *p;
    size_t   head, body;
    int64_t  n;

    c->in[c->len] = '\0';
    end = strstr(c->in, "\r\n\r\n");

    if (end == NULL) {
        return 0;
    }

    head = (size_t) (end - c->in) + 4;
    *end = '\0';
    p = strcasestr(c->in, "\r\nContent-Length:");
    *end = '\r';
    body = p != NULL ? strtoul(p + 17, NULL, 10) : 0;

    if (c->len < head + body) {
        return 0;
    }

    last = c->in[head + body];
    c->in[head + body] = '\0';
    n = decode(c->in + head);
    c->in[head + body] = last;

    if (n == 0) {
        reply(c, 400, 0);
        return -1;
    }

    run(n);
    reply(c, 200, encode(n));

    return (long) (head + body);
}


static void
receive(conn_t *c)
{
    long     used;
    ssize_t  n;

    n = recv(c->fd, c->in + c->len, sizeof(c->in) - 1 - c->len, 0);
    used = n <= 0 ? -1 : 0;
    c->len += n > 0 ? (size_t) n : 0;

    while (used >= 0 && c->len != 0 && (used = serve(c)) > 0) {
        c->len -= (size_t) used;
        memmove(c->in, c->in + used, c->len);
    }

    if (used < 0) {
        close(c->fd);
        free(c);
    }
}


static int
listener(int port)
{
    int                 fd, one = 1;
    struct sockaddr_in  a = { .sin_family = AF_INET };

    a.sin_port = htons((uint16_t) port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));

    if (bind(fd, (struct sockaddr *) &a, sizeof(a)) != 0
        || listen(fd, 512) != 0)
    {
        fail("listen", "not possible");
    }

    return fd;
}


static void
loop(int fd)
{
    int                 ep = epoll_create1(0), n, one = 1;
    conn_t             *c;
    struct epoll_event  e[EVENTS], add = { .events = EPOLLIN };

    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &add);

    for ( ;; ) {
        n = epoll_wait(ep, e, EVENTS, -1);

        for (int i = 0; i < n; i++) {
            if (e[i].data.ptr != NULL) {
                receive(e[i].data.ptr);
                continue;
            }

            c = malloc(sizeof(*c));
            c->len = 0;
            c->fd = accept(fd, NULL, NULL);
            setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
            add.data.ptr = c;
            epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &add);
        }
    }
}


int
main(int argc, char **argv)
{
    void  *allocator;

    if (argc != 5) {
        fprintf(stderr, "usage: peer_proxy LIBRARY MODEL.onnx PORT WIDTH\n");
        return 1;
    }

    ort_open(argv[1], "peer_proxy");
    session = ort_session(argv[2], 1);
    width = strtoul(argv[4], NULL, 10);
    capacity = 64 * width;
    in_data = aligned_alloc(64, (capacity * sizeof(float) + 63) / 64 * 64);

    check(api[DEFAULT_ALLOCATOR](&allocator), "allocator");
    check(api[INPUT_NAME](session, (size_t) 0, allocator, &in_name), "name");
    check(api[OUTPUT_NAME](session, (size_t) 0, allocator, &out_name),
          "name");
    check(api[CPU_MEMORY](1, 0, &memory), "memory");
    run(1);
    loop(listener(atoi(argv[3])));

    return 0;
}
