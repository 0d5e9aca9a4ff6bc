/* Line programs: every one of the section, and one at an offset that the input names. */
#include "dwarf/lines.h"
#include "dwarf_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_one(const LineSections *sections, uint64_t offset, bool only_header, uint64_t *next)
{
    LineTable table;
    LineText path = {0};
    lines_read(sections, offset, only_header, &table);
    *next = table.next;
    size_t files = table.files.count < 50 ? table.files.count : 50;
    for (uint64_t file = 0; file <= files + 1; file++)
        if (!lines_path(&table, (Bytes){(const uint8_t *)"/src", 4}, file, &path))
            break;
    for (size_t at = 0; at < table.sequences.count; at++) {
        LineSequence sequence = table.sequences.items[at];
        DEMAND(sequence.first + sequence.count <= table.rows.count);
    }
    vec_free(&path);
    lines_free(&table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Container container = container_read(data, size);
    FuzzInput fuzz;
    dwarf_input(&container, &fuzz);
    const Sections *main = &fuzz.input.main;
    LineSections sections = {
        main->section[DEBUG_LINE], main->section[DEBUG_LINE_STR], main->section[DEBUG_STR], fuzz.input.big};
    uint64_t offset = 0, next;
    for (unsigned turn = 0; turn < 20; turn++) {
        read_one(&sections, offset, turn & 1, &next);
        if (next <= offset)
            break;
        offset = next;
    }
    read_one(&sections, container_option(&container, OPTION_BYTES), false, &next);
    allocations_fail(0);
    return 0;
}
