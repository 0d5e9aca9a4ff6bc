"""The audit log: whole lines only, on disk before the act, and no act without its line."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from app import audit
from app.errors import StorageFull


def lines(data: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (data / audit.NAME).read_text().splitlines()]


def test_an_act_is_one_line_with_its_fields(tmp_path: Path) -> None:
    audit.write(tmp_path / "new", "session.create", "admin", probes=["uprobe:/bin/sh:main"], path=Path("/x"))
    (entry,) = lines(tmp_path / "new")
    assert entry.pop("time")
    assert entry == {
        "act": "session.create",
        "who": "admin",
        "probes": ["uprobe:/bin/sh:main"],
        "path": "/x",
    }
    assert (tmp_path / "new" / audit.NAME).stat().st_mode & 0o777 == 0o600


def test_newlines_in_a_name_do_not_forge_a_line(tmp_path: Path) -> None:
    audit.write(tmp_path, "login", 'x"}\n{"act":"forged"')
    assert [entry["act"] for entry in lines(tmp_path)] == ["login"]


@pytest.mark.parametrize("torn", [b'{"act": "half', b"x" * 10_000])
def test_a_torn_last_line_is_cut_off(tmp_path: Path, torn: bytes) -> None:
    audit.write(tmp_path, "first", "a")
    with (tmp_path / audit.NAME).open("ab") as log:
        log.write(torn)
    audit.write(tmp_path, "second", "b")
    assert [entry["act"] for entry in lines(tmp_path)] == ["first", "second"]


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    def write(who: int) -> None:
        for n in range(20):
            audit.write(tmp_path, "act", str(who), n=n)

    threads = [threading.Thread(target=write, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((str(e["who"]), e["n"]) for e in lines(tmp_path)) == [
        (str(who), n) for who in range(4) for n in range(20)
    ]


def test_no_line_no_act(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    with pytest.raises(StorageFull) as caught:
        audit.write(in_the_way, "act", "who")
    assert caught.value.hint


def test_a_link_in_place_of_the_log_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("kept")
    (tmp_path / audit.NAME).symlink_to(target)
    with pytest.raises(StorageFull):
        audit.write(tmp_path, "act", "who")
    assert target.read_text() == "kept"
