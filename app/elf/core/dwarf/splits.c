/* Package files, and skeletons tied to their split units. Sources: DWARF 5, section 7.3.5; GNU's fission. */
#include "splits.h"

void place_contributions(Part *part, SectionId index, bool tu)
{
    Cursor at = cursor_over(part->sections.section[index], part->dwarf->big);
    uint32_t version = cursor_u32(&at);
    if (version != 2) {
        /* Version 5 has two bytes of it and two of padding. */
        cursor_seek(&at, 0);
        version = cursor_u16(&at);
        cursor_skip(&at, 2);
    }
    uint32_t columns = cursor_u32(&at), count = cursor_u32(&at), slots = cursor_u32(&at);
    if (at.bad || (version != 2 && version != 5))
        return;
    cursor_skip(&at, (uint64_t)slots * 12);
    uint32_t kinds[DW_SECT_COUNT * 2];
    /* Without columns a row has no bytes, and any number of them would lie in the section. */
    if (!columns || columns > DW_SECT_COUNT * 2)
        return;
    for (uint32_t i = 0; i < columns; i++)
        kinds[i] = cursor_u32(&at);
    for (uint32_t row = 0; row < count && !at.bad; row++) {
        uint64_t offset[DW_SECT_COUNT] = {0};
        for (uint32_t i = 0; i < columns; i++) {
            uint32_t value = cursor_u32(&at);
            if (kinds[i] < DW_SECT_COUNT)
                offset[kinds[i]] = value;
        }
        if (at.bad)
            return;
        bool in_types = tu && version == 2;
        Unit *unit = unit_at(part, in_types, offset[in_types ? DW_SECT_TYPES : DW_SECT_INFO]);
        if (!unit)
            continue;
        unit->abbrev_offset += offset[DW_SECT_ABBREV];
        unit->str_offsets_base = offset[DW_SECT_STR_OFFSETS];
        unit->rnglists_base = offset[DW_SECT_RNGLISTS];
        unit->loclists_base = offset[DW_SECT_LOCLISTS];
        unit->line_base = offset[DW_SECT_LINE];
    }
}

bool dwarf_link_splits(Dwarf *dwarf)
{
    VEC(Signature) found = {0};
    bool memory = true;
    for (size_t p = 2; memory && p < dwarf->part_count; p++) {
        Units *units = &dwarf->parts[p].units[0];
        for (size_t i = 0; memory && i < units->count; i++) {
            Unit *unit = &units->items[i];
            if (unit->type != DW_UT_split_compile && unit->type != DW_UT_compile)
                continue;
            if (unit->version < 5) {
                /* Its id stands in its first DIE, which is read again once the skeleton is known. */
                memory = unit_prepare(unit);
                if (unit->state == UNIT_READY)
                    unit->state = UNIT_NEW;
            }
            if (memory && unit->has_dwo_id && unit->state != UNIT_BAD)
                memory = vec_push(&found, ((Signature){unit->signature, unit}));
        }
    }
    if (found.count)
        qsort(found.items, found.count, sizeof *found.items, signature_order);
    Units *units = &dwarf->parts[0].units[0];
    for (size_t i = 0; memory && found.count && i < units->count; i++) {
        Unit *unit = &units->items[i];
        if (unit->type != DW_UT_skeleton && unit->type != DW_UT_compile)
            continue;
        memory = unit_prepare(unit);
        if (!unit->has_dwo_id || unit->state != UNIT_READY)
            continue;
        size_t low = 0, high = found.count;
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (found.items[middle].signature < unit->signature)
                low = middle + 1;
            else
                high = middle;
        }
        if (low < found.count && found.items[low].signature == unit->signature
            && !found.items[low].unit->skeleton) {
            unit->split = found.items[low].unit;
            unit->split->skeleton = unit;
            memory = unit_prepare(unit->split);
        }
    }
    vec_free(&found);
    return memory;
}
