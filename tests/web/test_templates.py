"""Templates and static files hold together: they parse, keep to the content policy, name what exists."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from pathlib import Path

import pytest
from jinja2 import Environment

from app.web import render

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "templates"
STATIC = ROOT / "static"
EVERY = sorted(path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*.html"))
SCRIPTS = sorted(path.relative_to(STATIC).as_posix() for path in (STATIC / "js").rglob("*.js"))


@pytest.fixture(scope="module")
def environment() -> Environment:
    return render.environment()


@pytest.mark.parametrize("name", EVERY)
def test_every_template_compiles(environment: Environment, name: str) -> None:
    environment.get_template(name)


def test_every_template_that_a_route_names_exists() -> None:
    wanted = set()
    for path in (ROOT / "app" / "web").rglob("*.py"):
        text = path.read_text()
        wanted |= {f"pages/{name}.html" for name in re.findall(r'\bpage\(\s*request,\s*"(\w+)"', text)}
        wanted |= {f"parts/{name}.html" for name in re.findall(r'\bpart="(\w+)"', text)}
        wanted |= set(re.findall(r'get_template\("([^"{]+)"\)', text))
    assert len(wanted) > 25
    assert wanted <= set(EVERY)


@pytest.mark.parametrize("name", EVERY)
def test_no_template_needs_an_unsafe_policy(name: str) -> None:
    text = (TEMPLATES / name).read_text()
    assert not re.search(r"<style\b|\sstyle=|\son[a-z]+=|javascript:|\bhx-on|\|\s*safe\b", text)
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert not re.search(r"""(?:src|href|action)=["']https?:""", text)


@pytest.mark.parametrize("name", EVERY)
def test_every_asset_and_icon_that_a_template_names_exists(name: str) -> None:
    text = (TEMPLATES / name).read_text()
    for path in re.findall(r"asset\('([^']+)'\)", text):
        assert (STATIC / path).is_file(), path
    sprite = next((STATIC / "vendor").glob("lucide-*.svg")).read_text()
    for icon in re.findall(r"\bicon\('([a-z-]+)'\)", text):
        assert f'id="{icon}"' in sprite, icon


@pytest.mark.parametrize("name", SCRIPTS)
def test_modules_import_files_that_exist_and_write_no_markup(name: str) -> None:
    path = STATIC / name
    text = path.read_text()
    for target in re.findall(r"""(?:from|import)\s*\(?\s*["'](\.[^"']+)["']""", text):
        assert (path.parent / target).resolve().is_file(), target
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|cssText", text
    )


def test_vendored_files_are_those_that_were_vetted() -> None:
    listed = re.findall(r"\| (\S+) \| `sha384-([^`]+)` \|", (STATIC / "vendor" / "VENDORED.md").read_text())
    files = {
        path.name
        for path in (STATIC / "vendor").iterdir()
        if path.suffix != ".md" and "LICENSE" not in path.name
    }
    assert {name for name, _ in listed} == files
    for name, expected in listed:
        digest = hashlib.sha384((STATIC / "vendor" / name).read_bytes()).digest()
        assert base64.b64encode(digest).decode() == expected, name


def test_the_style_sheets_stay_small() -> None:
    assert len(gzip.compress(b"".join(path.read_bytes() for path in (STATIC / "css").glob("*.css")))) < 12_288
