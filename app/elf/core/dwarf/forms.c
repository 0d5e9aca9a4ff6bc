/* Attribute values: reading, skipping, and following them to texts, addresses, numbers and DIEs.
 *
 * Source: DWARF 5, sections 7.5.4 to 7.5.6, and 7.3.2 for what a split unit takes from its skeleton.
 */
#include "stream.h"

int form_size(uint16_t form, unsigned version, unsigned address_size, unsigned offset_size)
{
    switch (form) {
    case DW_FORM_flag_present:
    case DW_FORM_implicit_const:
        return 0;
    case DW_FORM_data1:
    case DW_FORM_ref1:
    case DW_FORM_flag:
    case DW_FORM_strx1:
    case DW_FORM_addrx1:
        return 1;
    case DW_FORM_data2:
    case DW_FORM_ref2:
    case DW_FORM_strx2:
    case DW_FORM_addrx2:
        return 2;
    case DW_FORM_strx3:
    case DW_FORM_addrx3:
        return 3;
    case DW_FORM_data4:
    case DW_FORM_ref4:
    case DW_FORM_ref_sup4:
    case DW_FORM_strx4:
    case DW_FORM_addrx4:
        return 4;
    case DW_FORM_data8:
    case DW_FORM_ref8:
    case DW_FORM_ref_sig8:
    case DW_FORM_ref_sup8:
        return 8;
    case DW_FORM_data16:
        return 16;
    case DW_FORM_addr:
        return (int)address_size;
    case DW_FORM_ref_addr:
        /* DWARF 2 made it an address. */
        return (int)(version == 2 ? address_size : offset_size);
    case DW_FORM_strp:
    case DW_FORM_line_strp:
    case DW_FORM_strp_sup:
    case DW_FORM_sec_offset:
    case DW_FORM_GNU_ref_alt:
    case DW_FORM_GNU_strp_alt:
        return (int)offset_size;
    case DW_FORM_block:
    case DW_FORM_block1:
    case DW_FORM_block2:
    case DW_FORM_block4:
    case DW_FORM_exprloc:
    case DW_FORM_string:
    case DW_FORM_sdata:
    case DW_FORM_udata:
    case DW_FORM_ref_udata:
    case DW_FORM_strx:
    case DW_FORM_addrx:
    case DW_FORM_loclistx:
    case DW_FORM_rnglistx:
    case DW_FORM_GNU_addr_index:
    case DW_FORM_GNU_str_index:
    case DW_FORM_indirect:
        return -1;
    default:
        return -2;
    }
}

static void read_form(const Unit *unit, Cursor *at, uint16_t form, Value *value)
{
    value->form = form;
    value->number = 0;
    value->bytes = (Bytes){NULL, 0};
    switch (form) {
    case DW_FORM_flag_present:
        value->number = 1;
        return;
    case DW_FORM_data16:
        value->bytes = cursor_bytes(at, 16);
        return;
    case DW_FORM_block:
    case DW_FORM_exprloc:
        value->bytes = cursor_bytes(at, cursor_uleb(at));
        return;
    case DW_FORM_block1:
        value->bytes = cursor_bytes(at, cursor_u8(at));
        return;
    case DW_FORM_block2:
        value->bytes = cursor_bytes(at, cursor_u16(at));
        return;
    case DW_FORM_block4:
        value->bytes = cursor_bytes(at, cursor_u32(at));
        return;
    case DW_FORM_string:
        value->bytes = cursor_text(at);
        return;
    case DW_FORM_sdata:
        value->number = (uint64_t)cursor_sleb(at);
        return;
    case DW_FORM_udata:
    case DW_FORM_ref_udata:
    case DW_FORM_strx:
    case DW_FORM_addrx:
    case DW_FORM_loclistx:
    case DW_FORM_rnglistx:
    case DW_FORM_GNU_addr_index:
    case DW_FORM_GNU_str_index:
        value->number = cursor_uleb(at);
        return;
    default: {
        int size = form_size(form, unit->version, unit->address_size, unit->offset_size);
        if (size > 0) {
            value->number = cursor_number(at, (unsigned)size);
            return;
        }
        value->form = 0;
        at->bad = true;
        at->at = at->end;
    }
    }
}

void attr_read(const Unit *unit, Cursor *at, AttrSpec spec, Value *value)
{
    uint16_t form = spec.form;
    if (form == DW_FORM_implicit_const) {
        *value = (Value){form, (uint64_t)unit->abbrevs->constants.items[spec.constant], {NULL, 0}};
        return;
    }
    /* Each step of a chain of indirect forms takes a byte. */
    while (form == DW_FORM_indirect) {
        uint64_t next = cursor_uleb(at);
        form = next > 0xffff ? 0xffff : (uint16_t)next;
        if (form == DW_FORM_implicit_const) {
            *value = (Value){DW_FORM_sdata, (uint64_t)cursor_sleb(at), {NULL, 0}};
            return;
        }
    }
    read_form(unit, at, form, value);
}

void attr_skip(const Unit *unit, Cursor *at, AttrSpec spec)
{
    int size = form_size(spec.form, unit->version, unit->address_size, unit->offset_size);
    if (size >= 0) {
        cursor_skip(at, (uint64_t)size);
        return;
    }
    Value value;
    attr_read(unit, at, spec, &value);
}

void die_skip(const Unit *unit, Cursor *at, const Die *die)
{
    const AttrSpec *spec = abbrev_specs(unit, die->abbrev);
    for (uint32_t left = die->abbrev->spec_count; left && !at->bad; left--)
        attr_skip(unit, at, *spec++);
}

bool die_value(const Unit *unit, uint64_t offset, uint16_t name, Value *value)
{
    Cursor at = unit_cursor(unit, offset);
    Die die;
    if (!die_read(unit, &at, &die))
        return false;
    const AttrSpec *spec = abbrev_specs(unit, die.abbrev);
    for (uint32_t left = die.abbrev->spec_count; left && !at.bad; left--, spec++) {
        if (spec->name == name) {
            attr_read(unit, &at, *spec, value);
            return !at.bad;
        }
        attr_skip(unit, &at, *spec);
    }
    return false;
}

static bool text_at(Bytes section, uint64_t offset, bool big, Bytes *text)
{
    Cursor at = cursor_over(section, big);
    cursor_seek(&at, offset);
    *text = cursor_text(&at);
    return !at.bad;
}

static bool indexed_offset(const Unit *unit, uint64_t index, uint64_t *offset)
{
    const Part *part = unit->part;
    Cursor at = cursor_over(part->sections.section[DEBUG_STR_OFFSETS], part->dwarf->big);
    cursor_seek(&at, unit->str_offsets_base);
    if (index > UINT64_MAX / 8)
        return false;
    cursor_skip(&at, index * unit->offset_size);
    *offset = cursor_number(&at, unit->offset_size);
    return !at.bad;
}

bool value_text_place(const Unit *unit, const Value *value, const Part **part, SectionId *section,
                      uint64_t *offset)
{
    *part = unit->part;
    *section = DEBUG_STR;
    *offset = value->number;
    switch (value->form) {
    case DW_FORM_strp:
        return true;
    case DW_FORM_line_strp:
        *section = DEBUG_LINE_STR;
        return true;
    case DW_FORM_strp_sup:
    case DW_FORM_GNU_strp_alt:
        *part = &unit->part->dwarf->parts[1];
        return true;
    case DW_FORM_strx:
    case DW_FORM_strx1:
    case DW_FORM_strx2:
    case DW_FORM_strx3:
    case DW_FORM_strx4:
    case DW_FORM_GNU_str_index:
        return indexed_offset(unit, value->number, offset);
    default:
        return false;
    }
}

bool value_string(const Unit *unit, const Value *value, Bytes *text)
{
    const Part *part;
    SectionId section;
    uint64_t offset;
    if (value->form == DW_FORM_string) {
        *text = value->bytes;
        return true;
    }
    return value_text_place(unit, value, &part, &section, &offset)
           && text_at(part->sections.section[section], offset, part->dwarf->big, text);
}

bool unit_address(const Unit *unit, uint64_t index, uint64_t *address)
{
    /* A split unit's addresses lie in the main file. */
    const Part *main = &unit->part->dwarf->parts[0];
    Cursor at = cursor_over(main->sections.section[DEBUG_ADDR], main->dwarf->big);
    cursor_seek(&at, unit->addr_base);
    if (index > UINT64_MAX / 8)
        return false;
    cursor_skip(&at, index * unit->address_size);
    *address = cursor_number(&at, unit->address_size);
    return !at.bad;
}

bool value_address(const Unit *unit, const Value *value, uint64_t *address)
{
    switch (value->form) {
    case DW_FORM_addr:
        *address = value->number;
        return true;
    case DW_FORM_addrx:
    case DW_FORM_addrx1:
    case DW_FORM_addrx2:
    case DW_FORM_addrx3:
    case DW_FORM_addrx4:
    case DW_FORM_GNU_addr_index:
        return unit_address(unit, value->number, address);
    default:
        return false;
    }
}

bool value_unsigned(const Value *value, uint64_t *number)
{
    switch (value->form) {
    case DW_FORM_data1:
    case DW_FORM_data2:
    case DW_FORM_data4:
    case DW_FORM_data8:
    case DW_FORM_udata:
    case DW_FORM_sdata:
    case DW_FORM_implicit_const:
    case DW_FORM_sec_offset:
        *number = value->number;
        return true;
    default:
        return false;
    }
}

bool value_signed(const Value *value, int64_t *number)
{
    uint64_t raw;
    if (!value_unsigned(value, &raw))
        return false;
    switch (value->form) {
    case DW_FORM_data1:
        *number = (int8_t)raw;
        return true;
    case DW_FORM_data2:
        *number = (int16_t)raw;
        return true;
    case DW_FORM_data4:
        *number = (int32_t)raw;
        return true;
    default:
        *number = (int64_t)raw;
        return true;
    }
}

bool value_flag(const Value *value)
{
    return value->form && value->number != 0;
}

static bool all_units(Dwarf *dwarf)
{
    return !dwarf->stream || stream_finish(dwarf->stream);
}

static bool still_there(const Unit *unit)
{
    const Dwarf *dwarf = unit->part->dwarf;
    return !dwarf->stream || stream_has(dwarf->stream, unit);
}

static bool reference_in(Part *part, uint64_t offset, DieRef *die)
{
    *die = (DieRef){unit_at(part, false, offset), offset};
    return die->unit && offset >= die->unit->first && still_there(die->unit);
}

bool value_reference(Unit *unit, const Value *value, DieRef *die)
{
    Dwarf *dwarf = unit->part->dwarf;
    switch (value->form) {
    case DW_FORM_ref1:
    case DW_FORM_ref2:
    case DW_FORM_ref4:
    case DW_FORM_ref8:
    case DW_FORM_ref_udata:
        *die = (DieRef){unit, unit->offset + value->number};
        return value->number < unit->end - unit->offset && die->offset >= unit->first;
    case DW_FORM_ref_addr:
        return all_units(dwarf) && reference_in(unit->part, value->number, die);
    case DW_FORM_ref_sup4:
    case DW_FORM_ref_sup8:
    case DW_FORM_GNU_ref_alt:
        return reference_in(&dwarf->parts[1], value->number, die);
    case DW_FORM_ref_sig8: {
        Unit *found = all_units(dwarf) ? unit_of_signature(unit->part, value->number) : NULL;
        if (!found || !found->type_offset || !still_there(found))
            return false;
        *die = (DieRef){found, found->type_offset};
        return true;
    }
    default:
        return false;
    }
}

bool value_expression(const Value *value, Bytes *expression)
{
    switch (value->form) {
    case DW_FORM_exprloc:
    case DW_FORM_block:
    case DW_FORM_block1:
    case DW_FORM_block2:
    case DW_FORM_block4:
        *expression = value->bytes;
        return true;
    default:
        return false;
    }
}
