"""What became of each token: every fate is told from every other, whatever the answer and however it was read."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.chunk import Chunk
from lab.faults.tokens import Fate, fates

TOKENS = ["Good", " ", "news", " ", "travels", "."]


def read(start: int, end: int) -> Chunk:
    """What a read brings that had everything up to `start`."""
    return Chunk(end, "".join(TOKENS[start:end]))


WHOLE = [read(at, at + 1) for at in range(len(TOKENS))]


@pytest.mark.parametrize(
    ("reads", "wrong"),
    [
        (WHOLE, {}),
        ([read(0, 6)], {}),
        ([*WHOLE[:2], Chunk(2, ""), *WHOLE[2:], Chunk(7, "", "finished", "")], {}),
        ([], {Fate.LOST_END: 6}),
        (WHOLE[:4], {Fate.LOST_END: 2}),
        (WHOLE[2:], {Fate.LOST_PREFIX: 2}),
        ([*WHOLE[:2], *WHOLE[4:]], {Fate.LOST_MIDDLE: 2}),
        ([*WHOLE[:3], *WHOLE[2:]], {Fate.DUPLICATE: 1}),
        ([*WHOLE[:2], WHOLE[3], WHOLE[2], *WHOLE[4:]], {Fate.REORDERED: 1}),
        ([*WHOLE[:2], Chunk(3, "bad"), *WHOLE[3:]], {Fate.DIVERGENT: 1}),
        ([*WHOLE, read(0, 6)], {Fate.DUPLICATE: 6}),
        ([WHOLE[0], WHOLE[4]], {Fate.LOST_MIDDLE: 3, Fate.LOST_END: 1}),
    ],
)
def test_each_fate_is_told(reads: list[Chunk], wrong: dict[Fate, int]) -> None:
    found = fates(TOKENS, reads)
    assert found - Counter({Fate.OK: len(TOKENS)}) == Counter(wrong)
    assert found.total() == len(TOKENS)


texts = st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=20)


@given(texts, st.data())
def test_whoever_reads_all_in_order_lost_nothing_however_it_was_cut(tokens: list[str], data: st.DataObject) -> None:
    cuts = sorted({0, len(tokens), *data.draw(st.lists(st.integers(0, len(tokens))))})
    reads = [Chunk(end, "".join(tokens[start:end])) for start, end in pairwise(cuts)]
    assert fates(tokens, reads) == Counter({Fate.OK: len(tokens)})


@given(texts, st.data())
def test_what_was_left_out_is_missed(tokens: list[str], data: st.DataObject) -> None:
    missing = data.draw(st.sets(st.integers(0, len(tokens) - 1)))
    reads = [Chunk(at + 1, token) for at, token in enumerate(tokens) if at not in missing]
    found = fates(tokens, reads)
    assert found[Fate.OK] == len(tokens) - len(missing)
    assert found[Fate.LOST_PREFIX] + found[Fate.LOST_MIDDLE] + found[Fate.LOST_END] == len(missing)
