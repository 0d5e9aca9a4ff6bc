/* What is asked about one DIE, one unit or one name: subtrees, the functions of a unit, types by their name. */
#ifndef PROBESCOPE_DIES_H
#define PROBESCOPE_DIES_H

#include "dwarf.h"

/* A DIE's name for ever: its offset and, in the high bits, what it is an offset into. Split parts beyond the
 * first are told apart by their number. */
#define KEY_IN_TYPES (UINT64_C(1) << 63)
#define KEY_IN_SPLIT (UINT64_C(1) << 62)
#define KEY_IN_ALTERNATE (UINT64_C(1) << 61)
#define KEY_PART_SHIFT 44
#define KEY_PART_MASK UINT64_C(0xffff)
#define KEY_OFFSET_MASK ((UINT64_C(1) << KEY_PART_SHIFT) - 1)

uint64_t die_key(const Unit *unit, uint64_t offset);
/* The DIE that a key names; its unit is prepared. False where there is none, or memory is out. */
bool die_of_key(Dwarf *dwarf, uint64_t key, DieRef *die);
/* The object of a key; NULL for none. */
Part *part_of_key(Dwarf *dwarf, uint64_t key);

typedef enum {
    CLASS_UNKNOWN,
    CLASS_ADDRESS,
    CLASS_CONSTANT,
    CLASS_FLAG,
    CLASS_STRING,
    CLASS_REFERENCE, /* a key */
    CLASS_BLOCK,
    CLASS_EXPRESSION,
    CLASS_LOCATION_LIST, /* an offset */
    CLASS_RANGES,        /* number: the first of the tree's ranges; bytes.size: how many */
    CLASS_SECTION,
} ValueClass;

typedef struct {
    uint16_t name;
    uint8_t class;
    bool is_signed;
    uint64_t number;
    Bytes bytes;
} DieAttribute;

typedef struct {
    uint64_t key;
    uint32_t depth;
    uint16_t tag;
    size_t first, count; /* attributes */
} DieRow;

typedef struct {
    Unit *unit;
    VEC(DieRow) rows;
    VEC(DieAttribute) attributes;
    Ranges ranges;
    bool cut;    /* there is more than the limits allow, or the file ends */
    bool memory; /* memory is out */
} DieTree;

/* The subtree of a key: it alone with `depth` 1, with its children with 2. */
void die_tree_read(Dwarf *dwarf, uint64_t key, unsigned depth, size_t most, DieTree *tree);
void die_tree_free(DieTree *tree);

/* A function, or an inlined copy of one, with code. */
typedef struct {
    uint64_t key;
    Bytes name, linkage;
    int32_t parent; /* the scope that it lies in, -1 for none */
    bool inlined;
    uint32_t call_file, call_line, call_column;
    size_t first, count; /* ranges */
} Scope;

/* From `start` on, up to the next segment, the code belongs to `scope`; -1 for none. */
typedef struct {
    uint64_t start;
    int32_t scope;
} Segment;

typedef struct {
    VEC(Scope) scopes;
    VEC(Segment) segments; /* in order */
    Ranges ranges;
    bool cut, memory;
} ScopeTree;

/* The scopes of a prepared unit, in the order of their DIEs. */
void scopes_read(Unit *unit, ScopeTree *tree);
void scopes_free(ScopeTree *tree);

typedef struct {
    uint64_t key, sum; /* sum: the same for equal definitions */
    uint32_t name;     /* number of the name that was asked for */
    bool declared;     /* not defined here */
} FoundType;

typedef struct {
    VEC(FoundType) found;
    bool memory;
} FoundTypes;

/* The struct, union, class, enumeration, typedef and base type DIEs with one of the names: each different
 * definition once, and the first declaration of each name. At most `most`. */
void types_find(Dwarf *dwarf, const Bytes *names, size_t name_count, size_t most, FoundTypes *types);

/* Sizes of the abbreviations of a unit whose attributes all have fixed ones, to pass over DIEs quickly. */
typedef struct {
    int32_t *size; /* by index of the abbreviation; -1 where it varies */
} Skips;

bool skips_make(const Unit *unit, Skips *skips);
void skips_free(Skips *skips);

static inline void skip_die(const Unit *unit, const Skips *skips, Cursor *at, const Die *die)
{
    int32_t size = skips->size[die->abbrev - unit->abbrevs->abbrevs.items];
    if (size >= 0)
        cursor_skip(at, (uint64_t)size);
    else
        die_skip(unit, at, die);
}

/* Where the DIE's next sibling is, behind its whole subtree; 0 where the file does not say. */
uint64_t die_sibling(const Unit *unit, const Die *die, Cursor at);

#endif
