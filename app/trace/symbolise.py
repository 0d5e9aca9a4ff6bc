"""Names for the stacks in keys of maps, from our own index: functions, inlined calls, source lines.

bpftrace knows the symbol tables of what is still running; the index knows debug files too, lines, inlined
calls, and what a process mapped that has ended. An address goes through its mapping to the offset in the
file, through the segment to the address that the file has, and to the functions there. Every frame but the
innermost is a return address, the instruction after the call: the one before it is looked up, as users of
addr2line do. bpftrace's own frame stays where nothing better is known; addresses stay in every frame, so that
keys stay apart. Kept: what is named once is not looked up again.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.host.machine import machine
from app.host.regions import MappedFile
from app.trace.catalogue import Catalogue
from app.trace.decode import MAP_TYPES, Decoded, Version, apart, keyed, single_key
from app.trace.stack_files import StackFiles
from app.trace.stack_keys import Head, head, shapes
from app.trace.stack_processes import StackProcesses
from app.trace.stacks import FRAME, UNKNOWN, StackFrame, has_stack, joined, split

MOST_KEY_BYTES = 64 << 20
# Of one session that runs, altogether: who waits for names reads no events meanwhile.
WAIT_SECONDS = 10.0
# Before a session: for what it runs, so that nothing is busy when it begins; and for what only it leads to.
BEGIN_SECONDS, FLEETING_SECONDS = 1.0, 10.0
# From here on bpftrace counts processes as its own PID namespace does, before as the kernel's first one.
OWN_NAMESPACE: Version = (0, 22, 0)
_FOREIGN = (
    "Frames are as bpftrace named them: it knows processes by other pids than this container does. "
    "Start the container with --pid=host."
)
Timed = tuple[int, Decoded]
Where = tuple[str, str]  # the name of a map, and a key of it


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where a frame's code is: at an offset in a file, or in what a JIT compiler has named."""

    file: MappedFile | None
    offset: int = 0
    jitted: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class _Key:
    """A key with a stack, taken apart."""

    own: str  # what stands before the stack
    head: Head
    frames: tuple[StackFrame, ...]

    @property
    def has_caller(self) -> bool:
        """Whether the walk has the direct caller, as from Linux 6.11 on where a function begins by a push."""
        return len(self.frames) > 1 and self.frames[1].address == self.head.caller


@dataclass(frozen=True, slots=True)
class _Named:
    """A frame, by our names or by bpftrace's."""

    text: str
    ours: bool
    final: bool  # there will not be more
    begins: bool  # at its function's first byte


At = tuple[int | None, int | None, bool]  # process, address, and whether that is no return address


def pids_are_ours(version: Version) -> bool:
    """Whether the pids that this bpftrace prints are those of our own PID namespace."""
    return version >= OWN_NAMESPACE or machine().host_pid_namespace


class Symboliser:
    """One session's. ``name`` is for one thread at a time; the rest may be called meanwhile."""

    def __init__(
        self,
        index: Catalogue,
        directory: Path,
        script: str,
        recipe: str,
        pids: Sequence[int],
        ours: bool = True,
    ) -> None:
        """``directory``: where what processes map is kept; ``pids``: those that the session is about;
        ``ours``: whether bpftrace counts processes as this one does."""
        self._files = StackFiles(index)
        self._processes = StackProcesses(directory, self._files.hold)
        self._shapes = shapes(script)
        self._recipe = recipe
        self._pids = tuple(dict.fromkeys(pids))
        self._only = self._pids[0] if len(self._pids) == 1 else None
        self._kept = _Kept()
        self._patience = WAIT_SECONDS
        self._told: set[str] = set()
        self._ours = ours

    def begin(self) -> None:
        """Looks at the session's processes before anything comes, and begins to read what they run.

        Waits for that, and longer for what could not be read any more once they are gone.
        """
        self._files.wait(self._prepare(self._pids))

    def also(self, pid: int) -> None:
        """Another process that the session is about from now on; looked at before this returns."""
        self._pids = tuple(dict.fromkeys([*self._pids, pid]))
        self._prepare([pid])

    def _prepare(self, pids: Sequence[int]) -> float:
        """How many seconds what they run may take to be read."""
        patience = 0.0
        for pid in pids if self._ours else ():
            look = self._processes.meet(pid)
            if look is not None and look.regions:
                program = look.regions[0].file
                self._files.prepare(program)
                patience = max(patience, FLEETING_SECONDS if program.fleeting else BEGIN_SECONDS)
        return patience

    def watch(self) -> bool:
        """Looks again at those of them that changed; whether one is left."""
        left = [self._processes.watch(pid) for pid in self._pids if self._ours]
        return any(left)

    def name(self, events: Sequence[Timed], patience: float | None = None) -> list[Timed]:
        """The events with their stacks named, at most ``patience`` seconds later.

        Without it what is left of the session's time to wait. Frames whose names are not there by then
        stay as bpftrace printed them, and have theirs when the map is printed again.
        """
        names: dict[Where, str] = {}
        keys: dict[Where, _Key] = {}
        for place in (place for _, event in events for place in self._places(event)):
            known = self._kept.get(place)
            if known is not None:
                names[place] = known
            elif place not in keys:
                keys[place] = self._read(*place)
        spots = self._look_up(keys.values())
        self._wait(patience)
        named: dict[tuple[StackFrame, At], _Named] = {}
        names |= {place: self._called(place, key, spots, named) for place, key in keys.items()}
        return [(t, self._event(event, names)) for t, event in events]

    def warnings(self) -> list[str]:
        """What was found wrong since the last call, in sentences."""
        every = [*([] if self._ours else [_FOREIGN]), *self._processes.warnings, *self._files.warnings]
        new = [each for each in every if each not in self._told]
        self._told.update(new)
        return new

    def close(self) -> None:
        self._processes.close()
        self._files.close()

    def _places(self, event: Decoded) -> Iterator[Where]:
        """The keys of an event that have a stack, with their maps."""
        if event.type in MAP_TYPES and isinstance(event.data, dict):
            for name, value in event.data.items():
                if name in self._shapes and keyed(event.type, value):
                    yield from ((name, key) for key in value if has_stack(key))

    def _read(self, name: str, key: str) -> _Key:
        own, frames = split(key)
        found = head(own, self._shapes.get(name), self._recipe, self._only)
        return _Key(own, found if self._ours else replace(found, pid=None), frames)

    def _look_up(self, keys: Collection[_Key]) -> dict[At, _Spot | None]:
        """Where the frames are, whose names are looked up from now on."""
        for pid in {key.head.pid for key in keys if key.head.pid is not None}:
            self._processes.meet(pid)
        places: dict[At, None] = {}
        for key in keys:
            of = key.head.pid
            places |= {(of, frame.address, number == 0): None for number, frame in enumerate(key.frames)}
            places[of, key.head.caller, False] = None
        found = {place: self._spot(*place) for place in places}
        wanted: dict[MappedFile, set[int]] = {}
        for spot in found.values():
            if spot is not None and spot.file is not None:
                wanted.setdefault(spot.file, set()).add(spot.offset)
        for file, offsets in wanted.items():
            self._files.want(file, offsets)
        return found

    def _spot(self, pid: int | None, address: int | None, exact: bool) -> _Spot | None:
        """``exact``: not a return address."""
        if pid is None or address is None:
            return None
        at = address if exact else address - 1
        found = self._processes.file_at(pid, at)
        if found is not None:
            return _Spot(*found)
        jitted = self._processes.name_at(pid, at)
        return None if jitted is None else _Spot(None, jitted=jitted)

    def _wait(self, patience: float | None) -> None:
        began = time.monotonic()
        self._files.wait(self._patience if patience is None else patience)
        if patience is None:
            self._patience = max(0.0, self._patience - (time.monotonic() - began))

    def _event(self, event: Decoded, names: dict[Where, str]) -> Decoded:
        if not any(True for _ in self._places(event)):
            return event
        data = {
            name: self._map(name, value, names)
            if name in self._shapes and keyed(event.type, value)
            else value
            for name, value in event.data.items()
        }
        return Decoded(event.type, data, single_key(event.type, data))

    def _map(self, name: str, value: dict[str, Any], names: dict[Where, str]) -> dict[str, Any]:
        """The same with other keys; none is lost, whatever two of them are called."""
        out: dict[str, Any] = {}
        for key, inner in value.items():
            out[apart(names.get((name, key), key), out)] = inner
        return out

    def _called(
        self,
        place: Where,
        key: _Key,
        spots: dict[At, _Spot | None],
        named: dict[tuple[StackFrame, At], _Named],
    ) -> str:
        """``named``: the frames of this batch, of which most keys share some."""

        def frame_of(frame: StackFrame, exact: bool) -> _Named:
            at = key.head.pid, frame.address, exact
            found = named.get((frame, at))
            if found is None:
                found = named[frame, at] = self._frame(frame, spots[at], exact)
            return found

        found: list[_Named] = []
        for number, frame in enumerate(key.frames):
            found.append(frame_of(frame, number == 0))
            if number == 0 and key.head.caller and found[0].begins and not key.has_caller:
                # A function that has just begun has no frame yet: walking it leaves its caller out.
                found.append(frame_of(StackFrame(UNKNOWN, key.head.caller, None, UNKNOWN), False))
        final = all(each.final for each in found)
        if key.head.text == key.own and not any(each.ours for each in found):
            return self._kept.keep(place, (place[1],)) if final else place[1]
        lines = [each.text for each in found]
        if not final:
            return joined(key.own, lines)
        # Without its caller a key may be like another, which has that name then.
        return self._kept.keep(place, (joined(key.head.text, lines), joined(key.own, lines)))

    def _frame(self, frame: StackFrame, spot: _Spot | None, exact: bool) -> _Named:
        """One frame as the inlined calls in it and the function around them."""
        after = 0 if exact else 1  # from what is looked up to what the frame says
        if spot is None:
            return _Named(frame.text(), False, True, frame.offset == 0)
        unknown = frame.module in {None, UNKNOWN}
        if spot.file is None:
            assert spot.jitted is not None
            name, begun = spot.jitted
            at = begun + after
            jitted = StackFrame(_plain(name), frame.address, at, "[jit]" if unknown else frame.module)
            return _Named(jitted.text(), True, True, at == 0)
        module = _plain(spot.file.path)
        place, final = self._files.place(spot.file, spot.offset)
        if place is None:
            left = replace(frame, module=module) if unknown else frame
            return _Named(left.text(), unknown, final, frame.offset == 0)
        *inlined, (name, source) = place.names
        offset = None if place.offset is None else place.offset + after
        frames = [
            *(
                StackFrame(_plain(each), frame.address, None, module, True, line and _plain(line))
                for each, line in inlined
            ),
            StackFrame(_plain(name), frame.address, offset, module, False, source and _plain(source)),
        ]
        return _Named(FRAME.join(each.text() for each in frames), True, True, offset == 0)


class _Kept:
    """Keys by what they are called now, the ones of late; two never share a name while both are kept."""

    def __init__(self) -> None:
        self._names: OrderedDict[Where, str] = OrderedDict()
        self._owners: dict[Where, str] = {}  # by map and name
        self._bytes = 0

    def get(self, place: Where) -> str | None:
        found = self._names.get(place)
        if found is not None:
            self._names.move_to_end(place)
        return found

    def keep(self, place: Where, names: Sequence[str]) -> str:
        """The first of ``names`` that no other key has, from now on this one's; else what it was called."""
        name, key = place
        found = next((each for each in names if self._owners.get((name, each), key) == key), key)
        self._names[place] = found
        self._owners[name, found] = key
        self._bytes += len(key) + len(found)
        while self._bytes > MOST_KEY_BYTES and len(self._names) > 1:
            (other, old), called = self._names.popitem(last=False)
            self._owners.pop((other, called), None)
            self._bytes -= len(old) + len(called)
        return found


def _plain(text: str) -> str:
    """On one line, whatever a file calls its functions."""
    return (
        text
        if text.isprintable()
        else "".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in text)
    )
