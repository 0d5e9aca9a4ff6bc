/* A needle in a text: two of its bytes are compared at 32 places at once, the rest only where both are met.
 *
 * The two are those that names have least often, so that few places are looked at closer. Letters are compared
 * with bit 0x20 set where case does not count. Every load is checked against the size before.
 * Source of the method: W. Mula, "SIMD-friendly algorithms for substring searching", 2016.
 */
#include "scan.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { MUCH = 1 << 20 };

/* Bytes of symbols, the most frequent first; others are rarer than all of these. */
static const char FREQUENT[] = "etaionrsl_:cdmpu,<>gf(hb)y v*kEIw&NSxTZ1CRAPLD20OMFUBqjV";

static unsigned rarity(uint8_t byte)
{
    const char *found = byte ? strchr(FREQUENT, byte) : NULL;
    return found ? (unsigned)(found - FREQUENT) : sizeof FREQUENT;
}

bool wide_instructions(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2");
#else
    return false;
#endif
}

bool scan_start(Scan *scan, const Lines *lines, const uint8_t *needle, size_t length, bool fold, bool portable)
{
    if (!length || length > NEEDLE_MOST || !lines->count)
        return false;
    size_t end = lines->at[lines->count];
    scan->text = lines->text;
    scan->size = end < lines->size ? end : lines->size;
    scan->at = lines->at[0];
    scan->length = length;
    scan->work = 0;
    scan->portable = portable || !wide_instructions();
    size_t rare = 0, other = length - 1;
    for (size_t i = 0; i < length; i++) {
        scan->needle[i] = needle[i];
        scan->bits[i] = fold && is_lower(needle[i]) ? 0x20 : 0;
        if (rarity(needle[i]) > rarity(needle[rare]))
            rare = i;
    }
    if (other == rare)
        other = 0;
    for (size_t i = 0; i < length; i++)
        if (i != rare && rarity(needle[i]) > rarity(needle[other]))
            other = i;
    scan->rare = rare;
    scan->other = other;
    return true;
}

static inline bool whole(Scan *scan, size_t place)
{
    const uint8_t *text = scan->text + place;
    size_t i = 0;
    while (i < scan->length && (text[i] | scan->bits[i]) == scan->needle[i])
        i++;
    scan->work += i;
    return i == scan->length;
}

static size_t next_portable(Scan *scan, uint32_t *places)
{
    size_t count = 0;
    size_t last = scan->size - scan->length, at = scan->at;
    uint8_t rare = scan->needle[scan->rare], bit = scan->bits[scan->rare];
    for (; at <= last && count < PLACES && scan->work < MUCH; at++) {
        if (!bit) {
            const uint8_t *found = memchr(scan->text + at + scan->rare, rare, last - at + 1);
            if (!found) {
                at = last + 1;
                break;
            }
            at = (size_t)(found - scan->text) - scan->rare;
        }
        if ((scan->text[at + scan->rare] | bit) == rare && whole(scan, at))
            places[count++] = (uint32_t)at;
    }
    scan->work += at - scan->at;
    scan->at = at;
    return count;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static inline uint32_t both(const Scan *scan, size_t at, __m256i rare,
                                                             __m256i other, __m256i rare_bit,
                                                             __m256i other_bit)
{
    __m256i a = _mm256_loadu_si256((const __m256i *)(scan->text + at + scan->rare));
    __m256i b = _mm256_loadu_si256((const __m256i *)(scan->text + at + scan->other));
    a = _mm256_cmpeq_epi8(_mm256_or_si256(a, rare_bit), rare);
    b = _mm256_cmpeq_epi8(_mm256_or_si256(b, other_bit), other);
    return (uint32_t)_mm256_movemask_epi8(_mm256_and_si256(a, b));
}

__attribute__((target("avx2"))) static size_t next_wide(Scan *scan, uint32_t *places)
{
    const __m256i rare = _mm256_set1_epi8((char)scan->needle[scan->rare]);
    const __m256i other = _mm256_set1_epi8((char)scan->needle[scan->other]);
    const __m256i rare_bit = _mm256_set1_epi8((char)scan->bits[scan->rare]);
    const __m256i other_bit = _mm256_set1_epi8((char)scan->bits[scan->other]);
    size_t count = 0, at = scan->at;
    size_t stop = at + MUCH;
    bool checked = scan->length <= 2;
    /* A block of 64 places reads at most `length - 1 + 64` bytes from its start. */
    while (count <= PLACES - 64 && at + 63 + scan->length <= scan->size && at < stop && scan->work < MUCH) {
        uint64_t found = both(scan, at, rare, other, rare_bit, other_bit);
        found |= (uint64_t)both(scan, at + 32, rare, other, rare_bit, other_bit) << 32;
        while (found) {
            size_t place = at + (size_t)__builtin_ctzll(found);
            found &= found - 1;
            if (checked || whole(scan, place))
                places[count++] = (uint32_t)place;
        }
        at += 64;
    }
    scan->work += at - scan->at;
    scan->at = at;
    return count;
}
#endif

bool scan_next(Scan *scan, uint32_t places[PLACES], size_t *found)
{
    *found = 0;
    scan->work = 0;
    if (scan->size < scan->length || scan->at > scan->size - scan->length)
        return false;
#if defined(__x86_64__)
    if (!scan->portable && scan->at + 63 + scan->length <= scan->size) {
        *found = next_wide(scan, places);
        return true;
    }
#endif
    *found = next_portable(scan, places);
    return true;
}
