"""``python -m benchmarks [--quick] [NAME…]``: runs all, or those that are named."""

from __future__ import annotations

import argparse
from importlib import import_module

BENCHMARKS = ("index", "stream", "dwarf", "host", "search", "packages", "flame", "flood")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="few turns, to see that it runs")
    options = parser.parse_args()
    for name in options.names or BENCHMARKS:
        if name not in BENCHMARKS:
            parser.error(f"there is no benchmark {name}; there are: {', '.join(BENCHMARKS)}")
        import_module(f"benchmarks.{name}").run(options.quick)


if __name__ == "__main__":
    main()
