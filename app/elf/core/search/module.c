/* app.elf._search: names to ranks, and names and numbers to their order; all work without the GIL.
 *
 * Buffers are checked for their sizes here, and never kept. TimeoutError says that `until` was passed.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "finding.h"
#include "gather.h"
#include "held.h"
#include "intern.h"
#include "order.h"
#include "parts.h"
#include "pattern.h"
#include "rank.h"
#include "scan.h"

static PyObject *ranked(PyObject *arguments, Work work)
{
    PyObject *text, *at, *further, *out;
    Held held = {.count = 0};
    Lines lines;
    const char *needle;
    Py_ssize_t length;
    int fold, portable;
    unsigned sides;
    double until;
    if (!PyArg_ParseTuple(arguments, "OOOy#pIpdO", &text, &at, &further, &needle, &length, &fold, &sides,
                          &portable, &until, &out))
        return NULL;
    if (!hold_lines(&held, text, at, further, &lines))
        return refuse(&held, NULL);
    Py_buffer *ranks = hold(&held, out, 2, PyBUF_WRITABLE);
    if (!ranks || (size_t)ranks->len / 2 != lines.names)
        return refuse(&held, "There is not a rank for each name.");
    Question question = {(const uint8_t *)needle, (size_t)length, sides, fold, portable};
    Status status;
    Py_BEGIN_ALLOW_THREADS
    status = in_parts(&lines, work, &question, ranks->buf, 2, false, (Deadline){until, 0});
    Py_END_ALLOW_THREADS
    return answer(&held, status);
}

static PyObject *substring(PyObject *module, PyObject *arguments)
{
    (void)module;
    return ranked(arguments, rank_substring);
}

static PyObject *prefix(PyObject *module, PyObject *arguments)
{
    (void)module;
    return ranked(arguments, rank_prefix);
}

static PyObject *fuzzy(PyObject *module, PyObject *arguments)
{
    (void)module;
    return ranked(arguments, rank_fuzzy);
}

static PyObject *mark(PyObject *module, PyObject *arguments)
{
    (void)module;
    PyObject *text, *at, *further, *out;
    Held held = {.count = 0};
    Lines lines;
    Bytes program;
    const char *given;
    Py_ssize_t length;
    int portable;
    double until;
    if (!PyArg_ParseTuple(arguments, "OOOy#pdO", &text, &at, &further, &given, &length, &portable, &until,
                          &out))
        return NULL;
    if (!hold_lines(&held, text, at, further, &lines))
        return refuse(&held, NULL);
    Py_buffer *marks = hold(&held, out, 1, PyBUF_WRITABLE);
    if (!marks || (size_t)marks->len != lines.count)
        return refuse(&held, "There is not a mark for each line.");
    program = (Bytes){(const uint8_t *)given, (size_t)length};
    Pattern pattern;
    if (!pattern_read(&pattern, program)) {
        pattern_free(&pattern);
        return refuse(&held, "The program is not well-formed.");
    }
    pattern.portable = portable;
    Status status;
    Py_BEGIN_ALLOW_THREADS
    status = in_parts(&lines, pattern_mark, &pattern, marks->buf, 1, true, (Deadline){until, 0});
    Py_END_ALLOW_THREADS
    pattern_free(&pattern);
    return answer(&held, status);
}

static PyObject *order(PyObject *module, PyObject *arguments)
{
    (void)module;
    PyObject *keys, *out;
    Held held = {.count = 0};
    if (!PyArg_ParseTuple(arguments, "OO", &keys, &out))
        return NULL;
    Py_buffer *given = hold(&held, keys, 8, PyBUF_SIMPLE);
    Py_buffer *taken = given ? hold(&held, out, 8, PyBUF_WRITABLE) : NULL;
    if (!taken || taken->len != given->len)
        return refuse(&held, "There is not a place for each key.");
    Status status;
    Py_BEGIN_ALLOW_THREADS
    status = order_keys(given->buf, (size_t)given->len / 8, taken->buf);
    Py_END_ALLOW_THREADS
    return answer(&held, status);
}

static PyObject *alphabet(PyObject *module, PyObject *arguments)
{
    (void)module;
    PyObject *text, *at, *further, *out;
    Held held = {.count = 0};
    Lines lines;
    if (!PyArg_ParseTuple(arguments, "OOOO", &text, &at, &further, &out))
        return NULL;
    if (!hold_lines(&held, text, at, further, &lines))
        return refuse(&held, NULL);
    Py_buffer *ranks = hold(&held, out, 4, PyBUF_WRITABLE);
    if (!ranks || (size_t)ranks->len / 4 != lines.names)
        return refuse(&held, "There is not a place for each name.");
    Status status;
    Py_BEGIN_ALLOW_THREADS
    status = order_names(&lines, lines.names, ranks->buf);
    Py_END_ALLOW_THREADS
    return answer(&held, status);
}

/* Lays the lines `which` one after another, each with a newline, if there is room; the bytes that they take. */
static PyObject *gathered(PyObject *module, PyObject *arguments)
{
    (void)module;
    PyObject *text, *at, *further, *chosen, *out;
    Held held = {.count = 0};
    Lines lines;
    if (!PyArg_ParseTuple(arguments, "OOOOO", &text, &at, &further, &chosen, &out))
        return NULL;
    if (!hold_lines(&held, text, at, further, &lines))
        return refuse(&held, NULL);
    Py_buffer *which = hold(&held, chosen, 4, PyBUF_SIMPLE);
    Py_buffer *to = which && out != Py_None ? hold(&held, out, 1, PyBUF_WRITABLE) : NULL;
    if (!which || (!to && out != Py_None))
        return refuse(&held, NULL);
    Gathering gathering = {&lines, which->buf, (size_t)which->len / 4};
    size_t size;
    Py_BEGIN_ALLOW_THREADS
    if (to)
        gather_lines(&gathering, to->buf, size = (size_t)to->len);
    else
        size = gathered_size(&gathering);
    Py_END_ALLOW_THREADS
    let_go(&held);
    return PyLong_FromSize_t(size);
}

typedef struct {
    PyObject_HEAD
    Interned interned;
    size_t lent; /* views of the text, which must not move then */
} NamesObject;

static PyObject *names_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    unsigned long long seed;
    if ((keywords && PyDict_GET_SIZE(keywords)) || !PyArg_ParseTuple(arguments, "K", &seed))
        return NULL;
    NamesObject *self = (NamesObject *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
    if (self)
        self->interned = (Interned){.seed = seed};
    return (PyObject *)self;
}

static void names_free(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    intern_free(&((NamesObject *)self)->interned);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

/* The text, as a buffer. */
static int names_lend(PyObject *self, Py_buffer *view, int flags)
{
    NamesObject *names = (NamesObject *)self;
    void *text = names->interned.text.count ? names->interned.text.items : (void *)"";
    int failed = PyBuffer_FillInfo(view, self, text, (Py_ssize_t)names->interned.text.count, 1, flags);
    names->lent += !failed;
    return failed;
}

static void names_returned(PyObject *self, Py_buffer *view)
{
    (void)view;
    ((NamesObject *)self)->lent--;
}

static PyObject *names_add(PyObject *self, PyObject *arguments)
{
    PyObject *text, *at, *further, *chosen, *out;
    Held held = {.count = 0};
    Lines lines;
    if (!PyArg_ParseTuple(arguments, "OOOOO", &text, &at, &further, &chosen, &out))
        return NULL;
    if (((NamesObject *)self)->lent) {
        PyErr_SetString(PyExc_BufferError, "The names are looked at, and cannot grow.");
        return NULL;
    }
    if (!hold_lines(&held, text, at, further, &lines))
        return refuse(&held, NULL);
    Py_buffer *which = hold(&held, chosen, 4, PyBUF_SIMPLE);
    Py_buffer *taken = which ? hold(&held, out, 4, PyBUF_WRITABLE) : NULL;
    if (!taken || taken->len != which->len)
        return refuse(&held, "There is not a place for each line.");
    /* With the GIL: the table is this object's, and another thread may add to it. */
    return answer(&held, intern_lines(&((NamesObject *)self)->interned, &lines, which->buf,
                                      (size_t)which->len / 4, taken->buf));
}

/* (text, line_at) of all names so far; as long as somebody has the text, none can be added. */
static PyObject *names_lines(PyObject *self, PyObject *unused)
{
    (void)unused;
    const Interned *interned = &((NamesObject *)self)->interned;
    uint32_t end = (uint32_t)interned->text.count;
    PyObject *starts = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(4 * (interned->starts.count + 1)));
    if (!starts)
        return NULL;
    char *to = PyBytes_AS_STRING(starts);
    if (interned->starts.count)
        memcpy(to, interned->starts.items, 4 * interned->starts.count);
    memcpy(to + 4 * interned->starts.count, &end, 4);
    return Py_BuildValue("NN", PyMemoryView_FromObject(self), starts);
}

static PyMethodDef names_methods[] = {
    {"add", names_add, METH_VARARGS, "The numbers of lines; new names get new ones."},
    {"lines", names_lines, METH_NOARGS, "All names as a text, and where each begins."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot names_slots[] = {
    {Py_tp_new, names_new},
    {Py_tp_dealloc, names_free},
    {Py_tp_methods, names_methods},
    {Py_bf_getbuffer, names_lend},
    {Py_bf_releasebuffer, names_returned},
    {0, NULL},
};

static PyType_Spec names_spec = {
    "app.elf._search.Names", sizeof(NamesObject), 0, Py_TPFLAGS_DEFAULT, names_slots,
};

static PyMethodDef methods[] = {
    {"substring", substring, METH_VARARGS, "Ranks of the names that hold a text."},
    {"prefix", prefix, METH_VARARGS, "Ranks of the names that begin with a text."},
    {"fuzzy", fuzzy, METH_VARARGS, "Ranks of the names that hold letters in their order."},
    {"mark", mark, METH_VARARGS, "Marks of the lines that a program matches."},
    {"find", find, METH_VARARGS, "The names that match a text, and their ranks."},
    {"find_lines", find_matching, METH_VARARGS, "The lines that a program matches."},
    {"grow", grow, METH_VARARGS, "What each line shares with the one before."},
    {"grown", grown, METH_VARARGS, "What each line has more than the one before."},
    {"let_go", let_memory_go, METH_NOARGS, "Gives back memory that is kept for the next question."},
    {"select", choose, METH_VARARGS, "The entries of the names that have a rank, in order."},
    {"order", order, METH_VARARGS, "The places of keys in ascending order."},
    {"alphabet", alphabet, METH_VARARGS, "The place of each name in the alphabet."},
    {"gather", gathered, METH_VARARGS, "Some lines as one text, and its size."},
    {NULL, NULL, 0, NULL},
};

static int executed(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &names_spec, NULL);
    if (!type)
        return -1;
    int failed = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return failed;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, executed}, {0, NULL}};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_search", "Names at speed; see app.elf.search.scan.", 0, methods, slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__search(void)
{
    return PyModuleDef_Init(&definition);
}
