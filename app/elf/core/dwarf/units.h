/* Steps of dwarf_open() that a unit which comes alone takes too. */
#ifndef PROBESCOPE_UNITS_H
#define PROBESCOPE_UNITS_H

#include "dwarf.h"

/* Reads the header under the cursor and moves to the next one; false where there is none. */
bool unit_header(Part *part, bool in_types, Cursor *at, Unit *unit, bool *cut);
/* Where DWARF 5 gives no base, a unit's entries start behind the header of its contribution. */
void unit_bases(Unit *unit);
/* For the unit's table and sizes. */
void slot_open(AbbrevSlot *slot, const Unit *unit);
/* All units of the part are listed: what is found by a signature. False when memory is out. */
bool units_end(Part *part);

#endif
