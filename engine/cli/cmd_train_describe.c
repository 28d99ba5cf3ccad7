/*
 * maas train --describe: the tables that specifications are checked by, as
 * one JSON object.  docs/training.md is made of it.
 *
 * Ownership: the text, until it is printed.
 * Threads:   the main thread; the tables are constant.
 */

#include <stdio.h>

#include "cli/cli.h"
#include "cli/cli_train.h"
#include "train/augment.h"
#include "train/estimator.h"
#include "train/rl.h"
#include "train/train_run.h"


static const char *const  describe_types[] = {
    [MAAS_PARAM_INT] = "integer", [MAAS_PARAM_NUMBER] = "number",
    [MAAS_PARAM_BOOL] = "boolean", [MAAS_PARAM_WORD] = "word",
    [MAAS_PARAM_TEXT] = "text", [MAAS_PARAM_INTS] = "integers",
    [MAAS_PARAM_NUMBERS] = "numbers", [MAAS_PARAM_TEXTS] = "texts",
    [MAAS_PARAM_JSON] = "JSON"
};


static void
describe_text(maas_buf_t *b, const char *key, const char *s)
{
    maas_buf_printf(b, "\"%s\":", key);
    maas_buf_json(b, s, strlen(s));
}


static void
describe_words(maas_buf_t *b, const char *const *w)
{
    maas_buf_puts(b, "[");

    for (int i = 0; w[i] != NULL; i++) {
        maas_buf_puts(b, i == 0 ? "" : ",");
        maas_buf_json(b, w[i], strlen(w[i]));
    }

    maas_buf_puts(b, "]");
}


static void
describe_default(maas_buf_t *b, const maas_param_t *p)
{
    switch (p->type) {

    case MAAS_PARAM_INT:
    case MAAS_PARAM_NUMBER:
        maas_buf_printf(b, ",\"default\":%.15g", p->def);
        break;

    case MAAS_PARAM_BOOL:
        maas_buf_printf(b, ",\"default\":%s", p->def != 0 ? "true" : "false");
        break;

    case MAAS_PARAM_WORD:
        maas_buf_printf(b, ",\"default\":\"%s\"", p->words[(int) p->def]);
        break;

    default:
        break;
    }
}


static void
describe_params(maas_buf_t *b, const maas_param_t *p, size_t n)
{
    maas_buf_puts(b, "\"params\":[");

    for (size_t i = 0; i < n; i++) {
        maas_buf_puts(b, i == 0 ? "{" : ",{");
        describe_text(b, "name", p[i].name);
        maas_buf_puts(b, ",");
        describe_text(b, "type", describe_types[p[i].type]);
        maas_buf_printf(b, ",\"required\":%s",
                        p[i].required ? "true" : "false");

        if (!p[i].required) {
            describe_default(b, &p[i]);
        }

        if (p[i].type == MAAS_PARAM_WORD) {
            maas_buf_puts(b, ",\"words\":");
            describe_words(b, p[i].words);
        }

        maas_buf_puts(b, ",");
        describe_text(b, "about", p[i].about != NULL ? p[i].about : "");
        maas_buf_puts(b, "}");
    }

    maas_buf_puts(b, "]");
}


static void
describe_row(maas_buf_t *b, int i, const char *name, const char *about,
    const maas_param_t *p, size_t n)
{
    maas_buf_puts(b, i == 0 ? "{" : ",{");
    describe_text(b, "name", name);
    maas_buf_puts(b, ",");
    describe_text(b, "about", about != NULL ? about : "");
    maas_buf_puts(b, ",");
    describe_params(b, p, n);
}


static void
describe_layers(maas_buf_t *b)
{
    int                  i = 0;
    const maas_layer_t  *r = NULL;

    maas_buf_puts(b, ",\n\"layers\":[");

    while ((r = maas_layer_next(r)) != NULL) {
        describe_row(b, i++, r->name, r->about, r->param, r->n_param);
        maas_buf_puts(b, "}");
    }

    maas_buf_puts(b, "],\n\"activations\":");
    describe_words(b, maas_activation_words);
    maas_buf_puts(b, ",\n\"initializers\":");
    describe_words(b, maas_init_words);
}


static void
describe_losses(maas_buf_t *b)
{
    int          i = 0;
    const char  *alias;

    maas_buf_puts(b, ",\n\"losses\":[");

    for (const maas_loss_row_t *r = maas_loss_rows; r->name != NULL; r++) {
        describe_row(b, i++, r->name, r->about, r->param, r->n_param);

        if (r->alias != NULL) {
            maas_buf_puts(b, ",");
            describe_text(b, "alias", r->alias);
        }

        maas_buf_puts(b, "}");
    }

    maas_buf_puts(b, "],\n\"metrics\":[");

    for (int m = 0; m < MAAS_FIT_METRICS; m++) {
        if (maas_fit_metric_hidden(m)) {
            continue;
        }

        describe_row(b, m, maas_fit_metric_name(m),
                     maas_fit_metric_about(m), NULL, 0);

        for (int k = 0; (alias = maas_fit_metric_alias(m, k)) != NULL; k++) {
            maas_buf_puts(b, k == 0 ? ",\"aliases\":[" : ",");
            maas_buf_json(b, alias, strlen(alias));
        }

        maas_buf_puts(b, maas_fit_metric_alias(m, 0) != NULL ? "]}" : "}");
    }

    maas_buf_puts(b, "]");
}


static void
describe_optimizers(maas_buf_t *b)
{
    int  i = 0;

    maas_buf_puts(b, ",\n\"optimizers\":[");

    for (const maas_optim_row_t *r = maas_optim_rows; r->name != NULL; r++) {
        describe_row(b, i++, r->name, r->about, r->param, r->n_param);
        maas_buf_printf(b, ",\"learning_rate\":%g}", r->rate);
    }

    maas_buf_puts(b, "],\n\"schedules\":[");
    i = 0;

    for (const maas_schedule_row_t *r = maas_schedule_rows; r->name != NULL;
         r++)
    {
        describe_row(b, i++, r->name, r->about, r->param, r->n_param);
        maas_buf_puts(b, "}");
    }

    maas_buf_puts(b, "]");
}


static void
describe_estimators(maas_buf_t *b)
{
    int                        i = 0, k;
    const maas_estimator_t    *r = NULL;
    static const char *const   task[] = {
        [MAAS_TASK_REGRESSION] = "regression",
        [MAAS_TASK_CLASSIFICATION] = "classification",
        [MAAS_TASK_CLUSTERING] = "clustering",
        [MAAS_TASK_OUTLIERS] = "outliers",
        [MAAS_TASK_TRANSFORM] = "transform"
    };

    maas_buf_puts(b, ",\n\"estimators\":[");

    while ((r = maas_estimator_next(r)) != NULL) {
        describe_row(b, i++, r->name, r->about, r->param, r->n_param);
        maas_buf_puts(b, ",\"tasks\":[");
        k = 0;

        for (size_t t = 0; t < maas_nelts(task); t++) {
            if (r->tasks >> t & 1) {
                maas_buf_printf(b, "%s\"%s\"", k++ == 0 ? "" : ",", task[t]);
            }
        }

        maas_buf_printf(b, "],\"missing\":%s}",
                        r->missing ? "true" : "false");
    }

    maas_buf_puts(b, "]");
}


static void
describe_steps(maas_buf_t *b)
{
    int                     i = 0;
    const maas_pipe_row_t  *r = NULL;

    maas_buf_puts(b, ",\n\"steps\":[");

    while ((r = maas_pipe_next(r)) != NULL) {
        describe_row(b, i++, r->name, r->about, r->param, r->n_param);
        maas_buf_puts(b, "}");
    }

    maas_buf_puts(b, "]");
}


static void
describe_agents(maas_buf_t *b)
{
    maas_buf_puts(b, ",\n\"agents\":[");

    for (int i = 0; maas_rl_agent_rows[i] != NULL; i++) {
        const maas_rl_agent_row_t  *r = maas_rl_agent_rows[i];

        describe_row(b, i, r->name, r->about, r->param, r->n_param);
        maas_buf_puts(b, "}");
    }

    maas_buf_puts(b, "],\n\"environments\":[");

    for (int i = 0; maas_rl_env_rows[i] != NULL; i++) {
        const maas_rl_env_row_t  *r = maas_rl_env_rows[i];

        describe_row(b, i, r->name, r->about, r->param, r->n_param);
        maas_buf_puts(b, "}");
    }

    maas_buf_puts(b, "]");
}


static void
describe_objects(maas_buf_t *b)
{
    const struct {
        const char          *name;
        const maas_param_t  *param;
        size_t               n;
    } o[] = {
        { "specification", maas_spec_params, maas_spec_n_params },
        { "data", maas_data_params, maas_data_n_params },
        { "split", maas_data_split_params, maas_data_n_split },
        { "augment", maas_augment_params, maas_augment_n_params },
        { "network", maas_network_params, maas_network_n_params },
        { "input", maas_network_input_params, maas_network_n_input },
        { "finetune", maas_finetune_params, maas_finetune_n_params },
        { "lora", maas_finetune_lora_params, maas_finetune_n_lora },
        { "optimizer", maas_optim_common, maas_optim_n_common },
        { "schedule", maas_schedule_common, maas_schedule_n_common },
        { "early_stopping", maas_spec_early_params, maas_spec_n_early },
        { "checkpoint", maas_spec_checkpoint_params,
          maas_spec_n_checkpoint },
        { "epsilon", maas_rl_epsilon_params, maas_rl_n_epsilon }
    };

    maas_buf_puts(b, "\"objects\":[");

    for (size_t i = 0; i < maas_nelts(o); i++) {
        describe_row(b, (int) i, o[i].name, "", o[i].param, o[i].n);
        maas_buf_puts(b, "}");
    }

    maas_buf_puts(b, "]");
}


int
cli_train_describe(void)
{
    maas_buf_t  b;
    maas_err_t  err;

    maas_buf_init(&b, maas_host_default());
    maas_buf_puts(&b, "{");
    describe_objects(&b);
    describe_layers(&b);
    describe_losses(&b);
    describe_optimizers(&b);
    describe_steps(&b);
    describe_estimators(&b);
    describe_agents(&b);
    maas_buf_puts(&b, "}\n");

    return cli_print(&b, &err) == MAAS_OK ? CLI_OK : cli_fail("%s", err.text);
}
