"""What could not be read of a file, and how whole that leaves its facts.

Apart from the facts, so that who asks a reader for them need not load what they are made of.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

State = Literal["ok", "partial", "malformed", "limit"]


class Problem(NamedTuple):
    """One thing that could not be read: a stable code, and a sentence that says what is missing and why."""

    code: str
    text: str
