import pytest

from joulo_exporter.config import DEFAULT_API_URL, is_loopback
from joulo_exporter.config.values import api_url_fault, proxy_url_fault


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost:9974/api", True),
        ("http://LOCALHOST", True),
        ("http://127.0.0.1", True),
        ("http://127.255.0.9:1", True),
        ("http://[::1]:80/x", True),
        ("http://localhost.example", False),
        ("http://127.0.0.1.example", False),
        ("http://127.1", False),
        ("http://[::2]", False),
        ("http://0.0.0.0", False),
        ("http://localhost@example.org", False),
        ("http://[", False),
        ("localhost", False),
        ("", False),
    ],
)
def test_only_this_machine_is_loopback(url, expected):
    assert is_loopback(url) is expected


@pytest.mark.parametrize(
    "url",
    [
        DEFAULT_API_URL,
        "https://example.org",
        "https://example.org:8443/a/b/",
        "HTTPS://Example.ORG/",
        "https://[2001:db8::1]/x",
        "http://localhost:1",
        "http://[::1]/",
    ],
)
def test_a_url_that_may_carry_a_token(url):
    assert api_url_fault(url) is None


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("http://example.org", "https only"),
        ("http://10.0.0.1", "https only"),
        ("http://localhost@example.org", "has a user"),
        ("http://127.0.0.1:80@example.org/", "has a user"),
        ("https://x@example.org", "has a user"),
        ("https://example.org?", "has a query"),
        ("https://example.org/#", "has a query"),
        ("ftp://example.org", "is not an http"),
        ("//example.org", "is not an http"),
        ("https://", "is not an http"),
        ("https:///x", "is not an http"),
        ("https://example.org:port", "is not an http"),
        ("https://example.org:0", "is not an http"),
        ("https://example.org:65536", "is not an http"),
        ("https://exa mple.org", "is not an http"),
        ("https://example.org/\n", "is not an http"),
        ("http://localhost\\.example.org", "is not an http"),
        ("http://localhost%2eexample.org", "is not an http"),
        ("https://bücher.example", "is not an http"),
        ("https://[::1%25eth0]", "is not an http"),
        ("https://[::1", "is not an http"),
        ("https://[v1.x]", "is not an http"),
        ("", "is not an http"),
    ],
)
def test_a_url_that_may_not(url, part):
    assert part in (api_url_fault(url) or "")


@pytest.mark.parametrize(
    ("url", "usable"),
    [
        ("http://proxy.example:3128", True),
        ("https://user:password@proxy.example/", True),
        ("socks5://proxy.example", False),
        ("http://proxy.example/path", False),
        ("http://proxy.example?x", False),
        ("proxy.example:3128", False),
    ],
)
def test_a_proxy_is_an_http_url_without_a_path(url, usable):
    assert (proxy_url_fault(url) is None) is usable
