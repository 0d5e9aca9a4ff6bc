"""Questions about one address, function, type or source line, answered from the file's debug information.

What is in no column is read from the bytes that were indexed, by a boxed reader, when somebody asks. Answers
are plain objects for JSON; what the file lacks is among their ``problems``.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from app.elf.model import Segment
from app.elf.problem import Problem
from app.errors import BadInput, NotFound, TooLarge
from app.index import companions
from app.index.catalogue import BinaryRow
from app.index.debug_files import DebugFiles, sought
from app.index.files import HostFile
from app.index.held import Held
from app.index.reader import Source
from app.index.readers import Readers
from app.index.store import Store

MOST_ADDRESSES = 100_000
Answer = dict[str, Any]


class Answers:
    """All methods may be called from any thread; each raises NotFound for a binary that is not there."""

    def __init__(
        self,
        store: Store,
        readers: Readers,
        debug_files: DebugFiles,
        roots: Sequence[str],
        cache: str | None = None,
    ) -> None:
        self._roots = roots
        self._cache = cache
        self._debug_files = debug_files
        self._store = store
        self._readers = readers

    def locate(self, binary_id: str, addresses: Sequence[int]) -> list[Answer]:
        """For each address its function, file and line, and the chain of inlined calls.

        ``{address, function, offset_in_function, file, line, inlined}``. Raises BadInput for too many.
        """
        if len(addresses) > MOST_ADDRESSES:
            raise BadInput(f"More than {MOST_ADDRESSES:,} addresses were asked for.", "Ask in parts.")
        found: list[Answer] = self._ask(binary_id, "locate", {"addresses": list(addresses)})["locations"]
        return found

    def structs(self, binary_id: str, names: Sequence[str]) -> list[Answer]:
        """The definitions of these types, each with its C declaration. Raises NotFound when there is none."""
        answer = self._ask(binary_id, "structs", {"names": list(names)})
        if not answer["structs"]:
            row = self._store.row(binary_id)
            raise NotFound(
                f"{row.name} defines no type {', '.join(answer['missing'])}.",
                "See the list of its types; without debug information there are none.",
            )
        found: list[Answer] = answer["structs"]
        return found

    def function(self, binary_id: str, die: int) -> Answer | None:
        """Where parameters and local variables are at the entry of the function that a DIE describes."""
        found: Answer | None = self._ask(binary_id, "function", {"die": die}).get("function")
        return found

    def readings(self, binary_id: str, asked: Sequence[Answer]) -> list[Answer | None]:
        """How a script reads values at each place: ``{"die"}`` at its entry, or ``{"address"}``.

        None for a place where the debug information knows no function.
        """
        found: list[Answer | None] = self._ask(binary_id, "readings", {"asked": list(asked)})["readings"]
        return found

    def addresses_of(self, binary_id: str, file: str, line: int) -> Answer:
        """Where the code of a source line begins, each inlined copy too: ``{line, sites}``.

        The next line with code where that one has none. Raises NotFound when there is none at all.
        """
        answer = self._ask(binary_id, "addresses_of", {"file": file, "line": line})
        if not answer["sites"]:
            row = self._store.row(binary_id)
            raise NotFound(
                f"{row.name} has no code of {file}:{line}.",
                "Give the end of the file's path as it was compiled; without line tables there is none.",
            )
        return answer

    def files(self, binary_id: str) -> list[str]:
        """The paths of all source files that its line tables name."""
        return [str(path) for path in self._ask(binary_id, "files", {})["files"]]

    def usdt(self, binary_id: str, names: Sequence[tuple[str, str]] | None) -> list[Answer]:
        """USDT probes of these providers and names, or all, their arguments named and typed by DWARF.

        As ``app.elf.usdt.notes.stored`` writes them.
        """
        found: list[Answer] = self._ask(binary_id, "usdt", {"names": names})["probes"]
        return found

    def _ask(self, binary_id: str, question: str, arguments: Answer) -> Answer:
        row = self._store.row(binary_id)
        path = row.paths[0] if row.paths else None

        def ask(descriptor: int, size: int) -> Answer | Problem:
            with ExitStack() as stack:
                source, owner = self._source(row, path, descriptor, size, stack)
                return self._readers.answer(source, question, arguments, owner)

        found = self._store.use_bytes(row, ask)
        if found is None:
            raise NotFound(
                f"The bytes of {row.name} are not at hand any more.", "Index its file again; it has changed."
            )
        if isinstance(found, Problem):
            raise TooLarge(found.text, "Ask for less, or raise the limits of readers.", code=found.code)
        return found

    def _source(
        self, row: BinaryRow, path: str | None, descriptor: int, size: int, stack: ExitStack
    ) -> tuple[Source, str]:
        """A binary with the files that hold the rest of what is known of it, open until ``stack`` closes.

        And whose readers read it.
        """
        debug, holder, owner = None, path, row.owner
        if row.info["debug"]["kind"] == "separate":
            wanted = sought({**row.info, "build_id": row.build_id}, path, row.id)
            found = stack.enter_context(self._debug_files.opened(wanted))
            if found is not None:
                holder, debug, owner = found.found.path, found.descriptor, owner or found.owner
        links = row.info["links"]
        others = stack.enter_context(
            companions.opened(holder, links, self._roots, self._store.open_build, self._cache)
        )
        return Source(descriptor, size, debug, others.alternate, others.parts), owner or others.owner

    def hold(self, row: BinaryRow, segments: tuple[Segment, ...], file: HostFile) -> Held:
        """The binary of an open file, which belongs to the answer from now on, also when this raises."""
        with ExitStack() as stack:
            stack.enter_context(file)
            source, owner = self._source(row, file.origin, file.descriptor, file.stamp[2], stack)
            return Held(row.id, segments, source, owner, self._readers, stack.pop_all())
