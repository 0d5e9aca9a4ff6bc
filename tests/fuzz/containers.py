"""ELF files to what the fuzz targets read: numbered parts, as tests/fuzz/targets/container.h has them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from itertools import accumulate
from pathlib import Path

import zstandard

from app.elf.image import Image, open_image
from app.elf.search.scan import Choice, Letter, program
from tests.fuzz.corpus import seeds
from tests.support.bytewriter import Endian
from tests.support.elfwriter import Section, Symbol, write_elf

# The order of SectionId in app/elf/core/dwarf/dwarf.h.
_SECTIONS = (
    *("info", "types", "abbrev", "str", "line_str", "line", "ranges", "rnglists"),
    *("loc", "loclists", "addr", "str_offsets", "cu_index", "tu_index"),
)
OPTIONS, MAIN, ALTERNATE, SPLIT = 0, 1, 21, 41
_BIG, _NO_MEMORY, _THREADS = 1, 4, 8


def container(parts: Mapping[int, bytes]) -> bytes:
    """The options come last: what is cut off at the end is then the least."""
    order = sorted(parts, key=lambda number: (number == OPTIONS, number))
    return b"".join(struct.pack("<BI", number, len(parts[number])) + parts[number] for number in order)


def seed_inputs(scratch: Path) -> dict[str, dict[str, bytes]]:
    """The first inputs of each target, by name."""
    files = seeds(scratch)
    dwarf = dict(dwarf_containers(files))
    return {
        **{"dwarf": dwarf, "dies": dwarf, "lines": dwarf},
        **{"search": dict(search_containers()), "symbols": dict(symbol_containers(files))},
    }


def symbol_containers(files: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Each file, whole, with a few functions of debug information beside it."""
    texts = b"\nmain\nwork\n_ZN4shop3sumERKNS_3BoxIiLi3EEEb\nshop::sum\n_RNvC5crate4main\n"
    rows = b"".join(struct.pack("<IIIQQ", 1 + row, 2 + row, 2, 0x1000 + 16 * row, 16) for row in range(4))
    names = [
        "_ZNSt6vectorIiSaIiEE9push_backEOi",
        "_RNvC5crate4main",
        "_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE",
    ]
    names += ["_Z" + "N1a" * 300 + "E", "x@V1", "x@@V2", "a\nb", ""]
    symbols = [Symbol(name, 0x1000 + 16 * row, 16, row % 3) for row, name in enumerate(names)]
    text = [Section(".text", bytes(64), flags=6, address=0x1000)]
    kinds: tuple[tuple[int, Endian], ...] = ((64, "little"), (32, "big"))
    for bits, endian in kinds:
        made = write_elf(text, symbols=symbols, dynamic_symbols=symbols, bits=bits, endian=endian)
        files = {**files, f"names{bits}": made}
    for name, data in files.items():
        for flags in (0, 3, 4):
            options = bytes([flags, 40, 0])
            yield f"{name}-{flags}", container({1: data[:60_000], 2: rows, 3: texts, OPTIONS: options})


def search_containers() -> Iterator[tuple[str, bytes]]:
    """Names with each way of looking for them."""
    names = [b"main", b"std::vector<int>::push_back(int const&)", b"", b"aaaaaaaaab", b"_ZN4shop3Box4takeEi"]
    names += [b"x" * 200, "größe".encode(), b"main", b"operator()(char, ...)", b"Main"]
    text = b"".join(name + b"\n" for name in names)
    at = [0, *accumulate(len(name) + 1 for name in names)]
    letters = tuple(Letter(byte, True) for byte in b"ma")
    choices = [
        Choice((letters, ((1 << 128) - 1, Letter(ord("n")))), True, True),
        Choice(((0xFF,),), False, False),
    ]
    parts = {
        1: text,
        2: struct.pack(f"<{len(at)}I", *at),
        3: struct.pack("<3I", 0, 1, 99),
        5: program(choices),
    }
    for row, needle in enumerate((b"main", b"vec push", b"a", b"aaab", b"", b"box<int>", b"x" * 5000)):
        for flags in (0, 1, 3, 6, 8):
            options = bytes([flags, 3 + row, 0, len(names) - 3])
            yield f"{row}-{flags}", container(parts | {4: needle, OPTIONS: options})


def dwarf_containers(files: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Each file with debug information, and with the file it leans on; with threads; and short of memory."""
    for name, data in files.items():
        image = open_image(data)
        assert image.header is not None
        parts: dict[int, bytes] = {}
        if name.startswith("package"):
            parts |= _parts(image, SPLIT)
        elif name.endswith("-skeleton"):
            parts |= _parts(image, MAIN)
            parts |= _parts(open_image(files[name.replace("-skeleton", "-split")]), SPLIT)
        elif name == "alternate":
            parts |= _parts(image, MAIN) | _parts(open_image(files["common"]), ALTERNATE)
        else:
            parts |= _parts(image, MAIN)
        if not parts:
            continue
        flags = _BIG if image.header.endian == "big" else 0
        yield name, container(parts | {OPTIONS: bytes([flags]) + bytes(10)})
        yield f"{name}-threads", container(parts | {OPTIONS: bytes([flags | _THREADS]) + bytes(10)})
        yield f"{name}-short", container(parts | {OPTIONS: bytes([flags | _NO_MEMORY, 30]) + bytes(9)})


def _parts(image: Image, first: int) -> dict[int, bytes]:
    found = {}
    for section in image.sections:
        name = section.name.removesuffix(".dwo").replace(".zdebug_", ".debug_").removeprefix(".debug_")
        if name in _SECTIONS and section.name.startswith((".debug_", ".zdebug_")):
            found[first + _SECTIONS.index(name)] = _inflated(image, section.name, section.index)
    return found


def _inflated(image: Image, name: str, index: int) -> bytes:
    section = image.sections[index]
    data = bytes(image.content(section))
    if name.startswith(".zdebug_"):
        return zlib.decompress(data[12:])
    if "C" not in section.flags:
        return data
    assert image.header is not None
    order = "<" if image.header.endian == "little" else ">"
    kind = struct.unpack_from(order + "I", data)[0]
    body = data[24 if image.header.bits == 64 else 12 :]
    return (
        zlib.decompress(body) if kind == 1 else zstandard.ZstdDecompressor().decompressobj().decompress(body)
    )
