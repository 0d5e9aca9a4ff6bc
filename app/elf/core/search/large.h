/* Large memory by large pages: fresh ones cost a fault each, and of names there are hundreds of megabytes. */
#ifndef PROBESCOPE_SEARCH_LARGE_H
#define PROBESCOPE_SEARCH_LARGE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

enum { LARGE = 4 << 20, PAGE = 4096 };

/* Asks for them, where the system has them, in what was just taken; that it has none changes nothing else. Whole
 * mappings are asked for: one of two kinds could not grow without being copied. */
static inline void by_large_pages(void *memory, size_t size)
{
#if defined(MADV_HUGEPAGE)
    if (memory && size >= LARGE) {
        uintptr_t begin = (uintptr_t)memory & ~(uintptr_t)(PAGE - 1);
        uintptr_t end = ((uintptr_t)memory + size + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
        madvise((void *)begin, end - begin, MADV_HUGEPAGE);
    }
#else
    (void)memory;
    (void)size;
#endif
}

#endif
