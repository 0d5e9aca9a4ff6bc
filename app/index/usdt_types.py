"""The names and types of USDT arguments by the file's own debug information, asked for when somebody looks.

The search takes longer than all other facts of a file together, so it is no part of indexing. What was found
is kept for the next question.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Lock
from typing import Any

from app.elf.model import UsdtSite
from app.elf.usdt.notes import restored
from app.errors import AppError
from app.index.columns import Columns
from app.index.model import Usdt

MOST_KEPT = 64  # binaries
# From so many probes on, those of the whole file are asked for.
_FEW = 8
_Name = tuple[str, str]
Ask = Callable[[str, list[_Name] | None], list[dict[str, Any]]]


class UsdtTypes:
    """``ask`` gives a binary's probes, of these names or all, as ``usdt.notes.stored`` writes them."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._lock = Lock()
        # By the file that holds the columns: another build has another.
        self._kept: OrderedDict[str, dict[_Name, tuple[UsdtSite, ...]]] = OrderedDict()

    def __call__(
        self, binary_id: str, name: str, columns: Columns, probes: Sequence[Usdt]
    ) -> tuple[Usdt, ...]:
        """The probes with what is known of their arguments; as they are where the bytes are not at hand.

        ``name``: that of the columns.
        """
        wanted = [(each.provider, each.name) for each in probes if any(site.arguments for site in each.sites)]
        if not (columns.meta["dwarf"] or columns.meta["separate"]) or not wanted:
            return tuple(probes)
        found = self._found(binary_id, name, columns, wanted)
        return tuple(_with(each, found.get((each.provider, each.name), ())) for each in probes)

    def _found(
        self, binary_id: str, name: str, columns: Columns, wanted: list[_Name]
    ) -> dict[_Name, tuple[UsdtSite, ...]]:
        with self._lock:
            found = self._kept.setdefault(name, {})
            self._kept.move_to_end(name)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        missing = [each for each in wanted if each not in found]
        if missing:
            machine = columns.meta["header"]["machine"]
            try:
                answer = self._ask(binary_id, missing if len(missing) <= _FEW else None)
            except AppError:
                return found
            for entry in answer:
                sites = tuple(restored(site, machine) for site in entry["sites"])
                found[entry["provider"], entry["name"]] = sites
        return found


def _with(probe: Usdt, sites: Sequence[UsdtSite]) -> Usdt:
    if [site.address for site in sites] != [site.address for site in probe.sites]:
        return probe
    pairs = zip(probe.sites, sites, strict=True)
    return replace(probe, sites=tuple(site._replace(arguments=typed.arguments) for site, typed in pairs))
