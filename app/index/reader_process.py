"""The boxed child: takes an ELF file's descriptor, gives its columns back; runs as nobody, without network.

Started by ``app.index.build`` with its socket's number and its limits as one JSON argument. It imports
all it needs, then shuts itself in. A message is ``{"hash": bool}`` with two descriptors, the file to read and
the file to fill; the answer is ``{"sha256": hex or null}`` or ``{"problem": code, "text": sentence}``.
Sources: prctl(2), setrlimit(2), unshare(2), unix(7) for SCM_RIGHTS.
"""

from __future__ import annotations

import array
import ctypes
import hashlib
import json
import mmap
import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from typing import Any

from app.elf.reader import read_facts
from app.index.columns import write_columns
from app.index.tables import tables

_NOBODY = 65534
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_DUMPABLE = 1, 38, 4
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_CHUNK = 1 << 20


def shut_in(limits: dict[str, int]) -> None:
    """Gives up root, network, new processes and whatever exceeds ``limits`` (memory, cpu, output)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() == 0:
        # Where a container does not allow it, its own network rules hold.
        libc.unshare(_CLONE_NEWNET)
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    else:
        libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    # Only after the user changed, which clears it.
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.chdir("/")
    os.umask(0o077)
    for kind, value in (
        (resource.RLIMIT_AS, limits["memory"]),
        (resource.RLIMIT_CPU, limits["cpu"]),
        (resource.RLIMIT_FSIZE, limits["output"]),
        (resource.RLIMIT_NOFILE, 16),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (value, value))
    with suppress(OSError):
        os.nice(5)


def serve(channel: socket.socket) -> None:
    """Answers one message after another until the other end closes."""
    while True:
        message, control, _, _ = channel.recvmsg(4096, socket.CMSG_SPACE(2 * 4))
        if not message:
            return
        descriptors = array.array("i")
        for level, kind, data in control:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                descriptors.frombytes(data[: len(data) // 4 * 4])
        source, target = descriptors
        try:
            answer = read(source, target, bool(json.loads(message)["hash"]))
        finally:
            os.close(source)
            os.close(target)
        channel.send(json.dumps(answer).encode())


def read(source: int, target: int, hashed: bool) -> dict[str, Any]:
    """Reads one file to columns; what goes wrong is an answer."""
    try:
        size = os.fstat(source).st_size
        with mmap.mmap(source, size, access=mmap.ACCESS_READ) if size else memoryview(b"") as data:
            arrays, meta = tables(read_facts(data))
            write_columns(target, arrays, meta)
            return {"sha256": _sha256(source) if hashed else None}
    except MemoryError:
        return {"problem": "memory", "text": "Reading this file needs more memory than a reader may use."}
    except OSError as error:
        if error.errno == 28:
            return {"problem": "disk_full", "text": "The disk has no room for the columns of this file."}
        return {"problem": "output", "text": f"Its columns could not be written: {error.strerror}."}
    except Exception as error:
        # The readers raise nothing on what a file holds; if one does, the file is told by its fault.
        return {"problem": "fault", "text": f"Reading this file failed ({type(error).__name__})."}


def _sha256(source: int) -> str:
    digest = hashlib.sha256()
    at = 0
    while chunk := os.pread(source, _CHUNK, at):
        digest.update(chunk)
        at += len(chunk)
    return digest.hexdigest()


def main() -> None:
    parent = os.getppid()
    limits = json.loads(sys.argv[1])
    # A full file then gives an error instead of an end.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What is imported late is imported now: nobody may not read where the interpreter lies.
    tables(read_facts(b""))
    shut_in(limits)
    if os.getppid() != parent:
        sys.exit(1)
    with socket.socket(fileno=limits["socket"]) as channel:
        channel.send(b"{}")
        serve(channel)


if __name__ == "__main__":
    main()
