"""The columns of ``dwarf`` without the native core, by pyelftools: the fallback, and what the core is held against.

Gives the usual cases: files with their alternate file, but no split parts, and neither signatures of split type
units nor package files. Half a megabyte a second. Source: DWARF 5; pyelftools' dwarf package.
"""

from __future__ import annotations
