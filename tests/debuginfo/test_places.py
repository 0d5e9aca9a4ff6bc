"""Where debug files are looked for, and in which order."""

from __future__ import annotations

from app.debuginfo.places import Place, places


def paths(*found: Place) -> list[str]:
    return [place.path for place in found]


def test_the_order_of_gdb() -> None:
    found = places("/usr/bin/app", "abcdef01", ("app.debug", 7), cache="/cache")
    assert [(place.kind, place.path) for place in found] == [
        ("build-id", "/usr/lib/debug/.build-id/ab/cdef01.debug"),
        ("debug-link", "/usr/bin/app.debug"),
        ("debug-link", "/usr/bin/.debug/app.debug"),
        ("debug-link", "/usr/lib/debug/usr/bin/app.debug"),
        ("cache", "/cache/abcdef01/debuginfo"),
    ]


def test_a_container_has_its_own_directories_first() -> None:
    found = paths(*places("/proc/7/root/opt/app", "abcdef01", ("app.debug", 7)))
    assert found == [
        "/proc/7/root/usr/lib/debug/.build-id/ab/cdef01.debug",
        "/usr/lib/debug/.build-id/ab/cdef01.debug",
        "/proc/7/root/opt/app.debug",
        "/proc/7/root/opt/.debug/app.debug",
        "/proc/7/root/usr/lib/debug/opt/app.debug",
        "/usr/lib/debug/opt/app.debug",
    ]


def test_what_was_named_by_hand_comes_first() -> None:
    found = places("/usr/bin/app", "abcdef01", None, given=("/srv/symbols",))
    assert found[0] == Place("given", "/srv/symbols")
    assert {
        "/srv/symbols/.build-id/ab/cdef01.debug",
        "/srv/symbols/ab/cdef01.debug",
        "/srv/symbols/abcdef01.debug",
        "/srv/symbols/app.debuginfo",
        "/srv/symbols/usr/bin/app.debug",
    } <= set(paths(*found))
    assert found[-1].kind == "build-id"


def test_nothing_to_go_by_and_names_that_leave_the_directory() -> None:
    assert places("/usr/bin/app", None, None) == ()
    for name in ("../../etc/shadow", "..", "", "a\0b"):
        assert places("/usr/bin/app", None, (name, 1)) == ()
    assert "/usr/bin/app" not in paths(*places("/usr/bin/app", "ab", ("app", 1)))
    assert paths(*places(None, "abcd", ("app.debug", 1))) == ["/usr/lib/debug/.build-id/ab/cd.debug"]
