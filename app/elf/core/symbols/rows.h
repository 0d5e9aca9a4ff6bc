/* Functions and variables: the symbols of one address, with what the debug information knows of it. */
#ifndef PROBESCOPE_ROWS_H
#define PROBESCOPE_ROWS_H

#include "names.h"

typedef enum { FUNCTIONS, VARIABLES } Kind;

/* Row i has symbols[start[i] .. start[i + 1]) and all_names[name_at[i] .. name_at[i + 1]), of which `name` is the
 * first; `known` is its entry of the debug information, -1 for none. */
typedef struct {
    Numbers start, symbols, name_at, all_names, name, section, known;
    VEC(uint64_t) address, size;
} Rows;

Outcome make_rows(const Input *input, const Names *names, Kind kind, Rows *rows);
void free_rows(Rows *rows);

#endif
