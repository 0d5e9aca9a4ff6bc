"""argv into a namespace: every command with its options; wrong use ends with exit code 2 and the usage.

Only the command that is called gets its options, because some need modules that take long to load.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from app import __version__

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

_LISTS = {
    "symbols": "every symbol of every table, spelled as readelf does",
    "functions": "functions, each with whether a probe can be attached to it",
    "variables": "global variables",
    "usdt": "USDT probes with their sites and arguments",
}


def build(only: str | None = None) -> argparse.ArgumentParser:
    """The parser of the whole command line, or of one command; the namespace's ``command`` names it."""
    parser = argparse.ArgumentParser(
        prog="probescope",
        description="Explore the symbols and probes of ELF files, and trace user processes with them.",
    )
    parser.add_argument("--version", action="version", version=f"probescope {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in [only] if only in _COMMANDS else _COMMANDS:
        _COMMANDS[name](commands)
    return parser


def _info(commands: Commands) -> None:
    _files(commands, "info", "what a file is: build-id, machine, language, debug information, counts")


def _list(name: str) -> Callable[[Commands], None]:
    def add(commands: Commands) -> None:
        from app.index.model import MODES

        command = _files(commands, name, _LISTS[name])
        command.add_argument("-q", "--query", metavar="TEXT", default="", help="only what matches TEXT")
        command.add_argument("--mode", choices=MODES, default="substring", help="how TEXT matches")
        command.add_argument("--limit", type=_positive, metavar="N", help="at most N of each file")

    return add


def _debuginfo(commands: Commands) -> None:
    command = _files(
        commands, "debuginfo", "where debug information was looked for, what is there, and what to do next"
    )
    command.add_argument(
        "--fetch", action="store_true", help="ask the debuginfod servers of the settings for what is missing"
    )


def _probes(commands: Commands) -> None:
    probes = _command(commands, "probes", "the lines that bpftrace -l PATTERN prints", json=False)
    probes.add_argument("pattern", metavar="PATTERN", help="such as uprobe:/usr/bin/bash:read*")
    probes.add_argument("-v", "--verbose", action="store_true", help="with the arguments of each probe")
    _debug(probes)


def _locate(commands: Commands) -> None:
    locate = _command(commands, "locate", "the function, file and line of addresses, with inlined calls")
    locate.add_argument("file", metavar="FILE")
    locate.add_argument(
        "addresses", metavar="ADDRESS", nargs="*", help="virtual, such as 0x1234; none or -: from stdin"
    )
    _debug(locate)


def _lines(commands: Commands) -> None:
    lines = _command(commands, "lines", "where the code of a source line begins")
    lines.add_argument("file", metavar="FILE")
    lines.add_argument("place", metavar="SOURCE:LINE", help="the end of a source file's path, and a line")
    _debug(lines)


def _structs(commands: Commands) -> None:
    structs = _command(commands, "structs", "the C declaration of types, with offsets, sizes and holes")
    structs.add_argument("file", metavar="FILE")
    structs.add_argument("names", metavar="NAME", nargs="+", help="with or without struct, union, enum")
    _debug(structs)


def _index(commands: Commands) -> None:
    index = _command(commands, "index", "fill the catalogue with files and directories")
    index.add_argument("paths", metavar="PATH", nargs="+")


def _search(commands: Commands) -> None:
    from app.index.model import MODES
    from app.index.names import KINDS

    search = _command(commands, "search", "ask the catalogue")
    search.add_argument("text", metavar="TEXT")
    search.add_argument("--mode", choices=MODES, default="substring", help="how TEXT matches")
    search.add_argument("--limit", type=_positive, metavar="N", default=50, help="at most N answers (50)")
    search.add_argument("--kind", choices=KINDS, help="only answers of this kind")
    search.add_argument("--each", action="store_true", help="a line for each binary that has a name")


def _diff(commands: Commands) -> None:
    from app.index.difference import CHANGES
    from app.index.model import MODES

    diff = _command(commands, "diff", "what differs between two builds of a binary")
    diff.add_argument("before", metavar="FILE")
    diff.add_argument("after", metavar="FILE")
    diff.add_argument("-q", "--query", metavar="TEXT", default="", help="only what matches TEXT")
    diff.add_argument("--mode", choices=MODES, default="substring", help="how TEXT matches")
    diff.add_argument("--kind", choices=CHANGES, help="only this kind of change")
    diff.add_argument("--limit", type=_positive, metavar="N", help="at most N differences")
    diff.add_argument("--script", metavar="FILE", help="say which probes of a script do not fit the second")
    _debug(diff)


def _script(commands: Commands) -> None:
    script = _command(commands, "script", "write the bpftrace script of a recipe")
    _choice(script)
    script.add_argument("--check", action="store_true", help="let bpftrace compile it, without attaching")


def _trace(commands: Commands) -> None:
    trace = _command(commands, "trace", "run a session here and print what it gives")
    _choice(trace)
    trace.add_argument("--duration", type=_seconds, metavar="S", help="stop after S seconds")
    trace.add_argument(
        "--follow", action="store_true", help="with --pid: goes on with the next process of its name"
    )
    trace.add_argument("--wait-for", metavar="NAME", help="the next process of this name, from its start")
    trace.epilog = "After -- comes a COMMAND to run under the session from its first instruction."


def _mark(commands: Commands) -> None:
    mark = _command(commands, "mark", "put a marker into the log of a session that runs in a dashboard")
    mark.add_argument("session", metavar="SESSION", help="its id, as the dashboard shows it")
    mark.add_argument("text", metavar="TEXT", help="what happens now, in at most 200 characters")
    mark.add_argument("--url", metavar="URL", help="the dashboard (PROBESCOPE_URL)")


def _doctor(commands: Commands) -> None:
    doctor = _command(commands, "doctor", "what this machine can do and lacks, with the mends")
    doctor.add_argument("--prove", action="store_true", help="attach a uprobe for a moment to prove it")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The namespace of ``argv``; what follows ``--`` of ``trace`` is its ``arguments``."""
    arguments = list(argv)
    tail: list[str] = []
    if arguments[:1] == ["trace"] and "--" in arguments:
        cut = arguments.index("--")
        arguments, tail = arguments[:cut], arguments[cut + 1 :]
    parser = build(arguments[0] if arguments else None)
    options = parser.parse_args(arguments)
    if options.command == "trace":
        options.arguments = tail
        if len(arguments) != len(argv) and not tail:
            parser.error("a command is wanted after --")
        if tail and options.pid is not None:
            parser.error("give either --pid or a command after --, not both")
    if options.command in {"script", "trace"}:
        _check_choice(parser, options)
    return options


def _command(commands: Commands, name: str, text: str, json: bool = True) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    if json:
        command.add_argument("--json", action="store_true", help="one JSON object a line")
    return command


def _files(commands: Commands, name: str, text: str) -> argparse.ArgumentParser:
    command = _command(commands, name, text)
    command.add_argument("files", metavar="FILE", nargs="+")
    _debug(command)
    return command


def _debug(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--debug",
        metavar="PATH",
        action="append",
        default=[],
        help="a debug file, or a directory of some, that is tried before the host's (may repeat)",
    )
    command.add_argument("--no-debug", action="store_true", help="keep to the file, without its debug file")


def _choice(command: argparse.ArgumentParser) -> None:
    from app.trace.model import RECIPES

    generated = [recipe for recipe in RECIPES if recipe != "custom"]
    command.add_argument("--script", metavar="FILE", help="a script of your own; - reads stdin")
    command.add_argument("--recipe", choices=generated, help="what to ask of the probes")
    command.add_argument(
        "--probe",
        dest="probes",
        metavar="PROBE",
        action="append",
        default=[],
        help="such as uprobe:/usr/bin/bash:readline (may repeat)",
    )
    command.add_argument(
        "--line",
        dest="lines",
        metavar="SOURCE:LINE",
        action="append",
        default=[],
        help="the code of a source line of --file, such as main.c:42 (may repeat)",
    )
    command.add_argument("--file", metavar="FILE", help="the binary that --line means")
    command.add_argument("--pid", type=_positive, metavar="N", help="only in process N")
    command.add_argument(
        "-o",
        "--option",
        dest="options",
        metavar="NAME=VALUE",
        type=_option,
        action="append",
        default=[],
        help="an option of the recipe or a filter, such as where='size > 100' (may repeat)",
    )


def _check_choice(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    places = options.probes or options.lines
    if options.script is not None and (options.recipe or places or options.options):
        parser.error("give either --script, or --recipe with --probe")
    if options.script is None and not (options.recipe and (places or options.recipe == "profile")):
        parser.error("give --recipe with at least one --probe or --line, or --script")
    if options.lines and not (options.file or getattr(options, "arguments", None)):
        parser.error("--line needs --file, the binary that it is a line of")
    if getattr(options, "follow", False) and not options.pid:
        parser.error("--follow goes with --pid")
    if getattr(options, "wait_for", None) and (options.pid or options.arguments):
        parser.error("--wait-for goes without --pid and without a command")


def _serve(commands: Commands) -> None:
    serve = _command(commands, "serve", "start the dashboard", json=False)
    serve.add_argument("--host", help="address to listen on (127.0.0.1)")
    serve.add_argument("--port", type=_port, help="port to listen on (8340); 0 takes a free one")
    serve.add_argument(
        "--public-url",
        dest="public_urls",
        metavar="URL",
        action="append",
        help="a URL under which browsers reach it (may repeat)",
    )
    serve.add_argument("--data", type=Path, metavar="DIR", help="where catalogue, uploads and logs are kept")
    serve.add_argument(
        "--root",
        dest="roots",
        metavar="DIR",
        action="append",
        help="a directory that may be indexed (may repeat); none: the whole host",
    )
    serve.add_argument("--read-only", action="store_true", default=None, help="explore only, trace nothing")
    serve.add_argument("--reload", action="store_true", help="start anew when a source file changes")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError(text)
    return number


def _option(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise ValueError(text)
    return name.strip(), value


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65_535:
        raise ValueError(text)
    return number


_TYPES: tuple[tuple[Callable[[str], object], str], ...] = (
    (_positive, "positive number"),
    (_seconds, "number of seconds"),
    (_port, "port"),
    (_option, "NAME=VALUE"),
)
for _parse, _name in _TYPES:
    _parse.__name__ = _name  # argparse says "invalid NAME value"

_COMMANDS: dict[str | None, Callable[[Commands], None]] = {
    "info": _info,
    **{name: _list(name) for name in _LISTS},
    "debuginfo": _debuginfo,
    "probes": _probes,
    "locate": _locate,
    "lines": _lines,
    "structs": _structs,
    "index": _index,
    "search": _search,
    "diff": _diff,
    "script": _script,
    "trace": _trace,
    "mark": _mark,
    "doctor": _doctor,
    "serve": _serve,
}
