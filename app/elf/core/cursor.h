/* A reader over bytes that nobody trusts: the only place of the core that moves a pointer into a file.
 *
 * Every read checks the end. One that would pass it gives 0, sets `bad`, and leaves the cursor at the end, so
 * that loops over a broken file end; whoever reads looks at `bad` once behind a group of reads.
 * Source of LEB128: DWARF 5, section 7.6.
 */
#ifndef PROBESCOPE_CURSOR_H
#define PROBESCOPE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes somewhere in a file; `data` may be NULL when `size` is 0. */
typedef struct {
    const uint8_t *data;
    size_t size;
} Bytes;

typedef struct {
    const uint8_t *start, *at, *end;
    bool big; /* byte order */
    bool bad; /* something was read that is not there */
} Cursor;

static inline Cursor cursor_over(Bytes bytes, bool big)
{
    static const uint8_t none[1] = {0};
    const uint8_t *start = bytes.data ? bytes.data : none;
    return (Cursor){start, start, start + (bytes.data ? bytes.size : 0), big, false};
}

/* The part [offset, offset + size) of `bytes`; what lies outside is cut off. */
static inline Bytes bytes_part(Bytes bytes, uint64_t offset, uint64_t size)
{
    if (offset >= bytes.size)
        return (Bytes){NULL, 0};
    uint64_t room = bytes.size - offset;
    return (Bytes){bytes.data + offset, (size_t)(size < room ? size : room)};
}

static inline size_t cursor_left(const Cursor *cursor)
{
    return (size_t)(cursor->end - cursor->at);
}

static inline uint64_t cursor_offset(const Cursor *cursor)
{
    return (uint64_t)(cursor->at - cursor->start);
}

static inline bool cursor_need(Cursor *cursor, uint64_t count)
{
    if (__builtin_expect(count <= cursor_left(cursor), 1))
        return true;
    cursor->bad = true;
    cursor->at = cursor->end;
    return false;
}

static inline void cursor_skip(Cursor *cursor, uint64_t count)
{
    if (cursor_need(cursor, count))
        cursor->at += count;
}

static inline void cursor_seek(Cursor *cursor, uint64_t offset)
{
    cursor->at = cursor->start;
    cursor_skip(cursor, offset);
}

/* Forgets what lies behind `offset`. */
static inline void cursor_limit(Cursor *cursor, uint64_t offset)
{
    if (offset < (uint64_t)(cursor->end - cursor->start))
        cursor->end = cursor->start + offset;
    if (cursor->at > cursor->end)
        cursor->at = cursor->end;
}

static inline uint8_t cursor_u8(Cursor *cursor)
{
    return cursor_need(cursor, 1) ? *cursor->at++ : 0;
}

static inline uint16_t cursor_u16(Cursor *cursor)
{
    uint16_t value;
    if (!cursor_need(cursor, sizeof value))
        return 0;
    memcpy(&value, cursor->at, sizeof value);
    cursor->at += sizeof value;
    return cursor->big ? __builtin_bswap16(value) : value;
}

static inline uint32_t cursor_u32(Cursor *cursor)
{
    uint32_t value;
    if (!cursor_need(cursor, sizeof value))
        return 0;
    memcpy(&value, cursor->at, sizeof value);
    cursor->at += sizeof value;
    return cursor->big ? __builtin_bswap32(value) : value;
}

static inline uint64_t cursor_u64(Cursor *cursor)
{
    uint64_t value;
    if (!cursor_need(cursor, sizeof value))
        return 0;
    memcpy(&value, cursor->at, sizeof value);
    cursor->at += sizeof value;
    return cursor->big ? __builtin_bswap64(value) : value;
}

static inline uint32_t cursor_u24(Cursor *cursor)
{
    if (!cursor_need(cursor, 3))
        return 0;
    const uint8_t *at = cursor->at;
    cursor->at += 3;
    return cursor->big ? (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2]
                       : (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

/* An unsigned number of 1, 2, 3, 4 or 8 bytes; another size is bad. */
static inline uint64_t cursor_number(Cursor *cursor, unsigned size)
{
    switch (size) {
    case 1:
        return cursor_u8(cursor);
    case 2:
        return cursor_u16(cursor);
    case 3:
        return cursor_u24(cursor);
    case 4:
        return cursor_u32(cursor);
    case 8:
        return cursor_u64(cursor);
    default:
        cursor->bad = true;
        cursor->at = cursor->end;
        return 0;
    }
}

/* The same, of 1 to 8 bytes and with one branch wherever there is room behind it. */
static inline uint64_t cursor_small(Cursor *cursor, unsigned size)
{
    if (__builtin_expect(cursor_left(cursor) < 8 || cursor->big, 0))
        return cursor_number(cursor, size);
    uint64_t value;
    memcpy(&value, cursor->at, sizeof value);
    cursor->at += size;
    return value & UINT64_MAX >> (64 - 8 * size);
}

/* Bits beyond the 64th are dropped. */
static inline uint64_t cursor_uleb(Cursor *cursor)
{
    /* Most numbers have one byte. */
    if (__builtin_expect(cursor->at < cursor->end && !(*cursor->at & 0x80), 1))
        return *cursor->at++;
    uint64_t value = 0;
    unsigned shift = 0;
    while (cursor->at < cursor->end) {
        uint8_t byte = *cursor->at++;
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
        if (!(byte & 0x80))
            return value;
    }
    cursor->bad = true;
    return 0;
}

static inline int64_t cursor_sleb(Cursor *cursor)
{
    uint64_t value = 0;
    unsigned shift = 0;
    while (cursor->at < cursor->end) {
        uint8_t byte = *cursor->at++;
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
        if (!(byte & 0x80)) {
            if (byte & 0x40 && shift < 64)
                value |= ~UINT64_C(0) << shift;
            return (int64_t)value;
        }
    }
    cursor->bad = true;
    return 0;
}

static inline Bytes cursor_bytes(Cursor *cursor, uint64_t size)
{
    if (!cursor_need(cursor, size))
        return (Bytes){NULL, 0};
    Bytes found = {cursor->at, (size_t)size};
    cursor->at += size;
    return found;
}

/* A text up to its NUL, which is passed over and not part of it; without one it is bad. */
static inline Bytes cursor_text(Cursor *cursor)
{
    size_t left = cursor_left(cursor);
    const uint8_t *nul = left ? memchr(cursor->at, 0, left) : NULL;
    if (!nul) {
        cursor->bad = true;
        cursor->at = cursor->end;
        return (Bytes){NULL, 0};
    }
    Bytes found = {cursor->at, (size_t)(nul - cursor->at)};
    cursor->at = nul + 1;
    return found;
}

#endif
