"""Symbol tables to columns; what is made of a symbol's name, and what lies around an address."""
