/*
 * maas inspect: what a model holds (inputs, outputs, sections, constants),
 * how it will be run (--plan), and which operators there are (--ops).
 *
 * Ownership: the model, until the command ends.
 * Threads:   the main thread.
 */

#define _GNU_SOURCE

#include <stdio.h>
#include <stdlib.h>

#include "api/compile.h"
#include "cli/cli.h"
#include "graph/op.h"


static const char  inspect_help[] =
    "usage: maas inspect MODEL|IMAGE [--plan [--shape NAME=1,3,224,224]...]\n"
    "                    [--numerics exact|fast] [--json]\n"
    "       maas inspect --ops [--json]\n\n"
    "Inputs, outputs and constants of a model; with --plan every step with its\n"
    "kernel, format and offset, open dimensions taken as 1 unless --shape says\n"
    "otherwise.  --ops lists the operators.\n";


static void
ops_dtypes(maas_buf_t *b, const maas_op_t *op, bool json)
{
    uint32_t  set = op->n_in != 0 ? op->in[0].dtypes
                                  : op->n_out != 0 ? op->out[0].dtypes : 0;
    bool      first = true;

    for (int d = 1; d < MAAS_DTYPES; d++) {
        if ((set >> d & 1) == 0 || maas_dtypes[d].name == NULL) {
            continue;
        }

        maas_buf_printf(b, json ? "%s\"%s\"" : "%s%s",
                        first ? "" : json ? "," : " ", maas_dtypes[d].name);
        first = false;
    }
}


static int
ops_order(const void *a, const void *b)
{
    const maas_op_t  *x = *(const maas_op_t *const *) a;
    const maas_op_t  *y = *(const maas_op_t *const *) b;
    int               c = strcmp(x->domain, y->domain);

    return c != 0 ? c : strcmp(x->name, y->name);
}


static int
inspect_ops(bool json)
{
    size_t             n = 0;
    maas_buf_t         b;
    const maas_op_t   *op, **list;

    for (op = NULL; (op = maas_op_next(op)) != NULL; n++) {
        /* void */
    }

    list = calloc(n + 1, sizeof(*list));
    if (list == NULL) {
        return cli_fail("out of memory");
    }

    n = 0;
    for (op = NULL; (op = maas_op_next(op)) != NULL; ) {
        if ((op->flags & MAAS_OP_INTERNAL) == 0) {
            list[n++] = op;
        }
    }

    qsort(list, n, sizeof(*list), ops_order);
    maas_buf_init(&b, maas_host_default());

    for (size_t i = 0; i < n; i++) {
        const char  *domain = list[i]->domain[0] == '\0' ? "ai.onnx"
                                                         : list[i]->domain;
        int          first = list[i]->upgrade != NULL && list[i]->first != 0
                             ? list[i]->first : list[i]->since;

        if (json) {
            maas_buf_printf(&b, "%s{\"domain\":\"%s\",\"operator\":\"%s\","
                            "\"since\":%d,\"first\":%d,\"dtypes\":[",
                            i == 0 ? "[" : ",\n ", domain, list[i]->name,
                            list[i]->since, first);
            ops_dtypes(&b, list[i], true);
            maas_buf_printf(&b, "],\"kernels\":%d}", list[i]->n_kernel);

        } else {
            maas_buf_printf(&b, "%-12s %-26s %3d  ", domain, list[i]->name,
                            list[i]->since);
            ops_dtypes(&b, list[i], false);
            maas_buf_puts(&b, "\n");
        }
    }

    if (!json) {
        printf("%-12s %-26s %s  %s\n", "domain", "operator", "opset",
               "types of the first input");
    }

    fwrite(b.data, 1, b.len, stdout);
    fputs(json ? "]\n" : "", stdout);
    maas_buf_destroy(&b);
    free(list);
    return CLI_OK;
}


static int
inspect_model(const char *path, const char *numerics, bool plan, bool json,
    const cli_list_t *shapes)
{
    size_t            n;
    maas_buf_t        b;
    maas_err_t        err;
    cli_model_t       m;
    maas_status_t     rc;
    maas_tensor_t    *in;
    maas_describe_t   how = { .plan = plan, .json = json };

    if (cli_model_load(&m, path, numerics, false, &err) != MAAS_OK) {
        return cli_fail("%s", err.text);
    }

    maas_buf_init(&b, maas_host_default());
    (void) maas_model_inputs(m.m, &n);
    in = calloc(n + 1, sizeof(*in));
    rc = in == NULL ? maas_err_nomem(&err) : MAAS_OK;

    if (rc == MAAS_OK && plan && shapes->n != 0) {
        rc = cli_fill(&m, shapes, 1, in, &err);
        how.in = in;
    }

    if (rc == MAAS_OK) {
        rc = maas_model_describe(m.m, &how, &b, &err);
    }

    if (rc == MAAS_OK) {
        fwrite(b.data, 1, b.len, stdout);
        if (b.len != 0 && b.data[b.len - 1] != '\n') {
            putchar('\n');
        }
    }

    maas_buf_destroy(&b);
    cli_model_free(&m);
    free(in);
    return rc == MAAS_OK ? CLI_OK : cli_fail("%s", err.text);
}


int
cmd_inspect(int argc, char **argv)
{
    int           rc;
    bool          json = false, plan = false, ops = false;
    const char   *numerics = "exact";
    cli_list_t    rest = { 0 }, shapes = { 0 };
    cli_option_t  opts[] = {
        { "--json", CLI_FLAG, &json },
        { "--plan", CLI_FLAG, &plan },
        { "--ops", CLI_FLAG, &ops },
        { "--shape", CLI_MANY, &shapes },
        { "--numerics", CLI_TEXT, &numerics },
        { NULL, 0, NULL }
    };

    rc = cli_options(argc, argv, opts, &rest, inspect_help);
    if (rc != -1) {
        return rc;
    }

    if (ops) {
        return rest.n != 0 ? cli_usage("--ops takes no model")
                           : inspect_ops(json);
    }

    if (rest.n != 1) {
        return cli_usage(rest.n == 0 ? "which model?"
                                     : "one model at a time, please");
    }

    return inspect_model(rest.v[0], numerics, plan, json, &shapes);
}
