"""The parts of the core that are named are those that there are sources of."""

from __future__ import annotations

from pathlib import Path

from app.elf import native


def test_each_directory_of_the_core_is_a_part() -> None:
    core = Path(native.__file__).parent / "core"
    sources = {path.parent.name for path in core.glob("*/*.c")}
    assert sources <= set(native.PARTS)


def test_nothing_is_missing_where_all_was_compiled() -> None:
    compiled = {
        path.name.split(".")[0].removeprefix("_") for path in Path(native.__file__).parent.glob("_*.so")
    }
    assert set(native.missing()) == set(native.PARTS) - compiled
