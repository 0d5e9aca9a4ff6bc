"""What the index answers: frozen items, made only for the rows of the page that was asked for.

``as_dict`` of each gives the object of the contract: integers for addresses, with ``*_hex`` beside them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from app.elf.model import UsdtSite
from app.index.records import Binary, Debug, Item, Job, plain, with_hex

# Those on record are items of the index, too.
__all__ = [
    "MODES",
    "Ask",
    "Binary",
    "Debug",
    "Function",
    "Hit",
    "Item",
    "Job",
    "Mode",
    "Page",
    "Parameter",
    "Symbol",
    "Usdt",
    "Variable",
    "plain",
    "signature",
    "source",
    "with_hex",
]

Mode = Literal["substring", "prefix", "glob", "regex", "fuzzy"]
MODES: tuple[Mode, ...] = ("substring", "prefix", "glob", "regex", "fuzzy")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Symbol(Item):
    name: str
    demangled: str
    version: str | None
    address: int
    size: int
    type: str
    bind: str
    visibility: str
    section: str  # a name, or UND ABS COM
    table: str
    offset: int | None
    default_version: bool = False  # readelf's @@: what a program linked today gets


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    type: str  # "unknown" where a reference could not be followed


@dataclass(frozen=True, slots=True)
class Function(Item):
    # The address in hex without 0x, or inline-DIE; stable, because the id names the bytes.
    key: str
    name: str
    linkage_name: str
    demangled: str
    address: int | None  # None: it exists only where it was inlined
    size: int
    offset: int | None
    section: str
    type: str  # FUNC or IFUNC
    bind: str
    file: str | None
    line: int | None
    language: str | None
    parameters: tuple[Parameter, ...] | None  # None: not known
    returns: str | None
    external: bool
    inlined: bool
    inline_sites: int
    sources: tuple[str, ...]
    aliases: tuple[str, ...]
    clones: tuple[str, ...] = ()  # copies that the compiler made of it, to which calls may go instead

    def as_dict(self) -> dict[str, Any]:
        """As of every item, but written out: a list may have a hundred thousand."""
        parameters = self.parameters
        return {
            "key": self.key,
            "name": self.name,
            "linkage_name": self.linkage_name,
            "demangled": self.demangled,
            "address": self.address,
            "address_hex": None if self.address is None else f"{self.address:#x}",
            "size": self.size,
            "offset": self.offset,
            "offset_hex": None if self.offset is None else f"{self.offset:#x}",
            "section": self.section,
            "type": self.type,
            "bind": self.bind,
            "file": self.file,
            "line": self.line,
            "language": self.language,
            "parameters": None
            if parameters is None
            else [{"name": each.name, "type": each.type} for each in parameters],
            "returns": self.returns,
            "external": self.external,
            "inlined": self.inlined,
            "inline_sites": self.inline_sites,
            "sources": list(self.sources),
            "aliases": list(self.aliases),
            "clones": list(self.clones),
        }


@dataclass(frozen=True, slots=True)
class Variable(Item):
    key: str
    name: str
    linkage_name: str
    demangled: str
    address: int | None  # None: it has no place in memory
    size: int
    type: str | None
    section: str
    file: str | None
    line: int | None
    scope: str | None  # namespaces and classes around it
    external: bool
    sources: tuple[str, ...]


def declared(parameter: Parameter) -> str:
    """``int count``, ``char *text``, ``int (*call)(int)``: the name where C has it."""
    kind, name = parameter.type, parameter.name
    if "(*)" in kind and name:
        return kind.replace("(*)", f"(*{name})", 1)
    return kind + name if kind.endswith(("*", "&")) else f"{kind} {name}".strip()


def signature(function: Function) -> str:
    """``(int count, char *text) → long``; "" where parameters are not known, or the name has them already."""
    if function.parameters is None or "(" in function.demangled:
        return ""
    parameters = ", ".join(declared(each) for each in function.parameters)
    return f"({parameters})" + (f" → {function.returns}" if function.returns else "")


def source(item: Function | Variable) -> str:
    """The last part of the file's path, and the line; the whole path is for a title."""
    if not item.file:
        return ""
    name = item.file.rsplit("/", 1)[-1]
    return f"{name}:{item.line}" if item.line else name


@dataclass(frozen=True, slots=True)
class Usdt(Item):
    provider: str
    name: str
    sites: tuple[UsdtSite, ...]


@dataclass(frozen=True, slots=True)
class Ask:
    """One question of a list: text and kind of match, filters, order, part."""

    q: str = ""
    mode: Mode = "substring"
    sort: str = ""  # "" by rank then name; a field; "-field" downwards
    offset: int = 0
    limit: int = 100
    # type bind section table source kind language verdict: values, by commas; file: a part of the path.
    filters: dict[str, str] = field(default_factory=dict)
    facets: bool = True  # False: for who shows none


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One part of a list; ``facets`` counts the values of each filter field over all matches."""

    total: int
    items: tuple[T, ...]
    next: int | None  # offset of the next part
    took_ms: float
    facets: dict[str, dict[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hit(Item):
    """One answer of the search over everything."""

    kind: Literal["binary", "function", "variable", "usdt"]
    name: str
    demangled: str
    binary: str
    binary_name: str
    key: str  # of a function; provider/name of a USDT probe; the id of a binary
    binaries: int = 1  # how many have this name as this kind; ``binary`` is one of them
