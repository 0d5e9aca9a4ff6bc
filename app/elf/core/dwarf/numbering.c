/* Numbers for the functions of all workers, in the order of their DIEs.
 *
 * Abstract functions that say the same (name, linkage name, scope, file, line) are one row, and none where a
 * function with code says it. What the rows of the others lack is read only then, once for each.
 */
#include "rows.h"

typedef struct {
    uint32_t number;
    InlineRow inlined;
} Unique;

typedef struct {
    Reading *reading;
    Numbering *numbering;
    SameTable same; /* the number: of the first function that says it */
    VEC(Unique) unique; /* functions without code */
    uint32_t *makers;   /* beside them: the worker that made the row */
    Map by_die;         /* key of an abstract function's DIE -> number + 1 */
    bool memory;
} Numberer;

static uint32_t same_of(Numberer *numberer, const uint32_t *said)
{
    uint32_t index = same_index(&numberer->same, said);
    numberer->memory |= index == UINT32_MAX;
    return index;
}

/* Those with code say it before all others. */
static void enter_functions(Numberer *numberer, const UnitRows *rows)
{
    const Worker *worker = &numberer->reading->workers[rows->worker];
    for (uint32_t i = rows->functions.first; i < rows->functions.first + rows->functions.count; i++) {
        const FnRow *row = &worker->functions.items[i];
        uint32_t said[] = {row->name, row->linkage, row->scope, row->file, row->line};
        uint32_t index = same_of(numberer, said);
        if (numberer->memory)
            return;
        numberer->numbering->functions[rows->worker][i] = index;
    }
}

static void number_function(Numberer *numberer, const UnitRows *rows, uint32_t index)
{
    uint32_t *place = &numberer->numbering->functions[rows->worker][index];
    Same *same = &numberer->same.items.items[*place];
    *place = numberer->numbering->count++;
    if (same->number == NONE)
        same->number = *place;
}

static void add_unique(Numberer *numberer, Same *same, const InlineRow *row)
{
    same->number = numberer->numbering->count++;
    if (!vec_push(&numberer->unique, ((Unique){same->number, *row})))
        numberer->memory = true;
}

static void number_inline(Numberer *numberer, const UnitRows *rows, uint32_t index)
{
    const InlineRow *row = &numberer->reading->workers[rows->worker].inlines.items[index];
    uint32_t said[] = {row->name, row->linkage, row->scope, row->file, row->line};
    uint32_t known = (uint32_t)numberer->same.items.count, same = same_of(numberer, said);
    if (numberer->memory)
        return;
    numberer->numbering->inlines[rows->worker][index] = same;
    if (same >= known)
        add_unique(numberer, &numberer->same.items.items[same], row);
}

/* A unit's functions of both kinds by their DIEs. */
static void number_unit(Numberer *numberer, const UnitRows *rows)
{
    const Worker *worker = &numberer->reading->workers[rows->worker];
    uint32_t function = rows->functions.first, functions = function + rows->functions.count;
    uint32_t inlined = rows->inlines.first, inlines = inlined + rows->inlines.count;
    while ((function < functions || inlined < inlines) && !numberer->memory) {
        bool code = inlined == inlines
                    || (function < functions
                        && worker->functions.items[function].die
                               < die_key(rows->unit, worker->inlines.items[inlined].offset));
        if (code)
            number_function(numberer, rows, function++);
        else
            number_inline(numberer, rows, inlined++);
    }
}

/* The numbers that abstract functions got, for sites of other units. */
static void enter_dies(Numberer *numberer)
{
    Reading *reading = numberer->reading;
    for (unsigned w = 0; w < reading->worker_count; w++) {
        const Worker *worker = &reading->workers[w];
        bool fresh;
        for (size_t i = 0; i < worker->inlines.count; i++) {
            const InlineRow *row = &worker->inlines.items[i];
            uint32_t *place = map_put(&numberer->by_die, die_key(reading->units.items[row->unit].unit, row->offset) + 1, &fresh);
            if (!place) {
                numberer->memory = true;
                return;
            }
            *place = numberer->numbering->inlines[w][i] + 1;
        }
        for (size_t i = 0; i < worker->abstracts.count; i++) {
            uint32_t *place = map_put(&numberer->by_die, worker->abstracts.items[i].die + 1, &fresh);
            if (!place) {
                numberer->memory = true;
                return;
            }
            *place = numberer->numbering->functions[w][worker->abstracts.items[i].row] + 1;
        }
    }
}

/* The number of a function that no site of its own unit means. */
static uint32_t foreign_number(Numberer *numberer, const DieRef *die)
{
    bool fresh;
    uint32_t *place = map_put(&numberer->by_die, die_key(die->unit, die->offset) + 1, &fresh);
    InlineRow row;
    if (!place) {
        numberer->memory = true;
        return NONE;
    }
    if (!fresh)
        return *place - 1;
    *place = 0;
    if (!inline_row(&numberer->reading->workers[0], die, &row))
        return NONE;
    uint32_t said[] = {row.name, row.linkage, row.scope, row.file, row.line};
    uint32_t known = (uint32_t)numberer->same.items.count, same = same_of(numberer, said);
    if (numberer->memory)
        return NONE;
    if (same >= known)
        add_unique(numberer, &numberer->same.items.items[same], &row);
    *place = numberer->same.items.items[same].number + 1;
    return *place - 1;
}

static void settle_foreign(Numberer *numberer)
{
    Reading *reading = numberer->reading;
    bool any = false;
    for (unsigned w = 0; w < reading->worker_count; w++)
        any |= reading->workers[w].foreign.count != 0;
    if (any)
        enter_dies(numberer);
    for (size_t u = 0; any && u < reading->units.count && !numberer->memory; u++) {
        const UnitRows *rows = &reading->units.items[u];
        Worker *worker = &reading->workers[rows->worker];
        for (uint32_t i = 0; i < rows->foreign.count; i++) {
            const ForeignSite *foreign = &worker->foreign.items[rows->foreign.first + i];
            SiteRow *site = &worker->sites.items[foreign->site];
            site->function = foreign_number(numberer, &foreign->die);
            site->foreign = true;
        }
    }
}

static void make_task(void *context, size_t task, unsigned worker)
{
    enum { CHUNK = 64 };
    Numberer *numberer = context;
    for (size_t i = task * CHUNK; i < (task + 1) * CHUNK && i < numberer->unique.count; i++) {
        settle_inline(&numberer->reading->workers[worker], &numberer->unique.items[i].inlined, &numberer->numbering->made.items[i]);
        numberer->makers[i] = worker;
    }
}

/* The rows of functions without code, by all workers. */
static void make_rows(Numberer *numberer, Pool *pool)
{
    Reading *reading = numberer->reading;
    size_t count = numberer->unique.count;
    numberer->makers = calloc(count + 1, sizeof *numberer->makers);
    if (!numberer->makers || !vec_room(&numberer->numbering->made, count)) {
        numberer->memory = true;
        return;
    }
    memset(numberer->numbering->made.items, 0, count * sizeof(FnRow));
    numberer->numbering->made.count = count;
    for (unsigned w = 0; w < reading->worker_count; w++)
        reading->workers[w].unit = NULL;
    pool_run(pool, reading->worker_count, (count + 63) / 64, make_task, numberer);
}

static void list_sources(Numberer *numberer)
{
    Reading *reading = numberer->reading;
    Numbering *numbering = numberer->numbering;
    numbering->sources = calloc((size_t)numbering->count + 1, sizeof *numbering->sources);
    if (!numbering->sources) {
        numberer->memory = true;
        return;
    }
    for (unsigned w = 0; w < reading->worker_count; w++) {
        const Worker *worker = &reading->workers[w];
        for (size_t i = 0; i < worker->functions.count; i++)
            numbering->sources[numbering->functions[w][i]] = (Source){&worker->functions.items[i], worker};
    }
    for (size_t i = 0; i < numberer->unique.count; i++)
        numbering->sources[numberer->unique.items[i].number] =
            (Source){&numbering->made.items[i], &reading->workers[numberer->makers[i]]};
}

static bool open_numbering(Reading *reading, Numbering *numbering)
{
    numbering->functions = calloc(reading->worker_count, sizeof *numbering->functions);
    numbering->inlines = calloc(reading->worker_count, sizeof *numbering->inlines);
    if (!numbering->functions || !numbering->inlines)
        return false;
    for (unsigned w = 0; w < reading->worker_count; w++) {
        const Worker *worker = &reading->workers[w];
        numbering->functions[w] = calloc(worker->functions.count + 1, sizeof **numbering->functions);
        numbering->inlines[w] = calloc(worker->inlines.count + 1, sizeof **numbering->inlines);
        if (!numbering->functions[w] || !numbering->inlines[w])
            return false;
    }
    return true;
}

bool number_functions(Reading *reading, Pool *pool, Numbering *numbering)
{
    Numberer numberer = {.reading = reading, .numbering = numbering};
    if (!open_numbering(reading, numbering))
        return false;
    size_t units = reading->units.count;
    for (size_t u = 0; u < units && !numberer.memory; u++)
        enter_functions(&numberer, &reading->units.items[u]);
    for (size_t u = 0; u < units && !numberer.memory; u++)
        number_unit(&numberer, &reading->units.items[u]);
    for (unsigned w = 0; w < reading->worker_count && !numberer.memory; w++)
        for (size_t i = 0; i < reading->workers[w].inlines.count; i++)
            numbering->inlines[w][i] = numberer.same.items.items[numbering->inlines[w][i]].number;
    if (!numberer.memory)
        settle_foreign(&numberer);
    if (!numberer.memory)
        make_rows(&numberer, pool);
    if (!numberer.memory)
        list_sources(&numberer);
    map_free(&numberer.by_die);
    same_free(&numberer.same);
    vec_free(&numberer.unique);
    free(numberer.makers);
    return !numberer.memory;
}

void numbering_free(Reading *reading, Numbering *numbering)
{
    for (unsigned w = 0; w < reading->worker_count; w++) {
        if (numbering->functions)
            free(numbering->functions[w]);
        if (numbering->inlines)
            free(numbering->inlines[w]);
    }
    free(numbering->functions);
    free(numbering->inlines);
    free(numbering->sources);
    vec_free(&numbering->made);
}
