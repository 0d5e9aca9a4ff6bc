"""Bytes to facts: pure readers of ELF files; no database, no web, no I/O but the file given."""
