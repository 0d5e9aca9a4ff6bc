/* Rows of named types: the first definition of each (name, kind, size) that the worker meets. */
#include "walk.h"

static uint8_t type_kind(uint16_t tag)
{
    switch (tag) {
    case DW_TAG_structure_type:
        return KIND_STRUCT;
    case DW_TAG_class_type:
    case DW_TAG_interface_type:
        return KIND_CLASS;
    case DW_TAG_union_type:
        return KIND_UNION;
    case DW_TAG_enumeration_type:
        return KIND_ENUM;
    case DW_TAG_base_type:
        return KIND_BASE;
    default:
        return KIND_TYPEDEF;
    }
}

static uint64_t size_field(const Fields *fields)
{
    uint64_t size;
    return has(fields, SLOT_SIZE) && value_unsigned(&fields->value[SLOT_SIZE], &size) ? size : 0;
}

/* Whether a type without a scope is none for the rows: headers repeat theirs in every unit. */
static bool type_seen(Walk *walk, uint8_t kind)
{
    Worker *worker = walk->worker;
    if (walk->scopes_only || walk->fields.flags & FIELD_DECLARATION)
        return true;
    const Value *name = &walk->fields.value[SLOT_NAME];
    uint64_t size = size_field(&walk->fields);
    if (walk->frame.scope || has(&walk->fields, SLOT_SPECIFICATION) || name->form != DW_FORM_strp || walk->unit->part->kind != PART_MAIN
        || name->number >> 34 || size >> 26)
        return false;
    bool fresh;
    uint32_t *first = map_put(&worker->seen_types, (name->number << 29 | size << 3 | kind) + 1, &fresh);
    if (!first) {
        worker->memory = true;
        return true;
    }
    if (!fresh && *first <= worker->unit_row + 1)
        return true;
    *first = worker->unit_row + 1;
    return false;
}

static void add_type(Walk *walk, uint8_t kind, uint32_t name)
{
    Worker *worker = walk->worker;
    if (!name || walk->scopes_only || walk->fields.flags & FIELD_DECLARATION)
        return;
    uint64_t size = size_field(&walk->fields);
    TypeRow row = {size, die_key(walk->unit, walk->offset), name, worker->unit_row, 0, kind};
    bool fresh;
    uint32_t *first = map_put(&worker->type_rows, type_key(&row), &fresh);
    if (!first) {
        worker->memory = true;
        return;
    }
    for (uint32_t known = *first; known; known = worker->types.items[known - 1].next) {
        TypeRow *other = &worker->types.items[known - 1];
        if (!same_type(other, &row))
            continue;
        if (row.unit < other->unit) {
            other->unit = row.unit;
            other->die = row.die;
        }
        return;
    }
    row.next = *first;
    if (!vec_push(&worker->types, row))
        worker->memory = true;
    else
        *first = (uint32_t)worker->types.count;
}

void at_class(Walk *walk, const Plan *plan)
{
    plan_read(walk->unit, walk->plans, plan, &walk->at, &walk->fields);
    Worker *worker = walk->worker;
    bool walked = plan->children && plan->action == ACT_CLASS && worker->scoped;
    uint8_t kind = type_kind(plan->tag);
    if (!walked && has(&walk->fields, SLOT_NAME) && type_seen(walk, kind)) {
        skip_children(walk, plan);
        return;
    }
    uint32_t name = scope_name(worker, walk->unit, &walk->fields), outer = class_outer(walk);
    /* With a signature it stands for a definition in a type unit. */
    if (name && !has(&walk->fields, SLOT_SIGNATURE))
        add_type(walk, kind, join_scope(worker, outer, name));
    if (walked)
        enter(walk, IN_CLASS, join_scope(worker, outer, name ? name : nameless(worker, plan->tag)), NONE, NONE);
    else
        skip_children(walk, plan);
}

void at_named(Walk *walk, const Plan *plan)
{
    plan_read(walk->unit, walk->plans, plan, &walk->at, &walk->fields);
    uint8_t kind = type_kind(plan->tag);
    if (has(&walk->fields, SLOT_NAME) && !type_seen(walk, kind)) {
        uint32_t name = name_of(walk->worker, walk->unit, &walk->fields.value[SLOT_NAME]);
        add_type(walk, kind, kind == KIND_BASE ? name : join_scope(walk->worker, walk->frame.scope, name));
    }
    skip_children(walk, plan);
}
