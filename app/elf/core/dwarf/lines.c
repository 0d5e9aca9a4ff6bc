/* Line number programs of DWARF 2 to 5, 32 and 64 bit, to rows that can be searched by address.
 *
 * A program's sequences are put in the order of their addresses; where two overlap (sections that a linker
 * dropped all start at 0) the earlier one holds, as addr2line has it, so that the last row at or before an
 * address is the answer for it. Refused: other versions, forms whose size is not known, a line range of 0 where
 * a special opcode needs it. Every loop takes a byte or ends. Source: DWARF 5, section 6.2; DWARF 4, 6.2.
 */
#include "lines_program.h"

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
typedef struct {
    uint64_t address;
    uint32_t op_index, file, column;
    int64_t line;
    uint8_t flags;
} Registers;

static void advance(const LineProgram *program, Registers *registers, uint64_t operations)
{
    if (program->max_ops == 1) {
        registers->address += program->min_length * operations;
        return;
    }
    uint64_t index = registers->op_index + operations;
    registers->address += program->min_length * (index / program->max_ops);
    registers->op_index = (uint32_t)(index % program->max_ops);
}

static Registers first_registers(const LineProgram *program)
{
    return (Registers){.file = 1, .line = 1, .flags = program->default_is_stmt ? LINE_IS_STMT : 0};
}

static bool push_row(LineProgram *program, Registers *registers)
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

static LineState run(LineProgram *program)
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
            int64_t step = program->line_base + adjusted % program->line_range;
            registers.line = (int64_t)((uint64_t)registers.line + (uint64_t)step);
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
                LineFile file = line_file_read(program, name);
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
    LineProgram program = {.sections = sections, .table = table, .at = cursor_over(sections->line, sections->big)};
    table->state = line_header_read(&program, offset);
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
