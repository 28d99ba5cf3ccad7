/*
 * maas dataset ACTION ...: files into datasets, and what is in a dataset.
 * This file: the command line, and import.
 *
 * Memory: lists of options live as long as the command.
 */

#define _GNU_SOURCE

#include <stdio.h>
#include <stdlib.h>

#include "cli/cli_dataset.h"


static const char  dataset_help[] =
    "usage: maas dataset import SOURCE... -o DATASET [OPTION]...\n"
    "       maas dataset show [--json] [--verify] DATASET\n"
    "       maas dataset head [--rows N] DATASET\n"
    "       maas dataset export [-o FILE] DATASET\n"
    "       maas dataset split [OPTION]... [-o PREFIX] DATASET\n\n"
    "import: CSV, TSV, JSON rows, columns or lines (also gzip), npy, npz,\n"
    "a folder or tar of images by class, CIFAR-10's binary files.\n"
    "  -o, --output DATASET    where to\n"
    "  --format csv|json|jsonl|npy|images|cifar10\n"
    "                          default: by name, then by the first bytes\n"
    "  --separator CHAR|tab    CSV: default: found out among , ; and tab\n"
    "  --header yes|no         CSV: is the first line names? default: found "
    "out\n"
    "  --missing WORD          a value that means none, besides the usual\n"
    "  --type COLUMN=KIND      number, integer, bool, category or text\n"
    "  --size WIDTHxHEIGHT     images are resized to this\n"
    "  --gray                  images become gray\n"
    "  --max-row BYTES         of one row of text; default 16777216\n"
    "  --memory BYTES          of the writer; default 67108864\n\n"
    "show: columns, kinds, ranges, missing values, classes.\n"
    "  --json                  as JSON\n"
    "  --verify                compute the digest of the content too\n\n"
    "head, export: rows as CSV, on stdout or to a file.\n"
    "  --rows N                head: how many; default 10\n\n"
    "split: PREFIX.train.maasds, PREFIX.validation.maasds, PREFIX.test.maasds\n"
    "  --validation SHARE      default 0.2\n"
    "  --test SHARE            default none\n"
    "  --by random|group|time  default random\n"
    "  --column COLUMN         the group, or the time\n"
    "  --stratify COLUMN       equal shares of its classes\n"
    "  --seed N                default 1\n";


int
cli_dataset_open(const cli_dataset_t *o, maas_dataset_t **ds)
{
    maas_err_t  err;

    if (o->rest.n != 2) {
        return cli_usage(o->rest.n < 2 ? "%s: which dataset?"
                                       : "%s: one dataset at a time",
                         o->rest.v[0]);
    }

    if (maas_dataset_open(ds, maas_host_default(), o->rest.v[1], &err)
        != MAAS_OK)
    {
        return cli_fail("%s", err.text);
    }

    return -1;
}


/* -- import -------------------------------------------------------------- */

static void
import_progress(void *ctx, uint64_t done, uint64_t of)
{
    (void) ctx;
    cli_progress_count(done, of);
}


static int
import_type(const char *s, maas_import_kind_t *out)
{
    const char       *eq = strrchr(s, '=');
    maas_str_t        word;
    maas_near_t       near = { 0 };
    char              text[MAAS_NEAR_TEXT];
    maas_col_kind_t   kind;

    if (eq == NULL || eq == s) {
        return cli_usage("--type %s: expected COLUMN=KIND", s);
    }

    word = (maas_str_t) { eq + 1, strlen(eq + 1) };

    if (!maas_col_kind_find(word, &kind) || kind == MAAS_COL_TENSOR) {
        near.word = word;

        for (int k = 0; k < MAAS_COL_TENSOR; k++) {
            const char  *name = maas_col_kind_name(k);

            maas_near(&near, (maas_str_t) { name, strlen(name) });
        }

        return cli_usage("--type %s: the kind is number, integer, bool, "
                         "category or text%s", s,
                         maas_near_text(&near, text));
    }

    out->column = (maas_str_t) { s, (size_t) (eq - s) };
    out->kind = (uint8_t) kind;
    return -1;
}


static int
import_lists(const cli_dataset_t *o, maas_dataset_import_t *im)
{
    int                  rc;
    maas_str_t          *word;
    maas_import_kind_t  *kind;

    word = calloc(o->missing.n + 1, sizeof(*word));
    kind = calloc(o->type.n + 1, sizeof(*kind));

    if (word == NULL || kind == NULL) {
        return cli_fail("out of memory");
    }

    im->missing = word;
    im->kind = kind;

    for (size_t i = 0; i < o->missing.n; i++) {
        word[i] = (maas_str_t) { o->missing.v[i], strlen(o->missing.v[i]) };
    }

    for (size_t i = 0; i < o->type.n; i++) {
        rc = import_type(o->type.v[i], &kind[i]);
        if (rc != -1) {
            return rc;
        }
    }

    im->n_missing = o->missing.n;
    im->n_kind = o->type.n;
    return -1;
}


static int
import_words(const cli_dataset_t *o, maas_dataset_import_t *im)
{
    char               x;
    static const char *const  formats[] = { "auto", "csv", "json", "jsonl",
                                            "npy", "images", "cifar10" };

    for (size_t i = 0; o->format != NULL; i++) {
        if (i == maas_nelts(formats)) {
            return cli_usage("--format %s: expected csv, json, jsonl, npy, "
                             "images or cifar10", o->format);
        }

        if (strcmp(o->format, formats[i]) == 0) {
            im->format = (maas_import_format_t) i;
            break;
        }
    }

    if (o->separator != NULL) {
        im->separator = strcmp(o->separator, "tab") == 0 ? '\t'
                                                         : o->separator[0];

        if ((strlen(o->separator) != 1 && im->separator != '\t')
            || strchr("\"\n\r", im->separator) != NULL)
        {
            return cli_usage("--separator \"%s\": expected one character, or "
                             "tab", o->separator);
        }
    }

    im->header = o->header == NULL ? -1 : strcmp(o->header, "yes") == 0;

    if (o->header != NULL && !im->header && strcmp(o->header, "no") != 0) {
        return cli_usage("--header %s: expected yes or no", o->header);
    }

    if (o->size != NULL
        && (sscanf(o->size, "%5ux%5u%c", &im->width, &im->height, &x) != 2
            || im->width == 0 || im->height == 0))
    {
        return cli_usage("--size %s: expected WIDTHxHEIGHT, as in 32x32",
                         o->size);
    }

    return -1;
}


static int
dataset_import(const cli_dataset_t *o)
{
    int              rc;
    maas_err_t       err;
    maas_status_t    status;
    maas_dataset_import_t    im = { 0 };
    maas_dataset_t  *ds;

    if (o->rest.n < 2) {
        return cli_usage("import: which file?");
    }

    if (o->output == NULL) {
        return cli_usage("import: where to? -o DATASET");
    }

    rc = import_words(o, &im);
    if (rc == -1) {
        rc = import_lists(o, &im);
    }

    if (rc != -1) {
        return rc;
    }

    im.gray = o->gray;
    im.record = (size_t) o->max_row;
    im.budget = (size_t) o->memory;
    im.progress = import_progress;

    cli_progress_begin(cli_base(o->rest.v[1]));
    status = maas_dataset_import(maas_host_default(), o->rest.v + 1,
                                 (int) o->rest.n - 1, o->output, &im, &err);
    cli_progress_end();

    if (status == MAAS_OK) {
        status = maas_dataset_open(&ds, maas_host_default(), o->output, &err);
    }

    if (status != MAAS_OK) {
        return cli_fail("%s", err.text);
    }

    printf("%s: %lld rows, %d columns, %zu bytes\n", o->output,
           (long long) maas_dataset_rows(ds), maas_dataset_columns(ds),
           maas_dataset_bytes(ds));

    for (int i = 0; i < maas_dataset_columns(ds); i++) {
        const maas_column_t  *c = maas_dataset_column(ds, i);

        if (c->note.len != 0) {
            printf("%.*s: %.*s\n", (int) c->name.len, c->name.data,
                   (int) c->note.len, c->note.data);
        }
    }

    maas_dataset_close(ds);
    return CLI_OK;
}


static int
dataset_action(const cli_dataset_t *o, const char *name)
{
    char         text[MAAS_NEAR_TEXT];
    maas_near_t  near = { .word = { name, strlen(name) } };
    static const struct {
        const char  *name;
        int        (*run)(const cli_dataset_t *o);
    } actions[] = {
        { "import", dataset_import }, { "show", cli_dataset_show },
        { "head", cli_dataset_head }, { "export", cli_dataset_export },
        { "split", cli_dataset_split }
    };

    for (size_t i = 0; i < maas_nelts(actions); i++) {
        if (strcmp(name, actions[i].name) == 0) {
            return actions[i].run(o);
        }

        maas_near(&near, (maas_str_t) { actions[i].name,
                                        strlen(actions[i].name) });
    }

    return cli_usage("unknown action \"%.60s\"%s (import, show, head, export "
                     "or split)", name, maas_near_text(&near, text));
}


int
cmd_dataset(int argc, char **argv)
{
    int             rc;
    cli_dataset_t   o = { .rows = 10, .seed = 1 };
    cli_option_t    opts[] = {
        { "-o", CLI_TEXT, &o.output },
        { "--output", CLI_TEXT, &o.output },
        { "--format", CLI_TEXT, &o.format },
        { "--separator", CLI_TEXT, &o.separator },
        { "--header", CLI_TEXT, &o.header },
        { "--missing", CLI_MANY, &o.missing },
        { "--type", CLI_MANY, &o.type },
        { "--size", CLI_TEXT, &o.size },
        { "--gray", CLI_FLAG, &o.gray },
        { "--max-row", CLI_INT, &o.max_row },
        { "--memory", CLI_INT, &o.memory },
        { "--json", CLI_FLAG, &o.json },
        { "--verify", CLI_FLAG, &o.verify },
        { "--rows", CLI_INT, &o.rows },
        { "--validation", CLI_FLOAT, &o.validation },
        { "--test", CLI_FLOAT, &o.test },
        { "--by", CLI_TEXT, &o.by },
        { "--column", CLI_TEXT, &o.column },
        { "--stratify", CLI_TEXT, &o.stratify },
        { "--seed", CLI_INT, &o.seed },
        { NULL, 0, NULL }
    };

    rc = cli_options(argc, argv, opts, &o.rest, dataset_help);
    if (rc != -1) {
        return rc;
    }

    if (o.rest.n == 0) {
        return cli_usage("import, show, head, export or split?");
    }

    return dataset_action(&o, o.rest.v[0]);
}
