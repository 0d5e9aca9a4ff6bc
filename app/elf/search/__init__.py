"""A text and names to ranks."""
