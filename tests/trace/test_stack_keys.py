"""Which part of a key is the process, by what the script says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.trace.stack_keys import Head, Shape, head, shapes


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("profile:hz:99 { @stacks[pid, ustack(perf, 40)] = count(); }", {"@stacks": Shape(1, 0)}),
        ('u:/a:f { @s[pid, *(uint64 *)reg("sp"), ustack(perf)] = count(); }', {"@s": Shape(2, 0)}),
        ("u:/a:f { @[ustack] = count(); }", {"@": Shape(0, None)}),
        ("u:/a:f { @a[comm, tid, ustack()] = sum(f(1, 2)); @b[pid] = count(); }", {"@a": Shape(2, 1)}),
        ("u:/a:f { @[pid, kstack, ustack(perf)] = count(); }", {"@": Shape(2, 0)}),
        ("u:/a:f { @a[ustack, pid] = count(); @c[kstack] = count(); print(@a); }", {}),
        ('u:/a:f { /* @x[ustack] */ printf("@y[ustack]"); } // @z[ustack]', {}),
        ("@[", {}),
        ("@", {}),
    ],
)
def test_maps_with_stacks(script: str, expected: dict[str, Shape]) -> None:
    assert shapes(script) == expected


@pytest.mark.parametrize(
    ("text", "shape", "recipe", "only", "expected"),
    [
        ("12", Shape(1, 0), "profile", None, Head(12, None, "12")),
        ("12,4198400", Shape(2, 0), "stacks", None, Head(12, 4198400, "12")),
        ("12,4198400", Shape(2, 0), "custom", None, Head(12, None, "12,4198400")),
        ("12", Shape(1, 0), "stacks", None, Head(12, None, "12")),
        ("a,b,7", Shape(2, 1), "custom", None, Head(7, None, "a,b,7")),
        ("7,a,b", Shape(2, 0), "custom", 3, Head(7, None, "7,a,b")),
        ("a,b,7,c,d", Shape(3, 1), "custom", None, Head(None, None, "a,b,7,c,d")),
        ("", Shape(0, None), "custom", 3, Head(3, None, "")),
        ("worker", Shape(1, 0), "custom", 3, Head(3, None, "worker")),
        ("9", None, "custom", None, Head(None, None, "9")),
    ],
)
def test_the_process_of_a_key(
    text: str, shape: Shape | None, recipe: str, only: int | None, expected: Head
) -> None:
    assert head(text, shape, recipe, only) == expected


@given(st.text(), st.integers(0, 4), st.none() | st.integers(0, 3), st.sampled_from(["stacks", "custom"]))
def test_nothing_is_refused(text: str, parts: int, pid: int | None, recipe: str) -> None:
    shapes(text)
    head(text, Shape(max(parts, (pid or 0) + 1), pid), recipe, None)
