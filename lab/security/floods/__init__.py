"""What those can do who ask for too much, too often or too slowly: bounded in count and time, and on loopback only.

The one thing to notice: an honest reader sits beside every attack. What it costs others is a figure; whether the attack
succeeded is a count of what it holds or got.
"""

from lab.security.floods.crowds import CONNECTIONS, MOST_CONNECTIONS, MOST_REQUESTS_PER_S, connection_flood, poll_flood
from lab.security.floods.memory import LONG_ANSWER, deflate_bomb, huge_message, reader_queue
from lab.security.floods.slow import BODY_S, DEADLINE_S, slow_bodies, slow_heads, slow_reader
from lab.security.floods.storm import READERS, RETRY_MS, reconnect_storm
from lab.security.floods.upstream import FRAGMENTS, PINGS, empty_fragments, ping_flood
from lab.security.probe import Probe, only

SHORTENED = f"The deadline is shortened to {DEADLINE_S:g} s here."

NO_FRAMES = only("websocket", why="Nothing goes up on it but requests: it has no frames of its own.")
ONE_BODY = dict.fromkeys(
    ("polling", "long_polling", "whole"),
    "A request has one response of bounded length, and the next has to wait until that is gone: nothing is queued.",
)
SAME_POST = only(
    "sse",
    why="Its requests have no body. Its answers are started by the POST that is tried once, beside a reader over SSE.",
)
NO_RETRY = only("sse", why="The server does not tell its readers when to come back: that is up to the client.")

PROBES: dict[str, Probe] = {
    "slow-heads": Probe(
        name="Slow heads",
        does=f"Connections that say nothing, or send the head of a request byte by byte and never its end. {SHORTENED}",
        why="A head that is not whole has no handler yet, so no timeout of a handler applies. aiohttp waits 3630 s.",
        attack=slow_heads,
        alone=True,
        defences=("head-deadline",),
        settings={"keepalive_s": DEADLINE_S},
        claims=("C7",),
        remains="Connections that come back as soon as they are closed; the cap for each address bounds those.",
    ),
    "slow-bodies": Probe(
        name="Slow bodies",
        does=f"Requests for a new answer whose body comes byte by byte and never ends. The deadline is shortened "
        f"to {BODY_S:g} s here.",
        why="A deadline for heads is over when the body begins, and aiohttp has none for bodies.",
        attack=slow_bodies,
        alone=True,
        defences=("body-deadline",),
        spares=SAME_POST,
        settings={"body_s": BODY_S},
        claims=("C7",),
        remains="After its deadline a body may take as long again to end, since aiohttp lingers before it closes.",
    ),
    "slow-reader": Probe(
        name="Slow readers",
        does="Readers that ask for long answers and take nothing, on paths with small packets; where requests can "
        f"follow each other on a connection, many at once. {SHORTENED}",
        why="A write waits until there is room, and whoever does not read makes none. What waits keeps its place.",
        attack=slow_reader,
        alone=True,
        defences=("write-deadline",),
        settings={"write_s": DEADLINE_S},
        claims=("C7", "C14", "C17"),
        remains="Readers that take a little now and then: each write has its own deadline.",
    ),
    "reader-queue": Probe(
        name="Queues for slow readers",
        does="Readers that ask for a long answer and take nothing, while the server has a queue for each.",
        why="Sending into a queue never waits, so nothing ever tells the sender to stop. The queue is memory.",
        attack=reader_queue,
        alone=True,
        defences=("no-queue",),
        spares=ONE_BODY,
        settings=LONG_ANSWER,
        claims=("C14", "C17"),
        remains="What lies between the log and the socket: one write for each reader, and the kernel's buffer.",
    ),
    "poll-flood": Probe(
        name="Flood of requests",
        does="Requests as fast as they are answered, on many connections, which are closed and opened anew. The limit "
        f"is lowered to {MOST_REQUESTS_PER_S} a second here.",
        why="A request costs its sender less than its answer costs the server.",
        attack=poll_flood,
        alone=True,
        defences=("request-rate",),
        settings={"address_requests_per_s": MOST_REQUESTS_PER_S},
        claims=("C6", "C7"),
        remains="Attackers with many addresses; and refusing takes time as well.",
    ),
    "connection-flood": Probe(
        name="Flood of connections",
        does=f"{CONNECTIONS} connections of one address, each with a request for an answer that takes its time. The "
        f"cap is lowered to {MOST_CONNECTIONS} here.",
        why="An idle connection is cheap, but there is an end of file descriptors.",
        attack=connection_flood,
        alone=True,
        defences=("connection-cap",),
        settings={"max_address_connections": MOST_CONNECTIONS},
        claims=("C7", "C14", "C15"),
        remains="Attackers with many addresses; and readers behind one address, who share its cap.",
    ),
    "huge-message": Probe(
        name="Message without end",
        does="A frame that tells a length of 2^40 bytes, and then 32 MiB of them.",
        why="A message is handed over when it is whole. Until then the server has to keep what came.",
        attack=huge_message,
        alone=True,
        defences=("message-size",),
        spares=NO_FRAMES,
        besides=("upstream-rate",),
        claims=("C13",),
    ),
    "empty-fragments": Probe(
        name="Empty fragments",
        does=f"A message in {FRAGMENTS} empty parts, and no last one; after the handshake, and right behind it.",
        why="A message of no length never meets a limit of its size, and is never whole. aiohttp counts no parts.",
        attack=empty_fragments,
        alone=True,
        defences=("upstream-rate",),
        spares=NO_FRAMES,
        claims=("C13",),
        remains="What fits into the rate; it is far more than a reader needs, and far less than a flood.",
    ),
    "ping-flood": Probe(
        name="Flood of pings",
        does=f"{PINGS} pings, each of which has to be answered; once after the handshake, and once right behind it.",
        why="RFC 6455 demands a pong for every ping, libraries send it unasked, and no limit on messages sees either.",
        attack=ping_flood,
        alone=True,
        defences=("upstream-rate",),
        spares=NO_FRAMES,
        claims=("C13",),
        remains="What fits into the rate; it is far more than a reader needs, and far less than a flood.",
    ),
    "deflate-bomb": Probe(
        name="Deflate bomb",
        does="A compressed message of 32 KiB that inflates to 32 MiB of spaces. Compression is on in both runs.",
        why="Its length on the wire says nothing of what it becomes. The size has to be limited while it is inflated.",
        attack=deflate_bomb,
        alone=True,
        defences=("message-size",),
        spares=NO_FRAMES,
        besides=("no-compression",),
        claims=("C13",),
    ),
    "reconnect-storm": Probe(
        name="Return of all at once",
        does=f"{READERS} readers are cut in one moment, as by a restart, and come back when `retry` has told them to. "
        f"It is shortened to {RETRY_MS} ms here.",
        why="Who is told the same time comes at the same time, again and again, as long as that is too many.",
        attack=reconnect_storm,
        alone=True,
        defences=("retry-jitter",),
        spares=NO_RETRY,
        settings={"retry_ms": RETRY_MS},
        claims=("C6", "C9"),
        remains="Readers that do as they like.",
    ),
}
