"""Timings side by side with the tools that people use today; ``make bench`` runs all."""
