"""A binary that stays open with its debug file and what that refers to, for many questions about addresses.

Its bytes are asked, whatever lies at its path by then: for who traces a process whose file is replaced, or
which ends and takes its mount namespace with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from app.elf.model import Segment
from app.elf.problem import Problem
from app.errors import TooLarge
from app.index.reader import Source
from app.index.readers import Readers


@dataclass(slots=True, eq=False)
class Held:
    """Any thread may ask, one at a time; who has it closes it."""

    id: str
    segments: tuple[Segment, ...]
    source: Source
    owner: str  # whose readers read it
    readers: Readers
    stack: ExitStack = field(repr=False)

    @property
    def descriptors(self) -> int:
        """How many files are open for it."""
        return len(self.source.descriptors)

    def locate(self, addresses: Sequence[int]) -> list[dict[str, Any]]:
        """As ``Answers.locate`` does, with ``demangled`` beside each function. Raises TooLarge."""
        arguments = {"addresses": list(addresses), "demangled": True}
        found = self.readers.answer(self.source, "locate", arguments, self.owner)
        if isinstance(found, Problem):
            raise TooLarge(found.text, "Ask for less, or raise the limits of readers.", code=found.code)
        locations: list[dict[str, Any]] = found["locations"]
        return locations

    def close(self) -> None:
        self.stack.close()
