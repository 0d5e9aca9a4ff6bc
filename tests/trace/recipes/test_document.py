"""docs/reference/recipes.md: each recipe with its options, and the script that its command gives."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest

from app.cli.parser import parse
from app.cli.tracing import _request
from app.trace.bpftrace import Capabilities
from app.trace.model import RECIPES
from app.trace.options import FILTERS, RECIPE_OPTIONS
from app.trace.script import generate
from tests.trace.catalogues import Fake, binary, function

PATH = Path(__file__).resolve().parents[3] / "docs/reference/recipes.md"
PAGE = PATH.read_text()
SECTIONS = dict(re.findall(r"^### (\w+)\n((?:(?!#).*\n)*)", PAGE, re.MULTILINE))
ABLE = Capabilities(True, "/usr/bin/bpftrace", (0, 17, 0), "bpftrace v0.17.0", True, None, "", False, False)
ORDER = {
    "kind": "struct", "size": 16, "name": "order", "union": False,
    "members": [
        {"name": "id", "offset": 0, "shape": {"kind": "integer", "size": 4, "signed": True}},
        {"name": "who", "offset": 8, "shape": {"kind": "text", "size": 8}},
    ],
}  # fmt: skip


def _parameter(name: str, number: int) -> dict[str, object]:
    where = {
        "kind": "register",
        "registers": [("rdi", "rsi", "rdx")[number]],
        "offset": None,
        "pointer": False,
    }
    return {"name": name, "where": where, "bpftrace": f"arg{number}"}


READING = {
    "parameters": [_parameter("order", 0), _parameter("count", 1), _parameter("name", 2)],
    "parameter_shapes": [
        {"kind": "pointer", "size": 8, "to": ORDER},
        {"kind": "integer", "size": 8, "signed": False},
        {"kind": "text", "size": 8},
    ],
    "returns": "int",
    "returns_shape": {"kind": "integer", "size": 4, "signed": True},
}  # fmt: skip


def script_of(section: str) -> str:
    """What the command of a section gives, for a server whose functions are known."""
    (command,) = re.findall(r"^    probescope (.*)$", section, re.MULTILINE)
    index = Fake(
        binary("/srv/server"),
        [
            function("checkout", sources=("symtab", "dwarf")),
            function("charge", (("cents", "long"),), returns="void", key="2000", address=0x2000),
        ],
        known_readings={"1000": READING},
    )
    made = generate(_request(parse(shlex.split(command))), ABLE, index)
    return made.text.replace(f"pid != {os.getpid()}", "pid != 4711")


def test_every_recipe_has_its_section() -> None:
    assert list(SECTIONS) == list(RECIPES)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_section_names_the_options_and_shows_the_script(recipe: str) -> None:
    section = SECTIONS[recipe]
    if recipe == "custom":
        return
    (named,) = re.findall(r"Options: (.*)\.$", section, re.MULTILINE)
    assert re.findall(r"`(\w+)`", named) == list(RECIPE_OPTIONS[recipe])
    shown = section.split("```bpftrace\n")[1].split("```")[0]
    assert shown == script_of(section)


def test_every_option_and_filter_has_its_row() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    assert rows == {*FILTERS, *(option for options in RECIPE_OPTIONS.values() for option in options)}
