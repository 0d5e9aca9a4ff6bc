/* The symbol part of the core: symbol tables to columns, and columns to names, lines and rows.
 *
 * Everything comes from a file that nobody trusts. Nothing here knows Python; memory that a function fills
 * belongs to its caller, who frees it also when the function failed.
 */
#ifndef PROBESCOPE_SYMBOLS_H
#define PROBESCOPE_SYMBOLS_H

#include "intern.h"

typedef VEC(uint8_t) Blob;
typedef VEC(uint32_t) Numbers;

/* A section header as rows of numbers, in the order of app.elf.image.SectionHeader. */
typedef struct {
    uint64_t name, type, flags, address, offset, size, link, info, align, entry_size;
} Section;

enum { SHT_SYMTAB = 2, SHT_NOBITS = 8, SHT_DYNSYM = 11, SHT_SYMTAB_SHNDX = 18 };
enum { SHF_ALLOC = 2, SHF_TLS = 0x400 };

typedef struct {
    Bytes data; /* the file */
    const Section *sections;
    size_t count;
    Bytes names; /* of the sections */
    bool wide, big;
} File;

/* What lacks; `section` is the table's number, `number` the bytes that are missing or the entry size. */
typedef struct {
    uint32_t kind, section;
    uint64_t number;
} Lack;

enum { LACKS_BYTES, UNKNOWN_ENTRIES, NO_STRINGS };

/* Symbols in the file's order; row i is named names[name_at[i] .. + name_len[i]). The columns lie behind each
 * other in one piece of memory, `address` first. */
typedef struct {
    size_t count;
    uint64_t *address, *size;
    uint32_t *name_at, *name_len, *section, *version;
    uint8_t *type, *bind, *visibility, *table;
    VEC(Bytes) names; /* the parts of which the names consist, one behind the other */
    size_t names_size;
    Interned versions; /* texts with their signs, in memory of their own; the first is "" */
    Numbers shown_versions; /* those that a row has, in the order of these rows; the first is "" */
    VEC(Lack) lacks;
} Symbols;

enum { ROW_BYTES = 2 * 8 + 4 * 4 + 4 };

/* How many symbols there are; false where there is no symbol table. */
bool count_symbols(const File *file, size_t *count);

/* Every symbol but the null ones of all .symtab and .dynsym; `memory` has ROW_BYTES for each. */
Outcome read_symbols(const File *file, void *memory, size_t count, Symbols *symbols);
/* Writes names_size bytes. */
void write_names(const Symbols *symbols, uint8_t *out);
void free_symbols(Symbols *symbols);

Bytes section_bytes(const File *file, size_t index);
/* The same; what the file lacks of it is noted. */
Bytes whole_section(const File *file, size_t index, Symbols *symbols, Outcome *outcome);
Bytes text_at(Bytes table, uint64_t offset);
/* The number of a version's text with `sign` before it. */
Outcome version_number(Symbols *symbols, const char *sign, Bytes text, uint32_t *number);
/* Versions of the dynamic symbols [first, first + count), whose table has one null entry before them. */
Outcome read_versions(const File *file, Symbols *symbols, size_t first, size_t count);

#endif
