/* Units as they arrive: headers are a chain, so that each is found when the bytes before it are there.
 *
 * Whoever wants a unit lists the next ones, under the arrival's lock, which is not held while bytes are waited for.
 */
#include "stream.h"

#include "plan.h"
#include "units.h"

/* Longer than any header of a unit; bytes of .debug_info that a unit has on average, if not a hostile one. */
enum { HEADER_ROOM = 64, BYTES_A_UNIT = 1 << 10, SPARE_UNITS = 256 };

typedef enum {
    LISTED,
    WAITING, /* for its bytes */
    OVER,
} Turn;

bool stream_fits(const DwarfInput *input)
{
    const Bytes *section = input->main.section, *alternate = input->alt.section;
    return !input->split_count && !alternate[DEBUG_INFO].size && !alternate[DEBUG_TYPES].size
           && !section[DEBUG_TYPES].size && !section[DEBUG_CU_INDEX].size && !section[DEBUG_TU_INDEX].size;
}

bool stream_open(Stream *stream, const DwarfInput *input, Dwarf *dwarf)
{
    *stream = (Stream){.arrival = input->arrival, .dwarf = dwarf};
    DwarfInput rest = *input;
    rest.main.section[DEBUG_INFO] = (Bytes){NULL, 0};
    if (!dwarf_open(&rest, dwarf))
        return false;
    stream->most = input->main.section[DEBUG_INFO].size / BYTES_A_UNIT + SPARE_UNITS;
    dwarf->parts[0].sections.section[DEBUG_INFO] = input->main.section[DEBUG_INFO];
    dwarf->stream = stream;
    pthread_mutex_lock(&stream->arrival->lock);
    arrival_returns(stream->arrival, !abbrevs_cross(input->main.section[DEBUG_ABBREV]));
    pthread_mutex_unlock(&stream->arrival->lock);
    free(dwarf->slots);
    dwarf->slots = calloc(stream->most, sizeof *dwarf->slots);
    return dwarf->slots && vec_room(&dwarf->parts[0].units[0], stream->most);
}

void stream_close(Stream *stream)
{
    map_free(&stream->slots);
}

/* Units of one table and one set of sizes share a slot. */
static bool give_slot(Stream *stream, Unit *unit)
{
    uint64_t sizes = (uint64_t)unit->version << 5 | (uint64_t)unit->address_size << 1 | (unit->offset_size == 8);
    uint32_t own = 0, *known = &own;
    if (!(unit->abbrev_offset >> 55)) {
        bool fresh;
        known = map_put(&stream->slots, (unit->abbrev_offset << 8 | sizes) + 1, &fresh);
        if (!known)
            return false;
    }
    if (!*known) {
        slot_open(&stream->dwarf->slots[stream->dwarf->slot_count++], unit);
        *known = (uint32_t)stream->dwarf->slot_count;
    }
    unit->slot = *known - 1;
    atomic_fetch_add(&stream->dwarf->slots[unit->slot].users, 1);
    return true;
}

static bool end_units(Stream *stream)
{
    if (!units_end(&stream->dwarf->parts[0]))
        return false;
    atomic_store(&stream->whole, true);
    return true;
}

/* Lists one more unit, if it is there. */
static Turn list_next(Stream *stream)
{
    Arrival *arrival = stream->arrival;
    Part *part = &stream->dwarf->parts[0];
    Units *units = &part->units[0];
    if (stream->broken || stream->memory || atomic_load(&stream->whole))
        return OVER;
    if (arrival->state == BROKEN) {
        stream->broken = true;
        return OVER;
    }
    bool all = arrival->state == ARRIVED;
    if (!all && arrival->there - stream->next < HEADER_ROOM)
        return WAITING;
    Cursor at = cursor_over(part->sections.section[DEBUG_INFO], stream->dwarf->big);
    cursor_seek(&at, stream->next);
    Unit unit;
    bool none = !cursor_left(&at) || !unit_header(part, false, &at, &unit, &stream->dwarf->units_cut);
    if (!none && !all && unit.end > arrival->there)
        return WAITING;
    if (none) {
        stream->memory = !end_units(stream);
        return OVER;
    }
    if (units->count == stream->most) {
        stream->broken = true;
        return OVER;
    }
    stream->next = cursor_offset(&at);
    unit_bases(&unit);
    unit.row = (uint32_t)units->count;
    units->items[units->count++] = unit;
    Unit *listed = &units->items[units->count - 1];
    /* One that cannot be read needs none, and its sizes say nothing. */
    if (unit.state != UNIT_BAD && (!give_slot(stream, listed) || !unit_prepare(listed))) {
        stream->memory = true;
        return OVER;
    }
    if (arrival->returned && (atomic_load(&stream->dwarf->crossing) || unit.type == DW_UT_type))
        arrival_returns(arrival, false);
    return LISTED;
}

Unit *stream_take(Stream *stream)
{
    Arrival *arrival = stream->arrival;
    Units *units = &stream->dwarf->parts[0].units[0];
    Unit *unit = NULL;
    pthread_mutex_lock(&arrival->lock);
    for (;;) {
        if (stream->taken < units->count) {
            unit = &units->items[stream->taken++];
            break;
        }
        Turn turn = list_next(stream);
        if (turn == OVER)
            break;
        if (turn == WAITING)
            arrival_wait(arrival);
    }
    pthread_mutex_unlock(&arrival->lock);
    return unit;
}

/* Under the lock, so that no unit of the same slot comes, and none that refers to others, while plans go. */
void stream_leave(Stream *stream, Unit *unit)
{
    Arrival *arrival = stream->arrival;
    const Units *units = &stream->dwarf->parts[0].units[0];
    pthread_mutex_lock(&arrival->lock);
    if (unit->state == UNIT_READY)
        plans_leave(unit);
    unit->left = arrival->returned;
    while (stream->left < stream->taken && units->items[stream->left].left)
        arrival_leave(arrival, units->items[stream->left++].end);
    pthread_mutex_unlock(&arrival->lock);
}

bool stream_has(Stream *stream, const Unit *unit)
{
    if (!unit->left)
        return true;
    pthread_mutex_lock(&stream->arrival->lock);
    stream->broken = true;
    pthread_mutex_unlock(&stream->arrival->lock);
    return false;
}

bool stream_finish(Stream *stream)
{
    if (atomic_load(&stream->whole))
        return true;
    Arrival *arrival = stream->arrival;
    pthread_mutex_lock(&arrival->lock);
    for (Turn turn = LISTED; turn != OVER;) {
        turn = list_next(stream);
        if (turn == WAITING)
            arrival_wait(arrival);
    }
    pthread_mutex_unlock(&arrival->lock);
    return atomic_load(&stream->whole);
}
