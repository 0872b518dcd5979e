"""Errors of requests: every status with its headers and body, the hint in the message, and ``Retry-After``."""

import math
import sys
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fake_clock import START_S
from support.loopback import TOKEN

from joulo_exporter import errors
from joulo_exporter.api.client import SESSIONS
from joulo_exporter.api.failures import retry_after_seconds, safe_hint
from joulo_exporter.config.files import Secret

NOW_S = 1_781_810_000.0  # Thu, 18 Jun 2026 19:13:20 GMT
SECRET = Secret("joulo_9fQx7LmZr2Vb5TkW")
API = "https://api.joulo.nl/functions/v1/api"
HTML = "<!DOCTYPE html><html><body>Bad gateway</body></html>"
SCOPE = '{"error": "Insufficient scope", "required_scope": "sessions:read"}'


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind", "retry_after_s", "words"),
    [
        (201, "{}", {}, errors.ApiStatusError, None, "200 was expected; check api.url"),
        (204, "", {}, errors.ApiStatusError, None, "200 was expected; check api.url"),
        (301, "", {"Location": "https://x.example/"}, errors.ApiStatusError, None, "token would travel"),
        (302, HTML, {"Location": "https://x.example/"}, errors.ApiStatusError, None, "token would travel"),
        (304, "", {}, errors.ApiStatusError, None, "redirect"),
        (400, '{"error": "Bad limit"}', {}, errors.ApiStatusError, None, "it says: Bad limit"),
        (401, '{"error": "Missing or invalid API token"}', {}, errors.ApiAuthenticationError, None, "revoked"),
        *((status, HTML, {}, errors.ApiStatusError, None, "with a web page") for status in (401, 403, 404, 429)),
        (401, "", {}, errors.ApiAuthenticationError, None, "make a new one on joulo.nl"),
        (403, SCOPE, {}, errors.ApiScopeError, None, "the scope sessions:read"),
        (403, "", {}, errors.ApiScopeError, None, "may not read this"),
        (403, HTML, {"Retry-After": "30"}, errors.ApiStatusError, 30.0, "with a web page"),
        (404, '{"error": "Not found"}', {}, errors.ApiNotFoundError, None, "check api.url"),
        (405, "", {}, errors.ApiStatusError, None, "check api.url"),
        (407, "", {}, errors.ApiStatusError, None, "api.proxy_url"),
        (409, '{"error": "Busy"}', {"Retry-After": "5"}, errors.ApiStatusError, 5.0, "it says: Busy"),
        (418, "", {}, errors.ApiStatusError, None, "whether there is a newer exporter"),
        (429, "", {}, errors.ApiThrottledError, None, "too often"),
        (429, '{"error": "Slow down"}', {"Retry-After": "120"}, errors.ApiThrottledError, 120.0, "Slow down"),
        (429, "", {"Retry-After": formatdate(START_S + 90, usegmt=True)}, errors.ApiThrottledError, 90.0, ""),
        (500, "", {}, errors.ApiServerError, None, "out of order"),
        (502, HTML, {}, errors.ApiServerError, None, "gateway"),
        (503, '{"error": "x"}', {"Retry-After": "7"}, errors.ApiServerError, 7.0, "asked again"),
        (599, "", {}, errors.ApiServerError, None, "out of order"),
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
    ("body", "scope"),
    [
        (SCOPE, "sessions:read"),
        ("", None),
        ("[1]", None),
        (b'{"error": "\xff"}', None),
        ("[" * 30_000, None),
        ('{"required_scope": 7}', None),
        ('{"required_scope": "a b"}', None),
        (f'{{"required_scope": "{"x" * 41}"}}', None),
        ('{"required_scope": "sessions:read\\n"}', None),
        (f'{{"required_scope": "{TOKEN}"}}', None),
    ],
)
async def test_403_names_the_missing_scope_if_the_body_does(client_of, answers, failure_of, body, scope):
    answers.get(f"{API}/sessions", status=403, body=body)
    message = str(await failure_of(client_of(), SESSIONS))
    assert scope in message if scope else "the scope" not in message


@pytest.mark.parametrize("status", [201, 302, 401, 403, 404, 409, 418, 429, 500, 503])
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
    assert TOKEN[6:14] not in str(failure)


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ({}, None),
        ({"error": ""}, None),
        ({"error": None}, None),
        ({"error": {"code": 7}}, None),
        ({"error": "Missing or invalid API token"}, "Missing or invalid API token"),
        ({"message": "no Route matched"}, "no Route matched"),
        ({"error": 5, "msg": "kept"}, "kept"),
        ({"error": " two\r\nlines\t\x1b[31m "}, "two lines [31m"),
        ({"error": "é" * 500}, "é" * 80),
        ({"error": "token joulo-9fQx 7LmZ r2Vb is unknown"}, None),
        ({"error": "token ending in 5TkW is unknown"}, "token ending in 5TkW is unknown"),
    ],
)
def test_the_beginning_of_what_the_api_says(said, hint):
    assert safe_hint(said, SECRET) == hint


@pytest.mark.parametrize("token", ["", "a", "--", "_"])
def test_a_token_too_short_to_recognise_costs_the_hint_where_it_stands(token):
    hint = safe_hint({"error": f"bad {token}!"}, Secret(token))
    assert hint is None


@given(
    token=st.text(min_size=4, max_size=60),
    before=st.text(max_size=100),
    after=st.text(max_size=100),
)
def test_no_token_gets_through(token, before, after):
    hint = safe_hint({"error": before + token + after}, Secret(token))
    assert hint is None or token not in hint


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        ("120", 120.0),
        (" 120 ", 120.0),
        ("1.5", 1.5),
        ("31536000000", 31_536_000_000.0),
        ("9" * 400, sys.float_info.max),
        ("-1", None),
        ("+5", None),
        ("1e3", None),
        ("inf", None),
        ("nan", None),
        ("٣", None),
        ("5 minutes", None),
        ("soon", None),
        ("Thu, 18 Jun 2026 19:15:20 GMT", 120.0),
        ("Thursday, 18-Jun-26 19:15:20 GMT", 120.0),
        ("Thu Jun 18 19:15:20 2026", 120.0),
        ("Thu, 18 Jun 2026 21:15:20 +0200", 120.0),
        ("Thu, 18 Jun 2026 19:13:20 GMT", 0.0),
        ("Thu, 18 Jun 2026 19:11:20 GMT", 0.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Thu, 32 Jun 2026 19:15:20 GMT", None),
        ("Thu, 18 Jun 99999 19:15:20 GMT", None),
        ("Thu, 18 Jun 99999999999999999999 19:15:20 GMT", None),
    ],
)
def test_seconds_from_now(header, seconds):
    assert retry_after_seconds(header, NOW_S) == seconds


@pytest.mark.usefixtures("far_from_utc")
def test_a_date_without_zone_is_utc_wherever_this_machine_is():
    assert retry_after_seconds("Thu Jun 18 19:15:20 2026", NOW_S) == 120


DATE_LIKE = st.from_regex(r"[A-Z][a-z]{2},? ?\d{1,3}[ -][A-Z][a-z]{2}[ -]\d{1,6} \d{1,3}:\d{1,3}(:\d+)?.{0,8}")


@given(st.one_of(st.text(), DATE_LIKE, st.integers().map(str), st.floats().map(str)))
def test_no_header_breaks_it(header):
    seconds = retry_after_seconds(header, NOW_S)
    assert seconds is None or (seconds >= 0 and math.isfinite(seconds))
