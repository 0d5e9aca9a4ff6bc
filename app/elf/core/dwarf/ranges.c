/* Range lists: .debug_ranges (DWARF 3, 4) and .debug_rnglists (DWARF 5), with their indexed forms.
 *
 * Every entry takes bytes, so that a list ends. Source: DWARF 4, section 2.17.3; DWARF 5, sections 2.17.3, 7.25.
 */
#include "dwarf.h"

static uint64_t highest_address(const Unit *unit)
{
    return unit->address_size >= 8 ? UINT64_MAX : (UINT64_C(1) << (8 * unit->address_size)) - 1;
}

bool address_dropped(const Unit *unit, uint64_t address)
{
    /* lld writes -1, and -2 where -1 has a meaning; GNU ld writes 0. */
    return address >= highest_address(unit) - 1 || (!address && !unit->part->dwarf->zero_is_used);
}

bool value_ranges(const Unit *unit, const Value *value, uint64_t *offset)
{
    const Part *part = unit->part;
    switch (value->form) {
    case DW_FORM_rnglistx: {
        Cursor at = cursor_over(part->sections.section[DEBUG_RNGLISTS], part->dwarf->big);
        cursor_seek(&at, unit->rnglists_base);
        if (value->number > UINT64_MAX / 8)
            return false;
        cursor_skip(&at, value->number * unit->offset_size);
        *offset = unit->rnglists_base + cursor_number(&at, unit->offset_size);
        return !at.bad;
    }
    case DW_FORM_data4:
    case DW_FORM_data8:
    case DW_FORM_sec_offset:
        /* A skeleton's base is for its split unit alone. */
        *offset = value->number + (unit->version < 5 && unit->skeleton ? unit->ranges_base : 0);
        return true;
    default:
        return false;
    }
}

static bool add_range(const Unit *unit, uint64_t low, uint64_t high, Ranges *ranges)
{
    if (low >= high || address_dropped(unit, low))
        return true;
    return vec_push(ranges, ((Range){low, high}));
}

static bool read_old(const Unit *unit, Cursor *at, size_t most, Ranges *ranges)
{
    uint64_t base = unit->low, marker = highest_address(unit);
    bool dropped = unit->has_low && address_dropped(unit, base) && base;
    while (!at->bad) {
        if (ranges->count >= most) {
            at->bad = true;
            return true;
        }
        uint64_t low = cursor_number(at, unit->address_size), high = cursor_number(at, unit->address_size);
        if (at->bad || (!low && !high))
            break;
        if (low == marker) {
            base = high;
            dropped = base && address_dropped(unit, base);
            continue;
        }
        /* lld writes 1 1 or -2 -2 over dropped pairs, which are empty. */
        if (!dropped && !add_range(unit, base + low, base + high, ranges))
            return false;
    }
    return true;
}

static bool read_new(const Unit *unit, Cursor *at, size_t most, Ranges *ranges)
{
    uint64_t base = unit->low, low = 0, high = 0;
    bool dropped = unit->has_low && address_dropped(unit, base) && base;
    for (;;) {
        uint8_t kind = cursor_u8(at);
        bool found = true, pair = true;
        switch (kind) {
        case DW_RLE_base_addressx:
            found = unit_address(unit, cursor_uleb(at), &base);
            dropped = base && address_dropped(unit, base);
            pair = false;
            break;
        case DW_RLE_base_address:
            base = cursor_number(at, unit->address_size);
            dropped = base && address_dropped(unit, base);
            pair = false;
            break;
        case DW_RLE_startx_endx:
            found = unit_address(unit, cursor_uleb(at), &low);
            found = unit_address(unit, cursor_uleb(at), &high) && found;
            break;
        case DW_RLE_startx_length:
            found = unit_address(unit, cursor_uleb(at), &low);
            high = low + cursor_uleb(at);
            break;
        case DW_RLE_offset_pair:
            low = base + cursor_uleb(at);
            high = base + cursor_uleb(at);
            pair = !dropped;
            break;
        case DW_RLE_start_end:
            low = cursor_number(at, unit->address_size);
            high = cursor_number(at, unit->address_size);
            break;
        case DW_RLE_start_length:
            low = cursor_number(at, unit->address_size);
            high = low + cursor_uleb(at);
            break;
        case DW_RLE_end_of_list:
            return true;
        default:
            at->bad = true;
        }
        if (!found || ranges->count >= most)
            at->bad = true;
        if (at->bad)
            return true;
        if (pair && !add_range(unit, low, high, ranges))
            return false;
    }
}

bool ranges_read(const Unit *unit, uint64_t offset, Ranges *ranges, bool *whole)
{
    return ranges_read_most(unit, offset, SIZE_MAX, ranges, whole);
}

bool ranges_read_most(const Unit *unit, uint64_t offset, uint64_t most, Ranges *ranges, bool *whole)
{
    size_t end = most < SIZE_MAX - ranges->count ? ranges->count + (size_t)most : SIZE_MAX;
    /* A DWARF 4 split unit's lists lie in the main file, a DWARF 5 one's beside it. */
    const Part *part = unit->version < 5 ? &unit->part->dwarf->parts[0] : unit->part;
    Cursor at =
        cursor_over(part->sections.section[unit->version < 5 ? DEBUG_RANGES : DEBUG_RNGLISTS], part->dwarf->big);
    cursor_seek(&at, offset);
    bool memory = unit->version < 5 ? read_old(unit, &at, end, ranges) : read_new(unit, &at, end, ranges);
    if (at.bad)
        *whole = false;
    return memory;
}
