"""Small packages with bytes changed, cut, doubled: whatever comes out is members and problems."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.debuginfo.packages import Crew, Limits, xz
from tests.debuginfo.packages.test_cpio import ROWS, TABLE
from tests.support.archives import said
from tests.support.archivewriter import (
    CpioFile,
    TarFile,
    ZipFile,
    ar,
    cpio,
    deb,
    deflated,
    pack,
    pax,
    rpm,
    stripped_cpio,
    tar,
    zip_file,
)
from tests.support.xzwriter import Block, stream

NOISE = random.Random(1).randbytes(3000)
TAR = tar(
    TarFile(b"./", b"", b"5"),
    TarFile(b"././@LongLink", b"long/" * 30 + b"\0", b"L"),
    TarFile(b"long", NOISE),
    pax(path="pax", size="5", mtime="1.5"),
    TarFile(b"short", b"12345"),
    TarFile(b"link", b"", b"2", b"long"),
)
CPIO = cpio(
    CpioFile(b"./a", NOISE), CpioFile(b"./l", b"a", 0o120777), CpioFile(b"./h", b"1", inode=3, links=2)
)
SMALL = Limits(bytes=4 << 20, file_bytes=2 << 20, entries=500, ratio_from=1 << 20, memory=16 << 20)
KINDS = {
    "tar": TAR,
    "ar": ar((b"//", b"a-long-name.o/\n"), (b"/0", NOISE), (b"#1/4", b"name1"), (b"b/", b"1")),
    "zip": zip_file(ZipFile(b"a", NOISE), deflated(b"b", NOISE), ZipFile(b"c.tar", TAR)),
    "rpm": rpm(CPIO),
    "stripped": rpm(stripped_cpio(*ROWS), TABLE),
    "apk": pack(tar(TarFile(b".PKGINFO", b"pkgname = a\n"), end=False), "gz") + pack(TAR, "gz"),
    **{f"deb-{name}": deb(TAR, compression=name) for name in ("none", "gz", "xz", "zst", "bz2", "lzma")},
    "deb-blocks": ar(
        (b"debian-binary", b"2.0\n"),
        (b"control.tar", tar(TarFile(b"./control", b"Package: a\n"))),
        (b"data.tar.xz", stream([Block(TAR[:1500]), Block(TAR[1500:4000]), Block(TAR[4000:])])),
    ),
    **{f"rpm-{name}": rpm(pack(CPIO, name)) for name in ("gz", "xz", "zst")},
}


@pytest.fixture(scope="module")
def both() -> Iterator[Crew]:
    """To which small blocks are worth handing over."""
    with pytest.MonkeyPatch.context() as patch, Crew(2) as crew:
        patch.setattr(xz, "_LEAST_AHEAD", 0)
        yield crew


@st.composite
def _mutated(draw: st.DrawFn) -> bytes:
    data = bytearray(KINDS[draw(st.sampled_from(sorted(KINDS)))])
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        size = draw(st.integers(1, 64))
        how = draw(st.sampled_from(["flip", "set", "cut", "double", "drop", "fill"]))
        if how == "flip" and data:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif how == "set":
            data[at : at + 1] = bytes([draw(st.sampled_from(b"\0\1 -09\x7f\x80\xff"))])
        elif how == "cut":
            del data[at:]
        elif how == "double":
            data[at:at] = data[at : at + size]
        elif how == "drop":
            del data[at : at + size]
        else:
            data[at : at + size] = draw(st.sampled_from([b"\0", b"\xff", b"9", b"7"])) * size
    return bytes(data)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(_mutated(), st.sampled_from([1 << 20, 700]))
def test_only_data_comes_out(both: Crew, data: bytes, step: int) -> None:
    found = said(data, SMALL, step)
    assert len(found.rows) <= SMALL.entries
    assert all(row.kind in ("file", "symlink", "hardlink", "other") for row in found.rows)
    assert all(text.endswith(".") or ": " in text for text in found.texts)
    if not data.startswith(b"PK"):  # a zip needs a file, which it has with a crew alone
        assert said(data, SMALL, crew=both) == said(data, SMALL)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_unchanged_they_are_whole(both: Crew, kind: str) -> None:
    found = said(KINDS[kind], SMALL)
    assert found.codes == []
    assert found.rows and all(row.whole for row in found.rows)
    assert said(KINDS[kind], SMALL, crew=both) == found
