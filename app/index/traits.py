"""What there is to know of tracing each function or USDT probe, by the codes of ``app.trace.verdict``.

Only what lies in the function or probe itself, not what holds for the whole file, as that it was uploaded.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from app.index.clones import Clones
from app.index.column_file import NO_ADDRESS
from app.index.columns import Array, Columns
from app.index.model import Usdt

# Seen to crash its program while it is traced: python/cpython#98894.
MAY_CRASH = frozenset({("python", "line")})
Mask = npt.NDArray[np.bool_]
INLINED = 4  # a bit of fn_flags
_IFUNC = 10


def traits(columns: Columns, clones: Clones) -> dict[str, Mask]:
    """By code, which functions have it: why not, else what to know; ``plain``: nothing. Only what occurs."""
    address = columns["function_address"]
    without = (address == NO_ADDRESS) | (address == 0)
    sites = _of_entry(columns, "sites")
    inlined = (_of_entry(columns, "flags") & INLINED) != 0
    unsized = ~without & (columns["function_size"] == 0)
    fit = ~(without | unsized)
    taken = np.zeros(len(address), bool)
    taken[list(clones.taken)] = True
    ifunc, alias = _by_symbols(columns)
    known = {
        "ifunc": fit & ifunc,
        "clone": fit & clones.made,
        "inlined": fit & (inlined | (sites != 0)),
        "alias": fit & alias,
        "clone_takes_calls": fit & taken,
    }
    only = without & inlined & (sites != 0)
    every = {
        "plain": fit & ~np.logical_or.reduce(list(known.values())),
        **known,
        "only_inlined": only,
        "no_address": without & ~only,
        "no_size": unsized,
    }
    return {code: mask for code, mask in every.items() if mask.any()}


def usdt_traits(probe: Usdt) -> tuple[str, ...]:
    """The codes that a USDT probe has; ``plain``: none."""
    if not probe.sites:
        return ("no_site",)
    known = {
        "semaphore": any(site.semaphore for site in probe.sites),
        "float_argument": any(each.float for site in probe.sites for each in site.arguments),
        "may_crash": (probe.provider, probe.name) in MAY_CRASH,
    }
    return tuple(code for code, has in known.items() if has) or ("plain",)


def _of_entry(columns: Columns, name: str) -> Array:
    """A column of the debug information; 0 where it knows nothing of a function."""
    entry = columns["function_fn"]
    found = np.zeros(len(entry), np.int64)
    known = entry >= 0
    if known.any():
        found[known] = columns[f"fn_{name}"][entry[known]]
    return found


def _by_symbols(columns: Columns) -> tuple[Mask, Mask]:
    """Functions whose first symbol is an IFUNC, and those of which another symbol has another name."""
    starts, rows = columns["function_start"], columns["function_rows"]
    count = len(starts) - 1
    ifunc, alias = np.zeros(count, bool), np.zeros(count, bool)
    named = np.flatnonzero(np.diff(starts))
    ifunc[named] = columns["type"][rows[starts[:-1][named]]] == _IFUNC
    of_row = np.repeat(np.arange(count), np.diff(starts))
    ids = columns["name_id"][rows]
    alias[of_row[(ids != ids[starts[of_row]]) & (ids != columns["function_name"][of_row])]] = True
    return ifunc, alias
