"""``script`` and ``trace``: a choice into a bpftrace text, and into a session run here and printed live.

``trace`` keeps its session in a temporary directory: the sessions of a dashboard that runs over the same
data are none of its business. Ctrl-C stops in order, with the last values of the maps.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.cli.files import catalogue
from app.cli.output import note, put_json, shown
from app.cli.patterns import from_here
from app.cli.pictures import map_lines
from app.cli.screen import Screen
from app.config import Settings
from app.errors import BadInput, NotFound
from app.host.tools import Held
from app.trace.bpftrace import Bpftrace
from app.trace.model import Diagnostic, ScriptRequest, Session
from app.trace.script import generate
from app.trace.session import Sessions

OWNER = "command line"
_PART = 1000
_WAIT_SECONDS = 0.5
# How often it is looked whether a process has come.
_WATCH_SECONDS = 0.02
_PICTURE_SECONDS = 1.0
_TEXTS = {"printf", "time", "cat", "join", "strftime", "syscall"}
_MAPS = {"map", "hist", "stats", "lhist"}
# Ends of a session that need no word: a person or the script asked for them. So is a --duration, and the end
# of the process that was waited for.
_EXPECTED = {None, "stopped", "exited"}
_HINT = (
    "See what the file offers with probescope functions or usdt, and what this machine lacks "
    "with probescope doctor."
)


def script(options: argparse.Namespace, settings: Settings) -> int:
    """``script``: exit code 1 when it cannot be started, or is not taken (``--check``)."""
    bpftrace = Bpftrace(settings)
    request = _request(options)
    with catalogue(settings) as index:
        made = generate(request, bpftrace.capabilities(), index)
    text = made.text
    diagnostics = asyncio.run(bpftrace.check(text)) if options.check and not made.against else ()
    failed = bool(made.against) or any(each.severity == "error" for each in diagnostics)
    if options.json:
        out: dict[str, Any] = {
            "script": text,
            "warnings": list(made.warnings),
            "expected_probes": made.expected_probes,
            "verdict": made.verdict,
        }
        if options.check:
            out |= {"ok": not failed, "diagnostics": [_diagnostic(each) for each in diagnostics]}
        put_json(out)
    else:
        sys.stdout.write(shown(text, keep="\n\t").rstrip("\n") + "\n")
        for warning in made.warnings:
            note(warning)
        for reason in made.against:
            note(f"{reason.text} {reason.hint}")
        for each in diagnostics:
            note(f"{each.line}:{each.column}: {each.severity}: {each.message}")
    return 1 if failed else 0


def trace(options: argparse.Namespace, settings: Settings) -> int:
    """``trace``: exit code 1 when the session failed, 0 when it ended, by itself or by Ctrl-C."""
    # The index first, in this thread: it starts children, and the loop below has signals to mind.
    with catalogue(settings) as index, tempfile.TemporaryDirectory(prefix="probescope-") as directory:
        own = replace(settings, data=Path(directory))
        return asyncio.run(_trace(options, Sessions(own, Bpftrace(own), index)))


async def _trace(options: argparse.Namespace, sessions: Sessions) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    held = Held(options.arguments, stdout_to_stderr=options.json) if options.arguments else None
    try:
        await sessions.start()
        request = _request(options)
        if held is not None:
            request = replace(request, pid=held.pid, starting=True)
        session = await sessions.create(request, OWNER)
        return await _follow(options, sessions, session, held, stop)
    finally:
        await sessions.close()
        if held is not None:
            held.close()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def _follow(
    options: argparse.Namespace,
    sessions: Sessions,
    session: Session,
    held: Held | None,
    stop: asyncio.Event,
) -> int:
    printer = _Printer(options.json)
    waits = _Waits()
    following = session.id
    last = 0
    stopping = False
    try:
        while True:
            session = sessions.get(following)
            lines = sessions.read(following, last + 1, _PART)
            for line in lines:
                last = max(last, printer.take(line))
            sys.stdout.flush()
            if held is not None and session.state == "running":
                held.let_go()
            waits.tell(session)
            printer.tell(session)
            if lines:
                continue
            if session.state in {"ended", "failed"}:
                next_one = await _next(sessions, session, stop)
                if next_one is None:
                    break
                following, last = next_one, 0
                continue
            over = held is not None and held.code is not None
            if not stopping and (stop.is_set() or over):
                stopping = True
                await sessions.stop(following)
                continue
            printer.picture_in_time()
            await sessions.changed(following, last, _WAIT_SECONDS)
    except BrokenPipeError:
        await sessions.stop(following)
        raise
    printer.finish()
    return _outcome(options, session, held)


async def _next(sessions: Sessions, session: Session, stop: asyncio.Event) -> str | None:
    """The session that goes on from one whose process ended, once that has come back."""
    if not session.follow or session.code != "target_gone":
        return None
    note(f"Process {session.pid} ended; waiting for it to come back. Ctrl-C ends it.")
    until = session.started + session.duration
    while not stop.is_set() and time.time() < until:
        found = sessions.get(session.id).followed_by
        if found is not None:
            note(f"Process {sessions.get(found).pid} took its place.")
            return found
        await asyncio.sleep(_WATCH_SECONDS)
    return None


class _Waits:
    """Says what it waits for, once each: that a process comes, that it came."""

    def __init__(self) -> None:
        self._said = self._came = False

    def tell(self, session: Session) -> None:
        if session.wait_for is None or session.state == "starting":
            return
        if not self._said:
            note(f"Waiting for a process named {session.wait_for} to start; Ctrl-C ends it.")
            self._said = True
        if not self._came and session.pid is not None:
            note(f"Process {session.pid} ({session.wait_for}) started.")
            self._came = True


def _outcome(options: argparse.Namespace, session: Session, held: Held | None) -> int:
    if session.loss.kernel or session.loss.server:
        note(f"{session.loss.kernel} events were lost in the kernel, {session.loss.server} here.")
    if session.state == "failed":
        errors = [each for each in session.diagnostics if each.severity == "error"]
        for each in errors:
            note(f"{each.line}:{each.column}: {each.message}")
        if not errors:
            note(f"{session.reason or 'The session failed.'} {_HINT}")
        return 1
    if held is not None and held.code is not None:
        if held.code:
            note(f"The command ended with exit code {held.code}.")
    elif session.wait_for and session.code == "target_gone":
        return 0
    elif session.code not in _EXPECTED and not (session.code == "deadline" and options.duration):
        note(session.reason or f"The session ended: {session.code}.")
    return 0


class _Printer:
    """Events as they come: JSON as it is, texts at once, maps as pictures now and then and at the end."""

    def __init__(self, as_json: bool) -> None:
        self._json = as_json
        self._screen = Screen()
        self._maps: dict[tuple[str, str], dict[str, Any]] = {}
        self._changed = False
        self._drawn = time.monotonic()
        self._progress = ""

    def tell(self, session: Session) -> None:
        """How many probes are attached while that changes, which takes its time with many; on a terminal."""
        line = progress(session)
        if self._json or not self._screen.live or line == self._progress:
            return
        self._progress, self._changed = line, True
        self._draw(last=False)

    def take(self, line: bytes) -> int:
        """Prints one event; returns its number, of a gap the last that it covers."""
        event = json.loads(line)
        data = event.get("data")
        if self._json:
            sys.stdout.write(line.decode().rstrip("\n") + "\n")
        elif event["type"] in _TEXTS:
            self._screen.text(shown(str(data), keep="\n\t"))
        elif event["type"] in _MAPS and isinstance(data, dict):
            for name in data:
                self._maps[event["type"], name] = event
            self._changed = True
        elif event["type"] == "value":
            self._screen.text(shown(data if isinstance(data, str) else json.dumps(data), keep="\n\t") + "\n")
        elif event["type"] == "gap":
            note(f"{data.get('count') if isinstance(data, dict) else 'Some'} events are not kept any more.")
        if event["type"] == "gap" and isinstance(data, dict):
            return int(data.get("to", event["n"]))
        return int(event["n"])

    def picture_in_time(self) -> None:
        if self._screen.live and self._changed and time.monotonic() - self._drawn >= _PICTURE_SECONDS:
            self._draw(last=False)

    def finish(self) -> None:
        """The last values of all maps, whole."""
        self._draw(last=True)

    def _draw(self, last: bool) -> None:
        if not self._json and (self._changed or (last and self._maps)):
            lines = [shown(line) for line in map_lines(list(self._maps.values()))]
            if self._progress and not last:
                lines.append(self._progress)
            self._screen.picture(lines, last=last)
        self._changed = False
        self._drawn = time.monotonic()


def progress(session: Session) -> str:
    """How many probes are attached, where they are being attached or detached, else ""."""
    if session.state == "starting" and session.attached_probes is not None and session.expected_probes:
        return f"Attached {session.attached_probes:,} of {session.expected_probes:,} probes."
    if session.state == "stopping" and session.still_attached:
        return f"Detaching: {session.still_attached:,} of {session.attached_probes or 0:,} probes are left."
    return ""


def _request(options: argparse.Namespace) -> ScriptRequest:
    duration = getattr(options, "duration", None)
    if options.script is None:
        probes = tuple(from_here(probe)[0] for probe in options.probes)
        lines = tuple(f'line:"{_line_file(options)}":{line}' for line in options.lines)
        return ScriptRequest(
            options.recipe,
            (*probes, *lines),
            options.pid,
            duration,
            follow=getattr(options, "follow", False),
            wait_for=getattr(options, "wait_for", None),
            options=dict(options.options),
        )
    return ScriptRequest(
        pid=options.pid,
        duration=duration,
        script=_read(options.script),
        follow=getattr(options, "follow", False),
        wait_for=getattr(options, "wait_for", None),
    )


def _line_file(options: argparse.Namespace) -> str:
    """The binary that a source line belongs to: what is named, else the command that is run."""
    if options.file:
        return str(Path(options.file).absolute())
    found = shutil.which(options.arguments[0])
    if found is None:
        raise NotFound(f"There is no program {options.arguments[0]}.", "Give the binary with --file.")
    return str(Path(found).resolve())


def _read(path: str) -> str:
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise BadInput(
            f"{path} cannot be read: {why}.", "--script takes a file with a bpftrace script."
        ) from error


def _diagnostic(each: Diagnostic) -> dict[str, Any]:
    return {
        "line": each.line,
        "column": each.column,
        "end_column": each.end_column,
        "severity": each.severity,
        "message": each.message,
    }


COMMANDS = {"script": script, "trace": trace}
