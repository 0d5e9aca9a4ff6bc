"""Names and types of USDT arguments, asked for and kept."""

from __future__ import annotations

from pathlib import Path

from app.index.answers import Answer
from app.index.model import Ask
from app.index.service import Index
from tests.support.programs import compile_c

SOURCE = """
#include <sys/sdt.h>
struct request { int id; const char *path; };
__attribute__((noinline)) long serve(struct request *request, unsigned int flags) {
    DTRACE_PROBE2(demo, serve, request, flags);
    DTRACE_PROBE(demo, plain);
    return request->id + flags;
}
int main(int argc, char **argv) {
    struct request one = {argc, argv[0]};
    return serve(&one, 7) == 3;
}
"""
KNOWN = [("request", "struct request *"), ("flags", "unsigned int")]


def test_a_probe_and_a_list_have_them_from_dwarf(index: Index, tmp_path: Path) -> None:
    program = compile_c(tmp_path, SOURCE, "prog", "-O2")
    binary = index.binary_at(str(program))
    alone = index.usdt_probe(binary.id, "demo", "serve")
    assert [(each.name, each.type) for each in alone.sites[0].arguments] == KNOWN
    assert all(each.reading and each.parsed.kind != "unknown" for each in alone.sites[0].arguments)
    assert alone.sites[0].function == "serve"
    listed = {probe.name: probe for probe in index.usdt(binary.id, Ask(), types=True).items}
    assert listed["serve"] == alone
    assert listed["plain"].sites[0].arguments == ()
    quick = {probe.name: probe for probe in index.usdt(binary.id, Ask()).items}
    assert [each.name for each in quick["serve"].sites[0].arguments] == [None, None]


def test_they_are_asked_for_once(index: Index, tmp_path: Path) -> None:
    binary = index.binary_at(str(compile_c(tmp_path, SOURCE, "prog", "-O2")))
    asked: list[object] = []
    before = index.answers.usdt

    def counted(binary_id: str, names: list[tuple[str, str]] | None) -> list[Answer]:
        asked.append(names)
        return before(binary_id, names)

    index._usdt_types._ask = counted
    for _ in range(3):
        index.usdt(binary.id, Ask(), types=True)
    assert asked == [[("demo", "serve")]]


def test_without_the_bytes_the_operands_stay(index: Index, tmp_path: Path) -> None:
    program = compile_c(tmp_path, SOURCE, "prog", "-O2")
    binary = index.binary_at(str(program))
    program.unlink()
    (argument, _) = index.usdt_probe(binary.id, "demo", "serve").sites[0].arguments
    assert (argument.name, argument.size) == (None, 8)
