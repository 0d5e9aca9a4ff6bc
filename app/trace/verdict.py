"""A function or USDT probe of a binary to a verdict: whether it can be attached, and what to know before.

Reasons of an attachable probe are cautions; of one that is not, they say why and what to do instead. Codes
are stable. Sources: uprobes of the kernel (Documentation/trace/uprobetracer.rst), golang/go#22008,
python/cpython#98894, gcc's -fipa-cp-clone, -fipa-sra, -fpartial-inlining; tried with bpftrace 0.17 to 0.27.
"""

from __future__ import annotations

import os
from functools import lru_cache

from app.errors import BadInput
from app.index.clones import CLONE
from app.index.model import Binary, Function, Usdt
from app.index.traits import MAY_CRASH
from app.trace import returns
from app.trace.bpftrace import Capabilities
from app.trace.model import Reason, ReturnVerdict, Verdict
from app.trace.quoting import Probe, name_problem, path_problem, quote, speakable

_CLONES = {
    "constprop": "a copy for calls with constant arguments; other calls go to the function itself",
    "isra": "a copy whose parameters the compiler changed; arguments may not be as declared",
    "part": "a part of a function; the rest was inlined into its callers",
    "cold": "the rarely run part of a function, reached by a jump",
    "lto_priv": "a local function that link-time optimisation renamed",
    "llvm": "a local function that ThinLTO renamed",
}
# Names that bpftrace looks up in the file itself.
LOOKED_UP = frozenset({"symtab", "dynsym"})
_RUNS_ON = {"x86_64": {"x86_64", "i386"}, "aarch64": {"aarch64", "arm"}, "ppc64le": {"ppc64"}}
_RISCV = {"riscv64": {"riscv"}}
FLOATS_REFUSED_FROM = (0, 27, 0)


def function_verdict(function: Function, binary: Binary, capabilities: Capabilities) -> Verdict:
    """Whether ``function`` of ``binary`` can be traced here, at its entry and at its return."""
    against = _against(binary, capabilities)
    if not function.address:
        against.append(_without_code(function))
    elif not function.size:
        against.append(
            Reason(
                "no_size",
                f"The symbol {function.name} has no size, and bpftrace attaches to none without.",
                "Trace a function that calls it.",
            )
        )
    probe: str | None = None
    path = binary.path
    if function.address and path is not None and path_problem(path) is None:
        found = _function_probe(function, binary, path)
        if isinstance(found, Reason):
            against.append(found)
        else:
            probe = found
    if against:
        return Verdict(False, None, tuple(against), ReturnVerdict(False, tuple(against)))
    cautions = (*_cautions(function, binary), *_taken(function))
    return Verdict(True, probe, cautions, _return_verdict(function, binary))


def _taken(function: Function) -> list[Reason]:
    clones = function.clones
    if not clones:
        return []
    shown = ", ".join(clones[:3]) + (" and others" if len(clones) > 3 else "")
    return [
        Reason(
            "clone_takes_calls",
            f"The compiler made {shown}, to which calls may go instead.",
            f"Trace {function.linkage_name}* to see all of them.",
        )
    ]


def _without_code(function: Function) -> Reason:
    if function.inlined and function.inline_sites:
        places = "1 place" if function.inline_sites == 1 else f"{function.inline_sites} places"
        return Reason(
            "only_inlined",
            f"The compiler inlined {function.name} in {places}, and left no code to call.",
            "Trace those places with the option inline of count, log, top or stacks.",
        )
    return Reason("no_address", f"{function.name} has no code of its own in this file.", "Trace its callers.")


def usdt_verdict(usdt: Usdt, binary: Binary, capabilities: Capabilities) -> Verdict:
    """Whether a USDT probe can be traced here; it has no return."""
    against = _against(binary, capabilities)
    if not usdt.sites:
        against.append(
            Reason("no_site", f"{usdt.name} marks no place in this file.", "Index the file again.")
        )
    floats = any(argument.float for site in usdt.sites for argument in site.arguments)
    if floats and (capabilities.version or (0, 0, 0)) >= FLOATS_REFUSED_FROM:
        against.append(
            Reason(
                "float_argument",
                "It has a floating point argument, with which this bpftrace cannot attach it.",
                "Trace the function around it.",
            )
        )
    probe: str | None = None
    path = binary.path
    if path is not None and path_problem(path) is None:
        try:
            probe = quote(Probe("usdt", path, usdt.name, usdt.provider))
        except BadInput as error:
            against.append(Reason("bad_name", error.message, "Trace the function around it by its address."))
    back = ReturnVerdict(False, (Reason("no_return", "A USDT probe marks one moment, not a call."),))
    if against:
        return Verdict(False, None, tuple(against), back)
    cautions = []
    if any(site.semaphore for site in usdt.sites):
        cautions.append(
            Reason(
                "semaphore",
                "The program asks a counter before this probe; tracing raises it, and lowers it again.",
                "Nothing to do from Linux 4.20 on.",
            )
        )
    if floats:
        cautions.append(Reason("float_argument", "Its floating point argument cannot be read."))
    if (usdt.provider, usdt.name) in MAY_CRASH:
        cautions.append(
            Reason(
                "may_crash",
                "Python 3.11 was seen to crash while its probe `line` is traced (python/cpython#98894).",
                "Use function__entry, or a function of the interpreter.",
            )
        )
    return Verdict(True, probe, tuple(cautions), back)


@lru_cache(maxsize=1)
def _host_machines() -> frozenset[str]:
    here = os.uname().machine
    return frozenset({**_RUNS_ON, **_RISCV}.get(here, {here}))


def _against(binary: Binary, capabilities: Capabilities) -> list[Reason]:
    """What stands against any probe of this file."""
    found = []
    if not capabilities.available:
        found.append(
            Reason("no_tracing", capabilities.problem or "bpftrace cannot be used.", capabilities.hint)
        )
    if binary.path is None:
        text = "The file was uploaded; " if binary.uploaded else "No path is known for this file; "
        found.append(
            Reason(
                "not_on_host",
                text + "only files of this host can be traced.",
                "Index the same file (by its build-id) on the host where it runs.",
            )
        )
    elif binary.gone:
        found.append(
            Reason("gone", f"{binary.path} is not there any more.", "Index the file that took its place.")
        )
    elif problem := path_problem(binary.path):
        found.append(
            Reason("bad_path", problem, "Trace it through /proc/PID/exe, or a link with a plain name.")
        )
    if binary.machine not in _host_machines():
        found.append(
            Reason(
                "foreign_machine",
                f"The file is for {binary.machine}, and this host is {os.uname().machine}.",
                "Trace it on a host where it runs.",
            )
        )
    if binary.type not in {"EXEC", "DYN"}:
        found.append(
            Reason(
                "not_loaded",
                f"A file of type {binary.type} is never run itself.",
                "Trace what it is linked into.",
            )
        )
    return found


def _function_probe(function: Function, binary: Binary, path: str) -> str | Reason:
    """The text of the probe: by symbol, else by address where bpftrace takes that for a virtual one."""
    name = function.linkage_name
    problem = _unsaid(name)
    looked_up = not function.sources or bool(LOOKED_UP & set(function.sources))
    if problem is None and looked_up:
        return quote(Probe("uprobe", path, name))
    if not binary.stripped:
        return quote(Probe("uprobe", path, "", address=function.address))
    # Laid before bpftrace by symbol_directory.
    if _unsaid(speakable(name)) is None:
        return quote(Probe("uprobe", path, speakable(name)))
    hint = "Install the debug information, so that its address can be used."
    return Reason("bad_name", problem or "", hint)


def _unsaid(name: str) -> str | None:
    return name_problem(name) or ("The name holds a * ." if "*" in name else None)


def _return_verdict(function: Function, binary: Binary) -> ReturnVerdict:
    language = function.language if function.language == "go" else binary.language or function.language
    refused = returns.refusal(function.linkage_name, language) or returns.refusal(function.name, language)
    if refused is None and function.type == "IFUNC":
        text = "Only the choice of an implementation returns here, once."
        refused = Reason("ifunc", text, "Trace an implementation.")
    if refused is not None:
        return ReturnVerdict(False, (refused,))
    known = returns.caution(function.linkage_name, language)
    return ReturnVerdict(True, (known,) if known else ())


def _cautions(function: Function, binary: Binary) -> list[Reason]:
    found = []
    if binary.stripped and function.sources and LOOKED_UP.isdisjoint(function.sources):
        found.append(
            Reason(
                "debug_file",
                "The file itself does not have its name; bpftrace is given it, bound to this "
                + ("build-id." if binary.build_id else "file as it is now."),
            )
        )
    if function.type == "IFUNC":
        found.append(
            Reason(
                "ifunc",
                f"{function.name} is chosen at run time: the probe sees only the choosing, not the calls.",
                f"Trace an implementation, such as those whose names begin with __{function.name}.",
            )
        )
    match = CLONE.search(function.linkage_name)
    if match:
        found.append(
            Reason(
                "clone",
                f"This is {_CLONES[match[1]]}.",
                f"Trace {function.linkage_name[: match.start()]}* to see all of them.",
            )
        )
    if function.inlined or function.inline_sites:
        places = f"{function.inline_sites} places" if function.inline_sites else "some places"
        found.append(
            Reason(
                "inlined",
                f"The compiler inlined it in {places}; those calls pass the probe by.",
                "Trace those too with the option inline, or build with -fno-inline.",
            )
        )
    if function.aliases:
        shown = ", ".join(function.aliases[:3]) + (" and others" if len(function.aliases) > 3 else "")
        found.append(
            Reason("alias", f"The same code is also called {shown}; calls by any name are seen.", "")
        )
    if binary.language == "go":
        found.append(
            Reason(
                "go_arguments", "Go passes arguments in its own registers; arg0 would be another value.", ""
            )
        )
    return found
