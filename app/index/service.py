"""The index as the other rooms see it: files in, pages of functions, variables, symbols and USDT probes out.

All methods may be called from any thread. What comes in is ``indexing``'s; columns come from ``store``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from app.config import Settings
from app.elf.model import TABLES, Header, Section, Segment
from app.errors import NotFound
from app.index import items, matching, query, search
from app.index.answers import Answers
from app.index.artifacts import Artifacts
from app.index.binaries import binary_of
from app.index.catalogue import BinaryRow
from app.index.cells import Rows
from app.index.columns import Columns
from app.index.difference import Change, Difference, Unfit, compare
from app.index.everywhere import Everywhere
from app.index.fetched_sources import FetchedSources
from app.index.files import HostFile
from app.index.held import Held
from app.index.indexing import Indexing
from app.index.items import Items
from app.index.jobs import Task
from app.index.model import Ask, Binary, Function, Hit, Page, Symbol, Usdt, Variable
from app.index.sites import InlineSite, inline_sites
from app.index.sources import Source, source
from app.index.symbol_files import symbol_file
from app.index.types import Type, types
from app.index.unfit import unfit
from app.index.usdt_types import UsdtTypes

if TYPE_CHECKING:
    from app.elf.disassembly import Instruction

_CODE = 1 << 16  # bytes of a function that are disassembled
_FUNCTIONS = (2, 10)  # STT_FUNC, STT_GNU_IFUNC
# Tables whose names carry their version.
_WITH_VERSIONS = (TABLES.index("symtab"), TABLES.index("debug_symtab"))
_UNSIZED = 256  # bytes shown of a function without a size
T = TypeVar("T")


class Index(Indexing):
    """One data directory: catalogue.sqlite, columns/, blobs/, uploads/, scratch/.

    With ``ahead`` the names of the catalogue are laid when a job ends, so that the next search need not.
    """

    def __init__(self, settings: Settings, *, ahead: bool = False) -> None:
        super().__init__(settings)
        self._ahead = ahead
        self._selections: query.Selections[query.Selection] = query.Selections()
        self.answers = Answers(
            self._store, self._readers, self.debug_files, settings.roots, settings.debuginfod_cache
        )
        self.artifacts = Artifacts(
            settings, self._store, self._readers, self.debug_files, self.answers, lambda: self._source_packs
        )
        self.fetched = FetchedSources(settings, self.debug_files, self.artifacts.named)
        self._usdt_types = UsdtTypes(self.answers.usdt)
        self._differences: dict[tuple[str, str], Difference] = {}
        self._everywhere = Everywhere(
            settings.data / "names",
            self._catalogue.generation,
            self._catalogue.binaries,
            lambda row: self._store.columns(row)[0],
        )

    def close(self, wait: bool = True) -> None:
        self._everywhere.close()
        super().close(wait)

    def _perform(self, task: Task) -> None:
        super()._perform(task)
        if self._ahead:
            self._everywhere.refresh_soon()

    # Binaries

    def binaries(self, ask: Ask) -> Page[Binary]:
        """By name or build-id, the latest first."""
        began = time.perf_counter()
        rows = search.binaries(self._catalogue.binaries(), ask)
        part = rows[ask.offset : ask.offset + ask.limit]
        return _page(len(rows), tuple(binary_of(row) for row in part), ask, began)

    def of_build(self, build_id: str) -> tuple[Binary, ...]:
        """All that is known of one build: the binary, its debug file, copies of other content."""
        return tuple(binary_of(row) for row in self._catalogue.of_build(build_id))

    # Facts of one binary

    def header(self, binary_id: str) -> Header | None:
        return items.header(self._store.columns(self._store.row(binary_id))[0])

    def sections(self, binary_id: str) -> tuple[Section, ...]:
        return self._store.columns(self._store.row(binary_id))[1].sections

    def segments(self, binary_id: str) -> tuple[Segment, ...]:
        return self._store.columns(self._store.row(binary_id))[1].segments

    def hold(self, file: HostFile) -> Held:
        """The binary of an open file, wherever its path leads by now, for many questions about addresses.

        The file belongs to the answer from now on, also when this raises, as ``binary_at`` does.
        """
        with ExitStack() as stack:
            stack.enter_context(file)
            row = self.row_of(file)
            segments = self._store.columns(row)[1].segments
            stack.pop_all()
        return self.answers.hold(row, segments, file)

    def symbols(self, binary_id: str, ask: Ask) -> Page[Symbol]:
        """The whole symbol tables; without text or order, as they lie in the file."""
        _, found, selection, began = self._select(binary_id, "symbol", ask)
        part = found.symbols(selection.rows[ask.offset : ask.offset + ask.limit]).items()
        return _page(len(selection.rows), tuple(part), ask, began, selection.facets)

    def functions(self, binary_id: str, ask: Ask) -> Page[Function]:
        _, found, selection, began = self._select(binary_id, "function", ask)
        part = found.functions(selection.rows[ask.offset : ask.offset + ask.limit]).items()
        return _page(len(selection.rows), tuple(part), ask, began, selection.facets)

    def variables(self, binary_id: str, ask: Ask) -> Page[Variable]:
        _, found, selection, began = self._select(binary_id, "variable", ask)
        part = found.variables(selection.rows[ask.offset : ask.offset + ask.limit]).items()
        return _page(len(selection.rows), tuple(part), ask, began, selection.facets)

    def rows(self, binary_id: str, kind: query.Kind, ask: Ask) -> tuple[Rows[Any], int | None]:
        """As ``symbols``, ``functions`` or ``variables``, by their fields; and where the next part begins.

        For who makes a text of many: no object is made of any.
        """
        _, found, selection, _ = self._select(binary_id, kind, ask)
        chosen = selection.rows[ask.offset : ask.offset + ask.limit]
        rows: Rows[Any]
        if kind == "symbol":
            rows = found.symbols(chosen)
        else:
            rows = found.functions(chosen) if kind == "function" else found.variables(chosen)
        following = ask.offset + len(rows)
        return rows, following if len(rows) and following < len(selection.rows) else None

    def function(self, binary_id: str, key: str) -> Function:
        """By its key, or by 0xADDRESS, also one inside it. Raises NotFound."""
        row = self._store.row(binary_id)
        _, found = self._store.columns(row)
        index = found.find_function(key)
        if index is None:
            raise NotFound(
                f"{row.name} has no function at {key}.", "Addresses change with each build; search by name."
            )
        return found.function(index)

    def function_names(self, binary_id: str, pattern: str, debug: bool = True) -> list[str]:
        """Every name that bpftrace knows functions by and ``pattern`` matches (``*`` alone is special).

        Sorted, each once. As ``bpftrace -l`` has it: aliases, entries of the PLT that have an address, the
        version where .symtab carries one, but no ``.part.`` clones. ``debug``: with those of the debug file.
        """
        columns, found = self._store.columns(self._store.row(binary_id))
        functions = np.isin(columns["type"], _FUNCTIONS) & (columns["address"] != 0)
        if not debug:
            functions &= columns["table"] != TABLES.index("debug_symtab")
        rows = np.flatnonzero(functions)
        versioned = np.isin(columns["table"][rows], _WITH_VERSIONS) & (columns["version_id"][rows] != 0)
        if pattern.strip("*"):
            escaped = pattern.replace("[", "[[]").replace("?", "[?]")
            ranks = matching.ranks(columns, escaped, "glob", self._settings.search_wall)
            chosen = (ranks[columns["name_id"][rows]] != matching.NONE) | versioned
            rows, versioned = rows[chosen], versioned[chosen]
        names = set(columns.names_of(np.unique(columns["name_id"][rows[~versioned]])))
        names |= {
            columns.name(int(columns["name_id"][row])) + found.version(row).encode()
            for row in rows[versioned].tolist()
        }
        texts = [name.decode("utf-8", "backslashreplace") for name in names if b".part." not in name]
        if pattern.strip("*"):
            fits = matching.wildcard(pattern)
            texts = [text for text in texts if fits.fullmatch(text)]
        return sorted(text for text in texts if text)

    def usdt(self, binary_id: str, ask: Ask, *, types: bool = False) -> Page[Usdt]:
        """``types``: with what debug information knows of the arguments, which takes its time."""
        began = time.perf_counter()
        row = self._store.row(binary_id)
        columns, _ = self._store.columns(row)
        found, facets = search.usdt(items.usdt(columns), ask, self._settings.search_wall)
        part = found[ask.offset : ask.offset + ask.limit]
        if types:
            part = self._usdt_types(binary_id, row.columns, columns, part)
        return _page(len(found), part, ask, began, facets)

    def usdt_probe(self, binary_id: str, provider: str, name: str) -> Usdt:
        """Raises NotFound."""
        row = self._store.row(binary_id)
        columns, _ = self._store.columns(row)
        for probe in items.usdt(columns):
            if (probe.provider, probe.name) == (provider, name):
                return self._usdt_types(binary_id, row.columns, columns, [probe])[0]
        raise NotFound(f"{row.name} has no USDT probe {provider}:{name}.", "See the list of its USDT probes.")

    def symbol_file(
        self, binary_id: str, pattern: str, marks: Mapping[str, int] | None = None
    ) -> bytes | None:
        """An ELF file that names the functions matching ``pattern`` which the binary's own tables do not.

        ``marks``: instructions that it names too. None where all are in the binary's own tables. It has the
        binary's build-id, if that has one.
        """
        row = self._store.row(binary_id)
        columns, _ = self._store.columns(row)
        return symbol_file(columns, row.build_id, pattern, self._settings.search_wall, marks or {})

    def source(self, binary_id: str, file: str) -> Source | None:
        """A file that the debug information of a binary names, if it is at hand and may be shown.

        From the host, else from a package of sources, else what a debuginfod server gave before.
        """
        row = self._store.row(binary_id)
        return (
            self._host_source(row, file) or self._packed_source(row, file) or self.fetched.source(row, file)
        )

    def may_fetch_source(self, binary_id: str) -> bool:
        """Whether there is a debuginfod server to ask for one. Raises NotFound."""
        return self.fetched.may_fetch(self._store.row(binary_id))

    def fetch_source(self, binary_id: str, file: str) -> Source:
        """A source file from a debuginfod server, which takes its time.

        Raises NotFound, Forbidden, Conflict, Unreachable and StorageFull.
        """
        row = self._store.row(binary_id)
        self.fetched.fetch(row, file)
        found = self.fetched.source(row, file)
        if found is None:
            raise NotFound(f"{file} was fetched, and is gone again.", "Ask for it again.")
        return found

    def _packed_source(self, row: BinaryRow, file: str) -> Source | None:
        rows = self._catalogue.of_build(row.build_id) if row.build_id is not None else [row]
        return self._source_packs.source(file, rows)

    def _host_source(self, row: BinaryRow, file: str) -> Source | None:
        found = self._store.use_bytes(row, lambda descriptor, _: os.fstat(descriptor))
        if not row.paths or found is None:
            # Whoever uploads a binary may write into it what names it likes.
            return None
        debug = row.info["debug"]
        from_upload = debug["kind"] == "separate" and not str(debug["path"]).startswith("/")
        owner = None if from_upload else found.st_uid
        return source(file, row.paths[0], found.st_mtime, owner, self._settings.roots)

    def code(self, binary_id: str, key: str) -> tuple[Instruction, ...]:
        """A function's instructions, from the bytes that were indexed; none where these are not at hand."""
        function = self.function(binary_id, key)
        row = self._store.row(binary_id)
        if function.offset is None or function.address is None:
            return ()
        code = self._store.bytes_of(row, function.offset, min(function.size or _UNSIZED, _CODE))
        info = row.info
        # Loads what knows the instructions of all machines; most commands look at none.
        from app.elf.disassembly import disassemble

        return disassemble(code, function.address, info["machine"], info["endian"], info["bits"])

    def types(self, binary_id: str, ask: Ask) -> Page[Type]:
        """The named types of its debug information."""
        columns, _ = self._store.columns(self._store.row(binary_id))
        return types(columns, ask, self._settings.search_wall)

    def structs(self, binary_id: str, names: Sequence[str]) -> list[dict[str, Any]]:
        """The definitions of these types, as ``answers.structs``. Raises NotFound."""
        return self.answers.structs(binary_id, names)

    def inline_sites(self, binary_id: str, key: str) -> tuple[InlineSite, ...]:
        """Where the function was inlined. Raises NotFound."""
        columns, found = self._store.columns(self._store.row(binary_id))
        index = found.find_function(key)
        fn = int(columns["function_fn"][index]) if index is not None else -1
        return inline_sites(columns, found, fn) if fn >= 0 else ()

    def details(self, binary_id: str, key: str) -> dict[str, Any] | None:
        """What the debug information says of a function beyond its row; None where it says nothing."""
        columns, found = self._store.columns(self._store.row(binary_id))
        index = found.find_function(key)
        fn = int(columns["function_fn"][index]) if index is not None else -1
        return self.answers.function(binary_id, int(columns["fn_die"][fn])) if fn >= 0 else None

    def readings(self, binary_id: str, places: Sequence[str | int]) -> list[dict[str, Any] | None]:
        """How a script reads values: of functions by their keys at the entry, and at any address.

        None for a place of which the debug information says nothing.
        """
        columns, found = self._store.columns(self._store.row(binary_id))
        asked: list[dict[str, Any]] = []
        for place in places:
            index = found.find_function(place) if isinstance(place, str) else None
            fn = int(columns["function_fn"][index]) if index is not None else -1
            if isinstance(place, int):
                asked.append({"address": place})
            else:
                asked.append({"die": int(columns["fn_die"][fn])} if fn >= 0 else {"address": -1})
        return self.answers.readings(binary_id, asked)

    def line_sites(self, binary_id: str, file: str, line: int) -> dict[str, Any]:
        """``{line, sites}``: where the code of a source line begins. Raises NotFound."""
        return self.answers.addresses_of(binary_id, file, line)

    # Two builds

    def relatives(self, binary_id: str, limit: int = 50) -> tuple[Binary, ...]:
        """Other binaries of the same name, the latest first. Raises NotFound."""
        row = self._store.row(binary_id)
        others = [each for each in self._catalogue.binaries() if each.name == row.name and each.id != row.id]
        return tuple(binary_of(each) for each in others[:limit])

    def difference(self, before: str, after: str, ask: Ask) -> tuple[Page[Change], dict[str, dict[str, int]]]:
        """What became of the first binary in the second, and how often. Raises NotFound and BadInput."""
        began = time.perf_counter()
        rows = self._store.row(before), self._store.row(after)
        key = rows[0].columns, rows[1].columns
        found = self._differences.get(key)
        if found is None:
            found = compare(self._store.columns(rows[0]), self._store.columns(rows[1]))
            self._differences.clear()  # the one that somebody reads is enough
            self._differences[key] = found
        total, changes, facets = found.part(ask, self._settings.search_wall)
        return _page(total, changes, ask, began, facets), found.counts

    def unfit(self, probes: Sequence[str], before: str, after: str) -> tuple[Unfit, ...]:
        """The probes, written for the first binary, that do not fit the second. Raises NotFound."""
        sides = [self._store.columns(self._store.row(each)) for each in (before, after)]
        return unfit(probes, sides[0], sides[1])

    # Search over everything

    def search(self, ask: Ask) -> Page[Hit]:
        """Binaries, functions, variables and USDT probes of the whole catalogue, the best first.

        A name that many binaries have is one hit; the filter ``each=1`` gives one for each of them, ``kind``
        those of one kind.
        """
        began = time.perf_counter()
        total, hits, facets = self._everywhere.ask(ask, self._settings.search_wall)
        return _page(total, hits, ask, began, facets)

    # Columns

    def _select(
        self, binary_id: str, kind: query.Kind, ask: Ask
    ) -> tuple[Columns, Items, query.Selection, float]:
        began = time.perf_counter()
        row = self._store.row(binary_id)
        columns, found = self._store.columns(row)
        filters = tuple(sorted(ask.filters.items()))
        key = (row.columns, kind, ask.q, ask.mode, ask.sort, filters, ask.facets)
        selection = self._selections.get(
            key, lambda: query.select(columns, found, kind, ask, self._settings.search_wall)
        )
        return columns, found, selection, began


def _page(
    total: int,
    found: tuple[T, ...],
    ask: Ask,
    began: float,
    facets: dict[str, dict[str, int]] | None = None,
) -> Page[T]:
    following = ask.offset + len(found)
    took = round((time.perf_counter() - began) * 1000, 3)
    return Page(total, found, following if found and following < total else None, took, facets or {})
