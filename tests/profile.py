"""Where a server's time goes while it types to a crowd: samples of py-spy, added up by function.

    python -m tests.profile OUT.json                      # this server
    python -m tests.profile OUT.json --source OTHER/TREE  # that of another checkout, such as an older commit

The one thing to notice: shares are of samples, so that py-spy's own pauses, which slow the server down, are in none.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab.environment import environment
from lab.load import allow_files
from lab.peers.catalogue import PEERS
from lab.peers.experiment import STREAMS_AND_POLLS
from lab.peers.run import measure
from lab.peers.schedule import Run, a_run

ROOT = Path(__file__).parent.parent
OF_ANOTHER = "import runpy, sys; sys.path[0] = sys.argv.pop(1); runpy.run_module('lab.served', {}, '__main__', True)"
SAMPLES_PER_S, SECONDS = 500, 8
MOST = 25
"""Functions that are kept."""


OURS = PEERS["pushlab"]


def command(source: Path, readers: int) -> list[str]:
    """This server's, with the modules of another tree."""
    *_, settings = OURS.command(readers)
    return [sys.executable, "-c", OF_ANOTHER, str(source), settings]


def shares(stacks: str) -> dict[str, Any]:
    """Of py-spy's raw form, `outermost;...;innermost COUNT`: each function's share, alone and with what it calls."""
    alone, within, samples = Counter[str](), Counter[str](), 0
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        functions = [named(frame) for frame in stack.split(";")]
        samples += int(count)
        alone[functions[-1]] += int(count)
        within.update(dict.fromkeys(functions, int(count)))
    found = [(name, count / samples, within[name] / samples) for name, count in alone.most_common(MOST)]
    busy = round(samples / (SAMPLES_PER_S * SECONDS), 3)
    return {
        "samples": samples,
        "busy": busy,
        "functions": [[name, round(one, 4), round(all_, 4)] for name, one, all_ in found],
    }


def named(frame: str) -> str:
    """`function (path/to/file.py:12)` as `function (file.py)`, with the folder where the file is one of ours."""
    function, _, place = frame.rpartition(" (")
    path = Path(place.rstrip(")").rpartition(":")[0] or place.rstrip(")"))
    ours = {"server", "transports", "sources"} & {path.parent.name}
    return f"{function} ({f'{path.parent.name}/' if ours else ''}{path.name})"


async def profile(source: Path, transport: str, crowd: str, seconds: float) -> dict[str, Any]:
    """One run under py-spy. Raises CalledProcessError when that does not work."""
    run: Run = a_run("pushlab", transport, crowd, 1, seconds, 200, 0)
    PEERS["pushlab"] = replace(OURS, command=lambda readers: command(source, readers))
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw"
        spying: list[subprocess.Popen[bytes]] = []

        def watch(phase: str, _done: float, _of: float) -> None:
            if phase == "typing" and not spying:
                spying.append(spy(raw, run.typing_s))

        row = await measure(run, watch)
        if not spying or spying[0].wait() or row.get("failed"):
            raise SystemExit(f"py-spy took no samples. {row.get('void') or ''}")
        return {"transport": transport, "crowd": crowd, **shares(raw.read_text(encoding="utf-8"))}


def spy(out: Path, seconds: float) -> "subprocess.Popen[bytes]":
    """Sample the server that was started last, until it has typed everything."""
    (pid,) = [int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit() and _is_subject(one)]
    tool = Path(sys.executable).with_name("py-spy")
    how = [
        "--rate",
        str(SAMPLES_PER_S),
        "--duration",
        str(min(SECONDS, int(seconds))),
        "--format",
        "raw",
        "--output",
        str(out),
    ]
    return subprocess.Popen([tool, "record", *how, "--pid", str(pid)], stdout=subprocess.DEVNULL)


def _is_subject(process: Path) -> bool:
    try:
        return OF_ANOTHER.encode() in (process / "cmdline").read_bytes()
    except OSError:
        return False


def main() -> None:
    """Profile, and write what came of it."""
    parser = argparse.ArgumentParser(description="Where this server's time goes.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--source", type=Path, default=ROOT)
    parser.add_argument("--transport", choices=STREAMS_AND_POLLS, default="sse")
    parser.add_argument("--crowd", default="1000x50")
    given = parser.parse_args()
    allow_files(10_000)
    found = asyncio.run(profile(given.source.resolve(), given.transport, given.crowd, SECONDS))
    commit = subprocess.run(
        ["git", "-C", given.source, "rev-parse", "--short=12", "HEAD"],  # noqa: S607
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    facts = {"started": datetime.now(UTC).isoformat(timespec="seconds"), "commit": commit, "environment": environment()}
    given.out.write_text(json.dumps(facts | found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
