"""Which debug file belongs to which binary."""
