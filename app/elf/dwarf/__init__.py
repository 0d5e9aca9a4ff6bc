"""DWARF to facts: as columns, by the native core; entry by entry, for a question about one of them."""
