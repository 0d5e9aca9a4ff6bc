/* Lines lie anywhere in the text, so most of the time goes by waiting for memory: parts wait side by side. */
#include "gather.h"

#include <string.h>

#include "parts.h"

typedef struct {
    Gathering some;
    uint8_t *to; /* NULL: only the size is wanted */
    size_t size;
} Piece;

static Line line_or_none(const Lines *lines, uint32_t index)
{
    return index < lines->count ? line_at(lines, index) : (Line){0, 0};
}

static void work_on(void *given)
{
    Piece *piece = given;
    const Lines *lines = piece->some.lines;
    uint8_t *to = piece->to;
    size_t left = piece->size;
    for (size_t i = 0; i < piece->some.count; i++) {
        Line line = line_or_none(lines, piece->some.which[i]);
        if (!to) {
            piece->size += line.length + 1;
            continue;
        }
        /* The columns may change below us: what does not fit any more is left out. */
        if (line.length + 1 > left)
            line.length = left ? left - 1 : 0;
        if (!left)
            return;
        memcpy(to, lines->text + line.at, line.length);
        to += line.length;
        *to++ = '\n';
        left -= line.length + 1;
    }
    if (to)
        memset(to, '\n', left);
}

static size_t cut(const Gathering *gathering, Piece pieces[MOST_PARTS])
{
    size_t count = parts_of(gathering->lines->size);
    for (size_t i = 0; i < count; i++) {
        size_t first = gathering->count * i / count, end = gathering->count * (i + 1) / count;
        Gathering some = {gathering->lines, gathering->which + first, end - first};
        pieces[i] = (Piece){some, NULL, 0};
    }
    run_parts(work_on, pieces, sizeof *pieces, count);
    return count;
}

size_t gathered_size(const Gathering *gathering)
{
    Piece pieces[MOST_PARTS];
    size_t count = cut(gathering, pieces), size = 0;
    for (size_t i = 0; i < count; i++)
        size += pieces[i].size;
    return size;
}

void gather_lines(const Gathering *gathering, uint8_t *to, size_t size)
{
    Piece pieces[MOST_PARTS];
    size_t count = cut(gathering, pieces);
    for (size_t i = 0; i < count; i++) {
        pieces[i].to = to;
        if (pieces[i].size > size || i + 1 == count)
            pieces[i].size = size;
        to += pieces[i].size;
        size -= pieces[i].size;
    }
    run_parts(work_on, pieces, sizeof *pieces, count);
}
