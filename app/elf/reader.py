"""One ELF file's bytes to its Facts: the only door into this room's readers.

Never raises on what a file holds: each part is read on its own, and one that cannot be leaves a Problem.
``malformed``: nothing is known beyond what the problems say; ``partial``: something is missing;
``limit``: a ceiling of the process (memory) ended the reading.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

from app.elf import dynamic, traits
from app.elf.go.marks import may_be_go
from app.elf.image import SHT_NOBITS, Data, Image, decode, open_image
from app.elf.joining import joined
from app.elf.model import Facts
from app.elf.notes import build_id, notes
from app.elf.problem import Problem, State
from app.elf.symbols.frame_pointers import frame_pointers
from app.elf.symbols.minidebuginfo import read_minidebuginfo
from app.elf.symbols.rows import SHT_SYMTAB, read_symbols
from app.elf.usdt.notes import read_usdt

PT_INTERP = 3
_SHF_EXECINSTR = 4
# Languages whose mark is a section that no other has.
_SURE = {"go", "swift"}
_DWARF = (".debug_info", ".zdebug_info")


def read_facts(data: Data) -> Facts:
    """Everything that one file says of itself, but for its debug information."""
    try:
        return facts_of(open_image(data))
    except MemoryError:
        return out_of_memory()


def out_of_memory() -> Facts:
    problem = Problem("memory", "Reading this file needs more memory than the reader may use.")
    return Facts("limit", (problem,), None, None)


def facts_of(image: Image) -> Facts:
    """``read_facts`` of an image that is open; raises MemoryError."""
    return _facts(image) if image.header is not None else _malformed(image)


def with_debug(facts: Facts, found: Iterable[Problem], units: Mapping[int, int]) -> Facts:
    """The facts with what reading the debug information met; ``units`` counts those of each DW_LANG."""
    problems = _once([*facts.problems, *found])
    state: State = facts.state
    if state == "ok" and problems:
        state = "partial"
    language = facts.language if facts.language in _SURE else traits.of_units(units) or facts.language
    return facts._replace(problems=problems, state=state, language=language)


def _malformed(image: Image) -> Facts:
    return Facts("malformed", tuple(image.problems), None, None)


def _facts(image: Image) -> Facts:
    found = list(notes(image))
    symbols = read_symbols(image)
    hidden = read_minidebuginfo(image)
    if hidden is not None:
        symbols = joined(symbols, hidden)
    stripped = SHT_SYMTAB not in image.section_types
    places = None
    if stripped and may_be_go(image):
        from app.elf.go.lines import go_functions
        from app.elf.go.pclntab import as_symbols, places_of

        functions = go_functions(image)
        if functions is not None:
            before = symbols.rows if symbols is not None else 0
            symbols = joined(symbols, as_symbols(image, functions))
            if symbols.rows > before:
                places = places_of(functions, before)
    usdt = read_usdt(image, found, symbols)
    needed, soname = dynamic.needed_and_soname(image)
    comment = _comment(image)
    names = image.headers.places.keys()
    marks = traits.name_marks(symbols)
    runtime, interpreter_of = traits.runtime(image, marks, needed)
    language = traits.language(image, marks, needed, comment)
    state: State = "partial" if image.problems else "ok"
    return Facts(
        state=state,
        problems=_once(image.problems),
        header=image.header,
        build_id=build_id(found),
        headers=image.headers,
        symbols=symbols,
        places=places,
        usdt=usdt,
        needed=needed,
        soname=soname,
        interpreter=_interpreter(image),
        debug_link=_debug_link(image),
        language=language,
        runtime=runtime,
        interpreter_of=interpreter_of,
        comment=comment,
        stripped=stripped,
        debug_only=_debug_only(image),
        dwarf=has_dwarf(image),
        lines=bool(names & {".debug_line", ".zdebug_line"}),
        frame_pointers=frame_pointers(image, symbols, language).kept,
    )


def has_dwarf(image: Image) -> bool:
    return not image.headers.places.keys().isdisjoint(_DWARF)


def _once(problems: list[Problem]) -> tuple[Problem, ...]:
    """Each problem once, at most a hundred: a page is read by a person."""
    return tuple(dict.fromkeys(problems))[:100]


def _comment(image: Image) -> tuple[str, ...]:
    index = image.headers.places.get(".comment", -1)
    texts = bytes(image.bytes_of(index)[: 1 << 16]).split(b"\0")
    return tuple(dict.fromkeys(decode(text) for text in texts if text))


def _interpreter(image: Image) -> str | None:
    for row in image.headers.program_rows:
        if row.type == PT_INTERP:
            raw = bytes(image.part(row.offset, min(row.file_size, 4096)))
            return decode(raw.split(b"\0")[0]) or None
    return None


def _debug_link(image: Image) -> tuple[str, int] | None:
    """Name and CRC-32 of .gnu_debuglink: a text, padded to four bytes, then the number."""
    index = image.headers.places.get(".gnu_debuglink")
    if index is None or image.layout is None:
        return None
    raw = bytes(image.bytes_of(index)[:4096])
    end = raw.find(b"\0")
    place = (end + 4) // 4 * 4
    if end <= 0 or place + 4 > len(raw):
        image.note("debug_link", "The section .gnu_debuglink is too short for a name and a checksum.")
        return None
    number = struct.unpack_from(image.layout.order + "I", raw, place)[0]
    return decode(raw[:end]), number


def _debug_only(image: Image) -> bool:
    """Whether all executable sections are without bytes, as objcopy --only-keep-debug leaves them."""
    code = [
        row.type == SHT_NOBITS
        for row in image.headers.section_rows
        if row.flags & _SHF_EXECINSTR and row.size
    ]
    return bool(code) and all(code)
