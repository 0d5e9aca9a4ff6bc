"""What is asked is what bpftrace parses, whatever the file and the symbol are called."""

from __future__ import annotations

import random
import shutil
import string
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import BadInput
from app.trace.policy import attach_points
from app.trace.quoting import (
    Kind,
    Probe,
    name_problem,
    parse_probe,
    path_problem,
    quote,
    speakable,
    spoken,
)

NEEDS_BPFTRACE = pytest.mark.skipif(shutil.which("bpftrace") is None, reason="bpftrace is not installed")
HOSTILE = 'abc:+*"\\ \n{}(),<>&~/$@#;0x'
SIGNS = string.ascii_letters + string.digits + string.punctuation + " \t\n·é漢\u202e"


def hostile_probes(count: int, seed: int) -> list[Probe]:
    """Random probes that quoting takes; half of the signs are letters, so that many pass."""
    rng = random.Random(seed)
    found: list[Probe] = []
    while len(found) < count:
        path = "/" + "".join(rng.choice(SIGNS) for _ in range(rng.randint(1, 12)))
        name = "".join(rng.choice(SIGNS) for _ in range(rng.randint(1, 16)))
        probe = Probe(rng.choice(("uprobe", "uretprobe")), path, name)
        try:
            quote(probe)
        except BadInput:
            continue
        if not probe.wildcard:
            found.append(probe)
    return found


@pytest.mark.parametrize(
    ("text", "probe"),
    [
        ('uprobe:"/usr/bin/a b":main', Probe("uprobe", "/usr/bin/a b", "main")),
        ("u:/bin/bash:readline", Probe("uprobe", "/bin/bash", "readline")),
        ("ur:/bin/bash:readline", Probe("uretprobe", "/bin/bash", "readline")),
        (" uprobe:/bin/bash:0x1F ", Probe("uprobe", "/bin/bash", "", address=31)),
        ("uprobe:/bin/bash:31", Probe("uprobe", "/bin/bash", "", address=31)),
        ("usdt:/bin/p:prov:name", Probe("usdt", "/bin/p", "name", "prov")),
        ("U:/bin/p:name", Probe("usdt", "/bin/p", "name")),
        ('uprobe:"/a":"ns::f(int, char)"', Probe("uprobe", "/a", "ns::f(int, char)")),
        ("uprobe:/a:main.(*T).M", Probe("uprobe", "/a", "main.(*T).M")),
        ("uprobe:/lib/libstdc++.so.6:_Znw*", Probe("uprobe", "/lib/libstdc++.so.6", "_Znw*")),
        ("uprobe:/a:f+0x4", Probe("uprobe", "/a", "f+0x4")),
    ],
)
def test_people_write_probes_in_many_ways(text: str, probe: Probe) -> None:
    assert parse_probe(text) == probe
    assert parse_probe(quote(probe)) == probe


@pytest.mark.parametrize(
    "text",
    [
        "",
        "readline",
        "kprobe:vfs_read",
        "tracepoint:sched:sched_switch",
        "uprobe:/bin/bash",
        "uprobe:/bin/bash:",
        "uprobe::main",
        "uprobe:bash:main",
        "uprobe:*:main",
        "uprobe:/bin/*:main",
        'uprobe:"/bin/a:b":main',
        'uprobe:"/bin/bash:main',
        "uprobe:/bin/bash:ma\nin",
        "uprobe:/bin/bash:f\\",
        "uprobe:/bin/bash:operator+",
        "uprobe:/bin/bash:9lives",
        'uprobe:/bin/bash:" 9"',
        'uprobe:/bin/bash:"-9"',
        "uretprobe:/bin/bash:f+4",
        "usdt:/bin/p:a:b:c",
        "uprobe:/bin/\udcff:main",
        "uprobe:/a:" + "x" * 5000,
    ],
)
def test_what_cannot_be_said_is_refused_with_a_way_out(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_probe(text)
    assert caught.value.message
    assert caught.value.hint


def test_a_probe_is_its_own_text_back() -> None:
    for probe in hostile_probes(3000, seed=1):
        assert parse_probe(quote(probe)) == probe
        assert path_problem(probe.path) is None
        assert name_problem(probe.name) is None


@settings(max_examples=10_000, deadline=None)
@given(
    st.sampled_from(["uprobe", "uretprobe", "usdt"]),
    st.text(min_size=1, max_size=40),
    st.text(alphabet=HOSTILE, min_size=1, max_size=30) | st.text(min_size=1, max_size=40),
)
def test_a_hostile_name_is_refused_or_is_one_attach_point_and_nothing_else(
    kind: Kind, path: str, name: str
) -> None:
    try:
        text = quote(Probe(kind, f"/{path}", name, "shop" if kind == "usdt" else ""))
    except BadInput as error:
        assert error.message and error.hint
        return
    script = f"{text} /pid == 1/ {{ @ = count(); }}\nBEGIN {{ }}\n"
    assert [parse_probe(point) for point in attach_points(script)] == [parse_probe(text)]
    assert "\n" not in text


@pytest.mark.parametrize("name", ["main.(*T).M", "main.(*Tree[...]).Add", "main.(*T).M.func1", "main.T.M"])
def test_a_method_of_go_is_spoken_without_its_star(name: str) -> None:
    assert name_problem(speakable(name)) is None
    assert "*" not in speakable(name)
    assert spoken(speakable(name)) == name


@NEEDS_BPFTRACE
def test_bpftrace_parses_exactly_what_was_asked() -> None:
    version = subprocess.run(["bpftrace", "--version"], capture_output=True, text=True).stdout
    show = ["-d"] if version.startswith("bpftrace v0.17") else ["-d", "ast"]
    if version >= "bpftrace v0.24":
        pytest.skip("this version shows the text as it was written, not as it was parsed")
    probes = hostile_probes(900, seed=2)
    for start in range(0, len(probes), 300):
        part = probes[start : start + 300]
        script = "".join(f"{quote(probe)} {{ @ = count(); }}\n" for probe in part)
        done = subprocess.run(["bpftrace", *show, "-"], input=script.encode(), capture_output=True)
        parsed = done.stdout.decode().split("AST after: ")[1].splitlines()
        found = [line[1:] for line in parsed if line.startswith((" uprobe:", " uretprobe:"))]
        assert found == [f"{probe.kind}:{probe.path}:{probe.name}" for probe in part]
