"""Questions and their answers as JSON, with the native core and without it."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from app.elf.arrays import SymbolArrays
from app.elf.details import Details, answer
from app.elf.dwarf.debug import Debug, open_debug
from app.elf.dwarf.slow.dies import SlowSource
from app.elf.image import Image, open_image
from app.elf.symbols.rows import read_symbols
from tests.elf.dwarf.inlined import program


def opened(*made: str) -> Image:
    return open_image(program(*made).read_bytes())


def address_of(image: Image, name: bytes) -> int:
    symbols = read_symbols(image)
    assert symbols is not None
    columns = SymbolArrays.of(symbols)
    at = symbols.names.index(b"\0" + name + b"\0") + 1
    (address,) = columns.address[(columns.name_at == at) & (columns.size > 0)].tolist()
    return int(address)


@pytest.fixture(params=["native", "slow"])
def details(request: pytest.FixtureRequest) -> Details:
    image = opened("gcc", "-O2", "-gdwarf-5")
    if request.param == "slow":
        return Details(image, Debug(SlowSource(image.data), "x86_64", False))
    return Details(image)


def ask(details: Details, op: str, **arguments: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(details.answer(op, arguments)))
    assert found["problems"] == []
    return found


def test_a_function_has_parameters_variables_sites_and_lines(details: Details) -> None:
    address = address_of(details._image, b"walk")
    function = ask(details, "function", address=address + 7)["function"]
    assert (function["name"], function["address"], function["returns"]) == ("walk", address, "int")
    assert function["file"].endswith("/program.c")
    assert [(one["name"], one["type"], one["bpftrace"]) for one in function["parameters"]] == [
        ("list", "struct node *", "arg0"),
        ("key", "int", "arg1"),
        ("factor", "double", None),
    ]
    names = {site["function"] for site in function["inline_sites"]}
    assert names >= {"mix", "twice", "find"}
    inner = next(
        site for site in function["inline_sites"] if site["function"] == "mix" and site["parent"] is not None
    )
    assert function["inline_sites"][inner["parent"]]["function"] == "twice"
    assert inner["call_line"]
    first = function["lines"][0]
    assert first["address"] == address
    # The place of the parameters at the entry, and of what is known at an address within.
    places = {one["name"]: one["place"]["kind"] for one in function["variables"] if one["parameter"]}
    assert places["list"] == "register"
    ((low, high), *_) = function["ranges"]
    at = ask(details, "function", address=address, at=(low + high) // 2)["function"]["variables"]
    assert {one["name"] for one in at} >= {"list", "key", "factor", "found", "sum"}


def test_locate_and_lines(details: Details) -> None:
    address = address_of(details._image, b"walk")
    found = ask(details, "locate", addresses=[address, address + 9, 1])["locations"]
    assert [one["function"] for one in found] == ["walk", "walk", None]
    assert found[1]["offset_in_function"] == 9
    lines = ask(details, "lines_at", address=address)["lines"]
    assert lines[0]["line"] == found[0]["line"]
    rows = ask(details, "lines_at", low=address, high=address + 16)["lines"]
    assert rows == [row for row in lines if row["address"] < address + 16]
    sites = ask(details, "addresses_of", file="program.c", line=lines[0]["line"])
    assert sites["line"] == lines[0]["line"]
    assert address in [site["address"] for site in sites["sites"]]


def test_structs(details: Details) -> None:
    (found,) = ask(details, "structs", names=["struct node"])["structs"]
    members = [(one["name"], one["type"], one["offset"], one["size"]) for one in found["members"]]
    assert members == [
        ("next", "struct node *", 0, 8),
        ("key", "int", 8, 4),
        ("weight", "double", 16, 8),
        ("name", "char [16]", 24, 16),
    ]
    (same,) = ask(details, "structs", keys=[found["key"]])["structs"]
    assert same["declaration"] == found["declaration"]


def test_files_of_all_line_tables(details: Details) -> None:
    files = ask(details, "files")["files"]
    assert any(path.endswith("/program.c") for path in files)
    assert len(files) == len(set(files))


def test_what_does_not_fit_is_a_problem() -> None:
    image = opened("gcc", "-O2", "-gdwarf-5")
    assert answer("bogus", image, {})["problems"][0]["code"] == "unknown_question"
    for op, arguments in (("locate", {}), ("locate", {"addresses": "x"}), ("addresses_of", {"file": "a"})):
        assert answer(op, image, arguments)["problems"][0]["code"] == "arguments"
    assert answer("function", image, {"address": 1})["problems"][0]["code"] == "no_function"
    assert answer("function", image, {"die": 1 << 60})["problems"][0]["code"] == "no_function"
    for key in (0, 1, 5, 1 << 63, 1 << 62, 1 << 61, (1 << 64) - 1, 1 << 43):
        assert answer("function", image, {"die": key})["function"] is None
        assert answer("structs", image, {"keys": [key]})["structs"] == []


def test_a_file_without_dwarf_has_answers() -> None:
    image = open_image(b"\x7fELF")
    assert answer("locate", image, {"addresses": [5]})["locations"][0]["function"] is None
    assert answer("structs", image, {"names": ["x"]})["missing"] == ["x"]
    assert answer("addresses_of", image, {"file": "a.c", "line": 1})["sites"] == []


def test_split_parts_and_their_skeletons(tmp_path: Path) -> None:
    source = tmp_path / "program.c"
    source.write_text(program("gcc", "-O2", "-gdwarf-5").with_name("program.c").read_text())
    for flags in (("-gdwarf-5",), ("-gdwarf-4",)):
        out = tmp_path / "split"
        command = ["gcc", "-g", "-O2", "-gsplit-dwarf", *flags, "-o", str(out), "program.c"]
        subprocess.run(command, check=True, cwd=tmp_path, capture_output=True)
        (part,) = tmp_path.glob("*.dwo")
        image = open_image(out.read_bytes())
        details = Details(image, open_debug(image, splits=[open_image(part.read_bytes())]))
        address = address_of(image, b"walk")
        function = ask(details, "function", address=address)["function"]
        assert [one["bpftrace"] for one in function["parameters"]] == ["arg0", "arg1", None]
        assert function["file"].endswith("program.c")
        assert len(ask(details, "structs", names=["node"])["structs"]) == 1
        located = ask(details, "locate", addresses=list(range(address, address + 200)))["locations"]
        assert {frame["function"] for one in located for frame in one["inlined"]} >= {"mix", "twice"}
        part.unlink()


def test_references_into_an_alternate_file(tmp_path: Path) -> None:
    made = []
    for number in (1, 2):
        source = tmp_path / f"{number}.c"
        text = program("gcc", "-O2", "-gdwarf-5").with_name("program.c").read_text()
        source.write_text(text)
        made.append(tmp_path / str(number))
        subprocess.run(["gcc", "-g", "-gdwarf-4", "-O2", "-o", str(made[-1]), str(source)], check=True)
    common = tmp_path / "common"
    subprocess.run(["dwz", "-m", str(common), *map(str, made)], check=True, capture_output=True)
    image = open_image(made[0].read_bytes())
    assert image.by_name(".gnu_debugaltlink") is not None
    details = Details(image, open_debug(image, alternate=open_image(common.read_bytes())))
    function = ask(details, "function", address=address_of(image, b"walk"))["function"]
    assert [one["type"] for one in function["parameters"]] == ["struct node *", "int", "double"]
    without = Details(image).answer("function", {"address": address_of(image, b"walk")})["function"]
    assert "?" in [one["type"].split(" ")[0] for one in without["parameters"]]


def test_mutated_files_have_answers() -> None:
    whole = bytearray(program("gcc", "-O2", "-gdwarf-5").read_bytes())
    image = open_image(bytes(whole))
    places = [section for section in image.sections if section.name.startswith(".debug_")]
    walk = address_of(image, b"walk")
    choose = random.Random(3)
    for _ in range(150):
        changed = bytearray(whole)
        for _ in range(choose.randint(1, 30)):
            section = choose.choice(places)
            changed[section.offset + choose.randrange(section.size)] = choose.randrange(256)
        details = Details(open_image(bytes(changed)))
        for op, arguments in (
            ("locate", {"addresses": list(range(walk, walk + 64, 7))}),
            ("function", {"address": walk}),
            ("structs", {"names": ["node", "FILE", "_IO_FILE"]}),
            ("addresses_of", {"file": "program.c", "line": 7}),
            ("files", {}),
        ):
            json.dumps(details.answer(op, arguments))


def test_types_that_hold_themselves_end(tmp_path: Path) -> None:
    # An assembler may write what no compiler does: a struct without a name that has two members of its own
    # type, and a function type whose parameters are of that same type.
    source, out = tmp_path / "loop.s", tmp_path / "loop.o"
    source.write_text(
        """
        .section .debug_abbrev,"",@progbits
        .uleb128 1; .uleb128 0x11; .byte 1; .uleb128 0; .uleb128 0
        .uleb128 2; .uleb128 0x13; .byte 1; .uleb128 0x0b; .uleb128 0x0b; .uleb128 0; .uleb128 0
        .uleb128 3; .uleb128 0x0d; .byte 0; .uleb128 0x03; .uleb128 0x08; .uleb128 0x49; .uleb128 0x13
        .uleb128 0x38; .uleb128 0x0b; .uleb128 0; .uleb128 0
        .uleb128 4; .uleb128 0x16; .byte 0; .uleb128 0x03; .uleb128 0x08; .uleb128 0x49; .uleb128 0x13
        .uleb128 0; .uleb128 0
        .uleb128 5; .uleb128 0x15; .byte 1; .uleb128 0; .uleb128 0
        .uleb128 6; .uleb128 0x05; .byte 0; .uleb128 0x49; .uleb128 0x13; .uleb128 0; .uleb128 0
        .byte 0
        .section .debug_info,"",@progbits
        start: .long end - after
        after: .short 4; .long 0; .byte 8
        .uleb128 1
        loop: .uleb128 2; .byte 16
        .uleb128 3; .asciz "a"; .long loop - start; .byte 0
        .uleb128 3; .asciz "b"; .long loop - start; .byte 8
        .byte 0
        .uleb128 4; .asciz "Loop"; .long loop - start
        call: .uleb128 5
        .uleb128 6; .long call - start
        .uleb128 6; .long call - start
        .byte 0
        .uleb128 4; .asciz "Call"; .long call - start
        .uleb128 4; .asciz "Self"; .long self - start
        self: .uleb128 4; .asciz "Self2"; .long self - start
        .byte 0
        end:
        """
    )
    subprocess.run(["as", "-o", str(out), str(source)], check=True)
    found = answer("structs", open_image(out.read_bytes()), {"names": ["Loop", "Call", "Self", "Self2"]})
    assert [entry["name"] for entry in found["structs"]] == ["Loop", "Call", "Self", "Self2"]
    assert "nested too deeply" in found["structs"][0]["declaration"]
    assert len(found["structs"][1]["declaration"]) < 100_000
