"""The least versions of what we stand on. The one thing to notice: each floor is there for a fault that reaches us."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent / "pyproject.toml"

FLOORS = {
    # 3.14.3: the response parser read beyond its buffer (CVE-2026-69244). 3.14.2: a WebSocket upgrade could smuggle a
    # request to whoever shares a proxy's connection (CVE-2026-69243). 3.14.1: incomplete WebSocket frames passed by the
    # memory limit (CVE-2026-54274), compressed bodies by the size limit (CVE-2026-54278), and pipelined requests queued
    # without end (CVE-2026-54273): three of our defences stand on those limits.
    "aiohttp": (3, 14, 3),
    # The sandbox of templates could be left (CVE-2025-27516).
    "jinja2": (3, 1, 6),
    # A hostile server's handshake line was kept without a bound (tests/test_hostile.py fails with 15.0 and 16.0).
    "websockets": (17,),
}


def numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", text)[:3]))


@pytest.mark.parametrize("name", FLOORS)
def test_what_is_asked_for_and_what_is_installed_is_new_enough(name: str) -> None:
    dependencies = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]
    (asked,) = [line for line in dependencies if re.match(rf"{name}\b", line)]
    assert ">=" in asked
    assert numbers(asked.partition(">=")[2]) >= FLOORS[name]
    assert numbers(version(name)) >= FLOORS[name]


def test_nothing_is_kept_from_being_newer() -> None:
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    everything = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    assert [line for line in everything if re.search(r"[<~]|==", line)] == []
