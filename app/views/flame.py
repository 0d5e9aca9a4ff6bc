"""Samples to a flame graph: a tree of names, laid out as columns of boxes; also the difference of two.

The root is all of it, on top; a box is as wide as the stacks that go through it, boxes of one parent stand
by name. Columns are in the order (depth, x), so a row of the picture is a slice, and a place in it is found
by halving. The difference is Brendan Gregg's (differential flame graphs, 2014): widths are those after, what
was before is scaled to the same total, and a box tells by how much its own part grew.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from app.views.samples import Samples, aligned

MOST_NODES = 100_000
ROOT = -1  # the name of the root
# Up to here a float64 has every whole number.
EXACT = float(1 << 53)
Whole = npt.NDArray[np.int64]
Real = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tree:
    """Nodes by their order of coming, parents before children; node 0 is the root."""

    samples: Samples  # whose names they have
    parent: Whole
    name: Whole  # ROOT for the root
    depth: Whole
    own: Real  # of stacks that end there
    total: Real
    own_before: Real | None = None  # scaled to the same total
    total_before: Real | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """Boxes by (depth, x); x and width in the unit of the values."""

    depth: Whole
    x: Real
    width: Real
    name: Whole
    own: Real
    before: Real | None  # what the width was, scaled
    delta: Real | None  # by how much ``own`` grew
    nodes: int  # of the tree, those without width left out
    cut: int  # of them not among the boxes: the narrowest
    widest_cut: float

    def columns(self) -> dict[str, Any]:
        """Arrays as JSON has them: whole numbers as far as they are exact."""
        found: dict[str, Any] = {"depth": self.depth, "name": self.name}
        for name in ("x", "width", "own", "before", "delta"):
            column = getattr(self, name)
            if column is not None:
                found["self" if name == "own" else name] = _plain(column)
        return found


def tree(found: Samples) -> Tree:
    """The tree of the paths as they are; see ``samples.turned`` and ``samples.below`` for others."""
    parent, name, depth, (own,) = _grown([found])
    return Tree(found, parent, name, depth, own, _totals(parent, depth, own))


def difference(before: Samples, after: Samples) -> Tree:
    """One tree of both."""
    one, two = aligned(before, after)
    parent, name, depth, (own_before, own) = _grown([one, two])
    if one.total and two.total:
        own_before = own_before * (two.total / one.total)
    return Tree(
        two,
        parent,
        name,
        depth,
        own,
        _totals(parent, depth, own),
        own_before,
        _totals(parent, depth, own_before),
    )


def layout(found: Tree, most: int = MOST_NODES) -> Layout:
    """At most ``most`` boxes (one at least, the root): the widest, and so each with its parents."""
    wide = found.total > 0
    wide[0] = True
    nodes = int(wide.sum())
    widest_cut = 0.0
    if nodes > most:
        order = np.lexsort((found.depth, -found.total))
        widest_cut = float(found.total[order[most]])
        wide = np.zeros(len(wide), bool)
        wide[order[: max(1, most)]] = True
        wide[0] = True
    chosen = np.flatnonzero(wide)
    chosen = chosen[np.argsort(found.depth[chosen], kind="stable")]
    x, order = _placed(found, chosen)
    before, delta = None, None
    if found.own_before is not None and found.total_before is not None:
        before, delta = found.total_before[order], found.own[order] - found.own_before[order]
    return Layout(
        found.depth[order],
        x[order],
        found.total[order],
        found.name[order],
        found.own[order],
        before,
        delta,
        nodes,
        nodes - len(order),
        widest_cut,
    )


def _placed(found: Tree, chosen: Whole) -> tuple[Real, Whole]:
    """(x of each node, the chosen ones in their order), row by row from the root."""
    names = found.samples.names
    by_name = sorted(range(len(names)), key=lambda at: (names[at].text, names[at].module or ""))
    rank = np.empty(len(names), np.int64)
    rank[by_name] = np.arange(len(names))
    x = np.zeros(len(found.parent))
    place = np.zeros(len(found.parent), np.int64)  # in its row
    depths = found.depth[chosen]
    starts = np.searchsorted(depths, np.arange(1, int(depths[-1]) + 2))
    rows = [chosen[:1]]
    for begin, end in pairwise(starts.tolist()):
        row = chosen[begin:end]
        row = row[np.lexsort((rank[found.name[row]], place[found.parent[row]]))]
        parent = found.parent[row]
        width = found.total[row]
        left = np.cumsum(width) - width
        first = np.concatenate(([True], parent[1:] != parent[:-1]))
        x[row] = x[parent] + left - left[first][np.cumsum(first) - 1]
        place[row] = np.arange(len(row))
        rows.append(row)
    return x, np.concatenate(rows)


def _grown(each: list[Samples]) -> tuple[Whole, Whole, Whole, list[Real]]:
    """(parents, names, depths, own numbers of each) of one tree over the paths of all.

    They share their names.
    """
    parents, labels, depths = [0], [ROOT], [0]
    known: dict[int, int] = {}
    size = len(each[0].names)
    own = []
    ends: list[list[int]] = []
    for found in each:
        ends.append([])
        for path in found.paths:
            node = 0
            for depth, name in enumerate(path, 1):
                key = node * size + name
                child = known.get(key)
                if child is None:
                    child = known[key] = len(parents)
                    parents.append(node)
                    labels.append(name)
                    depths.append(depth)
                node = child
            ends[-1].append(node)
    for found, nodes in zip(each, ends, strict=True):
        numbers = np.zeros(len(parents))
        np.add.at(numbers, np.array(nodes, np.int64), np.array(found.values, np.float64))
        own.append(numbers)
    return np.array(parents, np.int64), np.array(labels, np.int64), np.array(depths, np.int64), own


def _totals(parent: Whole, depth: Whole, own: Real) -> Real:
    """What ends in a node or below it."""
    total = own.copy()
    order = np.argsort(depth, kind="stable")
    starts = np.searchsorted(depth[order], np.arange(int(depth.max()) + 2))
    for level in range(int(depth.max()), 0, -1):
        row = order[starts[level] : starts[level + 1]]
        np.add.at(total, parent[row], total[row])
    return total


def _plain(column: Real) -> Whole | Real:
    whole = len(column) == 0 or (float(np.abs(column).max()) < EXACT and not (column % 1).any())
    return column.astype(np.int64) if whole else column
