"""All probes, by id, in the order in which they are shown."""

from lab.security import floods, injections, leaks, origins
from lab.security.probe import Probe

FAMILIES: dict[str, dict[str, Probe]] = {
    "leaks": leaks.PROBES,
    "origins": origins.PROBES,
    "injections": injections.PROBES,
    "floods": floods.PROBES,
}

PROBES: dict[str, Probe] = {name: probe for family in FAMILIES.values() for name, probe in family.items()}
