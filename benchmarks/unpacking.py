"""One package, each member that an upload takes into a file of its own, and away with it.

``python -m benchmarks.unpacking PACKAGE DIRECTORY``: a command that loads no more than it needs.
"""

from __future__ import annotations

import sys
from pathlib import Path

from app.config import load
from app.index.unpacking import Unpacking


def main() -> None:
    package, scratch = map(Path, sys.argv[1:])
    with package.open("rb") as file:
        unpacking = Unpacking(load(), file.fileno(), scratch, lambda: False)
        for each in unpacking:
            each.path.unlink()
    for problem in unpacking.problems:
        sys.stderr.write(f"{problem.text}\n")


if __name__ == "__main__":
    main()
