"""What those see who stand on the way of the bytes, also where the bytes are encrypted."""

from lab.security.leaks import averaging, browser, compression, eavesdropping, tampering, timing, token_length
from lab.security.probe import Probe

ENCRYPTED = ("C5", "C8", "C11")
"""That https, or wss, protects every transport."""

NO_TOKENS = {"whole": "It sends no single tokens: the whole answer is one record."}

OTHERS = (
    "It never compresses: this server sends HTTP bodies as they are, so a secret and what an attacker wrote share "
    "nothing. With gzip in a proxy before it, it would be another matter."
)

OWN_TIMES = dict.fromkeys(
    ("polling", "long_polling"),
    "Its readers ask at times of their own, so their records do not hold the same tokens.",
)

PROBES: dict[str, Probe] = {
    "eavesdropping": Probe(
        name="Listening on the way",
        does="A relay between client and server keeps what crosses and looks for a secret word in it.",
        why="Without TLS every transport is plain text to whoever carries it, and nobody notices that it is read.",
        attack=eavesdropping.attack,
        defences=("tls",),
        tls=True,
        claims=ENCRYPTED,
        remains="Who listens still sees when bytes cross and how many: token-length and timing show what that tells.",
    ),
    "tampering": Probe(
        name="Forging on the way",
        does="A relay changes one word of the answer, and the digest at its end to match. What it cannot read it "
        "changes blindly: one bit.",
        why="The digest shows what was lost by accident. Whoever changes the text can compute it anew, for it takes "
        "no secret to do so; the records of TLS are authenticated with one.",
        attack=tampering.attack,
        defences=("tls",),
        tls=True,
        claims=("C5", "C11"),
        remains="Who stands on the way can still break the connection.",
    ),
    "token-length": Probe(
        name="Token lengths from record sizes",
        does="A relay notes the size of each encrypted record and guesses from it how long the token inside is. "
        f"Padding fills frames to {token_length.PAD_BYTES} bytes here.",
        why="TLS hides what is written and not how much. A server that sends each token as it comes has each in a "
        "record of its own, and from the lengths of an answer's words the words can be guessed.",
        attack=token_length.attack,
        defences=("padding", "random-padding", "batching"),
        spares=NO_TOKENS,
        settings={"pad_bytes": token_length.PAD_BYTES},
        tls=True,
        claims=ENCRYPTED,
        remains="The number of tokens and their times stay visible. Random padding only blurs: who sees one answer "
        "many times averages it out. Batches still tell their sums, from which answers have been guessed as well.",
    ),
    "token-length-averaged": Probe(
        name="The same, from several readers",
        does=f"{averaging.READERS} readers of one answer, a relay before each: for every token the smallest and the "
        "largest of its records are noted, and its length is guessed from the middle.",
        why="What was filled at random is filled anew for each reader. Noise that differs each time goes away by "
        "looking often; a full bucket looks the same however often one looks.",
        attack=averaging.attack,
        defences=("padding", "random-padding"),
        spares=NO_TOKENS | OWN_TIMES,
        settings={"pad_bytes": token_length.PAD_BYTES},
        tls=True,
        claims=ENCRYPTED,
        remains="The number of tokens and their times stay visible. Random padding is not stopped by more of it: it "
        "only takes more readers.",
    ),
    "token-length-browser": Probe(
        name="The same, from a browser's traffic",
        does="Chromium reads an answer with the page's own transports, while a relay notes the sizes of records. The "
        "page's timers are shortened here, so that it polls as often as words come.",
        why="It is the server that writes one record for each token; what reads them makes no difference.",
        attack=browser.attack,
        defences=("padding",),
        spares=NO_TOKENS,
        settings={"pad_bytes": token_length.PAD_BYTES},
        tls=True,
        claims=ENCRYPTED,
        remains="The number of tokens and their times stay visible.",
    ),
    "compression-oracle": Probe(
        name="A secret guessed through compression",
        does="An answer holds a secret and repeats what an attacker wrote. The attacker sees the sizes of encrypted "
        "records alone, and guesses the secret digit by digit.",
        why="Compression writes what repeats as a reference to what came before: a guess that repeats one digit more "
        "of the secret makes a shorter record.",
        attack=compression.attack,
        defences=("no-compression",),
        spares=dict.fromkeys(("polling", "long_polling", "iframe", "sse", "whole"), OTHERS),
        tls=True,
        claims=("C11",),
    ),
    "timing": Probe(
        name="Tokens told by their gaps",
        does="A relay notes when encrypted records cross, and guesses from the gaps which tokens are numbers, commas "
        "and spaces in an answer that comes in bursts, as was published of a real one.",
        why="A model writes what is easy to predict at once and pauses before what is not, and a server that passes "
        "tokens on as they come passes the pauses on as well.",
        attack=timing.attack,
        defences=("steady-pace",),
        spares={
            "polling": "Its replies come when the reader asks, so that their gaps are those of the reader's own clock.",
            **NO_TOKENS,
        },
        tls=True,
        claims=ENCRYPTED,
        remains="The pace has to be slower than the tokens come, or it shows when there is none; sizes tell as before.",
    ),
}
