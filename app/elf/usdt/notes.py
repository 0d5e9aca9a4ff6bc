"""Notes of sys/sdt.h to USDT probes, each with its sites and their decoded arguments.

An argument is ``N@OP``: N bytes, negative for signed, with an ``f`` for floating point; OP an operand of the
architecture's assembler, kept as it is and parsed by ``usdt.operands``. What has no ``N@`` is a word of the
machine, unsigned.
Source: https://sourceware.org/systemtap/wiki/UserSpaceProbeImplementation; sdt.h of systemtap 4.8.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from app.elf.image import Image, decode, file_offset, load_rows
from app.elf.model import SymbolColumns, UsdtArgument, UsdtProbe, UsdtSite
from app.elf.notes import Note
from app.elf.symbols.enclosing import enclosing
from app.elf.usdt.operands import parse_operand, reading

NT_STAPSDT = 3
_SIZED = re.compile(r"(-?)(\d{1,3})(f?)@(.*)", re.DOTALL)
# An operand may hold spaces inside brackets (AArch64: [sp, 16]); the next argument starts with its size.
_NEXT = re.compile(r"\s+(?=-?\d{1,3}f?@)")
_INTEGERS = {1, 2, 4, 8, 16}
_STORED = ("index", "size", "signed", "float", "operand", "type", "name")
_FLOATS = {4: "float", 8: "double", 10: "long double", 16: "long double"}


class _Raw(NamedTuple):
    address: int
    base: int
    semaphore: int
    provider: str
    name: str
    arguments: str


def read_usdt(image: Image, found: Iterable[Note], symbols: SymbolColumns | None) -> tuple[UsdtProbe, ...]:
    """Probes in the order of their first site; sites of one provider and name together."""
    assert image.layout is not None
    assert image.header is not None
    bits, machine = image.layout.bits, image.header.machine
    raws = [raw for note in found if note.owner == b"stapsdt" and (raw := _raw(image, note)) is not None]
    if not raws:
        return ()
    base = image.headers.places.get(".stapsdt.base")
    moved = [
        0 if base is None or not raw.base else image.headers.section_rows[base].address - raw.base
        for raw in raws
    ]
    mask = (1 << bits) - 1
    addresses = [(raw.address + by) & mask for raw, by in zip(raws, moved, strict=True)]
    loads = load_rows(image.headers.program_rows)
    functions = enclosing(symbols, addresses, image.header.type == "REL")
    sites: dict[tuple[str, str], list[UsdtSite]] = {}
    for raw, by, address, function in zip(raws, moved, addresses, functions, strict=True):
        sites.setdefault((raw.provider, raw.name), []).append(
            UsdtSite(
                address=address,
                offset=file_offset(loads, address),
                semaphore=(raw.semaphore + by) & mask if raw.semaphore else 0,
                arguments=decode_arguments(raw.arguments, bits, machine),
                raw_arguments=raw.arguments,
                function=function,
            )
        )
    return tuple(UsdtProbe(*key, tuple(entries)) for key, entries in sites.items())


def _raw(image: Image, note: Note) -> _Raw | None:
    assert image.layout is not None
    if note.type != NT_STAPSDT:
        return None
    word = image.layout.bits // 8
    order = "<" if image.layout.endian == "little" else ">"
    texts = note.content[3 * word :].split(b"\0")
    if len(note.content) < 3 * word or len(texts) < 4:
        image.note("usdt", "A USDT note is too short for its addresses and its three texts.")
        return None
    numbers = struct.unpack_from(order + ("QQQ" if word == 8 else "III"), note.content)
    return _Raw(*numbers, *(decode(text) for text in texts[:3]))


def decode_arguments(text: str, bits: int, machine: str) -> tuple[UsdtArgument, ...]:
    """``-4@%edi 8@-8(%rbp)`` to its arguments, counted from 0."""
    text = text.strip()
    if not text:
        return ()
    parts = _NEXT.split(text) if "@" in text else text.split()
    return tuple(_argument(index, part, bits, machine) for index, part in enumerate(parts))


@lru_cache(maxsize=4096)
def _argument(index: int, text: str, bits: int, machine: str) -> UsdtArgument:
    match = _SIZED.fullmatch(text)
    if match is None:
        return _with_operand(UsdtArgument(index, bits // 8, False, False, text, f"uint{bits}_t"), machine)
    sign, digits, real, operand = match.groups()
    size, signed, floating = int(digits), bool(sign), bool(real)
    if floating:
        kind = _FLOATS.get(size, "unknown")
    else:
        kind = f"{'' if signed else 'u'}int{size * 8}_t" if size in _INTEGERS else "unknown"
    return _with_operand(UsdtArgument(index, size, signed or floating, floating, operand, kind), machine)


def _with_operand(argument: UsdtArgument, machine: str) -> UsdtArgument:
    parsed = parse_operand(argument.operand, machine)
    phrase = reading(parsed, argument.size, argument.signed, argument.float)
    return argument._replace(parsed=parsed, reading=phrase)


def stored(probe: UsdtProbe) -> dict[str, Any]:
    """The probe as plain data, without what ``restored`` finds again from the operands."""
    return {
        "provider": probe.provider,
        "name": probe.name,
        "sites": [
            {
                "address": site.address,
                "offset": site.offset,
                "semaphore": site.semaphore,
                "arguments": [{name: getattr(each, name) for name in _STORED} for each in site.arguments],
                "raw_arguments": site.raw_arguments,
                "function": site.function,
            }
            for site in probe.sites
        ],
    }


def restored(site: Mapping[str, Any], machine: str) -> UsdtSite:
    """A site of ``stored``, as ``read_usdt`` gave it."""
    arguments = tuple(_restored(tuple(each[name] for name in _STORED), machine) for each in site["arguments"])
    return UsdtSite(**{**site, "arguments": arguments})


@lru_cache(maxsize=8192)
def _restored(values: tuple[Any, ...], machine: str) -> UsdtArgument:
    return _with_operand(UsdtArgument(*values), machine)
