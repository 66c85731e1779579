"""The relay: a network between clients and a server on this machine, to be looked into, changed, and broken.

`faults` says what can be wrong; `messages`, `cable` and `way` work it out on bytes alone; `side` and `relay` do it to
sockets; `control` sets it over HTTP; and `command` is `python -m lab relay`.
"""

from lab.relay.cable import Counts
from lab.relay.faults import FIN, RST, Faults
from lab.relay.pieces import DOWN, UP, Change, Piece
from lab.relay.relay import Relay, relaying

__all__ = ["DOWN", "FIN", "RST", "UP", "Change", "Counts", "Faults", "Piece", "Relay", "relaying"]
