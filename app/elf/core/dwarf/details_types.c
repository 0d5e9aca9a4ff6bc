/* Names to the DIEs of the types that have them: one pass over all units, which passes over what is in functions.
 *
 * Every unit is read to its end or to its first fault. Source: DWARF 5, sections 5.3 to 5.7.
 */
#include "dies.h"

typedef struct {
    const Bytes *names;
    size_t name_count, most;
    bool everywhere;
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
                search->types->found.count < search->most &&
                !vec_push(&search->types->found, ((FoundType){die_key(unit, die->offset), (uint32_t)i})))
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
        uint16_t tag = die.abbrev->tag;
        if (is_type(tag) && !(memory = compare(search, unit, at, &die)))
            break;
        if (tag == DW_TAG_subprogram && die.abbrev->children && !search->everywhere &&
            skips.sibling[die.abbrev - unit->abbrevs->abbrevs.items]) {
            uint64_t next = die_sibling(unit, &die, at);
            if (next) {
                cursor_seek(&at, next);
                continue;
            }
        }
        skip_die(unit, &skips, &at, &die);
        level += die.abbrev->children;
    } while (level && !at.bad);
    skips_free(&skips);
    return memory;
}

void types_find(Dwarf *dwarf, const Bytes *names, size_t name_count, bool everywhere, size_t most,
                FoundTypes *types)
{
    *types = (FoundTypes){0};
    Search search = {names, name_count, most, everywhere, types};
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
