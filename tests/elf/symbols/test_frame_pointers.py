"""Whether code keeps frame pointers: programs compiled both ways, and real ones that are known."""

from __future__ import annotations

import lzma
import shutil
from pathlib import Path

import pytest

from app.elf.image import open_image
from app.elf.reader import read_facts
from app.elf.symbols.frame_pointers import FramePointers, frame_pointers
from app.elf.symbols.rows import read_symbols
from tests.support.programs import compile_c

ROOT = Path(__file__).parents[2]
FUNCTION = """
__attribute__((noinline)) int work_{n}(const char *text, int x) {{
    char held[32];
    if (outside(text, x) > {n}) outside(held, x);
    for (int i = 0; i < 31 && text[i]; i++) held[i] = text[i] ^ x;
    for (int i = 0; i < x; i++) if (outside(held + i, x * {n}) == 3) return outside(text, i);
    return outside(held, x) + {n};
}}
"""
COUNT = 40
SOURCE = "int outside(const char *, int);\n" + "".join(FUNCTION.format(n=n) for n in range(COUNT))
CALLER = "int outside(const char *text, int x) { return *text + x; }\nint main(void) { return 0; }\n"


def _measured(path: Path, producers: tuple[str, ...] = ()) -> FramePointers:
    image = open_image(path.read_bytes())
    return frame_pointers(image, read_symbols(image), None, producers)


@pytest.mark.parametrize("compiler", ["gcc", "clang", "aarch64-linux-gnu-gcc"])
@pytest.mark.parametrize("level", ["-O2", "-Os"])
@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("stripped", [True, False])
def test_compiled_both_ways(tmp_path: Path, compiler: str, level: str, kept: bool, stripped: bool) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"needs {compiler}")
    flags = ["-fno-omit-frame-pointer" if kept else "-fomit-frame-pointer", "-nostdlib", "-shared", "-fPIC"]
    # Hidden functions are in no table of a stripped file: those that unwind it tell where they are.
    flags += ["-fvisibility=hidden", "-s"] if stripped else []
    program = compile_c(tmp_path, SOURCE, "prog", level, *flags, compiler=compiler)
    found = _measured(program)
    assert found.kept is kept
    assert found.share is not None
    assert found.share > 0.9 if kept else found.share < 0.1
    assert found.sampled >= COUNT - 2


@pytest.mark.parametrize(
    ("pattern", "kept"),
    [
        ("/bin/bash", False),
        ("/usr/bin/python3.[0-9]*", None),
        ("/usr/lib/x86_64-linux-gnu/libc.so.6", False),
        ("/usr/lib/x86_64-linux-gnu/libstdc++.so.6", False),
        ("/usr/lib/postgresql/*/bin/postgres", True),
        ("/usr/aarch64-linux-gnu/lib/libc.so.6", True),
    ],
)
def test_real_programs(pattern: str, kept: bool | None) -> None:
    """Debian leaves frames out, but keeps them in postgres; on AArch64 they are kept. Pythons differ."""
    for path in Path("/").glob(pattern[1:]):
        if path.read_bytes()[:4] != b"\x7fELF":
            continue
        found = _measured(path.resolve())
        assert found.kept is not None
        assert kept is None or found.kept is kept, (path, found)


def test_go_keeps_them() -> None:
    assert read_facts(lzma.decompress((ROOT / "binaries/go/stripped.xz").read_bytes())).frame_pointers is True


def test_too_few_functions_say_nothing_and_the_flags_do(tmp_path: Path) -> None:
    program = compile_c(tmp_path, CALLER)
    assert _measured(program) == FramePointers(None, None, _measured(program).sampled)
    kept, left_out = "GNU C17 12.2.0 -O2 -fno-omit-frame-pointer", "GNU C17 12.2.0 -fomit-frame-pointer"
    assert _measured(program, (kept, "GNU AS 2.40")).kept is True
    assert _measured(program, (f"{kept} -fomit-frame-pointer", left_out)).kept is False
    assert _measured(program, (kept, left_out)).kept is None


def test_another_machine_says_nothing(tmp_path: Path) -> None:
    data = bytearray(compile_c(tmp_path, SOURCE + CALLER).read_bytes())
    assert read_facts(bytes(data)).frame_pointers is True
    data[18:20] = b"\x16\x00"
    assert read_facts(bytes(data)).frame_pointers is None
