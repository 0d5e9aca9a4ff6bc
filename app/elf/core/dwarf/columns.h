/* Rows to columns: the texts by one thread, all other numbers by another, for neither needs what the other makes.
 *
 * Texts are numbered by first use: in units, functions, parameters, sites, variables and types.
 */
#ifndef PROBESCOPE_COLUMNS_H
#define PROBESCOPE_COLUMNS_H

#include "rows.h"

typedef VEC(VarRow) VarRows;
typedef VEC(TypeRow) TypeRows;

typedef struct {
    Reading *reading;
    const Numbering *numbering;
    DwarfOutput *output;
    const VarRows *variables;
    const TypeRows *types;
    bool memory; /* allocation failed */
} Writer;

/* A column of so many items, all 0. NULL, with `memory` set, when memory is out. */
void *column(Writer *writer, ColumnId id, size_t count);
/* The number in the output of the function that a site of these rows is one of; NONE where there is none. Such a
 * site is left out, and what lies in it belongs to where it lies. */
uint32_t site_function(const Writer *writer, const UnitRows *rows, const SiteRow *site);
size_t site_count(const Reading *reading);

/* joined.c. False when memory is out. */
/* Those with an address in the order of the file, then those without: the first of all workers, and none that has
 * an address elsewhere. */
bool join_variables(const Reading *reading, VarRows *variables);
/* The first of each (name, kind, size) over all workers, in the order of their DIEs. */
bool join_types(const Reading *reading, TypeRows *types);

/* texts.c: the columns that hold texts, those of what was joined apart; then the texts themselves. */
void write_texts(Writer *writer);
void write_joined_texts(Writer *writer);

/* numbers.c: all other columns. */
void write_numbers(Writer *writer);
void write_joined_numbers(Writer *writer);

#endif
