"""USDT arguments with the names and types of a real program's DWARF, on the frame and in registers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from app.elf.dwarf.debug import open_debug
from app.elf.image import open_image
from app.elf.reader import read_facts
from app.elf.usdt.debug import typed
from tests.support.programs import compile_c

SOURCE = """
#include <sys/sdt.h>
struct request { int id; const char *path; };
static long served;
static inline __attribute__((always_inline)) void note(const char *inner) {
    DTRACE_PROBE1(demo, inner, inner);
}
__attribute__((noinline)) long serve(struct request *request, unsigned int flags, const char *who) {
    long total = request->id + flags;
    DTRACE_PROBE3(demo, serve, request, flags, who);
    note(who);
    served += total;
    DTRACE_PROBE1(demo, served, served);
    return total + *who;
}
int main(int argc, char **argv) {
    struct request one = {argc, argv[0]};
    return serve(&one, 7, argv[0]) == 3;
}
"""
KNOWN = [("request", "struct request *"), ("flags", "unsigned int"), ("who", "const char *")]


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("flags", [("-O0",), ("-O1",), ("-O2",), ("-O0", "-fomit-frame-pointer")])
@pytest.mark.parametrize("version", ["-gdwarf-4", "-gdwarf-5"])
def test_names_and_types(tmp_path: Path, compiler: str, flags: tuple[str, ...], version: str) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"needs {compiler}")
    program = compile_c(tmp_path, SOURCE, "prog", *flags, version, compiler=compiler)
    data = program.read_bytes()
    image = open_image(data)
    probes = typed(image, open_debug(image), read_facts(data).usdt)
    found = {probe.name: probe.sites[0] for probe in probes}
    said = [(argument.name, argument.type) for argument in found["serve"].arguments]
    if compiler == "clang":
        # It copies each to a slot of its own before the probe, which DWARF does not name.
        assert all(pair in (known, (None, pair[1])) for pair, known in zip(said, KNOWN, strict=True))
    else:
        assert said == KNOWN
    assert found["inner"].arguments[0].type in {"const char *", "uint64_t"}


def test_without_dwarf_they_stay_as_they_are(tmp_path: Path) -> None:
    program = compile_c(tmp_path, SOURCE, "prog", "-O2", "-s")
    image, facts = open_image(program.read_bytes()), read_facts(program.read_bytes())
    assert typed(image, open_debug(image), facts.usdt) == facts.usdt
