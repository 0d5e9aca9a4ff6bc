"""Sessions, events and requests, as frozen values that every part of the trace room shares."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from app.index.model import plain

SessionState = Literal["starting", "running", "stopping", "ended", "failed"]
RECIPES = (
    "count",
    "log",
    "latency",
    "heatmap",
    "top",
    "slower",
    "stacks",
    "profile",
    "offcpu",
    "tree",
    "custom",
)
# Recipes whose script counts in @n how many lines it printed.
LINED = frozenset({"log", "slower", "tree"})


@dataclass(frozen=True, slots=True)
class Event:
    """One line of bpftrace, numbered from 1 without holes; ``t`` in ms since the session's start."""

    n: int
    t: int
    type: str
    data: Any
    key: str | None = None

    def as_dict(self) -> dict[str, Any]:
        out: dict[str, Any] = {"n": self.n, "t": self.t, "type": self.type, "data": self.data}
        if self.key is not None:
            out["key"] = self.key
        return out


@dataclass(frozen=True, slots=True)
class Loss:
    """Events that did not arrive: in the kernel's buffers, in the server's caps, at viewers (their sum)."""

    kernel: int = 0
    server: int = 0
    viewer: int = 0


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A place in a script, 1-based, and what is wrong there."""

    line: int
    column: int
    end_column: int
    severity: Literal["error", "warning"]
    message: str


@dataclass(frozen=True, slots=True)
class ScriptRequest:
    """What a person chose: a recipe over probes, or a text of their own."""

    recipe: str = "custom"
    probes: tuple[str, ...] = ()  # as verdict.probe gives them, e.g. uprobe:"/usr/bin/bash":readline
    pid: int | None = None
    duration: float | None = None  # seconds
    script: str | None = None
    parent: str | None = None  # hash of the library's script that this one was made from
    follow: bool = False  # when the process ends, goes on with the next one of its name
    options: dict[str, Any] = field(default_factory=dict)
    starting: bool = False  # ``pid`` has not yet become the program that is meant
    besides: tuple[int, ...] = ()  # processes that are not meant, though a filter would take them
    wait_for: str | None = None  # in place of ``pid``: the next process of this name, from its start


@dataclass(frozen=True, slots=True)
class Script:
    """A generated text, what it warns of, and how many probes it should attach (None: not known)."""

    text: str
    warnings: tuple[str, ...]
    expected_probes: int | None
    against: tuple[Reason, ...] = ()  # why it cannot be started

    @property
    def verdict(self) -> dict[str, Any]:
        return {"attachable": not self.against, "reasons": [asdict(each) for each in self.against]}


@dataclass(frozen=True, slots=True)
class SavedScript:
    """One text of the library; ``created`` in seconds since the epoch; ``parent``: what it was made from."""

    sha: str  # SHA-256 of the text, in hex
    text: str
    title: str
    recipe: str
    parent: str | None
    author: str
    created: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Session:
    """A session as it stands; times in seconds since the epoch."""

    id: str
    state: SessionState
    reason: str | None  # a sentence: why it ended or failed
    code: str | None  # its stable code: stopped, deadline, exited, target_gone, attach_failed, limit, ...
    script: str
    recipe: str
    probes: tuple[str, ...]
    pid: int | None
    duration: float
    owner: str
    started: float
    ended: float | None
    expected_probes: int | None
    attached_probes: int | None
    events: int
    first: int
    last: int
    loss: Loss
    diagnostics: tuple[Diagnostic, ...] = ()
    stderr: str = ""
    bpftrace_pid: int | None = None
    viewers: int = 0
    warnings: tuple[str, ...] = ()  # sentences: what the script will not find or show
    bpftrace_starttime: int | None = None  # ticks since boot: with the pid it names the process
    pid_starttime: int | None = None  # the same of the target
    options: dict[str, Any] = field(default_factory=dict)  # of the recipe, as they were asked for
    still_attached: int | None = None  # while it stops: probes not detached yet, where that is known
    follow: bool = False  # goes on in another session when the target comes back
    follows: str | None = None  # the session that it goes on from
    followed_by: str | None = None  # the one that goes on from it
    wait_for: str | None = None  # the name of a process that it waits for, or waited for: then ``pid`` is it

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a probe can or cannot be attached: stable code, sentence, what to do instead."""

    code: str
    text: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class ReturnVerdict:
    attachable: bool
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a probe can be attached, said before anything runs."""

    attachable: bool
    probe: str | None
    reasons: tuple[Reason, ...]
    return_probe: ReturnVerdict

    def as_dict(self) -> dict[str, Any]:
        found: dict[str, Any] = plain(self)
        return found
