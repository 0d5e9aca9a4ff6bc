/* One pass over a unit's DIEs to raw rows: functions, parameters, variables, inline sites, named types, scopes.
 *
 * A DIE is decoded only where it is wanted; subtrees that can hold nothing wanted are skipped by DW_AT_sibling
 * where there is one. What lies in a class of C is not looked at, as it has no scope there.
 * Every turn of a loop takes a byte; siblings lead forward only; nesting is bounded.
 */
#include "walk.h"

enum { DEEPEST = 1 << 16, SPARE_WORK = 1 << 16 };

void enter(Walk *walk, Place place, uint32_t scope, uint32_t function, uint32_t site)
{
    Worker *worker = walk->worker;
    if (worker->frames.count - walk->base >= DEEPEST) {
        worker->faults |= FAULT_DEPTH;
        walk->at.at = walk->at.end;
        return;
    }
    if (!vec_push(&worker->frames, walk->frame)) {
        worker->memory = true;
        return;
    }
    if (scope != walk->frame.scope)
        mark_scope(worker, walk->scopes, walk->unit, cursor_offset(&walk->at), scope);
    walk->frame = (Frame){(uint8_t)place, scope, function, site};
}

static void leave(Walk *walk)
{
    Worker *worker = walk->worker;
    uint32_t scope = walk->frame.scope;
    walk->frame = worker->frames.items[--worker->frames.count];
    if (walk->frame.scope != scope)
        mark_scope(worker, walk->scopes, walk->unit, cursor_offset(&walk->at), walk->frame.scope);
}

void skip_tree(Walk *walk, const Plan *plan)
{
    for (uint64_t depth = plan->children; depth && cursor_left(&walk->at);) {
        uint64_t code = cursor_uleb(&walk->at);
        if (!code) {
            depth--;
            continue;
        }
        plan = plan_at(walk->unit, walk->plans, code);
        if (!plan) {
            walk->at.bad = true;
            walk->at.at = walk->at.end;
            return;
        }
        plan_skip(walk->unit, walk->plans, plan, &walk->at);
        depth += plan->children;
    }
}

void skip_children(Walk *walk, const Plan *plan)
{
    DieRef die;
    if (plan->children && has(&walk->fields, SLOT_SIBLING)
        && value_reference(walk->unit, &walk->fields.value[SLOT_SIBLING], &die) && die.unit == walk->unit
        && die.offset >= cursor_offset(&walk->at))
        cursor_seek(&walk->at, die.offset);
    else
        skip_tree(walk, plan);
}

static void at_namespace(Walk *walk, const Plan *plan)
{
    plan_read(walk->unit, walk->plans, plan, &walk->at, &walk->fields);
    if (!plan->children)
        return;
    uint32_t name = scope_name(walk->worker, walk->unit, &walk->fields);
    if (!name)
        name = nameless(walk->worker, plan->tag);
    enter(walk, IN_UNIT, join_scope(walk->worker, walk->frame.scope, name), NONE, NONE);
}

static void at_import(Walk *walk, const Plan *plan)
{
    Worker *worker = walk->worker;
    DieRef die;
    plan_read(walk->unit, walk->plans, plan, &walk->at, &walk->fields);
    Value *import = &walk->fields.value[SLOT_IMPORT];
    if (!walk->scopes_only && has(&walk->fields, SLOT_IMPORT) && value_reference(walk->unit, import, &die)
        && (!vec_push(&worker->imports, die) || !vec_push(&worker->importers, worker->unit_row)))
        worker->memory = true;
    skip_children(walk, plan);
}

static void at_die(Walk *walk, const Plan *plan)
{
    const Frame *frame = &walk->frame;
    switch (plan->action) {
    case ACT_PASS:
    case ACT_TYPE:
    case ACT_MEMBER:
        if (!plan->children) {
            plan_skip(walk->unit, walk->plans, plan, &walk->at);
            return;
        }
        plan_read(walk->unit, walk->plans, plan, &walk->at, &walk->fields);
        skip_children(walk, plan);
        return;
    case ACT_NAMED:
        at_named(walk, plan);
        return;
    case ACT_CLASS:
    case ACT_ENUM:
        at_class(walk, plan);
        return;
    case ACT_NAMESPACE:
        at_namespace(walk, plan);
        return;
    case ACT_BLOCK:
    case ACT_PACK:
        plan_skip(walk->unit, walk->plans, plan, &walk->at);
        if (plan->children) {
            bool same = frame->kind == IN_UNIT || plan->action == ACT_PACK;
            enter(walk, same ? frame->kind : IN_BODY, frame->scope, frame->function, frame->site);
        }
        return;
    case ACT_FUNCTION:
        at_function(walk, plan);
        return;
    case ACT_INLINED:
        at_inlined(walk, plan);
        return;
    case ACT_PARAMETER:
        at_parameter(walk, plan);
        return;
    case ACT_ELLIPSIS:
        at_ellipsis(walk, plan);
        return;
    case ACT_VARIABLE:
        at_variable(walk, plan);
        return;
    case ACT_IMPORT:
        at_import(walk, plan);
        return;
    }
}

void walk_dies(Walk *walk)
{
    Worker *worker = walk->worker;
    Unit *unit = walk->unit;
    walk->at = unit_cursor(unit, unit->first);
    walk->base = worker->frames.count;
    walk->frame = (Frame){IN_UNIT, 0, NONE, NONE};
    uint64_t code = cursor_uleb(&walk->at);
    const Plan *plan = plan_at(unit, walk->plans, code);
    plan_skip(unit, walk->plans, plan, &walk->at);
    if (plan->children)
        enter(walk, IN_UNIT, 0, NONE, NONE);
    while (worker->frames.count > walk->base && cursor_left(&walk->at) && !worker->memory) {
        walk->offset = cursor_offset(&walk->at);
        code = cursor_uleb(&walk->at);
        if (!code) {
            leave(walk);
            continue;
        }
        plan = plan_at(unit, walk->plans, code);
        if (!plan) {
            walk->at.bad = true;
            break;
        }
        at_die(walk, plan);
    }
    worker->frames.count = walk->base;
    if (walk->at.bad)
        worker->faults |= FAULT_DIE;
}

void walk_unit(Worker *worker, uint32_t unit_row)
{
    UnitRows *rows = &worker->reading->units.items[unit_row];
    Unit *unit = rows->unit;
    worker->unit = unit;
    worker->unit_row = unit_row;
    worker->language = unit->language;
    worker->scoped = scoped_language(unit->language);
    worker->faults = 0;
    worker->work = 4 * (unit->end - unit->offset) + SPARE_WORK;
    worker->plans = plans_of(worker, unit);
    type_forget(worker);
    worker->unit_functions = 0;
    worker->raws.count = worker->raw_places.count = worker->raw_variables.count = worker->raw_params.count = 0;
    worker->site_origins.count = worker->scopes.points.count = 0;
    rows->worker = (uint32_t)(worker - worker->reading->workers);
    rows->name = text_id(worker, unit->name.data, unit->name.size);
    rows->comp_dir = text_id(worker, unit->comp_dir.data, unit->comp_dir.size);
    rows->producer = text_id(worker, unit->producer.data, unit->producer.size);
    uint32_t first_site = (uint32_t)worker->sites.count;
    if (worker->plans && unit->end - unit->offset <= UINT32_MAX) {
        Walk walk = {.worker = worker, .unit = unit, .plans = worker->plans, .scopes = &worker->scopes};
        walk_dies(&walk);
        settle_unit(worker, rows, first_site);
        if (worker->scoped)
            keep_scopes(worker);
    } else if (worker->plans) {
        worker->faults |= FAULT_SIZE;
    }
    rows->faults |= worker->faults;
    worker->unit = NULL;
    worker->plans = NULL;
}
