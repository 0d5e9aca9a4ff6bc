"""The columns of ``dwarf`` without the native core, by pyelftools: the fallback, and the core's oracle.

Gives the usual cases: files with their alternate file, but no split parts. Half a megabyte a second.
Source: DWARF 5, sections 2.13.2 and 3.3; what is merged, and into what, is said in ``dwarf``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from app.elf.dwarf import sections
from app.elf.dwarf.columns import DTYPES, NO_LINES
from app.elf.dwarf.slow.functions import Function, Site, Variable
from app.elf.dwarf.slow.rows import Rows, walk
from app.elf.dwarf.slow.units import Units, number, open_dwarf, text
from app.elf.image import Image

Arrays = dict[str, Any]
_NAMES = sections.WALKED + sections.LOCATED


def read_slowly(image: Image, alt: Image | None = None) -> tuple[Arrays, list[tuple[str, str]]]:
    big = image.layout is not None and image.layout.endian == "big"
    size = 8 if image.layout is None or image.layout.bits == 64 else 4
    dwarf = open_dwarf(sections.debug_sections(image, _NAMES), big, size)
    if alt is not None:
        dwarf.supplementary_dwarfinfo = open_dwarf(sections.debug_sections(alt, _NAMES), big, size)
    units = Units(dwarf)
    rows = walk(units, sections.zero_is_used(image))
    problems = []
    if not units.whole:
        problems.append(("dwarf_broken", "The debug information is broken, and some of it is missing."))
    for code, what, at in (
        ("dwarf_reference", "entries that are not there", units.astray),
        ("dwarf_alternate", "an alternate debug file that is not at hand", units.alone),
    ):
        if at:
            lost = "so that types or names are unknown"
            problems.append(
                (code, f"{len(at)} units refer to {what}, {lost}; the first lies at {min(at):#x}.")
            )
    return _Columns(rows).arrays(), problems


@dataclass
class _Columns:
    rows: Rows
    texts: dict[str, int] = field(default_factory=lambda: {"": 0})
    ranges: list[tuple[int, int]] = field(default_factory=list)

    def number(self, value: str | None) -> int:
        return self.texts.setdefault(value or "", len(self.texts))

    def arrays(self) -> Arrays:
        made: Arrays = {}
        for make in (self._units, self._functions, self._sites, self._variables, self._types):
            made |= make()
        made["range_low"] = [low for low, _ in self.ranges]
        made["range_high"] = [high for _, high in self.ranges]
        encoded = [value.encode("utf-8", "surrogateescape") for value in self.texts]
        made["string_at"] = np.concatenate(([0], np.cumsum([len(value) for value in encoded])))
        made["string_blob"] = np.frombuffer(b"".join(encoded), np.uint8)
        return {
            name: np.ascontiguousarray(np.array(made[name], dtype)).data for name, dtype in DTYPES.items()
        }

    def _spans(self, groups: Iterable[list[tuple[int, int]]]) -> list[int]:
        at = [len(self.ranges)]
        for group in groups:
            self.ranges += group
            at.append(len(self.ranges))
        return at

    def _units(self) -> Arrays:
        made: Arrays = {
            f"unit_{name}": []
            for name in ("offset", "language", "version", "name", "comp_dir", "producer", "lines")
        }
        for unit, _ in self.rows.units.all:
            top = self.rows.units.top(unit)
            lines = number(top, "stmt_list")
            made["unit_offset"].append(self.rows.place(unit, unit.cu_offset))
            made["unit_language"].append(self.rows.units.language(unit))
            made["unit_version"].append(unit["version"])
            made["unit_lines"].append(NO_LINES if lines is None else lines)
            for name in ("name", "comp_dir", "producer"):
                made[f"unit_{name}"].append(self.number(text(top, name)))
        made["unit_range_at"] = self._spans(self.rows.unit_ranges(unit) for unit, _ in self.rows.units.all)
        return made

    def _functions(self) -> Arrays:
        functions: list[Function] = self.rows.functions
        made: Arrays = {
            "fn_name": [self.number(row.name) for row in functions],
            "fn_linkage": [self.number(row.linkage) for row in functions],
            "fn_scope": [self.number(row.scope) for row in functions],
            "fn_file": [self.number(row.file) for row in functions],
            "fn_line": [row.line for row in functions],
            "fn_low": [row.low for row in functions],
            "fn_size": [row.size for row in functions],
            "fn_flags": [row.flags for row in functions],
            "fn_return": [self.number(row.returns) for row in functions],
            "fn_unit": [row.unit for row in functions],
            "fn_die": [row.die for row in functions],
            "fn_sites": [row.sites for row in functions],
            "fn_range_at": self._spans(row.ranges for row in functions),
            "fn_param_at": np.concatenate(
                ([0], np.cumsum([len(row.params) for row in functions], dtype=np.int64))
            ),
        }
        params = [param for row in functions for param in row.params]
        made["param_name"] = [self.number(param.name) for param in params]
        made["param_type"] = [self.number(param.type) for param in params]
        made["param_flags"] = [param.flags for param in params]
        return made

    def _sites(self) -> Arrays:
        sites: list[Site] = self.rows.sites
        return {
            "site_function": [self.rows.numbers[id(site.function)] for site in sites],
            "site_host": [self.rows.numbers[id(site.host)] for site in sites],
            "site_parent": [-1 if site.parent is None else site.parent for site in sites],
            "site_call_file": [self.number(site.call_file) for site in sites],
            "site_call_line": [site.call_line for site in sites],
            "site_call_column": [site.call_column & 0xFFFF for site in sites],
            "site_range_at": self._spans(site.ranges for site in sites),
        }

    def _variables(self) -> Arrays:
        variables: list[Variable] = self.rows.variables
        made: Arrays = {
            f"var_{name}": [self.number(getattr(row, name)) for row in variables]
            for name in ("name", "linkage", "scope", "file", "type")
        }
        for name in ("line", "address", "size", "flags", "unit", "die"):
            made[f"var_{name}"] = [getattr(row, name) for row in variables]
        return made

    def _types(self) -> Arrays:
        types = self.rows.types
        return {
            "type_name": [self.number(name) for name, _, _ in types],
            "type_kind": [kind for _, kind, _ in types],
            "type_size": [size for _, _, size in types],
            "type_unit": [unit for unit, _ in types.values()],
            "type_die": [die for _, die in types.values()],
        }
