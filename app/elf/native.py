"""Which parts of the native core this installation has; without one, slower Python does its work.

The core is compiled when the package is installed (setup.py), where gcc and Python's headers are at hand.
"""

from __future__ import annotations

from importlib.util import find_spec

# One for each directory of app/elf/core with C sources.
PARTS = ("dwarf", "search", "symbols", "tree")


def missing() -> tuple[str, ...]:
    """The parts that were not compiled; none on a whole installation."""
    return tuple(part for part in PARTS if find_spec(f"app.elf._{part}") is None)
