/* What units of split parts need of package files and skeletons. */
#ifndef PROBESCOPE_SPLITS_H
#define PROBESCOPE_SPLITS_H

#include "dwarf.h"

/* Adds to a unit's offsets the places of its contributions, as an index of a package file has them. */
void place_contributions(Part *part, SectionId index, bool tu);
/* Order of Signatures: by the number, then in the order of the file. */
int signature_order(const void *left, const void *right);

#endif
