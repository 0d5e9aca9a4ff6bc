/* app.elf._symbols.Tables: the names of a file for Python, and what follows from them. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "python.h"

#include "demangle.h"
#include "rows.h"

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
PyType_Spec TABLES_SPEC = {"app.elf._symbols.Tables", sizeof(TablesObject), 0, Py_TPFLAGS_DEFAULT, TABLES_SLOTS};
