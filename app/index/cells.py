"""Many items of one kind as a column for each field: to objects, or to lines of JSON without an object each.

Which fields there are and in which order the item's dataclass says, for both ways; what they give is the
same, as is what ``as_dict`` of each would give.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import orjson

from app.index.records import HEX, fields_of, plain

T = TypeVar("T")
V = TypeVar("V")
H = TypeVar("H", bound=Hashable)
_LARGEST = 1 << 62
_MOST_KINDS = 2048  # made of texts that stand side by side
Places = npt.NDArray[np.intp]


class Cells(Protocol):
    """One field of many items."""

    def __len__(self) -> int: ...

    def values(self) -> Sequence[Any]: ...

    def value(self, row: int) -> Any: ...

    def json(self) -> Sequence[str] | Alike[str]:
        """Each as JSON."""


class Texts:
    """Texts of which nearly each is another one."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts

    def __len__(self) -> int:
        return len(self._texts)

    def values(self) -> Sequence[str]:
        return self._texts

    def value(self, row: int) -> str:
        return self._texts[row]

    def json(self) -> list[str]:
        return self._quoted

    @cached_property
    def _quoted(self) -> list[str]:
        return quoted(self._texts)


class Numbers:
    """Numbers of which nearly each is another one; None for what is not known."""

    def __init__(self, numbers: Sequence[int | None]) -> None:
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def values(self) -> Sequence[int | None]:
        return self._numbers

    def value(self, row: int) -> int | None:
        return self._numbers[row]

    def json(self) -> list[str]:
        return orjson.dumps(self._numbers)[1:-1].decode().split(",") if self._numbers else []


class Alike(Generic[V]):
    """Values of a few kinds: the kinds, and which of them each is."""

    def __init__(self, kinds: Sequence[V], which: Places) -> None:
        self.kinds, self.which = kinds, which

    def __len__(self) -> int:
        return len(self.which)

    def values(self) -> list[V]:
        return _chosen(self.kinds, self.which)

    def value(self, row: int) -> V:
        return self.kinds[int(self.which[row])]

    def then(self: Alike[str], text: str) -> Alike[str]:
        return Alike([kind + text for kind in self.kinds], self.which)

    def with_each(self: Alike[str], other: Alike[str]) -> Alike[str]:
        """Each text with the other's behind it."""
        kinds = [kind + text for kind in self.kinds for text in other.kinds]
        return Alike(kinds, self.which * len(other.kinds) + other.which)

    def json(self) -> Alike[str]:
        return Alike([_json(kind) for kind in self.kinds], self.which)


class Rows(Generic[T]):
    """Items by their fields."""

    def __init__(self, kind: Callable[..., T], **cells: Cells) -> None:
        self._kind = kind
        self._cells = {name: cells.pop(name) for name in fields_of(kind)}
        if cells or len(set(map(len, self._cells.values()))) != 1:
            raise ValueError(f"The cells do not fit {kind.__name__}: {', '.join(cells)}")

    def __len__(self) -> int:
        return len(next(iter(self._cells.values())))

    def values(self, name: str) -> Sequence[Any]:
        """One field of all."""
        return self._cells[name].values()

    def value(self, name: str, row: int) -> Any:
        return self._cells[name].value(row)

    def groups(self, names: Sequence[str], *further: Places) -> tuple[list[int], list[int]]:
        """The rows that have these fields alike, as a number for each row, and the first row of each number.

        ``further``: small numbers that are to be alike, too.
        """
        found, span = np.zeros(len(self), np.int64), 1
        for which in [*further, *(self._which(name) for name in names)]:
            count = int(which.max(initial=0)) + 1
            if span * count >= _LARGEST:
                numbers, found = distinct(found)
                span = len(numbers)
            found, span = found * count + which, span * count
        _, firsts, found = np.unique(found, return_index=True, return_inverse=True)
        return found.tolist(), firsts.tolist()

    def _which(self, name: str) -> Places:
        cells = self._cells[name]
        return (cells if isinstance(cells, Alike) else alike(self.values(name))).which

    def item(self, row: int) -> T:
        return self._kind(*(cells.value(row) for cells in self._cells.values()))

    def items(self) -> list[T]:
        return list(map(self._kind, *map(self.values, self._cells)))

    def json(self, **further: Sequence[str]) -> str:
        """A line for each, with its newline; ``further``: fields behind its own, as JSON."""
        return "".join(self._texts("}\n", further))

    def texts(self) -> list[str]:
        """Each as JSON."""
        return list(self._texts("}", {}))

    def _texts(self, end: str, further: Mapping[str, Sequence[str]]) -> Iterator[str]:
        pieces: list[Iterable[str]] = []
        # What stands between two columns is one piece where it is of few kinds.
        between = Alike([""], np.zeros(len(self), np.intp))
        before = "{"
        for name, texts in chain(self._json(), further.items()):
            between = between.then(f'{before}"{name}":')
            before = ","
            if not isinstance(texts, Alike):
                pieces += [between.values(), texts]
                between = Alike([""], between.which * 0)
            elif len(between.kinds) * len(texts.kinds) <= _MOST_KINDS:
                between = between.with_each(texts)
            else:
                pieces.append(between.values())
                between = texts
        return map("".join, zip(*pieces, between.then(end).values(), strict=True))

    def _json(self) -> Iterator[tuple[str, Sequence[str] | Alike[str]]]:
        for name, cells in self._cells.items():
            yield name, cells.json()
            if name in HEX:
                yield f"{name}_hex", _hexes(cells.values())


class Groups(Generic[T]):
    """A tuple of ``counts`` items of a few kinds for each, one after another in ``which``; None if < 0."""

    def __init__(self, kinds: Rows[T], which: Places, counts: npt.NDArray[np.int64]) -> None:
        self._kinds, self._which = kinds, which
        self._counts = counts.tolist()
        self._stops = np.cumsum(np.maximum(counts, 0)).tolist()

    def __len__(self) -> int:
        return len(self._counts)

    def values(self) -> list[tuple[T, ...] | None]:
        made = _chosen(self._kinds.items(), self._which)
        return [
            None if count < 0 else tuple(made[stop - count : stop])
            for stop, count in zip(self._stops, self._counts, strict=True)
        ]

    def value(self, row: int) -> tuple[T, ...] | None:
        stop, count = self._stops[row], self._counts[row]
        return None if count < 0 else tuple(map(self._kinds.item, self._which[stop - count : stop].tolist()))

    def json(self) -> list[str]:
        made = _chosen(self._kinds.texts(), self._which)
        return [
            "null" if count < 0 else "[" + ",".join(made[stop - count : stop]) + "]"
            for stop, count in zip(self._stops, self._counts, strict=True)
        ]


def distinct(numbers: npt.NDArray[Any]) -> tuple[list[int], Places]:
    """The different ones in their order, and which of them each is."""
    found, which = np.unique(numbers, return_inverse=True)
    return found.tolist(), which


def alike(values: Iterable[H]) -> Alike[H]:
    """Values of few kinds that are given one by one."""
    numbers: dict[H, int] = {}
    which = [numbers.setdefault(value, len(numbers)) for value in values]
    return Alike(list(numbers), np.array(which, np.intp))


def quoted(texts: Sequence[str]) -> list[str]:
    """Each as JSON."""
    if not texts:
        return []
    whole = orjson.dumps(texts)[2:-2].decode()
    if "\\" in whole:
        return [_json(text) for text in texts]
    # Nothing is escaped: the first quote inside is the one that ends the first text, what follows it is
    # the next one's beginning, and so on; and JSON has no newline of its own.
    return ('"' + whole.replace('","', '"\n"') + '"').split("\n")


def _hexes(numbers: Sequence[int | None]) -> list[str]:
    return ["null" if each is None else f'"{each:#x}"' for each in numbers]


def _json(value: Any) -> str:
    return orjson.dumps(plain(value)).decode()


def _chosen(kinds: Sequence[V], which: Places) -> list[V]:
    return list(map(kinds.__getitem__, which.tolist()))
