"""The functions of one unit and the inlined copies in them, as columns: which one an address lies in.

Scopes are in the order of their DIEs, so that a scope's number is higher than its parent's. From
``segment_start[i]`` up to the next one the innermost scope is ``segment_scope[i]``, -1 for none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# What the core gives: keys, parents, inlined, calls, names, linkage names, ranges, segments, cut.
ScopeColumns = tuple[
    bytes, bytes, bytearray, bytes, list[str], list[str], bytes, bytes, bytes, bytes, bytes, bool
]


@dataclass(frozen=True, slots=True)
class Scopes:
    key: npt.NDArray[np.uint64]
    parent: npt.NDArray[np.int32]  # -1: a function of its own
    inlined: bytes
    calls: npt.NDArray[np.uint32]  # file, line, column of the call, 0 where not said; three to a scope
    names: list[str]
    linkage_names: list[str]
    range_low: npt.NDArray[np.uint64]
    range_high: npt.NDArray[np.uint64]
    range_scope: npt.NDArray[np.uint32]
    segment_start: npt.NDArray[np.uint64]
    segment_scope: npt.NDArray[np.int32]
    cut: bool

    def at(self, addresses: npt.NDArray[np.uint64]) -> npt.NDArray[np.int32]:
        """The innermost scope of each address; -1 for none."""
        if not len(self.segment_start):
            return np.full(len(addresses), -1, np.int32)
        index = np.searchsorted(self.segment_start, addresses, "right").astype(np.int64) - 1
        return np.where(index < 0, np.int32(-1), self.segment_scope[np.maximum(index, 0)])

    def chain(self, scope: int) -> list[int]:
        """The scope and those around it, the function last."""
        found = []
        while scope >= 0:
            found.append(scope)
            scope = int(self.parent[scope])
        return found

    def ranges(self, scope: int) -> list[tuple[int, int]]:
        first, last = np.searchsorted(self.range_scope, [scope, scope + 1], "left").tolist()
        return list(
            zip(self.range_low[first:last].tolist(), self.range_high[first:last].tolist(), strict=True)
        )


def scopes(answer: ScopeColumns) -> Scopes:
    """From what the core's ``scopes`` gives."""
    key, parent, inlined, calls, names, linkages, low, high, owner, start, inner, cut = answer
    return Scopes(
        np.frombuffer(key, np.uint64),
        np.frombuffer(parent, np.int32),
        bytes(inlined),
        np.frombuffer(calls, np.uint32).reshape(-1, 3),
        names,
        linkages,
        np.frombuffer(low, np.uint64),
        np.frombuffer(high, np.uint64),
        np.frombuffer(owner, np.uint32),
        np.frombuffer(start, np.uint64),
        np.frombuffer(inner, np.int32),
        cut,
    )
