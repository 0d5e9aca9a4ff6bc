"""Sections to pyelftools' units and DIEs, with what it lacks: safe attributes, references, scopes, files.

Whatever a file holds, a question here is answered by a value or by None.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any

from elftools.common.exceptions import DWARFError, ELFError
from elftools.dwarf.dwarfinfo import DebugSectionDescriptor, DwarfConfig, DWARFInfo
from elftools.dwarf.ranges import BaseAddressEntry
from elftools.dwarf.structs import DWARFStructs

from app.elf.dwarf.sections import Buffer
from app.elf.image import decode

# What pyelftools raises on what a file holds.
ERRORS = (
    DWARFError,
    ELFError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    AssertionError,
    NotImplementedError,
    OverflowError,
    OSError,
    RecursionError,
)
_SECTIONS = {
    ".debug_info": "debug_info_sec",
    ".debug_types": "debug_types_sec",
    ".debug_abbrev": "debug_abbrev_sec",
    ".debug_str": "debug_str_sec",
    ".debug_line_str": "debug_line_str_sec",
    ".debug_line": "debug_line_sec",
    ".debug_ranges": "debug_ranges_sec",
    ".debug_rnglists": "debug_rnglists_sec",
    ".debug_loclists": "debug_loclists_sec",
    ".debug_addr": "debug_addr_sec",
    ".debug_str_offsets": "debug_str_offsets_sec",
}
_NONE = ("aranges", "frame", "loc", "pubtypes", "pubnames", "sup")
_ELSEWHERE = {"DW_FORM_GNU_ref_alt", "DW_FORM_ref_sup4", "DW_FORM_ref_sup8"}
_REFERENCES = {"DW_FORM_ref1", "DW_FORM_ref2", "DW_FORM_ref4", "DW_FORM_ref8", "DW_FORM_ref_udata"}
_SCOPES = {
    "DW_TAG_namespace": "namespace",
    "DW_TAG_module": "",
    "DW_TAG_class_type": "class",
    "DW_TAG_structure_type": "struct",
    "DW_TAG_union_type": "union",
    "DW_TAG_interface_type": "",
}
# Languages whose classes hold nothing that has a scope: C in its versions, Go, assembler.
FLAT = {0x01, 0x02, 0x0C, 0x1D, 0x2C, 0x3E, 0x16, 0x8001}
_DOTTED = {0x13, 0x16}
Die = Any  # elftools.dwarf.die.DIE
Unit = Any  # elftools.dwarf.compileunit.CompileUnit or TypeUnit


def open_dwarf(sections: Mapping[str, Buffer], big: bool, address_size: int) -> DWARFInfo:
    places: dict[str, DebugSectionDescriptor | None] = {f"debug_{name}_sec": None for name in _NONE}
    for name, argument in _SECTIONS.items():
        data = sections.get(name)
        places[argument] = (
            DebugSectionDescriptor(BytesIO(bytes(data)), name, 0, len(data), 0) if data is not None else None
        )
    config = DwarfConfig(not big, "", address_size)
    return DWARFInfo(config, eh_frame_sec=None, gnu_debugaltlink_sec=None, **places)


class Units:
    """All units of one file."""

    def __init__(self, dwarf: DWARFInfo) -> None:
        self.dwarf = dwarf
        self.whole = True
        self.astray: set[int] = set()  # offsets of units that refer to what is not there
        self.alone: set[int] = set()  # of those that refer to an alternate file that is not at hand
        self.all: list[
            tuple[Unit, bool]
        ] = []  # and whether it lies in .debug_types; the alternate file's last
        self._signatures: dict[int, tuple[Unit, int]] = {}
        for units, in_types in ((dwarf.iter_CUs, False), (dwarf.iter_TUs, True)):
            try:
                for unit in units() if in_types is False or dwarf.debug_types_sec else ():
                    self.all.append((unit, in_types))
                    self._sign(unit, in_types)
            except ERRORS:
                self.whole = False
        self.walked = len(self.all)
        try:
            other = dwarf.supplementary_dwarfinfo
            self.all += [(unit, False) for unit in other.iter_CUs()] if other is not None else []
        except ERRORS:
            self.whole = False
        self._languages: dict[int, int] = {}
        self._scopes: dict[tuple[int, int], str] = {}
        self._files: dict[int, list[str]] = {}
        self._types = {id(unit) for unit, in_types in self.all if in_types}

    def _sign(self, unit: Unit, in_types: bool) -> None:
        header = unit.header
        if in_types:
            self._signatures.setdefault(header["signature"], (unit, unit.tu_offset + header["type_offset"]))
        elif header.get("unit_type") == "DW_UT_type":
            self._signatures.setdefault(
                header["type_signature"], (unit, unit.cu_offset + header["type_offset"])
            )

    def in_types(self, unit: Unit) -> bool:
        return id(unit) in self._types

    def top(self, unit: Unit) -> Die | None:
        try:
            return unit.get_top_DIE()
        except ERRORS:
            self.whole = False
            return None

    def language(self, unit: Unit) -> int:
        if id(unit) not in self._languages:
            top = self.top(unit)
            self._languages[id(unit)] = (number(top, "language") or 0) if top is not None else 0
        return self._languages[id(unit)]

    def set_language(self, unit: Unit, language: int) -> None:
        self._languages[id(unit)] = language

    def children(self, die: Die) -> Iterator[Die]:
        """As far as they can be read."""
        try:
            for child in die.iter_children():
                child.set_parent(die)
                yield child
        except ERRORS:
            self.whole = False

    def follow(self, die: Die, name: str) -> Die | None:
        attribute = die.attributes.get(f"DW_AT_{name}")
        if attribute is None:
            return None
        try:
            if attribute.form == "DW_FORM_ref_sig8":
                unit, offset = self._signatures[attribute.raw_value]
                return unit._get_cached_DIE(offset)
            found = die.get_DIE_from_attribute(f"DW_AT_{name}")
            if found is not None and found.tag is not None:
                return found
        except ERRORS:
            pass
        missing = attribute.form in _ELSEWHERE and self.dwarf.supplementary_dwarfinfo is None
        (self.alone if missing else self.astray).add(die.cu.cu_offset)
        return None

    def scope(self, die: Die) -> str:
        """ "ns::Class" of what encloses the DIE; a function ends it."""
        try:
            parent = die.get_parent()
        except ERRORS:
            return ""
        return self._inside(parent) if parent is not None else ""

    def _inside(self, die: Die) -> str:
        key = (id(die.cu), die.offset)
        if key not in self._scopes:
            self._scopes[key] = ""
            self._scopes[key] = self._scope_of(die)
        return self._scopes[key]

    def _scope_of(self, die: Die) -> str:
        kind = _SCOPES.get(die.tag)
        if kind is None:
            return "" if die.tag != "DW_TAG_lexical_block" else self.scope(die)
        if kind not in ("", "namespace") and self.language(die.cu) in FLAT:
            return ""
        place, name = die, text(die, "name")
        for link in ("specification", "extension", "signature"):
            target = self.follow(die, link)
            if target is not None:
                name = name or text(target, "name")
                place = target if link == "specification" else place
        name = name or (f"(anonymous {kind})" if kind else "")
        return self.join(self.scope(place), name, die.cu)

    def join(self, outer: str, inner: str, unit: Unit) -> str:
        if not outer or not inner:
            return outer or inner
        return f"{outer}{'.' if self.language(unit) in _DOTTED else '::'}{inner}"

    def file(self, unit: Unit, index: int) -> str:
        """The path of a file of the unit's line table, as addr2line prints it."""
        if id(unit) not in self._files:
            try:
                self._files[id(unit)] = self._read_files(unit)
            except ERRORS:
                self._files[id(unit)] = []
        files = self._files[id(unit)]
        return files[index] if 0 <= index < len(files) else ""

    def _read_files(self, unit: Unit) -> list[str]:
        top = unit.get_top_DIE()
        offset = number(top, "stmt_list")
        if offset is None:
            return []
        section = unit.dwarfinfo.debug_line_sec
        section.stream.seek(offset)
        # Its format is its own, whatever the unit's is.
        wide = section.stream.read(4) == b"\xff\xff\xff\xff"
        structs = DWARFStructs(unit.structs.little_endian, 64 if wide else 32, unit["address_size"])
        header = unit.dwarfinfo._parse_line_program_at_offset(offset, structs).header
        directories = [decode(name) for name in header["include_directory"]]
        if header["version"] < 5:
            directories.insert(0, "")
        paths = [] if header["version"] >= 5 else [""]
        base = text(top, "comp_dir")
        for entry in header["file_entry"]:
            name, directory = decode(entry["name"]), ""
            index = entry["dir_index"] or 0
            if index < len(directories):
                directory = directories[index]
            if name.startswith("/") or not name:
                paths.append(name)
                continue
            parts = [base] if base and not directory.startswith("/") else []
            paths.append("/".join([*parts, *([directory] if directory else []), name]))
        return paths

    def ranges(self, die: Die) -> list[tuple[int, int]] | None:
        """Those of ``DW_AT_ranges``, without empty ones; None where it has none."""
        attribute = die.attributes.get("DW_AT_ranges")
        if attribute is None:
            return None
        found: list[tuple[int, int]] = []
        try:
            base = address(self.top(die.cu), "low_pc") or 0
            lists: Any = self.dwarf.range_lists()
            for entry in lists.get_range_list_at_offset(attribute.value, die.cu):
                if isinstance(entry, BaseAddressEntry):
                    base = entry.base_address
                    continue
                start = 0 if entry.is_absolute else base
                if entry.begin_offset < entry.end_offset:
                    found.append((start + entry.begin_offset, start + entry.end_offset))
        except ERRORS:
            self.whole = False
        return found


def text(die: Die | None, name: str) -> str:
    attribute = die.attributes.get(f"DW_AT_{name}") if die is not None else None
    return decode(attribute.value) if attribute is not None and isinstance(attribute.value, bytes) else ""


def number(die: Die | None, name: str) -> int | None:
    """A constant; None for what is no number, such as an expression or a reference."""
    attribute = die.attributes.get(f"DW_AT_{name}") if die is not None else None
    if attribute is None or attribute.form in _REFERENCES or not isinstance(attribute.value, int):
        return None
    return int(attribute.value)


def flag(die: Die, name: str) -> bool:
    attribute = die.attributes.get(f"DW_AT_{name}")
    return attribute is not None and bool(attribute.value)


def address(die: Die | None, name: str) -> int | None:
    attribute = die.attributes.get(f"DW_AT_{name}") if die is not None else None
    if attribute is None or not attribute.form.startswith(("DW_FORM_addr", "DW_FORM_GNU_addr")):
        return None
    return int(attribute.value)
