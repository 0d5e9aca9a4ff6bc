/* Types as nodes: what each is made of, and its text on both sides of a declared name.
 *
 * The same type has the same node in any unit, so that each text is made once. C and C++ are written as gdb writes
 * them. What a type is made of being unknown, it is unknown.
 */
#ifndef PROBESCOPE_NODES_H
#define PROBESCOPE_NODES_H

#include "rows.h"

enum { LONGEST_TYPE = 1 << 16 };

typedef enum {
    T_NAME = 2,
    T_POINTER,
    T_REFERENCE,
    T_RVALUE,
    T_ARRAY,    /* extra: text of the count */
    T_FUNCTION, /* extra: text of the parameters */
    T_MEMBER,   /* extra: text of the class */
    T_FRAME,    /* extra: text with a | where the child stands */
} NodeKind;

enum { Q_CONST = 1, Q_VOLATILE = 2, Q_RESTRICT = 4, Q_ATOMIC = 8, Q_PLUS_PLUS = 16 };

typedef struct {
    Bytes left, right;
} Halves;

Bytes text_of(Worker *worker, uint32_t id);
Halves halves_of(Worker *worker, uint32_t node);
uint32_t make_node(Worker *worker, NodeKind kind, uint32_t child, uint32_t extra, uint8_t qualifiers);
/* The type with further qualifiers; an array's are its elements'. */
uint32_t qualify(Worker *worker, uint32_t node, uint8_t qualifiers);
uint32_t named_node(Worker *worker, uint32_t name);
/* The text of `frame` with the child's in the place of its |. */
uint32_t framed_node(Worker *worker, uint32_t child, const char *frame);

#endif
