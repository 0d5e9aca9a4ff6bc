"""The command line; the only reader of argv.

Exit code 0; 1 for a bad file or nothing found, with one line on stderr that says what and what next; 2 for
wrong use; 130 when interrupted. Each command is imported when it is called, so that none waits for others.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from app.cli import parser
from app.cli.output import note
from app.config import Settings, load
from app.errors import AppError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    options = parser.parse(sys.argv[1:] if argv is None else argv)
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


def _run(options: argparse.Namespace) -> int:
    if options.command == "serve":
        return _serve(options)
    settings = load()
    if options.command == "doctor":
        from app.cli.doctor import doctor

        return doctor(options, settings)
    if options.command in {"script", "trace"}:
        from app.cli import tracing

        return tracing.COMMANDS[options.command](options, settings)
    if options.command == "diff":
        from app.cli.difference import diff

        return diff(options, settings)
    from app.cli import files

    return files.COMMANDS[options.command](options, settings)


def _serve(options: argparse.Namespace) -> int:
    from app.web.server import serve

    settings: Settings = load(
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
    sys.exit(main())
