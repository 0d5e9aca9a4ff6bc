"""ar files by binutils and by hand."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.support.archives import run, said
from tests.support.archivewriter import ar


def test_a_static_library_by_binutils(tmp_path: Path) -> None:
    """Its index and its table of names are no members."""
    names = ["short.o", "a-name-of-more-than-sixteen-bytes.o", "another-name-of-more-than-sixteen-bytes.o"]
    for number, name in enumerate(names):
        (tmp_path / "source.c").write_text(f"int value_{number} = {number};")
        run("gcc", "-c", "-o", name, "source.c", cwd=tmp_path)
    run("ar", "rcs", "made.a", *names, cwd=tmp_path)
    found = said((tmp_path / "made.a").read_bytes(), step=50)
    assert [(row.name, row.sha256) for row in found.rows] == [
        (name, hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()) for name in names
    ]
    assert found.codes == []


def test_names_as_bsd_writes_them() -> None:
    found = said(ar((b"#1/20", b"a name with spaces\0\0content"), (b"odd", b"1"), (b"even", b"22")))
    assert [(row.name, row.size) for row in found.rows] == [
        ("a name with spaces", 7),
        ("odd", 1),
        ("even", 2),
    ]


def test_names_that_are_nowhere() -> None:
    assert said(ar((b"/99", b"1"))).names == [""]
    assert said(ar((b"//", b"ab/\n"), (b"/1", b"1"))).names == ["b"]
    assert said(ar((b"#1/99", b"1"))).codes == ["truncated"]
    assert said(ar((b"#1/9999", b"1"))).codes == ["limit_name"]
    assert said(ar((b"//", b"1"), sizes=[b"99999999"])).codes == ["limit_name"]


def test_headers_that_are_none() -> None:
    good = ar((b"a", b"11"))
    assert said(good + b"x" * 60).codes == ["malformed"]
    assert said(good + b"x" * 59).codes == ["truncated"]
    assert said(good + b"\n").codes == []
