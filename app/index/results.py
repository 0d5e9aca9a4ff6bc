"""What a job says of one file: {path, id, state, code, message, hint}."""

from __future__ import annotations

from typing import Any

from app.errors import AppError
from app.index.catalogue import BinaryRow

Result = dict[str, Any]


def refused(path: str, error: AppError) -> Result:
    return {"path": path, "id": None, "state": "failed", **error.as_dict()}


def taken(path: str, row: BinaryRow) -> Result:
    problems = row.info["problems"]
    text = problems[0]["text"] if problems else ""
    return {"path": path, "id": row.id, "state": row.info["state"], "code": "", "message": text, "hint": ""}
