/* Texts in shards, each with its lock, a hash table, and memory that never moves. */
#include "string_table.h"

enum { CHUNK = 1 << 16 };

bool strings_open(Strings *strings, size_t budget)
{
    memset(strings, 0, sizeof *strings);
    atomic_store(&strings->budget, budget);
    for (size_t i = 0; i < STRING_SHARDS; i++)
        if (pthread_mutex_init(&strings->shards[i].lock, NULL))
            return false;
    return true;
}

void strings_close(Strings *strings)
{
    for (size_t i = 0; i < STRING_SHARDS; i++) {
        StringShard *shard = &strings->shards[i];
        for (size_t c = 0; c < shard->chunks.count; c++)
            free(shard->chunks.items[c]);
        vec_free(&shard->chunks);
        vec_free(&shard->entries);
        free(shard->table);
        pthread_mutex_destroy(&shard->lock);
    }
    vec_free(&strings->used);
}

static uint64_t hash_of(const uint8_t *text, size_t size)
{
    const uint64_t factor = UINT64_C(0x9fb21c651e98df25);
    uint64_t hash = size * factor;
    while (size >= 8) {
        uint64_t part;
        memcpy(&part, text, 8);
        hash = (hash ^ part) * factor;
        hash ^= hash >> 29;
        text += 8;
        size -= 8;
    }
    uint64_t part = 0;
    memcpy(&part, text, size);
    hash = (hash ^ part) * factor;
    hash ^= hash >> 32;
    hash *= factor;
    return hash ^ hash >> 29;
}

static char *shard_room(StringShard *shard, size_t size)
{
    if (size > shard->chunk_size - shard->chunk_used) {
        size_t room = size > CHUNK ? size : CHUNK;
        char *chunk = malloc(room);
        if (!chunk)
            return NULL;
        if (!vec_push(&shard->chunks, chunk)) {
            free(chunk);
            return NULL;
        }
        shard->chunk_used = 0;
        shard->chunk_size = room;
    }
    char *place = shard->chunks.items[shard->chunks.count - 1] + shard->chunk_used;
    shard->chunk_used += size;
    return place;
}

static bool widen(StringShard *shard)
{
    size_t size = shard->table ? (shard->mask + 1) * 2 : 256;
    uint64_t *table = calloc(size, sizeof *table);
    if (!table)
        return false;
    for (size_t i = 0; shard->table && i <= shard->mask; i++) {
        if (!shard->table[i])
            continue;
        size_t at = (size_t)(shard->table[i] >> 32) & (size - 1);
        while (table[at])
            at = (at + 1) & (size - 1);
        table[at] = shard->table[i];
    }
    free(shard->table);
    shard->table = table;
    shard->mask = size - 1;
    return true;
}

static bool spend(Strings *strings, size_t size)
{
    size_t left = atomic_load(&strings->budget);
    do {
        if (left < size) {
            atomic_store(&strings->limit, true);
            return false;
        }
    } while (!atomic_compare_exchange_weak(&strings->budget, &left, left - size));
    return true;
}

/* Index of the text in its shard, which is locked; UINT32_MAX on failure. */
static uint32_t place(Strings *strings, StringShard *shard, const void *text, size_t size, bool lasts, uint64_t hash)
{
    if ((!shard->table || shard->entries.count > shard->mask / 2) && !widen(shard))
        goto memory;
    size_t at = (size_t)(hash >> 32) & shard->mask;
    for (; shard->table[at]; at = (at + 1) & shard->mask) {
        if (shard->table[at] >> 32 != hash >> 32)
            continue;
        uint32_t index = (uint32_t)shard->table[at] - 1;
        const StringEntry *entry = &shard->entries.items[index];
        if (entry->size == size && !memcmp(entry->text, text, size))
            return index;
    }
    if (!spend(strings, size + sizeof(StringEntry)))
        return UINT32_MAX;
    const char *kept = text;
    if (!lasts) {
        char *copy = shard_room(shard, size);
        if (!copy)
            goto memory;
        kept = memcpy(copy, text, size);
    }
    if (shard->entries.count >= UINT32_MAX / STRING_SHARDS - 1
        || !vec_push(&shard->entries, ((StringEntry){kept, (uint32_t)size, 0})))
        goto memory;
    shard->table[at] = (hash >> 32 << 32) | (uint32_t)shard->entries.count;
    return (uint32_t)shard->entries.count - 1;
memory:
    atomic_store(&strings->memory, true);
    return UINT32_MAX;
}

uint32_t strings_add(Strings *strings, const void *text, size_t size, bool lasts)
{
    if (!size)
        return 0;
    if (size > UINT32_MAX / 2) {
        atomic_store(&strings->limit, true);
        return STRING_FAILED;
    }
    uint64_t hash = hash_of(text, size);
    uint32_t number = (uint32_t)hash % STRING_SHARDS;
    StringShard *shard = &strings->shards[number];
    pthread_mutex_lock(&shard->lock);
    uint32_t index = place(strings, shard, text, size, lasts, hash);
    pthread_mutex_unlock(&shard->lock);
    return index == UINT32_MAX ? STRING_FAILED : index * STRING_SHARDS + number + 1;
}

Bytes strings_text(Strings *strings, uint32_t id)
{
    if (!id || id == STRING_FAILED)
        return (Bytes){NULL, 0};
    StringShard *shard = &strings->shards[(id - 1) % STRING_SHARDS];
    pthread_mutex_lock(&shard->lock);
    StringEntry entry = shard->entries.items[(id - 1) / STRING_SHARDS];
    pthread_mutex_unlock(&shard->lock);
    return (Bytes){(const uint8_t *)entry.text, entry.size};
}

uint32_t strings_number(Strings *strings, uint32_t id)
{
    if (!id || id == STRING_FAILED)
        return 0;
    StringShard *shard = &strings->shards[(id - 1) % STRING_SHARDS];
    StringEntry *entry = &shard->entries.items[(id - 1) / STRING_SHARDS];
    if (!entry->number) {
        if (!vec_push(&strings->used, id)) {
            atomic_store(&strings->memory, true);
            return 0;
        }
        strings->used_size += entry->size;
        entry->number = (uint32_t)strings->used.count;
    }
    return entry->number;
}
