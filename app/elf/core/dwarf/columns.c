/* Rows to columns, texts numbered by first use; each worker's rows are freed once they are copied. */
#include "rows.h"

typedef struct {
    Reading *reading;
    Numbering *numbering;
    DwarfOutput *output;
    Ranges ranges;
    bool memory;
} Writer;

static void *column(Writer *writer, ColumnId id, size_t count)
{
    Column *made = &writer->output->columns[id];
    made->data = calloc(count ? count : 1, COLUMN_SIZES[id]);
    if (made->data)
        made->count = count;
    else
        writer->memory = true;
    return made->data;
}

static uint32_t number_of(Writer *writer, uint32_t text)
{
    return strings_number(&writer->reading->strings, text);
}

/* A text of a unit, which has an id if the unit was walked. */
static uint32_t number_text(Writer *writer, const UnitRows *rows, uint32_t id, Bytes text)
{
    return number_of(writer, rows->walked ? id : text_id(&writer->reading->workers[0], text.data, text.size));
}

static void copy_ranges(Writer *writer, const Worker *worker, Span ranges)
{
    for (uint32_t i = ranges.first; i < ranges.first + ranges.count; i++)
        if (!vec_push(&writer->ranges, worker->ranges.items[i]))
            writer->memory = true;
}

static void unit_ranges(Writer *writer, const Unit *unit)
{
    bool whole = true;
    if (unit->state != UNIT_READY)
        return;
    if (unit->ranges != NO_OFFSET) {
        /* No list belongs to two units, so that all have no more than their sections. */
        const Bytes *section = unit->part->dwarf->parts[0].sections.section;
        size_t most = section[DEBUG_RANGES].size + section[DEBUG_RNGLISTS].size;
        most = most > writer->ranges.count ? most - writer->ranges.count : 0;
        if (!ranges_read_most(unit, unit->ranges, most, &writer->ranges, &whole))
            writer->memory = true;
    } else if (unit->has_low && unit->high > unit->low && !address_dropped(unit, unit->low)) {
        if (!vec_push(&writer->ranges, ((Range){unit->low, unit->high})))
            writer->memory = true;
    }
}

static void write_units(Writer *writer)
{
    size_t count = writer->reading->units.count;
    uint64_t *offset = column(writer, COL_unit_offset, count), *lines = column(writer, COL_unit_lines, count);
    uint16_t *language = column(writer, COL_unit_language, count);
    uint8_t *version = column(writer, COL_unit_version, count);
    uint32_t *name = column(writer, COL_unit_name, count), *comp_dir = column(writer, COL_unit_comp_dir, count);
    uint32_t *producer = column(writer, COL_unit_producer, count);
    uint32_t *range_at = column(writer, COL_unit_range_at, count + 1);
    for (size_t i = 0; i < count && !writer->memory; i++) {
        const UnitRows *rows = &writer->reading->units.items[i];
        const Unit *unit = rows->unit, *head = rows->head;
        offset[i] = die_key(head, head->offset);
        language[i] = unit->language;
        version[i] = (uint8_t)unit->version;
        name[i] = number_text(writer, rows, rows->name, unit->name);
        comp_dir[i] = number_text(writer, rows, rows->comp_dir, unit->comp_dir);
        producer[i] = number_text(writer, rows, rows->producer, unit->producer);
        lines[i] = head->stmt_list;
        range_at[i] = (uint32_t)writer->ranges.count;
        unit_ranges(writer, head);
    }
    if (!writer->memory)
        range_at[count] = (uint32_t)writer->ranges.count;
}

static void write_functions(Writer *writer)
{
    uint32_t count = writer->numbering->count;
    const Source *sources = writer->numbering->sources;
    uint32_t *name = column(writer, COL_fn_name, count), *linkage = column(writer, COL_fn_linkage, count);
    uint32_t *scope = column(writer, COL_fn_scope, count), *file = column(writer, COL_fn_file, count);
    uint32_t *line = column(writer, COL_fn_line, count), *flags = column(writer, COL_fn_flags, count);
    uint32_t *returns = column(writer, COL_fn_return, count), *unit = column(writer, COL_fn_unit, count);
    uint32_t *param_at = column(writer, COL_fn_param_at, count + (size_t)1);
    uint32_t *range_at = column(writer, COL_fn_range_at, count + (size_t)1);
    uint64_t *low = column(writer, COL_fn_low, count), *size = column(writer, COL_fn_size, count);
    uint64_t *die = column(writer, COL_fn_die, count);
    if (writer->memory)
        return;
    uint32_t params = 0;
    for (uint32_t i = 0; i < count; i++) {
        const FnRow *row = sources[i].row;
        name[i] = number_of(writer, row->name);
        linkage[i] = number_of(writer, row->linkage);
        scope[i] = number_of(writer, row->scope);
        file[i] = number_of(writer, row->file);
        line[i] = row->line;
        flags[i] = row->flags;
        returns[i] = number_of(writer, row->type);
        unit[i] = row->unit;
        low[i] = row->low;
        size[i] = row->size;
        die[i] = row->die;
        param_at[i] = params;
        params += row->params.count;
        range_at[i] = (uint32_t)writer->ranges.count;
        copy_ranges(writer, sources[i].worker, row->ranges);
    }
    param_at[count] = params;
    range_at[count] = (uint32_t)writer->ranges.count;
}

static void write_params(Writer *writer)
{
    const uint32_t *param_at = writer->output->columns[COL_fn_param_at].data;
    uint32_t count = writer->numbering->count;
    uint32_t *name = column(writer, COL_param_name, param_at[count]);
    uint32_t *type = column(writer, COL_param_type, param_at[count]);
    uint8_t *flags = column(writer, COL_param_flags, param_at[count]);
    if (writer->memory)
        return;
    for (uint32_t i = 0; i < count; i++) {
        const FnRow *row = writer->numbering->sources[i].row;
        const Worker *worker = writer->numbering->sources[i].worker;
        for (uint32_t p = 0; p < row->params.count; p++) {
            const ParamRow *param = &worker->params.items[row->params.first + p];
            uint32_t at = param_at[i] + p;
            name[at] = number_of(writer, param->name);
            type[at] = number_of(writer, param->type);
            flags[at] = param->flags;
        }
    }
    for (unsigned w = 0; w < writer->reading->worker_count; w++)
        vec_free(&writer->reading->workers[w].params);
}

typedef struct {
    uint32_t *function, *host, *call_file, *call_line, *range_at;
    int32_t *parent;
    uint16_t *call_column;
    uint32_t count;
    VEC(uint32_t) number; /* of the unit's sites; NONE for one that is left out */
} SiteColumns;

static uint32_t site_function(const Writer *writer, const UnitRows *rows, const SiteRow *site)
{
    if (site->function == NONE)
        return NONE;
    if (!(site->function & TARGET_INLINE) && site->function & TARGET_FOREIGN)
        return site->function & ~TARGET_FOREIGN;
    if (site->function & TARGET_INLINE)
        return writer->numbering->inlines[rows->worker][site->function & ~TARGET_INLINE];
    return writer->numbering->functions[rows->worker][site->function];
}

/* A site of a function that could not be found is left out; what lies in it belongs to where it lies. */
static void write_unit_sites(Writer *writer, const UnitRows *rows, SiteColumns *columns)
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
        columns->call_file[at] = number_of(writer, site->call_file);
        columns->call_line[at] = site->call_line;
        columns->call_column[at] = site->call_column;
        columns->range_at[at] = (uint32_t)writer->ranges.count;
        sites[function]++;
        flags[function] |= FN_INLINED;
        copy_ranges(writer, worker, site->ranges);
    }
}

static void write_sites(Writer *writer)
{
    size_t count = 0;
    for (unsigned w = 0; w < writer->reading->worker_count; w++)
        count += writer->reading->workers[w].sites.count;
    column(writer, COL_fn_sites, writer->numbering->count);
    SiteColumns columns = {.function = column(writer, COL_site_function, count),
                           .host = column(writer, COL_site_host, count),
                           .parent = column(writer, COL_site_parent, count),
                           .call_file = column(writer, COL_site_call_file, count),
                           .call_line = column(writer, COL_site_call_line, count),
                           .call_column = column(writer, COL_site_call_column, count),
                           .range_at = column(writer, COL_site_range_at, count + 1)};
    for (size_t u = 0; u < writer->reading->units.count && !writer->memory; u++)
        write_unit_sites(writer, &writer->reading->units.items[u], &columns);
    vec_free(&columns.number);
    if (writer->memory)
        return;
    columns.range_at[columns.count] = (uint32_t)writer->ranges.count;
    for (ColumnId id = COL_site_function; id <= COL_site_call_column; id++)
        writer->output->columns[id].count = columns.count;
    writer->output->columns[COL_site_range_at].count = columns.count + (size_t)1;
    for (unsigned w = 0; w < writer->reading->worker_count; w++) {
        vec_free(&writer->reading->workers[w].sites);
        vec_free(&writer->reading->workers[w].ranges);
    }
}

static void write_ranges(Writer *writer)
{
    size_t count = writer->ranges.count;
    uint64_t *low = column(writer, COL_range_low, count), *high = column(writer, COL_range_high, count);
    if (count > INT32_MAX)
        writer->memory = true;
    for (size_t i = 0; i < count && !writer->memory; i++) {
        low[i] = writer->ranges.items[i].low;
        high[i] = writer->ranges.items[i].high;
    }
}

typedef VEC(VarRow) VarRows;

static int by_unit(const void *left, const void *right)
{
    const VarRow *a = left, *b = right;
    if (a->unit != b->unit)
        return a->unit < b->unit ? -1 : 1;
    return a->die < b->die ? -1 : a->die > b->die;
}

/* Those with an address in the order of the file, then those without: the first of all workers, and none that
 * has an address elsewhere. */
static bool join_variables(const Reading *reading, VarRows *variables)
{
    SameTable same = {0};
    bool memory = true;
    for (size_t u = 0; u < reading->units.count && memory; u++) {
        const UnitRows *rows = &reading->units.items[u];
        for (uint32_t i = 0; i < rows->variables.count && memory; i++) {
            const VarRow *row = &reading->workers[rows->worker].variables.items[rows->variables.first + i];
            uint32_t index = same_index(&same, (uint32_t[SAID]){row->name, row->linkage, row->scope, row->file, row->line});
            memory = index != UINT32_MAX && vec_push(variables, *row);
        }
    }
    size_t known = same.items.count, first = variables->count;
    for (unsigned w = 0; w < reading->worker_count; w++) {
        for (size_t i = 0; i < reading->workers[w].constants.count && memory; i++) {
            const VarRow *row = &reading->workers[w].constants.items[i];
            uint32_t index = same_index(&same, (uint32_t[SAID]){row->name, row->linkage, row->scope, row->file, row->line});
            memory = index != UINT32_MAX;
            if (!memory || index < known)
                continue;
            uint32_t *number = &same.items.items[index].number;
            if (*number != UINT32_MAX) {
                if (by_unit(row, &variables->items[*number]) < 0)
                    variables->items[*number] = *row;
                continue;
            }
            *number = (uint32_t)variables->count;
            memory = vec_push(variables, *row);
        }
    }
    same_free(&same);
    if (variables->count > first)
        qsort(variables->items + first, variables->count - first, sizeof *variables->items, by_unit);
    return memory;
}

static void write_variables(Writer *writer)
{
    VarRows variables = {0};
    if (!join_variables(writer->reading, &variables))
        writer->memory = true;
    size_t count = variables.count;
    uint32_t *name = column(writer, COL_var_name, count), *linkage = column(writer, COL_var_linkage, count);
    uint32_t *scope = column(writer, COL_var_scope, count), *file = column(writer, COL_var_file, count);
    uint32_t *line = column(writer, COL_var_line, count), *type = column(writer, COL_var_type, count);
    uint32_t *flags = column(writer, COL_var_flags, count), *unit = column(writer, COL_var_unit, count);
    uint64_t *address = column(writer, COL_var_address, count), *size = column(writer, COL_var_size, count);
    uint64_t *die = column(writer, COL_var_die, count);
    for (size_t at = 0; at < count && !writer->memory; at++) {
        const VarRow *row = &variables.items[at];
        name[at] = number_of(writer, row->name);
        linkage[at] = number_of(writer, row->linkage);
        scope[at] = number_of(writer, row->scope);
        file[at] = number_of(writer, row->file);
        line[at] = row->line;
        type[at] = number_of(writer, row->type);
        flags[at] = row->flags;
        unit[at] = row->unit;
        address[at] = row->address;
        size[at] = row->size;
        die[at] = row->die;
    }
    vec_free(&variables);
}

static int by_die(const void *left, const void *right)
{
    const TypeRow *a = left, *b = right;
    if (a->unit != b->unit)
        return a->unit < b->unit ? -1 : 1;
    return a->die < b->die ? -1 : a->die > b->die;
}

typedef VEC(TypeRow) TypeRows;

/* The first of each (name, kind, size) over all workers. */
static bool join_types(const Reading *reading, TypeRows *types)
{
    Map known = {0};
    bool memory = true, fresh;
    for (unsigned w = 0; w < reading->worker_count && memory; w++) {
        const Worker *worker = &reading->workers[w];
        for (size_t i = 0; i < worker->types.count && memory; i++) {
            TypeRow row = worker->types.items[i];
            uint32_t *first = map_put(&known, type_key(&row), &fresh);
            memory = first != NULL;
            uint32_t at = memory ? *first : 0;
            while (at && !same_type(&types->items[at - 1], &row))
                at = types->items[at - 1].next;
            if (at) {
                row.next = types->items[at - 1].next;
                if (by_die(&row, &types->items[at - 1]) < 0)
                    types->items[at - 1] = row;
            } else if (memory) {
                row.next = *first;
                memory = vec_push(types, row);
                *first = (uint32_t)types->count;
            }
        }
    }
    map_free(&known);
    return memory;
}

static void write_types(Writer *writer)
{
    TypeRows types = {0};
    if (!join_types(writer->reading, &types))
        writer->memory = true;
    size_t count = types.count;
    uint32_t *name = column(writer, COL_type_name, count), *unit = column(writer, COL_type_unit, count);
    uint8_t *kind = column(writer, COL_type_kind, count);
    uint64_t *size = column(writer, COL_type_size, count), *die = column(writer, COL_type_die, count);
    if (count)
        qsort(types.items, count, sizeof *types.items, by_die);
    for (size_t i = 0; i < count && !writer->memory; i++) {
        const TypeRow *row = &types.items[i];
        name[i] = number_of(writer, row->name);
        kind[i] = row->kind;
        size[i] = row->size;
        unit[i] = row->unit;
        die[i] = row->die;
    }
    vec_free(&types);
}

static void write_strings(Writer *writer)
{
    Strings *strings = &writer->reading->strings;
    size_t count = strings->used.count;
    char *blob = column(writer, COL_string_blob, strings->used_size);
    uint32_t *at = column(writer, COL_string_at, count + 2);
    if (writer->memory || strings->used_size > UINT32_MAX) {
        writer->memory = true;
        return;
    }
    uint32_t used = 0;
    for (size_t i = 0; i < count; i++) {
        Bytes text = strings_text(strings, strings->used.items[i]);
        memcpy(blob + used, text.data, text.size);
        at[i + 1] = used;
        used += (uint32_t)text.size;
    }
    at[count + 1] = used;
}

bool write_columns(Reading *reading, Numbering *numbering, DwarfOutput *output)
{
    Writer writer = {.reading = reading, .numbering = numbering, .output = output};
    void (*const steps[])(Writer *) = {write_units,     write_functions, write_params, write_sites, write_ranges,
                                       write_variables, write_types,     write_strings};
    for (size_t i = 0; i < sizeof steps / sizeof *steps && !writer.memory; i++)
        steps[i](&writer);
    vec_free(&writer.ranges);
    return !writer.memory;
}
