"""How often probes are hit, counted for a moment, to what tracing them will cost the program.

The time that one hit takes was measured with one busy thread: bpftrace 0.17 takes about 19 us for a count(),
27 for a return probe, 38 with a stack; 0.27 about 11 us for a count(). Other machines differ by a factor of
two or so, so a forecast says "about".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from app.errors import BadInput, TooLarge
from app.trace.bpftrace import Capabilities, Version
from app.trace.model import ScriptRequest
from app.trace.options import FILTERS, RECIPE_OPTIONS
from app.trace.places import parse_line
from app.trace.policy import attach_points
from app.trace.quoting import parse_probe, quote

SECONDS = 2.0
# Stopping takes 0.13 to 0.2 s a probe where there is no uprobe_multi: so many are counted in reasonable time.
MOST_PROBES = 60
# Microseconds that one call costs the thread that makes it, by bpftrace 0.17.
_COSTS = {"count": 19.0, "log": 52.0, "latency": 48.0, "heatmap": 48.0, "top": 22.0, "slower": 50.0,
          "stacks": 38.0, "offcpu": 48.0, "tree": 52.0}  # fmt: skip
_OTHER = 25.0
FASTER_FROM: Version = (0, 23, 0)
FASTER = 0.6
# Options of any recipe that say which hits there are. A hit that a condition on an argument or a sample
# leaves out has cost its trap all the same.
COUNTED = frozenset({*FILTERS, *RECIPE_OPTIONS["count"]} - {"where", "sample"})
# Milliseconds of each second beyond which a forecast warns.
HOT = 100.0


@dataclass(frozen=True, slots=True)
class Forecast:
    """``rate`` in calls a second over all probes; ``cost`` in ms of the program's time in each second."""

    seconds: float
    calls: int
    rate: float
    cost: float
    hot: bool
    text: str
    probes: dict[
        str, float
    ]  # calls a second by probe, the hottest first; those that were not hit are left out

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def counting(request: ScriptRequest, able: Capabilities) -> ScriptRequest:
    """The short run that counts what ``request`` would trace. Raises BadInput and TooLarge."""
    probes = request.probes
    if request.script is not None:
        probes = tuple(attach_points(request.script))
    if request.recipe == "profile" or not probes:
        raise BadInput("There are no probes to count.", "A profile costs the same whatever the program does.")
    chosen = []
    for text in probes:
        if parse_line(text) is not None:
            chosen.append(text)
            continue
        probe = parse_probe(text)
        entry = replace(probe, kind="uprobe") if probe.kind == "uretprobe" else probe
        chosen.append(quote(entry))
    bounded(len(chosen), able)
    options = {name: value for name, value in request.options.items() if name in COUNTED}
    if request.wait_for and "comm" not in options:
        options["comm"] = Path(request.wait_for).name
    return ScriptRequest("count", tuple(dict.fromkeys(chosen)), request.pid, SECONDS, options=options)


def bounded(probes: int | None, able: Capabilities) -> None:
    """Raises TooLarge for so many that counting them for a moment would take long to end."""
    if probes is not None and probes > MOST_PROBES and not able.multi:
        raise TooLarge(
            f"Counting {probes:,} probes would take this bpftrace a while to stop.",
            f"Count at most {MOST_PROBES}, or start the session with the recipe count.",
        )


def forecast(recipe: str, version: Version | None, counts: Mapping[str, int], seconds: float) -> Forecast:
    """What ``recipe`` costs where each probe was hit so often in ``seconds``."""
    calls = sum(counts.values())
    rate = calls / seconds if seconds > 0 else 0.0
    each = _COSTS.get(recipe, _OTHER) * (FASTER if version is not None and version >= FASTER_FROM else 1.0)
    cost = rate * each / 1000
    hot = cost >= HOT
    ordered = sorted(((name, count / seconds) for name, count in counts.items() if count), key=_hottest)
    return Forecast(
        seconds, calls, rate, cost, hot, _sentence(calls, rate, cost, hot, ordered), dict(ordered)
    )


def _hottest(pair: tuple[str, float]) -> float:
    return -pair[1]


def _sentence(calls: int, rate: float, cost: float, hot: bool, ordered: Sequence[tuple[str, float]]) -> str:
    if not calls:
        return "No call was seen: tracing costs nothing while it stays so, and shows nothing."
    text = f"About {rate:,.0f} calls a second; tracing them costs about {cost:,.1f} ms of each second."
    if not hot:
        return text
    return (
        f"{text} That is hot: {ordered[0][0]} alone is hit {ordered[0][1]:,.0f} times a second. "
        "Filter by process or argument, sample, or choose a probe that is hit less."
    )


def counts_of(data: Any) -> dict[str, int]:
    """Hits by probe out of the last ``@calls`` that a counting run printed."""
    found = data.get("@calls") if isinstance(data, dict) else None
    if not isinstance(found, dict):
        return {}
    return {str(key): value for key, value in found.items() if isinstance(value, int) and value > 0}
