/* One question over parts of the lines side by side, each on a thread of its own. */
#ifndef PROBESCOPE_SEARCH_PARTS_H
#define PROBESCOPE_SEARCH_PARTS_H

#include "lines.h"

enum { MOST_PARTS = 4 };

/* How many parts a text of this size is worth: each costs a thread. */
size_t parts_of(size_t size);

/* `work` on each of `count` parts of `size` bytes: the first one here, the others on threads if there are any. */
void run_parts(void (*work)(void *part), void *parts, size_t size, size_t count);

/* `work` on the items of `given` from `first` to `end`, a chunk of `chunk` of them at a time; whoever has done one
 * takes the next, so that a core that is busy elsewhere delays little. `size` as of `parts_of`. */
void run_chunks(void (*work)(void *given, size_t first, size_t end), void *given, size_t count, size_t chunk,
                size_t size);

/* `out` is that of the lines' first name, or of their first line. */
typedef Status (*Work)(const Lines *lines, const void *question, void *out, Deadline deadline);

/* `size` bytes of `out` belong to each name; with `by_line` to each line. Small texts take no thread. */
Status in_parts(const Lines *lines, Work work, const void *question, void *out, size_t size, bool by_line,
                Deadline deadline);

#endif
