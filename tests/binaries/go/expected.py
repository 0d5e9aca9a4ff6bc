"""What Go's nm and binutils' addr2line say of an unstripped Go program, to the lines of expected.tsv.

    python3 expected.py whole > expected.tsv

``F address name file:line`` a function; ``A address (function file:line)...`` for every 23rd instruction the
chain of inlined calls, the innermost first.
"""

import re
import subprocess
import sys


def run(*command: str, text: str = "") -> str:
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def chains(program: str, addresses: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in run("addr2line", "-a", "-f", "-i", "-e", program, text="\n".join(addresses)).splitlines():
        if re.fullmatch(r"0x[0-9a-f]{16}", line):
            current = found.setdefault(f"{int(line, 16):x}", [])
        else:
            current.append(re.sub(r" \(discriminator.*", "", line).removeprefix("./"))
    return found


def main(program: str) -> None:
    rows = [line.split(None, 2) for line in run("go", "tool", "nm", "-sort", "address", program).splitlines()]
    functions = [(address, name) for address, kind, name in rows if kind in "Tt"]
    places = chains(program, [address for address, _ in functions])
    for address, name in functions:
        if name not in ("runtime.text", "runtime.etext"):
            print("F", address, name, places[address][-1], sep="\t")
    code = re.findall(r"^\s+([0-9a-f]+):", run("objdump", "-d", program), re.MULTILINE)
    for address, chain in chains(program, code[::23]).items():
        print("A", address, *chain, sep="\t")


main(sys.argv[1])
