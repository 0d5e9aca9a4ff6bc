"""A control file of Debian, or a .PKGINFO of Alpine or Arch, to what it says of its package.

Sources: deb-control(5); https://man.archlinux.org/man/PKGINFO.5; apk-v2(5).
"""

from __future__ import annotations

from app.debuginfo.packages.model import Package, text

MOST_BYTES = 1 << 20  # of such a file
_MOST_VALUE = 256


def from_control(raw: bytes) -> Package:
    fields = _fields(raw, ":")
    return Package(
        fields.get("package", ""), fields.get("version", ""), fields.get("architecture", ""), "deb"
    )


def from_pkginfo(raw: bytes, signed: bool) -> Package:
    """``signed``: a ``.SIGN.`` came before it; only Alpine's have that, or the hash of their data."""
    fields = _fields(raw, "=")
    alpine = signed or "datahash" in fields
    return Package(
        fields.get("pkgname", ""),
        fields.get("pkgver", ""),
        fields.get("arch", ""),
        "apk" if alpine else "arch",
    )


def _fields(raw: bytes, between: str) -> dict[str, str]:
    """The first of each name; a line that goes on the one before begins with a space."""
    found: dict[str, str] = {}
    for line in text(raw).split("\n"):
        name, separator, value = line.partition(between)
        if separator and not line.startswith((" ", "\t", "#")):
            found.setdefault(name.strip().lower(), value.strip()[:_MOST_VALUE])
    return found
