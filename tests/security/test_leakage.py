"""What turns bytes into figures: records, pairing, bits and guesses. All pure, so all with known inputs."""

import hashlib
import json
import random
import zlib
from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.relay import DOWN, UP, Piece
from lab.security.leaks.averaging import alone, middle
from lab.security.leaks.compression import DIGITS, HEX, shortest, victims_text
from lab.security.leaks.leakage import SHUFFLES, entropy, guesses, leakage, mutual_information, shuffled
from lab.security.leaks.pairing import Read, Token, carriers, observation
from lab.security.leaks.records import (
    APPLICATION_DATA,
    HANDSHAKE,
    MOST_BYTES,
    Headers,
    NotTLS,
    Record,
    data_down,
    records,
)
from lab.security.leaks.tampering import Forger
from lab.security.leaks.timing import gaps
from lab.security.leaks.token_length import PAD_BYTES, TEXT, per_digit, sizes
from lab.security.leaks.without import BATCH, PACE_MS, at_ticks, in_batches
from server.answer import Chunk
from server.sources.typewriter import split
from server.wire import encode

values = st.lists(st.integers(0, 5), min_size=2, max_size=60)
pairs = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=60)


# Bits.


@pytest.mark.parametrize("bits", range(6))
def test_of_equally_many_values_each_has_as_many_bits_as_it_takes_to_number_them(bits: int) -> None:
    assert entropy([*range(2**bits)] * 3) == pytest.approx(bits)


def test_a_fair_coin_that_falls_once_in_four_has_less_than_a_bit() -> None:
    assert entropy("aaab") == pytest.approx(0.811278, abs=1e-6)


@given(values)
def test_who_sees_a_value_itself_learns_all_of_it(secrets: list[int]) -> None:
    assert mutual_information(secrets, [-secret for secret in secrets]) == pytest.approx(entropy(secrets))


@given(values, values)
def test_what_occurs_with_everything_equally_often_tells_nothing(some: list[int], others: list[int]) -> None:
    secrets, observed = zip(*product(some, others), strict=True)
    assert mutual_information(secrets, observed) == pytest.approx(0, abs=1e-9)


@given(pairs)
def test_information_is_mutual_and_never_more_than_there_is(found: list[tuple[int, int]]) -> None:
    secrets, observed = zip(*found, strict=True)
    told = mutual_information(secrets, observed)
    assert told == pytest.approx(mutual_information(observed, secrets))
    assert -1e-9 <= told <= min(entropy(secrets), entropy(observed)) + 1e-9


def random_pairs(seed: int, samples: int = 160, kinds: int = 9, sights: int = 32) -> tuple[list[int], list[int]]:
    """Secrets, and observations that have nothing to do with them."""
    chance = random.Random(seed)  # noqa: S311 - not a secret
    return [chance.randrange(kinds) for _ in range(samples)], [chance.randrange(sights) for _ in range(samples)]


def test_shuffles_take_off_the_bits_that_few_samples_only_seem_to_have() -> None:
    secrets, observed = random_pairs(seed=1)
    assert mutual_information(secrets, observed) > 0.5
    assert abs(leakage(secrets, observed).leak_bits) < 0.15


def test_shuffles_keep_the_values_and_break_the_pairs_the_same_way_each_time() -> None:
    secrets = [*range(8)] * 20
    assert shuffled(secrets, secrets) == shuffled(secrets, secrets)
    assert shuffled(secrets, secrets) != shuffled(secrets, secrets, seed=1)
    assert len(shuffled(secrets, secrets)) == SHUFFLES
    assert max(shuffled(secrets, secrets)) < entropy(secrets) / 2


# Guesses.


def test_a_guess_is_learned_from_one_half_and_scored_on_the_other() -> None:
    secrets = ["a", "a", "a", "b", "b", "a", "c", "b"]
    seen = [1, 1, 1, 2, 2, 1, 3, 2]
    # Learned from a a b c at 1 1 2 3, scored on a b a b at 1 2 1 2: all right, and 2 by always saying a.
    # Learned from a b a b at 1 2 1 2, scored on a a b c at 1 1 2 3: c was never seen, and 2 by always saying a.
    assert guesses(secrets, seen) == (4 + 3, 2 + 2)


def test_nothing_is_guessed_from_its_own_half() -> None:
    assert guesses([*range(10)], [*range(10)]) == (0, 0)


@given(values)
def test_what_always_looks_the_same_leaks_nothing(secrets: list[int]) -> None:
    leak = leakage(secrets, [7] * len(secrets))
    assert leak.exact == leak.floor
    assert leak.leak_bits == pytest.approx(0, abs=1e-9)
    assert not leak.beyond_chance


def test_what_shows_itself_leaks_all() -> None:
    secrets = [length for length in range(2, 10) for _ in range(20)]
    leak = leakage(secrets, [32 + secret for secret in secrets])
    assert (leak.exact_rate, leak.samples) == (1, 160)
    assert leak.leak_bits == pytest.approx(leak.entropy_bits, abs=0.4)
    assert leak.beyond_chance


def test_chance_is_never_taken_for_a_leak() -> None:
    assert not [seed for seed in range(100) if leakage(*random_pairs(seed)).beyond_chance]


def test_a_leak_in_every_third_sample_is_seen() -> None:
    secrets, noise = random_pairs(seed=2)
    seen = [-secret if at % 3 == 0 else sight for at, (secret, sight) in enumerate(zip(secrets, noise, strict=True))]
    leak = leakage(secrets, seen)
    assert 0.3 < leak.leak_bits < leak.entropy_bits / 2
    assert leak.beyond_chance


@pytest.mark.parametrize(("secrets", "observed"), [([], []), ([1], [1]), ([1, 2], [1])])
def test_no_pairs_are_not_judged(secrets: list[int], observed: list[int]) -> None:
    with pytest.raises(ValueError, match="no pairs"):
        leakage(secrets, observed)


# Records.


def on_the_wire(found: Sequence[tuple[int, int]]) -> bytes:
    """Records of these types and sizes, of TLS 1.2 by their headers as all of TLS 1.3 are."""
    return b"".join(bytes([kind, 3, 3]) + size.to_bytes(2, "big") + bytes(size) for kind, size in found)


headers = st.lists(st.tuples(st.integers(20, 24), st.integers(0, 400)), max_size=12)


@given(headers)
def test_records_are_found_byte_by_byte(found: list[tuple[int, int]]) -> None:
    reader = Headers()
    assert [record for byte in on_the_wire(found) for record in reader.feed(bytes([byte]))] == found


@given(headers, st.lists(st.integers(0, 5000), max_size=10))
def test_records_are_found_in_any_pieces(found: list[tuple[int, int]], cuts: list[int]) -> None:
    data, reader = on_the_wire(found), Headers()
    places = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    assert [record for start, end in pairwise(places) for record in reader.feed(data[start:end])] == found


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\n",
        b"GET / HTTP/1.1\r\n",
        bytes([APPLICATION_DATA, 2, 0, 0, 1]),
        bytes([APPLICATION_DATA, 3, 3]) + (MOST_BYTES + 1).to_bytes(2, "big"),
    ],
)
def test_what_is_no_tls_is_refused(data: bytes) -> None:
    with pytest.raises(NotTLS):
        Headers().feed(data)


def test_connections_and_directions_are_kept_apart_and_only_data_from_the_server_counts() -> None:
    one, other = on_the_wire([(HANDSHAKE, 90), (APPLICATION_DATA, 50)]), on_the_wire([(APPLICATION_DATA, 70)])
    pieces = [
        Piece(0, DOWN, 1.0, one[:60]),
        Piece(1, DOWN, 2.0, other),
        Piece(0, UP, 3.0, on_the_wire([(APPLICATION_DATA, 30)])),
        Piece(0, DOWN, 4.0, one[60:]),
    ]
    assert len(list(records(pieces))) == 4
    assert [(found.connection, found.at, found.size) for found in data_down(pieces)] == [(1, 2.0, 70), (0, 4.0, 50)]


# Which record carried which token.

ENTRIES = [{"text": text, "due_ms": 1000.0 * at} for at, text in enumerate(["a", " bb", " ccc", " é", " last", ""], 1)]


def crossed(*found: int) -> list[Piece]:
    """Pieces with one record each, a second apart."""
    return [Piece(0, DOWN, at + 1.5, on_the_wire([(APPLICATION_DATA, size)])) for at, size in enumerate(found, 1)]


def test_each_token_is_paired_with_its_record_and_those_of_one_chunk_with_one() -> None:
    reads = [Read(0, False, 1), Read(1, False, 1), Read(3, False, 1), Read(4, False, 1), Read(6, True, 1)]
    seen = observation(crossed(615, 250, 500, 71, 40, 47, 43, 150, 22, 19), reads, ENTRIES)
    assert [(token.text, token.length, token.record.size) for token in seen.tokens] == [
        ("a", 1, 40),
        (" bb", 3, 47),
        (" ccc", 4, 47),
        (" é", 3, 43),
    ]
    assert seen.bytes == 40 + 47 + 43 + 3 * 5
    assert seen.delay_ms == pytest.approx(5000)
    assert seen.token_ms == 1000
    assert json.loads(json.dumps(seen.evidence))["tokens"][0] == ["a", 40]


def test_replies_are_paired_in_the_same_way_and_what_a_weakened_server_adds_to_each_is_left_out() -> None:
    reads = [Read(0, False, 1), Read(2, False, 2), Read(2, False, 3), Read(6, True, 4)]
    seen = observation(crossed(250, 480, 484, 480, 620), reads, ENTRIES, banner="X-Lacks: everything\r\n")
    assert [(token.text, token.record.size) for token in seen.tokens] == [("a", 484), (" bb", 484)]
    assert seen.bytes == 484 + 5 - 21


@pytest.mark.parametrize("found", [[], [22, 19], [150], [40, 22]])
def test_fewer_records_than_chunks_are_refused(found: list[int]) -> None:
    with pytest.raises(ValueError, match="cannot have carried"):
        carriers([Record(0, DOWN, 0.0, APPLICATION_DATA, size) for size in found], 2)


# The attacks' own arithmetic.


def test_without_padding_the_size_of_a_frame_is_the_length_of_its_token_and_a_constant(name: str) -> None:
    frame = import_module(f"server.transports.{name}").frame
    words = split(TEXT, "word")
    framed = [frame(Chunk(at, word)) for at, word in enumerate(words, 1)]
    assert max(map(len, framed)) < PAD_BYTES
    tokens = observation(
        crossed(*(len(data) for data in framed), 200),
        [*(Read(at, False, 1) for at in range(1, len(words) + 1)), Read(len(words) + 1, True, 1)],
        [{"text": word, "due_ms": 0} for word in [*words, ""]],
    ).tokens
    rest = {size - token.length for token, size in zip(tokens, sizes(tokens, name), strict=True)}
    assert len(rest) == 1
    assert per_digit(name) == (2 if name == "sse" else 1)  # its id is the cursor as well


def test_a_gap_is_told_by_its_class_on_both_sides_of_a_token() -> None:
    reads = [Read(at, False, 1) for at in (1, 2, 3, 4)] + [Read(6, True, 1)]
    seen = observation(crossed(40, 41, 42, 43, 150), reads, ENTRIES)
    bursts = [
        token._replace(record=token.record._replace(at=at))
        for token, at in zip(seen.tokens, (0, 0.001, 0.041, 0.061), strict=True)
    ]
    assert gaps(bursts) == [(0, 0), (0, 2), (2, 1), (1, 0)]


@given(st.text("0123456789abcdef", min_size=DIGITS, max_size=DIGITS))
def test_a_right_guess_is_always_the_one_shortest_frame(secret: str) -> None:
    """With any zlib: this is what the attack rests on, and RFC 1951 leaves the choice of matches to the compressor."""
    for at in range(DIGITS):
        found = [deflated(victims_text(secret, secret[:at] + digit)) for digit in HEX]
        assert found.count(min(found)) == 1
        assert shortest(found) == secret[at]


def deflated(text: str) -> int:
    """The bytes of a message with the first token of `text`, as permessage-deflate has them (RFC 7692 §7.2.1)."""
    first, second = split(text, "word")
    assert second == " ."
    compressor = zlib.compressobj(wbits=-12)
    return len(compressor.compress(encode(Chunk(1, first))) + compressor.flush(zlib.Z_SYNC_FLUSH)) - 4


def test_where_all_frames_are_equally_long_any_digit_may_be_the_guess() -> None:
    assert {shortest([40] * 16) for _ in range(500)} == set(HEX)


def test_a_forger_changes_the_text_and_the_digest_to_match_whatever_comes_in_which_piece() -> None:
    forger = Forger(b"alice", b"mitch")
    assert forger(UP, b"GET /alice HTTP/1.1") == b"GET /alice HTTP/1.1"
    first = forger(DOWN, encode(Chunk(1, 'To "alice"')) + encode(Chunk(2, "")))
    last = forger(DOWN, encode(Chunk(4, "\n.", "finished", hashlib.sha256(b'To "alice"\n.').hexdigest())))
    assert first == encode(Chunk(1, 'To "mitch"')) + encode(Chunk(2, ""))
    assert last == encode(Chunk(4, "\n.", "finished", hashlib.sha256(b'To "mitch"\n.').hexdigest()))


def test_a_forger_leaves_a_handshake_alone_and_then_changes_one_bit_of_each_piece() -> None:
    forger = Forger(b"alice", b"mitch")
    hello, data = on_the_wire([(HANDSHAKE, 500)]), on_the_wire([(APPLICATION_DATA, 60)])
    forger(UP, hello)
    assert forger(DOWN, hello + data) == hello + data
    forger(UP, data)
    assert forger(DOWN, data) == data
    forger(UP, data)
    assert forger(DOWN, data) == data[:-1] + b"\x01"


schedules = st.lists(st.floats(0, 300), max_size=60).map(lambda times: [(ms, f"{ms}") for ms in sorted(times)])


@given(schedules)
def test_batches_lose_nothing_and_wait_for_their_last_token(schedule: list[tuple[float, str]]) -> None:
    releases = in_batches(schedule)
    assert [token for _, tokens in releases for token in tokens] == schedule
    assert all(ms == tokens[-1][0] for ms, tokens in releases)
    assert all(len(tokens) == BATCH for _, tokens in releases[:-1])


@given(schedules)
def test_a_steady_pace_loses_nothing_and_knows_nothing_but_its_clock(schedule: list[tuple[float, str]]) -> None:
    releases = at_ticks(schedule)
    assert [token for _, tokens in releases for token in tokens] == schedule
    assert all(ms >= tokens[0][0] - 1e-6 for ms, tokens in releases)
    for (earlier, _), (later, _) in pairwise(releases):
        ticks = (later - earlier) / PACE_MS
        assert round(ticks) >= 1
        assert ticks == pytest.approx(round(ticks))


def test_the_middle_of_many_paddings_tells_the_length_and_a_token_that_shared_a_record_is_left_out() -> None:
    def token(cursor: int, size: int) -> Token:
        return Token("word", 0.0, cursor, Record(0, "down", 0.0, 23, size))

    readers = [[token(1, 60 + pad), token(2, 70 + pad), token(3, 90)] for pad in (0, 31, 12)]
    readers[0][2:] = [token(4, 90), token(4, 90)]  # one reader got two tokens at once
    kept = alone(readers)
    assert [own[0].cursor for own in kept] == [1, 2]
    assert [middle(own, "sse") - middle(kept[0], "sse") for own in kept] == [0, 10]
