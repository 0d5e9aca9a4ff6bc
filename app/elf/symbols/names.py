"""Linkage names to the names that people wrote (``simplify`` makes those short enough for a list).

C++ names are spelled as ``nm -C`` spells them, by the C++ library's own demangler behind the native core.
LLVM's reads what that one does not: Rust's v0, names of more than 1,024 bytes, and all where there is no such
library. Rust's old scheme is C++'s with a hash at the end, which is dropped, and its escapes are undone
(https://doc.rust-lang.org/rustc/symbol-mangling/legacy.html). A name in no scheme, or a broken one, is given
back as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pycxxfilt

try:
    from app.elf import _symbols
except ImportError:  # no compiler was at hand
    _symbols = None  # type: ignore[assignment]

# The demangler's recursion and output grow with the input; no compiler's own names are longer.
LONGEST, LONGEST_SHOWN = 1 << 14, 1 << 16
_RUST_HASH = re.compile(r"::h[0-9a-f]{16}(?=$| |\.)")
_RUST_HASH_MANGLED = re.compile(r"17h[0-9a-f]{16}E")
_RUST_ESCAPE = re.compile(r"\$(SP|BP|RF|LT|GT|LP|RP|C|u[0-9a-f]{1,6})\$")
_RUST_WORDS = {"SP": "@", "BP": "*", "RF": "&", "LT": "<", "GT": ">", "LP": "(", "RP": ")", "C": ","}
_CLOSING = re.compile(r"(?<!operator)(?<!operator>)>(?=>)")


def demangle(name: str) -> str:
    """The name as its language writes it, or ``name`` itself."""
    if not name.startswith(("_Z", "_R", "_GL")) or len(name) < 3 or len(name) > LONGEST:
        return name
    try:
        raw = name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return name
    found = _symbols.demangle(raw) if _symbols is not None else False
    if found is False:
        found = _by_llvm(raw)
    return found.decode("utf-8", "surrogateescape") if isinstance(found, bytes) else name


def demangle_foreign(names: list[bytes]) -> list[bytes]:
    """What LLVM's demangler makes of each name; the name itself where it makes nothing."""
    return [_by_llvm(name) for name in names]


def _by_llvm(raw: bytes) -> bytes:
    try:
        name = raw.decode()
        found = pycxxfilt.demangle(name)
    except (ValueError, UnicodeError):
        return raw
    if not found or len(found) > LONGEST_SHOWN:
        return raw
    if _RUST_HASH_MANGLED.search(name):
        found = _legacy_rust(found)
    elif name.startswith("_Z"):
        found = _spaced(found)
    return found.encode("utf-8", "surrogateescape")


def _spaced(text: str) -> str:
    """``>>`` that closes two lists of template arguments as ``> >``."""
    return _CLOSING.sub("> ", text)


def _legacy_rust(found: str) -> str:
    found = _RUST_HASH.sub("", found)

    def letter(match: re.Match[str]) -> str:
        word = match.group(1)
        if word in _RUST_WORDS:
            return _RUST_WORDS[word]
        code = int(word[1:], 16)
        return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else match.group()

    found = _RUST_ESCAPE.sub(letter, found)
    # An element that starts with an escape has a _ before it, because no identifier starts with $.
    return re.sub(r"(^|::)_(?=[<&*@(\[{])", r"\1", found).replace("..", "::")


def demangle_many(names: Sequence[str]) -> list[str]:
    """``demangle`` of each, each different name once."""
    known: dict[str, str] = {}
    for name in names:
        if name not in known:
            known[name] = demangle(name)
    return [known[name] for name in names]
