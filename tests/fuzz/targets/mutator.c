/* Changes one part of a container and leaves the others whole, which libFuzzer's own mutations would not. */
#include <stdlib.h>

#include "container.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
    Container container = container_read(data, size);
    uint8_t filled[PARTS];
    unsigned count = 0;
    for (unsigned number = 0; number < PARTS; number++)
        if (container.part[number].size)
            filled[count++] = (uint8_t)number;
    /* Now and then without regard to parts, so that new ones come up. */
    if (!count || seed % 64 == 0)
        return LLVMFuzzerMutate(data, size, most);
    unsigned chosen = filled[seed / 64 % count];
    uint8_t *out = malloc(most);
    if (!out)
        return size;
    size_t end = 0;
    for (unsigned row = 0; row < count; row++) {
        unsigned number = filled[row];
        Bytes part = container.part[number];
        if (most - end < 5)
            break;
        size_t room = most - end - 5;
        size_t length = part.size < room ? part.size : room;
        uint8_t *at = out + end + 5;
        memcpy(at, part.data, length);
        if (number == chosen) {
            /* Parts behind it need their room. */
            size_t grown = length * 2 + 16 < room ? length * 2 + 16 : room;
            length = LLVMFuzzerMutate(at, length, grown ? grown : 1);
        }
        out[end] = (uint8_t)number;
        for (unsigned byte = 0; byte < 4; byte++)
            out[end + 1 + byte] = (uint8_t)(length >> 8 * byte);
        end += 5 + length;
    }
    memcpy(data, out, end);
    free(out);
    return end;
}
