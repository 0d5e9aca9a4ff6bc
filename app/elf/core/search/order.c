/* Radix sorts: keys by their bytes from the lowest, names by eight of their bytes at a time from the first. */
#include "order.h"

#include <stdlib.h>
#include <string.h>

enum { BY_BYTES = 8, DEEPEST = 64, FEW = 16, COUNTED_BITS = 16 };

typedef struct {
    uint64_t key;
    uint32_t item;
} Entry;

/* Stable; bytes that are the same in all keys cost nothing. */
static void radix(Entry *entries, Entry *spare, size_t count)
{
    uint64_t any = 0, all = ~UINT64_C(0);
    for (size_t i = 0; i < count; i++) {
        any |= entries[i].key;
        all &= entries[i].key;
    }
    Entry *from = entries, *to = spare;
    for (unsigned shift = 0; shift < 64; shift += 8) {
        if (!((any ^ all) >> shift & 0xff))
            continue;
        size_t starts[256] = {0}, sum = 0;
        for (size_t i = 0; i < count; i++)
            starts[from[i].key >> shift & 0xff]++;
        for (size_t i = 0; i < 256; i++) {
            size_t here = starts[i];
            starts[i] = sum;
            sum += here;
        }
        for (size_t i = 0; i < count; i++)
            to[starts[from[i].key >> shift & 0xff]++] = from[i];
        Entry *swap = from;
        from = to;
        to = swap;
    }
    if (from != entries)
        memcpy(entries, from, count * sizeof *entries);
}

static void insertion(Entry *entries, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        Entry entry = entries[i];
        size_t at = i;
        for (; at && entries[at - 1].key > entry.key; at--)
            entries[at] = entries[at - 1];
        entries[at] = entry;
    }
}

static void sort(Entry *entries, Entry *spare, size_t count)
{
    if (count <= FEW)
        insertion(entries, count);
    else
        radix(entries, spare, count);
}

/* Keys that differ in a few neighbouring bits alone, `shift` of them below: one pass, without a copy. */
static Status by_counting(const uint64_t *keys, size_t count, unsigned shift, unsigned bits, int64_t *order)
{
    size_t *starts = calloc((size_t)1 << bits, sizeof *starts);
    if (!starts)
        return OUT_OF_MEMORY;
    uint64_t mask = (UINT64_C(1) << bits) - 1;
    size_t sum = 0;
    for (size_t i = 0; i < count; i++)
        starts[keys[i] >> shift & mask]++;
    for (size_t i = 0; i <= mask; i++) {
        size_t here = starts[i];
        starts[i] = sum;
        sum += here;
    }
    for (size_t i = 0; i < count; i++)
        order[starts[keys[i] >> shift & mask]++] = (int64_t)i;
    free(starts);
    return DONE;
}

Status order_keys(const uint64_t *keys, size_t count, int64_t *order)
{
    uint64_t any = 0, all = ~UINT64_C(0);
    for (size_t i = 0; i < count; i++) {
        any |= keys[i];
        all &= keys[i];
    }
    uint64_t differ = count ? any ^ all : 0;
    unsigned shift = differ ? (unsigned)__builtin_ctzll(differ) : 0;
    unsigned bits = differ ? 64 - (unsigned)__builtin_clzll(differ) - shift : 0;
    if (bits <= COUNTED_BITS)
        return by_counting(keys, count, shift, bits, order);
    if (count > UINT32_MAX || count > SIZE_MAX / 2 / sizeof(Entry))
        return OUT_OF_MEMORY;
    Entry *entries = malloc(2 * (count ? count : 1) * sizeof *entries);
    if (!entries)
        return OUT_OF_MEMORY;
    for (size_t i = 0; i < count; i++)
        entries[i] = (Entry){keys[i], (uint32_t)i};
    sort(entries, entries + count, count);
    for (size_t i = 0; i < count; i++)
        order[i] = entries[i].item;
    free(entries);
    return DONE;
}

static inline uint8_t folded(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte;
}

/* Eight bytes of a line from `depth` as one number; what is not there is 0, less than all bytes of a name. */
static uint64_t key_of(const Lines *lines, uint32_t item, size_t depth)
{
    Line line = line_at(lines, item);
    uint64_t key = 0;
    for (size_t i = depth; i < depth + BY_BYTES; i++)
        key = key << 8 | (i < line.length ? folded(lines->text[line.at + i]) : 0);
    return key;
}

/* `depth` grows by eight with each call inside, so they are at most nine. */
static void by_name(const Lines *lines, Entry *entries, Entry *spare, size_t count, size_t depth)
{
    for (size_t i = 0; i < count; i++)
        entries[i].key = depth < DEEPEST ? key_of(lines, entries[i].item, depth)
                                         : line_at(lines, entries[i].item).length;
    sort(entries, spare, count);
    for (size_t at = 0; at < count && depth < DEEPEST;) {
        size_t end = at + 1;
        while (end < count && entries[end].key == entries[at].key)
            end++;
        if (end - at > 1)
            by_name(lines, entries + at, spare, end - at, entries[at].key & 0xff ? depth + BY_BYTES : DEEPEST);
        at = end;
    }
}

Status order_names(const Lines *lines, size_t count, uint32_t *rank)
{
    if (count > lines->count || count > UINT32_MAX || count > SIZE_MAX / 2 / sizeof(Entry))
        return OUT_OF_MEMORY;
    Entry *entries = malloc(2 * (count ? count : 1) * sizeof *entries);
    if (!entries)
        return OUT_OF_MEMORY;
    for (size_t i = 0; i < count; i++)
        entries[i].item = (uint32_t)i;
    by_name(lines, entries, entries + count, count, 0);
    for (size_t i = 0; i < count; i++)
        rank[entries[i].item] = (uint32_t)i;
    free(entries);
    return DONE;
}
