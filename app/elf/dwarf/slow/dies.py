"""Subtrees of DIEs by pyelftools, where no compiler was at hand for the native core: right, but slow.

Follows what pyelftools can: DWARF 2 to 5 of one file, type units by signature; not the alternate file, not
split parts. What it cannot decode is UNKNOWN. It raises many kinds of errors on broken files; each ends a
subtree.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from elftools.dwarf.ranges import BaseAddressEntry
from elftools.elf.elffile import ELFFile

from app.elf.dwarf.dies import IN_TYPES, At, Class, Dies, Row, Tree, Unit, UnitEntry, attributes_of, ranges_of
from app.elf.dwarf.lines import LineTable
from app.elf.dwarf.scopes import Scopes
from app.elf.dwarf.slow.lines import slow_lines
from app.elf.dwarf.slow.scopes import ScopeMaker

_CLASSES = {
    "DW_FORM_addr": Class.ADDRESS, "DW_FORM_addrx": Class.ADDRESS, "DW_FORM_GNU_addr_index": Class.ADDRESS,
    "DW_FORM_flag": Class.FLAG, "DW_FORM_flag_present": Class.FLAG, "DW_FORM_exprloc": Class.EXPRESSION,
    "DW_FORM_block": Class.BLOCK, "DW_FORM_block1": Class.BLOCK, "DW_FORM_block2": Class.BLOCK,
    "DW_FORM_block4": Class.BLOCK, "DW_FORM_data16": Class.BLOCK,
    "DW_FORM_sec_offset": Class.SECTION, "DW_FORM_loclistx": Class.LOCATION_LIST,
}  # fmt: skip
_TYPES = {
    "DW_TAG_structure_type", "DW_TAG_class_type", "DW_TAG_union_type", "DW_TAG_enumeration_type",
    "DW_TAG_typedef", "DW_TAG_base_type", "DW_TAG_interface_type",
}  # fmt: skip
_PLACES = {At.location, At.frame_base, At.data_member_location, 0x46, 0x48, 0x2A, 0x19, 0x4A, 0x4D}
_SECTIONS = _PLACES | {At.ranges, At.stmt_list, At.str_offsets_base, At.addr_base}


class SlowSource:
    """A Source over the bytes of one ELF file."""

    def __init__(self, data: bytes | memoryview) -> None:
        self.dwarf: Any = None
        self._names: dict[str, int] = {}
        try:
            self._elf = ELFFile(io.BytesIO(bytes(data)))
            if self._elf.has_dwarf_info():
                self.dwarf = self._elf.get_dwarf_info(relocate_dwarf_sections=True)
        except Exception:
            self.dwarf = None
        self._units: dict[int, Unit] = {}

    def section(self, name: str, key: int) -> bytes:
        """See ``app.elf.dwarf.dies.Source``, also for the rest."""
        try:
            section = self._elf.get_section_by_name(name)
            return bytes(section.data()) if section is not None else b""
        except Exception:
            return b""

    def compile_units(self) -> Iterator[Any]:
        """Those that can be read, up to the first that cannot."""
        try:
            for unit in self.dwarf.iter_CUs() if self.dwarf is not None else ():
                if unit.get_top_DIE().tag == "DW_TAG_compile_unit":
                    yield unit
        except Exception:
            return

    def units(self) -> list[UnitEntry]:
        found = []
        for unit in self.compile_units():
            about = self.unit(unit)
            tree = self.tree(about.key + unit.cu_die_offset - unit.cu_offset, 1, 1)
            rows = tree.rows if tree is not None else []
            ranges = tuple(pair for row in rows for pair in ranges_of(attributes_of(row)))
            found.append(UnitEntry(about, ranges, about.key, bool(rows)))
        return found

    def scopes(self, key: int) -> Scopes:
        maker = ScopeMaker()
        unit = next((unit for unit in self.compile_units() if unit.cu_offset == key), None)
        if unit is not None:
            dies = Dies(self)
            top = dies.die(unit.cu_die_offset)
            if top is not None:
                maker.add(top, -1)
        return maker.scopes()

    def lines(self, unit: Unit, only_files: bool = False) -> LineTable:
        if unit.lines is None:
            return LineTable()
        try:
            found = next(entry for entry in self.compile_units() if entry.cu_offset == unit.key)
            return slow_lines(self.dwarf.line_program_for_CU(found), unit)
        except Exception:
            return LineTable(4)

    def find_types(self, names: tuple[str, ...], most: int) -> list[tuple[int, int, bool]]:
        wanted = {name.encode(): index for index, name in enumerate(names)}
        found: list[tuple[int, int, bool]] = []
        try:
            for unit in self.compile_units():
                for die in unit.iter_DIEs():
                    name = die.attributes.get("DW_AT_name")
                    if die.tag in _TYPES and name is not None and name.value in wanted and len(found) < most:
                        declared = "DW_AT_declaration" in die.attributes
                        found.append((wanted[name.value], die.offset, declared))
        except Exception:
            return found
        return found

    def tree(self, key: int, depth: int, count: int) -> Tree | None:
        if self.dwarf is None or key & ~IN_TYPES >= 1 << 60:
            return None
        try:
            die = self._entry(key)
            if die is None:
                return None
            rows: list[Row] = []
            cut = self._flatten(die, 0, depth, count, rows)
            return Tree(self.unit(die.cu), rows, cut)
        except Exception:
            return None

    def _entry(self, key: int) -> Any:
        if key & IN_TYPES:
            self.dwarf.parse_debug_types()
            for unit in self.dwarf._type_units_by_sig.values():
                start = key & ~IN_TYPES
                if unit.tu_offset <= start < unit.tu_offset + unit.size:
                    return unit.get_DIE_from_refaddr(start)
            return None
        unit = self.dwarf.get_CU_containing(key)
        known = {die.offset for die in unit.iter_DIEs()} if unit.cu_offset not in self._names else None
        return unit.get_DIE_from_refaddr(key) if known is None or key in known else None

    def _flatten(self, die: Any, level: int, depth: int, count: int, rows: list[Row]) -> bool:
        if len(rows) >= count:
            return True
        bit = IN_TYPES if hasattr(die.cu, "tu_offset") else 0
        tag = die.tag if isinstance(die.tag, int) else _number("tag", die.tag)
        rows.append(Row(level, tag, die.offset | bit, self._attributes(die, bit)))
        if level + 1 >= depth:
            return False
        cut = False
        for child in die.iter_children():
            cut = self._flatten(child, level + 1, depth, count, rows) or cut
        return cut

    def _attributes(self, die: Any, bit: int) -> list[tuple[int, int, Any]]:
        found = []
        version = die.cu["version"]
        for name, attribute in die.attributes.items():
            number = name if isinstance(name, int) else _number("at", name)
            found.append((number, *self._value(die, number, attribute, version, bit)))
        return found

    def _value(self, die: Any, name: int, attribute: Any, version: int, bit: int) -> tuple[int, Any]:
        form, value = attribute.form, attribute.value
        if form.startswith("DW_FORM_ref") or form == "DW_FORM_GNU_ref_alt":
            target = die.get_DIE_from_attribute(attribute.name)
            other = IN_TYPES if hasattr(target.cu, "tu_offset") else 0
            return Class.REFERENCE, target.offset | other
        if isinstance(value, bytes) and _is_text(form):
            return Class.STRING, value.decode("utf-8", "backslashreplace")
        kind = _CLASSES.get(form, Class.CONSTANT)
        old = version < 4 and form in ("DW_FORM_data4", "DW_FORM_data8")
        if name == At.ranges:
            return Class.RANGES, self._ranges(die, value)
        if kind == Class.SECTION or (old and name in _SECTIONS):
            return (Class.LOCATION_LIST if name in _PLACES else Class.SECTION), value
        if kind == Class.BLOCK and name in _PLACES:
            kind = Class.EXPRESSION
        if kind in (Class.BLOCK, Class.EXPRESSION):
            return kind, bytes(value)
        return kind, bool(value) if kind == Class.FLAG else value

    def _ranges(self, die: Any, offset: int) -> list[tuple[int, int]]:
        base = self.unit(die.cu).low
        found = []
        for entry in self.dwarf.range_lists().get_range_list_at_offset(offset, cu=die.cu):
            if isinstance(entry, BaseAddressEntry):
                base = entry.base_address
            else:
                start = 0 if entry.is_absolute else base
                found.append((start + entry.begin_offset, start + entry.end_offset))
        return found

    def unit(self, unit: Any) -> Unit:
        types = hasattr(unit, "tu_offset")
        key = unit.tu_offset | IN_TYPES if types else unit.cu_offset
        if key not in self._units:
            top = unit.get_top_DIE().attributes

            def number(name: str) -> int | None:
                return top[name].value if name in top and isinstance(top[name].value, int) else None

            def text(name: str) -> str:
                found = top[name].value if name in top else b""
                return found.decode("utf-8", "backslashreplace") if isinstance(found, bytes) else ""

            self._units[key] = Unit(
                key,
                unit["version"],
                unit["address_size"],
                8 if unit.structs.dwarf_format == 64 else 4,
                number("DW_AT_language") or 0,
                text("DW_AT_name"),
                text("DW_AT_comp_dir"),
                text("DW_AT_producer"),
                number("DW_AT_low_pc") or 0,
                number("DW_AT_stmt_list"),
                number("DW_AT_addr_base") or 0,
            )
        return self._units[key]


def _is_text(form: str) -> bool:
    return form.startswith(("DW_FORM_str", "DW_FORM_line_strp", "DW_FORM_GNU_str"))


def _number(kind: str, name: str) -> int:
    from elftools.dwarf.enums import ENUM_DW_AT, ENUM_DW_TAG

    return int((ENUM_DW_TAG if kind == "tag" else ENUM_DW_AT).get(name, 0))
