"""The command line; the only reader of argv."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from app import __version__
from app.errors import AppError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="probescope", description=__doc__)
    parser.add_argument("--version", action="version", version=f"probescope {__version__}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 1 for bad input, 2 for wrong use."""
    try:
        _parser().parse_args(argv)
    except AppError as error:
        print(f"probescope: {error.message} {error.hint}".rstrip(), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
