/* Texts, each kept once: any number of threads add them, and numbers for the output are given in the end. */
#ifndef PROBESCOPE_STRING_TABLE_H
#define PROBESCOPE_STRING_TABLE_H

#include <pthread.h>
#include <stdatomic.h>

#include "cursor.h"
#include "vec.h"

enum { STRING_SHARDS = 64, STRING_FAILED = UINT32_MAX };

typedef struct {
    const char *text;
    uint32_t size;
    uint32_t number; /* in the output; 0 before it is used there */
} StringEntry;

typedef struct {
    pthread_mutex_t lock;
    uint64_t *table; /* upper half of the hash, index + 1 */
    size_t mask;
    VEC(StringEntry) entries;
    VEC(char *) chunks;
    size_t chunk_used, chunk_size;
} StringShard;

typedef struct {
    StringShard shards[STRING_SHARDS];
    atomic_size_t budget; /* bytes that may still be added */
    atomic_bool memory;   /* allocation failed */
    atomic_bool limit;    /* the budget is used up */
    VEC(uint32_t) used;   /* ids in the order of their numbers, from number 1 */
    size_t used_size;     /* bytes of their texts */
} Strings;

bool strings_open(Strings *strings, size_t budget);
void strings_close(Strings *strings);

/* The id of a text; 0 for "". STRING_FAILED, with `memory` or `limit` set, when it cannot be kept. One that
 * `lasts` as long as the Strings is not copied. */
uint32_t strings_add(Strings *strings, const void *text, size_t size, bool lasts);
Bytes strings_text(Strings *strings, uint32_t id);

/* The number of an id in the output, by first use. Only where no other thread is at work. */
uint32_t strings_number(Strings *strings, uint32_t id);

#endif
