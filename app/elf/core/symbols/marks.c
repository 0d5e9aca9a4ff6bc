#include "marks.h"

enum { LOOKED_AT = 16384, SHORTEST = 4, HASH_AND_END = 20 };

void find_defined(const Input *input, const Bytes *wanted, size_t count, uint8_t *found)
{
    uint64_t lengths = 0;
    memset(found, 0, count);
    for (size_t index = 0; index < count; index++)
        lengths |= UINT64_C(1) << wanted[index].size;
    for (size_t row = 0; row < input->count; row++) {
        uint32_t length = input->name_len[row];
        if (length > LONGEST_WANTED || !(lengths >> length & 1) || !input->section[row])
            continue;
        Bytes name = bytes_part(input->names, input->name_at[row], length);
        for (size_t index = 0; index < count; index++)
            if (same_bytes(name, wanted[index]))
                found[index] = 1;
    }
}

/* Rust's new scheme begins with _R; its old one is C++'s with "17h", 16 digits and an E at the end. */
void count_mangled(const Input *input, Mangled *mangled)
{
    size_t step = input->count / LOOKED_AT > 1 ? input->count / LOOKED_AT : 1;
    *mangled = (Mangled){0, 0};
    for (size_t row = 0; row < input->count; row += step) {
        Bytes name = bytes_part(input->names, input->name_at[row], input->name_len[row]);
        if (name.size < SHORTEST || name.data[0] != '_')
            continue;
        bool old = name.size > HASH_AND_END + 4 && name.data[name.size - 1] == 'E'
            && !memcmp(name.data + name.size - HASH_AND_END, "17h", 3);
        if (name.data[1] == 'R')
            mangled->rust += memchr("NICMXY", name.data[2], 6) != NULL;
        else if (name.data[1] == 'Z' && old)
            mangled->rust++;
        else
            mangled->cpp += name.data[1] == 'Z';
    }
}
