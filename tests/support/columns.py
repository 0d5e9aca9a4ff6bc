"""The columns of a binary that nobody compiled: what the names of a catalogue are made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.elf.search.scan import Lines


class Columns:
    """Those of a binary with a function for each name of ``lines``, and no variable."""

    def __init__(self, lines: Lines) -> None:
        count = lines.names
        nothing = np.zeros(1, np.uint32)
        self.meta: dict[str, Any] = {"usdt": [], "header": None}
        self._arrays: dict[str, Any] = {
            "text": lines.text,
            "line_at": lines.line_at,
            "line_name": lines.further,
            "function_name_at": np.arange(count + 1, dtype=np.uint32),
            "function_names": np.arange(count, dtype=np.uint32),
            "function_start": np.arange(count + 1, dtype=np.uint32),
            "function_address": np.arange(count, dtype=np.uint64) * np.uint64(16),
            "function_section": np.zeros(count, np.uint32),
            "variable_name_at": nothing,
            "variable_names": nothing[:0],
            "variable_start": nothing,
            "variable_address": nothing[:0].astype(np.uint64),
            "variable_section": nothing[:0],
        }

    def __getitem__(self, name: str) -> Any:
        return self._arrays[name]
