"""Tokens told by the gaps between records, whatever their sizes are.

The one thing to notice: models do not write evenly. What is easy to predict comes in bursts, what is not comes after a
pause, and so the pauses mark the words that matter. Padding changes nothing about that.
"""

from bisect import bisect
from collections.abc import Sequence
from itertools import pairwise

from lab.security.leaks.leakage import Leakage, leakage
from lab.security.leaks.observation import observe
from lab.security.leaks.pairing import Observation, Token
from lab.security.leaks.token_length import figures
from lab.security.probe import Outcome
from lab.security.scene import Scene

ORDER = {"preset": "count-to-100"}
"""Its times follow what was published of a real answer: a number, a comma and a space at once, then a pause."""
TOKENS = 120
"""How many of them are read, which takes two seconds."""
CLASSES_MS = (8, 32, 128)
"""What divides a burst, a token's usual time, a pause and a long one. A busy machine hardly blurs classes this wide."""


ANSWERS = 3
"""How many of them are read, if the first ones do not tell: a busy machine blurs gaps, and whoever listens has time."""


async def attack(scene: Scene) -> Outcome:
    """Read answers through a relay, and guess from the gaps which tokens are numbers, commas and spaces."""
    answers: list[Observation] = []
    for _ in range(ANSWERS):
        answers.append(await observe(scene.target, scene.transport, ORDER, TOKENS))
        leak = judged(answers)
        if leak.beyond_chance:
            break
    says = (
        f"Told numbers, commas and spaces apart for {leak.exact} of {leak.samples} tokens by the gaps between "
        f"encrypted records; without looking it would have been {leak.floor}."
    )
    seen = Observation([token for each in answers for token in each.tokens], sum(each.bytes for each in answers))
    gap_ms = [gaps_ms(each.tokens) for each in answers]
    return Outcome(leak.beyond_chance, says, figures(seen, leak), seen.evidence | {"gap_ms": gap_ms})


def judged(answers: Sequence[Observation]) -> Leakage:
    """What the gaps of all of them tell of their tokens."""
    kinds = [kind(token.text) for each in answers for token in each.tokens]
    return leakage(kinds, [gap for each in answers for gap in gaps(each.tokens)])


def kind(token: str) -> str:
    """What sort of token it is: what the gaps shall tell."""
    return "number" if token.isdigit() else token


def gaps(tokens: Sequence[Token]) -> list[tuple[int, int]]:
    """For each token how long it was from the record before its own, and to the one after, as classes of CLASSES_MS."""
    classes = [bisect(CLASSES_MS, ms) for ms in gaps_ms(tokens)]
    return list(pairwise([0, *classes, 0]))


def gaps_ms(tokens: Sequence[Token]) -> list[float]:
    """The milliseconds between the records of each two tokens that follow one another; 0 within one record."""
    return [round((later.record.at - token.record.at) * 1000, 1) for token, later in pairwise(tokens)]
