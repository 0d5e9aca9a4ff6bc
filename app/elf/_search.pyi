"""Names to ranks in C; see app.elf.search.scan for what each does. Buffers are numpy arrays."""

from typing import Any

def substring(
    text: Any,
    line_at: Any,
    further: Any,
    needle: bytes,
    fold: bool,
    sides: int,
    portable: bool,
    until: float,
    ranks: Any,
    /,
) -> None: ...
def prefix(
    text: Any,
    line_at: Any,
    further: Any,
    needle: bytes,
    fold: bool,
    sides: int,
    portable: bool,
    until: float,
    ranks: Any,
    /,
) -> None: ...
def fuzzy(
    text: Any,
    line_at: Any,
    further: Any,
    needle: bytes,
    fold: bool,
    sides: int,
    portable: bool,
    until: float,
    ranks: Any,
    /,
) -> None: ...
def mark(
    text: Any, line_at: Any, further: Any, program: bytes, portable: bool, until: float, marks: Any, /
) -> None: ...
def find(
    text: Any,
    line_at: Any,
    further: Any,
    grown: Any,
    grown_at: Any,
    shared: Any,
    way: int,
    needle: bytes,
    fold: bool,
    sides: int,
    portable: bool,
    until: float,
    /,
) -> tuple[bytes, bytes]: ...
def find_lines(
    text: Any,
    line_at: Any,
    further: Any,
    grown: Any,
    grown_at: Any,
    shared: Any,
    program: bytes,
    portable: bool,
    until: float,
    /,
) -> tuple[bytes, bytes]: ...
def grow(text: Any, line_at: Any, further: Any, shared: Any, grown_at: Any, /) -> int: ...
def grown(text: Any, line_at: Any, further: Any, grown: Any, grown_at: Any, shared: Any, /) -> None: ...
def let_go() -> None: ...
def select(
    names: Any, ranks: Any, at: Any, kinds: Any, wanted: int, out: Any, /
) -> tuple[int, tuple[int, int, int, int]]: ...
def order(keys: Any, out: Any, /) -> None: ...
def alphabet(text: Any, line_at: Any, further: Any, out: Any, /) -> None: ...
def gather(text: Any, line_at: Any, further: Any, which: Any, out: Any, /) -> int: ...

class Names:
    def __new__(cls, seed: int, /) -> Names: ...
    def add(self, text: Any, line_at: Any, further: Any, which: Any, out: Any, /) -> None: ...
    def lines(self) -> tuple[memoryview, bytes]: ...
