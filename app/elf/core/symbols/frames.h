/* A sample of a file's functions to how many of them begin by making a frame: see app.elf.symbols.frame_pointers. */
#ifndef PROBESCOPE_FRAMES_H
#define PROBESCOPE_FRAMES_H

#include "cursor.h"

typedef enum { X86_64, I386, AARCH64 } Code;

/* A part of the file that lies at an address in memory. */
typedef struct {
    uint64_t address, size, offset;
} Load;

/* Where functions are: the columns of symbols, and .eh_frame_hdr, whose search table is sorted. */
typedef struct {
    Bytes file;
    bool big;
    Code code;
    const Load *loads;
    size_t load_count;
    size_t symbol_count;
    const uint64_t *address, *size;
    const uint32_t *section;
    const uint8_t *type;
    Bytes unwind;
    uint64_t unwind_address;
} Functions;

/* Functions that call others, and those of them that begin by making a frame. */
typedef struct {
    uint32_t calling, framed;
} Frames;

void count_frames(const Functions *functions, Frames *frames);

#endif
