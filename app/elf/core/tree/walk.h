/* A directory tree to the stamps of its regular files, and the paths of those that start as ELF does. */
#ifndef PROBESCOPE_WALK_H
#define PROBESCOPE_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vec.h"

/* What tells that a file is the same as before. The inode lacks its highest bit, as SQLite's integers do. */
typedef struct {
    int64_t device, inode, size, mtime_ns;
} Stamp;

/* Open addressing over stamps that are known; `seen` marks those that the walk met. */
typedef struct {
    const Stamp *stamps;
    size_t plain, count; /* the first `plain` are no ELF files, the rest up to `count` are */
    uint32_t *slots;     /* number of a stamp + 1, 0 for none */
    size_t mask;
    unsigned char *seen;
} Known;

typedef struct {
    Stamp stamp;
    uint64_t text;   /* where its path starts in `texts`; NUL-terminated */
    uint32_t number; /* of the known stamp; UNKNOWN for a new or changed file */
    int error;       /* of a directory that could not be read */
} Entry;
#define UNKNOWN UINT32_MAX

typedef VEC(Entry) Entries;
typedef VEC(Stamp) Stamps;
typedef VEC(char) Text;

typedef struct {
    Entries elf, problems;
    Stamps plain; /* seen, and no ELF */
    Text texts;
    bool changed; /* `plain` is not what was known */
    bool memory;  /* ran out of it: the rest is missing */
    bool full;    /* there were more ELF files than wanted */
} Tree;

/* What other threads see and say while the walk goes on. */
typedef struct {
    unsigned char stop[8]; /* the first not 0: end the walk */
    uint64_t files;        /* seen so far */
} Watch;

typedef struct {
    const char *top; /* its path, for the answer */
    int descriptor;  /* the top, open */
    const char *const *leave; /* directories that are not entered; ends with NULL */
    Known *known;
    size_t most; /* ELF files */
    int64_t least; /* bytes of a file that is looked at */
    unsigned threads;
    Watch *watch;
} Walk;

/* False when memory is out for the table. `stamps` must outlive it. */
bool known_make(Known *known, const Stamp *stamps, size_t plain, size_t count);
void known_free(Known *known);

/* Never fails: what goes wrong is in `tree`, which tree_free ends. */
void walk_tree(const Walk *walk, Tree *tree);
void tree_free(Tree *tree);

#endif
