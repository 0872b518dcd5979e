"""Failed requests, without a socket: statuses, bodies, faults of the network, messages, ``Retry-After``."""

import asyncio
import json
import math
from datetime import UTC, datetime
from email.utils import formatdate
from socket import gaierror
from types import SimpleNamespace

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fake_clock import START_S
from support.loopback import TOKEN

from joulo_exporter import errors
from joulo_exporter.api.client import CHARGERS, SESSIONS, Endpoint, JouloClient
from joulo_exporter.api.failures import retry_after_seconds, safe_hint
from joulo_exporter.config.files import Secret
from joulo_exporter.config.schema import ApiConfig

API = "https://api.joulo.nl/functions/v1/api"
HTML = "<!DOCTYPE html><html><body>Bad gateway</body></html>"
SCOPE = '{"error": "Insufficient scope", "required_scope": "sessions:read"}'


# Statuses -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind", "retry_after_s", "words"),
    [
        (204, "", {}, errors.ApiError, None, "200 was expected; check api.url"),
        (304, HTML, {}, errors.ApiError, None, "a redirect, which is not followed because the token"),
        (400, '{"error": "Bad limit"}', {}, errors.ApiError, None, "it says: Bad limit"),
        *((status, HTML, {}, errors.ApiError, None, "with a web page") for status in (401, 403, 404, 429)),
        (401, "", {}, errors.ApiRefusalError, None, "make a new one on joulo.nl"),
        (403, SCOPE, {}, errors.ApiRefusalError, None, "Insufficient scope: sessions:read"),
        (403, "", {}, errors.ApiRefusalError, None, "may not read this"),
        (403, HTML, {"Retry-After": "30"}, errors.ApiError, 30.0, "with a web page"),
        (404, "", {}, errors.ApiRefusalError, None, "there is no such endpoint; check api.url"),
        (407, "", {}, errors.ApiError, None, "api.proxy_url"),
        (409, '{"error": "Busy"}', {"Retry-After": "5"}, errors.ApiError, 5.0, "it says: Busy"),
        (429, "", {}, errors.ApiError, None, "too often"),
        (429, '{"error": "Slow down"}', {"Retry-After": "120"}, errors.ApiError, 120.0, "Slow down"),
        (429, "", {"Retry-After": formatdate(START_S + 90, usegmt=True)}, errors.ApiError, 90.0, ""),
        (500, "", {}, errors.ApiError, None, "out of order"),
        (502, HTML, {"Retry-After": "7"}, errors.ApiError, 7.0, "asked again"),
    ],
)
async def test_every_other_status_is_an_error_of_its_class(
    client_of, answers, failure_of, status, body, headers, kind, retry_after_s, words
):
    answers.get(f"{API}/chargers", status=status, body=body, headers=headers)
    failure = await failure_of(client_of())
    assert type(failure) is kind
    assert (failure.status, failure.code, failure.retry_after_s) == (status, str(status), retry_after_s)
    assert words in str(failure)
    assert str(failure).startswith(f"/chargers: {status}")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        *((body, "") for body in ("[1]", b'{"error": "\xff"}', "[" * 30_000, '{"required_scope": 7}')),
        (f'{{"required_scope": "{TOKEN}"}}', ""),
        ('{"required_scope": "sessions:read\\n"}', "; it says: sessions:read"),
        (f'{{"required_scope": "{"x" * 81}"}}', f"; it says: {'x' * 80}"),
    ],
)
async def test_403_names_the_scope_as_the_api_does(client_of, answers, failure_of, body, says):
    answers.get(f"{API}/sessions", status=403, body=body)
    assert str(await failure_of(client_of(), SESSIONS)).endswith(f"or use another token{says}")


@pytest.mark.parametrize("status", [204, 302, 401, 403, 404, 429, 500])
@pytest.mark.parametrize(
    "text",
    [
        f"Bearer {TOKEN}",
        f"bad token {TOKEN.upper()}!",
        f"{'x' * 70} {TOKEN}",
        f"bad {TOKEN[:-4]}…",
        "bad " + "\\u200b".join(TOKEN),
        "two\\nlines\\t" + "long " * 500,
    ],
)
async def test_no_error_repeats_the_token_that_its_body_repeats(client_of, answers, failure_of, status, text):
    body = f'{{"error": "{text}", "required_scope": "{TOKEN}"}}'
    answers.get(f"{API}/chargers", status=status, body=body, reason=TOKEN)
    failure = await failure_of(client_of())  # which looks for the token, for a second line and at the length
    assert failure.code == str(status)
    assert TOKEN[6:14] not in str(failure).replace(" ", "")


@pytest.mark.parametrize(
    ("said", "token", "hint"),
    [
        ({"error": ""}, TOKEN, None),
        ({"error": {"code": 7}}, TOKEN, None),
        ({"message": "no Route matched"}, TOKEN, "no Route matched"),
        ({"error": 5, "msg": "kept"}, TOKEN, "kept"),
        ({"error": " two\r\nlines\t\x1b[31m "}, TOKEN, "two lines [31m"),
        ({"error": "é" * 500}, TOKEN, "é" * 80),
        ({"error": "token joulo-9fQx 7LmZ r2Vb is unknown"}, TOKEN, None),
        ({"error": "token ending in 5TkW is unknown"}, TOKEN, "token ending in 5TkW is unknown"),
        *(({"error": f"bad {token}!"}, token, None) for token in ("", "a", "--", "_")),
    ],
)
def test_the_beginning_of_what_the_api_says(said, token, hint):
    assert safe_hint(json.dumps(said).encode(), Secret(token)) == hint


@given(token=st.text(min_size=4, max_size=60), before=st.text(max_size=100), after=st.text(max_size=100))
def test_no_token_gets_through(token, before, after):
    hint = safe_hint(json.dumps({"error": before + token + after}).encode(), Secret(token))
    assert hint is None or token not in hint


# Bodies and the network -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "content_type", "words"),
    [
        (HTML, "application/json", "a web page came instead"),
        (b"\xef\xbb\xbf \r\n<html>", "text/html", "a web page came instead"),
        (b"OK", "text/plain", "malformed"),
        (b'{"chargers": [{"id": "' + TOKEN.encode() + b'\xff"}]}', "application/json", "record 0"),
    ],
)
async def test_a_body_that_is_no_answer_is_invalid(client_of, answers, failure_of, body, content_type, words):
    answers.get(f"{API}/chargers", body=body, content_type=content_type)
    failure = await failure_of(client_of())
    assert type(failure) is errors.ApiResponseError
    assert (failure.code, failure.status) == ("invalid", None)
    assert words in str(failure)


async def test_the_body_decides_and_not_its_content_type_and_a_byte_order_mark_is_passed_over(client_of, answers):
    body = b'\xef\xbb\xbf{"chargers": [{"id": "a"}]}'
    answers.get(f"{API}/chargers", body=body, content_type="text/html")
    assert (await client_of().fetch(CHARGERS)).content[0].id == "a"


KEY = SimpleNamespace(host="api.joulo.nl", port=443, is_ssl=True, ssl=True, proxy=f"http://{TOKEN}@proxy")
PROXY_KEY = SimpleNamespace(host="proxy.example", port=3128, is_ssl=False, ssl=True)
UNKNOWN_NAME = gaierror(-2, "Name or service not known")


@pytest.mark.parametrize(
    ("raised", "proxy", "message"),
    [
        (aiohttp.ClientConnectorDNSError(KEY, UNKNOWN_NAME), None,
         ("no connection to api.joulo.nl (Name or service not known); check api.url, the network, its DNS and "
          "firewalls")),
        (aiohttp.ClientConnectorDNSError(PROXY_KEY, UNKNOWN_NAME), "http://proxy.example:3128",
         ("no connection to the proxy (Name or service not known); check api.proxy_url, the network, its DNS and "
          "firewalls")),
        (aiohttp.ClientConnectorError(KEY, OSError(113, "Connect call failed ('10.0.0.1', 443)")), None,
         "no connection to api.joulo.nl (No route to host); check api.url, the network, its DNS and firewalls"),
        (aiohttp.NonHttpUrlClientError(TOKEN), None,
         ("api.joulo.nl broke the connection before it responded (NonHttpUrlClientError); if this stays, check "
          "api.url")),
    ],
    ids=["name", "name of the proxy", "route", "another fault of aiohttp"],
)  # fmt: skip
async def test_a_fault_of_the_network_is_named(client_of, answers, failure_of, raised, proxy, message):
    answers.get(f"{API}/chargers", exception=raised)
    failure = await failure_of(client_of(proxy=proxy))
    assert type(failure) is errors.ApiConnectionError
    assert (failure.code, failure.status, failure.retry_after_s) == ("connection", None, None)
    assert str(failure) == message


async def test_the_timeout_covers_decoding_which_no_timer_can_interrupt(
    client_of, answers, failure_of, monkeypatch
):
    loop = asyncio.get_running_loop()

    def parse_slowly(_fields):
        later_s = loop.time() + 6
        monkeypatch.setattr(loop, "time", lambda: later_s)
        return b""

    answers.get(f"{API}/slow", body=b"{}")
    failure = await failure_of(client_of(timeout_s=5), Endpoint("slow", "/slow", parse_slowly, kept=bytes))
    monkeypatch.undo()
    assert type(failure) is errors.ApiTimeoutError
    assert failure.code == "timeout"


# API responses --------------------------------------------------------------------------------


@pytest.mark.parametrize(("max_power_kw", "hundredths"), [(50.0, 1300), (7.4, None)])
async def test_energy_is_believed_up_to_the_configured_power(session, clock, answers, max_power_kw, hundredths):
    start = datetime.fromtimestamp(clock.now() - 3600, UTC).isoformat()
    live = {"id": "s", "started_at": start, "kwh_so_far": 13.0}
    answers.get(f"{API}/chargers", payload={"chargers": [{"id": "c", "current_session": live}]})
    client = JouloClient(session, ApiConfig(API, 5.0, max_power_kw=max_power_kw), token=None, clock=clock.now)
    (charger,) = (await client.fetch(CHARGERS)).content
    assert charger.session.kwh_hundredths == hundredths


@pytest.mark.parametrize("name", [TOKEN, f'my \\"token\\": Bearer {TOKEN}\\n', TOKEN.lower().replace("_", "-")])
async def test_a_nickname_with_the_token_in_it_is_treated_as_not_given(client_of, answers, name):
    other = '{"id": "b", "nickname": "say \\"joulo\\"", "slug": null}'
    first = f'{{"id": "a", "nickname" : "{name}", "name": "{name}", "slug": "{name}"}}'
    answers.get(f"{API}/chargers", body=f'{{"chargers": [{first}, {other}]}}'.encode())
    charger, neighbour = (await client_of().fetch(CHARGERS)).content
    assert (charger.id, charger.nickname, charger.slug) == ("a", None, None)
    assert (neighbour.id, neighbour.nickname) == ("b", 'say "joulo"')
    body = f'{{"sessions": [{{"id": "s", "charger_id": "a", "charger_nickname": "{name}"}}]}}'
    answers.get(f"{API}/sessions", body=body.encode())
    (session,) = (await client_of().fetch(SESSIONS)).content.sessions
    assert session.charger_nickname is None


# Retry-After ----------------------------------------------------------------------------------

NOW_S = 1_781_810_000.0  # Thu, 18 Jun 2026 19:13:20 GMT


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        (" 120 ", 120.0),
        ("1.5", 1.5),
        ("9" * 400, math.inf),
        *((text, None) for text in ("", "-1", "+5", "1e3", "inf", "nan", "٣", "5 minutes", "soon")),
        ("Thu, 18 Jun 2026 19:15:20 GMT", 120.0),
        ("Thursday, 18-Jun-26 19:15:20 GMT", 120.0),
        ("Thu Jun 18 19:15:20 2026", 120.0),
        ("Thu, 18 Jun 2026 21:15:20 +0200", 120.0),
        ("Thu, 18 Jun 2026 19:11:20 GMT", 0.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Thu, 32 Jun 2026 19:15:20 GMT", None),
        ("Thu, 18 Jun 99999999999999999999 19:15:20 GMT", None),
    ],
)
@pytest.mark.usefixtures("far_from_utc")
def test_seconds_from_now_wherever_this_machine_is(header, seconds):
    assert retry_after_seconds(header, NOW_S) == seconds


DATE_LIKE = st.from_regex(r"[A-Z][a-z]{2},? ?\d{1,3}[ -][A-Z][a-z]{2}[ -]\d{1,6} \d{1,3}:\d{1,3}(:\d+)?.{0,8}")


@given(st.one_of(st.text(), DATE_LIKE, st.integers().map(str), st.floats().map(str)))
def test_no_header_breaks_it(header):
    seconds = retry_after_seconds(header, NOW_S)
    assert seconds is None or seconds >= 0
