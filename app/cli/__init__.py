"""The commands: each asks the rooms what a page would ask, and prints lines for people or JSON objects."""
