"""An Image's DWARF as columns: functions, parameters, variables, inline sites, types, and their texts.

The one place that knows the native core; without it ``slow.columns`` makes the same, a hundred times slower.
Refuses nothing: what cannot be read is a Problem. Source: DWARF 2 to 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from app.elf.dwarf import sections
from app.elf.dwarf.arriving import arriving_sections
from app.elf.image import Image
from app.elf.model import Numbers
from app.elf.problem import Problem
from app.elf.threads import start

if TYPE_CHECKING:
    from typing_extensions import Buffer

try:
    from app.elf import _dwarf as _dwarf
except ImportError:
    _dwarf = None  # type: ignore[assignment]

# Buffers of numbers in this machine's order: as numpy spells their kinds.
U1: TypeAlias = memoryview
U2: TypeAlias = memoryview
U4: TypeAlias = memoryview
U8: TypeAlias = memoryview
I4: TypeAlias = memoryview
# The code of the Problem that units have whose .dwo files are not at hand.
SPLIT_MISSING = "dwarf_split"
NO_LINES = 0xFFFF_FFFF_FFFF_FFFF
# Bits of fn_flags.
EXTERNAL, ADDRESS, INLINED, DECLARED_INLINE, ARTIFICIAL, NORETURN, MAIN, PROTOTYPED = (
    1 << bit for bit in range(8)
)
UNSPECIFIED, MEMBER, VIRTUAL, PARAMETERS_UNKNOWN, RETURN_UNKNOWN, COLD, LOCAL = (
    1 << bit for bit in range(8, 15)
)
# Bits of param_flags.
PARAM_ARTIFICIAL, PARAM_UNKNOWN, PARAM_CONST, PARAM_ELLIPSIS = 1, 2, 4, 8
# Bits of var_flags.
VAR_EXTERNAL, VAR_ADDRESS, VAR_TLS, VAR_LOCAL, VAR_ARTIFICIAL, VAR_UNKNOWN = 1, 2, 4, 8, 16, 32
# Values of type_kind.
STRUCT, CLASS, UNION, ENUM, TYPEDEF, BASE = range(1, 7)
# Bits of an offset of a DIE or unit that say where it lies.
IN_TYPES, IN_SPLIT, IN_ALTERNATE = 1 << 63, 1 << 62, 1 << 61


class DwarfColumns(NamedTuple):
    """Arrays by prefix: ``unit_``, ``fn_``, ``param_``, ``var_``, ``site_``, ``range_``, ``type_``.

    Texts are numbers of ``string_at``: text i is ``string_blob[string_at[i]:string_at[i + 1]]``; 0 is "".
    ``…_at`` columns have one number more than rows: row i has the items from ``_at[i]`` to ``_at[i + 1]`` of
    ``param_`` or ``range_``. Functions are those with code, in the order of their DIEs, and between them
    those that exist only inline (no ADDRESS); variables without an address come last.
    """

    string_blob: U1
    string_at: U4
    unit_offset: U8
    unit_language: U2
    unit_version: U1
    unit_name: U4
    unit_comp_dir: U4
    unit_producer: U4
    unit_lines: U8
    unit_range_at: U4
    fn_name: U4
    fn_linkage: U4
    fn_scope: U4
    fn_file: U4
    fn_line: U4
    fn_low: U8
    fn_size: U8
    fn_flags: U4
    fn_return: U4
    fn_param_at: U4
    fn_unit: U4
    fn_die: U8
    fn_sites: U4
    fn_range_at: U4
    param_name: U4
    param_type: U4
    param_flags: U1
    var_name: U4
    var_linkage: U4
    var_scope: U4
    var_file: U4
    var_line: U4
    var_type: U4
    var_address: U8
    var_size: U8
    var_flags: U4
    var_unit: U4
    var_die: U8
    site_function: U4
    site_host: U4
    site_parent: I4
    site_call_file: U4
    site_call_line: U4
    site_call_column: U2
    site_range_at: U4
    range_low: U8
    range_high: U8
    type_name: U4
    type_kind: U1
    type_size: U8
    type_unit: U4
    type_die: U8
    problems: tuple[Problem, ...] = ()

    def raw(self, text: int) -> bytes:
        start, end = self.string_at[text : text + 2].tolist()
        return self.string_blob[start:end].tobytes()

    def text(self, text: int) -> str:
        return self.raw(text).decode("utf-8", "backslashreplace")


# dtype of each column, as numpy spells it.
DTYPES = {
    name: said.__forward_arg__.lower()
    for name, said in DwarfColumns.__annotations__.items()
    if name != "problems"
}
_KINDS: dict[str, Numbers] = {"u1": "B", "u2": "H", "u4": "I", "u8": "Q", "i4": "i"}


def is_native() -> bool:
    """Whether the core was built."""
    return _dwarf is not None


def start_threads(count: int) -> int:
    """Threads that later calls use beside the caller's; to be called once, before a process is shut in."""
    # One is for what is read beside the debug information.
    given = min(count, start(count + 1))
    return _dwarf.start_threads(count) if _dwarf is not None else given


def read_dwarf(
    image: Image,
    threads: int = 1,
    alt: Image | None = None,
    split: Sequence[Image] = (),
    most: int = sections.MOST_BYTES,
) -> DwarfColumns:
    """The columns of ``image``, its alternate (dwz) file and its split parts at hand.

    ``threads`` counts the caller's; more are used only after ``start_threads``. ``most``: bytes that its
    sections may have together when they are decompressed.
    """
    known = len(image.problems)
    if _dwarf is None:
        from app.elf.dwarf.slow.columns import read_slowly

        columns, found = read_slowly(image, alt)
    else:
        read = _read_arriving(image, threads, most) if threads > 1 and alt is None and not split else None
        columns, found = read or _read_whole(image, threads, alt, split, most)
    problems = [Problem(code, text) for code, text in found]
    for part in (image, alt, *split):
        if part is not None:
            problems += part.problems[known if part is image else 0 :]
    arrays = {name: memoryview(columns[name]).cast("B").cast(_KINDS[dtype]) for name, dtype in DTYPES.items()}
    return DwarfColumns(**arrays, problems=tuple(dict.fromkeys(problems)))


_Read: TypeAlias = "tuple[dict[str, Buffer], list[tuple[str, str]]]"


def _read_whole(image: Image, threads: int, alt: Image | None, split: Sequence[Image], most: int) -> _Read:
    read = _dwarf.read(
        sections.debug_sections(image, most=most),
        big=is_big(image),
        zero_is_used=sections.zero_is_used(image),
        threads=threads,
        alt=sections.debug_sections(alt, most=most) if alt is not None else None,
        split=[sections.debug_sections(part, most=most, split=True) for part in split],
    )
    assert read is not None, "sections that are there"
    return read


def _read_arriving(image: Image, threads: int, most: int) -> _Read | None:
    """The same of a file whose .debug_info can be read while it is decompressed; None where that fails."""
    known = len(image.problems)
    arriving = arriving_sections(image, _dwarf.Arrival, most=most)
    if arriving is None:
        del image.problems[known:]
        return None
    read = None
    try:
        read = _dwarf.read(
            {**arriving.others, ".debug_info": arriving.info},
            big=is_big(image),
            zero_is_used=sections.zero_is_used(image),
            threads=threads,
            alt=None,
            split=[],
        )
    finally:
        if read is None:
            arriving.info.end()
        whole = arriving.whole()
    if whole and read is not None:
        return read
    del image.problems[known:]
    return None


def is_big(image: Image) -> bool:
    return image.layout is not None and image.layout.endian == "big"


def split_names(image: Image) -> list[tuple[str, str, int]]:
    """The split parts that the file names: directory, name, dwo_id."""
    if _dwarf is None:
        return []
    return _dwarf.split_names(sections.debug_sections(image), big=is_big(image))
