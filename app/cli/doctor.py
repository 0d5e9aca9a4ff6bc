"""``doctor``: what this machine can do and lacks, each with its mend."""

from __future__ import annotations

import argparse

from app.cli.output import put, put_json, shown
from app.config import Settings
from app.host.doctor import checks, prove
from app.host.machine import machine
from app.trace.bpftrace import Bpftrace


def doctor(options: argparse.Namespace, settings: Settings) -> int:
    """Exit code 1 when something is lacking without which tracing does not work."""
    capabilities = Bpftrace(settings).capabilities()
    found = list(checks(machine(), capabilities.as_dict(), settings))
    if options.prove:
        found.append(prove(capabilities.path or settings.bpftrace))
    for check in found:
        if options.json:
            put_json(check.as_dict())
            continue
        mark = "ok" if check.ok else "lacks" if check.needed else "note"
        put(f"{mark:<6} {check.name:<14} {shown(check.text)}")
        if check.mend:
            put(f"{'':21} -> {shown(check.mend)}")
    return 1 if any(check.needed and not check.ok for check in found) else 0
