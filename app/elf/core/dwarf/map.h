/* A table of 64-bit keys (never 0) to 32-bit values: open addressing, half full at most. */
#ifndef PROBESCOPE_MAP_H
#define PROBESCOPE_MAP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    uint64_t key;
    uint32_t value;
} MapItem;

typedef struct {
    MapItem *items;
    size_t room, mask, count; /* room: items allocated; mask + 1 of them are in use */
} Map;

static inline size_t map_place(const Map *map, uint64_t key)
{
    key *= UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(key ^ key >> 32) & map->mask;
}

/* Empties the map and makes it fit for `expected` keys; keeps its memory. False when memory is out. */
static inline bool map_reset(Map *map, size_t expected)
{
    size_t wanted = 64;
    while (wanted / 2 < expected && wanted <= SIZE_MAX / 4 / sizeof(MapItem))
        wanted *= 2;
    if (wanted > map->room) {
        MapItem *items = realloc(map->items, wanted * sizeof *items);
        if (!items)
            return false;
        map->items = items;
        map->room = wanted;
    }
    map->mask = wanted - 1;
    map->count = 0;
    memset(map->items, 0, wanted * sizeof *map->items);
    return true;
}

static inline uint32_t *map_find(const Map *map, uint64_t key)
{
    if (!map->room)
        return NULL;
    for (size_t at = map_place(map, key);; at = (at + 1) & map->mask) {
        if (map->items[at].key == key)
            return &map->items[at].value;
        if (!map->items[at].key)
            return NULL;
    }
}

static inline bool map_widen(Map *map)
{
    Map wide = {0};
    if (!map_reset(&wide, map->count * 2 + 32))
        return false;
    for (size_t i = 0; map->room && i <= map->mask; i++) {
        if (!map->items[i].key)
            continue;
        size_t at = map_place(&wide, map->items[i].key);
        while (wide.items[at].key)
            at = (at + 1) & wide.mask;
        wide.items[at] = map->items[i];
    }
    wide.count = map->count;
    free(map->items);
    *map = wide;
    return true;
}

/* The value of `key`, which is put in with value 0 where it is not; NULL when memory is out. */
static inline uint32_t *map_put(Map *map, uint64_t key, bool *fresh)
{
    if (!map->room || map->count > map->mask / 2) {
        if (!map_widen(map))
            return NULL;
    }
    for (size_t at = map_place(map, key);; at = (at + 1) & map->mask) {
        MapItem *item = &map->items[at];
        if (item->key == key) {
            *fresh = false;
            return &item->value;
        }
        if (!item->key) {
            *item = (MapItem){key, 0};
            map->count++;
            *fresh = true;
            return &item->value;
        }
    }
}

static inline void map_free(Map *map)
{
    free(map->items);
    *map = (Map){0};
}

#endif
