/* What the functions for Python share: buffers in, bytes and errors out. */
#ifndef PROBESCOPE_SYMBOLS_PYTHON_H
#define PROBESCOPE_SYMBOLS_PYTHON_H

#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>

#include "symbols.h"

static inline PyObject *failed(Outcome outcome)
{
    if (outcome == NO_MEMORY)
        return PyErr_NoMemory();
    PyErr_SetString(PyExc_OverflowError, "the names are longer than columns can be");
    return NULL;
}

static inline PyObject *bytes_from(const void *items, size_t count, size_t size)
{
    return PyBytes_FromStringAndSize(items, (Py_ssize_t)(count * size));
}

#define FROM_VEC(vec) bytes_from((vec).items, (vec).count, sizeof *(vec).items)

static inline bool is_array(const Py_buffer *buffer, size_t size)
{
    /* What is empty may lie anywhere. */
    if ((size_t)buffer->len % size == 0 && (!buffer->len || (uintptr_t)buffer->buf % size == 0))
        return true;
    PyErr_SetString(PyExc_ValueError, "a buffer has not the size or the place of its numbers");
    return false;
}

static inline Bytes bytes_in(const Py_buffer *buffer)
{
    return (Bytes){buffer->buf, (size_t)buffer->len};
}

/* tables_module.c: names, and the rows and lines that follow from them. */
extern PyType_Spec TABLES_SPEC;

#endif
