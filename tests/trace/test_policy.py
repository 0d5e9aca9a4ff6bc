"""What a script may not do, however it is spelled; and that what people do write passes."""

from __future__ import annotations

import itertools

import pytest

from app.trace.policy import attach_points, check, own_probes

DENIED = (
    ("system", '("id")'),
    ("cat", '("/etc/shadow")'),
    ("signal", "(9)"),
    ("signal", '("KILL")'),
    ("override", "(1)"),
    ("write_user", "(1, 2)"),
    ("probe_write_user", "(1, 2)"),
    ("skboutput", '("f", 1, 2, 3)'),
)
GAPS = ("", " ", "\t", "\n", " \n\t ", "/**/", " /* x */ ", " // x\n", '/* " */', "\r\n")
PLACES = (
    "BEGIN {{ {0}; }}",
    'uprobe:"/bin/bash":readline /1/ {{ printf("x"); {0} }}',
    "BEGIN {{ if (1) {{ {0}; }} }}",
    "BEGIN {{ @x = 1; unroll (3) {{ {0}; }} }}",
)
BYPASSES = [
    place.format(name + gap + call) for (name, call), gap, place in itertools.product(DENIED, GAPS, PLACES)
]


def test_there_are_many_bypasses() -> None:
    assert len(BYPASSES) >= 200


def test_denied_calls_are_found_in_every_spelling() -> None:
    missed = [text for text in BYPASSES if not check(text, free=True)]
    assert missed == []


@pytest.mark.parametrize(
    "text",
    [
        '#include "/etc/passwd"\nBEGIN { exit(); }',
        "#include </etc/passwd>\nBEGIN {}",
        "  # include <x>\nBEGIN {}",
        "BEGIN {}\n#define A 1",
        'import "stdlib";\nBEGIN {}',
        'struct a {\n%:include "/etc/passwd"\n int x; };\nBEGIN { exit(); }',
        'struct a {\n??=include "/etc/passwd"\n int x; };\nBEGIN { exit(); }',
        'struct a {\n%\\\n:include "/etc/passwd"\n int x; };\nBEGIN { exit(); }',
        "struct a { char x['/*']; int y; };\nBEGIN { exit(); } /*'*/",
        'struct a { int x; _Pragma("GCC dependency \\"/etc/passwd\\"") int y; };\nBEGIN {}',
        "BEGIN { /* open",
        'BEGIN { printf("open); }',
        'BEGIN { printf("a\nb"); }',
        "BEGIN { ѕystem(1); }",
        "BEGIN { ｓystem(1); }",
        "BEGIN { exit()\u200b; }",
        "uprobe:/bin/bash//*x*/:f { }",
        "uprobe:/bin//x\n:f {}",
        "",
        "   \n",
        "x" * 70000,
    ],
)
def test_what_reads_files_or_hides_is_refused(text: str) -> None:
    found = check(text, free=True)
    assert found
    assert all(entry.severity == "error" and entry.line >= 1 and entry.column >= 1 for entry in found)


@pytest.mark.parametrize(
    "text",
    [
        'uprobe:"/usr/bin/bash":readline { printf("cat() system(\\"x\\") # no\\n"); }',
        "uprobe:/usr/bin/bash:cat { @cat = count(); $system = 1; }",
        "uprobe:/usr/bin/bash:system\n{ @[comm] = count(); }",
        "BEGIN { // cat() in a comment\n /* system() */ exit(); }",
        "struct s { int signal; }\nuprobe:/a:f { $s = (struct s *)arg0; @ = $s->signal; @b = (*$s).signal; }",
        "#!/usr/bin/env bpftrace\nBEGIN { exit(); }",
        "interval:s:1 { print(@); clear(@); } END { clear(@); }",
        "uprobe:/a:f /pid == 1 && arg0 > 2/ { @a[ustack] = count(); @d = (nsecs - @s[tid]) / 1000; }",
        'BEGIN { printf("größe\\n"); }',
    ],
)
def test_what_people_write_passes(text: str) -> None:
    assert check(text, free=True) == ()


def test_generated_scripts_may_do_less() -> None:
    text = "uprobe:/bin/bash:f { join(arg0); }"
    assert check(text, free=True) == ()
    assert [entry.message.partition(" ")[0] for entry in check(text, free=False)] == ["join"]


def test_a_place_is_exact() -> None:
    (found,) = check('BEGIN {\n  cat("/etc/passwd");\n}', free=True)
    assert (found.line, found.column, found.end_column) == (2, 3, 6)
    assert "/etc/passwd" not in found.message


def test_own_probes_are_told_from_places_in_targets() -> None:
    text = (
        "BEGIN { exit(); }\nuprobe:/a:BEGIN, uprobe:/a:interval { @ = count(); }\n"
        "interval:s:1, profile:hz:99 { print(@); } END {}"
    )
    assert own_probes(text) == 4


@pytest.mark.parametrize(
    ("text", "points"),
    [
        (
            'uprobe:"/usr/bin/a b":main,\nuprobe:/x:y /pid == 1, 2/ { }',
            ['uprobe:"/usr/bin/a b":main', "uprobe:/x:y"],
        ),
        ("BEGIN{}END{}interval:s:1{}", []),
        ("struct a { int x; };\nuretprobe:/a:f+0x4{ if (1) { exit(); } }", ["uretprobe:/a:f+0x4"]),
        ("// uprobe:/no:no\nusdt:/p:a:b /arg0/ { @ = { 1 } } kprobe:x { }", ["usdt:/p:a:b", "kprobe:x"]),
        ("uprobe:/a:lib-*.c++ {", ["uprobe:/a:lib-*.c++"]),
        ("", []),
    ],
)
def test_attach_points_are_read_without_their_predicates(text: str, points: list[str]) -> None:
    assert attach_points(text) == points
