"""Every defence, once: what it is called, what it stops, and the standards that ask for it.

The one thing to notice: an id of this table is the same word in a refusal, in the lab's probes, on its command line, in
its report and in docs/security.md. A probe takes the defence away and attacks; nothing in this package can do that.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Defence:
    """One measure against one kind of attack."""

    name: str
    stops: str
    """What it is there to stop, as the rest of a sentence."""
    asvs: str | None
    """The requirement of OWASP ASVS 5.0 that asks for it, if there is one."""
    cwe: int
    """The weakness that is left without it (Common Weakness Enumeration)."""
    flag: str | None = None
    """The flag of `python -m server` that asks for it; without one it is always there, and no flag takes it away."""
    ships: bool = True
    """Whether this server has it; else it is in the lab, to be compared with what the server has."""


DEFENCES: dict[str, Defence] = {
    # What crosses the wire.
    "tls": Defence("TLS", "reading and changing what is on its way", "12.2.1", 319, "--tls"),
    "padding": Defence(
        "Frames padded to a bucket", "telling the length of a token from that of its record", None, 203, "--pad-bytes"
    ),
    "random-padding": Defence("Frames padded at random", "the same, a little", None, 203, ships=False),
    "batching": Defence("Several tokens in one frame", "the same, for single tokens", None, 203, ships=False),
    "steady-pace": Defence("Tokens let go at a steady pace", "telling tokens by their gaps", None, 203, ships=False),
    "no-compression": Defence("No compression", "guessing a secret by what it is compressed together with", None, 203),
    # Whose page asks.
    "host": Defence("List of host names", "a stranger's name that points here (DNS rebinding)", None, 350),
    "origin": Defence("Origin is our own", "foreign pages that read, above all over WebSocket", "4.4.2", 1385),
    "fetch-site": Defence("Sec-Fetch-Site and -Dest", "foreign pages whose requests carry no Origin", "3.5.3", 352),
    "json-only": Defence("POST is JSON", "forms and blind requests of foreign pages", "3.5.2", 352),
    "no-cors": Defence("No CORS headers", "foreign pages that read responses", "3.4.2", 942),
    "target-origin": Defence("postMessage to one origin", "foreign pages that frame ours and listen", "3.5.5", 346),
    "frame-ancestors": Defence("frame-ancestors", "foreign pages that frame ours", "3.4.6", 1021),
    "nosniff": Defence(
        "The right type, and nosniff", "responses that are run as scripts of a foreign page", "3.4.4", 693
    ),
    "session": Defence("Answers belong to a session", "reading an answer whose id became known", "8.2.2", 639),
    "random-ids": Defence("Ids of 128 random bits", "guessing the id of an answer", "11.5.1", 340),
    "token": Defence("Access token", "use by whoever reaches the port, beyond loopback", "8.2.1", 306, "--token"),
    "ticket": Defence("Tickets for one use", "tokens in addresses, which end up in logs", "14.2.1", 598),
    "redaction": Defence("Redacted log", "reading ids and tickets in the log", "16.2.5", 532),
    "referrer-policy": Defence("Referrer-Policy", "addresses that travel to other sites", "3.4.5", 200),
    # What text may do.
    "json-events": Defence("Events hold JSON", "text that forges fields of an event stream", "1.1.2", 93),
    "script-escaping": Defence("Escaped inside scripts", "text that leaves its script element", "1.2.3", 79),
    "text-nodes": Defence("Text nodes only", "text that becomes markup in the page", "3.2.2", 79),
    "terminal-escaping": Defence("Control characters shown", "text that commands a terminal", "1.3.3", 150),
    "log-escaping": Defence("Escaped in the log", "requests that forge lines of the log", "16.4.1", 117),
    # How much one may ask for.
    "head-deadline": Defence("Deadline for heads", "connections held by heads that never end", "15.2.2", 400),
    "body-deadline": Defence("Deadline for bodies", "requests held by bodies that never end", "15.2.2", 400),
    "write-deadline": Defence("Deadline for writes", "places held by readers that take nothing", "15.2.2", 400),
    "no-queue": Defence("No queue for each reader", "memory filled by readers that take nothing", "15.2.2", 770),
    "request-rate": Defence("Requests a second, by address", "floods of requests", "15.2.2", 770),
    "connection-cap": Defence("Connections, by address", "floods of connections", "15.2.2", 770),
    "message-size": Defence("Size of messages", "messages without end", "15.2.2", 770),
    "upstream-rate": Defence("Bytes a second from a reader", "pings and empty fragments without end", "15.2.2", 770),
    "retry-jitter": Defence("Jitter in retry", "readers that all come back in the same instant", "15.2.2", 400),
}
