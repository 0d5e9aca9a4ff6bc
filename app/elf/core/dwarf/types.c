/* Type DIEs to texts in the language's own notation, and to sizes.
 *
 * A type becomes a node, the same node for the same type of any unit, so that each text is made once: what stands
 * left of a declared name and what stands right of it, as C has it. C and C++ are written as gdb writes them;
 * where other languages name their pointers and arrays, the names are taken. A type that cannot be followed makes
 * all of what it is part of unknown. Source: DWARF 5, chapter 5.
 */
#include <stdio.h>

#include "rows.h"

enum { DEEPEST_TYPE = 200, LONGEST_TYPE = 1 << 16 };

typedef enum {
    T_NAME = 2,
    T_POINTER,
    T_REFERENCE,
    T_RVALUE,
    T_ARRAY,    /* extra: text of the count */
    T_FUNCTION, /* extra: text of the parameters */
    T_MEMBER,   /* extra: text of the class */
    T_FRAME,    /* extra: text with a | where the child stands */
} NodeKind;

enum { Q_CONST = 1, Q_VOLATILE = 2, Q_RESTRICT = 4, Q_ATOMIC = 8, Q_PLUS_PLUS = 16 };

typedef enum { STYLE_C, STYLE_PLUS_PLUS, STYLE_D, STYLE_FORTRAN, STYLE_RUST, STYLE_PLAIN } Style;

static Style style_of(uint16_t language)
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
    default:
        return STYLE_PLAIN;
    }
}

static Bytes text_of(Worker *worker, uint32_t id)
{
    return strings_text(&worker->reading->strings, id);
}

typedef struct {
    Bytes left, right;
} Halves;

static Halves halves_of(Worker *worker, uint32_t node)
{
    if (node == NODE_VOID)
        return (Halves){TEXT("void"), {NULL, 0}};
    const TypeNode *type = &worker->type_nodes.items[node];
    Bytes text = text_of(worker, type->text);
    return (Halves){bytes_part(text, 0, type->split), bytes_part(text, type->split, text.size)};
}

static void add_qualifiers(Text *text, uint8_t qualifiers, bool behind, bool *memory)
{
    static const struct {
        uint8_t bit;
        const char *word;
    } words[] = {{Q_CONST, "const"}, {Q_VOLATILE, "volatile"}, {Q_RESTRICT, "restrict"}, {Q_ATOMIC, "_Atomic"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!(qualifiers & words[i].bit))
            continue;
        Bytes word = {(const uint8_t *)words[i].word, strlen(words[i].word)};
        bool plus = words[i].bit == Q_RESTRICT && qualifiers & Q_PLUS_PLUS;
        *memory |= (behind && !text_add(text, TEXT(" "))) || (plus && !text_add(text, TEXT("__")))
                   || !text_add(text, word) || (plus && !text_add(text, TEXT("__")))
                   || (!behind && !text_add(text, TEXT(" ")));
    }
}

/* A space, but behind what binds to the declared name. */
static bool add_gap(Text *text)
{
    char last = text->count ? text->items[text->count - 1] : '(';
    return last == '*' || last == '&' || last == '(' || last == ' ' ? true : text_add(text, TEXT(" "));
}

/* Writes a node's text; what is left of the name ends at `split`. */
static bool write_node(Worker *worker, const TypeNode *node, Text *text, uint32_t *split)
{
    bool memory = false, pointer = node->kind >= T_POINTER && node->kind <= T_RVALUE;
    Halves child = halves_of(worker, node->child);
    uint8_t inner = node->child > NODE_VOID ? worker->type_nodes.items[node->child].kind : 0;
    bool wrapped = inner == T_ARRAY || inner == T_FUNCTION;
    Bytes extra = text_of(worker, node->extra);
    text->count = 0;
    if (node->kind == T_NAME) {
        if (node->qualifiers & ~Q_PLUS_PLUS)
            add_qualifiers(text, node->qualifiers, false, &memory);
        memory |= !text_add(text, node->extra ? extra : TEXT("void"));
        *split = (uint32_t)text->count;
        return !memory;
    }
    if (node->kind == T_FRAME) {
        const uint8_t *bar = memchr(extra.data, '|', extra.size);
        size_t before = bar ? (size_t)(bar - extra.data) : extra.size;
        memory |= !text_add(text, bytes_part(extra, 0, before)) || !text_add(text, child.left)
                  || !text_add(text, child.right) || !text_add(text, bytes_part(extra, before + 1, extra.size));
        *split = (uint32_t)text->count;
        return !memory;
    }
    memory |= !text_add(text, child.left);
    if (pointer || node->kind == T_MEMBER) {
        memory |= !add_gap(text) || (wrapped && !text_add(text, TEXT("(")));
        if (node->kind == T_MEMBER)
            memory |= !text_add(text, extra) || !text_add(text, TEXT("::*"));
        else
            memory |= !text_add(text, node->kind == T_POINTER ? TEXT("*") : node->kind == T_REFERENCE ? TEXT("&") : TEXT("&&"));
        add_qualifiers(text, node->qualifiers, true, &memory);
        *split = (uint32_t)text->count;
        memory |= (wrapped && !text_add(text, TEXT(")"))) || !text_add(text, child.right);
        return !memory;
    }
    if (node->kind == T_ARRAY) {
        memory |= inner != T_ARRAY && !add_gap(text);
        *split = (uint32_t)text->count;
        memory |= !text_add(text, TEXT("[")) || !text_add(text, extra) || !text_add(text, TEXT("]"));
    } else {
        memory |= !add_gap(text);
        *split = (uint32_t)text->count;
        memory |= !text_add(text, TEXT("(")) || !text_add(text, extra) || !text_add(text, TEXT(")"));
    }
    memory |= !text_add(text, child.right);
    if (node->kind == T_FUNCTION)
        add_qualifiers(text, node->qualifiers, true, &memory);
    return !memory;
}

/* The node that is made of this; unknown where its child is. */
static uint32_t make_node(Worker *worker, NodeKind kind, uint32_t child, uint32_t extra, uint8_t qualifiers)
{
    if ((kind != T_NAME && child == NODE_UNKNOWN) || child >= 1 << 23)
        return NODE_UNKNOWN;
    bool fresh;
    uint64_t key = (uint64_t)extra << 32 | (uint64_t)child << 9 | (uint64_t)kind << 5 | qualifiers;
    uint32_t *known = map_put(&worker->nodes, key, &fresh);
    if (!known) {
        worker->memory = true;
        return NODE_UNKNOWN;
    }
    if (!fresh)
        return *known;
    TypeNode node = {.child = child, .extra = extra, .kind = (uint8_t)kind, .qualifiers = qualifiers};
    if (!write_node(worker, &node, &worker->text, &node.split)) {
        worker->memory = true;
        return NODE_UNKNOWN;
    }
    node.text = worker->text.count > LONGEST_TYPE ? 0 : text_id(worker, worker->text.items, worker->text.count);
    if (!node.text)
        return *known = NODE_UNKNOWN;
    if (!vec_push(&worker->type_nodes, node)) {
        worker->memory = true;
        return NODE_UNKNOWN;
    }
    return *known = (uint32_t)worker->type_nodes.count - 1;
}

static uint32_t qualify(Worker *worker, uint32_t node, uint8_t qualifiers)
{
    if (node == NODE_UNKNOWN)
        return node;
    if (node == NODE_VOID)
        return make_node(worker, T_NAME, 0, 0, qualifiers);
    TypeNode type = worker->type_nodes.items[node];
    /* An array is what its elements are. */
    if (type.kind == T_ARRAY)
        return make_node(worker, T_ARRAY, qualify(worker, type.child, qualifiers), type.extra, 0);
    if (type.kind == T_REFERENCE || type.kind == T_RVALUE || type.kind == T_FRAME)
        return node;
    return make_node(worker, type.kind, type.child, type.extra, type.qualifiers | qualifiers);
}

static uint32_t named_node(Worker *worker, uint32_t name)
{
    return name ? make_node(worker, T_NAME, 0, name, 0) : NODE_UNKNOWN;
}

static uint32_t framed_node(Worker *worker, uint32_t child, const char *frame)
{
    return make_node(worker, T_FRAME, child, text_id(worker, frame, strlen(frame)), 0);
}

typedef struct {
    Worker *worker;
    Unit *unit;
    const Plan *plan;
    Fields fields;
    Cursor at;
    uint64_t offset;
    unsigned depth;
    Style style;
} Found;

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
    DieRef die;
    if (has(&found->fields, SLOT_SIGNATURE)) {
        RawRef signature = raw_ref(&found->fields, SLOT_SIGNATURE);
        return type_node(worker, found->unit, &signature, found->depth + 1);
    }
    uint32_t name = 0, scope = 0;
    if (has(&found->fields, SLOT_NAME)) {
        name = name_of(worker, found->unit, &found->fields.value[SLOT_NAME]);
        scope = scope_at(worker, found->unit, found->offset);
    } else if (has(&found->fields, SLOT_SPECIFICATION)) {
        Value value;
        if (!follow(worker, found->unit, raw_ref(&found->fields, SLOT_SPECIFICATION), &die)
            || !die_value(die.unit, die.offset, DW_AT_name, &value))
            return NODE_UNKNOWN;
        name = name_of(worker, die.unit, &value);
        scope = scope_at(worker, die.unit, die.offset);
    }
    return named_node(worker, keyword_name(found, join_scope(worker, name ? scope : 0, name)));
}

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

typedef struct {
    int64_t lower, count;
} Dimension;

enum { MOST_DIMENSIONS = 32 };

/* The subranges of an array; false where there are too many, or one cannot be read. */
static bool dimensions_of(Found *found, Dimension *dimensions, unsigned *count)
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
        const Abbrev *abbrev = abbrev_find(unit->abbrevs, code);
        if (!abbrev)
            return false;
        const Plan *plan = &plans->plans[abbrev - unit->abbrevs->abbrevs.items];
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
        const Abbrev *abbrev = abbrev_find(unit->abbrevs, code);
        if (!abbrev) {
            known = false;
            break;
        }
        const Plan *plan = &plans->plans[abbrev - unit->abbrevs->abbrevs.items];
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
    bool empty = !some && found->style == STYLE_C && !(found->fields.flags & FIELD_PROTOTYPED);
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
            return framed_node(worker, child_node(found), "|*");
        if (found->style == STYLE_RUST)
            return framed_node(worker, child_node(found), "*mut |");
        if (found->style == STYLE_FORTRAN)
            return framed_node(worker, child_node(found), "|, pointer");
        return make_node(worker, T_POINTER, child_node(found), 0, 0);
    case DW_TAG_reference_type:
        if (found->style == STYLE_FORTRAN)
            return child_node(found);
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
