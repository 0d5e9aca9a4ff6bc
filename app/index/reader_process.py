"""The boxed child: takes ELF files' descriptors, gives their columns back; runs as nobody, without network.

Started by ``app.index.build`` with its socket's number. It imports what most files need, waits for its
limits, imports the rest unless these say ``light``, shuts itself in and says ``{}``. Messages are JSON, with
their descriptors (SCM_RIGHTS):

- ``{"op": "index", "files": [{"debug": bool, "alt": bool, "split": count, "hash": bool}, ...]}``: first the
  file to fill with the columns of all, then for each file it, its debug file, the dwz file, and its .dwo or
  .dwp files. One answer a file, in their order: ``{"meta": summary, "at": [offset, size], "sha256": hex or
  null}`` or ``{"problem": code, "text": sentence}``. The hash is there unasked when there is no build-id.
  From a light reader also ``{"more": true}``: the file needs what it has not imported, and a full one has to
  read it.
- ``{"op": "answer", "question": name, "files": [one]}``: the first descriptor holds the arguments as JSON,
  which the answer replaces; ``{}`` or a problem.

Source: unix(7) for SCM_RIGHTS.
"""

from __future__ import annotations

import array
import gc
import json
import mmap
import os
import signal
import socket
import sys
from importlib import import_module
from typing import Any, NoReturn

from app.index import contents
from app.index.box import shut_in
from app.index.meta import summary

_MESSAGE = 1 << 16
_SMALL = 256 << 10  # bytes of a file that is sooner read than mapped, touched and unmapped
# What some files need and is soon imported: a reader without it would have read a large one for nothing.
_SOON = ("hashlib", "app.elf.symbols.names", "zstandard")


class NotLoaded(ImportError):
    """A light reader's file needs a module that it has not imported."""


class _Refusal:
    """Finds no module: a box in which nobody may read where the interpreter lies is like any other."""

    @staticmethod
    def find_spec(name: str, *_: object) -> NoReturn:
        raise NotLoaded(name)


def serve(channel: socket.socket, most: int, threads: int) -> None:
    """Answers one message after another until the other end closes."""
    while True:
        message, control, _, _ = channel.recvmsg(_MESSAGE, socket.CMSG_SPACE(most * 4))
        if not message:
            return
        descriptors = array.array("i")
        for level, kind, data in control:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                descriptors.frombytes(data[: len(data) // 4 * 4])
        asked = json.loads(message)
        target, *left = descriptors
        for number, each in enumerate(asked["files"]):
            count = 1 + each["debug"] + each["alt"] + each["split"]
            sources, left = left[:count], left[count:]
            # Large files take long to unmap: who waits for the answer need not wait for that, too.
            opened: list[contents.Data] = []
            answer = _attempt(asked, each, target, sources, opened, threads)
            for descriptor in sources:
                os.close(descriptor)
            if number + 1 == len(asked["files"]):
                os.close(target)
            channel.send(json.dumps(answer).encode())
            opened.clear()


def _attempt(
    asked: dict[str, Any],
    each: dict[str, Any],
    target: int,
    sources: list[int],
    opened: list[contents.Data],
    threads: int,
) -> dict[str, Any]:
    """One file's answer; what goes wrong is one, too. ``opened`` gets the bytes of ``sources``."""
    try:
        opened += map(_opened, sources)
        data, *further = opened
        rest = iter(further)
        others = contents.Further(
            next(rest) if each["debug"] else None, next(rest) if each["alt"] else None, list(rest)
        )
        if asked["op"] == "index":
            # Each part of the file is mapped alone, so it starts with a page.
            base = -(-os.fstat(target).st_size // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY
            whole, size = contents.columns(target, base, data, others, threads)
            meta = summary(whole)
            hashed = each["hash"] or not meta["build_id"]
            return {"meta": meta, "at": [base, size], "sha256": _sha256(data) if hashed else None}
        arguments = json.loads(os.pread(target, os.fstat(target).st_size, 0))
        found = contents.answer(asked["question"], data, others, arguments)
        os.ftruncate(target, 0)
        with os.fdopen(target, "w", closefd=False) as file:
            json.dump(found, file)
        return {}
    except NotLoaded:
        return {"more": True}
    except MemoryError:
        return {"problem": "memory", "text": "Reading this file needs more memory than a reader may use."}
    except OSError as error:
        if error.errno == 28:
            return {"problem": "disk_full", "text": "The disk has no room for the columns of this file."}
        return {"problem": "output", "text": f"Its columns could not be written: {error.strerror}."}
    except Exception as error:
        # The readers raise nothing on what a file holds; if one does, the file is told by its fault.
        return {"problem": "fault", "text": f"Reading this file failed ({type(error).__name__})."}


def _sha256(data: contents.Data) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


def _opened(descriptor: int) -> contents.Data:
    """A file's bytes; what is mapped is unmapped when nothing looks at it any more."""
    size = os.fstat(descriptor).st_size
    if size <= _SMALL:
        return os.pread(descriptor, size, 0)
    return mmap.mmap(descriptor, size, access=mmap.ACCESS_READ)


def main(descriptor: int) -> None:
    parent = os.getppid()
    # A full file then gives an error instead of an end.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=descriptor) as channel:
        for name in _SOON:
            import_module(name)
        limits = json.loads(channel.recv(_MESSAGE) or "null")
        if limits is None:
            return
        # What is imported late is imported now: nobody may not read where the interpreter lies.
        if limits["light"] and contents.can_be_light():
            sys.meta_path.insert(0, _Refusal)
        else:
            contents.load_all(limits["answers"])
        gc.freeze()
        gc.enable()
        threads = shut_in(limits, contents.start_threads)
        if os.getppid() != parent:
            return
        channel.send(b"{}")
        serve(channel, limits["descriptors"], threads)
