"""Options as JSON and as text to values, and each refusal by the option's name."""

from __future__ import annotations

from typing import Any

import pytest

from app.errors import BadInput
from app.trace.model import RECIPES
from app.trace.options import RECIPE_OPTIONS, Options, Where, read_options


def test_every_recipe_has_its_options() -> None:
    assert list(RECIPE_OPTIONS) == list(RECIPES)
    assert read_options("count", {}) == Options()


@pytest.mark.parametrize(
    ("recipe", "given", "wanted"),
    [
        ("count", {"pids": "1, 2,2"}, {"pids": (1, 2)}),
        ("count", {"pids": [7]}, {"pids": (7,)}),
        ("count", {"tid": "12"}, {"tid": 12}),
        ("count", {"comm": "a command of more than fifteen"}, {"comm": "a command of mo"}),
        ("count", {"cgroup": "/system.slice/a b"}, {"cgroup": "/system.slice/a b"}),
        ("count", {"sample": "10", "inline": "yes"}, {"sample": 10, "inline": True}),
        ("count", {"inline": False, "comm": ""}, {"inline": False}),
        ("log", {"returns": "no", "members": "a.b, c->d"}, {"returns": False, "members": ("a.b", "c->d")}),
        ("log", {"strings": "0,2"}, {"strings": frozenset({0, 2})}),
        ("latency", {"by": "arg:size"}, {"by": "arg:size"}),
        ("top", {"arguments": [0, "name"]}, {"arguments": ("0", "name")}),
        ("slower", {"milliseconds": "0.5"}, {"milliseconds": 0.5}),
        ("profile", {"frequency": 999, "frames": "3"}, {"frequency": 999, "frames": 3}),
        ("offcpu", {"stacks": "true"}, {"stacks": True}),
        ("count", {"where": "size > 0x10"}, {"where": Where("size", ">", 16)}),
        ("count", {"where": "n==-1"}, {"where": Where("n", "==", -1)}),
        ("count", {"where": "n = 3"}, {"where": Where("n", "==", 3)}),
        ("count", {"where": 'path == "1"'}, {"where": Where("path", "==", "1")}),
        ("count", {"where": "path starts /etc"}, {"where": Where("path", "starts", "/etc")}),
        ("count", {"where": {"argument": 0, "op": "<=", "value": 4}}, {"where": Where("0", "<=", 4)}),
    ],
)
def test_what_is_given_is_read(recipe: str, given: dict[str, Any], wanted: dict[str, Any]) -> None:
    found = read_options(recipe, given)
    assert {name: getattr(found, name) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("recipe", "given"),
    [
        ("count", {"colour": 1}),
        ("count", {"milliseconds": 1}),
        ("custom", {"sample": 2}),
        ("count", {"pids": "x"}),
        ("count", {"pids": [True]}),
        ("count", {"pids": list(range(1, 100))}),
        ("count", {"tid": 0}),
        ("count", {"comm": "a\nb"}),
        ("count", {"comm": "  "}),
        ("count", {"cgroup": "system.slice"}),
        ("count", {"cgroup": '/a"b'}),
        ("count", {"sample": 0}),
        ("count", {"where": "size"}),
        ("count", {"where": {"argument": "a"}}),
        ("count", {"where": {"argument": "a", "op": "~", "value": 1}}),
        ("count", {"where": {"argument": "a", "op": "<", "value": "text"}}),
        ("count", {"where": {"argument": "a", "op": "==", "value": "t" * 64}}),
        ("count", {"where": {"argument": "a", "op": "==", "value": True}}),
        ("count", {"where": {"argument": "a", "op": "==", "value": 1 << 63}}),
        ("count", {"where": {"argument": "a", "op": "starts", "value": 1}}),
        ("count", {"where": {"argument": "", "op": "==", "value": 1}}),
        ("count", {"inline": "perhaps"}),
        ("log", {"strings": "all"}),
        ("log", {"members": 5}),
        ("latency", {"by": "colour"}),
        ("slower", {"milliseconds": float("nan")}),
        ("slower", {"milliseconds": -1}),
        ("profile", {"frequency": 5000}),
        ("stacks", {"frames": 128}),
        ("top", {"arguments": [None]}),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(recipe: str, given: dict[str, Any]) -> None:
    with pytest.raises(BadInput) as caught:
        read_options(recipe, given)
    (name,) = given
    assert name in caught.value.message
    assert caught.value.hint
