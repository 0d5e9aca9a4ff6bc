/* One question over parts of the lines side by side, each on a thread of its own. */
#ifndef PROBESCOPE_SEARCH_PARTS_H
#define PROBESCOPE_SEARCH_PARTS_H

#include "lines.h"

/* `out` is that of the lines' first name, or of their first line. */
typedef Status (*Work)(const Lines *lines, const void *question, void *out, Deadline deadline);

/* `size` bytes of `out` belong to each name; with `by_line` to each line. Small texts take no thread. */
Status in_parts(const Lines *lines, Work work, const void *question, void *out, size_t size, bool by_line,
                Deadline deadline);

#endif
