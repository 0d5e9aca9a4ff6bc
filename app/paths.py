"""Where static/ and templates/ are: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def asset_dir(name: str) -> Path:
    """The directory ``static`` or ``templates``; FileNotFoundError if the install is broken."""
    for candidate in (_PACKAGE.parent / name, _PACKAGE / "assets" / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"{name}/ is missing beside {_PACKAGE}")
