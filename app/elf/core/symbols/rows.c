/* Rows of symbols that lie at one address, the preferred one first, joined by address with the entries of the
 * debug information; then what these alone know, and last what has no address.
 *
 * A symbol with a size first, then GLOBAL before WEAK before LOCAL, .symtab before .dynsym, the shortest name, the
 * first by the alphabet. Of several entries at an address the one with the name of a symbol there stands for the
 * row, else the first. In a relocatable file addresses count from their section, and many functions have the same
 * one; there only a name tells which entry belongs to it. Thread-local addresses are offsets of another kind.
 * What a linker threw away has an address in no section; it is left out, unless it was inlined somewhere.
 */
#include "rows.h"

#include "sort.h"

enum { STT_OBJECT = 1, STT_FUNC = 2, STT_COMMON = 5, STT_TLS = 6, STT_IFUNC = 10 };
enum { STB_LOCAL = 0, STB_WEAK = 2 };
enum { HAS_ADDRESS = 2, THREAD_LOCAL = 4, INLINED = 4 };
enum { TAKEN = 1, AT_HAND };
enum { LENGTH_BITS = 27 };
#define NO_ADDRESS UINT64_MAX

typedef struct {
    uint64_t address, end;
    uint32_t index;
} Place;

typedef struct {
    const Input *input;
    const Names *names;
    Kind kind;
    const Known *known;
    const Pair *pairs; /* of `known` */
    Keyed *symbols, *scratch; /* symbols by their space and address */
    size_t symbol_count;
    Keyed *entries; /* entries with an address, by it; those that are thread-local behind the others */
    size_t entry_count, plain_count;
    Keyed *by_name; /* in a relocatable file: entries by each of their names */
    size_t by_name_count;
    Place *places; /* of sections in memory, by address */
    size_t place_count;
    uint32_t *named, *listed; /* by name: the row that has a symbol of it, has it among its names; one more */
    Keyed *ordered; /* room for all entries, twice */
    uint8_t *taken; /* entries that have a row */
    uint32_t empty; /* the name of no length, ABSENT where no symbol has it */
    size_t plain_at, local_at; /* entries before these have their rows */
    Numbers found; /* entries of the row at hand */
    Rows *rows;
} Making;

static bool wanted(const Input *input, size_t row, Kind kind)
{
    uint8_t type = input->type[row];
    if (!input->section[row])
        return false;
    if (kind == FUNCTIONS)
        return type == STT_FUNC || type == STT_IFUNC;
    return type == STT_OBJECT || type == STT_COMMON || type == STT_TLS;
}

static uint32_t space_of(const Input *input, uint32_t row)
{
    return input->relocatable ? input->section[row] : input->type[row] == STT_TLS;
}

/* What decides among symbols of one address, as one number. */
static uint64_t preference(const Making *making, uint32_t row)
{
    const Input *input = making->input;
    uint64_t bind = input->bind[row] == STB_LOCAL ? 2 : input->bind[row] == STB_WEAK ? 1 : 0;
    uint64_t length = input->name_len[row], longest = (UINT64_C(1) << LENGTH_BITS) - 1;
    if (!length || length > longest)
        length = longest;
    return (uint64_t)(input->size[row] == 0) << 63 | bind << 61 | (uint64_t)(input->table[row] & 3) << 59
        | length << 32 | making->names->rank[making->names->of_symbol[row]];
}

static Outcome sort_symbols(Making *making)
{
    const Input *input = making->input;
    size_t count = 0;
    bool spaces = false;
    making->symbols = malloc((input->count + 1) * sizeof *making->symbols);
    making->scratch = malloc((input->count + 1) * sizeof *making->scratch);
    if (!making->symbols || !making->scratch)
        return NO_MEMORY;
    for (uint32_t row = 0; row < input->count; row++)
        if (wanted(input, row, making->kind)) {
            spaces |= space_of(input, row) != 0;
            making->symbols[count++] = (Keyed){input->address[row], row};
        }
    making->symbol_count = count;
    sort_keyed(making->symbols, making->scratch, count);
    for (size_t at = 0; spaces && at < count; at++)
        making->symbols[at].key = space_of(input, making->symbols[at].value);
    if (spaces)
        sort_keyed(making->symbols, making->scratch, count);
    return DONE;
}

static Outcome sort_places(Making *making)
{
    const Input *input = making->input;
    size_t count = 0, left = 0;
    making->places = malloc((input->section_count + 1) * sizeof *making->places);
    Keyed *order = malloc(2 * (input->section_count + 1) * sizeof *order);
    if (!making->places || !order) {
        free(order);
        return NO_MEMORY;
    }
    for (uint32_t index = 0; index < input->section_count; index++) {
        const Section *section = &input->sections[index];
        if (section->flags & SHF_ALLOC && !(section->flags & SHF_TLS) && section->size)
            order[count++] = (Keyed){section->address, index};
    }
    sort_keyed(order, order + input->section_count + 1, count);
    for (size_t at = 0; at < count; at++) {
        const Section *section = &input->sections[order[at].value];
        uint64_t room = UINT64_MAX - section->address;
        uint64_t end = section->address + (section->size < room ? section->size : room);
        /* The first of several at one address stands for it. */
        if (!left || making->places[left - 1].address != section->address)
            making->places[left++] = (Place){section->address, end, order[at].value};
    }
    making->place_count = left;
    free(order);
    return DONE;
}

/* The last section that begins at or before the address, when the address lies in it; false for none. */
static bool section_at(const Making *making, uint64_t address, uint32_t *index)
{
    size_t low = 0, high = making->place_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (making->places[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low || address >= making->places[low - 1].end)
        return false;
    *index = making->places[low - 1].index;
    return true;
}

static bool is_thread_local(const Making *making, uint32_t entry)
{
    return making->kind == VARIABLES && !making->input->relocatable
        && making->known->flags[entry] & THREAD_LOCAL;
}

static Outcome sort_entries(Making *making)
{
    const Known *known = making->known;
    size_t count = 0;
    Keyed *scratch = making->ordered = malloc(2 * (known->count + 1) * sizeof *scratch);
    making->entries = malloc((known->count + 1) * sizeof *making->entries);
    making->by_name = malloc(2 * (known->count + 1) * sizeof *making->by_name);
    making->taken = calloc(known->count + 1, 1);
    Outcome outcome = scratch && making->entries && making->by_name && making->taken ? DONE : NO_MEMORY;
    for (int thread_local = 0; outcome == DONE && thread_local < 2; thread_local++) {
        size_t first = count;
        for (uint32_t entry = 0; entry < known->count; entry++) {
            uint32_t section;
            if (!(known->flags[entry] & HAS_ADDRESS) || is_thread_local(making, entry) != thread_local)
                continue;
            if (thread_local || making->input->relocatable
                || section_at(making, known->address[entry], &section))
                making->entries[count++] = (Keyed){known->address[entry], entry};
        }
        sort_keyed(making->entries + first, scratch, count - first);
        if (!thread_local)
            making->plain_count = count;
    }
    making->entry_count = count;
    for (size_t at = 0; outcome == DONE && making->input->relocatable && at < count; at++) {
        uint32_t entry = making->entries[at].value;
        const Pair *pair = &making->pairs[entry];
        if (pair->linkage != ABSENT)
            making->by_name[making->by_name_count++] = (Keyed){pair->linkage, entry};
        if (pair->name != ABSENT)
            making->by_name[making->by_name_count++] = (Keyed){pair->name, entry};
    }
    if (outcome == DONE)
        sort_keyed(making->by_name, scratch, making->by_name_count);
    return outcome;
}

static size_t first_of(const Keyed *items, size_t count, uint64_t key)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (items[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Entries of a relocatable file that have the address and the name of a symbol of the row, in their order. */
static Outcome find_by_name(Making *making, const Keyed *symbols, size_t count, uint64_t address)
{
    size_t found = 0;
    for (size_t at = 0; at < count; at++) {
        uint32_t name = making->names->of_symbol[symbols[at].value];
        size_t place = first_of(making->by_name, making->by_name_count, name);
        for (; place < making->by_name_count && making->by_name[place].key == name; place++) {
            uint32_t entry = making->by_name[place].value;
            if (making->known->address[entry] != address || making->taken[entry] == AT_HAND)
                continue;
            making->taken[entry] = AT_HAND;
            making->ordered[found++] = (Keyed){entry, entry};
        }
    }
    sort_keyed(making->ordered, making->ordered + making->entry_count, found);
    for (size_t at = 0; at < found; at++) {
        making->taken[making->ordered[at].value] = TAKEN;
        if (!vec_push(&making->found, making->ordered[at].value))
            return NO_MEMORY;
    }
    return DONE;
}

static bool has_name(const Making *making, uint32_t entry, uint32_t row)
{
    const Pair *pair = &making->pairs[entry];
    return (pair->linkage != ABSENT && making->named[pair->linkage] == row + 1)
        || (pair->name != ABSENT && making->named[pair->name] == row + 1);
}

static bool list_name(Making *making, uint32_t name, uint32_t row)
{
    if (name == ABSENT || name == making->empty || making->listed[name] == row + 1)
        return true;
    making->listed[name] = row + 1;
    return vec_push(&making->rows->all_names, making->names->rank[name]);
}

/* Ends a row: its entries are in `found`, the one that stands for it first. */
static Outcome add_row(Making *making, const Keyed *symbols, size_t count, uint64_t address, uint32_t section)
{
    Rows *rows = making->rows;
    const Input *input = making->input;
    uint32_t row = (uint32_t)rows->name.count;
    size_t first = rows->all_names.count;
    uint64_t size = 0;
    bool held = true;
    for (size_t at = 0; at < count && held; at++) {
        uint32_t symbol = symbols[at].value, name = making->names->of_symbol[symbol];
        size = input->size[symbol] > size ? input->size[symbol] : size;
        held = vec_push(&rows->symbols, symbol);
        /* Mostly there is but one name, of one symbol or of those of both tables. */
        if (held && (!at || name != making->names->of_symbol[symbols[0].value]))
            held = list_name(making, name, row);
    }
    for (size_t at = 0; at < making->found.count && held; at++) {
        const Pair *pair = &making->pairs[making->found.items[at]];
        held = list_name(making, pair->linkage, row) && list_name(making, pair->name, row);
    }
    if (held && rows->all_names.count == first) {
        held = vec_push(&rows->all_names, making->empty == ABSENT ? 0 : making->names->rank[making->empty]);
    }
    uint32_t known = making->found.count ? making->found.items[0] : ABSENT;
    if (!size && known != ABSENT)
        size = making->known->size[known];
    held = held && vec_push(&rows->start, (uint32_t)rows->symbols.count)
        && vec_push(&rows->name_at, (uint32_t)rows->all_names.count)
        && vec_push(&rows->name, rows->all_names.items[first]) && vec_push(&rows->address, address)
        && vec_push(&rows->size, size) && vec_push(&rows->section, section) && vec_push(&rows->known, known);
    making->found.count = 0;
    return held ? DONE : NO_MEMORY;
}

/* The entry that stands for a row goes before the others, which stay in their order. */
static void choose(Making *making, uint32_t row)
{
    Numbers *found = &making->found;
    size_t chosen = 0;
    while (chosen < found->count && !has_name(making, found->items[chosen], row))
        chosen++;
    if (chosen == found->count)
        return;
    uint32_t entry = found->items[chosen];
    for (; chosen; chosen--)
        found->items[chosen] = found->items[chosen - 1];
    found->items[0] = entry;
}

/* Entries [*at, ...) that lie before `limit`, and so have no symbol: a row for each address. */
static Outcome add_unnamed(Making *making, size_t *at, size_t end, uint64_t limit, bool up_to_end)
{
    Outcome outcome = DONE;
    while (outcome == DONE && *at < end && (up_to_end || making->entries[*at].key < limit)) {
        uint64_t address = making->entries[*at].key;
        uint32_t section = 0;
        if (*at < making->plain_count && !making->input->relocatable)
            section_at(making, address, &section);
        for (; *at < end && making->entries[*at].key == address; ++*at) {
            uint32_t entry = making->entries[*at].value;
            if (making->taken[entry])
                continue;
            if (!vec_push(&making->found, entry))
                return NO_MEMORY;
            if (making->input->relocatable && (outcome = add_row(making, NULL, 0, address, 0)) != DONE)
                return outcome;
        }
        if (making->found.count)
            outcome = add_row(making, NULL, 0, address, section);
    }
    return outcome;
}

static Outcome add_group(Making *making, Keyed *symbols, size_t count)
{
    const Input *input = making->input;
    uint32_t first = symbols[0].value;
    uint64_t address = input->address[first];
    uint64_t joined = making->kind == FUNCTIONS && input->thumb ? address & ~UINT64_C(1) : address;
    bool local = !input->relocatable && space_of(input, first);
    size_t *at = local ? &making->local_at : &making->plain_at;
    size_t end = local ? making->entry_count : making->plain_count;
    Outcome outcome = DONE;
    if (local)
        outcome = add_unnamed(making, &making->plain_at, making->plain_count, UINT64_MAX, true);
    if (outcome == DONE && !input->relocatable)
        outcome = add_unnamed(making, at, end, joined, false);
    uint32_t row = (uint32_t)making->rows->name.count;
    for (size_t each = 0; each < count && count > 1; each++)
        symbols[each].key = preference(making, symbols[each].value);
    sort_keyed(symbols, making->scratch, count);
    for (size_t each = 0; each < count && making->known->count; each++)
        making->named[making->names->of_symbol[symbols[each].value]] = row + 1;
    if (outcome == DONE && input->relocatable)
        outcome = find_by_name(making, symbols, count, joined);
    for (size_t place = *at; !input->relocatable && outcome == DONE && place < end; place++) {
        if (making->entries[place].key != joined)
            break;
        making->taken[making->entries[place].value] = TAKEN;
        if (!vec_push(&making->found, making->entries[place].value))
            outcome = NO_MEMORY;
    }
    if (outcome != DONE)
        return outcome;
    choose(making, row);
    return add_row(making, symbols, count, address, input->section[symbols[0].value]);
}

static Outcome add_groups(Making *making)
{
    const Input *input = making->input;
    Outcome outcome = DONE;
    for (size_t first = 0, at = 1; outcome == DONE && at <= making->symbol_count; at++) {
        uint32_t one = making->symbols[first].value;
        if (at < making->symbol_count) {
            uint32_t other = making->symbols[at].value;
            if (input->address[one] == input->address[other] && space_of(input, one) == space_of(input, other))
                continue;
        }
        outcome = add_group(making, making->symbols + first, at - first);
        first = at;
    }
    if (outcome == DONE)
        outcome = add_unnamed(making, &making->plain_at, making->plain_count, UINT64_MAX, true);
    if (outcome == DONE)
        outcome = add_unnamed(making, &making->local_at, making->entry_count, UINT64_MAX, true);
    return outcome;
}

/* Entries without a place in memory: functions that exist only where they were inlined. */
static Outcome add_placeless(Making *making)
{
    Outcome outcome = DONE;
    for (uint32_t entry = 0; outcome == DONE && entry < making->known->count; entry++) {
        uint32_t flags = making->known->flags[entry], section;
        if (flags & HAS_ADDRESS) {
            bool inlined = making->kind == FUNCTIONS && flags & INLINED;
            if (!inlined || making->input->relocatable || section_at(making, making->known->address[entry], &section))
                continue;
        }
        if (!vec_push(&making->found, entry))
            return NO_MEMORY;
        outcome = add_row(making, NULL, 0, NO_ADDRESS, 0);
    }
    return outcome;
}

Outcome make_rows(const Input *input, const Names *names, Kind kind, Rows *rows)
{
    *rows = (Rows){.start = {NULL, 0, 0}};
    Making making = {
        .input = input,
        .names = names,
        .kind = kind,
        .known = kind == FUNCTIONS ? &input->functions : &input->variables,
        .pairs = kind == FUNCTIONS ? names->of_function : names->of_variable,
        .rows = rows,
        .empty = interned(&names->raw, (Bytes){NULL, 0}),
    };
    size_t count = names->raw.texts.count + 1;
    making.named = calloc(count, sizeof *making.named);
    making.listed = calloc(count, sizeof *making.listed);
    bool held = making.named && making.listed && vec_push(&rows->start, 0) && vec_push(&rows->name_at, 0);
    Outcome outcome = held ? sort_symbols(&making) : NO_MEMORY;
    if (outcome == DONE)
        outcome = sort_places(&making);
    if (outcome == DONE)
        outcome = sort_entries(&making);
    making.local_at = making.plain_count;
    if (outcome == DONE)
        outcome = add_groups(&making);
    if (outcome == DONE)
        outcome = add_placeless(&making);
    free(making.symbols);
    free(making.scratch);
    free(making.entries);
    free(making.by_name);
    free(making.ordered);
    free(making.places);
    free(making.named);
    free(making.listed);
    free(making.taken);
    vec_free(&making.found);
    return outcome;
}

void free_rows(Rows *rows)
{
    vec_free(&rows->start);
    vec_free(&rows->symbols);
    vec_free(&rows->name_at);
    vec_free(&rows->all_names);
    vec_free(&rows->name);
    vec_free(&rows->section);
    vec_free(&rows->known);
    vec_free(&rows->address);
    vec_free(&rows->size);
}
