"""What one ELF file says of itself, as frozen facts; symbols as columns, never an object a symbol.

Sources: System V gABI chapters 4 and 5, the GNU gABI extensions, elf.h of glibc, and the stapsdt note
format (https://sourceware.org/systemtap/wiki/UserSpaceProbeImplementation).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from app.elf.problem import Problem, State
from app.elf.usdt.operands import UNKNOWN, Operand

if TYPE_CHECKING:
    from app.elf.image import Headers

# The numbers of a buffer, as struct calls them.
Numbers: TypeAlias = Literal["B", "H", "I", "Q", "i"]
# The values of SymbolColumns.table, in this order.
# The last is the .symtab of the binary's debug file.
TABLES = ("symtab", "dynsym", "gnu_debugdata", "gopclntab", "debug_symtab")


class Header(NamedTuple):
    """The ELF header; names are spelled as readelf spells them, without descriptions."""

    type: str  # EXEC DYN REL CORE, else a number in hex
    machine: str  # x86_64 aarch64 i386 arm ppc64 s390x riscv ..., else em-NUMBER
    bits: int  # 32 or 64
    endian: str  # little or big
    entry: int
    flags: int
    abi: int


class Section(NamedTuple):
    index: int  # type: ignore[assignment]
    name: str
    type: str  # PROGBITS NOBITS SYMTAB ..., as readelf -S
    flags: str  # as readelf -S: WAX...
    address: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entry_size: int


class Segment(NamedTuple):
    type: str  # LOAD DYNAMIC NOTE ..., as readelf -l
    flags: str  # R W E, those that are set
    offset: int
    address: int
    file_size: int
    memory_size: int
    align: int


class UsdtArgument(NamedTuple):
    """One decoded argument of a USDT site; size in bytes, the operand as the note has it."""

    index: int  # type: ignore[assignment]
    size: int
    signed: bool
    float: bool
    operand: str
    type: str  # a C type name by size and sign, e.g. int32_t; refined from DWARF where it is at hand
    name: str | None = None  # of the variable that lies there, by DWARF
    reading: str = ""  # the operand as a phrase
    parsed: Operand = UNKNOWN  # the operand as data


class UsdtSite(NamedTuple):
    """One place where a probe fires: virtual address (moved by .stapsdt.base where prelink moved it)."""

    address: int
    offset: int | None  # file offset
    semaphore: int  # virtual address of the counter, 0 for none
    arguments: tuple[UsdtArgument, ...]
    raw_arguments: str
    function: str | None


class UsdtProbe(NamedTuple):
    provider: str
    name: str
    sites: tuple[UsdtSite, ...]


class SymbolColumns(NamedTuple):
    """All symbols of all tables, row by row, in file order, null symbols (index 0) left out.

    Names lie in ``names`` (bytes as in the file, each once, without version): row i is
    ``names[name_at[i]:name_at[i] + name_len[i]]``. ``version_id`` indexes ``versions`` (0: none; entries
    carry their separator, ``@GLIBC_2.2.5`` or ``@@GLIBC_2.2.5``, as readelf -Ws prints them).
    Columns are buffers of numbers in this machine's order, of 8, 4 and 1 bytes, and have one length; who
    computes with them takes ``app.elf.arrays``. ``section_index`` is st_shndx, extended by SYMTAB_SHNDX
    where needed; for section symbols the name is the section's, as readelf prints it.
    """

    names: bytes
    name_at: memoryview
    name_len: memoryview
    address: memoryview
    size: memoryview
    type: memoryview  # STT_*
    bind: memoryview  # STB_*
    visibility: memoryview  # STV_*
    section_index: memoryview
    table: memoryview  # index into TABLES
    version_id: memoryview
    versions: tuple[str, ...] = ("",)

    @property
    def rows(self) -> int:
        return len(self.address)


class Places(NamedTuple):
    """Where symbols are declared, as a symbol table of a runtime's own tells.

    Row i lies in ``files[file[i]]``, at line ``line[i]``; 0 where it is not known; ``files[0]`` is "".
    Columns of numbers of 4 bytes in this machine's order, one for each symbol.
    """

    files: tuple[str, ...]
    file: bytes
    line: bytes


class Facts(NamedTuple):
    """Everything read from one file. ``state`` and ``problems`` say how whole it is."""

    state: State
    problems: tuple[Problem, ...]
    header: Header | None
    build_id: str | None  # lower-case hex
    headers: Headers | None = None
    symbols: SymbolColumns | None = None
    places: Places | None = None  # of the symbols
    usdt: tuple[UsdtProbe, ...] = ()
    needed: tuple[str, ...] = ()
    soname: str | None = None
    interpreter: str | None = None  # PT_INTERP
    debug_link: tuple[str, int] | None = None  # name and CRC of .gnu_debuglink
    language: str | None = None  # c, c++, go, rust, ... or None where the file does not tell
    runtime: Literal["compiled", "interpreter", "jit"] = "compiled"
    interpreter_of: str | None = None  # python, bash, java, ...: the language that it executes
    comment: tuple[str, ...] = ()  # .comment, the compilers that made it
    stripped: bool = True  # no .symtab
    debug_only: bool = False  # an --only-keep-debug file: its code sections are NOBITS
    dwarf: bool = False  # has .debug_info (or .zdebug_info)
    lines: bool = False  # has .debug_line
    frame_pointers: bool | None = None  # kept by its code; None where a sample does not tell

    @property
    def sections(self) -> tuple[Section, ...]:
        return self.headers.sections if self.headers else ()

    @property
    def segments(self) -> tuple[Segment, ...]:
        return self.headers.segments if self.headers else ()
