"""The answers that are alive: start, find, stop, cap, forget.

The one thing to notice: writing and reading are separate. The writer is a task of the store, so a reader that leaves
does not stop it, and stopping it works whoever asks, also after a resume.
"""

import asyncio
import logging
import secrets
from typing import NamedTuple

from aiohttp import web

from server.answer import Answer
from server.refusal import Refusal
from server.settings import Settings
from server.sources import Source, Trouble

log = logging.getLogger(__name__)


STOPPED = "The server was stopped before this answer had ended."


class Kept(NamedTuple):
    """An answer, and the session that it belongs to, if it was started in one."""

    answer: Answer
    owner: str | None


def new_id() -> str:
    """128 random bits: not to be guessed, so that to a program without a session, knowing it is the permission."""
    return secrets.token_hex(16)


def opens(owner: str | None, asker: str | None) -> bool:
    """Whether a session may read, stop and inspect the answers of `owner`."""
    return owner is None or owner == asker


class Store:
    """Answers by id, in the memory of this process."""

    def __init__(self, settings: Settings) -> None:
        self.closed = False
        """Whether this server is being stopped, and starts no more answers."""
        self._settings = settings
        self._answers: dict[str, Kept] = {}
        self._writers: dict[str, asyncio.Task[None]] = {}

    def start(self, source: Source, owner: str | None = None) -> Answer:
        """Have `source` write a new answer.

        Raises Refusal 429 when as many as may be kept are still being typed, 503 when the server is being stopped.
        """
        if self.closed:
            raise Refusal(503, "This server is being stopped. Try again once it is back.", {"Retry-After": "5"})
        if len(self._answers) >= self._settings.max_answers:
            self._forget_oldest()
        answer = Answer(new_id())
        writer = asyncio.create_task(_write(answer, source), name=f"writer {answer.id}")
        writer.add_done_callback(lambda _: self._written(answer))  # also when it is cancelled before its first step
        self._answers[answer.id], self._writers[answer.id] = Kept(answer, owner), writer
        return answer

    def find(self, answer_id: str, asker: str | None = None, with_ticket: bool = False) -> Answer:
        """The answer of that id. Raises Refusal 404, the same for one that there is not and for one of others."""
        kept = self._answers.get(answer_id)
        if kept and (with_ticket or opens(kept.owner, asker)):
            return kept.answer
        minutes = self._settings.keep_s / 60
        raise Refusal(
            404,
            f"There is no answer of this id for you. Answers are forgotten {minutes:g} minutes after their end, and a "
            "browser's are its own; start a new one with POST /answers.",
        )

    def keeps(self, answer: Answer) -> bool:
        """Whether it is not forgotten."""
        return answer.id in self._answers

    def stop(self, answer: Answer) -> None:
        """End the answer here and now, unless it has ended; all who read it get `"done":"stopped"`."""
        self._end(answer, "stopped")

    @property
    def writing(self) -> int:
        """How many answers are being written."""
        return len(self._writers)

    async def close(self) -> None:
        """Start no more answers, and end those that are being typed as failed, which ends every stream."""
        self.closed = True
        writers = list(self._writers.values())
        for answer_id in list(self._writers):
            self._end(self._answers[answer_id].answer, "failed", STOPPED)
        await asyncio.gather(*writers, return_exceptions=True)

    def _end(self, answer: Answer, reason: str, error: str | None = None) -> None:
        answer.end(reason, error)
        if writer := self._writers.get(answer.id):
            writer.cancel()

    def _written(self, answer: Answer) -> None:
        del self._writers[answer.id]
        asyncio.get_running_loop().call_later(self._settings.keep_s, self._answers.pop, answer.id, None)

    def _forget_oldest(self) -> None:
        for answer_id in self._answers:
            if answer_id not in self._writers:
                del self._answers[answer_id]
                return
        raise Refusal(
            429,
            f"All {self._settings.max_answers} answers that this server keeps are still being typed. "
            "Try again in a moment, or start the server with a larger --max-answers.",
            {"Retry-After": "5"},
        )


async def _write(answer: Answer, source: Source) -> None:
    try:
        await source(answer)
        answer.end("finished")
    except Trouble as trouble:
        answer.end("failed", str(trouble))
    except Exception:
        log.exception("the source of an answer failed")
        answer.end("failed", "The source of this answer broke down; the server's log says why. Start it again.")


STORE = web.AppKey("store", Store)
