/* Names to the DIEs of the types that have them, each different definition once: one pass over all units.
 *
 * Every unit is read to its end or to its first fault. Source: DWARF 5, sections 5.3 to 5.7.
 */
#include "dies.h"

typedef struct {
    const Bytes *names;
    size_t name_count, most;
    FoundTypes *types;
} Search;

static bool is_type(uint16_t tag)
{
    switch (tag) {
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
    case DW_TAG_union_type:
    case DW_TAG_enumeration_type:
    case DW_TAG_typedef:
    case DW_TAG_interface_type:
    case DW_TAG_base_type:
        return true;
    default:
        return false;
    }
}

static uint64_t mix(uint64_t sum, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
    return sum;
}

/* Adds what makes a definition differ from another: names, sizes, places and values of the type and its members. */
static uint64_t mix_die(uint64_t sum, Unit *unit, Cursor *at, const Die *die, bool *declared)
{
    sum = mix(sum, &die->abbrev->tag, sizeof die->abbrev->tag);
    const AttrSpec *spec = abbrev_specs(unit, die->abbrev);
    for (uint32_t left = die->abbrev->spec_count; left && !at->bad; left--, spec++) {
        Value value;
        Bytes text;
        attr_read(unit, at, *spec, &value);
        switch (spec->name) {
        case DW_AT_name:
            if (value_string(unit, &value, &text))
                sum = mix(sum, text.data, text.size);
            break;
        case DW_AT_declaration:
            *declared |= value_flag(&value);
            break;
        case DW_AT_byte_size:
        case DW_AT_bit_size:
        case DW_AT_data_member_location:
        case DW_AT_data_bit_offset:
        case DW_AT_const_value:
        case DW_AT_upper_bound:
        case DW_AT_count:
            sum = mix(sum, &value.number, sizeof value.number);
            sum = mix(sum, value.bytes.data, value.bytes.size);
        }
    }
    return sum;
}

/* The same for equal definitions, in whichever unit. */
static uint64_t definition_sum(Unit *unit, Cursor at, bool *declared)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    size_t level = 0;
    do {
        Die die;
        if (!die_read(unit, &at, &die)) {
            if (at.bad || level == 0)
                break;
            level--;
            continue;
        }
        bool inner = false;
        sum = mix_die(sum, unit, &at, &die, level ? &inner : declared);
        level += die.abbrev->children;
    } while (level && !at.bad);
    return sum;
}

/* Keeps a type that is not there yet; of those only declared, the first. False when memory is out. */
static bool keep(const Search *search, Unit *unit, const Die *die, uint32_t name)
{
    FoundTypes *types = search->types;
    FoundType type = {.key = die_key(unit, die->offset), .name = name};
    type.sum = definition_sum(unit, unit_cursor(unit, die->offset), &type.declared);
    for (size_t i = 0; i < types->found.count; i++) {
        const FoundType *other = &types->found.items[i];
        if (other->name == name && other->declared == type.declared && (type.declared || other->sum == type.sum))
            return true;
    }
    return types->found.count >= search->most || vec_push(&types->found, type);
}

/* False when memory is out. */
static bool compare(const Search *search, Unit *unit, Cursor at, const Die *die)
{
    const AttrSpec *spec = abbrev_specs(unit, die->abbrev);
    for (uint32_t left = die->abbrev->spec_count; left && !at.bad; left--, spec++) {
        if (spec->name != DW_AT_name) {
            attr_skip(unit, &at, *spec);
            continue;
        }
        Value value;
        Bytes name;
        attr_read(unit, &at, *spec, &value);
        if (!value_string(unit, &value, &name))
            return true;
        for (size_t i = 0; i < search->name_count; i++) {
            Bytes wanted = search->names[i];
            if (wanted.size == name.size && !memcmp(wanted.data, name.data, name.size) &&
                !keep(search, unit, die, (uint32_t)i))
                return false;
        }
        return true;
    }
    return true;
}

static bool search_unit(const Search *search, Unit *unit)
{
    Skips skips;
    if (!skips_make(unit, &skips))
        return false;
    Cursor at = unit_cursor(unit, unit->first);
    size_t level = 0;
    bool memory = true;
    do {
        Die die;
        if (!die_read(unit, &at, &die)) {
            if (at.bad || level == 0)
                break;
            level--;
            continue;
        }
        if (is_type(die.abbrev->tag) && !(memory = compare(search, unit, at, &die)))
            break;
        skip_die(unit, &skips, &at, &die);
        level += die.abbrev->children;
    } while (level && !at.bad);
    skips_free(&skips);
    return memory;
}

void types_find(Dwarf *dwarf, const Bytes *names, size_t name_count, size_t most, FoundTypes *types)
{
    *types = (FoundTypes){0};
    Search search = {names, name_count, most, types};
    for (size_t part = 0; part < dwarf->part_count; part++)
        for (int kind = 0; kind < 2; kind++) {
            Units *units = &dwarf->parts[part].units[kind];
            for (size_t i = 0; i < units->count; i++) {
                Unit *unit = &units->items[i];
                if (!unit_prepare(unit)) {
                    types->memory = true;
                    return;
                }
                if (unit->state == UNIT_READY && !search_unit(&search, unit)) {
                    types->memory = true;
                    return;
                }
            }
        }
}
