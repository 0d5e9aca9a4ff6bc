"""Which functions may have a return probe: the kernel puts an address of its own where they return to.

That address is seen by whatever looks at the stack. Tried on Linux 6.18 with bpftrace 0.17: setjmp and
getcontext save it, and the program dies of SIGILL when it comes back (as does swapcontext); ``_start`` has
argc there, and the program reads a wrong one; an exception that passes a traced function finds no handler,
and the program aborts. Go copies its stacks (golang/go#22008). The kernel minds fork and vfork by itself.
"""

from __future__ import annotations

import re

from app.trace.model import Reason

_SAVES_ITS_RETURN = frozenset(
    {"setjmp", "_setjmp", "__setjmp", "sigsetjmp", "__sigsetjmp", "savectx",
     "getcontext", "__getcontext", "swapcontext", "__swapcontext", "makecontext", "__makecontext"}
)  # fmt: skip
_ENTRIES = frozenset({"_start", "__start", "_rt0_amd64_linux", "_dl_start_user", "_dl_start"})
# Names with a refusal of their own; ``.cold`` inside one is the only other thing about a name.
SINGLED_OUT = _SAVES_ITS_RETURN | _ENTRIES
_COLD = re.compile(r"\.cold(?:\.|$)")
_UNWINDING = frozenset({"c++", "rust", "d"})


def refusal(symbol: str, language: str | None) -> Reason | None:
    """Why a return probe on ``symbol`` is not set; None: nothing known against it."""
    if language == "go":
        return Reason(
            "go_return",
            "Go moves its stacks, and a return probe can crash the program (golang/go#22008).",
            "Trace the entry alone.",
        )
    if symbol in _SAVES_ITS_RETURN:
        return Reason(
            "saves_return",
            f"{symbol} keeps the address it returns to; a return probe there would kill the program.",
            "Trace the entry alone.",
        )
    if symbol in _ENTRIES:
        return Reason(
            "no_return",
            f"{symbol} begins the program and returns to nothing; a return probe there would spoil argc.",
            "Trace main.",
        )
    if _COLD.search(symbol):
        return Reason(
            "cold_part", f"{symbol} is reached by a jump, so it has no return of its own.", "Trace the entry."
        )
    return None


def unwinds(symbol: str, language: str | None) -> bool:
    """Whether an exception or panic may pass the function, as far as names and language tell."""
    return language in _UNWINDING or symbol.startswith(("_Z", "_R"))


def caution(symbol: str, language: str | None) -> Reason | None:
    """What to know before a return probe on ``symbol``."""
    if not unwinds(symbol, language):
        return None
    return Reason(
        "exceptions",
        "An exception or panic that passes this function while its return is traced aborts the program.",
        "Trace the return only of functions that throw nothing through.",
    )
