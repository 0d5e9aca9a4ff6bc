"""What a boxed reader does with a file: its columns, or the answer to one question.

The one place that says which readers of ``app.elf`` make them, and what must be loaded before the box shuts.
"""

from __future__ import annotations

import mmap
from typing import Any

from app.elf.reader import read_facts
from app.index.columns import write_columns
from app.index.tables import tables

Data = bytes | mmap.mmap


def warm_up(answers: bool) -> None:
    """Loads what is loaded late; ``answers``: also what questions need."""
    tables(read_facts(b""))


def start_threads(count: int) -> None:
    """Those of the native core, which stay."""


def columns(target: int, data: Data, alt: Data | None, split: list[Data]) -> dict[str, Any]:
    """Fills ``target`` with the columns of a file; gives their meta."""
    arrays, meta = tables(read_facts(data))
    write_columns(target, arrays, meta)
    return meta


def answer(
    question: str, data: Data, alt: Data | None, split: list[Data], arguments: dict[str, Any]
) -> dict[str, Any]:
    """One question about a file whose answer is in no column."""
    raise ValueError(question)
