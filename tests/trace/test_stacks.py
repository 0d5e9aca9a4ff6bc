"""Stacks in the forms of three versions, and there and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.trace.stacks import UNKNOWN, StackFrame, has_stack, join, split

FRAMES = st.builds(
    StackFrame,
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_:<>~]{0,20}(\([a-z ,*&]{0,10}\))?", fullmatch=True),
    st.integers(0, 2**64 - 1),
    st.none() | st.integers(0, 2**32),
    st.none() | st.sampled_from(["/usr/lib/x y/libc.so.6", "/opt/a(b)/c", "[vdso]", "[unknown]"]),
    st.booleans(),
    st.none() | st.sampled_from(["/src/a b.c:12", "main.go:7"]),
).filter(lambda frame: frame.module is not None or frame.source is None)


@pytest.mark.parametrize(
    ("text", "head", "names"),
    [
        ("\n    work+0\n    0x65\n", "", ["work", UNKNOWN]),  # 0.17
        ("\n        work+0\n        0x65\n", "", ["work", UNKNOWN]),  # 0.23, once it is unescaped
        ("\nwork+0\n0x65\n", "", ["work", UNKNOWN]),  # 0.27
        ("12,\n\t55d0c work+12 (/opt/a)\n\t0 [unknown] ([unknown])\n", "12", ["work", UNKNOWN]),
        ("bash,7,\n\t7f12a0\n", "bash,7", [UNKNOWN]),  # raw
        ("no stack", "no stack", []),
    ],
)
def test_forms_of_the_versions(text: str, head: str, names: list[str]) -> None:
    found, frames = split(text)
    assert (found, [frame.name for frame in frames]) == (head, names)
    assert has_stack(text) == bool(names)


def test_all_parts_of_a_frame_are_read() -> None:
    _, (inner, outer) = split(
        "1,\n\t4f0 ns::f(int) [inlined] (/opt/a b) /src/x.cc:12\n\t4f0 operator()+0x1c (/opt/a b)\n"
    )
    assert inner == StackFrame("ns::f(int)", 0x4F0, None, "/opt/a b", True, "/src/x.cc:12")
    assert outer == StackFrame("operator()", 0x4F0, 28, "/opt/a b")


@given(
    st.text(alphabet="abc,7", max_size=8).map(lambda text: text.rstrip(", ")), st.lists(FRAMES, min_size=1)
)
def test_there_and_back(head: str, frames: list[StackFrame]) -> None:
    assert split(join(head, tuple(frames))) == (head, tuple(frames))


@given(st.text())
def test_nothing_is_refused(text: str) -> None:
    head, frames = split(text)
    assert isinstance(head, str)
    assert all(frame.name for frame in frames)
