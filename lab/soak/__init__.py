"""Many readers that are cut off again and again, for minutes, and what is left behind. `python -m lab soak` runs it."""
