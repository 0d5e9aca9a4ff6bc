"""The command line; the only reader of argv.

Exit code 0; 1 for a bad file or nothing found, with one line on stderr that says what and what next; 2 for
wrong use; 130 when interrupted. Everything is imported when it is called for, so that no command waits for
what others need; and a reader that will surely be asked is started before.
"""

from __future__ import annotations

import gc
import os
import sys

TYPE_CHECKING = False  # as the module ``typing`` has it, which takes longer to load than all else here
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from app.config import Settings
    from app.index.build import Child

    Command = Callable[[argparse.Namespace, Settings], int]


# Objects before the collector looks at them: a list makes hundreds of thousands, and no cycle among them.
_YOUNG = 50_000
_LISTS = frozenset({"functions", "symbols", "variables", "usdt"})
_READING = _LISTS | {"index", "info"}


def run() -> int:
    """``main`` as a program of its own: while modules are loaded nothing is garbage, so none is sought."""
    gc.disable()
    return main()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    child, unpacker = _early_child(arguments), _early_unpacker(arguments)
    import io

    from app.cli import parser
    from app.cli.output import note
    from app.errors import AppError

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    options = parser.parse(arguments)
    options.child, options.unpacker = child, unpacker
    try:
        code = _run(options)
        sys.stdout.flush()
        return code
    except AppError as error:
        note(f"{error.message} {error.hint}")
        return 1
    except BrokenPipeError:
        # Whoever read us has enough; the flush at exit must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    finally:
        for each in (child, unpacker):
            if each is not None:
                each.kill()


def _early_child(arguments: Sequence[str]) -> Child | None:
    """The reader of a file that is named, which loads what it needs while we do."""
    if not _READING.issuperset(arguments[:1]) or not any(map(os.path.isfile, arguments[1:])):
        return None
    from app.index.build import Child

    try:
        return Child()
    except OSError:
        return None


def _early_unpacker(arguments: Sequence[str]) -> Child | None:
    """The same for a file to index that is no ELF file, and so may be a package."""
    if arguments[:1] != ["index"] or all(map(_is_elf, filter(os.path.isfile, arguments[1:]))):
        return None
    from app.index.build import Child

    try:
        return Child("unpack_process")
    except OSError:
        return None


def _is_elf(path: str) -> bool:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib takes longer to load
            return file.read(4) == b"\x7fELF"
    except OSError:
        return True  # it is said later what is wrong


def _run(options: argparse.Namespace) -> int:
    if options.command == "serve":
        return _serve(options)
    from app.config import load

    settings = load()
    if getattr(options, "no_debug", False) or getattr(options, "debug", ()):
        from app.cli.catalogue import apart

        return apart(settings, options, _dispatch)
    return _dispatch(options, settings)


def _dispatch(options: argparse.Namespace, settings: Settings) -> int:
    if options.command in _LISTS and options.child is not None:
        _load_while_it_reads(options, settings)
    command = _command(options.command)
    _all_is_loaded()
    return command(options, settings)


def _load_while_it_reads(options: argparse.Namespace, settings: Settings) -> None:
    """What lists need takes as long to load as a large file to read, which needs little of it."""
    from threading import Thread

    from app.cli.catalogue import read_ahead

    loading = Thread(target=_command, args=(options.command,), daemon=True)
    loading.start()
    read_ahead(settings, options.files, options.child)
    loading.join()


def _all_is_loaded() -> None:
    """What was loaded stays, so the collector need not look through it, not even at the end."""
    if not gc.isenabled():
        gc.freeze()
        gc.set_threshold(_YOUNG)
        gc.enable()


def _command(name: str) -> Command:
    """What runs it, imported now."""
    if name == "doctor":
        from app.cli.doctor import doctor

        return doctor
    if name in {"script", "trace"}:
        from app.cli import tracing

        return tracing.COMMANDS[name]
    if name == "mark":
        from app.cli import remote

        return remote.COMMANDS[name]
    if name in {"info", "index"}:
        from app.cli import indexing

        return indexing.COMMANDS[name]
    if name == "debuginfo":
        from app.cli.debuginfo import debuginfo

        return debuginfo
    if name in {"locate", "lines", "structs"}:
        from app.cli import details

        return details.COMMANDS[name]
    if name == "diff":
        from app.cli.difference import diff

        return diff
    from app.cli import files

    return files.COMMANDS[name]


def _serve(options: argparse.Namespace) -> int:
    from app.config import load
    from app.web.server import serve

    _all_is_loaded()
    settings = load(
        host=options.host,
        port=options.port,
        data=options.data,
        public_urls=_many(options.public_urls),
        roots=_many(options.roots),
        read_only=options.read_only,
    )
    return serve(settings, reload=options.reload)


def _many(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)


if __name__ == "__main__":
    sys.exit(run())
