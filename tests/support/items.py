"""Items of the index to their fields as columns, for tests of what takes those."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from app.index.cells import Cells, Groups, Numbers, Rows, Texts, alike
from app.index.model import Parameter


def _cells(name: str, values: list[Any], way: int) -> Cells:
    """One field in each of the ways that can hold it."""
    if way == 0 and all(isinstance(value, str) for value in values):
        return Texts(values)
    if way < 2 and all(value is None or type(value) is int for value in values):
        return Numbers(values)
    if name == "parameters" and way < 2:
        flat = [each for value in values for each in value or ()]
        found = alike(flat)
        kinds = Rows(
            Parameter,
            name=Texts([each.name for each in found.kinds]),
            type=Texts([each.type for each in found.kinds]),
        )
        return Groups(kinds, found.which, np.array([-1 if value is None else len(value) for value in values]))
    return alike(values)


def rows_of(items: Sequence[Any], way: int = 0) -> Rows[Any]:
    kind = type(items[0])
    names = [each.name for each in fields(kind)]
    return Rows(kind, **{name: _cells(name, [getattr(item, name) for item in items], way) for name in names})
