"""Where the host's packages lay debug files."""

from __future__ import annotations

from app.debuginfo.places import candidates


def test_the_order_of_gdb() -> None:
    assert candidates("/usr/bin/app", "abcdef01", ("app.debug", 7)) == (
        "/usr/lib/debug/.build-id/ab/cdef01.debug",
        "/usr/bin/app.debug",
        "/usr/bin/.debug/app.debug",
        "/usr/lib/debug/usr/bin/app.debug",
    )


def test_nothing_to_go_by_and_names_that_leave_the_directory() -> None:
    assert candidates("/usr/bin/app", None, None) == ()
    assert candidates("/usr/bin/app", None, ("../../etc/shadow", 1)) == ()
    assert "/usr/bin/app" not in candidates("/usr/bin/app", "ab", ("app", 1))
