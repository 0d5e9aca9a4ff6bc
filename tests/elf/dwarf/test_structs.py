"""Declarations against pahole's, and layouts as data."""

from __future__ import annotations

import atexit
import re
import shutil
import subprocess
import sysconfig
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

from app.elf.details import answer
from app.elf.dwarf.debug import Debug, open_debug
from app.elf.dwarf.declarations import declaration
from app.elf.dwarf.structs import Struct, read_struct
from app.elf.image import Image, open_image

HEADERS = """
#define _GNU_SOURCE
#define Py_BUILD_CORE
#include <Python.h>
#include <link.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <ucontext.h>
struct everything {
    siginfo_t s; pthread_mutex_t m; struct tcphdr t; struct iphdr i; struct stat st; Elf64_Shdr sh;
    struct link_map lm; struct dl_phdr_info di; union bpf_attr ba; struct perf_event_attr pe;
    struct perf_event_mmap_page pp; struct tcp_info ti; FILE f; struct sigaction sa; ucontext_t uc;
    struct bpf_sock_ops so; struct bpf_prog_info pi; PyTypeObject ty; PyUnicodeObject u; PyThreadState *ts;
    PyModuleDef md; PyDictObject d; PyHeapTypeObject h; PyMemoryViewObject mv;
} everything;
"""
OWN = r"""
#include <stdint.h>
typedef int (*callback)(int, void *);
enum colour { RED, GREEN = 5, BLUE = -1 };
enum small { ONE = 1 } __attribute__((packed));
typedef struct { int x, y; } point;
union both { int i; float f; struct { short a; char b; } in; };
struct holes { char c; int i; char d; };
struct flexible { int n; char data[]; };
struct nothing {};
struct packed { char c; int i; } __attribute__((packed));
struct aligned { char c; int i __attribute__((aligned(16))); };
struct line { char c; } __attribute__((aligned(64)));
struct bits { unsigned a : 3; unsigned : 5; unsigned b : 10; int c; unsigned long d : 33; char e : 2; };
struct straddle { char c; unsigned a : 20; unsigned b : 20; short s : 3; };
struct opaque;
struct large {
    struct large *next; const char *name; const char *const *list; volatile int v; callback f;
    int (*compare)(struct large *self, int, const char *format, ...); void (*nothing)(void);
    int rows[4][5]; char *texts[3]; enum colour colour; enum { A, B } unnamed;
    struct { int q; struct { char z; long w; } deep; } named; struct { int aa; union { int bb; char cc; }; };
    union { long l; double dd; }; union both u; struct holes in; struct holes many[3]; point p;
    struct flexible fl; struct nothing no; struct packed pk; struct aligned al; struct bits bi; _Bool ok;
    long double ld; unsigned __int128 wide; _Complex double z; int *restrict r; struct opaque *o;
    struct { int p1; } *inner; struct { char k; long l; } table[2]; uint8_t tail;
};
struct wrong { int (*(*nested)(int))(char); int (*array)[7]; int (*functions[4])(int); char *const fixed; };
struct large large; struct straddle straddle; struct wrong wrong; struct line line; enum small small;
"""
# pahole 1.24 writes these members wrongly: what a declarator's parentheses and an array come to, a pointer
# that is const itself, types that are atomic.
WRONG = re.compile(r"\)\(.*\)\[|\(\)\(|<ERROR|const const|FART")


@cache
def compiled(text: str, *flags: str) -> Path:
    directory = Path(mkdtemp(prefix="probescope-structs-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    source, out = directory / "types.c", directory / "types"
    source.write_text(text)
    include = sysconfig.get_paths()["include"]
    command = ["gcc", "-g", "-w", "-shared", "-fPIC", f"-I{include}", "-o", str(out), str(source), *flags]
    subprocess.run(command, check=True)
    return out


def opened(text: str, *flags: str) -> tuple[Image, Debug]:
    image = open_image(compiled(text, *flags).read_bytes())
    return image, open_debug(image)


def plain(text: str) -> str:
    """Without what differs in form only: runs of blanks, empty lines, the line behind a union."""
    text = re.sub(r"\n\s*/\* size: \d+, members: \d+ \*/", "", text) if text.startswith("union") else text
    return re.sub(r"[ \t]+", " ", re.sub(r"\n\s*\n", "\n", text)).strip()


def pahole(path: Path) -> dict[str, str]:
    text = subprocess.run(["pahole", str(path)], capture_output=True, text=True).stdout
    blocks = re.split(r"(?<=;)\n(?=struct|union|class|enum)", text.strip())
    return {block.split(" {")[0]: block for block in blocks}


def mine(debug: Debug, name: str) -> list[str]:
    kind, _, bare = name.partition(" ")
    found = debug.source.find_types((bare,), 10)
    structs = [read_struct(die) for _, key, _ in found if (die := debug.dies.die(key)) is not None]
    return [declaration(struct) for struct in structs if struct.kind == kind]


@pytest.mark.parametrize(
    "flags", [("-gdwarf-5",), ("-gdwarf-4",), ("-gdwarf-4", "-fdebug-types-section")], ids=str
)
@pytest.mark.parametrize("text", [HEADERS, OWN], ids=["headers", "own"])
def test_declarations_are_those_of_pahole(text: str, flags: tuple[str, ...]) -> None:
    _, debug = opened(text, *flags)
    theirs = pahole(compiled(text, "-gdwarf-5"))
    assert len(theirs) > 9
    wrong = []
    compared = 0
    for name, block in theirs.items():
        if WRONG.search(block):
            continue
        compared += 1
        if plain(block) not in [plain(found) for found in mine(debug, name)]:
            wrong.append((block, mine(debug, name)))
    assert wrong == []
    assert compared > len(theirs) * 0.9


def test_the_columns_of_comments_stand_under_each_other() -> None:
    _, debug = opened(OWN, "-gdwarf-5")
    (text,) = mine(debug, "struct large")
    comments = [line for line in text.splitlines() if re.search(r"/\* +\d+ +\d+ \*/$", line)]
    columns = {line.expandtabs(8).index("/*") for line in comments if len(line.expandtabs(8)) < 75}
    assert columns == {57}


def test_declarators_are_c() -> None:
    _, debug = opened(OWN, "-gdwarf-5")
    (text,) = mine(debug, "struct wrong")
    lines = [re.sub(r"\s+", " ", line.split("/*")[0]).strip() for line in text.splitlines()[1:5]]
    assert lines == [
        "int (*(*nested)(int))(char);",
        "int (*array)[7];",
        "int (*functions[4])(int);",
        "char * const fixed;",
    ]
    (large,) = mine(debug, "struct large")
    # What pahole wrote can be compiled again, and has the same size.
    assert "int (*compare)(struct large *, int, const char *, ...);" in re.sub(r"  +", " ", large)


def layout(debug: Debug, name: str) -> Struct:
    ((_, key, _),) = debug.source.find_types((name,), 10)
    die = debug.dies.die(key)
    assert die is not None
    return read_struct(die)


@pytest.mark.parametrize("flags", ["-gdwarf-5", "-gdwarf-3"])
def test_bit_fields_and_holes_as_data(flags: str) -> None:
    _, debug = opened(OWN, flags)
    bits = layout(debug, "bits")
    assert [(m.name, m.offset, m.bit_offset, m.bit_size, m.size) for m in bits.members] == [
        ("a", 0, 0, 3, 4),
        ("b", 0, 8, 10, 4),
        ("c", 4, None, None, 4),
        ("d", 8, 0, 33, 8),
        ("e", 12, 1, 2, 1),
    ]
    assert (bits.size, bits.members[0].bit_hole, bits.bit_padding) == (16, 5, 29)
    holes = layout(debug, "holes")
    assert [member.hole for member in holes.members] == [3, 0, 0]
    assert (holes.padding, holes.packed, layout(debug, "packed").packed) == (3, False, True)


def test_names_with_and_without_their_keyword() -> None:
    image, _ = opened(OWN, "-gdwarf-5")
    found = answer(
        "structs", image, {"names": ["holes", "struct holes", "union holes", "point", "enum small"]}
    )
    assert [entry["asked"] for entry in found["structs"]] == ["holes", "struct holes", "point", "enum small"]
    assert found["missing"] == ["union holes"]
    assert found["structs"][2]["declaration"].startswith("typedef struct {\n")
    assert [member["name"] for member in found["structs"][2]["members"]] == ["x", "y"]
    assert found["structs"][3]["declaration"] == "enum small {\n\tONE = 1,\n} __attribute__((__packed__));"
    assert found["structs"][0]["file"].endswith("types.c")


def test_what_is_only_declared_says_so() -> None:
    image, _ = opened(OWN, "-gdwarf-5")
    (found,) = answer("structs", image, {"names": ["opaque"]})["structs"]
    assert found["declared_only"]
    assert found["declaration"] == "struct opaque; /* declared here, not defined */"


def test_different_definitions_of_a_name_are_each_shown(tmp_path: Path) -> None:
    for number, member in enumerate(("int a;", "long b;", "int a;")):
        (tmp_path / f"{number}.c").write_text(f"struct same {{ {member} }} v{number};")
    out = tmp_path / "same"
    subprocess.run(
        ["gcc", "-g", "-shared", "-o", str(out), *map(str, sorted(tmp_path.glob("*.c")))], check=True
    )
    found = answer("structs", open_image(out.read_bytes()), {"names": ["struct same"]})
    assert sorted(entry["members"][0]["name"] for entry in found["structs"]) == ["a", "b"]


CPP = """
namespace n {
struct Base { int b; virtual ~Base() {} };
class Other { protected: long o; };
class Child : public Base, private Other {
public:
    static int count;
    int shared;
    void method();
    struct Nested { int x; };
private:
    char secret;
    Nested nested;
    int &reference;
    int Child::*member;
    void (Child::*pointer)(int);
public:
    Child(int &r) : reference(r) {}
};
int Child::count;
}
int number;
n::Child child(number);
"""


def test_classes_have_bases_and_members_without_methods(tmp_path: Path) -> None:
    source, out = tmp_path / "child.cpp", tmp_path / "child"
    source.write_text(CPP)
    subprocess.run(["g++", "-g", "-shared", "-fPIC", "-o", str(out), str(source)], check=True)
    debug = open_debug(open_image(out.read_bytes()))
    child = layout(debug, "Child")
    assert [(member.role, member.name or member.type) for member in child.members] == [
        ("base", "Base"),
        ("base", "Other"),
        ("static", "count"),
        ("member", "shared"),
        ("member", "secret"),
        ("member", "nested"),
        ("member", "reference"),
        ("member", "member"),
        ("member", "pointer"),
    ]
    text = declaration(child)
    assert text.startswith("class Child : public Base, Other {\n")
    assert "method" not in text
    assert "static int" in text
    assert re.search(r"int & +reference;", text)
    base = layout(debug, "Base")
    assert [member.role for member in base.members] == ["vptr", "member"]


def test_a_type_that_holds_itself_ends(tmp_path: Path) -> None:
    image, debug = opened(OWN, "-gdwarf-5")
    struct = layout(debug, "large")
    assert struct.members[0].type == "struct large *"
    assert answer("structs", image, {"names": ["nonesuch"]}) == {
        "structs": [],
        "missing": ["nonesuch"],
        "problems": [],
    }
