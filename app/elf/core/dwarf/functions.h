/* A function or variable DIE and what it goes back to. */
#ifndef PROBESCOPE_FUNCTIONS_H
#define PROBESCOPE_FUNCTIONS_H

#include "rows.h"

enum { LONGEST_CHAIN = 8 };

typedef struct {
    Raw raw;
    Unit *unit;
    bool kept; /* its parameters are among the raw ones */
} Link;

/* A DIE and what it goes back to. */
typedef struct {
    Link links[LONGEST_CHAIN];
    unsigned count;
    bool broken; /* a reference leads nowhere */
} Chain;

/* Go's results: one, or several in parentheses. */
typedef struct {
    Text text;
    unsigned count;
    bool unknown;
} Results;

/* 0 for void, and for an unknown type. */
uint32_t type_text(Worker *worker, Unit *unit, const RawRef *type, bool *unknown);
/* Adds the parameters of the function that the chain starts with. */
void settle_params(Worker *worker, const Chain *chain, FnRow *row, Results *results);

#endif
