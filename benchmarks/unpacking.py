"""One package, each member that an upload takes into a file of its own, and away with it.

``python -m benchmarks.unpacking PACKAGE DIRECTORY``: a command that loads no more than it needs, and
starts the reader before that, as ``probescope index`` does.
"""

from __future__ import annotations

import sys

from app.index.build import Child


def main() -> None:
    child = Child("unpack_process")
    from pathlib import Path

    from app.config import load
    from app.index.unpacking import Unpacking

    package, scratch = map(Path, sys.argv[1:])
    with package.open("rb") as file:
        unpacking = Unpacking(load(), file.fileno(), scratch, lambda: False, child)
        for each in unpacking:
            each.path.unlink()
    for problem in unpacking.problems:
        sys.stderr.write(f"{problem.text}\n")


if __name__ == "__main__":
    main()
