"""The one place that runs bpftrace: what it can do, whether a script compiles, and a child that traces.

A child gets arguments, never a shell line; the script through a memory file as its standard input; a short
fixed environment with ceilings; and it dies with this process: a small launcher asks the kernel for SIGKILL
on its parent's death, looks that the parent still lives, and becomes bpftrace (same pid). That signal
follows the thread that started the child, so children are started from the event loop's thread, which in
the server is the main one. Sources: prctl(2) PR_SET_PDEATHSIG, bpftrace(8), its environment in 0.17 to 0.27.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app.config import Settings, child_environment
from app.errors import BadInput, TracingUnavailable
from app.host.processes import read_stat
from app.trace import diagnostics, policy
from app.trace.model import Diagnostic
from app.trace.pipe import Lines

Version = tuple[int, int, int]
CHECK_SECONDS = 20.0
LIST_SECONDS = 60.0
# Address space of a compile: LLVM and BTF take some hundred MB of it.
CHECK_MEMORY = 8 << 30
STDERR_KEPT = 64 * 1024
RECHECK_SECONDS = 10.0
# A flood never ends: that long it may take until there is no event to read.
CALM_TURNS, CALM_SECONDS = 200, 0.01
# BEGIN, END and intervals count as probes too.
OWN_PROBES = 16
NOTIFY = b"__BPFTRACE_NOTIFY_PROBES_ATTACHED"

# Arguments: the parent's pid, CPU seconds and bytes of address space (0: no limit), then the command.
_LAUNCHER = """
import ctypes, os, resource, sys
parent, seconds, memory, *command = sys.argv[1:]
libc = ctypes.CDLL(None)
if libc.prctl(1, 9, 0, 0, 0) != 0 or os.getppid() != int(parent):
    os._exit(125)
libc.prctl(38, 1, 0, 0, 0)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
if int(seconds):
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
if int(memory):
    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
os.execv(command[0], command)
"""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the bpftrace of this machine can do; ``problem`` is a sentence where it cannot be used."""

    available: bool
    path: str | None
    version: Version | None
    version_text: str
    root: bool
    problem: str | None
    hint: str
    multi: bool  # a wildcard becomes one uprobe_multi link: thousands of probes start and stop at once
    dry_run: bool  # has --dry-run, which finds more than -d
    most_probes: int = 512  # of one session: as it is started here

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Child:
    """A running bpftrace: its lines, its stderr so far, its end."""

    def __init__(self, process: asyncio.subprocess.Process, lines: Lines) -> None:
        self._process = process
        self._lines = lines
        self.pid = process.pid
        stat = read_stat(process.pid)
        self.starttime = stat.starttime if stat else 0
        self.attached = asyncio.Event()
        self._stderr = bytearray()
        self._errors = asyncio.create_task(self._read_stderr())

    @property
    def stderr(self) -> str:
        return self._stderr.decode("utf-8", "backslashreplace")

    async def batches(self) -> AsyncIterator[list[bytes]]:
        """Its lines as they come, many at a time."""
        async for lines in self._lines.batches():
            kept = [line for line in lines if not self._is_notice(line)]
            if kept:
                yield kept

    async def wait(self) -> int:
        """The exit code (negative: the signal that ended it), once stderr is read too."""
        code = await self._process.wait()
        await self._errors
        self._lines.close()
        return code

    def perf_events(self) -> int:
        """How many perf events it holds open; without uprobe_multi each probe is one until it is detached."""
        count = 0
        with suppress(OSError):
            for entry in Path(f"/proc/{self.pid}/fd").iterdir():
                with suppress(OSError):
                    count += str(entry.readlink()) == "anon_inode:[perf_event]"
        return count

    async def end(self) -> None:
        """Asks it with SIGTERM to print its last maps and end; one that traces, once it waits for events.

        It drops what it has not read by then, and prints nothing more when the signal breaks off a write.
        """
        for _ in range(CALM_TURNS if self.attached.is_set() else 0):
            stat = read_stat(self.pid)
            if stat is None or (stat.state not in "RD" and not self._lines.full):
                break
            await asyncio.sleep(CALM_SECONDS)
        self.send(signal.SIGTERM)

    def send(self, number: signal.Signals) -> None:
        """A signal to bpftrace; nothing happens when it has ended."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def _read_stderr(self) -> None:
        assert self._process.stderr is not None
        while chunk := await self._process.stderr.read(1 << 14):
            self._stderr += chunk
            if NOTIFY in self._stderr:
                self._stderr[:] = self._stderr.replace(NOTIFY + b"\n", b"").replace(NOTIFY, b"")
                self.attached.set()
            # The beginning says what went wrong; what comes after is repetition.
            del self._stderr[STDERR_KEPT:]

    def _is_notice(self, line: bytes) -> bool:
        if line.strip() != NOTIFY:
            return False
        self.attached.set()
        return True


class Bpftrace:
    """bpftrace as the settings name it; safe to share among threads, but for what is async."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._known: Capabilities | None = None
        self._known_at = 0.0

    def capabilities(self) -> Capabilities:
        """What can be done here; asked of bpftrace once, and again after a while where it cannot be used."""
        with self._lock:
            stale = self._known is not None and not self._known.available
            if self._known is None or (stale and time.monotonic() - self._known_at > RECHECK_SECONDS):
                self._known = self._look()
                self._known_at = time.monotonic()
            return self._known

    def require(self) -> Capabilities:
        """The capabilities; raises TracingUnavailable with the problem and its mend."""
        able = self.capabilities()
        if not able.available:
            raise TracingUnavailable(able.problem or "bpftrace cannot be used.", able.hint)
        return able

    async def check(self, text: str) -> tuple[Diagnostic, ...]:
        """Compiles ``text`` in a boxed child without attaching anything; what the policy refuses never runs.

        Raises TracingUnavailable where there is no bpftrace to ask.
        """
        refused = policy.check(text, free=True)
        if refused:
            return refused
        able = self.require()
        mode = ["--dry-run"] if able.dry_run else ["-d"]
        process = await self._start(
            able, [*mode, "-"], text, int(CHECK_SECONDS), CHECK_MEMORY, stdout=asyncio.subprocess.DEVNULL
        )
        try:
            _, stderr = await asyncio.wait_for(process.communicate(), CHECK_SECONDS)
        except TimeoutError:
            return (Diagnostic(1, 1, 1, "error", f"The script took over {CHECK_SECONDS:.0f} s to compile."),)
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        found = diagnostics.parse(stderr.decode("utf-8", "backslashreplace"), text)
        if process.returncode and not diagnostics.sentence(found):
            reason = f"bpftrace ended with {process.returncode} and did not say why."
            return (*found, Diagnostic(1, 1, 1, "error", reason))
        if not process.returncode:
            # Lines called ERROR of a run that went well are complaints about the machine.
            return tuple(entry for entry in found if entry.severity != "error")
        return found

    async def spawn(self, text: str, symbols: Path | None = None) -> Child:
        """Starts tracing ``text``; call it from the thread that lives as long as the server.

        ``symbols``: a directory of names, as ``symbol_directory`` lays it. Raises TracingUnavailable where
        there is no bpftrace, or it cannot be started.
        """
        able = self.require()
        lines = Lines()
        try:
            process = await self._start(able, ["-f", "json", "-"], text, 0, 0, lines.descriptor, symbols)
            lines.begin()
        except BaseException:
            lines.close()
            raise
        return Child(process, lines)

    def listing(self, pattern: str) -> list[str]:
        """The lines of ``bpftrace -l PATTERN``, sorted. Raises BadInput for what is no pattern."""
        if pattern.startswith("-") or not pattern.isprintable():
            raise BadInput(f"{pattern!r} is no pattern of probes.", "Write uprobe:PATH:NAME, with *.")
        path = self.require().path
        assert path is not None
        try:
            done = subprocess.run(
                [path, "-l", pattern],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=self._environment(),
                timeout=LIST_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise TracingUnavailable(
                f"bpftrace took over {LIST_SECONDS:.0f} s to list {pattern}.", "Ask for fewer probes."
            ) from error
        except OSError as error:
            raise TracingUnavailable(
                f"{path} cannot be started: {error.strerror}.", "Try it by hand."
            ) from error
        return sorted(line for line in done.stdout.decode("utf-8", "backslashreplace").splitlines() if line)

    async def _start(
        self,
        able: Capabilities,
        arguments: list[str],
        text: str,
        seconds: int,
        memory: int,
        stdout: int,
        symbols: Path | None = None,
    ) -> asyncio.subprocess.Process:
        assert able.path is not None
        script = os.memfd_create("script", os.MFD_CLOEXEC)
        try:
            _write_all(script, text.encode("utf-8", "surrogateescape"))
            os.lseek(script, 0, os.SEEK_SET)
            launcher = [
                sys.executable,
                "-I",
                "-S",
                "-c",
                _LAUNCHER,
                str(os.getpid()),
                str(seconds),
                str(memory),
            ]
            return await asyncio.create_subprocess_exec(
                *launcher,
                able.path,
                *arguments,
                stdin=script,
                stdout=stdout,
                stderr=asyncio.subprocess.PIPE,
                env=self._environment(symbols),
                cwd="/",
                start_new_session=True,
                limit=1 << 20,
            )
        except OSError as error:
            raise TracingUnavailable(
                f"{able.path} cannot be started: {error.strerror}.", "Try it by hand."
            ) from error
        finally:
            os.close(script)

    def _environment(self, symbols: Path | None = None) -> dict[str, str]:
        probes = str(self._settings.session_probes + OWN_PROBES)
        pages = "256" if (os.cpu_count() or 1) <= 32 else "64"
        return child_environment(
            BPFTRACE_CAT_BYTES_MAX="0",
            BPFTRACE_MAX_CAT_BYTES="0",
            BPFTRACE_MAX_PROBES=probes,
            BPFTRACE_MAX_BPF_PROGS=probes,
            BPFTRACE_PERF_RB_PAGES=pages,
            **({} if symbols is None else {"BCC_SYMFS": str(symbols)}),
            **{NOTIFY.decode(): "1"},
        )

    def _look(self) -> Capabilities:
        environment = child_environment()
        path = shutil.which(self._settings.bpftrace, path=environment["PATH"])
        root = os.geteuid() == 0
        if path is None:
            return self._unusable(
                None,
                root,
                f"bpftrace was not found ({self._settings.bpftrace}).",
                "Install it (apt-get install bpftrace, dnf install bpftrace), or set PROBESCOPE_BPFTRACE.",
            )
        try:
            done = subprocess.run(
                [path, "--version"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=environment,
                timeout=10,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return self._unusable(path, root, f"{path} cannot be run: {error}.", "Try it by hand.")
        text = done.stdout.decode("utf-8", "replace").strip()
        match = re.search(r"bpftrace v?(\d+)\.(\d+)(?:\.(\d+))?", text)
        if match is None:
            return self._unusable(
                path, root, f"{path} does not say its version.", "Set PROBESCOPE_BPFTRACE to a bpftrace."
            )
        version = (int(match[1]), int(match[2]), int(match[3] or 0))
        problem, hint = None, ""
        if not root:
            problem = f"bpftrace asks for root, and the server runs as uid {os.geteuid()}."
            hint = "Start the server with sudo."
        return Capabilities(
            available=problem is None,
            path=path,
            version=version,
            version_text=text,
            root=root,
            problem=problem,
            hint=hint,
            multi=version >= (0, 23, 0),
            dry_run=version >= (0, 22, 0),
            most_probes=self._settings.session_probes,
        )

    def _unusable(self, path: str | None, root: bool, problem: str, hint: str) -> Capabilities:
        most = self._settings.session_probes
        return Capabilities(False, path, None, "", root, problem, hint, False, False, most)


def _write_all(descriptor: int, data: bytes) -> None:
    done = 0
    while done < len(data):
        done += os.write(descriptor, data[done:])
