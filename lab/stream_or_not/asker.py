"""The process that asks: one asker by the SDK, or a crowd of lean ones that send what the SDK sends in its body.

The one thing to notice: a thousand SDKs take several times the CPU of the server that they ask, so with a crowd they
would measure themselves. A lean asker keeps the bytes as they come, with their time, and takes them apart afterwards.

When it is {"ready": true}, it takes orders on standard input, and reports each as done on standard output, one JSON
object a line:

    {"server": URL, "model": M, "prompt": P, "way": W, "sdk": BOOL}
                                          get ready to ask
    {"due": [S, ...], "until": S}         ask, and read to the end: {"done": {"cores": C}}
    {"account": true}                     {"done": {what all askers got}}

Meanwhile come {"progress": N}, and instead, when something fails, {"failed": SENTENCE}. It ends when its input does.
"""

import asyncio
import errno
import gc
import json
import socket
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from lab.peers.connections import Readable, connected
from lab.peers.exchange import LAST_CHUNK, Response, address, get
from lab.spread import Histogram, summary
from lab.stream_or_not.ways import WAYS, Asking, Question, Way, got

PIECE = 4096
TURN_S, PENDING_S = 0.05, 0.001
"""How long to wait for something to read, at most; and while a connection is being made."""
NOT_YET = (errno.ENOTCONN, errno.EAGAIN, errno.EINPROGRESS)
KEPT = 2000
"""Times of one answer that are told, to be drawn."""


class Lean:
    """One asker of a crowd."""

    def __init__(self, way: Way, question: Question, due: float, over: Callable[["Lean"], None]) -> None:
        self.due, self.asked, self.ended = due, 0.0, 0.0
        self.up = self._down = 0
        self.heard: list[tuple[float, bytes]] = []
        self.error: str | None = None
        self._way, self._question = way, question
        self._reply, self._body = Response(), b""
        self._reads = way.transport == "completions"
        """Whether what comes is the answer, and not the reply to having started it."""
        self._streams = self._reads and way.streamed
        self._over = over
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)

    def connect(self) -> None:
        """Begin to connect; never waits."""
        self.asked = time.monotonic()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect_ex(address(self._question.server))

    def ask(self) -> bool:
        """Ask, if there is a connection by now; False as long as there is none."""
        try:
            return self._send(self._question.first(self._way))
        except OSError as effect:
            if effect.errno in NOT_YET:
                return False
            self.end(f"The connection could not be made: {effect.strerror}.")
            return True

    def _send(self, data: bytes) -> bool:
        self.socket.sendall(data)
        self.up += len(data)
        return True

    def read(self) -> None:
        """Keep what is there, with its time. For a stream that is all, or the asker would be what is measured."""
        try:
            data, now = self.socket.recv(PIECE), time.monotonic()
            if not self._streams:
                return self._take(data, now)
            self.heard.append((now, data))
            if len(data) < len(LAST_CHUNK) or data.endswith(LAST_CHUNK):
                self._look(data, now)
        except OSError as effect:
            self.end(f"The connection broke: {effect.strerror}.")
        except ValueError as effect:
            self.end(str(effect))
        return None

    def _look(self, data: bytes, now: float) -> None:
        """Whether that was the end; it can have come in pieces."""
        last = b"".join(each for _, each in self.heard[-len(LAST_CHUNK) :])
        if not data or (last.endswith(LAST_CHUNK) and self._is_over()):
            self.end(None, now)

    def _take(self, data: bytes, now: float) -> None:
        if self._reads:
            self.heard.append((now, data))
        else:
            self._down += len(data)
        if not data:
            return self.end(None if self._reads else "The server closed the connection instead of replying.", now)
        self._body += self._reply.feed(data)
        return self._replied(now) if self._reply.ended else None

    def _is_over(self) -> bool:
        """Looked at closely: the end of a head can look like the end of a stream."""
        response = Response()
        response.feed(b"".join(data for _, data in self.heard))
        return response.ended

    def _replied(self, now: float) -> None:
        if self._reads:
            return self.end(None, now)
        request = self._question.second(self._way, self._body)
        self._reads, self._streams, self._reply = True, self._way.streamed, Response()
        self._send(request)
        return None

    def end(self, error: str | None, now: float | None = None) -> None:
        """Be done with it; `now` is when the last of it came."""
        self.ended, self.error = now or time.monotonic(), error
        self._over(self)

    def asking(self) -> Asking:
        """What became of it. Raises ValueError for what is no answer."""
        if self.error or not self.ended:
            raise ValueError(self.error or "The answer did not end in time.")
        down = self._down + sum(len(data) for _, data in self.heard)
        return Asking(self.due, self.asked, self.ended, got(self._way, self.heard), self.up, down)


class Crowd:
    """Lean askers, and their one loop."""

    def __init__(self, question: Question, way: Way, due: Sequence[float]) -> None:
        self.askers = [Lean(way, question, each, self._end) for each in sorted(due)]
        self._to_come = self.askers[::-1]
        self._pending: list[Lean] = []
        self._readable = Readable()
        self._watched: set[Lean] = set()
        self._over = 0

    def ask(self, until: float) -> None:
        """Have each ask at its time, until all have their answer, but no longer than that (monotonic seconds)."""
        self._readable.register(sys.stdin.fileno(), sys.exit)  # nobody is left to order anything
        told = 0.0
        while (now := time.monotonic()) < until and self._over < len(self.askers):
            while self._to_come and self._to_come[-1].due <= now:
                self._to_come[-1].connect()
                self._pending.append(self._to_come.pop())
            self._pending = [asker for asker in self._pending if not self._asked(asker)]
            wait_s = max(0.0, self._to_come[-1].due - now) if self._to_come else TURN_S
            self._readable.wait(min(PENDING_S if self._pending else TURN_S, wait_s))
            if now > told + 1:
                told = now
                tell(progress=self._over)

    def _asked(self, asker: Lean) -> bool:
        if not asker.ask():
            return False
        if not asker.ended:
            self._watched.add(asker)
            self._readable.register(asker.socket.fileno(), asker.read)
        return True

    def _end(self, asker: Lean) -> None:
        self._over += 1
        if asker in self._watched:
            self._readable.unregister(asker.socket.fileno())
        asker.socket.close()


def account(askings: Sequence[Asking], wrong: Sequence[str], server: str, transport: str) -> dict[str, Any]:
    """What all askers got, as JSON."""
    gaps = Histogram()
    for asking in askings:
        for before, after in zip(asking.got.pieces, asking.got.pieces[1:], strict=False):
            gaps.record((after.at - before.at) * 1000)
    counted = [_bytes(asking, server, transport) for asking in askings]
    spoken = [asking for asking in askings if asking.got.pieces]
    texts = ["".join(piece.text for piece in asking.got.pieces) for asking in askings]
    return {
        "answers": len(askings),
        "failed": len(wrong),
        "error": wrong[0] if wrong else None,
        "tokens": sum(asking.got.tokens for asking in askings),
        "texts": len(set(texts)),
        "text_bytes": sum(len(text.encode()) for text in texts),
        "ttft_ms": _summary([asking.got.pieces[0].at - asking.due for asking in spoken]),
        "e2e_ms": _summary([asking.got.pieces[-1].at - asking.due for asking in spoken]),
        "held_ms": _summary([asking.ended - asking.asked for asking in askings]),
        "tpot_ms": _summary(
            [
                (asking.got.pieces[-1].at - asking.got.pieces[0].at) / (asking.got.tokens - 1)
                for asking in spoken
                if len(asking.got.pieces) > 1 and asking.got.tokens > 1
            ]
        ),
        "gap_ms": gaps.summary() if len(gaps) else None,
        "bytes_up": sum(up for up, _ in counted),
        "bytes_down": sum(down for _, down in counted),
        "late_ms": _summary([asking.asked - asking.due for asking in askings]),
        "read_ms": [round((piece.at - each.due) * 1000, 2) for each in spoken[:1] for piece in each.got.pieces[:KEPT]],
    }


def _summary(seconds: Sequence[float]) -> dict[str, float] | None:
    return summary([each * 1000 for each in seconds]) if seconds else None


def _bytes(asking: Asking, server: str, transport: str) -> tuple[int, int]:
    """As it counted them itself; of the SDK, which does not tell, as the server did. Raises OSError, ValueError."""
    if asking.bytes_up is not None and asking.bytes_down is not None:
        return asking.bytes_up, asking.bytes_down
    with connected(server) as line:
        line.sendall(get(f"{server}/answers/{asking.answer}/ledger"))
        response, body = Response(), b""
        while not response.ended:
            if not (data := line.recv(PIECE)):
                raise OSError("the server closed the connection instead of telling its ledger")
            body += response.feed(data)
    rows = json.loads(body).get("rows", [])
    if not (found := [row for row in rows if row["transport"] == transport]):
        raise ValueError("The server's ledger does not know the answer.")
    return found[0]["bytes_up"], found[0]["bytes_down"]


async def by_sdk(question: Question, way: Way, due: Sequence[float], until: float) -> list[Asking | BaseException]:
    """Askers with OpenAI's own SDK, and what became of each."""
    from lab.stream_or_not.sdk import ask

    return list(await asyncio.gather(*(ask(question, way, each, until) for each in due), return_exceptions=True))


def lean(question: Question, way: Way, due: Sequence[float], until: float) -> list[Asking | BaseException]:
    """A crowd, and what became of each of it."""
    crowd = Crowd(question, way, due)
    crowd.ask(until)
    found: list[Asking | BaseException] = []
    for asker in crowd.askers:
        try:
            found.append(asker.asking())
        except ValueError as effect:
            found.append(effect)
    return found


def work(order: dict[str, Any]) -> dict[str, Any]:
    """Get ready, ask when it is ordered, and give the account once that is."""
    question, way = Question(order["server"], order["model"], order["prompt"]), WAYS[order["way"]]
    if order["sdk"]:
        from lab.stream_or_not.sdk import warm_up

        asyncio.run(warm_up(question, way))
    tell(done={})
    when = json.loads(sys.stdin.readline())
    gc.collect()
    gc.freeze()
    gc.disable()
    time.sleep(max(0.0, min(when["due"]) - TURN_S - time.monotonic()))  # what went before is no asking
    began, cpu_s = time.monotonic(), time.process_time()
    if order["sdk"]:
        found = asyncio.run(by_sdk(question, way, when["due"], when["until"]))
    else:
        found = lean(question, way, when["due"], when["until"])
    tell(done={"cores": (time.process_time() - cpu_s) / (time.monotonic() - began)})
    sys.stdin.readline()
    askings = [each for each in found if isinstance(each, Asking)]
    wrong = [str(each) for each in found if isinstance(each, BaseException)]
    return account(askings, wrong, order["server"], way.transport)


def tell(**report: Any) -> None:
    """Report."""
    print(json.dumps(report), flush=True)


def main() -> None:
    """Take orders until there is nobody to give any."""
    tell(ready=True)
    while line := sys.stdin.readline():
        try:
            tell(done=work(json.loads(line)))
        except (OSError, ValueError) as effect:
            tell(failed=str(effect))


if __name__ == "__main__":
    main()
