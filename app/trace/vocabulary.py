"""The words of bpftrace's language that scripts about user processes use, each with what it is.

Source: bpftrace(8) and docs/reference_guide.md of 0.17 to 0.27.
"""

from __future__ import annotations

PROBE_KINDS = (
    ("uprobe:", "the entry of a function"),
    ("uretprobe:", "the return of a function"),
    ("usdt:", "a probe that the program defines"),
    ("BEGIN", "when the script starts"),
    ("END", "when it ends"),
    ("interval:ms:500", "twice a second"),
    ("interval:s:1", "every second"),
    ("profile:hz:99", "99 times a second on each CPU"),
    ("tracepoint:", "a static place of the kernel"),
)
BUILTINS = {
    "arg0": "the first argument (arg1, arg2, … follow)",
    "args": "arguments by their names",
    "cgroup": "id of the cgroup",
    "comm": "name of the thread",
    "cpu": "number of the CPU",
    "curtask": "address of the kernel's task_struct",
    "elapsed": "ns since the script started",
    "func": "name of the function traced",
    "gid": "group id",
    "nsecs": "clock in ns",
    "pid": "process id",
    "probe": "full name of the probe",
    "retval": "what the function returned",
    "tid": "thread id",
    "uid": "user id",
    "ustack": "the user's stack",
    "kstack": "the kernel's stack",
    "username": "name of the user",
}
FUNCTIONS = {
    "avg": "average of a value, in a map",
    "buf": "bytes as hex",
    "clear": "takes all keys out of a map",
    "count": "number of calls, in a map",
    "delete": "takes a key out of a map",
    "exit": "ends the script",
    "hist": "histogram by powers of two, in a map",
    "join": "prints an array of strings",
    "lhist": "histogram with equal buckets: lhist(value, from, to, step)",
    "max": "the largest value, in a map",
    "min": "the smallest value, in a map",
    "ntop": "address of the network as text",
    "print": "prints a map or a value",
    "printf": "prints text with a format",
    "reg": 'a register: reg("ax")',
    "stats": "count, average and total, in a map",
    "str": "text at an address: str(arg0)",
    "strftime": "time as text",
    "strncmp": "compares the beginnings of texts",
    "sum": "sum of a value, in a map",
    "time": "prints the time",
    "uaddr": "address of a symbol of the user's program",
    "usym": "symbol at an address of the user's program",
    "ustack": "the user's stack: ustack(perf, 20)",
    "zero": "sets the values of a map to 0",
}
KEYWORDS = {
    "if": "if (condition) { … }",
    "else": "",
    "unroll": "unroll (3) { … }",
    "while": "while (condition) { … }",
    "return": "leaves the action",
    "struct": "struct NAME { … } before the probes",
    "sizeof": "size of a type",
    "let": "declares a variable (0.22 and later)",
    "for": "for ($pair : @map) { … } (0.21 and later)",
}
