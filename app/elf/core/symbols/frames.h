/* The beginnings of functions to how many of them make a frame: see app.elf.frame_pointers. */
#ifndef PROBESCOPE_FRAMES_H
#define PROBESCOPE_FRAMES_H

#include "cursor.h"

typedef enum { X86_64, I386, AARCH64 } Code;

/* Functions that call others, and those of them that begin by making a frame. */
typedef struct {
    uint32_t calling, framed;
} Frames;

/* `offsets` are places in the file; those outside it, -1 among them, are passed over. */
void count_frames(Bytes file, const int64_t *offsets, size_t count, Code code, Frames *frames);

#endif
