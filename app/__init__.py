"""Probescope: explore the symbols and probes of ELF files, and trace user processes with them."""

__version__ = "0.1.0"
