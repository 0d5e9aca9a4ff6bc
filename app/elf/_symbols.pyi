from collections.abc import Callable

from typing_extensions import Buffer

Lack = tuple[int, int, int]

def read(
    data: Buffer, sections: Buffer, section_names: Buffer, wide: bool, big: bool
) -> tuple[int, bytes, bytes, list[bytes], list[Lack]] | None: ...
def tables(
    buffers: tuple[Buffer, ...],
    relocatable: bool,
    thumb: bool,
    foreign: Callable[[list[bytes]], list[bytes]],
) -> tuple[dict[str, bytes], dict[str, bytes], dict[str, bytes]]: ...
def wanted(
    names: Buffer, name_at: Buffer, name_len: Buffer, section_index: Buffer, wanted: tuple[bytes, ...]
) -> bytes: ...
def demangle(name: bytes) -> bytes | bool | None: ...
