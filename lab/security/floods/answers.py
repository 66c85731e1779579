"""Answers for attackers to read: long ones that are there already, and one that never says a word.

The one thing to notice: an attacker asks for them like anybody else; nothing but the amount is out of the ordinary.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

from yarl import URL

from clients.answers import answering
from clients.request import requesting, session
from lab.security.floods.gauges import health, until
from lab.security.scene import Target

READ = {"text": "字" * 1600, "unit": "sentence", "first_token_ms": 0, "token_ms": 0}
"""Ten of these fill one read from the log, which gives 16 Ki characters at most."""
READ_BYTES = 10 * 1600 * 3
"""Of its text in UTF-8."""
TYPED_S = 10.0

SILENT = {"text": "…", "first_token_ms": 60_000}
"""Longer than any attack."""


@asynccontextmanager
async def typed(target: Target, transport: str, reads: Iterable[int]) -> AsyncIterator[list[str]]:
    """For each number the link to an answer that takes so many reads. They are typed to their ends."""
    async with AsyncExitStack() as stack:
        links = []
        for number in reads:
            started = await stack.enter_async_context(answering(target.url, **READ, repeat=10 * number))
            links.append(started[transport])
        await until(lambda: _all_typed(target), TYPED_S)
        yield links


@asynccontextmanager
async def silent(target: Target, transport: str) -> AsyncIterator[str]:
    """The link to an answer that is still being typed when the attack ends; then it is stopped."""
    async with answering(target.url, **SILENT) as links:
        yield links[transport]
        async with session() as http, requesting(http, "DELETE", URL(links[transport]).parent):
            pass


async def _all_typed(target: Target) -> bool:
    return not (await health(target))["typing"]
