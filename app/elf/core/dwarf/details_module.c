/* The part of app.elf._dwarf that answers questions about one address, one DIE or one name, from an opened file.
 *
 * open_details() gives a handle that keeps the buffers and the unit table; every other function takes it, one
 * thread at a time. Numbers come back as bytes of native order where there may be many, texts decoded as UTF-8
 * with what is none escaped. module.c adds details_methods to the module.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "details.h"
#include "dies.h"
#include "lines.h"

static const char HANDLE[] = "app.elf._dwarf.details";

typedef VEC(Py_buffer) Buffers;

typedef struct {
    Dwarf dwarf;
    Sections *split;
    Buffers buffers;
    bool opened, linked;
    bool busy; /* another thread is inside, without the GIL */
} Details;

static void details_free(Details *details)
{
    if (details->opened)
        dwarf_close(&details->dwarf);
    for (size_t i = 0; i < details->buffers.count; i++)
        PyBuffer_Release(&details->buffers.items[i]);
    vec_free(&details->buffers);
    free(details->split);
    free(details);
}

static void details_destroy(PyObject *capsule)
{
    details_free(PyCapsule_GetPointer(capsule, HANDLE));
}

static Details *details_of(PyObject *capsule)
{
    Details *details = PyCapsule_GetPointer(capsule, HANDLE);
    if (details && details->busy) {
        PyErr_SetString(PyExc_RuntimeError, "the handle is in use by another thread");
        return NULL;
    }
    return details;
}

/* A dict of section names to buffers; None for an object that is not there. */
static bool take_sections(PyObject *mapping, bool split, Sections *sections, Buffers *buffers)
{
    if (mapping == Py_None)
        return true;
    if (!PyDict_Check(mapping)) {
        PyErr_SetString(PyExc_TypeError, "sections are a dict of names to buffers");
        return false;
    }
    for (int i = 0; i < SECTION_COUNT; i++) {
        bool index = i == DEBUG_CU_INDEX || i == DEBUG_TU_INDEX;
        PyObject *name = PyUnicode_FromFormat("%s%s", SECTION_NAMES[i], split && !index ? ".dwo" : "");
        PyObject *item = name ? PyDict_GetItemWithError(mapping, name) : NULL;
        Py_XDECREF(name);
        if (!item && PyErr_Occurred())
            return false;
        if (!item)
            continue;
        Py_buffer buffer;
        if (PyObject_GetBuffer(item, &buffer, PyBUF_SIMPLE) < 0)
            return false;
        if (!vec_push(buffers, buffer)) {
            PyBuffer_Release(&buffer);
            PyErr_NoMemory();
            return false;
        }
        sections->section[i] = (Bytes){buffer.buf, (size_t)buffer.len};
    }
    return true;
}

static bool take_splits(PyObject *splits, Details *details, DwarfInput *input)
{
    PyObject *list = PySequence_Fast(splits, "splits must be a sequence");
    if (!list)
        return false;
    Py_ssize_t count = PySequence_Fast_GET_SIZE(list);
    details->split = calloc(count ? (size_t)count : 1, sizeof *details->split);
    bool good = details->split != NULL;
    if (!good)
        PyErr_NoMemory();
    for (Py_ssize_t i = 0; good && i < count; i++)
        good = take_sections(PySequence_Fast_GET_ITEM(list, i), true, &details->split[i], &details->buffers);
    Py_DECREF(list);
    input->split = details->split;
    input->split_count = (size_t)count;
    return good;
}

static PyObject *open_details(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *main, *alternate, *splits;
    int big, zero_is_used;
    if (!PyArg_ParseTuple(args, "OOOpp", &main, &alternate, &splits, &big, &zero_is_used))
        return NULL;
    Details *details = calloc(1, sizeof *details);
    if (!details)
        return PyErr_NoMemory();
    DwarfInput input = {.big = big != 0, .zero_is_used = zero_is_used != 0};
    if (!take_sections(main, false, &input.main, &details->buffers) ||
        !take_sections(alternate, false, &input.alt, &details->buffers) || !take_splits(splits, details, &input)) {
        details_free(details);
        return NULL;
    }
    bool good;
    Py_BEGIN_ALLOW_THREADS
    good = dwarf_open(&input, &details->dwarf);
    Py_END_ALLOW_THREADS
    details->opened = good;
    PyObject *capsule = good ? PyCapsule_New(details, HANDLE, details_destroy) : PyErr_NoMemory();
    if (!capsule)
        details_free(details);
    return capsule;
}

static PyObject *text(Bytes bytes)
{
    return PyUnicode_DecodeUTF8(bytes.size ? (const char *)bytes.data : "", (Py_ssize_t)bytes.size,
                                "backslashreplace");
}

static PyObject *offset_or_none(uint64_t offset)
{
    if (offset == NO_OFFSET)
        Py_RETURN_NONE;
    return PyLong_FromUnsignedLongLong(offset);
}

static PyObject *pairs(const Range *ranges, size_t count)
{
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list && i < count; i++) {
        PyObject *pair = Py_BuildValue("(KK)", ranges[i].low, ranges[i].high);
        if (!pair)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, (Py_ssize_t)i, pair);
    }
    return list;
}

/* The fields of app.elf.dwarf.dies.Unit, in their order. A split unit lacks what its skeleton says. */
static PyObject *unit_tuple(const Unit *unit)
{
    const Unit *skeleton = unit->skeleton ? unit->skeleton : unit;
    bool split = unit->part->kind == PART_SPLIT;
    uint64_t key = die_key(unit, unit->offset);
    uint64_t lines = unit->stmt_list == NO_OFFSET ? skeleton->stmt_list : unit->stmt_list;
    return Py_BuildValue("(KBBBHNNNKNKO)", key, unit->version, unit->address_size, unit->offset_size,
                         unit->language, text(unit->name),
                         text(skeleton->comp_dir.size ? skeleton->comp_dir : unit->comp_dir),
                         text(unit->producer), skeleton->low, offset_or_none(lines), skeleton->addr_base,
                         split ? Py_True : Py_False);
}

static PyObject *value_object(const DieTree *tree, const DieAttribute *attribute)
{
    switch (attribute->class) {
    case CLASS_FLAG:
        return PyBool_FromLong(attribute->number != 0);
    case CLASS_STRING:
        return text(attribute->bytes);
    case CLASS_BLOCK:
    case CLASS_EXPRESSION:
        return PyBytes_FromStringAndSize((const char *)attribute->bytes.data, (Py_ssize_t)attribute->bytes.size);
    case CLASS_RANGES:
        return pairs(tree->ranges.items + attribute->number, attribute->bytes.size);
    case CLASS_UNKNOWN:
        Py_RETURN_NONE;
    default:
        return attribute->is_signed ? PyLong_FromLongLong((long long)attribute->number)
                                    : PyLong_FromUnsignedLongLong(attribute->number);
    }
}

static PyObject *row_tuple(const DieTree *tree, const DieRow *row)
{
    PyObject *attributes = PyList_New((Py_ssize_t)row->count);
    for (size_t i = 0; attributes && i < row->count; i++) {
        const DieAttribute *attribute = &tree->attributes.items[row->first + i];
        PyObject *value = value_object(tree, attribute);
        PyObject *item = value ? Py_BuildValue("(HBN)", attribute->name, attribute->class, value) : NULL;
        if (!item)
            Py_CLEAR(attributes);
        else
            PyList_SET_ITEM(attributes, (Py_ssize_t)i, item);
    }
    return attributes ? Py_BuildValue("(IHKN)", row->depth, row->tag, row->key, attributes) : NULL;
}

static PyObject *die_tree(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *capsule;
    unsigned long long key;
    unsigned depth;
    Py_ssize_t most;
    if (!PyArg_ParseTuple(args, "OKIn", &capsule, &key, &depth, &most))
        return NULL;
    Details *details = details_of(capsule);
    if (!details)
        return NULL;
    DieTree tree;
    die_tree_read(&details->dwarf, key, depth, most > 0 ? (size_t)most : 0, &tree);
    PyObject *result = NULL;
    if (tree.memory)
        PyErr_NoMemory();
    else if (!tree.unit)
        result = Py_NewRef(Py_None);
    else {
        PyObject *rows = PyList_New((Py_ssize_t)tree.rows.count);
        for (size_t i = 0; rows && i < tree.rows.count; i++) {
            PyObject *row = row_tuple(&tree, &tree.rows.items[i]);
            if (!row)
                Py_CLEAR(rows);
            else
                PyList_SET_ITEM(rows, (Py_ssize_t)i, row);
        }
        PyObject *unit = rows ? unit_tuple(tree.unit) : NULL;
        if (unit)
            result = Py_BuildValue("(NNO)", unit, rows, tree.cut ? Py_True : Py_False);
        else
            Py_XDECREF(rows);
    }
    die_tree_free(&tree);
    return result;
}

/* One unit of the main file: its fields, its ranges, the key of the unit that has its DIEs, whether it is whole. */
static PyObject *unit_object(Unit *unit)
{
    Ranges ranges = {0};
    bool whole = true, memory = true;
    if (unit->ranges != NO_OFFSET)
        memory = ranges_read(unit, unit->ranges, &ranges, &whole);
    else if (unit->has_low && unit->high > unit->low && !address_dropped(unit, unit->low))
        memory = vec_push(&ranges, ((Range){unit->low, unit->high}));
    PyObject *result = NULL;
    if (!memory)
        PyErr_NoMemory();
    else {
        const Unit *holder = unit->split ? unit->split : unit;
        result = Py_BuildValue("(NNKO)", unit_tuple(unit), pairs(ranges.items, ranges.count),
                               (unsigned long long)die_key(holder, holder->offset),
                               unit->fault == UNIT_OK ? Py_True : Py_False);
    }
    vec_free(&ranges);
    return result;
}

static PyObject *unit_list(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *capsule;
    if (!PyArg_ParseTuple(args, "O", &capsule))
        return NULL;
    Details *details = details_of(capsule);
    if (!details)
        return NULL;
    bool memory = true;
    Units *units = &details->dwarf.parts[0].units[0];
    details->busy = true;
    Py_BEGIN_ALLOW_THREADS
    for (size_t i = 0; memory && i < units->count; i++)
        memory = unit_prepare(&units->items[i]);
    if (memory && !details->linked && details->dwarf.part_count > 2)
        memory = dwarf_link_splits(&details->dwarf);
    Py_END_ALLOW_THREADS
    details->busy = false;
    if (!memory)
        return PyErr_NoMemory();
    details->linked = true;
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < units->count; i++) {
        Unit *unit = &units->items[i];
        if (unit->state != UNIT_READY || unit->tag != DW_TAG_compile_unit) {
            /* A skeleton's unit is one, too; partial and type units have no code. */
            if (unit->state != UNIT_READY || unit->tag != DW_TAG_skeleton_unit)
                continue;
        }
        PyObject *item = unit_object(unit);
        if (!item || PyList_Append(list, item) < 0)
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

/* A text once for each place where it lies: names are shared by many scopes. */
static PyObject *shared_text(PyObject *known, Bytes bytes)
{
    PyObject *place = PyLong_FromVoidPtr((void *)bytes.data);
    if (!place)
        return NULL;
    PyObject *found = PyDict_GetItemWithError(known, place);
    if (found)
        Py_INCREF(found);
    else if (!PyErr_Occurred()) {
        found = text(bytes);
        if (found && PyDict_SetItem(known, place, found) < 0)
            Py_CLEAR(found);
    }
    Py_DECREF(place);
    return found;
}

static PyObject *names_list(const ScopeTree *tree, bool linkage)
{
    PyObject *known = PyDict_New();
    PyObject *list = known ? PyList_New((Py_ssize_t)tree->scopes.count) : NULL;
    for (size_t i = 0; list && i < tree->scopes.count; i++) {
        const Scope *scope = &tree->scopes.items[i];
        PyObject *name = shared_text(known, linkage ? scope->linkage : scope->name);
        if (!name)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, (Py_ssize_t)i, name);
    }
    Py_XDECREF(known);
    return list;
}

static PyObject *column(size_t count, size_t size, void **items)
{
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(count * size));
    *items = bytes ? PyBytes_AS_STRING(bytes) : NULL;
    return bytes;
}

static PyObject *scopes_object(const ScopeTree *tree)
{
    size_t count = tree->scopes.count, ranges = tree->ranges.count, segments = tree->segments.count;
    uint64_t *key, *low, *high, *start;
    int32_t *parent, *inner;
    uint32_t *owner, *calls;
    PyObject *columns[] = {
        column(count, sizeof *key, (void **)&key),        column(count, sizeof *parent, (void **)&parent),
        column(count, 3 * sizeof *calls, (void **)&calls), column(ranges, sizeof *low, (void **)&low),
        column(ranges, sizeof *high, (void **)&high),     column(ranges, sizeof *owner, (void **)&owner),
        column(segments, sizeof *start, (void **)&start), column(segments, sizeof *inner, (void **)&inner),
    };
    PyObject *inlined = PyByteArray_FromStringAndSize(NULL, (Py_ssize_t)count);
    PyObject *names = names_list(tree, false), *linkages = names_list(tree, true);
    bool good = key && parent && calls && low && high && owner && start && inner && inlined && names && linkages;
    for (size_t i = 0; good && i < segments; i++) {
        start[i] = tree->segments.items[i].start;
        inner[i] = tree->segments.items[i].scope;
    }
    for (size_t i = 0; good && i < count; i++) {
        const Scope *scope = &tree->scopes.items[i];
        key[i] = scope->key;
        parent[i] = scope->parent;
        calls[3 * i] = scope->call_file;
        calls[3 * i + 1] = scope->call_line;
        calls[3 * i + 2] = scope->call_column;
        PyByteArray_AS_STRING(inlined)[i] = scope->inlined;
        for (size_t range = scope->first; range < scope->first + scope->count; range++) {
            low[range] = tree->ranges.items[range].low;
            high[range] = tree->ranges.items[range].high;
            owner[range] = (uint32_t)i;
        }
    }
    if (good)
        return Py_BuildValue("(NNNNNNNNNNNO)", columns[0], columns[1], inlined, columns[2], names, linkages,
                             columns[3], columns[4], columns[5], columns[6], columns[7], tree->cut ? Py_True : Py_False);
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        Py_XDECREF(columns[i]);
    Py_XDECREF(inlined);
    Py_XDECREF(names);
    Py_XDECREF(linkages);
    return NULL;
}

static PyObject *scopes(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *capsule;
    unsigned long long key;
    if (!PyArg_ParseTuple(args, "OK", &capsule, &key))
        return NULL;
    Details *details = details_of(capsule);
    if (!details)
        return NULL;
    Part *part = part_of_key(&details->dwarf, key);
    Unit *unit = part ? unit_at(part, (key & KEY_IN_TYPES) != 0, key & KEY_OFFSET_MASK) : NULL;
    ScopeTree tree = {0};
    bool memory = true;
    details->busy = true;
    Py_BEGIN_ALLOW_THREADS
    memory = !unit || unit_prepare(unit);
    if (memory && unit && unit->state == UNIT_READY)
        scopes_read(unit, &tree);
    Py_END_ALLOW_THREADS
    details->busy = false;
    PyObject *result = memory && !tree.memory ? scopes_object(&tree) : PyErr_NoMemory();
    scopes_free(&tree);
    return result;
}

static PyObject *paths_list(const LineTable *table, Bytes comp_dir)
{
    LineText path = {0};
    PyObject *list = PyList_New(0);
    size_t first = table->version < 5;
    for (size_t i = 0; list && i < table->files.count + first; i++) {
        PyObject *item = lines_path(table, comp_dir, i, &path)
                             ? text((Bytes){(const uint8_t *)path.items, path.count})
                             : PyErr_NoMemory();
        if (!item || PyList_Append(list, item) < 0)
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    vec_free(&path);
    return list;
}

static PyObject *lines_object(const LineTable *table, Bytes comp_dir)
{
    size_t count = table->rows.count;
    uint64_t *address;
    uint32_t *file, *line, *place;
    PyObject *columns[] = {column(count, sizeof *address, (void **)&address),
                           column(count, sizeof *file, (void **)&file),
                           column(count, sizeof *line, (void **)&line),
                           column(count, sizeof *place, (void **)&place)};
    PyObject *flags = PyByteArray_FromStringAndSize(NULL, (Py_ssize_t)count);
    PyObject *files = paths_list(table, comp_dir);
    bool good = address && file && line && place && flags && files;
    for (size_t i = 0; good && i < count; i++) {
        const LineRow *row = &table->rows.items[i];
        address[i] = row->address;
        file[i] = row->file;
        line[i] = row->line;
        place[i] = row->column;
        PyByteArray_AS_STRING(flags)[i] = (char)row->flags;
    }
    if (good)
        return Py_BuildValue("(iHNNNNNN)", (int)table->state, table->version, files, columns[0], columns[1],
                             columns[2], columns[3], flags);
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        Py_XDECREF(columns[i]);
    Py_XDECREF(flags);
    Py_XDECREF(files);
    return NULL;
}

static PyObject *line_rows(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *capsule;
    unsigned long long key, offset;
    const char *comp_dir;
    Py_ssize_t comp_dir_size;
    int only_header;
    if (!PyArg_ParseTuple(args, "OKKs#p", &capsule, &key, &offset, &comp_dir, &comp_dir_size, &only_header))
        return NULL;
    Details *details = details_of(capsule);
    if (!details)
        return NULL;
    Part *part = part_of_key(&details->dwarf, key);
    /* Where a split unit names no program, its file numbers are those of its skeleton's. */
    Unit *unit = part ? unit_at(part, (key & KEY_IN_TYPES) != 0, key & KEY_OFFSET_MASK) : NULL;
    if (!part || (unit && unit->stmt_list == NO_OFFSET && unit->skeleton))
        part = &details->dwarf.parts[0];
    const Bytes *section = part->sections.section;
    LineSections sections = {section[DEBUG_LINE], section[DEBUG_LINE_STR], section[DEBUG_STR],
                             details->dwarf.big};
    LineTable table;
    details->busy = true;
    Py_BEGIN_ALLOW_THREADS
    lines_read(&sections, offset, only_header, &table);
    Py_END_ALLOW_THREADS
    details->busy = false;
    PyObject *result = table.state == LINES_MEMORY
                           ? PyErr_NoMemory()
                           : lines_object(&table, (Bytes){(const uint8_t *)comp_dir, (size_t)comp_dir_size});
    lines_free(&table);
    return result;
}

static PyObject *find_types(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *capsule, *names;
    Py_ssize_t most;
    if (!PyArg_ParseTuple(args, "OO!n", &capsule, &PyTuple_Type, &names, &most))
        return NULL;
    Details *details = details_of(capsule);
    if (!details)
        return NULL;
    size_t count = (size_t)PyTuple_GET_SIZE(names);
    Bytes *wanted = calloc(count ? count : 1, sizeof *wanted);
    if (!wanted)
        return PyErr_NoMemory();
    for (size_t i = 0; i < count; i++) {
        Py_ssize_t size;
        const char *name = PyUnicode_AsUTF8AndSize(PyTuple_GET_ITEM(names, (Py_ssize_t)i), &size);
        if (!name) {
            free(wanted);
            return NULL;
        }
        wanted[i] = (Bytes){(const uint8_t *)name, (size_t)size};
    }
    FoundTypes types;
    details->busy = true;
    Py_BEGIN_ALLOW_THREADS
    types_find(&details->dwarf, wanted, count, most > 0 ? (size_t)most : 0, &types);
    Py_END_ALLOW_THREADS
    details->busy = false;
    free(wanted);
    PyObject *list = types.memory ? PyErr_NoMemory() : PyList_New(0);
    for (size_t i = 0; list && i < types.found.count; i++) {
        const FoundType *type = &types.found.items[i];
        PyObject *item = Py_BuildValue("(IKO)", type->name, type->key, type->declared ? Py_True : Py_False);
        if (!item || PyList_Append(list, item) < 0)
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    vec_free(&types.found);
    return list;
}

PyMethodDef details_methods[] = {
    {"open_details", open_details, METH_VARARGS, "A handle on the DWARF of one file."},
    {"die_tree", die_tree, METH_VARARGS, "The subtree of a key, flattened."},
    {"unit_list", unit_list, METH_VARARGS, "The compile units with their ranges."},
    {"scopes", scopes, METH_VARARGS, "The functions of a unit and the inlined copies in them."},
    {"line_rows", line_rows, METH_VARARGS, "A line program's files and rows."},
    {"find_types", find_types, METH_VARARGS, "The types that have one of the names."},
    {NULL, NULL, 0, NULL},
};
