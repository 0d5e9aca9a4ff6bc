"""The next step, for each kind of distribution."""

from __future__ import annotations

import pytest

from app.debuginfo.advice import steps


@pytest.mark.parametrize(
    ("families", "command"),
    [
        (("debian",), "apt-get install bash-dbgsym || apt-get install bash-dbg"),
        (("ubuntu", "debian"), "apt-get install bash-dbgsym"),
        (("rocky", "rhel", "centos", "fedora"), "dnf debuginfo-install bash"),
        (("opensuse-leap", "suse", "opensuse"), "zypper install -C 'debuginfo(build-id)=aa11'"),
        (("alpine",), "apk add bash-dbg"),
    ],
)
def test_the_command_of_each_distribution(families: tuple[str, ...], command: str) -> None:
    first = steps(families, "bash", "aa11")[0]
    assert first.command == command


def test_without_a_package_there_are_upload_and_debuginfod() -> None:
    found = steps(("debian",), None, "aa11")
    assert [bool(step.command) for step in found] == [False, True]
    assert "debuginfod-find debuginfo aa11" in str(found[1].command)


def test_without_a_build_id_nothing_can_be_matched_by_it() -> None:
    (only,) = steps((), None, None)
    assert "--build-id" in only.text


def test_a_package_name_is_one_word_of_the_command() -> None:
    assert "'a; rm -rf'" in str(
        steps(("alpine",), "a; rm -rf", "aa11")[0].command
    ) or "'a; rm -rf'-dbg" in str(steps(("alpine",), "a; rm -rf", "aa11")[0].command)


def test_where_servers_are_known_they_come_before_an_upload() -> None:
    fetch, upload = steps((), None, "ab" * 20, "/srv/my server")
    assert fetch.command == "probescope debuginfo --fetch '/srv/my server'"
    assert upload.text.startswith("Upload")
    assert not any("--fetch" in (step.command or "") for step in steps((), None, None, "/srv/server"))
