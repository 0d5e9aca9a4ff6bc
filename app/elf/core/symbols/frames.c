#include "frames.h"

enum { SAMPLE = 192, LOOKED_AT = 4096 };
enum { SMALLEST = 64, WINDOW = 512, HEAD = 48 };
enum { STT_FUNC = 2 };
/* Of .eh_frame_hdr: version 1, a pointer in 4 bytes, the count as udata4, the table as datarel sdata4. */
enum { HEADER = 12, UDATA4 = 3, SDATA4 = 11, DATAREL_SDATA4 = 0x3b };

/* Addresses, at most SAMPLE of them. */
typedef struct {
    size_t count;
    uint64_t items[SAMPLE];
} Sample;

/* How many of `count` are passed over for each that is taken. */
static size_t stride(size_t count, size_t most)
{
    size_t step = (count + most - 1) / most;
    return step ? step : 1;
}

static bool is_large(const Functions *functions, size_t row)
{
    return functions->type[row] == STT_FUNC && functions->size[row] >= SMALLEST && functions->section[row];
}

static void by_symbols(const Functions *functions, Sample *sample)
{
    size_t step = functions->symbol_count / LOOKED_AT > 1 ? functions->symbol_count / LOOKED_AT : 1, large = 0;
    for (size_t row = 0; row < functions->symbol_count; row += step)
        large += is_large(functions, row);
    size_t taken = stride(large, SAMPLE), at = 0;
    for (size_t row = 0; row < functions->symbol_count; row += step)
        if (is_large(functions, row) && at++ % taken == 0)
            sample->items[sample->count++] = functions->address[row];
}

/* A function ends where the next one of the table begins. */
static void by_unwinding(const Functions *functions, Sample *sample)
{
    Cursor cursor = cursor_over(functions->unwind, functions->big);
    uint8_t version = cursor_u8(&cursor), pointer = cursor_u8(&cursor) & 15;
    if (version != 1 || (pointer != UDATA4 && pointer != SDATA4) || cursor_u8(&cursor) != UDATA4
        || cursor_u8(&cursor) != DATAREL_SDATA4)
        return;
    cursor_skip(&cursor, 4);
    size_t count = cursor_u32(&cursor), room = cursor_left(&cursor) / 8, large = 0, taken = 1, at = 0;
    count = count < room ? count : room;
    for (int turn = 0; turn < 2; turn++) {
        cursor_seek(&cursor, HEADER);
        int64_t before = 0;
        for (size_t entry = 0; entry < count; entry++) {
            int64_t start = (int32_t)cursor_u32(&cursor);
            cursor_skip(&cursor, 4);
            bool is_next = entry && start - before >= SMALLEST;
            if (is_next && !turn)
                large++;
            else if (is_next && at++ % taken == 0)
                sample->items[sample->count++] = (uint64_t)before + functions->unwind_address;
            before = start;
        }
        taken = stride(large, SAMPLE);
    }
}

/* Each address once. */
static void sort_sample(Sample *sample)
{
    size_t left = 0;
    for (size_t at = 1; at < sample->count; at++) {
        uint64_t address = sample->items[at];
        size_t place = at;
        for (; place && sample->items[place - 1] > address; place--)
            sample->items[place] = sample->items[place - 1];
        sample->items[place] = address;
    }
    for (size_t at = 0; at < sample->count; at++)
        if (!at || sample->items[at] != sample->items[at - 1])
            sample->items[left++] = sample->items[at];
    sample->count = left;
}

/* The bytes from an address on, as the file has them. */
static Bytes code_at(const Functions *functions, uint64_t address)
{
    for (size_t index = 0; index < functions->load_count; index++) {
        const Load *load = &functions->loads[index];
        if (address >= load->address && address - load->address < load->size)
            return bytes_part(functions->file, load->offset + (address - load->address), WINDOW);
    }
    return (Bytes){NULL, 0};
}

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

void count_frames(const Functions *functions, Frames *frames)
{
    Sample sample = {.count = 0}, unwound = {.count = 0};
    by_symbols(functions, &sample);
    if (sample.count < SAMPLE)
        by_unwinding(functions, &unwound);
    Sample *taken = unwound.count > sample.count ? &unwound : &sample;
    sort_sample(taken);
    *frames = (Frames){0, 0};
    for (size_t index = 0; index < taken->count; index++) {
        Bytes window = code_at(functions, taken->items[index]), head = bytes_part(window, 0, HEAD);
        if (window.size < SMALLEST)
            continue;
        if (functions->code == AARCH64) {
            bool calls = has_word(window, 0xfc000000, 0x94000000);
            frames->calling += calls;
            /* mov x29, sp or add x29, sp, #n. */
            frames->framed += calls && has_word(head, 0xff8003ff, 0x910003fd);
        } else {
            bool calls = memchr(window.data, 0xe8, window.size) != NULL;
            frames->calling += calls;
            frames->framed += calls && frames_x86(head, functions->code == X86_64);
        }
    }
}
