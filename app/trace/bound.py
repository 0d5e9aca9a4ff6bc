"""The files that a session's probes are in, by what they were when the script was made.

A probe belongs to the bytes that it was chosen for: in another build its address is another instruction. So
each file is compared right before bpftrace attaches, and once more right after, because it opens the path
itself. A file whose bytes are the same has not been replaced, whatever was done to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from app.errors import AppError, BadInput, Conflict
from app.trace.catalogue import Catalogue
from app.trace.marks import is_mark
from app.trace.quoting import Probe, parse_probe


@dataclass(frozen=True, slots=True)
class Bound:
    """``binary``: its id in the catalogue, which is its build-id or its hash."""

    path: str
    binary: str


def bind(probes: Iterable[str], index: Catalogue) -> tuple[Bound, ...]:
    """What the files of these attach points are now; those that cannot be read are left to bpftrace.

    Raises Conflict for an address in a file that was replaced after it was indexed.
    """
    found: dict[str, str] = {}
    for probe in _parsed(probes):
        try:
            before = index.known_at(probe.path)
            now = found.setdefault(probe.path, index.binary_at(probe.path).id)
        except AppError:
            continue
        if before not in {None, now} and _is_instruction(probe):
            raise replaced(probe.path, f"{probe.label} may be another instruction there now.")
    return tuple(Bound(path, binary) for path, binary in found.items())


def check(bound: Iterable[Bound], index: Catalogue) -> None:
    """Raises Conflict for a file that is not the one that it was."""
    for each in bound:
        try:
            now = index.binary_at(each.path).id
        except AppError as error:
            if each.path.startswith("/proc/"):
                continue  # it went with its process, which the session says
            raise replaced(each.path, error.message) from error
        if now != each.binary:
            raise replaced(each.path, "Its probes were chosen for another build.")


def replaced(path: str, why: str) -> Conflict:
    hint = "Choose the probes again, from the new file."
    return Conflict(f"{path} was replaced meanwhile. {why}", hint, code="replaced")


def _parsed(probes: Iterable[str]) -> Iterable[Probe]:
    for text in probes:
        try:
            probe = parse_probe(text)
        except BadInput:
            continue
        if probe.path.startswith("/"):
            yield probe


def _is_instruction(probe: Probe) -> bool:
    """Whether it means a certain instruction, which another build has elsewhere."""
    return probe.address is not None or "+" in probe.name or is_mark(probe.name)
