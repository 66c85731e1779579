"""Both command lines as a person uses them: real processes, real signals, real exit codes.

The one thing to notice: a traceback is never an answer. Every test that expects a failure expects a sentence.
"""

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from clients import CLIENTS
from clients.terminal import safe
from lab.relay import FIN, RST, Faults, relaying
from server.app import serving as quick
from server.settings import FLAGS, Settings
from server.sources.presets import EDGE
from server.store import STOPPED
from server.transports import TRANSPORTS

ROOT = Path(__file__).parent.parent
Process = subprocess.Popen[str]


def begin(*arguments: str) -> Process:
    """A Python process with both its outputs in pipes."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,  # a Ctrl-C in the terminal of the tests is not for it
    )


def finish(process: Process) -> tuple[int, str, str]:
    """Exit code, standard output and standard error, once it has ended; no traceback whatever it was."""
    try:
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert "Traceback" not in err
    return process.returncode, out, err


def run(*arguments: str) -> tuple[int, str, str]:
    return finish(begin(*arguments))


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[Process, str]]:
    """A server process and its URL."""
    process = begin("-m", "server", "--port", "0", *arguments)
    assert process.stdout
    try:
        yield process, process.stdout.readline().rstrip("\n")
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a quick server that all tests of the clients share."""
    with serving("--first-token-ms", "1", "--token-ms", "1") as (_, url):
        yield url


@pytest.fixture(scope="module")
def slow_server() -> Iterator[str]:
    """The URL of a server that takes half an hour for its default answer."""
    with serving("--first-token-ms", "1", "--token-ms", "20000") as (_, url):
        yield url


@pytest.fixture
def nobody() -> Iterator[str]:
    """A URL where nobody listens, and where nobody else can begin to while the test runs."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def get(url: str, path: str) -> httpx.Response:
    return httpx.get(url + path, trust_env=False, timeout=10)


def sentence(err: str) -> bool:
    """Whether it is something that a person can read: not empty, and no repr of an exception."""
    return bool(re.search(r"\w+ \w+ \w+.*[.)]?$", err.strip())) and "Error(" not in err


# The server.


def test_the_first_line_is_the_address_and_it_answers() -> None:
    with serving() as (_, url):
        assert re.fullmatch(r"http://127\.0\.0\.1:[1-9]\d*", url)
        assert get(url, "/healthz").status_code == 200


def test_the_address_of_ipv6_loopback_can_be_opened() -> None:
    if not socket.has_ipv6:
        pytest.skip("this Python has no IPv6")
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with serving("--host", "::1") as (_, url):
        assert re.fullmatch(r"http://\[::1\]:[1-9]\d*", url)
        assert get(url, "/healthz").status_code == 200


def test_sigterm_ends_every_stream_as_failed_and_the_server_with_0() -> None:
    with serving("--first-token-ms", "1", "--token-ms", "20000") as (process, url):
        with httpx.stream("GET", url + "/sse", trust_env=False, timeout=30) as response:
            lines = response.iter_lines()
            first = next(line for line in lines if line.startswith("data:") and json.loads(line[5:])["text"])
            process.send_signal(signal.SIGTERM)
            *_, last = (line for line in lines if line.startswith("data:"))
        assert "done" not in first
        assert (json.loads(last[5:])["done"], json.loads(last[5:])["error"]) == ("failed", STOPPED)
        assert finish(process)[0] == 0


def test_ctrl_c_ends_the_server_with_130_and_without_a_traceback() -> None:
    with serving("--first-token-ms", "1", "--token-ms", "20000") as (process, url):
        with httpx.stream("GET", url + "/sse", trust_env=False, timeout=30) as response:
            lines = response.iter_lines()
            next(lines)
            process.send_signal(signal.SIGINT)
            *_, last = (line for line in lines if line.startswith("data:"))
        assert (json.loads(last[5:])["done"], json.loads(last[5:])["error"]) == ("failed", STOPPED)
        code, out, err = finish(process)
    assert code == 130
    assert out == ""
    assert "Error" not in err


def test_a_port_in_use_is_said_with_the_flag_that_helps() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, err = run("-m", "server", "--port", str(port))
    assert (code, out) == (1, "")
    assert f"Port {port} is in use." in err
    assert "--port" in err


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--host", "0.0.0.0"], "not loopback"),  # noqa: S104 - refused
        (["--host", "::"], "not loopback"),
        (["--host", "192.0.2.1"], "not loopback"),
        (["--host", "example.com"], "not loopback"),
        (["--host", ""], "not loopback"),
        (["--port", "99999"], "ports go from 0 to 65535"),
        (["--port", "-1"], "--port must not be -1"),
        (["--port", "http"], "invalid int value: 'http'"),
        (["--token-ms", "-1"], "--token-ms must not be -1"),
        (["--token-ms", "nan"], "--token-ms must not be nan"),
        (["--token-ms", "inf"], "--token-ms must not be inf"),
        (["--heartbeat-s", "0"], "--heartbeat-s must not be 0"),
        (["--max-answers", "1.5"], "invalid int value: '1.5'"),
        (["--certfile", "cert.pem"], "belong together"),
        (["--deflate", "1"], "unrecognized arguments: --deflate"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
        (["nonsense"], "unrecognized arguments: nonsense"),
    ],
    ids=" ".join,
)
def test_wrong_usage_of_the_server_is_2_with_a_sentence(arguments: list[str], part: str) -> None:
    code, out, err = run("-m", "server", *arguments)
    assert (code, out) == (2, "")
    assert part in err


def test_every_setting_is_a_flag_with_its_meaning_and_default() -> None:
    code, out, err = run("-m", "server", "--help")
    assert (code, err) == (0, "")
    shown = " ".join(out.split())
    for setting in FLAGS:
        flag = "--" + setting.name.replace("_", "-")
        value = "" if isinstance(setting.default, bool) else " X"
        assert f" {flag}{value} {setting.metadata['help']} (default: {setting.default})" in shown


def test_a_flag_is_the_setting_it_names() -> None:
    with serving("--max-text", "3", "--hold-s", "1.5") as (_, url):
        limits = get(url, "/transports").json()["limits"]
    assert (limits["text_characters"], limits["hold_s"]) == (3, 1.5)


@pytest.mark.parametrize(("cert", "key"), [("nothing", "nothing"), ("ca", "key"), ("cert", "cert"), ("key", "key")])
def test_a_certificate_that_cannot_be_used_is_said(
    certificates: tuple[Path, Path, Path], tmp_path: Path, cert: str, key: str
) -> None:
    files = dict(zip(("ca", "cert", "key"), certificates, strict=True)) | {"nothing": tmp_path / "nothing.pem"}
    code, out, err = run("-m", "server", "--port", "0", "--certfile", str(files[cert]), "--keyfile", str(files[key]))
    assert (code, out) == (1, "")
    assert "cannot be used for TLS" in err


TOKEN = "correct-horse-battery-staple"  # noqa: S105 - of servers that live for a test


@pytest.fixture(scope="module")
def own_tls() -> Iterator[tuple[str, str]]:
    """The address of a server with a certificate of its own making, and the file that it tells to trust."""
    with serving("--tls", "--first-token-ms", "1", "--token-ms", "1") as (process, url):
        assert process.stderr
        said = process.stderr.readline() + process.stderr.readline()
        named = re.search(r"--cafile (\S+);", said)
        assert named, said
        yield url, named[1]


def test_a_certificate_of_its_own_making_is_gone_with_the_server() -> None:
    with serving("--tls") as (process, _):
        assert process.stderr
        named = re.search(r"--cacert (\S+)", process.stderr.readline())
        assert named
        assert Path(named[1]).exists()
        process.terminate()
        assert process.wait(timeout=30) == 0
    assert not Path(named[1]).parent.exists()


@pytest.mark.parametrize("name", [*CLIENTS, "race"])
def test_a_client_reads_over_tls_what_it_was_told_to_trust_and_nothing_else(
    own_tls: tuple[str, str], name: str
) -> None:
    url, cafile = own_tls
    assert url.startswith("https://")
    code, _, _ = run("-m", "clients", name, "--server", url, "--cafile", cafile)
    assert code == 0
    code, out, err = run("-m", "clients", name, "--server", url)
    assert (code, out) == (1, "")
    assert "cannot be trusted" in err
    assert "--cafile" in err


def test_a_client_shows_the_token_that_it_was_given() -> None:
    with serving("--token", TOKEN, "--first-token-ms", "1", "--token-ms", "1") as (_, url):
        assert run("-m", "clients", "race", "--server", url, "--token", TOKEN)[0] == 0
        code, out, err = run("-m", "clients", "sse", "--server", url)
        assert (code, out) == (1, "")
        assert "not open to all" in err


def test_the_token_can_come_from_where_other_users_cannot_see_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUSHLAB_TOKEN", TOKEN)
    with serving("--first-token-ms", "1", "--token-ms", "1") as (_, url):
        assert get(url, "/transports").status_code == 401
        assert run("-m", "clients", "sse", "--server", url)[0] == 0
    _, out, _ = run("-m", "server", "--help")
    assert TOKEN not in out


def test_with_a_token_it_may_listen_beyond_loopback_and_says_what_that_means() -> None:
    with serving("--host", "0.0.0.0", "--token", TOKEN) as (process, url):  # noqa: S104 - with a token
        assert process.stderr
        said = [process.stderr.readline() for _ in range(3)]
        assert "open to the network" in said[1]
        assert "Without --tls" in said[2]
        assert get(url.replace("0.0.0.0", "127.0.0.1"), "/transports").status_code == 401  # noqa: S104


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--token", "short"], "--token is too short"),
        (["--token", "with spaces in it it is none"], "ASCII without spaces"),
        (["--host", "0.0.0.0"], "is not loopback"),  # noqa: S104 - which is refused
        (["--tls", "--certfile", "a", "--keyfile", "b"], "give either of them"),
        (["--keepalive-s", "3630"], "must not be 3630"),
    ],
)
def test_what_would_open_the_server_to_others_is_wrong_usage(arguments: list[str], part: str) -> None:
    code, out, err = run("-m", "server", "--port", "0", *arguments)
    assert (code, out) == (2, "")
    assert part in err


# The clients.


def test_a_client_types_a_text_of_your_own(server: str) -> None:
    text = "  够钟下班啦\n\n👩‍👩‍👧‍👦 \x1b[31m</script> \r\n "
    code, out, _ = run("-m", "clients", "sse", "--server", server, "--text", text)
    assert (code, out) == (0, safe(text) + "\n")


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_types_exactly_the_text_and_a_newline_and_no_control_characters(server: str, name: str) -> None:
    code, out, _ = run("-m", "clients", name, "--server", server, "--preset", "edge")
    assert (code, out) == (0, safe(EDGE) + "\n")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", out)


@pytest.mark.parametrize("name", ["polling", "websocket", "race"])
def test_without_a_server_a_sentence_says_how_to_start_one(nobody: str, name: str) -> None:
    code, out, err = run("-m", "clients", name, "--server", nobody)
    assert (code, out) == (1, "")
    assert f"There is no server at {nobody}. Start one with: python -m server" in err


@pytest.mark.parametrize("name", ["sse", "race"])
@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--preset", "nonsense"], "preset must be one of typewriter, off-work"),
        (["--text", "x" * 20_001], "text has 20001 characters"),
    ],
    ids=["preset", "text"],
)
def test_a_refusal_is_told_in_the_servers_own_words(server: str, name: str, arguments: list[str], part: str) -> None:
    code, out, err = run("-m", "clients", name, "--server", server, *arguments)
    assert (code, out) == (1, "")
    assert err.startswith(part)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ([], "required: name"),
        (["nonsense"], "invalid choice: 'nonsense'"),
        (["sse", "--nonsense"], "unrecognized arguments: --nonsense"),
        (["sse", "--text", "a", "--preset", "edge"], "not allowed with argument --text"),
    ],
)
def test_wrong_usage_of_the_clients_is_2_with_a_sentence(arguments: list[str], part: str) -> None:
    code, out, err = run("-m", "clients", *arguments)
    assert (code, out) == (2, "")
    assert part in err


@pytest.mark.parametrize(
    "address",
    ["nonsense", "ftp://127.0.0.1", "http://127.0.0.1:99999", "", "http://", "http://[", "//", "http://127.0.0.1:x"],
)
def test_an_address_that_is_none_is_told_in_a_sentence_that_names_it(address: str) -> None:
    code, out, err = run("-m", "clients", "sse", "--server", address)
    assert code in (1, 2)
    assert out == ""
    assert sentence(err)
    assert "--server" in err
    assert address in err


@pytest.mark.parametrize("name", [*CLIENTS, "race"])
def test_ctrl_c_ends_a_client_with_130_and_stops_its_answer(slow_server: str, name: str) -> None:
    process = begin("-m", "clients", name, "--server", slow_server)
    assert process.stdout
    _until(slow_server, readers=name != "polling", typing=1)
    process.send_signal(signal.SIGINT)
    code, _, err = finish(process)
    assert code == 130
    assert "Error" not in err
    _until(slow_server, readers=False, typing=0)


def _until(server: str, *, readers: bool, typing: int) -> None:
    """Return when the server has that many answers being typed, and readers or none; fail when it never has."""
    for _ in range(1000):
        health = get(server, "/healthz").json()
        if health["typing"] == typing and (health["readers"] > 0 or not readers):
            return
    pytest.fail(f"the server is at {health}")


@pytest.mark.parametrize("name", ["sse", "websocket", "whole"])
def test_a_reader_that_takes_only_the_first_characters_gets_no_traceback(server: str, name: str) -> None:
    with begin("-m", "clients", name, "--server", server, "--text", "x" * 1000) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.read(3) == "xxx"
        process.stdout.close()
        err = process.stderr.read()
        process.wait(timeout=30)
    assert "Traceback" not in err
    assert "BrokenPipeError" not in err
    _until(server, readers=False, typing=0)


def test_the_race_types_six_identical_texts(server: str) -> None:
    code, out, err = run("-m", "clients", "race", "--server", server, "--preset", "edge")
    assert (code, err) == (0, "")
    rows = re.findall(r"^ *(\w+) +finished .* ([0-9a-f]{8}) (.)\s*$", out, re.MULTILINE)
    assert {name for name, _, _ in rows} == set(TRANSPORTS)
    assert len({digest for _, digest, _ in rows}) == 1
    assert {mark for _, _, mark in rows} == {"✓"}
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", out)


HURRIED = """
import sys
from clients import command_line, resume
resume.pause = lambda cuts: 0.01
sys.exit(command_line.main())
"""
"""The clients' command line, without the waiting between its tries to come back."""


def begun(name: str, url: str) -> Process:
    """A client that has read some of its answer, if it can show that."""
    client = begin("-c", HURRIED, name, "--server", url)
    assert client.stdout
    if name in ("whole", "race"):
        _until(url, readers=True, typing=1)
    else:
        assert client.stdout.read(1)
    return client


PACE = ("--first-token-ms", "1", "--token-ms", "200")


@pytest.mark.parametrize("name", [*CLIENTS, "race"])
def test_a_server_that_is_killed_is_told_in_a_sentence_and_what_was_typed_stays(name: str) -> None:
    with serving(*PACE) as (process, url):
        client = begun(name, url)
        process.kill()
        code, out, err = finish(client)
    assert code == 1
    assert f"The server at {url} is gone, and the answer with it." in err
    if name not in ("whole", "race"):
        assert err.endswith("What was read until then is not the whole answer.\n")
        assert out.endswith("\n")


@pytest.mark.parametrize("name", ["polling", "sse", "websocket"])
def test_a_server_that_was_started_anew_no_longer_has_the_answer(name: str) -> None:
    with serving(*PACE) as (process, url):
        client = begun(name, url)
        client.send_signal(signal.SIGSTOP)  # or it would find nobody there, so often that it gives up
        process.kill()
        process.wait()
        with serving(*PACE, "--port", url.rpartition(":")[2]):
            client.send_signal(signal.SIGCONT)
            code, _, err = finish(client)
    assert code == 1
    assert "The answer is gone; was the server started anew? It says: There is no answer of this id" in err
    assert err.endswith("What was read until then is not the whole answer.\n")


LONG = "够钟下班啦" * 400


async def through_a_cut(name: str, how: str) -> tuple[int | None, str, str]:
    """What `python -m clients NAME` says when one of its connections is cut in the middle of the answer."""
    async with (
        quick(Settings(port=0, first_token_ms=0, token_ms=0)) as url,
        relaying(int(url.rpartition(":")[2]), faults=Faults(cut_after=4000, cut=how)) as relay,
    ):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "clients", name, "--server", f"http://127.0.0.1:{relay.port}", "--text", LONG),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize("how", [FIN, RST])
@pytest.mark.parametrize("name", CLIENTS)
async def test_a_client_that_is_cut_off_types_on_and_says_so(name: str, how: str) -> None:
    code, out, err = await through_a_cut(name, how)
    assert (code, out) == (0, LONG + "\n")
    said = re.findall(r"^The connection broke after (\d+) tokens?; read on after \d+\.\d s\.$", err, re.MULTILINE)
    assert len(said) == 1
    assert 0 <= int(said[0]) < len(LONG)
    assert f"\n{name}: finished, " in err


async def test_the_race_counts_which_lane_came_back() -> None:
    code, out, err = await through_a_cut("race", RST)
    assert (code, err) == (0, "")
    returns = re.findall(r"^ *\w+ +finished +\d+ +\d+ +\d+ +2000 +(\d+) +[0-9a-f]{8} ✓ *$", out, re.MULTILINE)
    assert sorted(returns) == ["0"] * (len(CLIENTS) - 1) + ["1"]


@pytest.mark.parametrize("module", ["multidict", "aiohttp.client", "rich.console"])
def test_ctrl_c_while_a_client_is_still_being_loaded_is_130_and_no_traceback(module: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # so that it does not end by itself, were we late
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        process = begin("-X", "importtime", "-m", "clients", "sse", "--server", url)
        assert process.stderr
        for line in process.stderr:
            if line.rpartition("|")[2].strip() == module:
                process.send_signal(signal.SIGINT)
                break
        code, _, _ = finish(process)
    # Within an exec() of a library, CPython remembers the signal, and in the end dies of it: a shell calls both 130.
    assert code in (130, -signal.SIGINT)


@pytest.fixture(scope="module")
def encrypted(certificates: tuple[Path, Path, Path]) -> Iterator[str]:
    """The URL of a server that speaks TLS, with a certificate of our own."""
    _, certfile, keyfile = certificates
    with serving("--certfile", str(certfile), "--keyfile", str(keyfile), "--token-ms", "1") as (_, url):
        assert url.startswith("https://")
        yield url


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_reads_over_tls_from_whom_it_was_told_to_trust(
    encrypted: str, certificates: tuple[Path, Path, Path], name: str
) -> None:
    arguments = ("-m", "clients", name, "--server", encrypted, "--text", "够钟", "--cafile", str(certificates[0]))
    assert run(*arguments)[:2] == (0, "够钟\n")


def test_a_certificate_that_nobody_vouches_for_is_refused_with_the_flag_that_helps(encrypted: str) -> None:
    code, out, err = run("-m", "clients", "sse", "--server", encrypted)
    assert (code, out) == (1, "")
    assert "cannot be trusted" in err
    assert "--cafile" in err


def test_certificates_that_are_none_are_wrong_usage(encrypted: str, tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense", encoding="utf-8")
    for path in (nonsense, tmp_path / "nothing.pem"):
        code, out, err = run("-m", "clients", "sse", "--server", encrypted, "--cafile", str(path))
        assert (code, out) == (2, "")
        assert "holds no certificates in PEM" in err
