"""Attacks on a server of our own, with a defence taken away and with it in place.

The one thing to notice: a weakened server exists only here, in a process of its own, on loopback, for minutes.
"""

HEADER = "X-Sandbox-Weakened"
"""With which a weakened server says on every response what it lacks."""
