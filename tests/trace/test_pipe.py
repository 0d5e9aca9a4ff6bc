"""Lines out of a pipe, however they are cut into pieces."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

import pytest

from app.trace import pipe
from app.trace.pipe import Lines


def read(pieces: Sequence[bytes]) -> list[bytes]:
    """The lines of what is written piece by piece."""

    async def work() -> list[bytes]:
        lines = Lines()
        writing = os.dup(lines.descriptor)
        lines.begin()

        async def write() -> None:
            try:
                for piece in pieces:
                    await asyncio.to_thread(os.write, writing, piece)
                    await asyncio.sleep(0.01)
            finally:
                os.close(writing)

        task = asyncio.create_task(write())
        found = [line async for batch in lines.batches() for line in batch]
        await task
        lines.close()
        return found

    return asyncio.run(work())


def test_lines_that_come_in_pieces() -> None:
    assert read([b"one\ntw", b"o", b"\n\nthree\nfo", b"ur"]) == [b"one", b"two", b"", b"three", b"four"]
    assert read([]) == []
    assert read([b"\n"]) == [b""]


def test_a_long_line_is_whole_and_a_longer_one_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe, "CHUNK_BYTES", 1000)
    monkeypatch.setattr(pipe, "LONGEST_LINE", 5000)
    assert read([b"a" * 4900 + b"\nnext\n"]) == [b"a" * 4900, b"next"]
    first, *rest = read([b"b" * 9000 + b"\nnext\n"])
    assert first == b"b" * 5000
    assert rest[-1] == b"next"
