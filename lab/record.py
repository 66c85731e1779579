"""`python -m lab record`: any source's own tokens and gaps, as a trace that can be replayed over every transport.

The one thing to notice: no transport takes part. What is recorded is the log of an answer as its source has written it,
so a replay is the source again, and not the source as somebody's network brought it.
"""

import argparse
import asyncio
import json
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from lab.result import replace_by
from server.answer import Answer
from server.models import EMBEDDED, own_model, unusable
from server.order import Offer, order
from server.refusal import Refusal
from server.settings import Settings
from server.sources import Trouble, Unavailable
from server.sources.presets import is_free

LOOKS_S = 0.1


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--prompt", help="what to ask the model")
    what.add_argument("--preset", metavar="NAME", help="a scripted answer instead, such as english")
    parser.add_argument("--model", default="", metavar="NAME", help=f"as for `python -m server` (default: {EMBEDDED})")
    parser.add_argument("--base-url", default="", metavar="URL", help="of the model's API; its key is OPENAI_API_KEY")
    parser.add_argument("--title", help="a name for people (default: the beginning of the prompt)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the trace, such as traces/mine.json")


def run(parser: argparse.ArgumentParser, given: argparse.Namespace, failed: Callable[[str], int]) -> int:
    """Record, and say in one sentence what went wrong; gives the exit code. Only a whole answer is written."""
    if problem := _unusable(given):
        parser.error(problem)
    fields = {"prompt": given.prompt} if given.prompt is not None else {"preset": given.preset}
    settings = Settings(model=given.model or EMBEDDED if "prompt" in fields else "", base_url=given.base_url)
    try:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=given.out.parent):  # before anything is asked, and paid for
            pass
    except OSError as error:
        return failed(f"{given.out} cannot be written: {error.strerror}.")
    try:
        answer = asyncio.run(_watched(settings, fields))
    except Refusal as refusal:
        return failed(refusal.detail)
    except (Trouble, Unavailable) as error:
        return failed(str(error))
    if not answer.text:
        return failed("The answer has no text: there is nothing to replay.")
    try:
        replace_by(given.out, as_json(trace(answer, fields, given.title)))
    except OSError as error:
        return failed(f"{given.out} cannot be written: {error.strerror}.")
    Console(stderr=True).print(f"{answer.cursor - 1} tokens are in {given.out}.", f"Replay: {_replay(given.out)}")
    return 0


def _unusable(given: argparse.Namespace) -> str | None:
    """What is wrong with the flags, as a sentence."""
    if given.out.suffix != ".json" or not is_free(given.out.stem):
        return (
            f"--out {given.out} would be no name of an answer: one is of letters, digits, hyphens and dots, ends in "
            ".json, and is not taken."
        )
    if given.preset is not None and (given.model or given.base_url):
        return "--model and --base-url are for a --prompt: a --preset has no model."
    try:
        f"{given.prompt}{given.title}".encode()
    except UnicodeEncodeError:
        return "--prompt and --title must be text: one holds half a character."
    return unusable(given.model or EMBEDDED, given.base_url) if given.preset is None else None


async def record(settings: Settings, fields: dict[str, Any], look: Callable[[Answer], None]) -> Answer:
    """Have the source that `fields` ask for write an answer to its end. Raises Refusal, Unavailable, Trouble.

    `look` is shown the answer when it begins.
    """
    offer = Offer(settings)
    async with own_model(offer) as model:
        source = order(fields, offer._replace(model=model))
        answer = Answer("recorded")
        look(answer)
        await source(answer)
        answer.end("finished")
        return answer


async def _watched(settings: Settings, fields: dict[str, Any]) -> Answer:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("starting")
        begun: list[Answer] = []
        recording = asyncio.create_task(record(settings, fields, begun.append))
        while not recording.done():
            progress.update(task, description=f"{begun[0].cursor} tokens" if begun else "starting")
            await asyncio.wait([recording], timeout=LOOKS_S)
        return recording.result()


def trace(answer: Answer, fields: dict[str, Any], title: str | None = None) -> dict[str, Any]:
    """The answer as a trace (docs/traces.md). Pure but for the date."""
    tokens = [[round((entry.due - answer.started) * 1000, 1), entry.token] for entry in answer.entries if entry.token]
    asked = str(fields.get("prompt") or fields.get("preset"))
    return {
        "title": title or asked[:60],
        "how": "Recorded by `python -m lab record` from one run of a source; neither text nor times are edited.",
        **answer.about,
        **fields,
        "date": datetime.now(UTC).date().isoformat(),
        "tokens": tokens,
    }


def as_json(trace: dict[str, Any]) -> str:
    """One token on a line, so that people and `diff` see them one by one."""
    head = json.dumps({key: value for key, value in trace.items() if key != "tokens"}, ensure_ascii=False, indent=2)
    lines = ",\n".join(f"    {json.dumps(token, ensure_ascii=False)}" for token in trace["tokens"])
    return head.removesuffix("\n}") + ',\n  "tokens": [\n' + lines + "\n  ]\n}\n"


def _replay(out: Path) -> str:
    return f"python -m server --traces {out.parent}"
