"""Files for other viewers: folded stacks and speedscope's JSON."""

from __future__ import annotations

from app.views.profiles import SCHEMA, folded, speedscope
from app.views.samples import samples

VALUE = {
    "7,\n\t1 leaf+1 (/opt/a)\n\t2 main+1 (/opt/a)\n": 3,
    "7,\n\t2 main+9 (/opt/a)\n": 1,
    "7,\n\t3 a;b\x1b c+1 (/opt/a)\n": 2,
}


def test_folded_stacks_have_a_line_each() -> None:
    assert folded(samples(VALUE)) == "7;a:b  c 2\n7;main 1\n7;main;leaf 3\n"
    assert folded(samples(VALUE, apart=True)).splitlines()[1] == "7;main (a) 1"
    # Names that become alike are one line.
    assert folded(samples({"\na;b+0\n": 1, "\na:b+0\n": 2})) == "a:b 3\n"


def test_speedscope_has_the_fields_of_its_schema() -> None:
    found = speedscope(samples(VALUE), "@stacks", "probescope@1")
    assert set(found) == {"$schema", "name", "exporter", "activeProfileIndex", "shared", "profiles"}
    assert found["$schema"] == SCHEMA
    (profile,) = found["profiles"]
    assert set(profile) == {"type", "name", "unit", "startValue", "endValue", "samples", "weights"}
    assert (profile["type"], profile["unit"]) == ("sampled", "none")
    assert (profile["startValue"], profile["endValue"]) == (0, 6) == (0, sum(profile["weights"]))
    frames = found["shared"]["frames"]
    assert all(
        set(frame) <= {"name", "file", "line", "col"} and isinstance(frame["name"], str) for frame in frames
    )
    stacks = {
        tuple(frames[at]["name"] for at in path): weight
        for path, weight in zip(profile["samples"], profile["weights"], strict=True)
    }
    assert stacks == {("7", "main", "leaf"): 3, ("7", "main"): 1, ("7", "a;b\x1b c"): 2}
    assert {frame.get("file") for frame in frames} == {None, "/opt/a"}
