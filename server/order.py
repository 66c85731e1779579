"""What a client may ask for: the fields of `POST /answers`, checked, and turned into a source.

The one thing to notice: nothing is corrected in silence. A field that is unknown or wrong is refused by name, since a
measurement with a default where the reader believes to have set something is worse than no measurement.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from aiohttp import web

from server.refusal import Refusal, plain
from server.settings import Settings
from server.sources import Model, Schedule, Source, scripted
from server.sources.presets import DEFAULT, PRESETS, Preset
from server.sources.replay import replay
from server.sources.typewriter import UNITS, split, typewriter

RANGES: dict[str, tuple[float, float]] = {
    "first_token_ms": (0, 60_000),
    "token_ms": (0, 60_000),
    "jitter": (0, 1),
    "seed": (0, 2**53),
    "repeat": (1, 10_000),
}
"""Lowest and highest value of the numeric fields."""

WHOLE_NUMBERS = ("seed", "repeat")
PACE = {"unit", "first_token_ms", "token_ms", "jitter"}
"""Any of these takes a recorded answer off its recorded times."""

NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")  # as in JSON: no blanks, no underscores

FIELDS = ("preset", "text", "prompt", "unit", *RANGES)


class Offer(NamedTuple):
    """What can be ordered from this server."""

    settings: Settings
    presets: Mapping[str, Preset] = PRESETS
    """Its scripted answers, by name."""
    model: Model | None = None
    """What answers prompts, if there is any."""


def order(fields: Mapping[str, Any], offer: Offer) -> Source:
    """The source that writes what `fields` ask for. Raises Refusal 400 that names the field."""
    check(fields, offer)
    if "prompt" in fields:
        return _asked(fields, offer)
    return scripted(schedule(fields, offer))


def schedule(fields: Mapping[str, Any], offer: Offer) -> Schedule:
    """The script that the fields, which were checked, ask for. Raises Refusal 400 for an answer that is too long."""
    if "text" in fields and "preset" in fields:
        raise Refusal(400, "text and preset exclude each other: send one of them.")
    settings = offer.settings
    preset = Preset(fields["text"]) if "text" in fields else offer.presets[fields.get("preset", DEFAULT)]
    repeat = int(fields.get("repeat", 1))
    _check_length("text", preset.text, repeat, settings)
    if preset.trace and not fields.keys() & PACE:
        _check_duration("repeat", preset.trace.tokens[-1][0] * repeat / 1000, settings)
        return replay(preset.trace, repeat)
    # A recorded answer typed at another pace keeps its recorded tokens, unless a unit is asked for.
    recorded = preset.trace.texts if preset.trace and "unit" not in fields else None
    tokens = recorded or split(preset.text, fields.get("unit", "grapheme"))
    first_token_ms = fields.get("first_token_ms", settings.first_token_ms)
    token_ms = fields.get("token_ms", settings.token_ms)
    _check_duration("token_ms", (first_token_ms + len(tokens) * repeat * token_ms) / 1000, settings)
    jitter, seed = fields.get("jitter", 0), fields.get("seed", 0)
    return typewriter(
        tokens, first_token_ms=first_token_ms, token_ms=token_ms, jitter=jitter, seed=int(seed), repeat=repeat
    )


def check(fields: Mapping[str, Any], offer: Offer) -> None:
    """Raises Refusal 400 for a field that is unknown or wrong."""
    for name, value in fields.items():
        _check(name, value, offer)


def from_query(query: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The same fields out of a URL's query, where a number is text; what is no number is left for `order` to refuse."""
    return once((name, _number(value) if name in RANGES else value) for name, value in query)


def once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The pairs as a dict. Raises Refusal 400 for a name that comes twice, for it cannot mean both."""
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            raise Refusal(400, f"{plain(name)} is given twice: send it once.")
        fields[name] = value
    return fields


def _asked(fields: Mapping[str, Any], offer: Offer) -> Source:
    """The model's answer. It has its own words and its own pace, so nothing else can be asked for."""
    if others := fields.keys() - {"prompt"}:
        raise Refusal(
            400, f"prompt and {min(others)} exclude each other: a model answers in its own words, at its own pace."
        )
    assert offer.model  # noqa: S101 - or the prompt would have been refused
    _check_length("prompt", fields["prompt"], 1, offer.settings)
    return offer.model.answer([{"role": "user", "content": fields["prompt"]}], {})


def _check(name: str, value: Any, offer: Offer) -> None:
    if name not in FIELDS:
        raise Refusal(400, f"There is no field {name[:40]!r}. The fields are {', '.join(FIELDS)}.")
    if name in ("text", "prompt"):
        _check_text(name, value)
    elif name in RANGES:
        _check_number(name, value)
    else:
        _check_choice(name, value, UNITS if name == "unit" else offer.presets)
    if name == "prompt" and not offer.model:
        raise Refusal(
            400,
            "prompt needs a language model, and this server runs without one: send text or preset, or start it with "
            "--model.",
        )
    if name == "prompt" and not value.strip():
        raise Refusal(400, "prompt is empty: ask something.")


def _check_text(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise Refusal(400, f"{name} must be a string, not {_kind(value)}.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Refusal(
            400,
            f"{name} holds half a character (a lone surrogate) at position {error.start}: it cannot be sent as UTF-8. "
            "Cut texts between characters, not inside them.",
        ) from None


def _check_number(name: str, value: Any) -> None:
    low, high = RANGES[name]
    kind = "a whole number" if name in WHOLE_NUMBERS else "a number"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refusal(400, f"{name} must be {kind} from {low:g} to {high:.16g}, not {_kind(value)}.")
    whole = isinstance(value, int) or value.is_integer()
    if not (low <= value <= high) or (name in WHOLE_NUMBERS and not whole):
        shown = f"{value:g}" if isinstance(value, float) or abs(value) < 10**15 else "a number that large"
        raise Refusal(400, f"{name} must be {kind} from {low:g} to {high:.16g}, not {shown}.")


def _check_choice(name: str, value: Any, choices: Iterable[str]) -> None:
    if not isinstance(value, str) or value not in choices:
        shown = repr(value[:40]) if isinstance(value, str) else _kind(value)
        raise Refusal(400, f"{name} must be one of {', '.join(choices)}, not {shown}.")


def _check_length(name: str, text: str, repeat: int, settings: Settings) -> None:
    if len(text) > settings.max_text:
        raise Refusal(
            400, f"{name} has {len(text)} characters; this server takes {settings.max_text} at most (--max-text)."
        )
    if len(text) * repeat > settings.max_answer:
        raise Refusal(
            400,
            f"repeat makes the answer {len(text) * repeat} characters long; "
            f"this server types {settings.max_answer} at most (--max-answer).",
        )


def _check_duration(field: str, seconds: float, settings: Settings) -> None:
    if seconds > settings.max_answer_s:
        raise Refusal(
            400,
            f"{field} makes the answer {seconds:.0f} seconds long; "
            f"this server types for {settings.max_answer_s:g} at most (--max-answer-s).",
        )


def _number(value: str) -> Any:
    if not NUMBER.fullmatch(value):
        return value
    return int(value) if len(value) < 20 and value.lstrip("-").isdigit() else float(value)


def _kind(value: Any) -> str:
    """What JSON calls it."""
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list", dict: "an object"}
    return names.get(type(value), "null")


OFFER = web.AppKey("offer", Offer)
