/* A needle in a text: three of its bytes are compared at 32 places at once, the rest only where all are met.
 *
 * They are those that names have least often, so that few places are looked at closer. Letters are compared
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

/* The place of the byte that names have least often, of those that are not taken. */
static size_t rarest(const uint8_t *needle, size_t length, size_t taken, size_t also_taken)
{
    size_t found = length;
    for (size_t i = 0; i < length; i++)
        if (i != taken && i != also_taken && (found == length || rarity(needle[i]) > rarity(needle[found])))
            found = i;
    return found;
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
    for (size_t i = 0; i < length; i++) {
        scan->needle[i] = needle[i];
        scan->bits[i] = fold && is_lower(needle[i]) ? 0x20 : 0;
    }
    scan->rare = rarest(needle, length, length, length);
    scan->other = length > 1 ? rarest(needle, length, scan->rare, length) : scan->rare;
    scan->third = length > 2 ? rarest(needle, length, scan->rare, scan->other) : scan->other;
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
/* A byte of the needle as 32 of it. */
typedef struct {
    size_t place;
    __m256i byte, bit;
} Wide;

__attribute__((target("avx2"))) static inline Wide wide(const Scan *scan, size_t place)
{
    return (Wide){place, _mm256_set1_epi8((char)scan->needle[place]),
                  _mm256_set1_epi8((char)scan->bits[place])};
}

__attribute__((target("avx2"))) static inline __m256i met(const uint8_t *text, const Wide *wide)
{
    __m256i bytes = _mm256_loadu_si256((const __m256i *)(text + wide->place));
    return _mm256_cmpeq_epi8(_mm256_or_si256(bytes, wide->bit), wide->byte);
}

__attribute__((target("avx2"))) static inline uint32_t all_met(const uint8_t *text, const Wide wides[3])
{
    __m256i two = _mm256_and_si256(met(text, &wides[0]), met(text, &wides[1]));
    return (uint32_t)_mm256_movemask_epi8(_mm256_and_si256(two, met(text, &wides[2])));
}

__attribute__((target("avx2"))) static size_t next_wide(Scan *scan, uint32_t *places)
{
    const Wide wides[3] = {wide(scan, scan->rare), wide(scan, scan->other), wide(scan, scan->third)};
    size_t count = 0, at = scan->at;
    size_t stop = at + MUCH;
    bool checked = scan->length <= 3;
    /* A block of 64 places reads at most `length - 1 + 64` bytes from its start. */
    while (count <= PLACES - 64 && at + 63 + scan->length <= scan->size && at < stop && scan->work < MUCH) {
        __builtin_prefetch(scan->text + at + 2048);
        uint64_t found = all_met(scan->text + at, wides);
        found |= (uint64_t)all_met(scan->text + at + 32, wides) << 32;
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
