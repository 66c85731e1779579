"""How much one thing tells of another: bits, and how many guesses it gets right. Pure.

The one thing to notice: of few samples, mutual information looks large where there is none, since every rare pair looks
like a rule. So the same samples are paired at random as well, and what is seen then is taken off.
"""

import math
import random
import statistics
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

SHUFFLES = 20
DEVIATIONS = 4
"""How far right guesses must exceed those of the blind guess, in standard deviations of the latter: by chance alone
that happens less than once in ten thousand times."""

Values = Sequence[Hashable]


@dataclass(frozen=True, slots=True)
class Leakage:
    """What the observations tell of the secrets."""

    samples: int
    entropy_bits: float
    """Of one secret: what there is to tell."""
    leak_bits: float
    """Mutual information of secret and observation, less the mean of what shuffled pairs show."""
    exact: int
    """Secrets guessed right from their observations, by a rule learned from the other half."""
    floor: int
    """The same without looking: always the most frequent secret of the other half."""
    above_shuffles: bool
    """Whether the pairs have more mutual information than each of the shuffles."""

    @property
    def exact_rate(self) -> float:
        """Share of the secrets that were guessed right."""
        return self.exact / self.samples

    @property
    def floor_rate(self) -> float:
        """The same without looking."""
        return self.floor / self.samples

    @property
    def beyond_chance(self) -> bool:
        """Whether looking helped: more right guesses than chance explains, and more bits than any shuffle has.

        Both are asked for, since they fail apart: a rare secret that always shows moves the bits, hardly the guesses.
        """
        deviation = math.sqrt(self.samples * self.floor_rate * (1 - self.floor_rate))
        return self.above_shuffles and self.exact > self.floor + DEVIATIONS * deviation


def leakage(secrets: Values, observed: Values, seed: int = 0) -> Leakage:
    """Judge pairs of a secret and what was observed of it. Raises ValueError for fewer than two, or unequal numbers."""
    if len(secrets) != len(observed) or len(secrets) < 2:
        raise ValueError(f"{len(secrets)} secrets and {len(observed)} observations make no pairs to judge.")
    found, chance = mutual_information(secrets, observed), shuffled(secrets, observed, seed)
    exact, floor = guesses(secrets, observed)
    return Leakage(
        len(secrets), entropy(secrets), found - statistics.fmean(chance), exact, floor, found > max(chance) + 1e-9
    )


def entropy(values: Values) -> float:
    """Shannon entropy in bits of one value, from how often each occurs."""
    counts = Counter(values)
    return math.log2(len(values)) - sum(n * math.log2(n) for n in counts.values()) / len(values)


def mutual_information(secrets: Values, observed: Values) -> float:
    """Bits that one observation tells of its secret, as these pairs have it (the plug-in estimate)."""
    pairs = list(zip(secrets, observed, strict=True))
    return entropy(secrets) + entropy(observed) - entropy(pairs)


def shuffled(secrets: Values, observed: Values, seed: int = 0) -> list[float]:
    """The mutual information of the same values, paired at random, SHUFFLES times over."""
    chance = random.Random(seed)  # noqa: S311 - the same pairs shall always give the same figure
    return [mutual_information(secrets, chance.sample(list(observed), len(observed))) for _ in range(SHUFFLES)]


def guesses(secrets: Values, observed: Values) -> tuple[int, int]:
    """How many secrets are guessed right, by their observations and without them.

    What is guessed in one half was learned in the other: every second pair belongs to the same half, and each half is
    learned from once.
    """
    exact = floor = 0
    for half in (0, 1):
        known, seen = secrets[half::2], observed[half::2]
        usual = most_frequent(known)
        rule = learned(known, seen)
        for secret, observation in zip(secrets[1 - half :: 2], observed[1 - half :: 2], strict=True):
            exact += rule.get(observation, usual) == secret
            floor += usual == secret
    return exact, floor


def learned(secrets: Values, observed: Values) -> dict[Hashable, Hashable]:
    """For each observation the secret that came with it most often (maximum a posteriori)."""
    together: dict[Hashable, list[Hashable]] = defaultdict(list)
    for secret, observation in zip(secrets, observed, strict=True):
        together[observation].append(secret)
    return {observation: most_frequent(found) for observation, found in together.items()}


def most_frequent(values: Values) -> Hashable:
    """The one that occurs most often; of several, the first."""
    return Counter(values).most_common(1)[0][0]
