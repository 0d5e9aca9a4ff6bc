/* The functions of one unit and the inlined copies in them, each with its ranges and names: what addresses are
 * looked up in. Names come from abstract origins and specifications, in whichever unit those lie.
 *
 * Source: DWARF 5, sections 3.3.1 and 3.3.8.
 */
#include "dies.h"

/* A chain of origins longer than this is a cycle. */
enum { LONGEST_CHAIN = 16, DEEPEST = 1024 };

typedef struct {
    Value low, high, ranges, origin, name, linkage, file, line, column;
} ScopeValues;

static void read_values(const Unit *unit, Cursor *at, const Die *die, ScopeValues *values)
{
    *values = (ScopeValues){0};
    const AttrSpec *spec = abbrev_specs(unit, die->abbrev);
    for (uint32_t left = die->abbrev->spec_count; left && !at->bad; left--, spec++) {
        Value *value = NULL;
        switch (spec->name) {
        case DW_AT_low_pc:
            value = &values->low;
            break;
        case DW_AT_high_pc:
            value = &values->high;
            break;
        case DW_AT_ranges:
            value = &values->ranges;
            break;
        case DW_AT_abstract_origin:
        case DW_AT_specification:
            value = &values->origin;
            break;
        case DW_AT_name:
            value = &values->name;
            break;
        case DW_AT_linkage_name:
        case DW_AT_MIPS_linkage_name:
            value = &values->linkage;
            break;
        case DW_AT_call_file:
            value = &values->file;
            break;
        case DW_AT_call_line:
            value = &values->line;
            break;
        case DW_AT_call_column:
            value = &values->column;
            break;
        default:
            attr_skip(unit, at, *spec);
            continue;
        }
        attr_read(unit, at, *spec, value);
    }
}

/* The names of a DIE and, where it has none, of those it comes from. False when memory is out. */
static bool find_names(Unit *unit, const ScopeValues *values, Scope *scope)
{
    ScopeValues here = *values;
    for (int step = 0;; step++) {
        if (!scope->name.size)
            value_string(unit, &here.name, &scope->name);
        if (!scope->linkage.size)
            value_string(unit, &here.linkage, &scope->linkage);
        DieRef next;
        if (step >= LONGEST_CHAIN || (scope->name.size && scope->linkage.size) ||
            !value_reference(unit, &here.origin, &next))
            return true;
        unit = next.unit;
        if (!unit_prepare(unit))
            return false;
        if (unit->state != UNIT_READY)
            return true;
        Cursor at = unit_cursor(unit, next.offset);
        Die die;
        if (!die_read(unit, &at, &die))
            return true;
        read_values(unit, &at, &die, &here);
    }
}

static bool find_ranges(const Unit *unit, const ScopeValues *values, ScopeTree *tree, Scope *scope)
{
    scope->first = tree->ranges.count;
    uint64_t offset, low, high;
    bool whole = true;
    if (value_ranges(unit, &values->ranges, &offset)) {
        if (!ranges_read(unit, offset, &tree->ranges, &whole))
            return false;
    } else if (value_address(unit, &values->low, &low) && !address_dropped(unit, low)) {
        if (!value_address(unit, &values->high, &high))
            high = value_unsigned(&values->high, &high) ? low + high : low;
        if (high > low && !vec_push(&tree->ranges, ((Range){low, high})))
            return false;
    }
    scope->count = tree->ranges.count - scope->first;
    return true;
}

static uint32_t small(const Value *value)
{
    uint64_t number;
    return value_unsigned(value, &number) && number <= UINT32_MAX ? (uint32_t)number : 0;
}

/* One function or copy; false when memory is out. `index` becomes its number, or stays. */
static bool push_scope(Unit *unit, Cursor *at, const Die *die, ScopeTree *tree, int32_t *index)
{
    ScopeValues values;
    read_values(unit, at, die, &values);
    Scope scope = {.key = die_key(unit, die->offset),
                   .parent = *index,
                   .inlined = die->abbrev->tag == DW_TAG_inlined_subroutine,
                   .call_file = small(&values.file),
                   .call_line = small(&values.line),
                   .call_column = small(&values.column)};
    if (!find_ranges(unit, &values, tree, &scope))
        return false;
    if (!scope.count || tree->scopes.count >= INT32_MAX)
        return true;
    if (!scope.inlined)
        scope.parent = -1;
    *index = (int32_t)tree->scopes.count;
    return find_names(unit, &values, &scope) && vec_push(&tree->scopes, scope);
}

typedef struct {
    uint64_t low, high;
    int32_t scope;
} Span;

static int by_low(const void *left, const void *right)
{
    const Span *a = left, *b = right;
    if (a->low != b->low)
        return a->low < b->low ? -1 : 1;
    return a->scope < b->scope ? -1 : a->scope > b->scope;
}

/* A heap whose top is the innermost scope, which is the last in the order of DIEs. */
static void heap_push(Span *heap, size_t count, Span span)
{
    while (count && heap[(count - 1) / 2].scope < span.scope) {
        heap[count] = heap[(count - 1) / 2];
        count = (count - 1) / 2;
    }
    heap[count] = span;
}

static void heap_pop(Span *heap, size_t count)
{
    Span last = heap[count - 1];
    size_t at = 0;
    for (size_t child = 1; child < count - 1; child = 2 * at + 1) {
        if (child + 1 < count - 1 && heap[child + 1].scope > heap[child].scope)
            child++;
        if (heap[child].scope <= last.scope)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
}

static bool push_segment(ScopeTree *tree, uint64_t start, int32_t scope)
{
    size_t count = tree->segments.count;
    if (count && tree->segments.items[count - 1].start == start) {
        tree->segments.items[count - 1].scope = scope;
        return true;
    }
    if (count && tree->segments.items[count - 1].scope == scope)
        return true;
    return vec_push(&tree->segments, ((Segment){start, scope}));
}

/* Which scope is the innermost one, from each address on where that changes. */
static bool make_segments(ScopeTree *tree)
{
    size_t count = tree->ranges.count, filled = 0, open = 0;
    Span *spans = malloc((count ? count : 1) * sizeof *spans), *heap = malloc((count ? count : 1) * sizeof *heap);
    bool good = spans && heap;
    for (size_t i = 0; good && i < tree->scopes.count; i++)
        for (size_t range = 0; range < tree->scopes.items[i].count; range++) {
            Range found = tree->ranges.items[tree->scopes.items[i].first + range];
            spans[filled++] = (Span){found.low, found.high, (int32_t)i};
        }
    if (good)
        qsort(spans, filled, sizeof *spans, by_low);
    for (size_t next = 0; good && (next < filled || open);) {
        if (open && (next == filled || heap[0].high <= spans[next].low)) {
            /* The innermost one ends; so do those around it that ended before. */
            uint64_t end = heap[0].high;
            while (open && heap[0].high <= end)
                heap_pop(heap, open--);
            good = push_segment(tree, end, open ? heap[0].scope : -1);
            continue;
        }
        heap_push(heap, open++, spans[next]);
        good = push_segment(tree, spans[next].low, heap[0].scope);
        next++;
    }
    free(spans);
    free(heap);
    return good;
}

void scopes_read(Unit *unit, ScopeTree *tree)
{
    *tree = (ScopeTree){0};
    Skips skips;
    int32_t *path = malloc(DEEPEST * sizeof *path);
    if (!path || !skips_make(unit, &skips)) {
        free(path);
        tree->memory = true;
        return;
    }
    Cursor at = unit_cursor(unit, unit->first);
    unsigned level = 0;
    path[0] = -1;
    do {
        Die die;
        if (!die_read(unit, &at, &die)) {
            if (at.bad || level == 0)
                break;
            level--;
            continue;
        }
        int32_t index = path[level];
        uint16_t tag = die.abbrev->tag;
        if (tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine || tag == DW_TAG_entry_point) {
            if (!push_scope(unit, &at, &die, tree, &index)) {
                tree->memory = true;
                break;
            }
        } else
            skip_die(unit, &skips, &at, &die);
        if (die.abbrev->children) {
            if (level + 1 >= DEEPEST) {
                tree->cut = true;
                break;
            }
            path[++level] = index;
        }
    } while (level && !at.bad);
    tree->cut |= at.bad;
    if (!tree->memory && !make_segments(tree))
        tree->memory = true;
    skips_free(&skips);
    free(path);
}

void scopes_free(ScopeTree *tree)
{
    vec_free(&tree->scopes);
    vec_free(&tree->segments);
    vec_free(&tree->ranges);
}
