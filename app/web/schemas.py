"""Bodies of the API's requests; unknown fields are refused, so that a typing error is not silently lost."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from app.trace.model import ScriptRequest
from app.trace.session import MARKER_LONGEST

ProbeText = Annotated[str, Field(min_length=1, max_length=4096)]
ScriptText = Annotated[str, Field(min_length=1, max_length=64 * 1024)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class IndexBody(Body):
    paths: list[Annotated[str, Field(min_length=1, max_length=4096)]] = Field(min_length=1, max_length=1000)


class SourceBody(Body):
    file: str = Field(min_length=1, max_length=4096)


class MarkerBody(Body):
    text: str = Field(max_length=MARKER_LONGEST)


class CheckBody(Body):
    script: ScriptText


class CompleteBody(Body):
    """``place``: how many characters of the script stand before the cursor."""

    script: str = Field(max_length=64 * 1024)
    place: int = Field(ge=0, le=64 * 1024)


class SavedBody(Body):
    """A script for the library, or a new title for one that is there."""

    script: ScriptText | None = None
    title: str = Field(default="", max_length=400)
    parent: str | None = Field(default=None, max_length=64)


class ScriptBody(Body):
    """A choice: a recipe over probes, or a script of one's own."""

    recipe: str = Field(default="custom", max_length=32)
    probes: list[ProbeText] = Field(default_factory=list, max_length=512)
    script: ScriptText | None = None
    pid: int | None = Field(default=None, ge=1, le=2**22)
    duration: float | None = Field(default=None, gt=0)
    parent: str | None = Field(default=None, max_length=64)
    wait_for: str | None = Field(default=None, min_length=1, max_length=4096)  # the next process of this name
    follow: bool = False  # when the process ends, goes on with the next one of its name
    forecast: bool = False  # of POST /api/v1/scripts: counts hits for a moment
    options: dict[str, Any] = Field(default_factory=dict)

    def as_request(self) -> ScriptRequest:
        return ScriptRequest(
            recipe=self.recipe,
            probes=tuple(self.probes),
            pid=self.pid,
            duration=self.duration,
            script=self.script,
            parent=self.parent or None,
            follow=self.follow,
            wait_for=self.wait_for,
            options=dict(self.options),
        )
