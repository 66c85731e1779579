"""Token lengths out of an encrypted stream: nothing is decrypted, only the sizes of records are read.

The one thing to notice: it works on every transport that sends tokens as they come, and the better a transport streams,
the better it works. Weiss et al. (USENIX Security 2024) reconstructed answers of real assistants from such lengths.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from lab.limits import CouldNotRun
from lab.security.leaks.leakage import Leakage, leakage
from lab.security.leaks.observation import observe, round_trip_ms
from lab.security.leaks.pairing import Observation, Token
from lab.security.probe import Outcome
from lab.security.scene import Scene
from server.answer import Chunk

TEXT = (
    "A letter in a sealed envelope keeps its words to itself, yet anybody who carries it can feel how thick it is. "
    "An encrypted stream is like a thousand such envelopes, one for each word, handed over in the order of speech. "
    "Nobody has to open them. Short words make thin ones, and long words make thick ones; a reader who knows the "
    "language can often tell what was said, because few sentences share the same rhythm of lengths. Doctors, lawyers "
    "and ordinary people ask machines about things that they would never write on a postcard, and they trust the small "
    "padlock beside the address. The padlock tells the truth: nobody on the way can read a single letter. What it does "
    "not promise is silence about size and time. To keep that secret as well, every envelope must have the same "
    "thickness, whatever it holds, and that costs paper. How much paper, and how much waiting, is what we count here."
)
"""What is read: plain prose, whose words are of many lengths."""

FAST_MS, SLOW_MS = 5, 40
"""Between two words: about as fast as the fastest models write, and more slowly than on the slowest machine."""
SLOWER = (1, 4, 16)
"""How many times as slowly it is read again, when a machine that stood still got most of the words at once."""
ASKING = ("polling", "long_polling")
"""Transports that have to ask for each word. Who cannot ask as fast as words come gets several at once."""
ROUND_TRIPS = 5
"""What they are given time for, so that they nearly always ask before the next word."""

PAD_BYTES = 128
"""More than any frame of one word on any transport: those of the iframe are the longest, about 100 bytes."""


async def attack(scene: Scene) -> Outcome:
    """Read an answer through a relay with a client in Python, and guess lengths from sizes. Raises CouldNotRun."""
    target, name = scene.target, scene.transport
    trip_ms = await round_trip_ms(target)
    for slower in SLOWER:
        seen = await observe(target, name, order(name, trip_ms, slower))
        if len(seen.tokens) > len(TEXT.split()) / 2:
            return outcome(seen, name)
    raise CouldNotRun("Three times, this machine stood still for longer than half an answer takes.")


def order(transport: str, round_trip_ms: float, slower: int = 1) -> dict[str, Any]:
    """The fields of `POST /answers`, for a machine that needs so long for a request."""
    asking_ms = ROUND_TRIPS * round_trip_ms if transport in ASKING else 0
    return {
        "text": TEXT,
        "unit": "word",
        "first_token_ms": 150,
        "token_ms": round(min(max(FAST_MS, asking_ms), SLOW_MS), 1) * slower,
    }


def outcome(seen: Observation, transport: str) -> Outcome:
    """What the sizes of records told of the lengths of tokens, and what that cost the server. Pure."""
    leak = leakage([token.length for token in seen.tokens], sizes(seen.tokens, transport))
    says = (
        f"Guessed the exact length of {leak.exact} of {leak.samples} tokens from the sizes of encrypted records; "
        f"without looking it would have been {leak.floor}."
    )
    return Outcome(leak.beyond_chance, says, figures(seen, leak) | {"token_ms": seen.token_ms}, seen.evidence)


def figures(seen: Observation, leak: Leakage) -> dict[str, float]:
    """What is told of every attack that guesses tokens: the leak, and the price in bytes and waiting."""
    return {
        "tokens": leak.samples,
        "entropy_bits": round(leak.entropy_bits, 3),
        "leak_bits": round(leak.leak_bits, 3),
        "exact_rate": round(leak.exact_rate, 3),
        "floor_rate": round(leak.floor_rate, 3),
        "bytes": seen.bytes,
        "bytes_per_token": round(seen.bytes / leak.samples, 1),
        "delay_ms": round(seen.delay_ms, 1),
    }


def sizes(tokens: Sequence[Token], transport: str) -> list[int]:
    """The sizes of the tokens' records, less what is no secret: how many digits the running number in a frame has."""
    digit_bytes = per_digit(transport)
    return [token.record.size - digit_bytes * len(str(token.cursor)) for token in tokens]


def per_digit(transport: str) -> int:
    """How much longer a frame is for one more digit of its cursor; everybody can look that up in the source."""
    frame = import_module(f"server.transports.{transport}").frame
    return len(frame(Chunk(10, ""))) - len(frame(Chunk(9, "")))
