"""argv: what is understood, and that wrong use ends with exit code 2 and one reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from app import __version__
from app.cli.parser import parse

PROBE = "uprobe:/usr/bin/bash:readline"
WRONG = [
    [],
    ["no-such-command"],
    ["info"],
    ["functions", "/bin/true", "--limit", "0"],
    ["functions", "/bin/true", "--mode", "nearly"],
    ["probes"],
    ["search"],
    ["index"],
    ["script"],
    ["script", "--recipe", "count"],
    ["script", "--recipe", "no-such-recipe", "--probe", PROBE],
    ["script", "--script", "f.bt", "--recipe", "count", "--probe", PROBE],
    ["trace", "--recipe", "count", "--probe", PROBE, "--duration", "-1"],
    ["trace", "--recipe", "count", "--probe", PROBE, "--duration", "nan"],
    ["trace", "--recipe", "count", "--probe", PROBE, "--pid", "0"],
    ["trace", "--recipe", "count", "--probe", PROBE, "--"],
    ["trace", "--recipe", "count", "--probe", PROBE, "--pid", "1", "--", "true"],
    ["script", "--recipe", "count", "--probe", PROBE, "-o", "sample"],
    ["script", "--recipe", "count", "--line", "main.c:3"],
    ["script", "--script", "f.bt", "-o", "sample=2"],
    ["trace", "--recipe", "count", "--probe", PROBE, "--wait-for", "bash", "--pid", "1"],
    ["trace", "--recipe", "count", "--probe", PROBE, "--wait-for", "bash", "--", "true"],
    ["serve", "--port", "65536"],
    ["serve", "extra"],
]


@pytest.mark.parametrize("argv", WRONG, ids=" ".join)
def test_wrong_use_ends_with_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(argv)
    assert ended.value.code == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert "usage: probescope" in streams.err
    assert "error: " in streams.err.splitlines()[-1]


@pytest.mark.parametrize("command", ["", "info", "functions", "probes", "script", "trace", "serve"])
def test_help_names_the_options(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse([*command.split(), "--help"])
    assert ended.value.code == 0
    assert "usage: probescope" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"probescope {__version__}\n"


def test_serve_leaves_what_is_not_given_to_the_settings() -> None:
    options = parse(["serve"])
    given = {name: value for name, value in vars(options).items() if value not in {None, False}}
    assert given == {"command": "serve"}


def test_serve_takes_lists() -> None:
    urls = ["--public-url", "https://a.example", "--public-url", "https://b.example"]
    roots = ["--root", "/a", "--root", "/b"]
    options = parse(["serve", "--host", "::1", "--port", "0", "--data", "/d", *roots, "--read-only", *urls])
    assert (options.host, options.port, options.data) == ("::1", 0, Path("/d"))
    assert options.roots == ["/a", "/b"]
    assert options.public_urls == ["https://a.example", "https://b.example"]
    assert options.read_only is True


def test_what_follows_two_dashes_is_the_command() -> None:
    options = parse(
        ["trace", "--recipe", "log", "--probe", PROBE, "--", "sh", "-c", "exit 1", "--", "--json"]
    )
    assert options.arguments == ["sh", "-c", "exit 1", "--", "--json"]
    assert options.json is False
    assert options.probes == [PROBE]
    assert parse(["trace", "--recipe", "log", "--probe", PROBE]).arguments == []


def test_files_may_begin_with_a_dash_after_two() -> None:
    assert parse(["info", "--json", "--", "-a"]).files == ["-a"]
