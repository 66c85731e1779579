"""The pages as files and as HTML: which language, and nothing but what is meant to be seen.

The one thing to notice: the paths that try to climb out are sent raw, for a good client would tidy them up first.
"""

import asyncio
import logging
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from server.app import serving
from server.settings import Settings
from server.site import PAGES
from server.transports import TRANSPORTS

FILES = sorted(path.relative_to(PAGES).as_posix() for path in PAGES.rglob("*") if path.is_file())
PUBLIC = [name for name in FILES if name.startswith("js/") or name in ("style.css", "favicon.svg")]
JAVASCRIPT = {"text/javascript", "application/javascript"}  # the second is Python's word for it before 3.12
PRIVATE = [name for name in FILES if name not in PUBLIC]


@pytest.fixture(autouse=True)
def _nothing_is_logged_as_an_error(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR] == []


async def language(http: aiohttp.ClientSession, path: str, accepted: str | None = None) -> str:
    """The language that the page says it is in."""
    headers = {} if accepted is None else {"Accept-Language": accepted}
    async with http.get(path, headers=headers) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        tags = re.findall(r'<html\b[^>]*\blang="([^"]*)"', await response.text())
    assert len(tags) == 1
    return str(tags[0]).partition("-")[0]  # zh-Hans


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        (None, "en"),
        ("", "en"),
        ("zh", "zh"),
        ("ZH", "zh"),
        ("zh-CN", "zh"),
        ("zh-Hant-TW", "zh"),
        ("en-GB", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-US,en;q=0.9,zh;q=0.8", "en"),
        ("en;q=0.8,zh;q=0.9", "zh"),
        ("en;q=0.8, zh", "zh"),
        ("en;q=0.800, zh;q=0.801", "zh"),
        ("zh;q=0.8 , en ; q=0.9", "en"),
        ("zh;Q=0.1,en;q=0.2", "en"),
        ("fr,de;q=0.9,zh;q=0.1", "zh"),
        ("fr,de", "en"),
        ("*", "en"),
        ("fr,*;q=0.5", "en"),
        ("zh;q=0", "en"),
        ("zh;q=0.000, fr", "en"),
        ("en;q=0, zh;q=0.1", "zh"),
        ("zha", "en"),  # Zhuang, which is not Chinese
        ("enm, zh", "zh"),  # Middle English, which we do not speak
        (";;;,,q=,=;q", "en"),
        (",,,zh,,,", "zh"),
        ("z", "en"),
    ],
)
async def test_the_page_is_in_the_language_that_is_wanted_most(
    http: aiohttp.ClientSession, accepted: str | None, expected: str
) -> None:
    assert await language(http, "/", accepted) == expected
    assert await language(http, "/demo/sse", accepted) == expected


@pytest.mark.parametrize("weight", ["x", "", "-1", "nan", "inf", "1e5", "0x1", "..", "1.2.3", "²", "٣", "9" * 500])
async def test_a_weight_that_is_none_breaks_nothing(http: aiohttp.ClientSession, weight: str) -> None:
    assert await language(http, "/", f"fr;q={weight}, zh;q=0.5") == "zh"
    assert await language(http, "/", f"zh;q={weight}") in ("en", "zh")


@pytest.mark.parametrize(
    ("chosen", "accepted", "expected"),
    [
        ("zh", "en", "zh"),
        ("en", "zh", "en"),
        ("zh-CN", "en", "zh"),
        ("ZH", "en", "zh"),
        ("fr", "zh", "zh"),
        ("", "zh", "zh"),
        ("fr", "fr", "en"),
        ("nonsense<script>", "zh", "zh"),
        ("../zh", "en", "en"),
    ],
)
async def test_the_language_in_the_address_wins_if_we_speak_it(
    http: aiohttp.ClientSession, chosen: str, accepted: str, expected: str
) -> None:
    assert await language(http, f"/?lang={chosen}", accepted) == expected


@pytest.mark.parametrize("path", ["/", "/demo/iframe", "/?lang=zh"])
async def test_the_page_says_that_it_depends_on_the_language(http: aiohttp.ClientSession, path: str) -> None:
    async with http.get(path) as response:
        assert response.headers["Vary"] == "Accept-Language"


async def test_every_transport_has_its_page_with_the_code_that_runs(http: aiohttp.ClientSession, name: str) -> None:
    async with http.get(f"/demo/{name}") as response:
        assert response.status == 200
        page = await response.text()
    async with http.get(f"/js/transports/{name}.js") as response:
        source = await response.text()
    line = next(line for line in source.splitlines() if line.startswith("export async function* "))
    assert line.partition("(")[0] in page


@pytest.mark.parametrize("path", ["/demo/nonsense", "/demo/SSE", "/demo/..", "/demo/%2e%2e%2fsse", "/demo/%3Cb%3E"])
async def test_an_unknown_transport_has_no_page_and_the_refusal_lists_those_there_are(server: str, path: str) -> None:
    status, head, body = await raw(server, path)
    assert status == 404
    assert b"application/problem+json" in head
    assert f"There are {', '.join(TRANSPORTS)}.".encode() in body


async def test_a_page_without_a_name_is_not_found(server: str) -> None:
    for path in ("/demo", "/demo/", "/demo/sse/"):
        assert (await raw(server, path))[0] == 404


@pytest.mark.parametrize("name", PUBLIC)
async def test_a_pages_files_are_served_and_asked_for_again_each_time(http: aiohttp.ClientSession, name: str) -> None:
    async with http.get(f"/{name}") as response:
        assert response.status == 200
        assert response.headers["Cache-Control"] == "no-cache"
        assert await response.read() == (PAGES / name).read_bytes()
        tag = response.headers["ETag"]
    async with http.get(f"/{name}", headers={"If-None-Match": tag}) as response:
        assert response.status == 304
        assert response.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    ("name", "content_type"),
    [("style.css", {"text/css"}), ("favicon.svg", {"image/svg+xml"}), ("js/index.js", JAVASCRIPT)],
)
async def test_files_are_sent_as_what_they_are(http: aiohttp.ClientSession, name: str, content_type: set[str]) -> None:
    async with http.get(f"/{name}") as response:
        assert response.content_type in content_type


def test_there_are_files_that_must_not_be_served() -> None:
    assert {name.partition("/")[0] for name in PRIVATE} >= {"templates", "words"}


async def raw(server: str, path: str) -> tuple[int, bytes, bytes]:
    """Status, head and body of a GET whose path is sent exactly as it stands here."""
    address = urlsplit(server)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await asyncio.wait_for(reader.read(), 10)).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), head, body


@pytest.mark.parametrize("name", PRIVATE)
async def test_templates_and_words_are_not_served_by_any_path(server: str, name: str) -> None:
    secret = (PAGES / name).read_bytes()[:60]
    for path in (
        f"/{name}",
        f"/pages/{name}",
        f"/js/{name}",
        f"/js/../{name}",
        f"/js/./../{name}",
        f"/js/transports/../../{name}",
        f"/js/%2e%2e/{name}",
        f"/js/..%2f{name}",
        f"/js/%2e%2e%2f{name}",
        f"/js/..%5c{name}",
        f"/js/%252e%252e/{name}",
        f"/js//{PAGES / name}",
        f"/js/%2f{PAGES / name}",
    ):
        status, _, body = await raw(server, path)
        assert status in (400, 403, 404), path
        assert secret not in body


@pytest.mark.parametrize("path", ["/js/../../server/app.py", "/js/%2e%2e/%2e%2e/pyproject.toml", "/../pyproject.toml"])
async def test_nothing_outside_the_pages_is_served(server: str, path: str) -> None:
    assert (await raw(server, path))[0] in (400, 403, 404)


@pytest.mark.parametrize("path", ["/js", "/js/", "/js/transports", "/js/transports/"])
async def test_folders_are_not_listed(server: str, path: str) -> None:
    status, _, body = await raw(server, path)
    assert status in (403, 404)
    assert b"index.js" not in body


@pytest.mark.parametrize(
    "path", ["/js/index.js%00", "/js/%00", "/js/%ff", "/%zz", "/%", "/js/" + "x" * 300, "/js/~root"]
)
async def test_a_strange_path_is_refused_and_breaks_nothing(server: str, path: str) -> None:
    assert (await raw(server, path))[0] in (400, 403, 404)


@pytest.mark.parametrize("kernel_counts", [False, True])
@pytest.mark.parametrize("access_log", [False, True])
async def test_files_are_sent_whole_over_tls_whoever_counts_bytes(
    kernel_counts: bool, access_log: bool, certificates: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.ledger.KERNEL_COUNTS", kernel_counts)
    authority, certfile, keyfile = certificates
    settings = Settings(port=0, access_log=access_log, certfile=str(certfile), keyfile=str(keyfile))
    trusting = ssl.create_default_context(cafile=authority)
    async with serving(settings) as server, aiohttp.ClientSession(server) as http:
        async with http.get("/sse?text=ab&first_token_ms=0&token_ms=0", ssl=trusting) as response:
            assert b'"done":"finished"' in await response.read()
        async with http.get("/style.css", ssl=trusting) as response:
            assert await response.read() == (PAGES / "style.css").read_bytes()
