/* app.elf._symbols: the symbol part of the core for Python. What is long is done without the GIL.
 *
 * Buffers that are given stay held while they are read; those that are given back are bytes of little-endian
 * numbers, as the columns keep them.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "python.h"

#include "demangle.h"
#include "enclosing.h"
#include "frames.h"
#include "marks.h"
#include "rows.h"

static PyObject *versions_of(const Symbols *symbols)
{
    PyObject *list = PyList_New((Py_ssize_t)symbols->shown_versions.count);
    for (size_t at = 0; list && at < symbols->shown_versions.count; at++) {
        Bytes text = symbols->versions.texts.items[symbols->shown_versions.items[at]];
        PyObject *item = bytes_from(text.data, text.size, 1);
        if (!item)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, (Py_ssize_t)at, item);
    }
    return list;
}

static PyObject *lacks_of(const Symbols *symbols)
{
    PyObject *list = PyList_New((Py_ssize_t)symbols->lacks.count);
    for (size_t at = 0; list && at < symbols->lacks.count; at++) {
        const Lack *lack = &symbols->lacks.items[at];
        PyObject *item = Py_BuildValue("(IIK)", lack->kind, lack->section, (unsigned long long)lack->number);
        if (!item)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, (Py_ssize_t)at, item);
    }
    return list;
}

static PyObject *read_file(const File *file, size_t count)
{
    PyObject *columns = bytes_from(NULL, count, ROW_BYTES), *names = NULL, *answer = NULL;
    if (!columns)
        return NULL;
    void *memory = PyBytes_AS_STRING(columns);
    Symbols symbols;
    Outcome outcome;
    Py_BEGIN_ALLOW_THREADS
    outcome = read_symbols(file, memory, count, &symbols);
    Py_END_ALLOW_THREADS
    if (outcome == DONE && (names = bytes_from(NULL, symbols.names_size, 1))) {
        write_names(&symbols, (uint8_t *)PyBytes_AS_STRING(names));
        answer = Py_BuildValue("(nOONN)", (Py_ssize_t)count, columns, names, versions_of(&symbols),
                               lacks_of(&symbols));
    } else if (outcome != DONE) {
        failed(outcome);
    }
    free_symbols(&symbols);
    Py_DECREF(columns);
    Py_XDECREF(names);
    return answer;
}

PyDoc_STRVAR(read_doc,
             "read(data, sections, section_names, wide, big) -> None or (count, columns, names, versions, lacks)");

static PyObject *read_function(PyObject *module, PyObject *arguments)
{
    (void)module;
    Py_buffer data, sections, names;
    int wide, big;
    if (!PyArg_ParseTuple(arguments, "y*y*y*pp", &data, &sections, &names, &wide, &big))
        return NULL;
    PyObject *answer = NULL;
    if (is_array(&sections, 8)) {
        File file = {bytes_in(&data), sections.buf, (size_t)sections.len / sizeof(Section), bytes_in(&names), wide, big};
        size_t count;
        answer = count_symbols(&file, &count) ? read_file(&file, count) : Py_NewRef(Py_None);
    }
    PyBuffer_Release(&data);
    PyBuffer_Release(&sections);
    PyBuffer_Release(&names);
    return answer;
}

static PyObject *marks_of(const Input *input, PyObject *given)
{
    Bytes wanted[MOST_WANTED];
    size_t count = (size_t)PyTuple_GET_SIZE(given);
    bool fits = count <= MOST_WANTED;
    for (size_t index = 0; fits && index < count; index++) {
        PyObject *item = PyTuple_GET_ITEM(given, (Py_ssize_t)index);
        fits = PyBytes_Check(item) && PyBytes_GET_SIZE(item) <= LONGEST_WANTED;
        if (fits)
            wanted[index] = (Bytes){(const uint8_t *)PyBytes_AS_STRING(item), (size_t)PyBytes_GET_SIZE(item)};
    }
    if (!fits) {
        PyErr_SetString(PyExc_ValueError, "these are no short names");
        return NULL;
    }
    Mangled mangled;
    PyObject *found = bytes_from(NULL, count, 1);
    if (!found)
        return NULL;
    find_defined(input, wanted, count, (uint8_t *)PyBytes_AS_STRING(found));
    count_mangled(input, &mangled);
    return Py_BuildValue("(NII)", found, mangled.rust, mangled.cpp);
}

PyDoc_STRVAR(marks_doc, "marks(names, name_at, name_len, section_index, wanted) -> (defined, rust, cpp): a byte for "
                        "each wanted name, and how many of some names are mangled");

static PyObject *marks_function(PyObject *module, PyObject *arguments)
{
    (void)module;
    Py_buffer names, at, length, section;
    PyObject *given, *answer = NULL;
    if (!PyArg_ParseTuple(arguments, "y*y*y*y*O!", &names, &at, &length, &section, &PyTuple_Type, &given))
        return NULL;
    Input input = {.names = bytes_in(&names),
                   .count = (size_t)at.len / 4,
                   .name_at = at.buf,
                   .name_len = length.buf,
                   .section = section.buf};
    if (at.len != length.len || at.len != section.len)
        PyErr_SetString(PyExc_ValueError, "columns of one table have several lengths");
    else if (is_array(&at, 4) && is_array(&length, 4) && is_array(&section, 4))
        answer = marks_of(&input, given);
    PyBuffer_Release(&names);
    PyBuffer_Release(&at);
    PyBuffer_Release(&length);
    PyBuffer_Release(&section);
    return answer;
}

PyDoc_STRVAR(frames_doc, "frames(data, loads, address, size, section_index, type, unwind, unwind_address, big, code) "
                         "-> (calling, framed); code: 0 x86_64, 1 i386, 2 aarch64");

static PyObject *frames_function(PyObject *module, PyObject *arguments)
{
    (void)module;
    Py_buffer data, loads, address, size, section, type, unwind;
    unsigned long long unwind_address;
    int big, code;
    if (!PyArg_ParseTuple(arguments, "y*y*y*y*y*y*y*Kpi", &data, &loads, &address, &size, &section, &type, &unwind,
                          &unwind_address, &big, &code))
        return NULL;
    PyObject *answer = NULL;
    Functions functions = {bytes_in(&data), big, (Code)code, loads.buf, (size_t)loads.len / sizeof(Load),
                           (size_t)type.len, address.buf, size.buf, section.buf, type.buf, bytes_in(&unwind),
                           unwind_address};
    if (address.len != 8 * type.len || size.len != 8 * type.len || section.len != 4 * type.len) {
        PyErr_SetString(PyExc_ValueError, "columns of one table have several lengths");
    } else if (is_array(&loads, 8) && is_array(&address, 8) && is_array(&size, 8) && is_array(&section, 4)) {
        Frames frames;
        count_frames(&functions, &frames);
        answer = Py_BuildValue("(II)", frames.calling, frames.framed);
    }
    Py_buffer *held[] = {&data, &loads, &address, &size, &section, &type, &unwind};
    for (size_t index = 0; index < sizeof held / sizeof *held; index++)
        PyBuffer_Release(held[index]);
    return answer;
}

PyDoc_STRVAR(enclosing_doc, "enclosing(address, size, section_index, type, bind, addresses) -> a row for each address, "
                            "which rise");

static PyObject *enclosing_function(PyObject *module, PyObject *arguments)
{
    (void)module;
    Py_buffer address, size, section, type, bind, wanted;
    if (!PyArg_ParseTuple(arguments, "y*y*y*y*y*y*", &address, &size, &section, &type, &bind, &wanted))
        return NULL;
    PyObject *answer = NULL;
    if (address.len != 8 * type.len || size.len != 8 * type.len || section.len != 4 * type.len || bind.len != type.len) {
        PyErr_SetString(PyExc_ValueError, "columns of one table have several lengths");
    } else if (is_array(&address, 8) && is_array(&size, 8) && is_array(&section, 4) && is_array(&wanted, 8)) {
        size_t count = (size_t)wanted.len / 8;
        Candidates symbols = {(size_t)type.len, address.buf, size.buf, section.buf, type.buf, bind.buf};
        answer = bytes_from(NULL, count, 4);
        if (answer)
            find_enclosing(&symbols, wanted.buf, count, (uint32_t *)PyBytes_AS_STRING(answer));
    }
    Py_buffer *held[] = {&address, &size, &section, &type, &bind, &wanted};
    for (size_t index = 0; index < sizeof held / sizeof *held; index++)
        PyBuffer_Release(held[index]);
    return answer;
}

PyDoc_STRVAR(demangle_doc, "demangle(name) -> the text, None where there is none, False for another demangler");

static PyObject *demangle_function(PyObject *module, PyObject *argument)
{
    (void)module;
    char *text;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(argument, &text, &size))
        return NULL;
    Demangler demangler;
    Blob out = {NULL, 0, 0};
    Spelling spelling;
    demangler_open(&demangler);
    Bytes name = {(const uint8_t *)text, (size_t)size};
    Outcome outcome = may_be_mangled(name) ? demangle(&demangler, name, &out, &spelling) : (spelling = AS_IT_IS, DONE);
    PyObject *answer = outcome != DONE           ? failed(outcome)
                       : spelling == DEMANGLED   ? FROM_VEC(out)
                       : spelling == FOREIGN     ? Py_NewRef(Py_False)
                                                 : Py_NewRef(Py_None);
    vec_free(&out);
    demangler_close(&demangler);
    return answer;
}

static PyMethodDef METHODS[] = {
    {"read", read_function, METH_VARARGS, read_doc},
    {"marks", marks_function, METH_VARARGS, marks_doc},
    {"frames", frames_function, METH_VARARGS, frames_doc},
    {"enclosing", enclosing_function, METH_VARARGS, enclosing_doc},
    {"demangle", demangle_function, METH_O, demangle_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, "_symbols", NULL, 0, METHODS, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__symbols(void);

PyMODINIT_FUNC PyInit__symbols(void)
{
    PyObject *module = PyModule_Create(&MODULE), *type = module ? PyType_FromSpec(&TABLES_SPEC) : NULL;
    if (!type || PyModule_AddType(module, (PyTypeObject *)type))
        Py_CLEAR(module);
    Py_XDECREF(type);
    return module;
}
