/* app.elf._tree: walk_tree for Python. The buffers of stamps are held while the walk runs without the GIL. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "walk.h"

static PyObject *path_of(const Tree *tree, const Entry *entry)
{
    return PyUnicode_DecodeFSDefault(tree->texts.items + entry->text);
}

/* [(path, device, inode, size, mtime_ns)] of new ones, or [(path, number)] of known ones. */
static PyObject *files_of(const Tree *tree, const Known *known, bool wanted_known)
{
    PyObject *list = PyList_New(0);
    for (size_t index = 0; list && index < tree->elf.count; index++) {
        const Entry *entry = &tree->elf.items[index];
        const Stamp *stamp = &entry->stamp;
        PyObject *item;
        if ((entry->number != UNKNOWN) != wanted_known)
            continue;
        if (wanted_known)
            item = Py_BuildValue("(Nn)", path_of(tree, entry), (Py_ssize_t)(entry->number - known->plain));
        else
            item = Py_BuildValue("(NLLLL)", path_of(tree, entry), (long long)stamp->device,
                                 (long long)stamp->inode, (long long)stamp->size, (long long)stamp->mtime_ns);
        if (!item || PyList_Append(list, item))
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

static PyObject *problems_of(const Tree *tree)
{
    PyObject *list = PyList_New(0);
    for (size_t index = 0; list && index < tree->problems.count; index++) {
        const Entry *entry = &tree->problems.items[index];
        PyObject *item = Py_BuildValue("(Ni)", path_of(tree, entry), entry->error);
        if (!item || PyList_Append(list, item))
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

static PyObject *plain_of(const Tree *tree)
{
    if (!tree->changed)
        return Py_NewRef(Py_None);
    return PyBytes_FromStringAndSize((const char *)tree->plain.items,
                                     (Py_ssize_t)(tree->plain.count * sizeof(Stamp)));
}

/* Both lists of stamps behind each other, aligned. */
static Stamp *stamps_of(const Py_buffer *plain, const Py_buffer *elf)
{
    if (plain->len % (Py_ssize_t)sizeof(Stamp) || elf->len % (Py_ssize_t)sizeof(Stamp)) {
        PyErr_SetString(PyExc_ValueError, "stamps are 32 bytes each");
        return NULL;
    }
    char *made = malloc((size_t)(plain->len + elf->len) + 1);
    if (!made) {
        PyErr_NoMemory();
        return NULL;
    }
    memcpy(made, plain->buf, (size_t)plain->len);
    memcpy(made + plain->len, elf->buf, (size_t)elf->len);
    return (Stamp *)made;
}

static PyObject *walked(const Walk *walk)
{
    Tree tree;
    Py_BEGIN_ALLOW_THREADS
    walk_tree(walk, &tree);
    Py_END_ALLOW_THREADS
    PyObject *answer = NULL;
    if (tree.memory)
        PyErr_NoMemory();
    else
        answer = Py_BuildValue("(NNNNO)", files_of(&tree, walk->known, false), files_of(&tree, walk->known, true),
                               plain_of(&tree), problems_of(&tree), tree.full ? Py_True : Py_False);
    tree_free(&tree);
    return answer;
}

/* walk(top, descriptor, leave, plain, elf, most, least, threads, watch) */
static PyObject *walk(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    PyObject *top, *leave, *answer = NULL;
    Py_buffer plain, elf, watch;
    Py_ssize_t most, count;
    long long least;
    unsigned threads;
    int descriptor;
    if (!PyArg_ParseTuple(arguments, "O&iO!y*y*nLIw*", PyUnicode_FSConverter, &top, &descriptor, &PyTuple_Type, &leave, &plain,
                          &elf, &most, &least, &threads, &watch))
        return NULL;
    count = PyTuple_GET_SIZE(leave);
    const char **left = PyMem_Calloc((size_t)count + 1, sizeof *left);
    Stamp *stamps = left ? stamps_of(&plain, &elf) : (Stamp *)PyErr_NoMemory();
    Known known = {0};
    bool good = stamps != NULL;
    for (Py_ssize_t index = 0; good && index < count; index++) {
        left[index] = PyBytes_AsString(PyTuple_GET_ITEM(leave, index));
        good = left[index] != NULL;
    }
    if (good && watch.len < (Py_ssize_t)sizeof(Watch)) {
        PyErr_SetString(PyExc_ValueError, "watch has 16 bytes");
        good = false;
    }
    if (good && !known_make(&known, stamps, (size_t)plain.len / sizeof(Stamp),
                            (size_t)(plain.len + elf.len) / sizeof(Stamp))) {
        PyErr_NoMemory();
        good = false;
    }
    if (good) {
        Walk wanted = {PyBytes_AS_STRING(top), descriptor, left, &known, (size_t)(most < 0 ? 0 : most), least, threads, watch.buf};
        answer = walked(&wanted);
    }
    known_free(&known);
    free(stamps);
    PyMem_Free(left);
    Py_DECREF(top);
    PyBuffer_Release(&plain);
    PyBuffer_Release(&elf);
    PyBuffer_Release(&watch);
    return answer;
}

static PyMethodDef methods[] = {
    {"walk", walk, METH_VARARGS, "The regular files below a directory; see app.elf.tree."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "_tree", .m_methods = methods};

PyMODINIT_FUNC PyInit__tree(void)
{
    return PyModuleDef_Init(&definition);
}
