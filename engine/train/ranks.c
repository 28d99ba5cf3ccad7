/*
 * ranks.c: the only file that knows MPI: a few functions of Open MPI 4 and 5,
 * found by dlsym().  Its handles (MPI_COMM_WORLD, MPI_FLOAT) are addresses of
 * objects in the library.  See ranks.h.
 *
 * Errors inside MPI end the process (MPI_ERRORS_ARE_FATAL, its default), and
 * mpirun the others, so results of calls say nothing.
 *
 * https://www.mpi-forum.org/docs/mpi-3.1/mpi31-report.pdf
 */

#include <dlfcn.h>
#include <stdlib.h>

#include "train/ranks.h"


#define RANKS_LIBRARY     "libmpi.so.40"
#define RANKS_SERIALIZED  2             /* MPI_THREAD_SERIALIZED */
#define RANKS_IN_PLACE    ((void *) 1)  /* MPI_IN_PLACE */
#define RANKS_PIECE       (1 << 20)     /* elements of one message */

static struct {
    int  (*init_thread)(int *argc, char ***argv, int want, int *have);
    int  (*finalize)(void);
    int  (*comm_rank)(void *comm, int *rank);
    int  (*comm_size)(void *comm, int *n);
    int  (*reduce)(const void *from, void *to, int n, void *type, void *op,
                   int root, void *comm);
    int  (*bcast)(void *p, int n, void *type, int root, void *comm);
    void  *world;
    void  *f32;
    void  *f64;
    void  *byte;
    void  *sum;
} mpi;


static int
ranks_env(const char *name, int otherwise)
{
    const char  *v = getenv(name);

    return v != NULL ? atoi(v) : otherwise;
}


bool
maas_ranks_tells(const maas_ranks_t *r)
{
    return (r != NULL ? r->rank
                      : ranks_env("OMPI_COMM_WORLD_LOCAL_RANK", 0)) == 0;
}


int
maas_ranks_threads(int cores)
{
    int  n = ranks_env("OMPI_COMM_WORLD_LOCAL_SIZE", 1);

    /* mpirun has given each its own cores; we see only those. */
    if (ranks_env("OMPI_MCA_orte_bound_at_launch", 0) != 0) {
        n = 1;
    }

    return maas_max(cores / maas_max(n, 1), 1);
}


/* -- the library --------------------------------------------------------- */

static maas_status_t
ranks_load(maas_err_t *err)
{
    void    *lib;
    size_t   i;
    struct {
        void        *p;
        const char  *name;
    } row[] = {
        { &mpi.init_thread, "MPI_Init_thread" },
        { &mpi.finalize, "MPI_Finalize" },
        { &mpi.comm_rank, "MPI_Comm_rank" },
        { &mpi.comm_size, "MPI_Comm_size" },
        { &mpi.reduce, "MPI_Reduce" },
        { &mpi.bcast, "MPI_Bcast" },
        { &mpi.world, "ompi_mpi_comm_world" },
        { &mpi.f32, "ompi_mpi_float" },
        { &mpi.f64, "ompi_mpi_double" },
        { &mpi.byte, "ompi_mpi_byte" },
        { &mpi.sum, "ompi_mpi_op_sum" }
    };

    /* Its plugins look for its symbols among those of all. */
    lib = dlopen(RANKS_LIBRARY, RTLD_NOW | RTLD_GLOBAL);
    if (lib == NULL) {
        return maas_err(err, MAAS_EUNSUPPORTED, "training by mpirun needs "
                        "Open MPI's library, in Debian the package "
                        "libopenmpi3: %.200s", dlerror());
    }

    for (i = 0; i < maas_nelts(row); i++) {
        void  *p = dlsym(lib, row[i].name);

        if (p == NULL) {
            dlclose(lib);
            return maas_err(err, MAAS_EUNSUPPORTED, "%s has no %s: it is not "
                            "the library of Open MPI 4 or 5", RANKS_LIBRARY,
                            row[i].name);
        }

        memcpy(row[i].p, &p, sizeof(p));
    }

    return MAAS_OK;
}


/* Statuses, what is summed, what is gathered. */
static int64_t
ranks_head(const maas_ranks_t *r)
{
    return r->n + MAAS_RANKS_VALUES + (int64_t) r->n * MAAS_RANKS_OWN;
}


maas_status_t
maas_ranks_open(maas_ranks_t **out, maas_err_t *err)
{
    int            have = 0;
    maas_ranks_t  *r;

    *out = NULL;

    if (ranks_env("OMPI_COMM_WORLD_SIZE", 1) <= 1) {
        return MAAS_OK;
    }

    MAAS_TRY(ranks_load(err));
    mpi.init_thread(NULL, NULL, RANKS_SERIALIZED, &have);

    if (have < RANKS_SERIALIZED) {
        mpi.finalize();
        return maas_err(err, MAAS_EUNSUPPORTED, "Open MPI was built without "
                        "support of threads");
    }

    r = calloc(1, sizeof(*r));
    if (r == NULL) {
        return maas_err_nomem(err);
    }

    mpi.comm_rank(mpi.world, &r->rank);
    mpi.comm_size(mpi.world, &r->n);

    r->head = calloc((size_t) ranks_head(r), sizeof(double));
    if (r->head == NULL) {
        free(r);
        return maas_err_nomem(err);
    }

    *out = r;
    return MAAS_OK;
}


void
maas_ranks_close(maas_ranks_t *r)
{
    if (r == NULL) {
        return;
    }

    mpi.finalize();
    free(r->head);
    free(r);
}


/* -- exchanges ----------------------------------------------------------- */

static void
ranks_sum(const maas_ranks_t *r, void *x, int64_t n, size_t size, void *type)
{
    int    k;
    char  *p = x;

    for (int64_t at = 0; at < n; at += k, p += (size_t) k * size) {
        k = (int) maas_min(n - at, RANKS_PIECE);
        mpi.reduce(r->rank == 0 ? RANKS_IN_PLACE : p,
                   r->rank == 0 ? p : NULL, k, type, mpi.sum, 0, mpi.world);
        mpi.bcast(p, k, type, 0, mpi.world);
    }
}


void
maas_ranks_sum(maas_ranks_t *r, float *x, int64_t n)
{
    if (r != NULL) {
        ranks_sum(r, x, n, sizeof(*x), mpi.f32);
    }
}


void
maas_ranks_sum_f64(maas_ranks_t *r, double *x, int64_t n)
{
    if (r != NULL) {
        ranks_sum(r, x, n, sizeof(*x), mpi.f64);
    }
}


void
maas_ranks_share(maas_ranks_t *r, int root, void *p, size_t bytes)
{
    size_t  k;

    if (r == NULL) {
        return;
    }

    for (size_t at = 0; at < bytes; at += k) {
        k = maas_min(bytes - at, (size_t) RANKS_PIECE);
        mpi.bcast((char *) p + at, (int) k, mpi.byte, root, mpi.world);
    }
}


/* The head has what is summed and gathered. */
static maas_status_t
ranks_meet(maas_ranks_t *r, maas_status_t rc, maas_err_t *err)
{
    int  bad = 0;

    r->head[r->rank] = rc;
    ranks_sum(r, r->head, ranks_head(r), sizeof(double), mpi.f64);

    while (bad < r->n && r->head[bad] == (double) MAAS_OK) {
        bad++;
    }

    if (bad < r->n) {
        r->over = true;
        maas_ranks_share(r, bad, err, sizeof(*err));
        return (maas_status_t) r->head[bad];
    }

    return MAAS_OK;
}


maas_status_t
maas_ranks_meet(maas_ranks_t *r, maas_status_t rc, double *value, int n,
    maas_err_t *err)
{
    if (r == NULL || r->over) {
        return rc;
    }

    memset(r->head, 0, (size_t) ranks_head(r) * sizeof(double));

    for (int i = 0; i < n; i++) {
        r->head[r->n + i] = value[i];
    }

    MAAS_TRY(ranks_meet(r, rc, err));

    for (int i = 0; i < n; i++) {
        value[i] = r->head[r->n + i];
    }

    return MAAS_OK;
}


maas_status_t
maas_ranks_gather(maas_ranks_t *r, maas_status_t rc, const double *own,
    const double **all, maas_err_t *err)
{
    double  *at = r->head + r->n + MAAS_RANKS_VALUES;

    *all = at;

    if (r->over) {
        return rc;
    }

    memset(r->head, 0, (size_t) ranks_head(r) * sizeof(double));
    memcpy(at + r->rank * MAAS_RANKS_OWN, own,
           MAAS_RANKS_OWN * sizeof(double));

    return ranks_meet(r, rc, err);
}


int64_t
maas_ranks_part(const maas_ranks_t *r, int64_t n, int64_t *first)
{
    int64_t  last;

    *first = 0;

    if (r == NULL) {
        return n;
    }

    /* n * rank / ranks, without a product that is too large. */
    *first = n / r->n * r->rank + n % r->n * r->rank / r->n;
    last = n / r->n * (r->rank + 1) + n % r->n * (r->rank + 1) / r->n;

    return last - *first;
}
