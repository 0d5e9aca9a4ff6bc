/* What the reader of a line program's header and the reader of its opcodes share. */
#ifndef PROBESCOPE_LINES_PROGRAM_H
#define PROBESCOPE_LINES_PROGRAM_H

#include "lines.h"

typedef struct {
    const LineSections *sections;
    LineTable *table;
    Cursor at;
    unsigned offset_size, address_size;
    uint8_t min_length, max_ops, line_range, opcode_base;
    int8_t line_base;
    bool default_is_stmt;
    uint8_t lengths[256];
} LineProgram;

/* Reads the header at `offset` and the tables in it; the cursor then stands at the first opcode, and its end is
 * the program's. */
LineState line_header_read(LineProgram *program, uint64_t offset);
/* An entry of the tables of DWARF 2 to 4, behind its name. */
LineFile line_file_read(LineProgram *program, Bytes name);

#endif
