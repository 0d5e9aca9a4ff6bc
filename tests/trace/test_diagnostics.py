"""Stderr of bpftrace to places in the script; no word of other files goes through."""

from __future__ import annotations

from pathlib import Path

from app.trace.diagnostics import parse, sentence
from app.trace.model import Diagnostic

RECORDINGS = Path(__file__).resolve().parents[1] / "recordings"
MEMLOCK = "ERROR: Unknown error -1: couldn't set RLIMIT_MEMLOCK for bpftrace. If your program is not loading"


def test_places_are_read_in_each_form() -> None:
    stderr = (
        f"{MEMLOCK}\n"
        "stdin:1:51-54: ERROR: Unknown function: foo\n"
        "uprobe:/a:f { @x = foo(1); }\n"
        "                   ~~~\n"
        "stdin:2-3: ERROR: uprobe target file '/x' does not exist or is not executable\n"
        "stdin:3:7: WARNING: signed operands\n"
        "ERROR: Could not resolve symbol: /a:f\n"
    )
    found = parse(stderr, "a\nb\nc")
    assert found == (
        Diagnostic(1, 51, 54, "error", "Unknown function: foo"),
        Diagnostic(2, 1, 2, "error", "uprobe target file '/x' does not exist or is not executable"),
        Diagnostic(3, 7, 8, "warning", "signed operands"),
        Diagnostic(1, 1, 1, "error", "Could not resolve symbol: /a:f"),
    )
    assert sentence(found) == "Unknown function: foo."


def test_what_other_files_say_is_dropped() -> None:
    stderr = (
        "/etc/passwd:1:1: error: type name requires a specifier or qualifier\n"
        "/etc/passwd:1:6: error: use of undeclared identifier 'x'\n"
        "root:x:0:0:root:/root:/bin/bash\n"
        "ERROR: Input (83): #include <__btf_generated_header.h>\n"
    )
    assert parse(stderr, "struct a {") == ()


def test_clang_counts_from_the_first_definition() -> None:
    stderr = "definitions.h:3:2: error: unknown type name 'foo'\n"
    assert parse(stderr, "// a\n\nstruct a {\n foo x; };\n") == (
        Diagnostic(4, 2, 3, "error", "unknown type name 'foo'"),
    )


def test_messages_are_one_short_printable_line() -> None:
    (found,) = parse("stdin:1:1-2: ERROR: a\u202eb\x1b[31m" + "x" * 900, "a")
    assert found.message.startswith("a b [31mx")
    assert len(found.message) <= 300


def test_recordings_went_well() -> None:
    for path in RECORDINGS.glob("*.err"):
        found = parse(path.read_text(), (RECORDINGS / "all.bt").read_text())
        assert [entry for entry in found if entry.severity == "error"] == []
