/* All columns of the DWARF; each must be such as a reader of columns takes without looking. Option 8: once more
 * with threads; 16: once more as a section that arrives. All must give the same.
 */
#include "dwarf/read.h"
#include "dwarf/stream.h"
#include "dwarf_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t item(const DwarfOutput *output, ColumnId id, size_t at)
{
    Cursor cursor = cursor_over(
        (Bytes){output->columns[id].data, output->columns[id].count * COLUMN_SIZES[id]}, false);
    cursor_seek(&cursor, at * COLUMN_SIZES[id]);
    return cursor_number(&cursor, COLUMN_SIZES[id]);
}

static size_t count(const DwarfOutput *output, ColumnId id)
{
    return output->columns[id].count;
}

static void below(const DwarfOutput *output, ColumnId id, uint64_t limit)
{
    for (size_t at = 0; at < count(output, id); at++)
        DEMAND(item(output, id, at) < limit);
}

/* Starts of runs in a table of `total` rows, for `rows` owners; several kinds of owners share the ranges. */
static void starts(const DwarfOutput *output, ColumnId id, size_t rows, size_t total)
{
    DEMAND(count(output, id) == rows + 1);
    for (size_t at = 0; at < rows; at++)
        DEMAND(item(output, id, at) <= item(output, id, at + 1));
    DEMAND(item(output, id, rows) <= total);
}

static void check(const DwarfOutput *output)
{
    static const ColumnId texts[] = {
        COL_unit_name, COL_unit_comp_dir, COL_unit_producer, COL_fn_name,        COL_fn_linkage,
        COL_fn_scope,  COL_fn_file,       COL_fn_return,     COL_param_name,     COL_param_type,
        COL_var_name,  COL_var_linkage,   COL_var_scope,     COL_var_file,       COL_var_type,
        COL_type_name, COL_site_call_file};
    static const ColumnId groups[][2] = {
        {COL_fn_name, COL_fn_die},         {COL_fn_name, COL_fn_sites},  {COL_fn_name, COL_fn_flags},
        {COL_param_name, COL_param_flags}, {COL_var_name, COL_var_die},  {COL_var_name, COL_var_flags},
        {COL_site_function, COL_site_parent}, {COL_range_low, COL_range_high}, {COL_type_name, COL_type_die},
        {COL_unit_offset, COL_unit_lines}};
    size_t strings = count(output, COL_string_at);
    DEMAND(strings >= 2);
    starts(output, COL_string_at, strings - 1, count(output, COL_string_blob));
    for (size_t at = 0; at < sizeof texts / sizeof *texts; at++)
        below(output, texts[at], strings - 1);
    for (size_t at = 0; at < sizeof groups / sizeof *groups; at++)
        DEMAND(count(output, groups[at][0]) == count(output, groups[at][1]));
    size_t ranges = count(output, COL_range_low), units = count(output, COL_unit_offset);
    size_t functions = count(output, COL_fn_name), sites = count(output, COL_site_function);
    starts(output, COL_unit_range_at, units, ranges);
    starts(output, COL_fn_range_at, functions, ranges);
    starts(output, COL_site_range_at, sites, ranges);
    starts(output, COL_fn_param_at, functions, count(output, COL_param_name));
    below(output, COL_site_function, functions);
    below(output, COL_site_host, functions);
    for (size_t at = 0; at < sites; at++) {
        int32_t parent = (int32_t)item(output, COL_site_parent, at);
        DEMAND(parent >= -1 && parent < (int64_t)at);
    }
    below(output, COL_fn_unit, units ? units : 1);
    below(output, COL_var_unit, units ? units : 1);
    below(output, COL_type_unit, units ? units : 1);
    for (size_t at = 0; at < output->problem_count; at++)
        DEMAND(output->problems[at].code && memchr(output->problems[at].text, 0, sizeof output->problems[at].text));
}

static bool same(const DwarfOutput *one, const DwarfOutput *other)
{
    for (unsigned id = 0; id < COLUMN_COUNT; id++) {
        size_t bytes = one->columns[id].count * COLUMN_SIZES[id];
        if (one->columns[id].count != other->columns[id].count ||
            (bytes && memcmp(one->columns[id].data, other->columns[id].data, bytes) != 0))
            return false;
    }
    return one->problem_count == other->problem_count;
}

/* Reads .debug_info out of an arrival that has its bytes, or ends before them. */
static void check_arriving(DwarfInput input, Pool *pool, const DwarfOutput *expected)
{
    Bytes info = input.main.section[DEBUG_INFO];
    for (int broken = 0; broken < 2; broken++) {
        Arrival arrival;
        DwarfOutput output;
        DEMAND(arrival_open(&arrival, info.size + (size_t)broken));
        DEMAND(arrival_put(&arrival, bytes_part(info, 0, info.size / 2)));
        DEMAND(arrival_put(&arrival, bytes_part(info, info.size / 2, info.size)));
        DEMAND(!arrival_put(&arrival, (Bytes){(const uint8_t *)"xy", 2}));
        arrival_end(&arrival);
        input.arrival = &arrival;
        input.main.section[DEBUG_INFO] = (Bytes){arrival.data, arrival.size};
        DEMAND(dwarf_read(&input, pool, 3, &output));
        DEMAND(output.again || broken || same(expected, &output));
        dwarf_output_free(&output);
        arrival_close(&arrival);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static Pool *pool;
    Container container = container_read(data, size);
    uint8_t flags = container_option(&container, 0);
    if (!pool)
        pool = pool_start(2);
    FuzzInput fuzz;
    dwarf_input(&container, &fuzz);
    DwarfOutput output, again;
    SplitNames names = {0};
    dwarf_split_names(&fuzz.input, &names);
    vec_free(&names);
    if (dwarf_read(&fuzz.input, NULL, 1, &output)) {
        check(&output);
        if (flags & 8 && !(flags & 4) && pool) {
            DEMAND(dwarf_read(&fuzz.input, pool, 3, &again));
            DEMAND(same(&output, &again));
            dwarf_output_free(&again);
        }
        if (flags & 16 && !(flags & 4) && stream_fits(&fuzz.input))
            check_arriving(fuzz.input, pool, &output);
    }
    dwarf_output_free(&output);
    allocations_fail(0);
    return 0;
}
