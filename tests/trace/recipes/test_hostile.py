"""Names that debug information may hold never become script: the text keeps its probes and the policy."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.trace import policy
from app.trace.bpftrace import Capabilities
from app.trace.model import ScriptRequest
from app.trace.script import generate
from tests.trace.catalogues import Fake, binary, function

ABLE = Capabilities(True, "/usr/bin/bpftrace", (0, 17, 0), "bpftrace v0.17.0", True, None, "", False, False)
PATH = "/srv/server"
PLAIN = "plain"
NAMES = st.text(max_size=40) | st.sampled_from(
    [
        '"',
        "\\",
        "x\nBEGIN { exit(); }",
        "a*/",
        "//",
        "%s%n",
        "#include",
        "system",
        "int",
        "{",
        "};",
        "\x00",
        "\u202e",
    ]
)


def _reading(parameter: str, struct: str, member: str, enum: str, value: str) -> dict[str, Any]:
    where = {"kind": "register", "registers": ["rdi"], "offset": None, "pointer": False}
    second = {**where, "registers": ["rsi"]}
    number = {"kind": "integer", "size": 4, "signed": True}
    inner = {"kind": "struct", "size": 16, "name": struct, "union": False,
             "members": [{"name": member, "offset": 0, "shape": number},
                         {"name": "last", "offset": 8, "shape": {"kind": "text", "size": 8}}]}  # fmt: skip
    return {
        "parameters": [
            {"name": parameter, "where": where, "bpftrace": "arg0"},
            {"name": parameter, "where": second, "bpftrace": "arg1"},
        ],
        "parameter_shapes": [
            {"kind": "pointer", "size": 8, "to": inner},
            {"kind": "enum", "size": 4, "name": enum, "signed": True, "values": [[value, 1]]},
        ],
        "returns": "int",
        "returns_shape": number,
    }


@pytest.mark.parametrize("recipe", ["log", "top", "slower", "latency", "tree"])
@settings(max_examples=100, deadline=None)
@given(names=st.tuples(NAMES, NAMES, NAMES, NAMES, NAMES))
def test_no_name_becomes_script(recipe: str, names: tuple[str, ...]) -> None:
    def made(reading: dict[str, Any]) -> str:
        index = Fake(
            binary(PATH), [function("work", sources=("symtab", "dwarf"))], known_readings={"1000": reading}
        )
        options = {"by": "arg:1"} if recipe == "latency" else {}
        return generate(ScriptRequest(recipe, (f"uprobe:{PATH}:work",), options=options), ABLE, index).text

    text = made(_reading(*names))
    assert policy.check(text, free=False) == ()
    plain = made(_reading(*[PLAIN] * 5))
    assert policy.attach_points(text) == policy.attach_points(plain)
    assert policy.own_probes(text) == policy.own_probes(plain)
