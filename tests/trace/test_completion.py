"""What may be written at a place of a script, over a catalogue by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import NotFound
from app.index.model import Ask, Binary, Page
from app.trace.completion import Completions, complete
from tests.trace.catalogues import Fake, binary, function, usdt

PATH = "/opt/shop"


@dataclass
class Known(Fake):
    """A catalogue that can be asked for its files and types too."""

    def binaries(self, ask: Ask) -> Page[Binary]:
        assert self.binary.path is not None
        found = (self.binary,) if ask.q in self.binary.path else ()
        return Page(len(found), found, None, 0.0)

    def structs(self, id: str, names: Sequence[str]) -> list[dict[str, Any]]:
        if tuple(names) != ("order",):
            raise NotFound("There is no such type.")
        members = [
            {"name": "id", "type": "int", "offset": 0},
            {"name": "title", "type": "char *", "offset": 8},
            {"name": None, "type": "union {...}", "offset": 16},
        ]
        return [{"name": "order", "members": members}]


@pytest.fixture
def catalogue() -> Known:
    return Known(
        binary(PATH, counts={"functions": 2}),
        [
            function("order_place", (("o", "const struct order *"), ("count", "int")), returns="int"),
            function("order_cancel", (("id", "long int"),)),
            function("only_inlined", address=None),
        ],
        [usdt("shop", "paid", (4, True), (8, False))],
    )


def at(text: str, catalogue: Known) -> tuple[Completions, list[str]]:
    """The place is where the text has a bar."""
    place = text.index("|")
    found = complete(text.replace("|", "", 1), place, catalogue)
    return found, [each.label for each in found.items]


def test_kinds_of_probe_come_first(catalogue: Known) -> None:
    found, labels = at("u|", catalogue)
    assert labels[:3] == ["uprobe:", "uretprobe:", "usdt:"]
    assert found.start == 0
    found, labels = at("BEGIN { @a = 1 }\nint|", catalogue)
    assert (labels[0], found.start) == ("interval:ms:500", len("BEGIN { @a = 1 }\n"))


@pytest.mark.parametrize("text", ["uprobe:/opt/sh|", 'uprobe:"/opt/sh|', "uprobe:shop|", "usdt:|"])
def test_files_of_the_catalogue(text: str, catalogue: Known) -> None:
    found, labels = at(text, catalogue)
    assert labels == [f'"{PATH}":']
    assert found.start == text.index(":") + 1


@pytest.mark.parametrize("path", [f'"{PATH}"', PATH])
def test_functions_of_the_file_with_their_signatures(path: str, catalogue: Known) -> None:
    found, labels = at(f"uprobe:{path}:order|", catalogue)
    assert labels == ["order_place", "order_cancel"]
    assert found.items[0].detail == "int order_place(const struct order * o, int count)"
    assert found.start == len(f"uprobe:{path}:")
    assert at(f"uprobe:{path}:only|", catalogue)[1] == []


def test_usdt_probes_of_the_file(catalogue: Known) -> None:
    assert at(f'usdt:"{PATH}":pa|', catalogue)[1] == ["shop:paid"]
    assert at(f'usdt:"{PATH}":shop:pa|', catalogue)[1] == ["shop:paid"]


def test_arguments_of_the_probe_that_the_action_belongs_to(catalogue: Known) -> None:
    found, labels = at(f'BEGIN {{}}\nuprobe:"{PATH}":order_place /pid == 1/ {{ print(ar|', catalogue)
    assert labels[:2] == ["arg0", "arg1"]
    assert found.items[0].detail == "const struct order * o"
    found, labels = at(f'uretprobe:"{PATH}":order_place {{ re|', catalogue)
    assert (labels[0], found.items[0].detail) == ("retval", "int")
    found, labels = at(f'usdt:"{PATH}":shop:paid {{ ar|', catalogue)
    assert (labels[:2], found.items[0].detail) == (["arg0", "arg1"], "int32_t")
    assert at(f'uprobe:"{PATH}":order_place /ar|', catalogue)[1][:2] == ["arg0", "arg1"]


@pytest.mark.parametrize("left", ["arg0->", "((struct order *)arg0)->", "((order *) $o).", "arg0->ti"])
def test_members_of_the_type_that_is_pointed_to(left: str, catalogue: Known) -> None:
    found, labels = at(f'uprobe:"{PATH}":order_place {{ printf("%d", {left}|', catalogue)
    assert labels == (["title"] if left.endswith("ti") else ["id", "title"])
    assert found.items[-1].detail == "char *, at 8"


def test_arguments_by_name(catalogue: Known) -> None:
    assert at(f'uprobe:"{PATH}":order_place {{ args.|', catalogue)[1] == ["o", "count"]
    assert at(f'uprobe:"{PATH}":order_place {{ args->o->|', catalogue)[1] == ["id", "title"]


def test_maps_and_variables_of_the_script(catalogue: Known) -> None:
    text = "BEGIN { @calls[1] = count(); $x = 1; print(@|); }"
    assert at(text, catalogue)[1] == ["@calls"]
    assert at("BEGIN { $sum = 1; $|", catalogue)[1] == ["$sum"]
    assert "printf" in at("BEGIN { pri|", catalogue)[1]


@pytest.mark.parametrize("text", ["// up|", "/* up|", 'BEGIN { printf("co|', "kprobe:vfs|", 'uprobe:"/a"x|'])
def test_nothing_where_nothing_fits(text: str, catalogue: Known) -> None:
    assert at(text, catalogue)[1] == []


@given(st.text(alphabet='uprobe:/"{}->.@$,; \n()arg0ts*', max_size=60), st.integers(-5, 70))
def test_half_written_scripts_never_raise(text: str, place: int) -> None:
    known = Known(binary(PATH), [function("order_place", (("o", "struct order *"),))], [])
    found = complete(text, place, known)
    assert 0 <= found.start <= max(0, min(place, len(text)))
