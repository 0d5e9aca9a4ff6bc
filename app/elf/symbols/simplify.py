"""Demangled names to ones that a list has room for, without default arguments, inline namespaces and tags.

Reads what LLVM's and GNU's demanglers write of C++ and Rust. A name whose brackets do not match, or that
would grow, is given back as it is. Distinct names may become one (``std::string`` has two ABIs), which
``simplify_many`` keeps apart. Sources: the synopses of C++'s containers, strings and chrono for the defaults;
ItaniumDemangle.h of LLVM and cp-demangle.c of binutils for the spellings of lambdas and unnamed types.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

LONGEST = 1 << 14
_DEEPEST = 120
_INTERESTING = re.compile(r"[<\[{']|\(anonymous|std::.*::|::h[0-9a-f]{16}")
_INLINE = re.compile(r"\bstd::(\w+::)?(?:__cxx11|__1|__ndk1|_V2)::")
_ANONYMOUS = "(anonymous namespace)"
_WORD = re.compile(r"[A-Za-z_~$][\w$]*")
_NAME = re.compile(r"[\w:~$]+\Z")
_OPERATOR = re.compile(
    r"<=>|<<=|>>=|->\*|<<(?=[(<]| <)|>>(?=[(<]| <)|<=|>=|->|\(\)|\[\]|&&|\|\||\+\+|--"
    r"|[-+*/%^&|!=]=|[-+*/%^&|~!=<>,]"
)
_QUOTED = re.compile(r"'(lambda|unnamed)(\d*)'")
_NUMBER = re.compile(r"#(\d+)\}")
_INSIDE = r"(?:[^()]|\((?:[^()]|\([^()]*\))*\))*"
_CALL = re.compile(rf"(lambda\(({_INSIDE})\)(?:#\d+)?)::operator\(\)\(\2\)(?: const)?")
_CLONE = re.compile(r" \[clone (\.[\w.]+)\]")
_RUST = re.compile(r" as |\{closure|<impl |^(?:core|alloc)::|^<|::<")
# The hash of the old scheme, the crate's of the new one, and the _ before an escape of the old.
_RUST_REST = re.compile(r"::h[0-9a-f]{16}(?=$| |\.)|(?<=\w)\[[0-9a-f]{8,16}\]|(?<=::)_(?=\{\{)")
_RUST_LIBRARY = re.compile(r"(?<![\w:])(?:core|alloc|std)::(?:\w+::)*(?=\w)")
_CHARACTERS = {"char": "", "wchar_t": "w", "char8_t": "u8", "char16_t": "u16", "char32_t": "u32"}
_STREAMS = (
    "ios istream ostream iostream streambuf ifstream ofstream fstream filebuf stringbuf stringstream"
    " istringstream ostringstream"
)
_STRINGS = {
    f"std::basic_{name}": f"std::{{}}{name}" for name in f"string string_view {_STREAMS} regex".split()
}
_PERIODS = {
    ("1l", "1000000000l"): "nanoseconds",
    ("1l", "1000000l"): "microseconds",
    ("1l", "1000l"): "milliseconds",
    ("1l", "1l"): "seconds",
    ("60l", "1l"): "minutes",
    ("3600l", "1l"): "hours",
}
_DURATIONS = {f"std::ratio<{a}, {b}>": f"std::chrono::{name}" for (a, b), name in _PERIODS.items()}
_SEQUENCE = ("", "std::allocator<{0}>")
_TREE = ("", "std::less<{0}>", "std::allocator<{0}>")
_MAP = ("", "", "std::less<{0}>", "std::allocator<std::pair<{0} const, {1}>>")
_HASHED = ("", "std::hash<{0}>", "std::equal_to<{0}>", "std::allocator<{0}>")
_HASHED_MAP = ("", "", "std::hash<{0}>", "std::equal_to<{0}>", "std::allocator<std::pair<{0} const, {1}>>")
_STREAM = ("", "std::char_traits<{0}>")
# What each parameter is when nobody names it; "" where it must be named.
_DEFAULTS: dict[str, tuple[str, ...]] = {
    "std::vector": _SEQUENCE,
    "std::deque": _SEQUENCE,
    "std::list": _SEQUENCE,
    "std::forward_list": _SEQUENCE,
    "std::set": _TREE,
    "std::multiset": _TREE,
    "std::map": _MAP,
    "std::multimap": _MAP,
    "std::unordered_set": _HASHED,
    "std::unordered_multiset": _HASHED,
    "std::unordered_map": _HASHED_MAP,
    "std::unordered_multimap": _HASHED_MAP,
    "std::unique_ptr": ("", "std::default_delete<{0}>"),
    "std::stack": ("", "std::deque<{0}>"),
    "std::queue": ("", "std::deque<{0}>"),
    "std::priority_queue": ("", "std::vector<{0}>", "std::less<{0}>"),
    "std::match_results": ("", "std::allocator<std::sub_match<{0}>>"),
    "std::basic_regex": ("", "std::regex_traits<{0}>"),
    "std::basic_string": ("", "std::char_traits<{0}>", "std::allocator<{0}>"),
    "std::basic_string_view": _STREAM,
    "std::_Rb_tree": ("", "", "", "std::less<{0}>", "std::allocator<{1}>"),
    "std::istreambuf_iterator": _STREAM,
    "std::ostreambuf_iterator": _STREAM,
} | {f"std::basic_{name}": _STREAM for name in _STREAMS.split()}
for _name in ("stringbuf", "stringstream", "istringstream", "ostringstream"):
    _DEFAULTS[f"std::basic_{_name}"] = _DEFAULTS["std::basic_string"]


# And what the last parameter of any template is when nobody names it.
_LAST = ("std::allocator<{0}>", "(__gnu_cxx::_Lock_policy)2")


class _Unbalanced(ValueError):
    """The brackets do not match, or are nested deeper than any compiler nests them."""


def simplify(name: str) -> str:
    """``name`` shortened; never longer, never empty, and the same when shortened again."""
    if len(name) > LONGEST or _INTERESTING.search(name) is None:
        return name
    text = _INLINE.sub(lambda match: f"std::{match.group(1) or ''}", name)
    text = _RUST_REST.sub("", text)
    text = _CLONE.sub(r" (\1)", text)
    try:
        text = _Reader(text).whole()
    except _Unbalanced:
        return name
    text = _CALL.sub(r"\1", text)
    return text if 0 < len(text) <= len(name) else name


def simplify_many(names: Sequence[str]) -> list[str]:
    """``simplify`` of each; where different names would become the same, each stays as it was."""
    shorter = [simplify(name) for name in names]
    sources: dict[str, str | None] = {}
    for name, short in zip(names, shorter, strict=True):
        # None: this short form stands for several names.
        sources[short] = name if sources.get(short, name) == name else None
    return [short if sources[short] is not None else name for name, short in zip(names, shorter, strict=True)]


class _Reader:
    """One pass over a name, writing what is kept."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._rust = _RUST.search(text) is not None

    def whole(self) -> str:
        return self._until("")

    def _until(self, stops: str) -> str:
        """Up to one of ``stops`` outside brackets, which is not consumed; to the end for none."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _Unbalanced
        text, out = self._text, ""
        while self._at < len(text):
            sign = text[self._at]
            if sign in stops:
                self._depth -= 1
                return out
            if sign == "<":
                out = self._angle(out)
            elif sign == "(":
                out += self._round()
            elif sign == "[":
                out += self._square()
            elif sign in "{'":
                out += self._special()
            elif text.startswith("->", self._at):
                out += self._take(2)
            elif (match := _WORD.match(text, self._at)) is not None:
                out += self._take(len(match.group()))
                if match.group() == "operator":
                    out = self._operator(out)
            elif sign in ")]":
                raise _Unbalanced
            else:
                out += self._take(1)
        if stops:
            raise _Unbalanced
        self._depth -= 1
        return out

    def _take(self, count: int) -> str:
        self._at += count
        return self._text[self._at - count : self._at]

    def _list(self, close: str) -> list[str]:
        """The parts between the bracket here and its ``close``, both consumed."""
        self._at += 1
        parts: list[str] = []
        while True:
            parts.append(self._until("," + close).strip(" "))
            if self._take(1) == close:
                return parts

    def _angle(self, out: str) -> str:
        before, behind = out[-1:], self._text[self._at + 1 : self._at + 2]
        if before.isalnum() or before in {"_", "$", "}", "]"}:
            return self._templated(out, self._list(">"))
        if self._rust and behind != " " and before not in {")"}:
            (*parts,) = self._list(">")
            return f"{out}<{', '.join(self._short(part) for part in parts)}>"
        return out + self._take(1)

    def _templated(self, out: str, arguments: list[str]) -> str:
        match = _NAME.search(out)
        name = match.group() if match else ""
        if self._rust:
            return f"{out}<{', '.join(self._short(part) for part in arguments)}>"
        while len(arguments) > 1 and self._is_default(name, arguments):
            arguments = arguments[:-1]
        short = None
        if name in _STRINGS and len(arguments) == 1 and arguments[0] in _CHARACTERS:
            short = _STRINGS[name].format(_CHARACTERS[arguments[0]])
        elif name == "std::chrono::duration" and arguments[:1] == ["long"]:
            short = _DURATIONS.get(arguments[1] if len(arguments) == 2 else "std::ratio<1l, 1l>")
        if short is not None:
            return out[: len(out) - len(name)] + short
        return f"{out}<{', '.join(arguments)}>"

    def _is_default(self, name: str, arguments: list[str]) -> bool:
        """Whether the last argument is what it would be without being named."""
        known = _DEFAULTS.get(name, ())
        own = known[len(arguments) - 1 : len(arguments)]
        return any(default and arguments[-1] == default.format(*arguments) for default in (own or _LAST))

    def _short(self, part: str) -> str:
        return _RUST_LIBRARY.sub("", part)

    def _round(self) -> str:
        if self._text.startswith(_ANONYMOUS, self._at):
            self._at += len(_ANONYMOUS)
            return "(anon)"
        return f"({', '.join(self._list(')'))})"

    def _square(self) -> str:
        if self._text.startswith("[abi:", self._at):
            end = self._text.find("]", self._at)
            if end < 0:
                raise _Unbalanced
            self._at = end + 1
            return ""
        return f"[{', '.join(self._list(']'))}]"

    def _special(self) -> str:
        """Lambdas and unnamed types in both spellings: ``lambda(int)`` for the first, ``lambda(int)#2``."""
        quoted = _QUOTED.match(self._text, self._at)
        if quoted is not None:
            self._at = quoted.end()
            place = int(quoted.group(2)) + 2 if quoted.group(2) else 1
            parameters = self._parameters() if quoted.group(1) == "lambda" else ""
            return quoted.group(1) + parameters + (f"#{place}" if place > 1 else "")
        for spelled, kind in (("{lambda(", "lambda"), ("{unnamed type#", "unnamed")):
            if self._text.startswith(spelled, self._at):
                self._at += len(spelled) - 1
                parameters = self._parameters() if kind == "lambda" else ""
                number = _NUMBER.match(self._text, self._at)
                if number is None:
                    raise _Unbalanced
                self._at = number.end()
                return kind + parameters + (f"#{number.group(1)}" if int(number.group(1)) > 1 else "")
        return self._take(1)

    def _parameters(self) -> str:
        return self._round() if self._text.startswith("(", self._at) else ""

    def _operator(self, out: str) -> str:
        """The sign of an operator, whose angle brackets are none, and its template arguments."""
        match = _OPERATOR.match(self._text, self._at)
        if match is None:
            return out
        out += self._take(len(match.group()))
        if self._text.startswith(" <", self._at):
            self._at += 1
        if self._text.startswith("<", self._at):
            return f"{out}<{', '.join(self._list('>'))}>"
        return out
