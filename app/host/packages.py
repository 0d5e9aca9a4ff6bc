"""The distribution of a host or container, and the package that a file came with.

Sources: os-release(5); dpkg-query(1), rpm(8), apk(8), pacman(8).
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from app.host.tools import run

_ROOT = re.compile(r"(/proc/(?:\d+|self)/root)(/.*)")
_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Distribution:
    id: str  # such as debian; "" where nothing tells
    like: tuple[str, ...]  # what it descends from
    name: str

    def is_of(self, *families: str) -> bool:
        return bool({self.id, *self.like} & set(families))


def distribution(path: str = "/") -> Distribution:
    """That of the root in which ``path`` lies; a path below ``/proc/PID/root`` is in a container's."""
    inside = _ROOT.match(path)
    root = inside[1] if inside else ""
    found: dict[str, str] = {}
    for each in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            text = Path(f"{root}{each}").read_text(errors="replace")[: 1 << 16]
        except OSError:
            continue
        for line in text.splitlines():
            key, sign, value = line.partition("=")
            if sign:
                try:
                    found[key] = " ".join(shlex.split(value))
                except ValueError:
                    continue
        break
    return Distribution(
        found.get("ID", ""), tuple(found.get("ID_LIKE", "").split()), found.get("PRETTY_NAME", "")
    )


def owner(path: str, found: Distribution) -> str | None:
    """The package that brought a file of this host; None where none did, or nothing tells."""
    if _ROOT.match(path):
        # The tools of this host know nothing of a container's packages.
        return None
    # Packages name files as they were before /usr took in /bin and /lib.
    for name in dict.fromkeys((path, path.removeprefix("/usr"))):
        package = _asked(name, found)
        if package:
            return package
    return None


def _asked(path: str, found: Distribution) -> str | None:
    if found.is_of("debian", "ubuntu"):
        output = run(["dpkg-query", "-S", "--", path], _SECONDS)
        first = output.stdout.splitlines()[:1]
        return first[0].split(":")[0].split(",")[0].strip() if output.code == 0 and first else None
    if found.is_of("fedora", "rhel", "centos", "suse", "opensuse"):
        output = run(["rpm", "-qf", "--qf", "%{NAME}\n", "--", path], _SECONDS)
    elif found.is_of("arch"):
        output = run(["pacman", "-Qqo", "--", path], _SECONDS)
    elif found.is_of("alpine"):
        output = run(["apk", "info", "-q", "--who-owns", path], _SECONDS)
    else:
        return None
    return output.stdout.split("\n")[0].strip() or None if output.code == 0 else None
