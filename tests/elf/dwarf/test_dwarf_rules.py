"""One rule of DWARF a case, on files written for it; what cannot be known is unknown, and never guessed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.elf.dwarf.dwarf_rows import UNKNOWN, FunctionRow, Rows
from tests.elf.dwarf.dwarf_source import (
    CXX,
    GO,
    RUST,
    C,
    function,
    integer,
    parameter,
    pointer,
    read,
    reference_to_nowhere,
    unit,
    variable,
)
from tests.support.bytewriter import Endian, uleb
from tests.support.dwarfwriter import NEXT, Die, Dwarf, Form, Ranges, Raw, Strings, Unit
from tests.support.elfwriter import Section
from tests.support.linewriter import LineProgram
from tests.support.packagewriter import package

VERSIONS = (2, 3, 4, 5)


def only(found: Rows) -> FunctionRow:
    assert found.state == "ok", found.problems
    (row,) = found.functions
    return row


# Encodings


@pytest.mark.parametrize("endian", ["little", "big"])
@pytest.mark.parametrize("address_size", [4, 8])
@pytest.mark.parametrize(("version", "offset_size"), [(2, 4), (3, 4), (3, 8), (4, 4), (4, 8), (5, 4), (5, 8)])
def test_every_encoding(version: int, offset_size: int, address_size: int, endian: Endian) -> None:
    number = integer()
    work = function("work", parameter("x", number), type=number, version=version, external=True)
    found = read(
        unit(number, work, variable("v", number), version=version),
        endian=endian,
        sizes=(offset_size, address_size),
    )
    row = only(found)
    assert (row.name, row.low, row.size, row.returns) == ("work", 0x1000, 0x10, "int")
    assert row.parameters == (("x", "int"),)
    assert {"external", "address"} <= row.flags
    assert (found.variable("v").address, found.variable("v").size) == (0x8000, 4)
    assert found.units == (("a.c", version, C),)


@pytest.mark.parametrize("form", ["strx", "strx1", "strx2", "strx3", "strx4", "strp", "line_strp", "string"])
def test_texts(form: str) -> None:
    work = function("first").set(linkage_name=Form(form, "link"))
    row = only(read(unit(Die("variable", name=Form(form, "unused"), declaration=True), work)))
    assert (row.name, row.linkage) == ("first", "link")


@pytest.mark.parametrize("form", ["strx4", "strp"])
def test_short_texts_that_lie_beside_each_other(form: str) -> None:
    """Two of them have one place among the texts that are known."""
    letters = [*"abcdefgh", "", "ij", *"abcdefgh", "k", "", "ij"]
    works = [
        function(f"f{at}", low=0x1000 + 32 * at).set(linkage_name=Form(form, letter))
        for at, letter in enumerate(letters)
    ]
    assert [row.linkage for row in read(unit(*works)).functions] == letters


@pytest.mark.parametrize("form", ["addrx", "addrx1", "addrx2", "addrx3", "addrx4", "addr"])
def test_addresses(form: str) -> None:
    work = Die("subprogram", name="work", low_pc=Form(form, 0x1234), high_pc=Form("udata", 7))
    row = only(read(Unit(Die("compile_unit", work, name="a.c"), addresses=[0x9999])))
    assert (row.low, row.size) == (0x1234, 7)


@pytest.mark.parametrize("form", ["strx", "addrx"])
def test_an_index_beyond_its_table(form: str) -> None:
    work = function("work")
    other = Die("subprogram", low_pc=Form("addr", 0x2000), high_pc=Form("udata", 4), name="other")
    other.attributes[0] = ("low_pc", Form("addrx", 0x2000)) if form == "addrx" else other.attributes[0]
    made = unit(work, other)
    if form == "strx":
        other.attributes[-1] = ("name", Form("strx", 1 << 40))
    else:
        other.attributes[0] = ("low_pc", Form("udata", 0))
    found = read(made)
    assert found.function("work").low == 0x1000
    assert "other" not in {row.name for row in found.functions if row.low == 0x1000}


def test_high_pc_is_an_address_or_a_size() -> None:
    for form, value in (
        ("addr", 0x1040),
        ("data1", 0x40),
        ("data8", 0x40),
        ("sdata", 0x40),
        ("implicit_const", 0x40),
    ):
        work = Die("subprogram", name="work", low_pc=Form("addr", 0x1000), high_pc=Form(form, value))
        assert only(read(unit(work))).size == 0x40


def test_implicit_constants() -> None:
    work = function("work", decl_line=Form("implicit_const", 77))
    other = function("other", low=0x2000, decl_line=Form("implicit_const", 78))
    found = read(unit(work, other))
    assert [row.line for row in found.functions] == [77, 78]


def test_indirect_forms() -> None:
    line = Form("indirect", Form("indirect", Form("data2", 500)))
    work = function("work", decl_line=line, linkage_name=Form("indirect", Form("strp", "link")))
    row = read(unit(work)).function("work")
    assert row.linkage == "link"
    assert row.line in (500, 0)
    inner = Form("data1", 1)
    for _ in range(300):
        inner = Form("indirect", inner)
    assert read(unit(function("work", decl_line=inner), function("other", low=0x2000))).state in {
        "ok",
        "partial",
    }


# Functions


@pytest.mark.parametrize("version", VERSIONS)
def test_an_abstract_origin_gives_what_the_concrete_lacks(version: int) -> None:
    number = integer()
    argument = parameter("x", number)
    abstract = Die(
        "subprogram",
        argument,
        name="work",
        type=number,
        external=True,
        inline=Form("data1", 1),
        decl_line=Form("data1", 9),
    )
    concrete = function(
        None, Die("formal_parameter", abstract_origin=argument), abstract_origin=abstract, version=version
    )
    row = only(read(unit(number, abstract, concrete, version=version)))
    assert (row.name, row.low, row.returns, row.line) == ("work", 0x1000, "int", 9)
    assert row.parameters == (("x", "int"),)
    assert {"external", "address"} <= row.flags


@pytest.mark.parametrize("version", VERSIONS)
def test_a_specification_gives_scope_and_signature(version: int) -> None:
    number = integer()
    owner = Die("class_type", name="Box", byte_size=Form("data1", 8), declaration=False)
    this = Die("pointer_type", type=owner, byte_size=Form("data1", 8))
    hidden = Die("formal_parameter", type=this, artificial=True)
    declared = Die(
        "subprogram",
        hidden,
        parameter("x", number),
        name="take",
        linkage_name="_ZN4shop3Box4takeEi",
        type=number,
        declaration=True,
        external=True,
        object_pointer=hidden,
    )
    owner.children, owner.parent = [declared], True
    defined_this = Die("formal_parameter", name="this", type=this, artificial=True)
    defined = function(
        None,
        defined_this,
        parameter("x", number),
        specification=declared,
        object_pointer=defined_this,
        version=version,
    )
    space = Die("namespace", owner, name="shop")
    row = only(read(unit(number, this, space, defined, language=CXX, version=version)))
    assert (row.name, row.scope, row.linkage) == ("take", "shop::Box", "_ZN4shop3Box4takeEi")
    assert row.returns == "int"
    assert row.artificial == (True, False)
    assert row.parameters[1] == ("x", "int")
    assert str(row.parameters[0][1]).replace(" const", "") == "shop::Box *"
    assert "member" in row.flags


def test_an_origin_whose_origin_is_a_specification() -> None:
    number = integer()
    declared = Die(
        "subprogram", name="work", linkage_name="_Z4work", declaration=True, type=number, external=True
    )
    abstract = Die("subprogram", specification=declared, inline=Form("data1", 1), decl_line=Form("data1", 4))
    concrete = function(None, abstract_origin=abstract)
    space = Die("namespace", declared, name="shop")
    row = only(read(unit(number, space, abstract, concrete, language=CXX)))
    assert (row.name, row.linkage, row.scope, row.returns, row.line) == ("work", "_Z4work", "shop", "int", 4)


def test_declarations_are_no_functions() -> None:
    declared = Die("subprogram", name="elsewhere", declaration=True, external=True)
    assert [row.name for row in read(unit(declared, function("work"))).functions] == ["work"]


def test_the_same_name_in_two_units_is_two_functions() -> None:
    found = read(unit(function("work")), unit(function("work", low=0x2000), name="b.c"))
    assert [(row.name, row.low) for row in found.functions] == [("work", 0x1000), ("work", 0x2000)]


def test_inlined_only_is_one_row_over_units() -> None:
    def made(name: str, low: int) -> Unit:
        abstract = Die(
            "subprogram",
            name="twice",
            inline=Form("data1", 3),
            decl_line=Form("data1", 5),
            decl_file=Form("data1", 1),
        )
        site = Die(
            "inlined_subroutine",
            abstract_origin=abstract,
            low_pc=Form("addr", low + 4),
            high_pc=Form("data1", 4),
            call_line=Form("data1", 7),
        )
        return unit(abstract, function(name, site, low=low), name="same.c")

    found = read(made("one", 0x1000), made("two", 0x2000))
    row = found.function("twice")
    assert (row.sites, "address" in row.flags, "inlined" in row.flags) == (2, False, True)
    assert [(site.function, site.host, site.line) for site in found.sites] == [
        ("twice", "one", 7),
        ("twice", "two", 7),
    ]


def test_inline_sites_nest() -> None:
    inner = Die("subprogram", name="inner", inline=Form("data1", 1))
    outer = Die("subprogram", name="outer", inline=Form("data1", 1))
    deep = Die(
        "inlined_subroutine",
        abstract_origin=inner,
        low_pc=Form("addr", 0x1008),
        high_pc=Form("data1", 2),
        call_line=Form("data1", 3),
        call_column=Form("data1", 9),
    )
    block = Die("lexical_block", deep, low_pc=Form("addr", 0x1006), high_pc=Form("data1", 6))
    parts = Ranges([("start_length", 0x1004, 8), ("start_length", 0x5000, 8)])
    top = Die("inlined_subroutine", block, abstract_origin=outer, ranges=parts, call_line=Form("data1", 8))
    found = read(unit(inner, outer, function("work", top)))
    first, second = found.sites
    assert (first.function, first.host, first.parent, first.line) == ("outer", "work", -1, 8)
    assert (second.function, second.host, second.parent, second.line, second.column) == (
        "inner",
        "work",
        0,
        3,
        9,
    )
    assert first.ranges == ((0x1004, 0x100C), (0x5000, 0x5008))
    assert second.ranges == ((0x1008, 0x100A),)


def test_flags_of_functions() -> None:
    for name, flag in (
        ("noreturn", "noreturn"),
        ("prototyped", "prototyped"),
        ("artificial", "artificial"),
        ("main_subprogram", "main"),
    ):
        assert flag in only(read(unit(function("work", **{name: True})))).flags
        assert flag not in only(read(unit(function("work", **{name: False})))).flags


def test_variable_arguments() -> None:
    number = integer()
    row = only(read(unit(number, function("work", parameter("x", number), Die("unspecified_parameters")))))
    assert row.parameters[0] == ("x", "int")
    assert row.parameters[-1][0] == "..."
    assert "unspecified" in row.flags


# Ranges


def test_ranges_before_version_5() -> None:
    parts = Ranges([(0x10, 0x20), (None, 0x5000), (0, 8), (8, 8)])
    work = Die("subprogram", name="work", ranges=parts)
    root = Die("compile_unit", work, name="a.c", low_pc=Form("addr", 0x1000))
    row = only(read(Unit(root, 4)))
    assert row.ranges == ((0x1010, 0x1020), (0x5000, 0x5008))
    assert (row.low, row.size) == (0x1010, 0x10)


@pytest.mark.parametrize("form", ["sec_offset", "rnglistx"])
def test_ranges_of_version_5(form: str) -> None:
    entries = [
        ("offset_pair", 0x10, 0x20),
        ("base_address", 0x5000),
        ("offset_pair", 0, 8),
        ("base_addressx", 0x6000),
        ("offset_pair", 1, 8),
        ("startx_endx", 0x7000, 0x7008),
        ("startx_length", 0x8000, 8),
        ("start_end", 0x9000, 0x9008),
        ("start_length", 0xA000, 8),
    ]
    work = Die("subprogram", name="work", ranges=Form(form, Ranges(entries)))
    root = Die("compile_unit", work, name="a.c", low_pc=Form("addr", 0x1000))
    row = only(read(Unit(root, addresses=[0x1])))
    assert row.ranges == (
        (0x1010, 0x1020),
        (0x5000, 0x5008),
        (0x6001, 0x6008),
        *((start, start + 8) for start in (0x7000, 0x8000, 0x9000, 0xA000)),
    )


def test_the_entry_is_told_apart_from_the_first_range() -> None:
    parts = Ranges([("start_length", 0x5000, 8), ("start_length", 0x1000, 0x20)])
    work = Die("subprogram", name="work", ranges=parts, entry_pc=Form("addr", 0x1000))
    row = only(read(unit(work)))
    assert (row.low, row.size) == (0x1000, 0x20)
    assert set(row.ranges) == {(0x5000, 0x5008), (0x1000, 0x1020)}


@pytest.mark.parametrize("value", [0xFFFFFF, 3])
def test_ranges_that_lie_nowhere(value: int) -> None:
    work = Die("subprogram", name="work", ranges=Form("sec_offset", value))
    found = read(unit(work, function("other", low=0x2000)))
    assert found.function("other").low == 0x2000
    assert all(row.low != 0 or "address" not in row.flags for row in found.functions)


@pytest.mark.parametrize("address", [0, 0xFFFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFE])
def test_code_that_the_linker_dropped(address: int) -> None:
    found = read(unit(function("gone", low=address), function("work")))
    assert [row.low for row in found.functions if "address" in row.flags] == [0x1000]


# Types


def strings(language: int, *dies: Die, of: Die | None) -> str | None:
    found = read(unit(*dies, variable("v", of), language=language))
    assert found.state == "ok"
    return found.variable("v").type


def test_types_of_c() -> None:
    number = integer()
    letter = Die("base_type", name="char", byte_size=Form("data1", 1), encoding=Form("data1", 6))
    const_letter = Die("const_type", type=letter)
    text = pointer(const_letter)
    const_text = Die("const_type", type=text)
    twice = Die("const_type", type=Die("const_type"))
    inner = Die("const_type", type=number)
    twice.attributes[0] = ("type", Form("ref4", inner))
    void = Die("pointer_type", byte_size=Form("data1", 8))
    const_void = Die("const_type")
    to_const_void = pointer(const_void)
    struct = Die("structure_type", name="point", byte_size=Form("data1", 8))
    union = Die("union_type", name="either", byte_size=Form("data1", 8))
    enum = Die("enumeration_type", name="colour", byte_size=Form("data1", 4))
    row = Die("array_type", Die("subrange_type", upper_bound=Form("data1", 15)), type=letter)
    table = Die(
        "array_type",
        Die("subrange_type", count=Form("data1", 3)),
        Die("subrange_type", upper_bound=Form("data1", 3)),
        type=number,
    )
    open_row = Die("array_type", Die("subrange_type"), type=letter)
    call = Die(
        "subroutine_type",
        Die("formal_parameter", type=number),
        Die("formal_parameter", type=void),
        type=number,
        prototyped=True,
    )
    name = Die("typedef", name="size_t", type=number)
    volatile = Die("volatile_type", type=number)
    restrict = Die("restrict_type", type=text)
    atomic = Die("atomic_type", type=number)
    known = [number, letter, const_letter, text, const_text, inner, twice, void, const_void, to_const_void]
    known += [struct, union, enum, row, table, open_row, call, name, volatile, restrict, atomic]
    for die, wanted in (
        (number, "int"),
        (text, "const char *"),
        (const_text, "const char *const"),
        (twice, "const int"),
        (void, "void *"),
        (to_const_void, "const void *"),
        (struct, "struct point"),
        (union, "union either"),
        (enum, "enum colour"),
        (row, "char [16]"),
        (table, "int [3][4]"),
        (open_row, "char []"),
        (name, "size_t"),
        (volatile, "volatile int"),
        (restrict, "const char *restrict"),
        (atomic, "_Atomic int"),
    ):
        assert squeezed(strings(C, *known, of=die)) == squeezed(wanted)
    to_call = pointer(call)
    assert squeezed(strings(C, *known, to_call, of=to_call)) == squeezed("int (*)(int, void *)")
    to_struct = pointer(struct)
    assert squeezed(strings(C, *known, to_struct, of=to_struct)) == squeezed("struct point *")
    to_row = pointer(row)
    assert squeezed(strings(C, *known, to_row, of=to_row)) == squeezed("char (*)[16]")


def squeezed(text: str | None) -> str | None:
    """Without the blanks that tools differ in."""
    return (
        None
        if text is None
        else text.replace(" *", "*").replace("* ", "*").replace(" [", "[").replace(" (", "(")
    )


def test_types_of_cxx_have_their_scope() -> None:
    struct = Die("structure_type", name="Item", byte_size=Form("data1", 8))
    inner = Die(
        "class_type",
        Die("class_type", name="Deep", byte_size=Form("data1", 1)),
        name="Box<int>",
        byte_size=Form("data1", 1),
    )
    space = Die("namespace", struct, Die("namespace", inner, name="detail"), name="shop")
    constant = Die("const_type", type=struct)
    reference = Die("reference_type", type=constant)
    moved = Die("rvalue_reference_type", type=inner)
    deep = inner.children[0]
    assert isinstance(deep, Die)
    known = [space, constant, reference, moved]
    assert squeezed(strings(CXX, *known, of=struct)) == "shop::Item"
    assert strings(CXX, *known, of=reference) == "const shop::Item &"
    assert strings(CXX, *known, of=moved) == "shop::detail::Box<int> &&"
    assert strings(CXX, *known, of=deep) == "shop::detail::Box<int>::Deep"


def test_types_of_go_and_rust() -> None:
    struct = Die("structure_type", name="main.T", byte_size=Form("data1", 8))
    go = Die("pointer_type", name="*main.T", type=struct)
    assert strings(GO, struct, go, of=go) == "*main.T"
    nameless = pointer(struct)
    assert strings(GO, struct, nameless, of=nameless) == "*main.T"
    text = Die("structure_type", name="&str", byte_size=Form("data1", 16))
    assert strings(RUST, text, of=text) == "&str"


def test_results_of_go_are_no_parameters() -> None:
    number = integer()
    result = Die("formal_parameter", name="~r0", type=number, variable_parameter=True)
    value = Die("formal_parameter", name="x", type=number, variable_parameter=False)
    row = only(read(unit(number, function("main.work", value, result), language=GO)))
    assert row.parameters == (("x", "int"),)
    assert row.returns == "int"


def test_no_type_is_void() -> None:
    row = only(read(unit(function("work"))))
    assert (row.returns, row.flags & {"return_unknown"}) == ("", frozenset())


@pytest.mark.parametrize(
    "form",
    [
        "ref4",
        "ref1",
        "ref2",
        "ref8",
        "ref_udata",
        "ref_addr",
        "ref_sig8",
        "GNU_ref_alt",
        "ref_sup4",
        "ref_sup8",
    ],
)
def test_a_type_that_cannot_be_followed_is_unknown(form: str) -> None:
    nowhere = reference_to_nowhere(form)
    bad = pointer(None).set(type=nowhere)
    work = function("work", Die("formal_parameter", name="x", type=nowhere), type=nowhere)
    found = read(
        unit(bad, work, Die("variable", name="v", type=nowhere, location=b"\x03" + bytes(7) + b"\x80"))
    )
    row = found.function("work")
    assert (row.returns, row.parameters) == (UNKNOWN, (("x", UNKNOWN),))
    assert found.variable("v").type is UNKNOWN
    pointed = read(unit(bad, variable("w", bad))).variable("w").type
    assert pointed is UNKNOWN or "void" not in pointed


def test_a_type_that_is_no_type_is_unknown() -> None:
    work = function("work")
    assert read(unit(work, variable("v", work))).variable("v").type is UNKNOWN


@pytest.mark.parametrize("version", [4, 5])
def test_type_units(version: int) -> None:
    struct = Die("structure_type", name="S", byte_size=Form("data1", 12))
    space = Die("namespace", struct, name="shop")
    types = Unit(
        Die("type_unit", space, language=Form("data2", CXX)),
        version,
        "type",
        identity=0xABCDEF0123,
        type=struct,
    )
    user = unit(variable("v", Form("ref_sig8", types)), language=CXX, version=version)
    row = read(user, types).variable("v")
    assert (row.type, row.size) == ("shop::S", 12)


def test_a_declaration_that_names_its_type_unit() -> None:
    struct = Die("structure_type", name="S", byte_size=Form("data1", 12))
    types = Unit(Die("type_unit", struct, language=Form("data2", C)), 4, "type", identity=0x77, type=struct)
    declared = Die("structure_type", declaration=True, signature=Form("ref_sig8", types))
    row = read(unit(declared, variable("v", declared), version=4), types).variable("v")
    assert (row.type, row.size) == ("struct S", 12)


@pytest.mark.parametrize("version", VERSIONS)
def test_references_across_units(version: int) -> None:
    struct = Die("structure_type", name="Item", byte_size=Form("data1", 8))
    first = unit(Die("namespace", struct, name="shop"), language=CXX, version=version)
    second = unit(variable("v", Form("ref_addr", struct)), language=CXX, version=version, name="b.cc")
    for order in ((first, second), (second, first)):
        assert read(*order).variable("v").type == "shop::Item"


@pytest.mark.parametrize("form", ["GNU_ref_alt", "ref_sup4", "ref_sup8"])
def test_an_alternate_file(form: str) -> None:
    struct = Die("structure_type", name="Item", byte_size=Form("data1", 8))
    alternate = Dwarf(Unit(Die("partial_unit", struct, language=Form("data2", C)), 4))
    text = "strp_sup" if form.startswith("ref_sup") else "GNU_strp_alt"
    made = unit(variable("v", Form(form, struct)).set(linkage_name=Form(text, "far")))
    whole = read(made, alternate=alternate).variable("v")
    assert (whole.type, whole.linkage, whole.size) == ("struct Item", "far", 8)
    alone = read(made, alternate=alternate, give_alternate=False)
    assert (alone.variable("v").type, alone.variable("v").linkage) == (UNKNOWN, "")


def test_named_types_are_listed_once() -> None:
    number = integer()
    named = [
        Die("structure_type", name="point", byte_size=Form("data1", 8)),
        Die("union_type", name="either", byte_size=Form("data1", 8)),
        Die("enumeration_type", name="colour", byte_size=Form("data1", 4)),
        Die("typedef", name="size_t", type=number),
        Die("structure_type", byte_size=Form("data1", 8)),
        Die("structure_type", name="opaque", declaration=True),
    ]
    again = Die("structure_type", name="point", byte_size=Form("data1", 8))
    found = read(unit(number, *named), unit(again, name="b.c")).types
    assert set(found) == {
        ("int", "base", 4),
        ("point", "struct", 8),
        ("either", "union", 8),
        ("colour", "enum", 4),
        ("size_t", "typedef", 4),
    } or set(found) == {
        *[("int", "base", 4), ("point", "struct", 8), ("either", "union", 8), ("colour", "enum", 4)],
        ("size_t", "typedef", 0),
    }
    assert len(found) == len(set(found))


# Variables


def test_where_variables_are() -> None:
    number = integer()
    places = {
        "plain": b"\x03" + (0x8000).to_bytes(8, "little"),
        "indexed": b"\xa1" + uleb(0),
        "thread": b"\x0e" + (0x40).to_bytes(8, "little") + b"\x9b",
        "thread_of_gnu": b"\x0e" + (0x40).to_bytes(8, "little") + b"\xe0",
        "added": b"\x03" + (0x8000).to_bytes(8, "little") + b"\x23\x10",
        "register": b"\x50",
        "nowhere": b"",
    }
    dies = [Die("variable", name=name, type=number, location=place) for name, place in places.items()]
    root = Die("compile_unit", number, *dies, name="a.c", addr_base=Form("sec_offset", None))
    found = read(Unit(root, addresses=[0x9000]))
    rows = {row.name: row for row in found.variables}
    assert rows["plain"].address == 0x8000
    assert rows["indexed"].address == 0x9000
    for name in ("thread", "thread_of_gnu"):
        assert (rows[name].address, "tls" in rows[name].flags) == (0x40, True)
    assert "added" not in rows or rows["added"].address in (0x8010, 0)
    for name in ("register", "nowhere"):
        assert name not in rows or "address" not in rows[name].flags


def test_a_variable_is_defined_apart_from_its_class() -> None:
    number = integer()
    member = Die("variable", name="count", type=number, external=True, declaration=True)
    owner = Die("structure_type", member, name="Box", byte_size=Form("data1", 1))
    defined = variable(None, None).set(specification=member, linkage_name="_ZN3Box5countE")
    row = read(unit(number, owner, defined, language=CXX)).variable("count")
    assert (row.scope, row.linkage, row.type, row.size) == ("Box", "_ZN3Box5countE", "int", 4)
    assert {"external", "address"} <= row.flags


def test_statics_of_functions_and_no_other_locals() -> None:
    number = integer()
    local = Die("variable", name="on_stack", type=number, location=b"\x91\x00")
    block = Die("lexical_block", variable("calls", number))
    found = read(unit(number, function("work", local, block)))
    assert [row.name for row in found.variables] == ["calls"]
    assert "local" in found.variable("calls").flags


# Trees


@pytest.mark.parametrize("sibling", [NEXT, None, 0, 1, 12, 0xFFFFFFFF])
def test_siblings_may_lie(sibling: Any) -> None:
    """A right one, none, itself and others before, one beyond the unit: the same functions are found."""
    work = function("work", Die("lexical_block", Die("label", name="l")))
    if sibling is not None:
        work.set(sibling=Form("ref4", sibling))
    found = read(unit(work, function("other", low=0x2000)))
    if sibling is NEXT or sibling is None:
        assert found.state == "ok"
    assert [row.name for row in found.functions if row.name in ("work", "other")] == ["work", "other"]


@pytest.mark.parametrize("name", ["abstract_origin", "specification"])
def test_an_origin_of_itself(name: str) -> None:
    itself = function("round", low=0x2000)
    itself.set(**{name: Form("ref4", itself)})
    one, other = Die("subprogram", decl_line=Form("data1", 1)), Die("subprogram", decl_line=Form("data1", 2))
    one.set(**{name: Form("ref4", other)})
    other.set(**{name: Form("ref4", one)})
    user = function(None, low=0x3000).set(**{name: Form("ref4", one)})
    found = read(unit(itself, one, other, user, function("work")))
    assert found.function("work").low == 0x1000


@pytest.mark.parametrize("tag", ["const_type", "typedef", "pointer_type", "array_type", "structure_type"])
def test_a_type_of_itself(tag: str) -> None:
    itself = Die(tag)
    itself.set(type=Form("ref4", itself))
    one, other = Die(tag), Die("const_type")
    one.set(type=Form("ref4", other))
    other.set(type=Form("ref4", one))
    found = read(unit(itself, one, other, variable("v", itself), variable("w", one), function("work")))
    assert found.function("work").low == 0x1000
    for name in ("v", "w"):
        told = found.variable(name).type
        assert told is UNKNOWN or len(told) < 10_000


def test_a_struct_may_point_at_itself() -> None:
    struct = Die("structure_type", name="node", byte_size=Form("data1", 8))
    to = pointer(struct)
    struct.children, struct.parent = [Die("member", name="next", type=to)], True
    assert squeezed(strings(C, struct, to, of=to)) == "struct node*"


@pytest.mark.parametrize("tag", ["lexical_block", "namespace", "structure_type", "subprogram", 0x7777])
def test_depth(tag: str | int) -> None:
    """A hundred thousand levels: what lies behind them is found, or it is said that it was not."""
    inner = Raw(b"\x03n\0" * 100_000 + bytes(100_000))
    found = read(unit(function("before"), Die(tag, inner, name="n"), function("work", low=0x2000)))
    assert found.function("before").low == 0x1000
    assert found.state in {"partial", "limit"} or found.function("work").low == 0x2000


def test_what_nobody_knows_is_passed_over() -> None:
    strange = Die(0x7777, Die(0x6666, name="inside"), name="strange", extra=[(0x3FFF, Form("data4", 1))])
    work = function("work", extra=[(0x3FFE, Form("block1", b"abc"))])
    row = only(read(unit(strange, work)))
    assert (row.name, row.low) == ("work", 0x1000)


@pytest.mark.parametrize("form", [0x99, 0x1F7F, 0x3FFF, 0xFFFFFF])
def test_an_unknown_form_ends_its_unit_and_no_other(form: int) -> None:
    strange = Die("variable", name="v", extra=[("const_value", Form(form, b"\1\2"))])
    found = read(
        unit(function("before"), strange, function("behind", low=0x2000)),
        unit(function("work", low=0x3000), name="b.c"),
    )
    assert found.state == "partial"
    assert found.function("work").low == 0x3000
    assert found.problems


def test_a_missing_abbreviation_ends_its_unit_and_no_other() -> None:
    first = unit(function("before"), Raw(uleb(99) + b"abc"), function("behind", low=0x2000))
    found = read(first, unit(function("work", low=0x3000), name="b.c"))
    assert found.state == "partial"
    assert found.function("work").low == 0x3000
    assert found.function("before").low == 0x1000


def test_abbreviations_that_lie_nowhere() -> None:
    lost = replace(unit(function("lost")), abbreviations=0xFFFFFF)
    found = read(lost, unit(function("work", low=0x3000), name="b.c"))
    assert found.state == "partial"
    assert [row.name for row in found.functions] == ["work"]


@pytest.mark.parametrize("length", [0xFFFFFFEF, 0x1000, 0xFFFFFFF0])
def test_a_unit_longer_than_its_section(length: int) -> None:
    found = read(unit(function("first")), replace(unit(function("work", low=0x2000)), length=length))
    assert found.state == "partial"
    assert found.function("first").low == 0x1000


def test_a_unit_shorter_than_its_header() -> None:
    found = read(unit(function("first")), replace(unit(function("work", low=0x2000)), length=2))
    assert found.state in {"partial", "malformed"}
    assert found.function("first").low == 0x1000


@pytest.mark.parametrize("version", [0, 1, 6, 0xFFFF])
def test_an_unknown_version(version: int) -> None:
    found = read(replace(unit(function("lost")), version=version), unit(function("work"), name="b.c"))
    assert found.state == "partial"
    assert [row.name for row in found.functions] == ["work"]


def test_empty_units() -> None:
    empty = Unit(Die("compile_unit"))
    nothing = Unit(Die("compile_unit", parent=True))
    found = read(empty, nothing, unit(function("work")))
    assert only(found).name == "work"


def test_a_unit_without_an_entry() -> None:
    """A header and nothing behind it, as linkers leave to pad."""
    found = read(
        unit(function("first")),
        Raw((7).to_bytes(4, "little") + b"\4\0" + bytes(4) + b"\x08"),
        unit(function("work", low=0x2000)),
    )
    assert [row.name for row in found.functions] == ["first", "work"]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 5, 16, 255])
def test_an_address_size_of_no_machine(size: int) -> None:
    made = replace(unit(Die("base_type", name="int")), address_size=size)
    found = read(made, unit(function("work", low=0x2000), name="b.c"))
    assert found.function("work").low == 0x2000


@pytest.mark.parametrize("name", [".debug_abbrev", ".debug_str", ".debug_info", ".debug_line"])
@pytest.mark.parametrize("keep", [0, 1, 10])
def test_sections_that_are_cut(name: str, keep: int) -> None:
    number = integer()
    made = unit(
        number, function("work", parameter("x", number), linkage_name=Form("strp", "link"), type=number)
    )
    found = read(made, cut={name: keep})
    assert found.state in {"ok", "partial", "malformed"}
    assert all(row.low in (0, 0x1000) for row in found.functions)


def test_counts_that_are_enormous() -> None:
    huge = (0xFFFFFFFF).to_bytes(4, "little")
    header = (0x20).to_bytes(4, "little") + b"\5\0\x08\0" + huge
    ranged = Die("subprogram", name="ranged", ranges=Form("rnglistx", 0xFFFFFFF))
    root = Die("compile_unit", ranged, function("work"), name="a.c", rnglists_base=Form("sec_offset", 12))
    found = read(Unit(root), extra=[Section(".debug_rnglists", header + bytes(0x20))])
    assert found.function("work").low == 0x1000
    index = b"\5\0\0\0" + huge * 3
    found = read(
        unit(function("work")), extra=[Section(".debug_cu_index", index), Section(".debug_tu_index", index)]
    )
    assert found.function("work").low == 0x1000


# Files and lines


@pytest.mark.parametrize(("version", "number"), [(2, 2), (3, 2), (4, 2), (5, 1)])
def test_declared_files(version: int, number: int) -> None:
    """Files are counted from 1, and from 0 in version 5."""
    lines = LineProgram((), [("a.c", 0), ("b.h", 1)], ["/src", "inc"] if version == 5 else ["inc"], version)
    work = function("work", version=version, decl_file=Form("data1", number), decl_line=Form("data2", 300))
    root = Die("compile_unit", work, name="a.c", comp_dir="/src", stmt_list=lines, language=Form("data2", C))
    row = only(read(Unit(root, version)))
    assert (row.file, row.line) == ("/src/inc/b.h", 300)


@pytest.mark.parametrize("number", [99, 0xFFFF])
def test_a_declared_file_that_is_not_in_the_table(number: int) -> None:
    lines = LineProgram((), [("a.c", 0)], ["/src"])
    work = function("work", decl_file=Form("data2", number), decl_line=Form("data1", 5))
    row = read(Unit(Die("compile_unit", work, name="a.c", comp_dir="/src", stmt_list=lines))).function("work")
    assert row.file == ""


# Split units


def split_pair(version: int) -> tuple[Unit, Dwarf]:
    strings, addresses = Strings(), [0x1000]
    text, place = ("strx1", "addrx") if version == 5 else ("GNU_str_index", "GNU_addr_index")
    number = integer()
    work = Die(
        "subprogram",
        parameter("x", number),
        name=Form(text, "work"),
        low_pc=Form(place, 0x1000),
        high_pc=Form("data1", 8),
        type=number,
    )
    inside = Die("compile_unit", number, work, name=Form(text, "a.c"), language=Form("data2", C))
    if version == 5:
        skeleton = Die("skeleton_unit", dwo_name="a.dwo", comp_dir="/src")
    else:
        inside.set(GNU_dwo_id=Form("data8", 0xABC))
        skeleton = Die(
            "compile_unit",
            GNU_dwo_name="a.dwo",
            comp_dir="/src",
            GNU_dwo_id=Form("data8", 0xABC),
            GNU_addr_base=Form("sec_offset", None),
        )
    outer = Unit(
        skeleton, version, "skeleton" if version == 5 else "compile", identity=0xABC, addresses=addresses
    )
    inner = Unit(inside, version, "split_compile", identity=0xABC, addresses=addresses)
    return outer, Dwarf(inner, split=True, strings=strings)


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("packed", [False, True])
def test_split_units(version: int, packed: bool) -> None:
    outer, split = split_pair(version)
    parts = package([split], 5 if version == 5 else 2) if packed else split.sections()
    row = only(read(outer, split=[parts]))
    assert (row.name, row.low, row.size, row.parameters) == ("work", 0x1000, 8, (("x", "int"),))


@pytest.mark.parametrize("version", [4, 5])
def test_a_split_part_that_is_missing_is_said(version: int) -> None:
    outer, _ = split_pair(version)
    found = read(outer)
    assert found.state == "partial"
    assert found.functions == ()
