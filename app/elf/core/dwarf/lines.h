/* One line number program to rows in the order of their addresses, and to its tables of directories and files. */
#ifndef PROBESCOPE_LINES_H
#define PROBESCOPE_LINES_H

#include "cursor.h"
#include "vec.h"

typedef struct {
    Bytes line, line_str, str; /* .debug_line, .debug_line_str, .debug_str */
    bool big;
} LineSections;

typedef enum {
    LINES_OK,
    LINES_MEMORY,
    LINES_TRUNCATED, /* the section ends inside the program, or the offset lies outside it */
    LINES_VERSION,   /* not of DWARF 2 to 5 */
    LINES_HEADER,    /* a header that cannot be: forms not known, no line range */
} LineState;

enum { LINE_IS_STMT = 1, LINE_END = 2, LINE_BLOCK = 4, LINE_PROLOGUE_END = 8, LINE_EPILOGUE_BEGIN = 16 };

typedef struct {
    uint64_t address;
    uint32_t file, line, column;
    uint8_t flags;
} LineRow;

typedef struct {
    Bytes name;
    uint64_t directory;
    bool has_md5;
    uint8_t md5[16];
} LineFile;

typedef struct {
    uint64_t low, high;
    size_t first, count; /* rows; the last one is the end */
} LineSequence;

typedef struct {
    LineState state;
    uint16_t version;
    uint64_t next; /* where the next program starts; 0 where that is not known */
    VEC(Bytes) directories;
    VEC(LineFile) files;
    VEC(LineSequence) sequences;
    VEC(LineRow) rows;
} LineTable;

typedef VEC(char) LineText;

/* Reads the program at `offset`. What was read before a fault stays; lines_free it in any case. */
void lines_read(const LineSections *sections, uint64_t offset, bool only_header, LineTable *table);

/* The path of a file as addr2line prints it; false when memory is out. `comp_dir` may be empty. */
bool lines_path(const LineTable *table, Bytes comp_dir, uint64_t file, LineText *path);

void lines_free(LineTable *table);

#endif
