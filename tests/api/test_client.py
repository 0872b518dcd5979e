"""Requests of the client, and every body and failure that can come back; no socket needed."""

import asyncio
from datetime import UTC, datetime
from socket import gaierror
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp.http_exceptions import TransferEncodingError
from support.loopback import TOKEN

from joulo_exporter import errors
from joulo_exporter.api.client import CHARGERS, SESSIONS, Endpoint, JouloClient
from joulo_exporter.config.schema import ApiConfig
from joulo_exporter.models.wire import ApiResponse

API = "https://api.joulo.nl/functions/v1/api"
HTML = "<!DOCTYPE html><html><body>Bad gateway</body></html>"


async def test_the_query_is_sent(client_of, answers):
    answers.get(f"{API}/sessions?limit=100&offset=200", body=b'{"sessions": []}')
    response = await client_of().fetch(SESSIONS, {"limit": "100", "offset": "200"})
    assert response.content.sessions == ()


@pytest.mark.parametrize(("max_power_kw", "hundredths"), [(50.0, 1300), (7.4, None)])
async def test_energy_is_believed_up_to_the_configured_power(session, clock, answers, max_power_kw, hundredths):
    start = datetime.fromtimestamp(clock.now() - 3600, UTC).isoformat()
    live = {"id": "s", "started_at": start, "kwh_so_far": 13.0}
    answers.get(f"{API}/chargers", payload={"chargers": [{"id": "c", "current_session": live}]})
    client = JouloClient(session, ApiConfig(API, 5.0, max_power_kw=max_power_kw), token=None, clock=clock.now)
    (charger,) = (await client.fetch(CHARGERS)).content
    assert charger.session.kwh_hundredths == hundredths


@pytest.mark.parametrize(
    ("body", "content_type", "words"),
    [
        (HTML, "text/html", "a web page came instead"),
        (HTML, "application/json", "a web page came instead"),
        (b"\xef\xbb\xbf \r\n<html>", "text/html", "a web page came instead"),
        (b"OK", "text/plain", "malformed"),
        (b'{"chargers": [{"id": "a", "latest_meter_wh": NaN}]}', "application/json", "malformed"),
        (b'{"chargers": [{"id": "\xff\xfe"}]}', "application/json", "record 0: it has no usable id"),
        (f'{{"chargers": [{{"id": ["{TOKEN}"]}}]}}', "application/json", "no usable id"),
        (f'{{"chargers": "{TOKEN}"}}', "application/json", "chargers is no list"),
        (b'{"chargers": [{"id": "' + TOKEN.encode() + b'\xff"}]}', "application/json", "record 0"),
    ],
)
async def test_a_body_that_is_no_answer_is_invalid(client_of, answers, failure_of, body, content_type, words):
    answers.get(f"{API}/chargers", body=body, content_type=content_type)
    failure = await failure_of(client_of())
    assert type(failure) is errors.ApiResponseError
    assert (failure.code, failure.status) == ("invalid", None)
    assert words in str(failure)


async def test_the_body_decides_and_not_its_content_type_and_a_byte_order_mark_is_passed_over(
    client_of, answers, fixture_bytes
):
    answers.get(f"{API}/chargers", body=b"\xef\xbb\xbf" + fixture_bytes("chargers"), content_type="text/html")
    assert len((await client_of().fetch(CHARGERS)).content) == 2


KEY = SimpleNamespace(host="api.joulo.nl", port=443, is_ssl=True, ssl=True, proxy=f"http://{TOKEN}@proxy")
PROXY_KEY = SimpleNamespace(host="proxy.example", port=3128, is_ssl=False, ssl=True)


@pytest.mark.parametrize(
    ("raised", "kind", "words"),
    [
        (
            aiohttp.ClientConnectorDNSError(KEY, gaierror(-2, "Name or service not known")),
            errors.ApiConnectionError,
            "the name api.joulo.nl cannot be looked up (Name or service not known)",
        ),
        (
            aiohttp.ClientConnectorError(KEY, OSError(113, "Connect call failed ('10.0.0.1', 443)")),
            errors.ApiConnectionError,
            "no connection to api.joulo.nl (No route to host)",
        ),
        (aiohttp.ClientOSError(104, "reset"), errors.ApiConnectionError, "reset by peer"),
        (aiohttp.NonHttpUrlClientError(TOKEN), errors.ApiConnectionError, "NonHttpUrlClientError"),
        (aiohttp.ClientPayloadError(TOKEN), errors.ApiResponseError, "cut off"),
        (TransferEncodingError(TOKEN), errors.ApiResponseError, "no valid HTTP"),
        (ConnectionAbortedError(103, TOKEN), errors.ApiConnectionError, "connection abort"),
        (aiohttp.ServerTimeoutError(TOKEN), errors.ApiTimeoutError, "within 5 s"),
        (TimeoutError(), errors.ApiTimeoutError, "no complete response from api.joulo.nl"),
    ],
)
async def test_every_failure_of_the_network_is_ours(client_of, answers, failure_of, raised, kind, words):
    answers.get(f"{API}/chargers", exception=raised)
    failure = await failure_of(client_of())
    assert type(failure) is kind
    assert (failure.code, failure.status, failure.retry_after_s) == (kind.reason, None, None)
    assert words in str(failure)


async def test_an_unknown_name_of_the_proxy_is_not_blamed_on_the_api(client_of, answers, failure_of):
    raised = aiohttp.ClientConnectorDNSError(PROXY_KEY, gaierror(-2, "Name or service not known"))
    answers.get(f"{API}/chargers", exception=raised)
    failure = await failure_of(client_of(proxy="http://proxy.example:3128"))
    assert str(failure) == "no connection to the proxy (Name or service not known); check api.proxy_url"


async def test_the_timeout_covers_decoding_which_no_timer_can_interrupt(
    client_of, answers, failure_of, monkeypatch
):
    loop = asyncio.get_running_loop()

    def parse_slowly(body, _plausibility):
        later_s = loop.time() + 6
        monkeypatch.setattr(loop, "time", lambda: later_s)
        return ApiResponse(body)

    answers.get(f"{API}/slow", body=b"{}")
    failure = await failure_of(client_of(timeout_s=5), Endpoint("slow", "/slow", parse_slowly))
    monkeypatch.undo()
    assert type(failure) is errors.ApiTimeoutError
    assert failure.code == "timeout"


async def test_a_nickname_that_is_the_token_is_treated_as_not_given(client_of, answers):
    body = f'{{"chargers": [{{"id": "a", "nickname" : "{TOKEN}", "name": "{TOKEN}", "slug": "{TOKEN}"}}]}}'
    answers.get(f"{API}/chargers", body=body.encode())
    (charger,) = (await client_of().fetch(CHARGERS)).content
    assert (charger.id, charger.nickname, charger.slug) == ("a", None, None)
    start = '"started_at": "2026-06-18T18:45:00Z"'
    body = f'{{"sessions": [{{"id": "s", "charger_id": "a", {start}, "charger_nickname": "{TOKEN}"}}]}}'
    answers.get(f"{API}/sessions", body=body.encode())
    (session,) = (await client_of().fetch(SESSIONS)).content.sessions
    assert session.charger_nickname is None
