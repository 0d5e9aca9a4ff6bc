"""What counts against the limit of probes, and what is said of too many."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.trace.bpftrace import Capabilities
from app.trace.crowd import against, attached_as, narrowed
from app.trace.model import ScriptRequest
from app.trace.script import SPREAD, generate
from tests.trace.catalogues import Fake, binary, function

OLD = Capabilities(True, "/b", (0, 17, 0), "", True, None, "", False, False, most_probes=5)
NEW = replace(OLD, version=(0, 23, 2), multi=True)
NAMES = ("open_a", "open_b", "open_c", "close_a", "close_b", "x", "y", "z")
INDEX = Fake(
    binary("/srv/s"),
    [function(name, key=f"{at:x}", address=at) for at, name in enumerate(NAMES, 0x1000)],
)


def made(able: Capabilities, recipe: str, *patterns: str) -> tuple[str, str]:
    probes = tuple(f'uprobe:"/srv/s":{pattern}' for pattern in patterns)
    reasons = generate(ScriptRequest(recipe, probes), able, INDEX).against
    assert len(reasons) < 2 and all(reason.code == "too_many_probes" for reason in reasons)
    return (reasons[0].text, reasons[0].hint) if reasons else ("", "")


def test_the_count_the_limit_and_what_to_do_are_said() -> None:
    text, hint = made(OLD, "count", "*")
    assert text == "This would attach 8 probes, and a session attaches at most 5."
    assert hint.startswith("Choose a narrower pattern, such as open_* (3), or take the recipe profile")
    assert "PROBESCOPE_SESSION_PROBES" in hint and "stacks" not in hint
    assert "wait 1 s for each stop" in hint


def test_what_fits_is_not_refused() -> None:
    assert made(OLD, "count", "open_*") == ("", "")
    assert made(replace(OLD, most_probes=8), "count", "*") == ("", "")


def test_a_recipe_may_attach_two_probes_for_each() -> None:
    text, hint = made(OLD, "latency", "open_*")
    assert text.startswith("This would attach 6 probes")
    # Two functions are all that fit.
    assert "close_* (2)" in made(OLD, "latency", "*")[1]
    assert "such as" not in hint


def test_a_newer_version_takes_a_wildcard_as_one_where_its_name_is_not_asked() -> None:
    big = Fake(INDEX.binary, [function(f"f{n}", key=f"{n:x}", address=n) for n in range(0x1000, 0x1100)])
    able = replace(NEW, most_probes=128)
    request = ScriptRequest("stacks", ('uprobe:"/srv/s":f*',))
    assert (generate(request, able, big).expected_probes, generate(request, able, big).against) == (256, ())
    (reason,) = generate(replace(request, recipe="count"), able, big).against
    assert "the recipe stacks, which attaches a wildcard as one here" in reason.hint
    assert "for each stop" not in reason.hint
    assert generate(request, replace(able, multi=False), big).against


@pytest.mark.parametrize(
    ("text", "probes"),
    [
        ('uprobe:"/a":f* { @ = count(); }', 1),
        ('uprobe:"/a":f*, uprobe:"/a":g* { @ = count(); }', 2),
        ('uprobe:"/a":f* { @[probe] = count(); }', 9),
        ('uprobe:"/a":f* { @probe = count(); $probe = 1; }', 1),
        ('usdt:"/a":p:* { @ = count(); }', 9),
    ],
)
def test_what_a_script_attaches_as(text: str, probes: int) -> None:
    assert attached_as(text, 9, NEW) == probes
    assert attached_as(text, 9, OLD) == 9
    assert attached_as(text, None, NEW) is None
    assert against(text, "custom", None, OLD) == ()


def test_a_list_too_long_to_read_stays_a_pattern() -> None:
    numbers = range(0x1000, 0x1000 + SPREAD + 1)
    twins = [function(f"f{n}", key=f"{n:x}", address=n, aliases=(f"f{n}_too",)) for n in numbers]
    request = ScriptRequest("count", ('uprobe:"/srv/s":f*',))
    found = generate(request, OLD, Fake(INDEX.binary, twins))
    assert found.against and 'uprobe:"/srv/s":f* {' in found.text
    assert any("one with several names counts once for each" in each for each in found.warnings)
    fits = generate(request, replace(OLD, most_probes=len(numbers)), Fake(INDEX.binary, twins))
    assert (fits.against, 'uprobe:"/srv/s":f4096,' in fits.text, fits.warnings) == ((), True, ())


def test_a_pattern_that_fits_is_found_by_the_words_of_names() -> None:
    assert narrowed("*", NAMES, 5) == "open_* (3)"
    assert narrowed("*", NAMES, 2) == "close_* (2)"
    assert narrowed("crowd_*", [f"crowd_{n}" for n in range(600)], 512) == "crowd_5* (111)"
    assert narrowed("open*", NAMES, 5) == "open_* (3)"
    assert narrowed("*", NAMES, 1) is None
    assert narrowed("*_a", ["q"], 1) is None
