/* A whole ELF file to its symbols, and these to names, lines and rows, with functions and variables beside them.
 *
 * Parts: 1 the file, 2 entries of debug information (28 bytes each: name, linkage, flags, address, size), 3 their
 * texts, one a line. Options: flags (1 relocatable, 2 thumb, 4 memory runs out), and the turn at which it does.
 */
#include "container.h"
#include "symbols/demangle.h"
#include "symbols/enclosing.h"
#include "symbols/rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    Section *sections;
    size_t count;
} Headers;

/* What app.elf.image reads before it asks the core. */
static bool file_read(Bytes data, File *file, Headers *headers)
{
    if (data.size < 64)
        return false;
    Cursor ident = cursor_over(data, false);
    cursor_seek(&ident, 4);
    bool wide = cursor_u8(&ident) != 1, big = cursor_u8(&ident) == 2;
    unsigned native = wide ? 8 : 4;
    Cursor at = cursor_over(data, big);
    cursor_seek(&at, wide ? 40 : 32);
    uint64_t table = cursor_number(&at, native);
    cursor_seek(&at, wide ? 60 : 48);
    size_t count = cursor_u16(&at), names = cursor_u16(&at);
    headers->sections = target_memory((count + 1) * sizeof(Section));
    cursor_seek(&at, table);
    while (headers->count < count && cursor_left(&at) >= (wide ? 64u : 40u)) {
        Section *row = &headers->sections[headers->count++];
        *row = (Section){.name = cursor_u32(&at), .type = cursor_u32(&at)};
        row->flags = cursor_number(&at, native);
        row->address = cursor_number(&at, native);
        row->offset = cursor_number(&at, native);
        row->size = cursor_number(&at, native);
        row->link = cursor_u32(&at);
        row->info = cursor_u32(&at);
        row->align = cursor_number(&at, native);
        row->entry_size = cursor_number(&at, native);
    }
    *file = (File){data, headers->sections, headers->count, {NULL, 0}, wide, big};
    file->names = section_bytes(file, names);
    return true;
}

/* Columns of debug information, such as the core makes: texts in order, numbers of texts below their count. */
typedef struct {
    uint32_t *string_at, *name, *linkage, *flags;
    uint64_t *address, *size;
    size_t strings, count;
} Entries;

static void entries_read(Bytes rows, Bytes texts, Entries *entries)
{
    entries->string_at = target_memory((texts.size + 2) * 4);
    entries->strings = 1; /* the empty one */
    for (size_t at = 0; at < texts.size; at++)
        if (texts.data[at] == '\n')
            entries->string_at[++entries->strings] = (uint32_t)at + 1;
    entries->count = rows.size / 28;
    entries->name = target_memory((entries->count + 1) * 4);
    entries->linkage = target_memory((entries->count + 1) * 4);
    entries->flags = target_memory((entries->count + 1) * 4);
    entries->address = target_memory((entries->count + 1) * 8);
    entries->size = target_memory((entries->count + 1) * 8);
    Cursor at = cursor_over(rows, false);
    for (size_t row = 0; row < entries->count; row++) {
        entries->name[row] = cursor_u32(&at) % (uint32_t)entries->strings;
        entries->linkage[row] = cursor_u32(&at) % (uint32_t)entries->strings;
        entries->flags[row] = cursor_u32(&at);
        entries->address[row] = cursor_u64(&at);
        entries->size[row] = cursor_u64(&at);
    }
}

static void entries_free(Entries *entries)
{
    free(entries->string_at);
    free(entries->name);
    free(entries->linkage);
    free(entries->flags);
    free(entries->address);
    free(entries->size);
}

static void rows_check(const Rows *rows, size_t symbols, size_t names, size_t known)
{
    size_t count = rows->address.count;
    DEMAND(rows->start.count == count + 1 && rows->name_at.count == count + 1 && rows->name.count == count);
    for (size_t row = 0; row < count; row++) {
        DEMAND(rows->start.items[row] <= rows->start.items[row + 1]);
        DEMAND(rows->name_at.items[row] < rows->name_at.items[row + 1]);
        DEMAND(rows->name.items[row] < names);
        DEMAND(rows->known.items[row] == UINT32_MAX || rows->known.items[row] < known);
    }
    DEMAND(rows->start.items[count] == rows->symbols.count && rows->name_at.items[count] == rows->all_names.count);
    for (size_t at = 0; at < rows->symbols.count; at++)
        DEMAND(rows->symbols.items[at] < symbols);
    for (size_t at = 0; at < rows->all_names.count; at++)
        DEMAND(rows->all_names.items[at] < names);
}

static void lines_check(const Names *names)
{
    size_t count = names->raw.texts.count + names->demangled;
    Lines lines = {target_memory(names->text_size + 1), target_memory((count + 1) * 4),
                   target_memory((names->demangled + 1) * 4), 0, 0};
    write_lines(names, &lines);
    DEMAND(lines.size <= names->text_size && lines.count <= count);
    for (size_t at = 0; at < lines.count; at++)
        DEMAND(lines.line_at[at] <= lines.line_at[at + 1]);
    free(lines.text);
    free(lines.line_at);
    free(lines.line_name);
}

static void tables(const Input *input)
{
    Names names;
    Rows functions = {.start = {NULL, 0, 0}}, variables = {.start = {NULL, 0, 0}};
    Outcome outcome = collect_names(input, &names);
    for (size_t part = names.part_count; outcome == DONE && part > 0; part--)
        outcome = demangle_part(&names, part - 1);
    if (outcome == DONE)
        outcome = join_parts(&names);
    for (size_t at = 0; outcome == DONE && at < names.foreign.count; at++)
        outcome = show_name(&names, names.foreign.items[at], names.raw.texts.items[names.foreign.items[at]]);
    if (outcome == DONE)
        outcome = order_names(&names);
    if (outcome == DONE)
        outcome = make_rows(input, &names, FUNCTIONS, &functions);
    if (outcome == DONE)
        outcome = make_rows(input, &names, VARIABLES, &variables);
    if (outcome == DONE) {
        lines_check(&names);
        rows_check(&functions, input->count, names.raw.texts.count, input->functions.count);
        rows_check(&variables, input->count, names.raw.texts.count, input->variables.count);
    }
    free_rows(&functions);
    free_rows(&variables);
    free_names(&names);
}

/* Each address asked for gets a function that it is in, or none. */
static void enclosing_check(const Symbols *symbols, size_t count)
{
    enum { MOST = 16 };
    uint64_t wanted[MOST];
    uint32_t rows[MOST];
    size_t asked = count < MOST ? count : MOST;
    for (size_t row = 0; row < asked; row++) {
        uint64_t address = symbols->address[row] + symbols->size[row] / 2;
        size_t at = row;
        for (; at && wanted[at - 1] > address; at--)
            wanted[at] = wanted[at - 1];
        wanted[at] = address;
    }
    Candidates candidates = {count, symbols->address, symbols->size, symbols->section, symbols->type, symbols->bind};
    find_enclosing(&candidates, wanted, asked, rows);
    for (size_t at = 0; at < asked; at++)
        DEMAND(rows[at] == NO_ROW
               || (rows[at] < count && wanted[at] - symbols->address[rows[at]] < symbols->size[rows[at]]));
}

static void symbols_of(const File *file, size_t count, const Entries *entries, Bytes texts, uint8_t flags)
{
    void *memory = target_memory(count * ROW_BYTES + 8);
    Symbols symbols;
    Outcome outcome = read_symbols(file, memory, count, &symbols);
    if (outcome == DONE) {
        DEMAND(symbols.count == count);
        uint8_t *names = target_memory(symbols.names_size + 1);
        write_names(&symbols, names);
        for (size_t row = 0; row < count; row++) {
            DEMAND((uint64_t)symbols.name_at[row] + symbols.name_len[row] <= symbols.names_size);
            DEMAND(symbols.version[row] < symbols.shown_versions.count);
        }
        Known known = {entries->count, entries->name, entries->linkage, entries->flags, entries->address,
                       entries->size};
        Input input = {
            .names = {names, symbols.names_size},
            .count = count,
            .name_at = symbols.name_at,
            .name_len = symbols.name_len,
            .section = symbols.section,
            .address = symbols.address,
            .size = symbols.size,
            .type = symbols.type,
            .bind = symbols.bind,
            .table = symbols.table,
            .strings = texts,
            .string_at = entries->string_at,
            .string_count = entries->strings,
            .functions = known,
            .variables = known,
            .sections = file->sections,
            .section_count = file->count,
            .relocatable = flags & 1,
            .thumb = flags & 2,
        };
        tables(&input);
        enclosing_check(&symbols, count);
        free(names);
    }
    free_symbols(&symbols);
    free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Container container = container_read(data, size);
    uint8_t flags = container_option(&container, 0);
    File file;
    Headers headers = {NULL, 0};
    Entries entries = {0};
    size_t count;
    entries_read(container.part[2], container.part[3], &entries);
    if (flags & 4)
        allocations_fail(container_option(&container, 1) | (uint32_t)container_option(&container, 2) << 8);
    if (file_read(container.part[1], &file, &headers) && count_symbols(&file, &count))
        symbols_of(&file, count, &entries, container.part[3], flags);
    allocations_fail(0);
    free(headers.sections);
    entries_free(&entries);
    return 0;
}
