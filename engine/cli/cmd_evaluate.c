/*
 * maas evaluate: how good a model is on data of which the truth is known,
 * or how good predictions are that lie in a file.
 *
 * Ownership: all lies in the arena of the cli_eval_t.
 * Threads:   the main thread; rows are run on a team.
 */

#define _GNU_SOURCE

#include <stdio.h>
#include <stdlib.h>

#include "cli/cli_eval.h"


#define EVALUATE_CURVES  12     /* classes of which curves are drawn */


static const char  evaluate_help[] =
    "usage: maas evaluate MODEL DATA [--target COLUMN] [OPTION]...\n"
    "       maas evaluate MODEL X.npy --truth Y.npy [OPTION]...\n"
    "       maas evaluate --predictions P.npy --truth Y.npy [OPTION]...\n\n"
    "Runs MODEL over all rows and compares with the truth.  DATA: a dataset\n"
    "or what maas dataset imports (CSV, JSON, npz, a folder of images).\n"
    "P.npy: classes (integers), scores of each class (a column each), the\n"
    "score of the second of two classes, or numbers.\n\n"
    "  --target a          the column that is true; several with commas.\n"
    "                      Default: label, target or class\n"
    "  --features a,b      columns of the model's input, in its order\n"
    "  --weight-column a   of the rows; --weights W.npy: from a file\n"
    "  --metrics a,b       these alone\n"
    "  --task T            classification, regression or clustering\n"
    "  --labels FILE       names of the classes, one a line, in the order of\n"
    "                      the scores\n"
    "  --positive NAME     of two classes the one that is looked for\n"
    "  --output NAME       the model's output that is measured\n"
    "  --logits            scores become probabilities by softmax or sigmoid\n"
    "  --top-k K, --bins N of top_k_accuracy; of the calibration curve (10)\n"
    "  --rows X.npy        with --predictions: the rows that are in clusters\n"
    "  --batch N, --threads N, --numerics exact|fast\n"
    "  --json              as JSON; --curves: with the points of the curves\n"
    "  --report FILE.html  one page with curves and tables besides\n"
    "  --log FILE          lines of JSON of a training, for its curves\n"
    "  --title TEXT        of the page\n"
    "  --chart FILE        Chart.js, where Debian's is not installed\n";


typedef struct {
    const char    *truth, *predictions, *labels, *weights, *rows;
    const char    *target, *features, *weight_column;
    const char    *task, *metrics, *output, *numerics, *report;
    cli_report_t   page;
    int64_t        threads, batch, top_k, bins;
    bool           json, curves, logits;
} evaluate_t;


/* "a,b" -> flags; NULL: all. */
static maas_status_t
evaluate_metrics(const char *list, bool show[MAAS_M_COUNT], maas_err_t *err)
{
    int          m;
    size_t       n;
    const char  *p = list;

    memset(show, 0, MAAS_M_COUNT * sizeof(*show));

    for ( ;; ) {
        n = strcspn(p, ",");
        m = maas_eval_find((maas_str_t) { p, n }, err);

        if (m < 0) {
            return err->status;
        }

        show[m] = true;
        p += n;

        if (*p++ == '\0') {
            return MAAS_OK;
        }
    }
}


/* Those that were asked for must be of the task that it is. */
static maas_status_t
evaluate_asked(const bool *show, const maas_eval_t *r, maas_err_t *err)
{
    static const char *const  kind[] = { "classes", "numbers", "clusters" };

    for (int m = 0; show != NULL && m < MAAS_M_COUNT; m++) {
        if (!show[m] || (r->why[m] == NULL || r->why[m][0] != '\0')) {
            continue;
        }

        if (maas_eval_rows[m].kind != r->kind) {
            return maas_err(err, MAAS_EINVAL, "%s is of %s, and these are %s",
                            maas_eval_rows[m].name,
                            kind[maas_eval_rows[m].kind], kind[r->kind]);
        }

        if (r->kind == MAAS_EVAL_CLASSES && r->curve == NULL
            && m >= MAAS_M_TOP_K)
        {
            return maas_err(err, MAAS_EINVAL, "%s needs scores of the "
                            "classes, and there are classes alone",
                            maas_eval_rows[m].name);
        }

        return maas_err(err, MAAS_EINVAL, "%s is not for %d classes",
                        maas_eval_rows[m].name, r->n_class);
    }

    return MAAS_OK;
}


static maas_status_t
evaluate_print(const evaluate_t *o, const maas_eval_t *r, const bool *show,
    maas_err_t *err)
{
    maas_buf_t  b;

    maas_buf_init(&b, maas_host_default());

    if (o->json) {
        maas_buf_puts(&b, "{");

        if (o->page.model != NULL) {
            maas_buf_puts(&b, "\"model\":");
            maas_buf_json(&b, o->page.model, strlen(o->page.model));
            maas_buf_puts(&b, ",");
        }

        maas_buf_puts(&b, "\"data\":");
        maas_buf_json(&b, o->page.data, strlen(o->page.data));
        maas_buf_puts(&b, ",");
        maas_eval_json(&b, r, show, o->curves);
        maas_buf_puts(&b, "}\n");

    } else {
        maas_eval_text(&b, r, show);
    }

    return cli_print(&b, err);
}


static maas_status_t
evaluate_npy(cli_eval_t *e, const evaluate_t *o, cli_eval_run_t *run,
    maas_err_t *err)
{
    cli_rows_t  rows;

    run->rows = &rows;
    MAAS_TRY(cli_eval_rows_npy(&rows, run->m, e, o->page.data, err));
    MAAS_TRY(cli_eval_model(e, run, err));

    return e->truth.n != 0 ? MAAS_OK
           : cli_eval_npy(e, o->page.data, &e->x, err);
}


static maas_status_t
evaluate_table(cli_eval_t *e, const evaluate_t *o, cli_eval_run_t *run,
    cli_table_t **table, maas_err_t *err)
{
    int64_t           left_out;
    cli_rows_t        rows;
    cli_table_spec_t  spec = { .path = o->page.data, .target = o->target,
                               .features = o->features,
                               .weight = o->weight_column,
                               .no_target = o->truth != NULL };

    MAAS_TRY(cli_table_open(table, e, &spec, err));
    MAAS_TRY(cli_table_rows(*table, run->m, &rows, &left_out, err));

    if (left_out != 0) {
        fprintf(stderr, "maas evaluate: rows without a truth that are left "
                "out: %lld\n", (long long) left_out);
    }

    run->rows = &rows;
    MAAS_TRY(cli_eval_model(e, run, err));

    return cli_table_truth(*table, err);
}


static maas_status_t
evaluate_model(cli_eval_t *e, const evaluate_t *o, cli_table_t **table,
    maas_err_t *err)
{
    cli_model_t      m;
    maas_status_t    rc;
    cli_eval_run_t   run = { .m = &m, .output = o->output,
                             .batch = o->batch, .threads = (int) o->threads };

    MAAS_TRY(cli_model_load(&m, o->page.model, o->numerics, false, err));

    rc = cli_ends(o->page.data, ".npy")
         ? evaluate_npy(e, o, &run, err)
         : evaluate_table(e, o, &run, table, err);

    cli_model_free(&m);
    return rc;
}


static maas_status_t
evaluate_predictions(cli_eval_t *e, const evaluate_t *o, maas_err_t *err)
{
    cli_values_t  v = { 0 };

    MAAS_TRY(cli_eval_npy(e, o->predictions, &v, err));

    if (o->rows != NULL) {
        MAAS_TRY(cli_eval_npy(e, o->rows, &e->x, err));
    }

    if (v.integer && v.width == 1) {
        e->label = v;

    } else {
        e->score = v;
    }

    return MAAS_OK;
}


static maas_status_t
evaluate_values(cli_eval_t *e, const evaluate_t *o, cli_table_t **table,
    maas_err_t *err)
{
    if (o->labels != NULL) {
        MAAS_TRY(cli_eval_names(e, o->labels, err));
    }

    if (o->truth != NULL) {
        MAAS_TRY(cli_eval_npy(e, o->truth, &e->truth, err));
    }

    if (o->weights != NULL) {
        MAAS_TRY(cli_eval_npy(e, o->weights, &e->weight, err));
    }

    return o->predictions != NULL ? evaluate_predictions(e, o, err)
                                  : evaluate_model(e, o, table, err);
}


static maas_status_t
evaluate_all(cli_eval_t *e, evaluate_t *o, maas_err_t *err)
{
    bool            show[MAAS_M_COUNT], *some = NULL;
    maas_eval_t     r = { 0 };
    cli_table_t    *table = NULL;
    maas_status_t   rc = MAAS_OK;

    if (o->metrics != NULL) {
        some = show;
        MAAS_TRY(evaluate_metrics(o->metrics, show, err));
    }

    e->max_curves = o->curves || o->report != NULL ? EVALUATE_CURVES : 0;
    o->page.values = e;
    rc = evaluate_values(e, o, &table, err);

    if (rc == MAAS_OK) {
        rc = cli_eval_result(e, &r, err);
    }

    if (rc == MAAS_OK) {
        rc = evaluate_asked(some, &r, err);
    }

    if (rc == MAAS_OK && o->report != NULL) {
        rc = cli_report(&o->page, &r, o->report, err);
    }

    if (rc == MAAS_OK) {
        rc = evaluate_print(o, &r, some, err);
    }

    maas_eval_free(&r);
    cli_table_close(table);
    return rc;
}


/* -1: go on. */
static int
evaluate_arguments(evaluate_t *o, const cli_list_t *rest, cli_eval_t *e)
{
    static const char *const  tasks[] = { "classification", "regression",
                                          "clustering" };

    e->task = -1;

    for (int i = 0; o->task != NULL && i < 3; i++) {
        e->task = strcmp(o->task, tasks[i]) == 0 ? i : e->task;
    }

    if (o->task != NULL && e->task < 0) {
        return cli_usage("--task %.40s: expected classification, regression "
                         "or clustering", o->task);
    }

    if (o->predictions != NULL && rest->n != 0) {
        return cli_usage("a model, or --predictions of one: not both");
    }

    if (o->predictions == NULL && rest->n != 2) {
        return cli_usage(rest->n == 0 ? "which model, on which data?"
                         : rest->n == 1 ? "on which data?"
                                        : "one model and one set of data");
    }

    if (o->threads > 256 || o->batch > 1 << 20 || o->bins > 1000
        || o->top_k > 65536)
    {
        return cli_usage("--threads: at most 256, --batch: 1048576, --bins: "
                         "1000, --top-k: 65536");
    }

    if (o->predictions == NULL) {
        o->page.model = rest->v[0];
    }

    o->page.data = o->predictions != NULL ? o->predictions : rest->v[1];
    e->logits = o->logits;
    e->top_k = (int) o->top_k;
    e->bins = (int) o->bins;
    return -1;
}


int
cmd_evaluate(int argc, char **argv)
{
    int           rc;
    cli_eval_t    e = { 0 };
    evaluate_t    o = { .threads = 1, .numerics = "exact" };
    cli_list_t    rest = { 0 };
    maas_err_t    err;
    cli_option_t  opts[] = {
        { "--truth", CLI_TEXT, &o.truth },
        { "--target", CLI_TEXT, &o.target },
        { "--features", CLI_TEXT, &o.features },
        { "--weight-column", CLI_TEXT, &o.weight_column },
        { "--predictions", CLI_TEXT, &o.predictions },
        { "--rows", CLI_TEXT, &o.rows },
        { "--labels", CLI_TEXT, &o.labels },
        { "--weights", CLI_TEXT, &o.weights },
        { "--task", CLI_TEXT, &o.task },
        { "--metrics", CLI_TEXT, &o.metrics },
        { "--positive", CLI_TEXT, &e.positive },
        { "--output", CLI_TEXT, &o.output },
        { "--logits", CLI_FLAG, &o.logits },
        { "--top-k", CLI_INT, &o.top_k },
        { "--bins", CLI_INT, &o.bins },
        { "--batch", CLI_INT, &o.batch },
        { "--threads", CLI_INT, &o.threads },
        { "--numerics", CLI_TEXT, &o.numerics },
        { "--json", CLI_FLAG, &o.json },
        { "--curves", CLI_FLAG, &o.curves },
        { "--report", CLI_TEXT, &o.report },
        { "--log", CLI_TEXT, &o.page.log },
        { "--title", CLI_TEXT, &o.page.title },
        { "--chart", CLI_TEXT, &o.page.chart },
        { NULL, 0, NULL }
    };

    rc = cli_options(argc, argv, opts, &rest, evaluate_help);

    if (rc == -1) {
        rc = evaluate_arguments(&o, &rest, &e);
    }

    if (rc != -1) {
        return rc;
    }

    maas_arena_init(&e.mem, maas_host_default(), 0);
    rc = evaluate_all(&e, &o, &err) == MAAS_OK ? CLI_OK
         : cli_fail("%s", err.text);
    maas_arena_destroy(&e.mem);

    return rc;
}
