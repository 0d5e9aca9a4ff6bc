/* Letters that lie in their order in a name, however far apart, to a rank that says how far.
 *
 * Of each part the first end is taken that its letters can have, and from there back the latest beginning.
 * The rank counts the bytes between the letters, and those of parts that begin inside a word more.
 */
#include <stdlib.h>
#include <string.h>

#include "rank.h"
#include "scan.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { INSIDE_A_WORD = 8 };

typedef struct {
    const uint8_t *letters, *bits;
    size_t count;
} Part;

static bool word_byte(uint8_t byte)
{
    return byte >= 0x80 || is_lower(byte | 0x20) || (byte >= '0' && byte <= '9');
}

/* Where the letters of `part` first end, behind the last of them; 0 where they are not. */
static size_t end_portable(const uint8_t *text, size_t length, const Part *part)
{
    size_t letter = 0;
    for (size_t i = 0; i < length; i++)
        if ((text[i] | part->bits[letter]) == part->letters[letter] && ++letter == part->count)
            return i + 1;
    return 0;
}

#if defined(__x86_64__)
/* The places of a letter among 64 bytes. */
__attribute__((target("avx2"))) static inline uint64_t places_of(__m256i low, __m256i high, uint8_t letter,
                                                                 uint8_t bit)
{
    __m256i wanted = _mm256_set1_epi8((char)letter), folded = _mm256_set1_epi8((char)bit);
    low = _mm256_cmpeq_epi8(_mm256_or_si256(low, folded), wanted);
    high = _mm256_cmpeq_epi8(_mm256_or_si256(high, folded), wanted);
    return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
}

/* `readable` bytes may be read from `text`, at least `length`. */
__attribute__((target("avx2"))) static size_t end_wide(const uint8_t *text, size_t length, size_t readable,
                                                       const Part *part)
{
    size_t letter = 0;
    for (size_t at = 0; at < length; at += 64) {
        uint8_t tail[64];
        const uint8_t *from = text + at;
        if (readable - at < 64) {
            memset(tail, 0, sizeof tail);
            memcpy(tail, from, length - at);
            from = tail;
        }
        __m256i low = _mm256_loadu_si256((const __m256i *)from);
        __m256i high = _mm256_loadu_si256((const __m256i *)(from + 32));
        uint64_t open = length - at < 64 ? (UINT64_C(1) << (length - at)) - 1 : UINT64_MAX;
        uint64_t found;
        while ((found = places_of(low, high, part->letters[letter], part->bits[letter]) & open)) {
            uint64_t first = found & (0 - found);
            if (++letter == part->count)
                return at + (size_t)__builtin_ctzll(first) + 1;
            open &= ~(first | (first - 1));
        }
    }
    return 0;
}
#endif

static size_t gaps(const uint8_t *text, size_t end, const Part *part)
{
    size_t begin = end, letter = part->count;
    while (letter && begin) {
        begin--;
        if ((text[begin] | part->bits[letter - 1]) == part->letters[letter - 1])
            letter--;
    }
    size_t between = end - begin - part->count;
    return between + (begin && word_byte(text[begin - 1]) ? INSIDE_A_WORD : 0);
}

static Status rank_parts(const Lines *lines, const Part *parts, size_t count, bool portable, uint16_t *ranks,
                         Deadline *deadline)
{
    for (size_t index = 0; index < lines->count; index++) {
        Line line = line_at(lines, index);
        const uint8_t *text = lines->text + line.at;
        if (deadline_passed(deadline, 16 + line.length))
            return OUT_OF_TIME;
        size_t sum = 0, i = 0;
        for (; i < count; i++) {
            size_t end;
#if defined(__x86_64__)
            if (!portable)
                end = end_wide(text, line.length, lines->size - line.at, &parts[i]);
            else
#endif
                end = end_portable(text, line.length, &parts[i]);
            if (!end)
                break;
            sum += gaps(text, end, &parts[i]);
        }
        if (i == count)
            rank_down(lines, index, ranks, (uint16_t)(sum < NONE - 1 - FUZZY ? FUZZY + sum : NONE - 1));
    }
    (void)portable;
    return DONE;
}

Status rank_fuzzy(const Lines *lines, const void *given, void *ranks, Deadline deadline)
{
    const Question *question = given;
    const uint8_t *text = question->needle;
    size_t length = question->length;
    bool fold = question->fold, portable = question->portable;
    if (!length || length > NEEDLE_MOST)
        return DONE;
    uint8_t *bits = malloc(length);
    Part *parts = malloc((length / 2 + 1) * sizeof *parts);
    Status status = OUT_OF_MEMORY;
    if (bits && parts) {
        size_t count = 0;
        for (size_t i = 0; i < length; i++) {
            bits[i] = fold && is_lower(text[i]) ? 0x20 : 0;
            if (text[i] == ' ')
                continue;
            if (!i || text[i - 1] == ' ')
                parts[count++] = (Part){text + i, bits + i, 0};
            parts[count - 1].count++;
        }
        portable = portable || !wide_instructions();
        status = count ? rank_parts(lines, parts, count, portable, ranks, &deadline) : DONE;
    }
    free(bits);
    free(parts);
    return status;
}
