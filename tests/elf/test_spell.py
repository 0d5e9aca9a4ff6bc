"""Words for numbers that no file of this machine has, beside those of readelf."""

from __future__ import annotations

import random
import re
import subprocess
from pathlib import Path

import pytest

from app.elf.reader import read_facts
from tests.support.elfwriter import EM_AARCH64, EM_ARM, EM_PPC, EM_X86_64, Section, write_elf


@pytest.mark.parametrize("abi", [0, 3, 9])
@pytest.mark.parametrize("machine", [EM_X86_64, EM_ARM, EM_PPC, EM_AARCH64])
def test_section_flags(tmp_path: Path, machine: int, abi: int) -> None:
    chance = random.Random(machine)
    flags = [1 << bit for bit in range(32)]
    flags += [sum(1 << bit for bit in chance.sample(range(32), 6)) for _ in range(60)]
    # What is compressed has a header, and what is a group or ordered by its link has one; they stay out.
    flags = [number & ~0x800 for number in flags]
    sections = [Section(f"s{row}", b"x", flags=number) for row, number in enumerate(flags)]
    file = tmp_path / "file"
    file.write_bytes(write_elf(sections, machine=machine, abi=abi))
    text = subprocess.run(["readelf", "-SW", file], capture_output=True, text=True).stdout
    theirs = dict(re.findall(r"\] (s\d+) +PROGBITS +\S+ \S+ \S+ \S+ +([A-Za-z]*) +0 +0 +1$", text, re.M))
    assert len(theirs) == len(flags)
    ours = {one.name: one.flags for one in read_facts(file.read_bytes()).sections if one.name in theirs}
    assert ours == theirs
