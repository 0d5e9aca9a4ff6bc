/* Two passes over lines, each by parts side by side: what they share, then the rest of each. */
#include "grown.h"

#include <string.h>

#include "parts.h"

typedef struct {
    const Lines *lines;
    uint8_t *shared;
    uint32_t *at;
} Measuring;

static size_t common(const uint8_t *one, const uint8_t *other, size_t most)
{
    size_t i = 0;
    for (; i + 8 <= most; i += 8) {
        uint64_t a, b;
        memcpy(&a, one + i, sizeof a);
        memcpy(&b, other + i, sizeof b);
        if (a != b)
            break;
    }
    while (i < most && one[i] == other[i])
        i++;
    return i;
}

static void measure_some(void *given, size_t first, size_t end)
{
    Measuring *measuring = given;
    const Lines *lines = measuring->lines;
    Line before = {0, 0};
    for (size_t index = first; index < end; index++) {
        Line line = line_at(lines, index);
        size_t most = index % RESTART ? (before.length < line.length ? before.length : line.length) : 0;
        if (most > SHARED_MOST)
            most = SHARED_MOST;
        size_t shared = common(lines->text + before.at, lines->text + line.at, most);
        measuring->shared[index] = (uint8_t)shared;
        /* For now how many bytes there are. */
        measuring->at[index] = (uint32_t)(line.length + 1 - (shared > CONTEXT ? shared - CONTEXT : 0));
        before = line;
    }
}

size_t grown_measure(const Lines *lines, uint8_t *shared, uint32_t *at)
{
    Measuring measuring = {lines, shared, at};
    run_chunks(measure_some, &measuring, lines->count, RESTART, lines->size);
    uint64_t sum = 0;
    for (size_t index = 0; index <= lines->count; index++) {
        uint32_t here = index < lines->count ? at[index] : 0;
        at[index] = sum < UINT32_MAX ? (uint32_t)sum : UINT32_MAX;
        sum += here;
    }
    return at[lines->count];
}

typedef struct {
    const Grown *grown;
    uint8_t *to;
    size_t size;
} Filling;

static void fill_some(void *given, size_t first, size_t end)
{
    Filling *filling = given;
    const Grown *grown = filling->grown;
    for (size_t index = first; index < end; index++) {
        Line line = line_at(&grown->lines, index);
        size_t from = left_out(grown, index), at = grown->at[index];
        if (from > line.length || at >= filling->size || line.length - from >= filling->size - at)
            continue; /* the lines have changed meanwhile */
        memcpy(filling->to + at, grown->lines.text + line.at + from, line.length - from);
        filling->to[at + line.length - from] = '\n';
    }
}

void grown_fill(const Grown *grown, uint8_t *to, size_t size)
{
    Filling filling = {grown, to, size};
    run_chunks(fill_some, &filling, grown->lines.count, RESTART, grown->lines.size);
}
