/* dwarf_read(): units found, shared out to the threads, walked, and merged. Those of a section that is still
 * arriving are walked in its order, as they come. */
#include "read.h"

#include <stdio.h>

#include "rows.h"
#include "stream.h"

const char *const COLUMN_NAMES[COLUMN_COUNT] = {
#define COLUMN(name, size) #name,
    COLUMNS(COLUMN)
#undef COLUMN
};
const uint8_t COLUMN_SIZES[COLUMN_COUNT] = {
#define COLUMN(name, size) size,
    COLUMNS(COLUMN)
#undef COLUMN
};

enum { BASE_BUDGET = 64 << 20, MOST_KNOWN = 4 << 20, LARGE_SHARE = 64 };

static bool list_unit(Reading *reading, Unit *unit, bool walked)
{
    UnitRows rows = {.unit = unit->split ? unit->split : unit, .head = unit, .walked = walked};
    unit->row = (uint32_t)reading->units.count;
    if (unit->split)
        unit->split->row = unit->row;
    return vec_push(&reading->units, rows);
}

/* The units of the file, a split one in the place of its skeleton; type units of split parts; the alternate
 * file's, which are not walked. */
static bool list_units(Reading *reading)
{
    for (size_t p = 0; p < reading->dwarf.part_count; p++) {
        Part *part = &reading->dwarf.parts[p == 0 ? 0 : p + 1 < reading->dwarf.part_count ? p + 1 : 1];
        for (int in_types = 0; in_types < 2; in_types++) {
            for (size_t i = 0; i < part->units[in_types].count; i++) {
                Unit *unit = &part->units[in_types].items[i];
                bool type = unit->type == DW_UT_type || unit->type == DW_UT_split_type;
                if (part->kind == PART_SPLIT && !type)
                    continue;
                if (!list_unit(reading, unit, part->kind != PART_ALT))
                    return false;
            }
        }
    }
    return reading->units.count < UINT32_MAX / 2;
}

static int by_size(const void *left, const void *right)
{
    const Sized *a = left, *b = right;
    if (a->size != b->size)
        return a->size > b->size ? -1 : 1;
    return a->unit < b->unit ? -1 : a->unit > b->unit;
}

/* The large ones first, so that no thread is left with one in the end; the others as they lie in the file, so that
 * what many units repeat is met first in the first of them. */
static bool order_units(Reading *reading)
{
    reading->order = calloc(reading->units.count + 1, sizeof *reading->order);
    if (!reading->order)
        return false;
    uint64_t sum = 0;
    for (size_t i = 0; i < reading->units.count; i++) {
        const UnitRows *rows = &reading->units.items[i];
        if (!rows->walked)
            continue;
        sum += rows->unit->end - rows->unit->offset;
        atomic_fetch_add(&reading->dwarf.slots[rows->unit->slot].users, 1);
    }
    for (int large = 1; large >= 0; large--) {
        for (size_t i = 0; i < reading->units.count; i++) {
            const UnitRows *rows = &reading->units.items[i];
            uint64_t size = rows->unit->end - rows->unit->offset;
            if (rows->walked && (size > sum / LARGE_SHARE) == large)
                reading->order[reading->order_count++] = (Sized){size, (uint32_t)i};
        }
        if (large)
            qsort(reading->order, reading->order_count, sizeof *reading->order, by_size);
    }
    return true;
}

static void prepare_task(void *context, size_t task, unsigned worker)
{
    Reading *reading = context;
    if (!unit_prepare(reading->units.items[task].unit))
        reading->workers[worker].memory = true;
}

static void walk_task(void *context, size_t task, unsigned worker)
{
    Reading *reading = context;
    if (reading->workers[worker].memory)
        return;
    walk_unit(&reading->workers[worker], reading->order[task].unit);
    plans_leave(reading->units.items[reading->order[task].unit].unit);
}

/* Without memory for them texts are looked up by their bytes. */
static bool open_known(Reading *reading)
{
    reading->known = calloc(reading->dwarf.part_count, sizeof *reading->known);
    for (size_t p = 0; reading->known && p < reading->dwarf.part_count; p++) {
        KnownTexts *known = &reading->known[p];
        size_t size = reading->dwarf.parts[p].sections.section[DEBUG_STR].size;
        if (!size || size >= UINT32_MAX)
            continue;
        known->shift = 2;
        while (size >> known->shift >= MOST_KNOWN)
            known->shift++;
        known->items = calloc((size >> known->shift) + 1, sizeof *known->items);
        known->count = known->items ? (size >> known->shift) + 1 : 0;
    }
    return reading->known != NULL;
}

static void stream_task(void *context, size_t task, unsigned worker)
{
    (void)task;
    Reading *reading = context;
    Unit *unit;
    while (!reading->workers[worker].memory && (unit = stream_take(reading->dwarf.stream))) {
        reading->units.items[unit->row] = (UnitRows){.unit = unit, .head = unit, .walked = true};
        walk_unit(&reading->workers[worker], unit->row);
        stream_leave(reading->dwarf.stream, unit);
    }
}

/* Walks units as they arrive; false when memory is out or they do not. */
static bool walk_arriving(Reading *reading, Pool *pool)
{
    Stream *stream = reading->dwarf.stream;
    if (!vec_room(&reading->units, stream->most) || !open_known(reading))
        return false;
    pool_run(pool, reading->worker_count, reading->worker_count, stream_task, reading);
    reading->units.count = reading->dwarf.parts[0].units[0].count;
    return atomic_load(&stream->whole);
}

static bool walk_there(Reading *reading, Pool *pool)
{
    if (reading->dwarf.part_count > 2 && !dwarf_link_splits(&reading->dwarf))
        return false;
    if (!list_units(reading) || !order_units(reading) || !open_known(reading))
        return false;
    pool_run(pool, reading->worker_count, reading->units.count, prepare_task, reading);
    pool_run(pool, reading->worker_count, reading->order_count, walk_task, reading);
    return true;
}

/* dwz's partial units say no language: theirs is that of the first unit that imports them. */
static void spread_languages(Reading *reading)
{
    for (int round = 0; round < 8; round++) {
        bool changed = false;
        for (unsigned w = 0; w < reading->worker_count; w++) {
            const Worker *worker = &reading->workers[w];
            for (size_t i = 0; i < worker->imports.count; i++) {
                Unit *unit = worker->imports.items[i].unit;
                uint32_t importer = worker->importers.items[i];
                uint16_t language = reading->units.items[importer].unit->language;
                if (!language || (unit->language && (!unit->importer || unit->importer <= importer + 1)))
                    continue;
                unit->language = language;
                unit->importer = importer + 1;
                changed = true;
            }
        }
        if (!changed)
            return;
    }
}

static bool any_memory(const Reading *reading)
{
    for (unsigned w = 0; w < reading->worker_count; w++)
        if (reading->workers[w].memory)
            return true;
    return atomic_load(&reading->strings.memory);
}

static void close_worker(Worker *worker)
{
    vec_free(&worker->functions);
    vec_free(&worker->params);
    vec_free(&worker->inlines);
    vec_free(&worker->sites);
    vec_free(&worker->foreign);
    vec_free(&worker->found);
    vec_free(&worker->abstracts);
    vec_free(&worker->variables);
    vec_free(&worker->constants);
    same_free(&worker->constant_rows);
    vec_free(&worker->made);
    same_free(&worker->made_rows);
    vec_free(&worker->types);
    vec_free(&worker->imports);
    vec_free(&worker->importers);
    vec_free(&worker->ranges);
    vec_free(&worker->raws);
    vec_free(&worker->raw_variables);
    vec_free(&worker->raw_places);
    vec_free(&worker->raw_params);
    vec_free(&worker->own_params);
    vec_free(&worker->base_params);
    vec_free(&worker->site_origins);
    vec_free(&worker->frames);
    vec_free(&worker->scopes.points);
    vec_free(&worker->type_nodes);
    vec_free(&worker->text);
    map_free(&worker->type_rows);
    map_free(&worker->seen_types);
    map_free(&worker->unit_types);
    map_free(&worker->unit_found);
    map_free(&worker->joins);
    map_free(&worker->foreign_types);
    map_free(&worker->nodes);
    files_forget(worker);
}

static void close_reading(Reading *reading)
{
    for (size_t p = 0; reading->known && p < reading->dwarf.part_count; p++)
        free(reading->known[p].items);
    free(reading->known);
    for (unsigned w = 0; w < reading->worker_count; w++)
        close_worker(&reading->workers[w]);
    free(reading->workers);
    free(reading->order);
    vec_free(&reading->units);
    strings_close(&reading->strings);
    for (size_t i = 0; i < reading->dwarf.slot_count; i++)
        plans_free(reading->dwarf.slots[i].plans);
    for (size_t p = 0; p < reading->dwarf.part_count; p++) {
        for (int in_types = 0; in_types < 2; in_types++) {
            Units *units = &reading->dwarf.parts[p].units[in_types];
            for (size_t i = 0; i < units->count; i++) {
                Scopes *scopes = units->items[i].scopes;
                if (scopes)
                    vec_free(&scopes->points);
                free(scopes);
            }
        }
    }
    dwarf_close(&reading->dwarf);
}

static size_t section_bytes(const DwarfInput *input)
{
    size_t bytes = 0;
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        bytes += input->main.section[i].size + input->alt.section[i].size;
        for (size_t p = 0; p < input->split_count; p++)
            bytes += input->split[p].section[i].size;
    }
    return bytes;
}

/* Two nodes that every worker's types start with. */
static bool open_worker(Worker *worker, Reading *reading)
{
    worker->reading = reading;
    TypeNode none = {0};
    return vec_push(&worker->type_nodes, none) && vec_push(&worker->type_nodes, none);
}

static bool read_all(Reading *reading, Pool *pool, DwarfOutput *output)
{
    for (unsigned w = 0; w < reading->worker_count; w++)
        if (!open_worker(&reading->workers[w], reading))
            return false;
    bool walked = reading->dwarf.stream ? walk_arriving(reading, pool) : walk_there(reading, pool);
    if (!walked || any_memory(reading))
        return false;
    spread_languages(reading);
    Numbering numbering = {0};
    bool written = number_functions(reading, pool, &numbering) && write_columns(reading, pool, &numbering, output)
                   && !any_memory(reading);
    numbering_free(reading, &numbering);
    write_problems(reading, output);
    return written;
}

bool dwarf_read(const DwarfInput *input, Pool *pool, unsigned threads, DwarfOutput *output)
{
    memset(output, 0, sizeof *output);
    unsigned wanted = threads < pool_size(pool) + 1 ? threads : pool_size(pool) + 1;
    wanted = wanted ? wanted : 1;
    Reading reading = {.workers = calloc(wanted, sizeof *reading.workers)};
    reading.worker_count = reading.workers ? wanted : 0;
    bool strings = strings_open(&reading.strings, BASE_BUDGET + 2 * section_bytes(input));
    Stream stream = {0};
    bool read = reading.workers && strings;
    if (read && input->arrival)
        read = stream_open(&stream, input, &reading.dwarf);
    else if (read)
        read = dwarf_open(input, &reading.dwarf);
    read = read && read_all(&reading, pool, output);
    close_reading(&reading);
    stream_close(&stream);
    if (!read)
        dwarf_output_free(output);
    output->again = stream.broken && !stream.memory;
    return read || output->again;
}

void dwarf_output_free(DwarfOutput *output)
{
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        free(output->columns[i].data);
    memset(output, 0, sizeof *output);
}

bool dwarf_split_names(const DwarfInput *input, SplitNames *names)
{
    Dwarf dwarf;
    if (!dwarf_open(input, &dwarf))
        return false;
    bool memory = true;
    Units *units = &dwarf.parts[0].units[0];
    for (size_t i = 0; memory && i < units->count; i++) {
        Unit *unit = &units->items[i];
        if (unit->type != DW_UT_compile && unit->type != DW_UT_skeleton)
            continue;
        memory = unit_prepare(unit);
        if (memory && unit->state == UNIT_READY && unit->has_dwo_id && unit->dwo_name.size)
            memory = vec_push(names, ((SplitName){unit->comp_dir, unit->dwo_name, unit->signature}));
    }
    dwarf_close(&dwarf);
    if (!memory)
        vec_free(names);
    return memory;
}
