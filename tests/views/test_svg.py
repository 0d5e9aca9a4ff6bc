"""Pictures as SVG: well-formed whatever the names, without script or anything fetched, with the numbers."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from app.views.flame import difference, layout, tree
from app.views.flame_svg import flame_svg
from app.views.histogram import histograms
from app.views.histogram_svg import histogram_svg, histograms_svg
from app.views.samples import samples
from app.views.svg import NAMESPACE
from app.views.table import maps

SVG = f"{{{NAMESPACE}}}"
HOSTILE = '</title><script>alert(1)</script>"&]]>\u202e\x00\ud800'


def parsed(text: str) -> ElementTree.Element:
    root = ElementTree.fromstring(text)
    assert {each.tag for each in root.iter()} <= {
        f"{SVG}{name}" for name in ("svg", "g", "rect", "text", "title")
    }
    assert not {
        name for each in root.iter() for name in each.attrib if name.startswith("on") or "href" in name
    }
    return root


def titles(text: str) -> list[str]:
    return [each.text or "" for each in parsed(text).iter(f"{SVG}title")]


def test_each_box_has_its_numbers_in_a_title() -> None:
    found = samples({"\nleaf+0\nmain+1\n": 3, "\nmain+5\n": 1})
    text = flame_svg(layout(tree(found)), found, "@stacks")
    assert titles(text) == [
        "@stacks",
        "all: 4 (100.00 %), itself 0",
        "main: 4 (100.00 %), itself 1",
        "leaf: 3 (75.00 %), itself 3",
    ]
    widths = [float(each.attrib["width"]) for each in parsed(text).iter(f"{SVG}rect")]
    assert widths[1:] == [1199.5, 1199.5, 899.5]


def test_boxes_too_narrow_to_see_are_left_out_and_counted() -> None:
    found = samples({"\nwide+0\n": 1_000_000, "\nthin+0\n": 1})
    text = flame_svg(layout(tree(found)), found, "@")
    assert "1 boxes narrower" in text
    assert not any(title.startswith("thin") for title in titles(text))


def test_a_difference_is_told_and_not_by_colour_alone() -> None:
    found = difference(samples({"\na+0\n": 1, "\nb+0\n": 1}), samples({"\na+0\n": 3, "\nb+0\n": 1}))
    found_layout = layout(found)
    told = titles(flame_svg(found_layout, found.samples, "@"))
    fills = [
        rect.attrib["fill"] for rect in parsed(flame_svg(found_layout, found.samples, "@")).iter(f"{SVG}rect")
    ]
    # The largest change has the whole colour, none has that of what stayed.
    assert fills[1:] == ["#eceff2", "#f2a59d", "#a9cbee"]
    assert told[-2:] == ["a: 3 (75.00 %), itself 3, grown by +1", "b: 1 (25.00 %), itself 1, grown by -1"]


@given(st.text() | st.just(HOSTILE))
def test_no_name_breaks_out(name: str) -> None:
    found = samples({f"\n{name}+0\n": 2, f"{name},\n{name}\n": 1})
    for alone in (True, False):
        flame = flame_svg(layout(tree(found)), found, name, alone=alone)
        flame.encode()
        parsed(flame if alone else flame.replace("<svg", f'<svg xmlns="{NAMESPACE}"', 1))


def test_a_part_of_html_names_no_address() -> None:
    found = samples({"\nwork+0\n": 2})
    assert "http" not in flame_svg(layout(tree(found)), found, "@", alone=False)


def test_histograms_have_a_bar_for_each_bucket() -> None:
    values = [{"max": -1, "count": 1}, {"min": 0, "max": 0, "count": 0}, {"min": 1, "max": 1, "count": 4}]
    found = histograms(maps([{"type": "hist", "data": {"@us": {HOSTILE: values, "k": values[2:]}}}]))
    text = histograms_svg(found, "two")
    assert titles(text) == ["two", "(..., 0): 1", "0: 0", "1: 4", "1: 4"]
    bars = [rect for rect in parsed(text).iter(f"{SVG}rect") if rect.attrib["class"] == "svg-bar"]
    assert [float(rect.attrib["height"]) for rect in bars] == [39.0, 0.0, 156.0, 156.0]
    assert "total 5, p50 ≤ 1, p90 ≤ 1, p99 ≤ 1" in text
    part = histogram_svg(found[1])
    assert "http" not in part
    assert titles(part.replace("<svg", f'<svg xmlns="{NAMESPACE}"', 1)) == ["@us[k], 4 values", "1: 4"]
