/* Which namespaces and classes a DIE lies in: places of a unit where that changes, in order.
 *
 * A function ends scopes, as what lies in one is known there alone. The unit at work makes its scopes on the way;
 * those of others are made when they are asked for, and kept.
 */
#include "walk.h"

/* The texts of scopes without a name. */
uint32_t nameless(Worker *worker, uint16_t tag)
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
uint32_t scope_name(Worker *worker, Unit *unit, const Fields *fields)
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

void mark_scope(Worker *worker, Scopes *scopes, const Unit *unit, uint64_t offset, uint32_t scope)
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

/* What a class lies in; one that is defined outside of where it was declared lies there. */
uint32_t class_outer(Walk *walk)
{
    DieRef die;
    if (!has(&walk->fields, SLOT_SPECIFICATION)
        || !follow(walk->worker, walk->unit, raw_ref(&walk->fields, SLOT_SPECIFICATION), &die))
        return walk->frame.scope;
    if (die.unit == walk->unit)
        return scope_in(walk->scopes, die.offset - die.unit->offset);
    /* While scopes are made another unit's are not asked for: two units could wait for each other. */
    return walk->scopes_only ? walk->frame.scope : scope_at(walk->worker, die.unit, die.offset);
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
void keep_scopes(Worker *worker)
{
    Scopes *kept = calloc(1, sizeof *kept);
    size_t count = worker->scopes.points.count;
    if (!kept || !vec_room(&kept->points, count)) {
        free(kept);
        worker->memory = true;
        return;
    }
    for (size_t i = 0; i < count; i++)
        kept->points.items[kept->points.count++] = worker->scopes.points.items[i];
    vec_trim(&kept->points);
    publish(worker->unit, kept);
}
