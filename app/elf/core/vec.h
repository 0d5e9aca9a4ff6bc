/* Growing arrays whose every allocation is checked.
 *
 * VEC(uint32_t) Numbers; declares the type; vec_push(&numbers, 7) is false when memory is out, and the vector
 * then keeps what it had.
 */
#ifndef PROBESCOPE_VEC_H
#define PROBESCOPE_VEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define VEC(type) \
    struct { \
        type *items; \
        size_t count, room; \
    }

/* Room for `more` further items of `size` bytes; doubles, so that pushing costs the same at any length. */
static inline bool vec_grow(void **items, size_t count, size_t *room, size_t more, size_t size)
{
    if (more <= *room - count)
        return true;
    if (more > SIZE_MAX - count)
        return false;
    size_t wanted = *room > 8 ? *room : 8;
    while (wanted < count + more) {
        if (wanted > SIZE_MAX / 2)
            return false;
        wanted *= 2;
    }
    if (wanted > SIZE_MAX / size)
        return false;
    void *grown = realloc(*items, wanted * size);
    if (!grown)
        return false;
    *items = grown;
    *room = wanted;
    return true;
}

#define vec_room(vec, more) \
    vec_grow((void **)&(vec)->items, (vec)->count, &(vec)->room, (more), sizeof *(vec)->items)
#define vec_push(vec, item) (vec_room(vec, 1) ? ((vec)->items[(vec)->count++] = (item), true) : false)
/* Gives back the room that is not used; the vector stays as it is where that fails. */
static inline void vec_fit(void **items, size_t count, size_t *room, size_t size)
{
    void *fitted = count && count < *room ? realloc(*items, count * size) : NULL;
    if (fitted) {
        *items = fitted;
        *room = count;
    }
}

#define vec_trim(vec) \
    vec_fit((void **)&(vec)->items, (vec)->count, &(vec)->room, sizeof *(vec)->items)
#define vec_free(vec) (free((vec)->items), (vec)->items = NULL, (vec)->count = (vec)->room = 0)

#endif
