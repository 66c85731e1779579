"""Where a measurement was made: what must be equal before two of them may be compared.

The one thing to notice: it is asked of the system at the time, never written down by hand.
"""

import asyncio
import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parent.parent


def environment() -> dict[str, Any]:
    """The environment block of a result; what this system does not tell is null."""
    commit = _git("rev-parse", "--short=12", "HEAD")
    return {
        "pushlab": version("pushlab"),
        "commit": commit,
        "dirty": bool(_git("status", "--porcelain")) if commit else None,
        "system": platform.system(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpu": _cpu(),
        "cores": psutil.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "aiohttp": version("aiohttp"),
        "websockets": version("websockets"),
        "loop": asyncio.new_event_loop.__module__.partition(".")[0],
        "tcp_congestion_control": _read("/proc/sys/net/ipv4/tcp_congestion_control"),
        "network": "loopback",
        "load_average": [round(load, 2) for load in psutil.getloadavg()],
    }


def _cpu() -> str | None:
    """The processor's name. `platform.processor()` tells it on other systems than Linux only."""
    for line in (_read("/proc/cpuinfo") or "").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Model"):
            return value.strip()
    return platform.processor() or None


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return None


def _git(*arguments: str) -> str | None:
    """What git says, None outside of a checkout or without git."""
    if not (git := shutil.which("git")):
        return None
    done = subprocess.run([git, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip() if done.returncode == 0 else None
