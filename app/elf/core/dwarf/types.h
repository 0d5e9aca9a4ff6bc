/* What type texts and type sizes share: a type's DIE as it was found, and the dimensions of an array. */
#ifndef PROBESCOPE_TYPES_H
#define PROBESCOPE_TYPES_H

#include "nodes.h"

enum { DEEPEST_TYPE = 200, MOST_DIMENSIONS = 32 };

typedef enum { STYLE_C, STYLE_PLUS_PLUS, STYLE_D, STYLE_FORTRAN, STYLE_RUST, STYLE_GO, STYLE_PLAIN } Style;

typedef struct {
    Worker *worker;
    Unit *unit;
    const Plan *plan;
    Fields fields;
    Cursor at;
    uint64_t offset;
    unsigned depth;
    Style style;
} Found;

/* Of an array; a count of -1 is not known before run time. */
typedef struct {
    int64_t lower, count;
} Dimension;

Style style_of(uint16_t language);
/* The subranges of an array; false where there are too many, or one cannot be read. */
bool dimensions_of(Found *found, Dimension *dimensions, unsigned *count);

#endif
