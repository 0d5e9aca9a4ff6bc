/* Unit headers of all objects, what their first DIEs say, and which unit an offset or a signature means.
 *
 * Sources: DWARF 5, sections 3.1 and 7.5.1; DWARF 4, 7.5.1.
 */
#include "splits.h"
#include "units.h"

const char *const SECTION_NAMES[SECTION_COUNT] = {
    ".debug_info",     ".debug_types", ".debug_abbrev",   ".debug_str",  ".debug_line_str",
    ".debug_line",     ".debug_ranges", ".debug_rnglists", ".debug_loc",  ".debug_loclists",
    ".debug_addr",     ".debug_str_offsets", ".debug_cu_index", ".debug_tu_index",
};

bool unit_header(Part *part, bool in_types, Cursor *at, Unit *unit, bool *cut)
{
    *unit = (Unit){.part = part, .in_types = in_types, .stmt_list = NO_OFFSET, .ranges = NO_OFFSET};
    unit->offset = cursor_offset(at);
    uint64_t length = cursor_u32(at);
    unit->offset_size = 4;
    if (length == 0xffffffff) {
        length = cursor_u64(at);
        unit->offset_size = 8;
    } else if (length >= 0xfffffff0) {
        at->bad = true;
    }
    if (at->bad) {
        *cut = true;
        return false;
    }
    if (length > cursor_left(at)) {
        unit->fault = UNIT_CUT;
        length = cursor_left(at);
    }
    unit->end = cursor_offset(at) + length;
    Cursor header = *at;
    cursor_skip(at, length);
    cursor_limit(&header, unit->end);
    unit->version = cursor_u16(&header);
    unit->type = unit->in_types ? DW_UT_type : DW_UT_compile;
    if (unit->version == 5) {
        unit->type = cursor_u8(&header);
        unit->address_size = cursor_u8(&header);
        unit->abbrev_offset = cursor_number(&header, unit->offset_size);
    } else {
        unit->abbrev_offset = cursor_number(&header, unit->offset_size);
        unit->address_size = cursor_u8(&header);
    }
    if (unit->type == DW_UT_skeleton || unit->type == DW_UT_split_compile) {
        unit->signature = cursor_u64(&header);
        unit->has_dwo_id = true;
    } else if (unit->type == DW_UT_type || unit->type == DW_UT_split_type) {
        unit->signature = cursor_u64(&header);
        uint64_t inside = cursor_number(&header, unit->offset_size);
        if (inside < unit->end - unit->offset)
            unit->type_offset = unit->offset + inside;
    }
    unit->first = cursor_offset(&header);
    bool sizes = unit->address_size == 1 || unit->address_size == 2 || unit->address_size == 4
                 || unit->address_size == 8;
    if (header.bad || unit->version < 2 || unit->version > 5 || unit->type < DW_UT_compile
        || unit->type > DW_UT_split_type || !sizes) {
        unit->state = UNIT_BAD;
        if (unit->fault == UNIT_OK)
            unit->fault = UNIT_VERSION;
    }
    return true;
}

static bool read_headers(Part *part, bool in_types, bool *cut)
{
    Units *units = &part->units[in_types];
    Cursor at = cursor_over(part->sections.section[in_types ? DEBUG_TYPES : DEBUG_INFO], part->dwarf->big);
    while (cursor_left(&at)) {
        Unit unit;
        if (!unit_header(part, in_types, &at, &unit, cut))
            break;
        if (!vec_push(units, unit))
            return false;
    }
    return true;
}

int signature_order(const void *left, const void *right)
{
    const Signature *a = left, *b = right;
    if (a->signature != b->signature)
        return a->signature < b->signature ? -1 : 1;
    if (a->unit->in_types != b->unit->in_types)
        return a->unit->in_types ? 1 : -1;
    return a->unit->offset < b->unit->offset ? -1 : a->unit->offset > b->unit->offset;
}

bool units_end(Part *part)
{
    for (int in_types = 0; in_types < 2; in_types++) {
        for (size_t i = 0; i < part->units[in_types].count; i++) {
            Unit *unit = &part->units[in_types].items[i];
            if ((unit->type == DW_UT_type || unit->type == DW_UT_split_type) && unit->state != UNIT_BAD
                && !vec_push(&part->signatures, ((Signature){unit->signature, unit})))
                return false;
        }
    }
    if (part->signatures.count)
        qsort(part->signatures.items, part->signatures.count, sizeof *part->signatures.items, signature_order);
    return true;
}

void unit_bases(Unit *unit)
{
    if (unit->version < 5)
        return;
    unit->str_offsets_base += unit->offset_size == 8 ? 16 : 8;
    unit->addr_base += unit->offset_size == 8 ? 16 : 8;
    unit->rnglists_base += unit->offset_size == 8 ? 20 : 12;
    unit->loclists_base += unit->offset_size == 8 ? 20 : 12;
}

void slot_open(AbbrevSlot *slot, const Unit *unit)
{
    slot->part = unit->part;
    slot->offset = unit->abbrev_offset;
    slot->version = (uint8_t)unit->version;
    slot->address_size = unit->address_size;
    slot->offset_size = unit->offset_size;
}

static int by_table(const void *left, const void *right)
{
    const Unit *a = *(Unit *const *)left, *b = *(Unit *const *)right;
    if (a->part != b->part)
        return a->part < b->part ? -1 : 1;
    if (a->abbrev_offset != b->abbrev_offset)
        return a->abbrev_offset < b->abbrev_offset ? -1 : 1;
    unsigned x = (unsigned)a->version << 16 | (unsigned)a->address_size << 8 | a->offset_size;
    unsigned y = (unsigned)b->version << 16 | (unsigned)b->address_size << 8 | b->offset_size;
    return x < y ? -1 : x > y;
}

/* Units of one table and one set of sizes share a slot. */
static bool make_slots(Dwarf *dwarf)
{
    VEC(Unit *) all = {0};
    for (size_t p = 0; p < dwarf->part_count; p++) {
        for (int in_types = 0; in_types < 2; in_types++) {
            Units *units = &dwarf->parts[p].units[in_types];
            for (size_t i = 0; i < units->count; i++) {
                if (!vec_push(&all, &units->items[i])) {
                    vec_free(&all);
                    return false;
                }
            }
        }
    }
    if (all.count)
        qsort(all.items, all.count, sizeof *all.items, by_table);
    dwarf->slots = calloc(all.count + 1, sizeof *dwarf->slots);
    bool made = dwarf->slots != NULL && all.count < UINT32_MAX;
    for (size_t i = 0; made && i < all.count; i++) {
        Unit *unit = all.items[i];
        if (i && !by_table(&all.items[i - 1], &all.items[i])) {
            unit->slot = all.items[i - 1]->slot;
            continue;
        }
        unit->slot = (uint32_t)dwarf->slot_count;
        slot_open(&dwarf->slots[dwarf->slot_count++], unit);
    }
    vec_free(&all);
    return made;
}

bool dwarf_open(const DwarfInput *input, Dwarf *dwarf)
{
    *dwarf = (Dwarf){.big = input->big, .zero_is_used = input->zero_is_used};
    dwarf->part_count = 2 + input->split_count;
    dwarf->parts = calloc(dwarf->part_count, sizeof *dwarf->parts);
    if (!dwarf->parts)
        goto memory;
    bool cut_elsewhere = false;
    for (size_t i = 0; i < dwarf->part_count; i++) {
        Part *part = &dwarf->parts[i];
        part->dwarf = dwarf;
        part->kind = i == 0 ? PART_MAIN : i == 1 ? PART_ALT : PART_SPLIT;
        part->sections = i == 0 ? input->main : i == 1 ? input->alt : input->split[i - 2];
        bool *cut = i ? &cut_elsewhere : &dwarf->units_cut;
        atomic_fetch_add(&dwarf->abbrevs_left, 8 * part->sections.section[DEBUG_ABBREV].size);
        if (!read_headers(part, false, cut) || !read_headers(part, true, cut) || !units_end(part))
            goto memory;
        place_contributions(part, DEBUG_CU_INDEX, false);
        place_contributions(part, DEBUG_TU_INDEX, true);
        for (int in_types = 0; in_types < 2; in_types++)
            for (size_t u = 0; u < part->units[in_types].count; u++)
                unit_bases(&part->units[in_types].items[u]);
    }
    if (!make_slots(dwarf))
        goto memory;
    return true;
memory:
    dwarf_close(dwarf);
    return false;
}

void dwarf_close(Dwarf *dwarf)
{
    for (size_t i = 0; i < dwarf->slot_count; i++)
        abbrev_table_free(dwarf->slots[i].table);
    free(dwarf->slots);
    for (size_t i = 0; dwarf->parts && i < dwarf->part_count; i++) {
        vec_free(&dwarf->parts[i].units[0]);
        vec_free(&dwarf->parts[i].units[1]);
        vec_free(&dwarf->parts[i].signatures);
    }
    free(dwarf->parts);
    *dwarf = (Dwarf){0};
}

Unit *unit_at(Part *part, bool in_types, uint64_t offset)
{
    Units *units = &part->units[in_types];
    size_t low = 0, high = units->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (units->items[middle].end <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low < units->count && units->items[low].offset <= offset ? &units->items[low] : NULL;
}

static Unit *signature_in(const Part *part, uint64_t signature)
{
    size_t low = 0, high = part->signatures.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (part->signatures.items[middle].signature < signature)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < part->signatures.count && part->signatures.items[low].signature == signature;
    return found ? part->signatures.items[low].unit : NULL;
}

Unit *unit_of_signature(Part *part, uint64_t signature)
{
    Unit *unit = signature_in(part, signature);
    if (unit || part->kind == PART_MAIN)
        return unit;
    for (size_t i = 0; i < part->dwarf->part_count; i++) {
        if (&part->dwarf->parts[i] != part && (unit = signature_in(&part->dwarf->parts[i], signature)))
            return unit;
    }
    return NULL;
}

/* The unit's table, read by the first who needs it; false when memory is out. */
static bool share_table(Unit *unit)
{
    AbbrevSlot *slot = &unit->part->dwarf->slots[unit->slot];
    AbbrevTable *table = atomic_load(&slot->table);
    if (!table) {
        /* Every table is read once for each set of sizes, so that they take a few times their section. */
        Bytes section = unit->part->sections.section[DEBUG_ABBREV];
        atomic_size_t *left = &unit->part->dwarf->abbrevs_left;
        bool more = atomic_load(left) > 0;
        AbbrevTable *read =
            abbrev_table_read(more ? section : (Bytes){NULL, 0}, more ? slot->offset : 0, unit->part->dwarf->big);
        if (!read)
            return false;
        size_t before = atomic_load(left);
        while (!atomic_compare_exchange_weak(left, &before, before > read->size ? before - read->size : 0))
            continue;
        if (atomic_compare_exchange_strong(&slot->table, &table, read))
            table = read;
        else
            abbrev_table_free(read);
    }
    unit->abbrevs = table;
    if (table->crossing)
        atomic_store(&unit->part->dwarf->crossing, true);
    return true;
}

/* Sets what other values of the same DIE are read by. */
static void take_base(Unit *unit, uint16_t name, const Value *value)
{
    switch (name) {
    case DW_AT_str_offsets_base:
        unit->str_offsets_base = value->number;
        break;
    case DW_AT_addr_base:
    case DW_AT_GNU_addr_base:
        unit->addr_base = value->number;
        break;
    case DW_AT_rnglists_base:
        unit->rnglists_base = value->number;
        break;
    case DW_AT_loclists_base:
        unit->loclists_base = value->number;
        break;
    case DW_AT_GNU_ranges_base:
        unit->ranges_base = value->number;
        break;
    }
}

static void take_fact(Unit *unit, uint16_t name, const Value *value, Value *high, Value *ranges)
{
    switch (name) {
    case DW_AT_name:
        value_string(unit, value, &unit->name);
        break;
    case DW_AT_comp_dir:
        value_string(unit, value, &unit->comp_dir);
        break;
    case DW_AT_producer:
        value_string(unit, value, &unit->producer);
        break;
    case DW_AT_dwo_name:
    case DW_AT_GNU_dwo_name:
        value_string(unit, value, &unit->dwo_name);
        break;
    case DW_AT_GNU_dwo_id:
        if (value_unsigned(value, &unit->signature))
            unit->has_dwo_id = true;
        break;
    case DW_AT_language:
        unit->language = (uint16_t)value->number;
        break;
    case DW_AT_stmt_list:
        unit->stmt_list = unit->line_base + value->number;
        break;
    case DW_AT_low_pc:
        unit->has_low = value_address(unit, value, &unit->low);
        break;
    case DW_AT_high_pc:
        *high = *value;
        break;
    case DW_AT_ranges:
        *ranges = *value;
        break;
    }
}

static bool first_die(Unit *unit, bool bases, Value *high, Value *ranges)
{
    Cursor at = unit_cursor(unit, unit->first);
    Die die;
    if (!die_read(unit, &at, &die))
        return false;
    unit->tag = die.abbrev->tag;
    unit->has_children = die.abbrev->children;
    const AttrSpec *spec = abbrev_specs(unit, die.abbrev);
    for (uint32_t left = die.abbrev->spec_count; left && !at.bad; left--, spec++) {
        Value value;
        attr_read(unit, &at, *spec, &value);
        if (bases)
            take_base(unit, spec->name, &value);
        else
            take_fact(unit, spec->name, &value, high, ranges);
    }
    return !at.bad;
}

/* What a split unit leaves to its skeleton. */
static void take_skeleton(Unit *unit)
{
    const Unit *skeleton = unit->skeleton;
    unit->addr_base = skeleton->addr_base;
    unit->ranges_base = skeleton->ranges_base;
    unit->low = skeleton->low;
    unit->has_low = skeleton->has_low;
    unit->comp_dir = skeleton->comp_dir;
}

bool unit_prepare(Unit *unit)
{
    if (unit->state != UNIT_NEW)
        return true;
    if (!share_table(unit))
        return false;
    if (unit->skeleton)
        take_skeleton(unit);
    Value high = {0}, ranges = {0};
    if (!first_die(unit, true, &high, &ranges) || !first_die(unit, false, &high, &ranges)) {
        unit->state = UNIT_BAD;
        if (unit->fault == UNIT_OK)
            unit->fault = unit->abbrevs->abbrevs.count ? UNIT_DIE : UNIT_ABBREVS;
        return true;
    }
    if (!value_ranges(unit, &ranges, &unit->ranges))
        unit->ranges = NO_OFFSET;
    if (unit->has_low && !value_address(unit, &high, &unit->high) && value_unsigned(&high, &unit->high))
        unit->high += unit->low;
    unit->state = UNIT_READY;
    return true;
}
