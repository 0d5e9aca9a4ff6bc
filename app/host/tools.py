"""Starts children: a short-lived tool whose output is taken, or a person's own command, held at its door.

The only place of this room that does. Arguments go as a list, never through a shell. Tools get the short
fixed environment of every child; a person's command gets the person's own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from app.config import child_environment
from app.errors import NotFound


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


# It becomes the command by exec, which keeps pid and start time; Python's ignored signals are given back.
_WAIT_AT_THE_DOOR = """
import os, signal, sys
for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
    signal.signal(number, signal.SIG_DFL)
gate = int(sys.argv[1])
if not os.read(gate, 1):
    sys.exit(125)
os.close(gate)
try:
    os.execv(sys.argv[2], sys.argv[3:])
except OSError as error:
    sys.exit(f"{sys.argv[2]}: {error.strerror}")
"""
_GRACE_SECONDS = 5.0


class Held:
    """A command whose pid is known before its first instruction: it runs from ``let_go`` on.

    When its maker dies before that, it ends without having run anything. ``close`` ends it if it still runs.
    """

    def __init__(self, arguments: Sequence[str], stdout_to_stderr: bool = False) -> None:
        """Raises NotFound when there is no such program."""
        program = shutil.which(arguments[0])
        if program is None:
            raise NotFound(
                f"There is no program {arguments[0]}.", "Give the path of a program, or a name on PATH."
            )
        reader, self._gate = os.pipe()
        # Isolated and without site: nothing of the person's Python gets in the way.
        waiter = [sys.executable, "-I", "-S", "-c", _WAIT_AT_THE_DOOR, str(reader)]
        try:
            self._child = subprocess.Popen(
                [*waiter, program, *arguments],
                pass_fds=(reader,),
                stdout=sys.stderr.fileno() if stdout_to_stderr else None,
            )
        except OSError:
            os.close(self._gate)
            raise
        finally:
            os.close(reader)

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def code(self) -> int | None:
        """Its exit code once it is over, negative for a signal."""
        return self._child.poll()

    def let_go(self) -> None:
        """Lets it run; does nothing the second time."""
        if self._gate >= 0:
            # Killed while it waited, there is nobody to tell: ``code`` says so.
            with suppress(BrokenPipeError):
                os.write(self._gate, b"\n")
            self._shut()

    def close(self) -> None:
        """Ends it: one that waits never runs, one that runs gets TERM and, after five seconds, KILL."""
        if self._gate >= 0:
            self._shut()
        elif self.code is None:
            self._child.terminate()
        try:
            self._child.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def _shut(self) -> None:
        os.close(self._gate)
        self._gate = -1
