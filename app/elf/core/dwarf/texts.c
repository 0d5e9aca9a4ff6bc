/* The texts of rows to columns of numbers, by first use, and the texts with these numbers; see columns.h. */
#include "columns.h"

static uint32_t number_of(Writer *writer, uint32_t text)
{
    return strings_number(&writer->reading->strings, text);
}

/* A text of a unit, which has an id if the unit was walked. */
static uint32_t number_text(Writer *writer, const UnitRows *rows, uint32_t id, Bytes text)
{
    return number_of(writer, rows->walked ? id : text_id(&writer->reading->workers[0], text.data, text.size));
}

static void write_units(Writer *writer)
{
    size_t count = writer->reading->units.count;
    uint32_t *name = column(writer, COL_unit_name, count), *comp_dir = column(writer, COL_unit_comp_dir, count);
    uint32_t *producer = column(writer, COL_unit_producer, count);
    for (size_t i = 0; i < count && !writer->memory; i++) {
        const UnitRows *rows = &writer->reading->units.items[i];
        name[i] = number_text(writer, rows, rows->name, rows->unit->name);
        comp_dir[i] = number_text(writer, rows, rows->comp_dir, rows->unit->comp_dir);
        producer[i] = number_text(writer, rows, rows->producer, rows->unit->producer);
    }
}

/* How many parameters all of them have. */
static size_t write_functions(Writer *writer)
{
    uint32_t count = writer->numbering->count;
    uint32_t *name = column(writer, COL_fn_name, count), *linkage = column(writer, COL_fn_linkage, count);
    uint32_t *scope = column(writer, COL_fn_scope, count), *file = column(writer, COL_fn_file, count);
    uint32_t *returns = column(writer, COL_fn_return, count);
    size_t params = 0;
    for (uint32_t i = 0; i < count && !writer->memory; i++) {
        const FnRow *row = writer->numbering->sources[i].row;
        name[i] = number_of(writer, row->name);
        linkage[i] = number_of(writer, row->linkage);
        scope[i] = number_of(writer, row->scope);
        file[i] = number_of(writer, row->file);
        returns[i] = number_of(writer, row->type);
        params += row->params.count;
    }
    return params;
}

static void write_params(Writer *writer, size_t count)
{
    uint32_t *name = column(writer, COL_param_name, count), *type = column(writer, COL_param_type, count);
    size_t at = 0;
    for (uint32_t i = 0; i < writer->numbering->count && !writer->memory; i++) {
        const Source *source = &writer->numbering->sources[i];
        for (uint32_t p = 0; p < source->row->params.count; p++, at++) {
            const ParamRow *param = &source->worker->params.items[source->row->params.first + p];
            name[at] = number_of(writer, param->name);
            type[at] = number_of(writer, param->type);
        }
    }
}

static void write_sites(Writer *writer)
{
    const Reading *reading = writer->reading;
    uint32_t *file = column(writer, COL_site_call_file, site_count(reading));
    size_t at = 0;
    for (size_t u = 0; u < reading->units.count && !writer->memory; u++) {
        const UnitRows *rows = &reading->units.items[u];
        for (uint32_t i = 0; i < rows->sites.count; i++) {
            const SiteRow *site = &reading->workers[rows->worker].sites.items[rows->sites.first + i];
            if (site_function(writer, rows, site) != NONE)
                file[at++] = number_of(writer, site->call_file);
        }
    }
    writer->output->columns[COL_site_call_file].count = at;
}

void write_texts(Writer *writer)
{
    write_units(writer);
    size_t params = write_functions(writer);
    write_params(writer, params);
    write_sites(writer);
}

static void write_variables(Writer *writer)
{
    size_t count = writer->variables->count;
    uint32_t *name = column(writer, COL_var_name, count), *linkage = column(writer, COL_var_linkage, count);
    uint32_t *scope = column(writer, COL_var_scope, count), *file = column(writer, COL_var_file, count);
    uint32_t *type = column(writer, COL_var_type, count);
    for (size_t i = 0; i < count && !writer->memory; i++) {
        const VarRow *row = &writer->variables->items[i];
        name[i] = number_of(writer, row->name);
        linkage[i] = number_of(writer, row->linkage);
        scope[i] = number_of(writer, row->scope);
        file[i] = number_of(writer, row->file);
        type[i] = number_of(writer, row->type);
    }
}

static void write_types(Writer *writer)
{
    uint32_t *name = column(writer, COL_type_name, writer->types->count);
    for (size_t i = 0; i < writer->types->count && !writer->memory; i++)
        name[i] = number_of(writer, writer->types->items[i].name);
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

void write_joined_texts(Writer *writer)
{
    write_variables(writer);
    write_types(writer);
    write_strings(writer);
}
