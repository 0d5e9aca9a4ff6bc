"""``make soak``: the crash tests, many times over. Exit code 1 when something was torn or left over."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.soak import blobs


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak")
    parser.add_argument("--turns", type=int, default=200, help="lives of a writer of blobs (default: 200)")
    parser.add_argument("--seed", type=int, help="of the moments at which they end")
    arguments = parser.parse_args()
    seed = random.randrange(1 << 32) if arguments.seed is None else arguments.seed
    random.seed(seed)
    print(f"seed {seed}", flush=True)
    wrong = []
    with tempfile.TemporaryDirectory() as directory:
        for number in range(arguments.turns):
            wrong += [f"turn {number + 1}: {each}" for each in blobs.turn(Path(directory))]
    print("\n".join(wrong) or f"blobs: {arguments.turns} kills, nothing torn, nothing left over")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
