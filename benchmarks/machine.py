"""What a figure was measured on."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

# Of the last minute before anything here ran.
LOAD_BEFORE = os.getloadavg()[0]


def machine() -> dict[str, str]:
    """Processor, memory, kernel, Python, and the load before the run."""
    text = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", text)
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    return {
        "processor": model.group(1) if model else platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": f"{int(memory.group(1)) / (1 << 20):.0f} GiB" if memory else "not known",
        "kernel": platform.release(),
        "Python": platform.python_version(),
        "load before": f"{LOAD_BEFORE:.2f}",
    }


def version(tool: str, *arguments: str) -> str:
    """The first line of ``tool --version``, or that it is not here."""
    if shutil.which(tool) is None:
        return "not here"
    done = subprocess.run([tool, *(arguments or ("--version",))], capture_output=True, text=True)
    return (done.stdout or done.stderr).splitlines()[0] if done.stdout or done.stderr else "unknown"
