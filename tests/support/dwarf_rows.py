"""DWARF columns as rows that can be compared and read: texts in the place of their numbers."""

from __future__ import annotations

from typing import Any

from app.elf.dwarf.columns import DwarfColumns

_PLAIN = {
    "unit": ("offset", "language", "version", "lines"),
    "fn": ("low", "size", "line", "flags", "unit", "die", "sites"),
    "param": ("flags",),
    "var": ("line", "address", "size", "flags", "unit", "die"),
    "site": ("function", "host", "parent", "call_line", "call_column"),
    "type": ("kind", "size", "unit", "die"),
}
_TEXTS = {
    "unit": ("name", "comp_dir", "producer"),
    "fn": ("name", "linkage", "scope", "file", "return"),
    "param": ("name", "type"),
    "var": ("name", "linkage", "scope", "file", "type"),
    "site": ("call_file",),
    "type": ("name",),
}
Row = dict[str, Any]


def rows(columns: DwarfColumns) -> dict[str, list[Row]]:
    texts = [columns.text(index) for index in range(len(columns.string_at) - 1)]
    made: dict[str, list[Row]] = {}
    for kind in _PLAIN:
        table = {name: getattr(columns, f"{kind}_{name}").tolist() for name in _PLAIN[kind]}
        table |= {
            name: [texts[at] for at in getattr(columns, f"{kind}_{name}").tolist()] for name in _TEXTS[kind]
        }
        made[kind] = [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]
    ranges = list(zip(columns.range_low.tolist(), columns.range_high.tolist(), strict=True))
    for kind in ("unit", "fn", "site"):
        at = getattr(columns, f"{kind}_range_at").tolist()
        for index, row in enumerate(made[kind]):
            row["ranges"] = ranges[at[index] : at[index + 1]]
    at = columns.fn_param_at.tolist()
    for index, row in enumerate(made["fn"]):
        row["params"] = [tuple(each.values()) for each in made["param"][at[index] : at[index + 1]]]
    del made["param"]
    made["type"].sort(key=lambda row: (row["unit"], row["die"]))
    return made


def signatures(columns: DwarfColumns) -> dict[str, str]:
    """ "returns (type name, ...)" by the name of each function, scopes before it."""
    found = {}
    for row in rows(columns)["fn"]:
        name = "::".join(filter(None, (row["scope"], row["name"])))
        params = ", ".join(f"{kind} {text}".strip() for _, text, kind in row["params"])
        found[name] = f"{row['return'] or 'void'} ({params})"
    return found
