"""The library of scripts: each text once, by the hash of its content, with a title, and what it came from.

A script that a session runs is put in by itself; one that is saved by hand gets its title then. ``sha`` is
the SHA-256 of the text in hex; 12 digits of it or more do as a name where only one begins so.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict, dataclass
from typing import Any

from app.errors import BadInput, NotFound

TITLE_LONGEST = 200
_SHA = re.compile(r"[0-9a-f]{12,64}")


@dataclass(frozen=True, slots=True)
class SavedScript:
    """One text; ``created`` in seconds since the epoch; ``parent``: the sha of what it was made from."""

    sha: str
    text: str
    title: str
    recipe: str
    parent: str | None
    author: str
    created: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def sha_of(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def as_title(text: str) -> str:
    """A title as it is kept: one line. Raises BadInput for one that is too long."""
    title = " ".join(text.split())
    if len(title) > TITLE_LONGEST:
        raise BadInput(f"A title of {len(title)} characters is too long.", f"At most {TITLE_LONGEST}.")
    return title


def as_name(text: str) -> str:
    """A hash, or the beginning of one, out of an address. Raises NotFound for what is none."""
    if not _SHA.fullmatch(text):
        raise NotFound(f"{text[:80]!r} is no script's hash.", "Give 12 to 64 digits of its SHA-256.")
    return text
