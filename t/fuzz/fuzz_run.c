/*
 * Fuzz target: bytes -> compiler -> image -> plan -> run, as a server does
 * with the file of a stranger.  A sum of the bytes chooses numerics, shapes
 * of what is open, and contents: random, or NaN, huge and negative.  An image
 * that was made has to load; one thread and two give the same bits; what
 * takes long is cancelled.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

#include "api/compile.h"
#include "api/model_priv.h"
#include "pb_mutate.h"


#define RUN_INPUTS  8
#define RUN_BYTES   (1u << 20)          /* of an input */
#define RUN_MEMORY  (64u << 20)         /* of plans and arenas */
#define RUN_FOLD    (8u << 20)
#define RUN_US      100000              /* until it is cancelled */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static atomic_bool    cancel;
static maas_team_t   *team;


static void
run_alarm(int signal)
{
    (void) signal;
    atomic_store(&cancel, true);
}


static void
run_timer(int us)
{
    struct itimerval  t = { .it_value.tv_usec = us };

    atomic_store(&cancel, false);
    setitimer(ITIMER_REAL, &t, NULL);
}


static void
run_notify(void *ctx)
{
    (void) ctx;
}


static void
run_init(void)
{
    struct sigaction  sa = { .sa_handler = run_alarm, .sa_flags = SA_RESTART };

    if (team != NULL) {
        return;
    }

    if (maas_init(NULL, NULL) != MAAS_OK
        || (team = maas_team_create(maas_host_default(), 2, run_notify, NULL))
           == NULL)
    {
        abort();
    }

    sigaction(SIGALRM, &sa, NULL);
}


/* FNV-1a */
static uint32_t
run_sum(const uint8_t *p, size_t n)
{
    uint32_t  h = 2166136261u;

    for (size_t i = 0; i < n; i++) {
        h = (h ^ p[i]) * 16777619u;
    }

    return h;
}


static void
run_strings(maas_tensor_t *t, uint32_t sum)
{
    char                     *bytes;
    int64_t                   n = maas_tensor_count(t);
    uint32_t                 *at = t->data, len;
    static const char *const  word[] = {
        "", "a", "2.5", "-inf", "1e999", "\xc3\x84\xff", "a b  c", "0x1p3"
    };

    bytes = (char *) (at + n + 1);
    at[0] = 0;

    for (int64_t i = 0; i < n; i++) {
        const char  *w = word[(sum + (uint32_t) i * 7) % maas_nelts(word)];

        len = (uint32_t) strlen(w);
        memcpy(bytes + at[i], w, len);
        at[i + 1] = at[i] + len;
    }

    t->bytes = (size_t) (n + 1) * sizeof(*at) + at[n];
}


/* Over random contents: what numbers are seldom. */
static void
run_odd(maas_tensor_t *t, uint32_t sum)
{
    int64_t              n = maas_tensor_count(t), v;
    size_t               size = maas_dtype_size(t->dtype);
    static const float   odd[] = { 0, -0.0f, 1e-42f, 3.4e38f, -3.4e38f,
                                   __builtin_inff(), -__builtin_inff(),
                                   __builtin_nanf("") };
    static const int64_t whole[] = { -1, 3, INT64_MIN, INT64_MAX, -5, 128,
                                     INT32_MIN, INT32_MAX };

    for (int64_t i = 0; i < n; i++) {
        sum = sum * 1664525u + 1013904223u;

        if (sum >> 29 != 0) {
            continue;
        }

        if (t->dtype == MAAS_F32) {
            ((float *) t->data)[i] = odd[sum >> 20 & 7];

        } else if (t->dtype == MAAS_F64) {
            ((double *) t->data)[i] = odd[sum >> 20 & 7];

        } else if (t->dtype != MAAS_BOOL) {
            v = whole[sum >> 20 & 7];
            memcpy((char *) t->data + i * (int64_t) size, &v, size);
        }
    }
}


static bool
run_input(const maas_port_t *p, uint32_t sum, maas_tensor_t *t)
{
    int64_t               n;
    static const uint8_t  extent[] = { 1, 2, 3, 1, 17, 4, 0, 2 };

    memset(t, 0, sizeof(*t));
    t->dtype = p->dtype == MAAS_NODTYPE ? MAAS_F32 : p->dtype;
    t->rank = p->rank < 0 ? (uint8_t) (sum % 4) : (uint8_t) p->rank;

    for (int d = 0; d < t->rank; d++) {
        t->dims[d] = p->rank < 0 || p->dims[d] < 0
                     ? extent[(sum >> 3 >> d) & 7] : p->dims[d];
    }

    n = maas_dims_count(t->dims, t->rank);

    if (n < 0 || n > RUN_BYTES / 16) {
        return false;
    }

    t->data = aligned_alloc(MAAS_ALIGN, maas_align((size_t) n * 16 + 64,
                                                   MAAS_ALIGN));

    if (t->dtype == MAAS_STRING) {
        run_strings(t, sum);
        return true;
    }

    if (!maas_tensor_size(t, 0, &t->bytes)) {
        free(t->data);
        t->data = NULL;
        return false;
    }

    model_fill(t, &(uint32_t) { sum });

    if (sum >> 30 != 0) {
        run_odd(t, sum);
    }

    return true;
}


/* Every byte of an output is there; behind texts may be room. */
static uint32_t
run_read(maas_run_t *run, size_t n_out)
{
    size_t         used;
    uint32_t       sum = 0;
    maas_tensor_t  y[2];

    for (size_t i = 0; i < n_out; i++) {
        maas_run_output(run, i, &y[0], &y[1]);

        for (int k = 0; k < 2; k++) {
            if (y[k].data == NULL) {
                continue;
            }

            if (y[k].dtype == MAAS_STRING && !maas_string_check(&y[k])) {
                fprintf(stderr, "output %zu: a bad tensor of strings\n", i);
                abort();
            }

            used = y[k].bytes - maas_tensor_text(&y[k]);

            if (y[k].dtype == MAAS_STRING) {
                used += ((uint32_t *) y[k].data)[maas_tensor_count(&y[k])];
            }

            sum = sum * 31 + run_sum(y[k].data, used);
        }
    }

    return sum;
}


static maas_status_t
run_once(maas_model_t *m, const maas_tensor_t *in, maas_team_t *t,
    uint32_t *sum)
{
    size_t          n_out;
    maas_err_t      err = { 0 };
    maas_run_t     *run;
    maas_status_t   rc;

    (void) maas_model_outputs(m, &n_out);
    run_timer(RUN_US);
    rc = maas_model_run(m, in, t, &cancel, &run, &err);
    run_timer(0);

    if (rc == MAAS_OK) {
        *sum = run_read(run, n_out);
        maas_run_release(run);

    } else if (err.text[0] == '\0' || rc == MAAS_EINTERNAL) {
        fprintf(stderr, "status %d: \"%s\"\n", rc, err.text);
        abort();
    }

    return rc;
}


static void
run_model(maas_model_t *m, uint32_t sum)
{
    size_t              n, k = 0;
    uint32_t            one, two;
    maas_tensor_t       in[RUN_INPUTS];
    const maas_port_t  *port = maas_model_inputs(m, &n);

    if (n > RUN_INPUTS) {
        return;
    }

    while (k < n && !maas_kind_is_list(port[k].kind)
           && run_input(&port[k], sum, &in[k]))
    {
        k++;
        sum = sum * 1664525u + 1013904223u;
    }

    if (k == n && run_once(m, in, NULL, &one) == MAAS_OK
        && run_once(m, in, team, &two) == MAAS_OK && one != two
        && !maas_model_random(m))
    {
        fprintf(stderr, "two threads give other bits\n");
        abort();
    }

    while (k-- > 0) {
        free(in[k].data);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    void             *image;
    size_t            n;
    uint32_t          sum = run_sum(data, size);
    maas_err_t        err = { 0 };
    maas_limits_t     limits = { RUN_BYTES, 4, RUN_MEMORY };
    maas_model_t     *m;
    maas_status_t     rc;
    maas_compile_t    spec = { .numerics = sum & 4 ? "fast" : "exact",
                               .fold_budget = RUN_FOLD };

    run_init();

    if (maas_compile_bytes(data, size, NULL, &spec, &image, &n, &err)
        != MAAS_OK)
    {
        if (err.text[0] == '\0' || err.status == MAAS_EINTERNAL) {
            fprintf(stderr, "refused: \"%s\"\n", err.text);
            abort();
        }

        return 0;
    }

    rc = maas_model_open(&m, image, n, &limits, &err);

    if (rc == MAAS_OK) {
        run_model(m, sum);
        maas_model_release(m);

    } else if (rc != MAAS_ENOMEM && rc != MAAS_ELIMIT) {
        fprintf(stderr, "its own image: %s\n", err.text);
        abort();
    }

    maas_image_free(image);
    return 0;
}
