"""Sessions come back from the disk as they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.errors import StorageFull
from app.trace.model import Diagnostic, Loss, Session
from app.trace.store import Store

SESSION = Session(
    id="a1", state="failed", reason="No.", code="script_error", script="BEGIN {}", recipe="custom",
    probes=("uprobe:/a:f",), pid=7, duration=5.0, owner="admin", started=100.0, ended=None,
    expected_probes=1, attached_probes=None, events=3, first=1, last=3, loss=Loss(1, 2, 3),
    diagnostics=(Diagnostic(1, 2, 3, "error", "x"),), warnings=("w.",), bpftrace_pid=9, bpftrace_starttime=11,
)  # fmt: skip


def test_sessions_come_back_newest_first(tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    store.put(SESSION)
    store.put(replace(SESSION, id="b2", started=200.0))
    store.put(replace(SESSION, state="ended"))
    store.close()
    again = Store(tmp_path / "data")
    assert again.all() == [replace(SESSION, id="b2", started=200.0), replace(SESSION, state="ended")]
    again.delete("b2")
    again.delete("none")
    assert [entry.id for entry in again.all()] == ["a1"]
    again.close()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageFull) as caught:
        Store(tmp_path / "file")
    assert caught.value.hint
