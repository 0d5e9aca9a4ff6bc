/* Search over names whose columns hold anything: each way of matching, by wide instructions and without, which
 * must agree, and over the lines as they grow, which must agree too where they are lines; then the orders, the
 * interning and the gathering of the same lines, and a choice of entries.
 *
 * Parts: 1 text, 2 starts of lines, 3 further names, 4 what is looked for, 5 a pattern's program. Options: flags (1
 * fold case, 2 and 4 sides, 8 memory runs out), the turn at which it does, and how many lines are names (one byte).
 */
#include "container.h"
#include "search/found.h"
#include "search/gather.h"
#include "search/intern.h"
#include "search/order.h"
#include "search/parts.h"
#include "search/pattern.h"
#include "search/rank.h"
#include "search/select.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of its own, so that it is aligned and ends where it ends. */
static void *copy(Bytes part, size_t least)
{
    void *made = target_memory(part.size > least ? part.size : least);
    if (part.size)
        memcpy(made, part.data, part.size);
    return made;
}

typedef struct {
    const Lines *lines;
    Bytes needle;
    bool fold;
    unsigned sides;
} Asked;

static Status rank(const Asked *asked, unsigned how, bool portable, uint16_t *ranks)
{
    Deadline never = {0};
    memset(ranks, 0xff, asked->lines->names * sizeof *ranks);
    static const Work works[] = {rank_substring, rank_prefix, rank_fuzzy};
    Question question = {asked->needle.data, asked->needle.size, asked->sides, asked->fold, portable};
    return in_parts(asked->lines, works[how], &question, ranks, sizeof *ranks, false, never);
}

static void rank_both(const Asked *asked)
{
    size_t bytes = asked->lines->names * sizeof(uint16_t);
    uint16_t *one = copy((Bytes){NULL, 0}, bytes + 1), *other = copy((Bytes){NULL, 0}, bytes + 1);
    for (unsigned how = 0; how < 3; how++)
        if (rank(asked, how, false, one) == DONE && rank(asked, how, true, other) == DONE)
            DEMAND(memcmp(one, other, bytes) == 0);
    free(one);
    free(other);
}

static void match(const Lines *lines, Bytes program)
{
    Deadline never = {0};
    Pattern pattern;
    if (!pattern_read(&pattern, program)) {
        pattern_free(&pattern);
        return;
    }
    uint8_t *one = copy((Bytes){NULL, 0}, lines->count + 1), *other = copy((Bytes){NULL, 0}, lines->count + 1);
    Status status = in_parts(lines, pattern_mark, &pattern, one, 1, true, never);
    pattern.portable = true;
    if (status == DONE && in_parts(lines, pattern_mark, &pattern, other, 1, true, never) == DONE)
        DEMAND(memcmp(one, other, lines->count) == 0);
    free(one);
    free(other);
    pattern_free(&pattern);
}

static void order_and_intern(const Lines *lines)
{
    uint32_t *numbers = copy((Bytes){NULL, 0}, (lines->count + 1) * sizeof *numbers);
    uint32_t *which = copy((Bytes){NULL, 0}, (lines->count + 1) * sizeof *which);
    uint64_t *keys = copy((Bytes){NULL, 0}, (lines->count + 1) * sizeof *keys);
    int64_t *order = copy((Bytes){NULL, 0}, (lines->count + 1) * sizeof *order);
    for (size_t at = 0; at < lines->count; at++) {
        which[at] = (uint32_t)(lines->count - 1 - at);
        keys[at] = lines->at[at];
    }
    order_names(lines, lines->names, numbers);
    if (order_keys(keys, lines->count, order) == DONE)
        for (size_t at = 0; at < lines->count; at++)
            DEMAND(order[at] >= 0 && (size_t)order[at] < lines->count &&
                   (!at || keys[order[at - 1]] <= keys[order[at]]));
    Interned interned = {.seed = 7};
    if (intern_lines(&interned, lines, which, lines->count, numbers) == DONE)
        for (size_t at = 0; at < lines->count; at++)
            DEMAND(numbers[at] < interned.starts.count);
    intern_free(&interned);
    free(numbers);
    free(which);
    free(keys);
    free(order);
}

static void gather(const Lines *lines)
{
    size_t count = lines->count + 1;
    uint32_t *which = copy((Bytes){NULL, 0}, count * sizeof *which);
    for (size_t at = 0; at < count; at++)
        which[at] = (uint32_t)(count - at);
    Gathering gathering = {lines, which, count};
    size_t size = gathered_size(&gathering);
    /* What is there may have grown or shrunk since the size was asked for. */
    for (size_t room = size > 3 ? size - 3 : 0; room <= size + 3; room++) {
        uint8_t *to = target_memory(room ? room : 1);
        gather_lines(&gathering, to, room);
        DEMAND(!room || to[room - 1] == '\n');
        free(to);
    }
    free(which);
}

/* Whether each line ends with its only newline, and the text with the last line. */
static bool well_formed(const Lines *lines)
{
    for (size_t at = 0; at < lines->count; at++) {
        size_t begin = lines->at[at], end = lines->at[at + 1];
        if (begin >= end || end > lines->size ||
            memchr(lines->text + begin, '\n', end - begin) != lines->text + end - 1)
            return false;
    }
    return !lines->count || !lines->at[0];
}

/* What is found among `grown`; with `ranks` these it has to be. */
static void find_as(const Grown *grown, const Asked *asked, unsigned how, bool portable, const uint16_t *ranks)
{
    static const Finder finders[] = {find_substring, find_prefix, find_fuzzy};
    Deadline never = {0};
    Question question = {asked->needle.data, asked->needle.size, asked->sides, asked->fold, portable};
    Finds *finds;
    const Found *found;
    if (find_all(grown, finders[how], &question, false, never, &finds, &found) == DONE) {
        size_t ranked = 0;
        for (size_t at = 0; ranks && at < grown->lines.names; at++)
            ranked += ranks[at] != NONE;
        DEMAND(!ranks || ranked == found->items.count);
        for (size_t at = 0; at < found->items.count; at++) {
            uint32_t name = found->items.items[at];
            DEMAND(name < grown->lines.names && (!at || found->items.items[at - 1] < name));
            DEMAND(!ranks || found->ranks.items[at] == ranks[name]);
        }
    }
    finds_give(finds);
}

static void match_as(const Grown *grown, Bytes program, bool equal)
{
    Deadline never = {0};
    Pattern pattern;
    Finds *finds = NULL;
    const Found *found;
    uint8_t *marks = copy((Bytes){NULL, 0}, grown->lines.count + 1);
    memset(marks, 0, grown->lines.count + 1);
    if (pattern_read(&pattern, program) &&
        in_parts(&grown->lines, pattern_mark, &pattern, marks, 1, true, never) == DONE &&
        find_all(grown, find_pattern, &pattern, true, never, &finds, &found) == DONE) {
        size_t marked = 0;
        for (size_t at = 0; at < grown->lines.count; at++)
            marked += marks[at];
        DEMAND(!equal || marked == found->items.count);
        for (size_t at = 0; at < found->items.count; at++)
            DEMAND(found->items.items[at] < grown->lines.count && (!equal || marks[found->items.items[at]]));
    }
    finds_give(finds);
    pattern_free(&pattern);
    free(marks);
}

static void find(const Grown *grown, const Asked *asked, Bytes program, bool equal)
{
    uint16_t *ranks = copy((Bytes){NULL, 0}, (grown->lines.names + 1) * sizeof *ranks);
    for (unsigned how = 0; how < 3; how++) {
        bool ranked = equal && rank(asked, how, true, ranks) == DONE;
        find_as(grown, asked, how, false, ranked ? ranks : NULL);
        find_as(grown, asked, how, true, ranked ? ranks : NULL);
    }
    match_as(grown, program, equal);
    free(ranks);
}

/* Among lines as they grow, then where what they have more is anything. */
static void find_both(const Asked *asked, Bytes program)
{
    const Lines *lines = asked->lines;
    uint8_t *shared = copy((Bytes){NULL, 0}, lines->count + 1);
    uint32_t *at = copy((Bytes){NULL, 0}, (lines->count + 1) * sizeof *at);
    size_t size = grown_measure(lines, shared, at);
    if (size <= 4 * (lines->size + lines->count) + 64) {
        uint8_t *text = target_memory(size ? size : 1);
        Grown grown = {*lines, text, size, at, shared};
        memset(text, 'x', size ? size : 1);
        grown_fill(&grown, text, size);
        find(&grown, asked, program, well_formed(lines));
        free(text);
    }
    for (size_t i = 0; i < lines->count && i < asked->needle.size; i++)
        shared[i] = asked->needle.data[i];
    Grown other = {*lines, lines->text, lines->size, lines->at, shared};
    find(&other, asked, program, false);
    finds_let_go();
    free(shared);
    free(at);
}

/* The bytes of the text are kinds, the starts of lines those of entries. */
static void choose(const Asked *asked, unsigned wanted)
{
    const Lines *lines = asked->lines;
    uint16_t *ranks = copy((Bytes){NULL, 0}, (lines->names + 1) * sizeof *ranks);
    uint32_t *names = copy((Bytes){NULL, 0}, (lines->names + 1) * sizeof *names);
    uint64_t counts[KINDS];
    if (rank(asked, 0, false, ranks) != DONE)
        memset(ranks, 0, lines->names * sizeof *ranks);
    for (size_t at = 0; at < lines->names; at++)
        names[at] = (uint32_t)(at + (wanted & 1));
    size_t sizes[] = {0, 1, 2, lines->size};
    for (size_t turn = 0; turn < sizeof sizes / sizeof *sizes; turn++) {
        size_t most = sizes[turn], count = 0;
        uint32_t *out = target_memory((most ? most : 1) * sizeof *out);
        Ranked ranked = {names, ranks, lines->names, lines->at, lines->text, lines->count, lines->size};
        if (select_entries(&ranked, (int)(wanted % (KINDS + 1)) - 1, out, most, &count, counts) == DONE) {
            DEMAND(count <= most);
            for (size_t at = 0; at < count; at++)
                DEMAND(out[at] < lines->size);
        }
        free(out);
    }
    free(ranks);
    free(names);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Container container = container_read(data, size);
    uint8_t flags = container_option(&container, 0);
    uint8_t *text = copy(container.part[1], 1);
    uint32_t *starts = copy(container.part[2], sizeof(uint32_t));
    size_t count = container.part[2].size / sizeof(uint32_t);
    count = count ? count - 1 : 0;
    size_t names = container_option(&container, 3);
    names = names < count ? names : count;
    uint32_t *further = copy(container.part[3], (count + 1) * sizeof(uint32_t));
    uint8_t *needle = copy(container.part[4], 1), *program = copy(container.part[5], 1);
    Lines lines = {text, container.part[1].size, starts, further, count, names, names};
    /* As the caller promises: one line, and in lower case where case does not count. */
    for (size_t at = 0; at < container.part[4].size; at++)
        if (needle[at] == '\n' || (flags & 1 && needle[at] >= 'A' && needle[at] <= 'Z'))
            needle[at] = ' ';
    Asked asked = {&lines, {needle, container.part[4].size}, flags & 1, flags >> 1 & 3};
    if (flags & 8)
        allocations_fail(container_option(&container, 1) | (uint32_t)container_option(&container, 2) << 8);
    rank_both(&asked);
    match(&lines, (Bytes){program, container.part[5].size});
    order_and_intern(&lines);
    gather(&lines);
    find_both(&asked, (Bytes){program, container.part[5].size});
    choose(&asked, flags >> 4);
    allocations_fail(0);
    free(text);
    free(starts);
    free(further);
    free(needle);
    free(program);
    return 0;
}
