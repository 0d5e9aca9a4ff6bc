"""Processes and files made up, for stacks that are named without a kernel."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from app.elf.model import Segment
from app.elf.problem import Problem
from app.elf.tree import Stamp
from app.errors import Conflict, NotFound
from app.host.model import Process
from app.host.regions import MappedFile, Region, Snapshot
from app.index.files import HostFile
from app.index.held import Held
from app.index.model import Binary
from app.index.reader import Source
from tests.trace.catalogues import Fake, binary

# Code from 0x1000 on in the file is at 0x401000 in its own addresses.
SEGMENTS = (
    Segment("LOAD", "R", 0, 0x400000, 0x800, 0x800, 0x1000),
    Segment("LOAD", "R E", 0x1000, 0x401000, 0x2000, 0x2000, 0x1000),
)
BASE = 0x5500_0000_0000
# What is at an address of a file: (name, file, line) of each frame, the innermost first.
Known = dict[int, list[tuple[str, str | None, int | None]]]


def process(pid: int, starttime: int = 1) -> Process:
    return Process(pid, starttime, "app", (), "me", 0, "/opt/app", False, 1, 1, 0.0, None, None, 1)


def mapped(number: int = 1, path: str = "/opt/app") -> MappedFile:
    return MappedFile(path, path, False, (1, number, 100, 5))


def looked(pid: int, *regions: Region, starttime: int = 1, raw: bytes = b"one") -> Snapshot:
    starts = tuple(region.start for region in regions)
    return Snapshot(process(pid, starttime), (1, 1), regions, raw, starts)


def region(start: int = BASE, file: MappedFile | None = None, offset: int = 0x1000) -> Region:
    return Region(start, start + 0x2000, offset, file or mapped())


@dataclass
class Answering:
    """Stands in for the boxed readers."""

    names: Names

    def answer(
        self, source: Source, question: str, arguments: dict[str, Any], owner: str
    ) -> dict[str, Any] | Problem:
        os.fstat(source.descriptor)
        assert question == "locate"
        assert arguments["demangled"]
        return {"locations": self.names.locations(arguments["addresses"])}


@dataclass
class Names(Fake):
    binary: Binary = field(default_factory=lambda: binary("/opt/app"))
    names: Known = field(default_factory=dict)
    stamps: dict[str, Stamp] = field(default_factory=dict)
    asked: list[list[int]] = field(default_factory=list)
    slow: threading.Event | None = None  # an answer waits for it

    def open_mapped(self, path: str, stamp: Stamp) -> HostFile:
        if self.stamps.get(path, stamp) != stamp:
            raise Conflict(f"{path} was replaced meanwhile.", code="replaced")
        if path == "/gone":
            raise NotFound(f"There is no file {path}.")
        return HostFile(path, os.memfd_create("stack-double", os.MFD_CLOEXEC), stamp, path)

    def hold(self, file: HostFile) -> Held:
        stack = ExitStack()
        stack.enter_context(file)
        return Held("b1", SEGMENTS, Source(file.descriptor, 100), "", Answering(self), stack)  # type: ignore[arg-type]

    def locations(self, addresses: Sequence[int]) -> list[dict[str, Any]]:
        if self.slow is not None:
            self.slow.wait(20)
        self.asked.append(list(addresses))
        return [self._location(address) for address in addresses]

    def _location(self, address: int) -> dict[str, Any]:
        frames = self.names.get(address, [])
        inlined = [
            {
                "function": name,
                "demangled": name,
                "file": file,
                "line": line,
                "call_file": frames[number + 1][1],
                "call_line": frames[number + 1][2],
                "call_column": None,
            }
            for number, (name, file, line) in enumerate(frames[:-1])
        ]
        name = frames[-1][0] if frames else None
        file, line = frames[0][1:] if frames else (None, None)
        return {
            "address": address,
            "function": name,
            "demangled": name,
            "offset_in_function": address % 0x100 if frames else None,
            "file": file,
            "line": line,
            "inlined": inlined,
        }
