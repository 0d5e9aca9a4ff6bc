"""A catalogue by hand, for tests that need no index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from app.elf.disassembly import Instruction
from app.elf.model import UsdtArgument, UsdtSite
from app.elf.tree import Stamp
from app.errors import NotFound
from app.index.files import HostFile
from app.index.held import Held
from app.index.model import Ask, Binary, Debug, Function, Page, Parameter, Symbol, Usdt
from app.index.sites import InlineSite


def binary(path: str, **changes: object) -> Binary:
    values: dict[str, object] = {
        "id": "b1", "build_id": "b1", "name": path.rpartition("/")[2], "path": path, "paths": (path,),
        "sha256": None, "size": 1, "type": "DYN", "machine": "x86_64", "bits": 64, "endian": "little",
        "stripped": False, "language": "c", "runtime": "compiled", "interpreter_of": None,
        "debug": Debug("embedded", None, {}), "counts": {}, "needed": (), "frame_pointers": None,
        "state": "ok", "problems": (), "uploaded": False, "indexed": 0.0,
    }  # fmt: skip
    return Binary(**{**values, **changes})  # type: ignore[arg-type]


def function(name: str, parameters: tuple[tuple[str, str], ...] | None = None, **changes: object) -> Function:
    values: dict[str, object] = {
        "key": "1000", "name": name, "linkage_name": name, "demangled": name, "address": 0x1000, "size": 32,
        "offset": 0x1000, "section": ".text", "type": "FUNC", "bind": "GLOBAL", "file": None, "line": None,
        "language": "c", "parameters": parameters and tuple(Parameter(*part) for part in parameters),
        "returns": None, "external": True, "inlined": False, "inline_sites": 0, "sources": ("symtab",),
        "aliases": (),
    }  # fmt: skip
    return Function(**{**values, **changes})  # type: ignore[arg-type]


def usdt(provider: str, name: str, *arguments: tuple[int, bool], sites: int = 1, semaphore: int = 0) -> Usdt:
    found = tuple(
        UsdtArgument(index, size, signed, False, "%rax", f"{'int' if signed else 'uint'}{8 * size}_t")
        for index, (size, signed) in enumerate(arguments)
    )
    site = UsdtSite(0x1000, 0x1000, semaphore, found, "", None)
    return Usdt(provider, name, (site,) * sites)


@dataclass
class Fake:
    binary: Binary
    all_functions: list[Function] = field(default_factory=list)
    probes: list[Usdt] = field(default_factory=list)
    sites: dict[str, tuple[InlineSite, ...]] = field(default_factory=dict)
    lines: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    known_readings: dict[str | int, dict[str, Any]] = field(default_factory=dict)
    all_symbols: list[Symbol] = field(default_factory=list)

    def binary_at(self, path: str) -> Binary:
        if path != self.binary.path:
            raise NotFound(f"There is no {path}.")
        return self.binary

    def code(self, id: str, key: str) -> tuple[Instruction, ...]:
        return ()

    def inline_sites(self, id: str, key: str) -> tuple[InlineSite, ...]:
        return self.sites.get(key, ())

    def line_sites(self, id: str, file: str, line: int) -> dict[str, Any]:
        if (file, line) not in self.lines:
            raise NotFound(f"There is no code of {file}:{line}.")
        return {"line": line, "sites": [{"address": address} for address in self.lines[file, line]]}

    def readings(self, id: str, places: Sequence[str | int]) -> list[dict[str, Any] | None]:
        return [self.known_readings.get(place) for place in places]

    def symbols(self, id: str, ask: Ask) -> Page[Symbol]:
        found = tuple(symbol for symbol in self.all_symbols if ask.q in symbol.name)
        return Page(len(found), found, None, 0.0)

    def known_at(self, path: str) -> str | None:
        return None

    def open_mapped(self, path: str, stamp: Stamp) -> HostFile:
        raise NotFound(f"There is no {path}.")

    def hold(self, file: HostFile) -> Held:
        raise NotFound(f"There is no {file.path}.")

    def symbol_file(self, id: str, pattern: str, marks: Mapping[str, int] | None = None) -> bytes | None:
        return None

    def function_names(self, id: str, pattern: str) -> list[str]:
        names = [name for item in self.all_functions for name in (item.linkage_name, *item.aliases)]
        return sorted(name for name in names if fnmatchcase(name, pattern))

    def function(self, id: str, key: str) -> Function:
        for item in self.all_functions:
            if key == item.key or (item.address is not None and key == f"{item.address:#x}"):
                return item
        raise NotFound(f"There is no function at {key}.")

    def functions(self, id: str, ask: Ask) -> Page[Function]:
        found = tuple(
            item
            for item in self.all_functions
            if ask.q in item.linkage_name or fnmatchcase(item.linkage_name, ask.q)
        )
        return Page(len(found), found, None, 0.0)

    def usdt(self, id: str, ask: Ask) -> Page[Usdt]:
        return Page(len(self.probes), tuple(self.probes), None, 0.0)

    def usdt_probe(self, id: str, provider: str, name: str) -> Usdt:
        for item in self.probes:
            if (item.provider, item.name) == (provider, name):
                return item
        raise NotFound(f"There is no {provider}:{name}.")
