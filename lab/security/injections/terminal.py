"""What a text can do in a terminal: control sequences are commands, and a terminal obeys whoever writes to it.

The one thing to notice: this is the client's to prevent. The server sent exactly the text that it was to send.
"""

import asyncio
import os
import re
import sys

from lab.security.probe import Outcome
from lab.security.scene import Scene
from lab.subject import ROOT

LONGEST_S = 30

CLIENT = "clients"
RAW_CLIENT = f"{__package__}.raw_client"

COMMAND = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC: such as the window's title (ECMA-48 8.3.89)
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, the cursor, clearing the screen (ECMA-48 5.4)
    r"|\x1b[ -/]*[0-~]"  # what else ESC begins
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"  # single control characters, but for tab and line feed
)

WRITTEN_OUT = re.compile(r"\\x([0-9a-f]{2})")


def commands(printed: str) -> list[str]:
    """Every control sequence in it that a terminal would obey. Pure."""
    return COMMAND.findall(printed)


def read_back(printed: str) -> str:
    r"""The text of what a client printed, whether control characters stand there or are written out as `\x1b`."""
    return WRITTEN_OUT.sub(lambda match: chr(int(match[1], 16)), printed).removesuffix("\n")


async def terminal_escape(scene: Scene) -> Outcome:
    """Run the Python client, and look at what it writes where the terminal reads."""
    text = f"Hello 世界 \x1b]0;{scene.target.canary}\x07\x1b[2J\x1b[31m and on"
    program = RAW_CLIENT if "terminal-escaping" in scene.target.without else CLIENT
    code, printed, said = await _client(
        program, scene.transport, "--server", scene.target.url, "--text", text, "--token-ms", "1"
    )
    obeyed = commands(printed)
    intact = code == 0 and read_back(printed) == text
    renamed = f"\x1b]0;{scene.target.canary}\x07" in obeyed
    figures = {"commands": len(obeyed), "windows_renamed": int(renamed), "text_intact": int(intact)}
    says = (
        f"The client printed {len(obeyed)} control sequences, and {'one' if renamed else 'none'} of them renames the "
        f"window; the text {'arrived intact' if intact else 'did not arrive intact'}."
    )
    evidence = {"printed": printed, "obeyed": [repr(each) for each in obeyed], "exit_code": code, "figures": said}
    return Outcome(renamed, says, figures, evidence)


async def _client(program: str, *arguments: str) -> tuple[int, str, str]:
    """Its exit code, what it printed, and what it said on standard error. Raises TimeoutError."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", program, *arguments),
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    try:
        async with asyncio.timeout(LONGEST_S):
            printed, said = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.communicate()
        raise
    return process.returncode or 0, printed.decode(), said.decode()
