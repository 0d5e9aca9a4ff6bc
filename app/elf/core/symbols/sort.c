#include "sort.h"

#include <string.h>

enum { SMALL = 24, LARGE = 768 };

static void insert_each(Keyed *items, size_t count)
{
    for (size_t at = 1; at < count; at++) {
        Keyed item = items[at];
        size_t place = at;
        for (; place && items[place - 1].key > item.key; place--)
            items[place] = items[place - 1];
        items[place] = item;
    }
}

static void merge(const Keyed *from, size_t middle, size_t count, Keyed *to)
{
    size_t left = 0, right = middle;
    for (size_t at = 0; at < count; at++)
        to[at] = left < middle && (right == count || from[left].key <= from[right].key) ? from[left++] : from[right++];
}

static void merge_sort(Keyed *items, Keyed *scratch, size_t count)
{
    for (size_t at = 0; at < count; at += SMALL)
        insert_each(items + at, count - at < SMALL ? count - at : SMALL);
    for (size_t width = SMALL; width < count; width *= 2) {
        for (size_t at = 0; at < count; at += 2 * width) {
            size_t left = count - at, both = left < 2 * width ? left : 2 * width;
            merge(items + at, both < width ? both : width, both, scratch + at);
        }
        memcpy(items, scratch, count * sizeof *items);
    }
}

/* The least byte first; bytes that all have in common are passed over. */
static void radix_sort(Keyed *items, Keyed *scratch, size_t count)
{
    size_t counts[8][256] = {{0}};
    Keyed *from = items, *to = scratch;
    for (size_t at = 0; at < count; at++)
        for (unsigned byte = 0; byte < 8; byte++)
            counts[byte][items[at].key >> 8 * byte & 255]++;
    for (unsigned byte = 0; byte < 8; byte++) {
        size_t *places = counts[byte], sum = 0;
        if (places[from[0].key >> 8 * byte & 255] == count)
            continue;
        for (unsigned value = 0; value < 256; value++) {
            size_t here = places[value];
            places[value] = sum;
            sum += here;
        }
        for (size_t at = 0; at < count; at++)
            to[places[from[at].key >> 8 * byte & 255]++] = from[at];
        Keyed *other = from;
        from = to;
        to = other;
    }
    if (from != items)
        memcpy(items, from, count * sizeof *items);
}

void sort_keyed(Keyed *items, Keyed *scratch, size_t count)
{
    if (count <= SMALL)
        insert_each(items, count);
    else if (count <= LARGE)
        merge_sort(items, scratch, count);
    else
        radix_sort(items, scratch, count);
}
