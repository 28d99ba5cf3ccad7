/*
 * cli_kernels.h: between the list of the kernels that maas bench --kernels
 * measures and the measuring.
 *
 * Ownership: buffers are those of who measures.
 * Threads:   the main thread only.
 */

#ifndef MAAS_CLI_KERNELS_H
#define MAAS_CLI_KERNELS_H

#include "cli/cli.h"
#include "kernels/kernels.h"


#define KB_ROW      4096            /* elements: 16 KiB, in the first cache */
#define KB_TIMES    16              /* where tables are made before */
#define KB_FLOATS   (4u << 20)      /* of each buffer */

typedef struct {
    const maas_kernels_t  *k;
    float                 *x, *w, *y;
    int                    op;
    int64_t                m, n, kk;
} kb_t;

typedef void (*kb_run_pt)(const kb_t *b);

typedef struct {
    const char  *name;
    kb_run_pt    run;
    int          op;
    int64_t      m, n, k;           /* of a product; else unused */
    int          bytes;             /* moved for each of KB_ROW elements */
} kb_row_t;

/* Products first: flops; then what moves data: bytes.  Closed by no name. */
extern const kb_row_t  cli_kernel_rows[];

/* Operations of a run of a row that is no move of bytes. */
double cli_kernel_flops(const kb_row_t *r);

/*
 * The most that it may reach of the multiply-adds of registers, of this level
 * and of the host's highest: float64 has half the lanes, and OpenBLAS takes
 * what the host has.
 */
double cli_kernel_peak(const kb_row_t *r, double flops, double host);

#endif
