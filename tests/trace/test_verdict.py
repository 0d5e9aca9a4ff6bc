"""Verdicts: what can be attached, what cannot, each with its reason and a way on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.elf.model import UsdtArgument, UsdtSite
from app.index.model import Binary, Function, Usdt
from app.trace.bpftrace import Capabilities
from app.trace.model import Reason
from app.trace.quoting import parse_probe
from app.trace.verdict import function_verdict, usdt_verdict
from tests.trace.catalogues import binary, function, usdt

ABLE = Capabilities(True, "/usr/bin/bpftrace", (0, 17, 0), "bpftrace v0.17.0", True, None, "", False, False)
FILE = binary("/opt/a b/prog")


def codes(reasons: tuple[Reason, ...]) -> list[str]:
    return [reason.code for reason in reasons]


def test_a_plain_function_can_be_traced_at_both_ends() -> None:
    found = function_verdict(function("work"), FILE, ABLE)
    assert found.attachable
    assert found.return_probe.attachable
    assert found.probe == 'uprobe:"/opt/a b/prog":work'
    assert found.reasons == ()
    assert found.as_dict()["return_probe"] == {"attachable": True, "reasons": []}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"path": None, "uploaded": True}, "not_on_host"),
        ({"path": "/opt/a:b"}, "bad_path"),
        ({"gone": True}, "gone"),
        ({"machine": "s390x"}, "foreign_machine"),
        ({"type": "REL"}, "not_loaded"),
    ],
)
def test_files_that_cannot_be_traced(changes: dict[str, object], code: str) -> None:
    file = replace(FILE, **changes)  # type: ignore[arg-type]
    for found in (function_verdict(function("work"), file, ABLE), usdt_verdict(usdt("p", "n"), file, ABLE)):
        assert not found.attachable
        assert found.probe is None
        assert code in codes(found.reasons)
        assert all(reason.text.endswith(".") and reason.hint for reason in found.reasons)


def test_without_bpftrace_nothing_is_attachable() -> None:
    able = replace(ABLE, available=False, problem="bpftrace was not found.", hint="Install it.")
    found = function_verdict(function("work"), FILE, able)
    assert (found.attachable, codes(found.reasons)) == (False, ["no_tracing"])
    assert not found.return_probe.attachable


def test_a_function_that_exists_only_where_it_was_inlined() -> None:
    only = function("f", address=None, inlined=True, inline_sites=3, sources=("dwarf",))
    found = function_verdict(only, FILE, ABLE)
    assert (found.attachable, found.probe, codes(found.reasons)) == (False, None, ["only_inlined"])
    assert "in 3 places" in found.reasons[0].text
    one = function_verdict(function("f", address=None, inlined=True, inline_sites=1), FILE, ABLE)
    assert "in 1 place," in one.reasons[0].text
    none = function_verdict(function("f", address=None), FILE, ABLE)
    assert codes(none.reasons) == ["no_address"]


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (function("memcpy", type="IFUNC"), "ifunc"),
        (function("f.constprop.0"), "clone"),
        (function("f.isra.0"), "clone"),
        (function("f.part.0"), "clone"),
        (function("f.cold"), "clone"),
        (function("f", inlined=True, inline_sites=3), "inlined"),
        (function("f", aliases=("g", "h")), "alias"),
    ],
)
def test_cautions(item: Function, code: str) -> None:
    found = function_verdict(item, FILE, ABLE)
    assert found.attachable
    assert code in codes(found.reasons)


@pytest.mark.parametrize(
    ("item", "file", "code"),
    [
        (function("main.work", language="go"), replace(FILE, language="go"), "go_return"),
        (function("_setjmp"), FILE, "saves_return"),
        (function("_start"), FILE, "no_return"),
        (function("f.cold"), FILE, "cold_part"),
        (function("memcpy", type="IFUNC"), FILE, "ifunc"),
    ],
)
def test_returns_that_cannot_be_traced(item: Function, file: Binary, code: str) -> None:
    found = function_verdict(item, file, ABLE)
    assert found.attachable
    assert not found.return_probe.attachable
    assert codes(found.return_probe.reasons) == [code]


def test_returns_that_exceptions_may_pass_carry_a_caution() -> None:
    for item, file in ((function("_ZN1a1bEv"), FILE), (function("f"), replace(FILE, language="rust"))):
        back = function_verdict(item, file, ABLE).return_probe
        assert (back.attachable, codes(back.reasons)) == (True, ["exceptions"])
    assert function_verdict(function("vfork"), FILE, ABLE).return_probe.attachable


def test_names_that_cannot_be_said_are_traced_by_address() -> None:
    for name in ("main.(*T).M", "operator+", '"quoted"'):
        found = function_verdict(function(name), FILE, ABLE)
        assert found.probe == 'uprobe:"/opt/a b/prog":0x1000'
        stripped = function_verdict(function(name), replace(FILE, stripped=True), ABLE)
        if "(*" in name:
            assert (stripped.attachable, stripped.probe) == (True, 'uprobe:"/opt/a b/prog":"main.(_T).M"')
        else:
            assert codes(stripped.reasons) == ["bad_name"]


def test_symbols_that_the_file_has_lost_are_not_found_by_name() -> None:
    lost = function("f", sources=("gopclntab",))
    for file in (replace(FILE, stripped=True), replace(FILE, stripped=True, build_id=None)):
        given = function_verdict(lost, file, ABLE)
        assert (given.attachable, codes(given.reasons)) == (True, ["debug_file"])
        assert given.probe == 'uprobe:"/opt/a b/prog":f'
    exported = function("f", sources=("dynsym",))
    assert function_verdict(exported, replace(FILE, stripped=True), ABLE).attachable
    assert codes(function_verdict(function("f", address=0), FILE, ABLE).reasons) == ["no_address"]
    assert codes(function_verdict(function("f", size=0), FILE, ABLE).reasons) == ["no_size"]


def test_copies_are_told() -> None:
    found = function_verdict(function("f", clones=("f.constprop.0", "f.isra.0")), FILE, ABLE)
    assert (found.attachable, codes(found.reasons)) == (True, ["clone_takes_calls"])
    assert "f.constprop.0, f.isra.0" in found.reasons[0].text
    assert "f*" in found.reasons[0].hint


def test_usdt_probes() -> None:
    found = usdt_verdict(usdt("demo", "hit", (4, True), semaphore=0x4000), FILE, ABLE)
    assert found.attachable
    assert found.probe == 'usdt:"/opt/a b/prog":demo:hit'
    assert codes(found.reasons) == ["semaphore"]
    assert not found.return_probe.attachable
    assert parse_probe(found.probe).label == "demo:hit"
    assert codes(usdt_verdict(usdt("python", "line"), FILE, ABLE).reasons) == ["may_crash"]
    assert codes(usdt_verdict(usdt("p", "n", sites=0), FILE, ABLE).reasons) == ["no_site"]
    float_argument = UsdtArgument(0, 8, True, True, "%xmm0", "double")
    floating = Usdt("p", "n", (UsdtSite(1, 1, 0, (float_argument,), "", None),))
    assert usdt_verdict(floating, FILE, ABLE).attachable
    assert not usdt_verdict(floating, FILE, replace(ABLE, version=(0, 27, 1))).attachable
