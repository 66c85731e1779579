"""Finds the Chromium that the browser tests drive; run as a script, it also gets one, where that is one command.

`python -m tests.chromium` installs Debian's package when it is root on Debian, else prints the command for a person.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ELSEWHERE = (
    Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
    Path("/Applications/Chromium.app/Contents/MacOS/Chromium"),
    Path("C:/Program Files/Google/Chrome/Application/chrome.exe"),
)
INSTALL = "apt-get install -y --no-install-recommends chromium"


def find_chromium() -> str | None:
    """The path of an installed Chromium or Chrome."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    return found or next((str(path) for path in ELSEWHERE if path.exists()), None)


def require_chromium() -> str:
    """The path, or skip the test; with `CI` set, where a skipped test would go unseen, fail instead."""
    path = find_chromium()
    if path:
        return path
    sentence = f"There is no Chromium here: {_advice()}"
    if os.environ.get("CI"):
        pytest.fail(sentence, pytrace=False)
    pytest.skip(sentence)


def main() -> None:
    """Install Chromium if it is missing and this is root on Debian."""
    if find_chromium():
        return
    if _is_debian() and os.geteuid() == 0:
        subprocess.run(["apt-get", "update"], check=True)  # noqa: S607
        subprocess.run(INSTALL.split(), check=True)
    else:
        print(f"The browser tests need Chromium: {_advice()}", file=sys.stderr)


def _advice() -> str:
    return f"type: sudo {INSTALL}" if _is_debian() else "install Chromium or Google Chrome."


def _is_debian() -> bool:
    return Path("/etc/debian_version").exists() and shutil.which("apt-get") is not None


if __name__ == "__main__":
    main()
