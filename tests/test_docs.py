"""The reference pages say what the code does, and no link of the documents leads nowhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from app.config import SETTINGS
from app.errors import AppError

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]


def spelled(value: Any) -> str:
    if value is None or value == ():
        return "–"
    if isinstance(value, tuple):
        return f"`{','.join(value)}`"
    if isinstance(value, bool):
        return f"`{int(value)}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def test_every_setting_has_its_row() -> None:
    text = (ROOT / "docs/reference/settings.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    expected = [
        f"| `{each.name}` | `{each.environment}` | {spelled(each.default)} | {each.help} |"
        for each in SETTINGS
    ]
    assert rows == expected


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    files = [target.split("#")[0] for target in targets if not re.match(r"https?://|#", target)]
    assert [target for target in files if not (page.parent / target).exists()] == []


def test_every_decision_is_listed_with_its_parts() -> None:
    folder = ROOT / "docs/decisions"
    listed = re.findall(r"\]\((\d{4}-[a-z-]+\.md)\)", (folder / "README.md").read_text())
    assert listed == sorted(path.name for path in folder.glob("0*.md"))
    for name in listed:
        text = (folder / name).read_text()
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]


def test_every_error_has_its_row_and_status() -> None:
    text = (ROOT / "docs/reference/http.md").read_text()
    errors: list[type[AppError]] = [AppError, *AppError.__subclasses__()]
    for error in errors:
        assert f"| `{error.code}` | {error.status} |" in text
    told = set(re.findall(r"`(\w+)`", text))
    sources = [path.read_text() for path in (ROOT / "app").glob("[iw]*/**/*.py")]
    named = set(re.findall(r"\bcode=\"(\w+)\"", "".join(sources)))
    # Said by the command alone, before anything is served.
    assert named - told == {"port_in_use"}
