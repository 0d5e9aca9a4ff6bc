/* DIEs as the walk sees them: plans found, fields decoded, references followed. */
#include "rows.h"

const Plans *plans_of(Worker *worker, Unit *unit)
{
    if (unit->state == UNIT_NEW && !unit_prepare(unit))
        worker->memory = true;
    if (unit->state != UNIT_READY)
        return NULL;
    AbbrevSlot *slot = &unit->part->dwarf->slots[unit->slot];
    Plans *plans = atomic_load(&slot->plans);
    if (plans)
        return plans;
    Plans *made = plans_make(unit->abbrevs, slot);
    if (!made) {
        worker->memory = true;
        return NULL;
    }
    if (atomic_compare_exchange_strong(&slot->plans, &plans, made))
        return made;
    plans_free(made);
    return plans;
}

const Plan *fields_at(Worker *worker, Unit *unit, uint64_t offset, Fields *fields, Cursor *at)
{
    const Plans *plans = unit == worker->unit ? worker->plans : plans_of(worker, unit);
    if (!plans || !spend(worker))
        return NULL;
    *at = unit_cursor(unit, offset);
    uint64_t code = cursor_uleb(at);
    const Plan *plan = code ? plan_at(unit, plans, code) : NULL;
    if (!plan)
        return NULL;
    plan_read(unit, plans, plan, at, fields);
    return at->bad ? NULL : plan;
}

bool follow(Worker *worker, Unit *unit, RawRef reference, DieRef *die)
{
    Value value = {.form = reference.form, .number = reference.number};
    if (!value_reference(unit, &value, die) || (die->unit != worker->unit && !plans_of(worker, die->unit))) {
        bool alt = value.form == DW_FORM_GNU_ref_alt || value.form == DW_FORM_ref_sup4
                   || value.form == DW_FORM_ref_sup8;
        bool absent = alt && !worker->reading->dwarf.parts[1].sections.section[DEBUG_INFO].size;
        worker->faults |= absent ? FAULT_ALT : FAULT_REFERENCE;
        return false;
    }
    return true;
}

bool scoped_language(uint16_t language)
{
    switch (language) {
    case DW_LANG_C89:
    case DW_LANG_C:
    case DW_LANG_C99:
    case DW_LANG_C11:
    case DW_LANG_C17:
    case DW_LANG_C23:
    case DW_LANG_Go:
    case DW_LANG_Mips_Assembler:
        return false;
    default:
        return true;
    }
}

Raw raw_of(Worker *worker, const Unit *unit, const Fields *fields)
{
    bool abstract = has(fields, SLOT_ORIGIN);
    Raw raw = {.file = NONE, .target = NONE, .row = NONE, .first_param = NONE, .last_param = NONE};
    raw.type = raw_ref(fields, SLOT_TYPE);
    raw.origin = raw_ref(fields, abstract ? SLOT_ORIGIN : SLOT_SPECIFICATION);
    raw.abstract = abstract;
    if (has(fields, SLOT_NAME))
        raw.name = name_of(worker, unit, &fields->value[SLOT_NAME]);
    if (has(fields, SLOT_LINKAGE))
        raw.linkage = name_of(worker, unit, &fields->value[SLOT_LINKAGE]);
    if (has(fields, SLOT_FILE) && fields->value[SLOT_FILE].number < NONE)
        raw.file = (uint32_t)fields->value[SLOT_FILE].number;
    raw.has_line = has(fields, SLOT_LINE);
    raw.line = raw.has_line ? (uint32_t)fields->value[SLOT_LINE].number : 0;
    raw.inlining = has(fields, SLOT_INLINE) ? (uint8_t)fields->value[SLOT_INLINE].number : 0;
    raw.flags = (fields->flags & FIELD_EXTERNAL ? FN_EXTERNAL : 0)
                | (fields->flags & FIELD_ARTIFICIAL ? FN_ARTIFICIAL : 0)
                | (fields->flags & FIELD_NORETURN ? FN_NORETURN : 0)
                | (fields->flags & FIELD_MAIN ? FN_MAIN : 0)
                | (fields->flags & FIELD_PROTOTYPED ? FN_PROTOTYPED : 0)
                | (has(fields, SLOT_OBJECT_POINTER) ? FN_MEMBER : 0)
                | (has(fields, SLOT_VIRTUALITY) && fields->value[SLOT_VIRTUALITY].number ? FN_VIRTUAL : 0);
    return raw;
}

RawParam param_of(Worker *worker, const Unit *unit, const Fields *fields)
{
    RawParam param = {.type = raw_ref(fields, SLOT_TYPE), .origin = raw_ref(fields, SLOT_ORIGIN),
                      .result = worker->language == DW_LANG_Go && fields->flags & FIELD_VARIABLE_PARAMETER,
                      .flags = (fields->flags & FIELD_ARTIFICIAL ? PARAM_ARTIFICIAL : 0)
                               | (has(fields, SLOT_CONST_VALUE) ? PARAM_CONST : 0)};
    if (has(fields, SLOT_NAME))
        param.name = name_of(worker, unit, &fields->value[SLOT_NAME]);
    return param;
}

Span span_of(Worker *worker, const Unit *unit, const Fields *fields, bool empty, uint64_t *low)
{
    Span span = {(uint32_t)worker->ranges.count, 0};
    uint64_t start, end, offset;
    if (has(fields, SLOT_LOW) && value_address(unit, &fields->value[SLOT_LOW], &start)) {
        const Value *high = &fields->value[SLOT_HIGH];
        if (!has(fields, SLOT_HIGH))
            end = start;
        else if (!value_address(unit, high, &end))
            end = value_unsigned(high, &end) ? start + end : start;
        *low = start;
        if (end < start)
            end = start;
        if (address_dropped(unit, start) || (end == start && !empty))
            return span;
        if (!vec_push(&worker->ranges, ((Range){start, end})))
            worker->memory = true;
    } else if (has(fields, SLOT_RANGES) && value_ranges(unit, &fields->value[SLOT_RANGES], &offset)) {
        bool whole = true;
        if (!ranges_read_most(unit, offset, worker->work, &worker->ranges, &whole))
            worker->memory = true;
        size_t count = worker->ranges.count - span.first;
        if (!whole)
            worker->faults |= count < worker->work ? FAULT_RANGES : FAULT_WORK;
        worker->work -= count;
        if (worker->ranges.count > span.first)
            *low = worker->ranges.items[span.first].low;
    }
    span.count = (uint32_t)(worker->ranges.count - span.first);
    return span;
}

uint32_t static_location(const Unit *unit, Bytes expression, uint64_t *address)
{
    Cursor at = cursor_over(expression, unit->part->dwarf->big);
    uint64_t number = 0;
    bool found = true, constant = false;
    switch (cursor_u8(&at)) {
    case DW_OP_addr:
        number = cursor_number(&at, unit->address_size);
        break;
    case DW_OP_addrx:
    case DW_OP_GNU_addr_index:
        found = unit_address(unit, cursor_uleb(&at), &number);
        break;
    case DW_OP_constx:
    case DW_OP_GNU_const_index:
        found = unit_address(unit, cursor_uleb(&at), &number);
        constant = true;
        break;
    case DW_OP_const4u:
        number = cursor_u32(&at);
        constant = true;
        break;
    case DW_OP_const8u:
        number = cursor_u64(&at);
        constant = true;
        break;
    default:
        return 0;
    }
    if (at.bad || !found)
        return 0;
    uint8_t next = cursor_left(&at) ? cursor_u8(&at) : 0;
    bool local = next == DW_OP_form_tls_address || next == DW_OP_GNU_push_tls_address;
    if (next == DW_OP_plus_uconst) {
        number += cursor_uleb(&at);
        next = cursor_left(&at) ? cursor_u8(&at) : 0;
    }
    if (!local && (constant || next))
        return 0;
    *address = number;
    return VAR_ADDRESS | (local ? VAR_TLS : 0);
}
