"""The distribution of a root, and the package of a file, against dpkg."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from app.host import packages
from app.host.packages import Distribution, distribution, owner
from app.host.tools import Output


def test_this_host() -> None:
    found = distribution()
    told = dict(
        line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line
    )
    assert found.id == told["ID"].strip('"')
    assert distribution(f"/proc/{os.getpid()}/root/usr/bin/env") == found


def test_the_owner_of_a_file_is_dpkgs() -> None:
    found = distribution()
    if not found.is_of("debian", "ubuntu"):
        pytest.skip("dpkg knows the packages of Debian and its kin alone")
    told = subprocess.run(
        ["dpkg-query", "-S", "/bin/bash"], capture_output=True, text=True, check=True
    ).stdout
    # The package says /bin/bash, also where /bin is a link into /usr.
    assert owner("/usr/bin/bash", found) == told.split(":")[0] == "bash"
    assert owner("/etc/hostname-that-nobody-has", found) is None


def test_a_container_keeps_its_secrets_and_unknown_systems_have_no_packages() -> None:
    assert owner(f"/proc/{os.getpid()}/root/usr/bin/bash", distribution()) is None
    assert owner("/usr/bin/bash", Distribution("", (), "")) is None


@pytest.mark.parametrize(
    ("identifier", "program"),
    [("fedora", "rpm"), ("arch", "pacman"), ("alpine", "apk"), ("debian", "dpkg-query")],
)
def test_each_family_has_its_tool(monkeypatch: pytest.MonkeyPatch, identifier: str, program: str) -> None:
    asked: list[list[str]] = []

    def run(arguments: list[str], timeout: float) -> Output:
        asked.append(arguments)
        return Output(0, "bash: /bin/bash\n" if program == "dpkg-query" else "bash\n", "")

    monkeypatch.setattr(packages, "run", run)
    assert owner("/usr/bin/bash", Distribution(identifier, (), "")) == "bash"
    assert asked[0][0] == program
