"""The functions of a unit from its DIEs, where no compiler was at hand for the native core."""

from __future__ import annotations

import heapq

import numpy as np

from app.elf.dwarf.dies import At, Die, Tag
from app.elf.dwarf.scopes import Scopes

_DEEPEST = 500


class ScopeMaker:
    """Collects scopes in the order of their DIEs."""

    def __init__(self) -> None:
        self._keys: list[int] = []
        self._parents: list[int] = []
        self._inlined = bytearray()
        self._calls: list[list[int]] = []
        self._names: list[str] = []
        self._linkages: list[str] = []
        self._ranges: list[tuple[int, int, int]] = []

    def add(self, die: Die, parent: int, depth: int = 0) -> None:
        """A DIE and what lies in it."""
        if die.tag in (Tag.subprogram, Tag.inlined_subroutine) and die.ranges:
            inlined = die.tag == Tag.inlined_subroutine
            self._keys.append(die.key)
            self._parents.append(parent if inlined else -1)
            self._inlined.append(inlined)
            self._calls.append([die.number(at) or 0 for at in (At.call_file, At.call_line, At.call_column)])
            self._names.append(die.inherited_name() or "")
            self._linkages.append(die.linkage_name or "")
            parent = len(self._keys) - 1
            self._ranges += [(low, high, parent) for low, high in die.ranges]
        if depth < _DEEPEST:
            for child in die.children:
                self.add(child, parent, depth + 1)

    def scopes(self) -> Scopes:
        table = np.array(self._ranges, np.uint64).reshape(-1, 3)
        starts, inner = self._segments()
        return Scopes(
            np.array(self._keys, np.uint64),
            np.array(self._parents, np.int32),
            bytes(self._inlined),
            np.array(self._calls, np.uint32).reshape(-1, 3),
            self._names,
            self._linkages,
            table[:, 0],
            table[:, 1],
            table[:, 2].astype(np.uint32),
            np.array(starts, np.uint64),
            np.array(inner, np.int32),
            False,
        )

    def _segments(self) -> tuple[list[int], list[int]]:
        """From each address on where that changes, the innermost scope: the last of those open."""
        starts: list[int] = []
        inner: list[int] = []
        open_: list[tuple[int, int]] = []  # a heap of (-scope, high)
        for low, high, scope in [*sorted(self._ranges), (1 << 64, 0, 0)]:
            while open_ and open_[0][1] <= low:
                end = open_[0][1]
                while open_ and open_[0][1] <= end:
                    heapq.heappop(open_)
                starts.append(end)
                inner.append(-open_[0][0] if open_ else -1)
            heapq.heappush(open_, (-scope, high))
            starts.append(low)
            inner.append(-open_[0][0])
        return starts[:-1], inner[:-1]
