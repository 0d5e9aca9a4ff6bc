"""Files that are wrong in every way, through the real boxed reader: each has an end, and none is a fault."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.config import load
from app.index.reader import Source
from app.index.readers import Readers
from tests.fuzz.corpus import seeds
from tests.fuzz.mutations import Mutator
from tests.support.dwarfwriter import Die, Dwarf, Form, Raw, Unit
from tests.support.elfwriter import SHF_COMPRESSED, Section, compressed, write_elf

MUTATIONS, BATCHES = 3000, 10
STATES = {"ok", "partial", "malformed", "limit"}
# What the box itself may answer, because a file asked for more than it gives.
CEILINGS = {"memory", "output"}


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Readers]:
    made = Readers(load({}, data=tmp_path_factory.mktemp("readers")))
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return seeds(tmp_path_factory.mktemp("seeds"))


def state(readers: Readers, data: bytes) -> str:
    """How reading ended: one of STATES, or what went wrong."""
    descriptor = os.memfd_create("file")
    try:
        os.write(descriptor, data)
        outcome = readers.read(Source(descriptor, len(data)))
    finally:
        os.close(descriptor)
    if outcome.problem is not None:
        return "limit" if outcome.problem.code in CEILINGS else outcome.problem.code
    assert outcome.meta is not None
    outcome.done()
    return str(outcome.meta["state"])


def bad_ones(readers: Readers, files: dict[str, bytes]) -> dict[str, str]:
    """Those that did not end as they should, by name."""
    with ThreadPoolExecutor(2) as pool:
        ends = pool.map(lambda data: state(readers, data), files.values())
        return {name: end for name, end in zip(files, ends, strict=True) if end not in STATES}


def test_the_corpus_itself_is_sound(readers: Readers, corpus: dict[str, bytes]) -> None:
    ends = {name: state(readers, data) for name, data in corpus.items()}
    # A split part, and a file whose common part lies elsewhere, are not whole by themselves.
    assert {end for name, end in ends.items() if name not in ("alternate",)} <= {"ok", "partial"}
    assert [name for name, end in ends.items() if end == "ok"] != []


@pytest.mark.parametrize("batch", range(BATCHES))
def test_mutated_files(readers: Readers, corpus: dict[str, bytes], batch: int) -> None:
    """The name of one that fails is the seed that makes it again: ``Mutator(corpus[name]).mutate(seed)``."""
    mutators = {name: Mutator(data) for name, data in corpus.items()}
    names = list(mutators)
    files = {}
    for number in range(batch, MUTATIONS, BATCHES):
        name = names[number % len(names)]
        seed = f"{name} {number}"
        files[seed] = mutators[name].mutate(seed)
    assert bad_ones(readers, files) == {}


def test_truncated_at_every_power_of_two(readers: Readers, corpus: dict[str, bytes]) -> None:
    files = {}
    for name, data in corpus.items():
        for power in range(18):
            if 1 << power < len(data):
                files[f"{name} {1 << power}"] = data[: 1 << power]
                files[f"{name} -{1 << power}"] = data[: -(1 << power)]
    assert bad_ones(readers, files) == {}


def zeros(megabytes: int) -> bytes:
    """A zlib stream that inflates to so many MiB of zeros, a thousandth as long."""
    packer = zlib.compressobj()
    start = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return start + block * (megabytes - 1) + b"\x03\x00"


@pytest.mark.parametrize("claim", [0, 1, 1 << 20, 1 << 33, 1 << 62, (1 << 64) - 1])
def test_decompression_bombs(readers: Readers, claim: int) -> None:
    """A section of 8 GiB, whatever its header says of it; and headers that promise what does not come."""
    parts = [Section(f".debug_{name}", b"x" * 64) for name in ("info", "abbrev", "line", "str")]
    files = {}
    for how in ("zlib", "zstd", "zdebug"):
        files[how] = write_elf([compressed(part, how, size=claim) for part in parts])
    head = b"".join(number.to_bytes(4, "little") for number in (1, 0)) + claim.to_bytes(8, "little")
    bomb = head + (1).to_bytes(8, "little") + zeros(8192)
    files["bomb"] = write_elf([Section(part.name, bomb, flags=SHF_COMPRESSED) for part in parts[:2]])
    assert bad_ones(readers, files) == {}


def test_cycles_and_depth(readers: Readers) -> None:
    files = {}
    for name in ("type", "abstract_origin", "specification", "import_", "sibling", "containing_type"):
        itself = Die("subprogram", name="round", low_pc=Form("addr", 0x10), high_pc=Form("data1", 4))
        itself.set(**{name: Form("ref4", itself)})
        one, other = Die("const_type"), Die("typedef", name="other")
        one.set(**{name: Form("ref4", other)})
        other.set(**{name: Form("ref4", one)})
        user = Die("variable", name="v", type=one)
        files[name] = write_elf(Dwarf(Unit(Die("compile_unit", itself, one, other, user))).sections())
    for tag in ("lexical_block", "namespace", "structure_type", "inlined_subroutine", "subprogram"):
        # Its abbreviation has number 2, behind the unit's.
        inner = Raw(b"\x02n\0" * 100_000 + bytes(100_000))
        top = Die(tag, inner, name="n")
        files[f"deep {tag}"] = write_elf(Dwarf(Unit(Die("compile_unit", top))).sections())
    pointer = Die("base_type", name="int")
    chain = [pointer]
    for _ in range(100_000):
        pointer = Die("pointer_type", type=pointer)
        chain.append(pointer)
    chain.append(Die("variable", name="v", type=pointer))
    files["long type"] = write_elf(Dwarf(Unit(Die("compile_unit", *chain))).sections())
    files["codes"] = write_elf(Dwarf(Unit(Die("compile_unit", Raw(b"\x01" * 100_000)))).sections())
    assert bad_ones(readers, files) == {}


def test_each_crash_that_fuzzing_found(readers: Readers) -> None:
    """The ELF files among the kept ones; tests/fuzz/test_regressions.py gives all to the core itself."""
    kept = Path(__file__).parent / "regressions"
    files = {path.name: data for path in kept.rglob("*") if path.is_file() and (data := path.read_bytes())}
    assert bad_ones(readers, files) == {}
