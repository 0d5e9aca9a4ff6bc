/* Headers of line programs: lengths, and the directories and files that rows name.
 *
 * Refused: versions other than 2 to 5, forms whose size is not known, tables of entries without bytes.
 * Source: DWARF 5, section 6.2.4; DWARF 4, section 6.2.4.
 */
#include "lines_program.h"

enum { LNCT_PATH = 1, LNCT_DIRECTORY, LNCT_TIMESTAMP, LNCT_SIZE, LNCT_MD5 };
enum {
    FORM_BLOCK2 = 0x03,
    FORM_BLOCK4,
    FORM_DATA2,
    FORM_DATA4,
    FORM_DATA8,
    FORM_STRING,
    FORM_BLOCK,
    FORM_BLOCK1,
    FORM_DATA1,
    FORM_FLAG,
    FORM_SDATA,
    FORM_STRP,
    FORM_UDATA,
    FORM_SEC_OFFSET = 0x17,
    FORM_STRX = 0x1a,
    FORM_STRP_SUP = 0x1d,
    FORM_DATA16 = 0x1e,
    FORM_LINE_STRP = 0x1f,
    FORM_STRX1 = 0x25,
    FORM_STRX2,
    FORM_STRX3,
    FORM_STRX4,
};

static Bytes text_in(Bytes section, uint64_t offset)
{
    Cursor at = cursor_over(section, false);
    cursor_seek(&at, offset);
    return cursor_text(&at);
}

/* One field of a directory's or file's entry; false for a form whose size is not known. */
static bool read_field(LineProgram *program, uint64_t form, Bytes *text, uint64_t *number)
{
    Cursor *at = &program->at;
    switch (form) {
    case FORM_STRING:
        *text = cursor_text(at);
        return true;
    case FORM_LINE_STRP:
        *text = text_in(program->sections->line_str, cursor_number(at, program->offset_size));
        return true;
    case FORM_STRP:
        *text = text_in(program->sections->str, cursor_number(at, program->offset_size));
        return true;
    case FORM_STRP_SUP:
    case FORM_SEC_OFFSET:
        *number = cursor_number(at, program->offset_size);
        return true;
    case FORM_UDATA:
    case FORM_STRX:
        *number = cursor_uleb(at);
        return true;
    case FORM_SDATA:
        *number = (uint64_t)cursor_sleb(at);
        return true;
    case FORM_DATA1:
    case FORM_FLAG:
    case FORM_STRX1:
        *number = cursor_u8(at);
        return true;
    case FORM_DATA2:
    case FORM_STRX2:
        *number = cursor_u16(at);
        return true;
    case FORM_STRX3:
        *number = cursor_u24(at);
        return true;
    case FORM_DATA4:
    case FORM_STRX4:
        *number = cursor_u32(at);
        return true;
    case FORM_DATA8:
        *number = cursor_u64(at);
        return true;
    case FORM_DATA16:
        *text = cursor_bytes(at, 16);
        return true;
    case FORM_BLOCK:
        *text = cursor_bytes(at, cursor_uleb(at));
        return true;
    case FORM_BLOCK1:
        *text = cursor_bytes(at, cursor_u8(at));
        return true;
    case FORM_BLOCK2:
        *text = cursor_bytes(at, cursor_u16(at));
        return true;
    case FORM_BLOCK4:
        *text = cursor_bytes(at, cursor_u32(at));
        return true;
    default:
        return false;
    }
}

/* The directories or the files of DWARF 5: a format, then so many entries of it. */
static LineState read_entries(LineProgram *program, bool files)
{
    struct {
        uint64_t content, form;
    } formats[255];
    unsigned count = cursor_u8(&program->at);
    for (unsigned i = 0; i < count; i++) {
        formats[i].content = cursor_uleb(&program->at);
        formats[i].form = cursor_uleb(&program->at);
    }
    uint64_t entries = cursor_uleb(&program->at);
    if (!count && entries)
        return LINES_HEADER;
    for (uint64_t i = 0; i < entries && !program->at.bad; i++) {
        LineFile file = {{NULL, 0}, 0, false, {0}};
        uint64_t before = cursor_offset(&program->at);
        for (unsigned field = 0; field < count; field++) {
            Bytes text = {NULL, 0};
            uint64_t number = 0;
            if (!read_field(program, formats[field].form, &text, &number))
                return LINES_HEADER;
            if (formats[field].content == LNCT_PATH)
                file.name = text;
            else if (formats[field].content == LNCT_DIRECTORY)
                file.directory = number;
            else if (formats[field].content == LNCT_MD5 && text.size == sizeof file.md5) {
                file.has_md5 = true;
                memcpy(file.md5, text.data, sizeof file.md5);
            }
        }
        if (program->at.bad)
            break;
        if (cursor_offset(&program->at) == before)
            return LINES_HEADER;
        if (!(files ? vec_push(&program->table->files, file)
                    : vec_push(&program->table->directories, file.name)))
            return LINES_MEMORY;
    }
    return program->at.bad ? LINES_TRUNCATED : LINES_OK;
}

LineFile line_file_read(LineProgram *program, Bytes name)
{
    LineFile file = {name, cursor_uleb(&program->at), false, {0}};
    cursor_uleb(&program->at);
    cursor_uleb(&program->at);
    return file;
}

/* The directories and files of DWARF 2 to 4: texts up to an empty one. */
static LineState read_old_tables(LineProgram *program)
{
    for (;;) {
        Bytes name = cursor_text(&program->at);
        if (program->at.bad)
            return LINES_TRUNCATED;
        if (!name.size)
            break;
        if (!vec_push(&program->table->directories, name))
            return LINES_MEMORY;
    }
    for (;;) {
        Bytes name = cursor_text(&program->at);
        if (program->at.bad)
            return LINES_TRUNCATED;
        if (!name.size)
            return LINES_OK;
        LineFile file = line_file_read(program, name);
        if (!vec_push(&program->table->files, file))
            return LINES_MEMORY;
    }
}

LineState line_header_read(LineProgram *program, uint64_t offset)
{
    Cursor *at = &program->at;
    LineTable *table = program->table;
    cursor_seek(at, offset);
    uint64_t length = cursor_u32(at);
    program->offset_size = 4;
    if (length == 0xffffffff) {
        length = cursor_u64(at);
        program->offset_size = 8;
    }
    if (at->bad)
        return LINES_TRUNCATED;
    bool whole = length <= cursor_left(at);
    if (whole) {
        table->next = cursor_offset(at) + length;
        cursor_limit(at, table->next);
    }
    table->version = cursor_u16(at);
    if (at->bad)
        return LINES_TRUNCATED;
    if (table->version < 2 || table->version > 5)
        return LINES_VERSION;
    if (table->version >= 5) {
        program->address_size = cursor_u8(at);
        cursor_skip(at, 1); /* segment selector size */
    }
    uint64_t header = cursor_number(at, program->offset_size);
    uint64_t start = cursor_offset(at) + header;
    bool inside = header <= cursor_left(at);
    program->min_length = cursor_u8(at);
    program->max_ops = table->version >= 4 ? cursor_u8(at) : 1;
    if (!program->max_ops)
        program->max_ops = 1;
    program->default_is_stmt = cursor_u8(at) != 0;
    program->line_base = (int8_t)cursor_u8(at);
    program->line_range = cursor_u8(at);
    program->opcode_base = cursor_u8(at);
    for (unsigned i = 1; i < program->opcode_base; i++)
        program->lengths[i] = cursor_u8(at);
    if (at->bad || !inside)
        return LINES_TRUNCATED;
    Cursor rest = *at;
    cursor_limit(at, start);
    LineState state;
    if (table->version >= 5) {
        state = read_entries(program, false);
        if (state == LINES_OK)
            state = read_entries(program, true);
    } else
        state = read_old_tables(program);
    *at = rest;
    cursor_seek(at, start);
    if (state == LINES_TRUNCATED && whole)
        state = LINES_HEADER;
    return state != LINES_OK || whole ? state : LINES_TRUNCATED;
}
