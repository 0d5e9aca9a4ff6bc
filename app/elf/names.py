"""Linkage names to the names that people wrote, and those to ones short enough for a list.

LLVM's demanglers read C++ (Itanium), Rust's v0 and MSVC; Rust's old scheme is Itanium with a hash at the end,
which is dropped, and its escapes are undone (https://doc.rust-lang.org/rustc/symbol-mangling/legacy.html).
A name in no scheme, or a broken one, is given back as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pycxxfilt

# The demangler's recursion and output grow with the input; no compiler's own names are longer.
LONGEST = 1 << 14
_RUST_HASH = re.compile(r"::h[0-9a-f]{16}(?=$| |\.)")
_RUST_HASH_MANGLED = re.compile(r"17h[0-9a-f]{16}E")
_RUST_ESCAPE = re.compile(r"\$(SP|BP|RF|LT|GT|LP|RP|C|u[0-9a-f]{1,6})\$")
_RUST_WORDS = {"SP": "@", "BP": "*", "RF": "&", "LT": "<", "GT": ">", "LP": "(", "RP": ")", "C": ","}
_INLINE_SPACES = re.compile(r"\bstd::(?:__cxx11|__1|__ndk1)::")
_STRING = "std::basic_string<char, std::char_traits<char>, std::allocator<char>>"


def demangle(name: str) -> str:
    """The name as its language writes it, or ``name`` itself."""
    if len(name) < 3 or name[0] not in "_?" or len(name) > LONGEST:
        return name
    if name[0] == "_" and name[1] not in "ZR_":
        return name
    try:
        found = pycxxfilt.demangle(name)
    except (ValueError, UnicodeDecodeError):
        return name
    if not found:
        return name
    if _RUST_HASH_MANGLED.search(name):
        found = _legacy_rust(found)
    return found


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
    return re.sub(r"(^|::)_(?=[<&*@(\[])", r"\1", found).replace("..", "::")


def demangle_many(names: Sequence[str]) -> list[str]:
    """``demangle`` of each, each different name once."""
    known: dict[str, str] = {}
    for name in names:
        if name not in known:
            known[name] = demangle(name)
    return [known[name] for name in names]


def simplify(demangled: str) -> str:
    """Shortened for a list: standard strings by their usual name, no allocators, no inline namespaces."""
    if "<" not in demangled:
        return demangled
    text = _INLINE_SPACES.sub("std::", demangled).replace("> >", ">>").replace("> >", ">>")
    text = text.replace(_STRING, "std::string").replace(
        "std::basic_string_view<char, std::char_traits<char>>", "std::string_view"
    )
    return _without_default_arguments(text)


_DEFAULTS = re.compile(r", std::(?:allocator|less|equal_to|hash|default_delete|char_traits)<")


def _without_default_arguments(text: str) -> str:
    """Drops template arguments that are nearly always the default ones."""
    at = 0
    while match := _DEFAULTS.search(text, at):
        depth, end = 1, match.end()
        while end < len(text) and depth:
            depth += {"<": 1, ">": -1}.get(text[end], 0)
            end += 1
        if depth or end >= len(text) or text[end] not in ",>":
            at = match.end()
            continue
        text = text[: match.start()] + text[end:]
        at = match.start()
    return text
