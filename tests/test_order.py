"""What may be ordered: every refusal names its field and starts nothing, and every limit itself is still accepted.

The one thing to notice: this server would take a minute before the first token, so whatever had been started by mistake
would still be there to be counted.
"""

import json
from http import HTTPStatus
from typing import Any

import aiohttp
import pytest

from server.order import FIELDS
from server.settings import Settings
from server.transports import TRANSPORTS

SLOW: dict[str, Any] = {"port": 0, "first_token_ms": 60_000, "token_ms": 0}


@pytest.fixture
def settings() -> Settings:
    """Settings of a server whose answers are all still being typed when the test looks."""
    return Settings(**SLOW)


async def refusal(response: aiohttp.ClientResponse) -> str:
    """The sentence of a 400."""
    document = await response.json(content_type="application/problem+json")
    assert response.status == 400, document
    assert document.keys() == {"title", "status", "detail"}
    assert (document["title"], document["status"]) == (HTTPStatus.BAD_REQUEST.phrase, 400)
    return str(document["detail"])


async def typing(http: aiohttp.ClientSession) -> int:
    """How many answers are being typed."""
    async with http.get("/healthz") as response:
        count: int = (await response.json())["typing"]
    return count


NUMBERS = ("first_token_ms", "token_ms", "jitter", "seed", "repeat")

WRONG_TYPES = [
    ({field: value}, f"{field} must be") for field in FIELDS for value in (True, False, None, [], ["a"], {}, {"a": 1})
] + [({field: value}, f"{field} must be") for field in ("text", "preset", "unit") for value in (1, 1.5)]

WRONG_VALUES: list[tuple[dict[str, Any], str]] = [
    ({"speed": 80}, "no field 'speed'"),
    ({"": 80}, "no field ''"),
    ({"Text": "够"}, "no field 'Text'"),
    ({"cursor": 0}, "no field 'cursor'"),
    ({"x" * 1000: 1}, f"no field '{'x' * 40}'"),
    ({"text": "够", "speed": 80}, "no field 'speed'"),
    ({"prompt": "Why?"}, "prompt needs a language model"),
    ({"text": "够", "preset": "english"}, "text and preset exclude each other"),
    ({"text": "", "preset": "english"}, "text and preset exclude each other"),
    ({"preset": "nonsense"}, "preset must be one of typewriter, off-work,"),
    ({"preset": ""}, "preset must be one of"),
    ({"preset": "English"}, "preset must be one of"),
    ({"unit": "letter"}, "unit must be one of grapheme, word, sentence, not 'letter'"),
    ({"unit": "x" * 1000}, "unit must be one of"),
    ({"text": "x" * 20_001}, "text has 20001 characters"),
    ({"text": "x" * 20_000, "repeat": 6}, "repeat makes the answer 120000 characters"),
    ({"text": "x" * 11, "repeat": 10_000}, "repeat makes the answer"),
    ({"text": "x" * 61, "token_ms": 60_000, "first_token_ms": 0}, "token_ms makes the answer"),
    ({"text": "x", "token_ms": 1000, "repeat": 10_000}, "token_ms makes the answer"),
    ({"text": "good \ud83d"}, "text holds half a character (a lone surrogate) at position 5"),
    ({"text": "\udc00"}, "text holds half a character"),
    ({"preset": "\ud83d"}, "preset must be one of"),
    ({"unit": "\ud83d"}, "unit must be one of"),
    ({"\ud83d": 1}, "no field"),
    ({"seed": 1.5}, "seed must be a whole number"),
    ({"repeat": 1.5}, "repeat must be a whole number"),
    ({"repeat": 0}, "repeat must be a whole number from 1 to 10000, not 0"),
    ({"repeat": 10_001}, "repeat must be"),
    ({"jitter": 1.0001}, "jitter must be a number from 0 to 1, not 1.0001"),
    ({"jitter": -0.1}, "jitter must be"),
    ({"seed": -1}, "seed must be"),
    ({"seed": 2**53 + 1}, "seed must be"),
    ({"token_ms": -1}, "token_ms must be a number from 0 to 60000, not -1"),
    ({"token_ms": -1e-9}, "token_ms must be"),
    ({"token_ms": 60_000.5}, "token_ms must be"),
    ({"first_token_ms": -80}, "first_token_ms must be"),
    ({"first_token_ms": 60_001}, "first_token_ms must be"),
    *(({field: "80"}, f"{field} must be a") for field in NUMBERS),
    *(({field: number}, f"{field} must be") for field in NUMBERS for number in (10**400, -(10**400), 2**64)),
    *(({field: float(number)}, f"{field} must be") for field in NUMBERS for number in ("nan", "inf", "-inf")),
]

REFUSED = WRONG_TYPES + WRONG_VALUES


@pytest.mark.parametrize(("fields", "part"), REFUSED, ids=lambda value: ascii(value)[:60])
async def test_a_wrong_order_is_refused_by_the_name_of_its_field(
    http: aiohttp.ClientSession, fields: dict[str, Any], part: str
) -> None:
    async with http.post("/answers", json=fields) as response:
        assert part in await refusal(response)
    assert await typing(http) == 0


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("field", NUMBERS)
async def test_a_number_that_is_none_is_refused_by_the_name_of_its_field(
    http: aiohttp.ClientSession, field: str, number: str
) -> None:
    body = f'{{"{field}":{number}}}'
    async with http.post("/answers", data=body, headers={"Content-Type": "application/json"}) as response:
        assert f"{field} must be" in await refusal(response)
    assert await typing(http) == 0


ACCEPTED: list[dict[str, Any]] = [
    {},
    {"text": ""},
    {"text": "x" * 20_000},
    {"text": "x" * 10_000, "repeat": 10},
    {"text": "x" * 10, "repeat": 10_000},
    {"text": "👩‍👩‍👧‍👦 e\u0301\x00\r\n\u2028</script>"},
    {"text": "x" * 60, "token_ms": 60_000, "first_token_ms": 0},
    {"first_token_ms": 60_000},
    {"token_ms": 0, "first_token_ms": 1},
    {"token_ms": 0.5},
    {"jitter": 0},
    {"jitter": 1},
    {"jitter": 1.0, "seed": 0},
    {"seed": 2**53},
    {"seed": 7.0},
    {"repeat": 1},
    *({"unit": unit} for unit in ("grapheme", "word", "sentence")),
    *({"preset": name} for name in ("typewriter", "off-work", "count-to-100", "english", "edge", "recorded")),
]


@pytest.mark.parametrize("fields", ACCEPTED, ids=lambda value: ascii(value)[:60])
async def test_each_limit_itself_is_accepted(http: aiohttp.ClientSession, fields: dict[str, Any]) -> None:
    async with http.post("/answers", json=fields) as response:
        assert response.status == 201, await response.text()


QUERIES = [
    ({"speed": "80"}, "no field 'speed'"),
    ({"prompt": "Why?"}, "prompt needs a language model"),
    ({"text": "够", "preset": "english"}, "text and preset exclude each other"),
    ({"preset": "nonsense"}, "preset must be one of"),
    ({"unit": "letter"}, "unit must be one of"),
    ({"text": "x" * 5001, "repeat": "20"}, "repeat makes the answer 100020 characters"),
    ({"text": "x" * 61, "token_ms": "60000", "first_token_ms": "0"}, "token_ms makes the answer"),
    ({"jitter": "1.5"}, "jitter must be"),
    ({"repeat": "0"}, "repeat must be"),
    ({"repeat": "1.5"}, "repeat must be"),
    ({"seed": str(2**53 + 1)}, "seed must be"),
    *(
        ({field: value}, f"{field} must be")
        for field in NUMBERS
        for value in ("-1", "nan", "inf", "-inf", "1e999", "9" * 400, "many", "", "true", "null", "1_0", "٣")
    ),
]


@pytest.mark.parametrize(("fields", "part"), QUERIES, ids=lambda value: ascii(value)[:60])
async def test_a_wrong_order_in_a_query_is_refused_the_same_way_on_every_transport(
    http: aiohttp.ClientSession, fields: dict[str, str], part: str
) -> None:
    for name in TRANSPORTS:
        async with http.get(f"/{name}", params=fields) as response:
            assert part in await refusal(response)
    assert await typing(http) == 0


async def test_a_field_that_is_given_twice_is_refused_for_it_cannot_mean_both(http: aiohttp.ClientSession) -> None:
    async with http.get("/polling", params=[("token_ms", "1"), ("token_ms", "2")]) as response:
        assert "token_ms" in await refusal(response)
    assert await typing(http) == 0


@pytest.mark.parametrize("settings", [Settings(port=0)], ids=["ordinary pace"])
async def test_a_query_takes_every_field(http: aiohttp.ClientSession) -> None:
    fields = {
        "text": "够钟。下班啦。",
        "unit": "sentence",
        "first_token_ms": "0",
        "token_ms": "0.5",
        "jitter": "1",
        "seed": "7.0",
        "repeat": "2",
        "reader": "me",
    }
    async with http.get("/whole", params=fields) as response:
        assert response.status == 200
        chunk = json.loads(await response.read())
    assert (chunk["text"], chunk["cursor"]) == ("够钟。下班啦。" * 2, 5)


@pytest.mark.parametrize("settings", [Settings(**SLOW, max_text=5, max_answer=10, max_answer_s=70)], ids=["small"])
@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"text": "x" * 6}, "--max-text"),
        ({"text": "x" * 5, "repeat": 3}, "--max-answer)"),
        ({"text": "x" * 5, "token_ms": 2100}, "--max-answer-s"),
    ],
)
async def test_a_limit_that_was_set_is_the_limit_and_the_refusal_says_how_to_raise_it(
    http: aiohttp.ClientSession, fields: dict[str, Any], part: str
) -> None:
    async with http.post("/answers", json=fields) as response:
        assert part in await refusal(response)
    async with http.post("/answers", json={"text": "x" * 5, "repeat": 2, "token_ms": 1000}) as response:
        assert response.status == 201


@pytest.mark.parametrize("settings", [Settings(**SLOW, max_answer_s=5)], ids=["five seconds"])
async def test_a_recorded_answer_may_not_last_longer_either(http: aiohttp.ClientSession) -> None:
    async with http.post("/answers", json={"preset": "count-to-100", "repeat": 2}) as response:
        assert "repeat" in await refusal(response)
    async with http.post("/answers", json={"preset": "count-to-100"}) as response:
        assert response.status == 201
