"""A script and a place in it to what may be written there: probes, arguments, members, builtins.

What comes from programs comes from the index: files, functions, USDT probes, the parameters of the probe
that the place belongs to, and members of the types that these point to. Never raises for a script that is
half written. Names of the language: bpftrace(8), 0.17 to 0.27.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from app.errors import AppError
from app.index.model import Ask, Binary, Function, Page
from app.trace.catalogue import Catalogue, function_named
from app.trace.policy import Token, tokens
from app.trace.quoting import SHORT, Probe, parse_probe
from app.trace.vocabulary import BUILTINS, FUNCTIONS, KEYWORDS, PROBE_KINDS

Sort = Literal["keyword", "builtin", "function", "variable", "map", "path", "probe", "argument", "member"]
MOST = 100
_TABLES: tuple[tuple[Sort, dict[str, str]], ...] = (
    ("builtin", BUILTINS),
    ("function", FUNCTIONS),
    ("keyword", KEYWORDS),
)
_WORD = re.compile(r"[@$]?[A-Za-z_0-9]*$")
_MEMBER = re.compile(r"(?:->|\.)\s*([A-Za-z_0-9]*)$")
_CAST = re.compile(r"\(\s*(?:(?:struct|union)\s+)?([A-Za-z_][\w:]*)\s*\*\s*\)\s*\(?\s*[\w.$]+\s*\)*\s*$")
_ARGUMENT = re.compile(r"\b(?:arg([0-9]+)|args(?:->|\.)(\w+))\s*\)*\s*$")
_ARGS = re.compile(r"\bargs\s*$")
_POINTED = re.compile(
    r"^(?:const |volatile )*(?:struct |union |class )?([A-Za-z_][\w:<>, ]*?)(?: const)? ?[*&]"
)


class Named(Catalogue, Protocol):
    """The catalogue, with its list of files and types."""

    def binaries(self, ask: Ask) -> Page[Binary]: ...

    def structs(self, id: str, names: Sequence[str]) -> list[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Completion:
    """One thing to write; ``detail`` says what it is in a few words."""

    label: str
    sort: Sort
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Completions:
    """What replaces the text from ``start`` (0-based, in characters) to the place that was asked for."""

    start: int
    items: tuple[Completion, ...]


def complete(script: str, place: int, catalogue: Named) -> Completions:
    """At most MOST items for the place that is ``place`` characters into ``script``."""
    before = script[: max(0, place)]
    context = _context(before)
    if context.kind == "none":
        return Completions(len(before), ())
    if context.kind == "probe":
        return _probes(before, context.start, catalogue)
    if match := _MEMBER.search(before):
        items = _members(before[: match.start()], context.probe, catalogue)
        return _fitting(items, match[1], match.start(1))
    word = _WORD.search(before)
    assert word is not None  # matches the empty string too
    items = _words(script, before[word.start() :], context.probe, catalogue)
    return _fitting(items, word[0], word.start())


@dataclass(frozen=True, slots=True)
class _Context:
    kind: Literal["none", "probe", "action"]
    start: int  # where the attach point begins
    probe: str  # the attach point that the action belongs to


def _context(before: str) -> _Context:
    """What the end of ``before`` is in: a text or comment, an attach point, or an action."""
    depth, start, probe, predicate = 0, 0, "", False
    last: Token | None = None
    for token in tokens(before):
        last = token
        if token.kind == "open_string" and "\n" not in before[token.start :]:
            break
        if token.kind in {"space", "line_comment", "block_comment"}:
            continue
        end = token.start + len(token.text)
        if token.text == "{":
            if depth == 0:
                probe, predicate = probe if predicate else before[start : token.start], False
            depth += 1
        elif token.text == "}":
            depth = max(0, depth - 1)
            start = end if depth == 0 else start
        elif depth == 0 and token.text in {",", ";"}:
            start = end
        elif depth == 0 and token.text == "/" and before[: token.start][-1:].isspace():
            probe, predicate = probe if predicate else before[start : token.start], True
    if last is not None and last.kind in {"line_comment", "open_comment"}:
        return _Context("none", 0, "")
    inside_text = last is not None and last.kind == "open_string"
    if depth or predicate:
        return _Context("none" if inside_text else "action", start, probe.strip())
    start += len(before[start:]) - len(before[start:].lstrip())
    return _Context("probe", start, "")


def _probes(before: str, start: int, catalogue: Named) -> Completions:
    text = before[start:]
    kind, colon, rest = text.partition(":")
    if not colon:
        return _fitting([Completion(name, "keyword", what) for name, what in PROBE_KINDS], text, start)
    if SHORT.get(kind) is None:
        return Completions(len(before), ())
    at = start + len(kind) + 1
    quoted = rest.startswith('"')
    path, closed, name = rest[1:].partition('"') if quoted else rest.partition(":")
    if not closed:
        return Completions(at, tuple(_paths(path, catalogue)))
    if quoted:
        if not name.startswith(":"):
            return Completions(len(before), ())
        name = name[1:]
    items = tuple(_of_file(SHORT[kind], path, name, catalogue))
    return Completions(len(before) - len(name), items)


def _paths(part: str, catalogue: Named) -> Iterator[Completion]:
    """Files of the catalogue, as the probe has them; one with an odd character or not is quoted."""
    found = catalogue.binaries(Ask(q=part.rpartition("/")[2] or part, limit=MOST))
    for binary in found.items:
        for path in binary.paths[:1]:
            if part.startswith("/") and not path.startswith(part) and part not in path:
                continue
            functions = binary.counts.get("functions", 0)
            yield Completion(f'"{path}":', "path", f"{functions:,} functions")


def _of_file(kind: str, path: str, name: str, catalogue: Named) -> Iterator[Completion]:
    try:
        binary = catalogue.binary_at(path)
        if kind == "usdt":
            for probe in catalogue.usdt(binary.id, Ask(limit=10 * MOST)).items:
                label = f"{probe.provider}:{probe.name}"
                if name.casefold() in label.casefold():
                    yield Completion(label, "probe", f"{len(probe.sites)} sites")
            return
        page = catalogue.functions(binary.id, Ask(q=name, limit=MOST))
    except AppError:
        return
    for function in page.items:
        if function.address is not None:
            yield Completion(function.linkage_name, "probe", _signature(function))


def _signature(function: Function) -> str:
    if function.parameters is None:
        return function.demangled if function.demangled != function.linkage_name else ""
    inner = ", ".join(f"{each.type} {each.name}".strip() for each in function.parameters)
    return f"{function.returns or 'void'} {function.name}({inner})"


def _probed(text: str, catalogue: Named) -> tuple[Probe, Binary, Function | None] | None:
    try:
        probe = parse_probe(text)
        binary = catalogue.binary_at(probe.path)
    except AppError:
        return None
    if probe.kind == "usdt" or probe.wildcard or probe.address is not None:
        return probe, binary, None
    return probe, binary, function_named(catalogue, binary.id, probe.name.partition("+")[0])


def _arguments(text: str, catalogue: Named) -> Iterator[Completion]:
    found = _probed(text, catalogue) if text else None
    if found is None:
        return
    probe, binary, function = found
    if probe.kind == "uretprobe":
        returns = function.returns if function is not None else None
        yield Completion("retval", "argument", returns or "what it returned")
    elif probe.kind == "usdt" and probe.provider and not probe.wildcard:
        try:
            sites = catalogue.usdt_probe(binary.id, probe.provider, probe.name).sites
        except AppError:
            return
        for argument in sites[0].arguments if sites else ():
            yield Completion(f"arg{argument.index}", "argument", argument.type or f"{argument.size} bytes")
    elif function is not None and function.parameters is not None:
        for at, parameter in enumerate(function.parameters):
            yield Completion(f"arg{at}", "argument", f"{parameter.type} {parameter.name}".strip())


def _members(left: str, probe: str, catalogue: Named) -> list[Completion]:
    """Members of what stands before the arrow: a cast, an argument with a type, or ``args``."""
    found = _probed(probe, catalogue) if probe else None
    if found is None:
        return []
    _, binary, function = found
    parameters = (function.parameters or ()) if function is not None else ()
    if _ARGS.search(left):
        return [Completion(each.name, "argument", each.type) for each in parameters if each.name]
    type_name = ""
    if cast := _CAST.search(left):
        type_name = cast[1]
    elif match := _ARGUMENT.search(left):
        at = int(match[1]) if match[1] else -1
        chosen = [each for number, each in enumerate(parameters) if number == at or each.name == match[2]]
        pointed = _POINTED.match(chosen[0].type) if chosen else None
        type_name = pointed[1] if pointed else ""
    if not type_name:
        return []
    try:
        structs = catalogue.structs(binary.id, (type_name,))
    except AppError:
        return []
    members = structs[0].get("members") or [] if structs else []
    return [
        Completion(str(each["name"]), "member", f"{each['type']}, at {each['offset']}")
        for each in members
        if each.get("name")
    ]


def _words(script: str, word: str, probe: str, catalogue: Named) -> list[Completion]:
    items = [] if word[:1] in {"@", "$"} else list(_arguments(probe, catalogue))
    named = {token.text for token in tokens(script) if token.kind == "name"}
    own = sorted({f"{match[0]}" for match in re.finditer(r"[@$][A-Za-z_]\w*", script)})
    items += [Completion(name, "map" if name[0] == "@" else "variable") for name in own if name != word]
    if word[:1] in {"@", "$"}:
        return items
    for sort, table in _TABLES:
        # What the script uses already comes first among its like.
        known = sorted(table.items(), key=lambda pair: pair[0] not in named)
        items += [Completion(name, sort, what) for name, what in known]
    return items


def _fitting(items: list[Completion], word: str, start: int) -> Completions:
    """Those that hold the word, those that begin with it first."""
    wanted = word.casefold()
    fit = [each for each in items if wanted in each.label.casefold()]
    fit.sort(key=lambda each: not each.label.casefold().startswith(wanted))
    unique: dict[str, Completion] = {}
    for each in fit:
        unique.setdefault(each.label, each)
    return Completions(start, tuple(unique.values())[:MOST])
