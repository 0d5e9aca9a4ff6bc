"""The words of DWARF as a dictionary of libFuzzer: abbreviation entries, opcodes, numbers at edges."""

from __future__ import annotations

from pathlib import Path

from elftools.dwarf.enums import ENUM_DW_AT, ENUM_DW_FORM, ENUM_DW_TAG

from tests.support.bytewriter import uleb

_ATTRIBUTES = ("name", "type", "low_pc", "high_pc", "ranges", "abstract_origin", "specification", "sibling")
_REFERRING = ("import", "location", "stmt_list", "decl_file", "call_file", "signature", "str_offsets_base")
_EDGES = (
    0x7F,
    0x80,
    0xFFFF,
    0x10000,
    0x7FFFFFFF,
    0xFFFFFFF0,
    0xFFFFFFFF,
    1 << 32,
    (1 << 63) - 1,
    (1 << 64) - 1,
)
# Extended line opcodes with their lengths, and the hardest of the standard ones.
_OPCODES = (
    b"\0\x01\x01",
    b"\0\x09\x02" + bytes(8),
    b"\0\x05\x04",
    b"\x09\xff\xff",
    b"\x08",
    b"\x03\x80\x80\x04",
)


def write_dictionary(path: Path) -> None:
    words = list(_OPCODES)
    for number in _EDGES:
        words += [uleb(number), uleb(number, 9), number.to_bytes(8, "little"), number.to_bytes(8, "big")]
    for name in (*_ATTRIBUTES, *_REFERRING):
        for form in set(ENUM_DW_FORM.values()):
            if isinstance(form, int):
                words.append(uleb(ENUM_DW_AT[f"DW_AT_{name}"]) + uleb(form))
    words += [
        uleb(tag) for tag in sorted(set(ENUM_DW_TAG.values()) - {"_pass_"}, key=str) if isinstance(tag, int)
    ]
    lines = {'"' + "".join(f"\\x{byte:02x}" for byte in word) + '"' for word in words}
    path.write_text("\n".join(sorted(lines)) + "\n")
