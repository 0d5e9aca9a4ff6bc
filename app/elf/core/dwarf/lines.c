/* Line number programs of DWARF 2 to 5, 32 and 64 bit, to rows that can be searched by address.
 *
 * A program's sequences are put in the order of their addresses; where two overlap (sections that a linker
 * dropped all start at 0) the earlier one holds, as addr2line has it, so that the last row at or before an
 * address is the answer for it. Refused: other versions, forms whose size is not known, a line range of 0 where
 * a special opcode needs it. Every loop takes a byte or ends. Source: DWARF 5, section 6.2; DWARF 4, 6.2.
 */
#include "lines.h"

enum {
    LNS_COPY = 1,
    LNS_ADVANCE_PC,
    LNS_ADVANCE_LINE,
    LNS_SET_FILE,
    LNS_SET_COLUMN,
    LNS_NEGATE_STMT,
    LNS_SET_BASIC_BLOCK,
    LNS_CONST_ADD_PC,
    LNS_FIXED_ADVANCE_PC,
    LNS_SET_PROLOGUE_END,
    LNS_SET_EPILOGUE_BEGIN,
    LNS_SET_ISA,
};
enum { LNE_END_SEQUENCE = 1, LNE_SET_ADDRESS, LNE_DEFINE_FILE, LNE_SET_DISCRIMINATOR };
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

typedef struct {
    const LineSections *sections;
    LineTable *table;
    Cursor at;
    unsigned offset_size, address_size;
    uint8_t min_length, max_ops, line_range, opcode_base;
    int8_t line_base;
    bool default_is_stmt;
    uint8_t lengths[256];
} Program;

typedef struct {
    uint64_t address;
    uint32_t op_index, file, column;
    int64_t line;
    uint8_t flags;
} Registers;

static Bytes text_in(Bytes section, uint64_t offset)
{
    Cursor at = cursor_over(section, false);
    cursor_seek(&at, offset);
    return cursor_text(&at);
}

/* One field of a directory's or file's entry; false for a form whose size is not known. */
static bool read_field(Program *program, uint64_t form, Bytes *text, uint64_t *number)
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
static LineState read_entries(Program *program, bool files)
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

static LineFile read_old_file(Program *program, Bytes name)
{
    LineFile file = {name, cursor_uleb(&program->at), false, {0}};
    cursor_uleb(&program->at);
    cursor_uleb(&program->at);
    return file;
}

/* The directories and files of DWARF 2 to 4: texts up to an empty one. */
static LineState read_old_tables(Program *program)
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
        LineFile file = read_old_file(program, name);
        if (!vec_push(&program->table->files, file))
            return LINES_MEMORY;
    }
}

/* The header up to where the program starts; the cursor then ends where the program does. */
static LineState read_header(Program *program, uint64_t offset)
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

static void advance(const Program *program, Registers *registers, uint64_t operations)
{
    if (program->max_ops == 1) {
        registers->address += program->min_length * operations;
        return;
    }
    uint64_t index = registers->op_index + operations;
    registers->address += program->min_length * (index / program->max_ops);
    registers->op_index = (uint32_t)(index % program->max_ops);
}

static Registers first_registers(const Program *program)
{
    return (Registers){.file = 1, .line = 1, .flags = program->default_is_stmt ? LINE_IS_STMT : 0};
}

static bool push_row(Program *program, Registers *registers)
{
    uint32_t line = registers->line < 0 || registers->line > UINT32_MAX ? 0 : (uint32_t)registers->line;
    LineRow row = {registers->address, registers->file, line, registers->column, registers->flags};
    registers->flags &= LINE_IS_STMT;
    return vec_push(&program->table->rows, row);
}

/* Stable, for the few sequences that are out of order: runs that are in order are merged. */
static bool sort_rows(LineRow *rows, size_t count)
{
    LineRow *other = malloc(count * sizeof *other);
    if (!other)
        return false;
    for (size_t width = 1; width < count; width = width > count / 2 ? count : width * 2) {
        for (size_t start = 0; start < count; start += 2 * width) {
            size_t middle = start + width < count ? start + width : count;
            size_t end = middle + width < count ? middle + width : count;
            size_t left = start, right = middle;
            for (size_t at = start; at < end; at++)
                other[at] = left < middle && (right >= end || rows[left].address <= rows[right].address)
                                ? rows[left++]
                                : rows[right++];
            if (end == count)
                break;
        }
        memcpy(rows, other, count * sizeof *rows);
    }
    free(other);
    return true;
}

/* Ends the sequence that starts at row `first`; its last row is the end. Nothing is kept of an empty one. */
static bool close_sequence(LineTable *table, size_t first)
{
    size_t count = table->rows.count - first;
    LineRow *rows = table->rows.items + first;
    bool sorted = true;
    for (size_t i = 1; i < count; i++)
        sorted &= rows[i - 1].address <= rows[i].address;
    if (!sorted) {
        /* The end stays last: what lies behind it belongs to no row of this sequence. */
        if (!sort_rows(rows, count - 1))
            return false;
        while (count > 1 && rows[count - 2].address > rows[count - 1].address) {
            rows[count - 2] = rows[count - 1];
            count--;
        }
        table->rows.count = first + count;
    }
    if (count < 2 || rows[0].address >= rows[count - 1].address) {
        table->rows.count = first;
        return true;
    }
    LineSequence sequence = {rows[0].address, rows[count - 1].address, first, count};
    return vec_push(&table->sequences, sequence);
}

static LineState run(Program *program)
{
    Cursor *at = &program->at;
    LineTable *table = program->table;
    Registers registers = first_registers(program);
    size_t first = 0;
    while (cursor_left(at)) {
        uint8_t opcode = cursor_u8(at);
        if (opcode >= program->opcode_base) {
            if (!program->line_range)
                return LINES_HEADER;
            uint8_t adjusted = opcode - program->opcode_base;
            advance(program, &registers, adjusted / program->line_range);
            registers.line += program->line_base + adjusted % program->line_range;
            if (!push_row(program, &registers))
                return LINES_MEMORY;
            continue;
        }
        switch (opcode) {
        case 0: {
            uint64_t length = cursor_uleb(at);
            if (!cursor_need(at, length) || !length)
                break;
            uint64_t next = cursor_offset(at) + length;
            uint8_t extended = cursor_u8(at);
            if (extended == LNE_END_SEQUENCE) {
                registers.flags |= LINE_END;
                if (!push_row(program, &registers) || !close_sequence(table, first))
                    return LINES_MEMORY;
                first = table->rows.count;
                registers = first_registers(program);
            } else if (extended == LNE_SET_ADDRESS) {
                registers.address = length <= 9 ? cursor_number(at, (unsigned)length - 1) : 0;
                registers.op_index = 0;
            } else if (extended == LNE_DEFINE_FILE) {
                Bytes name = cursor_text(at);
                LineFile file = read_old_file(program, name);
                if (!at->bad && !vec_push(&table->files, file))
                    return LINES_MEMORY;
            }
            cursor_seek(at, next);
            break;
        }
        case LNS_COPY:
            if (!push_row(program, &registers))
                return LINES_MEMORY;
            break;
        case LNS_ADVANCE_PC:
            advance(program, &registers, cursor_uleb(at));
            break;
        case LNS_ADVANCE_LINE:
            registers.line = (int64_t)((uint64_t)registers.line + (uint64_t)cursor_sleb(at));
            break;
        case LNS_SET_FILE:
            registers.file = (uint32_t)cursor_uleb(at);
            break;
        case LNS_SET_COLUMN:
            registers.column = (uint32_t)cursor_uleb(at);
            break;
        case LNS_NEGATE_STMT:
            registers.flags ^= LINE_IS_STMT;
            break;
        case LNS_SET_BASIC_BLOCK:
            registers.flags |= LINE_BLOCK;
            break;
        case LNS_CONST_ADD_PC:
            if (!program->line_range)
                return LINES_HEADER;
            advance(program, &registers, (255 - program->opcode_base) / program->line_range);
            break;
        case LNS_FIXED_ADVANCE_PC:
            registers.address += cursor_u16(at);
            registers.op_index = 0;
            break;
        case LNS_SET_PROLOGUE_END:
            registers.flags |= LINE_PROLOGUE_END;
            break;
        case LNS_SET_EPILOGUE_BEGIN:
            registers.flags |= LINE_EPILOGUE_BEGIN;
            break;
        default:
            for (unsigned i = 0; i < program->lengths[opcode]; i++)
                cursor_uleb(at);
        }
    }
    /* Rows without an end say nothing about where they hold. */
    bool open = table->rows.count != first;
    table->rows.count = first;
    return at->bad || open ? LINES_TRUNCATED : LINES_OK;
}

static int by_low(const void *left, const void *right)
{
    const LineSequence *a = left, *b = right;
    if (a->low != b->low)
        return a->low < b->low ? -1 : 1;
    if (a->high != b->high)
        return a->high > b->high ? -1 : 1;
    return a->first < b->first ? -1 : a->first > b->first;
}

/* Puts the sequences in order and cuts off what an earlier one covers. */
static bool order_sequences(LineTable *table)
{
    LineSequence *sequences = table->sequences.items;
    size_t count = table->sequences.count, kept = 0;
    bool ordered = true;
    for (size_t i = 1; i < count; i++)
        ordered &= sequences[i - 1].high <= sequences[i].low;
    if (ordered)
        return true;
    qsort(sequences, count, sizeof *sequences, by_low);
    LineRow *rows = malloc(table->rows.count * sizeof *rows);
    if (!rows)
        return false;
    size_t filled = 0;
    uint64_t covered = 0;
    for (size_t i = 0; i < count; i++) {
        LineSequence sequence = sequences[i];
        if (kept && sequence.high <= covered)
            continue;
        LineRow *source = table->rows.items + sequence.first;
        size_t skipped = 0;
        if (kept && sequence.low < covered) {
            while (source[skipped + 1].address <= covered)
                skipped++;
            source[skipped].address = covered;
            sequence.low = covered;
        }
        sequence.count -= skipped;
        memcpy(rows + filled, source + skipped, sequence.count * sizeof *rows);
        sequence.first = filled;
        filled += sequence.count;
        covered = sequence.high;
        sequences[kept++] = sequence;
    }
    free(table->rows.items);
    table->rows.items = rows;
    table->rows.room = table->rows.count;
    table->rows.count = filled;
    table->sequences.count = kept;
    return true;
}

void lines_read(const LineSections *sections, uint64_t offset, bool only_header, LineTable *table)
{
    *table = (LineTable){0};
    Program program = {.sections = sections, .table = table, .at = cursor_over(sections->line, sections->big)};
    table->state = read_header(&program, offset);
    if (table->state == LINES_VERSION || only_header || !program.opcode_base)
        return;
    LineState header = table->state;
    table->state = run(&program);
    if (table->state != LINES_MEMORY && !order_sequences(table))
        table->state = LINES_MEMORY;
    if (table->state == LINES_OK)
        table->state = header;
}

static bool put(LineText *path, Bytes text)
{
    if (!vec_room(path, text.size))
        return false;
    if (text.size)
        memcpy(path->items + path->count, text.data, text.size);
    path->count += text.size;
    return true;
}

static bool absolute(Bytes name)
{
    return name.size && name.data[0] == '/';
}

bool lines_path(const LineTable *table, Bytes comp_dir, uint64_t file, LineText *path)
{
    static const uint8_t slash[] = "/";
    path->count = 0;
    bool from_zero = table->version >= 5;
    if (!from_zero && file-- == 0)
        return true;
    if (file >= table->files.count)
        return true;
    const LineFile *entry = &table->files.items[file];
    Bytes directory = {NULL, 0};
    uint64_t index = entry->directory;
    /* Before DWARF 5 the first directory, without an entry, is the compiler's own. */
    if (!from_zero)
        index--;
    if (index < table->directories.count)
        directory = table->directories.items[index];
    if (!entry->name.size || absolute(entry->name))
        return put(path, entry->name);
    if (!absolute(directory) && comp_dir.size && !(put(path, comp_dir) && put(path, (Bytes){slash, 1})))
        return false;
    if (directory.size && !(put(path, directory) && put(path, (Bytes){slash, 1})))
        return false;
    return put(path, entry->name);
}

void lines_free(LineTable *table)
{
    vec_free(&table->directories);
    vec_free(&table->files);
    vec_free(&table->sequences);
    vec_free(&table->rows);
}
