"""What the tests need of the machine beside Python; `python -m tests.system` gets it, where that is one command.

As root on Debian it installs the packages that are missing, else it prints the command for a person.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.peers.catalogue import NODE, PEERS
from lab.security import chromium

CLIENT = Path(__file__).parent / "node"
"""A client of ours that is written for Node."""
PROGRAMS: dict[str, Callable[[], str | None]] = {
    "chromium": chromium.find,
    "tcpdump": lambda: shutil.which("tcpdump"),
    "npm": lambda: shutil.which("npm"),
    "nchan": lambda: None if PEERS["nchan"].missing() else "nginx",
}
"""How each is found; gives its path."""

PACKAGES = {
    "chromium": ["chromium-headless-shell"],
    "tcpdump": ["tcpdump"],
    "npm": ["nodejs", "npm"],
    "nchan": ["nginx", "libnginx-mod-nchan"],
}
"""What brings it, on Debian."""


def find(program: str) -> str | None:
    """The path of the installed program."""
    return PROGRAMS[program]()


def require(program: str) -> str:
    """The path, or skip the test."""
    return find(program) or skip(f"There is no {program} here: {_advice([program])}")


def skip(reason: str) -> str:
    """Skip the test; with `CI` set, where a skipped test would go unseen, fail instead."""
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def main() -> None:
    """Install what is missing: programs, if this is root on Debian; packages of Node, if there is npm."""
    missing = [program for program in PROGRAMS if not find(program)]
    if missing and _is_debian() and os.geteuid() == 0:
        subprocess.run(["apt-get", "update"], check=True)  # noqa: S607
        subprocess.run(_install(missing), check=True)
    elif missing:
        print(f"Some tests need {' and '.join(missing)}, and are skipped: {_advice(missing)}", file=sys.stderr)
    for folder in (NODE, CLIENT) if find("npm") else ():
        if _node_modules_are_old(folder):
            subprocess.run(["npm", "ci"], cwd=folder, check=True)  # noqa: S607


def _node_modules_are_old(folder: Path) -> bool:
    """Whether they are not what the lock file says; npm keeps a copy of the one that it went by."""
    wanted, installed = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
    return not installed.exists() or installed.stat().st_mtime < wanted.stat().st_mtime


def _install(programs: list[str]) -> list[str]:
    packages = [package for program in programs for package in PACKAGES[program]]
    # In runlevel 1 no service is started: nginx is to be there, but not to serve port 80.
    return ["env", "RUNLEVEL=1", "apt-get", "install", "-y", "--no-install-recommends", *packages]


def _advice(programs: list[str]) -> str:
    return f"type: sudo {' '.join(_install(programs))}" if _is_debian() else f"install {' and '.join(programs)}."


def _is_debian() -> bool:
    return Path("/etc/debian_version").exists() and shutil.which("apt-get") is not None


if __name__ == "__main__":
    main()
