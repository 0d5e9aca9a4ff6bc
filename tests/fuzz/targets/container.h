/* What a fuzzer's input is cut into: numbered parts, each with its length, so that one can change alone.
 *
 * A part is one byte of number, four of length (little-endian), and its bytes; part 0 is options. The last of
 * a number counts. A length beyond the end means all that is left.
 */
#ifndef FUZZ_CONTAINER_H
#define FUZZ_CONTAINER_H

#include <stdio.h>
#include <stdlib.h>

#include "cursor.h"

#define PARTS 128

typedef struct {
    Bytes part[PARTS];
} Container;

static inline Container container_read(const uint8_t *data, size_t size)
{
    Container container = {0};
    Cursor at = cursor_over((Bytes){data, size}, false);
    while (cursor_left(&at) >= 5) {
        uint8_t number = cursor_u8(&at) % PARTS;
        uint64_t length = cursor_u32(&at);
        container.part[number] = cursor_bytes(&at, length < cursor_left(&at) ? length : cursor_left(&at));
    }
    return container;
}

static inline uint8_t container_option(const Container *container, size_t at)
{
    return at < container->part[0].size ? container->part[0].data[at] : 0;
}

/* Ends the program where what must hold does not, with a line that tells findings apart. */
#define DEMAND(holds) \
    do { \
        if (!(holds)) { \
            fprintf(stderr, "SUMMARY: %s:%d: not so: %s\n", __FILE__, __LINE__, #holds); \
            abort(); \
        } \
    } while (0)

/* From now on the allocation number `turn` fails, and those behind it; 0: none. */
void allocations_fail(uint32_t turn);
/* Memory of the target's own, zeroed, which never fails so. */
void *target_memory(size_t size);

#endif
