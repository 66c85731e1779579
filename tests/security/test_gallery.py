"""The gallery without a browser: what it says in both languages, who may use it, and when it ends.

The one thing to notice: a translation is held against the English sentence by sentence, in its numbers and its code. An
attack that is changed, and not in all languages, fails here.
"""

import asyncio
import json
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import aiohttp
import psutil
import pytest

from lab.security import HEADER
from lab.security.gallery import app
from lab.security.gallery.app import Gallery, opening
from lab.security.gallery.cards import ORDER, families, marked
from lab.security.gallery.plays import AS_IT_SHIPS, PLAYS, changed, script
from lab.security.gallery.stages import House, Key, Stages
from lab.security.gallery.stranger import said_in
from lab.security.gallery.told import told
from lab.security.gallery.words import FOLDER, TRANSLATED, WORDS, about, measure
from lab.security.origins.attacker import files
from lab.security.probes import FAMILIES, PROBES
from lab.security.servers import Change
from lab.security.weakened import listening
from server.defences import DEFENCES
from server.site import PAGES
from server.transports import TRANSPORTS
from tests.test_cli import begin, finish, run

OWN_WORDS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FOLDER.glob("??.json")}
ENDINGS = (".py", ".js", ".html")
SOURCES = "\n".join(
    path.read_text(encoding="utf-8")
    for path in (PAGES / "js" / "chunk.js", *sorted(FOLDER.parent.rglob("*")))
    if path.suffix in ENDINGS
)
SAID = {one or other for one, other in re.findall(r"words\.(\w+)|['\"`](\w+)", SOURCES)}
BEGINNINGS = (*(name for name in SAID if re.fullmatch("[a-z]+_", name)), *(f"{play.goal}_" for play in PLAYS.values()))
CODE = re.compile(r"`([^`]+)`")
NUMBER = re.compile(r"\d+")


# The words.


@pytest.mark.parametrize("language", OWN_WORDS)
def test_every_language_has_the_same_words_with_the_same_values(language: str) -> None:
    def values(words: dict[str, str]) -> dict[str, set[str]]:
        return {key: set(re.findall(r"\{(\w*)\}", text)) for key, text in words.items()}

    assert values(OWN_WORDS[language]) == values(OWN_WORDS["en"])
    assert all(text.strip() for key, text in OWN_WORDS[language].items())


@pytest.mark.parametrize("key", OWN_WORDS["en"])
def test_every_word_is_said_somewhere(key: str) -> None:
    assert key in SAID or key.startswith(BEGINNINGS)


@pytest.mark.parametrize("language", TRANSLATED)
@pytest.mark.parametrize("probe", PROBES)
def test_every_attack_is_told_in_every_language(probe: str, language: str) -> None:
    english, theirs = about(probe, "en"), about(probe, language)
    for before, after in zip(english, theirs, strict=True):
        assert bool(before) == bool(after), f"said in one language only: {before or after}"
        assert set(NUMBER.findall(after)) <= set(NUMBER.findall(before)), after
        assert all(code in before for code in CODE.findall(after)), after


@pytest.mark.parametrize("language", TRANSLATED)
def test_nothing_else_is_translated_and_nothing_is_left_out(language: str) -> None:
    theirs = TRANSLATED[language]
    assert set(theirs["probes"]) == set(PROBES)
    assert set(theirs["defences"]) == set(DEFENCES)
    assert set(theirs["says"]) == set(PROBES) - set(PLAYS)
    assert set(theirs["spares"]) == {reason for probe in PROBES.values() for reason in probe.spares.values()}
    assert all(measure(name, language).name and measure(name, language).stops for name in DEFENCES)


SENTENCE = re.compile(r"<(?:h1|p)>(.+?)</|report\('', '(.+?)'\)")


@pytest.mark.parametrize("language", TRANSLATED)
@pytest.mark.parametrize("name", sorted({play.stranger for play in PLAYS.values() if play.stranger}))
def test_the_strangers_pages_speak_every_language_and_do_what_they_did(name: str, language: str) -> None:
    english = files()[name][0].decode()
    theirs = said_in(english, language)
    sentences = ["".join(found) for found in SENTENCE.findall(english)]
    assert len(sentences) > 1
    assert [sentence for sentence in sentences if sentence in theirs] == []
    for sentence, translated in TRANSLATED[language]["pages"].items():
        theirs = theirs.replace(translated, sentence)
    assert theirs == english  # nothing else is different


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_sentence_is_translated_that_is_on_no_page(language: str) -> None:
    pages = "".join(content.decode() for content, _ in files().values())
    assert [english for english in TRANSLATED[language]["pages"] if english not in pages] == []


def row(**figures: float) -> dict[str, Any]:
    return {
        "probe": "foreign-session",
        **dict.fromkeys(("off", "on"), "stopped"),
        **{f"{side}_says": "0 of 2 strangers read it." for side in ("off", "on")},
        **{f"{side}_figures": figures for side in ("off", "on")},
    }


def test_what_came_of_a_run_is_told_in_the_readers_language() -> None:
    figures = {"strangers": 2, "strangers_that_read": 0}
    assert told(row(**figures), "en")["on"]["says"] == "0 of 2 strangers read it."
    assert told(row(**figures), "zh")["on"]["says"] == "2 个知道编号的陌生人里，有 0 个读到了回答。"
    assert told(row(**figures), "zh")["on"]["figures"][0] == ("陌生人", "2")


def test_where_a_figure_is_missing_the_english_has_to_do() -> None:
    assert told(row(strangers=2), "zh")["on"]["says"] == "0 of 2 strangers read it."


def test_what_could_not_run_says_why() -> None:
    said = told(
        {"probe": "foreign-session", "off": "could not run", "on": "could not run", "why": "No Chromium."}, "zh"
    )
    assert said["off"] == {"result": "could not run", "says": "No Chromium.", "figures": [], "evidence": None}


def test_a_share_is_shown_in_percent() -> None:
    assert told(row(exact_rate=0.981), "en")["on"]["figures"] == [("exact rate", "98%")]


# The cards.


@pytest.mark.parametrize("language", WORDS)
def test_there_is_a_card_for_every_attack(language: str) -> None:
    assert set(ORDER) == set(FAMILIES)
    assert {card.id for _, cards in families(language) for card in cards} == set(PROBES)


@pytest.mark.parametrize("language", WORDS)
def test_a_transport_can_be_chosen_or_says_why_it_cannot(language: str) -> None:
    for _, cards in families(language):
        for card in cards:
            assert [choice.name for choice in card.transports] == list(TRANSPORTS)
            assert {choice.name for choice in card.transports if choice.why} == set(PROBES[card.id].spares)
            assert sum(map(len, card.spared.values())) == len(PROBES[card.id].spares)


def test_text_between_backticks_is_code_and_all_of_it_is_text() -> None:
    assert marked("a `<b>` & c") == "a <code>&lt;b&gt;</code> &amp; c"


@pytest.mark.parametrize("probe", PLAYS)
def test_what_is_played_is_what_the_experiment_tries(probe: str) -> None:
    play, defence = PLAYS[probe], PROBES[probe].defences[0]
    assert not play.stranger or play.stranger in files()
    assert defence in changed(probe, defence)["off"].without
    assert changed(probe, defence)["on"] == Change(
        tuple(n for n in changed(probe, defence)["off"].without if n != defence)
    )
    assert changed(probe, AS_IT_SHIPS)["on"] == Change()
    assert "abc" in script(probe, "sse", "abc", "it is {}")["victim"]["text"]


# Who may use it.


@pytest.fixture
async def gallery() -> AsyncIterator[str]:
    """The URL of a gallery that is open for a minute."""
    async with opening(0, app.now()) as url:
        yield url


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_it_listens_on_loopback_and_goes_by_its_name(gallery: str, http: aiohttp.ClientSession) -> None:
    assert set(listening()) == {"127.0.0.1"}
    assert gallery.startswith("http://localhost:")
    numbered = gallery.replace("localhost", "127.0.0.1")
    for asked in (numbered, f"{numbered}?lang=zh", numbered.replace("/attacks", "/")):
        async with http.get(asked, allow_redirects=False) as response:
            assert response.status == 302
            query = asked.partition("?")[2]
            assert response.headers["Location"] == (f"{gallery}?{query}" if query else gallery)


async def test_the_page_shows_every_attack_and_may_not_be_framed(gallery: str, http: aiohttp.ClientSession) -> None:
    for language in WORDS:
        async with http.get(gallery, params={"lang": language}) as response:
            page = await response.text()
            assert response.status == 200
            assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
            assert "script-src" not in response.headers["Content-Security-Policy"]  # default-src 'self' holds
            assert set(re.findall(r'data-attack="([^"]+)"', page)) == set(PROBES)
            for path in re.findall(r'(?:href|src)="(/[^"]+)"', page):
                async with http.get(gallery.replace("/attacks", path)) as file:
                    assert file.status == 200, path


ORDERED = {"probe": "log-forging", "transport": "sse", "defence": "log-escaping"}
FOREIGN: dict[str, dict[str, str]] = {
    "another port": {"Origin": "http://localhost:1"},
    "another site": {"Origin": "http://evil.example"},
    "a frame": {"Origin": "null"},
    "no Origin": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "empty"},
    "a form": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"},
    "a rebound name": {"Host": "evil.example"},
}


@pytest.mark.parametrize("who", FOREIGN)
async def test_a_foreign_page_cannot_start_an_attack(gallery: str, http: aiohttp.ClientSession, who: str) -> None:
    for way in ("run", "play"):
        async with http.post(f"{gallery}/{way}", json=ORDERED, headers=FOREIGN[who]) as response:
            assert response.status == 403
            assert (await response.json())["detail"].endswith(".")


async def test_nor_can_a_form(gallery: str, http: aiohttp.ClientSession) -> None:
    async with http.post(f"{gallery}/run", data=json.dumps(ORDERED)) as response:
        assert response.status == 415


@pytest.mark.parametrize(
    "order",
    [
        [],
        {},
        ORDERED | {"probe": "no-such-attack"},
        ORDERED | {"transport": "smoke-signals"},
        ORDERED | {"defence": "tls"},
        ORDERED | {"defence": AS_IT_SHIPS},
        {"probe": "forged-id", "transport": "polling", "defence": "json-events"},
    ],
)
async def test_what_there_is_not_to_run_is_refused_with_a_sentence(
    gallery: str, http: aiohttp.ClientSession, order: Any
) -> None:
    async with http.post(f"{gallery}/run", json=order) as response:
        assert response.status == 400
        assert (await response.json())["detail"].endswith(".")


@pytest.mark.parametrize(
    ("kind", "body"),
    [("application/json; charset=nonsense", "{}"), ("application/json", "[" * 100_000), ("application/json", "{")],
)
async def test_a_body_that_cannot_be_read_is_refused(
    gallery: str, http: aiohttp.ClientSession, kind: str, body: str
) -> None:
    async with http.post(f"{gallery}/play", data=body, headers={"Content-Type": kind}) as response:
        assert response.status == 400
        assert (await response.json())["detail"].startswith("The body must be a JSON object")


@pytest.mark.parametrize("host", ["Host: localhost:abc\r\n", "Host: localhost:99999\r\n", "Host: [\r\n", ""])
async def test_a_host_that_is_no_address_is_refused(gallery: str, host: str, caplog: pytest.LogCaptureFixture) -> None:
    for path in ("/attacks", "/"):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(gallery.split(":")[2].partition("/")[0]))
        try:
            writer.write(f"GET {path} HTTP/1.1\r\n{host}Connection: close\r\n\r\n".encode())
            answered = await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()
        assert answered.split()[1] in (b"400", b"403")
        assert b"Traceback" not in answered
    assert [record for record in caplog.records if record.exc_info] == []


async def test_one_attack_at_a_time(http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "MOMENT_S", 0.01)
    nothing = cast("Any", None)
    busy = Gallery(app.now(), nothing, nothing, nothing, nothing)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with app.serving(busy, listener), busy.busy:
            url = f"http://localhost:{listener.getsockname()[1]}/attacks/run"
            for language in WORDS:
                async with http.post(url, json=ORDERED, params={"lang": language}) as response:
                    assert response.status == 409
                    assert (await response.json())["detail"] == WORDS[language]["busy"]


# The servers under attack.


@asynccontextmanager
async def stage(change: Change, bare: bool = False) -> AsyncIterator[str]:
    async with Stages(House("http://localhost:1", "12:34")) as stages:
        yield (await stages.sites({"it": Key(change, bare)}))["it"]


async def test_every_page_of_a_weakened_server_says_so(http: aiohttp.ClientSession) -> None:
    async with stage(Change(("text-nodes",))) as site:
        for path in ("/", "/demo/sse", "/?lang=zh"):
            async with http.get(site + path) as response:
                page = await response.text()
                language = "zh" if "zh" in path else "en"
                assert response.headers[HEADER] == "text-nodes"
                assert f'<p class="weakened" role="note">{WORDS[language]["banner"].format(time="12:34")}</p>' in page
        async with http.get(f"{site}/attacks/attacked.css") as response:
            assert ".weakened" in await response.text()


async def test_the_one_that_lacks_nothing_has_no_banner_and_only_the_gallery_may_frame_the_victim(
    http: aiohttp.ClientSession,
) -> None:
    async with stage(Change()) as site:
        async with http.get(site) as response:
            assert HEADER not in response.headers
            assert "weakened" not in await response.text()
        from_gallery = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Dest": "iframe"}
        async with http.get(f"{site}/attacks/victim", headers=from_gallery) as response:
            assert response.status == 200
            policy = response.headers["Content-Security-Policy"]
            assert "frame-ancestors http://localhost:1" in policy
            assert "'self'" not in policy.partition("frame-ancestors")[2]
        async with http.get(f"{site}/demo/sse", headers=from_gallery) as response:
            assert response.status == 403


async def test_each_tab_has_servers_of_its_own_and_the_longest_unused_ends_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lab.security.gallery.stages.MOST", 2)
    async with Stages(House("http://localhost:1", "12:34")) as stages:
        tab = {name: {"it": Key(Change(), bare=False, tab=name)} for name in ("a", "b", "c")}
        first, second = await stages.sites(tab["a"]), await stages.sites(tab["b"])
        assert first != second
        assert await stages.sites(tab["a"]) == first
        await stages.sites(tab["c"])
        assert await stages.sites(tab["a"]) == first


async def test_a_server_that_has_died_is_started_again(http: aiohttp.ClientSession) -> None:
    async with Stages(House("http://localhost:1", "12:34")) as stages:
        key = {"it": Key(Change(), bare=False)}
        before = psutil.Process().children()
        first = await stages.sites(key)
        assert await stages.sites(key) == first
        [server] = [each for each in psutil.Process().children() if each not in before]
        server.kill()
        second = first
        for _ in range(1000):  # until we have been told of its end
            if (second := await stages.sites(key)) != first:
                break
            await asyncio.sleep(0.01)
        async with http.get(second["it"]) as response:
            assert response.status == 200


# The command.

SHORT = "import asyncio; from lab.security.gallery.show import show; asyncio.run(show(longest_s=0.1))"
GALLERY = ("-m", "lab.security.gallery.show")


def test_it_ends_by_itself_and_says_so() -> None:
    code, out, err = run("-c", SHORT)
    assert code == 0
    assert re.fullmatch(r"http://localhost:\d+/attacks\n", out)
    assert "the attacks are over" in err


@pytest.fixture
def port() -> Iterator[int]:
    """A port that somebody else has."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


def test_a_port_that_is_in_use_is_named(port: int) -> None:
    code, out, err = run("-c", f"import sys; from lab.security.gallery.show import main; sys.exit(main({port}))")
    assert (code, out) == (1, "")
    assert err == f"Port {port} is in use. Give another one, or none: then a free one is taken.\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process there.")
async def test_ctrl_c_ends_it_with_all_of_its_servers() -> None:
    process = begin(*GALLERY)
    assert process.stdout
    url = process.stdout.readline().strip()
    order = {"probe": "websocket-hijacking", "transport": "websocket", "defence": "origin"}
    async with aiohttp.ClientSession() as http, http.post(f"{url}/play", json=order) as response:
        assert response.status == 200
    servers = psutil.Process(process.pid).children()
    assert len(servers) == 2
    process.send_signal(signal.SIGINT)
    code, _, err = await asyncio.to_thread(finish, process)
    assert code == 130
    assert "It ends by itself at" in err
    assert psutil.wait_procs(servers, timeout=10)[1] == []


def test_the_translations_are_where_they_are_looked_for() -> None:
    assert {path.name for path in Path(FOLDER).iterdir()} == {"en.json", "zh.json", "attacks.zh.json"}
