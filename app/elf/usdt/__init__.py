"""USDT probes: the notes of a file to sites and arguments, with types where debug information has them."""
