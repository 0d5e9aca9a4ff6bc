/* Some lines as one text. */
#ifndef PROBESCOPE_SEARCH_GATHER_H
#define PROBESCOPE_SEARCH_GATHER_H

#include "lines.h"

typedef struct {
    const Lines *lines;
    const uint32_t *which;
    size_t count;
} Gathering;

/* Bytes that they take, each with a newline; a line that there is not is an empty one. */
size_t gathered_size(const Gathering *gathering);

/* One after another into `to`, which has that many bytes. */
void gather_lines(const Gathering *gathering, uint8_t *to, size_t size);

#endif
