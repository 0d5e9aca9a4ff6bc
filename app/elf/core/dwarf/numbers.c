/* What rows hold beside texts, to columns; see columns.h. */
#include "columns.h"

/* Those of units, then of functions, then of sites; there is room for all. */
typedef struct {
    uint64_t *low, *high;
    uint32_t count;
} RangeColumns;

static void copy_ranges(RangeColumns *all, const Ranges *from, Span ranges)
{
    for (uint32_t i = ranges.first; i < ranges.first + ranges.count; i++) {
        all->low[all->count] = from->items[i].low;
        all->high[all->count++] = from->items[i].high;
    }
}

static void unit_ranges(Writer *writer, Ranges *found, const Unit *unit)
{
    bool whole = true;
    if (unit->state != UNIT_READY)
        return;
    if (unit->ranges != NO_OFFSET) {
        /* No list belongs to two units, so that all have no more than their sections. */
        const Bytes *section = unit->part->dwarf->parts[0].sections.section;
        size_t most = section[DEBUG_RANGES].size + section[DEBUG_RNGLISTS].size;
        most = most > found->count ? most - found->count : 0;
        if (!ranges_read_most(unit, unit->ranges, most, found, &whole))
            writer->memory = true;
    } else if (unit->has_low && unit->high > unit->low && !address_dropped(unit, unit->low)) {
        if (!vec_push(found, ((Range){unit->low, unit->high})))
            writer->memory = true;
    }
}

static void write_units(Writer *writer, Ranges *found)
{
    size_t count = writer->reading->units.count;
    uint64_t *offset = column(writer, COL_unit_offset, count), *lines = column(writer, COL_unit_lines, count);
    uint16_t *language = column(writer, COL_unit_language, count);
    uint8_t *version = column(writer, COL_unit_version, count);
    uint32_t *range_at = column(writer, COL_unit_range_at, count + 1);
    for (size_t i = 0; i < count && !writer->memory; i++) {
        const UnitRows *rows = &writer->reading->units.items[i];
        offset[i] = die_key(rows->head, rows->head->offset);
        language[i] = rows->unit->language;
        version[i] = (uint8_t)rows->unit->version;
        lines[i] = rows->head->stmt_list;
        range_at[i] = (uint32_t)found->count;
        unit_ranges(writer, found, rows->head);
    }
    if (!writer->memory)
        range_at[count] = (uint32_t)found->count;
}

/* The columns of ranges, with those of units. */
static void open_ranges(Writer *writer, const Ranges *units, RangeColumns *all)
{
    size_t count = units->count;
    for (uint32_t i = 0; i < writer->numbering->count; i++)
        count += writer->numbering->sources[i].row->ranges.count;
    for (unsigned w = 0; w < writer->reading->worker_count; w++)
        for (size_t i = 0; i < writer->reading->workers[w].sites.count; i++)
            count += writer->reading->workers[w].sites.items[i].ranges.count;
    if (count > INT32_MAX) {
        writer->memory = true;
        return;
    }
    *all = (RangeColumns){column(writer, COL_range_low, count), column(writer, COL_range_high, count), 0};
    if (!writer->memory)
        copy_ranges(all, units, (Span){0, (uint32_t)units->count});
}

static void write_functions(Writer *writer, RangeColumns *all)
{
    uint32_t count = writer->numbering->count;
    uint32_t *line = column(writer, COL_fn_line, count), *flags = column(writer, COL_fn_flags, count);
    uint32_t *unit = column(writer, COL_fn_unit, count);
    uint32_t *param_at = column(writer, COL_fn_param_at, count + (size_t)1);
    uint32_t *range_at = column(writer, COL_fn_range_at, count + (size_t)1);
    uint64_t *low = column(writer, COL_fn_low, count), *size = column(writer, COL_fn_size, count);
    uint64_t *die = column(writer, COL_fn_die, count);
    uint32_t params = 0;
    for (uint32_t i = 0; i < count && !writer->memory; i++) {
        const Source *source = &writer->numbering->sources[i];
        const FnRow *row = source->row;
        line[i] = row->line;
        flags[i] = row->flags;
        unit[i] = row->unit;
        low[i] = row->low;
        size[i] = row->size;
        die[i] = row->die;
        param_at[i] = params;
        params += row->params.count;
        range_at[i] = all->count;
        copy_ranges(all, &source->worker->ranges, row->ranges);
    }
    if (writer->memory)
        return;
    param_at[count] = params;
    range_at[count] = all->count;
}

static void write_params(Writer *writer)
{
    if (writer->memory)
        return;
    const uint32_t *param_at = writer->output->columns[COL_fn_param_at].data;
    uint8_t *flags = column(writer, COL_param_flags, param_at[writer->numbering->count]);
    size_t at = 0;
    for (uint32_t i = 0; i < writer->numbering->count && !writer->memory; i++) {
        const Source *source = &writer->numbering->sources[i];
        for (uint32_t p = 0; p < source->row->params.count; p++)
            flags[at++] = source->worker->params.items[source->row->params.first + p].flags;
    }
}

typedef struct {
    uint32_t *function, *host, *call_line, *range_at;
    int32_t *parent;
    uint16_t *call_column;
    uint32_t count;
    VEC(uint32_t) number; /* of the unit's sites; NONE for one that is left out */
} SiteColumns;

static void write_unit_sites(Writer *writer, RangeColumns *all, const UnitRows *rows, SiteColumns *columns)
{
    const Worker *worker = &writer->reading->workers[rows->worker];
    uint32_t *sites = writer->output->columns[COL_fn_sites].data;
    uint32_t *flags = writer->output->columns[COL_fn_flags].data;
    columns->number.count = 0;
    if (!vec_room(&columns->number, rows->sites.count)) {
        writer->memory = true;
        return;
    }
    for (uint32_t i = 0; i < rows->sites.count; i++) {
        const SiteRow *site = &worker->sites.items[rows->sites.first + i];
        uint32_t parent = site->parent == NONE ? NONE : columns->number.items[site->parent - rows->sites.first];
        uint32_t function = site_function(writer, rows, site);
        if (function == NONE) {
            columns->number.items[columns->number.count++] = parent;
            continue;
        }
        uint32_t at = columns->count++;
        columns->number.items[columns->number.count++] = at;
        columns->function[at] = function;
        columns->host[at] = writer->numbering->functions[rows->worker][site->host];
        columns->parent[at] = (int32_t)parent;
        columns->call_line[at] = site->call_line;
        columns->call_column[at] = site->call_column;
        columns->range_at[at] = all->count;
        sites[function]++;
        flags[function] |= FN_INLINED;
        copy_ranges(all, &worker->ranges, site->ranges);
    }
}

static void write_sites(Writer *writer, RangeColumns *all)
{
    size_t count = site_count(writer->reading);
    column(writer, COL_fn_sites, writer->numbering->count);
    SiteColumns columns = {.function = column(writer, COL_site_function, count),
                           .host = column(writer, COL_site_host, count),
                           .parent = column(writer, COL_site_parent, count),
                           .call_line = column(writer, COL_site_call_line, count),
                           .call_column = column(writer, COL_site_call_column, count),
                           .range_at = column(writer, COL_site_range_at, count + 1)};
    for (size_t u = 0; u < writer->reading->units.count && !writer->memory; u++)
        write_unit_sites(writer, all, &writer->reading->units.items[u], &columns);
    vec_free(&columns.number);
    if (writer->memory)
        return;
    columns.range_at[columns.count] = all->count;
    for (ColumnId id = COL_site_function; id <= COL_site_call_column; id++)
        if (id != COL_site_call_file)
            writer->output->columns[id].count = columns.count;
    writer->output->columns[COL_site_range_at].count = columns.count + (size_t)1;
}

void write_numbers(Writer *writer)
{
    Ranges units = {0};
    RangeColumns all = {0};
    write_units(writer, &units);
    if (!writer->memory)
        open_ranges(writer, &units, &all);
    vec_free(&units);
    write_functions(writer, &all);
    write_params(writer);
    write_sites(writer, &all);
    for (ColumnId id = COL_range_low; id <= COL_range_high; id++)
        writer->output->columns[id].count = all.count;
}

static void write_variables(Writer *writer)
{
    size_t count = writer->variables->count;
    uint32_t *line = column(writer, COL_var_line, count), *flags = column(writer, COL_var_flags, count);
    uint32_t *unit = column(writer, COL_var_unit, count);
    uint64_t *address = column(writer, COL_var_address, count), *size = column(writer, COL_var_size, count);
    uint64_t *die = column(writer, COL_var_die, count);
    for (size_t i = 0; i < count && !writer->memory; i++) {
        const VarRow *row = &writer->variables->items[i];
        line[i] = row->line;
        flags[i] = row->flags;
        unit[i] = row->unit;
        address[i] = row->address;
        size[i] = row->size;
        die[i] = row->die;
    }
}

static void write_types(Writer *writer)
{
    size_t count = writer->types->count;
    uint8_t *kind = column(writer, COL_type_kind, count);
    uint32_t *unit = column(writer, COL_type_unit, count);
    uint64_t *size = column(writer, COL_type_size, count), *die = column(writer, COL_type_die, count);
    for (size_t i = 0; i < count && !writer->memory; i++) {
        const TypeRow *row = &writer->types->items[i];
        kind[i] = row->kind;
        size[i] = row->size;
        unit[i] = row->unit;
        die[i] = row->die;
    }
}

void write_joined_numbers(Writer *writer)
{
    write_variables(writer);
    write_types(writer);
}
