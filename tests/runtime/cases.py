"""Cases in plain text: a program, what it calls, a recipe over probes, and what must come of it.

    case     counts each call
    program  calls
    run      work 5, half 3
    probe    work half
    recipe   count
    expect   map @calls work=5 half=3

Cases are apart by an empty line, and a line that begins with # says something. ``README.md`` has the words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

WORDS = {
    "case",
    "program",
    "run",
    "probe",
    "recipe",
    "option",
    "pid",
    "version",
    "expect",
    "function",
    "script",
}
REPEATED = {"option", "expect", "script"}


@dataclass(frozen=True)
class Case:
    name: str
    place: str  # file:line
    program: str
    run: dict[str, int] = field(default_factory=dict)
    probes: tuple[str, ...] = ()
    recipe: str = ""
    options: dict[str, str] = field(default_factory=dict)
    pid: bool = False
    version: str = ""  # such as <0.18
    function: str = ""  # whose verdict is meant
    script: str = ""
    expected: tuple[str, ...] = ()


def read_cases(directory: Path) -> list[Case]:
    """Every case of the directory, in the order of the files."""
    return [case for path in sorted(directory.glob("*.case")) for case in _read(path)]


def _read(path: Path) -> list[Case]:
    found: list[Case] = []
    lines: dict[str, list[str]] = {}
    began = 0
    for number, text in enumerate([*path.read_text().splitlines(), ""], 1):
        if text.startswith("#"):
            continue
        if not text.strip():
            if lines:
                found.append(_case(lines, f"{path.name}:{began}"))
            lines = {}
            continue
        began = began if lines else number
        word, _, rest = text.strip().partition(" ")
        assert word in WORDS, f"{path.name}:{number}: {word} is no word of cases"
        assert word in REPEATED or word not in lines, f"{path.name}:{number}: {word} twice"
        lines.setdefault(word, []).append(rest.strip())
    return found


def _case(lines: dict[str, list[str]], place: str) -> Case:
    def one(word: str) -> str:
        return lines.get(word, [""])[0]

    assert one("case") and one("program") and lines.get("expect"), f"{place}: case, program or expect lacks"
    run = [part.split() for part in one("run").split(",") if part.strip()]
    return Case(
        name=one("case"),
        place=place,
        program=one("program"),
        run={name: int(times) for name, times in run},
        probes=tuple(re.findall(r"(?:[^\s\"]|\"[^\"]*\")+", one("probe"))),
        recipe=one("recipe"),
        options=dict(each.split("=", 1) for each in lines.get("option", ())),
        pid=one("pid") == "yes",
        version=one("version"),
        function=one("function"),
        script="\n".join(lines.get("script", ())),
        expected=tuple(lines["expect"]),
    )
