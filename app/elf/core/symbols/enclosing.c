#include "enclosing.h"

enum { STT_FUNC = 2, STT_IFUNC = 10, STB_GLOBAL = 1 };

static bool is_function(const Candidates *symbols, size_t row)
{
    return (symbols->type[row] == STT_FUNC || symbols->type[row] == STT_IFUNC) && symbols->section[row]
        && symbols->size[row];
}

/* The first of the addresses that is not below `start`. */
static size_t first_from(const uint64_t *addresses, size_t count, uint64_t start)
{
    size_t low = 0;
    while (low < count) {
        size_t middle = low + (count - low) / 2;
        if (addresses[middle] < start)
            low = middle + 1;
        else
            count = middle;
    }
    return low;
}

/* Whether `row`, which comes after `known`, begins nearer to what lies behind both. */
static bool is_nearer(const Candidates *symbols, size_t row, uint32_t known)
{
    if (known == NO_ROW || symbols->address[row] != symbols->address[known])
        return known == NO_ROW || symbols->address[row] > symbols->address[known];
    return symbols->bind[row] == STB_GLOBAL || symbols->bind[known] != STB_GLOBAL;
}

void find_enclosing(const Candidates *symbols, const uint64_t *addresses, size_t count, uint32_t *rows)
{
    for (size_t at = 0; at < count; at++)
        rows[at] = NO_ROW;
    for (size_t row = 0; row < symbols->count && row < NO_ROW; row++) {
        size_t at = is_function(symbols, row) ? first_from(addresses, count, symbols->address[row]) : count;
        if (at < count && is_nearer(symbols, row, rows[at]))
            rows[at] = (uint32_t)row;
    }
    /* What begins before one address and not behind the one before it is the nearest; else that one's is. */
    uint32_t nearest = NO_ROW;
    for (size_t at = 0; at < count; at++) {
        if (rows[at] != NO_ROW)
            nearest = rows[at];
        bool inside = nearest != NO_ROW && addresses[at] - symbols->address[nearest] < symbols->size[nearest];
        rows[at] = inside ? nearest : NO_ROW;
    }
}
