"""How an entry and its return know each other in a script, and what is kept from the one for the other.

Old versions attach at a function's first instruction, so a call is known by its thread and the place of its
return address. From 0.18 on a probe may come after the prologue, where the stack pointer has moved: there a
call is known by its thread and depth, and every call is counted, also those that a filter leaves out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.trace.filters import predicate
from app.trace.values import Version

# From here on a probe may come after the function's prologue, where the stack pointer has moved.
PROLOGUE_SKIPPED: Version = (0, 18, 0)
# From here on delete(@map, key); the form delete(@map[key]) is on its way out.
DELETE_BY_KEY: Version = (0, 22, 0)
# What a return takes off the stack: x86 keeps the return address there, others in a register.
_POPPED = {"x86_64": " - 8", "i386": " - 4"}
START = "@start"


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls of one function; ``maps``: what is kept beside the time, by map."""

    version: Version
    machine: str
    maps: tuple[str, ...] = ()

    @property
    def by_depth(self) -> bool:
        return self.version >= PROLOGUE_SKIPPED

    @property
    def begun(self) -> str:
        """The key at the entry."""
        return "tid, @depth[tid]" if self.by_depth else 'tid, reg("sp")'

    @property
    def over(self) -> str:
        """The key at the return."""
        return self.begun if self.by_depth else f'tid, reg("sp"){_POPPED.get(self.machine, "")}'

    def entry(
        self, place: str, process: Sequence[str], call: Sequence[str], kept: dict[str, str], also: str = ""
    ) -> list[str]:
        """The probe that remembers a call; ``kept``: an expression a map; ``also`` is done."""
        sets = [f"{START}[{self.begun}] = nsecs;"]
        sets += [f"{map}[{self.begun}] = {what};" for map, what in kept.items()]
        sets += [also] if also else []
        if not self.by_depth:
            return _block(f"{place}{predicate(*process, *call)}", sets)
        if call:
            sets = [f"if ({' && '.join(call)}) {{ {' '.join(sets)} }}"]
        return _block(f"{place}{predicate(*process)}", ["@depth[tid]++; " + sets[0], *sets[1:]])

    def back(self, place: str, process: Sequence[str], picks: bool, body: Sequence[str]) -> list[str]:
        """The probe that runs ``body`` for a call that was remembered, and forgets it."""
        start = f"{START}[{self.over}]"
        forgotten = [delete(map, self.over, self.version) for map in (START, *self.maps)]
        if self.by_depth and picks:
            return [
                f"{place}{predicate('@depth[tid] > 0', *process)} {{",
                f"  if ({start}) {{",
                *(f"  {line}" for line in body),
                *(f"    {line}" for line in forgotten),
                "  }",
                "  @depth[tid]--;",
                "}",
            ]
        if self.by_depth:
            forgotten[-1] += " @depth[tid]--;"
        forgotten = [f"  {line}" for line in forgotten]
        return [f"{place}{predicate(start, *process)} {{", *body, *forgotten, "}"]

    @property
    def own(self) -> tuple[str, ...]:
        """The maps that are no answer."""
        return (START, *self.maps, *(("@depth",) if self.by_depth else ()))


def _block(head: str, statements: Sequence[str]) -> list[str]:
    """A probe on one line where it does one thing."""
    if len(statements) == 1:
        return [f"{head} {{ {statements[0]} }}"]
    return [f"{head} {{", *(f"  {line}" for line in statements), "}"]


def delete(name: str, key: str, version: Version) -> str:
    return f"delete({name}, ({key}));" if version >= DELETE_BY_KEY else f"delete({name}[{key}]);"
