"""Keys of a counting session's map to the probes that they name."""

from __future__ import annotations

from app.trace.fired import MOST, fired
from app.trace.quoting import parse_probe
from tests.trace.catalogues import Fake, binary, function

CHOSEN = ('uprobe:"/opt/a b":f', 'uprobe:"/opt/a b":g', 'usdt:"/opt/x":shop:paid')


def test_labels_name_their_probes_and_the_hottest_is_first() -> None:
    counts = {"f": 3, "g": 0, "shop:paid": 9, "nothing": 5}
    assert fired(CHOSEN, counts) == ('usdt:"/opt/x":shop:paid', 'uprobe:"/opt/a b":f')


def test_functions_of_a_small_wildcard_and_at_an_address_have_their_names() -> None:
    counts = {"f_one": 1, "main.run": 4, "other": 3, "uprobe": 2}
    index = Fake(binary("/opt/a b"), [function("main.run", address=0x1000)])
    chosen = ('uprobe:"/opt/a b":f_*', 'uprobe:"/opt/a b":0x1000')
    assert fired(chosen, counts, index) == ('uprobe:"/opt/a b":0x1000', 'uprobe:"/opt/a b":f_one')
    assert fired(chosen, counts) == ('uprobe:"/opt/a b":f_one',)


def test_whole_names_of_a_wildcards_functions_are_read() -> None:
    counts = {"uprobe:/opt/a b:f_one": 1, "uprobe:/opt/a b:f_two": 2, "uprobe:/other:f": 7, "kprobe:x": 1}
    assert fired(('uprobe:"/opt/a b":f_*',), counts) == (
        'uprobe:"/opt/a b":f_two',
        'uprobe:"/opt/a b":f_one',
    )


def test_there_are_never_too_many_and_each_is_a_probe() -> None:
    counts = {f"uprobe:/a:f{number}": number + 1 for number in range(MOST + 100)}
    found = fired(('uprobe:"/a":*',), counts)
    assert len(found) == MOST
    assert all(parse_probe(text) for text in found)


def test_a_script_without_such_keys_has_none() -> None:
    assert fired(("not a probe",), {"bash": 3}) == ()
