/* The faults of units as problems: how many units have each, and where the first one lies. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "rows.h"

static const struct {
    uint32_t fault;
    const char *code, *text; /* the text has the count of units and the offset of the first one */
} FAULTS[] = {
    {FAULT_CUT, "dwarf_truncated",
     "Of %zu units of debug information the end is missing; the first lies at %#" PRIx64 "."},
    {FAULT_VERSION, "dwarf_version",
     "%zu units of debug information are of no version from 2 to 5; the first lies at %#" PRIx64 "."},
    {FAULT_ABBREVS, "dwarf_abbreviations",
     "The abbreviations of %zu units are missing or broken, and so what they hold; the first lies at %#" PRIx64 "."},
    {FAULT_DIE, "dwarf_broken",
     "%zu units are broken, and what lies behind the fault is missing; the first lies at %#" PRIx64 "."},
    {FAULT_DEPTH, "dwarf_depth",
     "%zu units nest entries too deep, and what lies behind is missing; the first lies at %#" PRIx64 "."},
    {FAULT_SIZE, "dwarf_unit_size", "%zu units have 4 GiB or more and were left out; the first lies at %#" PRIx64 "."},
    {FAULT_WORK, "dwarf_limit",
     "%zu units refer to the same entries so often that not all was followed; the first lies at %#" PRIx64 "."},
    {FAULT_RANGES, "dwarf_ranges",
     "%zu units name address ranges that are not there; the first lies at %#" PRIx64 "."},
    {FAULT_REFERENCE, "dwarf_reference",
     "%zu units refer to entries that are not there, so that types or names are unknown; the first lies at "
     "%#" PRIx64 "."},
    {FAULT_ALT, "dwarf_alternate",
     "%zu units refer to an alternate debug file that is not at hand, so that types or names are unknown; the "
     "first lies at %#" PRIx64 "."},
    {FAULT_DWO, "dwarf_split",
     "The split debug files of %zu units are not at hand, and so what they hold; the first unit lies at "
     "%#" PRIx64 "."},
};

static DwarfProblem *add_problem(DwarfOutput *output, const char *code)
{
    size_t most = sizeof output->problems / sizeof *output->problems;
    DwarfProblem *problem = &output->problems[output->problem_count < most - 1 ? output->problem_count++ : most - 1];
    problem->code = code;
    return problem;
}

static uint32_t faults_of(const UnitRows *rows)
{
    static const uint32_t faults[] = {
        [UNIT_CUT] = FAULT_CUT, [UNIT_VERSION] = FAULT_VERSION, [UNIT_ABBREVS] = FAULT_ABBREVS, [UNIT_DIE] = FAULT_DIE};
    uint32_t found = rows->faults;
    if (rows->walked)
        found |= faults[rows->unit->fault] | faults[rows->head->fault];
    bool skeleton = rows->head->has_dwo_id && !rows->head->split && rows->head->dwo_name.size;
    return found | (skeleton ? FAULT_DWO : 0);
}

void write_problems(const Reading *reading, DwarfOutput *output)
{
    for (size_t f = 0; f < sizeof FAULTS / sizeof *FAULTS; f++) {
        size_t count = 0;
        uint64_t first = 0;
        for (size_t u = 0; u < reading->units.count; u++) {
            const UnitRows *rows = &reading->units.items[u];
            if (!(faults_of(rows) & FAULTS[f].fault))
                continue;
            if (!count++)
                first = rows->head->offset;
        }
        if (count) {
            DwarfProblem *problem = add_problem(output, FAULTS[f].code);
            snprintf(problem->text, sizeof problem->text, FAULTS[f].text, count, first);
        }
    }
    if (reading->dwarf.units_cut) {
        DwarfProblem *problem = add_problem(output, "dwarf_truncated");
        snprintf(problem->text, sizeof problem->text,
                 "The debug information ends inside the header of a unit, and what followed is missing.");
    }
    if (atomic_load(&reading->strings.limit)) {
        DwarfProblem *problem = add_problem(output, "dwarf_texts");
        snprintf(problem->text, sizeof problem->text,
                 "The names and types of this file are longer than is kept; some are left out.");
    }
}
