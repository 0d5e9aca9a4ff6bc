"""The variables alive at the sites of USDT probes, by DWARF, as ``usdt.types`` takes them.

A variable on the frame is said from the register that the unwind tables count the frame from at that
instruction, because that is what an operand of the assembler names.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.elf.dwarf.debug import Debug, as_addresses
from app.elf.dwarf.dies import Tag
from app.elf.dwarf.frame_rules import FrameRules
from app.elf.dwarf.locations import CFA, Place
from app.elf.dwarf.variables import Variable, variables_at
from app.elf.image import Image
from app.elf.model import UsdtProbe
from app.elf.usdt.registers import register
from app.elf.usdt.types import Local, refine

# More sites than any program has; each costs a look into its unit.
MOST_SITES = 4000


class Variables:
    """Asks one file's DWARF."""

    def __init__(self, image: Image, debug: Debug) -> None:
        self._debug = debug
        self._frames = FrameRules(image)
        self._machine = image.header.machine if image.header is not None else ""

    def __call__(self, address: int, sizes: set[int]) -> Sequence[Local]:
        """Those of ``sizes`` in the function that ``address`` lies in, the innermost scope first."""
        (number,) = self._debug.units_at(as_addresses([address])).tolist()
        if number < 0:
            return ()
        scopes = self._debug.scopes(self._debug.units[number])
        (scope,) = scopes.at(as_addresses([address])).tolist()
        if scope < 0:
            return ()
        function = self._debug.dies.die(int(scopes.key[scopes.chain(scope)[-1]]))
        if function is None or function.tag != Tag.subprogram:
            return ()
        found = (self._local(each, address) for each in variables_at(self._debug, function, address, sizes))
        return [local for local in found if local is not None][::-1]

    def _local(self, variable: Variable, address: int) -> Local | None:
        place, size = variable.place, variable.size
        if size is None or place.at_entry:
            return None
        if place.kind == "register" and place.register is not None:
            known = register(place.register, self._machine)
            if known is None or known.number is None:
                return None
            return Local(variable.name, variable.type, size, "register", known.number)
        if place.kind == "memory" and len(place.offsets) == 1:
            return self._in_memory(variable, size, place, address)
        return None

    def _in_memory(self, variable: Variable, size: int, place: Place, address: int) -> Local | None:
        offset = place.offsets[0]
        if place.register is None:
            return Local(variable.name, variable.type, size, "memory", None, offset)
        if place.register == CFA:
            rule = self._frames.cfa(address)
            if rule is None:
                return None
            return Local(variable.name, variable.type, size, "memory", rule.register, offset + rule.offset)
        known = register(place.register, self._machine)
        if known is None or known.number is None:
            return None
        return Local(variable.name, variable.type, size, "memory", known.number, offset)


def typed(image: Image, debug: Debug, probes: tuple[UsdtProbe, ...]) -> tuple[UsdtProbe, ...]:
    """The probes with the types and names that DWARF gives their arguments."""
    sites = sum(bool(site.arguments) for probe in probes for site in probe.sites)
    if not 0 < sites <= MOST_SITES:
        return probes
    return refine(probes, Variables(image, debug))
