/* What both sides of columns.h share, and their order: first the rows of units, while variables and types are
 * joined; then these. The workers' rows are freed between. */
#include "columns.h"

void *column(Writer *writer, ColumnId id, size_t count)
{
    Column *made = &writer->output->columns[id];
    made->data = calloc(count ? count : 1, COLUMN_SIZES[id]);
    if (made->data)
        made->count = count;
    else
        writer->memory = true;
    return made->data;
}

uint32_t site_function(const Writer *writer, const UnitRows *rows, const SiteRow *site)
{
    if (site->function == NONE)
        return NONE;
    if (!(site->function & TARGET_INLINE) && site->function & TARGET_FOREIGN)
        return site->function & ~TARGET_FOREIGN;
    if (site->function & TARGET_INLINE)
        return writer->numbering->inlines[rows->worker][site->function & ~TARGET_INLINE];
    return writer->numbering->functions[rows->worker][site->function];
}

size_t site_count(const Reading *reading)
{
    size_t count = 0;
    for (unsigned w = 0; w < reading->worker_count; w++)
        count += reading->workers[w].sites.count;
    return count;
}

typedef struct {
    Writer sides[2]; /* of texts, of numbers */
    VarRows variables;
    TypeRows types;
} Writing;

static void rows_task(void *context, size_t task, unsigned worker)
{
    (void)worker;
    Writing *writing = context;
    Writer *writer = &writing->sides[task];
    if (task == 0) {
        write_texts(writer);
        return;
    }
    if (!join_variables(writer->reading, &writing->variables) || !join_types(writer->reading, &writing->types))
        writer->memory = true;
    write_numbers(writer);
}

static void joined_task(void *context, size_t task, unsigned worker)
{
    (void)worker;
    Writing *writing = context;
    (task == 0 ? write_joined_texts : write_joined_numbers)(&writing->sides[task]);
}

static void free_rows(Worker *worker)
{
    vec_free(&worker->params);
    vec_free(&worker->sites);
    vec_free(&worker->ranges);
}

bool write_columns(Reading *reading, Pool *pool, const Numbering *numbering, DwarfOutput *output)
{
    Writing writing = {0};
    for (size_t side = 0; side < 2; side++)
        writing.sides[side] = (Writer){reading, numbering, output, &writing.variables, &writing.types, false};
    pool_run(pool, reading->worker_count, 2, rows_task, &writing);
    for (unsigned w = 0; w < reading->worker_count; w++)
        free_rows(&reading->workers[w]);
    if (!writing.sides[0].memory && !writing.sides[1].memory)
        pool_run(pool, reading->worker_count, 2, joined_task, &writing);
    vec_free(&writing.variables);
    vec_free(&writing.types);
    return !writing.sides[0].memory && !writing.sides[1].memory;
}
