"""Real ELF files of this machine, chosen so that a run sees many kinds: what the differential tests read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from tests.support.programs import compile_for

_PLACES = (
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib/postgresql",
    "/usr/lib/debug",
    "/usr/lib/gcc",
    "/usr/libexec",
)
_LARGEST = 12 << 20
# The packages libc6-ARCHITECTURE-cross: 32 and 64 bits, both byte orders.
FOREIGN = {
    "aarch64-linux-gnu": ("aarch64", 64, "little"),
    "arm-linux-gnueabihf": ("arm", 32, "little"),
    "i686-linux-gnu": ("i386", 32, "little"),
    "mips-linux-gnu": ("mips", 32, "big"),
    "powerpc-linux-gnu": ("ppc", 32, "big"),
    "powerpc64-linux-gnu": ("ppc64", 64, "big"),
    "s390x-linux-gnu": ("s390x", 64, "big"),
}


@lru_cache
def elf_files(count: int) -> tuple[Path, ...]:
    """``count`` files, evenly over all that are found, one of each inode and at most 12 MB long."""
    return _spread(sorted(_found(_PLACES)), count)


@lru_cache
def foreign_files(count: int) -> tuple[tuple[str, Path], ...]:
    """``count`` files of each of FOREIGN, with its name."""
    return tuple(
        (name, path) for name in FOREIGN for path in _spread(sorted(_found([f"/usr/{name}/lib"])), count)
    )


def _spread(found: list[Path], count: int) -> tuple[Path, ...]:
    step = max(1, len(found) // count)
    return tuple(found[::step][:count])


def _found(places: Iterable[str]) -> Iterator[Path]:
    seen: set[tuple[int, int]] = set()
    for place in places:
        for directory, _, names in os.walk(place):
            for name in names:
                path = Path(directory, name)
                if path.is_symlink() or not path.is_file():
                    continue
                status = path.stat()
                if (status.st_dev, status.st_ino) in seen or not 64 <= status.st_size <= _LARGEST:
                    continue
                seen.add((status.st_dev, status.st_ino))
                with path.open("rb") as file:
                    if file.read(4) == b"\x7fELF":
                        yield path


# clang writes objects for these without their libraries.
TARGETS = {
    "aarch64-linux-gnu": ("aarch64", 64, "little"),
    "armv7-linux-gnueabihf": ("arm", 32, "little"),
    "i386-linux-gnu": ("i386", 32, "little"),
    "mips-linux-gnu": ("mips", 32, "big"),
    "mips64el-linux-gnuabi64": ("mips", 64, "little"),
    "powerpc-linux-gnu": ("ppc", 32, "big"),
    "powerpc64-linux-gnu": ("ppc64", 64, "big"),
    "powerpc64le-linux-gnu": ("ppc64", 64, "little"),
    "riscv32-linux-gnu": ("riscv", 32, "little"),
    "riscv64-linux-gnu": ("riscv", 64, "little"),
    "s390x-linux-gnu": ("s390x", 64, "big"),
    "sparcv9-linux-gnu": ("sparc64", 64, "big"),
    "x86_64-linux-gnu": ("x86_64", 64, "little"),
}
OBJECT = """
namespace shop {
struct Item { const char *name; int price[3]; struct Item *next; };
enum Colour { RED, GREEN = 5 };
template <typename T> struct Box { T held; T take(T other) { return held > other ? held : other; } };
static int hidden = 7;
extern int elsewhere(int);
inline __attribute__((always_inline)) int twice(int number) { return number * 2 + hidden; }
int total(const Item *items, unsigned long count, Colour colour) {
    int sum = colour;
    for (unsigned long i = 0; i < count; i++) sum += items[i].price[0] + twice((int)i);
    return elsewhere(sum);
}
}
int shared_number = 3;
thread_local long each = 4;
extern "C" double half(double whole, char letter, ...) {
    shop::Box<int> box{letter};
    return whole / box.take(2);
}
"""


def foreign_object(tmp: Path, target: str, *flags: str) -> Path:
    """OBJECT compiled for ``target``: relocatable, with debug information."""
    return compile_for(tmp, OBJECT, target, "-g", "-O1", *flags)
