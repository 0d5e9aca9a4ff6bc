"""What Go writes beside DWARF: its function table, the places of its lines, its calling convention."""
