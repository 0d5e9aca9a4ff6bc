"""What a script does with its maps, read from its text."""

from __future__ import annotations

import pytest

from app.trace.usage import usage


@pytest.mark.parametrize(
    "text",
    [
        "@c = count();",
        "@c[pid, comm] = sum(arg0);",
        "@c[@other[tid], 1] = hist(arg0);",
        "@c = lhist(arg0, 0, 10, 1);",
        "@c[1] = stats(5);",
        "@c++;",
        "@c[tid]++;",
        "++@c;",
        "@c += 5;",
        "@c[\n  pid // the process\n] = count();",
    ],
)
def test_what_counts_up(text: str) -> None:
    assert usage(f"uprobe:/bin/x:f {{ {text} }}").counted == {"@c"}


@pytest.mark.parametrize(
    "text",
    [
        "@c = 5;",
        "@c = max(arg0);",
        "@c == count;",
        "@c = @count;",
        'printf("@c = count()");',
        "// @c = count()\n",
    ],
)
def test_what_does_not(text: str) -> None:
    assert usage(f"uprobe:/bin/x:f {{ {text} }}").counted == frozenset()


def test_the_map_without_a_name() -> None:
    assert usage("interval:s:1 { print(@); clear(@); } uprobe:/x:f { @[pid] = count(); }") == usage(
        "interval:s:1 { clear(@); } uprobe:/x:f { @ = count(); }"
    )


def test_what_is_emptied_by_the_clock() -> None:
    text = "interval:ms:500 /1/ { print(@us); clear(@us); if (1) { zero(@c); } }"
    assert usage(f"BEGIN {{ @a = 1; }} {text} END {{ clear(@d); }}").cleared == {"@us", "@c"}
    assert usage("uprobe:/x:f { clear(@a); } profile:hz:9 { clear(@b); }").cleared == {"@b"}
    # A function of that name is no clock.
    assert usage("uprobe:/x:interval { clear(@a); }").cleared == frozenset()


@pytest.mark.parametrize(
    "text", ["", "@", "@c[", "}}}}", "@c[[[ = count(", "interval:s:1 { clear(", "\x00@x++"]
)
def test_broken_texts_are_read_too(text: str) -> None:
    usage(text)
