"""Types of USDT arguments by DWARF: our matching, with a lookup of pyelftools' making over real programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
from elftools.dwarf.compileunit import CompileUnit
from elftools.dwarf.die import DIE
from elftools.dwarf.locationlists import LocationEntry, LocationParser
from elftools.elf.elffile import ELFFile

from app.elf.model import UsdtArgument, UsdtProbe, UsdtSite
from app.elf.reader import read_facts
from app.elf.usdt.notes import decode_arguments
from app.elf.usdt.types import Local, refine
from tests.support.programs import compile_c

SOURCE = """
#include <sys/sdt.h>
struct request { int id; const char *path; };
static long served;
__attribute__((noinline)) long serve(struct request *request, unsigned int flags, const char *who) {
    long total = request->id + flags;
    DTRACE_PROBE4(demo, serve, request, flags, who, total);
    served += total;
    DTRACE_PROBE1(demo, served, served);
    return total + *who;
}
int main(int argc, char **argv) {
    struct request one = {argc, argv[0]};
    return serve(&one, 7, argv[0]) == 3;
}
"""


@pytest.mark.parametrize("level", ["-O0", "-O1", "-O2"])
def test_parameters_and_locals_have_their_types(tmp_path: Path, level: str) -> None:
    program = compile_c(tmp_path, SOURCE, "prog", level, "-fno-pie", "-no-pie")
    facts = read_facts(program.read_bytes())
    with program.open("rb") as file:
        lookup = _lookup(ELFFile(file))
        found = {probe.name: probe.sites[0].arguments for probe in refine(facts.usdt, lookup)}
    said = [(argument.name, argument.type) for argument in found["serve"]]
    known = [("request", "request *"), ("flags", "unsigned int"), ("who", "char *"), ("total", "long int")]
    assert said[:3] == known[:3]
    # total may lie where a copy of it does, which DWARF need not name.
    assert said[3] in (known[3], (None, "int64_t"))
    before = {probe.name: probe.sites[0].arguments for probe in facts.usdt}
    assert [each.reading for each in found["serve"]] == [each.reading for each in before["serve"]]


def _probe(arguments: str, machine: str = "x86_64") -> UsdtProbe:
    site = UsdtSite(0x10, 0x10, 0, decode_arguments(arguments, 64, machine), arguments, "work")
    return UsdtProbe("demo", "probe", (site,))


def _one(arguments: str, *locals: Local, machine: str = "x86_64") -> UsdtArgument:
    (probe,) = refine(
        [_probe(arguments, machine)], lambda address, sizes: [one for one in locals if one.size in sizes]
    )
    return probe.sites[0].arguments[0]


@pytest.mark.parametrize(
    ("machine", "operand", "local"),
    [
        ("x86_64", "8@%rdi", Local("p", "char *", 8, "register", 5)),
        ("x86_64", "-4@%r10d", Local("p", "int", 4, "register", 10)),
        ("x86_64", "8@-24(%rbp)", Local("p", "char *", 8, "memory", 6, -24)),
        ("x86_64", "8@(%rax)", Local("p", "char *", 8, "memory", 0, 0)),
        ("x86_64", "8@p(%rip)", Local("p", "long", 8, "memory", None, 0x4040)),
        ("aarch64", "8@[sp, 16]", Local("p", "char *", 8, "memory", 31, 16)),
        ("aarch64", "8@x19", Local("p", "char *", 8, "register", 19)),
        ("x86_64", "8f@%xmm0", Local("p", "double", 8, "register", 17)),
    ],
)
def test_one_place_one_variable(machine: str, operand: str, local: Local) -> None:
    found = _one(operand, local, machine=machine)
    assert (found.name, found.type) == ("p", local.type)


@pytest.mark.parametrize(
    ("operand", "locals"),
    [
        ("8@%rdi", []),
        ("8@%rdi", [Local("p", "char *", 8, "register", 4)]),
        ("8@%rdi", [Local("p", "int", 4, "register", 5)]),
        ("8@%rdi", [Local("p", "int *", 8, "register", 5), Local("q", "long", 8, "register", 5)]),
        ("1@%ah", [Local("p", "char", 1, "register", 0)]),
        ("8@-24(%rbp)", [Local("p", "char *", 8, "memory", 6, -16)]),
        ("8@-24(%rbp,%rax,8)", [Local("p", "char *", 8, "memory", 6, -24)]),
        ("8@%fs:p@tpoff", [Local("p", "long", 8, "memory", None, 8)]),
        ("8@p+8(%rip)", [Local("p", "long", 8, "memory", None, 8)]),
        ("8@$5", [Local("p", "long", 8, "constant", None, 5)]),
        ("8@%nothing", [Local("p", "long", 8, "register", None)]),
    ],
)
def test_where_nothing_is_sure_the_type_is_by_size_and_sign(operand: str, locals: list[Local]) -> None:
    found = _one(operand, *locals)
    assert (found.name, found.type) == (None, decode_arguments(operand, 64, "x86_64")[0].type)


def test_of_equal_types_the_innermost_name() -> None:
    inner, outer = Local("inner", "long", 8, "register", 5), Local("outer", "long", 8, "register", 5)
    assert _one("8@%rdi", inner, outer).name == "inner"


def _lookup(file: ELFFile) -> Callable[[int, set[int]], list[Local]]:
    """Variables of x86-64 code in registers, on the frame (its base 16 above rbp) or at an address."""
    dwarf = file.get_dwarf_info()
    parser = LocationParser(dwarf.location_lists())

    def lookup(address: int, sizes: set[int]) -> list[Local]:
        found: list[Local] = []
        for unit in dwarf.iter_CUs():
            for die in _alive(unit.get_top_DIE(), address):
                location = _location(parser, unit, die, address)
                if "DW_AT_name" in die.attributes and location is not None:
                    name, (kind, register, offset) = die.attributes["DW_AT_name"].value.decode(), location
                    size, text = _type(die)
                    found.append(Local(name, text, size, kind, register, offset))
        return found

    return lookup


def _alive(die: DIE, address: int) -> Iterator[DIE]:
    for child in die.iter_children():
        if child.tag in {"DW_TAG_formal_parameter", "DW_TAG_variable"}:
            yield child
        elif (
            child.tag in {"DW_TAG_subprogram", "DW_TAG_lexical_block"} and "DW_AT_low_pc" in child.attributes
        ):
            low = child.attributes["DW_AT_low_pc"].value
            if low <= address < low + child.attributes["DW_AT_high_pc"].value:
                yield from _alive(child, address)


def _location(
    parser: LocationParser, unit: CompileUnit, die: DIE, address: int
) -> tuple[Literal["register", "memory"], int | None, int] | None:
    attribute = die.attributes.get("DW_AT_location")
    if attribute is None:
        return None
    places = parser.parse_from_attribute(attribute, unit["version"], die)
    if isinstance(places, list):
        base = unit.get_top_DIE().attributes["DW_AT_low_pc"].value
        fitting = [
            entry.loc_expr
            for entry in places
            if isinstance(entry, LocationEntry)
            and (0 if entry.is_absolute else base) + entry.begin_offset
            <= address
            < (0 if entry.is_absolute else base) + entry.end_offset
        ]
        if not fitting:
            return None
        raw = fitting[0]
    else:
        raw = places.loc_expr
    if len(raw) == 1 and 0x50 <= raw[0] < 0x70:
        return "register", raw[0] - 0x50, 0
    if raw[0] == 0x91:
        return "memory", 6, _sleb(raw[1:]) + 16
    if raw[0] == 0x03 and len(raw) == 9:
        return "memory", None, int.from_bytes(bytes(raw[1:]), "little")
    return None


def _sleb(raw: list[int]) -> int:
    value = shift = 0
    for byte in raw:
        value |= (byte & 127) << shift
        shift += 7
    return value - (1 << shift) if raw[-1] & 64 else value


def _type(die: DIE) -> tuple[int, str]:
    kind = die.get_DIE_from_attribute("DW_AT_type")
    if kind.tag == "DW_TAG_pointer_type":
        target = kind.get_DIE_from_attribute("DW_AT_type")
        while target.tag == "DW_TAG_const_type":
            target = target.get_DIE_from_attribute("DW_AT_type")
        return 8, target.attributes["DW_AT_name"].value.decode() + " *"
    size = kind.attributes.get("DW_AT_byte_size")
    return size.value if size else 0, kind.attributes["DW_AT_name"].value.decode()
