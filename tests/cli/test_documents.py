"""docs/reference/cli.md: each example has the fields of the real object, which keep the contract."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from app.cli.parser import build
from tests.cli.conftest import Run

PAGE = (Path(__file__).resolve().parents[2] / "docs/reference/cli.md").read_text()
SECTIONS = dict(re.findall(r"^### (\w+)\n((?:(?!#).*\n)*)", PAGE, re.MULTILINE))
EXAMPLES: dict[str, dict[str, Any]] = {
    name: json.loads(text.split("```json\n")[1].split("```")[0])
    for name, text in SECTIONS.items()
    if "```json\n" in text
}
# What other programs rely on; more may be added, none be taken away.
CONTRACT = {
    "info": "id build_id path sha256 size type machine bits endian stripped language runtime interpreter_of"
    " debug counts needed frame_pointers",
    "symbols": "name demangled version address size type bind visibility section table offset",
    "functions": "key name linkage_name demangled address size offset file line language parameters returns"
    " external inlined inline_sites sources aliases verdict",
    "variables": "name linkage_name demangled address size type file line external sources",
    "usdt": "provider name sites verdict",
    "search": "kind name demangled binary key",
    "locate": "address function offset_in_function file line inlined",
}
BASH = "/usr/bin/bash"
CALLS = {
    "info": ["info", BASH],
    "symbols": ["symbols", "--limit", "1", BASH],
    "functions": ["functions", "--limit", "1", BASH],
    "variables": ["variables", "--limit", "1", BASH],
    "search": ["search", "--limit", "1", "bash"],
    "index": ["index", BASH],
    "doctor": ["doctor"],
}


def shape(value: Any) -> Any:
    """Field names at every depth; lists by what their first element has, empty ones by nothing."""
    if isinstance(value, dict):
        return {name: shape(part) for name, part in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value and isinstance(value[0], dict) else None


def test_every_command_has_its_section() -> None:
    commands = next(action for action in build()._actions if action.dest == "command").choices
    assert set(SECTIONS) == set(commands or ())


@pytest.mark.parametrize("command", CALLS)
def test_examples_have_the_fields_of_the_real(run: Run, command: str) -> None:
    run("index", BASH)
    real = run(*CALLS[command], "--json").objects[0]
    assert shape(EXAMPLES[command]) == shape(real)


def test_the_example_of_usdt(run: Run, program: Path) -> None:
    (real,) = run("usdt", "--json", program).objects
    example, found = shape(EXAMPLES["usdt"]), shape(real)
    # What an operand has depends on its kind.
    parsed = [set(each["sites"][0]["arguments"][0].pop("parsed")) for each in (example, found)]
    assert parsed[0] == parsed[1]
    assert example["sites"] == found["sites"]
    assert set(example["verdict"]) == set(found["verdict"])


def test_the_examples_of_places_and_types(run: Run, orders: Path) -> None:
    (line,) = run("lines", "--json", orders, "orders.c:4").objects
    near = [hex(line["address"] + step) for step in range(64)]
    places = run("locate", "--json", orders, *near).objects
    inlined = next(each for each in places if each["inlined"])
    assert shape(EXAMPLES["lines"]) == shape(EXAMPLES["locate"]) == shape(inlined)
    assert set(line) == set(inlined)
    (struct,) = run("structs", "--json", orders, "order").objects
    assert shape(EXAMPLES["structs"]) == shape(struct)


@pytest.mark.parametrize("command", CONTRACT)
def test_examples_keep_the_contract(command: str) -> None:
    assert set(CONTRACT[command].split()) <= set(EXAMPLES[command])


def test_examples_keep_the_contract_further_down() -> None:
    assert set(EXAMPLES["info"]["debug"]) >= {"kind", "path", "has"}
    assert set(EXAMPLES["info"]["debug"]["has"]) >= {"dwarf", "lines", "symtab", "dynsym"}
    assert set(EXAMPLES["info"]["counts"]) >= {"symbols", "functions", "variables", "usdt"}
    (site,) = EXAMPLES["usdt"]["sites"]
    assert set(site) >= {"address", "offset", "semaphore", "arguments", "function"}
    assert set(site["arguments"][0]) >= {"index", "size", "signed", "float", "operand", "type"}
    verdict = EXAMPLES["functions"]["verdict"]
    assert set(verdict) == {"attachable", "probe", "reasons", "return_probe"}


def test_every_address_has_its_hex() -> None:
    for example in EXAMPLES.values():
        if "address" in example:
            assert example["address_hex"] == hex(example["address"])
