"""Two compiled builds: what was added, removed and changed, also of what is there twice."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from app.errors import BadInput, NotFound
from app.index.difference import Change
from app.index.model import Ask
from app.index.service import Index
from tests.support.programs import compile_c

OLD = """
#include <sys/sdt.h>
int kept = 1, gone_count = 2;
char grows[8];
int steady(int n) { return n + kept; }
int gone(int n) { return n * gone_count; }
int longer(int n) { return n + 1; }
int signature(int n) { return n; }
int main(void) { DTRACE_PROBE1(shop, sold, kept); DTRACE_PROBE(shop, closed);
  return steady(gone(longer(signature(1)))); }
"""
NEW = """
#include <sys/sdt.h>
int kept = 1, new_count = 2;
char grows[64];
int steady(int n) { return n + kept; }
int fresh(int n) { return n * new_count; }
int longer(int n) { for (int i = 0; i < n; i++) n += i * kept; return n + 1; }
int signature(long n, char *more) { return n + !more; }
int main(void) { DTRACE_PROBE2(shop, sold, kept, 7L); DTRACE_PROBE(shop, opened);
  return steady(fresh(longer(signature(1, 0)))); }
"""


@pytest.fixture
def builds(index: Index, tmp_path: Path) -> tuple[str, str]:
    old, new = tmp_path / "old", tmp_path / "new"
    for directory, source in ((old, OLD), (new, NEW)):
        directory.mkdir()
        compile_c(directory, source, "shop")
    return index.binary_at(str(old / "shop")).id, index.binary_at(str(new / "shop")).id


def changes(index: Index, builds: tuple[str, str], **filters: str) -> dict[str, Change]:
    page, _ = index.difference(*builds, Ask(limit=1000, filters=filters))
    return {change.name: change for change in page.items}


def test_each_change_has_its_word(index: Index, builds: tuple[str, str]) -> None:
    found = changes(index, builds)
    assert found["gone"].changes == ("removed",)
    assert found["gone"].after is None
    assert found["fresh"].changes == ("added",)
    assert found["gone_count"].changes == ("removed",)
    assert found["new_count"].changes == ("added",)
    assert "steady" not in found
    assert "kept" not in found
    assert "resized" in found["longer"].changes
    assert "resized" in found["grows"].changes
    assert (found["grows"].what, found["grows"].growth) == ("variable", 56)
    longer = found["longer"]
    assert longer.before and longer.after
    assert longer.growth == (longer.after.size or 0) - (longer.before.size or 0) > 0
    assert index.function(builds[1], longer.after.key).name == "longer"
    assert found["shop:sold"].changes == ("arguments",)
    assert found["shop:closed"].changes == ("removed",)
    assert found["shop:opened"].changes == ("added",)


def test_counts_filters_and_parts(index: Index, builds: tuple[str, str]) -> None:
    page, counts = index.difference(*builds, Ask(limit=1000))
    for noun, what in (("functions", "function"), ("variables", "variable"), ("usdt", "usdt")):
        for kind in ("added", "removed", "resized", "arguments"):
            chosen, _ = index.difference(*builds, Ask(filters={"what": what, "kind": kind}))
            assert chosen.total == counts[noun][kind]
            assert {change.what for change in chosen.items} <= {what}
            assert all(kind in change.changes for change in chosen.items)
    assert page.facets["what"]["function"] == sum(change.what == "function" for change in page.items)
    parts = [index.difference(*builds, Ask(offset=at, limit=1))[0] for at in range(page.total)]
    assert [part.items[0] for part in parts] == list(page.items)
    assert [part.next for part in parts] == [*range(1, page.total), None]
    assert [change.name for change in index.difference(*builds, Ask("ONE".lower()))[0].items] == [
        "gone",
        "gone_count",
    ]
    for filters in ({"kind": "nonsense"}, {"what": "nonsense"}):
        with pytest.raises(BadInput):
            index.difference(*builds, Ask(filters=filters))
    with pytest.raises(NotFound):
        index.difference(builds[0], "0000", Ask())


def test_the_other_way_round_and_with_itself(index: Index, builds: tuple[str, str]) -> None:
    there, back = index.difference(*builds, Ask())[1], index.difference(*builds[::-1], Ask())[1]
    for noun, found in there.items():
        assert back[noun]["added"] == found["removed"]
        assert back[noun]["resized"] == found["resized"]
        assert back[noun]["same"] == found["same"]
    page, counts = index.difference(builds[0], builds[0], Ask())
    assert page.total == 0
    assert sum(sum(found.values()) for found in counts.values()) == sum(
        found["same"] for found in counts.values()
    )


def two_files(directory: Path, first: str, second: str) -> Path:
    """A program with a static function ``help`` in each of two files."""
    directory.mkdir()
    for name, body in (("first", first), ("second", second)):
        (directory / f"{name}.c").write_text(
            f"static int help(int n) {{ {body} }}\nint {name}(int n) {{ return help(n); }}\n"
        )
    (directory / "main.c").write_text(
        "int first(int), second(int); int main(void) { return first(second(1)); }"
    )
    subprocess.run(["gcc", "-O0", "-o", "prog", "first.c", "second.c", "main.c"], cwd=directory, check=True)
    return directory / "prog"


def test_static_functions_of_one_name_are_told_by_their_files(index: Index, tmp_path: Path) -> None:
    short, long = "return n;", "return n * n + n * 100 + n / 2;"
    old = index.binary_at(str(two_files(tmp_path / "old", short, long))).id
    same = index.binary_at(str(two_files(tmp_path / "same", short, long.replace("100", "101")))).id
    assert "help" not in changes(index, (old, same))
    other = index.binary_at(str(two_files(tmp_path / "other", short, short))).id
    page, counts = index.difference(old, other, Ask("help"))
    (change,) = page.items
    assert change.changes == ("resized",)
    assert counts["functions"]["removed"] == 0


def test_a_signature_and_a_line_where_both_have_dwarf(index: Index, builds: tuple[str, str]) -> None:
    change = changes(index, builds)["signature"]
    assert "signature" in change.changes
    assert change.before and change.before.signature == "int (int)"
    assert change.after and change.after.signature == "int (long int, char *)"


@pytest.mark.parametrize(
    ("probe", "code", "nearest"),
    [
        ("uprobe:/x/shop:steady", None, None),
        ('uretprobe:"/x/shop":steady', None, None),
        ("uprobe:/x/shop:st*", None, None),
        ("uprobe:/x/shop:go*", "gone", None),
        ("uprobe:/x/shop:gone", "gone", None),
        ("uprobe:/x/shop:longest", "gone", "longer"),
        ("uprobe:/x/shop:steady.isra.0", "gone", "steady"),
        ("uprobe:/x/shop:ns::steady(int)", "gone", None),
        ("uprobe:/x/shop:longer+4", "offset", "longer"),
        ("uprobe:/x/shop:0x1139", "address", None),
        ("usdt:/x/shop:shop:sold", "arguments", "shop:sold"),
        ("usdt:/x/shop:shop:closed", "gone", "shop:opened"),
        ("usdt:/x/shop:opened", None, None),
        ("nonsense", "unclear", None),
    ],
)
def test_probes_that_do_not_fit(
    index: Index, builds: tuple[str, str], probe: str, code: str | None, nearest: str | None
) -> None:
    found = index.unfit([probe, probe], *builds)
    assert [each.code for each in found] == ([code] if code else [])
    if code:
        assert found[0].text.endswith(".")
        assert found[0].probe == probe
        if nearest is not None:
            assert found[0].nearest == nearest


def test_an_overload_is_near(index: Index, tmp_path: Path) -> None:
    for name, parameter in (("old", "int"), ("new", "long")):
        (tmp_path / f"{name}.cc").write_text(
            f"namespace ns {{ int f({parameter} n) {{ return n; }} }} int main() {{ return ns::f(1); }}"
        )
        subprocess.run(["g++", "-O0", "-o", tmp_path / name, tmp_path / f"{name}.cc"], check=True)
    old, new = (index.binary_at(str(tmp_path / name)).id for name in ("old", "new"))
    (each,) = index.unfit(["uprobe:/x:_ZN2ns1fEi"], old, new)
    assert (each.code, each.nearest) == ("gone", "_ZN2ns1fEl")
    assert index.unfit(["uprobe:/x:ns::f(long)"], old, new) == ()
    assert [each.code for each in index.unfit(["uprobe:/x:ns::f(int)"], old, new)] == ["gone"]


def test_others_of_the_same_name(index: Index, builds: tuple[str, str]) -> None:
    assert [each.id for each in index.relatives(builds[0])] == [builds[1]]
    index.binary_at("/bin/true")
    assert [each.id for each in index.relatives(builds[1])] == [builds[0]]
