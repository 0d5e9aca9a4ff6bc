"""The doors between the rooms are one-way, and some libraries stay in one room."""

from __future__ import annotations

import ast
from pathlib import Path

APP = Path(__file__).resolve().parent.parent / "app"
OPEN = {"errors", "config", "paths", "audit"}
DOORS = {
    "elf": set(),
    "debuginfo": {"elf"},
    "index": {"elf", "debuginfo"},
    "host": {"elf"},
    "trace": {"elf", "host", "index"},
    "views": {"trace"},
    "web": {"elf", "debuginfo", "index", "host", "trace", "views"},
    "cli": {"elf", "debuginfo", "index", "host", "trace", "views"},
}
ONLY_THERE = {
    "elftools": ("elf/",),
    "capstone": ("elf/",),
    "sqlite3": ("index/", "trace/store.py"),
    "subprocess": ("trace/bpftrace.py", "index/build.py", "host/tools.py"),
    "httpx2": ("debuginfo/client.py",),
    "multiprocessing": ("index/build.py",),
    "obstore": ("index/bucket.py",),
    "fastapi": ("web/",),
    "starlette": ("web/",),
    "uvicorn": ("web/",),
}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_rooms_open_only_their_own_doors() -> None:
    wrong = []
    for path in APP.rglob("*.py"):
        where = path.relative_to(APP).as_posix()
        room = where.split("/")[0] if "/" in where else None
        for name in imports(path):
            parts = name.split(".")
            inside = parts[0] == "app" and len(parts) > 1 and room is not None
            if inside and parts[1] not in DOORS[str(room)] | OPEN | {room, "__version__"}:
                wrong.append(f"{where} imports {name}")
            for library, places in ONLY_THERE.items():
                if parts[0] == library and not where.startswith(places):
                    wrong.append(f"{where} imports {name}")
    assert wrong == []


def test_the_environment_is_read_in_config_alone() -> None:
    readers = [
        path.relative_to(APP).as_posix()
        for path in APP.rglob("*.py")
        if "os.environ" in path.read_text() or "os.getenv" in path.read_text()
    ]
    assert set(readers) <= {"config.py"}


def test_the_commands_alone_import_the_web() -> None:
    importers = {
        path.relative_to(APP).as_posix()
        for path in APP.rglob("*.py")
        for name in imports(path)
        if name.split(".")[:2] == ["app", "web"]
    }
    assert {path for path in importers if not path.startswith("web/")} <= {"__main__.py"}
