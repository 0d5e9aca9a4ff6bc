/* app.elf._symbols: the symbol part of the core for Python. What is long is done without the GIL.
 *
 * Buffers that are given stay held while they are read; those that are given back are bytes of little-endian
 * numbers, as the columns keep them.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "demangle.h"
#include "enclosing.h"
#include "frames.h"
#include "marks.h"
#include "rows.h"

static PyObject *failed(Outcome outcome)
{
    if (outcome == NO_MEMORY)
        return PyErr_NoMemory();
    PyErr_SetString(PyExc_OverflowError, "the names are longer than columns can be");
    return NULL;
}

static PyObject *bytes_from(const void *items, size_t count, size_t size)
{
    return PyBytes_FromStringAndSize(items, (Py_ssize_t)(count * size));
}

#define FROM_VEC(vec) bytes_from((vec).items, (vec).count, sizeof *(vec).items)

static bool is_array(const Py_buffer *buffer, size_t size)
{
    /* What is empty may lie anywhere. */
    if ((size_t)buffer->len % size == 0 && (!buffer->len || (uintptr_t)buffer->buf % size == 0))
        return true;
    PyErr_SetString(PyExc_ValueError, "a buffer has not the size or the place of its numbers");
    return false;
}

static Bytes bytes_in(const Py_buffer *buffer)
{
    return (Bytes){buffer->buf, (size_t)buffer->len};
}

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

/* The buffers of one call, in the order in which they are given. */
enum {
    NAMES,
    NAME_AT,
    NAME_LEN,
    SECTION,
    ADDRESS,
    SIZE,
    TYPE,
    BIND,
    TABLE,
    SECTIONS,
    STRINGS,
    STRING_AT,
    FN_NAME,
    FN_LINKAGE,
    FN_FLAGS,
    FN_LOW,
    FN_SIZE,
    VAR_NAME,
    VAR_LINKAGE,
    VAR_FLAGS,
    VAR_ADDRESS,
    VAR_SIZE,
    BUFFERS,
};

static const uint8_t ITEM_SIZES[BUFFERS] = {1, 4, 4, 4, 8, 8, 1, 1, 1, 8, 1, 4, 4, 4, 4, 8, 8, 4, 4, 4, 8, 8};

static size_t items_in(const Py_buffer *buffers, int index)
{
    return (size_t)buffers[index].len / ITEM_SIZES[index];
}

static bool same_counts(const Py_buffer *buffers, int first, int last)
{
    for (int index = first; index <= last; index++)
        if (items_in(buffers, index) != items_in(buffers, first) || items_in(buffers, index) > INT32_MAX)
            return false;
    return true;
}

static bool make_input(const Py_buffer *buffers, bool relocatable, bool thumb, Input *input)
{
    for (int index = 0; index < BUFFERS; index++)
        if (!is_array(&buffers[index], ITEM_SIZES[index]))
            return false;
    if (!same_counts(buffers, NAME_AT, TABLE) || !same_counts(buffers, FN_NAME, FN_SIZE)
        || !same_counts(buffers, VAR_NAME, VAR_SIZE)) {
        PyErr_SetString(PyExc_ValueError, "columns of one table have several lengths");
        return false;
    }
    size_t strings = items_in(buffers, STRING_AT);
    *input = (Input){
        .names = bytes_in(&buffers[NAMES]),
        .count = items_in(buffers, NAME_AT),
        .name_at = buffers[NAME_AT].buf,
        .name_len = buffers[NAME_LEN].buf,
        .section = buffers[SECTION].buf,
        .address = buffers[ADDRESS].buf,
        .size = buffers[SIZE].buf,
        .type = buffers[TYPE].buf,
        .bind = buffers[BIND].buf,
        .table = buffers[TABLE].buf,
        .strings = bytes_in(&buffers[STRINGS]),
        .string_at = buffers[STRING_AT].buf,
        .string_count = strings ? strings - 1 : 0,
        .functions = {items_in(buffers, FN_NAME), buffers[FN_NAME].buf, buffers[FN_LINKAGE].buf,
                      buffers[FN_FLAGS].buf, buffers[FN_LOW].buf, buffers[FN_SIZE].buf},
        .variables = {items_in(buffers, VAR_NAME), buffers[VAR_NAME].buf, buffers[VAR_LINKAGE].buf,
                      buffers[VAR_FLAGS].buf, buffers[VAR_ADDRESS].buf, buffers[VAR_SIZE].buf},
        .sections = buffers[SECTIONS].buf,
        .section_count = (size_t)buffers[SECTIONS].len / sizeof(Section),
        .relocatable = relocatable,
        .thumb = thumb,
    };
    return true;
}

/* Asks `foreign`, which takes a list of names and gives one of their texts. */
static Outcome ask_foreign(PyObject *foreign, Names *names, bool *raised)
{
    *raised = true;
    PyObject *list = PyList_New((Py_ssize_t)names->foreign.count);
    for (size_t at = 0; list && at < names->foreign.count; at++) {
        Bytes raw = names->raw.texts.items[names->foreign.items[at]];
        PyObject *item = bytes_from(raw.data, raw.size, 1);
        if (!item)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, (Py_ssize_t)at, item);
    }
    PyObject *answer = list ? PyObject_CallOneArg(foreign, list) : NULL;
    Py_XDECREF(list);
    if (!answer)
        return DONE;
    Outcome outcome = DONE;
    bool fits = PyList_Check(answer) && (size_t)PyList_GET_SIZE(answer) == names->foreign.count;
    for (size_t at = 0; fits && at < names->foreign.count && outcome == DONE; at++) {
        PyObject *item = PyList_GET_ITEM(answer, (Py_ssize_t)at);
        fits = PyBytes_Check(item);
        if (fits)
            outcome = show_name(names, names->foreign.items[at],
                                (Bytes){(const uint8_t *)PyBytes_AS_STRING(item), (size_t)PyBytes_GET_SIZE(item)});
    }
    Py_DECREF(answer);
    *raised = !fits;
    if (!fits)
        PyErr_SetString(PyExc_TypeError, "the other demangler has to give a list of as many bytes");
    return outcome;
}

/* Names, with what they are of: collected, then demangled in parts, then ordered; rows of both kinds and lines
 * follow. Parts, and what follows, may be made side by side. */
typedef struct {
    PyObject_HEAD
    Py_buffer buffers[BUFFERS];
    int held;
    bool collected, ordered;
    Input input;
    Names names;
    uint8_t *begun; /* parts */
    size_t done;
} TablesObject;

static PyObject *tables_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    (void)keywords;
    PyObject *given;
    int relocatable, thumb;
    if (!PyArg_ParseTuple(arguments, "O!pp", &PyTuple_Type, &given, &relocatable, &thumb))
        return NULL;
    if (PyTuple_GET_SIZE(given) != BUFFERS)
        return PyErr_Format(PyExc_ValueError, "%d buffers are needed", (int)BUFFERS);
    TablesObject *self = (TablesObject *)type->tp_alloc(type, 0);
    while (self && self->held < BUFFERS
           && !PyObject_GetBuffer(PyTuple_GET_ITEM(given, self->held), &self->buffers[self->held], PyBUF_SIMPLE))
        self->held++;
    if (!self || self->held < BUFFERS || !make_input(self->buffers, relocatable, thumb, &self->input)) {
        Py_XDECREF(self);
        return NULL;
    }
    Outcome outcome;
    Py_BEGIN_ALLOW_THREADS
    outcome = collect_names(&self->input, &self->names);
    Py_END_ALLOW_THREADS
    self->collected = true;
    if (outcome == DONE && !(self->begun = calloc(self->names.part_count, 1)))
        outcome = NO_MEMORY;
    if (outcome == DONE)
        return (PyObject *)self;
    Py_DECREF(self);
    return failed(outcome);
}

static PyObject *tables_parts(PyObject *object, void *none)
{
    (void)none;
    return PyLong_FromSize_t(((TablesObject *)object)->names.part_count);
}

static PyObject *tables_demangle(PyObject *object, PyObject *argument)
{
    TablesObject *self = (TablesObject *)object;
    size_t part = PyLong_AsSize_t(argument);
    if (PyErr_Occurred())
        return NULL;
    if (part >= self->names.part_count || self->begun[part]) {
        PyErr_SetString(PyExc_ValueError, "there is no such part that is still to be demangled");
        return NULL;
    }
    self->begun[part] = 1;
    Outcome outcome;
    Py_BEGIN_ALLOW_THREADS
    outcome = demangle_part(&self->names, part);
    Py_END_ALLOW_THREADS
    if (outcome != DONE)
        return failed(outcome);
    self->done++;
    Py_RETURN_NONE;
}

static PyObject *tables_order(PyObject *object, PyObject *foreign)
{
    TablesObject *self = (TablesObject *)object;
    Names *names = &self->names;
    if (self->ordered || self->done < names->part_count) {
        PyErr_SetString(PyExc_ValueError, "names are ordered once, when all parts are demangled");
        return NULL;
    }
    self->done = 0;
    bool raised = false;
    Outcome outcome = join_parts(names);
    if (outcome == DONE && names->foreign.count)
        outcome = ask_foreign(foreign, names, &raised);
    if (raised)
        return NULL;
    if (outcome == DONE) {
        Py_BEGIN_ALLOW_THREADS
        outcome = order_names(names);
        Py_END_ALLOW_THREADS
    }
    if (outcome != DONE)
        return failed(outcome);
    self->ordered = true;
    Py_RETURN_NONE;
}

static bool is_ordered(const TablesObject *self)
{
    if (!self->ordered)
        PyErr_SetString(PyExc_ValueError, "the names are not in order yet");
    return self->ordered;
}

static void tables_free(PyObject *object)
{
    TablesObject *self = (TablesObject *)object;
    PyTypeObject *type = Py_TYPE(object);
    if (self->collected)
        free_names(&self->names);
    free(self->begun);
    while (self->held)
        PyBuffer_Release(&self->buffers[--self->held]);
    type->tp_free(object);
    Py_DECREF(type);
}

/* The columns that belong to the names and to each symbol. */
static PyObject *tables_names(PyObject *object, PyObject *none)
{
    (void)none;
    const TablesObject *self = (const TablesObject *)object;
    const Names *names = &self->names;
    if (!is_ordered(self))
        return NULL;
    size_t count = self->input.count;
    size_t lines_count = names->raw.texts.count + names->demangled;
    PyObject *text = bytes_from(NULL, names->text_size, 1), *line_at = bytes_from(NULL, lines_count + 1, 4),
             *line_name = bytes_from(NULL, names->demangled, 4), *name_id = bytes_from(NULL, count, 4);
    if (!text || !line_at || !line_name || !name_id) {
        Py_XDECREF(text);
        Py_XDECREF(line_at);
        Py_XDECREF(line_name);
        Py_XDECREF(name_id);
        return NULL;
    }
    Lines lines = {(uint8_t *)PyBytes_AS_STRING(text), (uint32_t *)PyBytes_AS_STRING(line_at),
                   (uint32_t *)PyBytes_AS_STRING(line_name), 0, 0};
    uint32_t *ids = (uint32_t *)PyBytes_AS_STRING(name_id);
    Py_BEGIN_ALLOW_THREADS
    write_lines(names, &lines);
    for (size_t row = 0; row < count; row++)
        ids[row] = names->rank[names->of_symbol[row]];
    Py_END_ALLOW_THREADS
    return Py_BuildValue("{sNsNsNsN}", "name_id", name_id, "text", text, "line_at", line_at, "line_name", line_name);
}

static PyObject *rows_of(PyObject *object, Kind kind)
{
    const TablesObject *self = (const TablesObject *)object;
    Rows rows = {.start = {NULL, 0, 0}};
    Outcome outcome;
    if (!is_ordered(self))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    outcome = make_rows(&self->input, &self->names, kind, &rows);
    Py_END_ALLOW_THREADS
    PyObject *answer = NULL;
    if (outcome != DONE)
        failed(outcome);
    else
        answer = Py_BuildValue("{sNsNsNsNsNsNsNsNsN}", "start", FROM_VEC(rows.start), "rows", FROM_VEC(rows.symbols),
                               "name_at", FROM_VEC(rows.name_at), "names", FROM_VEC(rows.all_names), "name",
                               FROM_VEC(rows.name), "section", FROM_VEC(rows.section), "known", FROM_VEC(rows.known),
                               "address", FROM_VEC(rows.address), "size", FROM_VEC(rows.size));
    free_rows(&rows);
    return answer;
}

static PyObject *tables_functions(PyObject *self, PyObject *none)
{
    (void)none;
    return rows_of(self, FUNCTIONS);
}

static PyObject *tables_variables(PyObject *self, PyObject *none)
{
    (void)none;
    return rows_of(self, VARIABLES);
}

static PyGetSetDef TABLES_ATTRIBUTES[] = {
    {"parts", tables_parts, NULL, "How many parts the names have.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyMethodDef TABLES_METHODS[] = {
    {"demangle", tables_demangle, METH_O, "Reads the names of a part, each once."},
    {"order", tables_order, METH_O, "Puts the names in order; asks for those that another demangler reads."},
    {"names", tables_names, METH_NOARGS, "The columns of names, their lines, and the name of each symbol."},
    {"functions", tables_functions, METH_NOARGS, "The columns of functions."},
    {"variables", tables_variables, METH_NOARGS, "The columns of variables."},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot TABLES_SLOTS[] = {
    {Py_tp_new, tables_new},
    {Py_tp_dealloc, tables_free},
    {Py_tp_methods, TABLES_METHODS},
    {Py_tp_getset, TABLES_ATTRIBUTES},
    {Py_tp_doc, "Tables(buffers, relocatable, thumb): may be asked by several threads at once"},
    {0, NULL},
};
static PyType_Spec TABLES_SPEC = {"app.elf._symbols.Tables", sizeof(TablesObject), 0, Py_TPFLAGS_DEFAULT, TABLES_SLOTS};

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
