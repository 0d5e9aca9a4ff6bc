"""Instructions inside of functions by a name: ``FUNCTION.at.HEX``, so many bytes behind the function's start.

bpftrace 0.17 refuses an address inside of a function where it was built without a disassembler, as Debian's
is, and wants --unsafe where a file has no symbols. By a name that symbol_directory.py lays before it, it does
take the place. Only what begins an instruction by our own disassembly has such a name.
"""

from __future__ import annotations

import re

from app.errors import AppError
from app.index.model import Function
from app.trace.catalogue import Catalogue, function_named

_MARK = re.compile(r"(.+)\.at\.([0-9a-f]{1,8})")


def mark(holder: Function, address: int) -> str | None:
    """The name of the instruction at ``address`` in ``holder``; that of the function for its first one."""
    if holder.address is None or not holder.address <= address:
        return None
    offset = address - holder.address
    return f"{holder.linkage_name}.at.{offset:x}" if offset else holder.linkage_name


def is_mark(name: str) -> bool:
    """Whether a name is one of these, whatever it leads to."""
    return _MARK.fullmatch(name) is not None


def marked(index: Catalogue, id: str, name: str) -> int | None:
    """The virtual address that such a name stands for; None for any other, and where no instruction is."""
    match = _MARK.fullmatch(name)
    if match is None:
        return None
    function = function_named(index, id, match[1])
    if function is None or function.address is None:
        return None
    address = function.address + int(match[2], 16)
    return address if is_instruction(index, id, function, address) else None


def is_instruction(index: Catalogue, id: str, holder: Function, address: int) -> bool:
    """Whether an instruction of ``holder`` begins at ``address``, as far as its code is at hand."""
    try:
        return any(entry.address == address for entry in index.code(id, holder.key))
    except AppError:
        return False
