"""Shortened names: rules by example, and what must hold for each of thousands of names of real libraries."""

from __future__ import annotations

import subprocess
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.elf.image import open_image
from app.elf.symbols.names import demangle
from app.elf.symbols.rows import read_symbols
from app.elf.symbols.simplify import simplify, simplify_many
from tests.elf.corpus import elf_files

_LLVM_STRING = "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char>>"
_GNU_STRING = "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >"
_MAP = "std::map<{0}, int, std::less<{0} >, std::allocator<std::pair<{0} const, int> > >"


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("main", "main"),
        ("operator<(int, int)", "operator<(int, int)"),
        (f"f({_LLVM_STRING} const&)", "f(std::string const&)"),
        (f"f({_GNU_STRING} const&)", "f(std::string const&)"),
        (f"f({_MAP.format(_GNU_STRING)})", "f(std::map<std::string, int>)"),
        (f"f({_MAP.format(_LLVM_STRING).replace('> >', '>>').replace(' >', '>')})",
         "f(std::map<std::string, int>)"),
        ("f(std::vector<int, std::allocator<int>>)", "f(std::vector<int>)"),
        ("f(std::vector<int, my::arena<int>>)", "f(std::vector<int, my::arena<int>>)"),
        ("f(std::set<int, std::greater<int>, std::allocator<int>>)", "f(std::set<int, std::greater<int>>)"),
        ("f(std::tuple<int, std::less<int>>)", "f(std::tuple<int, std::less<int>>)"),
        (
            "f(std::unordered_map<int, long, std::hash<int>, std::equal_to<int>,"
            " std::allocator<std::pair<int const, long>>>)",
            "f(std::unordered_map<int, long>)",
        ),
        ("std::unique_ptr<A, std::default_delete<A> >::get() const", "std::unique_ptr<A>::get() const"),
        ("std::basic_ostream<char, std::char_traits<char> >& f()", "std::ostream& f()"),
        ("std::basic_string<wchar_t, std::char_traits<wchar_t>, std::allocator<wchar_t>>::size() const",
         "std::wstring::size() const"),
        ("std::basic_string_view<char, std::char_traits<char>>", "std::string_view"),
        ("f(std::chrono::duration<long, std::ratio<1l, 1000l> >)", "f(std::chrono::milliseconds)"),
        ("f(std::chrono::duration<double, std::ratio<1l, 1l> >)",
         "f(std::chrono::duration<double, std::ratio<1l, 1l>>)"),
        ("std::__1::vector<int, std::__1::allocator<int>>::size()", "std::vector<int>::size()"),
        ("a::(anonymous namespace)::b()", "a::(anon)::b()"),
        ("name[abi:cxx11]()", "name()"),
        ("f()::{lambda(int)#1}::operator()(int) const", "f()::lambda(int)"),
        ("f()::'lambda'(int)::operator()(int) const", "f()::lambda(int)"),
        ("f()::{lambda(int)#2}::operator()(int) const", "f()::lambda(int)#2"),
        ("f()::'lambda0'(int)::operator()(int) const", "f()::lambda(int)#2"),
        ("f()::{lambda(int)#1}::_FUN(int)", "f()::lambda(int)::_FUN(int)"),
        ("f()::{unnamed type#1}::g()", "f()::unnamed::g()"),
        ("work(int) [clone .constprop.0]", "work(int) (.constprop.0)"),
        ("std::operator<< <std::char_traits<char> >(int)", "std::operator<<<std::char_traits<char>>(int)"),
        ("operator<<<int>(A<int>)", "operator<<<int>(A<int>)"),
        ("bool operator< <int>(A<int>)", "bool operator<<int>(A<int>)"),
        ("A<(1)>(0)>::f()", "A<(1)>(0)>::f()"),
        ("A::operator->() const", "A::operator->() const"),
        ("<alloc::vec::Vec<T> as core::ops::drop::Drop>::drop", "<Vec<T> as Drop>::drop"),
        ("<mine::a::Config as core::fmt::Debug>::fmt", "<mine::a::Config as Debug>::fmt"),
        ("core::ptr::drop_in_place<alloc::string::String>", "core::ptr::drop_in_place<String>"),
        ("<alloc::raw_vec::RawVec<mine::Info>>::grow_one", "<RawVec<mine::Info>>::grow_one"),
        ("mine::adhoc::<alloc::string::String>", "mine::adhoc::<String>"),
        ("mine::run::h0123456789abcdef", "mine::run"),
        ("mine::run::_{{closure}}::h0123456789abcdef", "mine::run::{{closure}}"),
        ("mine[9e6a08e89e4b9111]::run", "mine::run"),
        ("broken<int(", "broken<int("),
        ("broken)>", "broken)>"),
        ("", ""),
    ],
)  # fmt: skip
def test_shortened(name: str, short: str) -> None:
    assert simplify(name) == short


def test_what_is_too_deep_or_too_long_stays() -> None:
    for name in ("f<" * 1000 + ">" * 1000, "f<int>" * 10_000):
        assert simplify(name) == name


def test_two_abis_stay_apart() -> None:
    old, new = "std::string::size() const", f"{_LLVM_STRING}::size() const"
    assert simplify(old) == simplify(new)
    assert simplify_many([old, new, old, "f(std::vector<int, std::allocator<int>>)"]) == [
        old, new, old, "f(std::vector<int>)",
    ]  # fmt: skip


_PARTS = ["std::", "vector", "<", ">", "(", ")", ", ", "int", "std::allocator<int>", "operator", " as ", "->"]
_PARTS += [
    "[abi:cxx11]",
    "{lambda(int)#1}",
    "'lambda0'",
    "(anonymous namespace)",
    "{",
    "}",
    "[",
    "]",
    " ",
    "::",
]


@given(st.lists(st.sampled_from(_PARTS), max_size=14))
def test_no_text_raises(parts: list[str]) -> None:
    name = "".join(parts)
    short = simplify(name)
    assert len(short) <= len(name)
    assert bool(short) == bool(name)


@lru_cache
def mangled() -> tuple[str, ...]:
    """Names of C++ and Rust out of real libraries, evenly over all that were found."""
    found: set[str] = set()
    here = Path(__file__).parents[3] / ".venv"
    for path in (*elf_files(250), *here.glob("lib/python3*/site-packages/**/*.so")):
        symbols = read_symbols(open_image(path.read_bytes()))
        if symbols is None:
            continue
        for at, length in zip(symbols.name_at.tolist(), symbols.name_len.tolist(), strict=True):
            name = symbols.names[at : at + length]
            if name[:2] in (b"_Z", b"_R"):
                found.add(name.decode("utf-8", "backslashreplace"))
    every = sorted(found)
    return tuple(every[:: max(1, len(every) // 8_000)])


@pytest.mark.parametrize("spelling", ["llvm", "gnu"])
def test_real_names(spelling: str) -> None:
    if spelling == "llvm":
        names = [demangle(name) for name in mangled()]
    else:
        command = subprocess.run(["c++filt"], input="\n".join(mangled()), capture_output=True, text=True)
        names = command.stdout.splitlines()
    assert len(names) > 3000
    short = [simplify(name) for name in names]
    for name, shorter in zip(names, short, strict=True):
        assert shorter
        assert len(shorter) <= len(name)
        assert simplify(shorter) == shorter, name
    assert len(set(simplify_many(names))) == len(set(names))
    assert sum(map(len, short)) < sum(map(len, names))
