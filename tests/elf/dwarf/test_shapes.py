"""The shapes of types, out of what gcc, g++ and rustc write of them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from app.elf.details import Details
from app.elf.image import open_image
from tests.support.programs import compile_c

C = """
#include <stdint.h>
typedef unsigned short port;
typedef enum { LOW = -1, HIGH = 7 } level;
struct inner { short a; union { int b; char c; }; unsigned bits : 3; };
struct outer { const char *name; char code[6]; struct inner in; struct outer *next; level how; double d; };
__attribute__((noinline)) level take(port p, const struct outer *o, const uint8_t *raw, unsigned char *text,
    level l, void *any, float f, _Bool yes, struct inner by_value, __int128 wide) { return l; }
int main(void) { struct inner i = {0}; return take(1, 0, 0, 0, LOW, 0, 1, 1, i, 0); }
"""
CPP = """
#include <string>
struct Base { long serial; static int shared; };
struct Item : Base { virtual ~Item() {} int price; std::string label; };
enum class State : unsigned char { open, closed };
__attribute__((noinline)) int take(const std::string &s, std::string v, const Item &item, State state) {
    return s.size() + v.size() + item.price + (int)state; }
int main() { Item item; return take("a", "b", item, State::open); }
"""
RUST = """
#[inline(never)]
pub fn take(text: &str, _bytes: &[u8], letter: char, n: i64) -> usize {
    text.len() + letter as usize + n as usize
}
fn main() {
    let name = std::env::args().next().unwrap();
    std::process::exit(std::hint::black_box(take)(name.as_str(), b"x", 'c', 3) as i32)
}
"""


def reading(path: Path, name: str) -> dict[str, Any]:
    listed = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout
    (address,) = [int(line.split()[0], 16) for line in listed.splitlines() if name in line.split()[-1]][:1]
    asked = [{"address": address}, {"address": 1}]
    found, nothing = Details(open_image(path.read_bytes())).answer("readings", {"asked": asked})["readings"]
    assert nothing is None
    return dict(found)


def test_the_types_of_c(tmp_path: Path) -> None:
    found = reading(compile_c(tmp_path, C), "take")
    port, outer, raw, text, level, any_, real, yes, inner, wide = found["parameter_shapes"]
    assert port == {"kind": "integer", "size": 2, "signed": False}
    assert raw == {"kind": "pointer", "size": 8}
    assert text == {"kind": "text", "size": 8}
    assert level == found["returns_shape"]
    assert level == {
        "kind": "enum",
        "size": 4,
        "name": "",
        "signed": True,
        "values": [["LOW", -1], ["HIGH", 7]],
    }
    assert any_ == {"kind": "pointer", "size": 8}
    assert (real["kind"], yes["kind"], wide["kind"]) == ("float", "bool", "other")
    members = {each["name"]: (each["offset"], each["shape"]["kind"]) for each in outer["to"]["members"]}
    assert members == {
        "name": (0, "text"), "code": (8, "chars"), "in": (16, "struct"), "next": (32, "pointer"),
        "how": (40, "enum"), "d": (48, "float"),
    }  # fmt: skip
    # Members of an unnamed union count as its holder's; a bit-field is none.
    kinds = [(each["name"], each["offset"], each["shape"]["kind"]) for each in inner["members"]]
    assert kinds == [("a", 0, "integer"), ("b", 4, "integer"), ("c", 4, "integer")]
    assert found["frame"] == {"register": "rsp", "offset": 8}
    assert len(found["variable_shapes"]) == len(found["variables"])


def test_the_types_of_cpp(tmp_path: Path) -> None:
    source, out = tmp_path / "one.cpp", tmp_path / "one"
    source.write_text(CPP)
    subprocess.run(["g++", "-g", "-O0", "-o", out, source], check=True)
    reference, value, item, state = reading(out, "_Z4take")["parameter_shapes"]
    assert reference == {"kind": "string", "size": 32, "pointer": True}
    assert value == {"kind": "string", "size": 32, "pointer": False}
    assert (state["kind"], state["size"], state["values"][1]) == ("enum", 1, ["closed", 1])
    named = {each["name"]: each["shape"]["kind"] for each in item["to"]["members"]}
    assert named["serial"] == "integer"
    assert named["label"] == "string"
    assert "shared" not in named


def test_the_types_of_rust(tmp_path: Path) -> None:
    if shutil.which("rustc") is None:
        pytest.skip("rustc is not installed")
    (tmp_path / "one.rs").write_text(RUST)
    done = subprocess.run(
        ["rustc", "-g", "-o", "one", "one.rs"], cwd=tmp_path, capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"rustc does not compile: {done.stderr.strip().splitlines()[-1][:100]}")
    text, slice_, letter, number = reading(tmp_path / "one", "4take17h")["parameter_shapes"]
    assert text["kind"] == "slice"
    assert slice_["kind"] == "struct"
    assert (letter["kind"], letter["signed"]) == ("integer", False)
    assert number == {"kind": "integer", "size": 8, "signed": True}


def test_a_type_that_holds_many_is_cut(tmp_path: Path) -> None:
    members = "".join(f"int m{at};" for at in range(500))
    take = "int take(struct wide *w) { return w->m3; } int main(void) { return 0; }"
    path = compile_c(tmp_path, f"struct wide {{ {members} }}; {take}")
    (shape,) = reading(path, "take")["parameter_shapes"]
    assert len(shape["to"]["members"]) == 200
