"""Durations as Prometheus writes them, URLs that may carry a token or a password, and powers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulo_exporter.config.values import (
    DEFAULT_API_URL,
    api_url,
    duration,
    power_kw,
    proxy_url,
)

NO_DURATION = (
    "is not a duration; write one such as 90s, 10m, 1h30m or 7d: "
    "whole numbers with units y w d h m s ms, in that order"
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90.0),
        ("7d", 604_800.0),
        ("90d", 7_776_000.0),
        ("1y", 31_536_000.0),
        ("365d1s", 31_536_001.0),
        ("500ms", 0.5),
        ("1y2w3d4h5m6s7ms", 31_536_000 + 1_209_600 + 259_200 + 14_400 + 300 + 6.007),
        ("3d90m", 264_600.0),
        ("007s", 7.0),
        ("292y", 292 * 31_536_000.0),
    ],
)
def test_a_duration_is_read_as_prometheus_does_it(text, seconds):
    assert duration(text) == pytest.approx(seconds, abs=1e-9)


@pytest.mark.parametrize("text", ["", " ", "s", "1.5h", "-1s", "30m1h", "1m1m", "1 h", "10M", "1µs", "\u0661s",
    "1h\n", "1", "60", "00", "9" * 5000, "293y", "292y365d", "9" * 40 + "ms", "9" * 5000 + "s"])  # fmt: skip
def test_anything_else_is_no_duration(text):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 -- the message is compared in full
        duration(text)
    assert str(caught.value) == NO_DURATION


@given(st.text(alphabet="0123456789ywdhms ", max_size=20))
def test_any_text_is_a_duration_or_has_a_fault(text):
    try:
        assert duration(text) > 0
    except ValueError as error:
        assert str(error).startswith(("must be longer than 0; ", NO_DURATION))  # noqa: PT017 - either is right


API_URLS = {
    None: [
        *(DEFAULT_API_URL, "https://example.org", "https://example.org:8443/a/b/", "HTTPS://Example.ORG/"),
        *("https://[2001:db8::1]/x", "http://localhost:9974/api", "http://LOCALHOST", "http://127.255.0.9:1"),
        *("http://[::1]:80/x", f"https://{'a' * 63}.nl."),
    ],
    "is plain http, and a token travels over https only": [
        *("http://example.org", "http://10.0.0.1", "http://localhost.example", "http://127.0.0.1.example"),
        *("http://[::2]", "http://0.0.0.0"),
    ],
    "has a user or a password in it": ["http://127.0.0.1:80@example.org/", "http://localhost@example.org"],
    "is not the URL of an API": [
        *("https://example.org?", "https://example.org/#"),
        *("ftp://example.org", "//example.org", "https://", "https:///x", "https://example.org:port", ""),
        *("https://example.org:0", "https://example.org:65536", "https://exa mple.org", "https://example.org/\n"),
        *("http://localhost\\.example.org", "http://localhost%2eexample.org", "https://bücher.example"),
        *("https://[::1%25eth0]", "https://[::1", "https://[v1.x]", "http://127.1", "https://1.2.3.4.5"),
        *("https://api..joulo.nl", f"https://{'a' * 64}.nl", f"https://{'a.' * 127}nl"),
    ],
}


@pytest.mark.parametrize(("expected", "url"), [(fault, url) for fault, urls in API_URLS.items() for url in urls])
def test_a_url_may_carry_a_token_or_has_a_fault(expected, url):
    if expected is None:
        assert api_url(url) == url.rstrip("/")
    else:
        with pytest.raises(ValueError, match=f"^{expected}"):
            api_url(url)


@pytest.mark.parametrize(("text", "kw"), [("22", 22), ("7.4", 7.4), ("50kW", 50), ("150 kW", 150)])
def test_a_power_is_a_number_of_kilowatts_with_or_without_the_unit(text, kw):
    assert power_kw(text) == kw


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://user:p%C3%A9%40%2F:@proxy.example:3128", None),
        ("http://user:p%E2%82%AC@proxy.example", "has a colon in its user, or a character outside Latin-1 in"),
        ("http://us%3Aer:secret@proxy.example", "has a colon in its user, or a"),
        ("http://proxy..example:3128", "is not the URL of a proxy"),
    ],
)
def test_a_proxy_has_a_user_and_a_password_that_can_be_sent_or_a_fault(url, fault):
    if fault is None:
        assert proxy_url(url).reveal() == url
    else:
        with pytest.raises(ValueError, match=f"^{fault}"):
            proxy_url(url)
