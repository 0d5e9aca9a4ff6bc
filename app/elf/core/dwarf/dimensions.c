/* The dimensions of arrays, and the sizes of types that they lead to. Source: DWARF 5, sections 5.5, 5.13. */
#include "types.h"

static bool bound_of(const Fields *fields, Slot slot, int64_t *bound)
{
    if (!has(fields, slot))
        return false;
    /* A bound of one to four bytes is unsigned, where a sign is meant the form has one. */
    const Value *value = &fields->value[slot];
    *bound = (int64_t)value->number;
    uint64_t number;
    return value_unsigned(value, &number);
}

/* How many elements a subrange has; -1 where the file does not say, or only at run time. */
static int64_t count_of(const Fields *fields, Style style, int64_t *lower)
{
    int64_t count, upper;
    if (!bound_of(fields, SLOT_LOWER, lower))
        *lower = style == STYLE_FORTRAN;
    if (bound_of(fields, SLOT_COUNT, &count))
        return count < 0 ? -1 : count;
    if (!bound_of(fields, SLOT_UPPER, &upper))
        return -1;
    /* GCC writes the -1 of an empty array in the bytes of an address or less. */
    uint16_t form = fields->value[SLOT_UPPER].form;
    if (*lower == 0 && (upper == -1 || (form == DW_FORM_data4 && upper == UINT32_MAX)))
        return 0;
    if (upper < *lower - 1 || (*lower < 0 && upper > INT64_MAX + *lower - 1))
        return -1;
    return upper - *lower + 1;
}

bool dimensions_of(Found *found, Dimension *dimensions, unsigned *count)
{
    Unit *unit = found->unit;
    const Plans *plans = unit == found->worker->unit ? found->worker->plans : plans_of(found->worker, unit);
    Cursor at = found->at;
    unsigned depth = 1;
    *count = 0;
    while (found->plan->children && plans && cursor_left(&at)) {
        uint64_t code = cursor_uleb(&at);
        if (!code) {
            if (!--depth)
                break;
            continue;
        }
        const Plan *plan = plan_at(unit, plans, code);
        if (!plan || !spend(found->worker))
            return false;
        Fields fields;
        plan_read(unit, plans, plan, &at, &fields);
        bool range = plan->tag == DW_TAG_subrange_type || plan->tag == DW_TAG_generic_subrange
                     || plan->tag == DW_TAG_enumeration_type;
        if (depth == 1 && range) {
            if (*count == MOST_DIMENSIONS)
                return false;
            Dimension *dimension = &dimensions[(*count)++];
            dimension->lower = 0;
            dimension->count = plan->action == ACT_TYPE ? count_of(&fields, found->style, &dimension->lower) : -1;
        }
        depth += plan->children;
    }
    return !at.bad;
}

/* Multiplied, or 0 where that does not fit. */
static uint64_t times(uint64_t size, int64_t count)
{
    uint64_t product;
    return count < 0 || __builtin_mul_overflow(size, (uint64_t)count, &product) ? 0 : product;
}

uint64_t type_size(Worker *worker, Unit *unit, const RawRef *type)
{
    uint64_t factor = 1, size;
    RawRef reference = *type;
    for (unsigned depth = 0; depth < DEEPEST_TYPE && reference.form; depth++) {
        DieRef die;
        Found found;
        if (!follow(worker, unit, reference, &die))
            return 0;
        found.worker = worker;
        found.unit = unit = die.unit;
        found.style = style_of(unit->language ? unit->language : worker->language);
        found.plan = fields_at(worker, unit, die.offset, &found.fields, &found.at);
        if (!found.plan)
            return 0;
        if (has(&found.fields, SLOT_SIZE))
            return value_unsigned(&found.fields.value[SLOT_SIZE], &size) ? times(size, (int64_t)factor) : 0;
        reference = raw_ref(&found.fields, SLOT_TYPE);
        switch (found.plan->tag) {
        case DW_TAG_pointer_type:
        case DW_TAG_reference_type:
        case DW_TAG_rvalue_reference_type:
            return times(unit->address_size, (int64_t)factor);
        case DW_TAG_array_type: {
            Dimension dimensions[MOST_DIMENSIONS];
            unsigned count;
            if (!dimensions_of(&found, dimensions, &count))
                return 0;
            while (count--)
                factor = times(factor, dimensions[count].count);
            break;
        }
        case DW_TAG_structure_type:
        case DW_TAG_class_type:
        case DW_TAG_union_type:
            reference = raw_ref(&found.fields, SLOT_SIGNATURE);
            break;
        case DW_TAG_subroutine_type:
        case DW_TAG_ptr_to_member_type:
            return 0;
        }
    }
    return 0;
}
