"""What debug information says of a place to expressions; what cannot be said is marked, never guessed."""

from __future__ import annotations

from typing import Any

import pytest

from app.trace.declarations import Declarations
from app.trace.readings import at_entry, at_instruction, returned
from app.trace.values import Value, chosen, fit

INT: dict[str, Any] = {"kind": "integer", "size": 4, "signed": True}
LONG: dict[str, Any] = {"kind": "integer", "size": 8, "signed": False}
TEXT: dict[str, Any] = {"kind": "text", "size": 8}
STRING: dict[str, Any] = {"kind": "string", "size": 32, "pointer": True}
POINT: dict[str, Any] = {
    "kind": "struct", "size": 8, "name": "point", "union": False,
    "members": [{"name": "x", "offset": 0, "shape": INT}, {"name": "y", "offset": 4, "shape": INT}],
}  # fmt: skip
NODE: dict[str, Any] = {
    "kind": "struct", "size": 64, "name": "node", "union": False,
    "members": [
        {"name": "at", "offset": 0, "shape": POINT},
        {"name": "next", "offset": 8, "shape": {"kind": "pointer", "size": 8, "to": POINT}},
        {"name": "label", "offset": 16, "shape": {**STRING, "pointer": False}},
        {"name": "n", "offset": 48, "shape": LONG},
    ],
}  # fmt: skip


def entry(shape: dict[str, Any], *registers: str, members: tuple[str, ...] = (), **more: Any) -> list[Value]:
    where = {"kind": "register", "registers": list(registers), "offset": None, "pointer": False, **more}
    parameter = {"name": "p", "where": where, "bpftrace": more.get("bpftrace", "arg0")}
    reading = {"parameters": [parameter], "parameter_shapes": [shape]}
    return at_entry(reading, "x86_64", Declarations(), members)


def shown(values: list[Value]) -> list[tuple[str, str]]:
    return [(value.piece, ", ".join(value.printed)) for value in values]


@pytest.mark.parametrize(
    ("shape", "registers", "wanted"),
    [
        (INT, ("rdi",), [("p=%d", "(int32)arg0")]),
        (LONG, ("rdi",), [("p=%lu", "(uint64)arg0")]),
        ({"kind": "bool", "size": 1}, ("rdi",), [("p=%u", "(uint8)arg0")]),
        (TEXT, ("rdi",), [("p=%s", "str(arg0)")]),
        (STRING, ("rdi",), [("p=%s", "str(*(uint64 *)arg0, *(uint64 *)(arg0 + 8))")]),
        ({"kind": "slice", "size": 16}, ("rdi", "rsi"), [("p=%s", "str(arg0, arg1)")]),
        ({"kind": "pointer", "size": 8}, ("rdi",), [("p=0x%lx", "arg0")]),
        ({"kind": "float", "size": 8}, ("xmm0",), [("p=?", "")]),
        ({"kind": "other", "size": 16}, ("rdi", "rsi"), [("p=?", "")]),
        (POINT, ("rdi",), [("p.x=%d", "(int32)arg0"), ("p.y=%d", "(int32)(arg0 >> 32)")]),
    ],
)
def test_a_parameter_in_registers(
    shape: dict[str, Any], registers: tuple[str, ...], wanted: list[tuple[str, str]]
) -> None:
    bpftrace = None if registers[0] == "xmm0" or len(registers) > 1 else "arg0"
    assert shown(entry(shape, *registers, bpftrace=bpftrace)) == wanted


def test_a_number_by_its_name_has_both() -> None:
    shape = {"kind": "enum", "size": 4, "name": "level", "signed": True, "values": [["LOW", -1]]}
    assert shown(entry(shape, "rdi")) == [("p=%s(%d)", "@enum_level[(int32)arg0], (int32)arg0")]
    assert shown(entry({**shape, "values": []}, "rdi")) == [("p=%d", "(int32)arg0")]


def test_members_through_structs_and_pointers() -> None:
    pointer = {"kind": "pointer", "size": 8, "to": NODE}
    first = shown(entry(pointer, "rdi"))
    assert first == [("p=0x%lx", "arg0"), ("p->n=%lu", "(uint64)(((struct u_node *)arg0)->n)")]
    asked = entry(pointer, "rdi", members=("p.at.y", "p->next->x", "p.label", "p.gone", "q.n"))
    assert shown(asked)[1:] == [
        ("p->at.y=%d", "(int32)(((struct u_node *)arg0)->at.y)"),
        ("p->next->x=%d", "(int32)(((struct u_node_2 *)arg0)->next->x)"),
        ("p->label=%s", "str(*(uint64 *)(arg0 + 16), *(uint64 *)(arg0 + 16 + 8))"),
        ("p->gone=?", ""),
    ]
    assert chosen(asked, "p.next.x") is asked[2]
    assert chosen(asked, "0") is asked[0]
    assert chosen(asked, "1") is chosen(asked, "other") is None


def test_a_struct_on_the_stack_is_read_where_it_lies() -> None:
    large = {**NODE, "size": 64}
    found = entry(large, kind="stack", bpftrace='reg("sp") + 8', members=("p.n",))
    assert shown(found) == [("p.n=%lu", '(uint64)(((struct u_node *)(reg("sp") + 8))->n)')]


@pytest.mark.parametrize(
    ("place", "shape", "wanted"),
    [
        ({"kind": "register", "register": "rbx"}, INT, '(int32)reg("bx")'),
        (
            {"kind": "memory", "register": "rbp", "offsets": [-20]},
            INT,
            '(int32)(*(uint32 *)(reg("bp") - 20))',
        ),
        ({"kind": "memory", "register": "cfa", "offsets": [-24]}, TEXT, 'str(*(uint64 *)(reg("bp") - 8))'),
        (
            {"kind": "memory", "register": "rdi", "offsets": [8, 4]},
            INT,
            '(int32)(*(uint32 *)((*(uint64 *)(reg("di") + 8)) + 4))',
        ),
        ({"kind": "constant", "value": 5}, INT, "(int32)5"),
        ({"kind": "value", "register": "rax", "offsets": [1]}, INT, '(int32)(reg("ax") + 1)'),
        ({"kind": "register", "register": "xmm1"}, INT, ""),
        ({"kind": "register", "register": "rdi", "at_entry": True}, INT, ""),
        ({"kind": "unavailable"}, INT, ""),
        ({"kind": "thread", "offsets": [8]}, INT, ""),
        ({"kind": "memory", "offsets": [4096]}, INT, ""),
    ],
)
def test_a_variable_at_an_instruction(place: dict[str, Any], shape: dict[str, Any], wanted: str) -> None:
    reading = {
        "variables": [{"name": "v", "place": place}],
        "variable_shapes": [shape],
        "frame": {"register": "rbp", "offset": 16},
    }
    (value,) = at_instruction(reading, "x86_64", Declarations(), ())
    assert value.expression == wanted
    assert value.format == ("?" if not wanted else value.format)
    assert at_instruction(reading, "x86_64", Declarations(), (), "other") == []
    without = at_instruction({**reading, "frame": None}, "x86_64", Declarations(), ())
    assert without[0].readable == (bool(wanted) and place.get("register") != "cfa")


def test_parameters_of_an_inlined_function_alone() -> None:
    place = {"kind": "register", "register": "rax"}
    variables = [
        {"name": "side", "place": place, "parameter": True, "inlined": "square"},
        {"name": "local", "place": place, "parameter": False, "inlined": "square"},
        {"name": "n", "place": place, "parameter": True},
    ]
    reading = {"variables": variables, "variable_shapes": [INT] * 3, "frame": None}
    assert [each.name for each in at_instruction(reading, "x86_64", Declarations(), (), "square")] == ["side"]


def test_what_a_function_gives_back() -> None:
    def back(type: str | None, shape: dict[str, Any]) -> str | None:
        found = returned({"returns": type, "returns_shape": shape}, "x86_64", Declarations())
        return None if found is None else found.expression

    assert back("int", INT) == "(int32)retval"
    assert back("const char *", TEXT) == "str(retval)"
    assert back("&str", {"kind": "slice", "size": 16}) == 'str(retval, reg("dx"))'
    assert back("void", {"kind": "other", "size": None}) is None
    assert back(None, INT) is None
    assert back("struct node", NODE) is back("double", {"kind": "float", "size": 8}) is None


def test_old_versions_get_no_more_than_their_stack_holds() -> None:
    texts = [Value(f"s{at}", "%s", f"str(arg{at})", ("0x%lx", f"arg{at}")) for at in range(5)]
    assert [value.format for value in fit(texts, (0, 17, 0))] == ["%s", "%s", "%s", "0x%lx", "0x%lx"]
    assert [value.format for value in fit(texts, (0, 23, 0))] == ["%s"] * 5
    # Arguments before members, each in its place.
    members = [Value(f"m{at}", "%s", f"str(m{at})", ("0x%lx", f"m{at}"), "s0") for at in range(2)]
    mixed = fit([texts[0], *members, *texts[1:3]], (0, 17, 0))
    assert [value.format for value in mixed] == ["%s", "0x%lx", "0x%lx", "%s", "%s"]
    assert [value.name for value in fit([texts[0], *members, texts[1]], (0, 17, 0), 2)] == ["s0", "s1"]
    many = [Value(f"n{at}", "%d", f"arg{at}") for at in range(20)]
    assert [value.piece for value in fit(many, (0, 17, 0), 3)] == ["n0=%d", "n1=%d", "n2=%d", "..."]
