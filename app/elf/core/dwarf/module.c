/* app.elf._dwarf: the core for Python. The GIL is released for all work; see _dwarf.pyi for the signatures. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "details.h"
#include "pool.h"
#include "read.h"
#include "stream.h"

typedef struct {
    Pool *pool;
    PyTypeObject *column_type, *arrival_type;
    bool busy; /* the pool has one caller at a time */
} ModuleState;

/* A column's memory as a buffer. */
typedef struct {
    PyObject_HEAD
    void *data;
    Py_ssize_t size;
} ColumnObject;

static int column_buffer(PyObject *self, Py_buffer *view, int flags)
{
    ColumnObject *column = (ColumnObject *)self;
    return PyBuffer_FillInfo(view, self, column->data, column->size, 1, flags);
}

static void column_free(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    free(((ColumnObject *)self)->data);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyType_Slot column_slots[] = {
    {Py_bf_getbuffer, column_buffer},
    {Py_tp_dealloc, column_free},
    {0, NULL},
};
static PyType_Spec column_spec = {"app.elf._dwarf.Column", sizeof(ColumnObject), 0,
                                  Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, column_slots};

/* A section that is put while it is read, as a buffer. */
typedef struct {
    PyObject_HEAD
    Arrival arrival;
} ArrivalObject;

static PyObject *arrival_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    (void)keywords;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(args, "n", &size))
        return NULL;
    if (size < 0)
        return PyErr_Format(PyExc_ValueError, "a section has no %zd bytes", size);
    ArrivalObject *self = (ArrivalObject *)type->tp_alloc(type, 0);
    if (self && !arrival_open(&self->arrival, (size_t)size)) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    return (PyObject *)self;
}

static void arrival_free(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    arrival_close(&((ArrivalObject *)self)->arrival);
    type->tp_free(self);
    Py_DECREF(type);
}

static int arrival_buffer(PyObject *self, Py_buffer *view, int flags)
{
    Arrival *arrival = &((ArrivalObject *)self)->arrival;
    return PyBuffer_FillInfo(view, self, arrival->data, (Py_ssize_t)arrival->size, 1, flags);
}

static PyObject *arrival_put_method(PyObject *self, PyObject *bytes)
{
    Py_buffer view;
    if (PyObject_GetBuffer(bytes, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    bool put;
    Py_BEGIN_ALLOW_THREADS
    put = arrival_put(&((ArrivalObject *)self)->arrival, (Bytes){view.buf, (size_t)view.len});
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&view);
    return PyBool_FromLong(put);
}

static PyObject *arrival_end_method(PyObject *self, PyObject *none)
{
    (void)none;
    arrival_end(&((ArrivalObject *)self)->arrival);
    Py_RETURN_NONE;
}

static PyObject *arrival_gone(PyObject *self, void *none)
{
    (void)none;
    Arrival *arrival = &((ArrivalObject *)self)->arrival;
    pthread_mutex_lock(&arrival->lock);
    size_t gone = arrival->gone;
    pthread_mutex_unlock(&arrival->lock);
    return PyLong_FromSize_t(gone);
}

static PyObject *arrival_dropped(PyObject *self, void *none)
{
    (void)none;
    return PyLong_FromSize_t(((ArrivalObject *)self)->arrival.dropped);
}

static PyGetSetDef arrival_attributes[] = {
    {"gone", arrival_gone, NULL, "Bytes from the start on that nobody will read any more.", NULL},
    {"dropped", arrival_dropped, NULL, "Of these, what the kernel has back; for the thread that puts.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyMethodDef arrival_methods[] = {
    {"put", arrival_put_method, METH_O, "Adds bytes, when those before are read; false where there is no room."},
    {"end", arrival_end_method, METH_NOARGS, "Says that no more will come."},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot arrival_slots[] = {
    {Py_tp_new, arrival_new},
    {Py_tp_dealloc, arrival_free},
    {Py_bf_getbuffer, arrival_buffer},
    {Py_tp_methods, arrival_methods},
    {Py_tp_getset, arrival_attributes},
    {0, NULL},
};
static PyType_Spec arrival_spec = {"app.elf._dwarf.Arrival", sizeof(ArrivalObject), 0, Py_TPFLAGS_DEFAULT,
                                   arrival_slots};

/* The sections of one object while they are borrowed. */
typedef struct {
    Sections sections;
    Py_buffer views[SECTION_COUNT];
} Borrowed;

static void give_back(Borrowed *borrowed)
{
    for (size_t i = 0; i < SECTION_COUNT; i++)
        if (borrowed->views[i].obj)
            PyBuffer_Release(&borrowed->views[i]);
}

static int borrow(PyObject *mapping, bool split, Borrowed *borrowed)
{
    memset(borrowed, 0, sizeof *borrowed);
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        bool index = i == DEBUG_CU_INDEX || i == DEBUG_TU_INDEX;
        PyObject *name = PyUnicode_FromFormat("%s%s", SECTION_NAMES[i], split && !index ? ".dwo" : "");
        PyObject *buffer = name ? PyDict_GetItemWithError(mapping, name) : NULL;
        Py_XDECREF(name);
        if (!buffer && PyErr_Occurred())
            return -1;
        if (!buffer)
            continue;
        if (PyObject_GetBuffer(buffer, &borrowed->views[i], PyBUF_SIMPLE) < 0)
            return -1;
        borrowed->sections.section[i] = (Bytes){borrowed->views[i].buf, (size_t)borrowed->views[i].len};
    }
    return 0;
}

/* All that is borrowed for one call: the file, its alternate file, its split parts. */
typedef struct {
    Borrowed *objects;
    size_t count;
    Sections *split;
    DwarfInput input;
} Call;

static void end_call(Call *call)
{
    for (size_t i = 0; i < call->count; i++)
        give_back(&call->objects[i]);
    PyMem_Free(call->objects);
    PyMem_Free(call->split);
}

static int begin_call(Call *call, PyObject *main, PyObject *alt, PyObject *split, int big, int zero)
{
    Py_ssize_t parts = split ? PyList_GET_SIZE(split) : 0;
    *call = (Call){.input = {.big = big != 0, .zero_is_used = zero != 0}};
    call->objects = PyMem_Calloc((size_t)parts + 2, sizeof *call->objects);
    call->split = PyMem_Calloc((size_t)parts + 1, sizeof *call->split);
    if (!call->objects || !call->split) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = -2; i < parts; i++) {
        PyObject *mapping = i == -2 ? main : i == -1 ? alt : PyList_GET_ITEM(split, i);
        Borrowed *borrowed = &call->objects[call->count];
        if (!mapping || mapping == Py_None)
            continue;
        if (!PyDict_Check(mapping)) {
            PyErr_SetString(PyExc_TypeError, "sections are a dict of names to buffers");
            return -1;
        }
        call->count++;
        if (borrow(mapping, i >= 0, borrowed) < 0)
            return -1;
        if (i == -2)
            call->input.main = borrowed->sections;
        else if (i == -1)
            call->input.alt = borrowed->sections;
        else
            call->split[i] = borrowed->sections;
    }
    call->input.split = call->split;
    call->input.split_count = (size_t)parts;
    return 0;
}

static PyObject *columns_dict(ModuleState *state, DwarfOutput *output)
{
    PyObject *columns = PyDict_New();
    for (size_t i = 0; columns && i < COLUMN_COUNT; i++) {
        ColumnObject *column = PyObject_New(ColumnObject, state->column_type);
        if (!column) {
            Py_CLEAR(columns);
            break;
        }
        column->data = output->columns[i].data;
        column->size = (Py_ssize_t)(output->columns[i].count * COLUMN_SIZES[i]);
        output->columns[i].data = NULL;
        if (PyDict_SetItemString(columns, COLUMN_NAMES[i], (PyObject *)column) < 0)
            Py_CLEAR(columns);
        Py_DECREF(column);
    }
    return columns;
}

static PyObject *problems_list(const DwarfOutput *output)
{
    PyObject *problems = PyList_New(0);
    for (size_t i = 0; problems && i < output->problem_count; i++) {
        PyObject *problem = Py_BuildValue("(ss)", output->problems[i].code, output->problems[i].text);
        if (!problem || PyList_Append(problems, problem) < 0)
            Py_CLEAR(problems);
        Py_XDECREF(problem);
    }
    return problems;
}

static PyObject *dwarf_read_method(PyObject *module, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"sections", "big", "zero_is_used", "threads", "alt", "split", NULL};
    ModuleState *state = PyModule_GetState(module);
    PyObject *sections, *alt, *split;
    int big, zero;
    unsigned threads;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O!$ppIOO!", names, &PyDict_Type, &sections, &big, &zero,
                                     &threads, &alt, &PyList_Type, &split))
        return NULL;
    Call call;
    PyObject *result = NULL;
    if (begin_call(&call, sections, alt, split, big, zero) == 0) {
        PyObject *info = call.objects[0].views[DEBUG_INFO].obj;
        if (info && Py_IS_TYPE(info, state->arrival_type)) {
            if (!stream_fits(&call.input)) {
                end_call(&call);
                return Py_NewRef(Py_None);
            }
            call.input.arrival = &((ArrivalObject *)info)->arrival;
        }
        DwarfOutput output;
        bool read, shared = state->busy;
        state->busy = true;
        Py_BEGIN_ALLOW_THREADS
        read = dwarf_read(&call.input, shared ? NULL : state->pool, threads, &output);
        Py_END_ALLOW_THREADS
        state->busy = shared;
        if (!read) {
            PyErr_NoMemory();
        } else if (output.again) {
            result = Py_NewRef(Py_None);
        } else {
            PyObject *columns = columns_dict(state, &output), *problems = problems_list(&output);
            if (columns && problems)
                result = PyTuple_Pack(2, columns, problems);
            Py_XDECREF(columns);
            Py_XDECREF(problems);
            dwarf_output_free(&output);
        }
    }
    end_call(&call);
    return result;
}

static PyObject *text_of(Bytes text)
{
    return PyUnicode_DecodeUTF8((const char *)text.data, (Py_ssize_t)text.size, "backslashreplace");
}

static PyObject *split_names_method(PyObject *module, PyObject *args, PyObject *keywords)
{
    (void)module;
    static char *names[] = {"sections", "big", NULL};
    PyObject *sections;
    int big;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O!$p", names, &PyDict_Type, &sections, &big))
        return NULL;
    Call call;
    PyObject *result = NULL;
    if (begin_call(&call, sections, NULL, NULL, big, 0) == 0) {
        SplitNames found = {0};
        bool read;
        Py_BEGIN_ALLOW_THREADS
        read = dwarf_split_names(&call.input, &found);
        Py_END_ALLOW_THREADS
        result = read ? PyList_New(0) : PyErr_NoMemory();
        for (size_t i = 0; result && i < found.count; i++) {
            PyObject *item = Py_BuildValue("(NNK)", text_of(found.items[i].comp_dir), text_of(found.items[i].name),
                                           (unsigned long long)found.items[i].dwo_id);
            if (!item || PyList_Append(result, item) < 0)
                Py_CLEAR(result);
            Py_XDECREF(item);
        }
        vec_free(&found);
    }
    end_call(&call);
    return result;
}

static PyObject *start_threads_method(PyObject *module, PyObject *argument)
{
    ModuleState *state = PyModule_GetState(module);
    long threads = PyLong_AsLong(argument);
    if (threads == -1 && PyErr_Occurred())
        return NULL;
    if (state->busy) {
        PyErr_SetString(PyExc_RuntimeError, "the threads are at work");
        return NULL;
    }
    Pool *old = state->pool;
    state->pool = NULL;
    Py_BEGIN_ALLOW_THREADS
    pool_stop(old);
    Py_END_ALLOW_THREADS
    if (threads > 0) {
        state->pool = pool_start(threads < 256 ? (unsigned)threads : 256);
        if (!state->pool)
            return PyErr_NoMemory();
    }
    return PyLong_FromUnsignedLong(pool_size(state->pool));
}

static PyMethodDef methods[] = {
    {"read", (PyCFunction)(void (*)(void))dwarf_read_method, METH_VARARGS | METH_KEYWORDS,
     "The DWARF of a file as columns, and its problems."},
    {"split_names", (PyCFunction)(void (*)(void))split_names_method, METH_VARARGS | METH_KEYWORDS,
     "The split parts that a file names."},
    {"start_threads", start_threads_method, METH_O, "Starts threads that later calls use beside their own."},
    {NULL, NULL, 0, NULL},
};

static int module_exec(PyObject *module)
{
    ModuleState *state = PyModule_GetState(module);
    state->column_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &column_spec, NULL);
    state->arrival_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &arrival_spec, NULL);
    if (!state->column_type || !state->arrival_type || PyModule_AddType(module, state->arrival_type) < 0)
        return -1;
    return PyModule_AddFunctions(module, details_methods);
}

static void module_free(void *module)
{
    ModuleState *state = PyModule_GetState(module);
    if (!state)
        return;
    pool_stop(state->pool);
    Py_CLEAR(state->column_type);
    Py_CLEAR(state->arrival_type);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {0, NULL},
};
static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_dwarf", .m_size = sizeof(ModuleState), .m_methods = methods,
    .m_slots = module_slots, .m_free = module_free,
};

PyMODINIT_FUNC PyInit__dwarf(void)
{
    return PyModuleDef_Init(&definition);
}
