"""Lists of USDT probes: what is found, counted and chosen."""

from __future__ import annotations

import pytest

from app.elf.model import UsdtArgument, UsdtSite
from app.index.model import Ask, Usdt
from app.index.search import usdt


def probe(provider: str, name: str, *sites: UsdtSite) -> Usdt:
    return Usdt(provider, name, sites)


def site(semaphore: int = 0, floats: bool = False) -> UsdtSite:
    argument = UsdtArgument(0, 8, False, floats, "8f@%xmm0" if floats else "8@%rdi", "double")
    return UsdtSite(0x1000, 0x1000, semaphore, (argument,), argument.operand, None)


PROBES = (
    probe("shop", "sold", site()),
    probe("shop", "asked", site(semaphore=0x4000), site()),
    probe("shop", "weighed", site(semaphore=0x4000, floats=True)),
    probe("python", "line", site()),
    probe("python", "audit", site()),
    probe("python", "lost"),
)
VERDICTS = {"plain": 2, "semaphore": 2, "float_argument": 1, "may_crash": 1, "no_site": 1}


def test_each_verdict_is_counted_and_can_be_chosen() -> None:
    found, facets = usdt(PROBES, Ask(), 5.0)
    assert len(found) == len(PROBES)
    assert facets == {"provider": {"shop": 3, "python": 3}, "verdict": VERDICTS}
    for verdict, count in VERDICTS.items():
        chosen, left = usdt(PROBES, Ask(filters={"verdict": verdict}), 5.0)
        assert len(chosen) == count
        # What the filter itself leaves out is counted still, so that another can be chosen.
        assert left["verdict"] == VERDICTS
        assert sum(left["provider"].values()) == count


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"verdict": "semaphore"}, ["asked", "weighed"]),
        ({"verdict": "semaphore,may_crash"}, ["line", "asked", "weighed"]),
        ({"verdict": "plain", "provider": "shop"}, ["sold"]),
        ({"verdict": "no_such"}, []),
    ],
)
def test_filters_hold_together(filters: dict[str, str], names: list[str]) -> None:
    found, facets = usdt(PROBES, Ask(filters=filters), 5.0)
    assert [each.name for each in found] == names
    if "provider" in filters:
        assert facets["verdict"] == {"plain": 1, "semaphore": 2, "float_argument": 1}
