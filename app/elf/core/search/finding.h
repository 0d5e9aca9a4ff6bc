/* The functions of app.elf._search that look over lines as they grow. */
#ifndef PROBESCOPE_SEARCH_FINDING_H
#define PROBESCOPE_SEARCH_FINDING_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

PyObject *grow(PyObject *module, PyObject *arguments);
PyObject *grown(PyObject *module, PyObject *arguments);
PyObject *find(PyObject *module, PyObject *arguments);
PyObject *find_matching(PyObject *module, PyObject *arguments);
PyObject *choose(PyObject *module, PyObject *arguments);
PyObject *let_memory_go(PyObject *module, PyObject *unused);

#endif
