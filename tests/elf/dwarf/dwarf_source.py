"""Short names for the entries that the rules are about, and the way from written units to rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.elf.dwarf.columns import read_dwarf
from app.elf.image import Image, open_image
from tests.elf.dwarf.dwarf_rows import Rows, rows
from tests.support.bytewriter import Endian
from tests.support.dwarfwriter import At, Die, Dwarf, Form, Raw, Unit
from tests.support.elfwriter import EM_S390, EM_X86_64, Section, write_elf

C, CXX, GO, RUST = 0x0C, 0x21, 0x16, 0x1C  # DW_LANG of C99, C++14, Go, Rust


def integer() -> Die:
    return Die("base_type", name="int", byte_size=Form("data1", 4), encoding=Form("data1", 5))


def pointer(to: Die | None) -> Die:
    made = Die("pointer_type", byte_size=Form("data1", 8))
    return made.set(type=to) if to else made


def parameter(name: str, of: Die) -> Die:
    return Die("formal_parameter", name=name, type=of)


def function(
    name: str | None, *children: Die, low: int = 0x1000, size: int = 0x10, version: int = 5, **attributes: Any
) -> Die:
    """One with code; before version 4 its end is an address."""
    end = Form("data4", size) if version >= 4 else Form("addr", low + size)
    named: dict[str, Any] = {} if name is None else {"name": name}
    return Die("subprogram", *children, **named, low_pc=Form("addr", low), high_pc=end, **attributes)


def variable(name: str | None, of: Any, address: int = 0x8000) -> Die:
    made = Die("variable", location=At(address))
    if name is not None:
        made.set(name=name)
    return made.set(type=of) if of else made


def unit(*children: Die | Raw, name: str = "a.c", language: int = C, version: int = 5) -> Unit:
    return Unit(Die("compile_unit", *children, name=name, language=Form("data2", language)), version)


def reference_to_nowhere(form: str) -> Form:
    return Form(form, {"ref1": 0xFE, "ref2": 0xFFFE}.get(form, 0xFFFFFE))


def read(
    *units: Unit | Raw,
    endian: Endian = "little",
    sizes: tuple[int, int] = (4, 8),
    alternate: Dwarf | None = None,
    give_alternate: bool = True,
    split: Sequence[Sequence[Section]] = (),
    extra: Sequence[Section] = (),
    cut: Mapping[str, int] | None = None,
) -> Rows:
    """The rows of a file of ``units``. ``sizes``: of offsets and addresses; ``cut``: how much is kept."""
    for one in units:
        if isinstance(one, Unit) and sizes != (4, 8):
            one.offset_size, one.address_size = sizes
    bits = 8 * sizes[1]
    made = Dwarf(*units, endian=endian, alternate=alternate).sections()
    kept = [replace(one, data=one.data[: (cut or {}).get(one.name)]) for one in made]
    # Code that is not at address 0, so that 0 stands for what was dropped.
    text = Section(".text", bytes(16), flags=6, address=0x1000)

    def image(parts: Sequence[Section]) -> Image:
        machine = EM_X86_64 if endian == "little" else EM_S390
        return open_image(write_elf([text, *parts], bits=bits, endian=endian, machine=machine))

    given = image(alternate.sections()) if alternate and give_alternate else None
    found = read_dwarf(image([*kept, *extra]), alt=given, split=[image(part) for part in split])
    arrays = found._asdict()
    codes = [problem.code for problem in found.problems]
    return rows(arrays, codes, "partial" if codes else "ok")
