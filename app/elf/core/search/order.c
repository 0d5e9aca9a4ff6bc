/* Keys of a narrow range are counted; others, and names by eight bytes at a time, are sorted by their bytes. */
#define _DEFAULT_SOURCE
#include "order.h"

#include <stdlib.h>
#include <string.h>

#include "large.h"
#include "parts.h"

enum { BY_BYTES = 8, DEEPEST = 64, FEW = 16 };
/* Places to count for each key that are worth it, and so many that always are. */
enum { SPARSE = 8, NARROW = 1 << 16 };

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

/* Keys of a narrow range, `first` the least, with `shift` bits below that all have: without a copy. */
static Status by_counting(const uint64_t *keys, size_t count, uint64_t first, unsigned shift, size_t range,
                          int64_t *order)
{
    uint32_t *starts = calloc(range, sizeof *starts), sum = 0;
    if (!starts)
        return OUT_OF_MEMORY;
    for (size_t i = 0; i < count; i++)
        starts[(keys[i] - first) >> shift]++;
    for (size_t i = 0; i < range; i++) {
        uint32_t here = starts[i];
        starts[i] = sum;
        sum += here;
    }
    for (size_t i = 0; i < count; i++)
        order[starts[(keys[i] - first) >> shift]++] = (int64_t)i;
    free(starts);
    return DONE;
}

Status order_keys(const uint64_t *keys, size_t count, int64_t *order)
{
    uint64_t any = 0, all = ~UINT64_C(0), first = ~UINT64_C(0), last = 0;
    for (size_t i = 0; i < count; i++) {
        any |= keys[i];
        all &= keys[i];
        first = keys[i] < first ? keys[i] : first;
        last = keys[i] > last ? keys[i] : last;
    }
    if (!count)
        return DONE;
    if (count > UINT32_MAX || count > SIZE_MAX / 2 / sizeof(Entry))
        return OUT_OF_MEMORY;
    uint64_t differ = any ^ all;
    unsigned shift = differ ? (unsigned)__builtin_ctzll(differ) : 0;
    uint64_t range = (last - first) >> shift;
    if (range < NARROW || range / SPARSE < count)
        return by_counting(keys, count, first, shift, (size_t)range + 1, order);
    Entry *entries = malloc(2 * count * sizeof *entries);
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

/* `folded` of eight bytes at once. */
static inline uint64_t folded_eight(uint64_t bytes)
{
    const uint64_t each = UINT64_C(0x0101010101010101);
    uint64_t low = bytes & 0x7f * each;
    uint64_t from_a = low + (0x80 - 'A') * each, behind_z = low + (0x7f - 'Z') * each;
    return bytes | (~bytes & 0x80 * each & (from_a ^ behind_z)) >> 2;
}

/* Eight bytes of a line from `depth` as one number; what is not there is 0, less than all bytes of a name. */
static uint64_t key_of(const Lines *lines, uint32_t item, size_t depth)
{
    Line line = line_at(lines, item);
    const uint8_t *text = lines->text + line.at;
    uint64_t key = 0;
    if (depth + BY_BYTES <= line.length) {
        memcpy(&key, text + depth, sizeof key);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        key = __builtin_bswap64(key);
#endif
        return folded_eight(key);
    }
    for (size_t i = depth; i < depth + BY_BYTES; i++)
        key = key << 8 | (i < line.length ? folded(text[i]) : 0);
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

typedef struct {
    const Lines *lines;
    Entry *entries, *spare;
    size_t count;
} Share;

static void order_share(void *given)
{
    Share *share = given;
    by_name(share->lines, share->entries, share->spare, share->count, 0);
}

static inline uint8_t first_of(const Lines *lines, size_t index)
{
    Line line = line_at(lines, index);
    return line.length ? folded(lines->text[line.at]) : 0;
}

/* The names by their first byte, so that parts of them can be sorted side by side; gives where each one begins. */
static void by_first(const Lines *lines, Entry *entries, size_t count, size_t starts[257])
{
    size_t places[256];
    memset(starts, 0, 257 * sizeof *starts);
    for (size_t i = 0; i < count; i++)
        starts[first_of(lines, i) + 1]++;
    for (size_t i = 0; i < 256; i++)
        starts[i + 1] += starts[i];
    memcpy(places, starts, sizeof places);
    for (size_t i = 0; i < count; i++) {
        size_t first = first_of(lines, i);
        /* The text may change meanwhile. */
        if (places[first] < count)
            entries[places[first]++].item = (uint32_t)i;
    }
}

Status order_names(const Lines *lines, size_t count, uint32_t *rank)
{
    if (count > lines->count || count > UINT32_MAX || count > SIZE_MAX / 2 / sizeof(Entry))
        return OUT_OF_MEMORY;
    Entry *entries = calloc(2 * (count ? count : 1), sizeof *entries);
    if (!entries)
        return OUT_OF_MEMORY;
    by_large_pages(entries, 2 * count * sizeof *entries);
    size_t starts[257], parts = parts_of(lines->size), begin = 0, byte = 0;
    Share shares[MOST_PARTS];
    by_first(lines, entries, count, starts);
    for (size_t i = 0; i < parts; i++) {
        size_t end = count * (i + 1) / parts;
        while (byte < 256 && starts[byte] < end)
            byte++;
        end = i + 1 == parts ? count : starts[byte];
        shares[i] = (Share){lines, entries + begin, entries + count + begin, end - begin};
        begin = end;
    }
    run_parts(order_share, shares, sizeof *shares, parts);
    for (size_t i = 0; i < count; i++)
        rank[entries[i].item] = (uint32_t)i;
    free(entries);
    return DONE;
}
