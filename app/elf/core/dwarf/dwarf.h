/* What all of the DWARF core stands on: objects, units, abbreviations, attributes and what they refer to.
 *
 * dwarf_open() finds the units of a file, of its alternate (dwz) file and of its split parts; nothing of a unit
 * but its header is read before unit_prepare(). A unit that is ready has its abbreviations and what its first
 * DIE says: bases, language, names. Values keep what the file has; value_string(), value_address() and
 * value_reference() follow them, and are false where they lead nowhere.
 * Not thread-safe: dwarf_open() and dwarf_close(). Different units may be prepared by different threads, and
 * ready ones be read by any number; the Dwarf itself does not change.
 * Source: DWARF 5, section 7 (2 to 4 where they differ), GNU extensions: fission, dwz.
 */
#ifndef PROBESCOPE_DWARF_H
#define PROBESCOPE_DWARF_H

#include <stdatomic.h>

#include "constants.h"
#include "cursor.h"
#include "vec.h"

typedef enum {
    DEBUG_INFO,
    DEBUG_TYPES,
    DEBUG_ABBREV,
    DEBUG_STR,
    DEBUG_LINE_STR,
    DEBUG_LINE,
    DEBUG_RANGES,
    DEBUG_RNGLISTS,
    DEBUG_LOC,
    DEBUG_LOCLISTS,
    DEBUG_ADDR,
    DEBUG_STR_OFFSETS,
    DEBUG_CU_INDEX,
    DEBUG_TU_INDEX,
    SECTION_COUNT,
} SectionId;

/* ".debug_info" ...; a split part's names end in ".dwo", but for the two indices. */
extern const char *const SECTION_NAMES[SECTION_COUNT];

/* Of one object; what it lacks is empty. */
typedef struct {
    Bytes section[SECTION_COUNT];
} Sections;

/* What is read. The bytes are borrowed. */
typedef struct {
    Sections main;
    Sections alt;          /* the dwz file of .gnu_debugaltlink */
    const Sections *split; /* .dwo and .dwp files */
    size_t split_count;
    bool big;
    bool zero_is_used; /* code or data lies at address 0, so that 0 does not say "dropped by the linker" */
    struct Arrival *arrival; /* whose bytes .debug_info is while they arrive; NULL where it is there */
} DwarfInput;

typedef struct {
    uint16_t name; /* DW_AT; 0xffff for one that no one knows */
    uint16_t form; /* DW_FORM */
    uint32_t constant; /* of implicit_const: index into the table's constants */
} AttrSpec;

typedef struct {
    uint64_t code;
    uint32_t first_spec, spec_count;
    uint16_t tag;
    bool children;
} Abbrev;

typedef struct {
    VEC(Abbrev) abbrevs; /* in the order of their codes */
    VEC(AttrSpec) specs;
    VEC(int64_t) constants;
    size_t size;   /* bytes in the section */
    bool cut;      /* the table does not end where it should, or says what cannot be */
    bool crossing; /* a DIE of it may refer to another unit */
} AbbrevTable;

typedef enum { PART_MAIN, PART_ALT, PART_SPLIT } PartKind;
typedef enum { UNIT_NEW, UNIT_READY, UNIT_BAD } UnitState;

/* Why a unit cannot be read, or only in part. */
typedef enum {
    UNIT_OK,
    UNIT_CUT,     /* it claims more bytes than there are */
    UNIT_VERSION, /* of no known version or kind */
    UNIT_ABBREVS, /* its abbreviations are not where it says, or broken */
    UNIT_DIE,     /* its first DIE cannot be read */
} UnitFault;

struct Part;
struct Plans;
struct Scopes;

typedef struct Unit {
    struct Part *part;
    struct Unit *skeleton; /* of a split unit: its unit in the main file */
    struct Unit *split;    /* of a skeleton: the unit that it stands for */
    const AbbrevTable *abbrevs;
    uint64_t offset, end;   /* the header's place in its section, and the end of the unit */
    uint64_t first;         /* of its first DIE, in the section */
    uint64_t abbrev_offset; /* in .debug_abbrev */
    uint64_t signature;     /* of a type unit; dwo_id of a skeleton or split unit */
    uint64_t type_offset;   /* of a type unit: the type's DIE, in the section */
    uint64_t low;           /* base address */
    uint64_t stmt_list;     /* in .debug_line; NO_OFFSET for none */
    uint64_t str_offsets_base, addr_base, rnglists_base, loclists_base;
    uint64_t ranges_base; /* of a split unit of DWARF 4 */
    uint64_t line_base;   /* of a unit of a package file: its contribution to .debug_line */
    Bytes name, comp_dir, producer, dwo_name;
    _Atomic(struct Scopes *) scopes; /* for other units that refer here */
    uint32_t slot; /* of its abbreviations */
    uint32_t row;  /* in the output */
    uint32_t importer; /* of a partial unit: row + 1 of the unit whose language it takes */
    uint16_t version, language, tag;
    uint8_t address_size, offset_size, type; /* type: DW_UT */
    uint8_t state, fault;
    bool in_types; /* lies in .debug_types */
    bool has_low, has_dwo_id, has_children;
    bool left; /* walked, of a section that arrives: its bytes may be gone */
    uint64_t ranges; /* DW_AT_ranges as an offset into its section; NO_OFFSET for none */
    uint64_t high;   /* end of the one range from low; 0 for none */
} Unit;

#define NO_OFFSET UINT64_MAX

typedef VEC(Unit) Units;

typedef struct {
    uint64_t signature;
    Unit *unit;
} Signature;

/* One object: the file, its alternate file, or a split part. */
typedef struct Part {
    struct Dwarf *dwarf;
    Sections sections;
    PartKind kind;
    Units units[2];            /* of .debug_info and of .debug_types, in the order of their offsets */
    VEC(Signature) signatures; /* of type units, in order */
} Part;

typedef struct {
    Part *part;
    uint64_t offset;
    uint8_t version, address_size, offset_size;
    _Atomic(AbbrevTable *) table;
    _Atomic(struct Plans *) plans; /* of the walk */
    atomic_uint users;             /* units that are still to be walked */
} AbbrevSlot;

typedef struct Dwarf {
    Part *parts; /* main, alt, split parts */
    size_t part_count;
    AbbrevSlot *slots;
    size_t slot_count;
    bool big, zero_is_used;
    atomic_bool crossing; /* some unit that is ready may refer to another */
    atomic_size_t abbrevs_left; /* bytes of abbreviations that may still be read: tables that overlap end */
    struct Stream *stream; /* of the units while they arrive; NULL where they are there */
    bool units_cut; /* a unit header of the main file lies half outside its section */
} Dwarf;

/* An attribute's value as the file has it. */
typedef struct {
    uint16_t form;   /* behind DW_FORM_indirect; 0 for an attribute that is not there */
    uint64_t number; /* constant, offset, index, flag, reference; sign-extended where the form is signed */
    Bytes bytes;     /* of blocks, expressions, texts in place and data16 */
} Value;

typedef struct {
    Unit *unit;
    uint64_t offset; /* of the DIE in its section */
} DieRef;

/* A DIE under the cursor; `at` stands at its first attribute. */
typedef struct {
    const Abbrev *abbrev;
    uint64_t offset;
} Die;

/* False when memory is out. `dwarf` is then closed. */
bool dwarf_open(const DwarfInput *input, Dwarf *dwarf);
void dwarf_close(Dwarf *dwarf);

/* False when memory is out; a unit that cannot be read becomes UNIT_BAD, with its fault. */
bool unit_prepare(Unit *unit);
/* The unit that holds `offset`; NULL for none. */
Unit *unit_at(Part *part, bool in_types, uint64_t offset);
/* The type unit of a signature, in the part or in the main file. */
Unit *unit_of_signature(Part *part, uint64_t signature);
/* Ties skeletons to the split units of their dwo_id; prepares compile units. False when memory is out. */
bool dwarf_link_splits(Dwarf *dwarf);

static inline Bytes unit_section(const Unit *unit)
{
    return unit->part->sections.section[unit->in_types ? DEBUG_TYPES : DEBUG_INFO];
}

/* Over the unit's section, up to the unit's end; offsets are the section's. */
static inline Cursor unit_cursor(const Unit *unit, uint64_t offset)
{
    Cursor cursor = cursor_over(unit_section(unit), unit->part->dwarf->big);
    cursor_limit(&cursor, unit->end);
    cursor_seek(&cursor, offset);
    return cursor;
}

/* NULL when memory is out. */
AbbrevTable *abbrev_table_read(Bytes section, uint64_t offset, bool big);
void abbrev_table_free(AbbrevTable *table);
/* Whether some DIE of a section's tables, read one behind the other, may refer to another unit. */
bool abbrevs_cross(Bytes section);
const Abbrev *abbrev_search(const AbbrevTable *table, uint64_t code);

static inline const Abbrev *abbrev_find(const AbbrevTable *table, uint64_t code)
{
    /* Compilers number them from 1; 0 - 1 is beyond any count. */
    uint64_t index = code - 1;
    if (index < table->abbrevs.count && table->abbrevs.items[index].code == code)
        return &table->abbrevs.items[index];
    return abbrev_search(table, code);
}

static inline const AttrSpec *abbrev_specs(const Unit *unit, const Abbrev *abbrev)
{
    return unit->abbrevs->specs.items + abbrev->first_spec;
}

/* Reads a DIE's code. False at a null entry (abbrev NULL) and where nothing can be read (the cursor is bad). */
static inline bool die_read(const Unit *unit, Cursor *at, Die *die)
{
    die->offset = cursor_offset(at);
    uint64_t code = cursor_uleb(at);
    die->abbrev = code ? abbrev_find(unit->abbrevs, code) : NULL;
    if (code && !die->abbrev)
        at->bad = true;
    return die->abbrev != NULL && !at->bad;
}

/* Size in bytes of a form whose size is fixed; -1 where it varies, -2 for a form that no one knows. */
int form_size(uint16_t form, unsigned version, unsigned address_size, unsigned offset_size);
/* An unknown form makes the cursor bad. */
void attr_read(const Unit *unit, Cursor *at, AttrSpec spec, Value *value);
void attr_skip(const Unit *unit, Cursor *at, AttrSpec spec);
/* Passes over all attributes of a DIE, up to its first child or next sibling. */
void die_skip(const Unit *unit, Cursor *at, const Die *die);
/* One attribute of the DIE at `offset`; false where it is not. */
bool die_value(const Unit *unit, uint64_t offset, uint16_t name, Value *value);

/* Where a text that is no part of the DIE lies. */
bool value_text_place(const Unit *unit, const Value *value, const Part **part, SectionId *section,
                      uint64_t *offset);
bool value_string(const Unit *unit, const Value *value, Bytes *text);
bool value_address(const Unit *unit, const Value *value, uint64_t *address);
/* An entry of .debug_addr. */
bool unit_address(const Unit *unit, uint64_t index, uint64_t *address);
/* A constant of any form, block or address; false for other classes. */
bool value_unsigned(const Value *value, uint64_t *number);
bool value_signed(const Value *value, int64_t *number);
bool value_flag(const Value *value);
/* The DIE that is meant, in whichever unit and object; its unit is not prepared here. */
bool value_reference(Unit *unit, const Value *value, DieRef *die);
/* An offset into .debug_ranges or .debug_rnglists for range_list_read(), indexed forms followed. */
bool value_ranges(const Unit *unit, const Value *value, uint64_t *offset);
/* An expression; false for location lists. */
bool value_expression(const Value *value, Bytes *expression);

typedef struct {
    uint64_t low, high;
} Range;
typedef VEC(Range) Ranges;

/* Adds the list's ranges that are not empty; those of dropped code are left out. False when memory is out;
 * `whole` becomes false where the list lies outside its section or says what no one knows. */
bool ranges_read(const Unit *unit, uint64_t offset, Ranges *ranges, bool *whole);
/* The same, at most `most` of them; where there are more the list is not whole. */
bool ranges_read_most(const Unit *unit, uint64_t offset, uint64_t most, Ranges *ranges, bool *whole);
/* An address that stands for code that the linker dropped. */
bool address_dropped(const Unit *unit, uint64_t address);

#endif
