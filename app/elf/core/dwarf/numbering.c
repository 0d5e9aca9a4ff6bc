/* Numbers for the functions of all workers, in the order of their DIEs.
 *
 * Abstract functions that say the same (name, linkage name, scope, file, line) are one row, and none where a
 * function with code says it. Each worker has made the rows of those that it met first, but for units that refer
 * to others: their rows are read only now.
 */
#include "rows.h"

typedef struct {
    uint32_t number, worker; /* worker: that met it */
    InlineRow inlined;
} Unique;

/* An abstract function that only sites of other units mean, or that the walk kept no row of. */
typedef struct {
    InlineRow row;
    uint64_t die;    /* key */
    uint32_t same;   /* what it says */
    uint32_t worker; /* that has the row, if it was made */
} Extra;

typedef struct {
    Reading *reading;
    Numbering *numbering;
    SameTable same; /* the number: of the first function that says it */
    VEC(Unique) unique; /* functions without code */
    uint32_t *makers;   /* beside them: the worker that made the row */
    VEC(Extra) extras;  /* in the order of their units and DIEs */
    size_t extra;       /* the next one to be numbered */
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

static void add_unique(Numberer *numberer, Same *same, uint32_t worker, const InlineRow *row)
{
    same->number = numberer->numbering->count++;
    if (!vec_push(&numberer->unique, ((Unique){same->number, worker, *row})))
        numberer->memory = true;
}

/* What an abstract function says, as an index of `same`; a new one gets a row. */
static uint32_t number_abstract(Numberer *numberer, uint32_t worker, const InlineRow *row)
{
    uint32_t none = NONE, *known = &none;
    if (row->made != NONE)
        known = &numberer->reading->workers[worker].made_rows.items.items[row->made].number;
    if (*known != NONE)
        return *known;
    uint32_t said[] = {row->name, row->linkage, row->scope, row->file, row->line};
    uint32_t count = (uint32_t)numberer->same.items.count, same = same_of(numberer, said);
    if (!numberer->memory && same >= count)
        add_unique(numberer, &numberer->same.items.items[same], worker, row);
    return *known = same;
}

/* A unit's functions of all kinds by their DIEs. */
static void number_unit(Numberer *numberer, const UnitRows *rows)
{
    const Worker *worker = &numberer->reading->workers[rows->worker];
    uint32_t function = rows->functions.first, functions = function + rows->functions.count;
    uint32_t inlined = rows->inlines.first, inlines = inlined + rows->inlines.count;
    while (!numberer->memory) {
        bool extra = numberer->extra < numberer->extras.count
                     && numberer->extras.items[numberer->extra].row.unit == rows->unit->row;
        uint64_t code_at = function < functions ? worker->functions.items[function].die : UINT64_MAX;
        uint64_t inline_at =
            inlined < inlines ? die_key(rows->unit, worker->inlines.items[inlined].offset) : UINT64_MAX;
        uint64_t extra_at = extra ? numberer->extras.items[numberer->extra].die : UINT64_MAX;
        if (function < functions && code_at < inline_at && code_at < extra_at)
            number_function(numberer, rows, function++);
        else if (inlined < inlines && inline_at < extra_at) {
            uint32_t same = number_abstract(numberer, rows->worker, &worker->inlines.items[inlined]);
            numberer->numbering->inlines[rows->worker][inlined++] = same;
        } else if (extra) {
            Extra *next = &numberer->extras.items[numberer->extra++];
            next->same = number_abstract(numberer, next->worker, &next->row);
        } else
            return;
    }
}

/* The number + 1 of an abstract function, by its DIE; NULL when memory is out. */
static uint32_t *die_slot(Numberer *numberer, uint64_t die, bool *fresh)
{
    uint32_t *place = map_put(&numberer->by_die, die + 1, fresh);
    numberer->memory |= place == NULL;
    return place;
}

static uint64_t inline_key(const Numberer *numberer, const InlineRow *row)
{
    return die_key(numberer->reading->units.items[row->unit].unit, row->offset);
}

static int by_place(const void *left, const void *right)
{
    const Extra *a = left, *b = right;
    if (a->row.unit != b->row.unit)
        return a->row.unit < b->row.unit ? -1 : 1;
    return a->die < b->die ? -1 : a->die > b->die;
}

/* Finds the abstract functions that sites of other units mean and that their own unit has no row for. */
static void find_extras(Numberer *numberer)
{
    Reading *reading = numberer->reading;
    bool fresh, any = false;
    for (unsigned w = 0; w < reading->worker_count; w++)
        any |= reading->workers[w].foreign.count != 0;
    for (unsigned w = 0; any && w < reading->worker_count; w++) {
        const Worker *worker = &reading->workers[w];
        for (size_t i = 0; i < worker->inlines.count && !numberer->memory; i++)
            die_slot(numberer, inline_key(numberer, &worker->inlines.items[i]), &fresh);
        for (size_t i = 0; i < worker->abstracts.count && !numberer->memory; i++)
            die_slot(numberer, worker->abstracts.items[i].die, &fresh);
    }
    for (unsigned w = 0; w < reading->worker_count; w++) {
        for (size_t i = 0; i < reading->workers[w].foreign.count && !numberer->memory; i++) {
            const ForeignSite *foreign = &reading->workers[w].foreign.items[i];
            const DieRef *die = &foreign->die;
            Extra extra = {.die = die_key(die->unit, die->offset), .worker = w};
            if (!die_slot(numberer, extra.die, &fresh) || !fresh || foreign->row == NOTHING)
                continue;
            if (foreign->row != NONE)
                extra.row = reading->workers[w].found.items[foreign->row];
            else if (!inline_row(&reading->workers[0], die, &extra.row))
                continue;
            if (!vec_push(&numberer->extras, extra))
                numberer->memory = true;
        }
    }
    if (numberer->extras.count)
        qsort(numberer->extras.items, numberer->extras.count, sizeof *numberer->extras.items, by_place);
}

/* Gives the sites of other units their numbers, once all functions have theirs. */
static void settle_foreign(Numberer *numberer)
{
    Reading *reading = numberer->reading;
    bool fresh;
    for (unsigned w = 0; w < reading->worker_count && numberer->by_die.count && !numberer->memory; w++) {
        const Worker *worker = &reading->workers[w];
        for (size_t i = 0; i < worker->inlines.count; i++)
            *die_slot(numberer, inline_key(numberer, &worker->inlines.items[i]), &fresh) =
                numberer->numbering->inlines[w][i] + 1;
        for (size_t i = 0; i < worker->abstracts.count; i++)
            *die_slot(numberer, worker->abstracts.items[i].die, &fresh) =
                numberer->numbering->functions[w][worker->abstracts.items[i].row] + 1;
    }
    for (size_t i = 0; i < numberer->extras.count; i++)
        *die_slot(numberer, numberer->extras.items[i].die, &fresh) =
            numberer->same.items.items[numberer->extras.items[i].same].number + 1;
    for (unsigned w = 0; w < reading->worker_count; w++) {
        for (size_t i = 0; i < reading->workers[w].foreign.count; i++) {
            const ForeignSite *foreign = &reading->workers[w].foreign.items[i];
            uint32_t number = *die_slot(numberer, die_key(foreign->die.unit, foreign->die.offset), &fresh);
            reading->workers[w].sites.items[foreign->site].function = number ? (number - 1) | TARGET_FOREIGN : NONE;
        }
    }
}

static void make_task(void *context, size_t task, unsigned worker)
{
    enum { CHUNK = 64 };
    Numberer *numberer = context;
    for (size_t i = task * CHUNK; i < (task + 1) * CHUNK && i < numberer->unique.count; i++) {
        const Unique *unique = &numberer->unique.items[i];
        FnRow *row = &numberer->numbering->made.items[i];
        bool made = unique->inlined.made != NONE;
        numberer->makers[i] = made ? unique->worker : worker;
        if (made)
            *row = numberer->reading->workers[unique->worker].made.items[unique->inlined.made];
        else
            settle_inline(&numberer->reading->workers[worker], &unique->inlined, row);
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
    while (numberer->numbering->made.count < count)
        numberer->numbering->made.items[numberer->numbering->made.count++] = (FnRow){0};
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
    for (unsigned w = 0; w < reading->worker_count; w++)
        if (reading->workers[w].functions.count >= TARGET_FOREIGN / 2 / reading->worker_count)
            return false;
    if (!open_numbering(reading, numbering))
        return false;
    find_extras(&numberer);
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
    vec_free(&numberer.extras);
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
