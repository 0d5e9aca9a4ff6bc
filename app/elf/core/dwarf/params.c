/* The parameters of a function, from its own DIE and from what it goes back to; Go's results among them. */
#include "functions.h"

/* How far from its place a parameter is looked for. */
enum { NEAR = 16 };

uint32_t type_text(Worker *worker, Unit *unit, const RawRef *type, bool *unknown)
{
    uint32_t node = type_node(worker, unit, type, 0);
    *unknown = node == NODE_UNKNOWN;
    return node > NODE_VOID ? worker->type_nodes.items[node].text : 0;
}

/* Passes over the children of a DIE where it says where they end. */
static bool skip_to_sibling(Unit *unit, const Fields *fields, Cursor *at)
{
    DieRef sibling;
    if (!has(fields, SLOT_SIBLING) || !value_reference(unit, &fields->value[SLOT_SIBLING], &sibling)
        || sibling.unit != unit || sibling.offset < cursor_offset(at))
        return false;
    cursor_seek(at, sibling.offset);
    return true;
}

/* The parameters of a function that the walk did not keep: its children's, and those of packs among them. */
static void read_params(Worker *worker, const Link *link, RawParams *params)
{
    Fields fields;
    Cursor at;
    Unit *unit = link->unit;
    const Plan *function = fields_at(worker, unit, link->raw.die, &fields, &at);
    const Plans *plans = unit == worker->unit ? worker->plans : plans_of(worker, unit);
    unsigned depth = 1, own = 1; /* own: depth of the function's children, or of the open pack's */
    while (function && function->children && plans && cursor_left(&at) && !worker->memory) {
        uint64_t offset = cursor_offset(&at), code = cursor_uleb(&at);
        if (!code) {
            if (!--depth)
                break;
            own = own > depth ? depth : own;
            continue;
        }
        const Plan *plan = plan_at(unit, plans, code);
        if (!plan || !spend(worker))
            return;
        plan_read(unit, plans, plan, &at, &fields);
        if (depth == own && (plan->action == ACT_PARAMETER || plan->action == ACT_ELLIPSIS)) {
            RawParam param = {.flags = PARAM_ELLIPSIS};
            if (plan->action == ACT_PARAMETER)
                param = param_of(worker, unit, &fields);
            param.die = offset;
            if (!vec_push(params, param))
                worker->memory = true;
        }
        if (!plan->children)
            continue;
        if (depth == own && plan->action == ACT_PACK)
            own = ++depth;
        else if (!skip_to_sibling(unit, &fields, &at))
            depth++;
    }
}

static void list_params(Worker *worker, const Link *link, RawParams *params)
{
    params->count = 0;
    if (!link->kept) {
        read_params(worker, link, params);
        return;
    }
    for (uint32_t i = link->raw.first_param; i != NONE; i = worker->raw_params.items[i].next) {
        if (!spend(worker))
            return;
        if (!vec_push(params, worker->raw_params.items[i])) {
            worker->memory = true;
            return;
        }
    }
}

/* A parameter's own origin says what it does not. */
static void fill_param(Worker *worker, Unit **unit, RawParam *param)
{
    for (unsigned depth = 0; depth < LONGEST_CHAIN && param->origin.form && !(param->name && param->type.form);
         depth++) {
        DieRef die;
        Fields fields;
        Cursor at;
        if (!follow(worker, *unit, param->origin, &die))
            return;
        const Plan *plan = fields_at(worker, die.unit, die.offset, &fields, &at);
        if (!plan || plan->action != ACT_PARAMETER)
            return;
        RawParam origin = param_of(worker, die.unit, &fields);
        if (!param->name)
            param->name = origin.name;
        if (!param->type.form) {
            param->type = origin.type;
            *unit = die.unit;
        }
        param->flags |= origin.flags;
        param->result |= origin.result;
        param->origin = origin.origin;
    }
}

static void add_result(Worker *worker, Results *results, uint32_t type, bool unknown)
{
    results->unknown |= unknown;
    Bytes text = strings_text(&worker->reading->strings, type);
    if ((results->count++ && !text_add(&results->text, TEXT(", "))) || !text_add(&results->text, text))
        worker->memory = true;
}

static void add_param(Worker *worker, Unit *unit, RawParam param, FnRow *row, Results *results)
{
    bool unknown = false;
    ParamRow made = {.flags = param.flags};
    if (param.flags & PARAM_ELLIPSIS) {
        made.name = text_id(worker, "...", 3);
        row->flags |= FN_UNSPECIFIED;
    } else {
        fill_param(worker, &unit, &param);
        made.name = param.name;
        made.flags = param.flags;
        made.type = param.type.form ? type_text(worker, unit, &param.type, &unknown) : 0;
        unknown |= !param.type.form;
        if (!made.type && !unknown)
            made.type = text_id(worker, "void", 4);
        if (param.result) {
            add_result(worker, results, made.type, unknown);
            return;
        }
        made.flags |= unknown ? PARAM_UNKNOWN : 0;
    }
    if (!vec_push(&worker->params, made))
        worker->memory = true;
}

/* The place in `own` of what goes back to `die`, near `from`; the count for none. */
static size_t find_param(Worker *worker, Unit *unit, const RawParams *own, size_t from, const Unit *base,
                         uint64_t die)
{
    for (size_t i = 0; i < NEAR && i < own->count; i++) {
        size_t at = (from + i) % own->count;
        DieRef origin;
        if (own->items[at].origin.form && follow(worker, unit, own->items[at].origin, &origin)
            && origin.unit == base && origin.offset == die)
            return at;
    }
    return own->count;
}

void settle_params(Worker *worker, const Chain *chain, FnRow *row, Results *results)
{
    RawParams *own = &worker->own_params, *base = &worker->base_params;
    unsigned from = 0;
    list_params(worker, &chain->links[0], own);
    base->count = 0;
    for (unsigned i = 0; i + 1 < chain->count && chain->links[i].raw.abstract; i++) {
        list_params(worker, &chain->links[i + 1], base);
        if (base->count) {
            from = i + 1;
            break;
        }
    }
    if (!from) {
        for (size_t i = 0; i < own->count; i++)
            add_param(worker, chain->links[0].unit, own->items[i], row, results);
        return;
    }
    size_t next = 0;
    bool ellipsis = false;
    for (size_t i = 0; i < base->count; i++) {
        RawParam param = base->items[i];
        size_t at = find_param(worker, chain->links[0].unit, own, next, chain->links[from].unit, param.die);
        ellipsis |= (param.flags & PARAM_ELLIPSIS) != 0;
        if (at < own->count) {
            param.flags |= own->items[at].flags;
            next = at + 1;
        } else if (own->count && param.flags & PARAM_ARTIFICIAL) {
            continue;
        }
        add_param(worker, chain->links[from].unit, param, row, results);
    }
    for (size_t i = 0; i < own->count; i++) {
        bool more = own->items[i].flags & PARAM_ELLIPSIS ? !ellipsis : !own->items[i].origin.form;
        if (more)
            add_param(worker, chain->links[0].unit, own->items[i], row, results);
    }
}
