/* A hash table over one growing text. The seed is the caller's, so that no file can choose what collides. */
#include "intern.h"

#include <string.h>

enum { FIRST_ROOM = 1 << 12 };

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
    size_t start = interned->text.count;
    if (start + length + 1 > UINT32_MAX || !vec_room(&interned->text, length + 1))
        return false;
    if (!vec_push(&interned->starts, (uint32_t)start) || !vec_push(&interned->hashes, hash)) {
        interned->starts.count = interned->hashes.count;
        return false;
    }
    memcpy(interned->text.items + start, text, length);
    interned->text.items[start + length] = '\n';
    interned->text.count = start + length + 1;
    return true;
}

Status intern_lines(Interned *interned, const Lines *lines, const uint32_t *which, size_t count, uint32_t *out)
{
    for (size_t i = 0; i < count; i++) {
        if (2 * (interned->hashes.count + 1) > interned->room && !grow(interned))
            return OUT_OF_MEMORY;
        Line line = which[i] < lines->count ? line_at(lines, which[i]) : (Line){0, 0};
        const uint8_t *text = lines->text + line.at;
        uint64_t hash = hash_of(text, line.length, interned->seed);
        size_t at = hash & (interned->room - 1);
        uint32_t found;
        while ((found = interned->slots[at]) &&
               !(interned->hashes.items[found - 1] == hash && same(interned, found - 1, text, line.length)))
            at = (at + 1) & (interned->room - 1);
        if (!found) {
            if (!add(interned, text, line.length, hash))
                return OUT_OF_MEMORY;
            interned->slots[at] = found = (uint32_t)interned->hashes.count;
        }
        out[i] = found - 1;
    }
    return DONE;
}
