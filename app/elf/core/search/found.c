/* Chunks of lines by whoever is free, then what they found in the order of the lines. */
#include "found.h"

#include <stdatomic.h>
#include <string.h>

#include "parts.h"
#include "walk.h"

enum { CHUNK = 4 * RESTART, KEPT_MOST = 1 << 20 /* found lines */ };

static void found_free(Found *found)
{
    vec_free(&found->items);
    vec_free(&found->ranks);
}

static _Atomic(Finds *) kept;

static void finds_free(Finds *finds)
{
    if (!finds)
        return;
    for (size_t i = 0; i < finds->count; i++)
        found_free(&finds->chunks[i]);
    free(finds->chunks);
    found_free(&finds->lines);
    found_free(&finds->names);
    vec_free(&finds->pairs);
    free(finds);
}

void finds_let_go(void)
{
    finds_free(atomic_exchange(&kept, NULL));
}

/* Room for `count` chunks, all of them empty; NULL when memory is out. */
static Finds *finds_take(size_t count)
{
    Finds *finds = atomic_exchange(&kept, NULL);
    if (!finds && !(finds = calloc(1, sizeof *finds)))
        return NULL;
    if (finds->count < count) {
        Found *more = realloc(finds->chunks, count * sizeof *more);
        if (!more) {
            finds_free(finds);
            return NULL;
        }
        memset(more + finds->count, 0, (count - finds->count) * sizeof *more);
        finds->chunks = more;
        finds->count = count;
    }
    for (size_t i = 0; i < finds->count; i++)
        finds->chunks[i].items.count = finds->chunks[i].ranks.count = 0;
    finds->lines.items.count = finds->lines.ranks.count = finds->pairs.count = 0;
    finds->names.items.count = finds->names.ranks.count = 0;
    return finds;
}

void finds_give(Finds *finds)
{
    bool many = finds && finds->lines.items.count > KEPT_MOST;
    finds_free(many ? finds : finds ? atomic_exchange(&kept, finds) : NULL);
}

typedef struct {
    const Grown *grown;
    Finder finder;
    const void *question;
    Deadline deadline;
    Found *chunks;
    atomic_int status;
} Finding;

static void find_some(void *given, size_t first, size_t end)
{
    Finding *finding = given;
    Deadline deadline = finding->deadline;
    Found *found = &finding->chunks[first / CHUNK];
    Status status = OUT_OF_MEMORY;
    if (atomic_load(&finding->status) != DONE)
        return;
    if (deadline_over(&deadline))
        status = OUT_OF_TIME;
    else if (vec_room(&found->items, end - first) && vec_room(&found->ranks, end - first))
        status = finding->finder(finding->grown, first, end, finding->question, found, &deadline);
    if (status != DONE)
        atomic_store(&finding->status, (int)status);
}

static Status joined(const Found *chunks, size_t count, Found *found)
{
    size_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += chunks[i].items.count;
    if (!vec_room(&found->items, sum) || !vec_room(&found->ranks, sum))
        return OUT_OF_MEMORY;
    for (size_t i = 0; i < count; i++) {
        size_t here = chunks[i].items.count;
        if (!here)
            continue;
        memcpy(found->items.items + found->items.count, chunks[i].items.items, here * sizeof(uint32_t));
        memcpy(found->ranks.items + found->ranks.count, chunks[i].ranks.items, here * sizeof(uint16_t));
        found->items.count = found->ranks.count += here;
    }
    return DONE;
}

static int by_number(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return (a > b) - (a < b);
}

/* The lines of further spellings, of which `first` is the first, as names above ranks, in order. */
static bool spelled(const Lines *lines, Finds *finds, size_t first)
{
    const Found *found = &finds->lines;
    bool sorted = true;
    if (!vec_room(&finds->pairs, found->items.count - first))
        return false;
    uint64_t *pairs = finds->pairs.items;
    for (size_t i = first; i < found->items.count; i++) {
        size_t name = lines->further[found->items.items[i] - lines->shown];
        if (name >= lines->names)
            continue;
        size_t at = finds->pairs.count++;
        pairs[at] = (uint64_t)name << 16 | found->ranks.items[i];
        sorted = sorted && (!at || pairs[at - 1] <= pairs[at]);
    }
    if (!sorted)
        qsort(pairs, finds->pairs.count, sizeof *pairs, by_number);
    return true;
}

/* How many of the lines found are names as they are shown. */
static size_t shown_of(const Lines *lines, const Found *found)
{
    size_t low = 0;
    for (size_t high = found->items.count; low < high;) {
        size_t middle = low + (high - low) / 2;
        if (found->items.items[middle] < lines->shown)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Lines to the names that they spell, the best rank of each. */
static Status names_of_lines(const Lines *lines, Finds *finds)
{
    const Found *found = &finds->lines;
    Found *names = &finds->names;
    size_t shown = shown_of(lines, found), i = 0, j = 0;
    if (!spelled(lines, finds, shown) || !vec_room(&names->items, shown + finds->pairs.count) ||
        !vec_room(&names->ranks, shown + finds->pairs.count))
        return OUT_OF_MEMORY;
    while (i < shown || j < finds->pairs.count) {
        uint64_t one = i < shown ? (uint64_t)found->items.items[i] << 16 | found->ranks.items[i] : UINT64_MAX;
        uint64_t best = j < finds->pairs.count && finds->pairs.items[j] < one ? finds->pairs.items[j++] : one;
        i += best == one;
        /* The best of a name comes first. */
        if (!names->items.count || names->items.items[names->items.count - 1] != best >> 16)
            found_push(names, (size_t)(best >> 16), (uint16_t)best);
    }
    return DONE;
}

Status find_all(const Grown *grown, Finder finder, const void *question, bool by_line, Deadline deadline,
                Finds **out, const Found **found)
{
    size_t count = grown->lines.count / CHUNK + 1;
    Finds *finds = *out = finds_take(count);
    if (!finds)
        return OUT_OF_MEMORY;
    Finding finding = {grown, finder, question, deadline, finds->chunks, DONE};
    run_chunks(find_some, &finding, grown->lines.count, CHUNK, grown->size);
    Status status = (Status)atomic_load(&finding.status);
    if (status == DONE)
        status = joined(finds->chunks, count, &finds->lines);
    *found = &finds->lines;
    if (status == DONE && !by_line && grown->lines.count > grown->lines.shown) {
        status = names_of_lines(&grown->lines, finds);
        *found = &finds->names;
    }
    return status;
}

Status find_substring(const Grown *grown, size_t first, size_t end, const void *given, Found *found,
                      Deadline *deadline)
{
    const Question *question = given;
    uint8_t bits[NEEDLE_MOST];
    if (question->length > NEEDLE_MOST)
        return DONE;
    for (size_t i = 0; i < question->length; i++)
        bits[i] = question->fold && is_lower(question->needle[i]) ? 0x20 : 0;
    Walk walk;
    Status status = walk_start(&walk, grown, first, end, question->needle, bits, question->length,
                               question->sides, question->portable, deadline);
    return status == DONE ? walk_lines(&walk, found, deadline) : status;
}

Status find_prefix(const Grown *grown, size_t first, size_t end, const void *given, Found *found,
                   Deadline *deadline)
{
    const Question *question = given;
    const uint8_t *needle = question->needle;
    size_t length = question->length, same = 0;
    uint16_t rank = NONE; /* of the line before, and how many bytes it has like the needle */
    for (size_t index = first; index < end; index++) {
        /* What decided there is here the same. */
        if (index == first || grown->shared[index] <= same) {
            Line line = line_at(&grown->lines, index);
            const uint8_t *text = grown->lines.text + line.at;
            size_t most = line.length < length ? line.length : length;
            for (same = 0; same < most; same++)
                if ((text[same] | (question->fold && is_lower(needle[same]) ? 0x20 : 0)) != needle[same])
                    break;
            bool open_end = question->sides & CLOSED && line.length > length && !closes(text[length]);
            rank = same < length || open_end ? NONE : line.length == length ? EXACT : PREFIX;
        }
        if (deadline_passed(deadline, 4 + same))
            return OUT_OF_TIME;
        if (rank != NONE)
            found_push(found, index, rank);
    }
    return DONE;
}

/* The lines that hold the letters of a choice; all where it has none. */
static Status find_literal(const Pattern *pattern, const Choice *choice, const Grown *grown, size_t first,
                           size_t end, Found *found, Deadline *deadline)
{
    uint8_t needle[NEEDLE_MOST], bits[NEEDLE_MOST];
    size_t length = pattern_literal(pattern, choice, needle, bits);
    for (size_t index = first; index < end && !length; index++)
        found_push(found, index, INSIDE);
    Walk walk;
    Status status = walk_start(&walk, grown, first, end, needle, bits, length, 0, pattern->portable, deadline);
    return status == DONE && length ? walk_lines(&walk, found, deadline) : status;
}

Status find_pattern(const Grown *grown, size_t first, size_t end, const void *given, Found *found,
                    Deadline *deadline)
{
    const Pattern *pattern = given;
    uint8_t *marks = calloc(end - first + 1, 1);
    if (!marks)
        return OUT_OF_MEMORY;
    Status status = DONE;
    for (size_t i = 0; i < pattern->choice_count && status == DONE; i++) {
        status = find_literal(pattern, &pattern->choices[i], grown, first, end, found, deadline);
        if (status == DONE)
            status = mark_lines(pattern, &pattern->choices[i], grown, first, found->items.items,
                                found->items.count, marks, deadline);
        found->items.count = found->ranks.count = 0;
    }
    for (size_t index = first; index < end && status == DONE; index++)
        if (marks[index - first])
            found_push(found, index, INSIDE);
    free(marks);
    return status;
}
