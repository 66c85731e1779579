"""A packet capture on loopback as an independent instrument: what `tcpdump` saw, counted.

The one thing to notice: a byte that was sent again is one byte of the stream. Sequence numbers tell.
"""

import asyncio
import os
import struct
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.system import require, skip

PACKET = struct.Struct("=IIII")  # seconds, microseconds, captured length, length: pcap in this machine's byte order
FILE_HEAD = 24
ETHERNET = 14
SYN = 0x02
LONGEST = 16384


@dataclass
class Flow:
    """One direction of one connection, if it was opened while capturing; else it counts nothing."""

    first: int | None = None
    """The sequence number of the SYN."""
    data: bytearray = field(default_factory=bytearray)
    arrivals: list[tuple[int, float]] = field(default_factory=list)
    """After how many bytes, at what time (seconds of the wall clock)."""

    def take(self, at: float, sequence: int, flags: int, payload: bytes) -> None:
        """Take a segment; what had been sent before adds nothing."""
        if flags & SYN:
            self.first = sequence
        if self.first is None or not payload:
            return
        known = len(self.data) - (sequence - self.first - 1) % 2**32
        assert known >= 0, "a segment is missing in the capture"
        if payload[known:]:
            self.data += payload[known:]
            self.arrivals.append((len(self.data), at))


@dataclass
class Capture:
    """What crossed one server port, by client port: up and down."""

    port: int
    flows: dict[int, tuple[Flow, Flow]] = field(default_factory=dict)

    @property
    def bytes_up(self) -> int:
        """Payload to the server."""
        return sum(len(up.data) for up, _ in self.flows.values())

    @property
    def bytes_down(self) -> int:
        """Payload from the server."""
        return sum(len(down.data) for _, down in self.flows.values())

    @property
    def only(self) -> tuple[Flow, Flow]:
        """Up and down of the one connection that carried something."""
        (flows,) = (flows for flows in self.flows.values() if flows[0].data)
        return flows

    def read(self, data: bytes) -> None:
        """Take all packets of a pcap file."""
        self.flows.clear()
        for at, packet in _packets(data):
            internet = packet[ETHERNET:]
            head, length = (internet[0] & 0xF) * 4, int.from_bytes(internet[2:4])
            tcp = internet[head:length]
            source, target, sequence = struct.unpack_from("!HHI", tcp)
            client = source if target == self.port else target
            flows = self.flows.setdefault(client, (Flow(), Flow()))
            payload = tcp[(tcp[12] >> 4) * 4 :]
            flows[0 if target == self.port else 1].take(at, sequence, tcp[13], payload)


@asynccontextmanager
async def capturing(port: int) -> AsyncIterator[Capture]:
    """Capture what crosses `port` on loopback while the block runs; the figures are there afterwards."""
    program = require("tcpdump")
    if os.geteuid() != 0:
        skip("Capturing packets needs root.")
    capture = Capture(port)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "packets"
        tcpdump = await asyncio.create_subprocess_exec(
            *(program, "-i", "lo", "--immediate-mode", "-U", "-w", str(file)),
            *("-s", str(LONGEST), "-B", "16384"),  # its buffer has a place of the longest size for each packet
            f"tcp port {port}",
            stderr=asyncio.subprocess.PIPE,
        )
        assert tcpdump.stderr
        try:
            while b"listening" not in await tcpdump.stderr.readline():
                pass
            yield capture
            await asyncio.sleep(0.3)  # the last packets are still on their way to the file
        finally:
            tcpdump.terminate()
            await tcpdump.communicate()
        capture.read(file.read_bytes())


def _packets(data: bytes) -> Iterator[tuple[float, bytes]]:
    at = FILE_HEAD
    while at < len(data):
        seconds, microseconds, captured, length = PACKET.unpack_from(data, at)
        assert captured == length, "a packet was cut"
        at += PACKET.size
        yield seconds + microseconds / 1e6, data[at : at + captured]
        at += captured
