"""The inline sites of a function: where the compiler put a copy of it instead of a call.

From the columns of the debug information alone; a site is an object only when its page is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.index.columns import Array, Columns
from app.index.items import Items
from app.index.model import Item

MOST = 1000


@dataclass(frozen=True, slots=True)
class AddressRange(Item):
    address: int
    size: int


@dataclass(frozen=True, slots=True)
class InlineSite(Item):
    """One copy: its code, the call that it stands for, and the function whose code holds it."""

    address: int | None  # of the first range; None where the debug information has none
    ranges: tuple[AddressRange, ...]
    function: str  # that holds the code, as shown
    key: str | None  # of that function
    file: str | None  # of the call
    line: int | None
    column: int | None
    inside: str | None  # the inlined function that the call is in, None when it is ``function`` itself


def inline_sites(columns: Columns, items: Items, fn: int, most: int = MOST) -> tuple[InlineSite, ...]:
    """The first ``most`` sites of the function of the debug information, by address."""
    chosen = np.flatnonzero(columns["site_function"] == fn)
    if not len(chosen):
        return ()
    begins, ends = columns["site_range_at"][chosen], columns["site_range_at"][chosen + 1]
    lows = _lowest(columns["range_low"], begins, ends)
    order = np.argsort(lows, kind="stable")[:most]
    chosen, begins, ends = chosen[order], begins[order].tolist(), ends[order].tolist()
    hosts = columns["site_host"][chosen]
    rows = {int(row.known): row for row in _functions(columns, items, np.unique(hosts))}
    return tuple(
        InlineSite(
            address=ranges[0].address if ranges else None,
            ranges=ranges,
            function=holder.shown if holder else columns.string(int(columns["fn_name"][host])),
            key=holder.key if holder else None,
            file=file or None,
            line=line or None,
            column=column or None,
            inside=_inside(columns, parent),
        )
        for host, parent, file, line, column, begin, end in zip(
            hosts.tolist(),
            columns["site_parent"][chosen].tolist(),
            columns.strings(columns["site_call_file"][chosen]),
            columns["site_call_line"][chosen].tolist(),
            columns["site_call_column"][chosen].tolist(),
            begins,
            ends,
            strict=True,
        )
        for holder in (rows.get(host),)
        for ranges in (_ranges(columns, begin, end),)
    )


@dataclass(frozen=True, slots=True)
class _Holder:
    known: int
    key: str
    shown: str


def _functions(columns: Columns, items: Items, fns: Array) -> list[_Holder]:
    numbers = columns["function_fn"]
    found = np.flatnonzero(np.isin(numbers, fns.astype(np.int64)))
    rows = items.functions(found)
    return list(map(_Holder, numbers[found].tolist(), rows.values("key"), rows.values("demangled")))


def _lowest(low: Array, begins: Array, ends: Array) -> Array:
    if not len(low):
        return np.zeros(len(begins), np.uint64)
    return np.where(begins < ends, low[np.minimum(begins, len(low) - 1)], np.uint64(0xFFFFFFFFFFFFFFFF))


def _ranges(columns: Columns, begin: int, end: int) -> tuple[AddressRange, ...]:
    lows, highs = columns["range_low"][begin:end].tolist(), columns["range_high"][begin:end].tolist()
    return tuple(AddressRange(low, high - low) for low, high in sorted(zip(lows, highs, strict=True)))


def _inside(columns: Columns, parent: int) -> str | None:
    if parent < 0:
        return None
    return columns.string(int(columns["fn_name"][int(columns["site_function"][parent])])) or None
