/*
 * rl_grid.c: worlds of cells.  See rl.h.
 *
 *   cliff_walk   Sutton and Barto, "Reinforcement Learning", 2nd edition,
 *                2018, example 6.6
 *   grid_world   any map; the default is the 4x3 world of Russell and Norvig,
 *                "Artificial Intelligence", 4th edition, 2020, section 16.1
 *
 * An action moves to the next cell; at a wall or the border it stays.  With
 * the chance "slip" it goes to one of the sides instead.
 */

#include "train/rl.h"


#define GRID_MAX  (1 << 20)             /* cells */

enum { GRID_UP = 0, GRID_RIGHT, GRID_DOWN, GRID_LEFT };

typedef struct {
    maas_rl_env_param_t  common;
    int64_t              width, height;
    maas_param_texts_t   map;
    double               slip;
    double               step, goal, trap, cliff;       /* rewards */
} grid_param_t;

typedef struct {
    const char     *cell;
    const int64_t  *start;              /* cells where episodes begin */
    int64_t         n_start;
    int64_t         width, height;
} grid_world_t;

#define GRID_NUMBER(m, n, d, lo, hi, text)                                    \
    { .name = n, .type = MAAS_PARAM_NUMBER, .off = offsetof(grid_param_t, m), \
      .def = d, .min = lo, .max = hi, .about = text }

#define GRID_SLIP(d)                                                          \
    GRID_NUMBER(slip, "slip", d, 0, 1,                                        \
                "chance of a move to the left or right of what was meant")

static const maas_param_t  cliff_params[] = {
    MAAS_RL_MAX_STEPS(1000),
    { .name = "width", .type = MAAS_PARAM_INT, .def = 12, .min = 3,
      .max = 1024, .off = offsetof(grid_param_t, width),
      .about = "columns" },
    { .name = "height", .type = MAAS_PARAM_INT, .def = 4, .min = 2,
      .max = 1024, .off = offsetof(grid_param_t, height), .about = "rows" },
    GRID_SLIP(0)
};

static const maas_param_t  grid_params[] = {
    MAAS_RL_MAX_STEPS(1000),
    { .name = "map", .type = MAAS_PARAM_TEXTS,
      .off = offsetof(grid_param_t, map),
      .about = "rows of cells: . free, S start, # wall, G goal, X trap, C "
               "cliff; without S every free cell is a start" },
    GRID_SLIP(0.2),
    GRID_NUMBER(step, "step_reward", -0.04, -1e300, 1e300, "of every step"),
    GRID_NUMBER(goal, "goal_reward", 1, -1e300, 1e300,
                "added at a goal, which ends the episode"),
    GRID_NUMBER(trap, "trap_reward", -1, -1e300, 1e300,
                "added at a trap, which ends the episode"),
    GRID_NUMBER(cliff, "cliff_reward", -99, -1e300, 1e300,
                "added at a cliff, from where it goes back to a start")
};

static const char *const  grid_actions[] = { "up", "right", "down", "left" };


/* -- maps ---------------------------------------------------------------- */

static maas_status_t
grid_starts(grid_world_t *w, maas_arena_t *a, maas_err_t *err)
{
    char      kind = '.';
    int64_t  *start;
    int64_t   n = w->width * w->height;

    for (int64_t i = 0; i < n; i++) {
        kind = w->cell[i] == 'S' ? 'S' : kind;
    }

    start = maas_arena_array(a, (size_t) n, sizeof(*start));
    if (start == NULL) {
        return maas_err_nomem(err);
    }

    for (int64_t i = 0; i < n; i++) {
        if (w->cell[i] == kind) {
            start[w->n_start++] = i;
        }
    }

    w->start = start;

    return w->n_start != 0 ? MAAS_OK
           : maas_err(err, MAAS_EINVAL, "grid_world: \"map\" has neither a "
                      "start (S) nor a free cell (.)");
}


static maas_status_t
grid_setup(maas_rl_env_t *e, maas_arena_t *a, char *cell, int64_t width,
    int64_t height, maas_err_t *err)
{
    grid_world_t  *w = maas_arena_alloc(a, sizeof(*w));

    if (w == NULL) {
        return maas_err_nomem(err);
    }

    w->cell = cell;
    w->width = width;
    w->height = height;
    MAAS_TRY(grid_starts(w, a, err));

    e->world = w;
    e->n_state = width * height;
    e->n_obs = e->n_state;
    e->n_action = 4;
    e->action = grid_actions;

    return MAAS_OK;
}


static maas_status_t
cliff_setup(maas_rl_env_t *e, maas_arena_t *a, maas_err_t *err)
{
    char          *cell;
    grid_param_t  *p = (grid_param_t *) e->param;
    int64_t        n = p->width * p->height;

    cell = maas_arena_alloc(a, (size_t) n);
    if (cell == NULL) {
        return maas_err_nomem(err);
    }

    memset(cell, '.', (size_t) n);
    memset(cell + n - p->width, 'C', (size_t) p->width);
    cell[n - p->width] = 'S';
    cell[n - 1] = 'G';

    p->step = -1;
    p->cliff = -99;                     /* -100 with that of the step */

    return grid_setup(e, a, cell, p->width, p->height, err);
}


static maas_status_t
grid_row(char *cell, const maas_str_t *row, int64_t width, size_t number,
    maas_err_t *err)
{
    if ((int64_t) row->len != width) {
        return maas_err(err, MAAS_EINVAL, "grid_world: row %zu of \"map\" has "
                        "%zu cells, the first one %lld", number + 1,
                        row->len, (long long) width);
    }

    for (size_t i = 0; i < row->len; i++) {
        if (row->data[i] == '\0' || strchr(".S#GXC", row->data[i]) == NULL) {
            return maas_err(err, MAAS_EINVAL, "grid_world: row %zu of \"map\", "
                            "column %zu: expected one of . S # G X C",
                            number + 1, i + 1);
        }
    }

    memcpy(cell, row->data, row->len);

    return MAAS_OK;
}


static maas_status_t
world_setup(maas_rl_env_t *e, maas_arena_t *a, maas_err_t *err)
{
    char                     *cell;
    int64_t                   n, width;
    grid_param_t             *p = (grid_param_t *) e->param;
    static const maas_str_t   known[] = {
        { "...G", 4 }, { ".#.X", 4 }, { "S...", 4 }
    };

    if (p->map.n == 0) {
        p->map.v = known;
        p->map.n = maas_nelts(known);
    }

    width = (int64_t) p->map.v[0].len;

    if (!maas_mul_i64(width, (int64_t) p->map.n, &n) || n > GRID_MAX) {
        return maas_err(err, MAAS_ELIMIT, "grid_world: \"map\" has more than "
                        "%d cells", GRID_MAX);
    }

    cell = maas_arena_alloc(a, (size_t) n + 1);
    if (cell == NULL) {
        return maas_err_nomem(err);
    }

    for (size_t i = 0; i < p->map.n; i++) {
        MAAS_TRY(grid_row(cell + (int64_t) i * width, &p->map.v[i], width, i,
                          err));
    }

    return grid_setup(e, a, cell, width, (int64_t) p->map.n, err);
}


/* -- moves --------------------------------------------------------------- */

static int64_t
grid_start(const grid_world_t *w, const maas_random_t *r, uint64_t i)
{
    return w->start[maas_random_below(r, i, (uint64_t) w->n_start)];
}


static void
grid_reset(const maas_rl_env_t *e, const maas_random_t *r,
    maas_rl_state_t *s)
{
    memset(s, 0, sizeof(*s));
    s->cell = grid_start(e->world, r, 0);
}


static int64_t
grid_move(const grid_world_t *w, int64_t cell, int action)
{
    int64_t  row = cell / w->width, col = cell % w->width;

    row += action == GRID_DOWN ? 1 : action == GRID_UP ? -1 : 0;
    col += action == GRID_RIGHT ? 1 : action == GRID_LEFT ? -1 : 0;

    if (row < 0 || row >= w->height || col < 0 || col >= w->width
        || w->cell[row * w->width + col] == '#')
    {
        return cell;
    }

    return row * w->width + col;
}


static maas_rl_result_t
grid_step(const maas_rl_env_t *e, const maas_random_t *r, int64_t t,
    int action, maas_rl_state_t *s)
{
    double               u;
    const grid_param_t  *p = e->param;
    const grid_world_t  *w = e->world;
    maas_rl_result_t     out = { .reward = p->step };

    if (p->slip > 0) {
        u = maas_random_unit(r, MAAS_RL_DRAW(t));
        action = (action + (u < p->slip / 2 ? 1 : u < p->slip ? 3 : 0)) % 4;
    }

    s->cell = grid_move(w, s->cell, action);

    switch (w->cell[s->cell]) {

    case 'G':
        out.reward += p->goal;
        out.terminal = true;
        break;

    case 'X':
        out.reward += p->trap;
        out.terminal = true;
        break;

    case 'C':
        out.reward += p->cliff;
        s->cell = grid_start(w, r, MAAS_RL_DRAW(t) + 1);
    }

    return out;
}


static void
grid_observe(const maas_rl_env_t *e, const maas_rl_state_t *s, float *obs)
{
    memset(obs, 0, (size_t) e->n_obs * sizeof(float));
    obs[s->cell] = 1;
}


const maas_rl_env_row_t  maas_rl_cliff_walk = {
    .name = "cliff_walk",
    .about = "a way along a cliff: -1 a step, -100 and back to the start for "
             "a fall",
    .param = cliff_params,
    .n_param = maas_nelts(cliff_params),
    .param_size = sizeof(grid_param_t),
    .setup = cliff_setup,
    .reset = grid_reset,
    .step = grid_step,
    .observe = grid_observe
};

const maas_rl_env_row_t  maas_rl_grid_world = {
    .name = "grid_world",
    .about = "a map with walls, goals, traps and cliffs",
    .param = grid_params,
    .n_param = maas_nelts(grid_params),
    .param_size = sizeof(grid_param_t),
    .setup = world_setup,
    .reset = grid_reset,
    .step = grid_step,
    .observe = grid_observe
};
