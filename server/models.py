"""Which models this server has: its own, which answers prompts, and one for every scripted answer.

The one thing to notice: where a model comes from is decided here, once. To everybody else it is something that takes
messages and gives a source, be it a script, a process of this machine, or an API on the other side of the world.
"""

import os
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from server.answer import Answer
from server.clock import clock
from server.completion import LENGTHS
from server.order import RANGES, Offer, check, schedule
from server.settings import Settings
from server.sources import Message, Model, Source, Unavailable, typing
from server.sources.presets import PRESETS

EMBEDDED = "smollm2"
"""The name of the model that runs on this machine, with the extra `model`."""
PACE = ("unit", *RANGES)
"""Options that scripted models alone understand: when each token is due."""


class Scripted:
    """A scripted answer as a model: whatever it is asked, it says the same."""

    def __init__(self, name: str, offer: Offer) -> None:
        self.name, self._offer = name, offer

    def answer(self, messages: Sequence[Message], options: Mapping[str, Any]) -> Source:
        """Type the script, or as many of its first tokens as are asked for. Raises Refusal 400 for no pace."""
        fields = {"preset": self.name} | {name: options[name] for name in PACE if name in options}
        check(fields, self._offer)
        script = schedule(fields, self._offer)
        most = min([script.size, *(options[name] for name in LENGTHS if name in options)])
        ended = {"model": self.name, "finish_reason": "length" if most < script.size else "stop"}

        async def source(answer: Answer) -> None:
            answer.about = {"model": self.name}
            await clock().follow(typing(answer, script.first(most), ended))

        return source


def unusable(model: str, base_url: str, own: bool = False) -> str | None:
    """Why a model could never answer, as a sentence for whoever chose it. `own`: there are traces of their own, too."""
    address, key = base_url or os.environ.get("OPENAI_BASE_URL", ""), os.environ.get("OPENAI_API_KEY", "")
    if base_url and not model:
        return "--base-url is the address of a model's API: say which model, too, with --model NAME."
    if not model or (not base_url and model in (*PRESETS, EMBEDDED)):
        return None
    if not (key.isascii() and key.isprintable() and " " not in key):
        return "OPENAI_API_KEY is no key: one is ASCII without spaces and line ends, since it travels in a header."
    if not address and not key and not own:
        return (
            f"--model {model} is asked for at OpenAI, which needs a key: set OPENAI_API_KEY. Or give another "
            f"--base-url, or one of the models that need no key: {EMBEDDED}, {', '.join(PRESETS)}."
        )
    return _unusable_address(address) if address else None


def _unusable_address(address: str) -> str | None:
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018 - it raises
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or not re.fullmatch(r"[!-~]+", address):
        return "--base-url is no address of an API. One looks like http://127.0.0.1:8001/v1"
    if parts.username or parts.password or parts.query or parts.fragment:
        return "--base-url must be an address alone, for it is shown: a key belongs into OPENAI_API_KEY."
    return None


@asynccontextmanager
async def own_model(offer: Offer) -> AsyncIterator[Model | None]:
    """What answers prompts while the block runs: `--model`. Raises Unavailable."""
    settings = offer.settings
    if not settings.model:
        yield None
    elif settings.model in offer.presets and not settings.base_url:
        yield Scripted(settings.model, offer)
    elif settings.model == EMBEDDED and not settings.base_url:
        async with _embedded(settings) as model:
            yield model
    else:
        async with _upstream(settings) as model:
            yield model


@asynccontextmanager
async def _upstream(settings: Settings, base_url: str = "", key: str = "") -> AsyncIterator[Model]:
    """A model behind an API like OpenAI's."""
    if not find_spec("openai"):
        raise Unavailable(
            f'--model {settings.model} needs the package openai: type: python -m pip install --editable ".[openai]". '
            f"Without it there are {', '.join(PRESETS)}."
        )
    from server.sources.openai import upstream

    model = upstream(settings, base_url, key)
    try:
        yield model
    finally:
        await model.close()


@asynccontextmanager
async def _embedded(settings: Settings) -> AsyncIterator[Model]:
    """The model of this machine, in a process of its own that talks like OpenAI's API."""
    from server.sources.embedded import running

    async with running() as (base_url, key), _upstream(settings, base_url, key) as model:
        yield model
