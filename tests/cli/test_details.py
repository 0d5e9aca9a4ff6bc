"""What commands say of addresses, lines, types and parameters, against addr2line and the source."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.cli.conftest import Run


def address_of(program: Path, name: str) -> int:
    listed = subprocess.run(["nm", program], capture_output=True, text=True, check=True).stdout
    (line,) = [line for line in listed.splitlines() if line.endswith(f" {name}")]
    return int(line.split()[0], 16)


def test_locate_says_what_addr2line_says(run: Run, orders: Path) -> None:
    start = address_of(orders, "checkout")
    addresses = [hex(start + step) for step in range(0, 48, 3)]
    found = run("locate", "--json", orders, *addresses).objects
    inlined = 0
    for text, each in zip(addresses, found, strict=True):
        command = ["addr2line", "-i", "-f", "-e", str(orders), text]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")
        frames = list(zip(told[0::2], told[1::2], strict=False))
        chain = [call["function"] for call in each["inlined"]] + [each["function"]]
        assert chain == [name for name, _ in frames]
        assert f"{each['file']}:{each['line']}" == frames[0][1].split(" (")[0]
        assert each["offset_in_function"] == int(text, 16) - start
        inlined += bool(each["inlined"])
    assert inlined


def test_locate_takes_more_addresses_than_a_message_holds(run: Run, orders: Path) -> None:
    start = address_of(orders, "checkout")
    found = run("locate", "--json", orders, *[hex(start)] * 20_000).objects
    assert len(found) == 20_000
    assert {each["function"] for each in found} == {"checkout"}


def test_locate_prints_lines_and_says_what_is_wrong(run: Run, orders: Path) -> None:
    start = address_of(orders, "checkout")
    result = run("locate", orders, hex(start))
    assert result.code == 0
    assert result.out.startswith(f"{start:#x} checkout ")
    nowhere = run("locate", orders, "0x10")
    assert nowhere.code == 1
    assert "no function at that address" in nowhere.err
    assert run("locate", orders, "twelve").complaint.startswith("twelve is no address.")


def test_lines(run: Run, orders: Path) -> None:
    found = run("lines", "--json", orders, "orders.c:4").objects
    assert {each["function"] for each in found} == {"checkout"}
    assert all(each["file"].endswith("orders.c") and each["line"] == 4 for each in found)
    assert run("lines", orders, "orders.c:4000").complaint.startswith("orders has no code of orders.c:4000.")
    assert run("lines", orders, "orders.c").complaint.startswith("orders.c is no place.")


def test_structs(run: Run, orders: Path) -> None:
    plain, keyword = run("structs", orders, "order"), run("structs", orders, "struct order")
    assert plain.out == keyword.out
    assert "double                     price;                /*     8     8 */" in plain.out
    assert "/* size: 16, cachelines: 1, members: 2 */" in plain.out
    assert run("structs", orders, "nosuch").complaint.startswith("orders defines no type nosuch.")


def test_functions_with_their_debug_information(run: Run, orders: Path) -> None:
    found = {each["name"]: each for each in run("functions", "--json", orders).objects}
    checkout, twice = found["checkout"], found["twice"]
    assert checkout["parameters"] == [
        {"name": "order", "type": "struct order *"},
        {"name": "name", "type": "const char *"},
    ]
    assert (checkout["returns"], checkout["line"], checkout["sources"]) == ("double", 5, ["dwarf", "symtab"])
    assert checkout["verdict"]["attachable"]
    assert (twice["address"], twice["address_hex"], twice["inline_sites"]) == (None, None, 1)
    assert [reason["code"] for reason in twice["verdict"]["reasons"]] == ["only_inlined"]
    text = run("functions", "-q", "checkout", orders).out
    assert "checkout(struct order *order, const char *name) → double  orders.c:5" in text
    assert "inlined" in run("functions", "-q", "twice", orders).out
