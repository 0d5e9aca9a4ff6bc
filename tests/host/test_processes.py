"""Processes: real children with awkward names, zombies, namespaces and pids that pass to others."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.errors import NotFound
from app.host.processes import alive, container_of, namespace_pids, process, processes, read_stat

SLEEP = shutil.which("sleep") or "/bin/sleep"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="asks for root")


@contextmanager
def running(arguments: Sequence[str | bytes], **options: object) -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(arguments, stdout=subprocess.PIPE, **options)  # type: ignore[call-overload]
    try:
        # The kernel lets go of the maker before the new program's arguments are laid.
        wait_for(Path(f"/proc/{child.pid}/cmdline").read_bytes)
        yield child
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def wait_for(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_this_process() -> None:
    me = process(os.getpid())
    assert (me.pid, me.parent, me.uid) == (os.getpid(), os.getppid(), os.getuid())
    assert me.executable == os.path.realpath(sys.executable)
    assert not me.executable_deleted
    assert me.rss_bytes > 1 << 20
    # Libraries start threads that Python does not know of.
    assert me.threads == len(list(Path("/proc/self/task").iterdir())) >= threading.active_count()
    # `started` has no clock of its own to be compared with: ps tells the age in seconds.
    age = int(subprocess.run(["ps", "-o", "etimes=", "-p", str(me.pid)], capture_output=True).stdout)
    assert abs((time.time() - me.started) - age) < 5
    assert me.as_dict()["key"] == f"{me.pid}-{me.starttime}"


def test_the_list_has_what_ps_has_but_the_kernels_threads() -> None:
    with running([SLEEP, "60"]) as child:
        found = {each.pid: each for each in processes()}
        assert found[child.pid].arguments == (SLEEP, "60")
        assert list(found) == sorted(found)
        kernel = [pid for pid in found if found[pid].executable is None and not found[pid].arguments]
        stats = [read_stat(pid) for pid in kernel]
        assert all(stat is None or not stat.flags & 0x200000 for stat in stats)


def test_a_command_with_parentheses_and_newlines(tmp_path: Path) -> None:
    program = tmp_path / "a) R 1 (\nb"
    shutil.copy(SLEEP, program)
    with running([str(program), "60"]) as child:
        wait_for(lambda: process(child.pid).arguments[:1] == (str(program),))
        found = process(child.pid)
        assert found.command == "a) R 1 (\nb"
        assert found.parent == os.getpid()
        assert found.executable == str(program)
        program.unlink()
        found = process(child.pid)
        assert found.executable == str(program)
        assert found.executable_deleted


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    with running([SLEEP.encode(), b"60", b"0.\xff0"[:1]]) as child:
        assert process(child.pid).pid == child.pid
    program = os.fsencode(tmp_path) + b"/odd\xff"
    shutil.copy(SLEEP, os.fsdecode(program))
    with running([program, b"60"]) as child:
        wait_for(lambda: "odd" in process(child.pid).arguments[0])
        found = process(child.pid)
        assert found.command == "odd\\xff"
        assert found.executable == f"{tmp_path}/odd\\xff"


def test_alive_until_it_ends_and_never_for_another_start() -> None:
    with running([SLEEP, "60"]) as child:
        stat = read_stat(child.pid)
        assert stat is not None
        assert alive(child.pid, stat.starttime)
        assert not alive(child.pid, stat.starttime + 1)
        with pytest.raises(NotFound, match="has that pid now"):
            process(child.pid, stat.starttime + 1)
        assert process(child.pid, stat.starttime).starttime == stat.starttime
        child.send_signal(9)
        # Not waited for yet: a zombie, which is neither alive nor a target.
        wait_for(lambda: not alive(child.pid, stat.starttime))
        assert read_stat(child.pid) is not None
        assert child.pid not in {each.pid for each in processes()}
        with pytest.raises(NotFound):
            process(child.pid)


def test_a_process_whose_first_thread_ended_is_alive() -> None:
    code = (
        "import ctypes, threading, time\n"
        "threading.Thread(target=time.sleep, args=(60,)).start()\n"
        "print('on', flush=True)\n"
        "ctypes.CDLL(None).pthread_exit(None)\n"
    )
    with running([sys.executable, "-c", code], stderr=subprocess.DEVNULL) as child:
        assert child.stdout is not None
        child.stdout.readline()
        wait_for(lambda: getattr(read_stat(child.pid), "state", "Z") == "Z")
        stat = read_stat(child.pid)
        assert stat is not None
        assert alive(child.pid, stat.starttime)


@as_root
def test_a_thread_of_the_kernel_is_said_to_be_one() -> None:
    stat = read_stat(2)
    if stat is None or stat.command != "kthreadd":
        pytest.skip("a PID namespace of its own")
    with pytest.raises(NotFound, match="thread of the kernel"):
        process(2)


def test_none_by_that_pid() -> None:
    with pytest.raises(NotFound) as caught:
        process(2**22 + 1)
    assert caught.value.hint
    assert not alive(2**22 + 1, 1)
    assert namespace_pids(2**22 + 1) == ()


@as_root
def test_the_pid_inside_a_namespace() -> None:
    with running(["unshare", "--pid", "--fork", "--kill-child", SLEEP, "60"]) as outer:
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
        wait_for(lambda: children.read_text().strip())
        inner = int(children.read_text())
        wait_for(lambda: process(inner).arguments[:1] == (SLEEP,))
        assert namespace_pids(inner) == (inner, 1)
        assert process(inner).namespace_pid == 1
        assert process(outer.pid).namespace_pid is None


HASH = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("cgroup", "expected"),
    [
        (f"0::/system.slice/docker-{HASH}.scope", HASH[:12]),
        (f"12:pids:/docker/{HASH}\n0::/", HASH[:12]),
        (f"0::/machine.slice/libpod-{HASH}.scope/container", HASH[:12]),
        (f"0::/../../libpod_parent/libpod-{HASH}", HASH[:12]),
        (f"0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-{HASH}.scope", HASH[:12]),
        (f"0::/docker/{'f' * 64}/docker/{HASH}", HASH[:12]),
        ("0::/lxc.payload.web/init.scope", "web"),
        ("4:cpu:/lxc/web", "web"),
        ("0::/machine.slice/machine-deb.scope/payload", "deb"),
        ("0::/user.slice/user-1000.slice/session-2.scope", None),
        (f"0::/x/{HASH}0", None),
        ("", None),
    ],
)
def test_the_container_out_of_the_cgroup(cgroup: str, expected: str | None) -> None:
    assert container_of(cgroup) == expected


def test_processes_that_come_and_go_disturb_nothing() -> None:
    over = threading.Event()

    def spawn() -> None:
        while not over.is_set():
            subprocess.run(["/bin/true"])

    spawner = threading.Thread(target=spawn)
    spawner.start()
    try:
        for _ in range(50):
            assert os.getpid() in {each.pid for each in processes()}
    finally:
        over.set()
        spawner.join()
