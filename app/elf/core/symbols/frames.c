#include "frames.h"

enum { SMALLEST = 64, WINDOW = 512, HEAD = 48 };

/* push rbp and, at once or after other instructions, mov rbp, rsp in either encoding. */
static bool frames_x86(Bytes head, bool wide)
{
    const uint8_t *push = head.size ? memchr(head.data, 0x55, head.size) : NULL;
    if (!push)
        return false;
    size_t first = (size_t)(push - head.data) + 1, skipped = wide;
    for (size_t at = first; at + skipped + 2 <= head.size; at++) {
        const uint8_t *code = bytes_part(head, at, head.size).data;
        if ((!wide || code[0] == 0x48)
            && ((code[skipped] == 0x89 && code[skipped + 1] == 0xe5)
                || (code[skipped] == 0x8b && code[skipped + 1] == 0xec)))
            return true;
    }
    return false;
}

/* Whether some instruction of AArch64 has these bits under the mask. */
static bool has_word(Bytes code, uint32_t mask, uint32_t bits)
{
    Cursor cursor = cursor_over(code, false);
    while (cursor_left(&cursor) >= 4)
        if ((cursor_u32(&cursor) & mask) == bits)
            return true;
    return false;
}

void count_frames(Bytes file, const int64_t *offsets, size_t count, Code code, Frames *frames)
{
    *frames = (Frames){0, 0};
    for (size_t index = 0; index < count; index++) {
        uint64_t offset = (uint64_t)offsets[index];
        Bytes window = bytes_part(file, offset, WINDOW), head = bytes_part(window, 0, HEAD);
        if (offsets[index] < 0 || window.size < SMALLEST)
            continue;
        if (code == AARCH64) {
            bool calls = has_word(window, 0xfc000000, 0x94000000);
            frames->calling += calls;
            /* mov x29, sp or add x29, sp, #n. */
            frames->framed += calls && has_word(head, 0xff8003ff, 0x910003fd);
        } else {
            bool calls = memchr(window.data, 0xe8, window.size) != NULL;
            frames->calling += calls;
            frames->framed += calls && frames_x86(head, code == X86_64);
        }
    }
}
