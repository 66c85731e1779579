"""Where weaknesses are, and where they are not: only in the lab's own process, and behind no flag of the server.

The one thing to notice: the server that people start is tried here at its most permissive, not at its default.
"""

import asyncio
import json
import subprocess
import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest

from lab.security import HEADER
from lab.security.probes import PROBES
from lab.security.servers import Change, Servers
from lab.security.weakened import WITH, WITHOUT, check_loopback
from server.checks import CHECKS
from server.defences import DEFENCES
from server.settings import FLAGS, Settings
from tests.test_cli import get, run, serving

ROOT = Path(__file__).parents[2]
WEAKENED = (sys.executable, "-m", "lab.security.weakened")
ALWAYS = [name for name, defence in DEFENCES.items() if defence.ships and not defence.flag]
"""Defences that nobody has to ask for."""


# The table.


def test_every_defence_is_taken_away_in_one_place_and_tried_by_a_probe() -> None:
    assert set(WITHOUT) == set(DEFENCES)
    assert set(WITH) == {name for name, defence in DEFENCES.items() if not defence.ships}
    assert {name for probe in PROBES.values() for name in probe.defences} == set(DEFENCES)


def test_every_probe_knows_what_it_speaks_of() -> None:
    settings = {setting.name for setting in fields(Settings)}
    for probe in PROBES.values():
        assert set(probe.besides) <= set(DEFENCES)
        assert not set(probe.besides) & set(probe.defences)
        assert set(probe.settings) <= settings
        for words in (probe.does, probe.why, *probe.spares.values()):
            assert words.endswith("."), probe.name


def test_the_checks_before_a_request_are_defences() -> None:
    assert set(CHECKS) <= set(DEFENCES)


def test_every_defence_is_asked_for_by_a_flag_that_there_is() -> None:
    _, shown, _ = run("-m", "server", "--help")
    for defence in DEFENCES.values():
        assert defence.flag is None or f"{defence.flag} " in shown


# The weakened server.


def weakened(settings: Settings, change: Change = Change()) -> subprocess.Popen[str]:  # noqa: B008 - a tuple
    return subprocess.Popen(
        [*WEAKENED, json.dumps(asdict(settings)), json.dumps(change)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104 - which is refused
def test_it_never_listens_beyond_loopback(host: str) -> None:
    with weakened(Settings(host=host, port=0, token="long enough to be one"), Change(("origin",))) as process:  # noqa: S106
        out, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert out == ""
    assert "serves loopback only" in err


def test_it_takes_no_port_of_anybodys_choice() -> None:
    with weakened(Settings(port=8000), Change(("origin",))) as process:
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (1, "")
    assert "takes no port of your choice" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("addresses", [[], ["0.0.0.0"], ["127.0.0.1", "192.0.2.1"], ["::1", "::"]])  # noqa: S104
def test_what_counts_is_the_socket_that_listens(addresses: list[str]) -> None:
    with pytest.raises(SystemExit, match="serves loopback only"):
        check_loopback(addresses)
    check_loopback(["127.0.0.1", "::1"])


def test_it_ends_with_whoever_started_it() -> None:
    with weakened(Settings(port=0), Change(("origin",))) as process:
        assert process.stdout
        assert process.stdin
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.stdin.close()
        assert process.wait(timeout=30) == 0


def test_it_ends_by_itself() -> None:
    program = (
        "import asyncio, lab.security.weakened as weakened\n"
        "from server.settings import Settings\n"
        "weakened.LONGEST_S = 0.1\n"
        "asyncio.run(weakened.main(Settings(port=0), ['origin'], []))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        assert process.wait(timeout=30) == 0


async def test_it_says_on_every_response_what_it_lacks_and_the_one_that_ships_does_not() -> None:
    async with Servers() as servers:
        for change in (Change(("origin", "host")), Change()):
            async with servers.target(change) as target, aiohttp.ClientSession(target.url) as http:
                for path in ("/", "/healthz", "/sse", "/nothing", "/style.css"):
                    async with http.get(path) as response:
                        assert response.headers.get(HEADER) == (" ".join(change.without) or None)


async def test_servers_that_are_alike_are_one_and_end_with_the_block() -> None:
    async with Servers() as servers:
        async with servers.target(Change(("origin",))) as one, servers.target(Change(("origin",))) as two:
            assert one.subject.process.pid == two.subject.process.pid
            assert one.canary != two.canary
        async with servers.target(Change(), own=True) as three:
            assert three.subject.process.pid != one.subject.process.pid
        await asyncio.wait_for(three.subject.process.wait(), 30)
    assert one.subject.process.returncode is not None


async def test_a_server_that_has_ended_is_not_handed_out_again() -> None:
    async with Servers() as servers:
        async with servers.target(Change()) as ended:
            pass
        ended.subject.process.kill()
        await asyncio.wait_for(ended.subject.process.wait(), 30)
        async with servers.target(Change()) as target, aiohttp.ClientSession(target.url) as http:
            assert target.subject.process.pid != ended.subject.process.pid
            assert not ended.log.exists()
            async with http.get("/healthz") as response:
                assert response.status == 200


# The server that people start.

CHANGES = """
import json, sys
from dataclasses import asdict
from lab.security.weakened import WITHOUT
from server.settings import Settings
before = asdict(Settings())
after = {name: asdict(WITHOUT[name](Settings())).items() for name in sys.argv[1:]}
print(json.dumps({name: {key: value for key, value in items if value != before[key]} for name, items in after.items()}))
"""


@pytest.fixture(scope="module")
def changed() -> dict[str, dict[str, Any]]:
    """What taking a defence away changes in the settings, by defence. In a process of its own: it changes that, too."""
    done = subprocess.run(
        [sys.executable, "-c", CHANGES, *ALWAYS], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    )
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("defence", ALWAYS)
def test_no_flag_takes_a_defence_away(defence: str, changed: dict[str, dict[str, Any]]) -> None:
    """What takes it away is no setting, or one that is no flag, or a value that its flag refuses."""
    for setting in FLAGS:
        if setting.name in changed[defence]:
            value = str(changed[defence][setting.name])
            flag = "--" + setting.name.replace("_", "-")
            code, _, err = run("-m", "server", "--port", "0", flag, value)
            assert code == 2, f"{flag} {value} is accepted"
            assert flag in err


def test_some_defences_are_settings_whose_flags_are_tried(changed: dict[str, dict[str, Any]]) -> None:
    assert len({name for after in changed.values() for name in after} & {setting.name for setting in FLAGS}) > 5


def most_permissive() -> list[str]:
    """Every number at the most that its flag takes, where it has such a bound."""
    return [
        word
        for setting in FLAGS
        if setting.metadata["most"] < float("inf")
        for word in (f"--{setting.name.replace('_', '-')}", f"{setting.metadata['most']:.0f}")
    ]


def test_at_its_most_permissive_it_still_refuses_strangers() -> None:
    with serving(*most_permissive()) as (_, url):
        for headers, defence in (
            ({"Host": "evil.example"}, "host"),
            ({"Origin": "http://evil.example"}, "origin"),
            ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "iframe"}, "fetch-site"),
        ):
            response = httpx.get(f"{url}/sse", headers=headers, trust_env=False)
            assert (response.status_code, response.json()["defence"]) == (403, defence)
        response = httpx.post(f"{url}/answers", content="{}", headers={"Content-Type": "text/plain"}, trust_env=False)
        assert (response.status_code, response.json()["defence"]) == (415, "json-only")
        page = get(url, "/")
        assert HEADER not in page.headers
        assert not [name for name in page.headers if name.startswith("access-control-")]
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'self'" in page.headers["Content-Security-Policy"]


def test_the_attacks_are_not_served() -> None:
    with serving() as (_, url):
        assert get(url, "/attacks").status_code == 404
