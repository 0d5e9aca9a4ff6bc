"""What a debug file adds to the facts of its binary: the symbols that strip took away.

``objcopy --only-keep-debug`` keeps all sections' headers, so addresses are those of the binary; numbers of
sections may differ, and are found again by name and address. The binary says all else of itself.
"""

from __future__ import annotations

from app.elf.image import Image
from app.elf.joining import joined
from app.elf.model import TABLES, Facts
from app.elf.problem import Problem
from app.elf.symbols.minidebuginfo import as_outer
from app.elf.symbols.rows import SHT_SYMTAB, read_symbols

_SYMTAB = TABLES.index("symtab")


def with_debug_file(facts: Facts, image: Image, debug: Image) -> Facts:
    """The facts of ``image`` with the symbols of ``debug``, if the binary has not kept its own."""
    if SHT_SYMTAB in image.section_types or SHT_SYMTAB not in debug.section_types:
        return facts
    known = len(debug.problems)
    found = read_symbols(debug)
    problems = tuple(Problem(each.code, f"Debug file: {each.text}") for each in debug.problems[known:])
    if found is None:
        return facts._replace(problems=facts.problems + problems)
    rows = [each == _SYMTAB for each in found.table]
    mine = as_outer(image, debug, found, rows, "debug_symtab")
    return facts._replace(symbols=joined(facts.symbols, mine), problems=facts.problems + problems)
