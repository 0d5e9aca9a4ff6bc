/* Texts to numbers: each different one once, numbered as they come. The bytes are borrowed. */
#ifndef PROBESCOPE_INTERN_H
#define PROBESCOPE_INTERN_H

#include "cursor.h"
#include "vec.h"

typedef enum { DONE, NO_MEMORY, TOO_LONG } Outcome;

typedef struct {
    VEC(Bytes) texts;
    uint64_t *slots; /* upper half of the hash, and the number + 1; 0 for none */
    size_t mask, seed;
} Interned;

enum { ABSENT = 0xffffffff };

/* The number of a text; ABSENT where it is not known. */
uint32_t interned(const Interned *table, Bytes text);
/* The same; a text that is new is added. */
Outcome intern(Interned *table, Bytes text, uint32_t *number);
/* Room for so many texts, so that their hashes are made once. */
Outcome intern_room(Interned *table, size_t count);
/* The hash of a text, and a hint that it will be looked for. */
uint64_t intern_hash(const Interned *table, Bytes text);
Outcome intern_hashed(Interned *table, Bytes text, uint64_t hashed, uint32_t *number);
void free_interned(Interned *table);

static inline bool same_bytes(Bytes one, Bytes other)
{
    return one.size == other.size && (!one.size || !memcmp(one.data, other.data, one.size));
}

#endif
