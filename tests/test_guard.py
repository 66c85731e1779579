"""Who may ask. The one thing to notice: a refusal is only worth something if nothing has happened before it."""

import asyncio
import logging
from collections.abc import Iterator
from http import HTTPStatus
from urllib.parse import urlsplit

import aiohttp
import pytest

from server.settings import Settings
from server.transports import TRANSPORTS

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def settings() -> Settings:
    """Settings of a server whose answers are all still being typed when the test looks."""
    return Settings(port=0, first_token_ms=60_000)


@pytest.fixture(autouse=True)
def _nothing_is_logged_as_an_error(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR] == []


async def refused(response: aiohttp.ClientResponse, *statuses: int) -> None:
    assert response.status in statuses, await response.text()
    document = await response.json(content_type="application/problem+json")
    assert (document["title"], document["status"]) == (HTTPStatus(response.status).phrase, response.status)
    assert document["detail"].endswith(".")


async def typing(http: aiohttp.ClientSession) -> int:
    """How many answers have been started."""
    async with http.get("/healthz") as response:
        count: int = (await response.json())["typing"]
    return count


async def refused_everywhere(http: aiohttp.ClientSession, headers: dict[str, str], *statuses: int) -> None:
    """Every address refuses a request with these headers, and none of them starts anything."""
    for path in ("/healthz", "/transports", "/style.css", "/js/index.js", *(f"/{name}" for name in TRANSPORTS)):
        async with http.get(path, headers=headers) as response:
            await refused(response, *statuses)
    async with http.post("/answers", data=b"{}", headers=JSON | headers) as response:
        await refused(response, *statuses)
    assert await typing(http) == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LocalHost", "localhost:1", "[::1]", "[::1]:8000"])
async def test_the_names_of_loopback_are_served(http: aiohttp.ClientSession, host: str) -> None:
    async with http.get("/healthz", headers={"Host": host}) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example:8000",
        "evil.example#localhost",
        "evil.example?localhost",
        "localhost@evil.example",
        "0.0.0.0",  # noqa: S104 - a Host that is refused, nothing listens there
        "127.0.0.2",
        "127.1",
        "2130706433",
        "[::ffff:127.0.0.1]",
        "[::",
        "[",
        "]",
        "[localhost]",
        "localhost.",
        ":8000",
        "/",
        "",
    ],
)
async def test_a_name_that_points_here_by_dns_rebinding_is_not_served(http: aiohttp.ClientSession, host: str) -> None:
    await refused_everywhere(http, {"Host": host}, 400, 403)
    async with http.get("/", headers={"Host": host}) as response:
        await refused(response, 400, 403)


async def test_a_stranger_whose_origin_and_host_agree_is_refused(http: aiohttp.ClientSession) -> None:
    await refused_everywhere(http, {"Host": "evil.example", "Origin": "http://evil.example"}, 403)


async def test_our_own_page_is_served(http: aiohttp.ClientSession, server: str) -> None:
    same = {"Origin": server, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
    async with http.post("/answers", data=b"{}", headers=JSON | same) as response:
        assert response.status == 201
        link = (await response.json())["links"]["polling"]
    async with http.get(link, headers=same) as response:
        assert response.status == 200


async def test_our_own_page_is_served_under_each_name(http: aiohttp.ClientSession, server: str) -> None:
    port = urlsplit(server).port
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"):
        async with http.get("/healthz", headers={"Host": host, "Origin": f"http://{host}"}) as response:
            assert response.status == 200


async def test_a_page_of_one_name_of_loopback_is_foreign_to_another(http: aiohttp.ClientSession, server: str) -> None:
    await refused_everywhere(http, {"Origin": f"http://localhost:{urlsplit(server).port}"}, 403)


async def test_a_page_that_a_proxy_with_tls_serves_under_our_host_is_ours(
    http: aiohttp.ClientSession, server: str
) -> None:
    async with http.get("/healthz", headers={"Origin": server.replace("http://", "https://")}) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://evil.example",
        "https://evil.example",
        "http://localhost:1",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "http://[",
        "http://[::1",
        "http://]",
        "http://\u2100",
        "nonsense",
        "://",
        "//",
        "http://127.0.0.1:99999999",
        "chrome-extension://abcdef",
        "file://",
        "x" * 5000,
    ],
    ids=lambda origin: ascii(origin)[:40],
)
async def test_another_origin_is_refused_in_whatever_form(http: aiohttp.ClientSession, origin: str) -> None:
    await refused_everywhere(http, {"Origin": origin}, 400, 403)
    async with http.get("/", headers={"Origin": origin}) as response:
        await refused(response, 400, 403)


async def test_what_only_begins_like_our_origin_is_refused(http: aiohttp.ClientSession, server: str) -> None:
    for origin in (f"{server}.evil.example", f"{server}0", f"http://x@{urlsplit(server).netloc}"):
        await refused_everywhere(http, {"Origin": origin}, 403)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "nonsense", ""])
@pytest.mark.parametrize("destination", ["iframe", "empty", "image", "script", "document"])
async def test_a_request_from_another_site_is_refused_whatever_it_is_for(
    http: aiohttp.ClientSession, site: str, destination: str
) -> None:
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Dest": destination, "Sec-Fetch-Mode": "navigate"}
    await refused_everywhere(http, headers, 403)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("path", ["/", "/?preset=edge", "/demo/sse"])
async def test_a_link_from_anywhere_leads_to_our_pages(http: aiohttp.ClientSession, path: str, site: str) -> None:
    followed = {"Sec-Fetch-Site": site, "Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate"}
    async with http.get(path, headers=followed) as response:
        assert response.status == 200
    for destination in ("iframe", "empty", "embed", "object"):
        async with http.get(path, headers=followed | {"Sec-Fetch-Dest": destination}) as response:
            await refused(response, 403)


@pytest.mark.parametrize("site", ["none", "same-origin"])
async def test_an_address_that_was_typed_or_comes_from_our_page_is_served(
    http: aiohttp.ClientSession, site: str
) -> None:
    for path in ("/", "/healthz", "/polling"):
        async with http.get(path, headers={"Sec-Fetch-Site": site}) as response:
            assert response.status == 200


async def test_a_program_that_is_no_browser_is_welcome(http: aiohttp.ClientSession) -> None:
    headers = {"User-Agent": "curl/8.0", "Accept": "*/*"}
    async with http.post("/answers", json={"text": "够"}, headers=headers) as response:
        assert response.status == 201
    async with http.get("/polling", headers=headers) as response:
        assert response.status == 200


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_what_a_page_may_send_without_asking_starts_nothing(
    http: aiohttp.ClientSession, server: str, content_type: str
) -> None:
    headers = {"Content-Type": content_type}
    async with http.post("/answers", data=b"{}", headers=headers | {"Origin": server}) as response:
        await refused(response, 415)
    async with http.post("/answers", data=b"{}", headers=headers | {"Origin": "http://evil.example"}) as response:
        await refused(response, 403)
    assert await typing(http) == 0


async def test_asking_first_gets_no_permission(http: aiohttp.ClientSession) -> None:
    asking = {
        "Origin": "http://evil.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    async with http.options("/answers", headers=asking) as response:
        await refused(response, 403)
        assert not [name for name in response.headers if name.lower().startswith("access-control-")]


async def test_a_foreign_page_can_stop_nothing(http: aiohttp.ClientSession) -> None:
    async with http.post("/answers", json={}) as response:
        answer = response.headers["Location"]
    async with http.delete(answer, headers={"Origin": "http://evil.example"}) as response:
        await refused(response, 403)
    assert await typing(http) == 1


@pytest.mark.parametrize(
    "head",
    [
        b"GET http://evil.example/healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: \xff\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nOrigin: \xff\r\n\r\n",
    ],
    ids=ascii,
)
async def test_a_request_without_a_good_host_or_origin_is_refused(server: str, head: bytes) -> None:
    reader, writer = await asyncio.open_connection(urlsplit(server).hostname, urlsplit(server).port)
    writer.write(head)
    status = await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    assert status.split()[1] in (b"400", b"403")
