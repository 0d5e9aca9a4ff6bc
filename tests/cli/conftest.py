"""A command run as a person runs it, with a data directory of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.__main__ import main
from tests.support.programs import compile_c

SOURCE = """
#include <sys/sdt.h>
int counter_of_calls = 3;
__thread int per_thread;
__attribute__((noinline)) int work_on(int value) { DTRACE_PROBE2(shop, sold, value, 7L); return value + 1; }
int main(void) { return work_on(counter_of_calls + per_thread) == 0; }
"""


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def complaint(self) -> str:
        """What it says when it says one thing alone."""
        assert self.code == 1
        (line,) = self.err.splitlines()
        assert line.startswith("probescope: ")
        return line.removeprefix("probescope: ")


Run = Callable[..., Result]


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_c(tmp_path_factory.mktemp("programs"), SOURCE, "a program+")


ORDERS = """#include <stdlib.h>
struct order { int id; double price; };
static inline __attribute__((always_inline)) int twice(int value) {
  return value * 2 + rand(); }
__attribute__((noinline)) double checkout(struct order *order, const char *name) {
  return order->price * twice(order->id) + name[0]; }
int main(int argc, char **argv) {
  struct order one = {argc, 2.5};
  return (int)checkout(&one, argv[0]); }
"""


@pytest.fixture(scope="session")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program with debug information, an inlined call and a struct."""
    return compile_c(tmp_path_factory.mktemp("orders"), ORDERS, "orders", "-g", "-O2")


@pytest.fixture(scope="session")
def shared_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue that the tests of reading commands fill together."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def run(shared_data: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("PROBESCOPE_DATA", str(shared_data))

    def call(*argv: str | Path) -> Result:
        capfd.readouterr()
        code = main([str(argument) for argument in argv])
        streams = capfd.readouterr()
        return Result(code, streams.out, streams.err)

    return call


@pytest.fixture
def own_data(shared_data: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data directory for this test, in place of the shared one."""
    monkeypatch.setenv("PROBESCOPE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"
