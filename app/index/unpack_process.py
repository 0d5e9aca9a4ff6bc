"""The boxed child that reads one package: for each member that is wanted it asks for a file, and fills it.

Started by ``app.index.build``; runs as nobody, without network, opens nothing. Messages are JSON, with their
descriptors (SCM_RIGHTS). It says ``{}`` when it is shut in, and gets the package; then, for each ELF file or
source file inside, ``{"name": text, "inside": [names], "size": number or null, "what": "elf" or "source",
"package": {...} or null}``, and gets a file to fill, or none, which passes it by; when it is filled
``{"whole": bool, "written": bytes}``. At last ``{"over": true, "entries": count, "problems": [...]}``, each a
code and a sentence.
"""

from __future__ import annotations

import array
import gc
import json
import os
import re
import signal
import socket
from dataclasses import asdict
from typing import Any

from app.debuginfo.packages import Crew, Limits, Member, members
from app.index.box import shut_in

MESSAGE = 1 << 16
# Packages of sources lay them there: Fedora and its kin, Debian's dbgsym packages with sources.
_SOURCE = re.compile(r"(?:\./|/)?usr/(?:src/debug|lib/debug/usr/src)/.*\.[A-Za-z+]{1,4}\Z")
_MOST_SOURCE = 8 << 20
_PARTS = 8
_LONGEST = 4096
_LIMITS = Limits()
_MOST_THREADS = 2  # each has a block of xz in memory, 24 MiB as a rule


def main(descriptor: int) -> None:
    parent = os.getppid()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=descriptor) as channel:
        limits = json.loads(channel.recv(MESSAGE) or "null")
        if limits is None:
            return
        gc.freeze()
        gc.enable()
        crew = shut_in({**limits, "output": _LIMITS.file_bytes}, _crew)
        if os.getppid() != parent:
            return
        channel.send(b"{}")
        package = _received(channel)
        if package is not None:
            with os.fdopen(package, "rb") as file:
                channel.send(json.dumps(_read(channel, file, crew)).encode())


def _crew(threads: int) -> Crew | None:
    """None where there is to be one thread, or there can be no more."""
    try:
        return Crew(min(threads, _MOST_THREADS)) if threads > 1 else None
    except RuntimeError:
        return None


def _read(channel: socket.socket, file: Any, crew: Crew | None) -> dict[str, Any]:
    entries = 0
    reader = members(file, _LIMITS, crew)
    problems: list[tuple[str, str]] = []
    try:
        for member in reader:
            entries += 1
            what = _what(member)
            if what is not None:
                _give(channel, member, what)
    except MemoryError:
        problems = [("limit_memory", "Reading the package needs more memory than a reader may use.")]
    except OSError as error:
        problems = [("output", f"What is in the package could not be kept: {error.strerror}.")]
    problems += [(problem.code, problem.text[:_LONGEST]) for problem in reader.problems[:_PARTS]]
    return {"over": True, "entries": entries, "problems": problems}


def _what(member: Member) -> str | None:
    if member.kind != "file":
        return None
    if member.peek(4) == b"\x7fELF":
        return "elf"
    small = member.size is not None and member.size <= _MOST_SOURCE
    return "source" if small and _SOURCE.fullmatch(member.name) else None


def _give(channel: socket.socket, member: Member, what: str) -> None:
    said = {
        "name": member.name[-_LONGEST:],
        "inside": [name[-256:] for name in member.inside[-_PARTS:]],
        "size": member.size,
        "what": what,
        "package": {key: value[:256] for key, value in asdict(member.package).items()}
        if member.package is not None
        else None,
    }
    channel.send(json.dumps(said).encode())
    target = _received(channel)
    if target is None:
        return
    written = 0
    with os.fdopen(target, "wb", buffering=0) as file:
        for chunk in member.chunks():
            left = memoryview(chunk)
            while left:
                left = left[file.write(left) :]
            written += len(chunk)
    channel.send(json.dumps({"whole": member.whole, "written": written}).encode())


def _received(channel: socket.socket) -> int | None:
    """The descriptor that came with the next message; None where none did."""
    message, control, _, _ = channel.recvmsg(MESSAGE, socket.CMSG_SPACE(4))
    if not message:
        raise SystemExit
    descriptors = array.array("i")
    for level, kind, data in control:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(data[: len(data) // 4 * 4])
    return descriptors[0] if descriptors else None
