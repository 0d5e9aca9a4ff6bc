from collections.abc import Mapping, Sequence
from typing import Any

from typing_extensions import Buffer

from app.elf.dwarf.scopes import ScopeColumns

class Arrival:
    """A section that one thread puts while it is read: a buffer of its size from the start.

    ``gone``: bytes from the start on that were read, which nobody may look at any more; ``dropped``: those of
    them that the kernel has back, which the thread that puts may ask for.
    """

    @property
    def gone(self) -> int: ...
    @property
    def dropped(self) -> int: ...
    def __new__(cls, size: int, /) -> Arrival: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def put(self, data: Buffer, /) -> bool: ...
    def end(self) -> None: ...

_Sections = Mapping[str, bytes | bytearray | memoryview | Arrival]

def read(
    sections: _Sections,
    *,
    big: bool,
    zero_is_used: bool,
    threads: int,
    alt: _Sections | None,
    split: list[_Sections],
) -> tuple[dict[str, Buffer], list[tuple[str, str]]] | None: ...
def split_names(sections: _Sections, *, big: bool) -> list[tuple[str, str, int]]: ...
def start_threads(count: int, /) -> int: ...

# The rest answers single questions from a handle; see app.elf.dwarf.native_dies.

def open_details(
    main: _Sections,
    alternate: _Sections | None,
    splits: Sequence[_Sections],
    big: bool,
    zero_is_used: bool,
    /,
) -> object: ...
def die_tree(
    handle: object, key: int, depth: int, most: int, /
) -> tuple[tuple[Any, ...], list[Any], bool] | None: ...
def unit_list(handle: object, /) -> list[tuple[tuple[Any, ...], list[tuple[int, int]], int, bool]]: ...
def scopes(handle: object, unit: int, /) -> ScopeColumns: ...
def line_rows(
    handle: object, unit: int, offset: int, comp_dir: str, only_files: bool, /
) -> tuple[int, int, list[str], bytes, bytes, bytes, bytes, bytearray]: ...
def find_types(handle: object, names: tuple[str, ...], most: int, /) -> list[tuple[int, int, bool]]: ...
