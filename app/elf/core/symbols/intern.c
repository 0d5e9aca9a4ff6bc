#include "intern.h"

enum { FIRST_SLOTS = 256 };

static uint64_t mixed(uint64_t one, uint64_t other)
{
    __uint128_t product = (__uint128_t)one * other;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash(Bytes text, uint64_t seed)
{
    Cursor cursor = cursor_over(text, false);
    uint64_t state = seed ^ text.size * UINT64_C(0x9e3779b97f4a7c15);
    while (cursor_left(&cursor) >= 8)
        state = mixed(state ^ cursor_u64(&cursor), UINT64_C(0xa0761d6478bd642f));
    uint64_t rest = 0;
    if (cursor_left(&cursor) >= 4)
        rest = cursor_u32(&cursor);
    while (cursor_left(&cursor))
        rest = rest << 8 | cursor_u8(&cursor);
    return mixed(state ^ rest, UINT64_C(0xe7037ed1a0b428db));
}

/* Where the text is, or would be. */
static size_t slot_of(const Interned *table, Bytes text, uint64_t hashed)
{
    size_t slot = hashed & table->mask;
    for (;; slot = (slot + 1) & table->mask) {
        uint64_t held = table->slots[slot];
        if (!held)
            return slot;
        if ((held ^ hashed) >> 32 == 0 && same_bytes(table->texts.items[(uint32_t)held - 1], text))
            return slot;
    }
}

static bool grow(Interned *table, size_t count)
{
    uint64_t *slots = calloc(count, sizeof *slots);
    if (!slots)
        return false;
    /* The numbers do not depend on it, and a file cannot know it when it chooses its names. */
    if (!table->slots)
        table->seed = (size_t)(uintptr_t)slots ^ (size_t)(uintptr_t)table;
    free(table->slots);
    table->slots = slots;
    table->mask = count - 1;
    for (size_t number = 0; number < table->texts.count; number++) {
        uint64_t hashed = hash(table->texts.items[number], table->seed);
        size_t slot = hashed & table->mask;
        while (slots[slot])
            slot = (slot + 1) & table->mask;
        slots[slot] = hashed >> 32 << 32 | (number + 1);
    }
    return true;
}

uint32_t interned(const Interned *table, Bytes text)
{
    if (!table->slots)
        return ABSENT;
    return (uint32_t)table->slots[slot_of(table, text, hash(text, table->seed))] - 1;
}

Outcome intern_room(Interned *table, size_t count)
{
    size_t slots = FIRST_SLOTS;
    while (slots / 2 < count)
        slots *= 2;
    return (table->slots && table->mask + 1 >= slots) || grow(table, slots) ? DONE : NO_MEMORY;
}

uint64_t intern_hash(const Interned *table, Bytes text)
{
    uint64_t hashed = hash(text, table->seed);
    __builtin_prefetch(&table->slots[hashed & table->mask]);
    return hashed;
}

Outcome intern_hashed(Interned *table, Bytes text, uint64_t hashed, uint32_t *number)
{
    size_t slot = slot_of(table, text, hashed);
    if (!table->slots[slot]) {
        if (table->texts.count >= UINT32_MAX / 2)
            return TOO_LONG;
        if (!vec_push(&table->texts, text))
            return NO_MEMORY;
        table->slots[slot] = hashed >> 32 << 32 | table->texts.count;
    }
    *number = (uint32_t)table->slots[slot] - 1;
    return DONE;
}

Outcome intern(Interned *table, Bytes text, uint32_t *number)
{
    if (!table->slots || table->texts.count > table->mask / 2)
        if (!grow(table, table->slots ? 2 * (table->mask + 1) : FIRST_SLOTS))
            return NO_MEMORY;
    return intern_hashed(table, text, hash(text, table->seed), number);
}

void free_interned(Interned *table)
{
    vec_free(&table->texts);
    free(table->slots);
    table->slots = NULL;
}
