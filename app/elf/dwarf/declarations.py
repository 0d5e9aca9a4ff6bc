"""A Struct to its declaration in C, annotated as pahole annotates it: offsets, sizes, holes, cachelines.

Comments stand in one column whatever the nesting (a tab is 8 wide). The text is C as far as the type is: what
pahole writes wrongly (functions that return function pointers, pointers to arrays) is written right.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from app.elf.dwarf.structs import Member, Struct

_TYPE_WIDTH = 26
_COLUMN = 49
_CACHELINE = 64


@dataclass(slots=True)
class _Sums:
    """What the lines behind the last member count."""

    bytes: int = 0
    bits: int = 0
    holes: int = 0
    hole_bytes: int = 0
    bit_holes: int = 0
    hole_bits: int = 0
    paddings: int = 0
    padding_bytes: int = 0
    forced: int = 0
    forced_holes: int = 0
    forced_bytes: int = 0


@dataclass(slots=True)
class _Writer:
    parts: list[str] = field(default_factory=list)
    cacheline: int = 0

    def put(self, text: str) -> None:
        self.parts.append(text)


def declaration(struct: Struct) -> str:
    """The declaration that stands for ``struct``, with its semicolon."""
    if struct.kind == "typedef":
        if struct.target is not None and struct.alias is not None:
            return f"typedef {_body(struct.target, _Writer())} {struct.alias[1]};"
        left, right = struct.alias or ("?", struct.name)
        return f"typedef {left} {right};"
    if struct.kind == "base":
        return f"{struct.name or (struct.alias or ('?', ''))[0]};"
    if struct.declared_only:
        return f"{struct.kind} {struct.name}; /* declared here, not defined */"
    return _body(struct, _Writer()) + ";"


def _body(struct: Struct, writer: _Writer) -> str:
    _write(struct, writer, 0, 0, True)
    return "".join(writer.parts)


def _write(struct: Struct, writer: _Writer, indent: int, base: int, stats: bool) -> None:
    if struct.kind == "enum":
        _write_enum(struct, writer, indent)
        return
    bases = [member for member in struct.members if member.role == "base"]
    heirs = ", ".join(
        " ".join(filter(None, ("virtual" if member.virtual else "", member.access, member.type)))
        for member in bases
    )
    writer.put(
        struct.kind + (f" {struct.name}" if struct.name else "") + (f" : {heirs}" if heirs else "") + " {\n"
    )
    if struct.cut:
        writer.put("\t" * (indent + 1) + "/* nested too deeply to be shown */\n" + "\t" * indent + "}")
        return
    if struct.kind == "union":
        _write_union(struct, writer, indent, base)
    else:
        _write_members(struct, writer, indent, base, stats)
    writer.put("\t" * indent + "}")
    if struct.packed:
        writer.put(" __attribute__((__packed__))")
    elif struct.alignment and struct.kind != "union":
        writer.put(f" __attribute__((__aligned__({struct.alignment})))")


def _write_enum(struct: Struct, writer: _Writer, indent: int) -> None:
    writer.put("enum" + (f" {struct.name}" if struct.name else "") + " {\n")
    width = max((len(name) for name, _ in struct.values), default=0)
    for name, value in struct.values:
        writer.put("\t" * (indent + 1) + f"{name:<{width}} = {value},\n")
    writer.put("\t" * indent + "}")
    if struct.size not in (None, 4):
        writer.put(" __attribute__((__packed__))")


def _write_union(struct: Struct, writer: _Writer, indent: int, base: int) -> None:
    first = writer.cacheline
    for member in struct.members:
        writer.put("\t" * (indent + 1))
        _write_member(member, writer, indent + 1, base)
        writer.put("\n")
        writer.cacheline = first
    if indent == 0:
        writer.put(f"\n\t/* size: {struct.size or 0}, members: {len(struct.members)} */\n")


def _write_members(struct: Struct, writer: _Writer, indent: int, base: int, stats: bool) -> None:
    tabs = "\t" * (indent + 1)
    sums = _Sums()
    blank = False
    last: Member | None = None
    last_size = 0
    if struct.bit_hole:
        writer.put(f"\n{tabs}/* XXX {_count(struct.bit_hole, 'bit')} hole, try to pack */\n")
        sums.bit_holes, sums.hole_bits, blank = 1, struct.bit_hole, True
    if struct.hole > 0:
        writer.put(
            f"{'' if blank else chr(10)}{tabs}/* XXX {_count(struct.hole, 'byte')} hole, try to pack */\n"
        )
        sums.holes, sums.hole_bytes, blank = 1, struct.hole, True
    access = ""
    for member in struct.members:
        if member.access and member.access != access and member.role != "base":
            access = member.access
            writer.put("\t" * indent + f"{access}:\n\n")
        if member.alignment:
            sums.forced += 1
            before = last.hole if last is not None else struct.hole
            sums.forced_holes += bool(before)
            sums.forced_bytes += max(before, 0)
        if last is not None and last_size and member.role != "base" and member.role != "static":
            if last.bit_hole and member.bit_size:
                blank = _write_gap(last, member, writer, tabs) or blank
            note = _sharing(last, member, last_size)
            if note:
                writer.put(f"{'' if blank else chr(10)}{tabs}/* Bitfield combined with {note} fields */\n")
                blank = True
        if blank:
            writer.put("\n")
        writer.put(tabs)
        _write_member(member, writer, indent + 1, base)
        blank = _write_holes(member, writer, tabs, sums)
        writer.put("\n")
        if member.role == "base" or member.role == "static":
            last = member if member.role == "base" else last
            continue
        if member.bit_size:
            sums.bits += member.bit_size
        else:
            sums.bytes += member.size or 0
        moved = last is None or not last_size or last.offset != member.offset
        if moved or (last is not None and not last.bit_size and member.bit_size):
            last_size = member.size or 0
        last = member
    if last is not None:
        _write_forced_padding(struct, last, writer, tabs)
    if stats:
        _write_stats(struct, writer, tabs, sums)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' if number != 1 else ''}"


def _write_gap(last: Member, member: Member, writer: _Writer, tabs: str) -> bool:
    """The unnamed bit-field that makes a compiler leave this gap."""
    bits = last.bit_hole
    if last.offset != member.offset:
        writer.put(f"\n{tabs}/* Force alignment to the next boundary: */\n")
        bits = 0
    writer.put(f"{tabs}{member.declaration[0]:<{_TYPE_WIDTH - 8 * (len(tabs) - 1)}} :{bits};\n")
    return True


def _sharing(last: Member, member: Member, last_size: int) -> str:
    at, before = member.offset or 0, last.offset or 0
    if at < before or (at == before and not last.bit_size and member.bit_size):
        return "previous"
    return "next" if 0 < at - before < last_size else ""


def _write_holes(member: Member, writer: _Writer, tabs: str, sums: _Sums) -> bool:
    lines = []
    inner = member.layout or (member.inline if member.type.startswith(("struct {", "class {")) else None)
    if (
        inner is not None
        and not member.pointers
        and inner.kind != "union"
        and inner.padding > 0
        and "[" not in member.type
    ):
        sums.paddings += 1
        sums.padding_bytes += inner.padding
        lines.append(f"XXX last struct has {_count(inner.padding, 'byte')} of padding")
    if member.bit_hole:
        sums.bit_holes += 1
        sums.hole_bits += member.bit_hole
        lines.append(f"XXX {_count(member.bit_hole, 'bit')} hole, try to pack")
    if member.hole > 0:
        sums.holes += 1
        sums.hole_bytes += member.hole
        lines.append(f"XXX {_count(member.hole, 'byte')} hole, try to pack")
    if lines:
        writer.put("\n")
    for line in lines:
        writer.put(f"\n{tabs}/* {line} */")
    return bool(lines)


def _write_member(member: Member, writer: _Writer, indent: int, base: int) -> None:
    offset = base + (member.offset or 0)
    width = _TYPE_WIDTH - 8 * (indent - 1)
    if member.role != "static":
        _write_cacheline(writer, offset, indent)
    column = _COLUMN - 8 * (indent - 1)
    bits = f":{member.bit_size}" if member.bit_size else ""
    aligned = f" __attribute__((__aligned__({member.alignment})))" if member.alignment else ""
    if member.inline is not None:
        inner = _Writer(cacheline=writer.cacheline)
        # What a pointer leads to starts at 0 again, and has no cachelines of this type.
        _write(member.inline, inner, indent, 0 if member.pointers else offset, False)
        if not member.pointers:
            writer.cacheline = inner.cacheline
        text = "".join(inner.parts)
        name = _behind(member)
        writer.put(text + (f" {name}" if name else "") + bits + aligned + ";")
        used = (
            len(text.rsplit("\n", 1)[-1]) - indent + (len(name) + 1 if name else 0) + len(bits + aligned) + 1
        )
    else:
        left, right = member.declaration
        if member.role == "base":
            line = f"/* {left:<{width}} <ancestor>; */"
        else:
            line = f"{'static ' if member.role == 'static' else ''}{left:<{width}} {right}{bits}{aligned};"
        writer.put(line)
        used = len(line)
    if member.role == "static":
        return
    place = (
        f"{offset:5}:{member.bit_offset:2} {member.size or 0:2}"
        if bits
        else f"{offset:5} {member.size or 0:5}"
    )
    writer.put(" " * max(column - used, 1) + f"/* {place} */")


def _behind(member: Member) -> str:
    """What follows the closing brace of an unnamed type: the name with its stars and dimensions."""
    left, right = member.declaration
    stars = left.split("{...}", 1)[-1].strip() if "{...}" in left else ""
    return f"{stars} {right}".strip()


def _write_cacheline(writer: _Writer, offset: int, indent: int) -> None:
    line, past = divmod(offset, _CACHELINE)
    if line <= writer.cacheline:
        return
    ago = f" was {_count(past, 'byte')} ago" if past else ""
    writer.put(f"/* --- cacheline {line} boundary ({offset - past} bytes){ago} --- */\n" + "\t" * indent)
    writer.cacheline = line


def _write_forced_padding(struct: Struct, last: Member, writer: _Writer, tabs: str) -> None:
    """The bit-fields that make a compiler leave a padding larger than alignment asks for."""
    size = last.size or 0
    if struct.padding <= struct.address_size or struct.alignment or not size or size & (size - 1):
        return
    if last.inline is not None or ("*" in "".join(last.declaration) and "(" in last.declaration[1]):
        return
    writer.put(f"\n{tabs}/* Force padding: */\n")
    for _ in range(0, min(struct.padding, 64 * size), size):
        writer.put(f"{tabs}{last.declaration[0]:<{_TYPE_WIDTH - 8 * (len(tabs) - 1)}} :{size * 8};\n")


def _write_stats(struct: Struct, writer: _Writer, tabs: str, sums: _Sums) -> None:
    size = struct.size or 0
    statics = sum(member.role == "static" for member in struct.members)
    count = sum(member.role != "base" for member in struct.members) - statics
    note = f", static members: {statics}" if statics else ""
    lines = [f"size: {size}, cachelines: {-(-size // _CACHELINE)}, members: {count}{note}"]
    if sums.hole_bytes or sums.hole_bits:
        if sums.bytes:
            holes = f", holes: {sums.holes}, sum holes: {sums.hole_bytes}" if sums.hole_bytes else ""
            lines.append(f"sum members: {sums.bytes}{holes}")
        if sums.bits:
            holes = (
                f", bit holes: {sums.bit_holes}, sum bit holes: {sums.hole_bits} bits"
                if sums.hole_bits
                else f" ({sums.bits // 8} bytes)"
            )
            lines.append(f"sum bitfield members: {sums.bits} bits{holes}")
    if struct.padding > 0:
        lines.append(f"padding: {struct.padding}")
    if sums.paddings:
        lines.append(f"paddings: {sums.paddings}, sum paddings: {sums.padding_bytes}")
    if struct.bit_padding > 0:
        lines.append(f"bit_padding: {struct.bit_padding} bits")
    if sums.forced:
        holes = (
            f", forced holes: {sums.forced_holes}, sum forced holes: {sums.forced_bytes}"
            if sums.forced_holes
            else ""
        )
        lines.append(f"forced alignments: {sums.forced}{holes}")
    if size % _CACHELINE:
        lines.append(f"last cacheline: {size % _CACHELINE} bytes")
    writer.put("\n" + "".join(f"{tabs}/* {line} */\n" for line in lines))
