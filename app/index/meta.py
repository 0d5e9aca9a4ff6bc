"""What a boxed reader says of a file in a few words: the part of its meta that the catalogue keeps.

A reader may have been taken over by a hostile file, so what it sends is compared with a shape before anything
of it is used. The whole meta stays in the columns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_MOST_NEEDED, _MOST_PROBLEMS, _LONGEST = 256, 20, 500
_HEX = re.compile(r"[0-9a-f]{2,128}")
_SHA256 = re.compile(r"[0-9a-f]{64}")

# A type, a tuple of alternatives, [what each entry is], {key: shape}, or a set of the values that there are.
_MAYBE = (str, None)
_PROBLEM = {"code": str, "text": str}
_STATES = frozenset({"ok", "partial", "malformed", "limit"})
_RUNTIMES = frozenset({"compiled", "interpreter", "jit"})
_OF_HEADER = {"type": str, "machine": str, "bits": int, "endian": str}
_COUNTS = dict.fromkeys(("symbols", "functions", "variables", "usdt", "types"), int)
_HAS = dict.fromkeys(("dwarf", "lines", "symtab", "dynsym"), bool)
_SUMMARY = {
    **_OF_HEADER,
    "state": _STATES,
    "problems": [_PROBLEM],
    "build_id": _MAYBE,
    "needed": [str],
    "language": _MAYBE,
    "runtime": _RUNTIMES,
    "interpreter_of": _MAYBE,
    "stripped": bool,
    "debug_only": bool,
    "dwarf": bool,
    "lines": bool,
    "frame_pointers": (bool, None),
    "tables": [int],
    "counts": _COUNTS,
    "links": {"alternate": ([str], None), "parts": [str]},
    "separate": (_HAS, None),
    "debug_link": ([(str, int)], None),
}
_ARGUMENT = {
    **dict.fromkeys(("index", "size"), int),
    **dict.fromkeys(("signed", "float"), bool),
    **dict.fromkeys(("operand", "type"), str),
    "name": _MAYBE,
}
_SITE = {
    "address": int,
    "offset": (int, None),
    "semaphore": int,
    "arguments": [_ARGUMENT],
    "raw_arguments": str,
    "function": _MAYBE,
}
_META = {
    **{key: shape for key, shape in _SUMMARY.items() if key not in _OF_HEADER},
    "header": ({**_OF_HEADER, "entry": int, "flags": int, "abi": int}, None),
    "machine": int,
    "usdt": [{"provider": str, "name": str, "sites": [_SITE]}],
    "versions": [str],
    "soname": _MAYBE,
    "interpreter": _MAYBE,
    "comment": [str],
}


Fits = Callable[[Any], bool]


def fitting(shape: Any) -> Fits:
    """A function that says whether a value out of JSON has a shape; made once, used for every file."""
    kinds = _kinds(shape)
    if kinds is not None:
        return lambda value: type(value) in kinds
    if isinstance(shape, tuple):
        return _any_of([fitting(each) for each in shape])
    if isinstance(shape, list):
        return _list_of(shape[0])
    if isinstance(shape, dict):
        return _dict_of(shape)
    return lambda value: isinstance(value, str) and value in shape


def _kinds(shape: Any) -> frozenset[type] | None:
    """Those that a value may be of, for a shape that says no more."""
    given = shape if isinstance(shape, tuple) else (shape,)
    if not all(each is None or isinstance(each, type) for each in given):
        return None
    return frozenset(type(None) if each is None else each for each in given)


def _any_of(alternatives: list[Fits]) -> Fits:
    def fits(value: Any) -> bool:
        for each in alternatives:  # noqa: SIM110 - a generator takes twice as long
            if each(value):
                return True
        return False

    return fits


def _list_of(shape: Any) -> Fits:
    kinds, each = _kinds(shape), fitting(shape)
    if kinds is not None:
        return lambda value: type(value) is list and kinds.issuperset(map(type, value))
    return lambda value: type(value) is list and all(map(each, value))


def _dict_of(shapes: dict[str, Any]) -> Fits:
    keys = shapes.keys()
    # Most say no more than a type: these are compared here, because a call takes as long as all of it.
    plain = [(key, kinds) for key, shape in shapes.items() if (kinds := _kinds(shape)) is not None]
    others = [(key, fitting(shape)) for key, shape in shapes.items() if _kinds(shape) is None]

    def fits(value: Any) -> bool:
        if type(value) is not dict or value.keys() != keys:
            return False
        for key, kinds in plain:
            if type(value[key]) not in kinds:
                return False
        for key, each in others:  # noqa: SIM110
            if not each(value[key]):
                return False
        return True

    return fits


_fits_summary = fitting(_SUMMARY)
_FIT_META = {key: fitting(shape) for key, shape in _META.items()}
is_numbers = fitting([int])


def is_meta(meta: Mapping[str, Any]) -> bool:
    """Whether it has all that ``tables`` writes, as it writes it."""
    return all(key in meta and fits(meta[key]) for key, fits in _FIT_META.items()) and (
        _is_link(meta["debug_link"])
    )


def _is_link(found: Any) -> bool:
    """A name and a checksum, or none."""
    return found is None or list(map(type, found)) == [str, int]


def summary(meta: Mapping[str, Any]) -> dict[str, Any]:
    """The small part: what a page about the binary shows, so that lists need not open columns."""
    header = meta["header"] or {"type": "", "machine": "", "bits": 0, "endian": ""}
    found = {key: header[key] if key in _OF_HEADER else meta[key] for key in _SUMMARY}
    found["needed"] = [name[:_LONGEST] for name in meta["needed"][:_MOST_NEEDED]]
    found["problems"] = [
        {"code": each["code"], "text": each["text"][:_LONGEST]} for each in meta["problems"][:_MOST_PROBLEMS]
    ]
    return found


def is_summary(found: Any) -> bool:
    """Whether it is what ``summary`` gives, small and safe to name files by."""
    if not _fits_summary(found) or len(found["needed"]) > _MOST_NEEDED:
        return False
    if found["state"] in {"malformed", "limit"} and not found["problems"]:
        return False
    return _is_link(found["debug_link"]) and (found["build_id"] is None or is_hex(found["build_id"]))


def is_hex(text: Any) -> bool:
    return isinstance(text, str) and _HEX.fullmatch(text) is not None


def is_sha256(text: Any) -> bool:
    return isinstance(text, str) and _SHA256.fullmatch(text) is not None
