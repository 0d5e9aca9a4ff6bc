"""What a person can do to get a binary's debug information. Pure.

Sources: Debian's wiki, HowToGetABacktrace; Ubuntu's Debug Symbol Packages; dnf's debuginfo-install; SUSE's
zypper; Alpine's wiki (-dbg); Arch's wiki, Debugging; elfutils' debuginfod-find(1).
"""

from __future__ import annotations

import shlex
from collections.abc import Collection
from dataclasses import dataclass

_SERVERS = {
    "debian": "https://debuginfod.debian.net",
    "ubuntu": "https://debuginfod.ubuntu.com",
    "fedora": "https://debuginfod.fedoraproject.org",
    "centos": "https://debuginfod.centos.org",
    "arch": "https://debuginfod.archlinux.org",
    "opensuse": "https://debuginfod.opensuse.org",
}


@dataclass(frozen=True, slots=True)
class Step:
    text: str
    command: str | None = None


def steps(
    families: Collection[str], package: str | None, build_id: str | None, fetched: str | None = None
) -> tuple[Step, ...]:
    """``families``: ids of the distribution and of what it descends from; ``package`` brought the binary.

    ``fetched``: the path or name of the binary, where there are debuginfod servers to ask.
    """
    found = [*_install(set(families), package, build_id)]
    if not build_id:
        text = (
            "Build it with a build-id (-Wl,--build-id), or keep its debug file beside it by .gnu_debuglink."
        )
        return (*found, Step(text))
    upload = Step("Upload its debug file, or the package that has it; it is matched by build-id.")
    if fetched:
        command = f"probescope debuginfo --fetch {shlex.quote(fetched)}"
        return (*found, Step("Fetch it from the debuginfod servers of the settings.", command), upload)
    server = next(
        (_SERVERS[each] for each in families if each in _SERVERS), "https://debuginfod.elfutils.org"
    )
    ask = Step(
        "Ask a debuginfod server: name it in PROBESCOPE_DEBUGINFOD_URLS, or fetch the file by hand.",
        f"DEBUGINFOD_URLS={server} debuginfod-find debuginfo {build_id}",
    )
    return (*found, upload, ask)


def _install(families: set[str], package: str | None, build_id: str | None) -> list[Step]:
    name = shlex.quote(package) if package else None
    if "ubuntu" in families and name:
        return [Step("Install its debug package, from ddebs.ubuntu.com.", f"apt-get install {name}-dbgsym")]
    if "debian" in families and name:
        return [
            Step(
                "Install its debug package; most are in Debian's archive of debug symbols (debian-debug).",
                f"apt-get install {name}-dbgsym || apt-get install {name}-dbg",
            )
        ]
    if families & {"fedora", "rhel", "centos"}:
        wanted = name or (f"'debuginfo(build-id) = {build_id}'" if build_id else None)
        if wanted:
            verb = "debuginfo-install" if name else "--enablerepo='*debug*' install"
            return [Step("Install its debuginfo package.", f"dnf {verb} {wanted}")]
    if families & {"suse", "opensuse"} and build_id:
        return [Step("Install its debuginfo package.", f"zypper install -C 'debuginfo(build-id)={build_id}'")]
    if "alpine" in families and name:
        return [Step("Install its debug package.", f"apk add {name}-dbg")]
    return []
