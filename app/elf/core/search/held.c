/* Each buffer is looked at for its size and where it lies before it is used. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "held.h"

void let_go(Held *held)
{
    while (held->count)
        PyBuffer_Release(&held->held[--held->count]);
}

Py_buffer *hold(Held *held, PyObject *object, size_t size, int flags)
{
    Py_buffer *buffer = &held->held[held->count];
    if (PyObject_GetBuffer(object, buffer, flags | PyBUF_C_CONTIGUOUS))
        return NULL;
    held->count++;
    if ((size_t)buffer->len % size || (uintptr_t)buffer->buf % size) {
        PyErr_SetString(PyExc_ValueError, "A buffer has another size of items.");
        return NULL;
    }
    return buffer;
}

bool hold_lines(Held *held, PyObject *text, PyObject *at, PyObject *further, Lines *lines)
{
    Py_buffer *of_text = hold(held, text, 1, PyBUF_SIMPLE);
    Py_buffer *of_at = of_text ? hold(held, at, 4, PyBUF_SIMPLE) : NULL;
    Py_buffer *of_further = of_at ? hold(held, further, 4, PyBUF_SIMPLE) : NULL;
    if (!of_further)
        return false;
    size_t places = (size_t)of_at->len / 4, others = (size_t)of_further->len / 4;
    if (!places || others > places - 1 || (size_t)of_text->len > UINT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "The lines do not fit the names.");
        return false;
    }
    *lines = (Lines){of_text->buf, (size_t)of_text->len, of_at->buf, of_further->buf, places - 1,
                     places - 1 - others, places - 1 - others};
    return true;
}

/* Of `grown->lines`, which are held already. */
bool hold_grown(Held *held, PyObject *text, PyObject *at, PyObject *shared, Grown *grown)
{
    Py_buffer *of_text = hold(held, text, 1, PyBUF_SIMPLE);
    Py_buffer *of_at = of_text ? hold(held, at, 4, PyBUF_SIMPLE) : NULL;
    Py_buffer *of_shared = of_at ? hold(held, shared, 1, PyBUF_SIMPLE) : NULL;
    if (!of_shared)
        return false;
    size_t count = grown->lines.count;
    if ((size_t)of_at->len / 4 != count + 1 || (size_t)of_shared->len != count ||
        (size_t)of_text->len > UINT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "What lines have more does not fit them.");
        return false;
    }
    grown->text = of_text->buf;
    grown->size = (size_t)of_text->len;
    grown->at = of_at->buf;
    grown->shared = of_shared->buf;
    return true;
}

PyObject *answer(Held *held, Status status)
{
    let_go(held);
    if (status == OUT_OF_MEMORY)
        return PyErr_NoMemory();
    if (status == OUT_OF_TIME) {
        PyErr_SetString(PyExc_TimeoutError, "The time is over.");
        return NULL;
    }
    Py_RETURN_NONE;
}

PyObject *refuse(Held *held, const char *text)
{
    let_go(held);
    if (text && !PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, text);
    return NULL;
}
