"""Flame graphs: the sums of the tree, boxes inside their parents, bounds, and the difference of two."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.views.flame import ROOT, Layout, Tree, difference, layout, tree
from app.views.profiles import folded
from app.views.samples import Samples, samples, turned

NAMES = st.sampled_from(["main", "work", "leaf", "ns::f(int)", "operator;()", "[unknown]"])
STACKS = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=6).map(
        lambda names: "\n" + "".join(f"{each}+4\n" for each in names)
    ),
    st.integers(1, 10_000),
    max_size=40,
)


def boxes(found: Tree, laid: Layout) -> dict[tuple[str, float], tuple[float, float, float]]:
    """(name, x) to (depth, width, own)."""
    names = ["all" if at == ROOT else found.samples.names[at].text for at in laid.name.tolist()]
    rows = zip(
        names, laid.x.tolist(), laid.depth.tolist(), laid.width.tolist(), laid.own.tolist(), strict=True
    )
    return {(name, x): (depth, width, own) for name, x, depth, width, own in rows}


def test_boxes_stand_by_name_and_are_as_wide_as_their_stacks() -> None:
    found = tree(samples({"\nb+0\nmain+1\n": 2, "\na+0\nmain+1\n": 3, "\nmain+5\n": 4}))
    laid = layout(found)
    assert boxes(found, laid) == {
        ("all", 0.0): (0, 9.0, 0.0),
        ("main", 0.0): (1, 9.0, 4.0),
        ("a", 0.0): (2, 3.0, 3.0),
        ("b", 3.0): (2, 2.0, 2.0),
    }
    assert laid.depth.tolist() == [0, 1, 2, 2]
    assert (laid.nodes, laid.cut) == (4, 0)


def test_turned_the_innermost_functions_are_on_top() -> None:
    found = tree(turned(samples({"\nleaf+0\na+1\n": 2, "\nleaf+0\nb+1\n": 3})))
    assert boxes(found, layout(found)) == {
        ("all", 0.0): (0, 5.0, 0.0),
        ("leaf", 0.0): (1, 5.0, 0.0),
        ("a", 0.0): (2, 2.0, 2.0),
        ("b", 2.0): (2, 3.0, 3.0),
    }


def test_the_narrowest_are_cut_and_it_is_said() -> None:
    found = tree(samples({f"\nf{at}+0\nmain+1\n": at + 1 for at in range(10)}))
    laid = layout(found, 5)
    assert (len(laid.depth), laid.nodes, laid.cut, laid.widest_cut) == (5, 12, 7, 7.0)
    assert {name for name, _ in boxes(found, laid)} == {"all", "main", "f9", "f8", "f7"}
    assert layout(found, 1).depth.tolist() == [0]
    # A parent as wide as its child stays when there is room for one.
    chain = tree(samples({"\nc+0\nb+0\na+0\n": 1}))
    assert {name for name, _ in boxes(chain, layout(chain, 2))} == {"all", "a"}


def test_of_nothing_there_is_the_root_alone() -> None:
    laid = layout(tree(samples({})))
    assert (laid.width.tolist(), laid.name.tolist(), laid.nodes) == ([0.0], [ROOT], 1)


def test_the_difference_is_that_of_the_own_parts_at_the_same_total() -> None:
    before = samples({"\na+0\nmain+1\n": 10, "\nb+0\nmain+1\n": 10})
    after = samples({"\na+0\nmain+1\n": 30, "\nc+0\nmain+1\n": 10})
    found = difference(before, after)
    laid = layout(found)
    assert laid.before is not None and laid.delta is not None
    names = ["all" if at == ROOT else found.samples.names[at].text for at in laid.name.tolist()]
    rows = dict(
        zip(
            names,
            zip(laid.before.tolist(), laid.width.tolist(), laid.delta.tolist(), strict=True),
            strict=True,
        )
    )
    # b is gone, and has no width; its callers tell of it by what they were.
    assert rows == {
        "all": (40.0, 40.0, 0.0),
        "main": (40.0, 40.0, 0.0),
        "a": (20.0, 30.0, 10.0),
        "c": (0.0, 10.0, 10.0),
    }


def test_columns_are_whole_numbers_where_they_are_exact() -> None:
    columns = layout(tree(samples({"\na+0\n": 3}))).columns()
    assert {name: column.dtype.kind for name, column in columns.items()} == dict.fromkeys(columns, "i")
    assert set(columns) == {"depth", "x", "width", "name", "self"}
    large = layout(tree(samples({"\na+0\n": 1 << 63}))).columns()
    assert large["width"].tolist() == [float(1 << 63)] * 2


@given(STACKS)
def test_the_tree_has_the_sums_of_the_folded_stacks(value: dict[str, int]) -> None:
    found = samples(value)
    wanted: Counter[str] = Counter()
    for key, number in value.items():
        names = [line.partition("+")[0] for line in key.split("\n") if line]
        wanted[";".join(name.replace(";", ":") for name in reversed(names))] += number
    lines = dict(line.rsplit(" ", 1) for line in folded(found).splitlines())
    assert {stack: int(number) for stack, number in lines.items()} == wanted
    grown = tree(found)
    assert grown.total[0] == sum(wanted.values()) == grown.own.sum()
    assert ended(grown) == wanted


def ended(grown: Tree) -> Counter[str]:
    """What ends in each node, by its path."""
    found: Counter[str] = Counter()
    for node in np.flatnonzero(grown.own).tolist():
        names, at = [], node
        while at:
            names.append(grown.samples.names[grown.name[at]].text.replace(";", ":"))
            at = grown.parent[at]
        found[";".join(reversed(names))] += int(grown.own[node])
    return found


@given(STACKS, st.integers(1, 30))
def test_children_lie_side_by_side_within_their_parent(value: dict[str, int], most: int) -> None:
    inside(layout(tree(samples(value))), whole=True)
    cut = layout(tree(samples(value)), most)
    assert len(cut.depth) <= most
    assert len(cut.depth) + cut.cut == cut.nodes
    inside(cut, whole=False)


def inside(laid: Layout, whole: bool) -> None:
    order = list(zip(laid.depth.tolist(), laid.x.tolist(), strict=True))
    assert order == sorted(order)
    covered = np.zeros(len(order))
    for at, (depth, x) in enumerate(order):
        if depth == 0:
            continue
        row = np.flatnonzero(laid.depth == depth - 1)
        (parent,) = [
            up for up in row if laid.x[up] <= x and x + laid.width[at] <= laid.x[up] + laid.width[up]
        ]
        assert x >= laid.x[parent] + covered[parent]
        covered[parent] += laid.width[at]
    assert ((laid.own + covered == laid.width) if whole else (laid.own + covered <= laid.width)).all()


def test_a_hundred_thousand_boxes_keep_their_sums() -> None:
    paths = tuple((at % 7, 7 + at % 97, 104 + at) for at in range(100_000))
    names = tuple(samples({f"\nf{at}+0\n": 1 for at in range(100_104)}).names)
    found = Samples(names, paths, tuple(at % 5 + 1 for at in range(100_000)))
    laid = layout(tree(found))
    assert len(laid.depth) == 100_000
    assert laid.cut == laid.nodes - 100_000 > 0
    assert laid.width[0] == found.total
