"""What files and the catalogue hold: symbols, functions, variables, usdt, probes, search.

Lists are asked for in parts and printed as they come, so a file of a million symbols takes the memory of one
part. A bad file costs its own line on stderr; the other files are still answered.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from operator import attrgetter, itemgetter
from typing import Any, TypeVar

from app.cli.catalogue import each_file, opened
from app.cli.output import columns, note, put, put_json, put_json_lines, put_json_text, shown
from app.cli.patterns import from_here
from app.config import Settings
from app.errors import NotFound
from app.index.build import Child
from app.index.cells import Rows
from app.index.listing import probes as list_probes
from app.index.model import Ask, Binary, Function, Item, Page, Symbol, Usdt, Variable, signature, source
from app.index.query import Kind
from app.index.service import Index
from app.trace.bpftrace import Bpftrace
from app.trace.verdict import usdt_verdict
from app.trace.verdicts import Verdicts

PART = 10_000
P = TypeVar("P")
T = TypeVar("T", bound=Item)


def catalogue(settings: Settings, child: Child | None = None) -> AbstractContextManager[Index]:
    """The whole index, with parts of lists as long as ours; ``child``: a reader that was started before."""
    return opened(Index, replace(settings, page_limit=max(settings.page_limit, PART)), child=child)


def symbols(options: argparse.Namespace, settings: Settings) -> int:
    """``symbols FILE…``."""
    widths = (18, -8, 7, 6, 9, 13, 16)
    heads = ("ADDRESS", "SIZE", "TYPE", "BIND", "VIS", "TABLE", "SECTION", "NAME")

    def row(item: Symbol) -> str:
        name = item.demangled or item.name
        where = (f"{item.address:#018x}", item.size, item.type, item.bind, item.visibility)
        return columns(
            (*where, item.table, item.section, name + (f"@{item.version}" if item.version else "")), widths
        )

    if options.json:
        return _json_list(options, settings, "symbol")
    return _list(options, settings, "symbols", columns(heads, widths), row, lambda index: index.symbols)


def functions(options: argparse.Namespace, settings: Settings) -> int:
    """``functions FILE…``, each with its verdict."""
    widths = (18, -8, 4)
    bpftrace = Bpftrace(settings)
    # It takes a tenth of a second to say its version, which the file's reading hides.
    threading.Thread(target=bpftrace.capabilities).start()

    def row(item: Function) -> str:
        address = "inlined" if item.address is None else f"{item.address:#018x}"
        name = f"{item.demangled}{signature(item)}  {source(item)}".rstrip()
        return columns((address, item.size, item.type, name), widths)

    def verdicts(binary: Binary) -> Callable[[Rows[Function]], dict[str, list[str]]]:
        judged = Verdicts(binary, bpftrace.capabilities())
        return lambda rows: {"verdict": judged.json(rows)}

    if options.json:
        return _json_list(options, settings, "function", verdicts)
    return _list(
        options,
        settings,
        "functions",
        columns(("ADDRESS", "SIZE", "TYPE", "NAME"), widths),
        row,
        lambda index: index.functions,
    )


def variables(options: argparse.Namespace, settings: Settings) -> int:
    """``variables FILE…``."""
    widths = (18, -8, 16, 20)

    def row(item: Variable) -> str:
        name = item.demangled or item.name
        address = None if item.address is None else f"{item.address:#018x}"
        return columns((address, item.size, item.section, item.type, name), widths)

    if options.json:
        return _json_list(options, settings, "variable")
    return _list(
        options,
        settings,
        "variables",
        columns(("ADDRESS", "SIZE", "SECTION", "TYPE", "NAME"), widths),
        row,
        lambda index: index.variables,
    )


def usdt(options: argparse.Namespace, settings: Settings) -> int:
    """``usdt FILE…``, each with its verdict."""
    capabilities = Bpftrace(settings).capabilities()

    def row(item: Usdt) -> str:
        lines = [shown(f"{item.provider}:{item.name}")]
        for site in item.sites:
            arguments = ", ".join(f"{argument.type} {argument.operand}" for argument in site.arguments)
            inside = f" in {site.function}" if site.function else ""
            semaphore = f" semaphore {site.semaphore:#x}" if site.semaphore else ""
            lines.append(shown(f"  {site.address:#x}{inside}{semaphore} ({arguments})"))
        return "\n".join(lines)

    def objects(index: Index, binary: Binary) -> int:
        return put_json_lines(
            {**item.as_dict(), "verdict": usdt_verdict(item, binary, capabilities).as_dict()}
            for item in _items(partial(index.usdt, binary.id, types=True), options)
        )

    if options.json:
        return _each(options, settings, "USDT probes", objects)
    return _list(options, settings, "USDT probes", None, row, lambda index: partial(index.usdt, types=True))


def probes(options: argparse.Namespace, settings: Settings) -> int:
    """``probes PATTERN``."""
    with catalogue(settings) as index:
        pattern, given, absolute = from_here(options.pattern)
        found = list_probes(index, pattern, not options.no_debug)
        for line in found:
            # The path as it was given, as bpftrace prints it.
            put(shown(line.replace(f":{absolute}:", f":{given}:", 1) if given else line))
            if options.verbose:
                for argument in _arguments(index, line):
                    put(f"    {shown(argument)}")
    if not found:
        raise NotFound(
            f"No probe matches {options.pattern}.",
            "Patterns are uprobe:PATH:GLOB, uretprobe:PATH:GLOB and usdt:PATH:GLOB.",
        )
    return 0


def search(options: argparse.Namespace, settings: Settings) -> int:
    """``search TEXT`` over every binary of the catalogue."""
    with catalogue(settings) as index:
        filters = {"kind": options.kind or "", "each": "1" if options.each else ""}
        page = index.search(Ask(options.text, options.mode, limit=options.limit, filters=filters))
    for hit in page.items:
        if options.json:
            put_json(hit.as_dict())
        else:
            where = f"{hit.binary_name} +{hit.binaries - 1}" if hit.binaries > 1 else hit.binary_name
            put(columns((hit.kind, where, hit.demangled or hit.name), (9, 24)))
    if not page.items:
        raise NotFound(
            f"Nothing in the catalogue matches {options.text!r}.",
            "Fill it with: probescope index PATH",
        )
    if not options.json and page.total > len(page.items):
        note(f"{len(page.items)} of {page.total} are shown; --limit shows more.")
    return 0


def _list(
    options: argparse.Namespace,
    settings: Settings,
    what: str,
    head: str | None,
    row: Callable[[T], str],
    lister: Callable[[Index], Callable[[str, Ask], Page[T]]],
) -> int:
    """For people."""

    def one(index: Index, binary: Binary) -> int:
        count = 0
        for item in _items(partial(lister(index), binary.id), options):
            if not count and len(options.files) > 1:
                put(f"{shown(binary.path or binary.name)}:")
            if not count and head is not None:
                put(head)
            put(row(item))
            count += 1
        return count

    return _each(options, settings, what, one)


def _json_list(
    options: argparse.Namespace,
    settings: Settings,
    kind: Kind,
    further: Callable[[Binary], Callable[[Rows[Any]], dict[str, list[str]]]] = lambda _: lambda _: {},
) -> int:
    """Lines of JSON; ``further`` gives fields behind those of the items."""

    def one(index: Index, binary: Binary) -> int:
        count = 0
        more = further(binary)
        for rows, _ in _parts(partial(index.rows, binary.id, kind), options, itemgetter(1)):
            put_json_text(rows.json(**more(rows)))
            count += len(rows)
        return count

    return _each(options, settings, f"{kind}s", one)


def _each(
    options: argparse.Namespace, settings: Settings, what: str, one: Callable[[Index, Binary], int]
) -> int:
    """``one`` of each file, which says how many it printed."""

    def checked(index: Index, binary: Binary) -> None:
        if not one(index, binary):
            matching = f" that match {options.query!r}" if options.query else ""
            raise NotFound(
                f"{binary.path or binary.name} has no {what}{matching}.",
                "Look at what it has with: probescope info FILE",
            )

    with catalogue(settings, options.child) as index:
        return each_file(options.files, index, checked)


def _items(ask: Callable[[Ask], Page[T]], options: argparse.Namespace) -> Iterator[T]:
    for page in _parts(ask, options, attrgetter("next")):
        yield from page.items


def _parts(
    ask: Callable[[Ask], P], options: argparse.Namespace, following: Callable[[P], int | None]
) -> Iterator[P]:
    """A list part by part, up to the limit."""
    offset: int | None = 0
    left = options.limit if options.limit is not None else sys.maxsize
    while offset is not None and left > 0:
        part = ask(
            Ask(q=options.query, mode=options.mode, offset=offset, limit=min(PART, left), facets=False)
        )
        yield part
        left -= PART
        offset = following(part)


def _arguments(index: Index, line: str) -> list[str]:
    """The arguments of the probe of one line of a listing, as ``type name``."""
    kind, _, rest = line.partition(":")
    if kind == "usdt":
        path, provider, name = rest.rsplit(":", 2)
        found = index.usdt_probe(index.binary_at(path.strip('"')).id, provider, name)
        return [f"{each.type} arg{each.index}" for each in found.sites[0].arguments] if found.sites else []
    path, _, name = rest.rpartition(":")
    page = index.functions(index.binary_at(path.strip('"')).id, Ask(q=name, mode="prefix", limit=PART))
    for function in page.items:
        if function.linkage_name == name:
            return [f"{each.type} {each.name}" for each in function.parameters or ()]
    return []


COMMANDS: dict[str, Callable[[argparse.Namespace, Settings], int]] = {
    "symbols": symbols,
    "functions": functions,
    "variables": variables,
    "usdt": usdt,
    "probes": probes,
    "search": search,
}
