"""Blobs in an S3: the setting, who may use it, what it says when it is out of reach."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.config import Settings, load, object_store_options
from app.errors import BadInput, Conflict, NotFound, StorageFull, StorageUnavailable
from app.index.blobs import Blobs
from app.index.model import Ask
from app.index.service import Index
from tests.support.programs import compile_c
from tests.support.s3_double import Bucket, bucket


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    with bucket() as made:
        for name, value in made.environment().items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.fixture
def there(settings: Settings) -> Settings:
    return replace(settings, blob_store="s3://bucket/of/ours")


def put(blobs: Blobs, directory: Path, data: bytes) -> str:
    path = directory / "file"
    path.write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    blobs.put(path, sha256)
    return sha256


def content(blobs: Blobs, sha256: str) -> bytes:
    with blobs.open(sha256) as descriptor:
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


@pytest.mark.parametrize("size", [0, 1, 1 << 20, 20 << 20])
def test_what_was_put_is_what_is_opened(s3: Bucket, there: Settings, tmp_path: Path, size: int) -> None:
    blobs = Blobs(there)
    data = os.urandom(size)
    sha256 = put(blobs, tmp_path, data)
    put(blobs, tmp_path, data)
    key = f"of/ours/{sha256}.zst"
    assert list(s3.objects) == [key]
    assert s3.uploads == {}
    assert blobs.total() == len(s3.objects[key])
    assert content(blobs, sha256) == data
    # Created once.
    assert len([each for each in s3.asked if each == f"PUT {key}"]) == (size < 8 << 20)
    blobs.delete(sha256)
    blobs.delete(sha256)
    assert s3.objects == {}
    with pytest.raises(NotFound):
        content(blobs, sha256)
    assert list((there.data / "blobs").iterdir()) == []


@pytest.mark.parametrize("large", [False, True])
def test_a_put_that_is_stopped_leaves_nothing(
    s3: Bucket, there: Settings, tmp_path: Path, large: bool
) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(20 << 20 if large else 3 << 20))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    steps = iter(range(1 << 20))
    # A large one is packed in 21 steps, and stopped while it goes up.
    last = 22 if large else 2
    with pytest.raises(Conflict) as caught:
        Blobs(there).put(path, sha256, lambda: next(steps) >= last)
    assert caught.value.code == "cancelled"
    assert ("POST" in str(s3.asked)) == large
    assert (s3.objects, s3.uploads) == ({}, {})
    assert list((there.data / "blobs").iterdir()) == []


def test_what_is_damaged_there_is_not_used_and_mended(s3: Bucket, there: Settings, tmp_path: Path) -> None:
    blobs = Blobs(there)
    sha256 = put(blobs, tmp_path, b"text" * 1000)
    key = f"of/ours/{sha256}.zst"
    s3.objects[key] = s3.objects[key][:-3]
    with pytest.raises(Conflict) as caught:
        content(blobs, sha256)
    assert caught.value.code == "damaged"
    put(blobs, tmp_path, b"text" * 1000)
    assert content(blobs, sha256) == b"text" * 1000


def test_quota_and_sweep(s3: Bucket, there: Settings, tmp_path: Path) -> None:
    blobs = Blobs(replace(there, blob_bytes=250_000))
    first = put(blobs, tmp_path, os.urandom(200_000))
    with pytest.raises(StorageFull):
        put(blobs, tmp_path, os.urandom(100_000))
    s3.objects["of/others"] = b"not ours"
    s3.objects["of/ours/notes"] = b"of the operator"
    assert blobs.sweep([first]) == 0
    s3.changed = time.time()
    assert blobs.sweep([]) == 0
    s3.changed = 0.0
    assert blobs.sweep([]) == 1
    assert set(s3.objects) == {"of/others", "of/ours/notes"}


def test_what_cannot_be_reached_is_said(
    s3: Bucket, there: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = put(Blobs(there), tmp_path, b"kept")
    s3.down = True
    with pytest.raises(StorageUnavailable) as caught:
        put(Blobs(there), tmp_path, b"text")
    assert "503" in caught.value.message
    assert "\n" not in caught.value.message
    assert "PROBESCOPE_BLOB_STORE" in caught.value.hint
    with pytest.raises(StorageUnavailable):
        content(Blobs(there), kept)
    assert list((there.data / "blobs").iterdir()) == []
    assert list((there.data / "unpacked").iterdir()) == []
    s3.down = False
    assert content(Blobs(there), kept) == b"kept"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "stranger")
    with pytest.raises(StorageUnavailable) as caught:
        Blobs(there).total()
    assert "credentials" in caught.value.message
    assert "AWS_ACCESS_KEY_ID" in caught.value.hint


def test_a_bucket_that_is_not_there(s3: Bucket, settings: Settings, tmp_path: Path) -> None:
    blobs = Blobs(replace(settings, blob_store="s3://other-bucket/ours"))
    with pytest.raises(StorageUnavailable) as caught:
        put(blobs, tmp_path, b"text")
    assert caught.value.message == "There is no bucket of s3://other-bucket/ours."
    with pytest.raises(NotFound):
        content(blobs, "0" * 64)


def test_uploads_of_an_index_are_in_the_bucket(s3: Bucket, there: Settings, tmp_path: Path) -> None:
    program = compile_c(tmp_path, "int work(int x) { return x; } int main(void) { return work(0); }")
    data = program.read_bytes()
    index = Index(there)
    index.start()
    temporary = index.upload_dir / "one"
    temporary.write_bytes(data)
    job = index.wait(index.add_upload([("mine", temporary)])[0].id)
    assert job.state == "done"
    assert list(s3.objects) == [f"of/ours/{hashlib.sha256(data).hexdigest()}.zst"]
    binary = job.results[0]["id"]
    work = index.functions(binary, Ask("work")).items[0]
    assert index.code(binary, work.key)
    index.close()
    # A start without it serves what is known, and says the rest.
    s3.down = True
    (there.data / "unpacked" / hashlib.sha256(data).hexdigest()).unlink()
    index = Index(there)
    index.start()
    assert index.functions(binary, Ask("work")).total == 1
    with pytest.raises(StorageUnavailable):
        index.code(binary, work.key)
    s3.down = False
    assert index.code(binary, work.key)
    index.remove(binary)
    assert s3.objects == {}
    index.close()


def test_the_setting_and_its_credentials() -> None:
    assert load({}).blob_store is None
    assert load({"PROBESCOPE_BLOB_STORE": "s3://team-bucket/probescope"}).blob_store
    for wrong in ("/mnt/blobs", "http://host/bucket", "s3://", "s3://Bucket", "s3://bucket/../other?x"):
        with pytest.raises(BadInput) as caught:
            load({"PROBESCOPE_BLOB_STORE": wrong})
        assert "s3://" in caught.value.hint
    environment = {"AWS_ACCESS_KEY_ID": "key", "AWS_REGION": "", "PATH": "/bin"}
    assert object_store_options(environment) == {"aws_access_key_id": "key"}
