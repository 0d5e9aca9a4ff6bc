"""The standard output of a bpftrace to its lines, through a pipe that has room for a burst.

The stream that an event loop gives a child is full after a few hundred lines (uvloop's is a pair of sockets);
bpftrace then waits until this process gets its turn, and the kernel's buffers run over meanwhile. A signal
that comes while it waits breaks its write off with EINTR, after which it prints nothing more, its last maps
neither (seen with 0.17): so who ends it looks whether the pipe is full. bpftrace writes line by line; reading
pauses between batches, so that not each line wakes this process. Sources: pipe(7), fcntl(2).
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import termios
from collections.abc import AsyncIterator
from contextlib import suppress

# As much as /proc/sys/fs/pipe-max-size allows by default; ten thousand lines.
PIPE_BYTES = 1 << 20
CHUNK_BYTES = 1 << 18
# A map of 4,096 stacks of a hundred frames takes some 25 MB.
LONGEST_LINE = 32 << 20
PAUSE_SECONDS = 0.005


class Lines:
    """The reading end, and until ``begin`` the end that the child gets."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._read, False)
        # Who may not have that much keeps what a pipe has anyway.
        with suppress(OSError):
            fcntl.fcntl(self._write, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._size = fcntl.fcntl(self._write, fcntl.F_GETPIPE_SZ)

    @property
    def descriptor(self) -> int:
        """For the child to write to."""
        return self._write

    def begin(self) -> None:
        """Leaves the writing end to the child alone, so that its end is seen."""
        os.close(self._write)
        self._write = -1

    async def batches(self) -> AsyncIterator[list[bytes]]:
        """Whole lines as they come, many at a time; a line over LONGEST_LINE is cut there."""
        begun: list[bytes] = []  # parts of a line whose end has not come
        while chunk := await self._chunk():
            *lines, rest = chunk.split(b"\n")
            if lines:
                lines[0] = b"".join([*begun, lines[0]])
                begun = []
            begun.append(rest)
            if sum(map(len, begun)) > LONGEST_LINE:
                lines.append(b"".join(begun)[:LONGEST_LINE])
                begun = []
            if lines:
                yield lines
            # A flood must leave others their turn, too.
            await asyncio.sleep(0 if len(chunk) == CHUNK_BYTES else PAUSE_SECONDS)
        if rest := b"".join(begun):
            yield [rest]

    @property
    def full(self) -> bool:
        """Whether the child may have to wait until it can write on."""
        if self._read < 0:
            return False
        waiting = struct.unpack("i", fcntl.ioctl(self._read, termios.FIONREAD, bytes(4)))[0]
        return bool(waiting > self._size // 2)

    def close(self) -> None:
        for end in (self._read, self._write):
            if end >= 0:
                os.close(end)
        self._read = self._write = -1

    async def _chunk(self) -> bytes:
        """What is there, once there is something; b"" at the end."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                return os.read(self._read, CHUNK_BYTES)
            except BlockingIOError:
                ready = asyncio.Event()
                loop.add_reader(self._read, ready.set)
                try:
                    await ready.wait()
                finally:
                    loop.remove_reader(self._read)
