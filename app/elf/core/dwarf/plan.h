/* Abbreviations compiled for the walk: runs of fixed-size attributes skipped at once, wanted ones alone decoded.
 *
 * Each abbreviation has two ways to be passed: `skip`, which decodes nothing, and `full`, which fills a Fields.
 */
#ifndef PROBESCOPE_PLAN_H
#define PROBESCOPE_PLAN_H

#include "dwarf.h"

/* What the walk does at a DIE, by its tag. */
typedef enum {
    ACT_PASS,      /* nothing wanted, nor in its children */
    ACT_TYPE,      /* the same, but decoded when a type string needs it */
    ACT_MEMBER,    /* the same; a static one may be what a variable specifies */
    ACT_NAMED,     /* typedef, base type: a type with a name */
    ACT_CLASS,     /* struct, class, union, interface */
    ACT_ENUM,
    ACT_NAMESPACE, /* namespace, module */
    ACT_BLOCK,     /* nothing wanted of it, but its children may be */
    ACT_PACK,      /* holds parameters of a function */
    ACT_FUNCTION,
    ACT_INLINED,
    ACT_PARAMETER,
    ACT_ELLIPSIS,
    ACT_VARIABLE,
    ACT_IMPORT,
    ACT_COUNT,
} Action;

typedef enum {
    SLOT_SIBLING,
    SLOT_NAME,
    SLOT_LINKAGE,
    SLOT_FILE,
    SLOT_LINE,
    SLOT_TYPE,
    SLOT_ORIGIN, /* abstract_origin, or the extended namespace */
    SLOT_SPECIFICATION,
    SLOT_LOW,
    SLOT_HIGH,
    SLOT_RANGES,
    SLOT_ENTRY,
    SLOT_INLINE,
    SLOT_LOCATION,
    SLOT_SIZE,
    SLOT_SIGNATURE,
    SLOT_CONTAINER,
    SLOT_CALL_FILE,
    SLOT_CALL_LINE,
    SLOT_CALL_COLUMN,
    SLOT_IMPORT,
    SLOT_COUNT, /* of a subrange */
    SLOT_LOWER,
    SLOT_UPPER,
    SLOT_STRING_LENGTH,
    SLOT_CONST_VALUE,
    SLOT_VIRTUALITY,
    SLOT_OBJECT_POINTER,
    SLOTS,
    SLOT_FLAG = 64, /* this and above: bit (slot - SLOT_FLAG) of the flags */
    SLOT_NONE = 255,
} Slot;

enum {
    FIELD_EXTERNAL = 1,
    FIELD_DECLARATION = 2,
    FIELD_ARTIFICIAL = 4,
    FIELD_NORETURN = 8,
    FIELD_MAIN = 16,
    FIELD_PROTOTYPED = 32,
    FIELD_VARIABLE_PARAMETER = 64,
    FIELD_VECTOR = 128,
};

/* How a step reads, by its form. */
typedef enum {
    OP_SKIP, /* only the bytes before it */
    OP_FIXED,
    OP_ULEB,
    OP_SLEB,
    OP_TEXT,
    OP_BLOCK,
    OP_BLOCK1,
    OP_BLOCK2,
    OP_BLOCK4,
    OP_CONSTANT,
    OP_ONE,
    OP_ANY, /* by attr_read() */
} Op;

typedef struct {
    uint16_t skip; /* bytes before the attribute */
    uint8_t op, slot;
    uint32_t form; /* DW_FORM; of OP_CONSTANT the number of the constant; of OP_FIXED also its size << 16 */
} Step;

typedef struct {
    uint32_t first; /* step */
    uint16_t count, tail; /* steps, and bytes behind the last one */
} Passage;

typedef struct {
    Passage skip, full;
    uint32_t present; /* slots that `full` fills */
    uint8_t flags;    /* flags that are set without a byte in the DIE */
    uint8_t action;
    uint16_t tag;
    bool children;
    bool expression; /* its location is an expression */
} Plan;

typedef struct Plans {
    Step *steps;
    size_t dense; /* how many there are if their codes are 1, 2, 3, ..., as compilers number them; else 0 */
    Plan plans[]; /* beside the table's abbreviations */
} Plans;

typedef struct {
    Value value[SLOTS]; /* those of `present` alone */
    uint32_t present;
    uint8_t flags;
} Fields;

/* NULL when memory is out. The slot gives the sizes of addresses and offsets. */
Plans *plans_make(const AbbrevTable *table, const AbbrevSlot *sizes);
void plans_free(Plans *plans);
/* The unit was walked: where no unit refers to another, plans go with the last unit of their slot. */
void plans_leave(Unit *unit);

static inline bool has(const Fields *fields, Slot slot)
{
    return fields->present >> slot & 1;
}

/* The plan of an abbreviation code; NULL where there is none. */
static inline const Plan *plan_at(const Unit *unit, const Plans *plans, uint64_t code)
{
    if (__builtin_expect(code - 1 < plans->dense, 1))
        return &plans->plans[code - 1];
    const Abbrev *abbrev = abbrev_search(unit->abbrevs, code);
    return abbrev ? &plans->plans[abbrev - unit->abbrevs->abbrevs.items] : NULL;
}

/* Passes over a DIE's attributes. */
static inline void plan_skip(const Unit *unit, const Plans *plans, const Plan *plan, Cursor *at)
{
    const Step *step = plans->steps + plan->skip.first;
    for (uint32_t left = plan->skip.count; left; left--, step++) {
        cursor_skip(at, step->skip);
        switch (step->op) {
        case OP_SKIP:
            break;
        case OP_ULEB:
        case OP_SLEB:
            cursor_uleb(at);
            break;
        case OP_TEXT:
            cursor_text(at);
            break;
        case OP_BLOCK:
            cursor_skip(at, cursor_uleb(at));
            break;
        case OP_BLOCK1:
            cursor_skip(at, cursor_u8(at));
            break;
        case OP_BLOCK2:
            cursor_skip(at, cursor_u16(at));
            break;
        case OP_BLOCK4:
            cursor_skip(at, cursor_u32(at));
            break;
        default: {
            Value value;
            Cursor copy = *at; /* so that the caller's may stay in registers */
            attr_read(unit, &copy, (AttrSpec){0, (uint16_t)step->form, 0}, &value);
            *at = copy;
        }
        }
    }
    cursor_skip(at, plan->skip.tail);
}

/* Decodes a DIE's wanted attributes, and passes over the rest. */
static inline void plan_read(const Unit *unit, const Plans *plans, const Plan *plan, Cursor *at, Fields *fields)
{
    const Step *step = plans->steps + plan->full.first;
    fields->present = plan->present;
    fields->flags = plan->flags;
    for (uint32_t left = plan->full.count; left; left--, step++) {
        uint64_t number = 0;
        Bytes bytes = {NULL, 0};
        uint16_t form = (uint16_t)step->form;
        cursor_skip(at, step->skip);
        /* Nearly all are such; a jump by the kind of each would be guessed wrong every other time. */
        if (__builtin_expect(step->op == OP_FIXED, 1)) {
            number = cursor_small(at, step->form >> 16);
            goto read;
        }
        switch (step->op) {
        case OP_SKIP:
            continue;
        case OP_ULEB:
            number = cursor_uleb(at);
            break;
        case OP_SLEB:
            number = (uint64_t)cursor_sleb(at);
            break;
        case OP_TEXT:
            bytes = cursor_text(at);
            break;
        case OP_BLOCK:
            bytes = cursor_bytes(at, cursor_uleb(at));
            break;
        case OP_BLOCK1:
            bytes = cursor_bytes(at, cursor_u8(at));
            break;
        case OP_BLOCK2:
            bytes = cursor_bytes(at, cursor_u16(at));
            break;
        case OP_BLOCK4:
            bytes = cursor_bytes(at, cursor_u32(at));
            break;
        case OP_CONSTANT:
            number = (uint64_t)unit->abbrevs->constants.items[step->form];
            form = DW_FORM_implicit_const;
            break;
        case OP_ONE:
            number = 1;
            break;
        default: {
            Value value;
            Cursor copy = *at;
            attr_read(unit, &copy, (AttrSpec){0, (uint16_t)step->form, 0}, &value);
            *at = copy;
            number = value.number;
            bytes = value.bytes;
            form = value.form;
        }
        }
    read:
        if (step->slot < SLOTS)
            fields->value[step->slot] = (Value){form, number, bytes};
        else if (step->slot != SLOT_NONE && number)
            fields->flags |= (uint8_t)(1 << (step->slot - SLOT_FLAG));
    }
    cursor_skip(at, plan->full.tail);
}

#endif
