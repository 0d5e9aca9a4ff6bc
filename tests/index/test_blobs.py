"""The blob store: what was put is what is opened, whatever happens in between; what cannot be is said."""

from __future__ import annotations

import hashlib
import mmap
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from app.config import Settings
from app.errors import AppError, Conflict, NotFound, StorageFull, StorageUnavailable
from app.index.blob_cache import BlobCache
from app.index.blobs import Blobs
from tests.soak.blobs import turn

ROOT = Path(__file__).resolve().parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def blobs(settings: Settings) -> Blobs:
    return Blobs(settings)


def a_file(directory: Path, data: bytes, name: str = "file") -> tuple[Path, str]:
    path = directory / name
    path.write_bytes(data)
    return path, hashlib.sha256(data).hexdigest()


def put(blobs: Blobs, directory: Path, data: bytes) -> str:
    path, sha256 = a_file(directory, data)
    blobs.put(path, sha256)
    return sha256


def content(blobs: Blobs, sha256: str) -> bytes:
    with blobs.open(sha256) as descriptor:
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def left_in(data: Path) -> set[str]:
    """All files of a data directory but locks."""
    found = {path.relative_to(data).as_posix() for path in data.rglob("*") if path.is_file()}
    return {name for name in found if not name.startswith("locks/")}


def fails(act: Callable[[], object], kind: type[AppError]) -> AppError:
    with pytest.raises(kind) as caught:
        act()
    assert type(caught.value) is kind
    assert caught.value.message.endswith(".")
    assert caught.value.hint.endswith(".")
    return caught.value


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1])
def test_what_was_put_is_what_is_opened(blobs: Blobs, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    sha256 = put(blobs, tmp_path, data)
    for _ in range(2):  # the second answer comes from the cache
        assert content(blobs, sha256) == data
    blobs.delete(sha256)
    fails(lambda: content(blobs, sha256), NotFound)
    blobs.delete(sha256)
    assert left_in(tmp_path / "data") == set()


def test_a_large_sparse_file_is_small_when_packed_and_can_be_mapped(blobs: Blobs, tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(64 << 20)
        file.seek(50 << 20)
        file.write(b"here")
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(12345)  # where a descriptor stands makes no difference
        blobs.put(file.fileno(), sha256)
    assert blobs.total() < 100_000
    with blobs.open(sha256) as descriptor:
        with mmap.mmap(descriptor, 0, prot=mmap.PROT_READ) as mapped:
            assert (len(mapped), mapped.find(b"here")) == (64 << 20, 50 << 20)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(descriptor, b"x")
        # Who has it open keeps it.
        blobs.delete(sha256)
        assert os.pread(descriptor, 4, 50 << 20) == b"here"


def test_a_second_put_changes_nothing(blobs: Blobs, tmp_path: Path) -> None:
    sha256 = put(blobs, tmp_path, b"text" * 1000)
    stored = tmp_path / "data" / "blobs" / f"{sha256}.zst"
    before = stored.stat()
    put(blobs, tmp_path, b"text" * 1000)
    assert (stored.stat().st_ino, stored.stat().st_size) == (before.st_ino, before.st_size)
    assert left_in(tmp_path / "data") == {f"blobs/{sha256}.zst"}


def test_content_that_lies_about_its_hash_is_not_kept(blobs: Blobs, tmp_path: Path) -> None:
    path, sha256 = a_file(tmp_path, b"something")
    other = hashlib.sha256(b"other").hexdigest()
    fails(lambda: blobs.put(path, other), Conflict)
    assert left_in(tmp_path / "data") == set()
    with pytest.raises(FileNotFoundError):
        blobs.put(tmp_path / "nothing", sha256)


def test_a_file_that_grows_while_it_is_read_is_not_kept(
    blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, sha256 = a_file(tmp_path, b"short")
    with path.open("r+b") as file:
        status = os.fstat(file.fileno())
        file.seek(0, os.SEEK_END)
        file.write(b"er" * 3_000_000)
        file.flush()
        monkeypatch.setattr("app.index.packing.os.fstat", lambda _: status)
        fails(lambda: blobs.put(file.fileno(), sha256), Conflict)
    assert left_in(tmp_path / "data") == set()


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def another(_: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor().compress(bytes(300_000))


def sizeless(_: bytes) -> bytes:
    import zstandard

    packer = zstandard.ZstdCompressor().compressobj()
    return packer.compress(b"text") + packer.flush()


@pytest.mark.parametrize(
    "damage", [cut, flipped, another, sizeless, lambda _: b"", lambda _: b"no zstd at all"]
)
def test_a_damaged_blob_is_said_is_not_used_and_is_mended_by_the_next_put(
    blobs: Blobs, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    data = os.urandom(300_000)
    sha256 = put(blobs, tmp_path, data)
    stored = tmp_path / "data" / "blobs" / f"{sha256}.zst"
    stored.write_bytes(damage(stored.read_bytes()))
    for _ in range(2):
        assert fails(lambda: content(blobs, sha256), Conflict).code == "damaged"
    assert left_in(tmp_path / "data") == {f"blobs/{sha256}.zst"}
    put(blobs, tmp_path, data)
    assert content(blobs, sha256) == data


def test_threads_put_and_open_the_same_at_once(
    blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [a_file(tmp_path, os.urandom(500_000), str(number)) for number in range(3)]
    made: list[str] = []
    original = BlobCache._make

    def make(self: BlobCache, sha256: str, source: object) -> int:
        made.append(sha256)
        return original(self, sha256, source)  # type: ignore[arg-type]

    monkeypatch.setattr(BlobCache, "_make", make)
    together = threading.Barrier(12)

    def work(number: int) -> bool:
        path, sha256 = files[number % 3]
        together.wait(60)
        blobs.put(path, sha256)
        return content(blobs, sha256) == path.read_bytes()

    with ThreadPoolExecutor(12) as pool:
        assert all(pool.map(work, range(12)))
    assert sorted(made) == sorted(sha256 for _, sha256 in files)
    assert len(left_in(tmp_path / "data")) == 6


TWO = """
import hashlib, os, sys
from pathlib import Path
from app.config import load
from app.index.blobs import Blobs
data, source = map(Path, sys.argv[1:])
blobs = Blobs(load({}, data=data))
sys.stdin.read(1)
for path in sorted(source.iterdir()) * 3:
    sha256 = path.name
    blobs.put(path, sha256)
    with blobs.open(sha256) as descriptor, open(descriptor, "rb", closefd=False) as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == sha256
"""


def test_two_processes_put_and_open_the_same_at_once(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for _ in range(4):
        data = os.urandom(200_000)
        (source / hashlib.sha256(data).hexdigest()).write_bytes(data)
    arguments = [sys.executable, "-c", TWO, str(tmp_path / "data"), str(source)]
    both = [subprocess.Popen(arguments, cwd=ROOT, stdin=subprocess.PIPE) for _ in range(2)]
    for each in both:
        assert each.stdin is not None
        each.stdin.write(b"x")
        each.stdin.flush()
    for each in both:
        each.communicate(timeout=120)
    assert [each.returncode for each in both] == [0, 0]
    names = {path.name for path in source.iterdir()}
    assert left_in(tmp_path / "data") == {f"blobs/{name}.zst" for name in names} | {
        f"unpacked/{name}" for name in names
    }


def test_the_quota_is_said_before_anything_is_kept(settings: Settings, tmp_path: Path) -> None:
    blobs = Blobs(replace(settings, blob_bytes=250_000))
    first = put(blobs, tmp_path, os.urandom(200_000))
    error = fails(lambda: put(blobs, tmp_path, os.urandom(100_000)), StorageFull)
    assert "PROBESCOPE_BLOB_BYTES" in error.hint
    assert left_in(tmp_path / "data") == {f"blobs/{first}.zst"}
    # What packs well has room, and so has what is there already.
    text = put(blobs, tmp_path, b"text" * 1_000_000)
    put(blobs, tmp_path, b"text" * 1_000_000)
    assert 200_000 < blobs.total() < 250_000
    blobs.delete(first)
    blobs.delete(text)
    assert blobs.total() == 0


def test_puts_at_once_do_not_go_over_the_quota_together(settings: Settings, tmp_path: Path) -> None:
    blobs = Blobs(replace(settings, blob_bytes=350_000))
    files = [a_file(tmp_path, os.urandom(100_000), str(number)) for number in range(8)]
    together = threading.Barrier(8)

    def work(file: tuple[Path, str]) -> bool:
        together.wait(60)
        try:
            blobs.put(*file)
        except StorageFull:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        kept = sum(pool.map(work, files))
    assert kept == 3
    assert 300_000 < blobs.total() < 350_000


def test_a_sweep_takes_what_nothing_refers_to(blobs: Blobs, tmp_path: Path) -> None:
    data = tmp_path / "data"
    wanted, old, young = (put(blobs, tmp_path, text) for text in (b"wanted", b"old", b"young"))
    for each in (wanted, old):
        os.utime(data / "blobs" / f"{each}.zst", (1000, 1000))
    content(blobs, wanted)
    plain, part = "a" * 64, "b" * 64
    for left in (f"blobs/{plain}", f"blobs/{part}.part", f"unpacked/{part}.part"):
        (data / left).write_bytes(b"left over")
    (data / "blobs" / "notes").write_text("of the operator")
    assert blobs.sweep([wanted]) == 1
    assert left_in(data) == {f"blobs/{wanted}.zst", f"blobs/{young}.zst", "blobs/notes"}
    assert content(blobs, wanted) == b"wanted"
    # A put of what nothing refers to yet keeps it for a while.
    os.utime(data / "blobs" / f"{young}.zst", (1000, 1000))
    put(blobs, tmp_path, b"young")
    assert blobs.sweep([wanted]) == 0
    assert blobs.sweep([wanted], grace=-1) == 1


def test_a_sweep_leaves_alone_what_is_being_put(
    blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.urandom(100_000)
    path, sha256 = a_file(tmp_path, data)
    reserved = Blobs._reserved

    def sweep_meanwhile(self: Blobs, name: str, size: int) -> AbstractContextManager[None]:
        Blobs(self._settings).sweep([])
        return reserved(self, name, size)

    monkeypatch.setattr(Blobs, "_reserved", sweep_meanwhile)
    blobs.put(path, sha256)
    assert content(blobs, sha256) == data


def test_the_cache_forgets_what_was_not_used_for_longest(settings: Settings, tmp_path: Path) -> None:
    blobs = Blobs(replace(settings, blob_cache=250_000))
    cache = tmp_path / "data" / "unpacked"
    first, second, third = (put(blobs, tmp_path, os.urandom(100_000)) for _ in range(3))
    content(blobs, first)
    content(blobs, second)
    os.utime(cache / second, (1000, 1000))
    content(blobs, first)
    content(blobs, third)
    assert {path.name for path in cache.iterdir()} == {first, third}
    # A larger one is there as long as it is open.
    large = put(blobs, tmp_path, bytes(300_000))
    assert content(blobs, large) == bytes(300_000)
    assert list(cache.iterdir()) == []


@as_root
def test_a_disk_that_is_full_half_way(settings: Settings, small_disk: Path, tmp_path: Path) -> None:
    blobs = Blobs(replace(settings, data=small_disk / "data"))
    good = put(blobs, tmp_path, b"good" * 1000)
    error = fails(lambda: put(blobs, tmp_path, os.urandom(6 << 20)), StorageFull)
    assert "room" in error.message
    large = put(blobs, tmp_path, bytes(16 << 20))
    assert "room" in fails(lambda: content(blobs, large), StorageFull).message
    assert left_in(small_disk / "data") == {f"blobs/{good}.zst", f"blobs/{large}.zst"}
    assert content(blobs, good) == b"good" * 1000


def test_a_directory_that_cannot_be_used_is_said(settings: Settings, tmp_path: Path) -> None:
    settings.data.mkdir()
    (settings.data / "blobs").write_text("no directory")
    assert "blobs" not in str(fails(lambda: Blobs(settings), StorageUnavailable).hint)


def test_a_kill_at_any_moment_leaves_nothing_torn(tmp_path: Path) -> None:
    assert [turn(tmp_path) for _ in range(10)] == [[]] * 10


MEMORY = """
import resource, sys
from pathlib import Path
from app.config import load
from app.index.blobs import Blobs
blobs = Blobs(load({}, data=Path(sys.argv[1])))
blobs.put(Path(sys.argv[2]), sys.argv[3])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
blobs.put(Path(sys.argv[4]), sys.argv[5])
with blobs.open(sys.argv[5]):
    pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    small, its = a_file(tmp_path, os.urandom(8 << 20))
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(200 << 20)
    with large.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    arguments = [str(tmp_path / "data"), str(small), its, str(large), sha256]
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, *arguments], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert int(done.stdout) < 20_000  # KiB
    # pytest keeps directories of past runs.
    large.unlink()
    (tmp_path / "data" / "unpacked" / sha256).unlink()
