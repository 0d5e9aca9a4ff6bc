"""One running session: its child's lines to events in its log, its state from starting to over.

Refuses nothing by itself: limits, audit and the list of sessions are in session.py. A session is running
when bpftrace says that its probes are armed; ``attached_probes`` comes before that and counts BEGIN, END and
intervals too, which are taken off. Stopping asks with SIGTERM, so that the last maps are printed, and waits
by the number of probes (each takes 0.13 to 0.2 s to detach in 0.17) before SIGKILL.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from app.errors import AppError, StorageFull
from app.host.awaited import Awaited
from app.host.processes import alive
from app.trace import diagnostics
from app.trace.bpftrace import Capabilities, Child
from app.trace.decode import MAP_TYPES, Decoded, decode
from app.trace.log import Log
from app.trace.model import LINED, Diagnostic, Loss, Session, SessionState
from app.trace.policy import attach_points, own_probes
from app.trace.symbolise import Symboliser

OVER: tuple[SessionState, ...] = ("ended", "failed")
NEWLINE = b"\\n"  # as JSON has it
# Older or newer versions might not tell that the probes are armed.
NOTICE_SECONDS = 5.0
START_SECONDS = 300.0
TERM_SECONDS = 10.0
KILL_SECONDS = 30.0
SECONDS_A_PROBE = 0.4
WATCH_SECONDS = 0.25
ATTACH_SECONDS = 0.05
# Between looks for a process that is waited for.
COME_SECONDS = 0.02
# Between looks at what the targets of stacks map: short, so that a short-lived one is met all the same, but
# long beside what a look takes, which stops a large target's own mapping of memory.
MAPS_SECONDS, MAPS_SHARE = 0.02, 0.05
# For the names of the last maps, which come once.
LAST_NAMES_SECONDS = 30.0


class Live:
    """A session whose bpftrace runs, or ran in this server's life."""

    def __init__(
        self,
        session: Session,
        log: Log,
        child: Child,
        able: Capabilities,
        saved: Callable[[Session], None],
        unchanged: Callable[[], None],
        symboliser: Symboliser | None = None,
        awaited: Awaited | None = None,
    ) -> None:
        """``unchanged`` raises AppError when a file of a probe was replaced. ``symboliser``: where the script
        has stacks to name; closed at the end. ``awaited``: becomes the target once it has come."""
        self.log = log
        self.changed_at = time.monotonic()
        self.woken = asyncio.Event()
        self.viewer_loss = 0
        self.viewers = 0
        self._session = session
        self._child = child
        self._version = able.version
        self._multi = able.multi
        self._saved = saved
        self._unchanged = unchanged
        self._symboliser = symboliser
        self._awaited = awaited
        self._arrived = asyncio.Event()  # the awaited process
        self._armed = False
        self._own = own_probes(session.script)
        self._kernel_loss = 0
        self._server_loss = 0
        self._printed = 0
        self._latest = ""
        self._counted: int | None = None
        self._reported: int | None = None
        self._stop: tuple[SessionState, str, str] | None = None
        self._stopper: asyncio.Task[None] | None = None
        self.task = asyncio.create_task(self._run())

    @property
    def session(self) -> Session:
        """The session as it stands now."""
        log = self.log
        return replace(
            self._session,
            events=log.last,
            first=log.first,
            last=log.last,
            loss=Loss(self._kernel_loss, self._server_loss + log.first - 1, self.viewer_loss),
            viewers=self.viewers,
        )

    @property
    def over(self) -> bool:
        return self._session.state in OVER

    def stop(self, code: str, reason: str, state: SessionState = "ended") -> None:
        """Begins to stop, once; ``task`` ends when the child has."""
        if self.over or self._stop is not None:
            return
        self._stop = (state, code, reason)
        self._change(state="stopping")
        self._stopper = asyncio.create_task(self._stop_child())

    def amend(self, **fields: Any) -> None:
        """Tells more of a session, also of one that is over."""
        self._change(**fields)

    def mark(self, text: str) -> int:
        """Puts a marker into the log, and gives its number. Raises StorageFull."""
        self.log.append([(self._elapsed(), Decoded("marker", text, None))])
        self.wake()
        return self.log.last

    def wake(self) -> None:
        """Wakes those who wait for events or a change."""
        self.woken.set()
        self.woken = asyncio.Event()

    async def _run(self) -> None:
        watcher = asyncio.create_task(self._watch())
        observer = asyncio.create_task(self._observe())
        try:
            async for lines in self._child.batches():
                await self._take(lines)
            code = await self._child.wait()
        except BaseException as error:
            # Whatever went wrong here, no bpftrace stays behind it.
            self._child.send(signal.SIGKILL)
            if not isinstance(error, Exception):
                raise
            self._stop = ("failed", "internal", f"The server failed to read its events: {error!r}.")
            code = await self._child.wait()
        finally:
            for task in (watcher, observer, self._stopper):
                if task is not None:
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task
            if self._symboliser is not None:
                self._symboliser.close()
        self._end(code)

    async def _take(self, lines: Iterable[bytes]) -> None:
        t = self._elapsed()
        events = []
        stacks = False
        for line in lines:
            event = decode(line, self._version)
            if event is not None:
                self._look(event)
                events.append((t, event))
                stacks = stacks or (event.type in MAP_TYPES and NEWLINE in line)
        if stacks and self._symboliser is not None:
            patience = None if self._stop is None else LAST_NAMES_SECONDS
            events = await asyncio.to_thread(self._symboliser.name, events, patience)
            for warning in self._symboliser.warnings():
                self._warn(warning)
        before = self.log.last
        try:
            self.log.append(events)
        except StorageFull as error:
            self._server_loss += len(events) - (self.log.last - before)
            self.stop("disk_full", error.message, "failed")
        self.wake()

    def _elapsed(self) -> int:
        return max(0, round((time.time() - self._session.started) * 1000))

    def _look(self, event: Decoded) -> None:
        data = event.data
        self._latest = event.type
        if event.type == "printf":
            self._printed += 1
        elif not isinstance(data, dict):
            return
        elif event.type == "attached_probes":
            self._reported = max(0, _integer(data.get("probes")) - self._own)
            if self._session.state != "starting":
                # Old versions say it before they attach, and then fail.
                self._change(attached_probes=self._reported)
        elif event.type == "lost_events":
            self._kernel_loss += _integer(data.get("events"))
        elif event.type in MAP_TYPES and isinstance(data.get("@n"), int):
            self._counted = data["@n"]

    async def _observe(self) -> None:
        """Sees to it that what the targets map is known when they are gone."""
        symboliser = self._symboliser
        if symboliser is None:
            return

        def look() -> tuple[bool, float]:
            began = time.thread_time()
            return symboliser.watch(), time.thread_time() - began

        if self._awaited is not None:
            await self._arrived.wait()
        left = True
        while left:
            left, took = await asyncio.to_thread(look)
            await asyncio.sleep(max(MAPS_SECONDS, took / MAPS_SHARE))

    async def _watch(self) -> None:
        """Waits for the probes, then for the deadline or the target's end."""
        begun = time.monotonic()
        while not self._child.attached.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._child.attached.wait(), ATTACH_SECONDS)
            await self._attaching()
            if self._reported is not None and time.monotonic() - begun > NOTICE_SECONDS:
                break
            if time.monotonic() - begun > START_SECONDS:
                self.stop(
                    "start_timeout", f"Its probes were not attached in {START_SECONDS:.0f} s.", "failed"
                )
                return
        # The count comes through another pipe than the notice.
        for _ in range(20):
            if self._reported is not None:
                break
            await asyncio.sleep(0.05)
        if self._stop is None:
            self._armed = True
            self._change(state="running", attached_probes=self._reported)
            self._compare()
            try:
                # bpftrace opened the path itself, after it was compared.
                await asyncio.to_thread(self._unchanged)
            except AppError as error:
                self.stop("replaced", error.message, "failed")
        if self._awaited is not None and not await self._came(self._awaited):
            return
        session = self._session
        deadline = time.monotonic() + session.duration
        pid, starttime = session.pid, session.pid_starttime
        while (left := deadline - time.monotonic()) > 0:
            await asyncio.sleep(min(WATCH_SECONDS, left))
            if pid is not None and starttime is not None and not alive(pid, starttime):
                self.stop("target_gone", f"Process {pid} ended.")
                return
        self.stop("deadline", f"It ran for the {session.duration:g} s that it was given.")

    async def _came(self, awaited: Awaited) -> bool:
        """Waits for the process of a name, as long as the session may run, and makes it the target."""
        seconds = self._session.duration
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            found = await asyncio.to_thread(getattr, awaited, "process")
            if found is not None:
                self._change(pid=found[0], pid_starttime=found[1])
                if self._symboliser is not None:
                    await asyncio.to_thread(self._symboliser.also, found[0])
                self._arrived.set()
                return True
            await asyncio.sleep(min(COME_SECONDS, left))
        self.stop("nothing_came", f"No process named {awaited.name} was seen in {seconds:g} s.")
        return False

    async def _attaching(self) -> None:
        """Tells how many probes are attached by now."""
        expected = self._session.expected_probes
        if not expected or self._session.state != "starting":
            return
        if self._multi and len(attach_points(self._session.script)) < expected:
            return  # one link holds many probes
        held = await asyncio.to_thread(self._child.perf_events)
        # Beside the probes it has a buffer of each processor, and its own intervals.
        attached = min(expected, max(0, held - (os.cpu_count() or 1) - self._own))
        if attached and self._session.state == "starting":
            self._moment(attached_probes=attached)

    def _moment(self, **fields: Any) -> None:
        """A change that is not saved: it is of the moment."""
        if any(getattr(self._session, name) != value for name, value in fields.items()):
            self._session = replace(self._session, **fields)
            self.changed_at = time.monotonic()
            self.wake()

    def _compare(self) -> None:
        """Versions before 0.27 leave out probes that they do not find, without a word."""
        expected, attached = self._session.expected_probes, self._reported
        if not expected or attached is None or attached >= expected:
            return
        if self._multi and attached >= len(attach_points(self._session.script)):
            # One link took all functions of a wildcard, and counts as one.
            self._change(attached_probes=expected)
            return
        if attached == 0:
            why = self._session.warnings[0] if self._session.warnings else "bpftrace did not find its place."
            self.stop("attach_failed", f"No probe was attached: {why}", "failed")
            return
        self._warn(f"{attached} of {expected} probes were attached; bpftrace did not find the others.")

    async def _stop_child(self) -> None:
        probes = (self._reported or self._session.expected_probes or 0) + self._own
        others = await asyncio.to_thread(self._child.perf_events) - (self._reported or 0)
        await self._child.end()
        await self._detaching(TERM_SECONDS + SECONDS_A_PROBE * probes, others)
        self._child.send(signal.SIGKILL)
        await self._detaching(KILL_SECONDS + SECONDS_A_PROBE * probes, others)
        self._change(reason="bpftrace was killed and still detaches its probes.")

    async def _detaching(self, seconds: float, others: int) -> None:
        """Waits, and tells how many probes are attached still; ``others``: events that are not of probes."""
        until = time.monotonic() + seconds
        while (rest := until - time.monotonic()) > 0:
            await asyncio.sleep(min(WATCH_SECONDS, rest))
            if others < 0 or not self._reported:
                continue  # one link holds many probes, or none is known to be attached
            left = await asyncio.to_thread(self._child.perf_events) - others
            self._moment(still_attached=min(self._reported, max(0, left)))

    def _end(self, code: int) -> None:
        found = diagnostics.parse(self._child.stderr, self._session.script)
        if self._session.recipe in LINED and self._counted is not None:
            # What the buffers lost and did not say: lost_events is a lower bound.
            self._kernel_loss = max(self._kernel_loss, self._counted - self._printed)
        if self._session.recipe in LINED and code == 0 and self._latest == "printf":
            self._warn("bpftrace did not print its last count: more events may be lost than is told.")
        state, name, reason = self._stop or self._how(code, found)
        if code == 0:
            # Lines called ERROR of a run that went well are complaints about the machine.
            found = tuple(entry for entry in found if entry.severity != "error")
        kept = (*self._session.diagnostics, *found)
        said = "\n".join(entry.message for entry in found)
        self._change(
            state=state,
            code=name,
            reason=reason,
            ended=time.time(),
            diagnostics=kept,
            stderr=said,
            still_attached=None,
            attached_probes=self._session.attached_probes if self._armed else None,
        )
        self.log.seal()

    def _how(self, code: int, found: tuple[Diagnostic, ...]) -> tuple[SessionState, str, str]:
        """State, code and sentence of a bpftrace that ended without being asked to."""
        if code == 0:
            return "ended", "exited", "The script ended by itself."
        if code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
            return "failed", "killed", f"bpftrace was killed by {name}; its last maps are lost."
        reason = diagnostics.sentence(found) or f"bpftrace ended with {code} and did not say why."
        errors = [entry for entry in found if entry.severity == "error"]
        if self._reported is None and any(entry.end_column > 1 for entry in errors):
            return "failed", "script_error", reason
        return "failed", "bpftrace_failed" if self._child.attached.is_set() else "attach_failed", reason

    def _warn(self, message: str) -> None:
        found = (*self._session.diagnostics, Diagnostic(1, 1, 1, "warning", message))
        self._change(diagnostics=found, warnings=(*self._session.warnings, message))

    def _change(self, **fields: Any) -> None:
        self._session = replace(self._session, **fields)
        self.changed_at = time.monotonic()
        # A full disk must not keep a session from ending.
        with suppress(StorageFull):
            self._saved(self.session)
        self.wake()


def _integer(value: Any) -> int:
    return value if isinstance(value, int) else 0
