/* The GNU version sections to one version text a dynamic symbol, as readelf -Ws prints it.
 *
 * "@@V": the default of a definition; "@V": a hidden definition, or what an undefined symbol needs. Base
 * definitions (the file's own name) and local or global indices have none. Tables are followed by their own
 * offsets, at most as many steps as there are bytes for, so that a cycle ends.
 * Source: LSB Core, Symbol Versioning; get_symbol_version_string of binutils.
 */
#include "symbols.h"

enum { SHT_VERDEF = 0x6ffffffd, SHT_VERNEED = 0x6ffffffe, SHT_VERSYM = 0x6fffffff };
enum { HIDDEN = 0x8000, INDEX = 0x7fff, BASE = 1 };
enum { STEP = 16 }; /* bytes of the smallest record that takes a step */

/* What an index of a version stands for; `numbers` are those of the texts that were asked for, one more. */
typedef struct {
    Bytes needed, given;
    uint32_t numbers[3];
    uint8_t has;
} Version;

typedef struct {
    Version *items;
    uint32_t most;
} Versions;

enum { NEEDED = 1, GIVEN = 2 };

Outcome version_number(Symbols *symbols, const char *sign, Bytes text, uint32_t *number)
{
    size_t head = strlen(sign), known = symbols->versions.texts.count;
    uint8_t *held = malloc(head + text.size + 1);
    if (!held)
        return NO_MEMORY;
    memcpy(held, sign, head);
    if (text.size)
        memcpy(held + head, text.data, text.size);
    Outcome outcome = intern(&symbols->versions, (Bytes){held, head + text.size}, number);
    if (outcome != DONE || symbols->versions.texts.count == known)
        free(held);
    return outcome;
}

/* The first of several stands. */
static void set(Versions *versions, uint8_t kind, uint32_t index, Bytes text)
{
    if (index > versions->most || versions->items[index].has & kind)
        return;
    versions->items[index].has |= kind;
    *(kind == NEEDED ? &versions->items[index].needed : &versions->items[index].given) = text;
}

static void read_needed(Bytes raw, Bytes names, bool big, Versions *versions)
{
    size_t steps = raw.size / STEP;
    for (uint64_t at = 0; steps && at + 16 <= raw.size;) {
        steps--;
        Cursor cursor = cursor_over(bytes_part(raw, at, 16), big);
        cursor_skip(&cursor, 2);
        uint32_t count = cursor_u16(&cursor);
        cursor_skip(&cursor, 4);
        uint64_t place = at + cursor_u32(&cursor), following = cursor_u32(&cursor);
        while (count && steps && place + 16 <= raw.size) {
            count--;
            steps--;
            Cursor entry = cursor_over(bytes_part(raw, place, 16), big);
            cursor_skip(&entry, 6);
            uint32_t other = cursor_u16(&entry), name = cursor_u32(&entry), step = cursor_u32(&entry);
            set(versions, NEEDED, other & INDEX, text_at(names, name));
            if (!step)
                break;
            place += step;
        }
        if (!following)
            break;
        at += following;
    }
}

static void read_given(Bytes raw, Bytes names, bool big, Versions *versions)
{
    size_t steps = raw.size / STEP;
    for (uint64_t at = 0; steps && at + 20 <= raw.size;) {
        steps--;
        Cursor cursor = cursor_over(bytes_part(raw, at, 20), big);
        cursor_skip(&cursor, 2);
        uint32_t flags = cursor_u16(&cursor), index = cursor_u16(&cursor);
        cursor_skip(&cursor, 6);
        uint64_t place = at + cursor_u32(&cursor), following = cursor_u32(&cursor);
        Cursor entry = cursor_over(bytes_part(raw, place, 8), big);
        if (cursor_left(&entry) == 8 && !(flags & BASE))
            set(versions, GIVEN, index & INDEX, text_at(names, cursor_u32(&entry)));
        if (!following)
            break;
        at += following;
    }
}

static Outcome name_versions(Symbols *symbols, size_t first, size_t count, Bytes versym, bool big, Versions *versions)
{
    Outcome outcome = DONE;
    Cursor cursor = cursor_over(versym, big);
    cursor_skip(&cursor, 2);
    for (size_t row = first; row < first + count && cursor_left(&cursor) >= 2 && outcome == DONE; row++) {
        uint32_t number = cursor_u16(&cursor), index = number & INDEX;
        if (!index || number == 0x8001)
            continue;
        /* A definition first looks among what the file gives, an undefined symbol among what it needs; a copy
         * relocation is defined here and yet carries the version that it needs. */
        Version *version = &versions->items[index];
        bool given = symbols->section[row] != 0 && version->has & GIVEN;
        if (!given && !(version->has & NEEDED))
            continue;
        bool hidden = number & HIDDEN;
        uint32_t *known = &version->numbers[!given ? 0 : hidden ? 1 : 2];
        if (!*known) {
            outcome = version_number(symbols, given && !hidden ? "@@" : "@",
                                     given ? version->given : version->needed, known);
            ++*known;
        }
        symbols->version[row] = *known - 1;
    }
    return outcome;
}

/* The bytes of the section that another is linked to. */
static Bytes linked_bytes(const File *file, size_t index)
{
    uint64_t link = file->sections[index].link;
    return link ? section_bytes(file, link) : (Bytes){NULL, 0};
}

/* The last section of a type; `file->count` for none. */
static size_t section_of_type(const File *file, uint64_t type)
{
    size_t found = file->count;
    for (size_t index = 0; index < file->count; index++)
        if (file->sections[index].type == type)
            found = index;
    return found;
}

Outcome read_versions(const File *file, Symbols *symbols, size_t first, size_t count)
{
    size_t versym = section_of_type(file, SHT_VERSYM);
    if (versym == file->count)
        return DONE;
    Outcome outcome = DONE;
    Bytes raw = whole_section(file, versym, symbols, &outcome);
    Versions versions = {.most = 0};
    Cursor cursor = cursor_over(bytes_part(raw, 0, 2 * (uint64_t)count + 2), file->big);
    while (cursor_left(&cursor) >= 2) {
        uint32_t index = cursor_u16(&cursor) & INDEX;
        versions.most = index > versions.most ? index : versions.most;
    }
    versions.items = calloc(versions.most + 1, sizeof *versions.items);
    if (!versions.items)
        outcome = NO_MEMORY;
    size_t needed = section_of_type(file, SHT_VERNEED), given = section_of_type(file, SHT_VERDEF);
    if (outcome == DONE && needed < file->count) {
        Bytes part = whole_section(file, needed, symbols, &outcome);
        read_needed(part, linked_bytes(file, needed), file->big, &versions);
    }
    if (outcome == DONE && given < file->count) {
        Bytes part = whole_section(file, given, symbols, &outcome);
        read_given(part, linked_bytes(file, given), file->big, &versions);
    }
    if (outcome == DONE)
        outcome = name_versions(symbols, first, count, raw, file->big, &versions);
    free(versions.items);
    return outcome;
}
