"""Control groups: where they are mounted, and the directory of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import BadInput, NotFound
from app.host import cgroups


def test_mounts_are_read_for_control_groups(tmp_path: Path) -> None:
    top = tmp_path / "a b"
    (top / "one").mkdir(parents=True)
    (top / "one" / "cgroup.procs").write_text("")
    mounts = tmp_path / "mounts"
    mounts.write_text(
        f"none /sys tmpfs rw 0 0\ncgroup2 {str(top).replace(' ', chr(92) + '040')} cgroup2 rw 0 0\n"
    )
    assert cgroups.hierarchy(mounts) == str(top)
    assert cgroups.directory("/one", mounts) == cgroups.directory(f"{top}/one", mounts) == f"{top}/one"
    assert cgroups.is_empty(f"{top}/one")
    (top / "one" / "cgroup.procs").write_text("1\n")
    assert not cgroups.is_empty(f"{top}/one")
    for path, error in (("/two", NotFound), ("/../one", BadInput)):
        with pytest.raises(error):
            cgroups.directory(path, mounts)
    mounts.write_text("")
    with pytest.raises(BadInput, match="version 2"):
        cgroups.directory("/one", mounts)
