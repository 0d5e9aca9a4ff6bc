"""What processes map, kept from the first sight on: after their end, after exec, after a library came."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.errors import NotFound
from app.host.processes import Stat
from app.host.regions import MappedFile, Snapshot
from app.trace import stack_processes
from app.trace.stack_processes import StackProcesses
from tests.trace.stack_doubles import BASE, looked, mapped, region


class World:
    """Processes by pid; those that are not there are gone."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now: dict[int, Snapshot] = {}
        self.looks = 0
        monkeypatch.setattr(stack_processes, "snapshot", self.snapshot)
        monkeypatch.setattr(stack_processes, "read_maps", lambda pid: self.of(pid).raw)
        monkeypatch.setattr(stack_processes, "running", lambda pid: self.of(pid).program)
        monkeypatch.setattr(stack_processes, "read_stat", self.stat)
        monkeypatch.setattr(stack_processes, "alive", lambda pid, start: pid in self.now)
        monkeypatch.setattr(stack_processes, "perf_map", lambda process: None)
        monkeypatch.setattr(stack_processes, "LOOK_SECONDS", -1.0)

    def of(self, pid: int) -> Snapshot:
        if pid not in self.now:
            raise NotFound(f"There is no process {pid}.")
        return self.now[pid]

    def snapshot(self, pid: int) -> Snapshot:
        self.looks += 1
        return self.of(pid)

    def stat(self, pid: int) -> Stat | None:
        found = self.now.get(pid)
        return Stat("app", "S", 1, 0, 1, found.process.starttime, 1) if found else None


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


@pytest.fixture
def held() -> list[MappedFile]:
    return []


@pytest.fixture
def processes(tmp_path: Path, held: list[MappedFile]) -> StackProcesses:
    return StackProcesses(tmp_path / "maps", held.append)


def test_one_that_ended_stays_known(world: World, processes: StackProcesses, tmp_path: Path) -> None:
    world.now[7] = looked(7, region())
    assert processes.meet(7) is not None
    del world.now[7]
    assert processes.meet(7) is not None
    assert processes.file_at(7, BASE + 0x10) == (mapped(), 0x1010)
    assert processes.file_at(7, BASE - 1) is processes.file_at(7, BASE + 0x2000) is None
    (kept,) = (tmp_path / "maps").iterdir()
    assert kept.name == "7-1.1.json"
    (told,) = json.loads(kept.read_text())["regions"]
    assert (told["start"], told["offset"], told["path"]) == (f"{BASE:#x}", "0x1000", "/opt/app")


def test_one_that_was_gone_before_is_not_known(world: World, processes: StackProcesses) -> None:
    assert processes.meet(7) is None
    assert processes.file_at(7, BASE) is None
    assert not processes.watch(7)


def test_a_library_that_came_later_is_seen(world: World, processes: StackProcesses) -> None:
    world.now[7] = looked(7, region())
    processes.meet(7)
    library = mapped(2, "/lib/new.so")
    world.now[7] = looked(7, region(), region(BASE + 0x10000, library), raw=b"two")
    assert processes.file_at(7, BASE + 0x10010) == (library, 0x1010)
    # By watching, too, and then also when it is gone again.
    other = mapped(3, "/lib/short.so")
    world.now[7] = looked(7, region(), region(BASE + 0x20000, other), raw=b"three")
    assert processes.watch(7)
    world.now[7] = looked(7, region(), raw=b"four")
    assert processes.watch(7)
    assert processes.file_at(7, BASE + 0x20010) == (other, 0x1010)
    looks = world.looks
    assert processes.watch(7)
    assert world.looks == looks


def test_another_program_and_another_process_of_that_pid(world: World, processes: StackProcesses) -> None:
    world.now[7] = looked(7, region())
    processes.meet(7)
    after = mapped(2, "/opt/after")
    world.now[7] = looked(7, region(file=after), starttime=2)
    assert processes.meet(7) is not None
    assert processes.file_at(7, BASE) == (after, 0x1000)


def test_what_only_its_process_reaches_is_held(
    world: World, processes: StackProcesses, held: list[MappedFile]
) -> None:
    inside = MappedFile("/opt/app", "/proc/7/root/opt/app", False, (1, 1, 1, 1))
    deleted = MappedFile("/opt/old", "/proc/7/exe", True, (1, 2, 1, 1))
    world.now[7] = looked(7, region(file=inside), region(BASE + 0x10000, deleted), region(BASE + 0x20000))
    processes.meet(7)
    assert held == [inside, deleted]


def test_ceilings_are_told_and_held(
    world: World, processes: StackProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack_processes, "MOST_PROCESSES", 2)
    monkeypatch.setattr(stack_processes, "MOST_LOOKS", 3)
    for pid in (1, 2, 3):
        world.now[pid] = looked(pid, region())
        processes.meet(pid)
    assert processes.file_at(2, BASE) is not None
    assert processes.file_at(3, BASE) is None
    assert len(processes.warnings) == 1
    assert "2 processes" in processes.warnings[0]
    for number in range(10):
        world.now[1] = looked(1, region(BASE + number * 0x10000), raw=b"%d" % number)
        processes.watch(1)
    assert processes.file_at(1, BASE + 9 * 0x10000) is not None
    assert processes.file_at(1, BASE) is None


def test_a_directory_that_cannot_be_made_is_told(world: World, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    processes = StackProcesses(tmp_path / "file" / "maps", lambda file: None)
    world.now[7] = looked(7, region())
    assert processes.meet(7) is not None
    assert "could not be kept" in processes.warnings[0]
