/* A container to what the DWARF core reads: parts 1 to 14 are the sections of the file in the order of SectionId,
 * from 21 those of its alternate file, from 41 and from 61 those of two split files. Options: flags (1 big-endian,
 * 2 zero is an address, 4 memory runs out), the turn at which it does (2 bytes), and what a target wants.
 */
#ifndef FUZZ_DWARF_INPUT_H
#define FUZZ_DWARF_INPUT_H

#include "container.h"
#include "dwarf/dwarf.h"

enum { MAIN_PARTS = 1, ALT_PARTS = 21, SPLIT_PARTS = 41, SPLITS = 2, OPTION_BYTES = 3 };

typedef struct {
    DwarfInput input;
    Sections split[SPLITS];
} FuzzInput;

static inline Sections sections_from(const Container *container, unsigned first)
{
    Sections sections = {0};
    for (unsigned id = 0; id < SECTION_COUNT; id++)
        sections.section[id] = container->part[first + id];
    return sections;
}

static inline void dwarf_input(const Container *container, FuzzInput *fuzz)
{
    uint8_t flags = container_option(container, 0);
    for (unsigned file = 0; file < SPLITS; file++)
        fuzz->split[file] = sections_from(container, SPLIT_PARTS + 20 * file);
    bool splits = fuzz->split[0].section[DEBUG_INFO].size || fuzz->split[1].section[DEBUG_INFO].size;
    fuzz->input = (DwarfInput){
        .main = sections_from(container, MAIN_PARTS),
        .alt = sections_from(container, ALT_PARTS),
        .split = fuzz->split,
        .split_count = splits ? SPLITS : 0,
        .big = flags & 1,
        .zero_is_used = flags & 2,
    };
    if (flags & 4)
        allocations_fail(container_option(container, 1) | (uint32_t)container_option(container, 2) << 8);
}

#endif
