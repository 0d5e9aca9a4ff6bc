/* Memory that runs out when the input says so: the linker leads the core's allocations here (--wrap). */
#include <stdlib.h>

#include "container.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static uint32_t turns;

void allocations_fail(uint32_t turn)
{
    turns = turn;
}

void *target_memory(size_t size)
{
    void *made = __real_calloc(1, size);
    DEMAND(made != NULL);
    return made;
}

static bool fails(void)
{
    return turns && (turns == 1 || --turns == 0);
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}
