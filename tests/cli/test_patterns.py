"""Paths from here in probes."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.cli.patterns import from_here
from tests.cli.conftest import Run


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("uprobe:./prog:main", 'uprobe:"{here}/prog":main'),
        ('usdt:"../a b+":shop:*', 'usdt:"{above}/a b+":shop:*'),
        ("*:./prog:*", '*:"{here}/prog":*'),
        ("uprobe:/usr/bin/bash:readline", "uprobe:/usr/bin/bash:readline"),
        ("uprobe:prog:main", "uprobe:prog:main"),
        ("nonsense", "nonsense"),
        ("", ""),
    ],
)
def test_paths_from_here(given: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert from_here(given)[0] == expected.format(here=tmp_path, above=tmp_path.parent)


def test_a_listing_keeps_the_path_as_it_was_given(
    run: Run, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(program.parent)
    assert run("probes", f'uprobe:"./{program.name}":work*').out == f"uprobe:./{program.name}:work_on\n"
    script = run("script", "--recipe", "count", "--probe", f'uprobe:"./{program.name}":work_on')
    assert f'"{program}"' in script.out
