/* One pass over a unit's DIEs: what its parts share. */
#ifndef PROBESCOPE_WALK_H
#define PROBESCOPE_WALK_H

#include "rows.h"

/* Where a DIE stands. */
typedef enum {
    IN_UNIT,     /* or a namespace */
    IN_CLASS,
    IN_FUNCTION, /* directly: parameters are its own */
    IN_BODY,     /* a block or an inlined function in a function */
} Place;

typedef struct {
    Worker *worker;
    Unit *unit;
    const Plans *plans;
    Cursor at;
    Frame frame;       /* of the DIE's parent */
    uint64_t offset;   /* of the DIE */
    Fields fields;
    Scopes *scopes;
    bool scopes_only;
    size_t base;       /* of this walk's frames */
} Walk;

/* Makes the DIE that was read, which has children, the parent of what follows. */
void enter(Walk *walk, Place place, uint32_t scope, uint32_t function, uint32_t site);
/* Passes over the children of a DIE; of one whose fields were read, by its sibling where it names it. */
void skip_tree(Walk *walk, const Plan *plan);
void skip_children(Walk *walk, const Plan *plan);
/* All DIEs of the unit behind its first one. */
void walk_dies(Walk *walk);

/* walk_types.c */
void at_class(Walk *walk, const Plan *plan);
void at_named(Walk *walk, const Plan *plan);

/* walk_functions.c */
void at_function(Walk *walk, const Plan *plan);
void at_inlined(Walk *walk, const Plan *plan);
void at_parameter(Walk *walk, const Plan *plan);
void at_ellipsis(Walk *walk, const Plan *plan);
void at_variable(Walk *walk, const Plan *plan);

/* scopes.c: from `offset` on, DIEs lie in `scope`. */
void mark_scope(Worker *worker, Scopes *scopes, const Unit *unit, uint64_t offset, uint32_t scope);
/* The name of a namespace or class, 0 for none, and the text that one without has. */
uint32_t scope_name(Worker *worker, Unit *unit, const Fields *fields);
uint32_t nameless(Worker *worker, uint16_t tag);
/* What the class that was read lies in. */
uint32_t class_outer(Walk *walk);
/* Keeps the scopes of the unit at work for others. */
void keep_scopes(Worker *worker);

#endif
