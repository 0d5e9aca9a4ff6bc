/* Lines as they grow, what is found among them, and which of it is asked for. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "finding.h"

#include "found.h"
#include "held.h"
#include "select.h"

/* Fills what each line shares and where it begins; the bytes of the text. */
PyObject *grow(PyObject *module, PyObject *arguments)
{
    (void)module;
    PyObject *text, *at, *further, *shared, *grown_at;
    Held held = {.count = 0};
    Lines lines;
    if (!PyArg_ParseTuple(arguments, "OOOOO", &text, &at, &further, &shared, &grown_at))
        return NULL;
    if (!hold_lines(&held, text, at, further, &lines))
        return refuse(&held, NULL);
    Py_buffer *of_shared = hold(&held, shared, 1, PyBUF_WRITABLE);
    Py_buffer *of_at = of_shared ? hold(&held, grown_at, 4, PyBUF_WRITABLE) : NULL;
    if (!of_at || (size_t)of_shared->len != lines.count || (size_t)of_at->len / 4 != lines.count + 1)
        return refuse(&held, "There is not a place for each line.");
    size_t size;
    Py_BEGIN_ALLOW_THREADS
    size = grown_measure(&lines, of_shared->buf, of_at->buf);
    Py_END_ALLOW_THREADS
    let_go(&held);
    return PyLong_FromSize_t(size);
}

static bool hold_all(Held *held, PyObject *of_lines[3], PyObject *of_grown[3], Grown *grown)
{
    return hold_lines(held, of_lines[0], of_lines[1], of_lines[2], &grown->lines) &&
           hold_grown(held, of_grown[0], of_grown[1], of_grown[2], grown);
}

/* Fills the text. */
PyObject *grown(PyObject *module, PyObject *arguments)
{
    (void)module;
    PyObject *of_lines[3], *of_grown[3];
    Held held = {.count = 0};
    Grown lines;
    if (!PyArg_ParseTuple(arguments, "OOOOOO", &of_lines[0], &of_lines[1], &of_lines[2], &of_grown[0],
                          &of_grown[1], &of_grown[2]))
        return NULL;
    if (!hold_all(&held, of_lines, of_grown, &lines))
        return refuse(&held, NULL);
    Py_buffer *to = hold(&held, of_grown[0], 1, PyBUF_WRITABLE);
    if (!to)
        return refuse(&held, NULL);
    Py_BEGIN_ALLOW_THREADS
    grown_fill(&lines, to->buf, (size_t)to->len);
    Py_END_ALLOW_THREADS
    return answer(&held, DONE);
}

/* (items, ranks) as bytes. */
static PyObject *told(Held *held, const Grown *lines, Finder finder, const void *question, bool by_line,
                      double until)
{
    Finds *finds;
    const Found *found;
    Status status;
    PyObject *made = NULL;
    Py_BEGIN_ALLOW_THREADS
    status = find_all(lines, finder, question, by_line, (Deadline){until, 0}, &finds, &found);
    Py_END_ALLOW_THREADS
    PyObject *done = answer(held, status);
    if (done) {
        Py_DECREF(done);
        made = Py_BuildValue("y#y#", found->items.count ? (char *)found->items.items : "",
                             (Py_ssize_t)(found->items.count * sizeof(uint32_t)),
                             found->ranks.count ? (char *)found->ranks.items : "",
                             (Py_ssize_t)(found->ranks.count * sizeof(uint16_t)));
    }
    finds_give(finds);
    return made;
}

PyObject *find(PyObject *module, PyObject *arguments)
{
    (void)module;
    static const Finder ways[] = {find_substring, find_prefix, find_fuzzy};
    PyObject *of_lines[3], *of_grown[3];
    Held held = {.count = 0};
    Grown lines;
    const char *needle;
    Py_ssize_t length;
    unsigned way, sides;
    int fold, portable;
    double until;
    if (!PyArg_ParseTuple(arguments, "OOOOOOIy#pIpd", &of_lines[0], &of_lines[1], &of_lines[2], &of_grown[0],
                          &of_grown[1], &of_grown[2], &way, &needle, &length, &fold, &sides, &portable, &until))
        return NULL;
    if (!hold_all(&held, of_lines, of_grown, &lines))
        return refuse(&held, NULL);
    if (way >= sizeof ways / sizeof *ways)
        return refuse(&held, "There is no such way to match.");
    Question question = {(const uint8_t *)needle, (size_t)length, sides, fold, portable};
    return told(&held, &lines, ways[way], &question, false, until);
}

PyObject *find_matching(PyObject *module, PyObject *arguments)
{
    (void)module;
    PyObject *of_lines[3], *of_grown[3];
    Held held = {.count = 0};
    Grown lines;
    const char *given;
    Py_ssize_t length;
    int portable;
    double until;
    if (!PyArg_ParseTuple(arguments, "OOOOOOy#pd", &of_lines[0], &of_lines[1], &of_lines[2], &of_grown[0],
                          &of_grown[1], &of_grown[2], &given, &length, &portable, &until))
        return NULL;
    if (!hold_all(&held, of_lines, of_grown, &lines))
        return refuse(&held, NULL);
    Pattern pattern;
    if (!pattern_read(&pattern, (Bytes){(const uint8_t *)given, (size_t)length})) {
        pattern_free(&pattern);
        return refuse(&held, "The program is not well-formed.");
    }
    pattern.portable = portable;
    PyObject *made = told(&held, &lines, find_pattern, &pattern, true, until);
    pattern_free(&pattern);
    return made;
}

/* (how many, of each kind how many) of the entries in `out`. */
PyObject *choose(PyObject *module, PyObject *arguments)
{
    (void)module;
    PyObject *names, *ranks, *at, *kinds, *out;
    int wanted;
    Held held = {.count = 0};
    if (!PyArg_ParseTuple(arguments, "OOOOiO", &names, &ranks, &at, &kinds, &wanted, &out))
        return NULL;
    Py_buffer *of_names = hold(&held, names, 4, PyBUF_SIMPLE);
    Py_buffer *of_ranks = of_names ? hold(&held, ranks, 2, PyBUF_SIMPLE) : NULL;
    Py_buffer *of_at = of_ranks ? hold(&held, at, 4, PyBUF_SIMPLE) : NULL;
    Py_buffer *of_kinds = of_at ? hold(&held, kinds, 1, PyBUF_SIMPLE) : NULL;
    Py_buffer *taken = of_kinds ? hold(&held, out, 4, PyBUF_WRITABLE) : NULL;
    if (!taken || of_names->len / 4 != of_ranks->len / 2 || !of_at->len)
        return refuse(&held, "The entries do not fit the names.");
    Ranked ranked = {of_names->buf, of_ranks->buf, (size_t)of_names->len / 4, of_at->buf, of_kinds->buf,
                     (size_t)of_at->len / 4 - 1, (size_t)of_kinds->len};
    size_t count = 0;
    uint64_t counts[KINDS] = {0};
    Status status;
    Py_BEGIN_ALLOW_THREADS
    status = select_entries(&ranked, wanted, taken->buf, (size_t)taken->len / 4, &count, counts);
    Py_END_ALLOW_THREADS
    PyObject *done = answer(&held, status);
    if (!done)
        return NULL;
    Py_DECREF(done);
    return Py_BuildValue("n(KKKK)", (Py_ssize_t)count, (unsigned long long)counts[0],
                         (unsigned long long)counts[1], (unsigned long long)counts[2],
                         (unsigned long long)counts[3]);
}

PyObject *let_memory_go(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    finds_let_go();
    Py_RETURN_NONE;
}
