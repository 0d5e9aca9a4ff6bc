/* Units of a .debug_info that is still arriving: each is listed and made ready as soon as it is there.
 *
 * Only of a file by itself: without alternate file, split parts, package indices and .debug_types. Threads take
 * units in the order of the file; what refers to other units waits until all of them are there. Until a unit comes
 * that may do so, the bytes of those that were walked are given back.
 */
#ifndef PROBESCOPE_STREAM_H
#define PROBESCOPE_STREAM_H

#include "arrival.h"
#include "dwarf.h"
#include "map.h"

typedef struct Stream {
    Arrival *arrival; /* its lock is the stream's */
    Dwarf *dwarf;
    uint64_t next;  /* of the next header */
    size_t taken;   /* units that were given out */
    size_t left;    /* units from the first on that were walked */
    size_t most;    /* units that there is room for: they never move */
    Map slots;      /* of a table and sizes -> slot + 1 */
    atomic_bool whole; /* all units are listed and ready */
    bool broken;    /* the rest is not coming, holds more units than there is room for, or needs what is gone */
    bool memory;    /* allocation failed */
} Stream;

/* Whether the input is such a file. */
bool stream_fits(const DwarfInput *input);
/* Opens `dwarf` as dwarf_open() does, but for the units. False when memory is out. */
bool stream_open(Stream *stream, const DwarfInput *input, Dwarf *dwarf);
void stream_close(Stream *stream);
/* Waits for the next unit; NULL when none is left, or it is broken, or memory is out. */
Unit *stream_take(Stream *stream);
/* The unit was walked. */
void stream_leave(Stream *stream, Unit *unit);
/* Waits until all units are listed and ready; false where that will not be. */
bool stream_finish(Stream *stream);
/* Whether the bytes of a unit that another one refers to are still there; where not, the stream is broken. */
bool stream_has(Stream *stream, const Unit *unit);

#endif
