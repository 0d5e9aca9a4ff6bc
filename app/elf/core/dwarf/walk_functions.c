/* Raw rows of functions, their parameters, what is inlined into them, and of variables. */
#include "walk.h"

static Raw raw_here(Walk *walk)
{
    Raw raw = raw_of(walk->worker, walk->unit, &walk->fields);
    raw.die = walk->offset;
    raw.scope = walk->frame.scope;
    return raw;
}

static void entry_of(Walk *walk, Raw *raw)
{
    const Fields *fields = &walk->fields;
    uint64_t entry;
    if (has(fields, SLOT_ENTRY)) {
        const Value *value = &fields->value[SLOT_ENTRY];
        if (value_address(walk->unit, value, &entry))
            raw->low = entry;
        else if (value_unsigned(value, &entry))
            raw->low += entry;
    }
    const Range *ranges = walk->worker->ranges.items + raw->ranges.first;
    for (uint32_t i = 0; i < raw->ranges.count; i++) {
        if (raw->low >= ranges[i].low && raw->low < ranges[i].high) {
            raw->size = ranges[i].high - ranges[i].low;
            return;
        }
    }
}

void at_function(Walk *walk, const Plan *plan)
{
    Worker *worker = walk->worker;
    plan_read(walk->unit, walk->plans, plan, &walk->at, &walk->fields);
    const Fields *fields = &walk->fields;
    bool code = has(fields, SLOT_LOW) || has(fields, SLOT_RANGES);
    if (walk->scopes_only) {
        if (plan->children)
            enter(walk, IN_FUNCTION, 0, NONE, NONE);
        return;
    }
    if (fields->flags & FIELD_DECLARATION && !code) {
        skip_children(walk, plan);
        return;
    }
    Raw raw = raw_here(walk);
    if (walk->frame.kind == IN_FUNCTION || walk->frame.kind == IN_BODY)
        raw.flags |= FN_LOCAL;
    if (code) {
        raw.ranges = span_of(worker, walk->unit, fields, true, &raw.low);
        if (!raw.ranges.count) {
            /* Dropped by the linker. */
            skip_children(walk, plan);
            return;
        }
        entry_of(walk, &raw);
        raw.row = (uint32_t)worker->functions.count + worker->unit_functions++;
        raw.flags |= FN_ADDRESS | (raw.ranges.count > 1 ? FN_COLD : 0);
        if (raw.ranges.count == 1) {
            worker->ranges.count--;
            raw.ranges.count = 0;
        }
    }
    if (!vec_push(&worker->raw_places, (uint32_t)(walk->offset - walk->unit->offset))
        || !vec_push(&worker->raws, raw)) {
        worker->memory = true;
        return;
    }
    if (plan->children)
        enter(walk, IN_FUNCTION, 0, (uint32_t)worker->raws.count - 1, NONE);
}

void at_inlined(Walk *walk, const Plan *plan)
{
    Worker *worker = walk->worker;
    plan_read(walk->unit, walk->plans, plan, &walk->at, &walk->fields);
    const Fields *fields = &walk->fields;
    bool inside = walk->frame.function != NONE && worker->raws.items[walk->frame.function].row != NONE;
    if (!inside || walk->scopes_only) {
        skip_children(walk, plan);
        return;
    }
    uint64_t low;
    SiteRow site = {.function = NONE, .host = worker->raws.items[walk->frame.function].row,
                    .parent = walk->frame.site, .ranges = span_of(worker, walk->unit, fields, false, &low)};
    if (has(fields, SLOT_CALL_FILE))
        site.call_file = file_of(worker, walk->unit, fields->value[SLOT_CALL_FILE].number);
    if (has(fields, SLOT_CALL_LINE))
        site.call_line = (uint32_t)fields->value[SLOT_CALL_LINE].number;
    if (has(fields, SLOT_CALL_COLUMN))
        site.call_column = (uint16_t)fields->value[SLOT_CALL_COLUMN].number;
    if (!vec_push(&worker->sites, site) || !vec_push(&worker->site_origins, raw_ref(fields, SLOT_ORIGIN))) {
        worker->memory = true;
        return;
    }
    if (plan->children)
        enter(walk, IN_BODY, 0, walk->frame.function, (uint32_t)worker->sites.count - 1);
}

static void add_param(Walk *walk, RawParam param)
{
    Worker *worker = walk->worker;
    Raw *function = &worker->raws.items[walk->frame.function];
    param.die = walk->offset;
    param.next = NONE;
    if (!vec_push(&worker->raw_params, param)) {
        worker->memory = true;
        return;
    }
    uint32_t index = (uint32_t)worker->raw_params.count - 1;
    if (function->last_param == NONE)
        function->first_param = index;
    else
        worker->raw_params.items[function->last_param].next = index;
    function->last_param = index;
}

void at_parameter(Walk *walk, const Plan *plan)
{
    if (walk->frame.kind != IN_FUNCTION || walk->frame.function == NONE) {
        plan_skip(walk->unit, walk->plans, plan, &walk->at);
    } else {
        plan_read(walk->unit, walk->plans, plan, &walk->at, &walk->fields);
        add_param(walk, param_of(walk->worker, walk->unit, &walk->fields));
    }
    skip_tree(walk, plan);
}

void at_ellipsis(Walk *walk, const Plan *plan)
{
    plan_skip(walk->unit, walk->plans, plan, &walk->at);
    if (walk->frame.kind == IN_FUNCTION && walk->frame.function != NONE)
        add_param(walk, (RawParam){.flags = PARAM_ELLIPSIS});
    skip_tree(walk, plan);
}

void at_variable(Walk *walk, const Plan *plan)
{
    Worker *worker = walk->worker;
    bool local = walk->frame.kind == IN_FUNCTION || walk->frame.kind == IN_BODY;
    if (walk->scopes_only || walk->frame.kind == IN_CLASS || (local && !plan->expression)) {
        plan_skip(walk->unit, walk->plans, plan, &walk->at);
    } else {
        plan_read(walk->unit, walk->plans, plan, &walk->at, &walk->fields);
        const Fields *fields = &walk->fields;
        Bytes expression;
        uint64_t address = 0;
        uint32_t found = 0;
        if (has(fields, SLOT_LOCATION) && value_expression(&fields->value[SLOT_LOCATION], &expression))
            found = static_location(walk->unit, expression, &address);
        bool dropped = found && !(found & VAR_TLS) && address_dropped(walk->unit, address);
        if (!dropped && (found || (!local && !(fields->flags & FIELD_DECLARATION)))) {
            Raw raw = raw_here(walk);
            raw.low = address;
            raw.flags |= local ? FN_LOCAL : 0;
            raw.row = found;
            if (!vec_push(&worker->raw_variables, raw))
                worker->memory = true;
        }
    }
    skip_tree(walk, plan);
}
