/* Type nodes and their texts. */
#include "nodes.h"

Bytes text_of(Worker *worker, uint32_t id)
{
    return strings_text(&worker->reading->strings, id);
}

Halves halves_of(Worker *worker, uint32_t node)
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

uint32_t make_node(Worker *worker, NodeKind kind, uint32_t child, uint32_t extra, uint8_t qualifiers)
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

uint32_t qualify(Worker *worker, uint32_t node, uint8_t qualifiers)
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

uint32_t named_node(Worker *worker, uint32_t name)
{
    return name ? make_node(worker, T_NAME, 0, name, 0) : NODE_UNKNOWN;
}

uint32_t framed_node(Worker *worker, uint32_t child, const char *frame)
{
    return make_node(worker, T_FRAME, child, text_id(worker, frame, strlen(frame)), 0);
}
