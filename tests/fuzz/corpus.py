"""Small ELF files of many kinds, compiled or written here: where mutation and fuzzing start from.

``python -m tests.fuzz.corpus DIRECTORY`` writes them there.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.elf.corpus import foreign_files, foreign_object
from tests.support.dwarfwriter import Die, Dwarf, Form, Locations, Ranges, Strings, Unit
from tests.support.elfwriter import (
    SHF_ALLOC,
    SHT_NOTE,
    Section,
    Symbol,
    build_id,
    compressed,
    note,
    usdt,
    write_elf,
)
from tests.support.linewriter import LineProgram, Row
from tests.support.packagewriter import package

C_SOURCE = """
struct point { int x, y; const char *label; struct point *next; };
union either { long number; double real; };
enum colour { RED, GREEN = 7 };
typedef int (*visit)(struct point *, void *);
static int hidden = 3;
__thread long each;
int shared[4];
static inline __attribute__((always_inline)) int twice(int number) { return number * 2 + hidden; }
static __attribute__((noinline)) int walk(struct point *first, visit each_one, void *data) {
    int sum = 0;
    for (; first; first = first->next) sum += twice(each_one(first, data));
    return sum;
}
int total(struct point *first, visit each_one, unsigned long size, ...) {
    static int calls;
    union either local = {.number = calls++};
    return walk(first, each_one, &local) + (int)size + shared[size & 3];
}
enum colour pick(char letter, volatile int *restrict place) { return letter ? RED : (*place = GREEN); }
"""
CXX_SOURCE = """
namespace shop {
class Base { public: virtual int price() const { return 1; } virtual ~Base() {} };
template <typename T, int N> struct Box : Base {
    T held[N];
    int price() const override { return held[0] > held[N - 1] ? 2 : N; }
    static int count;
};
namespace { int secret(int &&number) { return number + 1; } }
int sum(const Box<int, 3> &box, bool twice = false) { return box.price() + secret(twice ? 2 : 1); }
}
void operator delete(void *, unsigned long) {}
extern "C" void __cxa_pure_virtual() {}
extern "C" double half(double whole) { auto by = [whole](auto n) { return whole / n; }; return by(2.0); }
"""
USDT_SOURCE = """
#include <sys/sdt.h>
#define SEMAPHORE __attribute__((section(".probes"), visibility("hidden")))
unsigned short demo_begin_semaphore SEMAPHORE, demo_nothing_semaphore SEMAPHORE;
void work(long a, unsigned char b, double d, char *text) {
    DTRACE_PROBE4(demo, begin, a, b, d, text[3]);
    DTRACE_PROBE(demo, nothing);
}
"""


def seeds(tmp: Path) -> dict[str, bytes]:
    """The files by name; ``tmp`` is scribbled on. Each is at most some 30 KB long."""
    return dict([*_compiled(tmp), *_foreign(tmp), *_written()])


def _compiled(tmp: Path) -> Iterator[tuple[str, bytes]]:
    for version in (2, 3, 4, 5):
        yield f"c{version}", _build(tmp, C_SOURCE, "c", f"-gdwarf-{version}")
    yield "c5-object", _build(tmp, C_SOURCE, "c", "-gdwarf-5", "-c", link=False)
    yield "c5-wide", _build(tmp, C_SOURCE, "c", "-gdwarf-5", "-gdwarf64")
    yield "cxx4-types", _build(tmp, CXX_SOURCE, "cc", "-gdwarf-4", "-fdebug-types-section")
    yield "cxx5", _build(tmp, CXX_SOURCE, "cc", "-gdwarf-5")
    yield "cxx5-types", _build(tmp, CXX_SOURCE, "cc", "-gdwarf-5", "-fdebug-types-section")
    for version in (4, 5):
        flags = (f"-gdwarf-{version}", "-gsplit-dwarf", "-c")
        yield f"cxx{version}-skeleton", _build(tmp, CXX_SOURCE, "cc", *flags, link=False)
        yield f"cxx{version}-split", (tmp / "seed.dwo").read_bytes()
    yield "usdt", _build(tmp, USDT_SOURCE, "c", "-D_SDT_HAS_SEMAPHORES")
    for how in ("zlib", "zlib-gnu", "zstd"):
        _build(tmp, C_SOURCE, "c")
        packed = tmp / "packed"
        subprocess.run(["objcopy", f"--compress-debug-sections={how}", tmp / "seed", packed], check=True)
        yield f"c-{how}", packed.read_bytes()


def _build(tmp: Path, source: str, kind: str, *flags: str, link: bool = True) -> bytes:
    text, out = tmp / f"seed.{kind}", tmp / "seed"
    text.write_text(source)
    how = ["-shared", "-fPIC", "-nostdlib", "-Wl,-z,noseparate-code", "-Wl,--build-id"] if link else []
    compiler = ["g++", "-fno-exceptions", "-fno-rtti"] if kind == "cc" else ["gcc"]
    command = [*compiler, "-g", "-O2", "-w", *how, *flags, "-o", str(out), str(text)]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp)
    return out.read_bytes()


def _foreign(tmp: Path) -> Iterator[tuple[str, bytes]]:
    for target, flag in (
        ("s390x-linux-gnu", "-gdwarf-5"),
        ("mips-linux-gnu", "-gdwarf-4"),
        ("armv7-linux-gnueabihf", "-gdwarf-5"),
        ("i386-linux-gnu", "-gdwarf-3"),
        ("aarch64-linux-gnu", "-gdwarf-2"),
    ):
        yield target, foreign_object(tmp, target, flag).read_bytes()
    for name, path in foreign_files(20):
        if path.name in ("libutil.so.1", "libBrokenLocale.so.1") and path.stat().st_size < 100_000:
            yield f"{name}-{path.name}", path.read_bytes()


def _written() -> Iterator[tuple[str, bytes]]:
    integer = Die("base_type", name="int", byte_size=Form("data1", 4), encoding=Form("data1", 5))
    alternate = Dwarf(Unit(Die("partial_unit", integer), 4))
    variable = Die("variable", name=Form("GNU_strp_alt", "far"), type=Form("GNU_ref_alt", integer))
    user = Dwarf(Unit(Die("compile_unit", variable), 4), alternate=alternate)
    link = Section(".gnu_debugaltlink", b"common.debug\0" + bytes(range(20)))
    yield "alternate", write_elf([*user.sections(), link])
    yield "common", write_elf([*alternate.sections(), build_id(bytes(range(20)))])
    for version in (4, 5):
        yield f"package{version}", write_elf(package(_split(version), version if version == 5 else 2))
    entries = [("base_addressx", 0x3000), ("offset_pair", 0, 4), ("startx_length", 0x5000, 4)]
    places = [("startx_endx", 0x3000, 0x4000, b"\x50"), ("default_location", b"\x51")]
    work = Die(
        "subprogram",
        Die("formal_parameter", name="x", type=Form("ref_udata", integer), location=Locations(places)),
        name=Form("strx2", "work"),
        ranges=Form("rnglistx", Ranges(entries)),
    )
    lines = LineProgram([Row(0x3000, 5), Row(0x3004, 9, column=3), Row(0x3010, end=True)])
    root = Die("compile_unit", integer, work, name="a.c", comp_dir="/src", stmt_list=lines)
    parts = [
        Section(".text", bytes(64), flags=6, address=0x3000),
        build_id(b"\1\2\3\4"),
        Section(".note.go.buildid", note(b"Go", 4, b"abc/def"), SHT_NOTE, SHF_ALLOC, align=4),
        Section(".note.stapsdt", usdt("p", "n", "-4@-8(%rbp) 8@%rsi", 0x3004), SHT_NOTE, align=4),
        Section(".stapsdt.base", b"\0"),
    ]
    symbols = [Symbol("work", 0x3000, 16), Symbol("puts", section=0, version="@GLIBC_2.2.5")]
    sections = [compressed(part, "zstd") for part in Dwarf(Unit(root)).sections()]
    yield "indexed", write_elf([*parts, *sections], symbols=symbols[:1], dynamic_symbols=symbols)


def _split(version: int) -> list[Dwarf]:
    strings, files = Strings(), []
    for number in (0x1111, 0x22221111):
        name, low = ("strx1", "addrx") if version == 5 else ("GNU_str_index", "GNU_addr_index")
        work = Die("subprogram", name=Form(name, f"work{number}"), low_pc=Form(low, 0x10), high_pc=4)
        root = Die("compile_unit", work, name="a.c")
        if version < 5:
            root.set(GNU_dwo_id=Form("data8", number))
        unit = Unit(root, version, "split_compile", identity=number, addresses=[0x10])
        files.append(Dwarf(unit, split=True, strings=strings))
    return files


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    scratch = target / "scratch"
    scratch.mkdir(exist_ok=True)
    for name, data in seeds(scratch).items():
        (target / name).write_bytes(data)
    for left in scratch.iterdir():
        left.unlink()
    scratch.rmdir()
