"""Packages and archives, read front to back: what they hold, and what a package says of itself.

    reader = members(file)
    for member in reader:
        if member.kind == "file" and member.peek(4) == b"\\x7fELF":
            for chunk in member.chunks(): ...
    reader.problem

.deb, .rpm, .apk (Alpine's, version 2), Arch's packages, tar, ar, zip, and files that are compressed alone; by
gzip, xz, lzma, bzip2, zstd. No program is run, nothing is written, memory does not grow with the package.
"""

from app.debuginfo.packages.crew import Crew
from app.debuginfo.packages.member import Member
from app.debuginfo.packages.model import Kind, Limits, Package
from app.debuginfo.packages.reader import Reader, members

__all__ = ["Crew", "Kind", "Limits", "Member", "Package", "Reader", "members"]
