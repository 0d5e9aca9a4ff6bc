/* The subtree of one DIE, flattened: attributes by class, references as keys, texts found, ranges read.
 *
 * Refused: offsets that lie in no unit. The limits on depth and count, and the end of the unit, bound the work;
 * what lies deeper is passed over by siblings where the file has them. Source: DWARF 5, sections 2.3 and 7.5.
 */
#include "dies.h"

uint64_t die_key(const Unit *unit, uint64_t offset)
{
    const Part *part = unit->part;
    uint64_t key = offset & KEY_OFFSET_MASK;
    if (unit->in_types)
        key |= KEY_IN_TYPES;
    if (part->kind == PART_ALT)
        key |= KEY_IN_ALTERNATE;
    if (part->kind == PART_SPLIT) {
        uint64_t number = (uint64_t)(part - part->dwarf->parts) - 2;
        key |= KEY_IN_SPLIT | (number & KEY_PART_MASK) << KEY_PART_SHIFT;
    }
    return key;
}

Part *part_of_key(Dwarf *dwarf, uint64_t key)
{
    uint64_t index = 0;
    if (key & KEY_IN_SPLIT)
        index = 2 + (key >> KEY_PART_SHIFT & KEY_PART_MASK);
    else if (key & KEY_IN_ALTERNATE)
        index = 1;
    return index < dwarf->part_count ? &dwarf->parts[index] : NULL;
}

bool die_of_key(Dwarf *dwarf, uint64_t key, DieRef *die)
{
    Part *part = part_of_key(dwarf, key);
    if (!part)
        return false;
    uint64_t offset = key & KEY_OFFSET_MASK;
    Unit *unit = unit_at(part, (key & KEY_IN_TYPES) != 0, offset);
    if (!unit || !unit_prepare(unit) || unit->state != UNIT_READY || offset < unit->first)
        return false;
    *die = (DieRef){unit, offset};
    return true;
}

/* Attributes that describe a place, by an expression or a list of them. */
static bool is_place(uint16_t name)
{
    switch (name) {
    case DW_AT_location:
    case DW_AT_string_length:
    case 0x2a: /* return_addr */
    case DW_AT_data_member_location:
    case DW_AT_frame_base:
    case 0x46: /* segment */
    case 0x48: /* static_link */
    case 0x4a: /* use_location */
    case 0x4d: /* vtable_elem_location */
    case 0x7e: /* call_value */
    case 0x83: /* call_target */
    case 0x2111: /* GNU_call_site_value */
        return true;
    default:
        return false;
    }
}

static bool is_section(uint16_t name)
{
    switch (name) {
    case DW_AT_stmt_list:
    case DW_AT_ranges:
    case 0x43: /* macro_info */
    case DW_AT_str_offsets_base:
    case DW_AT_addr_base:
    case DW_AT_rnglists_base:
    case DW_AT_loclists_base:
        return true;
    default:
        return is_place(name);
    }
}

static bool list_offset(const Unit *unit, uint64_t index, uint64_t *offset)
{
    const Part *part = unit->part;
    Cursor at = cursor_over(part->sections.section[DEBUG_LOCLISTS], part->dwarf->big);
    cursor_seek(&at, unit->loclists_base);
    if (index > UINT64_MAX / 8)
        return false;
    cursor_skip(&at, index * unit->offset_size);
    *offset = unit->loclists_base + cursor_number(&at, unit->offset_size);
    return !at.bad;
}

static void set_ranges(const Unit *unit, const Value *value, DieTree *tree, DieAttribute *attribute)
{
    uint64_t offset;
    bool whole = true;
    size_t first = tree->ranges.count;
    if (!value_ranges(unit, value, &offset))
        return;
    if (!ranges_read(unit, offset, &tree->ranges, &whole))
        tree->memory = true;
    if (!whole && tree->ranges.count == first)
        return;
    attribute->class = CLASS_RANGES;
    attribute->number = first;
    attribute->bytes.size = tree->ranges.count - first;
}

/* What a value is and means; CLASS_UNKNOWN where it leads nowhere. */
static DieAttribute follow(Unit *unit, uint16_t name, const Value *value, DieTree *tree)
{
    DieAttribute attribute = {name, CLASS_UNKNOWN, false, value->number, {NULL, 0}};
    DieRef die;
    if (name == DW_AT_ranges) {
        set_ranges(unit, value, tree, &attribute);
        return attribute;
    }
    switch (value->form) {
    case DW_FORM_flag:
    case DW_FORM_flag_present:
        attribute.class = CLASS_FLAG;
        break;
    case DW_FORM_exprloc:
        attribute.class = CLASS_EXPRESSION;
        attribute.bytes = value->bytes;
        break;
    case DW_FORM_block:
    case DW_FORM_block1:
    case DW_FORM_block2:
    case DW_FORM_block4:
        attribute.class = is_place(name) ? CLASS_EXPRESSION : CLASS_BLOCK;
        attribute.bytes = value->bytes;
        break;
    case DW_FORM_data16:
        attribute.class = CLASS_BLOCK;
        attribute.bytes = value->bytes;
        break;
    case DW_FORM_sec_offset:
        attribute.class = is_place(name) ? CLASS_LOCATION_LIST : CLASS_SECTION;
        break;
    case DW_FORM_data4:
    case DW_FORM_data8:
        attribute.class = CLASS_CONSTANT;
        if (unit->version < 4 && is_section(name))
            attribute.class = is_place(name) ? CLASS_LOCATION_LIST : CLASS_SECTION;
        break;
    case DW_FORM_data1:
    case DW_FORM_data2:
    case DW_FORM_udata:
        attribute.class = CLASS_CONSTANT;
        break;
    case DW_FORM_sdata:
    case DW_FORM_implicit_const:
        attribute.class = CLASS_CONSTANT;
        attribute.is_signed = true;
        break;
    case DW_FORM_loclistx:
        if (list_offset(unit, value->number, &attribute.number))
            attribute.class = CLASS_LOCATION_LIST;
        break;
    default:
        if (value_string(unit, value, &attribute.bytes))
            attribute.class = CLASS_STRING;
        else if (value_address(unit, value, &attribute.number))
            attribute.class = CLASS_ADDRESS;
        else if (value_reference(unit, value, &die)) {
            attribute.class = CLASS_REFERENCE;
            attribute.number = die_key(die.unit, die.offset);
        }
    }
    return attribute;
}

/* Reads one DIE's attributes to a row. */
static bool push_die(Unit *unit, Cursor *at, const Die *die, uint32_t depth, DieTree *tree)
{
    DieRow row = {die_key(unit, die->offset), depth, die->abbrev->tag, tree->attributes.count, 0};
    const AttrSpec *spec = abbrev_specs(unit, die->abbrev);
    for (uint32_t left = die->abbrev->spec_count; left && !at->bad; left--, spec++) {
        Value value;
        attr_read(unit, at, *spec, &value);
        if (at->bad)
            break;
        DieAttribute attribute = follow(unit, spec->name, &value, tree);
        if (!vec_push(&tree->attributes, attribute))
            return false;
    }
    row.count = tree->attributes.count - row.first;
    return vec_push(&tree->rows, row) && !tree->memory;
}

uint64_t die_sibling(const Unit *unit, const Die *die, Cursor at)
{
    const AttrSpec *spec = abbrev_specs(unit, die->abbrev);
    for (uint32_t left = die->abbrev->spec_count; left && !at.bad; left--, spec++) {
        if (spec->name != DW_AT_sibling) {
            attr_skip(unit, &at, *spec);
            continue;
        }
        Value value;
        attr_read(unit, &at, *spec, &value);
        if (value.form < DW_FORM_ref_addr || value.form > DW_FORM_ref_udata)
            return 0;
        uint64_t next = value.form == DW_FORM_ref_addr ? value.number : unit->offset + value.number;
        /* Only forward, so that a cycle is none. */
        return !at.bad && next > die->offset && next <= unit->end ? next : 0;
    }
    return 0;
}

bool skips_make(const Unit *unit, Skips *skips)
{
    size_t count = unit->abbrevs->abbrevs.count;
    skips->size = calloc(count ? count : 1, sizeof *skips->size);
    if (!skips->size)
        return false;
    for (size_t i = 0; i < count; i++) {
        const Abbrev *abbrev = &unit->abbrevs->abbrevs.items[i];
        const AttrSpec *spec = abbrev_specs(unit, abbrev);
        int32_t sum = 0;
        for (uint32_t left = abbrev->spec_count; left; left--, spec++) {
            int size = form_size(spec->form, unit->version, unit->address_size, unit->offset_size);
            sum = sum < 0 || size < 0 || sum > INT16_MAX ? -1 : sum + size;
        }
        skips->size[i] = sum;
    }
    return true;
}

void skips_free(Skips *skips)
{
    free(skips->size);
    skips->size = NULL;
}

void die_tree_read(Dwarf *dwarf, uint64_t key, unsigned depth, size_t most, DieTree *tree)
{
    *tree = (DieTree){0};
    DieRef root;
    if (!die_of_key(dwarf, key, &root))
        return;
    Unit *unit = tree->unit = root.unit;
    Cursor at = unit_cursor(unit, root.offset);
    unsigned level = 0;
    do {
        Die die;
        if (!die_read(unit, &at, &die)) {
            if (at.bad || level == 0)
                break;
            level--;
            continue;
        }
        if (level < depth) {
            if (tree->rows.count >= most) {
                tree->cut = true;
                return;
            }
            Cursor attributes = at;
            if (!push_die(unit, &at, &die, level, tree)) {
                tree->memory = true;
                return;
            }
            if (level + 1 >= depth && die.abbrev->children && level) {
                uint64_t next = die_sibling(unit, &die, attributes);
                if (next) {
                    cursor_seek(&at, next);
                    continue;
                }
            }
        } else
            die_skip(unit, &at, &die);
        if (die.abbrev->children)
            level++;
    } while (level && (depth > 1) && !at.bad);
    if (at.bad)
        tree->cut = true;
}

void die_tree_free(DieTree *tree)
{
    vec_free(&tree->rows);
    vec_free(&tree->attributes);
    vec_free(&tree->ranges);
}
