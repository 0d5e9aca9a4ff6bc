"""Sessions: from a request to a running bpftrace, its state and its numbered log, until it is removed.

Everything async is bound to one event loop; ``get``, ``list`` and ``read`` may be called from any thread.
Refuses what is over a limit (per actor, per instance, viewers, probes, time), what the policy denies, and
what cannot be written to the audit log first.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from app import audit
from app.config import Settings
from app.errors import (
    AppError,
    BadInput,
    Busy,
    Conflict,
    NotFound,
    StorageFull,
)
from app.host.awaited import Awaited
from app.host.processes import alive, process
from app.trace import limits, policy, symbol_directory
from app.trace.bound import Bound, bind, check
from app.trace.bpftrace import Bpftrace, Capabilities
from app.trace.catalogue import Catalogue
from app.trace.data_lock import hold
from app.trace.library import Library
from app.trace.live import OVER, Live
from app.trace.log import Log
from app.trace.model import Loss, ScriptRequest, Session
from app.trace.script import awaited_name, generate
from app.trace.stack_keys import shapes
from app.trace.store import Store
from app.trace.symbolise import Symboliser, pids_are_ours

SWEEP_SECONDS = 600.0
FOLLOW_SECONDS = 0.1  # between looks for the next process of a name
CLOSE_SECONDS = 60.0
MARKER_LONGEST = 200
T = TypeVar("T")
Lines = list[bytes]  # inside the class, `list` is its method
# A change that came while a viewer was sending still wakes it.
RECENT_SECONDS, TURN_SECONDS = 0.25, 0.02


class Sessions:
    """All sessions of this instance."""

    def __init__(self, settings: Settings, bpftrace: Bpftrace, index: Catalogue | None) -> None:
        self._settings = settings
        self._bpftrace = bpftrace
        self._index = index
        self._directory = settings.data / "sessions"
        self._live: dict[str, Live] = {}
        self._past: dict[str, Session] = {}
        self._logs: dict[str, Log] = {}
        self._watching: Counter[str] = Counter()  # viewers of sessions of an earlier server
        self._store: Store | None = None
        self._creating = asyncio.Lock()
        self._sweeper: asyncio.Task[None] | None = None
        self._followers: set[asyncio.Task[None]] = set()
        self._held = -1

    async def start(self) -> None:
        """Takes up what an earlier server left: kills its bpftraces, marks its sessions ended.

        Raises Conflict when a server that lives uses the same data, and StorageFull.
        """
        self._held = await hold(self._settings.data)
        self._store = await asyncio.to_thread(Store, self._settings.data)
        for session in await asyncio.to_thread(self._store.all):
            found = session if session.state in OVER else await self._recover(session)
            self._past[found.id] = replace(found, viewers=0)
        self._sweeper = asyncio.create_task(self._sweep())

    async def close(self) -> None:
        """Stops every session and waits for it; a bpftrace that does not end in time is killed."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._sweeper
        for follower in list(self._followers):
            follower.cancel()
        await asyncio.gather(*self._followers, return_exceptions=True)
        for live in self._live.values():
            live.stop("server_stopped", "The server was stopped.")
        tasks = [live.task for live in self._live.values() if not live.task.done()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=CLOSE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for log in self._logs.values():
            log.close()
        if self._store is not None:
            self._store.close()
        if self._held >= 0:
            os.close(self._held)
            self._held = -1

    async def create(self, request: ScriptRequest, owner: str, follows: str | None = None) -> Session:
        """Starts a session, perhaps one that goes on from another.

        Raises what stands against it: BadInput, Forbidden, ScriptRefused, Busy, TooLarge, TracingUnavailable,
        StorageFull, Conflict for a file that was replaced. A script that bpftrace itself refuses gives a
        session that fails, with diagnostics.
        """
        limits.allow(request, self._settings)
        able = await asyncio.to_thread(self._bpftrace.require)
        duration = limits.duration(request.duration, self._settings)
        target = process(request.pid) if request.pid is not None else None
        if request.follow and (target is None or request.recipe == "custom"):
            raise BadInput(
                "Only a recipe over one process can follow it: a script of one's own names it itself.",
                "Choose a recipe and a process, or leave out follow.",
            )
        name = awaited_name(request)
        awaited = None if name is None else await asyncio.to_thread(Awaited, name)
        if awaited is not None:
            request = replace(request, besides=awaited.others)
        bound = await asyncio.to_thread(self._bound, request)
        made = await asyncio.to_thread(generate, request, able, self._index)
        limits.accept(request, made)
        async with self._creating:
            owners = [each.session.owner for each in self._live.values() if not each.over]
            limits.room(owner, owners, self._settings)
            session = Session(
                id=secrets.token_hex(6),
                state="starting",
                reason=None,
                code=None,
                script=made.text,
                recipe=request.recipe,
                probes=request.probes,
                pid=request.pid,
                duration=duration,
                owner=owner,
                started=time.time(),
                ended=None,
                expected_probes=made.expected_probes,
                attached_probes=None,
                events=0,
                first=1,
                last=0,
                loss=Loss(),
                warnings=made.warnings,
                pid_starttime=target.starttime if target is not None else None,
                follow=request.follow,
                follows=follows,
                options=dict(request.options),
                wait_for=name,
            )
            await asyncio.to_thread(
                audit.write,
                self._settings.data,
                "session.start",
                owner,
                session=session.id,
                recipe=session.recipe,
                probes=session.probes,
                pid=session.pid,
                wait_for=name,
                duration=duration,
                script=session.script,
            )
            log = self._open_log(session.id)
            symboliser = None
            try:
                self._stored.put(session)
                self.library.keep(made.text, "", request.recipe, owner, request.parent)
                symbols = await asyncio.to_thread(self._names, made.text, session.id)
                symboliser = await asyncio.to_thread(self._symboliser, request, session, able)
                await asyncio.to_thread(self._unchanged, bound)
                child = await self._bpftrace.spawn(made.text, symbols)
            except Exception:
                if symboliser is not None:
                    symboliser.close()
                log.delete()
                with suppress(StorageFull):
                    self._stored.delete(session.id)
                raise
            self._logs[session.id] = log
            session = replace(session, bpftrace_pid=child.pid, bpftrace_starttime=child.starttime)
            unchanged = partial(self._unchanged, bound)
            live = Live(session, log, child, able, self._stored.put, unchanged, symboliser, awaited)
            self._live[session.id] = live
            with suppress(StorageFull):
                self._stored.put(session)
            if request.follow and target is not None:
                next_one = Awaited(target.command)
                follower = asyncio.create_task(self._go_on(live, request, owner, next_one))
                self._followers.add(follower)
                follower.add_done_callback(self._followers.discard)
        return live.session

    async def _go_on(self, live: Live, request: ScriptRequest, owner: str, next_one: Awaited) -> None:
        """Once the target has ended, a session of the next process of its name, for the time that is left."""
        await asyncio.wait({live.task})
        session = live.session
        until = session.started + session.duration
        while session.code == "target_gone" and (left := until - time.time()) > 0:
            pid = await asyncio.to_thread(getattr, next_one, "pid")
            if pid is None:
                await asyncio.sleep(FOLLOW_SECONDS)
                continue
            try:
                made = await self.create(replace(request, pid=pid, duration=left), owner, session.id)
                live.amend(followed_by=made.id)
            except NotFound:
                next_one = Awaited(next_one.name)  # gone again before it could be traced
                continue
            except AppError as error:
                live.amend(warnings=(*session.warnings, f"It was not gone on with: {error.message}"))
            return

    def get(self, id: str) -> Session:
        """The session as it stands. Raises NotFound."""
        live = self._live.get(id)
        if live is not None:
            return live.session
        found = self._past.get(id)
        if found is None:
            raise NotFound(f"There is no session {id}.", "It may have been removed; look at the list.")
        return found

    def list(self, limit: int = 100) -> tuple[Session, ...]:
        """The newest sessions first."""
        found = [*(live.session for live in _values(self._live)), *_values(self._past)]
        found.sort(key=lambda session: -session.started)
        return tuple(found[:limit])

    async def stop(self, id: str, who: str = "") -> Session:
        """Begins to stop a session; stopping one that is over or stopping changes nothing."""
        live = self._live.get(id)
        if live is None or live.session.state not in ("starting", "running"):
            return self.get(id)
        # What runs must be stoppable, also when the disk is full.
        with suppress(StorageFull):
            await asyncio.to_thread(
                audit.write, self._settings.data, "session.stop", who or live.session.owner, session=id
            )
        live.stop("stopped", "It was stopped.")
        return live.session

    def mark(self, id: str, text: str) -> int:
        """Puts a marker into the log of a session that runs; its number there.

        Raises NotFound, BadInput for a text of nothing, Conflict for a session that is over, StorageFull.
        """
        text = text.strip()
        if not text or len(text) > MARKER_LONGEST:
            raise BadInput(
                f"A marker has from 1 to {MARKER_LONGEST} characters.", "Say in a few words what happens."
            )
        live = self._live.get(id)
        if live is None or live.over:
            self.get(id)
            raise Conflict("The session is over, and its log stays as it is.", "Mark while a session runs.")
        return live.mark(text)

    async def wait(self, id: str, timeout: float | None = None) -> Session:  # noqa: ASYNC109
        """The session once it is over, or as it stands after ``timeout`` seconds."""
        live = self._live.get(id)
        if live is not None:
            await asyncio.wait({live.task}, timeout=timeout)
        return self.get(id)

    def read(self, id: str, start: int, limit: int) -> Lines:
        """At most ``limit`` event lines from number ``start`` on; a gap event first if some are not kept."""
        self.get(id)
        log = self._logs.get(id)
        if log is None:
            log = self._logs.setdefault(id, self._open_log(id))
        return log.read(start, limit)

    async def changed(self, id: str, last_n: int, timeout: float) -> bool:  # noqa: ASYNC109
        """Waits for an event past ``last_n`` or a change of state; False: neither came in ``timeout`` s."""
        live = self._live.get(id)
        if live is None:
            self.get(id)
            return True
        woken = live.woken
        if live.over or live.log.last > last_n:
            return True
        if time.monotonic() - live.changed_at < RECENT_SECONDS:
            # Who asks again at once leaves others their turn.
            await asyncio.sleep(TURN_SECONDS)
            return True
        try:
            await asyncio.wait_for(woken.wait(), timeout)
        except TimeoutError:
            return False
        return True

    @contextmanager
    def viewer(self, id: str) -> Iterator[None]:
        """Counts a viewer while it looks. Raises NotFound, and Busy when there are too many."""
        self.get(id)
        live = self._live.get(id)
        viewers = live.viewers if live is not None else self._watching[id]
        if viewers >= self._settings.viewers:
            raise Busy(
                f"The session has {viewers} viewers, which is the most it may have.",
                "Close one, or read its events from the API.",
            )
        if live is None:
            self._watching[id] += 1
            try:
                yield
            finally:
                self._watching[id] -= 1
                self._watching += Counter()  # forgets those at 0
            return
        live.viewers += 1
        live.wake()
        try:
            yield
        finally:
            live.viewers -= 1
            live.wake()

    def add_viewer_loss(self, id: str, n: int) -> None:
        """Adds events that were not sent to a viewer."""
        live = self._live.get(id)
        if live is not None:
            live.viewer_loss += n

    async def delete(self, id: str, who: str = "") -> None:
        """Removes a session and its log; one that runs is stopped first."""
        session = self.get(id)
        await asyncio.to_thread(
            audit.write, self._settings.data, "session.delete", who or session.owner, session=id
        )
        live = self._live.get(id)
        if live is not None:
            live.stop("stopped", "It was stopped to be removed.")
            await asyncio.wait({live.task})
        await self._remove(id)

    @property
    def library(self) -> Library:
        """The scripts that sessions ran, and those that were saved."""
        return Library(self._stored, self._settings.data)

    @property
    def _stored(self) -> Store:
        assert self._store is not None, "Sessions.start was not called"
        return self._store

    async def _remove(self, id: str) -> None:
        log = self._logs.pop(id, None)
        self._live.pop(id, None)
        self._past.pop(id, None)
        if log is not None:
            await asyncio.to_thread(log.delete)
        else:
            await asyncio.to_thread(shutil.rmtree, self._directory / id, ignore_errors=True)
        self._stored.delete(id)

    def _names(self, script: str, id: str) -> Path | None:
        """The directory of names that the script's probes need and their files have not."""
        if self._index is None:
            return None
        return symbol_directory.lay(script, self._index, self._directory / id / "symbols")

    def _bound(self, request: ScriptRequest) -> tuple[Bound, ...]:
        """The files of a request as they are now. Raises Conflict."""
        if self._index is None:
            return ()
        return bind(request.probes or policy.attach_points(request.script or ""), self._index)

    def _unchanged(self, bound: Sequence[Bound]) -> None:
        """Raises Conflict when a file was replaced."""
        if self._index is not None:
            check(bound, self._index)

    def _symboliser(self, request: ScriptRequest, session: Session, able: Capabilities) -> Symboliser | None:
        """Who names the stacks of a session, if its script has any; its targets are looked at now."""
        if self._index is None or not shapes(session.script):
            return None
        ours = able.version is not None and pids_are_ours(able.version)
        place = self._directory / session.id / "maps"
        made = Symboliser(self._index, place, session.script, session.recipe, _pids(request), ours)
        made.begin()
        return made

    def _open_log(self, id: str) -> Log:
        return Log(self._directory / id, self._settings.session_bytes, self._settings.session_events)

    async def _recover(self, session: Session) -> Session:
        pid, starttime = session.bpftrace_pid, session.bpftrace_starttime
        if pid is not None and starttime is not None:
            for _ in range(100):
                if not alive(pid, starttime):
                    break
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                await asyncio.sleep(0.05)
        log = await asyncio.to_thread(self._open_log, session.id)
        self._logs[session.id] = log
        found = replace(
            session,
            state="ended",
            code="server_gone",
            reason="The server ended while it ran; what came after its last event is lost.",
            ended=time.time(),
            events=log.last,
            first=log.first,
            last=log.last,
        )
        with suppress(StorageFull):
            self._stored.put(found)
        return found

    async def _sweep(self) -> None:
        """Removes sessions that ended long ago."""
        while True:
            oldest = time.time() - self._settings.retention
            for session in self.list(limit=1_000_000):
                if session.state in OVER and (session.ended or session.started) < oldest:
                    with suppress(StorageFull):
                        await self._remove(session.id)
            await asyncio.sleep(SWEEP_SECONDS)


def _pids(request: ScriptRequest) -> list[int]:
    """The processes that a request is about."""
    several = request.options.get("pids", ())
    several = several if isinstance(several, list | tuple) else ()
    return [pid for pid in (request.pid, *several) if type(pid) is int]


def _values(values: dict[str, T]) -> tuple[T, ...]:
    """The values at one moment, whatever other threads do meanwhile."""
    return tuple(values.values())
