/* One pass over a unit's DIEs to raw rows: functions, parameters, variables, inline sites, named types, scopes.
 *
 * A DIE is decoded only where it is wanted; subtrees that can hold nothing wanted are skipped by DW_AT_sibling
 * where there is one. What lies in a class of C is not looked at, as it has no scope there.
 * Every turn of the loop takes a byte; siblings lead forward only; nesting is bounded.
 */
#include "rows.h"

enum { DEEPEST = 1 << 16 };

/* Where a DIE stands. */
typedef enum {
    IN_UNIT,     /* or a namespace */
    IN_CLASS,
    IN_FUNCTION, /* directly: parameters are its own */
    IN_BODY,     /* a block or an inlined function in a function */
    IN_NOTHING,  /* all is passed over */
} Place;

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

static const Plan *plan_at(const Unit *unit, const Plans *plans, uint64_t code)
{
    const Abbrev *abbrev = abbrev_find(unit->abbrevs, code);
    return abbrev ? &plans->plans[abbrev - unit->abbrevs->abbrevs.items] : NULL;
}

const Plan *fields_at(Worker *worker, Unit *unit, uint64_t offset, Fields *fields, Cursor *at)
{
    const Plans *plans = unit == worker->unit ? worker->plans : plans_of(worker, unit);
    if (!plans)
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

/* The texts of scopes without a name. */
static uint32_t nameless(Worker *worker, uint16_t tag)
{
    switch (tag) {
    case DW_TAG_namespace:
        return text_id(worker, "(anonymous namespace)", 21);
    case DW_TAG_class_type:
        return text_id(worker, "(anonymous class)", 17);
    case DW_TAG_union_type:
        return text_id(worker, "(anonymous union)", 17);
    case DW_TAG_structure_type:
        return text_id(worker, "(anonymous struct)", 18);
    default:
        return 0;
    }
}

/* A namespace or class that continues one elsewhere has that one's name; so has a class whose definition lies in
 * a type unit. 0 for none. */
static uint32_t scope_name(Worker *worker, Unit *unit, const Fields *fields)
{
    if (has(fields, SLOT_NAME))
        return name_of(worker, unit, &fields->value[SLOT_NAME]);
    Slot to = has(fields, SLOT_SPECIFICATION) ? SLOT_SPECIFICATION
              : has(fields, SLOT_ORIGIN)      ? SLOT_ORIGIN
                                              : SLOT_SIGNATURE;
    DieRef die;
    Value name;
    if (has(fields, to) && follow(worker, unit, raw_ref(fields, to), &die)
        && die_value(die.unit, die.offset, DW_AT_name, &name))
        return name_of(worker, die.unit, &name);
    return 0;
}

static void mark_scope(Worker *worker, Scopes *scopes, const Unit *unit, uint64_t offset, uint32_t scope)
{
    if (!scopes->points.count ? !scope : scopes->points.items[scopes->points.count - 1].scope == scope)
        return;
    if (!vec_push(&scopes->points, ((ScopePoint){(uint32_t)(offset - unit->offset), scope})))
        worker->memory = true;
}

static uint32_t scope_in(const Scopes *scopes, uint64_t offset)
{
    size_t low = 0, high = scopes->points.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (scopes->points.items[middle].offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? scopes->points.items[low - 1].scope : 0;
}

uint32_t scope_at(Worker *worker, Unit *unit, uint64_t offset)
{
    const Scopes *scopes = unit == worker->unit ? &worker->scopes : scopes_of(worker, unit);
    return scopes ? scope_in(scopes, offset - unit->offset) : 0;
}

typedef struct {
    Worker *worker;
    Unit *unit;
    const Plans *plans;
    Cursor at;
    Frame frame;       /* of the DIE's parent */
    uint64_t offset;   /* of the DIE */
    Fields fields;
    Scopes *scopes;
    bool scopes_only;
    size_t base;       /* of this walk's frames */
} Walk;

/* What a class lies in; one that is defined outside of where it was declared lies there. */
static uint32_t class_outer(Walk *walk)
{
    DieRef die;
    if (has(&walk->fields, SLOT_NAME) || !has(&walk->fields, SLOT_SPECIFICATION)
        || !follow(walk->worker, walk->unit, raw_ref(&walk->fields, SLOT_SPECIFICATION), &die))
        return walk->frame.scope;
    if (die.unit == walk->unit)
        return scope_in(walk->scopes, die.offset - die.unit->offset);
    /* While scopes are made another unit's are not asked for: two units could wait for each other. */
    return walk->scopes_only ? walk->frame.scope : scope_at(walk->worker, die.unit, die.offset);
}

static void enter(Walk *walk, Place place, uint32_t scope, uint32_t function, uint32_t site)
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

/* Passes over the children of the DIE whose fields were read. */
static void skip_children(Walk *walk, const Plan *plan)
{
    if (!plan->children)
        return;
    DieRef die;
    Value sibling = walk->fields.value[SLOT_SIBLING];
    if (has(&walk->fields, SLOT_SIBLING) && value_reference(walk->unit, &sibling, &die) && die.unit == walk->unit
        && die.offset >= cursor_offset(&walk->at))
        cursor_seek(&walk->at, die.offset);
    else
        enter(walk, IN_NOTHING, walk->frame.scope, NONE, NONE);
}

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
    if (walk->frame.scope || name->form != DW_FORM_strp || walk->unit->part->kind != PART_MAIN
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
    bool fresh;
    uint32_t *first = map_put(&worker->type_rows, (uint64_t)name << 3 | kind, &fresh);
    if (!first) {
        worker->memory = true;
        return;
    }
    uint64_t die = die_key(walk->unit, walk->offset);
    for (uint32_t row = *first; row; row = worker->types.items[row - 1].next) {
        TypeRow *known = &worker->types.items[row - 1];
        if (known->size != size)
            continue;
        if (worker->unit_row < known->unit) {
            known->unit = worker->unit_row;
            known->die = die;
        }
        return;
    }
    if (!vec_push(&worker->types, ((TypeRow){size, die, name, worker->unit_row, *first, kind})))
        worker->memory = true;
    else
        *first = (uint32_t)worker->types.count;
}

static void at_class(Walk *walk, const Plan *plan)
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

static void at_named(Walk *walk, const Plan *plan)
{
    plan_read(walk->unit, walk->plans, plan, &walk->at, &walk->fields);
    uint8_t kind = type_kind(plan->tag);
    if (has(&walk->fields, SLOT_NAME) && !type_seen(walk, kind)) {
        uint32_t name = name_of(walk->worker, walk->unit, &walk->fields.value[SLOT_NAME]);
        add_type(walk, kind, kind == KIND_BASE ? name : join_scope(walk->worker, walk->frame.scope, name));
    }
    skip_children(walk, plan);
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

static Raw raw_here(Walk *walk)
{
    Raw raw = raw_of(walk->worker, walk->unit, &walk->fields);
    raw.die = walk->offset;
    raw.scope = walk->frame.scope;
    return raw;
}

/* The ranges of a function or site, added to the worker's, `empty` ones if wanted; `low`: where they start. */
static Span ranges_of(Walk *walk, bool empty, uint64_t *low)
{
    const Fields *fields = &walk->fields;
    Worker *worker = walk->worker;
    Span span = {(uint32_t)worker->ranges.count, 0};
    uint64_t start, end, offset;
    if (has(fields, SLOT_LOW) && value_address(walk->unit, &fields->value[SLOT_LOW], &start)) {
        const Value *high = &fields->value[SLOT_HIGH];
        if (!has(fields, SLOT_HIGH))
            end = start;
        else if (!value_address(walk->unit, high, &end))
            end = value_unsigned(high, &end) ? start + end : start;
        *low = start;
        if (address_dropped(walk->unit, start))
            return span;
        if (end < start)
            end = start;
        if (end == start && !empty)
            return span;
        if (!vec_push(&worker->ranges, ((Range){start, end})))
            worker->memory = true;
    } else if (has(fields, SLOT_RANGES) && value_ranges(walk->unit, &fields->value[SLOT_RANGES], &offset)) {
        bool whole = true;
        if (!ranges_read(walk->unit, offset, &worker->ranges, &whole))
            worker->memory = true;
        if (!whole)
            worker->faults |= FAULT_RANGES;
        if (worker->ranges.count > span.first)
            *low = worker->ranges.items[span.first].low;
    }
    span.count = (uint32_t)(worker->ranges.count - span.first);
    return span;
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

static void at_function(Walk *walk, const Plan *plan)
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
        raw.ranges = ranges_of(walk, true, &raw.low);
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
    if (!vec_push(&worker->raws, raw)) {
        worker->memory = true;
        return;
    }
    if (plan->children)
        enter(walk, IN_FUNCTION, 0, (uint32_t)worker->raws.count - 1, NONE);
}

static void at_inlined(Walk *walk, const Plan *plan)
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
                    .parent = walk->frame.site, .ranges = ranges_of(walk, false, &low)};
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

static void at_parameter(Walk *walk, const Plan *plan)
{
    if (walk->frame.kind != IN_FUNCTION || walk->frame.function == NONE) {
        plan_skip(walk->unit, walk->plans, plan, &walk->at);
    } else {
        plan_read(walk->unit, walk->plans, plan, &walk->at, &walk->fields);
        add_param(walk, param_of(walk->worker, walk->unit, &walk->fields));
    }
    if (plan->children)
        enter(walk, IN_NOTHING, walk->frame.scope, NONE, NONE);
}

static void at_ellipsis(Walk *walk, const Plan *plan)
{
    plan_skip(walk->unit, walk->plans, plan, &walk->at);
    if (walk->frame.kind == IN_FUNCTION && walk->frame.function != NONE)
        add_param(walk, (RawParam){.flags = PARAM_ELLIPSIS});
    if (plan->children)
        enter(walk, IN_NOTHING, walk->frame.scope, NONE, NONE);
}

/* What a location says of a variable with static storage; 0 for other ones. */
static uint32_t static_location(const Unit *unit, Bytes expression, uint64_t *address)
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
    *address = number;
    if (next == DW_OP_form_tls_address || next == DW_OP_GNU_push_tls_address)
        return VAR_ADDRESS | VAR_TLS;
    if (next == DW_OP_plus_uconst) {
        *address += cursor_uleb(&at);
        next = cursor_left(&at) ? cursor_u8(&at) : 0;
    }
    return constant || next ? 0 : VAR_ADDRESS;
}

static void at_variable(Walk *walk, const Plan *plan)
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
    if (plan->children)
        enter(walk, IN_NOTHING, walk->frame.scope, NONE, NONE);
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
    if (frame->kind == IN_NOTHING) {
        plan_skip(walk->unit, walk->plans, plan, &walk->at);
        if (plan->children)
            enter(walk, IN_NOTHING, frame->scope, NONE, NONE);
        return;
    }
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

/* All DIEs of a unit behind its first one. */
static void walk_dies(Walk *walk)
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

/* Keeps the scopes of a unit for others; the first to come are kept. */
static void publish(Unit *unit, Scopes *scopes)
{
    Scopes *none = NULL;
    if (atomic_compare_exchange_strong(&unit->scopes, &none, scopes))
        return;
    vec_free(&scopes->points);
    free(scopes);
}

const Scopes *scopes_of(Worker *worker, Unit *unit)
{
    static const Scopes none = {0};
    if (unit->language && !scoped_language(unit->language))
        return &none;
    const Plans *plans = plans_of(worker, unit);
    if (!plans)
        return NULL;
    Scopes *known = atomic_load(&unit->scopes);
    if (known)
        return known;
    Scopes *made = calloc(1, sizeof *made);
    if (!made) {
        worker->memory = true;
        return NULL;
    }
    uint32_t faults = worker->faults;
    bool scoped = worker->scoped;
    worker->scoped = scoped_language(unit->language);
    Walk walk = {.worker = worker, .unit = unit, .plans = plans, .scopes = made, .scopes_only = true};
    walk_dies(&walk);
    worker->faults = faults; /* they are told where that unit is walked itself */
    worker->scoped = scoped;
    publish(unit, made);
    return atomic_load(&unit->scopes);
}

/* The scopes of the unit at work are wanted again for its inline functions. */
static void keep_scopes(Worker *worker)
{
    Scopes *kept = calloc(1, sizeof *kept);
    size_t count = worker->scopes.points.count;
    if (!kept || !vec_room(&kept->points, count)) {
        free(kept);
        worker->memory = true;
        return;
    }
    memcpy(kept->points.items, worker->scopes.points.items, count * sizeof *kept->points.items);
    kept->points.count = count;
    publish(worker->unit, kept);
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
    worker->plans = plans_of(worker, unit);
    type_forget(worker);
    worker->unit_functions = 0;
    worker->raws.count = worker->raw_variables.count = worker->raw_params.count = 0;
    worker->site_origins.count = worker->scopes.points.count = 0;
    rows->worker = (uint32_t)(worker - worker->reading->workers);
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
}
