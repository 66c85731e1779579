"""What the tests need of the machine beside Python; `python -m tests.system` gets it, where that is one command.

As root on Debian it installs the packages that are missing, else it prints the command for a person.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = {
    "chromium": ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"),
    "tcpdump": ("tcpdump",),
}
"""Debian's package, and the names under which the program may be installed."""

ELSEWHERE = {
    "chromium": (
        Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
        Path("/Applications/Chromium.app/Contents/MacOS/Chromium"),
        Path("C:/Program Files/Google/Chrome/Application/chrome.exe"),
    ),
}


def find(package: str) -> str | None:
    """The path of the installed program."""
    found = next((path for name in PROGRAMS[package] if (path := shutil.which(name))), None)
    return found or next((str(path) for path in ELSEWHERE.get(package, ()) if path.exists()), None)


def require(package: str) -> str:
    """The path, or skip the test."""
    return find(package) or skip(f"There is no {package} here: {_advice([package])}")


def skip(reason: str) -> str:
    """Skip the test; with `CI` set, where a skipped test would go unseen, fail instead."""
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def main() -> None:
    """Install what is missing, if this is root on Debian."""
    missing = [package for package in PROGRAMS if not find(package)]
    if not missing:
        return
    if _is_debian() and os.geteuid() == 0:
        subprocess.run(["apt-get", "update"], check=True)  # noqa: S607
        subprocess.run(_install(missing), check=True)
    else:
        print(f"Some tests need {' and '.join(missing)}, and are skipped: {_advice(missing)}", file=sys.stderr)


def _install(packages: list[str]) -> list[str]:
    return ["apt-get", "install", "-y", "--no-install-recommends", *packages]


def _advice(packages: list[str]) -> str:
    return f"type: sudo {' '.join(_install(packages))}" if _is_debian() else f"install {' and '.join(packages)}."


def _is_debian() -> bool:
    return Path("/etc/debian_version").exists() and shutil.which("apt-get") is not None


if __name__ == "__main__":
    main()
