from collections.abc import Callable
from typing import Any

Buffer = Any  # numpy's arrays show what they are only from Python 3.12 on

Lack = tuple[int, int, int]

def read(
    data: Buffer, sections: Buffer, section_names: Buffer, wide: bool, big: bool
) -> tuple[int, bytes, bytes, list[bytes], list[Lack]] | None: ...

class Tables:
    """Names: all parts are demangled, then ordered; then come names, functions and variables.

    Several threads may demangle parts, or ask for what follows.
    """

    def __new__(cls, buffers: tuple[Buffer, ...], relocatable: bool, thumb: bool, /) -> Tables: ...
    @property
    def parts(self) -> int: ...
    def demangle(self, part: int, /) -> None: ...
    def order(self, foreign: Callable[[list[bytes]], list[bytes]], /) -> None: ...
    def names(self) -> dict[str, bytes]: ...
    def functions(self) -> dict[str, bytes]: ...
    def variables(self) -> dict[str, bytes]: ...

def marks(
    names: Buffer, name_at: Buffer, name_len: Buffer, section_index: Buffer, wanted: tuple[bytes, ...]
) -> tuple[bytes, int, int]: ...
def frames(
    data: Buffer,
    loads: Buffer,
    address: Buffer,
    size: Buffer,
    section_index: Buffer,
    type: Buffer,
    unwind: Buffer,
    unwind_address: int,
    big: bool,
    code: int,
) -> tuple[int, int]: ...
def enclosing(
    address: Buffer,
    size: Buffer,
    section_index: Buffer,
    type: Buffer,
    bind: Buffer,
    addresses: Buffer,
) -> bytes: ...
def demangle(name: bytes) -> bytes | bool | None: ...
