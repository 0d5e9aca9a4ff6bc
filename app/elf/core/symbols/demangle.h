/* One linkage name to the name that people wrote. */
#ifndef PROBESCOPE_DEMANGLE_H
#define PROBESCOPE_DEMANGLE_H

#include "symbols.h"

typedef char *(*CxaDemangle)(const char *mangled, char *buffer, size_t *length, int *status);

typedef struct {
    CxaDemangle demangle; /* NULL where there is no C++ library */
    uint64_t written; /* bytes of text, refused ones too */
    Blob name, rust;
} Demangler;

typedef enum {
    AS_IT_IS,
    DEMANGLED,
    FOREIGN, /* for another demangler: Rust's v0, longer than this one reads, or there is none */
} Spelling;

enum { LONGEST_NAME = 1 << 14, LONGEST_SHOWN = 1 << 16 };

/* Whether to ask at all. */
static inline bool may_be_mangled(Bytes name)
{
    return name.size >= 3 && name.data[0] == '_'
        && (name.data[1] == 'Z' || name.data[1] == 'R' || (name.data[1] == 'G' && name.data[2] == 'L'));
}

void demangler_open(Demangler *demangler);
/* Appends the text to `out` when it is DEMANGLED. */
Outcome demangle(Demangler *demangler, Bytes name, Blob *out, Spelling *spelling);
void demangler_close(Demangler *demangler);
Outcome append(Blob *blob, Bytes bytes);

#endif
