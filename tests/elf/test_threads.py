"""Work spread over threads: the answers in the order of their items, whatever one of them raises."""

from __future__ import annotations

import subprocess
import sys

# In a process of its own: threads stay, and other tests count theirs.
PROGRAM = """
import threading
from app.elf import threads

def where(number):
    return number, threading.current_thread() is threading.main_thread()

assert threads.spread(where, range(3)) == [(0, True), (1, True), (2, True)]
assert threads.start(2) == 2
assert threads.start(2) == 0
found = threads.spread(where, range(50))
assert [number for number, _ in found] == list(range(50))
assert found[0] == (0, True)

# Side by side, as far as there are threads.
meeting = threading.Barrier(3)
assert threads.spread(lambda number: meeting.wait(60) * 0 + number, range(3)) == [0, 1, 2]

# Where none is free, the caller makes all of them.
assert threads.beside(lambda: where(1), lambda: where(2)) == ((1, False), (2, True))
over = threading.Event()
lasting = [threads.Begun(over.wait) for _ in range(2)]
assert threads.free() == 0
assert threads.spread(where, range(3)) == [(0, True), (1, True), (2, True)]
assert threads.beside(lambda: where(1), lambda: where(2)) == ((1, True), (2, True))
over.set()
assert [each.result() for each in lasting] == [True, True]
for wrong in ([0, 1, 2], [1, 0, 2]):
    try:
        threads.spread(lambda number: 1 // number, wrong)
    except ZeroDivisionError:
        continue
    raise AssertionError

# The first is not left alone when the other raises.
done = []
try:
    threads.beside(lambda: done.append(1), lambda: 1 // 0)
except ZeroDivisionError:
    assert done == [1] and threads.free() == 2
else:
    raise AssertionError
"""


def test_in_a_process_of_its_own() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
