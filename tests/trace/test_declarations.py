"""Shapes to definitions: what is declared lies where the debug information has it, by a C compiler's word."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from app.trace import policy
from app.trace.declarations import Declarations, sayable

INT: dict[str, Any] = {"kind": "integer", "size": 4, "signed": True}
INNER = {
    "kind": "struct", "size": 8, "name": "in ner", "union": False,
    "members": [{"name": "x", "offset": 4, "shape": {"kind": "integer", "size": 2, "signed": False}}],
}  # fmt: skip
ORDER: dict[str, Any] = {
    "kind": "struct", "size": 64, "name": "shop::order", "union": False,
    "members": [
        {"name": "id", "offset": 0, "shape": INT},
        {"name": "odd", "offset": 6, "shape": INT},
        {"name": "who", "offset": 16, "shape": {"kind": "text", "size": 8}},
        {"name": "default", "offset": 24, "shape": INT},
        {"name": "system", "offset": 28, "shape": INT},
        {"name": "code", "offset": 33, "shape": {"kind": "chars", "size": 5}},
        {"name": "in", "offset": 40, "shape": INNER},
        {"name": "real", "offset": 48, "shape": {"kind": "float", "size": 8}},
        {"name": "next", "offset": 56, "shape": {"kind": "pointer", "size": 8}},
    ],
}  # fmt: skip
LEVEL = {"kind": "enum", "size": 4, "name": "level", "signed": True, "values": [["LOW", -1], ['HI"GH', 1]]}


def test_offsets_are_those_of_the_debug_information(tmp_path: Path) -> None:
    declared = Declarations()
    assert declared.use(ORDER) == "struct u_shop_order"
    structs, begin, maps = declared.needed(["((struct u_shop_order *)arg0)->id"])
    assert (begin, maps) == ([], [])
    text = "\n".join(structs)
    assert text.index("struct u_in_ner {") < text.index("struct u_shop_order {")
    assert policy.check(text + "\nBEGIN { }", free=False) == ()
    # Words of C, what the policy denies and what C would align otherwise are bytes.
    for name in ("default", "system", "odd", "real"):
        assert f" {name};" not in text
    checks = [
        f'_Static_assert(__builtin_offsetof(struct u_shop_order, {name}) == {offset}, "{name}");'
        for name, offset in (("id", 0), ("who", 16), ("code", 33), ("in.x", 44), ("next", 56))
    ]
    checks.append('_Static_assert(sizeof(struct u_shop_order) == 64, "size");')
    source = tmp_path / "one.c"
    source.write_text("\n".join([text, *checks]))
    subprocess.run(["gcc", "-c", "-o", tmp_path / "one.o", source], check=True)


def test_only_what_lines_use_is_declared() -> None:
    declared = Declarations()
    declared.use(ORDER)
    other = {**INNER, "members": [{"name": "y", "offset": 0, "shape": INT}]}
    assert declared.use(other) == "struct u_in_ner_2"
    assert declared.use(other) == "struct u_in_ner_2"
    assert declared.enum(LEVEL) == "@enum_level"
    assert declared.enum({**LEVEL, "values": [["OTHER", 3]]}) == "@enum_level_2"
    assert declared.needed(["nothing"]) == ([], [], [])
    structs, begin, maps = declared.needed(["(struct u_in_ner_2 *)arg0", "@enum_level[(int32)arg0]"])
    assert [struct.split()[1] for struct in structs] == ["u_in_ner_2"]
    assert begin == ['@enum_level[-1] = "LOW";', '@enum_level[1] = "HI\\"GH";']
    assert maps == ["@enum_level"]


def test_names_that_a_script_cannot_say() -> None:
    assert sayable("price_2")
    for name in ("", "a b", "ns::x", "int", "while", "system", "gap_3", "0x"):
        assert not sayable(name)
