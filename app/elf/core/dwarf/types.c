/* Type DIEs to nodes, and to sizes.
 *
 * Where languages other than C and C++ name their pointers and arrays, the names are taken. A type that cannot be
 * followed is unknown, and with it all that it is part of. Source: DWARF 5, chapter 5.
 */
#include <stdio.h>

#include "types.h"

Style style_of(uint16_t language)
{
    switch (language) {
    case DW_LANG_C89:
    case DW_LANG_C:
    case DW_LANG_C99:
    case DW_LANG_C11:
    case DW_LANG_C17:
    case DW_LANG_C23:
    case DW_LANG_ObjC:
    case DW_LANG_UPC:
    case DW_LANG_Mips_Assembler:
        return STYLE_C;
    case DW_LANG_C_plus_plus:
    case DW_LANG_C_plus_plus_03:
    case DW_LANG_C_plus_plus_11:
    case DW_LANG_C_plus_plus_14:
    case DW_LANG_C_plus_plus_17:
    case DW_LANG_C_plus_plus_20:
    case DW_LANG_C_plus_plus_23:
    case DW_LANG_ObjC_plus_plus:
        return STYLE_PLUS_PLUS;
    case DW_LANG_D:
        return STYLE_D;
    case DW_LANG_Fortran77:
    case DW_LANG_Fortran90:
    case DW_LANG_Fortran95:
    case DW_LANG_Fortran03:
    case DW_LANG_Fortran08:
    case DW_LANG_Fortran18:
        return STYLE_FORTRAN;
    case DW_LANG_Rust:
        return STYLE_RUST;
    case DW_LANG_Go:
        return STYLE_GO;
    default:
        return STYLE_PLAIN;
    }
}

static uint32_t child_node(Found *found)
{
    RawRef type = raw_ref(&found->fields, SLOT_TYPE);
    return type_node(found->worker, found->unit, &type, found->depth + 1);
}

static uint32_t keyword_name(Found *found, uint32_t name)
{
    const char *keyword = found->plan->tag == DW_TAG_union_type         ? "union "
                          : found->plan->tag == DW_TAG_enumeration_type ? "enum "
                          : found->plan->tag == DW_TAG_class_type       ? "class "
                                                                        : "struct ";
    if (name && found->style != STYLE_C)
        return name;
    Worker *worker = found->worker;
    Bytes text = name ? text_of(worker, name) : TEXT("{...}");
    worker->text.count = 0;
    if (!text_add(&worker->text, (Bytes){(const uint8_t *)keyword, strlen(keyword)})
        || !text_add(&worker->text, text)) {
        worker->memory = true;
        return 0;
    }
    return text_id(worker, worker->text.items, worker->text.count);
}

static uint32_t class_node(Found *found)
{
    Worker *worker = found->worker;
    if (has(&found->fields, SLOT_SIGNATURE)) {
        RawRef signature = raw_ref(&found->fields, SLOT_SIGNATURE);
        return type_node(worker, found->unit, &signature, found->depth + 1);
    }
    /* One that is defined outside of where it was declared lies there. */
    bool outside = has(&found->fields, SLOT_SPECIFICATION);
    DieRef place = {found->unit, found->offset};
    uint32_t name = 0;
    if (outside && !follow(worker, found->unit, raw_ref(&found->fields, SLOT_SPECIFICATION), &place))
        return NODE_UNKNOWN;
    Value value;
    if (has(&found->fields, SLOT_NAME))
        name = name_of(worker, found->unit, &found->fields.value[SLOT_NAME]);
    else if (outside && die_value(place.unit, place.offset, DW_AT_name, &value))
        name = name_of(worker, place.unit, &value);
    uint32_t scope = name ? scope_at(worker, place.unit, place.offset) : 0;
    return named_node(worker, keyword_name(found, join_scope(worker, scope, name)));
}

static uint32_t fortran_array(Found *found, uint32_t element, const Dimension *dimensions, unsigned count)
{
    char frame[MOST_DIMENSIONS * 44 + 32] = "|, dimension (";
    size_t used = strlen(frame);
    for (unsigned i = 0; i < count; i++) {
        long long lower = dimensions[i].lower, upper = lower + dimensions[i].count - 1;
        const char *comma = i ? ", " : "";
        int more = dimensions[i].count < 0 ? snprintf(frame + used, sizeof frame - used, "%s:", comma)
                   : lower == 1 ? snprintf(frame + used, sizeof frame - used, "%s%lld", comma, upper)
                                : snprintf(frame + used, sizeof frame - used, "%s%lld:%lld", comma, lower, upper);
        used += (size_t)more;
    }
    snprintf(frame + used, sizeof frame - used, ")");
    return framed_node(found->worker, element, frame);
}

static uint32_t array_node(Found *found)
{
    Worker *worker = found->worker;
    uint32_t node = child_node(found);
    Dimension dimensions[MOST_DIMENSIONS];
    unsigned count;
    char text[64];
    if (!has(&found->fields, SLOT_TYPE) || node == NODE_UNKNOWN || !dimensions_of(found, dimensions, &count))
        return NODE_UNKNOWN;
    if (found->style == STYLE_FORTRAN && count)
        return fortran_array(found, node, dimensions, count);
    if (found->fields.flags & FIELD_VECTOR && count == 1 && dimensions[0].count > 0) {
        snprintf(text, sizeof text, "| __attribute__ ((vector_size(%lld)))", (long long)dimensions[0].count);
        return framed_node(worker, node, text);
    }
    if (!count)
        return make_node(worker, T_ARRAY, node, 0, 0);
    while (count--) {
        int64_t number = dimensions[count].count;
        int used = number < 0 ? 0 : snprintf(text, sizeof text, "%lld", (long long)number);
        if (found->style == STYLE_RUST) {
            snprintf(text, sizeof text, number < 0 ? "[|]" : "[|; %lld]", (long long)number);
            node = framed_node(worker, node, text);
        } else if (found->style == STYLE_D) {
            snprintf(text, sizeof text, number < 0 ? "|[]" : "|[%lld]", (long long)number);
            node = framed_node(worker, node, text);
        } else {
            node = make_node(worker, T_ARRAY, node, text_id(worker, text, (size_t)used), 0);
        }
    }
    return node;
}

/* The parameters of a function type, as a list; false where one is unknown. */
static bool parameters_of(Found *found, uint32_t *list)
{
    Worker *worker = found->worker;
    Unit *unit = found->unit;
    const Plans *plans = unit == worker->unit ? worker->plans : plans_of(worker, unit);
    Cursor at = found->at;
    Text text = {0};
    unsigned depth = 1;
    bool known = true, memory = true, some = false;
    while (found->plan->children && plans && known && memory && cursor_left(&at)) {
        uint64_t code = cursor_uleb(&at);
        if (!code) {
            if (!--depth)
                break;
            continue;
        }
        const Plan *plan = plan_at(unit, plans, code);
        if (!plan || !spend(worker)) {
            known = false;
            break;
        }
        Fields fields;
        plan_read(unit, plans, plan, &at, &fields);
        if (depth == 1 && (plan->action == ACT_PARAMETER || plan->action == ACT_ELLIPSIS)) {
            memory = !some || text_add(&text, TEXT(", "));
            some = true;
            if (plan->action == ACT_ELLIPSIS) {
                memory = memory && text_add(&text, TEXT("..."));
            } else {
                RawRef type = raw_ref(&fields, SLOT_TYPE);
                uint32_t node = type.form ? type_node(worker, unit, &type, found->depth + 1) : NODE_UNKNOWN;
                Halves halves = halves_of(worker, node == NODE_UNKNOWN ? NODE_VOID : node);
                known = node != NODE_UNKNOWN && text.count < LONGEST_TYPE;
                memory = memory && text_add(&text, halves.left) && text_add(&text, halves.right);
            }
        }
        depth += plan->children;
    }
    known = known && !at.bad;
    bool empty = !some
                 && (found->style == STYLE_D
                     || (found->style == STYLE_C && !(found->fields.flags & FIELD_PROTOTYPED)));
    if (known && memory)
        *list = some ? text_id(worker, text.items, text.count) : empty ? 0 : text_id(worker, "void", 4);
    worker->memory |= !memory;
    vec_free(&text);
    return known && memory;
}

static uint32_t function_node(Found *found)
{
    uint32_t list;
    if (!parameters_of(found, &list))
        return NODE_UNKNOWN;
    return make_node(found->worker, T_FUNCTION, child_node(found), list, 0);
}

static uint32_t member_node(Found *found)
{
    RawRef container = raw_ref(&found->fields, SLOT_CONTAINER);
    uint32_t class = container.form ? type_node(found->worker, found->unit, &container, found->depth + 1) : 0;
    if (class <= NODE_VOID)
        return NODE_UNKNOWN;
    return make_node(found->worker, T_MEMBER, child_node(found), found->worker->type_nodes.items[class].text, 0);
}

static uint32_t text_node(Found *found)
{
    char text[48] = "character(len=*)";
    uint64_t size;
    if (has(&found->fields, SLOT_SIZE) && !has(&found->fields, SLOT_STRING_LENGTH)
        && value_unsigned(&found->fields.value[SLOT_SIZE], &size))
        snprintf(text, sizeof text, "character(len=%llu)", (unsigned long long)size);
    return named_node(found->worker, text_id(found->worker, text, strlen(text)));
}

static uint32_t qualified_node(Found *found, uint8_t qualifiers)
{
    uint32_t node = child_node(found);
    if (found->style == STYLE_D && qualifiers == Q_CONST)
        return framed_node(found->worker, node, "const(|)");
    if (found->style == STYLE_FORTRAN)
        return node;
    return qualify(found->worker, node, qualifiers | (found->style == STYLE_PLUS_PLUS && qualifiers == Q_RESTRICT ? Q_PLUS_PLUS : 0));
}

/* "int function(char)", without a mark of its being a pointer. */
static uint32_t d_pointer(Found *found)
{
    Worker *worker = found->worker;
    uint32_t child = child_node(found);
    TypeNode type = worker->type_nodes.items[child];
    if (type.kind != T_FUNCTION)
        return framed_node(worker, child, "|*");
    Text *text = &worker->text;
    text->count = 0;
    if (!text_add(text, TEXT("| function(")) || !text_add(text, text_of(worker, type.extra))
        || !text_add(text, TEXT(")"))) {
        worker->memory = true;
        return NODE_UNKNOWN;
    }
    return make_node(worker, T_FRAME, type.child, text_id(worker, text->items, text->count), 0);
}

static uint32_t node_of(Found *found)
{
    Worker *worker = found->worker;
    uint16_t tag = found->plan->tag;
    bool c = found->style == STYLE_C || found->style == STYLE_PLUS_PLUS;
    uint32_t name = 0;
    switch (found->plan->action) {
    case ACT_CLASS:
    case ACT_ENUM:
        return class_node(found);
    case ACT_NAMED:
        if (!has(&found->fields, SLOT_NAME))
            return NODE_UNKNOWN;
        name = name_of(worker, found->unit, &found->fields.value[SLOT_NAME]);
        if (tag != DW_TAG_base_type)
            name = join_scope(worker, scope_at(worker, found->unit, found->offset), name);
        return named_node(worker, name);
    case ACT_TYPE:
        break;
    default:
        return NODE_UNKNOWN;
    }
    bool qualifier = tag == DW_TAG_const_type || tag == DW_TAG_volatile_type || tag == DW_TAG_restrict_type
                     || tag == DW_TAG_atomic_type;
    if (has(&found->fields, SLOT_NAME) && !(c && qualifier))
        return named_node(worker, name_of(worker, found->unit, &found->fields.value[SLOT_NAME]));
    switch (tag) {
    case DW_TAG_pointer_type:
        if (found->style == STYLE_D)
            return d_pointer(found);
        if (found->style == STYLE_RUST)
            return framed_node(worker, child_node(found), "*mut |");
        if (found->style == STYLE_FORTRAN)
            return framed_node(worker, child_node(found), "|, pointer");
        if (found->style == STYLE_GO)
            return framed_node(worker, child_node(found), "*|");
        return make_node(worker, T_POINTER, child_node(found), 0, 0);
    case DW_TAG_reference_type:
        if (found->style == STYLE_FORTRAN)
            return child_node(found);
        if (found->style == STYLE_D)
            return framed_node(worker, child_node(found), "ref |");
        return make_node(worker, T_REFERENCE, child_node(found), 0, 0);
    case DW_TAG_rvalue_reference_type:
        return make_node(worker, T_RVALUE, child_node(found), 0, 0);
    case DW_TAG_ptr_to_member_type:
        return member_node(found);
    case DW_TAG_const_type:
        return qualified_node(found, Q_CONST);
    case DW_TAG_volatile_type:
        return qualified_node(found, Q_VOLATILE);
    case DW_TAG_restrict_type:
        return qualified_node(found, Q_RESTRICT);
    case DW_TAG_atomic_type:
        return qualified_node(found, Q_ATOMIC);
    case DW_TAG_immutable_type:
        return framed_node(worker, child_node(found), "immutable(|)");
    case DW_TAG_shared_type:
        return framed_node(worker, child_node(found), found->style == STYLE_D ? "shared(|)" : "shared |");
    case DW_TAG_packed_type:
    case DW_TAG_dynamic_type:
        return child_node(found);
    case DW_TAG_subrange_type:
        return has(&found->fields, SLOT_TYPE) ? child_node(found) : NODE_UNKNOWN;
    case DW_TAG_array_type:
        return array_node(found);
    case DW_TAG_subroutine_type:
        return function_node(found);
    case DW_TAG_string_type:
        return text_node(found);
    default:
        return NODE_UNKNOWN;
    }
}

static uint32_t *memo_of(Worker *worker, const Unit *unit, uint64_t offset, bool *fresh)
{
    if (unit == worker->unit)
        return map_put(&worker->unit_types, offset - unit->offset + 1, fresh);
    /* Partial units of dwz say no language: theirs is that of who asks. */
    uint64_t c = !unit->language && style_of(worker->language) == STYLE_C;
    uint64_t part = (uint64_t)(unit->part - unit->part->dwarf->parts);
    if (offset >> 40 || part >> 21) {
        *fresh = true;
        return &worker->forgotten;
    }
    return map_put(&worker->foreign_types, (part << 42 | c << 41 | (uint64_t)unit->in_types << 40 | offset) + 1, fresh);
}

uint32_t type_node(Worker *worker, Unit *unit, const RawRef *type, unsigned depth)
{
    if (!type->form)
        return NODE_VOID;
    DieRef die;
    if (depth > DEEPEST_TYPE || !follow(worker, unit, *type, &die))
        return NODE_UNKNOWN;
    bool fresh;
    uint32_t *known = memo_of(worker, die.unit, die.offset, &fresh);
    if (!known) {
        worker->memory = true;
        return NODE_UNKNOWN;
    }
    if (!fresh)
        return *known;
    /* While it is made the type is unknown, so that one that holds itself ends. */
    *known = NODE_UNKNOWN;
    Found found;
    found.worker = worker;
    found.unit = die.unit;
    found.offset = die.offset;
    found.depth = depth;
    found.style = style_of(die.unit->language ? die.unit->language : worker->language);
    found.plan = fields_at(worker, die.unit, die.offset, &found.fields, &found.at);
    uint32_t node = found.plan ? node_of(&found) : NODE_UNKNOWN;
    if (!found.plan)
        worker->faults |= FAULT_REFERENCE;
    known = memo_of(worker, die.unit, die.offset, &fresh);
    if (known)
        *known = node;
    return node;
}

void type_forget(Worker *worker)
{
    size_t size = worker->unit ? worker->unit->end - worker->unit->offset : 0;
    if (!map_reset(&worker->unit_types, size / 256))
        worker->memory = true;
}
