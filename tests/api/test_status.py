"""Every status with its headers and body, and what becomes of it; no socket needed."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from fake_clock import START_S
from loopback import TOKEN

from joulo_exporter import errors
from joulo_exporter.api import SESSIONS

API = "https://api.joulo.nl/functions/v1/api"
HTML = "<!DOCTYPE html><html><body>Bad gateway</body></html>"
SCOPE = '{"error": "Insufficient scope", "required_scope": "sessions:read"}'


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind", "retry_after_s", "words"),
    [
        (201, "{}", {}, errors.ApiStatusError, None, "200 with a body was expected"),
        (204, "", {}, errors.ApiStatusError, None, "200 with a body was expected"),
        (301, "", {"Location": "https://x.example/"}, errors.ApiStatusError, None, "token would travel"),
        (302, HTML, {"Location": "https://x.example/"}, errors.ApiStatusError, None, "token would travel"),
        (304, "", {}, errors.ApiStatusError, None, "redirect"),
        (400, '{"error": "Bad limit"}', {}, errors.ApiStatusError, None, "it says: Bad limit"),
        (
            401,
            '{"error": "Missing or invalid API token"}',
            {},
            errors.ApiAuthenticationError,
            None,
            "revoked",
        ),
        (401, HTML, {}, errors.ApiAuthenticationError, None, "make a new one on joulo.nl"),
        (403, SCOPE, {}, errors.ApiScopeError, None, "the scope sessions:read"),
        (403, "", {}, errors.ApiScopeError, None, "may not read this"),
        (403, HTML, {"Retry-After": "30"}, errors.ApiScopeError, 30.0, "may not read this"),
        (404, '{"error": "Not found"}', {}, errors.ApiNotFoundError, None, "check api.url"),
        (405, "", {}, errors.ApiStatusError, None, "check api.url"),
        (407, "", {}, errors.ApiStatusError, None, "api.proxy_url"),
        (409, '{"error": "Busy"}', {"Retry-After": "5"}, errors.ApiStatusError, 5.0, "asked again"),
        (418, "", {}, errors.ApiStatusError, None, "refuses the request"),
        (429, "", {}, errors.ApiThrottledError, None, "too often"),
        (429, '{"error": "Slow down"}', {"Retry-After": "120"}, errors.ApiThrottledError, 120.0, "Slow down"),
        (429, "", {"Retry-After": formatdate(START_S + 90, usegmt=True)}, errors.ApiThrottledError, 90.0, ""),
        (429, "", {"Retry-After": formatdate(START_S - 90, usegmt=True)}, errors.ApiThrottledError, 0.0, ""),
        (429, HTML, {"Retry-After": "soon"}, errors.ApiThrottledError, None, "too often"),
        (429, HTML, {"Retry-After": "-5"}, errors.ApiThrottledError, None, "too often"),
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
    assert str(failure).startswith(f"/chargers: {status}, ")


@pytest.mark.parametrize(
    ("body", "scope"),
    [
        (SCOPE, "sessions:read"),
        ("", None),
        (HTML, None),
        ("[1]", None),
        (b'{"error": "\xff"}', None),
        ("[" * 30_000, None),
        ('{"required_scope": 7}', None),
        ('{"required_scope": "a b"}', None),
        (f'{{"required_scope": "{TOKEN}"}}', None),
    ],
)
async def test_403_names_the_missing_scope_if_the_body_does(client_of, answers, failure_of, body, scope):
    answers.get(f"{API}/sessions", status=403, body=body)
    assert (await failure_of(client_of(), SESSIONS)).required_scope == scope


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
