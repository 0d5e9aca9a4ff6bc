/* The names of symbols, functions and variables: each different one once, as it is shown, in alphabetical order. */
#ifndef PROBESCOPE_NAMES_H
#define PROBESCOPE_NAMES_H

#include "symbols.h"

/* Functions or variables as the debug information has them. */
typedef struct {
    size_t count;
    const uint32_t *name, *linkage, *flags; /* names are numbers of strings, 0 for none */
    const uint64_t *address, *size;
} Known;

/* What tables are made of. Columns of symbols as in Symbols; all of it is borrowed. */
typedef struct {
    Bytes names;
    size_t count;
    const uint32_t *name_at, *name_len, *section;
    const uint64_t *address, *size;
    const uint8_t *type, *bind, *table;
    Bytes strings; /* of the debug information: text i is strings[string_at[i] .. string_at[i + 1]) */
    const uint32_t *string_at;
    size_t string_count;
    Known functions, variables;
    const Section *sections;
    size_t section_count;
    bool relocatable; /* addresses count from their section */
    bool thumb; /* functions with an odd address lie at the even one before it */
} Input;

/* Two names of one entry of the debug information; ABSENT for one that it has not. */
typedef struct {
    uint32_t linkage, name;
} Pair;

/* How a name is shown: as it is, or as `size` bytes at `at` of the arena. */
typedef struct {
    uint64_t at;
    uint32_t size;
    bool elsewhere, demangled;
} Shown;

/* What the names of one part show: parts may be demangled side by side. */
typedef struct {
    Blob arena;
    Numbers foreign;
} Part;

typedef struct {
    Interned raw;
    Part *parts;
    size_t part_count;
    uint32_t *of_symbol;
    Pair *of_function, *of_variable;
    Shown *shown; /* of each name */
    Blob arena; /* the texts that are not the name itself */
    Numbers foreign; /* names that another demangler reads */
    bool lines; /* some name has a newline */
    Bytes *text; /* as each is shown */
    uint32_t *rank, *order; /* the place of each name among all, and back */
    size_t text_size, demangled; /* bytes of all lines, and how many names have two */
} Names;

/* Room for the lines; `text` for text_size bytes, `line_at` for one number more than there are lines. */
typedef struct {
    uint8_t *text;
    uint32_t *line_at, *line_name;
    size_t size, count; /* written */
} Lines;

Outcome collect_names(const Input *input, Names *names);
/* Once for each part; by several threads at once. */
Outcome demangle_part(Names *names, size_t part);
/* When all parts are demangled. */
Outcome join_parts(Names *names);
/* Takes over what another demangler made of a name; `text` may be the name itself. */
Outcome show_name(Names *names, uint32_t number, Bytes text);
/* Sorts the names; TOO_LONG when their lines are longer than columns can be. */
Outcome order_names(Names *names);
void write_lines(const Names *names, Lines *lines);
void free_names(Names *names);

#endif
