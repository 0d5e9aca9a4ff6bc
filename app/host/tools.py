"""Runs a short-lived tool of the host and takes its output; the only place of this room that starts a child.

Arguments go as a list, never through a shell; the environment is the short fixed one of every child.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from app.config import child_environment


@dataclass(frozen=True, slots=True)
class Output:
    """What a tool gave: ``code`` is None when it could not be started or took too long."""

    code: int | None
    stdout: str
    stderr: str


def run(arguments: Sequence[str], timeout: float) -> Output:
    """Run to the end, or kill after ``timeout`` seconds. Raises nothing."""
    try:
        done = subprocess.run(  # noqa: PLW1510
            list(arguments),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            env=child_environment(),
        )
    except FileNotFoundError:
        return Output(None, "", f"{arguments[0]}: not found")
    except subprocess.TimeoutExpired:
        return Output(None, "", f"{arguments[0]} took more than {timeout:g} s")
    except OSError as error:
        return Output(None, "", f"{arguments[0]}: {error.strerror}")
    return Output(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
