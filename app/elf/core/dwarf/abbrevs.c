/* .debug_abbrev to tables of abbreviations in the order of their codes. Source: DWARF 5, section 7.5.3. */
#include "dwarf.h"

static int by_code(const void *left, const void *right)
{
    const Abbrev *a = left, *b = right;
    if (a->code != b->code)
        return a->code < b->code ? -1 : 1;
    /* The first of two holds. */
    return a->first_spec < b->first_spec ? -1 : a->first_spec > b->first_spec;
}

static bool leads_out(uint64_t form)
{
    switch (form) {
    case DW_FORM_ref_addr:
    case DW_FORM_ref_sig8:
    case DW_FORM_ref_sup4:
    case DW_FORM_ref_sup8:
    case DW_FORM_GNU_ref_alt:
    case DW_FORM_indirect: /* may be any */
        return true;
    default:
        return false;
    }
}

/* One abbreviation's attributes; false when memory is out. */
static bool read_specs(Cursor *at, AbbrevTable *table, Abbrev *abbrev)
{
    for (;;) {
        uint64_t name = cursor_uleb(at), form = cursor_uleb(at);
        AttrSpec spec = {name > 0xffff ? 0xffff : (uint16_t)name, form > 0xffff ? 0xffff : (uint16_t)form, 0};
        if (form == DW_FORM_implicit_const) {
            int64_t constant = cursor_sleb(at);
            spec.constant = (uint32_t)table->constants.count;
            if (!vec_push(&table->constants, constant))
                return false;
        }
        if (at->bad || (!name && !form))
            return true;
        table->crossing |= leads_out(form);
        if (!vec_push(&table->specs, spec))
            return false;
        abbrev->spec_count++;
    }
}

AbbrevTable *abbrev_table_read(Bytes section, uint64_t offset, bool big)
{
    AbbrevTable *table = calloc(1, sizeof *table);
    if (!table)
        return NULL;
    Cursor at = cursor_over(section, big);
    cursor_seek(&at, offset);
    bool sorted = true, whole = true;
    uint64_t last = 0;
    for (;;) {
        uint64_t code = cursor_uleb(&at);
        if (at.bad || !code)
            break;
        Abbrev abbrev = {.code = code, .first_spec = (uint32_t)table->specs.count};
        uint64_t tag = cursor_uleb(&at);
        abbrev.tag = tag > 0xffff ? 0xffff : (uint16_t)tag;
        abbrev.children = cursor_u8(&at) != 0;
        if (!read_specs(&at, table, &abbrev))
            goto memory;
        if (at.bad)
            break;
        sorted = sorted && code > last;
        last = code;
        if (!vec_push(&table->abbrevs, abbrev))
            goto memory;
        if (table->specs.count > UINT32_MAX / 2) {
            whole = false;
            break;
        }
    }
    table->cut = at.bad || !whole;
    table->size = offset < section.size ? (size_t)(cursor_offset(&at) - offset) : 0;
    if (!sorted)
        qsort(table->abbrevs.items, table->abbrevs.count, sizeof *table->abbrevs.items, by_code);
    vec_trim(&table->abbrevs);
    vec_trim(&table->specs);
    vec_trim(&table->constants);
    return table;
memory:
    abbrev_table_free(table);
    return NULL;
}

void abbrev_table_free(AbbrevTable *table)
{
    if (!table)
        return;
    vec_free(&table->abbrevs);
    vec_free(&table->specs);
    vec_free(&table->constants);
    free(table);
}

bool abbrevs_cross(Bytes section)
{
    Cursor at = cursor_over(section, false);
    while (cursor_left(&at)) {
        /* Tables, and what fills the space between them, end with 0. */
        if (!cursor_uleb(&at))
            continue;
        cursor_uleb(&at);
        cursor_u8(&at);
        for (uint64_t name = 1, form = 1; (name || form) && !at.bad;) {
            name = cursor_uleb(&at);
            form = cursor_uleb(&at);
            if (form == DW_FORM_implicit_const)
                cursor_sleb(&at);
            if (leads_out(form))
                return true;
        }
    }
    return at.bad;
}

const Abbrev *abbrev_search(const AbbrevTable *table, uint64_t code)
{
    size_t low = 0, high = table->abbrevs.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table->abbrevs.items[middle].code < code)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == table->abbrevs.count || table->abbrevs.items[low].code != code)
        return NULL;
    return &table->abbrevs.items[low];
}
