"""Programs whose functions take parameters of many kinds, made from a seed, and a debugger's view of them.

Function ``f7`` is called with the global variables ``v7_0``, ``v7_1`` and so on, from another unit, so that
what lies at its entry where the reader says can be compared with the bytes of the variable.
"""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import Any

TYPES = r"""
#include <string.h>
typedef enum { RED = 3, BLUE = 70000 } Color;
typedef struct { int a, b; } Two;
typedef struct { long a, b; } Pair;
typedef struct { double x; long n; } Mixed;
typedef struct { long n; double x; } Mixed2;
typedef struct { float x, y, z, w; } Quad;
typedef struct { double x, y; } Point;
typedef struct { double x, y, z; } Space;
typedef struct { long a, b, c; } Three;
typedef struct { char c[16]; } Text;
typedef struct { short s[3]; short t; } Shorts;
typedef struct { Two t; float f, g; } Nested;
typedef struct { unsigned a : 4, b : 28; int c; } Bits;
typedef struct { long double l; } Wide;
typedef union { long l; double d; } Either;
typedef union { double d; float f[2]; } Floats;
typedef float V4 __attribute__((vector_size(16)));
typedef __int128 Huge;
typedef _Complex double Cd;
typedef _Complex float Cf;
typedef struct { int *p; char *q; } Pointers;
typedef struct { char a; } One;
typedef int (*Function)(int);
typedef long double LongDouble;
typedef unsigned int Unsigned;
typedef void *Void;
typedef Two *TwoPointer;
typedef struct __attribute__((packed)) { int i; long l; } Packed;
"""
CPP_TYPES = r"""
struct Copied { long v; Copied() : v(7) {} Copied(const Copied &o) : v(o.v) {} };
struct Destroyed { long v; long w; ~Destroyed() {} };
struct Trivial { long v; long w; long sum() const { return v + w; } };
struct Base { int b; int c; };
struct Derived : Base { long d; };
struct Virtual { long v; virtual ~Virtual() {} };
typedef long Trivial::*Member;
typedef long (Trivial::*Method)() const;
"""
C_KINDS = [
    *("char", "short", "int", "long", "Unsigned", "float", "double", "LongDouble", "Color", "Two", "Pair"),
    *("Mixed", "Mixed2", "Quad", "Point", "Space", "Three", "Text", "Shorts", "Nested", "Bits", "Wide"),
    *("Either", "Floats", "V4", "Huge", "Cd", "Cf", "Pointers", "One", "Function", "Packed", "TwoPointer"),
    "Void",
]
CPP_KINDS = [
    *C_KINDS[:20],
    *("Trivial", "Derived", "Copied&", "Three&", "Copied", "Destroyed", "Member", "Method"),
]
# Types whose objects may not be filled with any bytes.
UNFILLED = {"Copied", "Destroyed", "Virtual"}


def sources(cpp: bool, seed: int, count: int) -> tuple[str, str]:
    """The unit of the functions, and the unit that calls each of them once."""
    choose = random.Random(seed)
    kinds = CPP_KINDS if cpp else C_KINDS
    types = TYPES + (CPP_TYPES if cpp else "")
    functions = [types, "void use(const void *p, unsigned long n);\n"]
    main = [
        types,
        'extern "C" ' if cpp else "",
        "void use(const void *p, unsigned long n);\n",
        'void use(const void *p, unsigned long n) { __asm__ volatile("" :: "r"(p), "r"(n) : "memory"); }\n',
        "static void fill(void *p, unsigned long n, int seed) { unsigned char *c = (unsigned char *)p;"
        " for (unsigned long i = 0; i < n; i++) c[i] = (seed * 7 + i * 5 + 1) & 63; }\n",
    ]
    if cpp:
        functions[1] = 'extern "C" ' + functions[1]
    calls: list[str] = []
    for number in range(count):
        chosen = [choose.choice(kinds) for _ in range(choose.randint(1, 9))]
        result = choose.choice(["void", "void", "int", "Three", "Pair", "Wide"])
        takes = ", ".join(f"{kind} p{index}" for index, kind in enumerate(chosen))
        used = "".join(
            f" use(&p{index}, sizeof p{index});" for index in range(len(chosen)) if choose.random() < 0.7
        )
        answer = "" if result == "void" else f" {result} r; memset(&r, 0, sizeof r); return r;"
        functions.append(f"{result} f{number}({takes})\n{{{used} use(0, 0);{answer} }}\n")
        main.append(f"{result} f{number}({takes});\n")
        names = []
        for index, kind in enumerate(chosen):
            name, held = f"v{number}_{index}", kind.rstrip("&")
            if kind.endswith("&"):
                main.append(f"{held} {name}_; {held} *{name} = &{name}_;\n")
                names.append("*" + name)
                continue
            main.append(f"{held} {name};\n")
            names.append(name)
            if held not in UNFILLED:
                calls.insert(0, f"  fill(&{name}, sizeof {name}, {number * 16 + index});\n")
        calls.append(f"  f{number}({', '.join(names)});\n")
    main.append("int main(void)\n{\n" + "".join(calls) + "  return 0;\n}\n")
    return "".join(functions), "".join(main)


_SCRIPT = """
import gdb, json
plan = json.load(open({plan!r}))
out = {{}}
def raw(address, size):
    return bytes(gdb.selected_inferior().read_memory(address, size))
def register(name):
    return gdb.selected_frame().read_register(name)
def bytes_of(name):
    value = register(name)
    if name.startswith("xmm"):
        halves = [int(value["v2_int64"][i]) & (1 << 64) - 1 for i in (0, 1)]
        return b"".join(half.to_bytes(8, "little") for half in halves)
    return (int(value) & (1 << 64) - 1).to_bytes(8, "little")
for address in plan:
    gdb.execute("break *" + address)
gdb.execute("run > /dev/null 2>&1")
while True:
    try:
        pc = hex(int(gdb.selected_frame().pc()))
    except gdb.error:
        break
    found = []
    for where in plan.get(pc, []):
        wanted = raw(int(gdb.parse_and_eval("(long)&" + where["variable"])), where["size"])
        if where["kind"] == "register":
            parts = [bytes_of(name) for name in where["registers"]]
            got = b"".join(part[:8] for part in parts) if len(parts) > 1 else parts[0]
        elif where["kind"] == "stack":
            at = int(register("rsp")) + where["offset"]
            at = int.from_bytes(raw(at, 8), "little") if where["pointer"] else at
            got = raw(at, where["size"])
        else:
            got = raw(int(register(where["registers"][0])) + where["offset"], where["size"])
        found.append([where["variable"], wanted.hex(), got[: where["size"]].hex()])
    out[pc] = found
    try:
        gdb.execute("continue")
    except gdb.error:
        break
json.dump(out, open({out!r}, "w"))
"""


def values_at(program: Path, plan: dict[str, list[dict[str, Any]]]) -> dict[str, list[list[str]]]:
    """For each entry address: variable, its bytes, and the bytes that lie where ``plan`` says."""
    plan_file, out = program.with_suffix(".plan"), program.with_suffix(".out")
    script = program.with_suffix(".gdb.py")
    plan_file.write_text(json.dumps(plan))
    script.write_text(_SCRIPT.format(plan=str(plan_file), out=str(out)))
    command = ["gdb", "-q", "-nx", "-batch", "-ex", "set debuginfod enabled off"]
    subprocess.run(
        [*command, "-ex", f"source {script}", str(program)], check=True, capture_output=True, timeout=120
    )
    found: dict[str, list[list[str]]] = json.loads(out.read_text())
    return found
