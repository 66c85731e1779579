"""What may be asked of an experiment, checked before anything starts; and what ends one that has started.

The one thing to notice: a value that is given twice is refused as well. Its runs could not be told apart.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any


class Failure(Exception):
    """An experiment cannot go on; the message says why, and what to do. What was measured is kept."""


class CouldNotRun(Exception):
    """This machine lacks what a measurement takes; the message says what, and how to get it. Others can go on."""


def check(parameters: Any, limits: Mapping[str, tuple[float, float]]) -> None:
    """Raise ValueError, which names the flag, for no value, one given twice, and a number outside its limits."""
    for field in fields(parameters):
        values = _values(parameters, field.name)
        if not values:
            raise ValueError(f"{flag(field.name)} is empty.")
        if twice := [value for value in values if values.count(value) > 1]:
            raise ValueError(f"{flag(field.name)} names {twice[0]} twice: once is enough.")
    for name, (least, most) in limits.items():
        for number in _values(parameters, name):
            if not least <= number <= most:
                raise ValueError(f"{flag(name)} must be from {least} to {most}, not {number}.")


def flag(name: str) -> str:
    """How the command line calls a parameter."""
    return "--" + name.replace("_", "-")


def _values(parameters: Any, name: str) -> tuple[Any, ...]:
    value = getattr(parameters, name)
    return value if isinstance(value, tuple) else (value,)
