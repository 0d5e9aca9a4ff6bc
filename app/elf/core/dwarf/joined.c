/* Variables and types that several workers have met, each once; see columns.h. */
#include "columns.h"

static int by_unit(const void *left, const void *right)
{
    const VarRow *a = left, *b = right;
    if (a->unit != b->unit)
        return a->unit < b->unit ? -1 : 1;
    return a->die < b->die ? -1 : a->die > b->die;
}

bool join_variables(const Reading *reading, VarRows *variables)
{
    SameTable same = {0};
    bool memory = true;
    for (size_t u = 0; u < reading->units.count && memory; u++) {
        const UnitRows *rows = &reading->units.items[u];
        for (uint32_t i = 0; i < rows->variables.count && memory; i++) {
            const VarRow *row = &reading->workers[rows->worker].variables.items[rows->variables.first + i];
            uint32_t index = same_index(&same, (uint32_t[SAID]){row->name, row->linkage, row->scope, row->file, row->line});
            memory = index != UINT32_MAX && vec_push(variables, *row);
        }
    }
    size_t known = same.items.count, first = variables->count;
    for (unsigned w = 0; w < reading->worker_count; w++) {
        for (size_t i = 0; i < reading->workers[w].constants.count && memory; i++) {
            const VarRow *row = &reading->workers[w].constants.items[i];
            uint32_t index = same_index(&same, (uint32_t[SAID]){row->name, row->linkage, row->scope, row->file, row->line});
            memory = index != UINT32_MAX;
            if (!memory || index < known)
                continue;
            uint32_t *number = &same.items.items[index].number;
            if (*number != UINT32_MAX) {
                if (by_unit(row, &variables->items[*number]) < 0)
                    variables->items[*number] = *row;
                continue;
            }
            *number = (uint32_t)variables->count;
            memory = vec_push(variables, *row);
        }
    }
    same_free(&same);
    if (variables->count > first)
        qsort(variables->items + first, variables->count - first, sizeof *variables->items, by_unit);
    return memory;
}

static int by_die(const void *left, const void *right)
{
    const TypeRow *a = left, *b = right;
    if (a->unit != b->unit)
        return a->unit < b->unit ? -1 : 1;
    return a->die < b->die ? -1 : a->die > b->die;
}

bool join_types(const Reading *reading, TypeRows *types)
{
    Map known = {0};
    bool memory = true, fresh;
    for (unsigned w = 0; w < reading->worker_count && memory; w++) {
        const Worker *worker = &reading->workers[w];
        for (size_t i = 0; i < worker->types.count && memory; i++) {
            TypeRow row = worker->types.items[i];
            uint32_t *first = map_put(&known, type_key(&row), &fresh);
            memory = first != NULL;
            uint32_t at = memory ? *first : 0;
            while (at && !same_type(&types->items[at - 1], &row))
                at = types->items[at - 1].next;
            if (at) {
                row.next = types->items[at - 1].next;
                if (by_die(&row, &types->items[at - 1]) < 0)
                    types->items[at - 1] = row;
            } else if (memory) {
                row.next = *first;
                memory = vec_push(types, row);
                *first = (uint32_t)types->count;
            }
        }
    }
    map_free(&known);
    if (types->count)
        qsort(types->items, types->count, sizeof *types->items, by_die);
    return memory;
}
