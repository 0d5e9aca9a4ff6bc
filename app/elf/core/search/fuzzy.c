/* Letters that lie in their order in a name, however far apart, to a rank that says how far.
 *
 * Of each part the first end is taken that its letters can have, and from there back the latest beginning.
 * The rank counts the bytes between the letters, and those of parts that begin inside a word more.
 */
#include <stdlib.h>
#include <string.h>

#include "found.h"
#include "rank.h"
#include "scan.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { INSIDE_A_WORD = 8 };

typedef struct {
    const uint8_t *letters, *bits;
    size_t count;
    size_t reached; /* letters that are met so far */
    uint32_t *ends; /* behind each of them, in its line */
    size_t gaps;    /* of the whole, when it is `known` */
    bool known;
} Part;

static bool word_byte(uint8_t byte)
{
    return byte >= 0x80 || is_lower(byte | 0x20) || (byte >= '0' && byte <= '9');
}

/* Meets more letters of `part` in what follows `base` bytes of a line. */
static void reach_portable(const uint8_t *text, size_t length, size_t base, Part *part)
{
    size_t letter = part->reached;
    for (size_t i = 0; i < length && letter < part->count; i++)
        if ((text[i] | part->bits[letter]) == part->letters[letter])
            part->ends[letter++] = (uint32_t)(base + i + 1);
    part->reached = letter;
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
__attribute__((target("avx2"))) static void reach_wide(const uint8_t *text, size_t length, size_t readable,
                                                       size_t base, Part *part)
{
    size_t letter = part->reached;
    for (size_t at = 0; at < length && letter < part->count; at += 64) {
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
        while (letter < part->count &&
               (found = places_of(low, high, part->letters[letter], part->bits[letter]) & open)) {
            uint64_t first = found & (0 - found);
            part->ends[letter++] = (uint32_t)(base + at + (size_t)__builtin_ctzll(first) + 1);
            open &= ~(first | (first - 1));
        }
    }
    part->reached = letter;
}
#endif

static void reach(const uint8_t *text, size_t length, size_t readable, size_t base, Part *part, bool portable)
{
#if defined(__x86_64__)
    if (!portable) {
        reach_wide(text, length, readable, base, part);
        return;
    }
#endif
    (void)readable;
    (void)portable;
    reach_portable(text, length, base, part);
}

/* Where letters of `part` from the `letter`-th back begin at the latest, if they end before `begin`. */
static size_t back_portable(const uint8_t *text, size_t begin, size_t letter, const Part *part)
{
    while (letter && begin) {
        begin--;
        if ((text[begin] | part->bits[letter - 1]) == part->letters[letter - 1])
            letter--;
    }
    return begin;
}

#if defined(__x86_64__)
/* The same for all letters: most lie within the last 64 bytes. `readable` as above. */
__attribute__((target("avx2"))) static size_t back_wide(const uint8_t *text, size_t end, size_t readable,
                                                        const Part *part)
{
    size_t from = end > 64 ? end - 64 : 0, letter = part->count, begin = end;
    if (readable - from < 64)
        return back_portable(text, end, letter, part);
    __m256i low = _mm256_loadu_si256((const __m256i *)(text + from));
    __m256i high = _mm256_loadu_si256((const __m256i *)(text + from + 32));
    uint64_t open = end - from < 64 ? (UINT64_C(1) << (end - from)) - 1 : UINT64_MAX, found;
    while (letter && (found = places_of(low, high, part->letters[letter - 1], part->bits[letter - 1]) & open)) {
        size_t place = 63 - (size_t)__builtin_clzll(found);
        begin = from + place;
        open = (UINT64_C(1) << place) - 1;
        letter--;
    }
    return letter ? back_portable(text, begin, letter, part) : begin;
}
#endif

static size_t gaps(const uint8_t *text, size_t end, size_t readable, const Part *part, bool portable)
{
    size_t begin;
#if defined(__x86_64__)
    if (!portable)
        begin = back_wide(text, end, readable, part);
    else
#endif
        begin = back_portable(text, end, part->count, part);
    (void)readable;
    (void)portable;
    size_t between = end - begin - part->count;
    return between + (begin && word_byte(text[begin - 1]) ? INSIDE_A_WORD : 0);
}

static uint16_t rank_of(size_t gaps)
{
    return (uint16_t)(gaps < NONE - 1 - FUZZY ? FUZZY + gaps : NONE - 1);
}

static Status rank_parts(const Lines *lines, Part *parts, size_t count, bool portable, uint16_t *ranks,
                         Deadline *deadline)
{
    for (size_t index = 0; index < lines->count; index++) {
        Line line = line_at(lines, index);
        const uint8_t *text = lines->text + line.at;
        if (deadline_passed(deadline, 16 + line.length))
            return OUT_OF_TIME;
        size_t sum = 0, i = 0;
        for (; i < count; i++) {
            Part *part = &parts[i];
            part->reached = 0;
            reach(text, line.length, lines->size - line.at, 0, part, portable);
            if (part->reached < part->count)
                break;
            sum += gaps(text, part->ends[part->count - 1], lines->size - line.at, part, portable);
        }
        if (i == count)
            rank_down(lines, index, ranks, rank_of(sum));
    }
    return DONE;
}

/* What `part` has met within the first `shared` bytes of the line before it has met here, too. */
static void keep_shared(Part *part, size_t shared)
{
    while (part->reached && part->ends[part->reached - 1] > shared) {
        part->reached--;
        part->known = false;
    }
}

static Status find_parts(const Grown *grown, size_t first, size_t end, Part *parts, size_t count, bool portable,
                         Found *found, Deadline *deadline)
{
    for (size_t index = first; index < end; index++) {
        size_t shared = index == first ? 0 : grown->shared[index], skipped = left_out(grown, index);
        size_t at = grown->at[index] + (shared - (shared < skipped ? shared : skipped));
        size_t stop = grown->at[index + 1] < grown->size ? grown->at[index + 1] : grown->size;
        size_t length = at < stop ? stop - 1 - at : 0, sum = 0, met = 0;
        if (deadline_passed(deadline, 8 + length))
            return OUT_OF_TIME;
        for (size_t i = 0; i < count; i++) {
            Part *part = &parts[i];
            keep_shared(part, shared);
            if (part->reached < part->count && length)
                reach(grown->text + at, length, grown->size - at, shared, part, portable);
            if (part->reached < part->count)
                continue;
            if (!part->known) {
                Line line = line_at(&grown->lines, index);
                size_t last = part->ends[part->count - 1];
                part->gaps = gaps(grown->lines.text + line.at, last < line.length ? last : line.length,
                                  grown->lines.size - line.at, part, portable);
                part->known = true;
            }
            sum += part->gaps;
            met++;
        }
        if (met == count)
            found_push(found, index, rank_of(sum));
    }
    return DONE;
}

typedef struct {
    uint8_t *bits;
    uint32_t *ends;
    Part *parts;
    size_t count;
    bool portable;
} Letters;

static void letters_free(Letters *letters)
{
    free(letters->bits);
    free(letters->ends);
    free(letters->parts);
}

static Status letters_of(const Question *question, Letters *letters)
{
    const uint8_t *text = question->needle;
    size_t length = question->length;
    *letters = (Letters){malloc(length + 1), malloc((length + 1) * sizeof(uint32_t)),
                         calloc(length / 2 + 1, sizeof(Part)), 0, question->portable || !wide_instructions()};
    if (!letters->bits || !letters->ends || !letters->parts)
        return OUT_OF_MEMORY;
    for (size_t i = 0; i < length; i++) {
        letters->bits[i] = question->fold && is_lower(text[i]) ? 0x20 : 0;
        if (text[i] == ' ')
            continue;
        if (!i || text[i - 1] == ' ')
            letters->parts[letters->count++] =
                (Part){.letters = text + i, .bits = letters->bits + i, .ends = letters->ends + i};
        letters->parts[letters->count - 1].count++;
    }
    return DONE;
}

Status rank_fuzzy(const Lines *lines, const void *given, void *ranks, Deadline deadline)
{
    const Question *question = given;
    if (!question->length || question->length > NEEDLE_MOST)
        return DONE;
    Letters letters;
    Status status = letters_of(question, &letters);
    if (status == DONE && letters.count)
        status = rank_parts(lines, letters.parts, letters.count, letters.portable, ranks, &deadline);
    letters_free(&letters);
    return status;
}

Status find_fuzzy(const Grown *grown, size_t first, size_t end, const void *given, Found *found,
                  Deadline *deadline)
{
    const Question *question = given;
    if (!question->length || question->length > NEEDLE_MOST)
        return DONE;
    Letters letters;
    Status status = letters_of(question, &letters);
    if (status == DONE && letters.count)
        status = find_parts(grown, first, end, letters.parts, letters.count, letters.portable, found, deadline);
    letters_free(&letters);
    return status;
}
