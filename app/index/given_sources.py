"""The names of source files as line tables have them and as clients ask for them."""

from __future__ import annotations

from collections.abc import Iterable


class Named:
    """The names of one binary's sources."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(name for name in names if name.startswith("/"))
        self._canonical: dict[str, str] = {}
        for name in sorted(self._names):
            self._canonical.setdefault(canonical(name), name)

    def paths(self, asked: str) -> tuple[str, ...]:
        """The names that are meant: the very one, else the one that differs by ``//``, ``.`` and ``..``.

        Some clients rewrite these on the way.
        """
        if asked in self._names:
            return (asked,)
        found = self._canonical.get(canonical(asked))
        return () if found is None else (found,)


def canonical(path: str) -> str:
    """Without ``//``, ``/./`` and ``/../``, by letters alone: links of the host do not count."""
    found: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del found[-1:]
        elif part not in {"", "."}:
            found.append(part)
    return "/" + "/".join(found)
