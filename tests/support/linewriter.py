"""Rows to the bytes of one line number program. Source: DWARF 2 to 5, section 6.2."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.support.bytewriter import ByteWriter, sleb, uleb

Intern = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Row:
    """``end``: the first address behind the sequence; the next row starts another."""

    address: int
    line: int = 0
    file: int = 1
    column: int = 0
    statement: bool = True
    end: bool = False


@dataclass(eq=False, slots=True)
class LineProgram:
    """Before version 5 the first directory and file are number 1, from it on 0 (and told by the header).

    ``files`` are names with the numbers of their directories. ``raw`` is opcodes in the place of ``rows``;
    ``length`` and ``header`` are lies about the lengths.
    """

    rows: Sequence[Row] = ()
    files: Sequence[tuple[str, int]] = (("a.c", 0),)
    directories: Sequence[str] = ()
    version: int = 5
    offset_size: int = 4
    address_size: int = 8
    minimum: int = 1  # bytes of an instruction
    form: str = "line_strp"  # of names, from version 5 on: line_strp, strp, string
    raw: bytes | None = None
    length: int | None = None
    header: int | None = None

    def write(self, out: ByteWriter, line_strings: Intern, strings: Intern) -> None:
        closing = out.length(self.offset_size)
        out.number(self.version, 2)
        if self.version >= 5:
            out.pack("BB", self.address_size, 0)
        header = out.number(0, self.offset_size)
        out.number(self.minimum, 1)
        if self.version >= 4:
            out.number(1, 1)
        # default_is_stmt, line_base, line_range, opcode_base, and operands of the twelve standard opcodes.
        out.pack("BbBB", 1, -5, 14, 13)
        out.data += bytes([0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1])
        if self.version >= 5:
            self._tables(out, line_strings, strings)
        else:
            for name in self.directories:
                out.text(name)
            out.number(0, 1)
            for name, directory in self.files:
                out.text(name)
                out.data += uleb(directory) + b"\0\0"
            out.number(0, 1)
        out.close(header, self.offset_size, self.header)
        out.data += self._opcodes(out) if self.raw is None else self.raw
        out.close(closing, self.offset_size, self.length)

    def _tables(self, out: ByteWriter, line_strings: Intern, strings: Intern) -> None:
        code = {"string": 0x08, "strp": 0x0E, "line_strp": 0x1F}[self.form]

        def name(text: str) -> None:
            if self.form == "string":
                out.text(text)
            else:
                out.number((strings if self.form == "strp" else line_strings)(text), self.offset_size)

        # DW_LNCT_path 1, DW_LNCT_directory_index 2 as udata.
        out.data += bytes([1, 1, code]) + uleb(len(self.directories))
        for directory in self.directories:
            name(directory)
        out.data += bytes([2, 1, code, 2, 0x0F]) + uleb(len(self.files))
        for text, number in self.files:
            name(text)
            out.uleb(number)

    def _opcodes(self, out: ByteWriter) -> bytes:
        code, fresh = b"", True
        address, line, file, column, statement = 0, 1, 1, 0, True
        for row in self.rows:
            if fresh:
                number = (row.address).to_bytes(self.address_size, out.endian)
                code += b"\0" + uleb(1 + self.address_size) + b"\x02" + number
                address, fresh = row.address, False
            if row.address != address:
                code += b"\x02" + uleb((row.address - address) // self.minimum)
            if row.end:
                code += b"\0\x01\x01"
                fresh = True
                address, line, file, column, statement = 0, 1, 1, 0, True
                continue
            if row.file != file:
                code += b"\x04" + uleb(row.file)
            if row.column != column:
                code += b"\x05" + uleb(row.column)
            if row.statement != statement:
                code += b"\x06"
            if row.line != line:
                code += b"\x03" + sleb(row.line - line)
            code += b"\x01"
            address, line, file, column, statement = (
                row.address,
                row.line,
                row.file,
                row.column,
                row.statement,
            )
        return code
