"""Maps with stacks in their keys to samples, and what is asked of these."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.trace.decode import decode
from app.views.samples import (
    DEEPEST,
    Name,
    Samples,
    aligned,
    below,
    has_stacks,
    heaviest,
    increase,
    samples,
    search,
    sum_changes,
    sums,
    turned,
)

# As 0.17 prints @stacks[pid, ustack(perf)], the innermost frame first.
PERF = {
    "7,\n\t55d0c1 leaf+12 (/opt/a)\n\t55d0f0 work+40 (/opt/a)\n\t7f00 main+3 (/opt/a)\n": 5,
    "7,\n\t55d0c9 leaf+20 (/opt/a)\n\t55d0f0 work+40 (/opt/a)\n\t7f00 main+3 (/opt/a)\n": 2,
    "7,\n\t55d0f4 work+44 (/opt/a)\n\t7f00 main+3 (/opt/a)\n": 1,
    "8,\n\t9f leaf (/lib/b.so)\n\t0 [unknown] (/lib/c.so)\n\t0 [unknown] ([unknown])\n": 4,
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


RECORDINGS = Path(__file__).resolve().parents[1] / "recordings"


def spelled(found: Samples) -> dict[str, int]:
    return {
        ";".join(found.names[at].text for at in path): number
        for path, number in zip(found.paths, found.values, strict=True)
    }


def test_frames_are_merged_by_name_and_processes_come_first() -> None:
    found = samples(PERF)
    assert spelled(found) == {
        "7;main;work;leaf": 7,
        "7;main;work": 1,
        "8;[unknown];[c.so];leaf": 4,
    }
    assert found.total == 12
    by_text = {name.text: name for name in found.names}
    assert by_text["7"] == Name("7", None, True)
    assert by_text["work"].module == "/opt/a"
    # Two files have it: which of them is not known.
    assert by_text["leaf"].module is None
    assert spelled(samples(PERF, heads=False))["main;work;leaf"] == 7


def test_kept_apart_by_file_each_function_has_its_own() -> None:
    found = samples(PERF, apart=True)
    labels = {found.label(at) for at in range(len(found.names))}
    assert {"leaf (a)", "leaf (b.so)", "7", "[unknown]"} <= labels
    assert {name.module for name in found.names if name.text == "leaf"} == {"/opt/a", "/lib/b.so"}


def test_what_has_no_stack_or_no_number_is_passed_over_and_counted() -> None:
    found = samples({"\nwork+0\n": 3, "plain": 5, "\nidle+0\n": 0, "\nback+0\n": -4, "\nodd\n": "text"})
    assert spelled(found) == {"work": 3}
    assert found.passed == 4
    assert samples(None).paths == samples(5).paths == ()


def test_averages_and_histograms_by_stack_count_their_values() -> None:
    stats = {"count": 4, "average": 10, "total": 40}
    assert spelled(samples({"\nwork+0\n": stats})) == {"work": 4}
    assert spelled(samples({"\nwork+0\n": [{"min": 1, "max": 1, "count": 2}, {"min": 2, "count": 3}]})) == {
        "work": 5
    }


@pytest.mark.parametrize("version", [(0, 17, 0), (0, 23, 2), (0, 27, 1)], ids=str)
def test_stacks_as_three_versions_print_them(version: tuple[int, int, int]) -> None:
    """@stk[ustack(3)] of all.bt: work, called by what has no name."""
    lines = (RECORDINGS / f"all.{version[0]}.{version[1]}.json").read_bytes().splitlines()
    events = [found for line in lines if (found := decode(line, version)) and found.type == "map"]
    values = [event.data["@stk"] for event in events if "@stk" in event.data]
    assert values
    for value in values:
        assert has_stacks(value)
        (number,) = value.values()
        assert spelled(samples(value)) == {"[unknown];work": number}


def test_a_stack_without_frames_is_unknown_and_a_deep_one_keeps_its_innermost() -> None:
    assert spelled(samples({"7,\n": 2})) == {"7;[unknown]": 2}
    deep = "\n" + "".join(f"f{at}+0\n" for at in range(DEEPEST + 5))
    (path,) = spelled(samples({deep: 1}))
    assert path.split(";")[-1] == "f0"
    assert path.count(";") == DEEPEST - 1


def test_a_function_that_calls_itself_counts_once() -> None:
    found = samples({"\nf+0\nf+8\nmain+1\n": 3, "\nmain+9\n": 1})
    rows = {found.names[row.at].text: (row.own, row.total) for row in sums(found)}
    assert rows == {"f": (3, 3), "main": (1, 4)}
    assert [found.names[row.at].text for row in sums(found)] == ["f", "main"]
    assert "7" not in {samples(PERF).names[row.at].text for row in sums(samples(PERF))}


def test_turned_below_and_searched() -> None:
    found = samples(PERF)
    assert spelled(turned(found))["leaf;work;main;7"] == 7
    assert spelled(below(found, "work")) == {"work;leaf": 7, "work": 1}
    assert spelled(below(turned(found), "work")) == {"work;main;7": 8}
    hits, covered = search(found, "LEA")
    assert ([found.names[at].text for at in hits], covered) == (["leaf"], 11)
    assert search(found, "nothing") == ((), 0)
    assert [number for _, number in heaviest(found, 2)] == [7, 4]


def test_what_came_between_two_prints() -> None:
    before, after = {"\na+0\n": 5}, {"\na+0\n": 7, "\nb+0\n": 2}
    assert increase(before, after) == ({"\na+0\n": 2, "\nb+0\n": 2}, False)
    # Smaller, or gone: the map was cleared.
    assert increase({"\na+0\n": 9}, after) == (after, True)
    assert increase({"\nc+0\n": 1}, after) == (after, True)


def test_two_are_compared_at_the_same_total() -> None:
    one, two = aligned(samples({"\na+0\n": 10, "\nb+0\n": 10}), samples({"\na+0\n": 30, "\nc+0\n": 10}))
    assert one.names == two.names
    rows = {
        two.names[row.at].text: (row.before, row.own, row.delta, row.total_before)
        for row in sum_changes(one, two)
    }
    assert rows == {"a": (20.0, 30, 10.0, 20.0), "b": (20.0, 0, -20.0, 20.0), "c": (0.0, 10, 10.0, 0.0)}
    assert two.names[sum_changes(one, two)[0].at].text == "b"


def test_whether_a_map_has_stacks() -> None:
    assert has_stacks(PERF)
    assert not has_stacks({"a,b": 1})
    others: tuple[Any, ...] = ({}, None, 5, [1], "\n")
    assert not any(map(has_stacks, others))


@given(st.dictionaries(st.text() | st.text(alphabet="ab+0x,()/[]; \n\t"), ANYTHING))
def test_garbage_never_raises(value: dict[str, Any]) -> None:
    for apart in (False, True):
        found = samples(value, apart=apart)
        assert all(number > 0 for number in found.values)
        assert len(set(found.paths)) == len(found.paths)
        assert len(found.paths) + found.passed <= len(value)
        for name in found.names:
            name.text.encode()
        sums(turned(found))
        increase(value, value)
