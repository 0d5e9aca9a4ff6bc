/* Buffers of Python's objects, held while one call works on them. */
#ifndef PROBESCOPE_SEARCH_HELD_H
#define PROBESCOPE_SEARCH_HELD_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "grown.h"

enum { BUFFERS = 8 };

typedef struct {
    Py_buffer held[BUFFERS];
    size_t count;
} Held;

void let_go(Held *held);

/* A buffer of items of `size` bytes, aligned to them; NULL with an exception set. */
Py_buffer *hold(Held *held, PyObject *object, size_t size, int flags);

/* False with an exception set. */
bool hold_lines(Held *held, PyObject *text, PyObject *at, PyObject *further, Lines *lines);
bool hold_grown(Held *held, PyObject *text, PyObject *at, PyObject *shared, Grown *grown);

/* None, or NULL with an exception for a status that is not DONE; lets go. */
PyObject *answer(Held *held, Status status);

/* NULL, with a ValueError of this text where there is no exception yet; lets go. */
PyObject *refuse(Held *held, const char *text);

#endif
