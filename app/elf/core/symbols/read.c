/* .symtab and .dynsym to columns. Names keep the file's bytes; a version stands beside its name, also where the
 * linker wrote "name@VERSION" into .symtab.
 * Source: gABI chapter 4, Symbol Table; process_symbol_table of binutils.
 */
#include "symbols.h"

enum { STT_SECTION = 3, SHN_XINDEX = 0xffff, SHN_ABS = 0xfff1 };
/* Strings that overlap may be scanned so many times the size of their table, before their ends are listed. */
enum { SCANS = 4 };

/* The string table of one symbol table. */
typedef struct {
    Bytes bytes;
    uint64_t budget;
    Numbers ends; /* of the strings, in order; empty until the budget is spent */
} Strings;

Bytes section_bytes(const File *file, size_t index)
{
    if (index >= file->count || file->sections[index].type == SHT_NOBITS)
        return (Bytes){NULL, 0};
    return bytes_part(file->data, file->sections[index].offset, file->sections[index].size);
}

static Outcome note(Symbols *symbols, uint32_t kind, size_t section, uint64_t number)
{
    Lack lack = {kind, (uint32_t)section, number};
    return vec_push(&symbols->lacks, lack) ? DONE : NO_MEMORY;
}

Bytes whole_section(const File *file, size_t index, Symbols *symbols, Outcome *outcome)
{
    Bytes found = section_bytes(file, index);
    const Section *section = &file->sections[index];
    if (found.size < section->size && section->type != SHT_NOBITS)
        *outcome = note(symbols, LACKS_BYTES, index, section->size - found.size);
    return found;
}

Bytes text_at(Bytes table, uint64_t offset)
{
    Bytes rest = bytes_part(table, offset, table.size);
    const uint8_t *nul = rest.size ? memchr(rest.data, 0, rest.size) : NULL;
    if (nul)
        rest.size = (size_t)(nul - rest.data);
    return rest;
}

static Outcome list_ends(Strings *strings)
{
    Cursor cursor = cursor_over(strings->bytes, false);
    while (cursor_left(&cursor)) {
        cursor_text(&cursor);
        if (!vec_push(&strings->ends, (uint32_t)(cursor_offset(&cursor) - !cursor.bad)))
            return NO_MEMORY;
    }
    return DONE;
}

/* The length of the name at `offset`; 0 outside the table. */
static Outcome name_length(Strings *strings, uint64_t offset, uint32_t *length)
{
    *length = 0;
    if (offset >= strings->bytes.size)
        return DONE;
    if (!strings->ends.count) {
        *length = (uint32_t)text_at(strings->bytes, offset).size;
        if (*length <= strings->budget) {
            strings->budget -= *length;
            return DONE;
        }
        if (list_ends(strings) != DONE)
            return NO_MEMORY;
    }
    size_t low = 0, high = strings->ends.count - 1;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strings->ends.items[middle] < offset)
            low = middle + 1;
        else
            high = middle;
    }
    *length = (uint32_t)(strings->ends.items[low] - offset);
    return DONE;
}

static bool is_word(uint8_t byte, bool first)
{
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || byte == '_'
        || (!first && ((byte >= '0' && byte <= '9') || byte == '.' || byte == '+' || byte == '-'));
}

/* Whether a text is "@VERSION" or "@@VERSION". */
static bool is_version(Bytes text)
{
    Cursor cursor = cursor_over(text, false);
    cursor_skip(&cursor, 1);
    bool first = true;
    for (bool sign = true; cursor_left(&cursor); sign = false) {
        uint8_t byte = cursor_u8(&cursor);
        if (byte == '@' && sign)
            continue;
        if (!is_word(byte, first))
            return false;
        first = false;
    }
    return !first;
}

/* The name of a row of the table whose strings are the latest part of the names. */
static Bytes row_name(const Symbols *symbols, size_t row)
{
    Bytes strings = symbols->names.items[symbols->names.count - 1];
    size_t base = symbols->names_size - strings.size;
    return bytes_part(strings, symbols->name_at[row] - base, symbols->name_len[row]);
}

/* Takes "@VERSION" off the names of .symtab that carry one. */
static Outcome split_versions(Symbols *symbols, size_t first, size_t count)
{
    Bytes strings = symbols->names.items[symbols->names.count - 1];
    if (!strings.size || !memchr(strings.data, '@', strings.size))
        return DONE;
    for (size_t row = first; row < first + count; row++) {
        Bytes name = row_name(symbols, row), rest = bytes_part(name, 1, name.size);
        const uint8_t *sign = rest.size ? memchr(rest.data, '@', rest.size) : NULL;
        if (!sign)
            continue;
        size_t cut = (size_t)(sign - rest.data);
        Bytes text = bytes_part(rest, cut, rest.size);
        if (!is_version(text))
            continue;
        Outcome outcome = version_number(symbols, "", text, &symbols->version[row]);
        if (outcome != DONE)
            return outcome;
        symbols->name_len[row] = (uint32_t)cut + 1;
    }
    return DONE;
}

/* st_shndx has 16 bits; where a number does not fit, a table of its own has it. */
static Outcome extend_indices(const File *file, Symbols *symbols, size_t table, size_t first, size_t count)
{
    Outcome outcome = DONE;
    bool any = false;
    for (size_t row = first; row < first + count && !any; row++)
        any = symbols->section[row] == SHN_XINDEX;
    for (size_t index = 0; any && index < file->count; index++) {
        if (file->sections[index].type != SHT_SYMTAB_SHNDX || file->sections[index].link != table)
            continue;
        Cursor cursor = cursor_over(whole_section(file, index, symbols, &outcome), file->big);
        cursor_skip(&cursor, 4);
        for (size_t row = first; row < first + count && cursor_left(&cursor) >= 4; row++) {
            uint32_t number = cursor_u32(&cursor);
            if (symbols->section[row] == SHN_XINDEX)
                symbols->section[row] = number;
        }
        break;
    }
    return outcome;
}

static Outcome add_names(Symbols *symbols, Bytes part)
{
    if (symbols->names_size + part.size > UINT32_MAX)
        return TOO_LONG;
    symbols->names_size += part.size;
    return vec_push(&symbols->names, part) ? DONE : NO_MEMORY;
}

/* Section symbols have no name of their own; readelf prints the section's. */
static Outcome name_sections(const File *file, Symbols *symbols, size_t first, size_t count)
{
    for (size_t row = first; row < first + count; row++) {
        if (symbols->type[row] != STT_SECTION || symbols->name_len[row] || symbols->section[row] >= file->count)
            continue;
        Bytes name = text_at(file->names, file->sections[symbols->section[row]].name);
        symbols->name_at[row] = (uint32_t)symbols->names_size;
        symbols->name_len[row] = (uint32_t)name.size;
        Outcome outcome = add_names(symbols, name);
        if (outcome != DONE)
            return outcome;
    }
    return DONE;
}

static bool is_table(const File *file, size_t index)
{
    return file->sections[index].type == SHT_SYMTAB || file->sections[index].type == SHT_DYNSYM;
}

/* Rows of a table without its null symbol. */
static size_t rows_of(const File *file, size_t index)
{
    uint64_t entry = file->wide ? 24 : 16, claimed = file->sections[index].entry_size;
    size_t count = claimed && claimed != entry ? 0 : section_bytes(file, index).size / entry;
    return count ? count - 1 : 0;
}

static void read_row(Cursor *cursor, bool wide, Symbols *symbols, size_t row, uint8_t table)
{
    symbols->name_at[row] = cursor_u32(cursor);
    if (!wide) {
        symbols->address[row] = cursor_u32(cursor);
        symbols->size[row] = cursor_u32(cursor);
    }
    uint8_t info = cursor_u8(cursor);
    symbols->type[row] = info & 15;
    symbols->bind[row] = info >> 4;
    symbols->visibility[row] = cursor_u8(cursor) & 3;
    symbols->section[row] = cursor_u16(cursor);
    if (wide) {
        symbols->address[row] = cursor_u64(cursor);
        symbols->size[row] = cursor_u64(cursor);
    }
    symbols->version[row] = 0;
    symbols->table[row] = table;
}

static Outcome read_table(const File *file, Symbols *symbols, size_t index, size_t first)
{
    const Section *section = &file->sections[index];
    size_t count = rows_of(file, index);
    uint64_t entry = file->wide ? 24 : 16;
    bool dynamic = section->type == SHT_DYNSYM;
    Outcome outcome = DONE;
    Cursor cursor = cursor_over(whole_section(file, index, symbols, &outcome), file->big);
    if (outcome == DONE && section->entry_size && section->entry_size != entry)
        outcome = note(symbols, UNKNOWN_ENTRIES, index, section->entry_size);
    Strings strings = {.bytes = {NULL, 0}};
    if (outcome == DONE && section->link && section->link < file->count)
        strings.bytes = whole_section(file, section->link, symbols, &outcome);
    else if (outcome == DONE)
        outcome = note(symbols, NO_STRINGS, index, 0);
    if (outcome != DONE)
        return outcome;
    size_t base = symbols->names_size;
    outcome = add_names(symbols, strings.bytes);
    strings.budget = SCANS * (uint64_t)strings.bytes.size;
    cursor_skip(&cursor, entry);
    for (size_t row = first; row < first + count && outcome == DONE; row++) {
        read_row(&cursor, file->wide, symbols, row, dynamic);
        uint64_t offset = symbols->name_at[row];
        symbols->name_at[row] = (uint32_t)(offset < strings.bytes.size ? base + offset : base);
        outcome = name_length(&strings, offset, &symbols->name_len[row]);
    }
    vec_free(&strings.ends);
    if (outcome == DONE)
        outcome = extend_indices(file, symbols, index, first, count);
    if (outcome == DONE)
        outcome = dynamic ? read_versions(file, symbols, first, count) : split_versions(symbols, first, count);
    /* The symbol that stands for a version is not a version of itself. */
    for (size_t row = first; dynamic && outcome == DONE && row < first + count; row++) {
        if (symbols->section[row] != SHN_ABS || !symbols->version[row])
            continue;
        Bytes text = symbols->versions.texts.items[symbols->version[row]];
        while (text.size && *text.data == '@')
            text = bytes_part(text, 1, text.size);
        if (same_bytes(row_name(symbols, row), text))
            symbols->version[row] = 0;
    }
    return outcome == DONE ? name_sections(file, symbols, first, count) : outcome;
}

static void place_columns(Symbols *symbols, void *memory, size_t count)
{
    symbols->count = count;
    symbols->address = memory;
    symbols->size = symbols->address + count;
    symbols->name_at = (uint32_t *)(symbols->size + count);
    symbols->name_len = symbols->name_at + count;
    symbols->section = symbols->name_len + count;
    symbols->version = symbols->section + count;
    symbols->type = (uint8_t *)(symbols->version + count);
    symbols->bind = symbols->type + count;
    symbols->visibility = symbols->bind + count;
    symbols->table = symbols->visibility + count;
}

/* Numbers the versions by the rows that have them. */
static Outcome renumber_versions(Symbols *symbols)
{
    size_t count = symbols->versions.texts.count;
    uint32_t *numbers = calloc(count, sizeof *numbers);
    bool held = numbers && vec_push(&symbols->shown_versions, 0);
    for (size_t row = 0; held && row < symbols->count; row++) {
        uint32_t version = symbols->version[row];
        if (version && !numbers[version]) {
            numbers[version] = (uint32_t)symbols->shown_versions.count;
            held = vec_push(&symbols->shown_versions, version);
        }
        symbols->version[row] = numbers[version];
    }
    free(numbers);
    return held ? DONE : NO_MEMORY;
}

bool count_symbols(const File *file, size_t *count)
{
    bool found = false;
    *count = 0;
    for (size_t index = 0; index < file->count; index++)
        if (is_table(file, index)) {
            found = true;
            *count += rows_of(file, index);
        }
    return found;
}

Outcome read_symbols(const File *file, void *memory, size_t count, Symbols *symbols)
{
    *symbols = (Symbols){.count = 0};
    if (count > INT32_MAX)
        return TOO_LONG;
    place_columns(symbols, memory, count);
    uint32_t none;
    size_t first = 0;
    Outcome outcome = version_number(symbols, "", (Bytes){NULL, 0}, &none);
    for (size_t index = 0; index < file->count && outcome == DONE; index++)
        if (is_table(file, index)) {
            outcome = read_table(file, symbols, index, first);
            first += rows_of(file, index);
        }
    return outcome == DONE ? renumber_versions(symbols) : outcome;
}

void write_names(const Symbols *symbols, uint8_t *out)
{
    for (size_t index = 0; index < symbols->names.count; index++) {
        Bytes part = symbols->names.items[index];
        if (part.size)
            memcpy(out, part.data, part.size);
        out += part.size;
    }
}

void free_symbols(Symbols *symbols)
{
    vec_free(&symbols->names);
    for (size_t index = 0; index < symbols->versions.texts.count; index++)
        free((void *)(uintptr_t)symbols->versions.texts.items[index].data);
    free_interned(&symbols->versions);
    vec_free(&symbols->shown_versions);
    vec_free(&symbols->lacks);
}
