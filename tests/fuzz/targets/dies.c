/* Single DIEs: the tree and the scopes of every unit, types by name, and a key that the input names. */
#include "dwarf/dies.h"
#include "dwarf_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_tree(Dwarf *dwarf, uint64_t key, unsigned depth)
{
    DieTree tree;
    die_tree_read(dwarf, key, depth, 1000, &tree);
    die_tree_free(&tree);
}

static void read_units(Dwarf *dwarf, Units *units)
{
    size_t count = units->count < 100 ? units->count : 100;
    for (size_t at = 0; at < count; at++) {
        Unit *unit = &units->items[at];
        if (!unit_prepare(unit) || unit->state != UNIT_READY)
            continue;
        ScopeTree scopes;
        scopes_read(unit, &scopes);
        for (size_t row = 0; row < scopes.scopes.count && row < 10; row++)
            read_tree(dwarf, scopes.scopes.items[row].key, 2);
        scopes_free(&scopes);
        read_tree(dwarf, die_key(unit, unit->first), 4);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const Bytes names[] = {{(const uint8_t *)"point", 5}, {(const uint8_t *)"shop::Box<int, 3>", 17}};
    Container container = container_read(data, size);
    FuzzInput fuzz;
    dwarf_input(&container, &fuzz);
    Dwarf dwarf;
    if (dwarf_open(&fuzz.input, &dwarf)) {
        dwarf_link_splits(&dwarf);
        for (size_t part = 0; part < dwarf.part_count; part++)
            for (unsigned in_types = 0; in_types < 2; in_types++)
                read_units(&dwarf, &dwarf.parts[part].units[in_types]);
        uint64_t key = 0;
        for (unsigned byte = 0; byte < 8; byte++)
            key |= (uint64_t)container_option(&container, OPTION_BYTES + byte) << 8 * byte;
        read_tree(&dwarf, key, 3);
        FoundTypes types;
        types_find(&dwarf, names, 2, 50, &types);
        vec_free(&types.found);
        dwarf_close(&dwarf);
    }
    allocations_fail(0);
    return 0;
}
