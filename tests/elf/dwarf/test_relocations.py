"""USDT notes of relocatable files, whose addresses are relocations: against readelf, which applies them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from app.elf.reader import read_facts
from tests.support.programs import compile_c

SOURCE = """
#include <sys/sdt.h>
int first(int x) { DTRACE_PROBE1(demo, first, x); return x + 1; }
int second(int x) { DTRACE_PROBE1(demo, second, x); return x + 2; }
"""


@pytest.mark.parametrize(
    ("flags", "functions"), [((), ("first", "second")), (("-ffunction-sections",), (None, None))]
)
def test_addresses_in_a_relocatable_file(
    tmp_path: Path, flags: tuple[str, ...], functions: tuple[str | None, ...]
) -> None:
    """With a section a function each starts at 0, and an address alone names none of them."""
    path = compile_c(tmp_path, SOURCE, "both.o", "-c", *flags)
    printed = subprocess.run(["readelf", "-n", path], capture_output=True, text=True, check=True).stdout
    found = {probe.name: probe.sites[0] for probe in read_facts(path.read_bytes()).usdt}
    expected = [int(text, 16) for text in re.findall(r"Location: (0x[0-9a-f]+)", printed)]
    assert [found[name].address for name in ("first", "second")] == expected
    assert tuple(found[name].function for name in ("first", "second")) == functions
    assert all(address > 0 for address in expected)
