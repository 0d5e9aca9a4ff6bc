"""Demangled names as lists show them."""

from __future__ import annotations

from functools import lru_cache

from app.elf.symbols.simplify import simplify


@lru_cache(maxsize=8192)
def short(name: str) -> str:
    """Without default template arguments, inline namespaces and tags; the whole name is one hover away."""
    return simplify(name)
