"""Names against c++filt on real symbols, and the schemes that it does not read."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from app.elf.reader import read_facts
from app.elf.symbols.names import LONGEST_SHOWN, demangle, demangle_many

LIBRARY = next(Path("/usr/lib").glob("*-linux-gnu/libstdc++.so.6"))


def test_a_real_library_as_cppfilt_reads_it() -> None:
    columns = read_facts(LIBRARY.read_bytes()).symbols
    assert columns is not None
    names = sorted(
        {
            columns.names[at : at + length].decode()
            for at, length in zip(columns.name_at.tolist(), columns.name_len.tolist(), strict=True)
        }
    )
    mangled = [
        name for name in names if name.startswith("_Z") and not name.startswith("_ZGTt")
    ]  # clones for transactions
    assert len(mangled) > 3000
    done = subprocess.run(["c++filt"], input="\n".join(mangled), capture_output=True, text=True, check=True)
    mine = demangle_many(mangled)
    assert [name for name, plain in zip(mangled, mine, strict=True) if name == plain] == []
    # Where a name has std's abbreviations, c++filt writes them out, and nm -C does not.
    differing = [
        (name, a, b)
        for name, a, b in zip(mangled, mine, done.stdout.splitlines(), strict=True)
        if a != b and not re.search("S[sabiod]", name)
    ]
    assert differing == []


@pytest.mark.parametrize(
    ("mangled", "plain"),
    [
        ("_ZN3foo3barEi", "foo::bar(int)"),
        ("_ZN4core3fmt9Formatter9write_str17h0123456789abcdefE", "core::fmt::Formatter::write_str"),
        (
            "_ZN60_$LT$alloc..string..String$u20$as$u20$core..fmt..Display$GT$3fmt17h0123456789abcdefE",
            "<alloc::string::String as core::fmt::Display>::fmt",
        ),
        ("_ZN4mine3run28_$u7b$$u7b$closure$u7d$$u7d$17h0123456789abcdefE", "mine::run::{{closure}}"),
        ("_RNvC6_123foo3bar", "123foo::bar"),
        ("_Z3addii.constprop.0", "add(int, int) [clone .constprop.0]"),
        ("main", "main"),
        ("_start", "_start"),
        ("", ""),
        ("_Z", "_Z"),
        ("_Zinvalid", "_Zinvalid"),
        ("main.main", "main.main"),
        ("_Z" + "P" * 100000 + "i", "_Z" + "P" * 100000 + "i"),
    ],
)
def test_one(mangled: str, plain: str) -> None:
    assert demangle(mangled) == plain


def doubling(depth: int) -> str:
    """A name whose text doubles with each part."""
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return "_Z1f1AIiiE" + "".join(f"S_IS{digits[part]}_S{digits[part]}_E" for part in range(depth))


@pytest.mark.parametrize("depth", [13, 20, 35])
def test_a_name_that_would_never_end_stays_as_it_is(depth: int) -> None:
    assert demangle(doubling(depth)) == doubling(depth)


def test_a_text_that_is_too_long_is_not_taken() -> None:
    """Not so long that the name is seen to be one of those."""
    assert demangle(doubling(2)) != doubling(2)
    assert demangle(doubling(9)) == doubling(9) or len(demangle(doubling(9))) <= LONGEST_SHOWN
