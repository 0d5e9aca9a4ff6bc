/* The DWARF of a file to columns: the door of the core that needs no Python.
 *
 * dwarf_read() takes the sections of dwarf.h's DwarfInput and fills a DwarfOutput, whatever the bytes hold:
 * what cannot be read is told by problems. The same input gives the same output with any number of threads.
 * COLUMNS lists each column with the size of its items; all are little-endian, in the machine's order.
 */
#ifndef PROBESCOPE_READ_H
#define PROBESCOPE_READ_H

#include "dwarf.h"
#include "pool.h"

/* COLUMN(name, bytes of an item) */
#define COLUMNS(COLUMN) \
    COLUMN(string_blob, 1) \
    COLUMN(string_at, 4) \
    COLUMN(unit_offset, 8) \
    COLUMN(unit_language, 2) \
    COLUMN(unit_version, 1) \
    COLUMN(unit_name, 4) \
    COLUMN(unit_comp_dir, 4) \
    COLUMN(unit_producer, 4) \
    COLUMN(unit_lines, 8) \
    COLUMN(unit_range_at, 4) \
    COLUMN(fn_name, 4) \
    COLUMN(fn_linkage, 4) \
    COLUMN(fn_scope, 4) \
    COLUMN(fn_file, 4) \
    COLUMN(fn_line, 4) \
    COLUMN(fn_low, 8) \
    COLUMN(fn_size, 8) \
    COLUMN(fn_flags, 4) \
    COLUMN(fn_return, 4) \
    COLUMN(fn_param_at, 4) \
    COLUMN(fn_unit, 4) \
    COLUMN(fn_die, 8) \
    COLUMN(fn_sites, 4) \
    COLUMN(fn_range_at, 4) \
    COLUMN(param_name, 4) \
    COLUMN(param_type, 4) \
    COLUMN(param_flags, 1) \
    COLUMN(var_name, 4) \
    COLUMN(var_linkage, 4) \
    COLUMN(var_scope, 4) \
    COLUMN(var_file, 4) \
    COLUMN(var_line, 4) \
    COLUMN(var_type, 4) \
    COLUMN(var_address, 8) \
    COLUMN(var_size, 8) \
    COLUMN(var_flags, 4) \
    COLUMN(var_unit, 4) \
    COLUMN(var_die, 8) \
    COLUMN(site_function, 4) \
    COLUMN(site_host, 4) \
    COLUMN(site_parent, 4) \
    COLUMN(site_call_file, 4) \
    COLUMN(site_call_line, 4) \
    COLUMN(site_call_column, 2) \
    COLUMN(site_range_at, 4) \
    COLUMN(range_low, 8) \
    COLUMN(range_high, 8) \
    COLUMN(type_name, 4) \
    COLUMN(type_kind, 1) \
    COLUMN(type_size, 8) \
    COLUMN(type_unit, 4) \
    COLUMN(type_die, 8)

typedef enum {
#define COLUMN(name, size) COL_##name,
    COLUMNS(COLUMN)
#undef COLUMN
        COLUMN_COUNT
} ColumnId;

typedef struct {
    void *data; /* count items; from malloc */
    size_t count;
} Column;

typedef struct {
    const char *code;
    char text[240];
} DwarfProblem;

typedef struct {
    Column columns[COLUMN_COUNT];
    DwarfProblem problems[16];
    size_t problem_count;
    bool again; /* the section did not arrive as it should: the rest is empty, and to be read when all is there */
} DwarfOutput;

extern const char *const COLUMN_NAMES[COLUMN_COUNT];
extern const uint8_t COLUMN_SIZES[COLUMN_COUNT];

/* An input with an `arrival` must be such as stream_fits() says. Reads with at most `threads` threads of `pool`, which may be NULL; the caller's is one of them. False when
 * memory is out; the output is then empty. */
bool dwarf_read(const DwarfInput *input, Pool *pool, unsigned threads, DwarfOutput *output);
void dwarf_output_free(DwarfOutput *output);

/* A split part that a unit of the file names. */
typedef struct {
    Bytes comp_dir, name;
    uint64_t dwo_id;
} SplitName;
typedef VEC(SplitName) SplitNames;

/* Those of all skeletons, in their order; the texts lie in the input. False when memory is out. */
bool dwarf_split_names(const DwarfInput *input, SplitNames *names);

#endif
