"""How functions are written in lists, and objects with the hex of their addresses."""

from __future__ import annotations

import pytest

from app.index.model import Parameter, declared, plain, signature, source, with_hex
from tests.trace.catalogues import function


@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        ("int", "count", "int count"),
        ("char **", "argv", "char **argv"),
        ("const Order &", "order", "const Order &order"),
        ("int (*)(int, void *)", "call", "int (*call)(int, void *)"),
        ("int (*)(int)", "", "int (*)(int)"),
        ("int", "", "int"),
    ],
)
def test_parameters_as_c_declares_them(kind: str, name: str, text: str) -> None:
    assert declared(Parameter(name, kind)) == text


def test_signatures() -> None:
    assert signature(function("work")) == ""
    two = function("work", (("a", "int"), ("b", "char *")), returns="long")
    assert signature(two) == "(int a, char *b) → long"
    assert signature(function("work", (), returns=None)) == "()"
    # A demangled name has its parameters already.
    assert signature(function("f", (("a", "int"),), demangled="ns::f(int)")) == ""


def test_sources() -> None:
    assert source(function("work")) == ""
    assert source(function("work", file="/src/./a/main.c", line=7)) == "main.c:7"
    assert source(function("work", file="main.c")) == "main.c"


def test_addresses_have_their_hex_at_any_depth() -> None:
    found = with_hex({"address": 1 << 63, "sites": [{"offset": None, "address": 16}], "size": 3})
    assert found["address_hex"] == "0x8000000000000000"
    assert found["sites"][0] == {"offset": None, "offset_hex": None, "address": 16, "address_hex": "0x10"}
    assert "size_hex" not in found


def test_a_function_writes_itself_as_every_item_would() -> None:
    for item in (
        function("work"),
        function("work", (("a", "int"), ("b", "char *")), returns="long", aliases=("g",), line=7),
        function("work", (), address=None, offset=None),
    ):
        assert list(item.as_dict().items()) == list(plain(item).items())
