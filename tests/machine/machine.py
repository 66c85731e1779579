"""The state machine: whatever can happen, as rules that Hypothesis puts in any order, with anything in them.

The one thing to notice: what may come next depends on the model alone. How far a reader got is a matter of time, and an
example that depended on it could not be run again.
"""

from collections import Counter
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from lab.relay import FIN, RST, Faults
from server.transports import TRANSPORTS
from tests.machine.reader import Reader
from tests.machine.scene import Scene
from tests.machine.world import World
from tests.machine.written import MOST, Written

NASTY = ["😀", "👨‍👩‍👧", "</script>", "<!--", "\n", "\r\n", "\u2028", "\x00", "\n\ndata: x\n\n", '"}', ""]

SOME = 4
"""Tokens after which an answer may end."""

transports = st.sampled_from(sorted(TRANSPORTS))
texts = st.sampled_from(NASTY) | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)

ran = Counter[str]()
"""How often each rule ran, how many readers each transport had, and what came of them.

In a run of all examples each rule runs from a few to some 300 times, and each transport has some 200 readers.
Hypothesis leaves rules out by the example, so the numbers differ a lot from run to run.
"""

Outcome = TypeVar("Outcome")


def step(work: Callable[..., Coroutine[Any, Any, Outcome]]) -> Callable[..., Outcome]:
    """A rule that is a coroutine: the loop runs until it is done, and so do all readers meanwhile."""

    @wraps(work)
    def run(machine: "Machine", **drawn: Any) -> Outcome:
        ran[work.__name__] += 1
        machine.right = machine.read = False
        return machine.world.run(work(machine, **drawn))

    return run


class Machine(RuleBasedStateMachine):
    """What can happen. A precondition asks the model alone."""

    answers: Bundle[Written] = Bundle("answers")
    typing = answers.filter(lambda answer: answer.typing)
    grown = answers.filter(lambda answer: answer.typing and len(answer.tokens) >= SOME)
    known = answers.filter(lambda answer: not answer.gone)
    readers: Bundle[Reader] = Bundle("readers")

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.scene = Scene(self.world)
        self.right = True
        """Whether the last rule went well, and nobody has anything wrong."""
        self.read = True
        """Whether nothing was done since all have read."""
        self.world.run(self.world.open())
        self.world.run(self.scene.start())

    @initialize(target=answers)
    def begins(self) -> Written:
        return self.scene.answers[0]

    @initialize(target=readers, resumes=st.sampled_from([True, True, True, False]))
    @step
    async def all_begin(self, resumes: bool) -> MultipleResults[Reader]:
        return self._all(self.scene.answers[0], resumes)

    @rule(target=answers)
    @step
    async def starts(self) -> MultipleResults[Written]:
        return multiple(*await self.scene.start())

    @precondition(lambda self: self.scene.typing)
    @rule(answer=typing, texts=st.lists(texts, min_size=1, max_size=8), one_by_one=st.booleans())
    @step
    async def writes(self, answer: Written, texts: list[str], one_by_one: bool) -> None:
        for text in texts:
            await self.scene.write(answer, text)
            if one_by_one:
                await self.scene.caught_up()

    @precondition(lambda self: self.scene.typing)
    @rule(answer=typing, text=texts, unasked=st.booleans())
    @step
    async def writes_much(self, answer: Written, text: str, unasked: bool) -> None:
        for reader in self.scene.here:
            if unasked and reader.answer is answer:
                reader.pause()
        room = MOST - len(answer.text)
        await self.scene.write(answer, text * (room // (len(text) or 1)))
        await self.world.connected()  # by now the server has written as much as anybody on the way takes
        await self.scene.write(answer, text)

    @precondition(lambda self: self.grew)
    @rule(answer=grown, breaks=st.booleans())
    @step
    async def ends(self, answer: Written, breaks: bool) -> None:
        await self.scene.end(answer, breaks)

    @precondition(lambda self: self.grew)
    @rule(answer=grown, by_message=st.booleans())
    @step
    async def is_stopped(self, answer: Written, by_message: bool) -> None:
        await self.scene.stop(answer, by_message)

    @precondition(lambda self: len(self.scene.typing) < len(self.scene.known))
    @rule(answer=answers.filter(lambda answer: not (answer.typing or answer.gone)))
    @step
    async def is_forgotten(self, answer: Written) -> None:
        await self.scene.forget()
        await self.scene.ask("GET", answer, 404)
        await self.scene.ask("DELETE", answer, 404)

    @precondition(lambda self: self.scene.known)
    @rule(
        target=readers,
        answer=known,
        transport=transports,
        cursor=st.just(0) | st.integers(0, 50),
        resumes=st.sampled_from([True, True, False]),
        relayed=st.booleans(),
    )
    @step
    async def joins(self, answer: Written, transport: str, cursor: int, resumes: bool, relayed: bool) -> Reader:
        return self.scene.join(answer, transport, min(cursor, answer.last), resumes, relayed)

    @precondition(lambda self: self.scene.typing)
    @rule(target=readers, answer=typing, resumes=st.booleans())
    @step
    async def all_join(self, answer: Written, resumes: bool) -> MultipleResults[Reader]:
        return self._all(answer, resumes)

    @precondition(lambda self: len(self.scene.known) < len(self.scene.answers))
    @rule(target=readers, answer=answers.filter(lambda answer: answer.gone), transport=transports)
    @step
    async def comes_late(self, answer: Written, transport: str) -> Reader:
        return self.scene.join(answer, transport, 0, resumes=True, relayed=False)

    @precondition(lambda self: any(reader.answer.typing for reader in self.scene.here))
    @rule(
        reader=readers.filter(lambda reader: reader.answer.typing),
        alone=st.booleans(),
        seconds=st.sampled_from([0, 0, 0.01]),
        calm=st.sampled_from([True, True, False]),
    )
    @step
    async def is_cut(self, reader: Reader, alone: bool, seconds: float, calm: bool) -> None:
        if calm:  # else perhaps before it was connected
            await self.scene.caught_up()
            await self.world.connected()
        await self.scene.cut(reader.answer, reader.transport if alone else None, seconds)

    @precondition(lambda self: any(reader.relayed for reader in self.scene.here))
    @rule(after=st.integers(0, 600) | st.integers(0, 60_000), how=st.sampled_from([FIN, RST]))
    @step
    async def will_be_cut_by_the_network(self, after: int, how: str) -> None:
        self.scene.spoil(Faults(cut_after=after, cut=how))

    @precondition(lambda self: any(not reader.slow for reader in self.scene.here))
    @rule(reader=readers.filter(lambda reader: not reader.slow))
    @step
    async def slows_down(self, reader: Reader) -> None:
        reader.pause()

    @precondition(lambda self: any(reader.slow for reader in self.scene.here))
    @rule(reader=readers.filter(lambda reader: reader.slow))
    @step
    async def goes_on(self, reader: Reader) -> None:
        reader.go_on()

    @precondition(lambda self: self.scene.here)
    @rule(reader=consumes(readers))
    @step
    async def leaves(self, reader: Reader) -> None:
        await reader.leave()

    @precondition(lambda self: not self.read)
    @rule()
    @step
    async def all_read(self) -> None:
        await self.scene.caught_up()
        self.read = True

    @precondition(lambda self: self.grew)
    @rule()
    @step
    async def restarts(self) -> None:
        await self.scene.restart()

    @property
    def grew(self) -> bool:
        """Whether there is an answer of some length that may end; else all would end before much has happened."""
        return any(len(answer.tokens) >= SOME for answer in self.scene.typing)

    @invariant()
    def nobody_has_anything_wrong(self) -> None:
        self.scene.judge()
        self.right = True

    def teardown(self) -> None:
        try:
            if self.right:  # else it would only be found once more, and later
                self.world.run(self.scene.read_to_the_end())
        finally:
            self.world.run(self.scene.close())
            self.world.end()
            self._count()

    def _all(self, answer: Written, resumes: bool) -> MultipleResults[Reader]:
        return multiple(*(self.scene.join(answer, name, 0, resumes, relayed=not resumes) for name in TRANSPORTS))

    def _count(self) -> None:
        for reader in self.scene.readers:
            ran[f"{reader.transport} readers"] += 1
            ran[f"{reader.transport} readers back after a cut"] += reader.came_back
            ran["told that the server stops"] += reader.must_hear
