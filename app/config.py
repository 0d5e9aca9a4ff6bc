"""Settings: one frozen dataclass and one table of (name, environment variable, default, help).

The only reader of the environment. docs/reference/settings.md is tested against SETTINGS.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from app.errors import BadInput

_OBJECT_STORE = (
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"),
    *("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "AWS_SERVER_SIDE_ENCRYPTION", "AWS_SSE_KMS_KEY_ID"),
)
MIB = 1 << 20
GIB = 1 << 30


class Setting(NamedTuple):
    name: str
    environment: str
    default: Any
    parse: Callable[[str], Any]
    help: str


def _list(text: str) -> tuple[str, ...]:
    return tuple(part for part in (piece.strip() for piece in text.split(",")) if part)


def _urls(text: str) -> tuple[str, ...]:
    """Of web servers, as DEBUGINFOD_URLS has them; its words on signatures (ima:…) are passed over."""
    found = tuple(word for word in text.replace(",", " ").split() if not word.startswith("ima:"))
    if not all(re.match(r"https?://[^/?#]", url) for url in found):
        raise ValueError(text)
    return found


def _access(text: str) -> str:
    if text not in {"open", "token", "off"}:
        raise ValueError(text)
    return text


def _flag(text: str) -> bool:
    if text.lower() in {"1", "true", "yes", "on"}:
        return True
    if text.lower() in {"", "0", "false", "no", "off"}:
        return False
    raise ValueError(text)


def _bucket(text: str) -> str:
    if not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]+(/[A-Za-z0-9._-]+)*/?", text):
        raise ValueError(text)
    return text


def _default_data() -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/probescope")
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "probescope"


def _default_debuginfod_cache() -> str:
    """Where elfutils' client keeps it: debuginfod_find_debuginfo(3)."""
    chosen = os.environ.get("DEBUGINFOD_CACHE_PATH")
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return chosen or f"{base}/debuginfod_client"


SETTINGS: tuple[Setting, ...] = (
    Setting("host", "PROBESCOPE_HOST", "127.0.0.1", str, "Address to listen on."),
    Setting("port", "PROBESCOPE_PORT", 8340, int, "Port to listen on."),
    Setting(
        "data",
        "PROBESCOPE_DATA",
        None,
        Path,
        "Directory of the catalogue, columns, uploads and session logs.",
    ),
    Setting(
        "token",
        "PROBESCOPE_TOKEN",
        None,
        str,
        "The admin's token; random at each start when not set.",
    ),
    Setting(
        "url",
        "PROBESCOPE_URL",
        None,
        str,
        "The dashboard that mark speaks with, perhaps with its token; when not set, that of host and port.",
    ),
    Setting(
        "roots",
        "PROBESCOPE_ROOTS",
        (),
        _list,
        "Directories that may be indexed, comma-separated; none: the whole host.",
    ),
    Setting(
        "public_urls",
        "PROBESCOPE_PUBLIC_URLS",
        (),
        _list,
        "URLs under which browsers reach the dashboard, comma-separated.",
    ),
    Setting(
        "read_only",
        "PROBESCOPE_READ_ONLY",
        False,
        _flag,
        "Explore only: no session can be started, and no debug file fetched.",
    ),
    Setting(
        "bpftrace",
        "PROBESCOPE_BPFTRACE",
        "bpftrace",
        str,
        "The bpftrace to run: a name on PATH, or a path.",
    ),
    Setting(
        "free_scripts",
        "PROBESCOPE_FREE_SCRIPTS",
        True,
        _flag,
        "Whether scripts of one's own may be run, or generated ones alone.",
    ),
    Setting(
        "readers",
        "PROBESCOPE_READERS",
        2,
        int,
        "Reader processes for ELF files; one more for who waits for one file.",
    ),
    Setting(
        "reader_memory",
        "PROBESCOPE_READER_MEMORY",
        4 * GIB,
        int,
        "Address space of a reader, bytes.",
    ),
    Setting(
        "reader_cpu",
        "PROBESCOPE_READER_CPU",
        300,
        int,
        "CPU seconds of a reader before it is replaced.",
    ),
    Setting("reader_wall", "PROBESCOPE_READER_WALL", 120.0, float, "Seconds that one file may take."),
    Setting(
        "reader_output",
        "PROBESCOPE_READER_OUTPUT",
        2 * GIB,
        int,
        "Bytes of columns that one file may give.",
    ),
    Setting(
        "reader_files",
        "PROBESCOPE_READER_FILES",
        2000,
        int,
        "Files after which a reader is replaced.",
    ),
    Setting(
        "reader_threads",
        "PROBESCOPE_READER_THREADS",
        2,
        int,
        "Threads of a reader, for files with much debug information and for packages (there at most 2).",
    ),
    Setting(
        "index_nice",
        "PROBESCOPE_INDEX_NICE",
        10,
        int,
        "Niceness of the readers of whole directories; above 0 they also leave the disk to others.",
    ),
    Setting(
        "separate_debug",
        "PROBESCOPE_SEPARATE_DEBUG",
        True,
        _flag,
        "Whether debug files are looked for, or each file is taken alone.",
    ),
    Setting(
        "debug_directories",
        "PROBESCOPE_DEBUG_DIRECTORIES",
        ("/usr/lib/debug",),
        _list,
        "Directories that packages lay debug files in, by build-id and by path.",
    ),
    Setting(
        "debug_paths",
        "PROBESCOPE_DEBUG_PATHS",
        (),
        _list,
        "Debug files, or directories of some, that are tried first.",
    ),
    Setting(
        "debuginfod_cache",
        "PROBESCOPE_DEBUGINFOD_CACHE",
        None,
        str,
        "Directory in which debuginfod clients of this host keep what they fetched.",
    ),
    Setting(
        "debuginfod_urls",
        "PROBESCOPE_DEBUGINFOD_URLS",
        (),
        _urls,
        "debuginfod servers that may be asked for debug files, separated by blanks or commas.",
    ),
    Setting(
        "debuginfod_auto",
        "PROBESCOPE_DEBUGINFOD_AUTO",
        False,
        _flag,
        "Whether index and upload jobs ask these servers by themselves, or only who asks for it.",
    ),
    Setting(
        "debuginfod_timeout",
        "PROBESCOPE_DEBUGINFOD_TIMEOUT",
        30.0,
        float,
        "Seconds that a debuginfod server may take to answer, and then for each 16 KiB.",
    ),
    Setting(
        "debuginfod_wall",
        "PROBESCOPE_DEBUGINFOD_WALL",
        900.0,
        float,
        "Seconds that fetching one file may take.",
    ),
    Setting(
        "debuginfod_bytes",
        "PROBESCOPE_DEBUGINFOD_BYTES",
        4 * GIB,
        int,
        "Bytes that a fetched file may have.",
    ),
    Setting(
        "debuginfod_failures",
        "PROBESCOPE_DEBUGINFOD_FAILURES",
        3,
        int,
        "Failures in a row after which a debuginfod server is left alone for a while.",
    ),
    Setting(
        "debuginfod_pause",
        "PROBESCOPE_DEBUGINFOD_PAUSE",
        60.0,
        float,
        "Seconds for which it is left alone.",
    ),
    Setting(
        "debuginfod",
        "PROBESCOPE_DEBUGINFOD",
        None,
        _access,
        "Who may use this server as debuginfod: open, token or off; when not set, open on loopback alone.",
    ),
    Setting(
        "package_cpu",
        "PROBESCOPE_PACKAGE_CPU",
        3600,
        int,
        "CPU seconds that reading one package may take.",
    ),
    Setting(
        "blob_store",
        "PROBESCOPE_BLOB_STORE",
        None,
        _bucket,
        "Where uploaded files are kept: s3://BUCKET/PREFIX, its own; when not set, in the data directory.",
    ),
    Setting(
        "blob_bytes",
        "PROBESCOPE_BLOB_BYTES",
        64 * GIB,
        int,
        "Bytes that all uploaded files together may take, compressed.",
    ),
    Setting(
        "blob_cache",
        "PROBESCOPE_BLOB_CACHE",
        8 * GIB,
        int,
        "Bytes of uploaded files that are kept unpacked for readers.",
    ),
    Setting("upload_bytes", "PROBESCOPE_UPLOAD_BYTES", 2 * GIB, int, "Bytes that one upload may have."),
    Setting("upload_files", "PROBESCOPE_UPLOAD_FILES", 64, int, "Files that one upload may have."),
    Setting(
        "free_disk",
        "PROBESCOPE_FREE_DISK",
        256 * MIB,
        int,
        "Bytes of free disk below which nothing is taken in.",
    ),
    Setting("index_files", "PROBESCOPE_INDEX_FILES", 200_000, int, "Files that one index job may read."),
    Setting("page_limit", "PROBESCOPE_PAGE_LIMIT", 1000, int, "Most items in one part of a list."),
    Setting("search_wall", "PROBESCOPE_SEARCH_WALL", 2.0, float, "Seconds that one search may take."),
    Setting(
        "session_duration",
        "PROBESCOPE_SESSION_DURATION",
        600.0,
        float,
        "Seconds a session runs when none are asked for.",
    ),
    Setting(
        "session_duration_max",
        "PROBESCOPE_SESSION_DURATION_MAX",
        14_400.0,
        float,
        "Most seconds a session may ask for.",
    ),
    Setting(
        "session_events",
        "PROBESCOPE_SESSION_EVENTS",
        1_000_000,
        int,
        "Events kept of a session; older ones become a gap.",
    ),
    Setting(
        "session_bytes",
        "PROBESCOPE_SESSION_BYTES",
        64 * MIB,
        int,
        "Bytes kept of a session's log; older events become a gap.",
    ),
    Setting("session_probes", "PROBESCOPE_SESSION_PROBES", 512, int, "Most probes of one session."),
    Setting("sessions", "PROBESCOPE_SESSIONS", 8, int, "Sessions that may run at once."),
    Setting("viewers", "PROBESCOPE_VIEWERS", 20, int, "Viewers that one session may have."),
    Setting(
        "kept_bytes",
        "PROBESCOPE_KEPT_BYTES",
        64 * MIB,
        int,
        "Bytes of memory for what was read of sessions' logs, so that the next viewer need not wait for it.",
    ),
    Setting(
        "send_timeout",
        "PROBESCOPE_SEND_TIMEOUT",
        10.0,
        float,
        "Seconds that a viewer may take to accept a frame.",
    ),
    Setting(
        "retention",
        "PROBESCOPE_RETENTION",
        7 * 86_400.0,
        float,
        "Seconds after which an ended session is removed.",
    ),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting of the server; made by ``load``, changed by ``dataclasses.replace`` alone."""

    host: str
    port: int
    data: Path
    token: str | None
    url: str | None
    roots: tuple[str, ...]
    public_urls: tuple[str, ...]
    read_only: bool
    bpftrace: str
    free_scripts: bool
    readers: int
    reader_memory: int
    reader_cpu: int
    reader_wall: float
    reader_output: int
    reader_files: int
    reader_threads: int
    index_nice: int
    package_cpu: int
    separate_debug: bool
    debug_directories: tuple[str, ...]
    debug_paths: tuple[str, ...]
    debuginfod_cache: str | None
    debuginfod_urls: tuple[str, ...]
    debuginfod_auto: bool
    debuginfod_timeout: float
    debuginfod_wall: float
    debuginfod_bytes: int
    debuginfod_failures: int
    debuginfod_pause: float
    debuginfod: str | None
    blob_store: str | None
    blob_bytes: int
    blob_cache: int
    upload_bytes: int
    upload_files: int
    free_disk: int
    index_files: int
    page_limit: int
    search_wall: float
    session_duration: float
    session_duration_max: float
    session_events: int
    session_bytes: int
    session_probes: int
    sessions: int
    viewers: int
    kept_bytes: int
    send_timeout: float
    retention: float


def load(environment: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Settings from defaults, the environment, then ``overrides`` that are not None.

    Raises BadInput for an environment variable that cannot be understood.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        value = setting.default
        text = environment.get(setting.environment)
        if text:
            try:
                value = setting.parse(text)
            except ValueError as error:
                raise BadInput(
                    f"{setting.environment} is {text!r}, which cannot be understood.", setting.help
                ) from error
        values[setting.name] = value
    if values["data"] is None:
        values["data"] = _default_data()
    if values["debuginfod_cache"] is None:
        values["debuginfod_cache"] = _default_debuginfod_cache()
    settings = Settings(**values)
    return replace(settings, **{name: value for name, value in overrides.items() if value is not None})


def object_store_options(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """What the usual variables say of an S3: credentials, region, endpoint. Never part of Settings, which
    are shown."""
    environment = os.environ if environment is None else environment
    return {name.lower(): environment[name] for name in _OBJECT_STORE if environment.get(name)}


def child_environment(**extra: str) -> dict[str, str]:
    """The environment of every child: a short fixed one, so that nothing of the server's leaks into it."""
    base = {name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ}
    return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", **base, **extra}


def export(settings: Settings) -> None:
    """Puts ``settings`` into this process's environment, for a server that is started anew on each change."""
    for setting in SETTINGS:
        value = getattr(settings, setting.name)
        if isinstance(value, tuple):
            value = ",".join(value)
        elif isinstance(value, bool):
            value = int(value)
        if value is not None:
            os.environ[setting.environment] = str(value)


def over_ssh() -> bool:
    """Whether this process was started from an SSH login."""
    return bool(os.environ.get("SSH_CONNECTION"))
