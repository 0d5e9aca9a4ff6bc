/* Names, scopes and file paths of units to ids of the shared texts. */
#include "lines.h"
#include "rows.h"

static uint32_t id_of(Worker *worker, const void *text, size_t size, bool lasts)
{
    uint32_t id = strings_add(&worker->reading->strings, text, size, lasts);
    if (id != STRING_FAILED)
        return id;
    /* Beyond the limit of all texts, a text is missing, and the rest goes on. */
    worker->memory |= atomic_load(&worker->reading->strings.memory);
    return 0;
}

uint32_t text_id(Worker *worker, const void *text, size_t size)
{
    return id_of(worker, text, size, false);
}

bool text_add(Text *text, Bytes part)
{
    if (!vec_room(text, part.size))
        return false;
    if (part.size)
        memcpy(text->items + text->count, part.data, part.size);
    text->count += part.size;
    return true;
}

/* Texts lie in sections, which outlast the reading, but for those in an .debug_info that is given back. */
static uint32_t found_id(Worker *worker, const Unit *unit, const Value *value)
{
    Bytes text;
    bool lasts = value->form != DW_FORM_string || !worker->reading->dwarf.stream;
    return value_string(unit, value, &text) ? id_of(worker, text.data, text.size, lasts) : 0;
}

uint32_t name_of(Worker *worker, const Unit *unit, const Value *value)
{
    const Part *part;
    SectionId section;
    uint64_t offset;
    if (!value_text_place(unit, value, &part, &section, &offset) || section != DEBUG_STR)
        return found_id(worker, unit, value);
    const KnownTexts *texts = &worker->reading->known[part - part->dwarf->parts];
    if (offset >> texts->shift >= texts->count)
        return found_id(worker, unit, value);
    Known *known = &texts->items[offset >> texts->shift];
    uint32_t within = (UINT32_C(1) << texts->shift) - 1, start = (uint32_t)offset & within;
    uint32_t item = atomic_load_explicit(known, memory_order_acquire);
    if (item && ((item - 1) & within) == start)
        return (item - 1) >> texts->shift;
    uint32_t id = found_id(worker, unit, value);
    if (id < UINT32_MAX >> texts->shift)
        atomic_store_explicit(known, (id << texts->shift | start) + 1, memory_order_release);
    return id;
}

static bool dotted(uint16_t language)
{
    return language == DW_LANG_D || language == DW_LANG_Go;
}

uint32_t join_scope(Worker *worker, uint32_t outer, uint32_t inner)
{
    if (!outer || !inner)
        return outer ? outer : inner;
    bool fresh;
    uint32_t *joined = map_put(&worker->joins, (uint64_t)outer << 32 | inner, &fresh);
    if (!joined) {
        worker->memory = true;
        return 0;
    }
    if (!fresh)
        return *joined;
    Bytes left = strings_text(&worker->reading->strings, outer);
    Bytes right = strings_text(&worker->reading->strings, inner);
    Text *text = &worker->text;
    text->count = 0;
    if (!text_add(text, left) || !text_add(text, dotted(worker->language) ? TEXT(".") : TEXT("::"))
        || !text_add(text, right)) {
        worker->memory = true;
        return 0;
    }
    return *joined = text_id(worker, text->items, text->count);
}

static void forget_files(FileNames *files)
{
    if (files->table) {
        lines_free(files->table);
        free(files->table);
    }
    vec_free(&files->names);
    *files = (FileNames){0};
}

void files_forget(Worker *worker)
{
    for (size_t i = 0; i < FILE_CACHE; i++)
        forget_files(&worker->files[i]);
}

/* The line table that numbers a unit's files: a split unit has its skeleton's where it has none. */
static FileNames *files_of(Worker *worker, const Unit *unit)
{
    if (unit->stmt_list == NO_OFFSET && unit->skeleton)
        unit = unit->skeleton;
    if (unit->stmt_list == NO_OFFSET)
        return NULL;
    uint64_t hash = (unit->stmt_list ^ (uintptr_t)unit->part) * UINT64_C(0x9e3779b97f4a7c15);
    FileNames *files = &worker->files[hash >> 59];
    if (files->table && files->part == unit->part && files->stmt_list == unit->stmt_list
        && files->comp_dir == unit->comp_dir.data)
        return files;
    forget_files(files);
    LineTable *table = calloc(1, sizeof *table);
    if (!table) {
        worker->memory = true;
        return NULL;
    }
    const Bytes *section = unit->part->sections.section;
    LineSections sections = {section[DEBUG_LINE], section[DEBUG_LINE_STR], section[DEBUG_STR],
                             unit->part->dwarf->big};
    lines_read(&sections, unit->stmt_list, true, table);
    worker->memory |= table->state == LINES_MEMORY;
    *files = (FileNames){.part = unit->part, .stmt_list = unit->stmt_list, .comp_dir = unit->comp_dir.data,
                         .table = table};
    return files;
}

uint32_t file_of(Worker *worker, const Unit *unit, uint64_t file)
{
    FileNames *files = files_of(worker, unit);
    if (!files)
        return 0;
    const LineTable *table = files->table;
    /* Number 0 is no file before DWARF 5. */
    if (file > table->files.count || (!file && table->version < 5))
        return 0;
    if (files->names.count <= file) {
        if (!vec_room(&files->names, table->files.count + 1 - files->names.count)) {
            worker->memory = true;
            return 0;
        }
        while (files->names.count <= table->files.count)
            files->names.items[files->names.count++] = 0;
    }
    uint32_t *known = &files->names.items[file];
    if (!*known) {
        LineText path = {0};
        if (!lines_path(table, unit->comp_dir, file, &path))
            worker->memory = true;
        uint32_t id = text_id(worker, path.items, path.count);
        vec_free(&path);
        *known = id + 1;
    }
    return *known - 1;
}
