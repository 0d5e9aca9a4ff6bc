/* Names to numbers, what they show, and their alphabetical order: ASCII letters without case, then with it, then
 * the linkage name. Sorted eight bytes at a time, without recursion.
 */
#include "names.h"

#include "demangle.h"
#include "sort.h"

/* Demangled names of a part may be longer than the names by so much; the rest of it stay as they are. */
enum { TIMES_LONGER = 16, ALWAYS = 1 << 20 };
#ifndef PART_NAMES
#define PART_NAMES (1 << 14)
#endif
enum { TOGETHER = 16, AHEAD = 8 };
/* Equal texts go on to the next. */
enum { FOLDED, SHOWN, RAW, STAGES };

typedef struct {
    uint32_t first, count, depth, stage;
} Run;

static Bytes symbol_name(const Input *input, size_t row)
{
    return bytes_part(input->names, input->name_at[row], input->name_len[row]);
}

static Outcome intern_symbols(const Input *input, Names *names)
{
    uint64_t total = 0;
    names->of_symbol = malloc((input->count + 1) * sizeof *names->of_symbol);
    if (!names->of_symbol)
        return NO_MEMORY;
    /* Overlapping names could be longer together than any file. */
    for (size_t row = 0; row < input->count; row++)
        total += input->name_len[row];
    if (total > UINT32_MAX)
        return TOO_LONG;
    Outcome outcome = intern_room(&names->raw, input->count);
    /* Several at a time, because a place in a large table is far from the processor. */
    for (size_t first = 0; first < input->count && outcome == DONE; first += TOGETHER) {
        uint64_t hashes[TOGETHER];
        size_t end = input->count - first < TOGETHER ? input->count : first + TOGETHER;
        for (size_t row = first; row < end; row++)
            hashes[row - first] = intern_hash(&names->raw, symbol_name(input, row));
        for (size_t row = first; row < end && outcome == DONE; row++)
            outcome = intern_hashed(&names->raw, symbol_name(input, row), hashes[row - first],
                                    &names->of_symbol[row]);
    }
    return outcome;
}

/* The name of a string of the debug information; ABSENT for an empty one. `seen` has those that were asked for. */
static Outcome intern_string(const Input *input, Names *names, uint32_t string, uint32_t *seen, uint32_t *number)
{
    *number = ABSENT;
    if (!string || string >= input->string_count)
        return DONE;
    if (seen[string] != ABSENT) {
        *number = seen[string];
        return DONE;
    }
    uint32_t begin = input->string_at[string], end = input->string_at[string + 1];
    Bytes text = bytes_part(input->strings, begin, end > begin ? end - begin : 0);
    if (!text.size)
        return DONE;
    Outcome outcome = intern(&names->raw, text, number);
    seen[string] = *number;
    return outcome;
}

static Outcome intern_known(const Input *input, Names *names, const Known *known, uint32_t *seen, Pair **pairs)
{
    Outcome outcome = DONE;
    bool nameless = false;
    *pairs = malloc((known->count + 1) * sizeof **pairs);
    if (!*pairs)
        return NO_MEMORY;
    for (size_t row = 0; row < known->count && outcome == DONE; row++) {
        Pair *pair = &(*pairs)[row];
        outcome = intern_string(input, names, known->linkage[row], seen, &pair->linkage);
        if (outcome == DONE)
            outcome = intern_string(input, names, known->name[row], seen, &pair->name);
        if (pair->name == pair->linkage)
            pair->name = ABSENT;
        nameless |= pair->name == ABSENT && pair->linkage == ABSENT;
    }
    uint32_t empty;
    return outcome == DONE && nameless ? intern(&names->raw, (Bytes){NULL, 0}, &empty) : outcome;
}

Outcome collect_names(const Input *input, Names *names)
{
    *names = (Names){.lines = input->names.size && memchr(input->names.data, '\n', input->names.size)};
    names->lines |= input->strings.size && memchr(input->strings.data, '\n', input->strings.size);
    uint32_t *seen = malloc((input->string_count + 1) * sizeof *seen);
    if (!seen)
        return NO_MEMORY;
    memset(seen, 0xff, (input->string_count + 1) * sizeof *seen);
    Outcome outcome = intern_symbols(input, names);
    if (outcome == DONE)
        outcome = intern_known(input, names, &input->functions, seen, &names->of_function);
    if (outcome == DONE)
        outcome = intern_known(input, names, &input->variables, seen, &names->of_variable);
    free(seen);
    size_t count = names->raw.texts.count;
    names->part_count = count / PART_NAMES + 1;
    names->parts = calloc(names->part_count, sizeof *names->parts);
    names->shown = calloc(count + 1, sizeof *names->shown);
    return outcome == DONE && !(names->parts && names->shown) ? NO_MEMORY : outcome;
}

static Outcome show(Names *names, uint32_t number, Bytes text, bool demangled)
{
    names->shown[number] = (Shown){names->arena.count, (uint32_t)text.size, true, demangled};
    return append(&names->arena, text);
}

Outcome demangle_part(Names *names, size_t number)
{
    Part *part = &names->parts[number];
    size_t end = (number + 1) * PART_NAMES, count = names->raw.texts.count;
    uint64_t mangled = 0;
    Demangler demangler = {.demangle = NULL};
    bool opened = false;
    Outcome outcome = DONE;
    for (uint32_t name = (uint32_t)(number * PART_NAMES); name < end && name < count && outcome == DONE; name++) {
        Bytes raw = names->raw.texts.items[name];
        Spelling spelling = AS_IT_IS;
        uint64_t before = part->arena.count;
        if (!may_be_mangled(raw))
            continue;
        if (!opened)
            demangler_open(&demangler);
        opened = true;
        mangled += raw.size;
        if (demangler.written <= ALWAYS + TIMES_LONGER * mangled)
            outcome = demangle(&demangler, raw, &part->arena, &spelling);
        if (spelling == DEMANGLED)
            names->shown[name] = (Shown){before, (uint32_t)(part->arena.count - before), true, true};
        if (spelling == FOREIGN && !vec_push(&part->foreign, name))
            outcome = NO_MEMORY;
    }
    demangler_close(&demangler);
    return outcome;
}

static bool join_foreign(Names *names, const Part *part)
{
    for (size_t at = 0; at < part->foreign.count; at++)
        if (!vec_push(&names->foreign, part->foreign.items[at]))
            return false;
    return true;
}

Outcome join_parts(Names *names)
{
    for (size_t number = 0; number < names->part_count; number++) {
        Part *part = &names->parts[number];
        uint64_t before = names->arena.count;
        if (!join_foreign(names, part))
            return NO_MEMORY;
        /* Mostly all of them are the first one's. */
        if (!before) {
            vec_free(&names->arena);
            names->arena = part->arena;
            part->arena = (Blob){NULL, 0, 0};
            continue;
        }
        Outcome outcome = append(&names->arena, (Bytes){part->arena.items, part->arena.count});
        if (outcome != DONE)
            return outcome;
        size_t end = (number + 1) * PART_NAMES, count = names->raw.texts.count;
        for (size_t name = number * PART_NAMES; name < end && name < count; name++)
            names->shown[name].at += names->shown[name].demangled ? before : 0;
        vec_free(&part->arena);
    }
    return DONE;
}

Outcome show_name(Names *names, uint32_t number, Bytes text)
{
    if (!text.size || text.size > LONGEST_SHOWN || same_bytes(names->raw.texts.items[number], text))
        return DONE;
    return show(names, number, text, true);
}

static void replace_newlines(uint8_t *bytes, size_t size)
{
    Bytes rest = {bytes, size};
    for (const uint8_t *found; rest.size && (found = memchr(rest.data, '\n', rest.size));) {
        size_t at = (size_t)(found - bytes);
        bytes[at] = 1;
        rest = bytes_part((Bytes){bytes, size}, at + 1, size);
    }
}

/* A name is one line: a newline in it is shown as another byte. */
static Outcome show_on_one_line(Names *names)
{
    Outcome outcome = DONE;
    for (uint32_t number = 0; names->lines && number < names->raw.texts.count && outcome == DONE; number++) {
        Bytes raw = names->raw.texts.items[number];
        if (!names->shown[number].elsewhere && raw.size && memchr(raw.data, '\n', raw.size))
            outcome = show(names, number, raw, false);
    }
    replace_newlines(names->arena.items, names->arena.count);
    return outcome;
}

static Bytes shown_text(const Names *names, uint32_t number)
{
    const Shown *shown = &names->shown[number];
    if (!shown->elsewhere)
        return names->raw.texts.items[number];
    return bytes_part((Bytes){names->arena.items, names->arena.count}, shown->at, shown->size);
}

static const Bytes *stage_text(const Names *names, uint32_t number, uint32_t stage)
{
    return stage == RAW ? &names->raw.texts.items[number] : &names->text[number];
}

/* Eight letters at once to lower case. */
static uint64_t fold(uint64_t bytes)
{
    const uint64_t every = UINT64_C(0x0101010101010101);
    uint64_t low = bytes & 0x7f * every;
    uint64_t upper = ((low + (0x80 - 'A') * every) ^ (low + (0x7f - 'Z') * every)) & ~bytes & 0x80 * every;
    return bytes | upper >> 2;
}

/* The eight bytes from `depth` on as one number that sorts as they do; zeros behind the end. */
static uint64_t key_at(Bytes text, uint32_t depth, bool folded)
{
    uint64_t key = 0;
    Cursor cursor = cursor_over(bytes_part(text, depth, 8), true);
    size_t left = cursor_left(&cursor);
    if (left == 8) {
        key = cursor_u64(&cursor);
    } else {
        while (cursor_left(&cursor))
            key = key << 8 | cursor_u8(&cursor);
        key = left ? key << 8 * (8 - left) : 0;
    }
    return folded ? fold(key) : key;
}

typedef VEC(Run) Runs;

/* Items of one key: those that end here come first, the shortest before, and go on to the next stage. */
static bool split_run(const Names *names, Keyed *items, Keyed *scratch, Run run, Runs *todo)
{
    uint32_t ended = 0, rest = 0;
    for (uint32_t at = 0; at < run.count; at++) {
        Keyed item = items[run.first + at];
        size_t size = stage_text(names, item.value, run.stage)->size;
        if (size > run.depth + 8) {
            scratch[rest++] = item;
        } else {
            item.key = size;
            items[run.first + ended++] = item;
        }
    }
    memcpy(items + run.first + ended, scratch, rest * sizeof *items);
    if (rest > 1) {
        Run deeper = {run.first + ended, rest, run.depth + 8, run.stage};
        if (!vec_push(todo, deeper))
            return false;
    }
    sort_keyed(items + run.first, scratch, ended);
    for (uint32_t first = 0, at = 1; at <= ended; at++) {
        if (at < ended && items[run.first + at].key == items[run.first + first].key)
            continue;
        Run equal = {run.first + first, at - first, 0, run.stage + 1};
        if (at - first > 1 && equal.stage < STAGES && !vec_push(todo, equal))
            return false;
        first = at;
    }
    return true;
}

/* Names in their order, as the values of `items`. */
static Outcome sort_names(const Names *names, Keyed *items, Keyed *scratch)
{
    uint32_t count = (uint32_t)names->raw.texts.count;
    Runs todo = {NULL, 0, 0};
    Run whole = {0, count, 0, FOLDED};
    bool held = vec_push(&todo, whole);
    for (uint32_t number = 0; number < count; number++)
        items[number].value = number;
    while (held && todo.count) {
        Run run = todo.items[--todo.count];
        Keyed *part = items + run.first;
        bool same = true;
        for (uint32_t at = 0; at < run.count; at++) {
            uint32_t ahead = at + AHEAD < run.count ? at + AHEAD : at;
            __builtin_prefetch(bytes_part(*stage_text(names, part[ahead].value, run.stage), run.depth, 8).data);
            part[at].key = key_at(*stage_text(names, part[at].value, run.stage), run.depth, run.stage == FOLDED);
            same &= part[at].key == part[0].key;
        }
        if (!same)
            sort_keyed(part, scratch, run.count);
        for (uint32_t first = 0, at = 1; held && at <= run.count; at++) {
            if (at < run.count && part[at].key == part[first].key)
                continue;
            Run equal = {run.first + first, at - first, run.depth, run.stage};
            if (at - first > 1)
                held = split_run(names, items, scratch, equal, &todo);
            first = at;
        }
    }
    vec_free(&todo);
    return held ? DONE : NO_MEMORY;
}

Outcome order_names(Names *names)
{
    size_t count = names->raw.texts.count;
    Outcome outcome = show_on_one_line(names);
    Keyed *items = malloc((count + 1) * sizeof *items), *scratch = malloc((count + 1) * sizeof *scratch);
    names->rank = malloc((count + 1) * sizeof *names->rank);
    names->order = malloc((count + 1) * sizeof *names->order);
    names->text = malloc((count + 1) * sizeof *names->text);
    if (!items || !scratch || !names->rank || !names->order || !names->text)
        outcome = NO_MEMORY;
    for (uint32_t number = 0; outcome == DONE && number < count; number++)
        names->text[number] = shown_text(names, number);
    if (outcome == DONE)
        outcome = sort_names(names, items, scratch);
    for (uint32_t place = 0; outcome == DONE && place < count; place++) {
        uint32_t number = items[place].value;
        names->order[place] = number;
        names->rank[number] = place;
        names->text_size += names->text[number].size + 1;
        if (names->shown[number].demangled) {
            names->demangled++;
            names->text_size += names->raw.texts.items[number].size + 1;
        }
    }
    free(items);
    free(scratch);
    return outcome == DONE && names->text_size > UINT32_MAX ? TOO_LONG : outcome;
}

static void write_line(Lines *lines, Bytes text, bool newlines)
{
    uint8_t *line = lines->text + lines->size;
    if (text.size)
        memcpy(line, text.data, text.size);
    if (newlines)
        replace_newlines(line, text.size);
    line[text.size] = '\n';
    lines->size += text.size + 1;
    lines->line_at[++lines->count] = (uint32_t)lines->size;
}

void write_lines(const Names *names, Lines *lines)
{
    uint32_t count = (uint32_t)names->raw.texts.count;
    size_t demangled = 0;
    lines->line_at[0] = 0;
    for (uint32_t place = 0; place < count; place++) {
        uint32_t ahead = names->order[place + AHEAD < count ? place + AHEAD : place];
        __builtin_prefetch(names->text[ahead].data);
        write_line(lines, names->text[names->order[place]], false);
    }
    for (uint32_t place = 0; place < count; place++) {
        uint32_t number = names->order[place];
        if (!names->shown[number].demangled)
            continue;
        write_line(lines, names->raw.texts.items[number], names->lines);
        lines->line_name[demangled++] = place;
    }
}

void free_names(Names *names)
{
    free_interned(&names->raw);
    free(names->of_symbol);
    free(names->of_function);
    free(names->of_variable);
    free(names->shown);
    for (size_t part = 0; names->parts && part < names->part_count; part++) {
        vec_free(&names->parts[part].arena);
        vec_free(&names->parts[part].foreign);
    }
    free(names->parts);
    vec_free(&names->arena);
    vec_free(&names->foreign);
    free(names->rank);
    free(names->order);
    free(names->text);
}
