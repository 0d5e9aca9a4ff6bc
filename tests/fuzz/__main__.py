"""``python -m tests.fuzz [--seconds N] [TARGET…]``: libFuzzer over the core, from a corpus that it makes.

Targets share the cores and the time. Each input that crashes, hangs or takes too much memory is kept, one for
each place, in tests/fuzz/regressions/TARGET; a test gives it to the core again. Exit code 1 if there are any,
or if a target did not run.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.build import REGRESSIONS, ROOT, SOURCES, build_fuzzer
from tests.fuzz.containers import seed_inputs
from tests.fuzz.dictionary import write_dictionary

WORK = ROOT / "build/fuzz"
WORDS = WORK / "words"
# Seconds and megabytes of one input; the largest are some 60 KB.
_LIMITS = ["-timeout=10", "-rss_limit_mb=2048", "-malloc_limit_mb=1024", "-max_len=65536"]


@dataclass
class Result:
    target: str
    executions: int = 0
    coverage: int = 0
    kept: list[Path] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(SOURCES))
    parser.add_argument("--seconds", type=int, default=3600, help="of the whole run (default 3600)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="at the same time")
    options = parser.parse_args()
    targets = options.targets or list(SOURCES)
    if unknown := set(targets) - set(SOURCES):
        parser.error(f"there is no target {', '.join(sorted(unknown))}; there are: {', '.join(SOURCES)}")
    WORK.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        programs = {target: build_fuzzer(target, WORK, Path(scratch)) for target in targets}
        inputs = seed_inputs(Path(scratch))
    write_dictionary(WORDS)
    jobs = min(options.jobs, len(targets))
    with ThreadPoolExecutor(jobs) as pool:
        results = list(
            pool.map(
                lambda target: fuzz(
                    target, programs[target], inputs[target], share(target, targets, jobs, options.seconds)
                ),
                targets,
            )
        )
    for result in results:
        sys.stdout.write(f"{result.target}: {result.executions:,} executions, {result.coverage:,} edges")
        sys.stdout.write("".join(f"\n  {path.relative_to(ROOT)}" for path in result.kept) + "\n")
        if not result.executions:
            sys.stdout.write(f"  It did not run; see {WORK.relative_to(ROOT)}/{result.target}.log\n")
    return int(any(result.kept or not result.executions for result in results))


def share(target: str, targets: list[str], jobs: int, seconds: int) -> int:
    """Seconds for a target: all for the first, if a core is for it alone; the others share the rest."""
    if len(targets) <= jobs:
        return seconds
    if jobs == 1:
        return seconds // len(targets)
    return seconds if target == targets[0] else seconds * (jobs - 1) // (len(targets) - 1)


def fuzz(target: str, program: Path, inputs: dict[str, bytes], seconds: int) -> Result:
    """Goes on behind a crash, until the time is over."""
    corpus, found = WORK / f"corpus-{target}", WORK / f"found-{target}"
    shutil.rmtree(found, ignore_errors=True)
    for directory in (corpus, found):
        directory.mkdir(exist_ok=True)
    for name, data in inputs.items():
        (corpus / name).write_bytes(data)
    command = [str(program), "-fork=1", "-ignore_crashes=1", "-ignore_timeouts=1", "-ignore_ooms=1", *_LIMITS]
    command += [f"-max_total_time={seconds}", f"-dict={WORDS}", f"-artifact_prefix={found}/", str(corpus)]
    result = Result(target)
    log = WORK / f"{target}.log"
    with log.open("w") as file:
        subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, cwd=WORK, env=_environment())
    for line in log.read_text(errors="replace").splitlines():
        if match := re.match(r"#(\d+): cov: (\d+)", line):
            result.executions, result.coverage = int(match[1]), int(match[2])
    result.kept = keep(target, program, found)
    return result


def keep(target: str, program: Path, found: Path) -> list[Path]:
    """The smallest input of each place in the code that a sanitizer stopped at."""
    smallest: dict[str, Path] = {}
    for path in sorted(found.iterdir(), key=lambda path: path.stat().st_size):
        done = subprocess.run(
            [str(program), *_LIMITS, str(path)],
            capture_output=True,
            text=True,
            errors="replace",
            env=_environment(),
        )
        if done.returncode:
            match = re.search(r"SUMMARY: (.*)", done.stderr)
            smallest.setdefault(match[1] if match else "unknown", path)
    kept = []
    for path in smallest.values():
        directory = REGRESSIONS / target
        directory.mkdir(parents=True, exist_ok=True)
        kept.append(Path(shutil.copy(path, directory / path.name[:20])))
    return kept


def _environment() -> dict[str, str]:
    return {**os.environ, "ASAN_OPTIONS": "allocator_may_return_null=1:detect_leaks=1"}


if __name__ == "__main__":
    sys.exit(main())
