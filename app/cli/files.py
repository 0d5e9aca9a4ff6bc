"""What files and the catalogue hold: info, symbols, functions, variables, usdt, probes, index, search.

Lists are asked for in parts and printed as they come, so a file of a million symbols takes the memory of one
part. A bad file costs its own line on stderr; the other files are still answered.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from app.cli.output import columns, note, put, put_json, shown, size
from app.cli.patterns import from_here
from app.config import Settings
from app.errors import AppError, NotFound
from app.index.listing import probes as list_probes
from app.index.model import Ask, Binary, Function, Item, Job, Page, Symbol, Usdt, Variable
from app.index.service import Index
from app.trace.bpftrace import Bpftrace
from app.trace.verdict import function_verdict, usdt_verdict

PART = 20_000
_POLL_SECONDS = 0.2
T = TypeVar("T", bound=Item)


@contextmanager
def catalogue(settings: Settings, keep: bool = False) -> Iterator[Index]:
    """The index over the data directory; over a temporary one where that cannot be written.

    With ``keep`` there is no way out: what is done is to stay. Raises what the index raises.
    """
    settings = replace(settings, page_limit=max(settings.page_limit, PART))
    if keep or _writable(settings.data):
        yield from _opened(settings)
        return
    with tempfile.TemporaryDirectory(prefix="probescope-") as temporary:
        yield from _opened(replace(settings, data=Path(temporary)))


def _opened(settings: Settings) -> Iterator[Index]:
    index = Index(settings)
    index.start()
    try:
        yield index
    finally:
        index.close()


def _writable(data: Path) -> bool:
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        return False
    return os.access(data, os.W_OK | os.X_OK)


def info(options: argparse.Namespace, settings: Settings) -> int:
    """``info FILE…``."""

    def one(index: Index, binary: Binary) -> None:
        if options.json:
            put_json(binary.as_dict())
            return
        put(shown(binary.path or binary.name))
        for name, value in _info_rows(binary):
            put(f"  {name:<15} {shown(value)}")

    return _each_file(options, settings, one)


def _info_rows(binary: Binary) -> Iterator[tuple[str, str]]:
    yield "id", binary.id
    yield "build-id", binary.build_id or "none"
    if binary.sha256:
        yield "sha256", binary.sha256
    yield "size", f"{size(binary.size)} ({binary.size} bytes)"
    yield "type", f"{binary.type}, {binary.machine}, {binary.bits}-bit, {binary.endian}-endian"
    yield "stripped", "yes" if binary.stripped else "no"
    yield "language", binary.language or "not known"
    of = f" of {binary.interpreter_of}" if binary.interpreter_of else ""
    yield "runtime", binary.runtime + of
    has = [name for name, there in binary.debug.has.items() if there]
    where = f" at {binary.debug.path}" if binary.debug.path else ""
    yield "debug", f"{binary.debug.kind}{where}{': ' if has else ''}{', '.join(has)}"
    for name, count in binary.counts.items():
        yield name, str(count)
    if binary.needed:
        yield "needed", " ".join(binary.needed)
    if binary.frame_pointers is not None:
        yield "frame pointers", "yes" if binary.frame_pointers else "no"
    for problem in binary.problems:
        yield binary.state, problem.text


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

    return _list(options, settings, "symbols", columns(heads, widths), row, lambda index: index.symbols)


def functions(options: argparse.Namespace, settings: Settings) -> int:
    """``functions FILE…``, each with its verdict."""
    widths = (18, -8, 4)
    capabilities = Bpftrace(settings).capabilities()

    def row(item: Function) -> str:
        return columns(
            (
                "" if item.address is None else f"{item.address:#018x}",
                item.size,
                item.type,
                item.demangled or item.name,
            ),
            widths,
        )

    return _list(
        options,
        settings,
        "functions",
        columns(("ADDRESS", "SIZE", "TYPE", "NAME"), widths),
        row,
        lambda index: index.functions,
        lambda item, binary: function_verdict(item, binary, capabilities).as_dict(),
    )


def variables(options: argparse.Namespace, settings: Settings) -> int:
    """``variables FILE…``."""
    widths = (18, -8, 16, 20)

    def row(item: Variable) -> str:
        name = item.demangled or item.name
        return columns((f"{item.address:#018x}", item.size, item.section, item.type, name), widths)

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

    return _list(
        options,
        settings,
        "USDT probes",
        None,
        row,
        lambda index: index.usdt,
        lambda item, binary: usdt_verdict(item, binary, capabilities).as_dict(),
    )


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


def index(options: argparse.Namespace, settings: Settings) -> int:
    """``index PATH…``, with progress on a terminal; the answer is a line a file that failed, and a sum."""
    with catalogue(settings, keep=True) as opened:
        job = opened.add_paths([str(Path(path).absolute()) for path in options.paths], owner="command line")
        try:
            while job.state in {"queued", "running"}:
                _progress(job)
                job = opened.wait(job.id, _POLL_SECONDS)
        except KeyboardInterrupt:
            opened.cancel(job.id)
            raise
        finally:
            _progress(None)
    for result in job.results:
        if options.json:
            put_json(result)
        elif result.get("message"):
            note(f"{result.get('path')}: {result['message']} {result.get('hint') or ''}")
    if not options.json:
        put(f"{job.done} files: {job.state}.")
    if job.state in {"failed", "cancelled"} or not job.done:
        raise NotFound(job.message or "No ELF file was found there.", "Give ELF files, or directories.")
    return 0


def search(options: argparse.Namespace, settings: Settings) -> int:
    """``search TEXT`` over every binary of the catalogue."""
    with catalogue(settings) as opened:
        page = opened.search(Ask(options.text, options.mode, limit=options.limit))
    for hit in page.items:
        if options.json:
            put_json(hit.as_dict())
        else:
            put(columns((hit.kind, hit.binary_name, hit.demangled or hit.name), (9, 24)))
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
    verdict: Callable[[T, Binary], dict[str, Any]] | None = None,
) -> int:
    def one(index: Index, binary: Binary) -> None:
        first = True
        for item in _items(lister(index), binary.id, options):
            if options.json:
                value = item.as_dict()
                put_json(value if verdict is None else {**value, "verdict": verdict(item, binary)})
            else:
                if first and len(options.files) > 1:
                    put(f"{shown(binary.path or binary.name)}:")
                if first and head is not None:
                    put(head)
                put(row(item))
            first = False
        if first:
            matching = f" that match {options.query!r}" if options.query else ""
            raise NotFound(
                f"{binary.path or binary.name} has no {what}{matching}.",
                "Look at what it has with: probescope info FILE",
            )

    return _each_file(options, settings, one)


def _items(ask: Callable[[str, Ask], Page[T]], identity: str, options: argparse.Namespace) -> Iterator[T]:
    offset: int | None = 0
    left = options.limit if options.limit is not None else sys.maxsize
    while offset is not None and left > 0:
        page = ask(identity, Ask(q=options.query, mode=options.mode, offset=offset, limit=min(PART, left)))
        yield from page.items
        left -= len(page.items)
        offset = page.next


def _each_file(options: argparse.Namespace, settings: Settings, one: Callable[[Index, Binary], None]) -> int:
    worst = 0
    with catalogue(settings) as index:
        for file in options.files:
            try:
                one(index, index.binary_at(str(Path(file).absolute())))
            except AppError as error:
                note(f"{error.message} {error.hint}")
                worst = 1
    return worst


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


def _progress(job: Job | None) -> None:
    """One line that is written over, on a terminal alone; None wipes it."""
    if not sys.stderr.isatty():
        return
    text = ""
    if job is not None:
        total = "" if job.total is None else f" of {job.total}"
        text = f"{job.phase} {job.done}{total} {shown(job.current or '')}"[:100]
    sys.stderr.write(f"\r\x1b[K{text}")
    sys.stderr.flush()


COMMANDS: dict[str, Callable[[argparse.Namespace, Settings], int]] = {
    "info": info,
    "symbols": symbols,
    "functions": functions,
    "variables": variables,
    "usdt": usdt,
    "probes": probes,
    "index": index,
    "search": search,
}
