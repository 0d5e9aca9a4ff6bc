/* What names tell of a file: those that only some runtimes define, and how many were mangled by Rust and C++. */
#ifndef PROBESCOPE_MARKS_H
#define PROBESCOPE_MARKS_H

#include "names.h"

enum { MOST_WANTED = 64, LONGEST_WANTED = 63 };

typedef struct {
    uint32_t rust, cpp;
} Mangled;

/* Of the input, names and their columns and `section` are read. 1 for each wanted name that a symbol defines. */
void find_defined(const Input *input, const Bytes *wanted, size_t count, uint8_t *found);
/* Over some names of a file with many. */
void count_mangled(const Input *input, Mangled *mangled);

#endif
