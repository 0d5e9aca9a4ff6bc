"""Running processes, and one with the files it maps and one search over all of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.errors import AppError, BadInput, NotFound
from app.host.maps import mapped_objects
from app.host.model import MappedObject, Process
from app.host.processes import process
from app.index.model import Ask, Binary
from app.trace.bpftrace import Capabilities
from app.trace.verdict import function_verdict, usdt_verdict
from app.web.ask import Asked
from app.web.render import build_url, page
from app.web.routes.search import matching
from app.web.services import services

router = APIRouter()
SORTS: dict[str, Callable[[Process], Any]] = {
    "": lambda entry: -entry.rss_bytes,
    "pid": lambda entry: entry.pid,
    "command": lambda entry: entry.command.lower(),
    "user": lambda entry: entry.user,
    "rss": lambda entry: entry.rss_bytes,
    "started": lambda entry: entry.started,
}
HITS_A_BINARY = 20


def _listed(ask: Ask) -> list[Process]:
    name = ask.sort.removeprefix("-")
    if name not in SORTS:
        raise BadInput(f"Processes cannot be sorted by {name!r}.", "Use pid, command, user, rss or started.")
    return sorted(matching(ask.q, 1_000_000), key=SORTS[name], reverse=ask.sort.startswith("-"))


@router.get("/processes")
def processes_page(request: Request, ask: Asked) -> Response:
    found = _listed(ask)
    return page(
        request,
        "processes",
        "Processes",
        "processes",
        part="process_rows",
        q=ask.q,
        sort=ask.sort,
        total=len(found),
        processes=found,
    )


@router.get("/api/v1/processes")
def processes_list(request: Request, ask: Asked) -> dict[str, Any]:
    began = time.perf_counter()
    found = _listed(ask)
    end = ask.offset + ask.limit
    return {
        "total": len(found),
        "items": [entry.as_dict() for entry in found[ask.offset : end]],
        "next": end if end < len(found) else None,
        "took_ms": round((time.perf_counter() - began) * 1000, 3),
    }


def find(key: str) -> Process:
    """The process of ``PID-STARTTIME``, or of ``PID`` alone; NotFound when it has ended."""
    pid, _, starttime = key.partition("-")
    if not (pid.isascii() and pid.isdigit() and len(pid) < 10 and (not starttime or starttime.isdigit())):
        raise NotFound(f"There is no process {key!r}.", "Choose one from the list of processes.")
    return process(int(pid), int(starttime) if starttime else None)


def known(request: Request, entry: MappedObject) -> Binary | None:
    """The binary of a mapped file, read now if it was not yet; None for what is not ELF or out of reach."""
    if not entry.executable or entry.deleted:
        return None
    try:
        return services(request).index.binary_at(entry.host_path)
    except AppError:
        return None


def probe_hits(
    request: Request, binary: Binary, path: str, ask: Ask, pid: int, able: Capabilities
) -> list[dict[str, Any]]:
    """Functions and USDT probes of one mapped file that match, each with its links."""
    index = services(request).index
    base = f"/binaries/{quote(binary.id)}"
    out: list[dict[str, Any]] = []
    usdt_ask = Ask(q=ask.q, mode=ask.mode, limit=HITS_A_BINARY)
    for usdt in index.usdt(binary.id, usdt_ask).items:
        verdict = usdt_verdict(usdt, binary, able)
        name = f"{usdt.provider}:{usdt.name}"
        url = f"{base}/usdt/{quote(usdt.provider, safe='')}/{quote(usdt.name, safe='')}"
        out.append(_hit("usdt", name, name, verdict.probe if verdict.attachable else None, url, binary, pid))
    for function in index.functions(binary.id, usdt_ask).items:
        verdict = function_verdict(function, binary, able)
        probe = verdict.probe if verdict.attachable else None
        out.append(
            _hit(
                "function",
                function.name,
                function.demangled,
                probe,
                f"{base}/functions/{function.key}",
                binary,
                pid,
            )
        )
    return out


def _hit(
    kind: str, name: str, demangled: str, probe: str | None, url: str, binary: Binary, pid: int
) -> dict[str, Any]:
    return {
        "kind": kind,
        "name": name,
        "demangled": demangled,
        "probe": probe,
        "url": url,
        "binary": binary.id,
        "binary_name": binary.name,
        "trace_url": build_url("/sessions/new", probe=probe, pid=pid) if probe else None,
    }


def _rank(hit: dict[str, Any], text: str) -> tuple[int, int, str]:
    name = (
        str(hit["demangled"]).lower().rpartition(":")[2]
        if hit["kind"] == "usdt"
        else str(hit["demangled"]).lower()
    )
    bare = name.partition("(")[0]
    return (
        0 if text in {bare, str(hit["name"]).lower()} else 1 if name.startswith(text) else 2,
        len(name),
        name,
    )


def _advice(entry: Process, objects: list[dict[str, Any]]) -> list[str]:
    out = []
    if entry.executable_deleted:
        out.append("Its executable was replaced or removed: the file on disk is not what runs.")
    if entry.namespace_pid not in {None, entry.pid}:
        out.append(f"It runs in a PID namespace of its own, where its pid is {entry.namespace_pid}.")
    if entry.container:
        out.append(
            f"It runs in the container {entry.container}; its files are read through /proc/{entry.pid}/root."
        )
    main = next((each["binary"] for each in objects if each["binary"]), None)
    if main and main.runtime == "interpreter":
        out.append(
            "An interpreter: trace its USDT probes, or its own functions, to see what the program does."
        )
    if main and main.runtime == "jit":
        out.append("Its code is made in memory: prefer USDT probes to function names.")
    if any(each["object"].deleted and each["object"].executable for each in objects):
        out.append("Some files it maps were replaced on disk since it started.")
    return out


def _objects(request: Request, entry: Process) -> list[dict[str, Any]]:
    return [{"object": each, "binary": known(request, each)} for each in mapped_objects(entry.pid)]


def _hits(request: Request, entry: Process, objects: list[dict[str, Any]], ask: Ask) -> list[dict[str, Any]]:
    if not ask.q.strip():
        return []
    able = services(request).bpftrace.capabilities()
    out: list[dict[str, Any]] = []
    for each in objects:
        if each["binary"]:
            out += probe_hits(request, each["binary"], each["object"].host_path, ask, entry.pid, able)
    text = ask.q.lower()
    return sorted(out, key=lambda hit: _rank(hit, text))[: ask.limit]


@router.get("/processes/{key}")
def process_page(request: Request, key: str, ask: Asked) -> Response:
    entry = find(key)
    objects = _objects(request, entry)
    return page(
        request,
        "process",
        f"{entry.command} ({entry.pid})",
        "processes",
        part="process_probes",
        process=entry,
        objects=objects,
        q=ask.q,
        mode=ask.mode,
        hits=_hits(request, entry, objects, ask),
        advice=_advice(entry, objects),
    )


@router.get("/api/v1/processes/{key}")
def process_json(request: Request, key: str, ask: Asked) -> dict[str, Any]:
    entry = find(key)
    objects = _objects(request, entry)
    return {
        **entry.as_dict(),
        "objects": [
            {
                "path": each["object"].path,
                "host_path": each["object"].host_path,
                "executable": each["object"].executable,
                "deleted": each["object"].deleted,
                "size": each["object"].size,
                "binary": each["binary"].id if each["binary"] else None,
            }
            for each in objects
        ],
        "advice": _advice(entry, objects),
        "hits": _hits(request, entry, objects, ask),
    }
