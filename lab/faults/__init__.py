"""Faults on the way, and what became of every token. `python -m lab faults` brings the parts together."""
