/* A hash table over one growing text. The seed is the caller's, so that no file can choose what collides. */
#define _DEFAULT_SOURCE
#include "intern.h"

#include <string.h>

#include "large.h"

enum { FIRST_ROOM = 1 << 12, AHEAD = 16 /* names whose slots are fetched before they are needed */ };

static uint64_t mixed(uint64_t a, uint64_t b)
{
    __uint128_t product = (__uint128_t)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_of(const uint8_t *text, size_t length, uint64_t seed)
{
    uint64_t hash = seed ^ mixed(length + 1, UINT64_C(0x9e3779b97f4a7c15));
    for (size_t at = 0; at < length; at += 8) {
        uint64_t part = 0;
        memcpy(&part, text + at, length - at < 8 ? length - at : 8);
        hash = mixed(hash ^ part, seed | UINT64_C(0xa0761d6478bd6421));
    }
    return mixed(hash, UINT64_C(0xe7037ed1a0b428db));
}

void intern_free(Interned *interned)
{
    vec_free(&interned->text);
    vec_free(&interned->starts);
    vec_free(&interned->hashes);
    free(interned->slots);
    interned->slots = NULL;
    interned->room = 0;
}

static bool grow(Interned *interned)
{
    size_t room = interned->room ? 2 * interned->room : FIRST_ROOM;
    uint32_t *slots = calloc(room, sizeof *slots);
    if (!slots)
        return false;
    by_large_pages(slots, room * sizeof *slots);
    for (size_t i = 0; i < interned->hashes.count; i++) {
        size_t at = interned->hashes.items[i] & (room - 1);
        while (slots[at])
            at = (at + 1) & (room - 1);
        slots[at] = (uint32_t)i + 1;
    }
    free(interned->slots);
    interned->slots = slots;
    interned->room = room;
    return true;
}

static bool same(const Interned *interned, size_t number, const uint8_t *text, size_t length)
{
    size_t start = interned->starts.items[number];
    size_t end = number + 1 < interned->starts.count ? interned->starts.items[number + 1] : interned->text.count;
    return end - start - 1 == length && !memcmp(interned->text.items + start, text, length);
}

static bool add(Interned *interned, const uint8_t *text, size_t length, uint64_t hash)
{
    size_t start = interned->text.count, room = interned->text.room;
    if (start + length + 1 > UINT32_MAX || !vec_room(&interned->text, length + 1))
        return false;
    if (interned->text.room != room)
        by_large_pages(interned->text.items, interned->text.room);
    if (!vec_push(&interned->starts, (uint32_t)start) || !vec_push(&interned->hashes, hash)) {
        interned->starts.count = interned->hashes.count;
        return false;
    }
    memcpy(interned->text.items + start, text, length);
    interned->text.items[start + length] = '\n';
    interned->text.count = start + length + 1;
    return true;
}

typedef struct {
    const uint8_t *text;
    size_t length;
    uint64_t hash;
} Name;

/* The number of a name, a new one for a new name; SIZE_MAX when memory is out. */
static size_t number_of(Interned *interned, const Name *name)
{
    if (2 * (interned->hashes.count + 1) > interned->room && !grow(interned))
        return SIZE_MAX;
    size_t at = name->hash & (interned->room - 1);
    uint32_t found;
    while ((found = interned->slots[at])) {
        if (interned->hashes.items[found - 1] == name->hash &&
            same(interned, found - 1, name->text, name->length))
            return found - 1;
        at = (at + 1) & (interned->room - 1);
    }
    if (!add(interned, name->text, name->length, name->hash))
        return SIZE_MAX;
    interned->slots[at] = (uint32_t)interned->hashes.count;
    return interned->hashes.count - 1;
}

Status intern_lines(Interned *interned, const Lines *lines, const uint32_t *which, size_t count, uint32_t *out)
{
    Name names[AHEAD];
    for (size_t first = 0; first < count; first += AHEAD) {
        size_t some = count - first < AHEAD ? count - first : AHEAD;
        for (size_t i = 0; i < some; i++) {
            uint32_t index = which[first + i];
            Line line = index < lines->count ? line_at(lines, index) : (Line){0, 0};
            const uint8_t *text = lines->text + line.at;
            names[i] = (Name){text, line.length, hash_of(text, line.length, interned->seed)};
            if (interned->room)
                __builtin_prefetch(&interned->slots[names[i].hash & (interned->room - 1)]);
        }
        for (size_t i = 0; i < some; i++) {
            size_t number = number_of(interned, &names[i]);
            if (number == SIZE_MAX)
                return OUT_OF_MEMORY;
            out[first + i] = (uint32_t)number;
        }
    }
    return DONE;
}
