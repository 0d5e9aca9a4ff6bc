"""What tracing asks of the index, as a protocol: anything that answers these can stand in for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from app.elf.tree import Stamp
from app.errors import AppError
from app.index.files import HostFile
from app.index.held import Held
from app.index.model import Ask, Binary, Function, Page, Symbol, Usdt
from app.index.sites import InlineSite
from app.trace.quoting import spoken

if TYPE_CHECKING:
    from app.elf.disassembly import Instruction

_CANDIDATES = 50


class Catalogue(Protocol):
    def binary_at(self, path: str) -> Binary: ...

    def known_at(self, path: str) -> str | None: ...

    def function_names(self, id: str, pattern: str) -> list[str]: ...

    def function(self, id: str, key: str) -> Function: ...

    def functions(self, id: str, ask: Ask) -> Page[Function]: ...

    def symbol_file(self, id: str, pattern: str, marks: Mapping[str, int] | None = None) -> bytes | None: ...

    def open_mapped(self, path: str, stamp: Stamp) -> HostFile: ...

    def hold(self, file: HostFile) -> Held: ...

    def usdt(self, id: str, ask: Ask) -> Page[Usdt]: ...

    def usdt_probe(self, id: str, provider: str, name: str) -> Usdt: ...

    def code(self, id: str, key: str) -> tuple[Instruction, ...]: ...

    def inline_sites(self, id: str, key: str) -> tuple[InlineSite, ...]: ...

    def line_sites(self, id: str, file: str, line: int) -> dict[str, Any]: ...

    def readings(self, id: str, places: Sequence[str | int]) -> list[dict[str, Any] | None]: ...

    def symbols(self, id: str, ask: Ask) -> Page[Symbol]: ...


def function_named(catalogue: Catalogue, id: str, symbol: str) -> Function | None:
    """The function with this symbol (its own, an alias, or as ``speakable`` spells it), else None."""
    found = _named(catalogue, id, symbol)
    if found is None and spoken(symbol) != symbol:
        found = _named(catalogue, id, spoken(symbol))
    return found


def _named(catalogue: Catalogue, id: str, symbol: str) -> Function | None:
    try:
        page = catalogue.functions(id, Ask(q=symbol, limit=_CANDIDATES))
    except AppError:
        return None
    for item in page.items:
        if item.linkage_name == symbol:
            return item
    for item in page.items:
        if symbol in item.aliases or symbol in {item.name, item.demangled}:
            return item
    return None
